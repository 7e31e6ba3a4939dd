#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use consign_mail::inbox::{Inbox, InboxOptions};
use consign_model::target::TargetSpec;
use consign_model::{ChatKey, Digest, Name, RecipientOutcome, Reply, RunId, WindowState};
use consign_store::Embedded;
use serde_json::json;

use super::*;

/// A store, a mailbox, and the way to it.
struct House {
    folder: tempfile::TempDir,
    store: Embedded,
    outbox: Outbox,
    tenant: TenantId,
    window: Window,
}

impl House {
    async fn new() -> Self {
        Self::with(InboxOptions::default()).await
    }

    async fn with(options: InboxOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::bind("127.0.0.1:0".parse().unwrap(), &folder.path().join("mail"), options).await.unwrap();
        let spec: TargetSpec = serde_json::from_value(json!({
            "name": "archive", "host": "127.0.0.1", "port": inbox.local_addr().port(), "tls": "none", "allow-plaintext": true,
            "connections": 1, "from": "j@corp.example", "to": ["a@archive.example", "b@archive.example"],
        }))
        .unwrap();
        tokio::spawn(async move { inbox.serve(std::future::pending()).await });
        let store = Embedded::open(&folder.path().join("store")).unwrap();
        let outbox = Outbox::new(Target::from_spec(&spec).unwrap(), spec.retry, Arc::new(Gate::new(None)));
        let name = |text: &str| text.parse::<Name>().unwrap();
        let window = Window {
            key: WindowKey::new(name("p"), ChatKey { source: name("s"), id: "C1".into() }, 0),
            to: 3,
            run: RunId::from_text("p-000001"),
            policy_version: 1,
            target_version: 1,
            facts: Digest::of(b""),
            composer: COMPOSER,
            tables: consign_sandbox::tables(),
            starts_at: None,
            ends_at: Timestamp(9),
            owed_to: Vec::new(),
            state: WindowState::Open,
        };
        Self { folder, store, outbox, tenant: name("t"), window }
    }

    async fn deliver(&self, asked: Asked, known: Option<&Delivery>, body: &str) -> Delivered {
        deliver(&self.store, &self.tenant, &self.outbox, &self.window, asked, known, &composed(body)).await.unwrap()
    }

    async fn ledger(&self) -> Delivery {
        self.store.deliveries(&self.tenant, &self.window.key).await.unwrap().into_iter().next().unwrap()
    }

    fn received(&self) -> usize {
        let new: &Path = &self.folder.path().join("mail/new");
        std::fs::read_dir(new).unwrap().count()
    }
}

fn composed(body: &str) -> Composed {
    let bytes = format!("Subject: x\r\n\r\n{body}\r\n").into_bytes();
    let email = Email {
        message_id: "1@corp.example".into(),
        digest: Digest::of(&bytes),
        bytes,
        subject: "x".into(),
        part: 1,
        parts: 1,
        events: 0..3,
        from: "j@corp.example".into(),
        recipients: vec!["a@archive.example".into(), "b@archive.example".into()],
    };
    Composed { group: 0, subject: None, rows: vec![0, 1, 2], carries_for: Vec::new(), email }
}

/// In the ledger, with these outcomes for the two recipients.
fn known(house: &House, body: &str, outcomes: [Outcome; 2]) -> Delivery {
    let mut delivery = new_delivery(&house.window.key, &composed(body));
    delivery.begin(Timestamp::now(), false);
    let recipients = ["a@archive.example", "b@archive.example"];
    delivery.record(recipients.into_iter().zip(outcomes).map(|(one, outcome)| RecipientOutcome { recipient: one.into(), outcome }).collect());
    delivery
}

fn reply(code: u16) -> Reply {
    Reply { code, text: "said".into() }
}

fn rejected() -> Outcome {
    Outcome::Rejected { reply: reply(554) }
}

fn deferred() -> Outcome {
    Outcome::Deferred { reply: reply(451) }
}

fn unknown() -> Outcome {
    Outcome::Unknown { reason: "closed".into() }
}

#[tokio::test]
async fn what_may_have_arrived_is_never_sent_otherwise_unless_a_person_says_so() {
    let house = House::new().await;
    let earlier = known(&house, "as it was", [unknown(), deferred()]);
    for asked in [Asked::Nothing, Asked::Again] {
        let held = house.deliver(asked, Some(&earlier), "as it is now").await;
        assert!(matches!(held, Delivered::Held { reason: HeldReason::Changed { text }, .. } if text.contains("1@corp.example")));
    }
    assert_eq!(house.received(), 0);
    assert!(matches!(house.deliver(Asked::SendChanged, Some(&earlier), "as it is now").await, Delivered::Accepted));
    assert_eq!(house.received(), 1);
    let ledger = house.ledger().await;
    assert_eq!((ledger.digest, ledger.earlier.as_slice()), (composed("as it is now").email.digest, &[earlier.digest][..]));
    assert!(ledger.is_accepted());
}

#[tokio::test]
async fn what_nobody_can_have_is_sent_as_it_is_composed_now() {
    let house = House::new().await;
    let earlier = known(&house, "as it was", [rejected(), deferred()]);
    assert!(matches!(house.deliver(Asked::Nothing, Some(&earlier), "as it is now").await, Delivered::Accepted));
    assert_eq!((house.received(), house.ledger().await.earlier.len()), (1, 0));
}

#[tokio::test]
async fn a_refusal_for_good_waits_for_a_person_and_the_rest_does_not() {
    let house = House::new().await;
    let refused = known(&house, "x", [rejected(), rejected()]);
    assert!(matches!(house.deliver(Asked::Nothing, Some(&refused), "x").await, Delivered::Held { reason: HeldReason::Refused { .. }, .. }));
    assert_eq!(house.received(), 0);
    // Of two recipients one said later, one never: only the first gets it.
    let mixed = known(&house, "x", [deferred(), rejected()]);
    assert!(matches!(house.deliver(Asked::Nothing, Some(&mixed), "x").await, Delivered::Held { reason: HeldReason::Refused { .. }, .. }));
    let ledger = house.ledger().await;
    assert_eq!(ledger.outcomes.iter().map(|one| one.outcome.word()).collect::<Vec<_>>(), ["accepted", "rejected"]);
    assert!(matches!(house.deliver(Asked::Again, Some(&ledger), "x").await, Delivered::Accepted));
    assert_eq!(house.received(), 2);
}

#[tokio::test]
async fn what_the_target_can_not_take_waits_for_a_person() {
    let house = House::with(InboxOptions { max_size: 1000, ..InboxOptions::default() }).await;
    let large = "x".repeat(900) + "\r\n" + &"x".repeat(900);
    let Delivered::Held { reason, again: None } = house.deliver(Asked::Nothing, None, &large).await else { panic!("it was taken") };
    assert!(matches!(&reason, HeldReason::Unsendable { text } if text.contains("1000") && text.contains("--current")), "{reason:?}");
    assert!(!reason.passes_by_waiting());
    // It is known as surely not sent: a smaller form of it may go out.
    let ledger = house.ledger().await;
    assert!(!ledger.may_have_arrived() && ledger.outcomes.iter().all(|one| one.outcome.word() == "not_sent"));
    assert!(matches!(house.deliver(Asked::Nothing, Some(&ledger), "small").await, Delivered::Accepted));
    assert_eq!((house.received(), house.ledger().await.earlier.len()), (1, 0));
    // Of a server that does not answer and one that can't take it the person is told the second.
    let mixed = known(&house, "x", [Outcome::not_sent("no answer"), Outcome::not_sendable("too large")]);
    assert!(matches!(judge(&mixed, &Backoff::default()), Delivered::Held { reason: HeldReason::Unsendable { .. }, .. }));
    let waiting = known(&house, "x", [Outcome::not_sent("no answer"), deferred()]);
    assert!(matches!(judge(&waiting, &Backoff::default()), Delivered::Held { reason: HeldReason::Delivery { .. }, .. }));
}

/// As it was so many minutes ago.
fn minutes_ago(delivery: Delivery, minutes: i64) -> Delivery {
    let before = |time: Timestamp| Timestamp(time.0 - minutes * 60_000);
    Delivery { attempted_at: before(delivery.attempted_at), since: delivery.since.map(before), ..delivery }
}

#[tokio::test]
async fn what_was_deferred_waits_for_its_time_unless_a_person_asks() {
    let house = House::new().await;
    let fresh = known(&house, "x", [deferred(), deferred()]);
    let Delivered::Held { reason: HeldReason::Delivery { .. }, again: Some(again) } = house.deliver(Asked::WhenDue, Some(&fresh), "x").await else {
        panic!("it was tried")
    };
    let wait = again.0 - fresh.attempted_at.0;
    assert!((300_000..=450_000).contains(&wait) && house.received() == 0, "{wait} ms");
    // When it is due it is tried, and a person's run does not wait for that.
    assert!(matches!(house.deliver(Asked::WhenDue, Some(&minutes_ago(fresh.clone(), 8)), "x").await, Delivered::Accepted));
    assert!(matches!(house.deliver(Asked::Nothing, Some(&fresh), "x").await, Delivered::Accepted));
    assert_eq!(house.received(), 2);
    // By recipient: who has it gets it no second time.
    let one = known(&house, "x", [Outcome::Accepted { reply: reply(250) }, deferred()]);
    assert!(matches!(house.deliver(Asked::WhenDue, Some(&minutes_ago(one, 8)), "x").await, Delivered::Accepted));
    assert_eq!((house.received(), house.ledger().await.outcomes.iter().filter(|one| one.outcome.is_accepted()).count()), (3, 2));
}

#[tokio::test]
async fn what_was_tried_for_as_long_as_it_may_be_is_given_up_until_a_person_asks() {
    let house = House::new().await;
    let mut old = minutes_ago(known(&house, "x", [deferred(), Outcome::not_sent("no connection")]), 5 * 24 * 60);
    // The last attempt was a little before the end: there is one more, at it.
    old.attempted_at = Timestamp(old.since.unwrap().0 + (5 * 24 * 60 - 30) * 60_000);
    assert_eq!(old.next(&Backoff::default()), Next::At(Timestamp(old.since.unwrap().0 + 5 * 24 * 60 * 60_000)));
    old.attempted_at = Timestamp::now();
    for asked in [Asked::WhenDue, Asked::Nothing] {
        let held = house.deliver(asked, Some(&old), "x").await;
        let Delivered::Held { reason: reason @ HeldReason::Expired { .. }, again: None } = held else { panic!("{asked:?}") };
        assert!(reason.text().contains("given up after 5days") && !reason.passes_by_waiting(), "{}", reason.text());
    }
    assert_eq!(house.received(), 0);
    assert!(matches!(house.deliver(Asked::Again, Some(&old), "x").await, Delivered::Accepted));
    assert!(house.ledger().await.since > Some(Timestamp(Timestamp::now().0 - 60_000)), "its time begins anew");
}

#[tokio::test]
async fn a_target_that_is_down_is_not_asked_and_that_is_no_attempt() {
    let house = House::new().await;
    for _ in 0..5 {
        let pass = house.outbox.gate.pass().await.unwrap();
        house.outbox.gate.hear(&pass, &[RecipientOutcome { recipient: "a@archive.example".into(), outcome: Outcome::not_sent("no connection") }]);
    }
    let Delivered::Held { reason: HeldReason::Delivery { text }, again: Some(again) } = house.deliver(Asked::WhenDue, None, "x").await else {
        panic!("it was tried")
    };
    assert!(text.contains("not tried") && text.contains("no connection"), "{text}");
    let ledger = house.ledger().await;
    assert_eq!((ledger.attempts, ledger.since, ledger.may_have_arrived(), house.received()), (0, None, false, 0));
    assert!(again > Timestamp::now());
    // What the server said of an e-mail before is still what is known of it.
    let deferred = minutes_ago(known(&house, "x", [deferred(), deferred()]), 60);
    house.deliver(Asked::WhenDue, Some(&deferred), "x").await;
    assert_eq!(house.ledger().await.outcomes, deferred.outcomes);
}

#[tokio::test]
async fn a_release_with_other_tables_says_that_it_has() {
    let mut house = House::new().await;
    let earlier = known(&house, "as it was", [unknown(), unknown()]);
    house.window.tables = "zones 1999z".into();
    let held = house.deliver(Asked::Nothing, Some(&earlier), "as it is now").await;
    assert!(matches!(held, Delivered::Held { reason: HeldReason::Changed { text }, .. } if text.contains("zones 1999z")));
}

#[tokio::test]
async fn before_anything_of_another_release_is_sent_it_is_compared() {
    let mut house = House::new().await;
    assert!(!is_of_another_release(&house.window));
    house.window.composer = COMPOSER + 1;
    assert!(is_of_another_release(&house.window));
    let earlier = known(&house, "as it was", [unknown(), unknown()]);
    assert!(matches!(compare(&house.window, Some(&earlier), &composed("as it is now")), Delivered::Held { reason: HeldReason::Changed { .. }, .. }));
    assert!(matches!(compare(&house.window, Some(&earlier), &composed("as it was")), Delivered::Held { reason: HeldReason::Delivery { .. }, .. }));
    assert!(matches!(compare(&house.window, None, &composed("a part more")), Delivered::Held { reason: HeldReason::Delivery { .. }, .. }));
    assert_eq!(house.received(), 0);
}
