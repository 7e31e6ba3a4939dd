//! `held`

use consign_export::{ExportError, Retry, RunReport};
use consign_model::{Name, Window, WindowKey};
use consign_store::WindowFilter;

use super::run::{run_now, say_report};
use crate::args::HeldCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};

/// Windows read at a time.
const PAGE: usize = 256;

/// Lists held windows, or tries them again.
pub async fn held(data: &Data, policy: Option<&Name>, command: Option<&HeldCommand>, json: bool) -> Result<Ending, Failure> {
    let policies = match policy {
        Some(policy) => {
            let known = data.exporter.store.policy(&data.exporter.tenant, policy, None).await?;
            vec![known.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?.spec.name]
        }
        None => data.exporter.store.policies(&data.exporter.tenant).await?.into_iter().map(|policy| policy.spec.name).collect(),
    };
    let mut windows = Vec::new();
    for policy in &policies {
        windows.extend(held_windows(data, policy).await?);
    }
    match command {
        Some(HeldCommand::Retry { ids, current }) => retry(data, &windows, ids, *current, json).await,
        None => list(&windows, json),
    }
}

async fn held_windows(data: &Data, policy: &Name) -> Result<Vec<Window>, Failure> {
    let mut found = Vec::new();
    let mut after: Option<WindowKey> = None;
    loop {
        let filter = WindowFilter::Unsettled(policy.clone());
        let page = data.exporter.store.windows(&data.exporter.tenant, &filter, after.as_ref(), PAGE).await?;
        after = page.last().map(|window| window.key.clone());
        let last = page.len() < PAGE;
        found.extend(page.into_iter().filter(|window| window.state.held().is_some()));
        if last {
            return Ok(found);
        }
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
        let reason = window.state.held();
        say(format_args!(
            "{}  policy {}, chat {} of {}, run {}: {} of {} events held",
            window.key.short_id(),
            window.key.policy,
            window.key.chat.id,
            window.key.chat.source,
            window.run,
            number(held),
            number(window.events())
        ));
        if let Some(reason) = reason {
            say(format_args!("          {}", reason.text()));
            let next = if reason.passes_by_waiting() { "the next run tries again by itself" } else { "mend the cause, then 'consign held retry'" };
            say(format_args!("          {next}"));
        }
    }
    Ok(Ending::Done)
}

fn window_json(window: &Window) -> serde_json::Value {
    serde_json::json!({
        "id": window.key.short_id(),
        "policy": window.key.policy,
        "source": window.key.chat.source,
        "chat": window.key.chat.id,
        "from": window.key.from,
        "to": window.to,
        "run": window.run,
        "reason": window.state.held(),
        "text": window.state.held().map(consign_model::HeldReason::text),
        "events": window.state.settled().map(|settled| settled.counts),
    })
}

async fn retry(data: &Data, windows: &[Window], ids: &[String], current: bool, json: bool) -> Result<Ending, Failure> {
    if let Some(id) = ids.iter().find(|id| !windows.iter().any(|window| window.key.short_id() == **id)) {
        return Err(Failure::new(format!("no held window has the id '{}': see 'consign held'", id.escape_debug())));
    }
    let chosen: Vec<&Window> = windows.iter().filter(|window| ids.is_empty() || ids.contains(&window.key.short_id())).collect();
    let mut policies: Vec<&Name> = chosen.iter().map(|window| &window.key.policy).collect();
    policies.sort();
    policies.dedup();
    if policies.is_empty() && !json {
        say("Nothing is held.");
    }
    let mut ending = Ending::Done;
    for policy in policies {
        let ids = chosen.iter().filter(|window| window.key.policy == *policy).map(|window| window.key.short_id()).collect();
        let report: RunReport = run_now(data, policy, &Retry::These { ids, current }).await?;
        if say_report(&report, json)? == Ending::Incomplete {
            ending = Ending::Incomplete;
        }
    }
    Ok(ending)
}
