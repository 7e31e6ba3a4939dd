//! Modules that keep everything and do nothing else, made on the spot from text. Each is as little as the contract allows, so what it takes is the sandbox's.

use consign_model::module::ModuleKind;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The contract that they are of.
const CONTRACT: &str = include_str!("../../../../wit/0.1.0/filter.wit");

/// What they say of themselves. Written into the module's memory.
const MANIFEST: &str = r#"{"name":"consign/keep-all","version":"0.1.0","summary":"Keeps everything.","needs":[],"rules":[],"config-schema":true}"#;

/// What both have: answers lie at 64, the manifest at 1024, and what the host hands over or gets, one thing at a time, at 4096.
const COMMON: &str = r#"
    (import "consign:filter/data@0.1.0" "[resource-drop]view" (func $drop_view (param i32)))
    (import "consign:filter/data@0.1.0" "[resource-drop]chat" (func $drop_chat (param i32)))
    (import "consign:filter/data@0.1.0" "[method]view.len" (func $len (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 1024) "MANIFEST")
    (func $room (param $bytes i32) (result i32)
        (block $enough (loop $grow
            (br_if $enough (i32.le_u (i32.add (i32.const 4096) (local.get $bytes)) (i32.mul (memory.size) (i32.const 65536))))
            (drop (memory.grow (i32.const 1)))
            (br $grow)))
        (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $room (local.get 3)))
    (func (export "EXPORT#describe") (result i32)
        (i32.store (i32.const 64) (i32.const 1024)) (i32.store (i32.const 68) (i32.const LENGTH)) (i32.const 64))
    (func (export "EXPORT#configure") (param i32 i32) (result i32) (i32.store (i32.const 64) (i32.const 0)) (i32.const 64))
"#;

/// `inspect`, and a zero for each event.
const CRITERIA: &str = r#"
    (func (export "EXPORT#begin-chat") (param $chat i32) (result i32)
        (call $drop_chat (local.get $chat))
        (i64.store (i32.const 64) (i64.const 0)) (i32.store (i32.const 72) (i32.const 0)) (i32.const 64))
    (func (export "EXPORT#evaluate") (param $view i32) (result i32)
        (local $events i32)
        (local.set $events (call $len (local.get $view)))
        (call $drop_view (local.get $view))
        (memory.fill (call $room (local.get $events)) (i32.const 0) (local.get $events))
        (i32.store (i32.const 64) (i32.const 0))
        (i32.store (i32.const 68) (i32.const 4096)) (i32.store (i32.const 72) (local.get $events))
        (i32.const 64))
"#;

/// One group `all`, with the whole batch.
const GROUPING: &str = r#"
    (data (i32.const 512) "all")
    (func (export "EXPORT#begin-chat") (param $chat i32) (result i32)
        (call $drop_chat (local.get $chat)) (i32.store (i32.const 64) (i32.const 0)) (i32.const 64))
    (func (export "EXPORT#place") (param $view i32) (result i32)
        (local $events i32)
        (local.set $events (call $len (local.get $view)))
        (call $drop_view (local.get $view))
        (i32.store (i32.const 128) (i32.const 0))
        (i32.store (i32.const 132) (i32.sub (local.get $events) (i32.const 1)))
        (i32.store (i32.const 136) (i32.const 0))
        (i32.store (i32.const 64) (i32.const 0))
        (i32.store (i32.const 68) (i32.const 128)) (i32.store (i32.const 72) (i32.ne (local.get $events) (i32.const 0)))
        (i32.store (i32.const 76) (i32.const 0)) (i32.store (i32.const 80) (i32.const 0))
        (i32.const 64))
    (func (export "EXPORT#finish-chat") (result i32)
        (memory.fill (i32.const 128) (i32.const 0) (i32.const 32))
        (i32.store (i32.const 128) (i32.const 512)) (i32.store (i32.const 132) (i32.const 3))
        (i32.store (i32.const 136) (i32.const 512)) (i32.store (i32.const 140) (i32.const 3))
        (i32.store (i32.const 64) (i32.const 0))
        (i32.store (i32.const 68) (i32.const 128)) (i32.store (i32.const 72) (i32.const 1))
        (i32.const 64))
"#;

/// Makes one.
pub fn component(kind: ModuleKind) -> Result<Vec<u8>, String> {
    let (interface, functions, world) = match kind {
        ModuleKind::Criteria => ("criteria", CRITERIA, "criteria-module"),
        ModuleKind::Grouping => ("grouping", GROUPING, "grouping-module"),
    };
    let text = format!("(module {COMMON} {functions})")
        .replace("EXPORT", &format!("consign:filter/{interface}@0.1.0"))
        .replace("MANIFEST", &MANIFEST.replace('"', "\\\""))
        .replace("LENGTH", &MANIFEST.len().to_string());
    let mut module = wat::parse_str(text).map_err(|error| error.to_string())?;
    let mut resolve = Resolve::default();
    let package = resolve.push_str("filter.wit", CONTRACT).map_err(|error| error.to_string())?;
    let world = resolve.select_world(&[package], Some(world)).map_err(|error| error.to_string())?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|error| error.to_string())?;
    let mut encoder = ComponentEncoder::default().module(&module).map_err(|error| error.to_string())?;
    encoder.encode().map_err(|error| error.to_string())
}
