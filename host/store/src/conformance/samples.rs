//! Values to store. Names hold what trips a store that joins texts to keys: zero bytes, letters beyond ASCII, one name that begins another.

use std::collections::BTreeMap;

use consign_model::access::{Role, Token, TokenKind};
use consign_model::audit::{Actor, Author};
use consign_model::identity::{Identity, IdentityMap, Period};
use consign_model::manifest::Signature;
use consign_model::module::{FaultClass, ModuleFacts, ModuleKind, ModuleManifest, ProbeOutcome, ProbeReport, ProbeStep, Producer, Tier};
use consign_model::policy::PolicyVersion;
use consign_model::proposal::{Proposal, Proposed};
use consign_model::quarantine::{QuarantineReason, Release};
use consign_model::removal::{Holdings, Traces};
use consign_model::run::{ChatCounts, Cost, Costs, EmailCounts, EventCounts, SupplementCounts, Trigger};
use consign_model::target::{KeptSecret, TargetVersion};
use consign_model::window::{Facts, Participant, SealedFile, Settled};
use consign_model::{
    Chat, ChatKey, ChatKind, Delivery, DeliveryKey, Digest, EarlierKeys, EarlierPublicKeys, EventHash, EventIdentity, HeldReason, Member, Membership,
    ModuleKey, Move, MoveKind, Name, Outcome, PublicKey, Quarantine, Reason, RecipientOutcome, RemovedTenant, Reply, RunId, RunSummary, TenantKeys,
    Timestamp, User, WantedFile, WantedKey, WantedState, Window, WindowKey, WindowState,
};

use crate::{Arrival, ModuleRecord, NewRun, SegmentRecord, SourceRecord};

/// Chat and user ids, in their order.
pub(crate) const IDS: [&str; 9] = ["", "\0", "\0\u{1}", "C", "C\0", "C\0\u{1}x", "C1", "C1🎉", "ü"];

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Somebody whose signature is the key's name over the digest: nobody has to check it here.
pub(crate) fn author() -> Author {
    Author::new(Actor::Person { user: "ann@desk".into(), process: 7, named: None }, |digest| Signature {
        algorithm: "none".into(),
        key: "key".into(),
        digest: *digest,
        value: format!("key {digest}"),
    })
}

pub(crate) fn chat_key(source: &str, id: &str) -> ChatKey {
    ChatKey { source: name(source), id: id.to_owned() }
}

pub(crate) fn keys(text: &str) -> TenantKeys {
    TenantKeys {
        recipient: format!("age1{text}"),
        sealed_identity: "c2VhbGVk".into(),
        sealed_signing_key: "c2lnbg==".into(),
        signing_public_key: "cHVi".into(),
        master_key_check: "Y2hlY2s=".into(),
        earlier: Vec::new(),
    }
}

/// Those of this text in the place of others.
pub(crate) fn rotated(before: &TenantKeys, text: &str) -> TenantKeys {
    let TenantKeys { recipient, signing_public_key: signing_key, sealed_identity, .. } = before.clone();
    let last = EarlierKeys { public: EarlierPublicKeys { recipient, signing_key, until: Timestamp(5) }, sealed_identity };
    TenantKeys { earlier: before.earlier.iter().cloned().chain([last]).collect(), ..keys(text) }
}

/// A tenant with these keys, removed.
pub(crate) fn removed(text: &str) -> RemovedTenant {
    let TenantKeys { recipient, signing_public_key, .. } = keys(text);
    let had = Holdings { chats: 1, events: 5, owed: 2 };
    let traces = Traces { nonces: vec!["00".repeat(12)], copies_before: 2 };
    RemovedTenant {
        tenant: name(text),
        at: Timestamp(7),
        by: author().actor().clone(),
        reason: "the contract ended".into(),
        recipient,
        signing_public_key,
        earlier_keys: Vec::new(),
        last_entry: None,
        had,
        modules: vec![],
        traces,
        files_gone: None,
        records_gone: None,
        proof: None,
    }
}

pub(crate) fn token(id: &str, secret: &str) -> Token {
    Token {
        id: name(id),
        name: name("ann"),
        role: Role::Auditor,
        hash: Digest::of(secret.as_bytes()),
        created_at: Timestamp(3),
        expires_at: Some(Timestamp(9)),
        revoked_at: None,
        kind: TokenKind::Bearer,
        made_by: None,
    }
}

/// One that is open for a hundred milliseconds.
pub(crate) fn proposal(id: &str, at: i64) -> Proposal {
    Proposal {
        id: name(id),
        at: Timestamp(at),
        by: author().actor().clone(),
        expires_at: Timestamp(at + 100),
        what: Proposed::OnePerson,
        digest: Digest::of(id.as_bytes()),
        changes: Vec::new(),
        decision: None,
    }
}

pub(crate) fn secret(text: &str, sealed: &str) -> KeptSecret {
    KeptSecret { name: name(text), sealed: sealed.to_owned(), kept_at: Timestamp(4) }
}

pub(crate) fn source(text: &str) -> SourceRecord {
    SourceRecord { name: name(text), format: "jsonl".into(), created_at: Timestamp(7), ways: BTreeMap::new() }
}

pub(crate) fn user(id: &str, shown: &str) -> User {
    User {
        email: Some("ann@desk.example".into()),
        attributes: BTreeMap::from([("department".into(), "FX".into())]),
        name: shown.into(),
        ..User::unknown(id)
    }
}

pub(crate) fn member(user: &str, moves: &[(i64, MoveKind)]) -> Member {
    let moves = moves.iter().map(|(at, kind)| Move { at: Timestamp(*at), order: format!("m{at}"), kind: *kind });
    Member { moves: moves.collect(), ..Member::new(user) }
}

pub(crate) fn hash(number: u64) -> EventHash {
    // As random as the beginning of a SHA-256 is.
    let mut hash = [0; 16];
    hash.copy_from_slice(Digest::of(&number.to_be_bytes()).0.get(..16).unwrap());
    EventHash(hash)
}

pub(crate) fn identity(number: u64, content: u64) -> EventIdentity {
    EventIdentity { hash: hash(number), content: content.to_be_bytes() }
}

pub(crate) fn segment(first: u64, events: u32) -> SegmentRecord {
    SegmentRecord {
        row: None,
        first,
        events,
        path: format!("segments/{first}"),
        digest: Digest::of(&first.to_be_bytes()),
        first_at: Timestamp(i64::try_from(first).unwrap()),
        last_at: Timestamp(i64::try_from(first).unwrap() + i64::from(events)),
        arrival: 0,
        gone: None,
        also_in: None,
    }
}

/// So many events in one segment, or none.
pub(crate) fn arrival(chat: &ChatKey, expected: u64, events: u32) -> Arrival {
    let mut known = Chat::new(chat.clone(), ChatKind::Channel);
    known.events = expected + u64::from(events);
    known.title = Some(format!("title {}", known.events));
    Arrival {
        expected_events: expected,
        segments: (events > 0).then(|| segment(expected, events)).into_iter().collect(),
        members: Vec::new(),
        identities: (expected..known.events).map(|one| identity(one, one)).collect(),
        copies: Vec::new(),
        wanted: Vec::new(),
        found: Vec::new(),
        chat: known,
    }
}

/// What a map says of a user: so many times of recording, or nothing of them where that is 3.
pub(crate) fn identity_of(source: &Name, id: &str, recorded: u64, department: u64) -> Identity {
    let periods = |count| (0..count).map(|at| Period { from: Some(Timestamp(at)), until: None }).collect();
    Identity {
        source: source.clone(),
        id: id.to_owned(),
        name: None,
        email: Some("ann@corp.example".into()),
        person: None,
        recorded: (recorded < 3).then(|| periods(i64::try_from(recorded).unwrap())),
        attributes: BTreeMap::from([("department".into(), department.to_string())]),
    }
}

pub(crate) fn identity_map(version: u32, all: &[Identity]) -> IdentityMap {
    IdentityMap { version, digest: Identity::digest(all), users: all.len() as u64, applied_at: Timestamp(i64::from(version)) }
}

pub(crate) fn target(text: &str, version: u32) -> TargetVersion {
    let spec = serde_json::json!({
        "name": text, "host": "smtp.example", "port": 587, "tls": "starttls", "username": "u", "password": { "env": "PW" },
        "from": "journal@corp.example", "to": ["ingest@archive.example"], "headers": { "X-Desk": "{{ chat.labels.team }}" }, "max-size": "25 MiB",
    });
    TargetVersion { version, spec: serde_json::from_value(spec).unwrap(), applied_at: Timestamp(i64::from(version)) }
}

pub(crate) fn policy(text: &str, version: u32) -> PolicyVersion {
    let spec = serde_json::json!({
        "name": text, "target": "archive", "schedule": { "cron": "30 18 * * Mon-Fri", "time-zone": "Europe/Berlin" },
        "criteria": [{ "module": "std/keywords", "config": { "any": ["libor"], "weight": 0.5 } }],
    });
    PolicyVersion {
        version,
        spec: serde_json::from_value(spec).unwrap(),
        criteria: Vec::new(),
        grouping: None,
        applied_at: Timestamp(i64::from(version)),
        starts_after: 0,
        created_at: Timestamp(1),
    }
}

pub(crate) fn module(text: &str, version: &str, bytes: &str) -> ModuleRecord {
    let manifest = ModuleManifest {
        name: text.into(),
        version: version.into(),
        summary: "says".into(),
        needs: Vec::new(),
        rules: Vec::new(),
        config_schema: serde_json::json!({ "type": "object" }),
    };
    ModuleRecord {
        digest: Digest::of(bytes.as_bytes()),
        kind: ModuleKind::Criteria,
        manifest,
        facts: ModuleFacts {
            tier: Tier::Native,
            producers: vec![Producer { field: "language".into(), name: "Rust".into(), version: "1.95".into() }],
            imports: vec!["consign:filter/data@0.1.0".into()],
            bytes: bytes.len() as u64,
        },
        probe: probe("wasmtime 48", true),
        signed_by: Some(signing_key("ann", "RWQ")),
        added_at: Timestamp(3),
        compiled_bytes: Some(40_000),
    }
}

pub(crate) fn probe(engine: &str, passed: bool) -> ProbeReport {
    let outcome = if passed { ProbeOutcome::Passed } else { ProbeOutcome::Failed { why: "it trapped".into() } };
    let steps = vec![
        ProbeStep { name: "describe".into(), outcome: ProbeOutcome::Passed },
        ProbeStep { name: "a chat".into(), outcome },
        ProbeStep { name: "by threes".into(), outcome: ProbeOutcome::NotRun { why: "no configuration".into() } },
    ];
    ProbeReport { steps, verdicts: passed.then(|| Digest::of(engine.as_bytes())), engine: engine.into() }
}

pub(crate) fn signing_key(text: &str, key: &str) -> ModuleKey {
    ModuleKey { name: name(text), key: PublicKey::Minisign(key.into()), added_at: Timestamp(4) }
}

pub(crate) fn quarantine(policy: &str, module: &str, since: i64) -> Quarantine {
    let why = if since % 2 == 0 {
        QuarantineReason::Faults { run: RunId::from_text("p-000001"), chats: 3, class: FaultClass::Deadline }
    } else {
        QuarantineReason::Engine { engine: "wasmtime 48".into(), text: "other verdicts".into() }
    };
    let digest = Digest::of(module.as_bytes());
    Quarantine { policy: name(policy), digest, module: format!("{module}@1"), why, since: Timestamp(since), release: None }
}

pub(crate) fn release(at: i64) -> Release {
    Release { by: "ann".into(), at: Timestamp(at) }
}

pub(crate) fn new_run(policy: &str, trigger: Trigger) -> NewRun {
    NewRun { policy: name(policy), policy_version: 1, target_version: 2, trigger, stands_in: None, retry: None, started_at: Timestamp(100) }
}

pub(crate) fn summary(run: &RunId, policy: &Name) -> RunSummary {
    RunSummary {
        run: run.clone(),
        policy: policy.clone(),
        events: EventCounts { examined: 3, exported: 1, omitted: 1, held: 1, copies: 5 },
        emails: EmailCounts::default(),
        chats: ChatCounts { examined: 1, held: 1 },
        supplements: SupplementCounts::default(),
        shadows: Vec::new(),
        quarantined: Vec::new(),
        stands_in: None,
        lacking: Vec::new(),
        costs: Costs::from([("acme/one@1.0.0".to_owned(), Cost { micros: 7, events: 3 })]),
        manifest: "manifests/x.json".into(),
        millis: 12,
    }
}

pub(crate) fn window(policy: &str, chat: &ChatKey, from: u64, to: u64, run: &str) -> Window {
    Window {
        key: WindowKey::new(name(policy), chat.clone(), from),
        to,
        run: RunId::from_text(run),
        policy_version: 1,
        target_version: 1,
        facts: Digest::of(b"facts"),
        composer: 1,
        tables: "2026a/17".into(),
        starts_at: (from > 0).then_some(Timestamp(1)),
        ends_at: Timestamp(i64::try_from(to).unwrap() * 10),
        owed_to: Vec::new(),
        state: WindowState::Open,
    }
}

pub(crate) fn done() -> WindowState {
    let verdicts = SealedFile { path: "verdicts/x".into(), digest: Digest::of(b"verdicts") };
    WindowState::Done { settled: Settled { verdicts: Some(verdicts), ..Settled::default() }, at: Timestamp(8) }
}

pub(crate) fn held(text: &str) -> WindowState {
    WindowState::Held { reason: HeldReason::Delivery { text: text.into() }, settled: Settled::default(), at: Timestamp(9) }
}

pub(crate) fn facts(title: &str) -> Facts {
    let mut chat = Chat::new(chat_key("s", "C1"), ChatKind::Group);
    chat.title = Some(title.into());
    let stay = Membership { joined: None, left: Some(Timestamp(5)) };
    Facts { chat, participants: vec![Participant::new(user("U1", "Ann"), vec![stay])] }
}

/// Facts with so many people, by id.
pub(crate) fn people(many: usize) -> Facts {
    let stay = |number| Membership { joined: Some(Timestamp(i64::try_from(number).unwrap())), left: None };
    let one = |number| Participant::new(user(&format!("U{number:05}"), &format!("Name of {number}")), vec![stay(number)]);
    Facts { participants: (0..many).map(one).collect(), ..facts("rates") }
}

pub(crate) fn accepted() -> Outcome {
    Outcome::Accepted { reply: Reply { code: 250, text: "2.0.0 queued\nbye".into() } }
}

pub(crate) fn refused() -> Outcome {
    Outcome::Rejected { reply: Reply { code: 550, text: "5.7.1 no".into() } }
}

pub(crate) fn unknown() -> Outcome {
    Outcome::Unknown { reason: "closed".into() }
}

/// An e-mail: an open intent where no outcome is given.
pub(crate) fn delivery(window: &WindowKey, group: u32, part: u32, outcome: Option<Outcome>) -> Delivery {
    Delivery {
        key: DeliveryKey { window: window.clone(), group, part },
        message_id: format!("{}.{group}.{part}@consign", window.id()),
        digest: Digest::of(b"mail"),
        size: 1_000,
        parts: part,
        events: 3,
        attempted_at: Timestamp(50),
        attempts: 1,
        since: None,
        in_flight: outcome.is_none(),
        doubt: false,
        earlier: Vec::new(),
        outcomes: outcome.map(|outcome| RecipientOutcome { recipient: "a@x.example".into(), outcome }).into_iter().collect(),
    }
}

/// One of the states of a wanted file; many are due at the same time.
pub(crate) fn wanted_state(number: u64) -> WantedState {
    let at = Timestamp(i64::try_from(number / 10).unwrap());
    match number % 5 {
        0 => WantedState::new(at),
        1 => WantedState::Waiting { tries: 3, since: Some(Timestamp(-1)), due: at, reason: Some(Reason::Status(503)) },
        2 => WantedState::Gone { since: at, status: 410 },
        3 => WantedState::Unreadable { since: at, due: Some(at), reason: Reason::SignInPage },
        _ => WantedState::Unreadable { since: at, due: None, reason: Reason::TooLarge },
    }
}

/// A wanted file of a chat.
pub(crate) fn wanted(chat: &ChatKey, file: u64, number: u64) -> WantedFile {
    let key = WantedKey { chat: chat.clone(), file: hash(file) };
    WantedFile { key, position: number % 7, place: u32::try_from(number % 3).unwrap(), state: wanted_state(number) }
}
