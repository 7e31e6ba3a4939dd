//! `apply`

use std::path::PathBuf;

use consign_model::module::Need;
use consign_model::{Name, Timestamp};
use consign_service::apply::{Applied, ApplyError, Change, ChangeKind, Problem};
use reqwest::StatusCode;
use serde::Deserialize;

use super::module::reads;
use super::proposal::{Shown, say_kept};
use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json};
use crate::remote::Server;
use crate::remote::answers::Finding;
use crate::remote::server::Twice;

/// Applies files and says what changed.
pub async fn apply(data: &Data, files: &[PathBuf], json: bool) -> Result<Ending, Failure> {
    match consign_service::apply::apply(&data.exporter, files).await? {
        Applied::Done(changes) => say_changes(&changes, json),
        Applied::Proposed(proposal) => say_kept(&(*proposal).into(), json),
    }
}

/// The same by a server, which gets the files as one: so it is all of them or none there too.
pub async fn apply_at(server: &Server, files: &[PathBuf], json: bool) -> Result<Ending, Failure> {
    let whole = Whole::of(files)?;
    let url = server.of_tenant(&["apply"]).await?;
    let answer: ApplyAnswer = match server.judged(&url, "application/toml", whole.text.clone().into_bytes(), Twice::Unsafe).await? {
        Ok(answer) => answer,
        Err(problem) if problem.findings.is_empty() => return Err(problem.failure(StatusCode::UNPROCESSABLE_ENTITY)),
        Err(problem) => return Err(ApplyError::Problems(problem.findings.into_iter().map(|one| whole.placed(one)).collect()).into()),
    };
    match answer {
        ApplyAnswer::Done(changes) => say_changes(&changes.into_iter().map(Change::from).collect::<Vec<_>>(), json),
        ApplyAnswer::Proposed(proposal) => say_kept(&proposal, json),
    }
}

/// What a server answers: it is done, or waits for a second person.
#[derive(Deserialize)]
#[serde(untagged)]
enum ApplyAnswer {
    Done(Vec<ChangeAnswer>),
    Proposed(Box<Shown>),
}

fn say_changes(changes: &[Change], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&changes)?;
    } else {
        changes.iter().for_each(say_change);
    }
    Ok(Ending::Done)
}

/// What became of a target or policy, as a server says.
#[derive(Deserialize)]
pub struct ChangeAnswer {
    kind: Kind,
    name: Name,
    change: String,
    #[serde(default)]
    fields: Vec<String>,
    version: u32,
    #[serde(default)]
    modules: Vec<ModuleReads>,
    next_due: Option<Timestamp>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Target,
    Policy,
}

#[derive(Deserialize)]
struct ModuleReads {
    name: String,
    needs: Vec<Need>,
}

impl From<ChangeAnswer> for Change {
    fn from(answer: ChangeAnswer) -> Self {
        let change = match answer.change.as_str() {
            "new" => ChangeKind::New,
            "same" => ChangeKind::Same,
            _ => ChangeKind::Changed(answer.fields),
        };
        let kind = match answer.kind {
            Kind::Target => "target",
            Kind::Policy => "policy",
        };
        let modules = answer.modules.into_iter().map(|one| (one.name, one.needs)).collect();
        Self { kind, name: answer.name, change, version: answer.version, modules, next_due: answer.next_due, warnings: answer.warnings }
    }
}

/// Several files as one text, and where each begins in it.
struct Whole {
    text: String,
    parts: Vec<Part>,
}

struct Part {
    file: PathBuf,
    /// The line at which it begins, counted from 1.
    begins: usize,
    /// `target archive`, `policy desk`.
    has: Vec<String>,
}

impl Whole {
    fn of(files: &[PathBuf]) -> Result<Self, Failure> {
        let (mut text, mut parts) = (String::new(), Vec::new());
        for file in files {
            let wrong = |why: String| Failure::new(format!("{}: {why}", file.display()));
            let one = std::fs::read_to_string(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
            let mut has = Vec::new();
            if files.len() > 1 {
                let table: toml::Table = one.parse().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
                // What stands before a file's first table would belong to the last one of the file before.
                if let Some(key) = table.keys().find(|key| !matches!(key.as_str(), "target" | "policy")) {
                    return Err(wrong(format!("it has '{}': a file has [[target]] and [[policy]], and nothing else", key.escape_debug())));
                }
                for (kind, all) in &table {
                    let names = all.as_array().into_iter().flatten().filter_map(|one| one.get("name")?.as_str());
                    has.extend(names.map(|name| format!("{kind} {name}")));
                }
            }
            parts.push(Part { file: file.clone(), begins: text.lines().count() + 1, has });
            text.push_str(&one);
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        Ok(Self { text, parts })
    }

    /// What a server found wrong, by the files as they are here.
    fn placed(&self, found: Finding) -> Problem {
        let Finding { line, at, text } = found;
        let is_of = |part: &&Part| match line {
            Some(line) => part.begins <= line,
            None => part.has.iter().any(|has| at.strip_prefix(has.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(','))),
        };
        let part = self.parts.iter().rev().find(is_of).or(self.parts.first());
        let line = line.map(|line| line + 1 - part.map_or(1, |part| part.begins.min(line)));
        Problem { file: part.map(|part| part.file.clone()).unwrap_or_default(), line, at, text }
    }
}

/// One change, for a person.
pub fn say_change(change: &Change) {
    let what = match &change.change {
        ChangeKind::New => "new".to_owned(),
        ChangeKind::Same => "unchanged".to_owned(),
        ChangeKind::Changed(fields) => format!("changed: {}", fields.join(", ")),
    };
    say(format_args!("{} {}: {what} (version {})", change.kind, change.name, change.version));
    for (module, needs) in &change.modules {
        say(format_args!("    {module} reads {}", reads(needs)));
    }
    if let Some(due) = change.next_due {
        say(format_args!("    runs next at {due}"));
    }
    for warning in &change.warnings {
        say(format_args!("    warning: {warning}"));
    }
}
