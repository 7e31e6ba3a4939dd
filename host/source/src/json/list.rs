//! A JSON file that is one list, as every file of a Slack export, or an object with one long list in it, as the exports of Teams, Discord and Matrix. Read element
//! by element, each as it stands, so that one bad element costs only itself, each has its line, and no more of the list than that is in memory: a
//! bank's `channels.json` names every member of every channel.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::{Fields, syntax};
use crate::files::{Files, Found};
use crate::report::shown;
use crate::{Refusal, SourceError};

/// One element of a list.
#[derive(Debug)]
pub struct Element {
    /// Its JSON.
    pub json: Box<RawValue>,
    /// Line of the file where it begins, counted from 1.
    pub line: u64,
    /// Which one it is, counted from 0.
    pub index: u64,
}

/// Why a file can't be read as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Where the JSON is broken; unset where the file as such can't be read.
    pub line: Option<u64>,
    /// What is wrong. Never quotes the file.
    pub what: String,
}

impl Broken {
    /// That nothing was imported of this file.
    pub fn refusal(self, path: &str) -> Refusal {
        let way_out = if self.line.is_some() { ". None of this file was imported; mend it and import again" } else { "" };
        Refusal { line: self.line, ..Refusal::of_file(path, format!("{}{way_out}", self.what)) }
    }

    /// That this file could be read to its end a moment ago, and no more.
    pub fn refusal_of_rest(self, path: &str) -> Refusal {
        let reason = format!("{}. It was whole at first; what stood before this was imported, import again when it can be read", self.what);
        Refusal { line: self.line, ..Refusal::of_file(path, reason) }
    }

    /// That the export at `path` has nothing that could be read, this file first.
    pub fn error(self, path: &Path, file: &str) -> SourceError {
        let line = self.line.map(|line| format!(", line {line}")).unwrap_or_default();
        SourceError::damaged(path, format!("{}{line}: {}", shown(file), self.what))
    }
}

/// How much of a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// Bytes of all of it.
    pub file: u64,
    /// Bytes of one element.
    pub element: u64,
}

/// Where in a file its list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file is the list.
    Whole,
    /// It is this field of the object that the file is.
    Field(&'static str),
}

/// What an object has beside its long list.
#[derive(Debug)]
pub struct Around {
    /// Its other fields.
    pub fields: Fields,
    /// How many elements the list has; unset where there is no such list.
    pub elements: Option<u64>,
}

/// Reads what an object with one long list has beside it, wherever in the file it stands.
pub fn around(files: &mut Files, path: &str, found: Found, most: Most, list: &'static str) -> Result<Around, Broken> {
    both(files, path, found, most, Place::Field(list), &mut |_| {})
}

/// Hands over the elements, and then answers with what is beside them.
pub fn both(files: &mut Files, path: &str, found: Found, most: Most, place: Place, take: &mut dyn FnMut(Element)) -> Result<Around, Broken> {
    let mut around = Around { fields: Fields::default(), elements: None };
    let (mut count, mut bad) = (0, None);
    let mut beside = |name: String, json: &RawValue| bad = bad.take().or(around.fields.add(name, json).err());
    let mut counted = |element| {
        count += 1;
        take(element);
    };
    let found_it = in_file(files, path, found, most, place, &mut counted, &mut beside)?;
    if let Some(shape) = bad {
        return Err(Broken { line: None, what: shape.0 });
    }
    around.elements = found_it.then_some(count);
    Ok(around)
}

/// Reads a file of an export and hands over its elements, in order. Those before the broken place were handed over when it answers that it is broken.
pub fn of_file(files: &mut Files, path: &str, found: Found, most: Most, place: Place, take: &mut dyn FnMut(Element)) -> Result<(), Broken> {
    in_file(files, path, found, most, place, take, &mut |_, _| {}).map(|_| ())
}

/// Takes a field beside the list.
type Beside<'a> = &'a mut dyn FnMut(String, &RawValue);

/// Answers whether the list was there.
fn in_file(
    files: &mut Files,
    path: &str,
    found: Found,
    most: Most,
    place: Place,
    take: &mut dyn FnMut(Element),
    beside: Beside<'_>,
) -> Result<bool, Broken> {
    let mut outcome = Ok(false);
    let opened = files.with(path, found, most.file, &mut |reader| {
        outcome = each(reader, most.element, place, take, beside);
        // Why the bytes ended says more than that the JSON did.
        if let Some(fault) = reader.fault.take() {
            outcome = Err(Broken { line: None, what: fault.to_string() });
        }
    });
    opened.map_err(|fault| Broken { line: None, what: fault.to_string() }).and(outcome)
}

fn each(mut reader: &mut dyn Read, longest: u64, place: Place, take: &mut dyn FnMut(Element), beside: Beside<'_>) -> Result<bool, Broken> {
    let mut there = false;
    let (lines, left) = (Cell::new(0), Cell::new(longest));
    let mut head = Vec::new();
    let outcome = (&mut reader).take(3).read_to_end(&mut head).map_err(serde_json::Error::io).and_then(|_| {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
        let inner = BufReader::with_capacity(1 << 16, Cursor::new(head).chain(reader));
        let mut json = serde_json::Deserializer::from_reader(Counted { inner, lines: &lines, left: &left });
        let elements = Elements { lines: &lines, left: &left, longest, take };
        there = match place {
            Place::Whole => elements.deserialize(&mut json).map(|()| true)?,
            Place::Field(name) => Object { name, elements, beside }.deserialize(&mut json)?,
        };
        json.end()
    });
    outcome.map(|()| there).map_err(|error| Broken {
        // An error of reading, unlike one of the JSON, has no line.
        line: Some(error.line() as u64).filter(|line| *line > 0).or(Some(lines.get() + 1)),
        what: match error.classify() {
            serde_json::error::Category::Data => match place {
                Place::Whole => "this is no JSON list".into(),
                Place::Field(name) => format!("this is no JSON object, or its `{name}` is no list"),
            },
            _ if left.get() == 0 => format!("an element has more than {longest} bytes"),
            _ => syntax(&error),
        },
    })
}

/// Bytes that are counted: lines, and what is left of what an element may have.
struct Counted<'a, R> {
    inner: BufReader<R>,
    lines: &'a Cell<u64>,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let ready = self.inner.fill_buf()?;
        let count = ready.len().min(most);
        if let (Some(from), Some(to)) = (ready.get(..count), buffer.get_mut(..count)) {
            to.copy_from_slice(from);
            self.lines.set(self.lines.get() + lines_of(from));
        }
        self.inner.consume(count);
        self.left.set(self.left.get() - count as u64);
        Ok(count)
    }
}

struct Elements<'a> {
    lines: &'a Cell<u64>,
    left: &'a Cell<u64>,
    longest: u64,
    take: &'a mut dyn FnMut(Element),
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(json) = elements.next_element::<Box<RawValue>>()? {
            // serde reads one byte after another, so these are the lines up to the element's last byte.
            let line = self.lines.get() + 1 - lines_of(json.get().as_bytes());
            (self.take)(Element { json, line, index });
            index += 1;
            self.left.set(self.longest);
        }
        Ok(())
    }
}

/// An object with the list in one of its fields.
struct Object<'a> {
    name: &'static str,
    elements: Elements<'a>,
    beside: Beside<'a>,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<bool, A::Error> {
        let Elements { lines, left, longest, take } = self.elements;
        let mut there = false;
        while let Some(name) = fields.next_key::<String>()? {
            if name == self.name {
                there = true;
                fields.next_value_seed(Elements { lines, left, longest, take: &mut *take })?;
            } else {
                let json = fields.next_value::<Box<RawValue>>()?;
                (self.beside)(name, &json);
            }
            left.set(longest);
        }
        Ok(there)
    }
}

fn lines_of(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn all(mut bytes: &[u8], longest: u64) -> Result<Vec<(String, u64, u64)>, Broken> {
        let mut seen = Vec::new();
        each(
            &mut bytes,
            longest,
            Place::Whole,
            &mut |element| seen.push((element.json.get().to_owned(), element.line, element.index)),
            &mut |_, _| {},
        )?;
        Ok(seen)
    }

    #[test]
    fn a_list_within_an_object() {
        let read = |mut bytes: &[u8]| {
            let (mut seen, mut beside) = (Vec::new(), Vec::new());
            let take = &mut |element: Element| seen.push((element.json.get().to_owned(), element.line));
            let there = each(&mut bytes, 100, Place::Field("messages"), take, &mut |name, _| beside.push(name))?;
            Ok::<_, Broken>((there, seen, beside))
        };
        let (there, seen, beside) = read(b"{\"a\":[1],\n\"messages\":[\n{\"x\":1},\n2],\"b\":{}}").unwrap();
        assert_eq!((there, seen, beside), (true, vec![("{\"x\":1}".into(), 3), ("2".into(), 4)], vec!["a".into(), "b".into()]));
        assert!(!read(b"{}").unwrap().0);
        for bad in [b"[]".as_slice(), b"{\"messages\":{}}"] {
            assert!(read(bad).unwrap_err().what.contains("`messages` is no list"));
        }
    }

    #[test]
    fn elements_know_their_line() {
        let seen = all(b"\xef\xbb\xbf[\n  {\"a\":\n 1}, 7,\n\n \"x\"]\n", 100).unwrap();
        assert_eq!(seen, [("{\"a\":\n 1}".into(), 2, 0), ("7".into(), 3, 1), ("\"x\"".into(), 5, 2)]);
        assert_eq!(all(b"[]", 100).unwrap(), []);
    }

    #[test]
    fn broken_lists_name_their_line() {
        let broken = |bytes: &[u8]| all(bytes, 1 << 30).unwrap_err();
        assert_eq!(broken(b"[\n{},\n{\"a\":}\n]").line, Some(3));
        assert_eq!(broken(b"[\n{},\n{\"a\":\"\xff\"}\n]").line, Some(3));
        assert_eq!(broken(b"{\"ok\":false}").what, "this is no JSON list");
        assert_eq!(broken(b"").line, Some(1));
        assert_eq!(broken(b"[1] trailing").line, Some(1));
        broken(&vec![b'['; 1_000_000]);
    }

    #[test]
    fn an_endless_element_is_not_held() {
        assert_eq!(all(b"[{\"a\":1},\n {\"a\":1}]", 12).unwrap().len(), 2);
        let long = format!("[{{}},\n[{}1]]", "1,".repeat(1000));
        assert_eq!(all(long.as_bytes(), 1000).unwrap_err(), Broken { line: Some(2), what: "an element has more than 1000 bytes".into() });
    }
}
