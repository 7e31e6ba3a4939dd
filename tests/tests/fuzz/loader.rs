//! The component loader: every file is taken or refused, whatever stands in it. What is taken runs, for a moment and in little memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use arbitrary::Unstructured;
use consign_sandbox::{BindError, ByTier, Limits, LoadError, Sandbox, SandboxConfig};
use consign_tests::{Random, guests, say};
use serde_json::json;

use crate::mutate::{mutate, with_core};

/// Of the guests those are taken that compile in a moment: there is no process here that could be killed for it.
const SMALL: usize = 20_000;
const COMPILES_LONG: &str = "compile-";

fn sandbox() -> Sandbox {
    let limits = Limits {
        memory_bytes: 8 << 20,
        instance_bytes: ByTier { native: 64 << 10, ..Limits::default().instance_bytes },
        call_time: Duration::from_millis(20),
        chat_time: Duration::from_millis(40),
        ..Limits::default()
    };
    Sandbox::new(SandboxConfig { limits, ..SandboxConfig::default() }).unwrap()
}

struct Seeds {
    honest: Vec<u8>,
    /// Guests, and an honest module of each kind.
    small: Vec<Vec<u8>>,
    /// The standard modules.
    large: Vec<Vec<u8>>,
}

fn seeds() -> Seeds {
    let honest = guests::honest();
    let mut small = vec![honest.clone(), crate::image::criteria(), crate::image::grouping()];
    for guest in guests::guests().into_iter().filter(|guest| guest.text_bytes() < 5 * SMALL && !guest.name.starts_with(COMPILES_LONG)) {
        small.extend(guest.files(&mut Random::new(0)).into_iter().take(3).filter(|file| file.len() < SMALL));
    }
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-filters/dist/std");
    let mut large: Vec<PathBuf> = std::fs::read_dir(&dist).unwrap().map(|entry| entry.unwrap().path()).collect();
    large.retain(|path| path.extension().is_some_and(|ending| ending == "wasm"));
    large.sort();
    Seeds { honest, small, large: large.iter().map(|path| std::fs::read(path).unwrap()).collect() }
}

impl Seeds {
    fn file(&self, random: &mut Random) -> Vec<u8> {
        // Where a large one is valid after all, compiling it takes a tenth of a second: not often.
        let from: &[Vec<u8>] = if random.once_in(200) { &self.large } else { &self.small };
        let mut file = random.pick(from).clone();
        if random.once_in(10) {
            file = with_core(&self.honest, &core(random));
        }
        // Mostly one: after many changes next to nothing gets past the first look.
        for _ in 0..=random.below(5).saturating_sub(2) {
            let other: &Vec<u8> = random.pick(&self.small);
            file = mutate(&file, other, random);
        }
        if random.once_in(30) {
            file.truncate(random.below(file.len() + 1));
        }
        file
    }
}

/// A core module that is valid and imports nothing, of wasm-smith's making.
fn core(random: &mut Random) -> Vec<u8> {
    let bytes: Vec<u8> = (0..=random.below(60)).flat_map(|_| random.bits().to_le_bytes()).collect();
    let config = wasm_smith::Config {
        max_imports: 0,
        max_funcs: 8,
        max_instructions: 200,
        allow_start_export: bytes[0].is_multiple_of(8),
        max_memories: 3,
        max_tables: 3,
        ..wasm_smith::Config::default()
    };
    wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)).map(|module| module.to_bytes()).unwrap_or_default()
}

fn word(error: &LoadError) -> &'static str {
    match error {
        LoadError::TooLarge { .. } => "too large",
        LoadError::CoreModule => "a core module",
        LoadError::NotWasm => "not WebAssembly",
        LoadError::Invalid(_) => "not valid",
        LoadError::LargeInstances { .. } => "large instances",
        LoadError::Mismatch(_) => "not the contract",
        LoadError::Describe(_) => "describe failed",
        LoadError::Manifest(_) => "not a manifest",
        LoadError::CompileDeadline { .. } | LoadError::CompileStarved { .. } | LoadError::CompileMemory { .. } | LoadError::CompileFailed(_) => {
            panic!("there is no process that compiles: {error}")
        }
    }
}

/// Loads it, and where it is taken binds it.
fn load(sandbox: &Sandbox, file: &[u8]) -> String {
    match sandbox.load(file) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            format!("refused: {}", word(&error))
        }
        Ok(module) => match module.bind(&json!({}), &module.manifest().needs) {
            Ok(bound) => {
                let passed = if bound.probe().passed() { "passed" } else { "failed" };
                format!("taken, and its probe {passed}")
            }
            Err(BindError::Config(_)) => "taken, and its configuration refused".to_owned(),
            Err(BindError::Failed(failure)) => format!("taken, and fails with a configuration: {}", failure.class().word()),
            Err(error @ BindError::NotApproved(_)) => panic!("{error}"),
        },
    }
}

#[test]
fn every_component_is_taken_or_refused() {
    if let Ok(file) = std::env::var("CONSIGN_FUZZ_FILE") {
        say(load(&sandbox(), &std::fs::read(file).unwrap()));
        return;
    }
    let (seeds, sandbox) = (seeds(), sandbox());
    let before = crate::memory();
    let ends = crate::cases("component loader", |number, mut random| {
        let file = seeds.file(&mut random);
        catch_unwind(AssertUnwindSafe(|| load(&sandbox, &file))).unwrap_or_else(|panic| {
            let path = std::env::temp_dir().join(format!("consign-fuzz-{number}.wasm"));
            std::fs::write(&path, &file).unwrap();
            say(format_args!("CONSIGN_FUZZ_FILE={} has this file loaded again", path.display()));
            std::panic::resume_unwind(panic)
        })
    });
    let after = crate::memory();
    assert!(after < before + 256, "the process had {before} MiB and has {after}");
    if crate::only().is_none() {
        assert!(ends.keys().filter(|end| end.starts_with("refused")).count() >= 4, "{ends:?}");
        assert!(ends.iter().any(|(end, count)| end.starts_with("taken") && *count > 10), "{ends:?}");
    }
}
