//! Where an export's file bytes lie. Slack's own export has none; slackdump and its relatives add them in one of two layouts:
//! `__uploads/<file id>/<name>` or `<chat folder>/attachments/<file id>-<name>`.

use std::collections::BTreeMap;

use crate::files::{Files, Found};

/// Paths of file bytes by file id.
#[derive(Debug, Default)]
pub struct Uploads(BTreeMap<String, Vec<(String, Found)>>);

impl Uploads {
    /// Looks through an export's paths.
    pub fn of(files: &Files) -> Self {
        let mut uploads: BTreeMap<String, Vec<(String, Found)>> = BTreeMap::new();
        for (path, found) in files.all() {
            if let Some(id) = file_id(path) {
                uploads.entry(id.to_owned()).or_default().push((path.to_owned(), found));
            }
        }
        Self(uploads)
    }

    /// Where the bytes of a file lie. Of several with one id, the one with the file's name; else the first.
    pub fn find(&self, id: &str, name: &str) -> Option<(&str, Found)> {
        let places = self.0.get(id)?;
        let named = places.iter().find(|(path, _)| !name.is_empty() && path.ends_with(name));
        named.or(places.first()).map(|(path, found)| (path.as_str(), *found))
    }
}

/// The file id in a path of one of the two layouts.
pub fn file_id(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["__uploads", id, _name] => Some(*id),
        [_chat, "attachments", name] => name.split_once('-').map(|(id, _)| id),
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
        assert_eq!(file_id("__uploads/F1"), None);
        assert_eq!(file_id("a/attachments/noid"), None);
        assert_eq!(file_id("a/attachments/-x"), None);
    }
}
