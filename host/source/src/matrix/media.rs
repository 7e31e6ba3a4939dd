//! Where an export's file bytes lie: `images`, `videos`, `audio`, `stickers` and `files` beside its JSON.
//!
//! Element names a file `<name>-<date> at <time>.<end>`, after the message's text, in the language and the time zone of the browser that made the export. So which message a
//! file is of is told by the name before the date, by the size, and by what every time zone leaves as it is: the second, and the minute but for quarters of an
//! hour. Where that leaves two files none is taken: somebody else's file on a message is worse than none. Tools other than Element name files by the id in
//! `mxc://server/<id>`, which is certain.

use std::collections::HashMap;

use consign_model::Timestamp;

use crate::enclosed::Enclosed;

/// The folders of bytes.
const FOLDERS: [&str; 5] = ["audio", "files", "images", "stickers", "videos"];

/// Whether a file may be an export rather than the bytes of a message.
pub fn is_export(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let last = folders.rsplit('/').next().unwrap_or_default();
    name.to_ascii_lowercase().ends_with(".json") && !FOLDERS.contains(&last)
}

/// A file that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatrixFile {
    pub name: String,
    pub media_type: String,
    pub size: Option<u64>,
    pub url: Option<String>,
    /// The folder in which Element puts it.
    pub folder: &'static str,
    /// Its name as Element writes it: what stands before the date, and the end with its dot.
    pub written: (String, String),
}

/// One file of bytes.
#[derive(Debug)]
struct Lies {
    path: String,
    size: u64,
    claimed: bool,
}

/// What every time zone leaves of a time: the minute but for quarters of an hour, and the second. Unset for a name without a date.
type Moment = Option<(i64, i64)>;

/// Files of bytes.
#[derive(Debug, Default)]
pub struct Media {
    files: Vec<Lies>,
    by_id: HashMap<String, Vec<usize>>,
    /// By the path without the date, and by time.
    by_name: HashMap<String, HashMap<Moment, Vec<usize>>>,
}

impl Media {
    /// Looks through the paths of an export's files.
    pub fn of(enclosed: &Enclosed) -> Self {
        let mut media = Self::default();
        for (path, found) in enclosed.all() {
            let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
            let place = media.files.len();
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            media.by_id.entry(stem.to_owned()).or_default().push(place);
            let (bare, moment) = undated(name);
            media.by_name.entry(format!("{folders}/{bare}")).or_default().entry(moment).or_default().push(place);
            media.files.push(Lies { path: path.to_owned(), size: found.size, claimed: false });
        }
        media
    }

    /// Takes the bytes of a file of a message, which no other message gets. `folder`: that of the export, with its `/`.
    pub fn claim(&mut self, folder: &str, file: &MatrixFile, at: Timestamp) -> Option<&str> {
        let id = file.url.as_deref().and_then(|url| url.strip_prefix("mxc://")?.split_once('/').map(|(_, id)| id));
        let of_id = id.and_then(|id| self.by_id.get(id)).into_iter().flatten();
        let certain = of_id.copied().find(|place| self.files.get(*place).is_some_and(|lies| !lies.claimed && lies.path.starts_with(folder)));
        let place = certain.or_else(|| self.named(folder, file, at))?;
        let lies = self.files.get_mut(place)?;
        lies.claimed = true;
        Some(&lies.path)
    }

    fn named(&self, folder: &str, file: &MatrixFile, at: Timestamp) -> Option<usize> {
        let (stem, end) = &file.written;
        let of_name = self.by_name.get(&format!("{folder}{}/{stem}{end}", file.folder))?;
        let seconds = at.0.div_euclid(1000);
        let moment = Some((seconds.div_euclid(60).rem_euclid(15), seconds.rem_euclid(60)));
        let free = |place: &&usize| self.files.get(**place).is_some_and(|lies| !lies.claimed);
        let of_size = |place: &&usize| self.files.get(**place).is_some_and(|lies| Some(lies.size) == file.size);
        let mut fitting: Vec<&usize> = [moment, None].iter().filter_map(|moment| of_name.get(moment)).flatten().filter(free).collect();
        if fitting.iter().any(of_size) {
            fitting.retain(of_size);
        }
        match fitting.as_slice() {
            [place] => Some(**place),
            _ => None,
        }
    }
}

/// A name without its date, and what the date says: three numbers of a day and three of a time stand behind a dash, at the end but for a word.
fn undated(name: &str) -> (String, Moment) {
    let (stem, end) = name
        .rsplit_once('.')
        .filter(|(_, end)| end.chars().all(char::is_alphanumeric))
        .map_or((name, String::new()), |(stem, end)| (stem, format!(".{end}")));
    // From behind, so that numbers of the name itself are left to it.
    let (mut numbers, mut start, mut in_number) = (Vec::new(), stem.len(), false);
    for (place, c) in stem.char_indices().rev() {
        if c.is_ascii_digit() {
            if !in_number {
                numbers.push(0..0);
            }
            if let Some(number) = numbers.last_mut() {
                *number = place..number.end.max(place + 1);
            }
        } else if numbers.len() == 6 && in_number {
            start = place;
            break;
        }
        in_number = c.is_ascii_digit();
    }
    let number = |which: usize| numbers.get(which).and_then(|range| stem.get(range.clone())?.parse::<i64>().ok());
    match (number(0), number(1), stem.get(start..start + 1)) {
        (Some(second), Some(minute), Some("-")) if second < 60 && minute < 60 => {
            (format!("{}{end}", stem.get(..start).unwrap_or_default()), Some((minute % 15, second)))
        }
        _ => (name.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_any_zone_and_language() {
        for (name, bare, moment) in [
            ("image-1-5-2026 at 8-07-09 AM.png", "image.png", Some((7, 9))),
            ("image-1-1-5-2026 at 8-07-09 AM.png", "image-1.png", Some((7, 9))),
            ("q3 2025 - v2-05.01.2026 um 13-37-09.pdf", "q3 2025 - v2.pdf", Some((7, 9))),
            ("ü-2026-01-05 22-52-59", "ü", Some((7, 59))),
            ("-1-5-2026 at 8-07-09 AM.png", ".png", Some((7, 9))),
            ("image-final.png", "image-final.png", None),
            ("image.png", "image.png", None),
            ("1-5-2026 at 8-07-09.png", "1-5-2026 at 8-07-09.png", None),
            ("a-1-5-2026 at 8-77-09 AM.png", "a-1-5-2026 at 8-77-09 AM.png", None),
            ("", "", None),
        ] {
            assert_eq!(undated(name), (bare.to_owned(), moment), "{name}");
        }
    }

    #[test]
    fn what_may_be_an_export() {
        for (path, is) in
            [("export.json", true), ("Element - desk/export.json", true), ("a/files/x-1.json", false), ("images/a.png", false), ("files.json", true)]
        {
            assert_eq!(is_export(path), is, "{path}");
        }
    }
}
