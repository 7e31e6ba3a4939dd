//! How messages, users and chats are kept in files: a list, a page as Graph answers (`{"@odata.context": …, "value": […]}`), several of either one a line, or one
//! object alone. All give their elements one by one.

use std::borrow::Cow;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::whose::Links;
use crate::Limits;
use crate::files::{FileFault, Files, Found};
use crate::json::fields::Fields;
use crate::json::list::{self, Broken, Most, Place};
use crate::jsonl::lines::{self, Line};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    List,
    Object,
    Lines,
}

/// One element of a file.
pub struct Item<'a> {
    /// Its JSON, or what is wrong with the line that it should be.
    pub json: Result<&'a str, String>,
    pub line: Option<u64>,
    pub index: Option<u64>,
    /// What the links of its own page say, where each line is a page.
    pub links: Option<&'a Links>,
}

/// A file whose form is known.
#[derive(Debug, Clone)]
pub struct Page {
    pub path: String,
    pub found: Found,
    pub form: Form,
}

/// The links of a page.
const LINKS: [&str; 3] = ["@odata.context", "@odata.nextLink", "@odata.deltaLink"];

/// A line, by what tells a page from a message.
#[derive(Deserialize)]
struct OnLine<'a> {
    #[serde(borrow)]
    value: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "@odata.context")]
    context: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "@odata.nextLink")]
    next: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "@odata.deltaLink")]
    delta: Option<Cow<'a, str>>,
}

impl Page {
    /// Looks at the beginning of a file.
    pub fn of(files: &mut Files, path: &str, found: Found, limits: &Limits) -> Result<Self, Broken> {
        let mut form = Ok(Form::List);
        let opened = files.with(path, found, limits.list_bytes, &mut |reader| {
            form = form_of(reader, limits.line_bytes);
            if let Some(fault) = reader.fault.take() {
                form = Err(fault);
            }
        });
        let form = opened.and(form).map_err(|fault| Broken { line: None, what: fault.to_string() })?;
        Ok(Self { path: path.to_owned(), found, form })
    }

    /// Hands over its elements, in order. Those before a broken place were handed over when it answers that it is broken.
    pub fn each(&self, files: &mut Files, limits: &Limits, take: &mut dyn FnMut(Item<'_>)) -> Result<Links, Broken> {
        let most = Most { file: limits.list_bytes, element: limits.json_bytes };
        let mut of_element = |element: list::Element| {
            take(Item { json: Ok(element.json.get()), line: Some(element.line), index: Some(element.index), links: None });
        };
        match self.form {
            Form::List => list::of_file(files, &self.path, self.found, most, Place::Whole, &mut of_element).map(|()| Links::default()),
            Form::Object => {
                let mut around = list::both(files, &self.path, self.found, most, Place::Field("value"), &mut of_element)?;
                if around.elements.is_none() {
                    self.alone(files, limits, take)?;
                }
                Ok(links(&mut around.fields))
            }
            Form::Lines => self.lines(files, limits, take).map(|()| Links::default()),
        }
    }

    /// The file is one element.
    fn alone(&self, files: &mut Files, limits: &Limits, take: &mut dyn FnMut(Item<'_>)) -> Result<(), Broken> {
        let mut text = String::new();
        let mut read = Ok(0);
        let opened = files.with(&self.path, self.found, limits.json_bytes, &mut |reader| read = reader.read_to_string(&mut text));
        opened.map_err(|fault| Broken { line: None, what: fault.to_string() })?;
        read.map_err(|error| Broken { line: None, what: error.to_string() })?;
        take(Item { json: Ok(text.trim_start_matches('\u{feff}')), line: Some(1), index: None, links: None });
        Ok(())
    }

    fn lines(&self, files: &mut Files, limits: &Limits, take: &mut dyn FnMut(Item<'_>)) -> Result<(), Broken> {
        let mut outcome = Ok(());
        let opened = files.with(&self.path, self.found, limits.list_bytes, &mut |reader| {
            let mut lines = BufReader::with_capacity(1 << 16, &mut *reader);
            let (mut buffer, mut number) = (Vec::new(), 0);
            loop {
                number += 1;
                match lines::next(&mut lines, &mut buffer, limits.line_bytes) {
                    Ok((Line::End, _)) => break,
                    Ok((Line::TooLong, _)) => {
                        let what = format!("longer than {} bytes, the most that a line may have", limits.line_bytes);
                        take(Item { json: Err(what), line: Some(number), index: None, links: None });
                    }
                    Ok((Line::Whole, _)) => line(&buffer, number, take),
                    Err(error) => {
                        outcome = Err(Broken { line: None, what: error.to_string() });
                        break;
                    }
                }
            }
            if let Some(fault) = reader.fault.take() {
                outcome = Err(Broken { line: None, what: fault.to_string() });
            }
        });
        opened.map_err(|fault| Broken { line: None, what: fault.to_string() }).and(outcome)
    }
}

fn line(bytes: &[u8], number: u64, take: &mut dyn FnMut(Item<'_>)) {
    let item = |json, index, links| Item { json, line: Some(number), index, links };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim(),
        Err(error) => return take(item(Err(format!("not UTF-8 at byte {}", error.valid_up_to())), None, None)),
    };
    if text.is_empty() {
        return;
    }
    match serde_json::from_str::<OnLine<'_>>(text) {
        Ok(OnLine { value: Some(elements), context, next, delta }) => {
            let mut links = Links::default();
            for link in [context, next, delta].iter().flatten() {
                links.add(link);
            }
            for (index, element) in (0..).zip(elements) {
                take(item(Ok(element.get()), Some(index), Some(&links)));
            }
        }
        // What is wrong with it is told when it is read as a message.
        _ => take(item(Ok(text), None, None)),
    }
}

/// What a page's links say.
fn links(fields: &mut Fields) -> Links {
    let mut links = Links::default();
    for link in LINKS {
        // A link that is no text says nothing; nothing of a message depends on it.
        if let Ok(Some(link)) = fields.text(link) {
            links.add(&link);
        }
    }
    links
}

/// A list begins with its bracket. What begins with a brace is lines if the first of several is an object by itself; or if all but the first are, which is broken then.
fn form_of(reader: &mut dyn Read, longest: usize) -> Result<Form, FileFault> {
    const LOOKED_AT: usize = 3;
    let mut input = BufReader::with_capacity(1 << 16, reader);
    let mut buffer = Vec::new();
    let mut whole = Vec::new();
    while whole.len() < LOOKED_AT {
        let (line, _) = lines::next(&mut input, &mut buffer, longest).map_err(|error| FileFault::Unreadable(error.to_string()))?;
        let text = buffer.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&buffer).trim_ascii();
        match line {
            Line::End => break,
            // A page in one line.
            Line::TooLong if whole.is_empty() => return Ok(Form::Object),
            Line::Whole if text.is_empty() => continue,
            Line::Whole if whole.is_empty() && text.first() == Some(&b'[') => return Ok(Form::List),
            Line::TooLong | Line::Whole => {}
        }
        whole.push(text.first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(text).is_ok());
    }
    Ok(match whole.as_slice() {
        [true, _, ..] => Form::Lines,
        [false, rest @ ..] if !rest.is_empty() && rest.iter().all(|whole| *whole) => Form::Lines,
        _ => Form::Object,
    })
}
