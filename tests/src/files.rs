//! Files of a data folder, found by their names.

use std::path::{Path, PathBuf};

/// Files below a folder whose paths end so, sorted.
pub fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            if path.is_dir() {
                folders.push(path);
            } else if path.display().to_string().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether this stands in clear in any file below a data folder, beside the modules themselves.
pub fn holds(folder: &Path, text: &str) -> bool {
    let modules = ["modules", "cache"].map(|name| folder.join(name));
    let read = |path: &PathBuf| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    files_below(folder, "")
        .iter()
        .filter(|path| modules.iter().all(|modules| !path.starts_with(modules)))
        .any(|path| read(path).windows(text.len()).any(|some| some == text.as_bytes()))
}
