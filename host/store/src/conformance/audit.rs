//! The audit log: an entry for each change, none for anything else, and a chain that holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use consign_model::audit::{Actor, Author, Cause, Chain, Deed, Entry, Head, ImportFigures, Retried, SignedEntry, Wrong};
use consign_model::manifest::Signature;
use consign_model::run::Trigger;
use consign_model::{Digest, ModuleKey, Name, RunId, TenantId, Timestamp};

use super::samples::{
    arrival, author, chat_key, keys, module, name, new_run, policy, quarantine, release, rotated, signing_key, source, summary, target,
};
use crate::{Begun, ModuleRecord, NewRun, Seen, Store, StoreError};

/// Whether it is [`author`]'s signature.
pub(crate) fn holds(bytes: &[u8], signature: &Signature) -> Result<(), Wrong> {
    if *signature == author().sign(&Digest::of(bytes)) { Ok(()) } else { Err(Wrong::Signature) }
}

/// A tenant's whole log, of which every link holds.
pub(crate) async fn log(store: &dyn Store, tenant: &TenantId) -> Vec<Entry> {
    let (mut chain, mut entries) = (Chain::of(Some(tenant.clone())), Vec::new());
    loop {
        let page = store.audit(tenant, entries.len() as u64, 7).await.unwrap();
        for one in &page {
            assert_eq!(one.seq, entries.len() as u64 + 1);
            let entry = chain.follow(&one.line, &holds).unwrap_or_else(|broken| panic!("{broken}: {}", one.line));
            entries.push(serde_json::from_str(entry.get()).unwrap());
        }
        if page.len() < 7 {
            assert_eq!(store.audit_head(tenant).await.unwrap(), chain.head());
            return entries;
        }
    }
}

/// What an entry says was done, in a word.
pub(crate) fn word(entry: &Entry) -> String {
    serde_json::to_value(&entry.deed).unwrap()["what"].as_str().unwrap().to_owned()
}

/// Whether it is of a version of this policy.
pub(crate) fn tells_of(entry: &Entry, of: &Name) -> bool {
    matches!(&entry.deed, Deed::PolicySaved { policy, .. } if policy == of)
}

/// Each change as it is made, with what the log says of it; after each of them the same again, or something that is refused, which it does not tell of.
pub(super) async fn each_change_has_its_entry(store: Arc<dyn Store>) {
    let (t, by) = (name("t"), author());
    assert_eq!(store.audit_head(&t).await.unwrap(), None);
    let mut expected: Vec<Deed> = Vec::new();
    for _ in 0..2 {
        store.create_tenant(&t, &keys("k"), &by).await.unwrap();
    }
    expected.push(Deed::TenantMade { signing_key: keys("k").signing_public_key, recipient: keys("k").recipient });
    let figures = ImportFigures { complete: true, stored: 1, already_there: 2, refused: 3, files: Digest::of(b"files") };
    for arrivals in [0, 1] {
        store.begin_import(&t, &source("s"), "a file", &by).await.unwrap();
        store.commit(&t, &[arrival(&chat_key("s", "C"), arrivals, 1)]).await.unwrap();
        store.end_import(&t, &name("s"), &figures, &by).await.unwrap();
        let begun = Deed::ImportBegun { source: name("s"), format: "jsonl".into(), input: "a file".into(), arrival: arrivals };
        expected.extend([begun, Deed::ImportEnded { source: name("s"), figures: figures.clone(), arrival: arrivals + 1 }]);
    }
    let digest = |json: serde_json::Result<Vec<u8>>| Digest::of(&json.unwrap());
    for version in [1, 2] {
        let (one, other) = (target("archive", version), policy("p", version));
        store.save_target(&t, &one, &by).await.unwrap();
        store.save_target(&t, &one, &by).await.unwrap_err();
        let cause = if version == 1 { Cause::Apply } else { Cause::Promote { module: "acme/x@2".into() } };
        store.save_policy(&t, &other, &cause, &by).await.unwrap();
        store.save_policy(&t, &other, &cause, &by).await.unwrap_err();
        expected.push(Deed::TargetSaved { target: name("archive"), version, digest: digest(serde_json::to_vec(&one)) });
        let (digest, decides) = (digest(serde_json::to_vec(&other)), other.digest());
        expected.push(Deed::PolicySaved { policy: name("p"), version, digest, decides, modules: Vec::new(), cause });
    }
    let unsigned = ModuleRecord { signed_by: None, ..module("acme/x", "1", "x") };
    let signed = module("acme/x", "1", "x");
    let bound = || consign_model::audit::Bound { name: "acme/x@1".into(), digest: signed.digest };
    for one in [&unsigned, &unsigned, &signed, &signed, &unsigned] {
        store.save_module(&t, one, &by).await.unwrap();
    }
    store.save_module(&t, &module("acme/x", "1", "y"), &by).await.unwrap_err();
    expected.push(Deed::ModulePushed { module: bound(), signed_by: None });
    expected.push(Deed::ModuleSigned { module: bound(), signed_by: name("ann") });
    let key = signing_key("ann", "RWQ1");
    let ModuleKey { name: key_name, key: public, .. } = key.clone();
    for _ in 0..2 {
        store.save_module_key(&t, &key, &by).await.unwrap();
    }
    store.save_module_key(&t, &signing_key("ann", "RWQ2"), &by).await.unwrap_err();
    for _ in 0..2 {
        store.remove_module_key(&t, &key_name, Seen::Whatever, &by).await.unwrap();
    }
    expected.push(Deed::ModuleKeyAdded { name: key_name.clone(), key: public.clone() });
    expected.push(Deed::ModuleKeyRemoved { name: key_name, key: public });
    for since in [10, 11] {
        let one = quarantine("p", "a", since);
        let module = consign_model::audit::Bound { name: one.module.clone(), digest: one.digest };
        for _ in 0..2 {
            store.quarantine(&t, &one, &by).await.unwrap();
        }
        for _ in 0..2 {
            store.release(&t, &one.policy, &one.digest, None, &release(since), &by).await.unwrap();
        }
        let (reason, run) = if since == 10 { ("faults", Some(RunId::from_text("p-000001"))) } else { ("engine", None) };
        expected.push(Deed::Quarantined { policy: name("p"), module: module.clone(), reason: reason.into(), run });
        expected.push(Deed::Released { policy: name("p"), module });
    }
    let retry = Some(Retried { how: "current".into(), windows: 2, ids: Digest::of(b"ids") });
    let (due, hand) = (Trigger::Schedule(Timestamp(1_000)), Trigger::Hand);
    for (number, (trigger, retry)) in (1..).zip([(due, None), (hand, retry)]) {
        let new = NewRun { retry: retry.clone(), ..new_run("p", trigger) };
        let Begun::New(run) = store.begin_run(&t, &new, &by).await.unwrap() else { panic!("no new run") };
        assert!(matches!(store.begin_run(&t, &new, &by).await.unwrap(), Begun::Unfinished(_)));
        let figures = summary(&run.id, &run.policy);
        for _ in 0..2 {
            store.finish_run(&t, &run.id, Timestamp(9), &figures, &Digest::of(b"manifest"), &by).await.unwrap();
        }
        assert_eq!(store.begin_run(&t, &new_run("p", due), &by).await.unwrap(), Begun::AlreadyRun);
        let id = RunId::new(&name("p"), number);
        let (policy_version, target_version) = (run.policy_version, run.target_version);
        expected.push(Deed::RunBegun { run: id.clone(), policy_version, target_version, trigger, until: 2, stands_in_for: None, retry });
        let (events, emails, chats, supplements) = (figures.events, figures.emails, figures.chats, figures.supplements);
        expected.push(Deed::RunEnded { run: id, events, emails, chats, supplements, manifest: Digest::of(b"manifest") });
    }
    let entries = log(&*store, &t).await;
    assert!(entries.iter().all(|entry| entry.by == *by.actor()));
    let deeds: Vec<Deed> = entries.into_iter().map(|entry| entry.deed).collect();
    assert_eq!(deeds, expected);
}

pub(super) async fn each_tenant_has_its_own_log(store: Arc<dyn Store>) {
    let save = async |tenant: &Name, version: u32, by: &Author| store.save_policy(tenant, &policy("p", version), &Cause::Apply, by).await.unwrap();
    // One name begins the other.
    let (one, other) = (name("t"), name("t-a"));
    for version in 1..=20 {
        save(&one, version, &author()).await;
        save(&other, version, &author().acting_as(Actor::Schedule)).await;
    }
    for (tenant, by) in [(&one, author().actor()), (&other, &Actor::Schedule)] {
        let entries = log(&*store, tenant).await;
        assert_eq!(entries.len(), 20);
        assert!(entries.iter().all(|entry| entry.by == *by && entry.tenant == *tenant));
    }
    assert_eq!(store.audit(&one, 0, 3).await.unwrap().len(), 3);
    assert_eq!(store.audit(&one, 18, 30).await.unwrap().iter().map(|one| one.seq).collect::<Vec<_>>(), [19, 20]);
    assert!(store.audit(&one, 20, 30).await.unwrap().is_empty() && store.audit(&one, u64::MAX, 30).await.unwrap().is_empty());
    assert!(store.audit(&name("t-"), 0, 30).await.unwrap().is_empty());
    assert!(matches!(store.audit_head(&one).await.unwrap(), Some(Head { seq: 20, .. })));
}

/// The entry that tells of other keys is the last that the earlier one signs, whoever else writes at the same time.
pub(super) async fn keys_lead_to_the_next(store: Arc<dyn Store>) {
    let (tenant, key) = (name("t"), Arc::new(AtomicU64::new(0)));
    let signs = Arc::clone(&key);
    let by = Author::new(author().actor().clone(), move |digest| Signature {
        algorithm: "none".into(),
        key: signs.load(Ordering::SeqCst).to_string(),
        digest: *digest,
        value: String::new(),
    });
    let mut known = keys("k");
    store.create_tenant(&tenant, &known, &by).await.unwrap();
    let sent = Deed::ReplaySent { run: RunId::from_text("p-000001"), emails: 2, accepted: 1 };
    for round in 1..=10 {
        let (next, changes) = (rotated(&known, &format!("k{round}")), Arc::clone(&key));
        let stale = rotated(&keys("other"), "k");
        let entered = Box::new(move || changes.store(round, Ordering::SeqCst));
        let refused = store.rotate_tenant_keys(&tenant, &stale, &by, Box::new(|| panic!("it is not entered"))).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
        let (one, other, third) =
            tokio::join!(store.note(&tenant, &sent, &by), store.rotate_tenant_keys(&tenant, &next, &by, entered), store.note(&tenant, &sent, &by));
        one.and(other).and(third).unwrap();
        assert_eq!(store.tenant_keys(&tenant).await.unwrap().as_ref(), Some(&next));
        known = next;
    }
    let (mut now, mut rotations) = (0, 0);
    for line in store.audit(&tenant, 0, 1_000).await.unwrap() {
        let signed: SignedEntry = serde_json::from_str(&line.line).unwrap();
        assert_eq!(signed.signature.key, now.to_string(), "{}", line.line);
        let entry: Entry = serde_json::from_str(signed.entry.get()).unwrap();
        if matches!(entry.deed, Deed::KeysRotated { .. }) {
            now += 1;
            rotations += 1;
        }
    }
    assert_eq!(rotations, 10);
}
