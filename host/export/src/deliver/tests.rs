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
            "from": "j@corp.example", "to": ["a@archive.example", "b@archive.example"],
        }))
        .unwrap();
        tokio::spawn(async move { inbox.serve(std::future::pending()).await });
        let store = Embedded::open(&folder.path().join("store")).unwrap();
        let outbox = Outbox::new(Target::from_spec(&spec).unwrap(), 1);
        let name = |text: &str| text.parse::<Name>().unwrap();
        let window = Window {
            key: WindowKey { policy: name("p"), chat: ChatKey { source: name("s"), id: "C1".into() }, from: 0 },
            to: 3,
            run: RunId::from_text("p-000001"),
            policy_version: 1,
            target_version: 1,
            facts: Digest::of(b""),
            composer: COMPOSER,
            tables: consign_sandbox::tables(),
            starts_at: None,
            ends_at: Timestamp(9),
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
    delivery.begin(Timestamp(1));
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
        assert!(matches!(held, Delivered::Held(HeldReason::Changed { text }) if text.contains("1@corp.example")));
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
    assert!(matches!(house.deliver(Asked::Nothing, Some(&refused), "x").await, Delivered::Held(HeldReason::Refused { .. })));
    assert_eq!(house.received(), 0);
    // Of two recipients one said later, one never: only the first gets it.
    let mixed = known(&house, "x", [deferred(), rejected()]);
    assert!(matches!(house.deliver(Asked::Nothing, Some(&mixed), "x").await, Delivered::Held(HeldReason::Refused { .. })));
    let ledger = house.ledger().await;
    assert_eq!(ledger.outcomes.iter().map(|one| one.outcome.word()).collect::<Vec<_>>(), ["accepted", "rejected"]);
    assert!(matches!(house.deliver(Asked::Again, Some(&ledger), "x").await, Delivered::Accepted));
    assert_eq!(house.received(), 2);
}

#[tokio::test]
async fn what_the_target_can_not_take_waits_for_a_person() {
    let house = House::with(InboxOptions { max_size: 1000, ..InboxOptions::default() }).await;
    let large = "x".repeat(900) + "\r\n" + &"x".repeat(900);
    let Delivered::Held(reason) = house.deliver(Asked::Nothing, None, &large).await else { panic!("it was taken") };
    assert!(matches!(&reason, HeldReason::Unsendable { text } if text.contains("1000") && text.contains("--current")), "{reason:?}");
    assert!(!reason.passes_by_waiting());
    // It is known as surely not sent: a smaller form of it may go out.
    let ledger = house.ledger().await;
    assert!(!ledger.may_have_arrived() && ledger.outcomes.iter().all(|one| one.outcome.word() == "not_sent"));
    assert!(matches!(house.deliver(Asked::Nothing, Some(&ledger), "small").await, Delivered::Accepted));
    assert_eq!((house.received(), house.ledger().await.earlier.len()), (1, 0));
    // Of a server that does not answer and one that can't take it the person is told the second.
    let mixed = known(&house, "x", [Outcome::not_sent("no answer"), Outcome::not_sendable("too large")]);
    assert!(matches!(judge(&mixed), Delivered::Held(HeldReason::Unsendable { .. })));
    let waiting = known(&house, "x", [Outcome::not_sent("no answer"), deferred()]);
    assert!(matches!(judge(&waiting), Delivered::Held(HeldReason::Delivery { .. })));
}

#[tokio::test]
async fn a_release_with_other_tables_says_that_it_has() {
    let mut house = House::new().await;
    let earlier = known(&house, "as it was", [unknown(), unknown()]);
    house.window.tables = "zones 1999z".into();
    let held = house.deliver(Asked::Nothing, Some(&earlier), "as it is now").await;
    assert!(matches!(held, Delivered::Held(HeldReason::Changed { text }) if text.contains("zones 1999z")));
}

#[tokio::test]
async fn before_anything_of_another_release_is_sent_it_is_compared() {
    let mut house = House::new().await;
    assert!(!is_of_another_release(&house.window));
    house.window.composer = COMPOSER + 1;
    assert!(is_of_another_release(&house.window));
    let earlier = known(&house, "as it was", [unknown(), unknown()]);
    assert!(matches!(compare(&house.window, Some(&earlier), &composed("as it is now")), Delivered::Held(HeldReason::Changed { .. })));
    assert!(matches!(compare(&house.window, Some(&earlier), &composed("as it was")), Delivered::Held(HeldReason::Delivery { .. })));
    assert!(matches!(compare(&house.window, None, &composed("a part more")), Delivered::Held(HeldReason::Delivery { .. })));
    assert_eq!(house.received(), 0);
}
