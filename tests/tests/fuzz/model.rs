//! What the contract says of answers, in the plainest way: event by event and group by group, for small cases. It shares nothing with the sandbox.

/// An answer of a criterion about a chat.
#[derive(Debug, Clone)]
pub struct Verdicts {
    /// 0 inspect, 1 keep-all, 2 omit-all; anything else is no case.
    pub decision: u32,
    /// Of omit-all.
    pub rule: u32,
    /// Batch by batch.
    pub batches: Vec<Vec<u8>>,
}

/// A range, and what it goes into or is left out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub first: u32,
    pub last: u32,
    pub of: u32,
}

impl Range {
    fn has(&self, event: usize) -> bool {
        self.first as usize <= event && event <= self.last as usize
    }
}

/// What a grouping says of one batch.
#[derive(Debug, Clone, Default)]
pub struct Placing {
    pub assigned: Vec<Range>,
    pub left_out: Vec<Range>,
}

/// A group as it is handed over.
#[derive(Debug, Clone)]
pub struct Told {
    pub key: String,
    pub title: String,
    pub subject: Option<u32>,
    pub labels: Vec<(String, String)>,
}

/// What may be how large.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub rules: u32,
    pub groups: u32,
    pub ranges: usize,
    pub key: usize,
    pub title: usize,
    pub labels: usize,
    pub label: usize,
}

/// A person's stays: joined and left, unset where there is no such end.
pub type Stays = Vec<(Option<i64>, Option<i64>)>;

/// Whether a batch's verdicts are to be taken.
pub fn verdicts(verdicts: &[u8], events: usize, rules: u32) -> bool {
    verdicts.len() == events && verdicts.iter().all(|verdict| u32::from(*verdict) <= rules)
}

/// Whether a batch's placement is to be taken; `before` counts the ranges of earlier batches.
pub fn placing(placing: &Placing, events: usize, before: usize, most: &Most) -> bool {
    let all = placing.assigned.iter().chain(&placing.left_out);
    let ranges = all.clone().all(|range| range.first <= range.last && (range.last as usize) < events);
    let count = before + placing.assigned.len() + placing.left_out.len() <= most.ranges;
    let numbers = placing.assigned.iter().all(|range| range.of < most.groups) && placing.left_out.iter().all(|range| range.of < most.rules);
    let each = (0..events).all(|event| {
        let mut groups: Vec<u32> = placing.assigned.iter().filter(|range| range.has(event)).map(|range| range.of).collect();
        let out = placing.left_out.iter().filter(|range| range.has(event)).count();
        groups.sort_unstable();
        let twice = groups.windows(2).any(|pair| pair[0] == pair[1]);
        !twice && (groups.is_empty() && out == 1 || !groups.is_empty() && out == 0)
    });
    ranges && count && numbers && each
}

/// One line of at most so many bytes, cut between two characters.
pub fn line(text: &str, bytes: usize) -> String {
    let mut cut = String::new();
    for character in text.chars() {
        if cut.len() + character.len_utf8() > bytes {
            break;
        }
        cut.push(character);
    }
    cut.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The groups as they are to be taken, or that they are not.
pub fn groups(told: &[Told], placed: &[Placing], times: &[Vec<i64>], people: &[Stays], most: &Most) -> Option<Vec<Told>> {
    let mut groups: Vec<Told> = Vec::new();
    for group in told {
        let key = !group.key.is_empty() && group.key.len() <= most.key && !group.key.chars().any(char::is_control);
        let other = groups.iter().all(|other| other.key != group.key);
        let subject = group.subject.is_none_or(|subject| (subject as usize) < people.len());
        let label = |(name, value): &(String, String)| !name.is_empty() && name.len() <= most.label && value.len() <= most.label;
        let labels: Vec<(String, String)> = group.labels.iter().map(|(name, value)| (line(name, most.label), line(value, most.label))).collect();
        // Each name once, as whoever gets them sees them.
        let names = labels.iter().enumerate().all(|(at, (name, _))| labels[..at].iter().all(|(other, _)| other != name));
        if !(key && other && subject && labels.len() <= most.labels && group.labels.iter().all(label) && names) {
            return None;
        }
        groups.push(Told { key: group.key.clone(), title: line(&group.title, most.title), subject: group.subject, labels });
    }
    let within = |range: &Range, times: &[i64]| match groups.get(range.of as usize) {
        None => false,
        Some(Told { subject: None, .. }) => true,
        Some(Told { subject: Some(subject), .. }) => (range.first..=range.last).all(|event| {
            let at = times[event as usize];
            let there = |(joined, left): &(Option<i64>, Option<i64>)| joined.is_none_or(|joined| joined <= at) && left.is_none_or(|left| at <= left);
            people[*subject as usize].iter().any(there)
        }),
    };
    let all = placed.iter().zip(times).all(|(placing, times)| placing.assigned.iter().all(|range| within(range, times)));
    (groups.len() <= most.groups as usize && all).then_some(groups)
}
