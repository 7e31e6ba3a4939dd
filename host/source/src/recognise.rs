//! Which format a file is in, by what stands in it: never by its name alone, which people change.
//!
//! Only beginnings are read, so their JSON ends anywhere; what is asked of it is which fields stand where. Where no format or more than one fits, a person has to say it:
//! a guess that is wrong would import half of something.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use crate::files::Files;
use crate::files::packed::{self, Kind};
use crate::{Format, Limits, SourceError};

/// Bytes of a file's beginning that are looked at.
const HEAD: u64 = 64 << 10;
/// Files of a ZIP or folder that are looked at.
const FILES: usize = 8;
/// How deep fields are looked for.
const DEEPEST: usize = 4;

/// The beginning of an export.
pub struct Head {
    files: Option<Files>,
    fields: Vec<BTreeSet<String>>,
}

impl Head {
    fn of(path: &Path, limits: &Limits) -> Result<Self, SourceError> {
        let read = |reader: &mut dyn Read| {
            let mut bytes = Vec::new();
            // What can't be read now is told when it is imported.
            let _ = reader.take(HEAD).read_to_end(&mut bytes);
            fields(&bytes)
        };
        if let Kind::One(packing) = packed::kind(path)? {
            let fields = read(&mut packed::open(path, packing)?);
            return Ok(Self { files: None, fields: vec![fields] });
        }
        let mut files = Files::open(path, limits)?;
        files.enter_only_folder(&crate::slack::MARKS);
        // Those nearest to the top: what they lie in may hold thousands of the same kind.
        let mut texts: Vec<_> = files.all().map(|(path, found)| (path.to_owned(), found)).filter(|(path, _)| is_json(path)).collect();
        texts.sort_by_key(|(path, _)| (path.matches('/').count(), path.clone()));
        let mut all = Vec::new();
        for (path, found) in texts.into_iter().take(FILES) {
            let _ = files.with(&path, found, u64::MAX, &mut |reader| all.push(read(reader)));
        }
        Ok(Self { files: Some(files), fields: all })
    }

    /// Whether a ZIP or folder has one of these files at its top.
    pub fn has_file(&self, names: &[&str]) -> bool {
        self.files.as_ref().is_some_and(|files| names.iter().any(|name| files.find(name).is_some() || files.refusal_of(name).is_some()))
    }

    /// Whether it is one file.
    pub fn is_one_file(&self) -> bool {
        self.files.is_none()
    }

    /// Whether one of the files begins with all of these: `a.b` is the field `b` of the object in `a`, `[]` an element of a list, `type=x` a field `type` with this
    /// text.
    pub fn has(&self, wanted: &[&str]) -> bool {
        self.fields.iter().any(|fields| wanted.iter().all(|field| fields.contains(*field)))
    }
}

fn is_json(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    [".json", ".jsonl", ".ndjson"].iter().any(|end| name.ends_with(end))
}

/// The one format that fits.
pub fn format(path: &Path, limits: &Limits) -> Result<Format, SourceError> {
    let head = Head::of(path, limits)?;
    let fitting: Vec<Format> = Format::ALL.into_iter().filter(|format| format.fits(&head)).collect();
    match fitting.as_slice() {
        [one] => Ok(*one),
        [] => Err(SourceError::Unrecognised { path: path.to_owned(), fitting: "it looks like none of them".into() }),
        several => {
            let words: Vec<_> = several.iter().map(|format| format.word()).collect();
            Err(SourceError::Unrecognised { path: path.to_owned(), fitting: format!("it looks like {}", words.join(" and like ")) })
        }
    }
}

/// Which fields stand where in a JSON text, or several behind one another, cut off anywhere.
fn fields(json: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // The way to here: a field's name, or an element.
    let mut way: Vec<String> = Vec::new();
    let mut name: Option<String> = None;
    let mut bytes = json.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let mut end = at + 1;
                while let Some((place, byte)) = bytes.next() {
                    end = place;
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
                let text = json.get(at + 1..end).map(String::from_utf8_lossy).unwrap_or_default();
                while bytes.next_if(|(_, byte)| byte.is_ascii_whitespace()).is_some() {}
                let is_name = bytes.next_if(|(_, byte)| *byte == b':').is_some();
                if is_name {
                    if way.len() <= DEEPEST {
                        found.insert(format!("{}{text}", way.concat()));
                    }
                    name = Some(text.chars().take(64).collect());
                } else {
                    if name.as_deref() == Some("type") && text.len() < 64 {
                        found.insert(format!("{}type={text}", way.concat()));
                    }
                    name = None;
                }
            }
            b'{' => way.push(name.take().map(|name| format!("{name}.")).unwrap_or_default()),
            b'[' => way.push(name.take().map_or_else(|| "[].".to_owned(), |name| format!("{name}[]."))),
            b'}' | b']' => {
                way.pop();
                name = None;
            }
            b',' => name = None,
            _ => {}
        }
        if way.len() > 64 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_text_that_is_cut_off() {
        let found = fields(br#"{"type":"user","guild":{"id":"1","x":[{"deep":1}]},"messages":[{"id":"2","content":"{\"no\":1}"},{"author":{"na"#);
        for there in ["type", "type=user", "guild.id", "guild.x[].deep", "messages[].id", "messages[].content", "messages[].author"] {
            assert!(found.contains(there), "{there} of {found:?}");
        }
        assert!(!found.iter().any(|field| field.contains("no")), "{found:?}");
        assert!(fields(b"[{\"messageType\" : \"message\"}]").contains("[].messageType"));
        // What ends a line ends the name before it, whatever its value was.
        for last in ["null", "1", "false", "[]", "{}", "\"x\""] {
            let found = fields(format!("{{\"a\":{last}}}\n{{\"b\":[{{\"c\":{last}}},{{\"d\":1}}]}}\n{{\"e\":1}}").as_bytes());
            assert!(["b[].d", "e"].iter().all(|there| found.contains(*there)), "{last}: {found:?}");
        }
        assert!(fields(b"{\"type\":\"version\"}\n{\"type\":\"team\",\"team\":{}}").contains("type=team"));
        fields(&vec![b'['; 100_000]);
        fields(b"\"\\");
    }
}
