//! A grouping at work on the events that the criteria kept.

use std::sync::Arc;

use consign_model::HeldReason;
use consign_sandbox::{BatchView, Failure};

use super::{GroupPlan, Ready, Work};

/// What a grouping made of the events.
pub(crate) struct Grouped {
    /// Its groups, in order.
    pub groups: Vec<GroupPlan>,
    /// Rows (from the window's begin) that go into none, with the index of the rule.
    pub left_out: Vec<(u32, u8)>,
}

/// What ended it early.
pub(crate) enum Stop {
    /// The window has to be held, and the module is not to blame.
    Held(HeldReason),
    /// The module failed: with which batch, where it was at one.
    Failed(Failure, Option<usize>),
    /// It was asked to.
    Asked,
}

/// The kept events of a batch: their view, and their rows in the batch. `from` is the batch's first row in the window.
pub(crate) fn kept_of(kept: &[u32], from: usize, view: Arc<BatchView>) -> (Arc<BatchView>, Vec<u32>) {
    let begin = kept.partition_point(|row| (*row as usize) < from);
    let end = kept.partition_point(|row| (*row as usize) < from + view.len());
    let start = u32::try_from(from).unwrap_or(u32::MAX);
    let rows: Vec<u32> = kept.get(begin..end).unwrap_or_default().iter().map(|row| row.saturating_sub(start)).collect();
    let shown = if rows.len() < view.len() { Arc::new(view.select(&rows)) } else { view };
    (shown, rows)
}

/// Runs a grouping over the kept events, as long as it may go on: that is asked before each call.
pub(crate) fn run((module, bound): &Ready, kept: &[u32], work: &mut Work<'_>, may_go_on: &dyn Fn() -> bool) -> Result<Grouped, Stop> {
    let mut session = bound.grouping(work.chat_for(module)).map_err(|failure| Stop::Failed(failure, None))?;
    let begun = session.begin();
    work.said.hear(module, session.take_logs());
    work.said.spent(module, session.usage().total(), 0);
    begun.map_err(|failure| Stop::Failed(failure, None))?;
    let mut spans: Vec<Vec<(u32, u32)>> = Vec::new();
    let mut left_out = Vec::new();
    let (mut start, mut kept_start) = (0_usize, 0_u32);
    for index in 0..work.reader.batches() {
        if !may_go_on() {
            return Err(Stop::Asked);
        }
        let (batch, view) = work.batch(index).map_err(Stop::Held)?;
        let (shown, rows) = kept_of(kept, start, view);
        if !rows.is_empty() {
            let before = session.usage().total();
            let placement = session.place(&shown);
            work.said.hear(module, session.take_logs());
            work.said.spent(module, session.usage().total().saturating_sub(before), rows.len());
            let placement = placement.map_err(|failure| Stop::Failed(failure, Some(index)))?;
            for one in placement.assigned {
                let group = one.group as usize;
                if spans.len() <= group {
                    spans.resize_with(group + 1, Vec::new);
                }
                if let Some(list) = spans.get_mut(group) {
                    list.push((kept_start + one.first, kept_start + one.last));
                }
            }
            let offset = u32::try_from(start).unwrap_or(u32::MAX);
            for out in placement.left_out {
                let of = rows.get(out.first as usize..=out.last as usize).unwrap_or_default();
                left_out.extend(of.iter().map(|row| (offset + row, out.rule)));
            }
        }
        start += batch.len();
        kept_start += u32::try_from(rows.len()).unwrap_or(u32::MAX);
    }
    if !may_go_on() {
        return Err(Stop::Asked);
    }
    let before = session.usage().total();
    let groups = session.finish();
    work.said.hear(module, session.take_logs());
    work.said.spent(module, session.usage().total().saturating_sub(before), 0);
    let groups = groups.map_err(|failure| Stop::Failed(failure, None))?;
    spans.resize_with(groups.len(), Vec::new);
    let groups = groups.into_iter().zip(spans).map(|(group, spans)| GroupPlan { group, spans }).collect();
    Ok(Grouped { groups, left_out })
}
