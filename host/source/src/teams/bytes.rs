//! Where an export's file bytes lie. Graph's answers have none; who downloads them too keeps each under the id by which the message names it (`attachments[].id`, or
//! the one in `…/hostedContents/<id>/$value`): as `<id>`, `<id>.png`, `<id>-name.pdf` or `<id>/name.pdf`, in any folder.

use std::collections::{HashMap, HashSet};

use crate::files::{Files, Found};

/// Folders whose files are never messages, whatever their names.
const FOLDERS: [&str; 4] = ["attachments", "files", "hostedContents", "media"];

/// Whether a file is one of messages or a list.
pub fn is_json(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    [".json", ".jsonl", ".ndjson"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
        && !folders.split('/').any(|part| FOLDERS.contains(&part))
}

/// Paths of file bytes, by what may be an id.
#[derive(Debug, Default)]
pub struct Bytes {
    files: Vec<(String, Found)>,
    by_id: HashMap<String, Vec<usize>>,
    claimed: HashSet<usize>,
}

impl Bytes {
    /// Looks through an export's paths.
    pub fn of(files: &Files) -> Self {
        let mut bytes = Self::default();
        for (path, found) in files.all().filter(|(path, _)| !is_json(path)) {
            for id in ids(path) {
                bytes.by_id.entry(id.to_owned()).or_default().push(bytes.files.len());
            }
            bytes.files.push((path.to_owned(), found));
        }
        bytes
    }

    /// Where the bytes of a file lie, for an event that has it. Of several with one id, the one with the file's name; else the first.
    pub fn claim(&mut self, id: &str, name: &str) -> Option<(String, Found)> {
        let places = self.by_id.get(id)?;
        let named = |place: &&usize| self.files.get(**place).is_some_and(|(path, _)| !name.is_empty() && path.ends_with(name));
        let place = *places.iter().find(named).or(places.first())?;
        self.claimed.insert(place);
        self.files.get(place).cloned()
    }

    /// Bytes that no event has, by path.
    pub fn unclaimed(&self) -> impl Iterator<Item = &str> {
        self.files.iter().enumerate().filter(|(place, _)| !self.claimed.contains(place)).map(|(_, (path, _))| path.as_str())
    }
}

/// What may be the id in a path: the name, the name without its end, what stands before a `-` behind a GUID, the folder.
fn ids(path: &str) -> HashSet<&str> {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let guid = name.split_at_checked(36).filter(|(_, rest)| rest.starts_with(['-', '_'])).map(|(id, _)| id);
    [Some(name), name.rsplit_once('.').map(|(stem, _)| stem), guid, parts.next()].into_iter().flatten().filter(|id| !id.is_empty()).collect()
}
