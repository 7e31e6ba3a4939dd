//! Modules that try to take more than they may, to see what they may not, and to lie.

use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_model::module::Need;
use consign_sandbox::{BindError, Bound, ByTier, Call, Clock, Decision, Failure, Level, Limits, LoadError};
use serde_json::json;

use crate::made::{Made, manifest};
use crate::support::*;

fn bound(made: &Made, limits: Limits) -> Bound {
    let module = sandbox(limits).load(&made.criteria()).unwrap_or_else(|error| panic!("{error}"));
    module.bind(&json!({}), &module.manifest().needs).unwrap()
}

fn failure(made: &Made, limits: Limits) -> Failure {
    let chat = chat();
    verdicts(&bound(made, limits), &chat, &texts(&chat, &["a", "b"])).unwrap_err()
}

#[test]
fn a_module_that_does_nothing_wrong() {
    let chat = chat();
    assert_eq!(verdicts(&bound(&Made::default(), Limits::default()), &chat, &texts(&chat, &["a", "b"])), Ok(vec![0, 0]));
}

#[test]
fn runs_forever() {
    let made = Made { batch: "(loop $forever (br $forever)) (i32.const 0)", ..Made::default() };
    let chat = chat();
    let bound = bound(&made, brief(60, 10_000));
    let mut session = begun(&bound, &chat);
    let begun = Instant::now();
    let failure = session.evaluate(&texts(&chat, &["a"])).unwrap_err();
    assert_eq!(failure, Failure::OutOfTime { call: Call::Evaluate, clock: Clock::Call, millis: 60 });
    assert!(begun.elapsed() >= Duration::from_millis(60));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // The store is gone: the next call answers at once, and the same.
    let begun = Instant::now();
    assert_eq!(session.evaluate(&texts(&chat, &["a"])), Err(failure));
    assert!(begun.elapsed() < Duration::from_millis(60));
}

#[test]
fn runs_forever_before_it_is_anything() {
    let forever = "(loop $forever (br $forever)) (i32.const 0)";
    let load = |made: &Made| sandbox(brief(50, 10_000)).load(&made.criteria()).unwrap_err();
    let describe = Made { describe: forever, ..Made::default() };
    assert!(matches!(load(&describe), LoadError::Describe(Failure::OutOfTime { call: Call::Describe, .. })));
    let start = Made { fields: "(func $start (loop $forever (br $forever))) (start $start)", ..Made::default() };
    assert!(matches!(load(&start), LoadError::Describe(Failure::OutOfTime { call: Call::Instantiate, .. })));
    let configure = Made { configure: forever, ..Made::default() };
    let error = sandbox(brief(50, 10_000)).load(&configure.criteria()).unwrap().check_config(&json!({})).unwrap_err();
    assert!(matches!(error, BindError::Failed(Failure::OutOfTime { call: Call::Configure, .. })), "{error}");
}

#[test]
fn runs_forever_in_calls_of_the_host() {
    let made = Made { batch: "(loop $forever (drop (call $len (local.get $view))) (br $forever)) (i32.const 0)", ..Made::default() };
    assert_eq!(failure(&made, brief(60, 10_000)), Failure::OutOfTime { call: Call::Evaluate, clock: Clock::Call, millis: 60 });
}

#[test]
fn takes_a_little_long_for_every_batch() {
    // Some 10 ms of work and more on any machine, many times over.
    let made = Made {
        batch: "(local $i i32) (loop $some (br_if $some (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30000000))))
                (call $keep (call $len (local.get $view)))",
        ..Made::default()
    };
    let chat = chat();
    let mut session = begun(&bound(&made, brief(10_000, 300)), &chat);
    let batch = texts(&chat, &["a"]);
    let failure = (0..10_000).find_map(|_| session.evaluate(&batch).err()).unwrap();
    assert_eq!(failure, Failure::OutOfTime { call: Call::Evaluate, clock: Clock::Chat, millis: 300 });
}

#[test]
fn grows_its_memory() {
    let made = Made { batch: "(loop $more (drop (memory.grow (i32.const 16))) (br $more)) (i32.const 0)", ..Made::default() };
    assert_eq!(failure(&made, Limits::default()), Failure::OutOfMemory { call: Call::Evaluate, limit_bytes: 64 << 20 });
}

#[test]
fn has_more_memory_from_the_start_than_it_may() {
    let made = Made { pages: 1025, ..Made::default() };
    let error = sandbox(Limits::default()).load(&made.criteria()).unwrap_err();
    assert_eq!(error, LoadError::Describe(Failure::OutOfMemory { call: Call::Instantiate, limit_bytes: 64 << 20 }));
    // A page less than all: componentising adds a small table.
    let made = Made { pages: 1023, ..Made::default() };
    assert!(sandbox(Limits::default()).load(&made.criteria()).is_ok());
}

#[test]
fn many_memories_and_tables_count_together() {
    let memories = Made { fields: "(memory $b 500) (memory $c 500) (memory $d 500)", ..Made::default() };
    let error = sandbox(Limits::default()).load(&memories.criteria()).unwrap_err();
    assert_eq!(error, LoadError::Describe(Failure::OutOfMemory { call: Call::Instantiate, limit_bytes: 64 << 20 }));
    // 16 bytes an element: 3 million fit, with 32 MiB of memory beside them not.
    let tables = Made { fields: "(table $a 3000000 funcref)", ..Made::default() };
    assert!(sandbox(Limits::default()).load(&tables.criteria()).is_ok());
    let both = Made { fields: "(table $a 3000000 funcref)", pages: 512, ..Made::default() };
    let error = sandbox(Limits::default()).load(&both.criteria()).unwrap_err();
    assert_eq!(error, LoadError::Describe(Failure::OutOfMemory { call: Call::Instantiate, limit_bytes: 64 << 20 }));
    let grown = Made {
        fields: "(table $a 1 funcref)",
        batch: "(loop $more (drop (table.grow $a (ref.null func) (i32.const 100000))) (br $more)) (i32.const 0)",
        ..Made::default()
    };
    assert_eq!(failure(&grown, Limits::default()), Failure::OutOfMemory { call: Call::Evaluate, limit_bytes: 64 << 20 });
}

#[test]
fn too_many_parts() {
    let memories = Made { fields: "(memory $b 1) (memory $c 1)", ..Made::default() };
    let tables = Made { fields: "(table $a 1 funcref) (table $b 1 funcref) (table $c 1 funcref)", ..Made::default() };
    for (made, limits) in [
        (&memories, Limits { memories: 2, ..Limits::default() }),
        (&tables, Limits { tables: 2, ..Limits::default() }),
        (&Made::default(), Limits { instances: ByTier { native: 0, javascript: 0, python: 0 }, ..Limits::default() }),
    ] {
        let error = sandbox(limits).load(&made.criteria()).unwrap_err();
        assert!(matches!(error, LoadError::Describe(Failure::OverLimit { call: Call::Instantiate, .. })), "{error}");
    }
}

/// Each declaration takes a few bytes of the file and many of each instance, which no limit of memory counts.
#[test]
fn declares_more_than_an_instance_may_keep() {
    let load = |fields: String| sandbox(Limits::default()).load(&Made { fields: fields.leak(), ..Made::default() }.criteria());
    let elements = |count: usize| format!("(func $f) (elem funcref {})", "(ref.func $f) ".repeat(count));
    for (what, some, many) in [
        ("globals", "(global i32 (i32.const 0))".repeat(50_000), "(global i32 (i32.const 0))".repeat(70_000)),
        ("functions", "(func)".repeat(30_000), "(func)".repeat(40_000)),
        ("segments", elements(60_000), elements(70_000)),
    ] {
        load(some).unwrap_or_else(|error| panic!("{what}: {error}"));
        let error = load(many).unwrap_err();
        assert!(matches!(error, LoadError::LargeInstances { limit: 0x10_0000, .. }), "{what}: {error}");
    }
}

/// The whole of a binding's time goes into one text, in the host's own code.
#[test]
fn keywords_that_are_each_others_ends() {
    let needles: Vec<String> = (1..=1_024).map(|length| "a".repeat(length)).collect();
    let module = sandbox(brief(300, 10_000)).load(&standard_bytes("keywords")).unwrap();
    let bound = bind(&module, &json!({"any": needles, "whole-words": true}));
    let chat = chat();
    let events = texts(&chat, &[&format!("{}b", "a".repeat(10_000_000))]);
    let begun = Instant::now();
    let failure = verdicts(&bound, &chat, &events).unwrap_err();
    assert_eq!(failure, Failure::OutOfTime { call: Call::Evaluate, clock: Clock::Call, millis: 300 });
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn calls_itself_without_end() {
    let made = Made {
        fields: "(func $deep (param i32) (call $deep (local.get 0)) (call $deep (local.get 0)))",
        batch: "(call $deep (i32.const 1)) (i32.const 0)",
        ..Made::default()
    };
    let Failure::Trapped { call: Call::Evaluate, text, backtrace } = failure(&made, Limits::default()) else { panic!("not a trap") };
    assert!(text.contains("stack"), "{text}");
    assert!(backtrace.iter().any(|frame| frame.function.contains("deep")), "{backtrace:?}");
    assert!(backtrace.len() <= 20);
}

#[test]
fn traps() {
    let made = Made { batch: "unreachable", ..Made::default() };
    let Failure::Trapped { text, .. } = failure(&made, Limits::default()) else { panic!("not a trap") };
    assert!(text.contains("unreachable"), "{text}");
}

#[test]
fn hands_over_too_much() {
    let made = Made { batch: "(call $keep (i32.const 9000000))", ..Made::default() };
    assert!(matches!(failure(&made, Limits::default()), Failure::OverLimit { call: Call::Evaluate, .. }));
    let made = Made { manifest: format!("{}{}", " ".repeat(40_000), manifest(&[])), ..Made::default() };
    let error = sandbox(Limits { manifest_bytes: 10_000, ..Limits::default() }).load(&made.criteria()).unwrap_err();
    assert!(matches!(error, LoadError::Manifest(_)), "{error}");
}

#[test]
fn answers_with_other_memory_than_its_own() {
    let made = Made { batch: "(call $ok_list (i32.const -8) (i32.const 100))", ..Made::default() };
    assert!(matches!(failure(&made, Limits::default()), Failure::Contract { call: Call::Evaluate, .. }));
}

#[test]
fn wrong_verdicts() {
    let chat = chat();
    let text = |batch| match failure(&Made { batch, ..Made::default() }, Limits::default()) {
        Failure::Contract { call: Call::Evaluate, text } => text,
        other => panic!("{other}"),
    };
    assert_eq!(text("(call $keep (i32.const 1))"), "1 verdicts on 2 events");
    assert_eq!(text("(call $keep (i32.const 3))"), "3 verdicts on 2 events");
    let last_rule = "(i32.store8 (i32.const 201) (i32.const 2)) (call $ok_list (i32.const 200) (i32.const 2))";
    let bound = bound(&Made { batch: last_rule, ..Made::default() }, Limits::default());
    assert_eq!(verdicts(&bound, &chat, &texts(&chat, &["a", "b"])), Ok(vec![0, 2]));
    let past_it = "(i32.store8 (i32.const 201) (i32.const 3)) (call $ok_list (i32.const 200) (i32.const 2))";
    assert_eq!(text(past_it), "its verdict on event 1 of the batch is 3, and it has 2 rules");
}

#[test]
fn wrong_decisions() {
    let begin = |begin| {
        let chat = chat();
        bound(&Made { begin, ..Made::default() }, Limits::default()).criteria(chat).unwrap().begin()
    };
    let omit_by_1 = "(i64.store (i32.const 64) (i64.const 0x200000000)) (i32.store (i32.const 72) (i32.const 1)) (i32.const 64)";
    assert_eq!(begin(omit_by_1), Ok(Decision::OmitAll(1)));
    let omit_by_2 = "(i64.store (i32.const 64) (i64.const 0x200000000)) (i32.store (i32.const 72) (i32.const 2)) (i32.const 64)";
    assert!(matches!(begin(omit_by_2), Err(Failure::Contract { call: Call::BeginChat, .. })));
    let omit_by_257 = "(i64.store (i32.const 64) (i64.const 0x200000000)) (i32.store (i32.const 72) (i32.const 257)) (i32.const 64)";
    assert!(matches!(begin(omit_by_257), Err(Failure::Contract { call: Call::BeginChat, .. })));
    let no_such_case = "(i64.store (i32.const 64) (i64.const 0x700000000)) (i32.const 64)";
    assert!(matches!(begin(no_such_case), Err(Failure::Contract { call: Call::BeginChat, .. })));
}

#[test]
fn what_it_says_is_sealed() {
    let made = Made { fields: r#"(data (i32.const 512) "secret words")"#, batch: "(call $err (i32.const 512) (i32.const 12))", ..Made::default() };
    let failure = failure(&made, Limits::default());
    assert!(!failure.to_string().contains("secret") && !format!("{failure:?}").contains("secret"));
    let Failure::Guest { call: Call::Evaluate, said } = failure else { panic!("{failure}") };
    assert_eq!(said.expose(), "secret words");
}

#[test]
fn reads_what_was_not_approved() {
    let imports = r#"(import "consign:filter/data@0.1.0" "[method]view.texts" (func $texts (param i32 i32)))"#;
    let batch = "(call $texts (local.get $view) (i32.const 256)) (call $keep (call $len (local.get $view)))";
    let sneaky = Made { imports, batch, ..Made::default() };
    assert_eq!(failure(&sneaky, Limits::default()), Failure::Refused { function: "view.texts", need: Need::Text });
    // Approving more than the module says it needs opens nothing.
    let module = sandbox(Limits::default()).load(&sneaky.criteria()).unwrap();
    let chat = chat();
    let bound = module.bind(&json!({}), &[Need::Text]).unwrap();
    assert!(matches!(verdicts(&bound, &chat, &texts(&chat, &["a"])), Err(Failure::Refused { .. })));

    let honest = Made { manifest: manifest(&["text", "ids"]), imports, batch, ..Made::default() };
    let module = sandbox(Limits::default()).load(&honest.criteria()).unwrap();
    assert_eq!(module.bind(&json!({}), &[Need::Ids]).unwrap_err(), BindError::NotApproved(vec![Need::Text]));
    let bound = module.bind(&json!({}), &[Need::Ids, Need::Text]).unwrap();
    assert_eq!(verdicts(&bound, &chat, &texts(&chat, &["a"])), Ok(vec![0]));
}

#[test]
fn a_row_hides_what_was_not_approved() {
    // The texts' lengths, of the fields id, text, thread and target, and the time and the sender, become the verdict: all of them nothing.
    let imports = r#"(import "consign:filter/data@0.1.0" "[method]view.row" (func $row (param i32 i32 i32)))"#;
    // id 0..8, at 8..16, sender 16..24, kind 24, flags 25, text 28..36, thread 36..48, target 48..60
    let batch = "(call $row (local.get $view) (i32.const 0) (i32.const 256))
        (i32.store8 (i32.const 200) (i32.or (i32.or (i32.load (i32.const 260)) (i32.wrap_i64 (i64.load (i32.const 264))))
            (i32.or (i32.load8_u (i32.const 272)) (i32.or (i32.load (i32.const 288)) (i32.or (i32.load8_u (i32.const 292)) (i32.load8_u (i32.const 304)))))))
        (i32.store8 (i32.const 200) (i32.ne (i32.const 0) (i32.load8_u (i32.const 200))))
        (call $ok_list (i32.const 200) (i32.const 1))";
    let chat = chat();
    let mut event = message("m1", 5, "bob", "secret");
    event.thread = Some("m0".into());
    event.target = Some("m0".into());
    let events = view(&chat, &[event]);
    let blind = bound(&Made { imports, batch, ..Made::default() }, Limits::default());
    assert_eq!(verdicts(&blind, &chat, &events), Ok(vec![0]));
    for need in ["ids", "times", "senders", "text", "references"] {
        let seeing = bound(&Made { manifest: manifest(&[need]), imports, batch, ..Made::default() }, Limits::default());
        assert_eq!(verdicts(&seeing, &chat, &events), Ok(vec![1]), "{need}");
    }
}

#[test]
fn asks_for_what_is_not_there() {
    let imports = r#"(import "consign:filter/data@0.1.0" "[method]view.row" (func $row (param i32 i32 i32)))
        (import "consign:filter/data@0.1.0" "[method]view.matches" (func $matches (param i32 i32 i32)))"#;
    let row = "(call $row (local.get $view) (call $len (local.get $view)) (i32.const 256)) (i32.const 0)";
    assert!(matches!(failure(&Made { imports, batch: row, ..Made::default() }, Limits::default()), Failure::Contract { call: Call::Evaluate, .. }));
    let list = "(call $matches (local.get $view) (i32.const 0) (i32.const 256)) (i32.const 0)";
    let made = Made { manifest: manifest(&["matching"]), imports, batch: list, ..Made::default() };
    assert!(matches!(failure(&made, Limits::default()), Failure::Contract { call: Call::Evaluate, .. }));
    let other_handle = "(drop (call $len (i32.const 77))) (i32.const 0)";
    assert!(failure(&Made { batch: other_handle, ..Made::default() }, Limits::default()).to_string().contains("evaluate"));
}

#[test]
fn keeps_a_handle_past_the_call() {
    // `[resource-drop]view` is called after this body; an early answer skips it.
    let made = Made { batch: "(return (call $keep (call $len (local.get $view))))", ..Made::default() };
    assert!(matches!(failure(&made, Limits::default()), Failure::Contract { call: Call::Evaluate, .. } | Failure::Trapped { .. }));
}

#[test]
fn logs_are_cut_counted_and_survive_a_trap() {
    let fields = r#"(data (i32.const 512) "short\nline")"#;
    let batch = "(local $i i32)
        (call $emit (i32.const 3) (i32.const 512) (i32.const 10))
        (memory.fill (i32.const 40000) (i32.const 65) (i32.const 5000))
        (loop $more
            (call $emit (i32.const 1) (i32.const 40000) (i32.const 5000))
            (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))
        unreachable";
    let chat = chat();
    let mut session = begun(&bound(&Made { fields, batch, ..Made::default() }, Limits::default()), &chat);
    assert!(session.evaluate(&texts(&chat, &["a"])).is_err());
    let lines = session.take_logs();
    assert_eq!((lines[0].level, lines[0].message.expose()), (Level::Error, "short line"));
    assert_eq!((lines[1].level, lines[1].message.expose().len()), (Level::Info, 1024));
    let last = lines.last().unwrap();
    assert!(last.level == Level::Warn && last.message.expose().contains("more lines were dropped"), "{}", last.message.expose());
    assert!(lines.iter().map(|line| line.message.expose().len()).sum::<usize>() <= (64 << 10) + 100);
    assert!(!format!("{lines:?}").contains("AAAA"));
    assert!(session.take_logs().is_empty());
}

#[test]
fn no_instance_sees_two_chats() {
    // The second batch of one instance is left out; the first of another is not.
    let fields = "(global $batches (mut i32) (i32.const 0))";
    let batch =
        "(i32.store8 (i32.const 200) (global.get $batches)) (global.set $batches (i32.const 1)) (call $ok_list (i32.const 200) (i32.const 1))";
    let bound = bound(&Made { fields, batch, ..Made::default() }, Limits::default());
    let chat = chat();
    let events = texts(&chat, &["a"]);
    for _ in 0..3 {
        let mut session = begun(&bound, &chat);
        assert_eq!(session.evaluate(&events), Ok(vec![0]));
        assert_eq!(session.evaluate(&events), Ok(vec![1]));
    }
}

#[test]
fn many_at_once() {
    fn anywhere<T: Send + Sync>(_: &T) {}
    fn moved<T: Send>(_: &T) {}
    let chat = chat();
    let events = texts(&chat, &["a", "b"]);
    let bound = bound(&Made::default(), Limits::default());
    anywhere(&bound);
    moved(&bound.criteria(chat.clone()).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(verdicts(&bound, &chat, &events), Ok(vec![0, 0]));
                }
            });
        }
    });
}

#[test]
fn a_session_used_wrongly() {
    let chat = chat();
    let bound = bound(&Made::default(), Limits::default());
    let mut session = bound.criteria(chat.clone()).unwrap();
    assert!(matches!(session.evaluate(&texts(&chat, &["a"])), Err(Failure::Host(_))));
    session.begin().unwrap();
    assert!(matches!(session.begin(), Err(Failure::Host(_))));
    assert_eq!(session.evaluate(&texts(&chat, &["a"])), Ok(vec![0]), "and is none the worse for it");
    assert!(matches!(bound.grouping(chat.clone()), Err(Failure::Host(_))));
    let keep_all = "(i64.store (i32.const 64) (i64.const 0x100000000)) (i32.const 64)";
    let module = sandbox(Limits::default()).load(&Made { begin: keep_all, ..Made::default() }.criteria()).unwrap();
    let mut session = module.bind(&json!({}), &[]).unwrap().criteria(chat.clone()).unwrap();
    assert_eq!(session.begin(), Ok(Decision::KeepAll));
    assert!(matches!(session.evaluate(&texts(&chat, &["a"])), Err(Failure::Host(_))));
}

#[test]
fn lying_placements() {
    let chat = chat();
    let events = texts(&chat, &["a", "b"]);
    // Two lists at 68: assigned (pointer, length) and left-out. One assignment at 200: first, last, group.
    let answer = |first: &str, last: &str, group: &str| -> &'static str {
        let text = format!(
            "(i64.store (i32.const 64) (i64.const 0)) (i64.store (i32.const 72) (i64.const 0)) (i32.store (i32.const 80) (i32.const 0))
            (i32.store (i32.const 68) (i32.const 200)) (i32.store (i32.const 72) (i32.const 1))
            (i32.store (i32.const 200) (i32.const {first})) (i32.store (i32.const 204) (i32.const {last})) (i32.store (i32.const 208) (i32.const {group}))
            (i32.const 64)"
        );
        text.leak()
    };
    // One group at 300: key (pointer, length), title, subject (option), labels.
    let group = "(i32.store (i32.const 300) (i32.const 1024)) (i32.store (i32.const 304) (i32.const 5)) (i32.store (i32.const 308) (i32.const 1024))
        (i32.store (i32.const 312) (i32.const 3)) (i32.store (i32.const 316) (i32.const 0)) (i32.store (i32.const 320) (i32.const 0))
        (i32.store (i32.const 324) (i32.const 0)) (i32.store (i32.const 328) (i32.const 0))
        (call $ok_list (i32.const 300) (i32.const 1))";
    let run = |batch, finish| {
        let made = Made { begin: "(call $ok_nothing)", batch, finish, ..Made::default() };
        let module = sandbox(Limits::default()).load(&made.grouping()).unwrap();
        place(&module.bind(&json!({}), &[]).unwrap(), &chat, &[Arc::clone(&events)])
    };
    let (placements, groups) = run(answer("0", "1", "0"), group).unwrap();
    assert_eq!((placements.len(), placements[0].assigned.len(), groups.len()), (1, 1, 1));
    assert_eq!(groups[0].key, r#"{"nam"#);
    for (batch, finish, call) in [
        (answer("0", "0", "0"), group, Call::Place),
        (answer("0", "2", "0"), group, Call::Place),
        (answer("1", "0", "0"), group, Call::Place),
        (answer("0", "-1", "0"), group, Call::Place),
        (answer("0", "1", "-1"), group, Call::Place),
        (answer("0", "1", "1"), group, Call::FinishChat),
        (answer("0", "1", "0"), "(call $ok_list (i32.const 0) (i32.const 0))", Call::FinishChat),
    ] {
        match run(batch, finish) {
            Err(Failure::Contract { call: found, .. }) => assert_eq!(found, call),
            other => panic!("{other:?}"),
        }
    }
}
