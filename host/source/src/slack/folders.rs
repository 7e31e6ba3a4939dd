//! Which day files are of which chat.
//!
//! In a workspace's export a chat's folder lies at the top and has its name or id. An Enterprise Grid's has folders of workspaces too
//! (`teams/<workspace>/<channel>`), where a name may occur in each of them: only one that can mean one chat alone is believed. Events once stored under a
//! wrong chat would be stored again under the right one, so what can't be told is refused, loudly.

use std::collections::{BTreeMap, HashMap};

use super::index::Listed;
use super::{MARKS, uploads};
use crate::Refusal;
use crate::files::{Files, Found};
use crate::intake::Intake;
use crate::report::shown;

/// Day files of one folder, by date.
pub type Days = Vec<(String, Found)>;

/// The day files by chat folder: the one at the top, or the chat's id. What is neither a day file nor known otherwise is noted.
pub fn days(files: &Files, chats: &[Listed], intake: &mut Intake<'_>) -> BTreeMap<String, Days> {
    let mut days: BTreeMap<String, Days> = BTreeMap::new();
    let mut deep: BTreeMap<&str, Days> = BTreeMap::new();
    for (path, found) in files.all() {
        match path.rsplit_once('/') {
            None if MARKS.contains(&path) => {}
            _ if uploads::file_id(path).is_some() => {}
            Some((folder, name)) if is_day(name) && folder.contains('/') => deep.entry(folder).or_default().push((path.to_owned(), found)),
            Some((folder, name)) if is_day(name) => days.entry(folder.to_owned()).or_default().push((path.to_owned(), found)),
            None if is_day(path) => refuse(path, "lies in no chat's folder, so that nobody can say which chat it is of. Put it into one", intake),
            _ => intake.note(&format!("file that holds no messages, not imported: {}", shown(path))),
        }
    }
    let mut of_name: HashMap<&str, Vec<&str>> = HashMap::new();
    for chat in chats {
        of_name.entry(&chat.folder).or_default().push(&chat.info.id);
        if chat.folder != chat.info.id {
            of_name.entry(&chat.info.id).or_default().push(&chat.info.id);
        }
    }
    let mut folders: HashMap<&str, usize> = HashMap::new();
    for folder in days.keys().map(String::as_str).chain(deep.keys().copied()) {
        *folders.entry(last(folder)).or_default() += 1;
    }
    // Looked up before anything is moved: whose name is in question must not depend on who came first.
    let told: Vec<Option<String>> = deep
        .keys()
        .map(|folder| {
            let name = last(folder);
            match of_name.get(name).map(Vec::as_slice) {
                // An id means one chat, in however many workspaces it is shared.
                Some([id]) if *id == name || folders.get(name) == Some(&1) => Some((*id).to_owned()),
                _ => None,
            }
        })
        .collect();
    for ((_, files), chat) in deep.into_iter().zip(told) {
        if let Some(chat) = chat {
            let all = days.entry(chat).or_default();
            all.extend(files);
            by_date(all);
        } else {
            for (path, _) in files {
                let why = "its folder's name is in no list of chats, or means several, so that nobody can say which chat it is of. \
                           Give the folder the chat's id as its name and import again";
                refuse(&path, why, intake);
            }
        }
    }
    days
}

/// In the order of their dates, whatever folders they lie in.
pub fn by_date(days: &mut Days) {
    days.sort_by(|(one, _), (other, _)| (last(one), one).cmp(&(last(other), other)));
}

fn refuse(path: &str, why: &str, intake: &mut Intake<'_>) {
    intake.refuse(Refusal::of_file(path, why));
}

/// What stands behind the last `/`.
fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// `2026-01-05.json`.
pub fn is_day(name: &str) -> bool {
    let Some(date) = name.strip_suffix(".json") else { return false };
    date.len() == 10 && date.bytes().enumerate().all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_files_by_name() {
        assert!(is_day("2026-01-05.json"));
        for other in ["canvas_in_the_conversation.json", "2026-01-05.json.bak", "2026_01_05.json", "20260-1-05.json", "x/2026-01-05.json"] {
            assert!(!is_day(other), "{other}");
        }
    }
}
