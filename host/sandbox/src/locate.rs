//! Which event a failure comes with.
//!
//! A failed session says in which call it failed, and a call has thousands of events. So the batch is given again to fresh sessions, less of it each
//! time: the shortest beginning of it that still fails ends with the event that is looked for. What came before the batch comes before each try too,
//! since the module may have kept something of it.
//!
//! Modules are deterministic, their failures need not be alone in that: one for time depends on the machine. Where the batch does not fail again
//! nothing is claimed, and where the time for looking is over the span that is left is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_model::module::{FaultClass, ModuleKind};

use crate::{BatchView, Bound, ChatContext, Decision, Failure};

/// Where in its batch a failure comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Located {
    /// With this row.
    Event(u32),
    /// With one of these rows, both ends included: there was no time to look further.
    Rows {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
    /// The same batch did not fail again in the same way, or there was no time to try even once.
    NotAgain,
}

/// Looks for the row of `failing` that a failure of this class comes with, after the batches `before`. Takes at most about `time`, and one try more.
pub fn locate(
    bound: &Bound,
    chat: &Arc<ChatContext>,
    before: &[Arc<BatchView>],
    failing: &Arc<BatchView>,
    class: FaultClass,
    time: Duration,
) -> Located {
    let end = Instant::now() + time;
    let rows = u32::try_from(failing.len()).unwrap_or(u32::MAX);
    let fails = |count: u32| {
        let some: Vec<u32> = (0..count).collect();
        let beginning = if count == rows { Arc::clone(failing) } else { Arc::new(failing.select(&some)) };
        again(bound, chat, before, &beginning).is_err_and(|failure| failure.class() == class)
    };
    if rows == 0 || time.is_zero() || !fails(rows) {
        return Located::NotAgain;
    }
    // The first `passes` rows alone do not fail, the first `fails_at` do.
    let (mut passes, mut fails_at) = (0, rows);
    while fails_at - passes > 1 {
        if Instant::now() >= end {
            return Located::Rows { first: passes, last: fails_at - 1 };
        }
        let middle = passes + (fails_at - passes) / 2;
        if fails(middle) {
            fails_at = middle;
        } else {
            passes = middle;
        }
    }
    Located::Event(passes)
}

fn again(bound: &Bound, chat: &Arc<ChatContext>, before: &[Arc<BatchView>], last: &Arc<BatchView>) -> Result<(), Failure> {
    let batches = before.iter().chain([last]);
    match bound.module().kind() {
        ModuleKind::Criteria => {
            let mut session = bound.criteria(Arc::clone(chat))?;
            if session.begin()? == Decision::Inspect {
                batches.map(|batch| session.evaluate(batch)).try_for_each(|answer| answer.map(drop))?;
            }
        }
        ModuleKind::Grouping => {
            let mut session = bound.grouping(Arc::clone(chat))?;
            session.begin()?;
            batches.map(|batch| session.place(batch)).try_for_each(|answer| answer.map(drop))?;
        }
    }
    Ok(())
}
