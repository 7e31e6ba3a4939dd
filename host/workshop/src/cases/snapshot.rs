//! Snapshots: all that a module said of a case, in a file that a person reads and reviews. It holds ids, rules and groups, no texts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use consign_model::module::Rule;

use super::check::decision_word;
use crate::judge::Judgement;

/// The folder beside the cases.
pub const FOLDER: &str = "snapshots";
/// What its files end with.
const EXTENSION: &str = "snap";

/// The file's name for a case's name: small letters, digits and `-`.
pub fn file_name(case: &str) -> String {
    let mut name = String::new();
    for character in case.chars().flat_map(char::to_lowercase) {
        if character.is_alphanumeric() {
            name.push(character);
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-');
    // File systems take 255 bytes.
    let cut = name.floor_char_boundary(200);
    format!("{}.{EXTENSION}", name.get(..cut).unwrap_or_default())
}

/// Where a case's snapshot lies.
pub fn path(folder: &Path, case: &str) -> PathBuf {
    folder.join(FOLDER).join(file_name(case))
}

/// Snapshots that lie there and belong to none of these cases.
pub fn unreferenced<'a>(folder: &Path, cases: impl Iterator<Item = &'a str>) -> Vec<String> {
    let known: Vec<String> = cases.map(file_name).collect();
    let Ok(entries) = std::fs::read_dir(folder.join(FOLDER)) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| name.ends_with(&format!(".{EXTENSION}")) && !known.contains(name)).collect();
    found.sort();
    found
}

/// What a module said, as text.
pub fn text(windows: &[Judgement], rules: &[Rule]) -> String {
    let mut text = String::new();
    for (index, window) in windows.iter().enumerate() {
        let number = if windows.len() > 1 { format!(", window {}", index + 1) } else { String::new() };
        let decision = window.decision.map(|decision| format!(": {}", decision_word(decision, rules))).unwrap_or_default();
        // Writing to a String can't fail.
        let _ = writeln!(text, "chat {}{number}{decision}", window.chat);
        for event in &window.events {
            let _ = writeln!(text, "  {}  {}", event.id, event.verdict.word());
        }
        for group in &window.groups {
            let _ = writeln!(text, "group {:?}: {:?}", group.group.key, group.group.title);
            if let Some(subject) = &group.subject {
                let _ = writeln!(text, "  subject {subject}");
            }
            for (name, value) in &group.group.labels {
                let _ = writeln!(text, "  label {name:?}: {value:?}");
            }
            for event in group.rows().filter_map(|row| window.events.get(row)) {
                let _ = writeln!(text, "  {}", event.id);
            }
        }
    }
    text
}

/// The lines that differ, for a person: `-` is gone, `+` is new.
pub fn changes(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - same_start;
    let same_end = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let middle =
        |lines: &[&str]| lines.get(same_start..lines.len() - same_end).unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let (gone, came) = (middle(&old), middle(&new));
    // One line for one: the usual change, a verdict.
    if gone.len() == came.len() {
        let pairs = gone.iter().zip(&came).filter(|(gone, came)| gone != came);
        return pairs.flat_map(|(gone, came)| [format!("- {gone}"), format!("+ {came}")]).collect();
    }
    gone.iter().map(|line| format!("- {line}")).chain(came.iter().map(|line| format!("+ {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        assert_eq!(file_name("Bots are left out!"), "bots-are-left-out.snap");
        assert_eq!(file_name("../../x"), "x.snap");
        assert_eq!(file_name("Größe 2"), "größe-2.snap");
        assert!(file_name(&"ü".repeat(500)).len() <= 205);
    }

    #[test]
    fn changed_lines() {
        assert_eq!(changes("a\nb\nc\n", "a\nx\nc\n"), ["- b", "+ x"]);
        assert_eq!(changes("a\nb\nc\nd\n", "x\nb\ny\nd\n"), ["- a", "+ x", "- c", "+ y"]);
        assert_eq!(changes("a\nc\n", "a\nb\nc\n"), ["+ b"]);
        assert_eq!(changes("", "a\n"), ["+ a"]);
        assert_eq!(changes("a\n", "a\n"), Vec::<String>::new());
    }
}
