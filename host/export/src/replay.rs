//! `consign replay`: a run made again from its record, to see that it comes to the same.
//!
//! Everything that a window reads was frozen with it, so evaluating and composing again has to give the verdicts and the bytes of then: a person who doubts
//! what a run did can look, years later, instead of believing. It takes the way of a run up to the door (the same evaluating, the same composing) and
//! changes nothing in the store. It sends nothing either, unless somebody asks for that: an archive that has lost e-mails gets those that it had accepted
//! once more, and the audit log says so.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use consign_model::audit::Deed;
use consign_model::figure::number;
use consign_model::manifest::RuleRef;
use consign_model::{ChatKey, Delivery, Digest, RunId, Timestamp, Window};
use consign_store::WindowFilter;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::compose::Composed;
use crate::deliver::Outbox;
use crate::files::write_private;
use crate::pages::Windows;
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

/// E-mails that were sent once more.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Resent {
    /// How many.
    pub emails: u64,
    /// Of these, accepted for every recipient.
    pub accepted: u64,
    /// What was said of the others, a line for each.
    pub others: Vec<String>,
}

/// What is done with the e-mails of a replay, beside comparing them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// They are written into this folder, each under its window's id, group and part.
    pub write: Option<&'a Path>,
    /// Those that the target has accepted, and that come out with the same bytes, are sent to it once more, marked by a header on top of these bytes.
    pub send: bool,
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
    /// What was sent once more, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Resent>,
    /// What came out otherwise.
    pub differences: Vec<Difference>,
    /// Windows that could not be made again, and could not be made then either or have no record of it.
    pub not_replayed: Vec<NotReplayed>,
}

impl Exporter {
    /// Makes a run's windows again and compares.
    pub async fn replay(&self, run: &RunId, wanted: Wanted<'_>) -> Result<Replayed, ExportError> {
        let _use = self.archive.begin_use();
        let run = self.store.run(&self.tenant, run).await?.ok_or_else(|| ExportError::NoRun(run.clone()))?;
        if let Some(folder) = wanted.write {
            std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        let toolbox = Toolbox::open(self, &run, Purpose::Preview).await?;
        let mut found = Replayed {
            run: run.id.clone(),
            windows: 0,
            events: 0,
            emails: 0,
            never_tried: 0,
            sent: wanted.send.then(Resent::default),
            differences: Vec::new(),
            not_replayed: Vec::new(),
        };
        let mut windows = Windows::new(self, WindowFilter::OfRun(run.id.clone()));
        while let Some(page) = windows.next().await? {
            for window in page {
                let not = |reason: String| NotReplayed { chat: window.key.chat.clone(), reason };
                match toolbox.tools(&window).await? {
                    Err(reason) => found.not_replayed.push(not(reason.text())),
                    Ok(tools) => {
                        if let Err(reason) = self.replay_window(&toolbox, &tools, &window, wanted.write, &mut found).await? {
                            found.not_replayed.push(not(reason));
                        }
                    }
                }
            }
        }
        toolbox.close().await;
        if let Some(sent) = found.sent.as_ref().filter(|sent| sent.emails > 0) {
            let deed = Deed::ReplaySent { run: run.id.clone(), emails: sent.emails, accepted: sent.accepted };
            self.store.note(&self.tenant, &deed, &self.author).await?;
        }
        Ok(found)
    }

    /// The inner error: it can't be made again, and why.
    async fn replay_window(
        &self,
        toolbox: &Toolbox<'_>,
        tools: &Tools,
        window: &Window,
        write: Option<&Path>,
        found: &mut Replayed,
    ) -> Result<Result<(), String>, ExportError> {
        let Some(verdicts) = window.state.settled().and_then(|settled| settled.verdicts.clone()) else {
            return Ok(Err(window.state.held().map_or_else(|| "it has not ended".to_owned(), consign_model::HeldReason::text)));
        };
        let gone = self.gone_in(window).await?;
        if gone > 0 {
            return Ok(Err(format!("{} of its events were deleted since (see 'consign audit list')", number(gone))));
        }
        let then = self.verdicts(&window.key, &verdicts).await?;
        let ledger = self.store.deliveries(&self.tenant, &window.key).await?;
        let (into, from) = mpsc::channel::<Composed>(1);
        let making = make(self, tools, window.clone(), None, into).await?;
        let outbox = match found.sent {
            Some(_) => Some(toolbox.outbox(&tools.target.spec.name).await?),
            None => None,
        };
        let again = Again { ledger: &ledger, write, outbox: outbox.as_deref(), sent: found.sent.take().unwrap_or_default() };
        let (emails, made) = tokio::join!(collect(from, window, again), making);
        let ((emails, sent), made) = (emails?, made.map_err(|error| ExportError::Stopped(error.to_string()))?);
        found.sent = outbox.map(|_| sent);
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

/// What is done with a window's e-mails.
struct Again<'a> {
    ledger: &'a [Delivery],
    write: Option<&'a Path>,
    outbox: Option<&'a Outbox>,
    sent: Resent,
}

impl Again<'_> {
    /// Sends an e-mail once more that the target has, byte for byte. It is in no ledger: that has what the archive is owed, and it has got that.
    async fn send(&mut self, run: &RunId, one: &Composed) {
        let Some(outbox) = self.outbox else { return };
        let is_known = |known: &&Delivery| (known.key.group, known.key.part) == (one.group, one.email.part);
        if !self.ledger.iter().find(is_known).is_some_and(|known| known.is_accepted() && known.digest == one.email.digest) {
            return;
        }
        let mut bytes = format!("X-Consign-Replay: {run}; {}\r\n", Timestamp::now()).into_bytes();
        bytes.extend_from_slice(&one.email.bytes);
        let outcomes = outbox.send_unrecorded(&one.email, &bytes).await;
        self.sent.emails += 1;
        match outcomes.iter().find(|one| !one.outcome.is_accepted()) {
            None => self.sent.accepted += 1,
            Some(other) => self.sent.others.push(format!("<{}>, {}: {}", one.email.message_id, other.recipient, other.outcome.text())),
        }
    }
}

/// What is kept of an e-mail.
struct Kept {
    message_id: String,
    digest: Digest,
    events: Vec<Range>,
}

type Emails = BTreeMap<(u32, u32), Kept>;

async fn collect(mut from: mpsc::Receiver<Composed>, window: &Window, mut again: Again<'_>) -> Result<(Emails, Resent), ExportError> {
    let mut emails = BTreeMap::new();
    while let Some(one) = from.recv().await {
        let key = (one.group, one.email.part);
        again.send(&window.run, &one).await;
        if let Some(folder) = again.write {
            let path = folder.join(crate::preview::file_name(&window.key.id(), one.group.saturating_add(1), one.email.part));
            write_private(&path, &one.email.bytes).map_err(|error| failed(&path, &error))?;
        }
        let events = ranges(one.rows.iter().map(|row| window.key.from + u64::from(*row)));
        emails.insert(key, Kept { message_id: one.email.message_id, digest: one.email.digest, events });
    }
    Ok((emails, again.sent))
}

fn failed(path: &Path, error: &std::io::Error) -> ExportError {
    ExportError::File { doing: "write", path: path.to_owned(), cause: error.to_string() }
}

fn compare(window: &Window, then: &VerdictFile, ledger: &[Delivery], made: &Made, emails: &Emails, found: &mut Replayed) {
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
