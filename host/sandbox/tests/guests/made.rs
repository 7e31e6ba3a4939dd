//! Modules made by hand: a core module in text, with what each test wants in its functions, turned into a component as `consign filter build` does it.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract as it was published: a newer one has a file of its own, and tests of its own. This file is part of several packages' tests, so it looks upwards for it.
pub fn contract() -> String {
    let above = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.map(|folder| folder.join("wit/0.1.0/filter.wit")).find_map(|path| std::fs::read_to_string(path).ok()).unwrap()
}

/// A module's functions, as bodies of instructions. Each of them leaves the address of its answer.
pub struct Made {
    pub manifest: String,
    /// Fields of the module beside the usual ones: memories, tables, imports stand in `imports`.
    pub imports: &'static str,
    pub fields: &'static str,
    pub describe: &'static str,
    pub configure: &'static str,
    pub begin: &'static str,
    /// `evaluate` or `place`.
    pub batch: &'static str,
    pub finish: &'static str,
    /// Pages of 64 KiB.
    pub pages: u32,
}

/// Keeps everything. Answers lie at 64.
impl Default for Made {
    fn default() -> Self {
        Self {
            manifest: manifest(&[]),
            imports: "",
            fields: "",
            describe: "(call $answer_manifest)",
            configure: "(call $ok_nothing)",
            begin: "(call $inspect)",
            batch: "(call $keep (call $len (local.get $view)))",
            finish: "(call $ok_list (i32.const 0) (i32.const 0))",
            pages: 2,
        }
    }
}

/// A manifest with two rules.
pub fn manifest(needs: &[&str]) -> String {
    serde_json::json!({
        "name": "test/made", "version": "1.0.0", "summary": "made by a test", "needs": needs,
        "rules": [{"code": "first", "summary": "the first"}, {"code": "second", "summary": "the second"}],
        "config-schema": {"type": "object"},
    })
    .to_string()
}

impl Made {
    fn text(&self, interface: &str) -> String {
        let data = r#""consign:filter/data@0.1.0""#;
        let export = format!("consign:filter/{interface}@0.1.0");
        let (batch, finish) = match interface {
            "criteria" => ("evaluate", String::new()),
            _ => ("place", format!(r#"(func (export "{export}#finish-chat") (result i32) {})"#, self.finish)),
        };
        let manifest = self.manifest.bytes().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
        format!(
            r#"(module
            (import {data} "[resource-drop]view" (func $drop_view (param i32)))
            (import {data} "[resource-drop]chat" (func $drop_chat (param i32)))
            (import {data} "[method]view.len" (func $len (param i32) (result i32)))
            (import "consign:filter/log@0.1.0" "emit" (func $emit (param i32 i32 i32)))
            {imports}
            (memory (export "memory") {pages})
            (global $heap (mut i32) (i32.const 65536))
            (data (i32.const 1024) "{manifest}")
            {fields}
            (func $alloc (param $size i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $heap))
                (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get $size)) (i32.const 7)) (i32.const -8)))
                (block $enough (loop $grow
                    (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
                    (drop (memory.grow (i32.const 16)))
                    (br $grow)))
                (local.get $at))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))
            (func $pair (param $at i32) (param $pointer i32) (param $length i32) (result i32)
                (i32.store (local.get $at) (local.get $pointer))
                (i32.store offset=4 (local.get $at) (local.get $length))
                (local.get $at))
            (func $answer_manifest (result i32) (call $pair (i32.const 64) (i32.const 1024) (i32.const {manifest_bytes})))
            (func $ok_nothing (result i32) (i32.store (i32.const 64) (i32.const 0)) (i32.const 64))
            (func $inspect (result i32) (i64.store (i32.const 64) (i64.const 0)) (i32.store (i32.const 72) (i32.const 0)) (i32.const 64))
            (func $ok_list (param $pointer i32) (param $length i32) (result i32)
                (i32.store (i32.const 64) (i32.const 0))
                (drop (call $pair (i32.const 68) (local.get $pointer) (local.get $length)))
                (i32.const 64))
            (func $err (param $pointer i32) (param $length i32) (result i32)
                (i32.store (i32.const 64) (i32.const 1))
                (drop (call $pair (i32.const 68) (local.get $pointer) (local.get $length)))
                (i32.const 64))
            (func $keep (param $length i32) (result i32) (call $ok_list (call $alloc (local.get $length)) (local.get $length)))
            (func (export "{export}#describe") (result i32) {describe})
            (func (export "{export}#configure") (param $pointer i32) (param $length i32) (result i32) {configure})
            (func (export "{export}#begin-chat") (param $chat i32) (result i32) {begin} (call $drop_chat (local.get $chat)))
            (func (export "{export}#{batch}") (param $view i32) (result i32) {body} (call $drop_view (local.get $view)))
            {finish}
            )"#,
            imports = self.imports,
            pages = self.pages,
            fields = self.fields,
            manifest_bytes = self.manifest.len(),
            describe = self.describe,
            configure = self.configure,
            begin = self.begin,
            body = self.batch,
        )
    }

    pub fn criteria(&self) -> Vec<u8> {
        component(&self.text("criteria"), &contract(), "criteria-module")
    }

    pub fn grouping(&self) -> Vec<u8> {
        component(&self.text("grouping"), &contract(), "grouping-module")
    }
}

/// A core module in text, for a world of a contract.
pub fn component(module: &str, contract: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("contract.wit", contract).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap_or_else(|error| panic!("{error:?}"))
}
