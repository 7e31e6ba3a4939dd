//! What a message says: its `text`, and where that is not all, its `blocks` and `attachments`.
//!
//! Integrations leave `text` empty, or put a notification's line there ("New trade alert") and the trade itself into blocks or attachments. What a person
//! saw is all of it, so all of it becomes the text; what only repeats the text is not said twice. Not read is one thing: an attachment that Slack
//! itself made of a link to a web page (`from_url`). A forwarded message has a `from_url` too, but its sender chose to send it.

use serde_json::Value;

use super::markup::Names;
use crate::json::fields::{Fields, Shape, text_in};
use crate::text::{self, LONGEST_TEXT};

/// Blocks that are compared with the text before they are added; Slack allows 50. Those beyond are added unseen, so that a message of a million
/// blocks doesn't take a day.
const MOST_COMPARED: usize = 200;

/// Who wrote a message. It matters for `rich_text` alone: of what a person typed, `text` is Slack's own copy; a program chooses both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    Person,
    Program,
}

/// A message's text, and where Slack's own form of it differs, that too: all of it, with blocks and attachments, before names are put in. By it a
/// message that comes again is compared, so that an alert with new figures is an edit, and a renamed user edits nothing.
#[derive(Debug)]
pub struct Body {
    pub text: String,
    pub original: Option<String>,
    /// Files of forwarded messages.
    pub forwarded: Vec<Fields>,
}

/// What becomes of markup: names are put in, or it stays as it is.
type Markup<'a> = &'a dyn Fn(&str) -> String;

/// Reads what a message says.
pub fn read(entry: &mut Fields, author: Author, names: &Names) -> Result<Body, Shape> {
    let raw = entry.text("text")?.unwrap_or_default();
    let raw = text::lines(&raw);
    let (blocks, attachments) = (entry.list("blocks")?, entry.list("attachments")?);
    let mut forwarded = Vec::new();
    for attachment in &attachments {
        forwarded.extend(Fields::of_list("attachments[].files", attachment.get("files").cloned())?);
    }
    let body = all(names.plain(&text::plain(&raw)), &blocks, &attachments, author, &|markup| names.plain(markup));
    // Labels, addresses and ids in blocks are not looked at one by one.
    let body = text::plain(&body).into_owned();
    let original = if blocks.is_empty() && attachments.is_empty() {
        raw.into_owned()
    } else {
        all(raw.into_owned(), &blocks, &attachments, author, &str::to_owned)
    };
    if body.len().max(original.len()) > LONGEST_TEXT {
        return Err(Shape(format!("its text has more than {LONGEST_TEXT} bytes when names are put in")));
    }
    let original = Some(original).filter(|original| *original != body && !original.is_empty());
    Ok(Body { text: body, original, forwarded })
}

/// The text with what blocks and attachments say beyond it.
fn all(mut body: String, blocks: &[Value], attachments: &[Value], author: Author, markup: Markup<'_>) -> String {
    let was_empty = body.trim().is_empty();
    if was_empty {
        body.clear();
    }
    add_blocks(&mut body, blocks, author, markup);
    // Integrations repeat themselves: what was there already, or was added last, is not added again. Comparing with all of it would let a message of
    // a million attachments take a day.
    let mut last = body.clone();
    for attachment in attachments {
        let wanted = body.len() <= LONGEST_TEXT;
        if wanted && (was_empty || text_in(attachment, "from_url").is_none() || is_forwarded(attachment)) {
            let more = attachment_text(attachment, markup);
            if !more.is_empty() && more != last {
                on_new_line(&mut body, &more);
                last = more;
            }
        }
    }
    body
}

/// A message that was sent on, or whose link was sent: not a page.
fn is_forwarded(attachment: &Value) -> bool {
    ["is_share", "is_msg_unfurl"].iter().any(|flag| attachment.get(flag) == Some(&Value::Bool(true)))
}

/// Adds what blocks say beyond the text.
fn add_blocks(body: &mut String, blocks: &[Value], author: Author, markup: Markup<'_>) {
    let said = bare(body);
    for (at, block) in blocks.iter().enumerate() {
        if body.len() > LONGEST_TEXT {
            return;
        }
        if !said.is_empty() && author == Author::Person && text_in(block, "type").as_deref() == Some("rich_text") {
            continue;
        }
        let mut more = String::new();
        element(block, markup, &mut more);
        let more = more.trim();
        if !more.is_empty() && (at >= MOST_COMPARED || !holds(&said, &bare(more))) {
            on_new_line(body, more);
        }
    }
}

fn on_new_line(body: &mut String, more: &str) {
    if !body.is_empty() {
        body.push('\n');
    }
    body.push_str(more);
}

/// Without what differs between two forms of one text: how much space there is, and the signs for bold, italic and code.
fn bare(text: &str) -> String {
    text.replace(['*', '_', '`'], "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the text holds the other as whole words: `5m` is not in `15m`.
fn holds(text: &str, other: &str) -> bool {
    let bounded = |at: usize| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + other.len()..).unwrap_or_default());
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    };
    !other.is_empty() && text.match_indices(other).any(|(at, _)| bounded(at))
}

/// An attachment of the older kind, in the order in which Slack shows it; its fallback where it shows nothing else.
fn attachment_text(attachment: &Value, markup: Markup<'_>) -> String {
    let mut shown = Vec::new();
    shown.extend(text_in(attachment, "pretext"));
    shown.extend(text_in(attachment, "author_name"));
    shown.extend(match (text_in(attachment, "title"), text_in(attachment, "title_link")) {
        (Some(title), Some(link)) => Some(format!("{title} ({link})")),
        (title, _) => title,
    });
    shown.extend(text_in(attachment, "text"));
    for field in attachment.get("fields").and_then(Value::as_array).into_iter().flatten() {
        shown.extend(match (text_in(field, "title"), text_in(field, "value")) {
            (Some(title), Some(value)) => Some(format!("{title}: {value}")),
            (title, value) => title.or(value),
        });
    }
    let mut out = String::new();
    for line in shown {
        if out.len() <= LONGEST_TEXT {
            on_new_line(&mut out, &markup(&text::plain(&line)));
        }
    }
    // A forwarded message has its blocks in `message_blocks`.
    let inner = attachment.get("message_blocks").and_then(Value::as_array).into_iter().flatten().filter_map(|one| one.get("message")?.get("blocks"));
    for blocks in attachment.get("blocks").into_iter().chain(inner).filter_map(Value::as_array) {
        add_blocks(&mut out, blocks, Author::Program, markup);
    }
    if out.is_empty() {
        out.extend(text_in(attachment, "fallback").map(|line| markup(&text::plain(&line))));
    }
    out
}

/// One block or what is in it. JSON nests at most 128 deep, so this does too.
fn element(value: &Value, markup: Markup<'_>, out: &mut String) {
    if out.len() > LONGEST_TEXT {
        return;
    }
    match text_in(value, "type").as_deref() {
        Some("user") => out.push_str(&markup(&format!("<@{}>", text_in(value, "user_id").unwrap_or_default()))),
        Some("usergroup") => out.push_str(&markup(&format!("<!subteam^{}>", text_in(value, "usergroup_id").unwrap_or_default()))),
        Some("channel") => out.push_str(&markup(&format!("<#{}>", text_in(value, "channel_id").unwrap_or_default()))),
        Some("broadcast") => out.push_str(&markup(&format!("<!{}>", text_in(value, "range").unwrap_or_default()))),
        Some("emoji") => {
            out.push(':');
            out.push_str(&text_in(value, "name").unwrap_or_default());
            out.push(':');
        }
        Some("link") => match (text_in(value, "text"), text_in(value, "url")) {
            (Some(label), Some(url)) => out.extend([label.as_str(), " (", &url, ")"]),
            (label, url) => out.push_str(&label.or(url).unwrap_or_default()),
        },
        // Text elements of rich text are plain; `mrkdwn` has markup.
        Some("mrkdwn") => out.push_str(&markup(&text::plain(&text_in(value, "text").unwrap_or_default()))),
        Some("text" | "plain_text") => out.push_str(&text::plain(&text_in(value, "text").unwrap_or_default())),
        _ => {
            for field in ["title", "text", "alt_text"] {
                match value.get(field) {
                    Some(Value::String(text)) => out.push_str(&text::plain(text)),
                    Some(inner @ Value::Object(_)) => element(inner, markup, out),
                    _ => {}
                }
            }
            for field in ["fields", "elements"] {
                for inner in value.get(field).and_then(Value::as_array).into_iter().flatten() {
                    let is_block = matches!(text_in(inner, "type").as_deref(), Some("rich_text_section" | "mrkdwn" | "plain_text" | "button"));
                    if is_block && !out.is_empty() && !out.ends_with('\n') {
                        out.push('\n');
                    }
                    element(inner, markup, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn body(json: &str) -> Body {
        let mut names = Names::default();
        names.users.insert("U1".into(), "Ann Lee".into());
        read(&mut Fields::parse(json).unwrap(), Author::Person, &names).unwrap()
    }

    fn by_program(json: &str) -> String {
        read(&mut Fields::parse(json).unwrap(), Author::Program, &Names::default()).unwrap().text
    }

    #[test]
    fn text_alone() {
        for (json, text, original) in [
            (r#"{"text":"hi <@U1>"}"#, "hi @Ann Lee", Some("hi <@U1>")),
            (r#"{"text":"plain\r\nlines"}"#, "plain\nlines", None),
            (r#"{"text":"nul\u0000"}"#, "nul␀", Some("nul\0")),
            (r#"{"text":null}"#, "", None),
        ] {
            let body = body(json);
            assert_eq!((body.text.as_str(), body.original.as_deref()), (text, original), "{json}");
        }
    }

    #[test]
    fn what_integrations_post() {
        let json = r#"{"text":"","attachments":[{"pretext":"Build by <@U1>","title":"No. 12 failed","title_link":"https://ci/12","text":"3 &lt; 4","fields":[{"title":"Branch","value":"main"}],"fallback":"x"},{"fallback":"only this"}]}"#;
        assert_eq!(body(json).text, "Build by @Ann Lee\nNo. 12 failed (https://ci/12)\n3 < 4\nBranch: main\nonly this");
        let json = r#"{"text":"Alert","attachments":[{"text":"VaR above limit"},{"from_url":"https://x","text":"an unfurled page"}]}"#;
        assert_eq!(body(json).text, "Alert\nVaR above limit");
        // Nothing in it has another form in Slack.
        assert_eq!(body(json).original, None);
        let json = r#"{"text":"Alert","attachments":[{"text":"above limit, says <@U1>"}]}"#;
        assert_eq!(body(json).original.as_deref(), Some("Alert\nabove limit, says <@U1>"));
    }

    #[test]
    fn blocks_where_there_is_no_text() {
        let json = r#"{"text":"","blocks":[{"type":"header","text":{"type":"plain_text","text":"Limits"}},{"type":"section","text":{"type":"mrkdwn","text":"<@U1> &amp; co"},"fields":[{"type":"mrkdwn","text":"a"},{"type":"mrkdwn","text":"b"}]},
          {"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"see "},{"type":"user","user_id":"U1"},{"type":"text","text":" "},{"type":"emoji","name":"tada"}]}]}]}"#;
        assert_eq!(body(json).text, "Limits\n@Ann Lee & co\na\nb\nsee @Ann Lee :tada:");
    }

    #[test]
    fn blocks_beside_a_text() {
        let section = |text: &str| format!(r#"{{"type":"section","text":{{"type":"mrkdwn","text":"{text}"}}}}"#);
        let rich = |text: &str| {
            format!(r#"{{"type":"rich_text","elements":[{{"type":"rich_text_section","elements":[{{"type":"text","text":"{text}"}}]}}]}}"#)
        };
        let message = |text: &str, blocks: &[String]| format!(r#"{{"text":"{text}","blocks":[{}]}}"#, blocks.join(","));
        assert_eq!(by_program(&message("New trade", &[section("Sold 5m EURUSD"), section("by *Ann*")])), "New trade\nSold 5m EURUSD\nby *Ann*");
        // What only repeats it is said once; what is merely a part of a word is no repetition.
        assert_eq!(by_program(&message("Alert: *sold* 15m", &[section("Alert:\\nsold"), section("5m")])), "Alert: *sold* 15m\n5m");
        // A person's rich text is the text; a program's may be another.
        assert_eq!(body(&message("hi • <@U1>", &[rich("hi"), section("a form")])).text, "hi • @Ann Lee\na form");
        assert_eq!(by_program(&message("New trade", &[rich("Sold 5m"), rich("New"), rich("-5")])), "New trade\nSold 5m\n-5");
    }

    #[test]
    fn forwarded_messages_and_their_files() {
        let json = r#"{"text":"look","attachments":[
          {"from_url":"https://corp.slack.com/archives/C1/p1","is_share":true,"author_name":"Bob","text":"sell <@U1>","fallback":"x","files":[{"id":"F1"},null],
           "message_blocks":[{"message":{"blocks":[{"type":"rich_text","elements":[{"type":"text","text":"sell @Ann Lee"}]},{"type":"section","text":{"type":"mrkdwn","text":"at 3"}}]}}]},
          {"from_url":"https://corp.slack.com/archives/C1/p2","is_msg_unfurl":true,"text":"buy"},
          {"from_url":"https://x","text":"a page","files":null}]}"#;
        let mut body = body(json);
        assert_eq!(body.text, "look\nBob\nsell @Ann Lee\nat 3\nbuy");
        assert_eq!(body.forwarded.remove(0).id("id").unwrap().as_deref(), Some("F1"));
        assert!(body.forwarded.is_empty());
        let bad = read(&mut Fields::parse(r#"{"attachments":[{"files":"secret"}]}"#).unwrap(), Author::Person, &Names::default());
        assert_eq!(bad.unwrap_err().to_string(), "`attachments[].files` is a text, not a list");
    }
}
