//! The three ways to split a chat. Each gives its groups numbers as it meets them, and keeps what their titles need.

use consign_filter::text::{group_key, one_line};
use consign_filter::time::{Date, Local};
use consign_filter::{Failure, Group, NoRules, Placement, View};
use std::collections::HashMap;

/// A chat of more groups than this has gone wrong (or its split is the wrong one); the number of a group has to fit anyway.
fn number(groups: usize) -> Result<u32, Failure> {
    u32::try_from(groups).map_err(|_| "the chat has too many groups".into())
}

/// What a title adds to the chat's is short, and must not be cut off when that is long.
fn titled(chat: &str, part: &str) -> String {
    let chat = chat.get(..chat.floor_char_boundary(MOST_CHAT_TITLE_BYTES));
    format!("{}, {part}", chat.unwrap_or_default())
}

/// Far longer than any platform's titles, and short enough for the host.
const MOST_CHAT_TITLE_BYTES: usize = 900;

fn local_times(events: &dyn View, zone: &str) -> Result<Vec<Local>, Failure> {
    let offsets = events.utc_offsets(zone)?;
    let times = events.times().into_iter().zip(offsets);
    Ok(times.map(|(at, offset)| Local::new(at, offset)).collect())
}

/// By local date. An event that arrived late goes to its own day, wherever it stands.
#[derive(Debug, Default)]
pub struct ByDay {
    numbers: HashMap<Date, u32>,
    days: Vec<Date>,
}

impl ByDay {
    /// Places a batch.
    pub fn place(&mut self, events: &dyn View, zone: &str) -> Result<Placement<NoRules>, Failure> {
        let mut placement = Placement::new();
        for (index, local) in local_times(events, zone)?.into_iter().enumerate() {
            let day = local.date();
            placement.assign(index..index + 1, self.day(day)?);
        }
        Ok(placement)
    }

    fn day(&mut self, day: Date) -> Result<u32, Failure> {
        if let Some(group) = self.numbers.get(&day) {
            return Ok(*group);
        }
        let group = number(self.days.len())?;
        self.numbers.insert(day, group);
        self.days.push(day);
        Ok(group)
    }

    /// The groups so far.
    pub fn groups(&self, chat: &str) -> Vec<Group> {
        let group = |day: &Date| Group {
            key: day.to_string(),
            title: titled(chat, &day.to_string()),
            subject: None,
            labels: vec![("day".to_owned(), day.to_string())],
        };
        self.days.iter().map(group).collect()
    }
}

/// By thread: an event goes with its root, or with what it edits, deletes or reacts to, or is a root itself.
#[derive(Debug, Default)]
pub struct ByThread {
    /// By the root's id.
    numbers: HashMap<String, u32>,
    /// Answers' ids, so that an edit or a reaction without a thread of its own finds the thread. Roots need no entry: their id is the key.
    answers: HashMap<String, u32>,
    /// The root's id, and when the first event of this window was.
    threads: Vec<(String, Local)>,
}

impl ByThread {
    /// Places a batch.
    pub fn place(&mut self, events: &dyn View, zone: &str) -> Result<Placement<NoRules>, Failure> {
        let (ids, threads, targets) = (events.ids(), events.threads(), events.targets());
        let mut placement = Placement::new();
        let rows = ids.iter().zip(threads.iter()).zip(targets.iter());
        let rows = rows.zip(local_times(events, zone)?).enumerate();
        for (index, (((id, thread), target), at)) in rows {
            // What an edit or a reaction is about may be an answer, whose thread is known from before.
            let known = self.answers.get(target).filter(|_| thread.is_empty());
            let known = known.copied();
            let root = [thread, target].into_iter().find(|id| !id.is_empty());
            let group = known.map_or_else(|| self.thread(root.unwrap_or(id), at), Ok)?;
            if !thread.is_empty() && thread != id && target.is_empty() {
                self.answers.insert(id.to_owned(), group);
            }
            placement.assign(index..index + 1, group);
        }
        Ok(placement)
    }

    fn thread(&mut self, root: &str, at: Local) -> Result<u32, Failure> {
        if let Some(group) = self.numbers.get(root) {
            return Ok(*group);
        }
        let group = number(self.threads.len())?;
        self.numbers.insert(root.to_owned(), group);
        self.threads.push((root.to_owned(), at));
        Ok(group)
    }

    /// The groups so far.
    pub fn groups(&self, chat: &str) -> Vec<Group> {
        let group = |(root, at): &(String, Local)| Group {
            key: group_key(root),
            title: titled(chat, &format!("thread of {at}")),
            subject: None,
            labels: vec![("thread".to_owned(), one_line(root))],
        };
        self.threads.iter().map(group).collect()
    }
}

/// By pauses. An event that arrived late goes with what it arrived among, so that it opens no stretch in the past.
#[derive(Debug)]
pub struct ByIdle {
    gap: i64,
    /// The latest time so far: milliseconds since 1970, UTC.
    latest: Option<i64>,
    /// The first event's id and when it was.
    stretches: Vec<(String, Local)>,
}

impl ByIdle {
    /// Pauses longer than this many minutes split.
    pub fn new(minutes: i64) -> Self {
        Self { gap: minutes.saturating_mul(60_000), latest: None, stretches: Vec::new() }
    }

    /// Places a batch.
    pub fn place(&mut self, events: &dyn View, zone: &str) -> Result<Placement<NoRules>, Failure> {
        let ids = events.ids();
        let mut placement = Placement::new();
        let rows = ids.iter().zip(events.times()).zip(local_times(events, zone)?);
        for (index, ((id, at), local)) in rows.enumerate() {
            let pause = self.latest.map(|latest| at.saturating_sub(latest));
            if pause.is_none_or(|pause| pause > self.gap) {
                self.stretches.push((id.to_owned(), local));
            }
            self.latest = self.latest.max(Some(at));
            // The stretch that is open is the last one.
            placement.assign(index..index + 1, number(self.stretches.len())?.saturating_sub(1));
        }
        Ok(placement)
    }

    /// The groups so far.
    pub fn groups(&self, chat: &str) -> Vec<Group> {
        let group = |(first, at): &(String, Local)| Group {
            key: group_key(first),
            title: titled(chat, &format!("from {at}")),
            subject: None,
            labels: vec![("started".to_owned(), at.to_string())],
        };
        self.stretches.iter().map(group).collect()
    }
}
