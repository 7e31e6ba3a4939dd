//! Files that are no modules, and components that don't fit.

use consign_model::module::Tier;
use consign_sandbox::{ByTier, Limits, LoadError};

use serde_json::json;

use crate::made::{self, Made, component, contract};
use crate::support::*;

#[test]
fn not_a_component() {
    let sandbox = sandbox(Limits { module_bytes: ByTier { native: 10_000, javascript: 10_000, python: 10_000 }, ..Limits::default() });
    assert_eq!(sandbox.load(b"").unwrap_err(), LoadError::NotWasm);
    assert_eq!(sandbox.load(b"\x7fELF").unwrap_err(), LoadError::NotWasm);
    assert_eq!(sandbox.load(b"\0asm\x01\0\0\0").unwrap_err(), LoadError::CoreModule);
    assert_eq!(sandbox.load(&[0; 10_001]).unwrap_err(), LoadError::TooLarge { bytes: 10_001, tier: Tier::Python, limit: 10_000 });
    assert!(matches!(sandbox.load(b"\0asm\x0d\0\x01\0\xff").unwrap_err(), LoadError::Invalid(_)));
    let whole = Made::default().criteria();
    for cut in [9, whole.len() / 2, whole.len() - 1] {
        assert!(sandbox.load(&whole[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn an_empty_component_says_all_that_it_lacks() {
    let Err(LoadError::Mismatch(problems)) = sandbox(Limits::default()).load(b"\0asm\x0d\0\x01\0") else { panic!("loaded") };
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("neither consign:filter/criteria@0.1.0 nor"), "{problems:?}");
}

#[test]
fn everything_that_does_not_fit_is_named() {
    // A contract that has one function more, one that differs, one more interface, and exports another answer.
    let other = contract()
        .replace("len: func() -> u32;", "len: func() -> u64; secrets: func() -> string;")
        .replace("world criteria-module {", "interface clock { now: func() -> s64; }\nworld criteria-module { import clock;")
        .replace("evaluate: func(events: borrow<view>) -> result<list<u8>, string>;", "evaluate: func(events: borrow<view>) -> list<u8>;");
    let module = r#"(module
        (import "consign:filter/data@0.1.0" "[method]view.len" (func (param i32) (result i64)))
        (import "consign:filter/data@0.1.0" "[method]view.secrets" (func (param i32 i32)))
        (import "consign:filter/clock@0.1.0" "now" (func (result i64)))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "consign:filter/criteria@0.1.0#describe") (result i32) unreachable)
        (func (export "consign:filter/criteria@0.1.0#configure") (param i32 i32) (result i32) unreachable)
        (func (export "consign:filter/criteria@0.1.0#begin-chat") (param i32) (result i32) unreachable)
        (func (export "consign:filter/criteria@0.1.0#evaluate") (param i32) (result i32) unreachable)
        )"#;
    let Err(LoadError::Mismatch(problems)) = sandbox(Limits::default()).load(&component(module, &other, "criteria-module")) else { panic!("loaded") };
    assert_eq!(problems.len(), 4, "{problems:#?}");
    for part in [
        "view.len as func(borrow<view>) -> u64, and the contract has func(borrow<view>) -> u32",
        "view.secrets, which the contract does not have",
        "imports consign:filter/clock@0.1.0",
        "criteria@0.1.0#evaluate as func(borrow<view>) -> list<u8>, and the contract has",
    ] {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:#?}");
    }
}

#[test]
fn wasi_is_not_given() {
    let world = "package test:wasi;
        interface nothing { f: func(); }
        world w { import nothing; }";
    let module = r#"(module (import "test:wasi/nothing" "f" (func)) (memory (export "memory") 1))"#;
    let Err(LoadError::Mismatch(problems)) = sandbox(Limits::default()).load(&component(module, world, "w")) else { panic!("loaded") };
    assert!(problems.iter().any(|problem| problem.contains("it imports test:wasi/nothing, and modules are given nothing")), "{problems:?}");
}

fn doubled(level: usize) -> serde_json::Value {
    let next = json!({"$ref": format!("#/$defs/l{level}")});
    json!({"allOf": [next, next]})
}

#[test]
fn a_manifest_that_is_none() {
    for manifest in ["", "{}", "[]", r#"{"name":"a/b"}"#] {
        let made = Made { manifest: manifest.to_owned(), ..Made::default() };
        let error = sandbox(Limits::default()).load(&made.criteria()).unwrap_err();
        assert!(matches!(error, LoadError::Manifest(_)), "{manifest}: {error}");
    }
    // Two references to the next definition, thirty times: a thousand million schemas to look at, in two kilobytes.
    let defs: serde_json::Map<_, _> = (0..30).map(|level| (format!("l{level}"), doubled(level + 1))).chain([("l30".into(), json!(true))]).collect();
    for (schema, part) in [
        (json!({"$ref": "#/$defs/l0", "$defs": defs}), "10000 values"),
        (json!({"properties": {"a": {"$ref": "#"}}}), "leads back"),
        (json!({"properties": {"a": {"items": {"x-consign-time-zone": true}}}}), "x-consign-time-zone at /properties/a/items"),
        (json!({"properties": {"a": {"x-consign-needles": {"ignore-case": "/ignorecase"}}}}), "names /ignorecase"),
    ] {
        let mut manifest: serde_json::Value = serde_json::from_str(&made::manifest(&["matching"])).unwrap();
        manifest["config-schema"] = schema;
        let made = Made { manifest: manifest.to_string(), ..Made::default() };
        let error = sandbox(Limits::default()).load(&made.criteria()).unwrap_err();
        assert!(matches!(error, LoadError::Manifest(_)) && error.to_string().contains(part), "{part}: {error}");
    }
    let made = Made { describe: "unreachable", ..Made::default() };
    assert!(matches!(sandbox(Limits::default()).load(&made.criteria()).unwrap_err(), LoadError::Describe(_)));
}

/// A schema is followed by the host itself, without a clock. Found by an attack: a pattern of 1 MiB held a thread for minutes.
#[test]
fn a_schema_that_would_take_long_to_check() {
    let load = |schema: serde_json::Value| {
        let mut manifest: serde_json::Value = serde_json::from_str(&made::manifest(&[])).unwrap();
        manifest["config-schema"] = schema;
        sandbox(Limits::default()).load(&Made { manifest: manifest.to_string(), ..Made::default() }.criteria())
    };
    let pattern = |pattern: &str| json!({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}});
    assert!(matches!(load(pattern("[02468][0-9ab]{6000}[A-Zc-z]")), Err(LoadError::Manifest(_))));
    let many = (0..10).map(|number| (format!("p{number}"), json!({"type": "string", "pattern": "^a$"}))).collect::<serde_json::Map<_, _>>();
    assert!(matches!(load(json!({"type": "object", "properties": many})), Err(LoadError::Manifest(_))));
    let module = load(pattern("^[0-9ab]+$")).unwrap();
    let long = "0ab1ab".repeat(100_000);
    let error = module.check_config(&json!({"a": long})).unwrap_err().to_string();
    assert!(error.contains("the most where the schema has patterns"), "{error}");
    assert_eq!(module.check_config(&json!({"a": "0ab1ab".repeat(1_000)})), Ok(()));
}
