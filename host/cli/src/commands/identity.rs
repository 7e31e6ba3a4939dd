//! `identity`

use consign_service::identities::{self, Matched};

use crate::args::IdentityCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json, table};

/// Users that are told to a person; `--json` has all.
const TOLD: usize = 20;

/// Puts a map into force, or says whom it names.
pub async fn identity(data: &Data, command: &IdentityCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        IdentityCommand::Apply { file, source } => {
            let applied = identities::apply(&data.exporter, file, source.as_ref()).await?;
            if json {
                say_json(&applied)?;
            } else {
                let [new, changed, removed] = [applied.new, applied.changed, applied.removed].map(number);
                say(format_args!("Users: {new} new, {changed} changed, {removed} taken out."));
                say_matched(&applied.matched);
            }
        }
        IdentityCommand::List => {
            let matched = identities::matched(&data.exporter).await?;
            if json { say_json(&matched)? } else { say_matched(&matched) }
        }
    }
    Ok(Ending::Done)
}

fn say_matched(matched: &Matched) {
    match &matched.map {
        None => say("There is no identity map: users are as their platforms say."),
        Some(map) => say(format_args!(
            "Identity map {} of {} names {} users, {} of whom sources know.",
            map.version,
            map.applied_at,
            number(map.users),
            number(matched.matched)
        )),
    }
    if !matched.unmatched.is_empty() {
        say(format_args!("It does not name {} users of sources:", number(matched.unmatched.len() as u64)));
        let rows = matched.unmatched.iter().take(TOLD);
        let rows = rows.map(|one| vec![one.source.to_string(), one.id.clone(), one.name.clone(), one.email.clone().unwrap_or_default()]);
        say(table(&["source", "id", "name", "e-mail"], &[], rows));
        say_more(matched.unmatched.len());
    }
    if !matched.unknown.is_empty() {
        say(format_args!("No source knows {} users whom it names:", number(matched.unknown.len() as u64)));
        let rows = matched.unknown.iter().take(TOLD).map(|(source, id)| vec![source.to_string(), id.clone()]);
        say(table(&["source", "id"], &[], rows));
        say_more(matched.unknown.len());
    }
}

fn say_more(of: usize) {
    if of > TOLD {
        say(format_args!("and {} more (--json has all)", number((of - TOLD) as u64)));
    }
}
