//! What of the toolchain is there, and the command that brings what is not.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use super::Language;
use super::build::rust;

/// One thing that a language's projects are built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is.
    pub what: &'static str,
    /// What of it was found: a version, for people.
    pub found: Option<String>,
    /// What brings it, where it is missing or too old: commands, each a way of its own.
    pub remedies: Vec<&'static str>,
}

/// What was found of a language's toolchain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examination {
    /// The language.
    pub language: Language,
    /// Whether its projects can be built.
    pub ready: bool,
    /// Each thing.
    pub checks: Vec<Check>,
}

/// The oldest node by which the pinned packages were seen to work.
const OLDEST_NODE: (u32, u32) = (18, 0);
/// The oldest Python that componentize-py's wheels are made for.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

/// Looks for what a language's projects are built with. `folder` is the project's, or where one would be made: a toolchain file there counts.
pub fn examine(language: Language, folder: &Path) -> Examination {
    let checks = match language {
        Language::Rust => vec![cargo(folder), target(folder)],
        Language::TypeScript => vec![node(), npm()],
        Language::Python => vec![python(), venv()],
    };
    Examination { language, ready: checks.iter().all(|check| check.remedies.is_empty()), checks }
}

fn cargo(folder: &Path) -> Check {
    let found = ask(folder, OsStr::new("cargo"), &["--version"]).or_else(|| ask(folder, OsStr::new("/usr/bin/cargo"), &["--version"]));
    let remedies = missing(found.is_none(), &["install rustup from https://rustup.rs", "apt-get install rustc-web cargo-web"]);
    Check { what: "cargo", found, remedies }
}

fn target(folder: &Path) -> Check {
    let found = rust::toolchain(folder);
    let remedies = missing(found.is_none(), &["rustup target add wasm32-unknown-unknown", "apt-get install rustc-web cargo-web rust-web-src lld"]);
    Check { what: "the compiler for WebAssembly", found, remedies }
}

fn node() -> Check {
    let found = version(OsStr::new("node"), &["--version"]);
    let new_enough = found.as_deref().is_some_and(|version| at_least(version, OLDEST_NODE));
    Check { what: "node, 18 or newer", found, remedies: missing(!new_enough, &["apt-get install nodejs npm", "install it from https://nodejs.org"]) }
}

fn npm() -> Check {
    let found = version(OsStr::new("npm"), &["--version"]);
    let remedies = missing(found.is_none(), &["apt-get install npm", "install node from https://nodejs.org, which brings it"]);
    Check { what: "npm", found, remedies }
}

fn python() -> Check {
    let found = version(OsStr::new("python3"), &["--version"]);
    let new_enough = found.as_deref().is_some_and(|version| at_least(version, OLDEST_PYTHON));
    let remedies = missing(!new_enough, &["apt-get install python3", "install it from https://www.python.org"]);
    Check { what: "python3, 3.10 or newer", found, remedies }
}

fn venv() -> Check {
    // Debian ships `venv` without the pip that it puts into environments.
    let found = version(OsStr::new("python3"), &["-c", "import ensurepip, venv; print('pip', ensurepip.version())"]);
    let remedies = missing(found.is_none(), &["apt-get install python3-venv"]);
    Check { what: "python3's venv", found, remedies }
}

fn missing(missing: bool, remedies: &[&'static str]) -> Vec<&'static str> {
    if missing { remedies.to_vec() } else { Vec::new() }
}

/// A program's first line of output, where it is there and answers.
pub(super) fn version(program: &OsStr, arguments: &[&str]) -> Option<String> {
    ask(Path::new("."), program, arguments)
}

fn ask(folder: &Path, program: &OsStr, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// Whether the first number with a point in a text, such as `v20.1.0` or `Python 3.11.2`, is so large.
fn at_least(text: &str, oldest: (u32, u32)) -> bool {
    let digits = text.trim_start_matches(|character: char| !character.is_ascii_digit());
    let mut numbers = digits.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    found >= oldest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(at_least("v20.1.0", OLDEST_NODE) && at_least("v18.0.0", OLDEST_NODE) && !at_least("v9.11.2", OLDEST_NODE));
        assert!(at_least("Python 3.10.0rc1", OLDEST_PYTHON) && !at_least("Python 3.9.2", OLDEST_PYTHON) && !at_least("no version", OLDEST_PYTHON));
    }
}
