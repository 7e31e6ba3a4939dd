//! What a message says: its `text`, and where that is not all, its `attachments` and `blocks`.
//!
//! Integrations often leave `text` empty and put everything into attachments (titles, fields) or blocks. What a person saw is then there, so it becomes
//! the text. Beside a text, attachments are read only where the sender wrote them: an unfurled link (`from_url`) shows another page or message.

use serde_json::Value;

use super::entry::text_in;
use super::markup::Names;
use crate::fields::{Fields, Shape};
use crate::text;

/// A message's text, and Slack's own form of it where that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Body {
    pub text: String,
    pub original: Option<String>,
}

/// Reads what a message says.
pub fn read(entry: &mut Fields, names: &Names) -> Result<Body, Shape> {
    let raw = entry.text("text")?.unwrap_or_default();
    let raw = text::lines(&raw);
    let mut body = names.plain(&text::plain(&raw));
    let attachments = entry.list("attachments")?;
    let blocks = entry.list("blocks")?;
    let was_empty = body.trim().is_empty();
    if was_empty {
        body = blocks_text(&blocks, names);
    }
    // Integrations repeat themselves: what stands there already, or was added last, is not added again. Comparing with all of it would let a message of
    // a million attachments take a day.
    let mut last = body.clone();
    for attachment in &attachments {
        if was_empty || text_in(attachment, "from_url").is_none() {
            let more = attachment_text(attachment, names);
            if !more.is_empty() && more != last {
                if !body.is_empty() {
                    body.push('\n');
                }
                body.push_str(&more);
                last = more;
            }
        }
    }
    let original = (raw != body && !raw.is_empty()).then(|| raw.into_owned());
    Ok(Body { text: body, original })
}

/// An attachment of the older kind, in the order in which Slack shows it; its fallback where it shows nothing else.
fn attachment_text(attachment: &Value, names: &Names) -> String {
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
    let mut out: Vec<String> = shown.iter().map(|line| names.plain(&text::plain(line))).collect();
    let blocks = attachment.get("blocks").and_then(Value::as_array);
    out.extend(blocks.map(|blocks| blocks_text(blocks, names)).filter(|text| !text.is_empty()));
    if out.is_empty() {
        out.extend(text_in(attachment, "fallback").map(|line| names.plain(&text::plain(&line))));
    }
    out.join("\n")
}

/// Blocks, each from a new line.
fn blocks_text(blocks: &[Value], names: &Names) -> String {
    let mut out = String::new();
    for block in blocks {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        element(block, names, &mut out);
    }
    out.trim().to_owned()
}

/// One block or what is in it. JSON nests at most 128 deep, so this does too.
fn element(value: &Value, names: &Names, out: &mut String) {
    match text_in(value, "type").as_deref() {
        Some("user") => out.push_str(&names.plain(&format!("<@{}>", text_in(value, "user_id").unwrap_or_default()))),
        Some("usergroup") => out.push_str(&names.plain(&format!("<!subteam^{}>", text_in(value, "usergroup_id").unwrap_or_default()))),
        Some("channel") => out.push_str(&names.plain(&format!("<#{}>", text_in(value, "channel_id").unwrap_or_default()))),
        Some("broadcast") => out.push_str(&names.plain(&format!("<!{}>", text_in(value, "range").unwrap_or_default()))),
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
        Some("mrkdwn") => out.push_str(&names.plain(&text::plain(&text_in(value, "text").unwrap_or_default()))),
        Some("text" | "plain_text") => out.push_str(&text::plain(&text_in(value, "text").unwrap_or_default())),
        _ => {
            for field in ["title", "text", "alt_text"] {
                match value.get(field) {
                    Some(Value::String(text)) => out.push_str(&text::plain(text)),
                    Some(inner @ Value::Object(_)) => element(inner, names, out),
                    _ => {}
                }
            }
            for field in ["fields", "elements"] {
                for inner in value.get(field).and_then(Value::as_array).into_iter().flatten() {
                    let is_block = matches!(text_in(inner, "type").as_deref(), Some("rich_text_section" | "mrkdwn" | "plain_text" | "button"));
                    if is_block && !out.is_empty() && !out.ends_with('\n') {
                        out.push('\n');
                    }
                    element(inner, names, out);
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
        read(&mut Fields::parse(json).unwrap(), &names).unwrap()
    }

    #[test]
    fn text_alone() {
        assert_eq!(body(r#"{"text":"hi <@U1>"}"#), Body { text: "hi @Ann Lee".into(), original: Some("hi <@U1>".into()) });
        assert_eq!(body(r#"{"text":"plain\r\nlines"}"#), Body { text: "plain\nlines".into(), original: None });
        assert_eq!(body(r#"{"text":"nul\u0000"}"#), Body { text: "nul␀".into(), original: Some("nul\0".into()) });
        assert_eq!(body(r#"{"text":null}"#), Body { text: String::new(), original: None });
    }

    #[test]
    fn what_integrations_post() {
        let json = r#"{"text":"","attachments":[{"pretext":"Build by <@U1>","title":"No. 12 failed","title_link":"https://ci/12","text":"3 &lt; 4","fields":[{"title":"Branch","value":"main"}],"fallback":"x"},{"fallback":"only this"}]}"#;
        assert_eq!(body(json).text, "Build by @Ann Lee\nNo. 12 failed (https://ci/12)\n3 < 4\nBranch: main\nonly this");
        let json = r#"{"text":"Alert","attachments":[{"text":"VaR above limit"},{"from_url":"https://x","text":"an unfurled page"}]}"#;
        assert_eq!(body(json).text, "Alert\nVaR above limit");
        assert_eq!(body(json).original.as_deref(), Some("Alert"));
    }

    #[test]
    fn blocks_where_there_is_no_text() {
        let json = r#"{"text":"","blocks":[{"type":"header","text":{"type":"plain_text","text":"Limits"}},{"type":"section","text":{"type":"mrkdwn","text":"<@U1> &amp; co"},"fields":[{"type":"mrkdwn","text":"a"},{"type":"mrkdwn","text":"b"}]},
          {"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"see "},{"type":"user","user_id":"U1"},{"type":"text","text":" "},{"type":"emoji","name":"tada"}]}]}]}"#;
        assert_eq!(body(json).text, "Limits\n@Ann Lee & co\na\nb\nsee @Ann Lee :tada:");
    }
}
