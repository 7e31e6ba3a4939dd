//! `held`

use std::collections::BTreeMap;

use consign_export::{ExportError, How, Retry, RunReport};
use consign_model::run::EventCounts;
use consign_model::{HeldReason, Name, RunId, Timestamp, Window};
use serde::Deserialize;

use super::run::{report_json, run_now, run_there, say_report};
use crate::args::HeldCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};
use crate::remote::Server;
use crate::remote::server::with;

/// Lists held windows, or tries them again.
pub async fn held(data: &Data, policy: Option<&Name>, command: Option<&HeldCommand>, json: bool) -> Result<Ending, Failure> {
    if let Some(policy) = policy {
        data.exporter.store.policy(&data.exporter.tenant, policy, None).await?.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
    }
    let now = Timestamp::now();
    let windows: Vec<Held> = data.exporter.held(policy, None, usize::MAX).await?.iter().map(|window| Held::of(window, now)).collect();
    let Some(HeldCommand::Retry { ids, current, send_changed }) = command else { return list(&windows, json) };
    let how = match (current, send_changed) {
        (true, _) => How::Current,
        (false, true) => How::SendChanged,
        (false, false) => How::AsFrozen,
    };
    let mut reports = Vec::new();
    for (policy, ids) in chosen(&windows, ids)? {
        reports.push(run_now(data, &policy, &Retry::These { ids, how }).await?);
    }
    say_reports(&reports, json)
}

/// The same of a server.
pub async fn held_at(server: &Server, policy: Option<&Name>, command: Option<&HeldCommand>, json: bool) -> Result<Ending, Failure> {
    let url = server.of_tenant(&["held"]).await?;
    let url = policy.map_or_else(|| url.clone(), |policy| with(&url, "policy", policy.as_str()));
    let windows: Vec<Held> = server.list::<HeldAnswer>(&url, usize::MAX).await?.into_iter().map(Held::from).collect();
    let Some(HeldCommand::Retry { ids, current, send_changed }) = command else { return list(&windows, json) };
    let how = match (current, send_changed) {
        (true, _) => "current",
        (false, true) => "send-changed",
        (false, false) => "as-frozen",
    };
    let mut reports = Vec::new();
    for (policy, ids) in chosen(&windows, ids)? {
        let url = server.of_tenant(&["policies", policy.as_str(), "held", "retry"]).await?;
        reports.push(run_there(server, &policy, &url, Some(&serde_json::json!({ "windows": ids, "how": how }))).await?);
    }
    say_reports(&reports, json)
}

/// What is said of a held window.
struct Held {
    id: String,
    policy: Name,
    source: Name,
    chat: String,
    from: u64,
    to: u64,
    owed_to: Vec<String>,
    run: RunId,
    reason: Option<HeldReason>,
    is_tried_again: bool,
    next_attempt: Option<Timestamp>,
    /// When it is tried again, where that lies ahead.
    due: Option<Timestamp>,
    events: Option<EventCounts>,
}

impl Held {
    fn of(window: &Window, now: Timestamp) -> Self {
        let settled = window.state.settled();
        Self {
            id: window.key.id(),
            policy: window.key.policy.clone(),
            source: window.key.chat.source.clone(),
            chat: window.key.chat.id.clone(),
            from: window.key.from,
            to: window.to,
            owed_to: window.owed_to.clone(),
            run: window.run.clone(),
            reason: window.state.held().cloned(),
            is_tried_again: window.state.is_tried_again(),
            next_attempt: settled.and_then(|settled| settled.next_attempt),
            due: window.state.next_attempt_seen_at(now).filter(|next| *next > now),
            events: settled.map(|settled| settled.counts),
        }
    }

    /// A supplement examines nothing, and is owed to somebody.
    fn is_supplement(&self) -> bool {
        !self.owed_to.is_empty()
    }
}

/// A held window, as a server says.
#[derive(Deserialize)]
struct HeldAnswer {
    id: String,
    policy: Name,
    source: Name,
    chat: String,
    from: u64,
    to: u64,
    #[serde(default)]
    owed_to: Vec<String>,
    run: RunId,
    reason: Option<HeldReason>,
    tried_again: bool,
    next_attempt: Option<Timestamp>,
    counts: Option<EventCounts>,
}

impl From<HeldAnswer> for Held {
    fn from(answer: HeldAnswer) -> Self {
        let HeldAnswer { id, policy, source, chat, from, to, owed_to, run, reason, tried_again, next_attempt, counts } = answer;
        let due = next_attempt.filter(|next| tried_again && *next > Timestamp::now());
        Self { id, policy, source, chat, from, to, owed_to, run, reason, is_tried_again: tried_again, next_attempt, due, events: counts }
    }
}

fn list(windows: &[Held], json: bool) -> Result<Ending, Failure> {
    if json {
        let list: Vec<_> = windows.iter().map(window_json).collect();
        say_json(&list)?;
        return Ok(Ending::Done);
    }
    if windows.is_empty() {
        say("Nothing is held.");
    }
    for window in windows {
        let held = window.events.map_or(0, |counts| counts.held);
        let what = if window.is_supplement() {
            format!("copies that are owed to {}", window.owed_to.join(", "))
        } else {
            format!("{} of {} events held", number(held), number(window.to.saturating_sub(window.from)))
        };
        say(format_args!("{}  policy {}, chat {} of {}, run {}: {what}", window.id, window.policy, window.chat, window.source, window.run));
        if let Some(reason) = &window.reason {
            say(format_args!("    {}", reason.text()));
            say(format_args!("    {}", way_out(window, reason)));
        }
    }
    Ok(Ending::Done)
}

/// What a person does about it.
fn way_out(window: &Held, reason: &HeldReason) -> String {
    let id: String = window.id.chars().take(8).collect();
    match reason {
        _ if reason.passes_by_waiting() => tried_again(window),
        HeldReason::Expired { .. } => format!("mend the target, then: consign held retry {id}"),
        HeldReason::Changed { .. } => format!("compare the two, then send it as it is now: consign held retry {id} --send-changed"),
        HeldReason::Refused { .. } | HeldReason::Unsendable { .. } if window.is_tried_again => {
            format!("the rest: {}; for this one mend the cause, then: consign held retry {id}", tried_again(window))
        }
        HeldReason::Quarantine { .. } => {
            let policy = &window.policy;
            format!(
                "see 'consign quarantine list {policy}'; mend the module or release it, then: consign held retry {id} (with --current under today's policy)"
            )
        }
        HeldReason::Module { .. } => format!("see 'consign logs {}'; mend the cause, then: consign held retry {id} --current", window.run),
        _ => format!("mend the cause, then: consign held retry {id} (with --current under today's policy and target)"),
    }
}

fn tried_again(window: &Held) -> String {
    window.due.map_or_else(
        || "'consign serve' tries again by itself, and so does the next 'consign run'".to_owned(),
        |due| format!("'consign serve' tries again by itself at {due}; 'consign run' tries at once"),
    )
}

fn window_json(window: &Held) -> serde_json::Value {
    serde_json::json!({
        "id": window.id,
        "policy": window.policy,
        "source": window.source,
        "chat": window.chat,
        "from": window.from,
        "to": window.to,
        "owed_to": window.owed_to,
        "run": window.run,
        "reason": window.reason,
        "text": window.reason.as_ref().map(HeldReason::text),
        "tried_again": window.is_tried_again,
        "next_attempt": window.next_attempt,
        "events": window.events,
    })
}

/// The windows that are meant, by their policies.
fn chosen(windows: &[Held], ids: &[String]) -> Result<BTreeMap<Name, Vec<String>>, Failure> {
    let mut chosen: Vec<&Held> = if ids.is_empty() { windows.iter().collect() } else { Vec::new() };
    for id in ids {
        let found: Vec<&Held> = windows.iter().filter(|window| window.id.starts_with(id.as_str())).collect();
        match found.as_slice() {
            [window] => chosen.push(window),
            [] => return Err(Failure::new(format!("no held window has the id '{}': see 'consign held'", id.escape_debug()))),
            several => {
                let ids: Vec<_> = several.iter().map(|window| window.id.as_str()).collect();
                return Err(Failure::new(format!("several held windows have ids that begin with '{id}': {}", ids.join(", "))));
            }
        }
    }
    let mut by_policy: BTreeMap<Name, Vec<String>> = BTreeMap::new();
    for window in chosen {
        by_policy.entry(window.policy.clone()).or_default().push(window.id.clone());
    }
    Ok(by_policy)
}

fn say_reports(reports: &[RunReport], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&reports.iter().map(report_json).collect::<Vec<_>>())?;
    } else if reports.is_empty() {
        say("Nothing is held.");
    } else {
        reports.iter().for_each(say_report);
    }
    Ok(Ending::complete_if(reports.iter().all(RunReport::is_complete)))
}
