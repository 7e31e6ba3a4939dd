//! `fetch`

use std::collections::BTreeMap;
use std::sync::Arc;

use consign_ingest::fetch::{Fetched, Fetcher, MissingFile};
use consign_model::{Name, Timestamp, WantedKind};

use super::ingest::sources;
use crate::args::FetchArgs;
use crate::data::Data;
use crate::output::{Ending, Failure, bytes, number, say, say_json, table};

/// Files listed at a time.
const PAGE: usize = 1_000;

/// Fetches what is due, or lists what is not there.
pub async fn fetch(data: &Data, args: &FetchArgs, json: bool) -> Result<Ending, Failure> {
    let rules = args.config.as_deref().map(sources).transpose()?.map(|config| config.fetch).unwrap_or_default();
    let fetcher = Fetcher::open(&rules, data.importer.clone(), Arc::clone(&data.exporter.archive)).await?;
    match &args.source {
        Some(source) if args.list => return list(&fetcher, source, json).await,
        Some(source) if !fetcher.sources().any(|one| one == source) => {
            return Err(Failure::new(format!("the file has no [[fetch]] with source = \"{source}\": without a rule nothing is fetched")));
        }
        None if fetcher.sources().next().is_none() => return Err(Failure::new("the file has no [[fetch]]: without a rule nothing is fetched")),
        Some(_) | None => {}
    }
    if let Some(source) = &args.source {
        if args.look_for {
            let found = fetcher.look_for(source).await?;
            if !json {
                say(format_args!("{} missing files became known", number(found)));
            }
        }
        if args.again {
            fetcher.again(source, Timestamp::now()).await?;
        }
    }
    let all = fetcher.pass(args.source.as_ref(), Timestamp::now(), super::serve::interrupted()).await?;
    let mut left = BTreeMap::new();
    for fetched in &all {
        left.insert(fetched.source.clone(), fetcher.count(&fetched.source).await?);
    }
    if json {
        let with_left = |fetched: &Fetched| serde_json::json!({ "fetched": fetched, "not_there": left.get(&fetched.source) });
        say_json(&all.iter().map(with_left).collect::<Vec<_>>())?;
    } else {
        for fetched in &all {
            say_fetched(fetched, left.get(&fetched.source));
        }
    }
    // What has been gone before was told then, and nothing more can be done about it.
    let is_news = all.iter().any(|fetched| fetched.gone > 0);
    Ok(Ending::complete_if(!is_news && left.values().flat_map(BTreeMap::keys).all(|kind| *kind == WantedKind::Gone)))
}

fn say_fetched(fetched: &Fetched, left: Option<&BTreeMap<WantedKind, u64>>) {
    let source = &fetched.source;
    say(format_args!("Source '{source}': {} files fetched ({})", number(fetched.files), bytes(fetched.bytes)));
    let left: Vec<String> = left.into_iter().flatten().map(|(kind, count)| format!("{} {}", number(*count), kind.word())).collect();
    if !left.is_empty() {
        say(format_args!("not there: {}; 'consign fetch {source} --list' says why", left.join(", ")));
    }
}

/// All that is not there.
async fn list(fetcher: &Fetcher, source: &Name, json: bool) -> Result<Ending, Failure> {
    let (mut after, mut files) = (None, Vec::new());
    loop {
        let (page, last) = fetcher.missing(source, None, after.as_ref(), PAGE).await?;
        files.extend(page);
        match last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    if json {
        say_json(&files)?;
    } else if files.is_empty() {
        say(format_args!("Every file of source '{source}' that is known to be wanted is there."));
    } else {
        say(table(&["chat", "event", "file", "host", "state", "why", "next"], &[], files.iter().map(row)));
    }
    Ok(Ending::Done)
}

fn row(file: &MissingFile) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let next = file.state.due().map_or_else(|| "never by itself".to_owned(), |due| due.to_string());
    let why = file.why.clone().unwrap_or_else(|| "not looked at yet".to_owned());
    vec![file.chat.clone(), text(&file.event), text(&file.name), text(&file.host), file.state.kind().word().to_owned(), why, next]
}
