//! What a message says: its subject, its body, and what its attachments say that are no files (quoted messages, cards).
//!
//! A body names its attachments, so what they say stands where the reader saw it; what no body names comes behind it. The original has the HTML and the
//! attachments as Graph has them, but for where Graph keeps a picture: that address is another one in each copy of the same message.

use std::collections::{HashMap, HashSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::people;
use crate::html::{self, Named};
use crate::json::fields::{self, Fields, Shape};
use crate::media;
use crate::text::{self, LONGEST_TEXT};

/// A file that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamsFile {
    /// By which its bytes are found in an export.
    pub id: Option<String>,
    pub name: String,
    pub media_type: String,
    pub url: Option<String>,
    /// Its bytes, where they stand in the message itself.
    pub inside: Option<Vec<u8>>,
}

/// A message's text, Graph's own form of it where that differs, and the files.
#[derive(Debug, Default)]
pub struct Body {
    pub text: String,
    pub original: Option<String>,
    pub files: Vec<TeamsFile>,
    /// Attachments that say nothing that could be shown.
    pub silent: u64,
    /// Files whose bytes stand in the message itself and are no base64.
    pub garbled: u64,
}

/// What a message's HTML names.
#[derive(Default)]
struct Parts {
    mentions: HashMap<String, String>,
    texts: Vec<(String, String)>,
    places: HashMap<String, usize>,
    placed: HashSet<usize>,
    /// Bytes of all texts.
    held: usize,
}

impl Named for Parts {
    fn mentioned(&self, id: &str) -> Option<String> {
        self.mentions.get(id).cloned()
    }

    fn attached(&mut self, id: &str) -> Option<String> {
        let place = *self.places.get(id)?;
        // Once: naming one a million times would be a text of gigabytes.
        if self.placed.insert(place) { self.texts.get(place).map(|(text, _)| text.clone()) } else { None }
    }
}

/// Reads what a message says.
pub fn read(message: &mut Fields) -> Result<Body, Shape> {
    let mut out = Body::default();
    let mut parts = Parts { mentions: mentions(message)?, ..Parts::default() };
    for attachment in message.objects("attachments")? {
        attached(attachment, &mut out, &mut parts)?;
    }
    let hosted = message.objects("hostedContents")?;
    let (subject, summary) = (message.filled("subject")?, message.filled("summary")?);
    let mut body = message.object("body")?.unwrap_or_default();
    let is_html = body.filled("contentType")?.is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    let content = body.text("content")?.unwrap_or_default();
    let content = text::lines(&content).into_owned();
    let said = if is_html {
        let read = html::read(&content, &mut parts);
        for shown in read.shown {
            out.files.push(picture(&shown));
        }
        read.text
    } else {
        content.clone()
    };
    // After the body: it shows them by their ids.
    hosted.into_iter().try_for_each(|one| inside(one, &mut out))?;
    let rest = parts.texts.iter().enumerate().filter(|(place, _)| !parts.placed.contains(place)).map(|(_, (text, _))| text.as_str());
    out.text = joined([subject.as_deref().unwrap_or_default(), &said].into_iter().chain(rest));
    let mut original = joined([subject.as_deref().unwrap_or_default(), &content].into_iter().chain(parts.texts.iter().map(|(_, raw)| raw.as_str())));
    if out.text.is_empty()
        && let Some(summary) = summary
    {
        original = joined([original.as_str(), &summary].into_iter());
        out.text = summary;
    }
    let original = stable(&original);
    out.text = text::plain(&out.text).into_owned();
    if out.text.len().max(original.len()) > LONGEST_TEXT {
        return Err(Shape(format!("its text has more than {LONGEST_TEXT} bytes")));
    }
    out.original = Some(original).filter(|original| *original != out.text && !original.is_empty());
    Ok(out)
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for text in texts.filter(|text| !text.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(text);
    }
    out
}

/// Who is meant by each mention, by its number in the text.
fn mentions(message: &mut Fields) -> Result<HashMap<String, String>, Shape> {
    let mut mentions = HashMap::new();
    for mut mention in message.objects("mentions")? {
        let Some(number) = mention.count("id") else { continue };
        let mut mentioned = mention.object("mentioned")?.unwrap_or_default();
        for kind in ["user", "application", "conversation", "tag", "device"] {
            if let Some(mut one) = mentioned.object(kind)?
                && let Some(id) = one.id("id")?
            {
                mentions.insert(number.to_string(), people::id(id));
            }
        }
    }
    Ok(mentions)
}

/// Where Graph keeps what a message shows, without the way to it: each copy of a message has another.
const HOSTED: &str = "hostedContents/";

fn stable(original: &str) -> String {
    let mut out = String::with_capacity(original.len());
    let mut rest = original;
    while let Some(at) = rest.find(HOSTED) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let start = before.rfind(['"', '\'', ' ', '=', '(', '\n', '>']).map_or(0, |quote| quote + 1);
        out.push_str(before.get(..start).unwrap_or_default());
        out.push_str(HOSTED);
        rest = from.get(HOSTED.len()..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The id of what Graph hosts, in its address.
fn hosted(url: &str) -> Option<String> {
    let id = url.split_once(HOSTED)?.1.split(['/', '?', '"']).next()?;
    text::is_id(id).then(|| id.to_owned())
}

/// A picture, sound or film in a body.
fn picture(shown: &html::Shown) -> TeamsFile {
    let id = hosted(&shown.source);
    let last = text::file_name(&text::url(&shown.source)).filter(|last| id.is_none() && last.contains('.'));
    let alt = Some(text::name(&shown.alt)).filter(|alt| !alt.is_empty());
    let name = last.or(alt).unwrap_or_else(|| "image".into());
    TeamsFile { media_type: media::of(&name).into(), name, url: address(&shown.source), id, inside: None }
}

/// A picture that stands in the text itself (`data:…`) has no address, and what Graph hosts one that is the same in each copy.
fn address(url: &str) -> Option<String> {
    (!url.starts_with("data:") && !url.trim().is_empty()).then(|| text::url(&stable(url)))
}

/// One of `hostedContents[]`. Graph's answers have no bytes there; what programs send to it, and exports of some tools, do. Where the body shows it, it is that
/// file; what no body shows is a file of its own.
fn inside(mut hosted: Fields, out: &mut Body) -> Result<(), Shape> {
    let ids = [hosted.id("id")?, hosted.id("@microsoft.graph.temporaryId")?];
    let kind = hosted.filled("contentType")?.map(|kind| text::name(&kind)).filter(|kind| kind.contains('/'));
    let Some(bytes) = hosted.filled("contentBytes")? else { return Ok(()) };
    let Ok(bytes) = BASE64_STANDARD.decode(bytes.trim()) else {
        out.garbled += 1;
        return Ok(());
    };
    let is_it = |file: &TeamsFile| file.id.is_some() && ids.contains(&file.id) && file.inside.is_none();
    let mut shown = out.files.iter_mut().filter(|file| is_it(file)).peekable();
    if shown.peek().is_none() {
        let id = ids.into_iter().flatten().next();
        let media_type = kind.unwrap_or_else(|| media::UNKNOWN.into());
        out.files.push(TeamsFile { id, name: "image".into(), media_type, url: None, inside: Some(bytes) });
        return Ok(());
    }
    for file in shown {
        if let Some(kind) = kind.as_ref().filter(|_| file.media_type == media::UNKNOWN) {
            file.media_type.clone_from(kind);
        }
        file.inside = Some(bytes.clone());
    }
    Ok(())
}

/// One of `attachments[]`.
fn attached(mut attachment: Fields, out: &mut Body, parts: &mut Parts) -> Result<(), Shape> {
    let id = attachment.id("id")?;
    let kind = attachment.filled("contentType")?.unwrap_or_default();
    let name = attachment.filled("name")?.map(|name| text::name(&name)).filter(|name| !name.is_empty());
    let url = attachment.filled("contentUrl")?;
    let content = attachment.text("content")?.map(|content| text::lines(&content).into_owned()).filter(|content| !content.trim().is_empty());
    let (said, raw) = match (kind.as_str(), content) {
        ("messageReference" | "forwardedMessageReference", Some(content)) => (quoted(&content), content),
        ("application/vnd.microsoft.card.codesnippet", content) => {
            let mut card = Fields::parse(content.as_deref().unwrap_or("{}")).unwrap_or_default();
            let mut field = |name: &str| card.filled(name).ok().flatten();
            let url = field("codeSnippetUrl").or_else(|| field("contentUrl")).or(url);
            let named = field("name").map(|name| text::name(&name)).filter(|name| !name.is_empty());
            let file = TeamsFile {
                id: url.as_deref().and_then(hosted).or(id),
                name: named.or(name).unwrap_or_else(|| "code snippet".into()),
                media_type: "text/plain".into(),
                url: url.as_deref().and_then(address),
                inside: None,
            };
            out.files.push(file);
            return Ok(());
        }
        ("application/vnd.microsoft.card.fluidEmbedCard", content) => {
            let inside = content.and_then(|content| Fields::parse(&content).ok()?.filled("componentUrl").ok()?);
            let name = name.unwrap_or_else(|| "Loop component".into());
            out.files.push(TeamsFile { id, name, media_type: media::UNKNOWN.into(), url: inside.or(url).as_deref().and_then(address), inside: None });
            return Ok(());
        }
        ("tabReference" | "meetingReference", content) => {
            let said = match (name, url) {
                (Some(name), Some(url)) => format!("{name} ({url})"),
                (name, url) => name.or(url).unwrap_or_default(),
            };
            (said, content.unwrap_or_default())
        }
        (_, None) if url.is_some() => {
            let url = url.unwrap_or_default();
            let last = text::file_name(&text::url(&url));
            let name = name.or(last).unwrap_or_else(|| "file".into());
            let told = Some(text::name(&kind)).filter(|kind| kind.contains('/') && !kind.starts_with("application/vnd.microsoft.teams"));
            let media_type = told.unwrap_or_else(|| media::of(&name).into());
            out.files.push(TeamsFile { id, media_type, name, url: address(&url), inside: None });
            return Ok(());
        }
        (_, Some(content)) => {
            let mut said = card(&content, !kind.ends_with("card.adaptive"));
            if let Some(name) = name.filter(|name| !said.contains(name)) {
                said = joined([name.as_str(), &said].into_iter());
            }
            (said, content)
        }
        (_, None) => (name.unwrap_or_default(), String::new()),
    };
    if said.is_empty() {
        out.silent += 1;
    }
    if !said.is_empty() || !raw.is_empty() {
        if let Some(id) = id {
            parts.places.entry(id).or_insert(parts.texts.len());
        }
        // Together they may not be more than a text may, so that a million don't fill the memory.
        parts.held += said.len() + raw.len();
        if parts.held > 2 * LONGEST_TEXT {
            return Err(Shape(format!("its text has more than {LONGEST_TEXT} bytes")));
        }
        parts.texts.push((said, raw));
    }
    Ok(())
}

/// A message that was quoted or sent on: who said it, and what, as quotations are written in e-mail.
fn quoted(content: &str) -> String {
    let Ok(mut quote) = Fields::parse(content) else { return lines_quoted(content) };
    let mut field = |name: &str| quote.filled(name).ok().flatten();
    let said = field("messagePreview").or_else(|| field("originalMessageContent").map(|html| html::read(&html, &mut html::Nothing).text));
    let mut sender = None;
    for of in ["messageSender", "originalMessageSender"] {
        if let Ok(Some(mut set)) = quote.object(of) {
            for kind in ["user", "application", "device", "conversation"] {
                if let Ok(Some(identity)) = set.object(kind)
                    && let Ok((person, name)) = people::person(identity)
                {
                    sender = sender.or(name).or(person.map(|person| person.id));
                }
            }
        }
    }
    match (sender, said) {
        (Some(sender), Some(said)) => lines_quoted(&format!("{sender}: {said}")),
        (None, Some(said)) => lines_quoted(&said),
        (sender, None) => sender.map(|sender| lines_quoted(&format!("{sender}:"))).unwrap_or_default(),
    }
}

fn lines_quoted(text: &str) -> String {
    text::lines(text).split('\n').map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")
}

/// What a card shows, in its order. `marked`: its texts may be HTML, as those of older cards.
fn card(content: &str, marked: bool) -> String {
    let Ok(value) = fields::value(content) else { return content.to_owned() };
    let mut lines = Vec::new();
    shown(&value, marked, &mut lines);
    if lines.is_empty() {
        for field in ["fallbackText", "speak"] {
            lines.extend(value.get(field).and_then(Value::as_str).map(str::to_owned));
        }
    }
    lines.join("\n")
}

/// Fields of cards that people read.
const READ: [&str; 11] =
    ["title", "subtitle", "text", "summary", "activityTitle", "activitySubtitle", "activityText", "altText", "label", "placeholder", "displayText"];

/// JSON nests at most 128 deep, so this does too.
fn shown(value: &Value, marked: bool, lines: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| match one {
            Value::String(text) => line(text, marked, lines),
            other => shown(other, marked, lines),
        }),
        Value::Object(fields) => {
            let of = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            let (name, kind) = (of("title").or(of("name")), of("type").unwrap_or_default());
            if let (Some(name), Some(target)) = (name, of("url").or(of("value")))
                && kind.ends_with("penUrl")
            {
                line(&format!("{name} ({target})"), marked, lines);
                return;
            }
            // A fact, or a choice: what it is, and what it is here.
            if let (Some(name), Some(value), false) = (name, of("value"), kind.starts_with("Action")) {
                line(&format!("{name}: {value}"), marked, lines);
                return;
            }
            for (name, value) in fields {
                match value {
                    Value::String(text) if READ.contains(&name.as_str()) || name == "value" && kind.starts_with("Input") => {
                        line(text, marked, lines);
                    }
                    Value::Array(_) if matches!(name.as_str(), "mentions" | "entities" | "$schema") => {}
                    Value::Array(_) | Value::Object(_) => shown(value, marked, lines),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn line(text: &str, marked: bool, lines: &mut Vec<String>) {
    let text = if marked && text.contains(['<', '&']) { html::read(text, &mut html::Nothing).text } else { text::lines(text).into_owned() };
    if !text.trim().is_empty() && lines.last() != Some(&text) {
        lines.push(text);
    }
}
