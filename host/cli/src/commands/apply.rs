//! `apply`

use std::path::PathBuf;

use consign_service::apply::{Applied, Change, ChangeKind};

use super::module::reads;
use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json};

/// Applies files and says what changed.
pub async fn apply(data: &Data, files: &[PathBuf], json: bool) -> Result<Ending, Failure> {
    let changes = match consign_service::apply::apply(&data.exporter, files).await? {
        Applied::Done(changes) => changes,
        Applied::Proposed(proposal) => return super::proposal::kept(&proposal, json),
    };
    if json {
        say_json(&changes)?;
        return Ok(Ending::Done);
    }
    for change in &changes {
        say_change(change);
    }
    Ok(Ending::Done)
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
