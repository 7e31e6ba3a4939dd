//! The sealed WASI: what a language runtime finds where it looks for a world, and what it does not.

use consign_sandbox::{Call, Failure, Limits, LoadError};
use serde_json::json;

use crate::made::{component, contract};
use crate::support::*;

/// Interfaces of WASI as 0.2 has them, cut to what the modules below call.
const WASI: &str = r"
package wasi:io@0.2.6 {
    interface error { resource error; }
    interface poll { resource pollable { block: func(); } poll: func(in: list<borrow<pollable>>) -> list<u32>; }
    interface streams {
        use error.{error};
        resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
        variant stream-error { last-operation-failed(error), closed }
    }
}
package wasi:clocks@0.2.6 {
    interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }
    interface monotonic-clock { use wasi:io/poll@0.2.6.{pollable}; now: func() -> u64; subscribe-duration: func(when: u64) -> pollable; }
}
package wasi:random@0.2.6 { interface random { get-random-u64: func() -> u64; get-random-bytes: func(len: u64) -> list<u8>; } }
package wasi:cli@0.2.6 {
    interface environment { get-environment: func() -> list<tuple<string, string>>; get-arguments: func() -> list<string>; }
    interface stdout { use wasi:io/streams@0.2.6.{output-stream}; get-stdout: func() -> output-stream; }
    interface exit { exit: func(status: result); }
}
package wasi:filesystem@0.2.6 {
    interface types { resource descriptor { sync: func(); } }
    interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
}
package wasi:sockets@0.2.6 {
    interface network { resource network; }
    interface instance-network { use network.{network}; instance-network: func() -> network; }
}
package wasi:http@0.2.6 { interface outgoing-handler { handle: func() -> u32; } }
";

/// A criterion whose `evaluate` runs `body` with `imports`, and answers with the bytes that it leaves at 200, one for each event.
fn module(world: &[&str], imports: &str, body: &str) -> Vec<u8> {
    let imported = world.iter().map(|interface| format!("import {interface}@0.2.6; ")).collect::<Vec<_>>().concat();
    let contract = contract().replace("world criteria-module {", &format!("world criteria-module {{ {imported}")) + WASI;
    let manifest = crate::made::manifest(&[]);
    let data = manifest.bytes().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    let text = format!(
        r#"(module
        (import "consign:filter/data@0.1.0" "[resource-drop]view" (func $drop_view (param i32)))
        (import "consign:filter/data@0.1.0" "[resource-drop]chat" (func $drop_chat (param i32)))
        (import "consign:filter/data@0.1.0" "[method]view.len" (func $len (param i32) (result i32)))
        {imports}
        (memory (export "memory") 2)
        (global $heap (mut i32) (i32.const 65536))
        (data (i32.const 1024) "{data}")
        (data (i32.const 600) "one\ntwo")
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
            (i32.sub (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))
        (func (export "consign:filter/criteria@0.1.0#describe") (result i32)
            (i32.store (i32.const 64) (i32.const 1024)) (i32.store (i32.const 68) (i32.const {length})) (i32.const 64))
        (func (export "consign:filter/criteria@0.1.0#configure") (param i32 i32) (result i32) (i32.store (i32.const 64) (i32.const 0)) (i32.const 64))
        (func (export "consign:filter/criteria@0.1.0#begin-chat") (param $chat i32) (result i32)
            (i64.store (i32.const 64) (i64.const 0)) (i32.store (i32.const 72) (i32.const 0)) (call $drop_chat (local.get $chat)) (i32.const 64))
        (func (export "consign:filter/criteria@0.1.0#evaluate") (param $view i32) (result i32)
            (local $a i64) (local $h i32)
            {body}
            (i32.store (i32.const 64) (i32.const 0)) (i32.store (i32.const 68) (i32.const 200)) (i32.store (i32.const 72) (call $len (local.get $view)))
            (call $drop_view (local.get $view)) (i32.const 64)))"#,
        length = manifest.len(),
    );
    component(&text, &contract, "criteria-module")
}

fn run(module: &[u8]) -> (Result<Vec<u8>, Failure>, Vec<String>) {
    let module = sandbox(Limits::default()).load(module).unwrap_or_else(|error| panic!("{error}"));
    let bound = module.bind(&json!({}), &[]).unwrap();
    let chat = chat();
    let mut session = begun(&bound, &chat);
    let verdicts = session.evaluate(&texts(&chat, &["a", "b", "c"]));
    (verdicts, session.take_logs().into_iter().map(|line| line.message.into_text()).collect())
}

#[test]
fn clocks_stand_still_but_for_themselves() {
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $sleep (param i64) (result i32)))
        (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
        (import "wasi:io/poll@0.2.6" "[resource-drop]pollable" (func $drop_pollable (param i32)))
        (import "wasi:clocks/wall-clock@0.2.6" "now" (func $wall (param i32)))"#;
    // Rule 1 for each thing that is as it should be.
    let body = "
        (local.set $a (call $now))
        (i32.store8 (i32.const 200) (i64.eq (i64.sub (call $now) (local.get $a)) (i64.const 1000000)))
        (local.set $h (call $sleep (i64.const 3600000000000)))
        (call $block (local.get $h)) (call $drop_pollable (local.get $h))
        (i32.store8 (i32.const 201) (i64.ge_u (i64.sub (call $now) (local.get $a)) (i64.const 3600000000000)))
        (call $wall (i32.const 304))
        (i32.store8 (i32.const 202) (i64.eq (i64.load (i32.const 304)) (i64.const 1769904000)))";
    let begun = std::time::Instant::now();
    let (verdicts, _) = run(&module(&["wasi:clocks/monotonic-clock", "wasi:clocks/wall-clock", "wasi:io/poll"], imports, body));
    assert_eq!(verdicts, Ok(vec![1, 1, 1]), "a millisecond a read, an hour's sleep at once, the window's end");
    assert!(begun.elapsed() < std::time::Duration::from_mins(1));
}

#[test]
fn random_numbers_are_the_same_in_each_instance() {
    let imports = r#"(import "wasi:random/random@0.2.6" "get-random-u64" (func $random (result i64)))"#;
    let body = "(i64.store (i32.const 200) (i64.and (call $random) (i64.const 0x010101)))";
    let module = module(&["wasi:random/random"], imports, body);
    let first = run(&module).0;
    assert!(first.is_ok());
    assert!((0..5).all(|_| run(&module).0 == first));
    let greedy = r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#;
    let (verdicts, _) = run(&self::module(&["wasi:random/random"], greedy, "(call $random (i64.const 1000000000000) (i32.const 300))"));
    assert!(matches!(verdicts, Err(Failure::Contract { call: Call::Evaluate, .. })), "{verdicts:?}");
}

#[test]
fn nothing_of_the_machine_is_there() {
    let imports = r#"
        (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/environment@0.2.6" "get-arguments" (func $arguments (param i32)))
        (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $directories (param i32)))"#;
    let body = "
        (call $environment (i32.const 300)) (call $arguments (i32.const 308)) (call $directories (i32.const 316))
        (i32.store8 (i32.const 200) (i32.load (i32.const 304)))
        (i32.store8 (i32.const 201) (i32.load (i32.const 312)))
        (i32.store8 (i32.const 202) (i32.load (i32.const 320)))";
    let (verdicts, _) = run(&module(&["wasi:cli/environment", "wasi:filesystem/preopens", "wasi:filesystem/types"], imports, body));
    assert_eq!(verdicts, Ok(vec![0, 0, 0]));
}

#[test]
fn what_is_printed_goes_into_the_log() {
    let imports = r#"
        (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))"#;
    let body = "(call $write (call $stdout) (i32.const 600) (i32.const 7) (i32.const 300))";
    let (verdicts, logs) = run(&module(&["wasi:cli/stdout", "wasi:io/streams", "wasi:io/error"], imports, body));
    assert_eq!((verdicts, logs), (Ok(vec![0, 0, 0]), vec!["one".to_owned(), "two".to_owned()]));
}

#[test]
fn sockets_and_leaving_end_the_module() {
    let network = r#"(import "wasi:sockets/instance-network@0.2.6" "instance-network" (func $network (result i32)))"#;
    let (verdicts, _) = run(&module(&["wasi:sockets/instance-network", "wasi:sockets/network"], network, "(drop (call $network))"));
    let Err(Failure::Contract { call: Call::Evaluate, text }) = verdicts else { panic!("{verdicts:?}") };
    assert!(text.contains("wasi:sockets/instance-network"), "{text}");
    let exit = r#"(import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))"#;
    let (verdicts, _) = run(&module(&["wasi:cli/exit"], exit, "(call $exit (i32.const 0))"));
    assert!(matches!(verdicts, Err(Failure::Contract { .. })), "{verdicts:?}");
}

#[test]
fn the_web_is_refused_with_what_to_do() {
    let imports = r#"(import "wasi:http/outgoing-handler@0.2.6" "handle" (func $handle (result i32)))"#;
    let error = sandbox(Limits::default()).load(&module(&["wasi:http/outgoing-handler"], imports, "(drop (call $handle))")).unwrap_err();
    let LoadError::Mismatch(problems) = error else { panic!("{error}") };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].starts_with("it imports wasi:http/outgoing-handler@0.2.6") && problems[0].contains("without the WASI library"),
        "{problems:?}"
    );
}
