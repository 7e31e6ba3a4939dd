//! Another engine: what is the same goes on, what answers otherwise pauses its policies until a person has decided, and is told before anything is due.
//!
//! Two engines can't be had in one program, so what the other one left is written into the store as it would have been.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use consign_archive::{Archive, MasterKey, generate_tenant_keys, open_store};
use consign_export::engine::LookedAt;
use consign_export::{Exporter, Pace, Retry, Shelf, StopSign};
use consign_model::audit::Actor;
use consign_model::module::ProbeReport;
use consign_model::quarantine::QuarantineReason;
use consign_model::run::Trigger;
use consign_model::{Digest, Name};
use consign_sandbox::{Sandbox, SandboxConfig};
use consign_service::apply::{Applied, apply};
use consign_service::runner::{News, Policies};
use consign_store::{Embedded, Store};

async fn exporter(folder: &Path) -> Exporter {
    let tenant: Name = "t".parse().unwrap();
    let store: Arc<dyn Store> = Arc::new(Embedded::open(&folder.join("store")).unwrap());
    let master = MasterKey::generate().unwrap();
    let keys = generate_tenant_keys(&master).unwrap();
    let archive = Archive::open(open_store(&folder.join("archive").display().to_string()).unwrap(), tenant.clone(), &keys, &master).unwrap();
    let archive = Arc::new(archive);
    let author = archive.author(Actor::Consign);
    store.create_tenant(&tenant, &keys, &author).await.unwrap();
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    Exporter {
        tenant,
        store,
        archive,
        shelf: Arc::new(Shelf::new(&folder.join("modules"), Arc::new(sandbox))),
        data: folder.to_owned(),
        pace: Pace::default(),
        places: Arc::default(),
        stop: StopSign::default(),
        author,
    }
}

const POLICY: &str = r#"
[[target]]
name = "archive"
host = "127.0.0.1"
port = 2525
tls = "none"
allow-plaintext = true
from = "journal@corp.example"
to = ["ingest@archive.example"]

[[policy]]
name = "desk"
target = "archive"
[[policy.criteria]]
module = "std/keywords"
config = { any = ["libor"] }
"#;

/// Whether a run by hand was made; else it was paused.
async fn runs(exporter: &Exporter) -> bool {
    let report = exporter.run(&"desk".parse().unwrap(), Trigger::Hand, &Retry::Waiting, &|_| {}).await.unwrap();
    assert_ne!(report.run.is_some(), report.paused.is_some(), "{report:?}");
    report.run.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_otherwise_under_another_engine_is_paused() {
    let folder = tempfile::tempdir().unwrap();
    let exporter = exporter(folder.path()).await;
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, POLICY).unwrap();
    apply(&exporter, &[file]).await.unwrap();
    let policy = exporter.store.policy(&exporter.tenant, &"desk".parse().unwrap(), None).await.unwrap().unwrap();
    let binding = policy.criteria.first().unwrap().binding_under(&policy.spec.name);
    let known = async || exporter.store.probe(&exporter.tenant, &binding).await.unwrap().unwrap();
    let applied = known().await;
    assert!(applied.passed() && applied.verdicts.is_some() && applied.engine == exporter.engine(), "{applied:?}");
    assert!(runs(&exporter).await);

    // The same answers under another engine: it goes on, and is known to have passed under this one.
    let left = async |report: ProbeReport| exporter.store.save_probe(&exporter.tenant, &binding, &report).await.unwrap();
    left(ProbeReport { engine: "wasmtime of old".to_owned(), ..applied.clone() }).await;
    assert!(runs(&exporter).await);
    assert_eq!(known().await, applied);

    // Other answers: nothing runs, also when it is asked again, and it is said.
    let otherwise = ProbeReport { engine: "wasmtime of old".to_owned(), verdicts: Some(Digest::of(b"otherwise")), ..applied.clone() };
    left(otherwise.clone()).await;
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = Arc::clone(&heard);
    let policies = Policies::new(exporter.clone(), move |news| {
        if let News::Quarantined(one) = news {
            listener.lock().unwrap().push(one.module.clone());
        }
    });
    policies.look_at_modules().await;
    policies.look_at_modules().await;
    assert_eq!(*heard.lock().unwrap(), [policy.criteria.first().unwrap().name.clone()], "told once");
    assert!(!runs(&exporter).await && !runs(&exporter).await);
    let quarantines = exporter.in_force(&policy.spec.name).await.unwrap();
    assert!(matches!(quarantines.as_slice(), [one] if matches!(&one.why, QuarantineReason::Engine { engine, .. } if *engine == exporter.engine())));
    assert_eq!(known().await, otherwise, "what it has to be is for a person to say");

    // A person has looked at it: what it answers now is what it has to answer.
    let released = exporter.release(&policy.spec.name, None, "ann").await.unwrap();
    assert_eq!(released.first().and_then(|one| one.release.as_ref()).map(|release| release.by.as_str()), Some("ann"));
    assert_eq!(known().await, applied);
    assert!(runs(&exporter).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_looks_at_its_modules_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let exporter = exporter(folder.path()).await;
    let file = folder.path().join("policy.toml");
    std::fs::write(&file, POLICY).unwrap();
    apply(&exporter, std::slice::from_ref(&file)).await.unwrap();
    let policy = exporter.store.policy(&exporter.tenant, &"desk".parse().unwrap(), None).await.unwrap().unwrap();
    let binding = policy.criteria.first().unwrap().binding_under(&policy.spec.name);
    let applied = exporter.store.probe(&exporter.tenant, &binding).await.unwrap().unwrap();
    let otherwise = ProbeReport { engine: "wasmtime of old".to_owned(), verdicts: None, ..applied };
    exporter.store.save_probe(&exporter.tenant, &binding, &otherwise).await.unwrap();
    // Applied again it is not taken for what it was: nobody has looked at it.
    let applied = apply(&exporter, std::slice::from_ref(&file)).await.unwrap();
    let changes = match applied {
        Applied::Done(changes) => changes,
        Applied::Proposed(_) => Vec::new(),
    };
    assert!(changes.iter().all(|change| change.change == consign_service::apply::ChangeKind::Same), "{changes:?}");
    assert!(!runs(&exporter).await);
    // Asked by a person, it says what is otherwise.
    let looked = exporter.recheck(&policy, None).await.unwrap();
    let found: Vec<bool> = looked.iter().map(|one| matches!(one.found, LookedAt::Otherwise { .. })).collect();
    assert_eq!(found, [true, false], "the criterion, and not the grouping: {looked:?}");
    // A version without the module has nothing to do with it.
    std::fs::write(&file, POLICY.replace("std/keywords", "std/chats").replace("any = [\"libor\"]", "kinds = [\"channel\"]")).unwrap();
    apply(&exporter, std::slice::from_ref(&file)).await.unwrap();
    assert!(runs(&exporter).await);
}
