//! An unpacked export. Links are refused, not followed: one could lead anywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Files, Found, Holder, Place, bad_path, is_litter, refusal};
use crate::{Limits, SourceError};

/// Exports are two or three folders deep; a deeper one is something else.
const DEEPEST: usize = 16;

pub(super) fn open(root: &Path, limits: &Limits) -> Result<Files, SourceError> {
    let mut entries = BTreeMap::new();
    let mut refused = Vec::new();
    let mut waiting: Vec<(PathBuf, String, usize)> = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| SourceError::read(&folder, error))? {
            let entry = entry.map_err(|error| SourceError::read(&folder, error))?;
            let name = entry.file_name();
            let path = format!("{prefix}{}", name.to_string_lossy());
            let about = entry.metadata().map_err(|error| SourceError::read(&entry.path(), error))?;
            if is_litter(&path) {
                continue;
            }
            if name.to_str().is_none() {
                refused.push(refusal(&path, "this name is not UTF-8. It is not read; rename it"));
            } else if let Some(reason) = bad_path(&path) {
                refused.push(refusal(&path, reason));
            } else if about.is_symlink() {
                refused.push(refusal(&path, "is a link, and links are not followed. Put the file itself in its place"));
            } else if about.is_dir() {
                if depth < DEEPEST {
                    waiting.push((entry.path(), format!("{path}/"), depth + 1));
                } else {
                    refused.push(refusal(&path, format!("lies more than {DEEPEST} folders deep. It is not read")));
                }
            } else if about.is_file() {
                entries.insert(path, Found { size: about.len(), place: Place::Folder });
            } else {
                refused.push(refusal(&path, "is no ordinary file. It is not read"));
            }
            if entries.len() > limits.entries {
                return Err(SourceError::damaged(root, format!("it has more than {} files", limits.entries)));
            }
        }
    }
    Ok(Files { holder: Holder::Folder(root.to_owned()), entries, refused, prefix: String::new() })
}
