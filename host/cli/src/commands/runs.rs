//! `runs`

use consign_export::ExportError;
use consign_model::run::Trigger;
use consign_model::{Name, Run, RunId, RunState};

use super::run::{say_summary, summary_json};
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json, table};

/// How many runs are listed.
const LISTED: usize = 50;

/// Lists runs, or shows one.
pub async fn runs(data: &Data, id: Option<&str>, policy: Option<&Name>, json: bool) -> Result<Ending, Failure> {
    let (store, tenant) = (&data.exporter.store, &data.exporter.tenant);
    if let Some(id) = id {
        let id = RunId::from_text(id);
        let run = store.run(tenant, &id).await?.ok_or(ExportError::NoRun(id))?;
        if json {
            say_json(&run_json(&run))?;
        } else {
            say_run(&run);
        }
        return Ok(Ending::Done);
    }
    if let Some(policy) = policy {
        store.policy(tenant, policy, None).await?.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
    }
    let runs = store.runs(tenant, policy, LISTED).await?;
    if json {
        say_json(&runs.iter().map(run_json).collect::<Vec<_>>())?;
    } else if runs.is_empty() {
        say("There has been no run yet: 'consign run POLICY' makes one.");
    } else {
        let rows = runs.iter().map(|run| match &run.state {
            RunState::Running => vec![run.id.to_string(), run.started_at.to_string(), trigger(run), "not ended".to_owned()],
            RunState::Finished { summary, .. } => {
                let events = &summary.events;
                let mut row = vec![run.id.to_string(), run.started_at.to_string(), trigger(run), "ended".to_owned()];
                row.extend([events.examined, events.exported, events.omitted, events.held, summary.emails.accepted].map(number));
                row
            }
        });
        say(table(&["run", "started", "by", "state", "examined", "exported", "omitted", "held", "e-mails"], &[4, 5, 6, 7, 8], rows));
    }
    Ok(Ending::Done)
}

fn trigger(run: &Run) -> String {
    match run.trigger {
        Trigger::Hand => "hand".to_owned(),
        Trigger::Schedule(due) => format!("schedule, due {due}"),
        Trigger::Retry => "retry".to_owned(),
    }
}

fn run_json(run: &Run) -> serde_json::Value {
    let mut object = match &run.state {
        RunState::Running => serde_json::json!({ "run": run.id, "policy": run.policy, "ended": false }),
        RunState::Finished { at, summary } => {
            let mut object = summary_json(summary);
            if let Some(fields) = object.as_object_mut() {
                fields.insert("ended".to_owned(), true.into());
                fields.insert("finished_at".to_owned(), at.to_string().into());
            }
            object
        }
    };
    if let Some(fields) = object.as_object_mut() {
        fields.insert("started_at".to_owned(), run.started_at.to_string().into());
        fields.insert("policy_version".to_owned(), run.policy_version.into());
        fields.insert("trigger".to_owned(), serde_json::to_value(run.trigger).unwrap_or_default());
    }
    object
}

fn say_run(run: &Run) {
    match &run.state {
        RunState::Finished { summary, at } => {
            say_summary(summary);
            say(format_args!("started {} by {}, ended {at}", run.started_at, trigger(run)));
        }
        RunState::Running => {
            say(format_args!("Run {} of policy '{}' began {} and has not ended.", run.id, run.policy, run.started_at));
            say(format_args!("It is under way, or was interrupted: 'consign run {}' takes it up.", run.policy));
        }
    }
}
