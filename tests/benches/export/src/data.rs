//! Made-up exports with real texts.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use consign_bench_measure::Random;
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::Result;

/// Messages of a chat.
pub const MESSAGES: usize = 50;
/// One chat of so many has a file.
const FILES: usize = 10;
const FILE: usize = 50 * 1024;

/// What people wrote.
pub struct Texts {
    all: Vec<String>,
    /// For the report.
    pub origin: &'static str,
}

/// Those of the real conversation where it is there, else made-up ones.
pub fn texts() -> Result<Texts> {
    let Some(folder) = std::env::var_os("CONSIGN_CORPORA") else {
        let words = ["the", "fixing", "of", "today", "was", "late", "please", "see", "what", "they", "sent", "us", "about", "that", "swap", "again"];
        let mut dice = Random(7);
        let all = (0..5_000).map(|_| (0..dice.below(40) + 3).map(|_| words[dice.below(words.len())]).collect::<Vec<_>>().join(" "));
        return Ok(Texts { all: all.collect(), origin: "MADE UP" });
    };
    let file = std::fs::File::open(PathBuf::from(folder).join("chat-real-30k.jsonl.gz"))?;
    let mut all = Vec::new();
    for line in BufReader::new(GzDecoder::new(file)).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        all.extend(line["text"].as_str().map(str::to_owned));
    }
    Ok(Texts { all, origin: "real" })
}

/// An export as JSON lines.
pub struct Data {
    /// All of it.
    pub folder: PathBuf,
    /// The lines.
    pub file: PathBuf,
    /// Of the lines and the files.
    pub bytes: u64,
}

impl Data {
    /// Writes one with so many chats. A hundredth of them is of a desk 7.
    pub fn make(folder: &Path, chats: usize, texts: &Texts) -> Result<Self> {
        std::fs::create_dir_all(folder.join("files"))?;
        let file = folder.join("export.jsonl");
        let mut lines = BufWriter::new(std::fs::File::create(&file)?);
        let (mut dice, mut next, mut files) = (Random(11), 0, 0);
        for user in 0..500 {
            writeln!(
                lines,
                "{}",
                json!({ "type": "user", "id": format!("u{user}"), "name": format!("Person {user}"), "email": format!("u{user}@corp.example") })
            )?;
        }
        for chat in 0..chats {
            let id = format!("c{chat}");
            writeln!(lines, "{}", json!({ "type": "chat", "id": id, "kind": "group", "title": format!("desk {} of {chat}", chat % 100) }))?;
            let people: Vec<usize> = (0..6).map(|_| dice.below(500)).collect();
            for number in 0..MESSAGES {
                let at = format!("2026-01-{:02}T{:02}:{:02}:{:02}Z", 1 + chat % 28, 8 + number / 10, (number * 6) % 60, chat % 60);
                let text = &texts.all[next % texts.all.len()];
                next += 1;
                let mut message = json!({
                    "type": "message", "chat": id, "id": format!("{chat}-{number}"), "at": at, "user": format!("u{}", people[dice.below(6)]), "text": text,
                });
                if chat % FILES == 0 && number == 20 {
                    let name = format!("files/{chat}.bin");
                    let bytes: Vec<u8> = (0..FILE / 8).flat_map(|_| dice.bits().to_le_bytes()).collect();
                    std::fs::write(folder.join(&name), bytes)?;
                    files += FILE as u64;
                    message["attachments"] = json!([{ "name": format!("{chat}.bin"), "path": name }]);
                }
                writeln!(lines, "{message}")?;
            }
        }
        lines.flush()?;
        let bytes = std::fs::metadata(&file)?.len() + files;
        Ok(Self { folder: folder.to_owned(), file, bytes })
    }
}
