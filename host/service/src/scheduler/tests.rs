#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking, and one run panics on purpose")]

mod said;
mod world;

use consign_model::policy::PolicySpec;

use self::said::Said;
use self::world::{DAY, Failure, HOUR, MINUTE, World, at, name};
use super::*;

#[test]
fn a_thousand_due_times_make_a_thousand_runs() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("each-minute", "* * * * *", 20_000);
    assert_eq!(world.serve(1_000 * MINUTE + 30_000), Stopped { unfinished: vec![] });
    let expected: Vec<Timestamp> = (1..=1_000).map(|minute| Timestamp(at("2026-01-05T08:00:00Z").0 + minute * MINUTE)).collect();
    assert_eq!(world.finished("each-minute"), expected);
    let records = world.records();
    assert!(records.attempts.iter().all(|run| run.due == Some(run.from)), "each begins when it is due");
    // A look each half minute, and no more: no polling.
    assert!(records.looks <= 2_005, "{} looks", records.looks);
    drop(records);
    assert!(world.clock.sleeps() < 12_000, "{} sleeps", world.clock.sleeps());
}

#[test]
fn an_idle_scheduler_hardly_wakes() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("yearly", "0 0 1 1 *", MINUTE);
    world.serve(DAY);
    assert!(world.records().looks <= 2_882, "{} looks", world.records().looks);
}

#[test]
fn what_was_missed_runs_once_at_start() {
    let world = World::new("2026-01-05T12:00:00Z");
    world.add("daily", "30 18 * * *", MINUTE);
    world.add("never-missed", "0 12 6 1 *", MINUTE);
    world.serve(DAY);
    assert_eq!(world.finished("daily"), [at("2026-01-05T18:30:00Z")]);
    world.clock.set_by(10 * DAY + 8 * HOUR);
    // It is 16 January, 20:00.
    world.serve(HOUR);
    assert_eq!(world.finished("daily"), [at("2026-01-05T18:30:00Z"), at("2026-01-16T18:30:00Z")]);
    assert_eq!(world.records().attempts.last().unwrap().from, at("2026-01-16T20:00:00Z"));
    world.serve(DAY);
    assert_eq!(world.finished("daily").len(), 3);
    assert_eq!(world.finished("never-missed"), [at("2026-01-06T12:00:00Z")]);
}

#[test]
fn due_times_before_the_policy_are_not_missed() {
    let world = World::new("2026-01-05T18:31:00Z");
    world.add("daily", "30 18 * * *", MINUTE);
    world.records().policies.get_mut(&name("daily")).unwrap().since = at("2026-01-05T18:30:00Z");
    world.serve(HOUR);
    assert!(world.finished("daily").is_empty());
}

#[test]
fn what_waits_is_tried_again_between_due_times() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("daily", "0 9 * * *", 30 * MINUTE);
    let retry = |time: &str| world.records().policies.get_mut(&name("daily")).unwrap().retry = Some(at(time));
    retry("2026-01-05T08:10:00Z");
    world.serve(20 * MINUTE);
    assert_eq!(world.records().retried.len(), 1);
    // Due while the run is under way: after it, and not beside it. One at the same time as the run is left to the run.
    retry("2026-01-05T09:10:00Z");
    world.serve(80 * MINUTE);
    let retried: Vec<Timestamp> = world.records().retried.iter().map(|(_, at)| *at).collect();
    let [first, second] = retried.as_slice() else { panic!("{retried:?}") };
    // With the first look after the run's end.
    assert!(*first == at("2026-01-05T08:10:00Z") && (at("2026-01-05T09:30:00Z")..=at("2026-01-05T09:30:30Z")).contains(second), "{retried:?}");
    assert_eq!(world.story("daily"), ["09:00 09:00 09:30"]);
}

#[test]
fn a_slow_run_delays_the_next() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("slow", "*/10 * * * *", 14 * MINUTE);
    world.serve(70 * MINUTE);
    // 08:40 and 08:50 had both come when the run due at 08:30 ended: the newer stands for both.
    assert_eq!(world.story("slow"), ["08:10 08:10 08:24", "08:24 08:20 08:38", "08:38 08:30 08:52", "08:52 08:50 09:06", "09:06 09:00 -"]);
}

#[test]
fn two_policies_run_side_by_side() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("long", "0 9 * * *", 5 * HOUR);
    world.add("short", "*/30 9-10 * * *", 10 * MINUTE);
    world.serve(7 * HOUR);
    assert_eq!(world.story("long"), ["09:00 09:00 14:00"]);
    assert_eq!(world.story("short"), ["09:00 09:00 09:10", "09:30 09:30 09:40", "10:00 10:00 10:10", "10:30 10:30 10:40"]);
    assert_eq!(world.records().most_at_once, 2);
}

#[test]
fn no_more_at_once_than_allowed_and_the_first_due_first() {
    let world = World::new("2026-01-05T08:00:00Z");
    for (policy, schedule) in [("a", "0 9 * * *"), ("b", "0 9 * * *"), ("c", "2 9 * * *"), ("d", "1 9 * * *"), ("e", "0 9 * * *")] {
        world.add(policy, schedule, 10 * MINUTE);
    }
    world.serve_with(Settings { at_once: 2, ..Settings::default() }, 3 * HOUR, async |_| {});
    assert_eq!(world.records().most_at_once, 2);
    let order: Vec<String> = world.records().attempts.iter().map(|run| run.policy.to_string()).collect();
    assert_eq!(order, ["a", "b", "e", "d", "c"]);
    assert_eq!(world.records().finished.len(), 5);
}

#[test]
fn a_run_may_end_within_the_grace() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("policy", "0 9 * * *", MINUTE);
    let stopped = world.serve(HOUR + 30_000);
    assert_eq!(stopped, Stopped { unfinished: vec![] });
    assert_eq!(world.story("policy"), ["09:00 09:00 09:01"]);
}

#[test]
fn a_run_that_takes_longer_is_cut_off_and_resumed() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("policy", "*/30 * * * *", 20 * MINUTE);
    world.add("other", "0 12 * * *", MINUTE);
    let stopped = world.serve(32 * MINUTE);
    assert_eq!(stopped, Stopped { unfinished: vec![name("policy")] });
    assert_eq!(world.clock.now(), at("2026-01-05T08:33:00Z"), "the grace is bounded");
    assert!(world.records().under_way.is_empty() && world.finished("policy").is_empty());
    world.clock.set_by(88 * MINUTE);
    // 10:01: the interrupted run of 08:30 first, then one for the newest missed time. The other policy does not wait for it.
    world.serve(130 * MINUTE);
    assert_eq!(world.story("policy")[..3], ["08:30 08:30 -", "10:01 resume 10:21", "10:21 10:00 10:41"]);
    assert_eq!(world.finished("policy")[..3], [at("2026-01-05T08:30:00Z"), at("2026-01-05T10:00:00Z"), at("2026-01-05T10:30:00Z")]);
    assert_eq!(world.story("other"), ["12:00 12:00 12:01"]);
}

#[test]
fn runs_that_heed_the_stop_end_at_once() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("policy", "0 9 * * *", 5 * HOUR);
    world.records().heeds = true;
    assert_eq!(world.serve(2 * HOUR), Stopped { unfinished: vec![name("policy")] });
    assert_eq!(world.clock.now(), at("2026-01-05T10:00:00Z"));
    assert_eq!(world.serve(6 * HOUR), Stopped { unfinished: vec![] });
    assert_eq!(world.finished("policy"), [at("2026-01-05T09:00:00Z")]);
}

#[test]
fn a_failure_is_said_once_tried_again_and_disturbs_nobody() {
    let said = Said::default();
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("failing", "0 9 * * *", 2 * MINUTE);
    world.add("sound", "*/10 9 * * *", MINUTE);
    world.fail("failing", &[Failure::Early, Failure::Early, Failure::Early, Failure::Midway]);
    tracing::subscriber::with_default(said.clone(), || world.serve(3 * HOUR));
    // After 1, 2, 4 and 8 minutes.
    assert_eq!(world.story("failing"), ["09:00 09:00 -", "09:01 09:00 -", "09:03 09:00 -", "09:07 09:00 -", "09:16 09:00 09:18"]);
    assert_eq!(world.finished("failing"), [at("2026-01-05T09:00:00Z")]);
    assert_eq!(world.finished("sound").len(), 6);
    assert_eq!(said.with("failing").len(), 2, "{:?}", said.with(""));
    assert_eq!(said.with("the store is away").len(), 1);
    assert_eq!(said.with("the disk is full").len(), 1);
}

#[test]
fn a_panic_is_a_failure_and_its_text_is_not_repeated() {
    let said = Said::default();
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("broken", "0 9 * * *", MINUTE);
    world.add("sound", "0 9 * * *", MINUTE);
    world.fail("broken", &[Failure::Panic, Failure::Panic]);
    tracing::subscriber::with_default(said.clone(), || world.serve(2 * HOUR));
    assert_eq!(world.story("broken"), ["09:00 09:00 -", "09:01 09:00 -", "09:03 09:00 09:04"]);
    assert_eq!(world.finished("sound").len(), 1);
    assert_eq!(said.with("a fault in the program").len(), 1);
    assert!(said.with("hunter2").is_empty());
}

#[test]
fn a_run_that_was_stopped_is_asked_for_again() {
    let said = Said::default();
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("policy", "0 9 * * *", MINUTE);
    world.fail("policy", &[Failure::Stopped; 5]);
    tracing::subscriber::with_default(said.clone(), || world.serve(2 * HOUR));
    assert_eq!(world.story("policy"), ["09:02 09:00 09:03"]);
    assert!(said.with("").is_empty());
}

#[test]
fn a_policy_switched_off_begins_nothing_more() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("off", "*/10 * * * *", MINUTE);
    world.add("failing", "0 8 * * *", MINUTE);
    world.serve_with(Settings::default(), 2 * HOUR, async |world| {
        world.pass(25 * MINUTE).await;
        world.records().policies.remove(&name("off"));
        world.changed.notify_one();
    });
    assert_eq!(world.finished("off").len(), 2);
}

#[test]
fn a_change_is_seen_at_once_with_a_notice_and_soon_without() {
    for (notice, seen) in [(true, "2026-01-05T08:10:05Z"), (false, "2026-01-05T08:10:30Z")] {
        let world = World::new("2026-01-05T08:00:00Z");
        world.serve_with(Settings::default(), HOUR, async |world| {
            world.pass(10 * MINUTE + 4_500).await;
            world.add("new", "*/5 * * * * *", 100);
            if notice {
                world.changed.notify_one();
            }
        });
        assert_eq!(world.records().attempts[0].from, at(seen), "notice: {notice}");
    }
}

#[test]
fn a_clock_set_back_repeats_nothing_and_one_set_forward_runs_once() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("policy", "*/10 * * * *", 1_000);
    world.serve_with(Settings::default(), 3 * HOUR + MINUTE, async |world| {
        world.pass(65 * MINUTE).await;
        world.clock.set_by(-30 * MINUTE);
        world.pass(HOUR).await;
        // 09:35 becomes 12:35.
        world.clock.set_by(3 * HOUR);
    });
    let due = world.finished("policy");
    assert!(due.is_sorted_by(|one, other| one < other), "{due:?}");
    let expected: Vec<Timestamp> = (1..=9).chain(27..=33).map(|ten| Timestamp(at("2026-01-05T08:00:00Z").0 + ten * 10 * MINUTE)).collect();
    assert_eq!(due, expected);
    let noticed = world.records().attempts.iter().find(|run| run.due == Some(at("2026-01-05T12:30:00Z"))).unwrap().from;
    assert!(noticed <= at("2026-01-05T12:35:30Z"), "{noticed}");
}

#[test]
fn a_clock_far_behind_is_remarked_once() {
    let said = Said::default();
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("policy", "*/10 * * * *", 1_000);
    world.records().last_due.insert(name("policy"), at("2030-01-05T08:00:00Z"));
    tracing::subscriber::with_default(said.clone(), || world.serve(HOUR));
    assert!(world.finished("policy").is_empty());
    assert_eq!(said.with("Is this machine's clock right?").len(), 1);
}

#[test]
fn a_store_that_is_away_stops_nothing_that_is_known() {
    let said = Said::default();
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("policy", "*/10 * * * *", 1_000);
    world.records().blind = 20;
    tracing::subscriber::with_default(said.clone(), || {
        world.serve_with(Settings::default(), HOUR, async |world| {
            world.pass(20 * MINUTE + 1).await;
            world.records().blind = 60;
        })
    });
    // Blind for the first ten minutes, so the policy was first seen at 08:10, and for half an hour from 08:20 on.
    assert_eq!(world.finished("policy").len(), 5);
    assert_eq!(said.with("policies can't be read").len(), 2);
}

#[test]
fn a_refused_schedule_is_said_once_and_stops_no_other() {
    let said = Said::default();
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("good", "*/10 * * * *", 1_000);
    world.add("bad", "0 0 30 2 *", 1_000);
    tracing::subscriber::with_default(said.clone(), || world.serve(HOUR));
    assert_eq!(world.finished("good").len(), 5);
    assert_eq!(said.with("never fires").len(), 1, "{:?}", said.with(""));
}

#[test]
fn once_runs_once_also_when_missed() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("once", "* * * * *", 1_000);
    world.records().policies.get_mut(&name("once")).unwrap().schedule =
        ScheduleSpec::Once { once: "2026-01-05T10:00".to_owned(), time_zone: "Europe/Berlin".to_owned() };
    world.clock.set_by(2 * HOUR);
    world.serve(HOUR);
    world.serve(HOUR);
    assert_eq!(world.finished("once"), [at("2026-01-05T09:00:00Z")]);
}

/// Some weeks of random policies, failures, restarts and clocks; the rules must hold whatever happens.
#[test]
fn whatever_happens() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::try_from(Timestamp::now().0).unwrap());
    println!("CONSIGN_SEED={seed}");
    let mut state: u64 = seed | 1;
    let mut random = move |limit: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i64::try_from((state >> 20) % u64::try_from(limit).unwrap()).unwrap()
    };
    let schedules = ["*/7 * * * *", "0 * * * *", "*/30 */2 * * *", "15 3 * * *", "0 0 * * Mon", "*/50 * * * * *"];
    for _ in 0..40 {
        let world = World::new("2026-03-20T08:00:00Z");
        for number in 0..=random(5) {
            let schedule = schedules[usize::try_from(random(6)).unwrap()];
            world.add(&format!("policy-{number}"), schedule, random(20 * MINUTE) * random(2) + random(5_000));
        }
        for _ in 0..=random(4) {
            let (first, second) = (random(2 * HOUR), random(6 * HOUR));
            let (jump, failing) = (random(4 * HOUR) - HOUR, random(5));
            let failures: Vec<Failure> = (0..random(4))
                .map(|_| [Failure::Early, Failure::Midway, Failure::Stopped, Failure::Paused][usize::try_from(random(4)).unwrap()])
                .collect();
            world.serve_with(Settings::default(), first + second, async |world| {
                world.pass(first).await;
                world.clock.set_by(jump);
                if let Some(policy) = world.records().policies.get_mut(&name(&format!("policy-{failing}"))) {
                    policy.failures = failures;
                }
            });
            world.clock.set_by(random(3 * DAY));
        }
        // A calm end: each policy has had a run for its newest due time.
        world.records().policies.values_mut().for_each(|policy| policy.failures.clear());
        world.serve(12 * HOUR);
        let records = world.records();
        for (name, policy) in &records.policies {
            let due: Vec<Timestamp> = records.finished.iter().filter(|(of, _)| of == name).map(|(_, due)| *due).collect();
            assert!(due.is_sorted_by(|one, other| one < other), "{name}: {due:?}");
            let schedule = crate::schedule::Schedule::parse(&policy.schedule).unwrap();
            // Before the grace began, and long enough before that a run had the time.
            let settled = Timestamp(world.clock.now().0 - HOUR - 2 * policy.length);
            if let Some(newest) = schedule.latest_at_or_before(settled, policy.since) {
                assert!(due.last().is_some_and(|last| *last >= newest), "{name}: {newest} had no run, the last was {:?}", due.last());
            }
            for due in &due {
                assert_eq!(schedule.next_after(Timestamp(due.0 - 1)), Some(*due), "{name}: {due} is no due time");
            }
        }
    }
}

#[test]
fn a_paused_policy_keeps_its_due_time() {
    let world = World::new("2026-01-05T08:00:00Z");
    world.add("daily", "0 9 * * *", MINUTE);
    world.fail("daily", &[Failure::Paused; 4]);
    let said = Said::default();
    tracing::subscriber::with_default(said.clone(), || world.serve(2 * HOUR));
    assert_eq!(world.story("daily"), ["09:02 09:00 09:03"], "asked each half minute, it runs for the time that was due");
    assert!(said.with("").is_empty(), "its runner says why");
}

#[test]
fn since_when_a_schedule_stands() {
    let version = |number: u32, cron: Option<&str>, enabled: bool| PolicyVersion {
        version: number,
        spec: PolicySpec { schedule: cron.map(world::cron), enabled, ..policy() },
        criteria: Vec::new(),
        grouping: None,
        applied_at: Timestamp(i64::from(number)),
        starts_after: 0,
        created_at: Timestamp(1),
    };
    let since = |versions: &[PolicyVersion]| scheduled_since(versions);
    let daily = Some("0 9 * * *");
    assert_eq!(since(&[]), None);
    assert_eq!(since(&[version(3, None, true), version(2, daily, true)]), None);
    assert_eq!(since(&[version(3, daily, false), version(2, daily, true)]), None);
    assert_eq!(since(&[version(3, daily, true), version(2, daily, true), version(1, daily, true)]), Some(Timestamp(1)));
    assert_eq!(since(&[version(3, daily, true), version(2, Some("0 10 * * *"), true), version(1, daily, true)]), Some(Timestamp(3)));
    assert_eq!(since(&[version(3, daily, true), version(2, daily, true), version(1, daily, false)]), Some(Timestamp(2)));
}

fn policy() -> PolicySpec {
    PolicySpec {
        name: name("policy"),
        target: name("target"),
        enabled: true,
        schedule: None,
        since: consign_model::policy::Since::All,
        match_: consign_model::policy::Match::All,
        decrypt: true,
        attachments: consign_model::policy::AttachmentsSpec::All(true),
        based_on: None,
        grouping: None,
        criteria: Vec::new(),
        requires: Vec::new(),
        quarantine_after: 3,
        on_quarantine: consign_model::policy::OnQuarantine::Pause,
    }
}
