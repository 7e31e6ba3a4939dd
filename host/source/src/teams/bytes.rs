//! Where an export's file bytes lie. Graph's answers have none; who downloads them too keeps each under the id by which the message names it (`attachments[].id`, or
//! the one in `…/hostedContents/<id>/$value`): as `<id>`, `<id>.png`, `<id>-name.pdf` or `<id>/name.pdf`, in any folder.

use std::collections::HashSet;

/// Folders whose files are never messages, whatever their names.
const FOLDERS: [&str; 4] = ["attachments", "files", "hostedContents", "media"];

/// Whether a file is one of messages or a list.
pub fn is_json(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    [".json", ".jsonl", ".ndjson"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
        && !folders.split('/').any(|part| FOLDERS.contains(&part))
}

/// What may be the id in a path: the name, the name without its end, what stands before a `-` behind a GUID, the folder.
pub fn ids(path: &str) -> HashSet<&str> {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or_default();
    let guid = name.split_at_checked(36).filter(|(_, rest)| rest.starts_with(['-', '_'])).map(|(id, _)| id);
    [Some(name), name.rsplit_once('.').map(|(stem, _)| stem), guid, parts.next()].into_iter().flatten().filter(|id| !id.is_empty()).collect()
}
