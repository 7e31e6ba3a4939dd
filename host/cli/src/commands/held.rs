//! `held`

use consign_export::{ExportError, How, Retry, RunReport};
use consign_model::{HeldReason, Name, Timestamp, Window};

use super::run::{report_json, run_now, say_report};
use crate::args::HeldCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};

/// Lists held windows, or tries them again.
pub async fn held(data: &Data, policy: Option<&Name>, command: Option<&HeldCommand>, json: bool) -> Result<Ending, Failure> {
    if let Some(policy) = policy {
        data.exporter.store.policy(&data.exporter.tenant, policy, None).await?.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
    }
    let windows = data.exporter.held(policy, None, usize::MAX).await?;
    match command {
        Some(HeldCommand::Retry { ids, current, send_changed }) => {
            let how = match (current, send_changed) {
                (true, _) => How::Current,
                (false, true) => How::SendChanged,
                (false, false) => How::AsFrozen,
            };
            retry(data, &windows, ids, how, json).await
        }
        None => list(&windows, json),
    }
}

fn list(windows: &[Window], json: bool) -> Result<Ending, Failure> {
    if json {
        let list: Vec<_> = windows.iter().map(window_json).collect();
        say_json(&list)?;
        return Ok(Ending::Done);
    }
    if windows.is_empty() {
        say("Nothing is held.");
    }
    for window in windows {
        let held = window.state.settled().map_or(0, |settled| settled.counts.held);
        let what = if window.key.is_supplement() {
            format!("copies that are owed to {}", window.owed_to.join(", "))
        } else {
            format!("{} of {} events held", number(held), number(window.events()))
        };
        let reason = window.state.held();
        say(format_args!(
            "{}  policy {}, chat {} of {}, run {}: {what}",
            window.key.id(),
            window.key.policy,
            window.key.chat.id,
            window.key.chat.source,
            window.run,
        ));
        if let Some(reason) = reason {
            say(format_args!("    {}", reason.text()));
            say(format_args!("    {}", way_out(window, reason)));
        }
    }
    Ok(Ending::Done)
}

/// What a person does about it.
fn way_out(window: &Window, reason: &HeldReason) -> String {
    let id: String = window.key.id().chars().take(8).collect();
    match reason {
        _ if reason.passes_by_waiting() => tried_again(window),
        HeldReason::Expired { .. } => format!("mend the target, then: consign held retry {id}"),
        HeldReason::Changed { .. } => format!("compare the two, then send it as it is now: consign held retry {id} --send-changed"),
        HeldReason::Refused { .. } | HeldReason::Unsendable { .. } if window.state.is_tried_again() => {
            format!("the rest: {}; for this one mend the cause, then: consign held retry {id}", tried_again(window))
        }
        HeldReason::Quarantine { .. } => {
            let policy = &window.key.policy;
            format!(
                "see 'consign quarantine list {policy}'; mend the module or release it, then: consign held retry {id} (with --current under today's policy)"
            )
        }
        HeldReason::Module { .. } => format!("see 'consign logs {}'; mend the cause, then: consign held retry {id} --current", window.run),
        _ => format!("mend the cause, then: consign held retry {id} (with --current under today's policy and target)"),
    }
}

fn tried_again(window: &Window) -> String {
    let now = Timestamp::now();
    let due = window.state.next_attempt_seen_at(now).filter(|next| *next > now);
    due.map_or_else(
        || "'consign serve' tries again by itself, and so does the next 'consign run'".to_owned(),
        |due| format!("'consign serve' tries again by itself at {due}; 'consign run' tries at once"),
    )
}

fn window_json(window: &Window) -> serde_json::Value {
    serde_json::json!({
        "id": window.key.id(),
        "policy": window.key.policy,
        "source": window.key.chat.source,
        "chat": window.key.chat.id,
        "from": window.key.from,
        "to": window.to,
        "owed_to": window.owed_to,
        "run": window.run,
        "reason": window.state.held(),
        "text": window.state.held().map(HeldReason::text),
        "tried_again": window.state.is_tried_again(),
        "next_attempt": window.state.settled().and_then(|settled| settled.next_attempt),
        "events": window.state.settled().map(|settled| settled.counts),
    })
}

async fn retry(data: &Data, windows: &[Window], ids: &[String], how: How, json: bool) -> Result<Ending, Failure> {
    let mut chosen = if ids.is_empty() { windows.iter().collect() } else { Vec::new() };
    for id in ids {
        let found: Vec<&Window> = windows.iter().filter(|window| window.key.id().starts_with(id.as_str())).collect();
        match found.as_slice() {
            [window] => chosen.push(window),
            [] => return Err(Failure::new(format!("no held window has the id '{}': see 'consign held'", id.escape_debug()))),
            several => {
                let ids: Vec<_> = several.iter().map(|window| window.key.id()).collect();
                return Err(Failure::new(format!("several held windows have ids that begin with '{id}': {}", ids.join(", "))));
            }
        }
    }
    let mut policies: Vec<&Name> = chosen.iter().map(|window| &window.key.policy).collect();
    policies.sort();
    policies.dedup();
    let mut reports = Vec::new();
    for policy in policies {
        let ids = chosen.iter().filter(|window| window.key.policy == *policy).map(|window| window.key.id()).collect();
        reports.push(run_now(data, policy, &Retry::These { ids, how }).await?);
    }
    if json {
        say_json(&reports.iter().map(report_json).collect::<Vec<_>>())?;
    } else if reports.is_empty() {
        say("Nothing is held.");
    } else {
        reports.iter().for_each(say_report);
    }
    Ok(Ending::complete_if(reports.iter().all(RunReport::is_complete)))
}
