//! What a person reads and what a program reads: text to standard output, errors to standard error, JSON where it is asked for.

pub use consign_model::figure::{bytes, number};
use std::fmt;
use std::io::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All of it is done: exit code 0.
    Done,
    /// Done, but something was held or refused: exit code 3.
    Incomplete,
}

impl Ending {
    /// `Incomplete` where something was held or refused.
    pub fn complete_if(complete: bool) -> Self {
        if complete { Self::Done } else { Self::Incomplete }
    }
}

/// Why a command failed, for the person who gave it.
#[derive(Debug)]
pub struct Failure {
    text: String,
    /// 1 where it failed, 2 where it was called wrongly.
    code: u8,
    /// More for programs: fields beside `error`.
    details: serde_json::Map<String, serde_json::Value>,
}

impl Failure {
    /// For a person.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What, where, and the way out.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1, details: serde_json::Map::new() }
    }

    /// What was asked for can't be asked for so: what to do instead. Nothing was done.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { code: 2, ..Self::new(text) }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The same, with an object whose fields programs get.
    pub fn with_details(text: impl Into<String>, details: &serde_json::Value) -> Self {
        Self { details: details.as_object().cloned().unwrap_or_default(), ..Self::new(text) }
    }

    /// To standard error; as an object where programs read it.
    pub fn print(&self, json: bool) {
        if json {
            let mut object = self.details.clone();
            object.insert("error".to_owned(), self.text.clone().into());
            eprintln!("{}", serde_json::Value::Object(object));
        } else {
            eprintln!("error: {}", self.text);
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// Prints a line to standard output. A reader that has gone away (`| head`) is no error.
pub fn say(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints JSON to standard output.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(serde_json::to_string(value)?);
    Ok(())
}

/// A small table, with a head unless that is empty; columns whose index is in `numbers` are set to the right.
pub fn table(head: &[&str], numbers: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if !head.is_empty() {
        table.set_header(head.to_vec());
    }
    for row in rows {
        table.add_row(row);
    }
    for index in numbers {
        if let Some(column) = table.column_mut(*index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// A progress bar on standard error; none where that is no terminal.
pub fn bar(what: &'static str, unit: &str) -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::new(0).with_message(what);
    let style = indicatif::ProgressStyle::with_template(&format!("{{msg:12}} [{{bar:32}}] {{human_pos}}/{{human_len}} {unit}"));
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// Something that turns while it goes on, on standard error; nothing where that is no terminal.
pub fn spinner(what: &'static str) -> indicatif::ProgressBar {
    indicatif::ProgressBar::new_spinner().with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(12), "12");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345_678), "12.3 MB");
    }
}
