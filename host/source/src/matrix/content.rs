//! What a message says, by its `content`.
//!
//! `body` is the text for people, and `formatted_body` the same as HTML, which Element shows. That both say the same nothing enforces, so where the HTML has other
//! words than the body both become the text. The original is the HTML where there is one. The quotation that older clients put before an answer repeats another
//! message and is shown by nobody, so it is not text; in the original it stays.

use serde_json::Value;

use super::media::MatrixFile;
use crate::html::{self, Named};
use crate::json::fields::{Fields, Shape};
use crate::media;
use crate::text::{self, LONGEST_TEXT};

/// A message's text, the platform's own form of it where that differs, and its files.
#[derive(Debug, Default)]
pub struct Body {
    pub text: String,
    pub original: Option<String>,
    pub files: Vec<MatrixFile>,
    /// A program wrote it.
    pub by_bot: bool,
    /// It could not be decrypted.
    pub unreadable: bool,
}

/// What Element makes of HTML: a person's name is a link to them.
struct Element;

impl Named for Element {
    fn mentioned(&self, _id: &str) -> Option<String> {
        None
    }

    fn attached(&mut self, _id: &str) -> Option<String> {
        None
    }

    fn leads(&self, target: &str) -> bool {
        !target.starts_with("https://matrix.to/")
    }
}

/// Reads `content`, or the `m.new_content` of an edit.
pub fn read(content: &mut Fields, is_answer: bool) -> Result<Body, Shape> {
    let kind = content.filled("msgtype")?.unwrap_or_default();
    let body = text::lines(&content.text("body")?.unwrap_or_default()).into_owned();
    let is_html = content.filled("format")?.is_some_and(|format| format == "org.matrix.custom.html");
    let formatted = content.filled("formatted_body")?.filter(|_| is_html).map(|html| text::lines(&html).into_owned());
    let mut out = Body { by_bot: kind == "m.notice", unreadable: kind == "m.bad.encrypted", ..Body::default() };
    let mut said = if is_answer { without_quotation(&body) } else { &body }.to_owned();
    if matches!(kind.as_str(), "m.image" | "m.file" | "m.audio" | "m.video") {
        let name = content.filled("filename")?;
        // Only a file that has a name beside its text has one that is no name.
        let has_caption = name.as_ref().is_some_and(|name| *name != body);
        out.files.push(file(content, &kind, &body, name)?);
        if !has_caption {
            said.clear();
        }
    } else if kind == "m.location" {
        let place = content.filled("geo_uri")?.unwrap_or_default();
        said = if said.contains(&place) { said } else { format!("{said} ({place})") };
    } else if kind == "m.emote" {
        said = format!("* {said}");
    }
    if let Some(formatted) = &formatted {
        let read = html::read(&without_reply(formatted), &mut Element);
        out.files.extend(read.shown.iter().map(inside));
        let shown = read.text;
        let (of_body, of_html) = (words(&said), words(&shown));
        if !of_body.contains(&of_html) {
            if !said.is_empty() {
                said.push('\n');
            }
            said.push_str(&shown);
        }
    }
    out.text = text::plain(&said).into_owned();
    let original = formatted.unwrap_or(body);
    if out.text.len().max(original.len()) > LONGEST_TEXT {
        return Err(Shape(format!("its text has more than {LONGEST_TEXT} bytes")));
    }
    let is_name = out.text.is_empty() && !out.files.is_empty();
    out.original = Some(original).filter(|original| !is_name && !original.is_empty() && *original != out.text);
    Ok(out)
}

/// A picture in the text.
fn inside(shown: &html::Shown) -> MatrixFile {
    let name = Some(text::name(&shown.alt)).filter(|alt| !alt.is_empty()).unwrap_or_else(|| "image".into());
    let url = Some(text::url(&shown.source)).filter(|url| !url.starts_with("data:"));
    MatrixFile { media_type: media::of(&name).into(), size: None, url, folder: "images", written: (String::new(), String::new()), name }
}

/// A file, by a message's or a sticker's content.
pub fn file(content: &mut Fields, kind: &str, body: &str, name: Option<String>) -> Result<MatrixFile, Shape> {
    let mut info = content.object("info")?.unwrap_or_default();
    let url = match content.object("file")? {
        // What is encrypted has its address there.
        Some(mut file) => file.filled("url")?,
        None => None,
    };
    let url = url.or(content.filled("url")?);
    let is_voice = ["m.voice", "org.matrix.msc3245.voice", "org.matrix.msc2516.voice"].iter().any(|field| content.has(field));
    let folder = match kind {
        "m.image" => "images",
        "m.video" => "videos",
        "m.audio" => "audio",
        "m.sticker" => "stickers",
        _ => "files",
    };
    let (stem, end) = body.rsplit_once('.').map_or((body, String::new()), |(stem, end)| (stem, format!(".{end}")));
    let end = match kind {
        "m.sticker" => ".png".to_owned(),
        _ if is_voice => ".ogg".to_owned(),
        _ => end,
    };
    let name = text::name(&name.unwrap_or_else(|| body.to_owned()));
    let name = if name.is_empty() { "file".into() } else { name };
    let told = info.filled("mimetype")?.map(|kind| text::name(&kind)).filter(|kind| kind.contains('/'));
    Ok(MatrixFile {
        media_type: told.unwrap_or_else(|| media::of(&name).into()),
        size: info.count("size"),
        url: url.map(|url| text::url(&url)),
        folder,
        written: (stem.to_owned(), end),
        name,
    })
}

/// An answer's text without the quotation before it: `> <@ann:hs> …`, lines that begin with `>`, and an empty one.
fn without_quotation(body: &str) -> &str {
    if !["> <@", "> * <@"].iter().any(|start| body.starts_with(start)) {
        return body;
    }
    let mut rest = body;
    while rest.starts_with('>') {
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
    rest.strip_prefix('\n').unwrap_or(rest)
}

/// The same of HTML: `<mx-reply>…</mx-reply>` at the beginning.
fn without_reply(html: &str) -> String {
    let inside = html.trim_start().strip_prefix("<mx-reply>").and_then(|inside| inside.split_once("</mx-reply>"));
    inside.map_or(html, |(_, after)| after).to_owned()
}

/// Letters and digits alone: the signs of Markdown, spaces and lines are how a text is written, not what it says.
fn words(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A text of the kind that may have several forms (MSC1767): itself, a list of `{body, mimetype}`, or in `body`.
pub fn text_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Array(forms) => forms.iter().find_map(|form| form.get("body").and_then(Value::as_str)).map(str::to_owned),
        Value::Object(fields) => ["m.text", "org.matrix.msc1767.text", "body"].iter().find_map(|field| text_of(fields.get(*field))),
        _ => None,
    }
    .filter(|text| !text.trim().is_empty())
}

/// A poll: its question and answers.
pub fn poll(content: &mut Fields) -> Result<String, Shape> {
    let mut lines = Vec::new();
    for field in ["m.poll", "org.matrix.msc3381.poll.start", "org.matrix.msc3381.v2.poll"] {
        let Some(poll) = content.object(field)? else { continue };
        let poll = Value::Object(poll.into_inner());
        lines.extend(text_of(poll.get("question")).map(|question| format!("Poll: {question}")));
        for answer in poll.get("answers").and_then(Value::as_array).into_iter().flatten() {
            lines.extend(text_of(Some(answer)).map(|answer| format!("- {answer}")));
        }
        break;
    }
    if lines.is_empty() {
        let all = Value::Object(std::mem::take(content).into_inner());
        lines.extend(text_of(Some(&all)));
    }
    Ok(text::plain(&lines.join("\n")).into_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn said(json: &str, is_answer: bool) -> (String, Option<String>) {
        let body = read(&mut Fields::parse(json).unwrap(), is_answer).unwrap();
        (body.text, body.original)
    }

    #[test]
    fn texts() {
        let html = |body: &str, html: &str| {
            serde_json::json!({"msgtype": "m.text", "body": body, "format": "org.matrix.custom.html", "formatted_body": html}).to_string()
        };
        for (json, answer, text, original) in [
            (r#"{"msgtype":"m.text","body":"hi\r\nyou"}"#.to_owned(), false, "hi\nyou", None),
            (r#"{"msgtype":"m.emote","body":"waves"}"#.into(), false, "* waves", Some("waves")),
            (r#"{"msgtype":"m.location","body":"Office","geo_uri":"geo:1,2"}"#.into(), false, "Office (geo:1,2)", Some("Office")),
            (r#"{"msgtype":"m.text","body":"> <@ann:hs> sold\n> 5m\n\nbought"}"#.into(), true, "bought", Some("> <@ann:hs> sold\n> 5m\n\nbought")),
            (r#"{"msgtype":"m.text","body":"> <@ann:hs> no answer"}"#.into(), false, "> <@ann:hs> no answer", None),
            (r#"{"msgtype":"m.text","body":"> a quotation\nof mine"}"#.into(), true, "> a quotation\nof mine", None),
            (html("**bold** `x`", "<strong>bold</strong> <code>x</code>"), false, "**bold** `x`", Some("<strong>bold</strong> <code>x</code>")),
            (
                html("> <@a:hs> q\n\nyes", "<mx-reply><blockquote>q</blockquote></mx-reply>yes"),
                true,
                "yes",
                Some("<mx-reply><blockquote>q</blockquote></mx-reply>yes"),
            ),
            (
                html("Ann: hi", "<a href=\"https://matrix.to/#/@ann:hs\">Ann</a>: hi"),
                false,
                "Ann: hi",
                Some("<a href=\"https://matrix.to/#/@ann:hs\">Ann</a>: hi"),
            ),
            (
                html("```sql\na < b\n```", "<pre><code class=\"language-sql\">a &lt; b\n</code></pre>"),
                false,
                "```sql\na < b\n```",
                Some("<pre><code class=\"language-sql\">a &lt; b\n</code></pre>"),
            ),
            // What is shown is not what the text says.
            (html("good morning", "<p>sell at 3</p>"), false, "good morning\nsell at 3", Some("<p>sell at 3</p>")),
            (html("", "<p>only here</p>"), false, "only here", Some("<p>only here</p>")),
        ] {
            assert_eq!(said(&json, answer), (text.to_owned(), original.map(str::to_owned)), "{json}");
        }
    }

    #[test]
    fn files_and_their_captions() {
        let read = |json: &str| read(&mut Fields::parse(json).unwrap(), false).unwrap();
        let plain = read(r#"{"msgtype":"m.image","body":"a b.PNG","url":"mxc://hs/id?x=1","info":{"size":5,"mimetype":"image/png"}}"#);
        let file = plain.files.first().unwrap();
        assert_eq!((plain.text.as_str(), plain.original, file.name.as_str(), file.url.as_deref()), ("", None, "a b.PNG", Some("mxc://hs/id")));
        assert_eq!((file.folder, file.written.clone(), file.size), ("images", ("a b".into(), ".PNG".into()), Some(5)));
        let caption = read(r#"{"msgtype":"m.file","body":"see this","filename":"q.pdf","file":{"url":"mxc://hs/enc"}}"#);
        let file = caption.files.first().unwrap();
        assert_eq!(
            (caption.text.as_str(), file.name.as_str(), file.media_type.as_str(), file.url.as_deref()),
            ("see this", "q.pdf", "application/pdf", Some("mxc://hs/enc"))
        );
        let voice = read(r#"{"msgtype":"m.audio","body":"Voice message","org.matrix.msc3245.voice":{}}"#).files.remove(0);
        assert_eq!((voice.folder, voice.written), ("audio", ("Voice message".into(), ".ogg".into())));
    }
}
