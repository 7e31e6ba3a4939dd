//! `import`

use std::collections::BTreeMap;

use consign_ingest::Imported;
use consign_model::policy::PolicySpec;
use consign_model::{EventKind, Name};
use consign_service::apply;
use consign_source::{Format, Limits, Refusal};

use crate::args::ImportArgs;
use crate::data::Data;
use crate::output::{Ending, Failure, bar, bytes, number, say, say_json, table};

/// Imports a file and says what became of its events.
pub async fn import(data: &Data, args: &ImportArgs, json: bool) -> Result<Ending, Failure> {
    let bar = bar("importing", "bytes");
    let shown = bar.clone();
    let progress = move |progress: consign_source::Progress| {
        shown.set_length(progress.total);
        shown.set_position(progress.done);
    };
    let format = match args.format {
        Some(format) => format,
        None => Format::recognise(&args.file, &Limits::default())?,
    };
    let imported = data.importer.import(format, &args.file, &args.source, progress).await;
    bar.finish_and_clear();
    let imported = imported?;
    let lacking = lacking(data, &args.source).await?;
    if json {
        let mut object = serde_json::to_value(&imported)?;
        object["requirements_lacking"] = serde_json::to_value(&lacking)?;
        say_json(&object)?;
    } else {
        if args.format.is_none() {
            say(format_args!("It is {format}, by what stands in it (--format says otherwise)."));
        }
        say_imported(&imported);
        for text in &lacking {
            say(format_args!("warning: {text}"));
        }
    }
    Ok(Ending::complete_if(!imported.report.refused_anything()))
}

/// What policies require and this source does not give: they were applied when it was not there, or did.
async fn lacking(data: &Data, source: &Name) -> Result<Vec<String>, Failure> {
    let exporter = &data.exporter;
    let Some(source) = exporter.sources().await?.into_iter().find(|one| one.name == *source) else { return Ok(Vec::new()) };
    let policies = exporter.store.policies(&exporter.tenant).await?;
    let source = [source];
    let of_policy =
        |spec: &PolicySpec| -> Vec<String> { apply::lacking(spec, &source).map(|text| format!("policy {}: {text}", spec.name)).collect() };
    Ok(policies.iter().flat_map(|policy| of_policy(&policy.spec)).collect())
}

/// The report for a person.
pub fn say_imported(imported: &Imported) {
    say(format_args!("Imported into source '{}', read as {}:", imported.source, imported.format));
    say_events(&imported.stored, &imported.already_there);
    let report = &imported.report;
    say(format_args!(
        "{} chats, {} users ({} without e-mail address: they get one that ends in @{}.invalid)",
        number(report.chats),
        number(report.users),
        number(report.users_without_email),
        imported.source
    ));
    say(format_args!(
        "{} attachments ({}), {} missing in the export: e-mails name them, with their URL",
        number(report.attachments),
        bytes(report.attachment_bytes),
        number(report.attachments_missing)
    ));
    if imported.edits_found > 0 {
        say(format_args!("{} messages came with another text than before, and were stored as edits", number(imported.edits_found)));
    }
    if report.captured_users > 0 {
        say(format_args!("{} users' own copies ('consign coverage {}' says what may be missing)", number(report.captured_users), imported.source));
    }
    if imported.differing_copies > 0 {
        say(format_args!("{} copies have another text than those of other users, and were stored beside them", number(imported.differing_copies)));
    }
    if imported.late_files > 0 {
        say(format_args!("{} files came later than their messages, and were stored as edits that add them", number(imported.late_files)));
    }
    for (note, count) in &report.notes {
        say(format_args!("note: {note} ({})", number(*count)));
    }
    say_refused(report.refused, &report.refusals);
}

/// What came, by kind.
pub fn say_events(stored: &BTreeMap<EventKind, u64>, already_there: &BTreeMap<EventKind, u64>) {
    let count = |of: &BTreeMap<EventKind, u64>, kind: EventKind| of.get(&kind).copied().unwrap_or(0);
    let kinds = EventKind::ALL.into_iter().filter(|kind| count(stored, *kind) + count(already_there, *kind) > 0);
    let rows = kinds.map(|kind| vec![kind.word().to_owned(), number(count(stored, kind)), number(count(already_there, kind))]);
    say(table(&["event", "stored", "already there"], &[1, 2], rows));
}

/// What could not be read, of which the first are listed.
pub fn say_refused(refused: u64, listed: &[Refusal]) {
    if refused == 0 {
        return;
    }
    say(format_args!("{} entries could not be read, and were not stored:", number(refused)));
    for refusal in listed {
        say(format_args!("- {refusal}"));
    }
    let unlisted = refused.saturating_sub(listed.len() as u64);
    if unlisted > 0 {
        say(format_args!("- and {} more", number(unlisted)));
    }
}
