//! The commands of the author's guide, in its order, as somebody types them who has only the program: in a folder without this repository.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use consign_tests::{Workplace, binary, files_below, say};

/// The guide's blocks that are marked for this test.
fn commands() -> Vec<String> {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-filters/README.md")).unwrap();
    let blocks = guide.split("\n```sh guide\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0.to_owned());
    blocks.collect()
}

#[test]
fn the_guides_commands_work_in_their_order() {
    let blocks = commands();
    assert!(!blocks.is_empty(), "the guide has no block marked `sh guide`");
    let folder = Workplace::new();
    // `consign` is the one that is tested, whatever else is installed.
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(binary(), bin.join("consign")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = format!("set -eux\n{}\n", blocks.join("\n"));
    let begun = std::time::Instant::now();
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", folder.target())
        .env("CONSIGN_DATA", folder.path().join("data"))
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    say(format_args!("the guide's commands took {} s", begun.elapsed().as_secs()));
    assert!(folder.path().join("no-bots/no-bots.wasm").is_file(), "{said}");
    let emails = files_below(&folder.path().join("no-bots/e-mails"), ".eml");
    assert_eq!(emails.len(), 1, "{said}");
    // What was said, without what the chat's bots said.
    let email = std::fs::read_to_string(&emails[0]).unwrap();
    assert!(email.contains("Morning, is the fixing in?") && !email.contains("4711"), "{email}");
}

/// The functions that the guide shows are filters: they are put in the place of a new project's, which is then tested natively.
#[test]
fn the_guides_rust_compiles() {
    let guide = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-filters/README.md")).unwrap();
    let blocks: Vec<&str> = guide.split("\n```rust\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0).collect();
    assert!(blocks.len() >= 2, "the guide shows {} functions", blocks.len());
    let folder = Workplace::new();
    let project = folder.path().join("shown");
    let made =
        Command::new(binary()).args(["filter", "new", "acme/shown", "--lang", "rust", "--kind", "criteria", "--folder"]).arg(&project).output();
    assert!(made.unwrap().status.success());
    // Each in a module of its own: a component has one of them, natively they don't meet.
    let modules = blocks.iter().enumerate().map(|(number, block)| format!("mod shown{number} {{\n{block}\n}}\n"));
    let source = modules.collect::<Vec<_>>().concat();
    std::fs::write(project.join("src/lib.rs"), source).unwrap();
    let checked = Command::new("cargo").args(["check"]).current_dir(&project).env("CARGO_TARGET_DIR", folder.target()).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success() && !said.contains("warning: unused"), "{said}");
}
