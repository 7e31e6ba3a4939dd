//! `pull`

use std::path::Path;

use consign_ingest::pull::{Begin, Pulled, pull_now};
use consign_model::Name;

use super::import::{say_events, say_refused};
use super::ingest::sources;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};

/// Asks the sources of a file that are asked, or one of them, and says what came.
pub async fn pull(data: &Data, source: Option<&Name>, config: &Path, anew: bool, json: bool) -> Result<Ending, Failure> {
    let from = if anew { Begin::Beginning } else { Begin::LastTime };
    let config = sources(config)?;
    let mut all = Vec::new();
    let outcome = pull_now(&config, &data.importer, source, from, |pulled| {
        if !json {
            say_pulled(&pulled);
        }
        all.push(pulled);
    });
    let outcome = outcome.await;
    // What came of some sources is to be known where another one failed.
    if json && !all.is_empty() {
        say_json(&all)?;
    }
    outcome?;
    Ok(Ending::complete_if(all.iter().all(Pulled::is_complete)))
}

fn say_pulled(pulled: &Pulled) {
    say(format_args!("Source '{}' was asked ({}): {} pages", pulled.source, pulled.format, number(pulled.pages)));
    if !pulled.stored.is_empty() || !pulled.already_there.is_empty() {
        say_events(&pulled.stored, &pulled.already_there);
    }
    if pulled.edits_found > 0 {
        say(format_args!("{} messages came with another text than before, and were stored as edits", number(pulled.edits_found)));
    }
    if pulled.differing_copies > 0 {
        say(format_args!("{} copies have another text than those of other users, and were stored beside them", number(pulled.differing_copies)));
    }
    if pulled.attachments_missing > 0 {
        say(format_args!(
            "{} files are named and not here: 'consign fetch {}' fetches them where a rule allows it",
            number(pulled.attachments_missing),
            pulled.source
        ));
    }
    for (note, count) in &pulled.notes {
        say(format_args!("note: {note} ({})", number(*count)));
    }
    say_refused(pulled.refused, &pulled.refusals);
    for passed in &pulled.passed {
        say(format_args!("NOT READ: {}: {}", passed.of, passed.why));
    }
    if let Some(why) = &pulled.ended {
        say(format_args!("NOT READ TO THE END: {why}"));
    }
}
