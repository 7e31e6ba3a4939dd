//! Whether a component fits the contract, with everything that does not: wasmtime's linker names only the first.
//!
//! The contract's functions stand in `contract-0.1.0.txt`, one a line, spelled out by structure: two types are the same where they are spelled the
//! same, whatever their names are. The file is not written by hand: a test makes a component of the whole contract and compares.

use std::collections::BTreeMap;

use consign_model::module::{ModuleFacts, ModuleKind, Tier};
use wasmtime::Engine;
use wasmtime::component::types::{self, ComponentItem, Type};
use wasmtime::component::{Component, ResourceType};

use crate::wasi;

const SIGNATURES: &str = include_str!("contract-0.1.0.txt");

const IMPORTS: [&str; 3] = ["consign:filter/types@0.1.0", "consign:filter/data@0.1.0", "consign:filter/log@0.1.0"];
const CRITERIA: &str = "consign:filter/criteria@0.1.0";
const GROUPING: &str = "consign:filter/grouping@0.1.0";

/// Problems that are told. A hostile component can have any number.
const MOST_PROBLEMS: usize = 200;

/// What kind of module a component is, or everything in which it does not fit.
pub fn check(engine: &Engine, component: &Component, facts: &ModuleFacts) -> Result<ModuleKind, Vec<String>> {
    let contract: BTreeMap<&str, &str> = SIGNATURES.lines().filter_map(|line| line.split_once(' ')).collect();
    let mut problems = Vec::new();
    let ty = component.component_type();

    for (name, import) in ty.imports(engine) {
        match import.ty {
            ComponentItem::ComponentInstance(instance) if IMPORTS.contains(&name) => {
                for (function, signature) in signatures(engine, name, &instance) {
                    match contract.get(function.as_str()) {
                        None => problems.push(format!("it imports {function}, which the contract does not have")),
                        Some(expected) if *expected != signature => {
                            problems.push(format!("it imports {function} as {signature}, and the contract has {expected}"));
                        }
                        Some(_) => {}
                    }
                }
            }
            ComponentItem::ComponentInstance(_) if wasi::is_sealed(name) => {}
            _ => problems.push(format!("it imports {name}, and modules are given nothing but the contract{}", hint(name, facts))),
        }
    }

    let mut kinds = Vec::new();
    for (name, export) in ty.exports(engine) {
        let kind = match name {
            CRITERIA => ModuleKind::Criteria,
            GROUPING => ModuleKind::Grouping,
            // Toolchains leave things of their own, which nobody calls.
            _ if !name.starts_with("consign:filter/") => continue,
            _ => {
                problems.push(format!("it exports {name}, which the contract does not have"));
                continue;
            }
        };
        let ComponentItem::ComponentInstance(instance) = export.ty else {
            problems.push(format!("its export {name} is no interface"));
            continue;
        };
        kinds.push(kind);
        let found = signatures(engine, name, &instance);
        let prefix = format!("{name}#");
        for (function, expected) in contract.iter().filter(|(function, _)| function.starts_with(&prefix)) {
            match found.get(*function) {
                None => problems.push(format!("it lacks {function}: {expected}")),
                Some(signature) if signature != expected => {
                    problems.push(format!("it exports {function} as {signature}, and the contract has {expected}"));
                }
                Some(_) => {}
            }
        }
    }
    match kinds.as_slice() {
        [kind] if problems.is_empty() => return Ok(*kind),
        [_] => {}
        [] => problems.push(format!("it exports neither {CRITERIA} nor {GROUPING}")),
        _ => problems.push(format!("it exports both {CRITERIA} and {GROUPING}; make it two modules")),
    }
    if problems.len() > MOST_PROBLEMS {
        let more = problems.len() - MOST_PROBLEMS;
        problems.truncate(MOST_PROBLEMS);
        problems.push(format!("and {more} more"));
    }
    Err(problems)
}

/// How the toolchain that made the component is told to leave this import out.
fn hint(import: &str, facts: &ModuleFacts) -> &'static str {
    let interface = import.split('@').next().unwrap_or_default();
    if !interface.starts_with("wasi:") {
        return if interface.starts_with("consign:filter/") {
            "; this host knows version 0.1.0 of it: build against wit/0.1.0"
        } else {
            ": take it out of the world that the module is built for"
        };
    }
    match (facts.tier, interface.starts_with("wasi:http/")) {
        (Tier::JavaScript, true) => {
            ": give componentize-js `disableFeatures: ['http', 'fetch-event']` (on its command line: `--disable http fetch-event`)"
        }
        (Tier::JavaScript, false) => {
            ": give componentize-js `disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event']` (on its command line: `--disable random stdio clocks http fetch-event`)"
        }
        (Tier::Python, _) => ": give `componentize-py componentize` the flag `--stub-wasi`",
        (Tier::Native, _) if facts.producers.iter().any(|producer| producer.name == "rustc") => {
            ": build for wasm32-unknown-unknown, as `consign filter build` does, and leave out the crate that wants it"
        }
        (Tier::Native, _) => ": build without the WASI library (for C: clang --target=wasm32-unknown-unknown -nostdlib)",
    }
}

/// The functions of an interface, spelled out.
fn signatures(engine: &Engine, interface: &str, instance: &types::ComponentInstance) -> BTreeMap<String, String> {
    let resources: Vec<(ResourceType, String)> = instance
        .exports(engine)
        .filter_map(|(name, export)| match export.ty {
            ComponentItem::Resource(resource) => Some((resource, name.to_owned())),
            _ => None,
        })
        .collect();
    let functions = instance.exports(engine).filter_map(|(name, export)| match export.ty {
        ComponentItem::ComponentFunc(function) => Some((format!("{interface}#{name}"), function_text(&function, &resources))),
        _ => None,
    });
    functions.collect()
}

fn function_text(function: &types::ComponentFunc, resources: &[(ResourceType, String)]) -> String {
    let parameters = function.params().map(|(_, ty)| type_text(&ty, resources)).collect::<Vec<_>>().join(", ");
    let results = function.results().map(|ty| type_text(&ty, resources)).collect::<Vec<_>>().join(", ");
    let kind = if function.async_() { "async func" } else { "func" };
    if results.is_empty() { format!("{kind}({parameters})") } else { format!("{kind}({parameters}) -> {results}") }
}

fn type_text(ty: &Type, resources: &[(ResourceType, String)]) -> String {
    let text = |ty: &Type| type_text(ty, resources);
    let some = |ty: Option<Type>| ty.map_or_else(|| "_".to_owned(), |ty| text(&ty));
    // A module's own types and the contract's live in different places, and a resource that is only mentioned has no name there: its kind says enough,
    // since the linker has the last word.
    let resource = |resource: &ResourceType| {
        let known = resources.iter().find(|(known, _)| known == resource);
        known.map_or("resource", |(_, name)| name.as_str()).to_owned()
    };
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::Float32 => "f32".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::List(list) => format!("list<{}>", text(&list.ty())),
        Type::Record(record) => {
            let fields = record.fields().map(|field| format!("{}: {}", field.name, text(&field.ty)));
            format!("record {{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Type::Tuple(tuple) => format!("tuple<{}>", tuple.types().map(|ty| text(&ty)).collect::<Vec<_>>().join(", ")),
        Type::Variant(variant) => {
            let cases = variant.cases().map(|case| match case.ty {
                None => case.name.to_owned(),
                Some(ty) => format!("{}({})", case.name, text(&ty)),
            });
            format!("variant {{{}}}", cases.collect::<Vec<_>>().join(", "))
        }
        Type::Enum(cases) => format!("enum {{{}}}", cases.names().collect::<Vec<_>>().join(", ")),
        Type::Option(option) => format!("option<{}>", text(&option.ty())),
        Type::Result(result) => format!("result<{}, {}>", some(result.ok()), some(result.err())),
        Type::Flags(flags) => format!("flags {{{}}}", flags.names().collect::<Vec<_>>().join(", ")),
        Type::Own(of) => format!("own<{}>", resource(of)),
        Type::Borrow(of) => format!("borrow<{}>", resource(of)),
        Type::Map(_) => "map".to_owned(),
        Type::FixedLengthList(list) => format!("list<{}, {}>", text(&list.ty()), list.len()),
        Type::Future(_) => "future".to_owned(),
        Type::Stream(_) => "stream".to_owned(),
        Type::ErrorContext => "error-context".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// All functions of a component's interfaces, one a line.
    fn spelled_out(engine: &Engine, component: &Component) -> BTreeSet<String> {
        let ty = component.component_type();
        let items = ty.imports(engine).chain(ty.exports(engine));
        let instances = items.filter_map(|(name, item)| match item.ty {
            ComponentItem::ComponentInstance(instance) => Some(signatures(engine, name, &instance)),
            _ => None,
        });
        instances.flatten().map(|(function, signature)| format!("{function} {signature}")).collect()
    }

    /// A component that imports and exports all of a world of the contract.
    fn whole(world: &str) -> Vec<u8> {
        let mut resolve = wit_parser::Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/0.1.0/filter.wit");
        let package = resolve.push_path(contract).unwrap().0;
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let mut module = wit_component::dummy_module(&resolve, world, wit_parser::ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync));
        wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
        wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }

    #[test]
    fn the_file_is_the_contract() {
        let engine = Engine::default();
        let mut functions = BTreeSet::new();
        for (world, kind) in [("criteria-module", ModuleKind::Criteria), ("grouping-module", ModuleKind::Grouping)] {
            let component = Component::from_binary(&engine, &whole(world)).unwrap();
            functions.append(&mut spelled_out(&engine, &component));
            if std::env::var_os("CONSIGN_UPDATE").is_none() {
                let facts = crate::facts::read(&whole(world)).unwrap();
                assert_eq!(check(&engine, &component, &facts), Ok(kind));
            }
        }
        let text = functions.into_iter().collect::<Vec<_>>().join("\n") + "\n";
        if std::env::var_os("CONSIGN_UPDATE").is_some() {
            std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract-0.1.0.txt"), &text).unwrap();
        }
        assert_eq!(text, SIGNATURES, "run with CONSIGN_UPDATE=1, and think: a published contract never changes");
    }
}
