//! `sources` and `coverage`

use consign_export::coverage::{ChatCoverage, Coverage, Gap};
use consign_model::Name;
use consign_model::source::View;
use consign_store::SourceRecord;

use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json, table};
use crate::remote::Server;

/// Gaps of a chat that are told to a person; `--json` has all.
const TOLD: usize = 10;

/// Lists the sources, with what each way in gives and what it does not.
pub async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    say_sources(&data.exporter.store.sources(&data.exporter.tenant).await?, json)
}

/// The same of a server.
pub async fn list_at(server: &Server, json: bool) -> Result<Ending, Failure> {
    say_sources(&server.list(&server.of_tenant(&["sources"]).await?, usize::MAX).await?, json)
}

fn say_sources(sources: &[SourceRecord], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&sources)?;
        return Ok(Ending::Done);
    }
    if sources.is_empty() {
        say("There is no source yet: import an export with 'consign import FILE --source NAME'.");
        return Ok(Ending::Done);
    }
    let rows = sources.iter().flat_map(|source| {
        source.ways.iter().map(|(format, gives)| {
            let texts = [
                source.name.to_string(),
                format.clone(),
                gives.view.to_string(),
                gives.edits.to_string(),
                gives.deletions.to_string(),
                gives.reactions.to_string(),
                gives.memberships.to_string(),
                gives.private_chats.to_string(),
            ];
            texts.to_vec()
        })
    });
    say(table(&["source", "format", "chats", "edits", "deletions", "reactions", "memberships", "private chats"], &[], rows));
    Ok(Ending::Done)
}

/// Says what the archive has of a source, and what may be missing.
pub async fn coverage(data: &Data, source: &Name, json: bool) -> Result<Ending, Failure> {
    let found = data.exporter.coverage(source).await?;
    if json {
        say_json(&found)?;
    } else {
        say_coverage(&found);
    }
    Ok(Ending::complete_if(found.is_complete()))
}

fn say_coverage(found: &Coverage) {
    let is_per_user = found.view == View::PerUser;
    if is_per_user {
        let users: std::collections::BTreeSet<&str> = found.captured.iter().map(|one| one.user.as_str()).collect();
        say(format_args!(
            "Source '{}' has copies of {} captured users: what none of them was there to see is in none of them.",
            found.source,
            number(users.len() as u64)
        ));
    }
    let rows = found.chats.iter().map(|chat| {
        let captured = chat.people.iter().filter(|one| !one.captured.is_empty()).count();
        let captured = if is_per_user { number(captured as u64) } else { "all".to_owned() };
        vec![chat.chat.clone(), number(chat.events), number(chat.people.len() as u64), captured, number(chat.gaps.len() as u64)]
    });
    say(table(&["chat", "events", "people", "captured", "gaps"], &[1, 2, 3, 4], rows));
    for chat in &found.chats {
        say_gaps(chat);
    }
    if found.is_complete() {
        say("Nothing is known to be missing.");
    }
}

fn say_gaps(chat: &ChatCoverage) {
    for gap in chat.gaps.iter().take(TOLD) {
        let what = match gap {
            Gap::NobodyCaptured { from, until } => format!("nobody captured was there from {from} until {until}"),
            Gap::CopiesMissing { user, count, events } => {
                let first = events.first().map(|one| format!(", the first of {}", one.at)).unwrap_or_default();
                format!("the export of {user} lacks {} messages that others' have{first}", number(*count))
            }
            Gap::NeverSeen { id, named_by, at } => {
                let by: Vec<_> = named_by.iter().copied().collect();
                format!("the message {id} was never seen; it is named by: {} (first at {at})", by.join(", "))
            }
            Gap::Differs { id, at } => format!("two users' copies of the message {id} of {at} have different texts; both are kept"),
            Gap::Unreadable { events, cause } => format!("{} events can't be read: {cause}", number(u64::from(*events))),
        };
        say(format_args!("{}: {what}", chat.chat));
    }
    let more = chat.gaps.len().saturating_sub(TOLD);
    if more > 0 {
        say(format_args!("{}: and {} more (--json has all)", chat.chat, number(more as u64)));
    }
}
