//! What the tests import. Real conversations are not part of the project: they are found by `CONSIGN_CORPORA`, else in `../shared/corpora` beside it,
//! and where they are absent, made-up ones of the same shape take their place, and the output says so.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::python::make;
use crate::say;

/// A workspace to import.
#[derive(Debug)]
pub struct Corpus {
    /// The file.
    pub file: PathBuf,
    /// `slack` or `jsonl`.
    pub form: &'static str,
    /// For the output.
    pub name: String,
    /// Whether people wrote it.
    pub real: bool,
    _made: Option<TempDir>,
}

impl Corpus {
    /// A file that a test has written itself.
    pub fn of(file: PathBuf, form: &'static str) -> Self {
        let name = file.display().to_string();
        Self { file, form, name, real: false, _made: None }
    }

    /// As the Python scripts take it.
    pub fn spec(&self) -> String {
        format!("{}:{}", self.form, self.file.display())
    }
}

/// The seed of all that is random: `CONSIGN_SEED`, else of this moment. Printed, so that a failure can be had again.
pub fn seed(what: &str) -> u64 {
    let given = std::env::var("CONSIGN_SEED").ok().and_then(|text| text.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_nanos()));
    let seed = given.unwrap_or(now);
    say(format_args!("{what}: CONSIGN_SEED={seed}"));
    seed
}

fn real(name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("CONSIGN_CORPORA") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"),
    };
    Some(folder.join(name)).filter(|path| path.is_file())
}

fn of(name: &str, form: &'static str, instead: impl FnOnce(&Path)) -> Corpus {
    if let Some(file) = real(name) {
        return Corpus { file, form, name: name.to_owned(), real: true, _made: None };
    }
    say(format_args!("NO REAL CONVERSATIONS: {name} is not there (set CONSIGN_CORPORA to its folder); a made-up workspace takes its place"));
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let file = folder.path().join(name);
    instead(&file);
    Corpus { file, form, name: format!("a workspace made up in place of {name}"), real: false, _made: Some(folder) }
}

/// Four days of a real Slack workspace: 3,822 entries.
pub fn real_slack() -> Corpus {
    of("slack-real-4days.zip", "slack", |file| make("slack", file, &[1]))
}

/// 30,000 real messages as JSON lines.
pub fn real_jsonl() -> Corpus {
    of("chat-real-30k.jsonl.gz", "jsonl", |file| make("talk", file, &[1, 30_000]))
}

/// Made-up messages of about 1 KB in chats of 100 each, by 20 people.
pub fn even_chats(seed: u64, messages: u64) -> Corpus {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let file = folder.path().join("even.jsonl.gz");
    make("even", &file, &[seed, messages]);
    Corpus { file, form: "jsonl", name: format!("{messages} made-up messages"), real: false, _made: Some(folder) }
}

/// So many made-up chats of three messages each: as many e-mails, where each chat is one.
pub fn few_in_each(seed: u64, chats: u64) -> Corpus {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let file = folder.path().join("few.jsonl");
    make("few", &file, &[seed, chats]);
    Corpus { file, form: "jsonl", name: format!("{chats} made-up chats"), real: false, _made: Some(folder) }
}

/// A made-up workspace by a seed: `what` as `make.py` knows it.
pub fn made_up(what: &'static str, seed: u64) -> Corpus {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
    let form = if what == "slack" { "slack" } else { "jsonl" };
    let (name, numbers) = match what {
        "slack" => ("made.zip", vec![seed]),
        "talk" => ("made.jsonl.gz", vec![seed, 80_000]),
        _ => ("made.jsonl", vec![seed]),
    };
    let file = folder.path().join(name);
    make(what, &file, &numbers);
    Corpus { file, form, name: format!("a made-up {what} workspace"), real: false, _made: Some(folder) }
}
