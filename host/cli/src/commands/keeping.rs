//! `retention`, `hold` and `erase`

use consign_life::{KeptBack, Life, Retained};
use consign_model::audit::Certificate;
use consign_model::keeping::{CountedFrom, Hold, Rule};
use consign_model::{Keeping, Name, Timestamp};
use consign_store::SourceRecord;
use serde_json::json;

use crate::args::{EraseArgs, HoldCommand, PlaceArgs, RetentionCommand};
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};
use crate::remote::Server;
use crate::remote::server::read;

/// Shows, sets and applies the rules.
pub async fn retention(data: &Data, command: &RetentionCommand, json: bool) -> Result<Ending, Failure> {
    let life = Life::new(data.exporter.clone());
    let keeping = life.keeping().await?;
    match command {
        RetentionCommand::List => list(&keeping, json),
        RetentionCommand::Set { source, .. } => {
            known(&data.exporter.store.sources(&data.exporter.tenant).await?, source.as_ref())?;
            put(data, &changed(&keeping, command)?, json).await
        }
        RetentionCommand::Unset { .. } => put(data, &changed(&keeping, command)?, json).await,
        RetentionCommand::Run { dry_run } => say_retained(&life.retain(Timestamp::now(), *dry_run).await?, json),
    }
}

/// The same by a server.
pub async fn retention_at(server: &Server, command: &RetentionCommand, json: bool) -> Result<Ending, Failure> {
    if let RetentionCommand::Run { dry_run } = command {
        let asked = json!({ "dry_run": dry_run });
        return say_retained(&server.post(&server.of_tenant(&["keeping", "run"]).await?, Some(&asked)).await?, json);
    }
    let keeping: Keeping = server.get(&server.of_tenant(&["keeping"]).await?).await?;
    if let RetentionCommand::Set { source, .. } = command {
        known(&server.list(&server.of_tenant(&["sources"]).await?, usize::MAX).await?, source.as_ref())?;
    }
    if let RetentionCommand::List = command {
        return list(&keeping, json);
    }
    // Somebody else's change meanwhile is not undone: the server refuses rules that follow another version.
    let asked = json!({ "rules": changed(&keeping, command)?.rules, "follows": keeping.version }).to_string();
    let now = server.put(&server.of_tenant(&["keeping", "rules"]).await?, "application/json", asked.into_bytes()).await?;
    list(&read(&now)?, json)
}

/// The rules as they are when it is done.
fn changed(keeping: &Keeping, command: &RetentionCommand) -> Result<Keeping, Failure> {
    let others = |source: &Option<Name>| keeping.rules.iter().filter(|one| one.source != *source).cloned().collect::<Vec<_>>();
    let rules = match command {
        RetentionCommand::Set { keep, source, counted_from } => {
            let rule = Rule { source: source.clone(), keep: *keep, counted_from: counted_from.counted() };
            [others(source), vec![rule]].concat()
        }
        RetentionCommand::Unset { source } => others(source),
        RetentionCommand::List | RetentionCommand::Run { .. } => keeping.rules.clone(),
    };
    if matches!(command, RetentionCommand::Unset { .. }) && rules.len() == keeping.rules.len() {
        return Err(Failure::new("there is no such rule: see 'consign retention list'"));
    }
    keeping.with_rules(rules).map_err(Failure::new)
}

fn say_retained(retained: &Retained, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(retained)?;
        return Ok(Ending::Done);
    }
    let how = if retained.dry_run { "would go" } else { "deleted" };
    say(format_args!("{} events {how}, of {} chats with a rule", number(retained.deleted), number(retained.chats)));
    if retained.files > 0 {
        say(format_args!("{} files went with them", number(retained.files)));
    }
    if retained.unreadable > 0 {
        say(format_args!("{} events stay, since their files can't be read: consign doctor", number(retained.unreadable)));
    }
    say_kept_back(retained.kept_back);
    Ok(Ending::Done)
}

/// A name that is mistyped would be a rule or a hold of nothing.
fn known(sources: &[SourceRecord], source: Option<&Name>) -> Result<(), Failure> {
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
        HoldCommand::List => list_holds(&keeping, json),
        HoldCommand::Place(args) => {
            known(&data.exporter.store.sources(&data.exporter.tenant).await?, args.source.as_ref())?;
            put(data, &keeping.with_hold(placed(args)).map_err(Failure::new)?, json).await
        }
        HoldCommand::Lift { name } => match keeping.without_hold(name) {
            Some(next) => put(data, &next, json).await,
            None => Err(Failure::new(format!("there is no hold '{name}': see 'consign hold list'"))),
        },
    }
}

/// The same by a server.
pub async fn hold_at(server: &Server, command: &HoldCommand, json: bool) -> Result<Ending, Failure> {
    let url = server.of_tenant(&["keeping"]).await?;
    match command {
        HoldCommand::List => list_holds(&server.get(&url).await?, json),
        HoldCommand::Place(args) => {
            known(&server.list(&server.of_tenant(&["sources"]).await?, usize::MAX).await?, args.source.as_ref())?;
            let mut asked = serde_json::to_value(placed(args))?;
            // When it was placed is for the server to say.
            if let Some(fields) = asked.as_object_mut() {
                fields.remove("placed_at");
            }
            list(&server.post(&server.of_tenant(&["holds"]).await?, Some(&asked)).await?, json)
        }
        HoldCommand::Lift { name } => {
            server.delete(&server.of_tenant(&["holds", name.as_str()]).await?).await?;
            list(&server.get(&url).await?, json)
        }
    }
}

fn placed(args: &PlaceArgs) -> Hold {
    let PlaceArgs { name, reason, source, chat, user, from, until } = args.clone();
    Hold { name, reason, source, chat, user, from, until, placed_at: Timestamp::now() }
}

fn list_holds(keeping: &Keeping, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&keeping.holds)?;
    } else if keeping.holds.is_empty() {
        say("There is no legal hold.");
    } else {
        say_holds(keeping);
    }
    Ok(Ending::Done)
}

/// Erases a user's events.
pub async fn erase(data: &Data, args: &EraseArgs, json: bool) -> Result<Ending, Failure> {
    let EraseArgs { source, user, reason, dry_run } = args;
    let certificate = Life::new(data.exporter.clone()).erase(source, user, reason, *dry_run).await?;
    let entry = match dry_run {
        true => None,
        false => data.exporter.store.audit_head(&data.exporter.tenant).await?.map(|head| head.seq),
    };
    say_erased(&certificate, *dry_run, entry, json)
}

/// The same by a server.
pub async fn erase_at(server: &Server, args: &EraseArgs, json: bool) -> Result<Ending, Failure> {
    let EraseArgs { source, user, reason, dry_run } = args;
    let asked = json!({ "source": source, "user": user, "reason": reason, "dry_run": dry_run });
    let certificate: Certificate = server.post(&server.of_tenant(&["erasures"]).await?, Some(&asked)).await?;
    say_erased(&certificate, *dry_run, None, json)
}

/// `entry`: that of the certificate, where it is known.
fn say_erased(certificate: &Certificate, dry_run: bool, entry: Option<u64>, json: bool) -> Result<Ending, Failure> {
    let back = KeptBack { owed: certificate.owed, held: certificate.held };
    if json {
        say_json(&json!({ "dry_run": dry_run, "certificate": certificate, "audit_entry": entry }))?;
    } else {
        let (how, user) = (if dry_run { "would be erased" } else { "erased" }, &certificate.user);
        say(format_args!("{} events of user {} {how}, in {} chats", number(certificate.erased), user.escape_debug(), number(certificate.chats)));
        if certificate.files > 0 {
            say(format_args!("{} files went with them", number(certificate.files)));
        }
        say_kept_back(back);
        if certificate.unreadable > 0 {
            say(format_args!(
                "{} events stay, since their files can't be read, and nobody knows whose they are: consign doctor",
                number(certificate.unreadable)
            ));
        }
        match entry {
            Some(entry) => say(format_args!("The certificate is entry {entry} of the audit log: consign audit list")),
            None if !dry_run => say("The certificate stands in the audit log: consign audit list"),
            None => {}
        }
        say("What others wrote about this user stays, and the name in lists of people; so does what archives have received.");
    }
    // Somebody who asks for an erasure has to see that it is not all of it.
    Ok(Ending::complete_if(back == KeptBack::default() && certificate.unreadable == 0))
}

fn say_kept_back(back: KeptBack) {
    if back.held > 0 {
        say(format_args!("{} events stay, since a legal hold covers them: consign hold list", number(back.held)));
    }
    if back.owed > 0 {
        say(format_args!("{} events stay, since a policy has not done with them: run it, or see 'consign held'", number(back.owed)));
    }
}
