//! That a module failed: in which way, at which event, and whether it has now failed too often.
//!
//! The event is found by running the same calls again in fresh sessions, with fewer events each time. So it is looked for only as long as the module is
//! not quarantined: a module that loops takes its whole time for every look.

use std::sync::Arc;
use std::time::Duration;

use consign_model::HeldReason;
use consign_model::fault::{Fault, FaultEvent};
use consign_model::module::FaultClass;
use consign_sandbox::{BatchView, Call, Failure, Located, locate};

use crate::evaluate::grouping::kept_of;
use crate::evaluate::{Ready, Work};

/// How long an event is looked for. A call may take 10 s, so with a module that loops this is a few looks.
const LOOKING: Duration = Duration::from_secs(30);
/// Bytes of text in batches before the failing one with which it is looked for; they are all in memory meanwhile. Beyond them the batch is all that is known.
const BYTES_BEFORE: usize = 32 << 20;

/// A module that failed.
pub(crate) struct Failing<'a> {
    pub ready: &'a Ready,
    pub failure: Failure,
    /// Unset where it was at no batch.
    pub witness: Option<Witness<'a>>,
}

/// With which batch a module failed.
#[derive(Clone, Copy)]
pub(crate) struct Witness<'a> {
    /// The batch's number.
    pub batch: usize,
    /// The events that it is shown, for a grouping: rows from the window's begin. Unset: all.
    pub kept: Option<&'a [u32]>,
}

impl Failing<'_> {
    /// The reason to hold the window for, after writing down what has to be.
    pub fn held(self, work: &mut Work<'_>) -> HeldReason {
        let Self { ready: ready @ (module, _), failure, witness } = self;
        let call = failure.call();
        let mut fault = Fault { class: failure.class(), call: call.map(|call| call.to_string()), digest: module.digest, event: None };
        let text = work.said.failure(module, failure);
        let is_in_use = work.ward.failed(&work.window.key.chat, module, &fault);
        if is_in_use && let (Some(Call::Evaluate | Call::Place) | None, Some(witness)) = (call, witness) {
            fault.event = event(ready, fault.class, witness, work);
        }
        HeldReason::Module { module: module.name.clone(), text, fault: Some(Box::new(fault)) }
    }
}

/// The event at which it fails, or the batch.
fn event((module, bound): &Ready, class: FaultClass, witness: Witness<'_>, work: &mut Work<'_>) -> Option<FaultEvent> {
    let mut before = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for index in 0..witness.batch {
        let (batch, view) = work.batch(index).ok()?;
        bytes += batch.text_bytes();
        let (shown, _) = shown(witness, start, view);
        if !shown.is_empty() && bytes <= BYTES_BEFORE {
            before.push(shown);
        }
        start += batch.len();
    }
    let (batch, view) = work.batch(witness.batch).ok()?;
    let (failing, rows) = shown(witness, start, view);
    let row = |row: u32| match &rows {
        None => Some(row),
        Some(rows) => rows.get(row as usize).copied(),
    };
    let of = |first: u32, last: Option<u32>| {
        let (first, last) = (row(first)?, last.and_then(row));
        let position = |row: u32| batch.first + u64::from(row);
        Some(FaultEvent { position: position(first), id: batch.ids.get(first as usize).to_owned(), to: last.map(position) })
    };
    let last = u32::try_from(failing.len()).ok()?.checked_sub(1)?;
    if bytes > BYTES_BEFORE {
        return of(0, Some(last));
    }
    // As it saw the chat when it failed: a grouping sees it otherwise than a criterion.
    let chat = if witness.kept.is_some() { work.chat_for(module) } else { Arc::clone(&work.chat) };
    match locate(bound, &chat, &before, &failing, class, LOOKING) {
        Located::Event(row) => of(row, None),
        Located::Rows { first, last } => of(first, Some(last)),
        Located::NotAgain => None,
    }
}

/// What the module was shown of a batch, and its rows in the batch where that is not all.
fn shown(witness: Witness<'_>, start: usize, view: Arc<BatchView>) -> (Arc<BatchView>, Option<Vec<u32>>) {
    match witness.kept {
        None => (view, None),
        Some(kept) => {
            let (view, rows) = kept_of(kept, start, view);
            (view, Some(rows))
        }
    }
}
