//! The building of modules, with the real compilers. These tests need a WebAssembly toolchain, and take some minutes: the standard library
//! is built for each folder, because the folder is among the compiler's flags.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::filter_build::{BuildError, BuiltModule, build, componentise};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Cargo may be told by the environment to use one target folder for all, where the builds of two copies of a module would overwrite each other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn build_alone(project: &Path, out: &Path) -> Result<BuiltModule, BuildError> {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    build(project, out)
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
    for part in ["Cargo.toml", "Cargo.lock", "sdk", "std", "tools"] {
        copy(&workspace().join(part), &guest.join(part));
    }
    copy(&workspace().join("../wit"), &copied.join("wit"));

    let here = build_alone(&workspace().join("std/per-user"), &elsewhere.path().join("deep/er/here.wasm")).unwrap();
    let there = build_alone(&guest.join("std/per-user"), &elsewhere.path().join("there.wasm")).unwrap();
    assert_eq!(std::fs::read(&here.path).unwrap(), std::fs::read(&there.path).unwrap());
    assert_eq!(here.sha256, there.sha256);
    assert_eq!(here.sha256, sha256_by_coreutils(&here.path));
    assert!(here.toolchain.starts_with("rustc 1."), "{}", here.toolchain);

    let bytes = std::fs::read(&here.path).unwrap();
    assert_eq!(here.size, u64::try_from(bytes.len()).unwrap());
    holds_no_path(&bytes, elsewhere.path());
}

/// What the author's guide shows must build as it stands. The SDK is taken from a folder outside the module's workspace here; cargo hashes that
/// folder's name into symbols, so the bytes depend on it, as the guide says. They must not hold it.
#[test]
fn the_guides_example_builds() {
    let folder = tempfile::tempdir().unwrap();
    let guide = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let block = |language: &str| {
        let (_, rest) = guide.split_once(&format!("\n```{language}\n")).unwrap();
        rest.split_once("\n```\n").unwrap().0
    };
    let sdk = workspace().join("sdk");
    let manifest = block("toml").replace("../consign/guest-filters/sdk", sdk.to_str().unwrap());
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), block("rust")).unwrap();
    std::fs::copy(workspace().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let built = build_alone(folder.path(), &folder.path().join("no-bots.wasm")).unwrap();
    assert!(built.size < 200_000, "{} bytes", built.size);
    holds_no_path(&std::fs::read(&built.path).unwrap(), folder.path());
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
fn refusal(project: &Path) -> BuildError {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.wasm");
    let error = build_alone(project, &out).unwrap_err();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something was left behind");
    error
}

#[test]
fn no_project() {
    let empty = tempfile::tempdir().unwrap();
    for folder in [empty.path().to_owned(), empty.path().join("nowhere")] {
        let error = refusal(&folder);
        assert!(matches!(error, BuildError::NoProject(_)), "{error:?}");
        assert!(error.to_string().contains("Cargo.toml"), "{error}");
    }
}

/// One after the other in one folder, so that the standard library is built once.
#[test]
fn projects_that_are_no_filters() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path();

    std::fs::write(project.join("Cargo.toml"), "[package").unwrap();
    let no_manifest = refusal(project);
    assert!(matches!(no_manifest, BuildError::Cargo { .. }), "{no_manifest:?}");

    write_project(project, "cdylib", "pub fn broken() -> u32 { \"text\" }");
    let broken = refusal(project);
    assert!(matches!(broken, BuildError::Cargo { .. }), "{broken:?}");

    write_project(project, "rlib", "");
    let library = refusal(project);
    assert!(matches!(library, BuildError::NoModule(_)), "{library:?}");
    assert!(library.to_string().contains("crate-type = [\"cdylib\"]"), "{library}");

    write_project(project, "cdylib", "#[unsafe(no_mangle)] pub extern \"C\" fn add(a: i32) -> i32 { a + 1 }");
    let no_filter = refusal(project);
    assert!(matches!(no_filter, BuildError::Exports { .. } | BuildError::NoComponent(_)), "{no_filter:?}");
    assert!(no_filter.to_string().contains("filter"), "{no_filter}");
}

#[test]
fn bytes_that_are_no_module() {
    for bytes in [&b""[..], b"\0asm", b"not at all"] {
        assert!(matches!(componentise(bytes), Err(BuildError::NoComponent(_))));
    }
}

#[test]
fn components_that_are_no_filters() {
    let check = |text: &str| crate::filter_build::check_interface(&wat::parse_str(text).unwrap());
    let foreign = check(r#"(component (import "wasi:cli/environment@0.2.0" (instance)) (import "consign:filter/log@0.1.0" (instance)))"#);
    assert!(matches!(&foreign, Err(BuildError::ForeignImports(names)) if names == &["wasi:cli/environment@0.2.0"]), "{foreign:?}");

    let nothing = check("(component)");
    assert!(matches!(&nothing, Err(BuildError::Exports { found }) if found == "nothing"), "{nothing:?}");

    let one = r#"(instance $i) (export "consign:filter/criteria@0.1.0" (instance $i))"#;
    let other = r#"(export "consign:filter/grouping@0.1.0" (instance $i))"#;
    assert!(check(&format!("(component {one})")).is_ok());
    let both = check(&format!("(component {one} {other})"));
    assert!(matches!(both, Err(BuildError::Exports { .. })), "{both:?}");
}
