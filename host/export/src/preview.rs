//! What a run would do, without doing it: e-mails go to whoever asked for them, and nothing into the store.
//!
//! It takes the same way as a run (the same freezing, evaluating and composing), but its windows exist in memory only. Where a run was interrupted the
//! next one begins by ending that, so a preview does too: with the windows that are frozen already, as they were frozen; with those that it had not come
//! to; and only then with what has arrived since.

use std::collections::HashSet;
use std::path::Path;

use consign_model::run::{EmailCounts, EventCounts, StandIn, SupplementCounts, Trigger};
use consign_model::window::{HeldReason, Settled};
use consign_model::{ChatKey, Name, Run, RunId, RunState, Timestamp, Window, WindowState};
use consign_store::{NextWindow, WindowFilter};
use futures::StreamExt;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::compose::Composed;
use crate::freeze::AtHand;
use crate::manifest::Totals;
use crate::pages::{PAGE, Windows};
use crate::quarantine::Standing;
use crate::toolbox::{Purpose, Toolbox};
use crate::window::{Made, make, not_run};
use crate::{ExportError, Exporter, freeze};

/// What a preview found.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The policy.
    pub policy: Name,
    /// Where an earlier version of it runs, since a module of the newest is quarantined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<StandIn>,
    /// The run that was interrupted, and would be taken up and ended first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<RunId>,
    /// What a run would examine; of an interrupted one, what it has not settled. `exported` are those in the e-mails that were composed.
    pub events: EventCounts,
    /// Composed e-mails. None is sent; those that an interrupted run's target has accepted are not written either. `bytes` are of those written.
    pub emails: EmailCounts,
    /// Chats with something to examine.
    pub chats: u64,
    /// Held windows of earlier runs that would be tried again. Their e-mails are written too, and counted here.
    pub supplements: SupplementCounts,
    /// Chats that a run would hold: source, id and reason.
    pub held: Vec<(Name, String, HeldReason)>,
    /// Whether it ended before it had looked at all chats, as it was asked to.
    #[serde(skip_serializing_if = "is_false")]
    pub is_cut: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_false(is: &bool) -> bool {
    !is
}

/// What becomes of an e-mail that would be sent.
pub trait Showcase: Send {
    /// Takes it: the id of its window, its group and its part, both counted from 1, and its bytes.
    fn take(&mut self, window: &str, group: u32, part: u32, email: &[u8]) -> Result<(), ExportError>;
    /// Asked before each chat, whatever comes of it: whether that one is looked at too.
    fn wants_another(&mut self) -> bool;
}

/// A folder of `.eml` files.
pub struct Folder<'a>(&'a Path);

impl<'a> Folder<'a> {
    /// This one, in place of an earlier preview's. What else is in it stays.
    pub fn of_new(folder: &'a Path) -> Result<Self, ExportError> {
        crate::files::create_private_folder(folder).map_err(|error| file_error("make", folder, &error))?;
        clear(folder).map_err(|error| file_error("remove an earlier preview from", folder, &error))?;
        Ok(Self(folder))
    }
}

impl Showcase for Folder<'_> {
    fn take(&mut self, window: &str, group: u32, part: u32, email: &[u8]) -> Result<(), ExportError> {
        let path = self.0.join(file_name(window, group, part));
        crate::files::write_private(&path, email).map_err(|error| file_error("write", &path, &error))
    }

    fn wants_another(&mut self) -> bool {
        true
    }
}

impl Exporter {
    /// Composes what the next run of a policy would send, and hands it to `shown`.
    pub async fn preview(&self, policy: &Name, shown: &mut dyn Showcase) -> Result<Preview, ExportError> {
        let _use = self.archive.begin_use();
        let (policy, target, stands_in) = match self.standing(policy, Purpose::Preview).await? {
            Standing::Runs(how) => *how,
            Standing::Paused(paused) => return Err(ExportError::Paused(Box::new(paused))),
        };
        let name = policy.spec.name.clone();
        let newest = self.store.runs(&self.tenant, Some(&name), 1).await?;
        let interrupted = newest.into_iter().find(|run| run.state == RunState::Running);
        let run = Run {
            id: RunId::from_text(&format!("{name}-preview")),
            policy: name.clone(),
            policy_version: policy.version,
            target_version: target.version,
            trigger: Trigger::Hand,
            started_at: Timestamp::now(),
            until: self.store.newest_arrival(&self.tenant).await?,
            stands_in: stands_in.clone(),
            state: RunState::Running,
        };
        let mut runs = Vec::new();
        for run in interrupted.iter().chain([&run]) {
            runs.push((run, Toolbox::open(self, run, Purpose::Preview).await?));
        }
        let preview = Preview {
            policy: name,
            stands_in,
            interrupted: interrupted.as_ref().map(|run| run.id.clone()),
            events: EventCounts::default(),
            emails: EmailCounts::default(),
            chats: 0,
            supplements: SupplementCounts::default(),
            held: Vec::new(),
            is_cut: false,
        };
        let mut work = Work { exporter: self, shown, totals: Totals::default(), preview };
        let frozen = work.frozen(&runs).await?;
        work.arrived(&runs, &frozen).await?;
        Ok(Preview { events: work.totals.events, emails: work.totals.emails, ..work.preview })
    }
}

/// A preview as it goes on.
struct Work<'a> {
    exporter: &'a Exporter,
    shown: &'a mut dyn Showcase,
    totals: Totals,
    preview: Preview,
}

impl Work<'_> {
    /// Composes windows that are in the store: those that an interrupted run has not settled, and held ones that are tried again. The chats of the former.
    async fn frozen(&mut self, runs: &[(&Run, Toolbox<'_>)]) -> Result<HashSet<ChatKey>, ExportError> {
        let mut chats = HashSet::new();
        // An interrupted run does not try again what it has held itself, but the run after it does, and there is one where something has arrived since.
        let [(first, toolbox), others @ ..] = runs else { return Ok(chats) };
        let last = others.last().map_or(*first, |(run, _)| *run);
        let interrupted = self.preview.interrupted.clone();
        let by_hand = first.trigger == Trigger::Hand;
        let waits = |window: &Window| interrupted.as_ref() == Some(&window.run) && by_hand && last.until <= first.until;
        let mut windows = Windows::new(self.exporter, WindowFilter::Unsettled(self.preview.policy.clone()));
        while let Some(page) = windows.next().await? {
            for window in page {
                if !self.shown.wants_another() {
                    self.preview.is_cut = true;
                    return Ok(chats);
                }
                match window.state.held() {
                    None => {
                        chats.insert(window.key.chat.clone());
                        let (state, emails) = self.window(toolbox, window, None).await?;
                        self.totals.add_state(&state, &emails);
                    }
                    Some(_) if window.state.is_tried_again() && !waits(&window) => {
                        let (state, emails) = self.window(toolbox, window, None).await?;
                        let supplements = &mut self.preview.supplements;
                        supplements.windows += 1;
                        supplements.done += u64::from(matches!(state, WindowState::Done { .. }));
                        supplements.emails.add(&emails);
                        if let Some(settled) = state.settled() {
                            supplements.events.add(&settled.counts);
                        }
                    }
                    Some(_) => {}
                }
            }
        }
        self.preview.chats += chats.len() as u64;
        Ok(chats)
    }

    /// Composes what no window has yet, chat by chat, in the runs that would freeze it. `counted` are chats that count already.
    async fn arrived(&mut self, runs: &[(&Run, Toolbox<'_>)], counted: &HashSet<ChatKey>) -> Result<(), ExportError> {
        let Exporter { tenant, store, .. } = self.exporter;
        let mut after = store.progress(tenant, &self.preview.policy).await?.cursor;
        loop {
            let chats = store.chats_arrived(tenant, after, PAGE).await?;
            let Some((last, _)) = chats.last() else { return Ok(()) };
            after = *last;
            for (_, chat) in chats {
                if !self.shown.wants_another() {
                    self.preview.is_cut = true;
                    return Ok(());
                }
                let mut next = store.next_window(tenant, &self.preview.policy, &chat).await?;
                let mut any = false;
                for (run, toolbox) in runs {
                    let prepared = freeze::prepare_from(store.as_ref(), tenant, &toolbox.policy, run, &chat, next.clone()).await?;
                    let Some(freeze::Prepared { window, at_hand }) = prepared else { continue };
                    next = Some(NextWindow { from: window.to, starts_at: window.ends_at });
                    let (state, emails) = self.window(toolbox, window, Some(at_hand)).await?;
                    self.totals.add_state(&state, &emails);
                    any = true;
                }
                self.preview.chats += u64::from(any && !counted.contains(&chat));
            }
        }
    }

    /// Composes one window, with what is at hand of it or what it froze. How it would be settled.
    async fn window(&mut self, toolbox: &Toolbox<'_>, window: Window, at_hand: Option<AtHand>) -> Result<(WindowState, EmailCounts), ExportError> {
        let Exporter { tenant, store, .. } = self.exporter;
        let tools = match toolbox.tools(&window).await? {
            Ok(tools) => tools,
            Err(reason) => {
                let state = not_run(&window, reason.clone());
                self.preview.held.push((window.key.chat.source.clone(), window.key.chat.id.clone(), reason));
                return Ok((state, EmailCounts::default()));
            }
        };
        let known = store.deliveries(tenant, &window.key).await?;
        let accepted = known.into_iter().filter(consign_model::Delivery::is_accepted).map(|known| (known.key.group, known.key.part)).collect();
        let (into, from) = mpsc::channel::<Composed>(1);
        let making = make(self.exporter, &tools, window.clone(), at_hand, into).await?;
        let id = window.key.id();
        let (shown, made) = tokio::join!(show_all(from, self.shown, &id, &accepted), making);
        let (emails, mut rows, copies) = shown?;
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
            Some(reason) => {
                let chat = &window.key.chat;
                self.preview.held.push((chat.source.clone(), chat.id.clone(), reason.clone()));
                WindowState::Held { reason, settled, at }
            }
        };
        Ok((state, emails))
    }
}

/// Shows e-mails as they come, but for those that the target has `accepted` (by group and part). Counts, rows, and copies.
async fn show_all(
    mut from: mpsc::Receiver<Composed>,
    shown: &mut dyn Showcase,
    window: &str,
    accepted: &HashSet<(u32, u32)>,
) -> Result<(EmailCounts, Vec<u32>, u64), ExportError> {
    let (mut emails, mut rows, mut copies) = (EmailCounts::default(), Vec::new(), 0);
    let mut composed = futures::stream::poll_fn(move |context| from.poll_recv(context));
    while let Some(one) = composed.next().await {
        emails.composed += 1;
        if accepted.contains(&(one.group, one.email.part)) {
            emails.accepted += 1;
        } else {
            shown.take(window, one.group.saturating_add(1), one.email.part, &one.email.bytes)?;
            emails.bytes += one.email.bytes.len() as u64;
        }
        copies += one.rows.len() as u64;
        rows.extend(one.rows);
    }
    Ok((emails, rows, copies))
}

/// The name of an e-mail's file: its window ([`consign_model::WindowKey::id`]), its group and its part, both counted from 1.
pub(crate) fn file_name(window: &str, group: u32, part: u32) -> String {
    format!("{window}-{group:04}-{part:02}.eml")
}

/// Whether a file is named as we name them.
fn is_ours(name: &str) -> bool {
    let parts: Vec<&str> = name.strip_suffix(".eml").unwrap_or_default().split('-').collect();
    let [window, group, part] = parts.as_slice() else { return false };
    let (Ok(group), Ok(part)) = (group.parse(), part.parse()) else { return false };
    window.len() == 16 && window.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && file_name(window, group, part) == name
}

/// Removes an earlier preview's e-mails, so that the folder shows one preview. What is not named as we name them is somebody else's, and stays.
fn clear(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_ours) && !entry.file_type()?.is_dir() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn file_error(doing: &'static str, path: &Path, error: &std::io::Error) -> ExportError {
    ExportError::File { doing, path: path.to_owned(), cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_ours() {
        for ours in [file_name("1f3a90c21f3a90c2", 1, 1), file_name("0000000000000000", 12_345, 123), "1f3a90c21f3a90c2-0007-02.eml".to_owned()] {
            assert!(is_ours(&ours), "{ours}");
        }
        let others = [
            "",
            ".eml",
            "letter.eml",
            "1f3a90c21f3a90c2-0001-01.eml.bak",
            "1f3a90c21f3a90c2-0001-01",
            "1f3a90c21f3a90c2-1-1.eml",
            "1f3a90c21f3a90c2-+001-01.eml",
            "1f3a90c21f3a90c2-00001-01.eml",
            "1F3A90C21F3A90C2-0001-01.eml",
            "1f3a90c21f3a90c-0001-01.eml",
            "1f3a90c21f3a90c2-0001-01-01.eml",
            "a/1f3a90c21f3a90c2-0001-01.eml",
        ];
        assert_eq!(others.into_iter().find(|name| is_ours(name)), None);
    }
}
