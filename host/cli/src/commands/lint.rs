//! `lint`

use std::path::{Path, PathBuf};

use consign_mail::lint::{Finding, lint as check};
use consign_model::target::{ByteSize, Profile};
use serde::Serialize;

use crate::output::{Ending, Failure, number, say, say_json};

/// One file and what is wrong with it.
#[derive(Serialize)]
struct Checked<'f> {
    file: &'f Path,
    findings: Vec<Finding>,
}

/// Checks each file by itself. Anything found is a failure.
pub fn lint(files: &[PathBuf], profile: Profile, max_size: Option<ByteSize>, json: bool) -> Result<Ending, Failure> {
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))?;
        let checked = Checked { file, findings: check(&bytes, profile, max_size.map(|max| max.0)) };
        if !json {
            say_checked(&checked);
        }
        all.push(checked);
    }
    if json {
        say_json(&all)?;
    }
    let bad = all.iter().filter(|one| !one.findings.is_empty()).count();
    if bad == 0 {
        return Ok(Ending::Done);
    }
    let bad = number(u64::try_from(bad).unwrap_or(u64::MAX));
    Err(Failure::new(format!("{bad} of {} e-mails break rules of the profile {profile}", number(u64::try_from(all.len()).unwrap_or(u64::MAX)))))
}

fn say_checked(checked: &Checked<'_>) {
    let file = checked.file.display();
    if checked.findings.is_empty() {
        say(format_args!("{file}: clean"));
    }
    for one in &checked.findings {
        let place = one.line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"));
        let header = one.header.as_ref().map_or_else(String::new, |header| format!("{header}: "));
        say(format_args!("{place}: {header}{} [{}]; then {}", one.what, one.rule, one.then));
    }
}
