//! `consign replay`: a run made again from its record, to see that it comes to the same.
//!
//! Everything that a window reads was frozen with it, so evaluating and composing again has to give the verdicts and the bytes of then: a person who doubts
//! what a run did can look, years later, instead of believing. It takes the way of a run up to the door (the same evaluating, the same composing), sends
//! nothing and writes nothing into the store.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use consign_model::manifest::RuleRef;
use consign_model::{ChatKey, Delivery, Digest, RunId, Window};
use consign_store::WindowFilter;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::compose::Composed;
use crate::files::write_private;
use crate::run::Windows;
use crate::toolbox::{Purpose, Toolbox};
use crate::verdicts::{Range, VerdictFile, ranges};
use crate::window::{Made, Tools, make};
use crate::{ExportError, Exporter};

/// What came out otherwise than it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Difference {
    /// Other bytes than those of the ledger.
    Email {
        /// The chat.
        chat: ChatKey,
        /// Without angle brackets.
        message_id: String,
        /// SHA-256 of the bytes then.
        then: Digest,
        /// And now.
        now: Digest,
    },
    /// In the ledger, and not composed now.
    EmailGone {
        /// The chat.
        chat: ChatKey,
        /// Without angle brackets.
        message_id: String,
    },
    /// Other events are left out, or by other rules.
    Verdicts {
        /// The chat.
        chat: ChatKey,
        /// How many events are left out then and now.
        omitted: (u64, u64),
    },
    /// Other events are in the e-mail.
    Events {
        /// The chat.
        chat: ChatKey,
        /// Without angle brackets.
        message_id: String,
    },
}

/// A window that could not be made again.
#[derive(Debug, Clone, Serialize)]
pub struct NotReplayed {
    /// The chat.
    pub chat: ChatKey,
    /// Why.
    pub reason: String,
}

/// What a replay found.
#[derive(Debug, Clone, Serialize)]
pub struct Replayed {
    /// The run.
    pub run: RunId,
    /// Windows that were made again.
    pub windows: u64,
    /// Their events.
    pub events: u64,
    /// E-mails that were composed again.
    pub emails: u64,
    /// Of these, not in the ledger, so that there was nothing to hold them against.
    pub never_tried: u64,
    /// What came out otherwise.
    pub differences: Vec<Difference>,
    /// Windows that could not be made again, and could not be made then either or have no record of it.
    pub not_replayed: Vec<NotReplayed>,
}

impl Exporter {
    /// Makes a run's windows again and compares. With `write` the e-mails are written into this folder, each under its window's id, group and part.
    pub async fn replay(&self, run: &RunId, write: Option<&Path>) -> Result<Replayed, ExportError> {
        let run = self.store.run(&self.tenant, run).await?.ok_or_else(|| ExportError::NoRun(run.clone()))?;
        if let Some(folder) = write {
            std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        let toolbox = Toolbox::open(self, &run, Purpose::Preview).await?;
        let mut found =
            Replayed { run: run.id.clone(), windows: 0, events: 0, emails: 0, never_tried: 0, differences: Vec::new(), not_replayed: Vec::new() };
        let mut windows = Windows::new(self, WindowFilter::OfRun(run.id.clone()));
        while let Some(page) = windows.next().await? {
            for window in page {
                let not = |reason: String| NotReplayed { chat: window.key.chat.clone(), reason };
                match toolbox.tools(&window).await? {
                    Err(reason) => found.not_replayed.push(not(reason.text())),
                    Ok(tools) => {
                        if let Err(reason) = self.replay_window(&tools, &window, write, &mut found).await? {
                            found.not_replayed.push(not(reason));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// The inner error: it can't be made again, and why.
    async fn replay_window(
        &self,
        tools: &Tools,
        window: &Window,
        write: Option<&Path>,
        found: &mut Replayed,
    ) -> Result<Result<(), String>, ExportError> {
        let Some(verdicts) = window.state.settled().and_then(|settled| settled.verdicts.clone()) else {
            return Ok(Err(window.state.held().map_or_else(|| "it has not ended".to_owned(), consign_model::HeldReason::text)));
        };
        let then = self.verdicts(&window.key, &verdicts).await?;
        let ledger = self.store.deliveries(&self.tenant, &window.key).await?;
        let (into, from) = mpsc::channel::<Composed>(1);
        let making = make(self, tools, window.clone(), into).await?;
        let (emails, made) = tokio::join!(collect(from, window, write), making);
        let (emails, made) = (emails?, made.map_err(|error| ExportError::Stopped(error.to_string()))?);
        if let Some(reason) = &made.held {
            return Ok(Err(reason.text()));
        }
        found.windows += 1;
        found.events += window.events();
        found.emails += emails.len() as u64;
        compare(window, &then, &ledger, &made, &emails, found);
        Ok(Ok(()))
    }
}

/// What is kept of an e-mail.
struct Again {
    message_id: String,
    digest: Digest,
    events: Vec<Range>,
}

async fn collect(mut from: mpsc::Receiver<Composed>, window: &Window, write: Option<&Path>) -> Result<BTreeMap<(u32, u32), Again>, ExportError> {
    let mut emails = BTreeMap::new();
    while let Some(one) = from.recv().await {
        let key = (one.group, one.email.part);
        if let Some(folder) = write {
            let path = folder.join(crate::preview::file_name(&window.key.id(), one.group.saturating_add(1), one.email.part));
            write_private(&path, &one.email.bytes).map_err(|error| failed(&path, &error))?;
        }
        let events = ranges(one.rows.iter().map(|row| window.key.from + u64::from(*row)));
        emails.insert(key, Again { message_id: one.email.message_id, digest: one.email.digest, events });
    }
    Ok(emails)
}

fn failed(path: &Path, error: &std::io::Error) -> ExportError {
    ExportError::File { doing: "write", path: path.to_owned(), cause: error.to_string() }
}

fn compare(window: &Window, then: &VerdictFile, ledger: &[Delivery], made: &Made, emails: &BTreeMap<(u32, u32), Again>, found: &mut Replayed) {
    let chat = &window.key.chat;
    // By rules, in whatever order they are listed.
    let of_then: HashMap<&[RuleRef], &[Range]> = then.omitted.iter().map(|one| (one.by.as_slice(), one.events.as_slice())).collect();
    let now = made.evaluation.as_ref().map(|evaluation| evaluation.omitted(window.key.from)).unwrap_or_default();
    let of_now: HashMap<&[RuleRef], &[Range]> = now.iter().map(|(count, events)| (count.by.as_slice(), events.as_slice())).collect();
    // A supplement accounts for no event, so it says of none that it is left out.
    if of_then != of_now && !window.key.is_supplement() {
        let count = |all: &HashMap<&[RuleRef], &[Range]>| all.values().flat_map(|events| events.iter()).map(|(first, last)| last - first + 1).sum();
        found.differences.push(Difference::Verdicts { chat: chat.clone(), omitted: (count(&of_then), count(&of_now)) });
    }
    for one in &then.emails {
        match emails.get(&(one.group, one.part)) {
            Some(again) if again.events == one.events => {}
            Some(_) => found.differences.push(Difference::Events { chat: chat.clone(), message_id: one.message_id.clone() }),
            None => found.differences.push(Difference::EmailGone { chat: chat.clone(), message_id: one.message_id.clone() }),
        }
    }
    let known: HashMap<(u32, u32), &Delivery> = ledger.iter().map(|one| ((one.key.group, one.key.part), one)).collect();
    for (key, again) in emails {
        match known.get(key) {
            None => found.never_tried += 1,
            Some(known) if known.digest == again.digest && known.message_id == again.message_id => {}
            Some(known) => found.differences.push(Difference::Email {
                chat: chat.clone(),
                message_id: known.message_id.clone(),
                then: known.digest,
                now: again.digest,
            }),
        }
    }
}
