//! The probe, and finding the event that a failure comes with.

use std::time::Duration;

use consign_model::module::{FaultClass, ProbeOutcome};
use consign_sandbox::{Limits, Located, locate};
use serde_json::json;

use crate::made::Made;
use crate::support::*;

fn probe(made: &Made) -> consign_model::module::ProbeReport {
    sandbox(Limits::default()).load(&made.criteria()).unwrap().probe()
}

#[test]
fn the_standard_modules_pass() {
    for name in ["keywords", "participants", "chats", "period", "per-chat", "per-user"] {
        let module = standard(name);
        let report = module.probe();
        assert!(report.passed(), "{name}: {report:?}");
        assert_eq!(report.verdicts, module.probe().verdicts, "{name}");
    }
    let bound = bind(&standard("keywords"), &json!({"any": ["fixing"]}));
    let report = bound.probe();
    assert!(report.passed() && report.verdicts.is_some(), "{report:?}");
    assert_ne!(report.verdicts, bind(&standard("keywords"), &json!({"any": ["bye"]})).probe().verdicts);
}

#[test]
fn careless_modules_do_not_pass() {
    let step = |made: &Made| {
        let report = probe(made);
        let (step, why) = report.failure().unwrap_or_else(|| panic!("{report:?}"));
        (step.to_owned(), why.to_owned())
    };
    // Every batch's last event is left out.
    let by_batch = "(local $end i32) (local.set $end (i32.add (i32.const 200) (call $len (local.get $view))))
        (memory.fill (i32.const 200) (i32.const 0) (i32.const 100))
        (i32.store8 (i32.sub (local.get $end) (i32.const 1)) (i32.const 1)) (call $ok_list (i32.const 200) (call $len (local.get $view)))";
    let (name, why) = step(&Made { batch: by_batch, ..Made::default() });
    assert!(name.contains("made-up chat") && why.contains("size of the batches") && why.contains("event m1"), "{name}: {why}");

    let (_, why) = step(&Made { batch: "unreachable", ..Made::default() });
    assert!(why.contains("in batches of 1 at event m1: the module failed in evaluate"), "{why}");
    assert!(probe(&Made::default()).passed());
}

#[test]
fn a_configuration_that_has_to_be_given() {
    let manifest = |examples: serde_json::Value| {
        let mut manifest: serde_json::Value = serde_json::from_str(&crate::made::manifest(&[])).unwrap();
        manifest["config-schema"] = json!({"type": "object", "required": ["word"], "properties": {"word": {"type": "string"}}});
        if !examples.is_null() {
            manifest["config-schema"]["examples"] = examples;
        }
        manifest.to_string()
    };
    let report = probe(&Made { manifest: manifest(json!(null)), ..Made::default() });
    assert!(report.passed() && report.verdicts.is_none(), "{report:?}");
    assert!(matches!(&report.steps[1].outcome, ProbeOutcome::NotRun { why } if why.contains("examples")), "{report:?}");
    let report = probe(&Made { manifest: manifest(json!([{"word": "a"}])), ..Made::default() });
    assert!(report.passed() && report.verdicts.is_some(), "{report:?}");
    let report = probe(&Made { manifest: manifest(json!([{"word": 1}])), ..Made::default() });
    assert!(!report.passed(), "{report:?}");
}

/// Traps at the event whose number, counted over all batches, is 5,000; whatever the batches are.
#[test]
fn the_event_of_a_failure_is_found() {
    let traps = Made {
        fields: "(global $seen (mut i32) (i32.const 0))",
        batch: "(global.set $seen (i32.add (global.get $seen) (call $len (local.get $view))))
                (if (i32.gt_u (global.get $seen) (i32.const 5000)) (then unreachable))
                (call $keep (call $len (local.get $view)))",
        ..Made::default()
    };
    let module = sandbox(Limits::default()).load(&traps.criteria()).unwrap();
    let bound = module.bind(&json!({}), &[]).unwrap();
    let chat = chat();
    let batch = |rows: usize| texts(&chat, &vec!["a"; rows]);
    let (first, second, third) = (batch(4000), batch(700), batch(3000));
    let mut session = begun(&bound, &chat);
    assert!(session.evaluate(&first).is_ok() && session.evaluate(&second).is_ok());
    let class = session.evaluate(&third).unwrap_err().class();
    assert_eq!(class, FaultClass::Trap);
    let before = [first, second];
    let long = Duration::from_secs(100);
    assert_eq!(locate(&bound, &chat, &before, &third, class, long), Located::Event(300));
    assert_eq!(locate(&bound, &chat, &before, &third, class, Duration::from_nanos(1)), Located::Rows { first: 0, last: 2999 });
    assert_eq!(locate(&bound, &chat, &before, &third, class, Duration::ZERO), Located::NotAgain);
    assert_eq!(locate(&bound, &chat, &[], &third, class, long), Located::NotAgain, "without the batches before it does not fail");
    assert_eq!(locate(&bound, &chat, &before, &third, FaultClass::Deadline, long), Located::NotAgain, "nor in another way");
}
