//! The building of modules, with the real compilers. These tests need a WebAssembly toolchain, and take some minutes: the standard library
//! is built for each folder, because the folder is among the compiler's flags.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::component::{BuiltModule, ComponentError, check_interface};
use crate::rust::{RustError, Symbols, build, componentise};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Cargo may be told by the environment to use one target folder for all, where the builds of two copies of a module would overwrite each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn build_alone(project: &Path, out: &Path, symbols: Symbols) -> Result<BuiltModule, RustError> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    build(project, out, symbols)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn sha256_by_coreutils(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-r").args([from, to]).status().unwrap();
    assert!(copied.success(), "{} to {}", from.display(), to.display());
}

#[test]
fn another_folder_makes_the_same_bytes() {
    let elsewhere = tempfile::tempdir().unwrap();
    let copied = elsewhere.path().join("a folder with spaces, and deeper");
    let guest = copied.join("guest-filters");
    for part in ["Cargo.toml", "Cargo.lock", "sdk", "std", "examples", "tools"] {
        copy(&workspace().join(part), &guest.join(part));
    }
    copy(&workspace().join("../wit"), &copied.join("wit"));

    let module = "std/per-user";
    let mut sizes = Vec::new();
    for symbols in [Symbols::None, Symbols::Names, Symbols::Lines] {
        let here = build_alone(&workspace().join(module), &elsewhere.path().join("deep/er/here.wasm"), symbols).unwrap();
        let there = build_alone(&guest.join(module), &elsewhere.path().join("there.wasm"), symbols).unwrap();
        let bytes = std::fs::read(&here.path).unwrap();
        assert_eq!(bytes, std::fs::read(&there.path).unwrap(), "{symbols:?}");
        assert_eq!(here.sha256, there.sha256);
        assert_eq!(here.sha256, sha256_by_coreutils(&here.path));
        assert!(here.toolchain.starts_with("rustc 1."), "{}", here.toolchain);
        assert_eq!(here.size, u64::try_from(bytes.len()).unwrap());
        holds_no_path(&bytes, elsewhere.path());
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert_eq!(holds("finish_chat"), symbols != Symbols::None, "{symbols:?}: the names of functions");
        assert_eq!(holds(".debug_line"), symbols == Symbols::Lines, "{symbols:?}: files and lines");
        sizes.push(here.size);
    }
    assert!(sizes.is_sorted(), "{sizes:?}");
}

/// Neither the project's folder, nor this workspace's, nor the user's.
fn holds_no_path(bytes: &[u8], project: &Path) {
    let mut places = vec![workspace(), project.to_owned()];
    places.extend(std::env::home_dir().map(|home| home.join(".cargo")));
    for place in places {
        let place = place.to_str().unwrap().as_bytes();
        let written = bytes.windows(place.len()).any(|window| window == place);
        assert!(!written, "the module holds the path {}", String::from_utf8_lossy(place));
    }
}

/// Writes a crate without dependencies, in a workspace of its own.
fn write_project(folder: &Path, crate_type: &str, code: &str) {
    let manifest =
        format!("[package]\nname = \"probe\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"{crate_type}\"]\n[workspace]\n");
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("src/lib.rs"), code).unwrap();
}

/// Builds it, sees that nothing was written, and gives the error.
#[track_caller]
fn refusal(project: &Path) -> RustError {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wasm");
    let error = build_alone(project, &out, Symbols::None).unwrap_err();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
    error
}

/// One after the other in one folder, so that the standard library is built once.
#[test]
fn projects_that_are_no_filters() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path();

    std::fs::write(project.join("Cargo.toml"), "[package").unwrap();
    let no_manifest = refusal(project);
    assert!(matches!(no_manifest, RustError::Cargo { .. }), "{no_manifest:?}");

    write_project(project, "cdylib", "pub fn broken() -> u32 { \"text\" }");
    let broken = refusal(project);
    assert!(matches!(broken, RustError::Cargo { .. }), "{broken:?}");

    write_project(project, "rlib", "");
    let library = refusal(project);
    assert!(matches!(library, RustError::NoModule(_)), "{library:?}");
    assert!(library.to_string().contains("crate-type = [\"cdylib\"]"), "{library}");

    write_project(project, "cdylib", "#[unsafe(no_mangle)] pub extern \"C\" fn add(a: i32) -> i32 { a + 1 }");
    let no_filter = refusal(project);
    assert!(matches!(no_filter, RustError::Component(ComponentError::Exports { .. }) | RustError::NoComponent(_)), "{no_filter:?}");
    assert!(no_filter.to_string().contains("filter"), "{no_filter}");
}

#[test]
fn bytes_that_are_no_module() {
    for bytes in [&b""[..], b"\0asm", b"not at all"] {
        assert!(matches!(componentise(bytes), Err(RustError::NoComponent(_))));
    }
}

#[test]
fn components_that_are_no_filters() {
    let check = |text: &str| check_interface(&wat::parse_str(text).unwrap());
    let foreign = check(r#"(component (import "wasi:cli/environment@0.2.0" (instance)) (import "consign:filter/log@0.1.0" (instance)))"#);
    assert!(matches!(&foreign, Err(ComponentError::ForeignImports(names)) if names == &["wasi:cli/environment@0.2.0"]), "{foreign:?}");

    let nothing = check("(component)");
    assert!(matches!(&nothing, Err(ComponentError::Exports { found }) if found == "nothing"), "{nothing:?}");

    let one = r#"(instance $i) (export "consign:filter/criteria@0.1.0" (instance $i))"#;
    let other = r#"(export "consign:filter/grouping@0.1.0" (instance $i))"#;
    assert!(check(&format!("(component {one})")).is_ok());
    let both = check(&format!("(component {one} {other})"));
    assert!(matches!(both, Err(ComponentError::Exports { .. })), "{both:?}");
}
