//! A JSON file that is one list: every file of a Slack export. Split into its elements without reading them, so that one bad element costs only itself and
//! each has its line.

use serde_json::value::RawValue;

use crate::fields::syntax;

/// One element of a list.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// Its JSON.
    pub json: &'a str,
    /// Line of the file where it begins, counted from 1.
    pub line: u64,
    /// Which one it is, counted from 0.
    pub index: u64,
}

/// Why a file is no list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where.
    pub line: Option<u64>,
    /// What is wrong. Never quotes the file.
    pub what: String,
}

/// The elements of a list.
pub fn split(bytes: &[u8]) -> Result<Vec<Element<'_>>, Broken> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| Broken {
        line: Some(lines_of(bytes.get(..error.valid_up_to()).unwrap_or_default()) + 1),
        what: format!("not UTF-8 at byte {}", error.valid_up_to()),
    })?;
    let raw: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| Broken {
        line: Some(error.line() as u64).filter(|line| *line > 0),
        what: if text.trim_start().starts_with('[') { syntax(&error) } else { "this is no JSON list".into() },
    })?;
    let mut elements = Vec::with_capacity(raw.len());
    let (mut line, mut seen) = (1, 0);
    for (index, value) in raw.into_iter().enumerate() {
        let json = value.get();
        // The element is a part of `text`, so its address says where it begins.
        let start = (json.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        line += lines_of(bytes.get(seen..start).unwrap_or_default());
        seen = start.max(seen);
        elements.push(Element { json, line, index: index as u64 });
    }
    Ok(elements)
}

fn lines_of(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn elements_know_their_line() {
        let elements = split(b"\xef\xbb\xbf[\n  {\"a\":\n 1}, 7,\n\n \"x\"]").unwrap();
        let seen: Vec<_> = elements.iter().map(|element| (element.json, element.line, element.index)).collect();
        assert_eq!(seen, [("{\"a\":\n 1}", 2, 0), ("7", 3, 1), ("\"x\"", 5, 2)]);
        assert_eq!(split(b"[]").unwrap().len(), 0);
    }

    #[test]
    fn broken_lists_name_their_line() {
        assert_eq!(split(b"[\n{},\n{\"a\":}\n]").unwrap_err().line, Some(3));
        assert_eq!(split(b"[\n{},\n{\"a\":\"\xff\"}\n]").unwrap_err(), Broken { line: Some(3), what: "not UTF-8 at byte 12".into() });
        assert_eq!(split(b"{\"ok\":false}").unwrap_err().what, "this is no JSON list");
        assert!(split(b"").is_err());
        assert!(split(b"[1] trailing").is_err());
        assert!(split(&vec![b'['; 1_000_000]).is_err());
    }
}
