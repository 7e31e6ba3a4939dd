//! Work on one frozen window: evaluate, compose, deliver, account.
//!
//! Evaluating and composing block and run on a thread of their own, which hands e-mails over a short channel: so a window's e-mails are never all in
//! memory, and the next is composed while one is on its way.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use consign_archive::Archive;
use consign_model::run::EventCounts;
use consign_model::target::TargetVersion;
use consign_model::window::{SealedFile, Settled};
use consign_model::{Backoff, Delivery, HeldReason, RunId, TenantId, Timestamp, Window, WindowState};
use consign_store::Store;
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::{SemaphorePermit, mpsc};

use crate::apart::set_apart;
use crate::compose::{Composed, Composer};
use crate::deliver::{Asked, Delivered, Outbox, changed, compare, deliver, is_of_another_release};
use crate::evaluate::{Evaluation, Evaluator, Work};
use crate::freeze::AtHand;
use crate::owed::Got;
use crate::places::Kind;
use crate::quarantine::Ward;
use crate::reader::Reader;
use crate::said::{Meter, Said, Words};
use crate::shadow::{self, Budget, Seen};
use crate::verdicts::{Binder, VerdictEmail, VerdictFile, VerdictOmitted, ranges};
use crate::{ExportError, Exporter};

/// E-mails of one window under way at once; the target's own limit on connections holds beside it.
const AT_ONCE: usize = 4;

/// What a window is worked on with.
#[derive(Clone)]
pub(crate) struct Tools {
    /// The policy's version that the window names.
    pub evaluator: Arc<Evaluator>,
    /// The target's version that the window names: its composing fields.
    pub target: Arc<TargetVersion>,
    /// Which of the modules may not be run.
    pub ward: Arc<Ward>,
    /// What shadows may take; unset where none is run.
    pub budget: Option<Arc<Budget>>,
    /// Where what modules use is added up.
    pub meter: Arc<Meter>,
    /// The run that works, and what it binds verdicts with.
    pub binder: (RunId, Arc<Binder>),
}

impl Tools {
    async fn seal(&self, archive: &Archive, file: &VerdictFile) -> Result<SealedFile, ExportError> {
        let (run, binder) = &self.binder;
        binder.seal(archive, run, file).await
    }
}

/// Works on a window and settles it. An error leaves it open, for the next run to go on with.
///
/// `at_hand`: of a window that was just frozen, of which nothing can have been sent yet. `permit` is given back when only its settling is left.
#[tracing::instrument(name = "window", skip_all, fields(window = window.key.id(), source = %window.key.chat.source, state))]
pub(crate) async fn work(
    exporter: &Exporter,
    tools: &Tools,
    outbox: &Outbox,
    window: &Window,
    at_hand: Option<AtHand>,
    asked: Asked,
    permit: Option<SemaphorePermit<'_>>,
) -> Result<WindowState, ExportError> {
    let Exporter { tenant, store, .. } = exporter;
    let place = exporter.places.work.take(Kind::Window, tenant).await;
    let may_seal = tools.binder.1.begin();
    let known = if at_hand.is_some() { Vec::new() } else { store.deliveries(tenant, &window.key).await? };
    let known: HashMap<(u32, u32), Delivery> = known.into_iter().map(|one| ((one.key.group, one.key.part), one)).collect();
    let ways = Ways { store: store.as_ref(), tenant, outbox: Some(outbox), window, asked, known: &known };
    // A release that composes otherwise could send a part of what it makes of a group beside parts that an earlier one made: so it compares first.
    let in_doubt = is_of_another_release(window) && asked != Asked::SendChanged && known.values().any(Delivery::may_have_arrived);
    let mut done =
        if in_doubt { once(exporter, tools, Ways { outbox: None, ..ways }, None).await? } else { once(exporter, tools, ways, at_hand).await? };
    if in_doubt && done.1.held.is_none() {
        done = once(exporter, tools, ways, None).await?;
    }
    let (sent, made) = done;
    // From here on it waits for the disk alone, together with others.
    drop((may_seal, place, permit));
    let state = match made {
        Made { refused: true, held: Some(reason), .. } => not_run(window, reason),
        made => settle(&exporter.archive, tools, window, sent, made).await?,
    };
    store.settle(tenant, &window.key, &state).await?;
    tracing::Span::current().record("state", if matches!(state, WindowState::Done { .. }) { "done" } else { "held" });
    Ok(state)
}

/// Makes a window's e-mails and sends them; without an outbox, only compares them with the ledger.
async fn once(exporter: &Exporter, tools: &Tools, ways: Ways<'_>, at_hand: Option<AtHand>) -> Result<(Vec<Sent>, Made), ExportError> {
    let (into, from) = mpsc::channel::<Composed>(1);
    let making = make(exporter, tools, ways.window.clone(), at_hand, into).await?;
    let (sent, made) = tokio::join!(send_all(ways, from), making);
    let (mut sent, mut made) = (sent?, made.map_err(|error| ExportError::Stopped(error.to_string()))?);
    if made.held.is_none() && ways.asked != Asked::SendChanged {
        made.held = vanished(ways.window, ways.known, &sent);
    }
    if ways.outbox.is_none() {
        let differs = |reason: &HeldReason| matches!(reason, HeldReason::Changed { .. });
        made.held = made.held.or_else(|| sent.iter().find_map(|one| one.held.clone().filter(differs)));
        // Nothing is sent now, for this one reason, and none of them may pass by waiting.
        for one in sent.iter_mut().filter(|one| one.held.is_some()) {
            one.held.clone_from(&made.held);
        }
    }
    Ok((sent, made))
}

/// How a window stands whose modules can't be had or may not be run. What earlier attempts settled of it stays settled by the ledger, and one that is held already
/// keeps its own reason, which says more.
pub(crate) fn not_run(window: &Window, reason: HeldReason) -> WindowState {
    let now = Timestamp::now();
    let (reason, mut settled, at) = match &window.state {
        WindowState::Held { reason, settled, at } => (reason.clone(), settled.clone(), *at),
        WindowState::Open | WindowState::Done { .. } => (reason, unevaluated(window), now),
    };
    settled.next_attempt = put_back(window, &reason, &settled, now);
    WindowState::Held { reason, settled, at }
}

/// When a window is tried again of which nothing came now: at the time that was said, or where that is over as late after its end as that is past, and without end.
fn put_back(window: &Window, reason: &HeldReason, settled: &Settled, now: Timestamp) -> Option<Timestamp> {
    let later = || Backoff::default().next_without_end(&window.key.id(), window.ends_at, now);
    let waits = reason.passes_by_waiting() || settled.waiting > 0;
    waits.then(|| settled.next_attempt.filter(|next| *next > now).unwrap_or_else(later))
}

/// How a window stands whose e-mails are only waiting for a target that is down: as before, without the work of making them. Unset where it has to be worked on.
pub(crate) fn put_off(window: &Window, outbox: &Outbox) -> Option<WindowState> {
    match &window.state {
        WindowState::Held { reason: reason @ HeldReason::Delivery { .. }, settled, at } if outbox.is_down() => {
            // Later and later, as it is held longer.
            let settled = Settled { next_attempt: Some(outbox.put_off(&window.key.id(), *at)), ..settled.clone() };
            Some(WindowState::Held { reason: reason.clone(), settled, at: *at })
        }
        WindowState::Open | WindowState::Done { .. } | WindowState::Held { .. } => None,
    }
}

/// What is settled of a window of which nothing was evaluated now: what was settled before, or nothing.
fn unevaluated(window: &Window) -> Settled {
    let events = window.events();
    let none = || Settled { counts: EventCounts { examined: events, held: events, ..EventCounts::default() }, ..Settled::default() };
    window.state.settled().cloned().unwrap_or_else(none)
}

/// What evaluating and composing came to.
pub(crate) struct Made {
    /// Unset where a module failed.
    pub evaluation: Option<Evaluation>,
    /// What ended it early.
    pub held: Option<HeldReason>,
    /// What the modules said.
    pub said: Vec<Said>,
    /// What shadows would have done.
    pub seen: Seen,
    /// That no module was asked: one may not be run any more.
    pub refused: bool,
}

impl Made {
    fn held(reason: HeldReason, said: Words) -> Self {
        Self { evaluation: None, held: Some(reason), said: said.said, seen: Seen::default(), refused: false }
    }
}

/// Holds a window that composes fewer e-mails than the target may have of it.
fn vanished(window: &Window, known: &HashMap<(u32, u32), Delivery>, sent: &[Sent]) -> Option<HeldReason> {
    let composed: HashSet<(u32, u32)> = sent.iter().map(|one| (one.email.group, one.email.part)).collect();
    let gone = known.iter().filter(|(key, delivery)| delivery.may_have_arrived() && !composed.contains(key));
    // The first, so that the text is the same each time.
    gone.min_by_key(|(key, _)| **key).map(|(_, delivery)| changed(window, delivery))
}

/// Starts evaluating and composing on a thread of its own.
pub(crate) async fn make(
    exporter: &Exporter,
    tools: &Tools,
    window: Window,
    at_hand: Option<AtHand>,
    into: mpsc::Sender<Composed>,
) -> Result<tokio::task::JoinHandle<Made>, ExportError> {
    let AtHand { facts, segments } = match at_hand {
        Some(at_hand) => at_hand,
        None => exporter.read_of(&window).await?,
    };
    let got = if window.key.is_supplement() { exporter.got(&window).await? } else { Ok(Got::default()) };
    let (exporter, tools) = (exporter.clone(), tools.clone());
    let runtime = Handle::current();
    let making = tracing::info_span!("make", window = window.key.id());
    Ok(tokio::task::spawn_blocking(move || {
        let _making = making.entered();
        let mut said = Words::metered(&tools.meter);
        let evaluator = &tools.evaluator;
        let segments = if evaluator.policy.spec.decrypt { Ok(segments) } else { runtime.block_on(set_apart(&exporter, &window.key.chat, segments)) };
        let segments = match segments {
            Ok(segments) => segments,
            Err(reason) => return Made::held(reason, said),
        };
        let mut reader = Reader::new(
            Arc::clone(&exporter.archive),
            runtime.clone(),
            window.starts_at,
            window.key.chat.clone(),
            segments,
            exporter.pace.held_bytes,
        );
        let places = &exporter.places.work;
        let evaluation = {
            let _place = runtime.block_on(places.take(Kind::Evaluation, &exporter.tenant));
            // While this one waited for its place, others may have failed.
            if let Some(reason) = tools.ward.refuses(&evaluator.policy) {
                return Made { refused: true, ..Made::held(reason, said) };
            }
            let (begun, _evaluating) = (Instant::now(), tracing::info_span!("evaluate").entered());
            let evaluation =
                places.in_turn(&exporter.tenant, || evaluator.evaluate(&mut Work::new(&window, &facts, &mut reader, &mut said, &tools.ward)));
            if let Some(budget) = &tools.budget {
                budget.earn(begun.elapsed());
            }
            evaluation
        };
        let (mut evaluation, got) = match (evaluation, got) {
            (Ok(evaluation), Ok(got)) => (evaluation, got),
            (Err(reason), _) | (_, Err(reason)) => return Made::held(reason, said),
        };
        if window.key.is_supplement() {
            got.leave_owed(&mut evaluation, &window, &facts);
        }
        let target = tools.target.spec.composing();
        let composer = Composer {
            exporter: &exporter,
            window: &window,
            facts: &facts,
            target: &target,
            attachments: &evaluator.policy.spec.attachments,
            decrypt: evaluator.policy.spec.decrypt,
            runtime: &runtime,
        };
        // A receiver that is gone has failed, and says so itself.
        let mut take = |composed| into.blocking_send(composed).is_ok();
        let held = places.in_turn(&exporter.tenant, || composer.compose(&evaluation, &mut reader, &mut take)).err();
        // Its e-mails are all handed over: from here on nothing can change them or delay them.
        drop(into);
        let mut seen = Seen::default();
        if let Some(budget) = tools.budget.as_ref().filter(|_| !evaluator.shadows.is_empty()) {
            let mut heard = Words::metered(&tools.meter);
            // A place of their own: they take none of those who evaluate for an export.
            let _place = runtime.block_on(exporter.places.shadows.acquire()).ok();
            let mut work = Work::new(&window, &facts, &mut reader, &mut heard, &tools.ward);
            // Whatever goes wrong here must not be the window's.
            let compare = AssertUnwindSafe(|| shadow::run(evaluator, &evaluation, &mut work, budget));
            let compared = if exporter.stop.is_set() { None } else { catch_unwind(compare).ok() };
            seen = compared.unwrap_or_else(|| shadow::unseen(evaluator));
            said.add_shadows(heard);
        }
        Made { evaluation: Some(evaluation), held, said: said.said, seen, refused: false }
    }))
}

/// What became of one e-mail, with the rows that depend on it.
struct Sent {
    email: VerdictEmail,
    rows: Vec<u32>,
    carries_for: Vec<u32>,
    held: Option<HeldReason>,
    /// When it is tried again by itself.
    again: Option<Timestamp>,
}

/// What a window's e-mails are sent with.
#[derive(Clone, Copy)]
struct Ways<'a> {
    store: &'a dyn Store,
    tenant: &'a TenantId,
    /// Unset: nothing is sent.
    outbox: Option<&'a Outbox>,
    window: &'a Window,
    asked: Asked,
    /// What the ledger has of it, by group and part.
    known: &'a HashMap<(u32, u32), Delivery>,
}

async fn send_all(ways: Ways<'_>, mut from: mpsc::Receiver<Composed>) -> Result<Vec<Sent>, ExportError> {
    let emails = futures::stream::poll_fn(move |context| from.poll_recv(context));
    let mut outcomes = emails
        .map(|composed| async move {
            let Ways { store, tenant, outbox, window, asked, known } = ways;
            let known = known.get(&(composed.group, composed.email.part));
            let delivered = match outbox {
                Some(outbox) => deliver(store, tenant, outbox, window, asked, known, &composed).await?,
                None => compare(window, known, &composed),
            };
            let (held, again) = match delivered {
                Delivered::Accepted => (None, None),
                Delivered::Held { reason, again } => (Some(reason), again),
            };
            let positions = composed.rows.iter().map(|row| window.key.from + u64::from(*row));
            let email = VerdictEmail {
                message_id: composed.email.message_id,
                group: composed.group,
                part: composed.email.part,
                accepted: held.is_none(),
                subject: composed.subject,
                events: ranges(positions),
            };
            Ok::<_, ExportError>(Sent { email, rows: composed.rows, carries_for: composed.carries_for, held, again })
        })
        .buffer_unordered(AT_ONCE);
    let mut sent = Vec::new();
    while let Some(outcome) = outcomes.next().await {
        sent.push(outcome?);
    }
    sent.sort_by_key(|one| (one.email.group, one.email.part));
    Ok(sent)
}

/// Accounts for every event of the window, seals that as its verdict file, and says how the window ends.
async fn settle(archive: &Archive, tools: &Tools, window: &Window, sent: Vec<Sent>, made: Made) -> Result<WindowState, ExportError> {
    let Made { evaluation, mut held, said, seen, .. } = made;
    let at = Timestamp::now();
    let examined = window.events();
    let mut file = VerdictFile {
        version: 1,
        window: window.key.clone(),
        to: window.to,
        run: window.run.clone(),
        emails: Vec::with_capacity(sent.len()),
        omitted: Vec::new(),
        exported: Vec::new(),
        said,
        shadows: seen.verdicts,
    };
    let Some(evaluation) = evaluation else {
        let reason = held.unwrap_or(HeldReason::Compose { text: "it was not evaluated".to_owned() });
        let mut settled = unevaluated(window);
        // What accounts for events that are settled, or names e-mails that wait to be sent, stays; what modules said now is kept where nothing does.
        if settled.counts.held == examined && settled.waiting == 0 && !file.said.is_empty() {
            settled.verdicts = Some(tools.seal(archive, &file).await?);
        }
        settled.next_attempt = put_back(window, &reason, &settled, at);
        return Ok(WindowState::Held { reason, settled, at });
    };
    if window.key.is_supplement() {
        return settle_supplement(archive, tools, file, sent, held, at).await;
    }
    let omitted = evaluation.omitted(window.key.from);
    // For each grouped event whether it is in an e-mail, and whether every e-mail that it is in was accepted.
    let mut exported: HashMap<u32, bool> = HashMap::new();
    let mut copies = 0;
    for one in &sent {
        let accepted = one.held.is_none();
        copies += if accepted { one.rows.len() as u64 } else { 0 };
        for row in &one.rows {
            *exported.entry(*row).or_insert(true) &= accepted;
        }
    }
    for row in sent.iter().filter(|one| one.held.is_some()).flat_map(|one| &one.carries_for) {
        exported.insert(*row, false);
    }
    // What stopped composing left groups without e-mails, and nothing here knows which events they share: none of them counts as exported
    // unless no e-mail is missing.
    let stopped = held.is_some();
    let (mut grouped, mut kept) = (0, Vec::new());
    for row in evaluation.grouped() {
        grouped += 1;
        if !stopped && exported.get(&row) == Some(&true) {
            kept.push(window.key.from + u64::from(row));
        }
    }
    let exported_count = kept.len() as u64;
    file.exported = ranges(kept);
    let counts = EventCounts {
        examined,
        exported: exported_count,
        omitted: omitted.iter().map(|(count, _)| count.events).sum(),
        held: grouped - exported_count,
        copies,
    };
    let (waiting, next_attempt) = take(sent, &mut held, &mut file);
    if held.is_none() && counts.held > 0 {
        held = Some(HeldReason::Compose { text: format!("{} events were in no e-mail: this is a fault in Consign, please report it", counts.held) });
    }
    let (omitted, positions): (Vec<_>, Vec<_>) = omitted.into_iter().unzip();
    file.omitted = omitted.iter().zip(positions).map(|(count, events)| VerdictOmitted { by: count.by.clone(), events }).collect();
    let verdicts = Some(tools.seal(archive, &file).await?);
    let mut settled = Settled { counts, omitted, verdicts, waiting, next_attempt, shadows: seen.differences };
    if let Some(reason) = held.as_ref().filter(|_| next_attempt.is_none()) {
        settled.next_attempt = put_back(window, reason, &settled, at);
    }
    Ok(match held {
        None => WindowState::Done { settled, at },
        Some(reason) => WindowState::Held { reason, settled, at },
    })
}

/// Puts e-mails into the verdict file, and the worst of what holds them with what holds the window. How many may pass by waiting, and when the first is tried again.
fn take(sent: Vec<Sent>, held: &mut Option<HeldReason>, file: &mut VerdictFile) -> (u32, Option<Timestamp>) {
    let (mut waiting, mut next_attempt) = (0, None);
    for one in sent {
        next_attempt = [next_attempt, one.again].into_iter().flatten().min();
        // Of one that a recipient refused for good another may take it yet.
        waiting += u32::from(one.again.is_some() || one.held.as_ref().is_some_and(HeldReason::passes_by_waiting));
        *held = worse(held.take(), one.held);
        file.emails.push(one.email);
    }
    (waiting, next_attempt)
}

/// As [`settle`], where no event is to be accounted for: that was done with the window that this is a supplement to.
async fn settle_supplement(
    archive: &Archive,
    tools: &Tools,
    mut file: VerdictFile,
    sent: Vec<Sent>,
    mut held: Option<HeldReason>,
    at: Timestamp,
) -> Result<WindowState, ExportError> {
    let copies = sent.iter().filter(|one| one.held.is_none()).map(|one| one.rows.len() as u64).sum();
    let (waiting, next_attempt) = take(sent, &mut held, &mut file);
    let counts = EventCounts { copies, ..EventCounts::default() };
    let settled = Settled { counts, verdicts: Some(tools.seal(archive, &file).await?), waiting, next_attempt, ..Settled::default() };
    Ok(match held {
        None => WindowState::Done { settled, at },
        Some(reason) => WindowState::Held { reason, settled, at },
    })
}

/// Of two reasons the one that a person must see: what waiting does not mend comes first.
fn worse(a: Option<HeldReason>, b: Option<HeldReason>) -> Option<HeldReason> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.passes_by_waiting() && !b.passes_by_waiting() { b } else { a }),
        (a, b) => a.or(b),
    }
}
