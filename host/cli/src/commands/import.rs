//! `import`

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use consign_ingest::Imported;
use consign_model::policy::PolicySpec;
use consign_model::{EventKind, Name};
use consign_service::apply;
use consign_source::{Format, Limits, Refusal};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::args::ImportArgs;
use crate::data::Data;
use crate::output::{Ending, Failure, bar, bytes, number, say, say_json, table};
use crate::remote::Server;
use crate::remote::answers::RefusedLine;
use crate::remote::refused::import_of_files;
use crate::remote::server::Twice;

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

/// Lines are sent in pieces of about so many bytes: a server takes 16 MiB at once, and each piece is on its disk before the next one is sent.
const PIECE: usize = 4 << 20;
/// The longest line that is sent: with the rest of its piece it is still less than a server takes.
const LONGEST: u64 = 11 << 20;
/// Refused lines that are listed.
const LISTED: usize = 1_000;

/// Hands the lines of a file to a server. It stores each event once, so what was cut off is begun again from the start.
pub async fn import_at(server: &Server, args: &ImportArgs, json: bool) -> Result<Ending, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("{} cannot be read: {error}", args.file.display()));
    let format = match args.format {
        Some(format) => format,
        None => Format::recognise(&args.file, &Limits::default())?,
    };
    if format != Format::Jsonl {
        return Err(import_of_files());
    }
    let mut lines = BufReader::new(File::open(&args.file).map_err(unreadable)?);
    if PACKED.iter().any(|magic| lines.fill_buf().is_ok_and(|head| head.starts_with(magic))) {
        return Err(import_of_files());
    }
    let url = server.of_tenant(&["sources", args.source.as_str(), "events"]).await?;
    let bar = bar("sending", "bytes");
    bar.set_length(std::fs::metadata(&args.file).map_err(unreadable)?.len());
    let (mut sent, mut line) = (Sent::default(), 0);
    loop {
        let (mut piece, before) = (Vec::new(), line);
        while piece.len() < PIECE {
            let read = (&mut lines).take(LONGEST).read_until(b'\n', &mut piece).map_err(unreadable)? as u64;
            if read == 0 {
                break;
            }
            line += 1;
            if read == LONGEST {
                return Err(Failure::new(format!(
                    "{}, line {line}: it has more than {}, and no server takes as much at once",
                    args.file.display(),
                    bytes(LONGEST)
                )));
            }
        }
        if piece.is_empty() {
            break;
        }
        bar.inc(piece.len() as u64);
        let receipt = match server.judged(&url, "application/x-ndjson", piece, Twice::Safe).await? {
            Ok(receipt) => receipt,
            Err(problem) if problem.refused.is_some() => {
                Receipt { stored: 0, already_there: 0, refused: problem.refused.unwrap_or_default(), refusals: problem.refusals }
            }
            Err(problem) => return Err(problem.failure(StatusCode::UNPROCESSABLE_ENTITY)),
        };
        sent.add(receipt, before, &args.file);
    }
    bar.finish_and_clear();
    say_sent(&sent, args, json)
}

/// How packed files begin: gzip, zstd.
const PACKED: [&[u8]; 2] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd]];

/// What became of a piece, as a server says.
#[derive(Deserialize)]
struct Receipt {
    stored: u64,
    already_there: u64,
    refused: u64,
    refusals: Vec<RefusedLine>,
}

/// What became of all pieces. A server counts events and not their kinds.
#[derive(Default, Serialize)]
struct Sent {
    stored: u64,
    already_there: u64,
    refused: u64,
    refusals: Vec<Refusal>,
}

impl Sent {
    /// `before`: lines of the file that came before the piece.
    fn add(&mut self, receipt: Receipt, before: u64, file: &Path) {
        self.stored += receipt.stored;
        self.already_there += receipt.already_there;
        self.refused += receipt.refused;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let place = |one: RefusedLine| Refusal {
            file: name.escape_debug().to_string(),
            line: one.line.map(|line| line + before),
            index: None,
            reason: one.reason,
        };
        let room = LISTED.saturating_sub(self.refusals.len());
        self.refusals.extend(receipt.refusals.into_iter().take(room).map(place));
    }
}

fn say_sent(sent: &Sent, args: &ImportArgs, json: bool) -> Result<Ending, Failure> {
    if json {
        let mut object = serde_json::to_value(sent)?;
        object["source"] = args.source.as_str().into();
        object["format"] = Format::Jsonl.word().into();
        say_json(&object)?;
    } else {
        let there = if sent.already_there > 0 { format!("; {} were there already", number(sent.already_there)) } else { String::new() };
        say(format_args!("Sent to source '{}', read as {}: {} events stored{there}", args.source, Format::Jsonl, number(sent.stored)));
        say_refused(sent.refused, &sent.refusals);
    }
    Ok(Ending::complete_if(sent.refused == 0))
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
