//! `retention`, `hold` and `erase`

use consign_life::{KeptBack, Life};
use consign_model::keeping::{CountedFrom, Hold, Rule};
use consign_model::{Keeping, Name, Timestamp};
use serde_json::json;

use crate::args::{EraseArgs, HoldCommand, PlaceArgs, RetentionCommand};
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};

/// Shows, sets and applies the rules.
pub async fn retention(data: &Data, command: &RetentionCommand, json: bool) -> Result<Ending, Failure> {
    let life = Life::new(data.exporter.clone());
    let keeping = life.keeping().await?;
    match command {
        RetentionCommand::List => list(&keeping, json),
        RetentionCommand::Set { keep, source, counted_from } => {
            known(data, source.as_ref()).await?;
            let rule = Rule { source: source.clone(), keep: *keep, counted_from: counted_from.counted() };
            let others = keeping.rules.iter().filter(|one| one.source != *source).cloned();
            let next = keeping.with_rules(others.chain([rule]).collect()).map_err(Failure::new)?;
            put(data, &next, json).await
        }
        RetentionCommand::Unset { source } => {
            let others: Vec<Rule> = keeping.rules.iter().filter(|one| one.source != *source).cloned().collect();
            if others.len() == keeping.rules.len() {
                return Err(Failure::new("there is no such rule: see 'consign retention list'"));
            }
            put(data, &keeping.with_rules(others).map_err(Failure::new)?, json).await
        }
        RetentionCommand::Run { dry_run } => {
            let retained = life.retain(Timestamp::now(), *dry_run).await?;
            if json {
                say_json(&retained)?;
            } else {
                let how = if *dry_run { "would go" } else { "deleted" };
                say(format_args!("{} events {how}, of {} chats with a rule", number(retained.deleted), number(retained.chats)));
                if retained.files > 0 {
                    say(format_args!("{} files went with them", number(retained.files)));
                }
                if retained.unreadable > 0 {
                    say(format_args!("{} events stay, since their files can't be read: consign doctor", number(retained.unreadable)));
                }
                say_kept_back(retained.kept_back);
            }
            Ok(Ending::Done)
        }
    }
}

/// A name that is mistyped would be a rule or a hold of nothing.
async fn known(data: &Data, source: Option<&Name>) -> Result<(), Failure> {
    let sources = data.exporter.store.sources(&data.exporter.tenant).await?;
    match source.filter(|source| sources.iter().all(|one| one.name != **source)) {
        Some(source) => Err(Failure::new(format!("there is no source '{source}': see 'consign sources'"))),
        None => Ok(()),
    }
}

fn list(keeping: &Keeping, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(keeping)?;
        return Ok(Ending::Done);
    }
    for rule in &keeping.rules {
        let of = rule.source.as_ref().map_or("all sources without a rule of their own".to_owned(), |source| format!("source {source}"));
        let from = match rule.counted_from {
            CountedFrom::Event => "after they happened",
            CountedFrom::Export => "after the last policy was done with them",
        };
        say(format_args!("events of {of} go {} {from}", rule.keep));
    }
    if !keeping.rules.iter().any(|rule| rule.source.is_none()) {
        say(if keeping.rules.is_empty() { "Everything is kept for ever." } else { "Everything else is kept for ever." });
    }
    say_holds(keeping);
    Ok(Ending::Done)
}

fn say_holds(keeping: &Keeping) {
    for hold in &keeping.holds {
        say(format_args!("hold {} on {}, since {}: {}", hold.name, hold.text(), hold.placed_at, hold.reason.escape_debug()));
    }
}

async fn put(data: &Data, next: &Keeping, json: bool) -> Result<Ending, Failure> {
    data.exporter.store.put_keeping(&data.exporter.tenant, next, &data.exporter.author).await?;
    list(next, json)
}

/// Lists, places and lifts legal holds.
pub async fn hold(data: &Data, command: &HoldCommand, json: bool) -> Result<Ending, Failure> {
    let keeping = data.exporter.store.keeping(&data.exporter.tenant).await?;
    match command {
        HoldCommand::List => {
            if json {
                say_json(&keeping.holds)?;
            } else if keeping.holds.is_empty() {
                say("There is no legal hold.");
            } else {
                say_holds(&keeping);
            }
            Ok(Ending::Done)
        }
        HoldCommand::Place(args) => {
            let PlaceArgs { name, reason, source, chat, user, from, until } = args;
            known(data, source.as_ref()).await?;
            let hold = Hold {
                name: name.clone(),
                reason: reason.clone(),
                source: source.clone(),
                chat: chat.clone(),
                user: user.clone(),
                from: *from,
                until: *until,
                placed_at: Timestamp::now(),
            };
            put(data, &keeping.with_hold(hold).map_err(Failure::new)?, json).await
        }
        HoldCommand::Lift { name } => match keeping.without_hold(name) {
            Some(next) => put(data, &next, json).await,
            None => Err(Failure::new(format!("there is no hold '{name}': see 'consign hold list'"))),
        },
    }
}

/// Erases a user's events.
pub async fn erase(data: &Data, args: &EraseArgs, json: bool) -> Result<Ending, Failure> {
    let EraseArgs { source, user, reason, dry_run } = args;
    let certificate = Life::new(data.exporter.clone()).erase(source, user, reason, *dry_run).await?;
    let entry = match dry_run {
        true => None,
        false => data.exporter.store.audit_head(&data.exporter.tenant).await?.map(|head| head.seq),
    };
    let back = KeptBack { owed: certificate.owed, held: certificate.held };
    if json {
        say_json(&json!({ "dry_run": dry_run, "certificate": certificate, "audit_entry": entry }))?;
    } else {
        let how = if *dry_run { "would be erased" } else { "erased" };
        say(format_args!("{} events of user {} {how}, in {} chats", number(certificate.erased), user.escape_debug(), number(certificate.chats)));
        if certificate.files > 0 {
            say(format_args!("{} files went with them", number(certificate.files)));
        }
        say_kept_back(back);
        if let Some(entry) = entry {
            say(format_args!("The certificate is entry {entry} of the audit log: consign audit list"));
        }
        say("What others wrote about this user stays, and the name in lists of people; so does what archives have received.");
    }
    // Somebody who asks for an erasure has to see that it is not all of it.
    Ok(Ending::complete_if(back == KeptBack::default()))
}

fn say_kept_back(back: KeptBack) {
    if back.held > 0 {
        say(format_args!("{} events stay, since a legal hold covers them: consign hold list", number(back.held)));
    }
    if back.owed > 0 {
        say(format_args!("{} events stay, since a policy has not done with them: run it, or see 'consign held'", number(back.owed)));
    }
}
