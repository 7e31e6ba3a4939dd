//! What a post says: its `message`, and what integrations put into `props`. They leave the message empty and say everything in message attachments
//! (`props.attachments`, in Slack's form), a card or blocks; what a person saw is all of it, so all of it becomes the text. Markdown stays as it is.

use serde_json::Value;

use crate::json::fields::{Fields, Shape, text_in};
use crate::text::{self, LONGEST_TEXT, add_line};

/// A post's text.
#[derive(Debug, Default)]
pub struct Body {
    pub text: String,
    /// As the platform has it, where that differs.
    pub original: Option<String>,
    /// Images that message attachments show, by URL.
    pub images: Vec<String>,
}

/// Reads what a post says.
pub fn read(post: &mut Fields, props: &mut Fields) -> Result<Body, Shape> {
    let mut said = post.text("message")?.unwrap_or_default();
    let mut images = Vec::new();
    for attachment in props.list("attachments")? {
        let more = attachment_text(&attachment);
        if more != said {
            add_line(&mut said, &more);
        }
        images.extend(text_in(&attachment, "image_url"));
    }
    if let Ok(Some(card)) = props.text("card") {
        add_line(&mut said, &card);
    }
    for block in props.list("mm_blocks")? {
        let mut more = String::new();
        block_text(&block, &mut more);
        add_line(&mut said, &more);
    }
    let said = text::lines(&said);
    let plain = text::plain(&said).into_owned();
    if plain.len() > LONGEST_TEXT {
        return Err(Shape(format!("its text has more than {LONGEST_TEXT} bytes")));
    }
    let original = (plain != said).then(|| said.into_owned());
    Ok(Body { text: plain, original, images })
}

/// A message attachment, in the order in which it is shown; its fallback where it shows nothing else.
fn attachment_text(attachment: &Value) -> String {
    let mut out = String::new();
    for field in ["pretext", "author_name"] {
        add_line(&mut out, &text_in(attachment, field).unwrap_or_default());
    }
    if let Some(title) = text_in(attachment, "title") {
        let link = text_in(attachment, "title_link").map(|link| format!(" ({link})"));
        add_line(&mut out, &format!("{title}{}", link.unwrap_or_default()));
    }
    add_line(&mut out, &text_in(attachment, "text").unwrap_or_default());
    for field in attachment.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let title = text_in(field, "title").unwrap_or_default();
        let value = match field.get("value") {
            Some(Value::String(value)) => value.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => String::new(),
        };
        let between = if title.is_empty() || value.is_empty() { "" } else { ": " };
        add_line(&mut out, &format!("{title}{between}{value}"));
    }
    add_line(&mut out, &text_in(attachment, "footer").unwrap_or_default());
    if out.is_empty() { text_in(attachment, "fallback").unwrap_or_default() } else { out }
}

/// All texts of a block, wherever in it they stand. JSON nests at most 128 deep, so this does too.
fn block_text(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner {
                    Value::String(text) if matches!(name.as_str(), "text" | "title" | "label") => add_line(out, text),
                    _ => block_text(inner, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| block_text(inner, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn body(message: &str, props: &str) -> Body {
        let mut post = Fields::default();
        post.put("message", message.into());
        read(&mut post, &mut Fields::parse(props).unwrap()).unwrap()
    }

    #[test]
    fn what_integrations_post() {
        let props = r#"{"attachments":[{"fallback":"no","pretext":"Build","author_name":"CI","title":"No. 12","title_link":"https://ci/12","text":"**failed**",
          "fields":[{"title":"Branch","value":"main"},{"title":"Runs","value":3},{"title":"Flaky","value":false},{"value":"x"}],"footer":"end","image_url":"https://ci/a.png?t=1"},
          {"fallback":"only this"}, "no object"],"card":"more","mm_blocks":[{"type":"header","text":"H"},{"type":"container","items":[{"type":"text","text":"in"}]}]}"#;
        let body = body("", props);
        assert_eq!(body.text, "Build\nCI\nNo. 12 (https://ci/12)\n**failed**\nBranch: main\nRuns: 3\nFlaky: false\nx\nend\nonly this\nmore\nH\nin");
        assert_eq!((body.original, body.images), (None, vec!["https://ci/a.png?t=1".to_owned()]));
    }

    #[test]
    fn a_message_is_not_said_twice() {
        assert_eq!(body("same", r#"{"attachments":[{"text":"same"}]}"#).text, "same");
        let odd = body("a\r\nb\0", "{}");
        assert_eq!((odd.text.as_str(), odd.original.as_deref()), ("a\nb␀", Some("a\nb\0")));
    }
}
