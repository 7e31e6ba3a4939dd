//! What a module hands over, byte by byte: answers laid out as the canonical ABI says, for a module that returns them as they are.
//!
//! The layout is written here once more, by hand and by the specification, and not taken from what the sandbox uses.

use consign_tests::guests;
use serde_json::{Value, json};

/// Where the module puts what its configuration holds.
const BASE: u32 = 0x20_0000;

/// The module: `configure` decodes the hexadecimal digits between `{"memory":"` and `"}` to `BASE`. There stand the addresses of its answers: to
/// `begin-chat`, to `finish-chat`, and to one batch after the other.
const ECHO: &str = r#"
(memory (export "memory") 64)
(global $next (mut i32) (i32.const 0x200008))
(func $digit (param $at i32) (result i32)
    (local $digit i32)
    (local.set $digit (i32.load8_u (local.get $at)))
    (if (result i32) (i32.gt_u (local.get $digit) (i32.const 57))
        (then (i32.sub (local.get $digit) (i32.const 87)))
        (else (i32.sub (local.get $digit) (i32.const 48)))))
(func (export "configure") (param $at i32) (param $bytes i32) (result i32)
    (local $to i32) (local $end i32)
    (local.set $end (i32.add (local.get $at) (i32.sub (local.get $bytes) (i32.const 2))))
    (local.set $at (i32.add (local.get $at) (i32.const 11)))
    (local.set $to (i32.const 0x200000))
    (block $done (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (i32.store8 (local.get $to) (i32.or
            (i32.shl (call $digit (local.get $at)) (i32.const 4))
            (call $digit (i32.add (local.get $at) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $more)))
    (call $ok))
(func $answer (result i32)
    (global.set $next (i32.add (global.get $next) (i32.const 4)))
    (i32.load (i32.sub (global.get $next) (i32.const 4))))
(func (export "begin-chat") (param $chat i32) (result i32)
    (call $chat.drop (local.get $chat))
    (i32.load (i32.const 0x200000)))
"#;

/// A criterion that answers what it is configured with.
pub fn criteria() -> Vec<u8> {
    let evaluate = r#"(func (export "evaluate") (param $view i32) (result i32) (call $view.drop (local.get $view)) (call $answer))"#;
    guests::of_text("echo", "criteria", &format!("{ECHO}{evaluate}"), &json!({"type": "object"}))
}

/// A grouping that does.
pub fn grouping() -> Vec<u8> {
    let place = r#"(func (export "place") (param $view i32) (result i32) (call $view.drop (local.get $view)) (call $answer))
        (func (export "finish-chat") (result i32) (i32.load (i32.const 0x200004)))"#;
    guests::of_text("echo", "grouping", &format!("{ECHO}{place}"), &json!({"type": "object"}))
}

/// The memory that is to come about.
#[derive(Debug, Clone)]
pub struct Image {
    pub bytes: Vec<u8>,
}

impl Image {
    /// With room for the addresses of the answers to so many batches.
    pub fn new(batches: usize) -> Self {
        Self { bytes: vec![0; 8 + 4 * batches] }
    }

    /// The answer to `begin-chat`.
    pub fn begin(&mut self, at: u32) {
        self.bytes[..4].copy_from_slice(&at.to_le_bytes());
    }

    /// The answer to `finish-chat`.
    pub fn finish(&mut self, at: u32) {
        self.bytes[4..8].copy_from_slice(&at.to_le_bytes());
    }

    /// The answer to this batch.
    pub fn batch(&mut self, number: usize, at: u32) {
        self.bytes[8 + 4 * number..][..4].copy_from_slice(&at.to_le_bytes());
    }

    /// Puts bytes somewhere.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        while !self.bytes.len().is_multiple_of(8) {
            self.bytes.push(0);
        }
        let at = BASE + u32::try_from(self.bytes.len()).unwrap();
        self.bytes.extend_from_slice(bytes);
        at
    }

    /// Puts numbers somewhere.
    pub fn words(&mut self, words: &[u32]) -> u32 {
        self.put(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// As the configuration that brings it about.
    pub fn config(&self) -> Value {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        json!({ "memory": digits.map(char::from).collect::<String>() })
    }
}
