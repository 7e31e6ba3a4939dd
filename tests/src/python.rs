//! Checks by Python: `tests/python/` computes what must be there from the export itself and reads the mailbox with the `email` package.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::corpora::Corpus;
use crate::program::Ran;
use crate::say;

/// Runs a script of `tests/python/`, which has to succeed, and reads its figures.
pub fn python<A: AsRef<OsStr>>(script: &str, args: impl IntoIterator<Item = A>) -> Value {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script)).args(args).env("PYTHONDONTWRITEBYTECODE", "1");
    let shown = format!("{command:?}");
    let ran = Ran::of(command);
    assert!(ran.code == Some(0), "{shown}\n{}{}", ran.stdout, ran.stderr);
    if ran.stdout.trim().is_empty() { Value::Null } else { ran.json() }
}

/// Makes a workspace: see `make.py`.
pub fn make(what: &str, file: &Path, numbers: &[u64]) {
    let mut args = vec![what.to_owned(), file.display().to_string()];
    args.extend(numbers.iter().map(u64::to_string));
    python("make.py", args);
}

/// Holds a mailbox against the export that it came from: see `check.py`. Prints and returns its figures.
pub fn check(what: &str, mail: &Path, corpus: &Corpus, run: &Value, more: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let file = folder.path().join("run.json");
    std::fs::write(&file, run.to_string()).unwrap_or_else(|error| panic!("{error}"));
    let (mail, run, source) = (mail.display().to_string(), file.display().to_string(), corpus.spec());
    let args = [&[what, "--mail", &mail, "--run", &run, "--source", &source][..], more].concat();
    let figures = python("check.py", args);
    say(format_args!("{what} of {}: {figures}", corpus.name));
    figures
}
