//! What a receiver has kept, by Message-ID, looked at again and again while more comes: what is new, what came before, and whether it is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// E-mails to a target with four connections, as one has that says nothing else, that may have arrived and whose outcome is not on the disk yet: these are sent again.
pub const IN_FLIGHT: u64 = 16;

/// A Maildir whose files are there whole or not at all.
#[derive(Debug)]
pub struct Arrived {
    new: PathBuf,
    seen: BTreeSet<OsString>,
    emails: BTreeMap<String, Vec<u8>>,
    repeats: usize,
}

impl Arrived {
    /// Nothing of it is seen yet.
    pub fn at(maildir: &Path) -> Self {
        Self { new: maildir.join("new"), seen: BTreeSet::new(), emails: BTreeMap::new(), repeats: 0 }
    }

    /// Looks at what came since the last look, and says how many of these had come before. An e-mail that came before and has other bytes fails the test.
    pub fn look(&mut self) -> usize {
        let before = self.repeats;
        for entry in std::fs::read_dir(&self.new).unwrap_or_else(|error| panic!("{}: {error}", self.new.display())) {
            let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", self.new.display()));
            if !self.seen.insert(entry.file_name()) {
                continue;
            }
            let bytes = std::fs::read(entry.path()).unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
            let id = message_id(&bytes).unwrap_or_else(|| panic!("{} has no Message-ID", entry.path().display()));
            match self.emails.get(&id) {
                None => drop(self.emails.insert(id, bytes)),
                Some(same) => {
                    assert!(*same == bytes, "{id} came again with other bytes: {}", entry.path().display());
                    self.repeats += 1;
                }
            }
        }
        self.repeats - before
    }

    /// How many different e-mails were seen.
    pub fn different(&self) -> usize {
        self.emails.len()
    }

    /// How many came again, in all looks.
    pub fn repeats(&self) -> usize {
        self.repeats
    }
}

fn message_id(email: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(email);
    let lines = head.lines().take_while(|line| !line.is_empty());
    let value = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("message-id"));
    value.map(|(_, id)| id.trim().to_owned()).filter(|id| !id.is_empty())
}
