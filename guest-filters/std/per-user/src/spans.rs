//! Which spans of a batch fall into some stays.
//!
//! Events come in the order of their arrival, so their times mostly rise, but need not: an old message can arrive late. A table of the lowest and highest
//! time of each block of 2, 4, 8 … events answers for a whole block at once: it is inside, outside, or worth a look at its halves. For a user who was there
//! all the time that is one look; for one who joined in the middle of rising times it is a few dozen; and no order of events makes it wrong.

use consign_filter::Membership;
use std::ops::Range;

/// The times of a batch.
#[derive(Debug)]
pub struct Times {
    events: usize,
    /// `levels[0]` has each event's own time, `levels[n]` one (lowest, highest) for each 2^n of them, the last level one for all.
    levels: Vec<Vec<(i64, i64)>>,
}

impl Times {
    /// Of these events: milliseconds since 1970.
    pub fn new(times: Vec<i64>) -> Self {
        let events = times.len();
        let mut level: Vec<(i64, i64)> = times.into_iter().map(|at| (at, at)).collect();
        let mut levels = Vec::new();
        while level.len() > 1 {
            let above = level.chunks(2).map(|pair| {
                let lowest = pair.iter().map(|(lowest, _)| *lowest).min();
                let highest = pair.iter().map(|(_, highest)| *highest).max();
                (lowest.unwrap_or(i64::MAX), highest.unwrap_or(i64::MIN))
            });
            let above = above.collect();
            levels.push(std::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { events, levels }
    }

    /// The events within any of the stays, both ends of a stay included: in order, none twice, neighbours joined.
    pub fn spans(&self, stays: &[Membership]) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        for stay in stays {
            let inside = (stay.joined.unwrap_or(i64::MIN), stay.left.unwrap_or(i64::MAX));
            self.collect(inside, self.levels.len() - 1, 0, &mut spans);
        }
        if stays.len() > 1 {
            spans.sort_unstable_by_key(|span| span.start);
        }
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(spans.len());
        for span in spans {
            match joined.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => joined.push(span),
            }
        }
        joined
    }

    /// `levels` has at least one level, and each call goes one level down, so `level` never passes 0.
    fn collect(&self, stay: (i64, i64), level: usize, block: usize, spans: &mut Vec<Range<usize>>) {
        let (joined, left) = stay;
        let Some((lowest, highest)) = self.levels.get(level).and_then(|blocks| blocks.get(block)) else {
            return;
        };
        if *highest < joined || *lowest > left {
            return;
        }
        if joined <= *lowest && *highest <= left {
            let (start, end) = (block << level, (block + 1) << level);
            spans.push(start..end.min(self.events));
        } else if let Some(below) = level.checked_sub(1) {
            self.collect(stay, below, 2 * block, spans);
            self.collect(stay, below, 2 * block + 1, spans);
        }
    }

    /// For counting which events anybody has.
    pub fn coverage(&self) -> Coverage {
        Coverage(vec![0; self.events + 1])
    }
}

/// How many spans begin less how many end at each event; the sum up to an event is the number of spans over it.
#[derive(Debug)]
pub struct Coverage(Vec<i64>);

impl Coverage {
    /// Counts a span.
    pub fn add(&mut self, span: &Range<usize>) {
        if let Some(at) = self.0.get_mut(span.start) {
            *at += 1;
        }
        if let Some(at) = self.0.get_mut(span.end) {
            *at -= 1;
        }
    }

    /// The events that no span covers.
    pub fn gaps(&self) -> Vec<Range<usize>> {
        let mut gaps = Vec::new();
        let (mut over, mut start) = (0, None);
        for (index, change) in self.0.iter().enumerate() {
            over += change;
            let is_event = index + 1 < self.0.len();
            match start {
                None if over == 0 && is_event => start = Some(index),
                Some(first) if over != 0 || !is_event => {
                    gaps.push(first..index);
                    start = None;
                }
                _ => {}
            }
        }
        gaps
    }
}
