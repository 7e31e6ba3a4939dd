//! Naming events: by their id, or where that was derived by its beginning, `edit:m1` for `edit:m1:2026-01-05T09:00:00.000Z`.

use std::collections::HashMap;

use crate::ground::listed;
use crate::judge::Judged;

/// The events of a case by what they may be called.
pub struct Names<'a> {
    events: &'a [Judged],
    by_id: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Names<'a> {
    pub fn new(events: &'a [Judged]) -> Self {
        let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, event) in events.iter().enumerate() {
            by_id.entry(&event.id).or_default().push(index);
        }
        Self { events, by_id }
    }

    /// The event that is meant, or what is wrong with the name.
    pub fn find(&self, name: &str) -> Result<usize, String> {
        let exact = self.by_id.get(name).cloned().unwrap_or_default();
        let found = if exact.is_empty() { self.beginning_with(name) } else { exact };
        match found.as_slice() {
            [one] => Ok(*one),
            [] => {
                let known = listed(self.events.iter().map(|event| event.id.as_str()));
                Err(format!("no event is called so; there are: {known}"))
            }
            several => {
                let ids: Vec<&str> = several.iter().filter_map(|index| self.events.get(*index)).map(|event| event.id.as_str()).collect();
                Err(format!("{} events are called so; name one of: {}", ids.len(), listed(ids.iter().copied())))
            }
        }
    }

    /// Events whose derived id begins so.
    fn beginning_with(&self, name: &str) -> Vec<usize> {
        let begins = |id: &str| id.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
        let all = self.events.iter().enumerate();
        all.filter(|(_, event)| event.id.starts_with(event.kind.word()) && begins(&event.id)).map(|(index, _)| index).collect()
    }
}
