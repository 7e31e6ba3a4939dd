//! `reconcile`

use std::fs::File;
use std::io::{BufWriter, Write as _};

use consign_export::reconcile::{Counts, EventAccount, Gap, Period, Reconciled};
use consign_model::Timestamp;

use crate::args::ReconcileArgs;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json, table};

/// Accounts for a period.
pub async fn reconcile(data: &Data, args: &ReconcileArgs, json: bool) -> Result<Ending, Failure> {
    let period = Period { from: args.from.unwrap_or(Timestamp::MIN), to: args.to.unwrap_or(Timestamp::MAX) };
    if period.from >= period.to {
        return Err(Failure::new(format!("the period ends ({}) before it begins ({}): --to has to be later than --from", period.to, period.from)));
    }
    let found = match &args.events {
        None => data.exporter.reconcile(&args.policy, period, &mut |_| Ok(())).await?,
        Some(path) => {
            let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
            let mut file = BufWriter::new(File::create(path).map_err(failed)?);
            let mut each = |event: &EventAccount| {
                serde_json::to_writer(&mut file, event)?;
                file.write_all(b"\n")
            };
            let found = data.exporter.reconcile(&args.policy, period, &mut each).await?;
            file.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all()).map_err(failed)?;
            found
        }
    };
    if json {
        say_json(&found)?;
    } else {
        say_account(&found);
    }
    Ok(Ending::complete_if(found.is_complete()))
}

fn say_account(found: &Reconciled) {
    let figures = |counts: &Counts| [counts.events, counts.exported, counts.omitted, counts.held, counts.owed, counts.not_yet_due].map(number);
    let row = |source: &str, chat: &str, counts: &Counts| [source.to_owned(), chat.to_owned()].into_iter().chain(figures(counts)).collect::<Vec<_>>();
    let chats = found.chats.iter().map(|one| row(one.source.as_str(), &one.chat, &one.counts));
    let rows = chats.chain([row("all", "", &found.total)]);
    say(table(&["source", "chat", "events", "exported", "left out", "held", "owed", "not yet due"], &[2, 3, 4, 5, 6, 7], rows));
    for gap in &found.gaps {
        say(match gap {
            Gap::Hole { chat, first, last } => {
                format!(
                    "MISSING: the index has no file for the positions {first} to {last} of chat {} of {}: restore it from a backup",
                    chat.id, chat.source
                )
            }
            Gap::Unreadable { chat, events, cause } => {
                format!("NOT READ: {} events of chat {} of {}: {cause}", number(u64::from(*events)), chat.id, chat.source)
            }
            Gap::Silence { source, from, to, usual_hours } => {
                format!("Silence: nothing came from {source} between {from} and {to}; usual are up to {usual_hours} hours")
            }
        });
    }
    if found.total.held > 0 {
        say(format_args!("See 'consign held --policy {}' for what is held and the way out.", found.policy));
    }
    if found.total.owed > 0 {
        say(
            "What is owed are copies for users of whom it became known later that they were there: the policy's next run sends them, or 'consign held' says why not.",
        );
    }
    if found.total.not_yet_due > 0 {
        say("What is not yet due goes out with the policy's next run.");
    }
}
