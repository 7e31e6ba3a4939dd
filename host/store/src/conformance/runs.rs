//! Runs: one at a time, one for each due time, counted.

use std::sync::Arc;

use consign_model::run::{DayFigures, Trigger};
use consign_model::{Digest, Run, RunId, RunState, Timestamp};

use super::samples::{arrival, author, chat_key, name, new_run, summary};
use crate::{Begun, Progress, Store};

fn new(begun: Begun) -> Run {
    match begun {
        Begun::New(run) => run,
        other => panic!("not a new run: {other:?}"),
    }
}

async fn finish(store: &dyn Store, run: &Run) {
    let (at, digest) = (Timestamp(200), Digest::of(run.id.as_str().as_bytes()));
    store.finish_run(&name("t"), &run.id, at, &summary(&run.id, &run.policy), &digest, &author()).await.unwrap();
}

pub(super) async fn one_run_at_a_time(store: Arc<dyn Store>) {
    let tenant = name("t");
    assert_eq!(store.progress(&tenant, &name("p")).await.unwrap(), Progress::default());
    store.commit(&tenant, &[arrival(&chat_key("s", "C1"), 0, 1)]).await.unwrap();
    let run = new(store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap());
    assert_eq!(run.id, RunId::new(&name("p"), 1));
    assert_eq!((run.policy_version, run.target_version, run.started_at, run.trigger), (1, 2, Timestamp(100), Trigger::Hand));
    assert_eq!((run.until, &run.state), (1, &RunState::Running), "every arrival so far belongs to it");
    store.commit(&tenant, &[arrival(&chat_key("s", "C1"), 1, 1)]).await.unwrap();
    for trigger in [Trigger::Hand, Trigger::Schedule(Timestamp(5))] {
        assert_eq!(store.begin_run(&tenant, &new_run("p", trigger), &author()).await.unwrap(), Begun::Unfinished(run.clone()));
    }
    let other = new(store.begin_run(&tenant, &new_run("p2", Trigger::Hand), &author()).await.unwrap());
    assert_eq!((other.id.as_str(), other.until), ("p2-000001", 2), "another policy's run is its own");
    new(store.begin_run(&name("t2"), &new_run("p", Trigger::Hand), &author()).await.unwrap());
    let progress = store.progress(&tenant, &name("p")).await.unwrap();
    assert_eq!(
        progress,
        Progress { runs: 1, cursor: 0, manifest: None, last_due: None },
        "an open run moves no cursor and no due time that it refused"
    );
    finish(&*store, &run).await;
    let progress = store.progress(&tenant, &name("p")).await.unwrap();
    assert_eq!(progress, Progress { runs: 1, cursor: 1, manifest: Some(Digest::of(b"p-000001")), last_due: None });
    let second = new(store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap());
    assert_eq!((second.id.as_str(), second.until), ("p-000002", 2));
}

pub(super) async fn due_times_have_one_run(store: Arc<dyn Store>) {
    let tenant = name("t");
    let due = |at| new_run("p", Trigger::Schedule(Timestamp(at)));
    let first = new(store.begin_run(&tenant, &due(1_000), &author()).await.unwrap());
    assert_eq!(store.progress(&tenant, &name("p")).await.unwrap().last_due, Some(Timestamp(1_000)));
    assert_eq!(
        store.begin_run(&tenant, &due(1_000), &author()).await.unwrap(),
        Begun::Unfinished(first.clone()),
        "an interrupted run comes back, to be ended"
    );
    finish(&*store, &first).await;
    assert_eq!(store.begin_run(&tenant, &due(1_000), &author()).await.unwrap(), Begun::AlreadyRun);
    assert_eq!(store.begin_run(&tenant, &due(999), &author()).await.unwrap(), Begun::AlreadyRun, "a later one has had its run");
    let by_hand = new(store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap());
    finish(&*store, &by_hand).await;
    assert_eq!(store.begin_run(&tenant, &due(1_000), &author()).await.unwrap(), Begun::AlreadyRun, "a run by hand changes no due time");
    let next = new(store.begin_run(&tenant, &due(1_001), &author()).await.unwrap());
    assert_eq!(next.id.as_str(), "p-000003");
}

pub(super) async fn ending_twice_changes_nothing(store: Arc<dyn Store>) {
    let tenant = name("t");
    let run = new(store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap());
    finish(&*store, &run).await;
    let next = new(store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap());
    let mut other = summary(&run.id, &run.policy);
    other.millis = 99;
    store.finish_run(&tenant, &run.id, Timestamp(999), &other, &Digest::of(b"other"), &author()).await.unwrap();
    let ended = store.run(&tenant, &run.id).await.unwrap().unwrap();
    assert_eq!(ended.state, RunState::Finished { at: Timestamp(200), summary: summary(&run.id, &run.policy) });
    assert_eq!(store.progress(&tenant, &name("p")).await.unwrap().manifest, Some(Digest::of(b"p-000001")));
    assert_eq!(
        store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap(),
        Begun::Unfinished(next),
        "the run after it is not ended"
    );
    let unknown = store.finish_run(&tenant, &RunId::from_text("p-000009"), Timestamp(1), &other, &Digest::of(b"x"), &author()).await;
    assert!(unknown.is_err(), "nobody began it");
}

pub(super) async fn lists_and_ids(store: Arc<dyn Store>) {
    let tenant = name("t");
    for policy in ["p", "q", "p", "p-000001", "p", "q"] {
        let run = new(store.begin_run(&tenant, &new_run(policy, Trigger::Hand), &author()).await.unwrap());
        finish(&*store, &run).await;
    }
    let ids = |runs: Vec<Run>| runs.iter().map(|run| run.id.to_string()).collect::<Vec<_>>();
    let all = ["q-000002", "p-000003", "p-000001-000001", "p-000002", "q-000001", "p-000001"];
    assert_eq!(ids(store.runs(&tenant, None, 100).await.unwrap()), all, "newest first");
    assert_eq!(ids(store.runs(&tenant, None, 2).await.unwrap()), all[..2]);
    assert_eq!(ids(store.runs(&tenant, Some(&name("p")), 2).await.unwrap()), ["p-000003", "p-000002"]);
    assert_eq!(ids(store.runs(&tenant, Some(&name("p")), 9).await.unwrap()), ["p-000003", "p-000002", "p-000001"]);
    assert!(store.runs(&tenant, Some(&name("x")), 9).await.unwrap().is_empty());
    // Page by page they are the same, of all and of one policy.
    for policy in [None, Some(name("p"))] {
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let page = store.runs_before(&tenant, policy.as_ref(), before, 2).await.unwrap();
            let Some((place, _)) = page.last() else { break };
            before = Some(*place);
            paged.extend(page.into_iter().map(|(_, run)| run));
        }
        assert_eq!(paged, store.runs(&tenant, policy.as_ref(), 100).await.unwrap());
    }
    for text in ["p-000001", "p-000001-000001"] {
        assert_eq!(store.run(&tenant, &RunId::from_text(text)).await.unwrap().unwrap().id.as_str(), text);
    }
    for text in ["", "p", "p-", "-1", "p-1", "p-+00001", "p-0000001", "p-000004", "P-000001", "p-000001\0", "🎉-000001"] {
        assert_eq!(store.run(&tenant, &RunId::from_text(text)).await.unwrap(), None, "{text:?}");
    }
}

pub(super) async fn days(store: Arc<dyn Store>) {
    const DAY: i64 = 86_400_000;
    let tenant = name("t");
    let mut runs = Vec::new();
    for at in [5, DAY - 1, 3 * DAY, 3 * DAY + 7, 9 * DAY] {
        let run = new(store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap());
        let mut figures = summary(&run.id, &run.policy);
        figures.emails.accepted = u64::try_from(at).unwrap();
        figures.supplements.emails.accepted = 1;
        // Ending once more counts nothing twice.
        for _ in 0..2 {
            store.finish_run(&tenant, &run.id, Timestamp(at), &figures, &Digest::of(b"m"), &author()).await.unwrap();
        }
        runs.push(figures);
    }
    new(store.begin_run(&tenant, &new_run("p", Trigger::Hand), &author()).await.unwrap());
    let figures = |of: &[usize]| {
        let mut sum = DayFigures::default();
        for place in of {
            sum.add(&runs[*place]);
        }
        sum
    };
    let [first, fourth, tenth] =
        [(0, figures(&[0, 1])), (3, figures(&[2, 3])), (9, figures(&[4]))].map(|(day, figures)| (Timestamp(day * DAY), figures));
    assert_eq!((first.1.runs, first.1.events.examined, first.1.emails.accepted), (2, 6, 5 + 86_399_999 + 2));
    assert_eq!(store.days(&tenant, Timestamp(0), Timestamp::MAX).await.unwrap(), [first.clone(), fourth.clone(), tenth.clone()]);
    assert_eq!(store.days(&tenant, Timestamp(3 * DAY), Timestamp(9 * DAY)).await.unwrap(), std::slice::from_ref(&fourth));
    assert_eq!(store.days(&tenant, Timestamp(1), Timestamp(3 * DAY)).await.unwrap(), [], "days are whole");
    for bytes in [5, 9, 7] {
        store.note_stored(&tenant, Timestamp(4 * DAY + 1), bytes).await.unwrap();
    }
    let seen = (Timestamp(4 * DAY), DayFigures { stored: 9, ..DayFigures::default() });
    assert_eq!(store.days(&tenant, Timestamp(0), Timestamp::MAX).await.unwrap(), [first, fourth, seen, tenth]);
    assert_eq!(store.days(&name("t2"), Timestamp(0), Timestamp::MAX).await.unwrap(), []);
}
