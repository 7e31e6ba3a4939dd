//! Components made by hand for the tests of a module's life: each passes its probe, and misbehaves only later, as one in the field would.

#![expect(dead_code, reason = "each test program uses some of it")]

#[expect(clippy::panic, reason = "a test fails by panicking")]
#[path = "../../../host/sandbox/tests/guests/made.rs"]
pub mod made;

use std::fmt::Write as _;
use std::path::PathBuf;

use consign_model::Digest;
use consign_tests::Consign;
use made::{Made, manifest};
use serde_json::{Value, json};

/// Event flags of the contract, by bit.
pub const EDITED: u8 = 1;
pub const REPLY: u8 = 4;
pub const WITH_FILES: u8 = 16;

/// A manifest with this name and version.
pub fn named(name: &str, version: &str, needs: &[&str]) -> String {
    manifest(needs).replace("test/made", name).replace("1.0.0", version)
}

/// Text that lives as long as the test: `Made` takes constants.
pub fn forever(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// The events' flags, and the number of events in the chat: both need nothing.
const IMPORTS: &str = r#"
    (import "consign:filter/data@0.1.0" "[method]view.event-flags" (func $flags (param i32 i32)))
    (import "consign:filter/data@0.1.0" "[method]chat.event-count" (func $events (param i32) (result i64)))"#;

/// Looks at the flags of each event, and does this with those that have one of `mask`; `$verdict` is where the event's verdict stands.
fn with_flagged(mask: u8, then: &str) -> &'static str {
    forever(format!(
        "(local $from i32) (local $n i32) (local $i i32) (local $all i32) (local $verdict i32)
        (call $flags (local.get $view) (i32.const 128))
        (local.set $from (i32.load (i32.const 128)))
        (local.set $n (i32.load (i32.const 132)))
        (local.set $all (call $alloc (local.get $n)))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
            (local.set $verdict (i32.add (local.get $all) (local.get $i)))
            (if (i32.and (i32.load8_u (i32.add (local.get $from) (local.get $i))) (i32.const {mask})) (then {then}))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (call $ok_list (local.get $all) (local.get $n))"
    ))
}

/// A criterion that leaves out events with one of these flags, by its first rule.
pub fn leaves_out(name: &str, version: &str, mask: u8) -> Vec<u8> {
    let batch = with_flagged(mask, "(i32.store8 (local.get $verdict) (i32.const 1))");
    Made { manifest: named(name, version, &[]), imports: IMPORTS, batch, ..Made::default() }.criteria()
}

/// A criterion that keeps everything, and does this at the first event with one of these flags.
pub fn fails_at(name: &str, version: &str, mask: u8, fails: &str) -> Vec<u8> {
    let batch = with_flagged(mask, fails);
    Made { manifest: named(name, version, &[]), imports: IMPORTS, batch, ..Made::default() }.criteria()
}

/// A criterion that keeps everything in the chat by which modules are tried (17 events), and does this in every other.
pub fn fails_later(name: &str, version: &str, fails: &str) -> Vec<u8> {
    let begin = "(global.set $real (i64.ne (call $events (local.get $chat)) (i64.const 17))) (call $inspect)";
    let batch = forever(format!("(if (global.get $real) (then {fails})) (call $keep (call $len (local.get $view)))"));
    let fields = "(global $real (mut i32) (i32.const 0))";
    Made { manifest: named(name, version, &[]), imports: IMPORTS, fields, begin, batch, ..Made::default() }.criteria()
}

pub const TRAPS: &str = "(unreachable)";
pub const LOOPS: &str = "(loop $for_ever (br $for_ever))";
pub const EATS: &str = "(loop $more (drop (memory.grow (i32.const 64))) (br $more))";

/// A criterion that keeps everything, after it has counted to a few ten millions: some fifty milliseconds of a processor for each chat.
pub fn heavy(name: &str) -> Vec<u8> {
    let spin = "(i64.store (i32.const 1024) (i64.const 0))
        (loop $again
            (i64.store (i32.const 1024) (i64.add (i64.load (i32.const 1024)) (i64.const 1)))
            (br_if $again (i64.lt_u (i64.load (i32.const 1024)) (i64.const 30000000))))";
    let batch = forever(format!("{spin} (call $keep (call $len (local.get $view)))"));
    Made { manifest: named(name, "1.0.0", &[]), batch, ..Made::default() }.criteria()
}

/// A grouping with one group for the chat, by this key of one letter.
pub fn one_group(name: &str, version: &str, key: &str) -> Vec<u8> {
    let fields = forever(format!(r#"(data (i32.const 512) "{key}")"#));
    let batch = "(i32.store (i32.const 200) (i32.const 0))
        (i32.store (i32.const 204) (i32.sub (call $len (local.get $view)) (i32.const 1)))
        (i32.store (i32.const 208) (i32.const 0))
        (i32.store (i32.const 64) (i32.const 0))
        (drop (call $pair (i32.const 68) (i32.const 200) (i32.const 1)))
        (drop (call $pair (i32.const 76) (i32.const 0) (i32.const 0)))
        (i32.const 64)";
    // A group: key, title, no subject, no labels.
    let finish = "(drop (call $pair (i32.const 300) (i32.const 512) (i32.const 1)))
        (drop (call $pair (i32.const 308) (i32.const 512) (i32.const 1)))
        (i32.store (i32.const 316) (i32.const 0))
        (drop (call $pair (i32.const 324) (i32.const 0) (i32.const 0)))
        (call $ok_list (i32.const 300) (i32.const 1))";
    Made { manifest: named(name, version, &[]), fields, begin: "(call $ok_nothing)", batch, finish, ..Made::default() }.grouping()
}

/// Writes a module beside the data folder.
pub fn file(consign: &Consign, module: &[u8]) -> PathBuf {
    consign.write(&format!("{}.wasm", Digest::of(module).short()), module)
}

/// Pushes a module, and says by what name policies bind it.
pub fn push(consign: &Consign, module: &[u8]) -> String {
    let pushed = consign.json(&["module", "push", &file(consign, module).display().to_string()]);
    let digest = Digest::of(module).hex();
    assert_eq!(pushed["digest"], digest.as_str(), "{pushed}");
    format!("sha256:{digest}")
}

/// A workspace of so many chats with `each` messages: of each ten the fourth is a reply and the seventh has a file; of each twenty the fifteenth is and has
/// both. With `edits` the first message of each chat in it is edited by the last event.
pub fn workspace(consign: &Consign, chats: usize, each: usize, edits: &[usize]) -> (PathBuf, Counts) {
    let mut counts = Counts::default();
    let mut text = String::new();
    let mut line = |value: Value| writeln!(text, "{value}").unwrap_or_default();
    line(json!({"type": "user", "id": "U1", "name": "Ann Lee", "email": "ann@desk.example"}));
    for chat in 0..chats {
        let id = format!("C{chat}");
        line(json!({"type": "chat", "chat": id, "id": id, "kind": "channel", "title": format!("desk {chat}")}));
        for number in 0..each {
            let at = format!("2026-01-05T{:02}:{:02}:{:02}.000Z", 8 + number / 3600, number / 60 % 60, number % 60);
            let (reply, file) = (number % 10 == 3 || number % 20 == 14, number % 10 == 6 || number % 20 == 14);
            let mut message = json!({"type": "message", "chat": id, "id": format!("m{number}"), "at": at, "user": "U1", "text": format!("{SECRET} {chat} {number}")});
            if reply {
                message["thread"] = json!("m0");
            }
            if file {
                // Without its bytes, as an export has it that leaves files behind.
                message["attachments"] = json!([{"name": "quote.pdf", "media_type": "application/pdf", "size": 1000}]);
            }
            line(message);
            counts.events += 1;
            counts.replies += u64::from(reply && !file);
            counts.files += u64::from(file && !reply);
            counts.both += u64::from(file && reply);
        }
        if edits.contains(&chat) {
            line(
                json!({"type": "edit", "chat": id, "id": "m0", "at": "2026-01-05T20:00:00.000Z", "user": "U1", "text": format!("{SECRET}, edited")}),
            );
            counts.events += 1;
        }
    }
    (consign.write("workspace.jsonl", text), counts)
}

/// Of each text in a [`workspace`].
pub const SECRET: &str = "sell it before noon";

/// What a [`workspace`] holds.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub events: u64,
    /// Messages that are replies only.
    pub replies: u64,
    /// Messages with a file only.
    pub files: u64,
    pub both: u64,
}
