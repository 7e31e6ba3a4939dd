//! `run`

use std::time::Duration;

use consign_export::preview::Folder;
use consign_export::{Paused, Progress, Retry, RunReport};
use consign_model::run::Trigger;
use consign_model::{Name, Quarantine, RunId, RunSummary};
use reqwest::{StatusCode, Url};

use super::runs::run_of;
use crate::args::RunArgs;
use crate::data::Data;
use crate::output::{Ending, Failure, bar, bytes, number, say, say_json, spinner, table};
use crate::remote::Server;
use crate::remote::answers::{AskedAnswer, Outcome, OutcomeState};

/// Runs a policy, or previews what it would send.
pub async fn run(data: &Data, args: &RunArgs, json: bool) -> Result<Ending, Failure> {
    if let Some(folder) = &args.preview {
        return preview(data, &args.policy, folder, json).await;
    }
    say_made(&run_now(data, &args.policy, &Retry::Waiting).await?, json)
}

/// Has a server run a policy, and waits until it has.
pub async fn run_at(server: &Server, args: &RunArgs, json: bool) -> Result<Ending, Failure> {
    let url = server.of_tenant(&["policies", args.policy.as_str(), "runs"]).await?;
    say_made(&run_there(server, &args.policy, &url, None).await?, json)
}

fn say_made(report: &RunReport, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&report_json(report))?;
    } else {
        say_report(report);
    }
    Ok(Ending::complete_if(report.is_complete()))
}

/// How long is waited before a server is asked again what became of a run: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Asks a server for a run at this address, and waits until it was made. Whoever goes away before lets it go on.
pub async fn run_there(server: &Server, policy: &Name, url: &Url, what: Option<&serde_json::Value>) -> Result<RunReport, Failure> {
    let asked: AskedAnswer = server.post(url, what).await?;
    let (url, mut wait) = (server.of_tenant(&["asked", &asked.asked]).await?, FIRST_WAIT);
    let bar = spinner("running there");
    let outcome = loop {
        let outcome: Outcome = server.get(&url).await?;
        match outcome.state {
            OutcomeState::Waiting => bar.set_message("waiting for room"),
            OutcomeState::Running => bar.set_message("running there"),
            OutcomeState::Ended | OutcomeState::Failed | OutcomeState::GivenUp => break outcome,
        }
        bar.tick();
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    };
    bar.finish_and_clear();
    match (outcome.state, outcome.problem) {
        (OutcomeState::Failed, Some(problem)) => return Err(problem.failure(StatusCode::UNPROCESSABLE_ENTITY)),
        (OutcomeState::Ended, _) => {}
        _ => {
            return Err(Failure::new(format!("the server did not come to the end of this run: see 'consign runs --policy {policy}', and ask again")));
        }
    }
    let paused = outcome.paused.map(|paused| Paused {
        policy: policy.clone(),
        quarantined: paused.quarantined.into_iter().map(Quarantine::from).collect(),
        no_earlier: paused.no_earlier,
    });
    Ok(RunReport { resumed: ended(server, outcome.resumed.as_ref()).await?, run: ended(server, outcome.run.as_ref()).await?, paused })
}

async fn ended(server: &Server, run: Option<&RunId>) -> Result<Option<RunSummary>, Failure> {
    let Some(run) = run else { return Ok(None) };
    Ok(run_of(server, run.as_str()).await?.ended.map(|(_, summary)| summary))
}

/// Runs a policy with a progress bar.
pub async fn run_now(data: &Data, policy: &Name, retry: &Retry) -> Result<RunReport, Failure> {
    let bar = bar("exporting", "events");
    let watch = |progress: Progress| match progress {
        Progress::Frozen { events, .. } => bar.set_length(events),
        Progress::Settled { events, .. } => bar.inc(events),
    };
    let report = data.exporter.run(policy, Trigger::Hand, retry, &watch).await;
    bar.finish_and_clear();
    Ok(report?)
}

/// What `run --json` prints. One object, whatever happened: where an interrupted run was ended and nothing else was to be done, it is that run's.
pub fn report_json(report: &RunReport) -> serde_json::Value {
    let mut object = report.run.as_ref().or(report.resumed.as_ref()).map_or_else(|| serde_json::json!({}), summary_json);
    if let (Some(object), Some(paused)) = (object.as_object_mut(), report.paused.as_ref()) {
        object.insert("policy".to_owned(), paused.policy.as_str().into());
        object.insert("paused".to_owned(), serde_json::json!({ "quarantined": paused.quarantined, "text": paused.text() }));
    }
    if let (Some(object), Some(resumed)) = (object.as_object_mut(), report.resumed.as_ref()) {
        object.insert("resumed".to_owned(), if report.run.is_some() { summary_json(resumed) } else { serde_json::Value::Bool(true) });
    }
    object
}

/// Says what a run did.
pub fn say_report(report: &RunReport) {
    if let Some(resumed) = &report.resumed {
        say(format_args!("The run {} had been interrupted, and was taken up and ended now.", resumed.run));
        say_summary(resumed);
    }
    if let Some(summary) = &report.run {
        say_summary(summary);
    }
    if let Some(paused) = &report.paused {
        say(format_args!("Nothing was run: {}.", paused.text()));
    }
}

/// What `run --json` and `runs --json` print of a run that has ended.
pub fn summary_json(summary: &RunSummary) -> serde_json::Value {
    #[expect(clippy::cast_precision_loss, reason = "seconds for people: milliseconds below 2^53 are exact")]
    let seconds = summary.millis as f64 / 1000.0;
    serde_json::json!({
        "run": summary.run,
        "policy": summary.policy,
        "events": summary.events,
        "emails": summary.emails,
        "chats": summary.chats,
        "supplements": summary.supplements,
        "shadows": summary.shadows,
        "quarantined": summary.quarantined.iter().map(|(module, digest)| serde_json::json!({ "module": module, "digest": digest })).collect::<Vec<_>>(),
        "stands_in": summary.stands_in,
        "lacking": summary.lacking,
        "manifest": summary.manifest,
        "seconds": seconds,
    })
}

/// A run's figures, for a person.
pub fn say_summary(summary: &RunSummary) {
    let RunSummary { events, emails, chats, supplements, .. } = summary;
    say(format_args!("Run {} of policy '{}':", summary.run, summary.policy));
    let row = |name: &str, value: u64, note: &str| vec![name.to_owned(), number(value), note.to_owned()];
    let rows = [
        row("events examined", events.examined, &format!("in {} chats", number(chats.examined))),
        row("  exported", events.exported, &format!("{} copies", number(events.copies))),
        row("  omitted", events.omitted, "by the policy's rules"),
        row("  held", events.held, if events.held > 0 { "see 'consign held'" } else { "" }),
        row("e-mails accepted", emails.accepted, &format!("of {} composed, {}", number(emails.composed), bytes(emails.bytes))),
    ];
    say(table(&[], &[1], rows));
    let troubles =
        [("rejected", emails.rejected), ("deferred", emails.deferred), ("not sent", emails.not_sent), ("without an answer", emails.unknown)];
    let troubles: Vec<_> = troubles.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{} {name}", number(*count))).collect();
    if !troubles.is_empty() {
        say(format_args!("e-mails not accepted: {}", troubles.join(", ")));
    }
    if supplements.windows > 0 {
        let rest = if supplements.done < supplements.windows { "; for the others see 'consign held'" } else { "" };
        say(format_args!(
            "tried again from earlier runs: {} windows, {} of them done now{rest}",
            number(supplements.windows),
            number(supplements.done)
        ));
    }
    if let Some(stands_in) = &summary.stands_in {
        say(format_args!("NOTE: {}", stands_in.text()));
    }
    for lack in &summary.lacking {
        say(format_args!("NOTE: {}, and the policy requires it", lack.text()));
    }
    for (module, _) in &summary.quarantined {
        say(format_args!("QUARANTINED: {module} failed in too many chats, and the rest was held. See 'consign quarantine list {}'", summary.policy));
    }
    for found in &summary.shadows {
        say(format_args!("shadow {} of {}: {}", found.module, found.beside, super::shadow::line(found)));
    }
    say(format_args!("manifest: {}", summary.manifest));
}

async fn preview(data: &Data, policy: &Name, folder: &std::path::Path, json: bool) -> Result<Ending, Failure> {
    let preview = data.exporter.preview(policy, &mut Folder::of_new(folder)?).await?;
    if json {
        say_json(&preview)?;
    } else {
        let (events, supplements) = (&preview.events, &preview.supplements);
        if let Some(stands_in) = &preview.stands_in {
            say(format_args!("NOTE: {}", stands_in.text()));
        }
        if let Some(run) = &preview.interrupted {
            say(format_args!("The run {run} was interrupted. The next one takes it up and ends it first, and so does this preview."));
        }
        say(format_args!(
            "A run of '{}' now would examine {} events in {} chats: {} exported, {} omitted, {} held.",
            preview.policy,
            number(events.examined),
            number(preview.chats),
            number(events.exported),
            number(events.omitted),
            number(events.held)
        ));
        if supplements.windows > 0 {
            say(format_args!(
                "tried again from earlier runs: {} windows, with {} events",
                number(supplements.windows),
                number(supplements.events.examined)
            ));
        }
        let mut emails = preview.emails;
        emails.add(&supplements.emails);
        say(format_args!(
            "Its {} e-mails ({}) are in {}. Nothing was sent.",
            number(emails.composed - emails.accepted),
            bytes(emails.bytes),
            folder.display()
        ));
        if emails.accepted > 0 {
            say(format_args!("{} more e-mails were accepted already: they are not sent again, and not in that folder.", number(emails.accepted)));
        }
        for (source, chat, reason) in &preview.held {
            say(format_args!("held: chat {chat} of {source}: {}", reason.text()));
        }
    }
    Ok(Ending::complete_if(preview.held.is_empty()))
}
