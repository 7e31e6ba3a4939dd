//! Whether a grouping module's answers hold together. None of the checks goes through events one by one for each group: an event can be in ten
//! thousand groups, and is named by ranges.

use std::collections::{HashMap, HashSet};

use consign_model::window::Participant;

use super::criteria::rule_index;
use crate::bindings::grouping::exports::consign::filter::grouping as raw;
use crate::deadline::Deadline;
use crate::logs::{one_line, told};
use crate::{Assignment, Group, LeftOut, Limits, Placement};

/// What was placed so far, kept until the groups are known: 12 bytes for each assignment and 8 for each event.
#[derive(Default)]
pub struct Placed {
    batches: Vec<PlacedBatch>,
    /// How many groups there have to be, at least.
    groups: u32,
    /// Assignments and left-out ranges.
    ranges: usize,
}

struct PlacedBatch {
    times: Vec<i64>,
    assigned: Vec<Assignment>,
}

impl Placed {
    /// Checks a batch's placement by itself.
    pub fn take(&mut self, raw: &raw::Placement, times: &[i64], rules: usize, limits: &Limits) -> Result<Placement, String> {
        let events = times.len();
        self.ranges = self.ranges.saturating_add(raw.assigned.len()).saturating_add(raw.left_out.len());
        if self.ranges > limits.placements {
            return Err(format!("more than {} ranges of events were assigned or left out in one chat", limits.placements));
        }
        // By how much the number of ranges over an event changes from the event before it.
        let mut in_groups = vec![0_i64; events + 1];
        let mut left_out = vec![0_i64; events + 1];
        let mut placement = Placement::default();
        placement.assigned.reserve(raw.assigned.len());
        for one in &raw.assigned {
            cover(&mut in_groups, one.first, one.last, events)?;
            if one.group >= limits.groups {
                return Err(format!("it names group {} of one chat, and {} are the most", told(one.group.into()), limits.groups));
            }
            self.groups = self.groups.max(one.group + 1);
            placement.assigned.push(Assignment { first: one.first, last: one.last, group: one.group });
        }
        for one in &raw.left_out {
            cover(&mut left_out, one.first, one.last, events)?;
            placement.left_out.push(LeftOut { first: one.first, last: one.last, rule: rule_index(one.rule, rules)? });
        }
        let (mut inside, mut outside) = (0, 0);
        for (event, (groups, out)) in in_groups.iter().zip(&left_out).take(events).enumerate() {
            inside += groups;
            outside += out;
            match (inside, outside) {
                (0, 1) | (1.., 0) => {}
                (0, 0) => return Err(format!("event {event} of the batch is neither in a group nor left out")),
                (0, _) => return Err(format!("event {event} of the batch is left out {} times", told(u64::try_from(outside).unwrap_or_default()))),
                _ => return Err(format!("event {event} of the batch is in a group and left out too")),
            }
        }
        twice_in_a_group(&placement.assigned)?;
        self.batches.push(PlacedBatch { times: times.to_vec(), assigned: placement.assigned.clone() });
        Ok(placement)
    }

    /// Checks all placements against the groups. Unset when the time is over.
    pub fn check(&self, groups: &[Group], participants: &[Participant], deadline: Deadline) -> Option<Result<(), String>> {
        if self.groups as usize > groups.len() {
            return Some(Err(format!(
                "it placed events into group {}, and names {} groups, counted from 0",
                told((self.groups - 1).into()),
                told(groups.len() as u64)
            )));
        }
        let mut stays = HashMap::<u32, Stays>::new();
        for group in groups {
            if let Some(subject) = group.subject {
                stays.entry(subject).or_insert_with(|| Stays::of(participants.get(subject as usize)));
            }
        }
        for batch in &self.batches {
            let mut extremes = None;
            for (number, one) in batch.assigned.iter().enumerate() {
                if number % 256 == 0 && deadline.is_over() {
                    return None;
                }
                let subject = groups.get(one.group as usize).and_then(|group| group.subject);
                let Some(stays) = subject.and_then(|subject| stays.get(&subject)) else { continue };
                if stays.always() {
                    continue;
                }
                let extremes = extremes.get_or_insert_with(|| Extremes::of(&batch.times));
                match extremes.all_within(one.first as usize, one.last as usize, stays, deadline) {
                    Within::Yes => {}
                    Within::OutOfTime => return None,
                    Within::No(event) => {
                        let text = format!("event {event} of a batch is in group {}, whose user was not in the chat then", told(one.group.into()));
                        return Some(Err(text));
                    }
                }
            }
        }
        Some(Ok(()))
    }
}

fn cover(changes: &mut [i64], first: u32, last: u32, events: usize) -> Result<(), String> {
    let (start, end) = (first as usize, last as usize + 1);
    if first > last || end > events {
        return Err(format!(
            "the range from event {} to {} is not one of a batch of {events} events, counted from 0",
            told(first.into()),
            told(last.into())
        ));
    }
    if let Some(change) = changes.get_mut(start) {
        *change += 1;
    }
    if let Some(change) = changes.get_mut(end) {
        *change -= 1;
    }
    Ok(())
}

/// An event that were twice in a group would be twice in an e-mail.
fn twice_in_a_group(assigned: &[Assignment]) -> Result<(), String> {
    let mut sorted: Vec<(u32, u32, u32)> = assigned.iter().map(|one| (one.group, one.first, one.last)).collect();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if let [(group, _, last), (next_group, first, _)] = pair
            && group == next_group
            && first <= last
        {
            return Err(format!("event {first} of the batch is twice in group {}", told(u64::from(*group))));
        }
    }
    Ok(())
}

/// Checks the groups by themselves.
pub fn check_groups(raw: Vec<raw::Group>, participants: usize, limits: &Limits) -> Result<Vec<Group>, String> {
    if raw.len() > limits.groups as usize {
        return Err(format!("{} groups for one chat, and {} are the most", told(raw.len() as u64), limits.groups));
    }
    let mut keys = HashSet::with_capacity(raw.len());
    let mut groups = Vec::with_capacity(raw.len());
    for (index, group) in raw.into_iter().enumerate() {
        if group.key.is_empty() || group.key.len() > limits.key_bytes || group.key.chars().any(char::is_control) {
            return Err(format!("the key of group {index} has to have 1 to {} bytes and no control character", limits.key_bytes));
        }
        if !keys.insert(group.key.clone()) {
            return Err(format!("the key of group {index} is another group's too"));
        }
        if let Some(subject) = group.subject.filter(|subject| *subject as usize >= participants) {
            return Err(format!(
                "the subject of group {index} is participant {}, and the chat has {participants}, counted from 0",
                told(subject.into())
            ));
        }
        if group.labels.len() > limits.labels {
            return Err(format!("group {index} has {} labels, and {} are the most", told(group.labels.len() as u64), limits.labels));
        }
        let mut names = HashSet::new();
        for (name, value) in &group.labels {
            if name.is_empty() || name.len() > limits.label_bytes || value.len() > limits.label_bytes {
                return Err(format!("a label of group {index} has to have a name and a value of at most {} bytes each", limits.label_bytes));
            }
            // As they will stand there: two that differ in a control character alone are one.
            if !names.insert(one_line(name, limits.label_bytes)) {
                return Err(format!("group {index} has two labels of one name"));
            }
        }
        let labels = group.labels.iter().map(|(name, value)| (one_line(name, limits.label_bytes), one_line(value, limits.label_bytes))).collect();
        groups.push(Group { title: one_line(&group.title, limits.title_bytes), key: group.key, subject: group.subject, labels });
    }
    Ok(groups)
}

/// A participant's stays, joined where they overlap, in order of time. Both ends belong to each.
struct Stays(Vec<(i64, i64)>);

impl Stays {
    fn of(participant: Option<&Participant>) -> Self {
        let stays = participant.into_iter().flat_map(|participant| &participant.memberships);
        let mut stays: Vec<(i64, i64)> =
            stays.map(|stay| (stay.joined.map_or(i64::MIN, |time| time.0), stay.left.map_or(i64::MAX, |time| time.0))).collect();
        stays.retain(|(joined, left)| joined <= left);
        stays.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(stays.len());
        for (start, end) in stays {
            match joined.last_mut() {
                Some(last) if start <= last.1.saturating_add(1) => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        Self(joined)
    }

    /// Whether it is one stay without beginning and end.
    fn always(&self) -> bool {
        self.0.first() == Some(&(i64::MIN, i64::MAX))
    }

    /// Whether one stay covers both times and all between them.
    fn cover(&self, from: i64, to: i64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= from);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, end)| to <= *end)
    }
}

enum Within {
    Yes,
    No(usize),
    OutOfTime,
}

/// The earliest and latest time of each block of 1, 2, 4, … events, up to all of them. Events stand in the order of their arrival, so a range's ends
/// don't tell its extremes.
struct Extremes(Vec<Vec<(i64, i64)>>);

impl Extremes {
    fn of(times: &[i64]) -> Self {
        let mut levels = vec![times.iter().map(|time| (*time, *time)).collect::<Vec<_>>()];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let blocks = level.chunks(2).filter_map(|pair| pair.iter().copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))));
            levels.push(blocks.collect());
        }
        Self(levels)
    }

    /// Whether every event of the range falls into a stay. A block that no single stay covers is looked at by halves.
    fn all_within(&self, first: usize, last: usize, stays: &Stays, deadline: Deadline) -> Within {
        let mut open = vec![(self.0.len().saturating_sub(1), 0)];
        let mut steps = 0_u32;
        while let Some((level, block)) = open.pop() {
            steps += 1;
            if steps.is_multiple_of(4096) && deadline.is_over() {
                return Within::OutOfTime;
            }
            let (start, end) = (block << level, (block + 1) << level);
            // A block past the last event has no extremes.
            let Some((from, to)) = self.0.get(level).and_then(|blocks| blocks.get(block)) else { continue };
            if end <= first || start > last || stays.cover(*from, *to) {
                continue;
            }
            match level.checked_sub(1) {
                None => return Within::No(start),
                Some(below) => open.extend([(below, 2 * block + 1), (below, 2 * block)]),
            }
        }
        Within::Yes
    }
}

#[cfg(test)]
mod tests;
