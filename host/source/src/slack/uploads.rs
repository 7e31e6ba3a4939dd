//! Where an export's file bytes lie. Slack's own export has none; slackdump and its relatives add them in one of two layouts:
//! `__uploads/<file id>/<name>` or `<chat folder>/attachments/<file id>-<name>`.

use std::collections::{BTreeMap, HashSet};

use super::folders::is_day;
use crate::files::{Files, Found};

/// Paths of file bytes by file id.
#[derive(Debug, Default)]
pub struct Uploads {
    places: BTreeMap<String, Vec<(String, Found)>>,
    claimed: HashSet<String>,
}

impl Uploads {
    /// Looks through an export's paths.
    pub fn of(files: &Files) -> Self {
        let mut places: BTreeMap<String, Vec<(String, Found)>> = BTreeMap::new();
        for (path, found) in files.all() {
            if let Some(id) = file_id(path) {
                places.entry(id.to_owned()).or_default().push((path.to_owned(), found));
            }
        }
        Self { places, claimed: HashSet::new() }
    }

    /// Where the bytes of a file lie, for an event that has it. Of several with one id, the one with the file's name; else the first.
    pub fn claim(&mut self, id: &str, name: &str) -> Option<(String, Found)> {
        let places = self.places.get(id)?;
        let named = places.iter().find(|(path, _)| !name.is_empty() && path.ends_with(name));
        let (path, found) = named.or(places.first())?;
        self.claimed.insert(path.clone());
        Some((path.clone(), *found))
    }

    /// Bytes that no event has, by path.
    pub fn unclaimed(&self) -> impl Iterator<Item = &str> {
        self.places.values().flatten().map(|(path, _)| path.as_str()).filter(|path| !self.claimed.contains(*path))
    }
}

/// The file id in a path of one of the two layouts.
pub fn file_id(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["__uploads", id, _name] => Some(*id),
        [_chat, "attachments", name] if !is_day(name) => name.split_once('-').map(|(id, _)| id),
        _ => None,
    }
    .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_layouts() {
        assert_eq!(file_id("__uploads/F1/q-3.pdf"), Some("F1"));
        assert_eq!(file_id("rates-desk/attachments/F1-q-3.pdf"), Some("F1"));
        assert_eq!(file_id("rates-desk/2026-01-05.json"), None);
        assert_eq!(file_id("teams/attachments/2026-01-05.json"), None);
        assert_eq!(file_id("__uploads/F1"), None);
        assert_eq!(file_id("a/attachments/noid"), None);
        assert_eq!(file_id("a/attachments/-x"), None);
    }
}
