//! `runs`

use consign_export::ExportError;
use consign_model::run::Trigger;
use consign_model::{Name, Run, RunId, RunState, RunSummary, Timestamp};

use super::run::{say_summary, summary_json};
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json, table};
use crate::remote::Server;
use crate::remote::answers::RunAnswer;
use crate::remote::server::with;

/// How many runs are listed.
const LISTED: usize = 50;

/// Lists runs, or shows one.
pub async fn runs(data: &Data, id: Option<&str>, policy: Option<&Name>, json: bool) -> Result<Ending, Failure> {
    let (store, tenant) = (&data.exporter.store, &data.exporter.tenant);
    if let Some(id) = id {
        let id = RunId::from_text(id);
        let run = store.run(tenant, &id).await?.ok_or(ExportError::NoRun(id))?;
        return say_one(&run.into(), json);
    }
    if let Some(policy) = policy {
        store.policy(tenant, policy, None).await?.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
    }
    let runs = store.runs(tenant, policy, LISTED).await?;
    say_runs(&runs.into_iter().map(Shown::from).collect::<Vec<_>>(), json)
}

/// The same of a server.
pub async fn runs_at(server: &Server, id: Option<&str>, policy: Option<&Name>, json: bool) -> Result<Ending, Failure> {
    if let Some(id) = id {
        return say_one(&run_of(server, id).await?, json);
    }
    let url = server.of_tenant(&["runs"]).await?;
    let url = policy.map_or_else(|| url.clone(), |policy| with(&url, "policy", policy.as_str()));
    let mut runs = Vec::new();
    for answer in server.list::<RunAnswer>(&url, LISTED).await? {
        runs.push(shown(server, &answer).await?);
    }
    say_runs(&runs, json)
}

/// A run of a server.
pub async fn run_of(server: &Server, id: &str) -> Result<Shown, Failure> {
    shown(server, &server.get::<RunAnswer>(&server.of_tenant(&["runs", id]).await?).await?).await
}

async fn shown(server: &Server, answer: &RunAnswer) -> Result<Shown, Failure> {
    let manifest = server.of_tenant(&["runs", answer.run.as_str(), "manifest"]).await?;
    Ok(Shown {
        id: answer.run.clone(),
        policy: answer.policy.clone(),
        policy_version: answer.policy_version,
        trigger: answer.trigger(),
        started_at: answer.started_at,
        ended: answer.finished_at.zip(answer.summary(manifest.into())),
    })
}

/// What is said of a run.
pub struct Shown {
    id: RunId,
    policy: Name,
    policy_version: u32,
    trigger: Trigger,
    started_at: Timestamp,
    /// When it ended, and its figures.
    pub ended: Option<(Timestamp, RunSummary)>,
}

impl From<Run> for Shown {
    fn from(run: Run) -> Self {
        let ended = match run.state {
            RunState::Running => None,
            RunState::Finished { at, summary } => Some((at, summary)),
        };
        Self { id: run.id, policy: run.policy, policy_version: run.policy_version, trigger: run.trigger, started_at: run.started_at, ended }
    }
}

fn say_one(run: &Shown, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&run_json(run))?;
    } else {
        say_run(run);
    }
    Ok(Ending::Done)
}

fn say_runs(runs: &[Shown], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&runs.iter().map(run_json).collect::<Vec<_>>())?;
    } else if runs.is_empty() {
        say("There has been no run yet: 'consign run POLICY' makes one.");
    } else {
        let rows = runs.iter().map(|run| match &run.ended {
            None => vec![run.id.to_string(), run.started_at.to_string(), trigger(run), "not ended".to_owned()],
            Some((_, summary)) => {
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

fn trigger(run: &Shown) -> String {
    match run.trigger {
        Trigger::Hand => "hand".to_owned(),
        Trigger::Schedule(due) => format!("schedule, due {due}"),
        Trigger::Retry => "retry".to_owned(),
    }
}

fn run_json(run: &Shown) -> serde_json::Value {
    let mut object = match &run.ended {
        None => serde_json::json!({ "run": run.id, "policy": run.policy, "ended": false }),
        Some((at, summary)) => {
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

fn say_run(run: &Shown) {
    if let Some((at, summary)) = &run.ended {
        say_summary(summary);
        say(format_args!("started {} by {}, ended {at}", run.started_at, trigger(run)));
    } else {
        say(format_args!("Run {} of policy '{}' began {} and has not ended.", run.id, run.policy, run.started_at));
        say(format_args!("It is under way, or was interrupted: 'consign run {}' takes it up.", run.policy));
    }
}
