//! What a run would do, without doing it: e-mails go into a folder, and nothing into the store.
//!
//! It takes the same way as a run (the same freezing, evaluating and composing), but its windows exist in memory only.

use std::path::Path;
use std::sync::Arc;

use consign_model::run::{EmailCounts, EventCounts, Trigger};
use consign_model::window::{HeldReason, Settled};
use consign_model::{Name, Run, RunId, RunState, Timestamp, WindowState};
use futures::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::compose::Composed;
use crate::manifest::Totals;
use crate::run::{PAGE, Toolbox};
use crate::window::{Made, make_with};
use crate::{ExportError, Exporter, freeze};

/// What a preview found.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The policy.
    pub policy: Name,
    /// What a run would examine. `exported` are those in the e-mails that were written.
    pub events: EventCounts,
    /// Composed e-mails; none is sent.
    pub emails: EmailCounts,
    /// Chats with something new.
    pub chats: u64,
    /// Chats that a run would hold: source, id and reason.
    pub held: Vec<(Name, String, HeldReason)>,
}

impl Exporter {
    /// Composes what the next run of a policy would send, into `folder` as `.eml` files.
    pub async fn preview(&self, policy: &Name, folder: &Path) -> Result<Preview, ExportError> {
        let (policy, target) = self.newest(policy).await?;
        let name = policy.spec.name.clone();
        let run = Run {
            id: RunId::from_text(&format!("{name}-preview")),
            policy: name.clone(),
            policy_version: policy.version,
            target_version: target.version,
            trigger: Trigger::Hand,
            started_at: Timestamp::now(),
            until: self.store.newest_arrival(&self.tenant).await?,
            state: RunState::Running,
        };
        std::fs::create_dir_all(folder).map_err(|error| file_error(folder, &error))?;
        let toolbox = Toolbox::open(self, &run).await?;
        let mut totals = Totals::default();
        let mut held = Vec::new();
        let mut after = self.store.progress(&self.tenant, &name).await?.cursor;
        loop {
            let chats = self.store.chats_arrived(&self.tenant, after, PAGE).await?;
            let Some((last, _)) = chats.last() else { break };
            after = *last;
            for (_, chat) in chats {
                let Some(prepared) = freeze::prepare(self.store.as_ref(), &self.tenant, &policy, &run, &chat).await? else { continue };
                let (state, emails) = self.preview_window(&toolbox, prepared, folder).await?;
                if let Some(reason) = state.held() {
                    held.push((chat.source.clone(), chat.id.clone(), reason.clone()));
                }
                totals.add_state(&state, &emails);
            }
        }
        Ok(Preview { policy: name, events: totals.events, emails: totals.emails, chats: totals.chats.examined, held })
    }

    async fn preview_window(
        &self,
        toolbox: &Toolbox<'_>,
        prepared: freeze::Prepared,
        folder: &Path,
    ) -> Result<(WindowState, EmailCounts), ExportError> {
        let window = prepared.window;
        let tools = toolbox.tools(&window).await?;
        let (into, from) = mpsc::channel::<Composed>(1);
        let making = make_with(self, &tools, window.clone(), Arc::clone(&prepared.facts), into).await?;
        let id = window.key.id();
        let writing = write_all(from, folder, &id);
        let (written, made) = tokio::join!(writing, making);
        let (emails, mut rows, copies) = written?;
        let Made { evaluation, held: reason, .. } = made.map_err(|error| ExportError::Stopped(error.to_string()))?;
        let examined = window.events();
        let omitted = evaluation.map(|evaluation| evaluation.omitted(window.key.from)).unwrap_or_default();
        let omitted_count = omitted.iter().map(|(count, _)| count.events).sum();
        rows.sort_unstable();
        rows.dedup();
        let exported = if reason.is_some() { 0 } else { rows.len() as u64 };
        let counts = EventCounts { examined, exported, omitted: omitted_count, held: examined - omitted_count - exported, copies };
        let settled = Settled { counts, ..Settled::default() };
        let at = Timestamp::now();
        let state = match reason {
            None => WindowState::Done { settled, at },
            Some(reason) => WindowState::Held { reason, settled, at },
        };
        Ok((state, emails))
    }
}

async fn write_all(mut from: mpsc::Receiver<Composed>, folder: &Path, window: &str) -> Result<(EmailCounts, Vec<u32>, u64), ExportError> {
    let (mut emails, mut rows, mut copies) = (EmailCounts::default(), Vec::new(), 0);
    let mut composed = futures::stream::poll_fn(move |context| from.poll_recv(context));
    while let Some(one) = composed.next().await {
        let path = folder.join(format!("{window}-{:04}-{:02}.eml", one.group + 1, one.email.part));
        std::fs::write(&path, &one.email.bytes).map_err(|error| file_error(&path, &error))?;
        emails.composed += 1;
        emails.bytes += one.email.bytes.len() as u64;
        copies += one.rows.len() as u64;
        rows.extend(one.rows);
    }
    Ok((emails, rows, copies))
}

fn file_error(path: &Path, error: &std::io::Error) -> ExportError {
    ExportError::File { doing: "write", path: path.to_owned(), cause: error.to_string() }
}
