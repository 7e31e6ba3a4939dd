//! Rebuilds the components of `dist/` by the very code of `consign filter build`.
//!
//! `build-dist` writes them and `dist/TOOLCHAIN`; `build-dist --check` builds them elsewhere and says whether they are the same, byte for byte. Under another
//! toolchain than the one that `dist/TOOLCHAIN` names they need not be, and it says so with an exit code of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[path = "../../../../host/workshop/src/project/build/component.rs"]
mod component;
#[path = "../../../../host/workshop/src/project/build/rust.rs"]
#[expect(dead_code, reason = "`consign filter build` builds with names or lines too, and the doctor asks for the toolchain")]
mod rust;

/// In the order in which `dist/TOOLCHAIN` lists them.
const MODULES: [&str; 6] = ["chats", "keywords", "participants", "per-chat", "per-user", "period"];

/// `dist/` is what the sources make.
const SAME: u8 = 0;
/// Something could not be built, read or written, or the bytes differ under one and the same toolchain.
const FAILED: u8 = 1;
/// The arguments were not understood.
const USAGE: u8 = 2;
/// Built, but by another toolchain than `dist/` was, so the bytes say nothing.
const OTHER_TOOLCHAIN: u8 = 3;

fn main() -> ExitCode {
    // Cargo sets it when it runs the program; so a program that was built in another copy of the tree works on this one.
    let Some(here) = std::env::var_os("CARGO_MANIFEST_DIR") else {
        eprintln!("run this by guest-filters/build-dist");
        return USAGE.into();
    };
    let Ok(root) = PathBuf::from(here).join("../..").canonicalize() else {
        eprintln!("run this by guest-filters/build-dist");
        return USAGE.into();
    };
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [] => write_dist(&root),
        ["--check", folder] => check_dist(&root, Path::new(folder)),
        _ => {
            eprintln!("usage: build-dist | build-dist --check FOLDER (where to build)");
            return USAGE.into();
        }
    };
    match done {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("{error}");
            FAILED.into()
        }
    }
}

fn write_dist(root: &Path) -> Result<u8, Box<dyn std::error::Error>> {
    let dist = root.join("dist");
    let toolchain = build_all(root, &dist)?;
    std::fs::write(dist.join("TOOLCHAIN"), toolchain)?;
    Ok(SAME)
}

fn check_dist(root: &Path, folder: &Path) -> Result<u8, Box<dyn std::error::Error>> {
    let there = std::fs::read_to_string(root.join("dist/TOOLCHAIN"))?;
    let here = build_all(root, folder)?;
    if there.lines().next() != here.lines().next() {
        eprintln!(
            "dist/ was built by another toolchain, so its bytes can't be compared:\n  there: {}\n  here:  {}",
            there.lines().next().unwrap_or_default(),
            here.lines().next().unwrap_or_default()
        );
        return Ok(OTHER_TOOLCHAIN);
    }
    let mut code = SAME;
    for name in MODULES {
        let file = file_name(name);
        let same = std::fs::read(root.join("dist").join(&file))? == std::fs::read(folder.join(&file))?;
        if !same {
            eprintln!("dist/{} is not what its source makes: run guest-filters/build-dist", file.display());
            code = FAILED;
        }
    }
    if there != here {
        eprintln!("dist/TOOLCHAIN names other digests than its files have: run guest-filters/build-dist");
        code = FAILED;
    }
    Ok(code)
}

fn file_name(module: &str) -> PathBuf {
    Path::new("std").join(module).with_extension("wasm")
}

/// Builds all modules into `folder`; the text of `TOOLCHAIN`.
fn build_all(root: &Path, folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let mut toolchain = String::new();
    for module in MODULES {
        let out = folder.join(file_name(module));
        let built = rust::build(&root.join("std").join(module), &out, rust::Symbols::None)?;
        if toolchain.is_empty() {
            writeln!(toolchain, "{}", built.toolchain)?;
        }
        writeln!(toolchain, "{}  {}", built.sha256, file_name(module).display())?;
        println!("{}: {} bytes, sha256:{}", built.path.display(), built.size, built.sha256);
    }
    Ok(toolchain)
}

#[cfg(test)]
mod tests;
