//! What a message says: its `content`, and what stands beside it: embeds, which are all that many bots post, buttons, stickers, a poll, the message that was sent
//! on, and by which command somebody made a bot speak. What a person saw is all of it, so all of it becomes the text. Markdown stays as it is.
//!
//! Compared when a message comes again is what its author chose. Of a person that is not the preview of a linked page: it appears some seconds after the message
//! and is as the page is that day, so it stands in the text and not in the original.

use std::collections::HashSet;

use serde_json::Value;

use super::mentions::Mentions;
use crate::json::fields::{Fields, Shape, text_in};
use crate::text::{self, LONGEST_TEXT, add_line};

/// A message's text and what hangs on it.
#[derive(Debug, Default)]
pub struct Body {
    pub text: String,
    /// What is compared, where it differs.
    pub original: Option<String>,
    pub files: Vec<NamedFile>,
    /// It was sent on, and the export has not what.
    pub lacks_forwarded: bool,
}

/// A file that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    pub name: Option<String>,
    /// A path beside the export where files were downloaded, else where Discord keeps it.
    pub url: Option<String>,
    pub size: Option<u64>,
    /// Part of what was said. An image of a linked page is not: it hangs on the message only where its bytes are there.
    pub is_said: bool,
}

/// Whether a program or the platform chose all that is in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    Person,
    Program,
}

/// A text that grows in both forms.
#[derive(Default)]
struct Both {
    shown: String,
    own: String,
}

impl Both {
    fn add(&mut self, more: &str, is_own: bool) {
        add_line(&mut self.shown, more);
        if is_own {
            add_line(&mut self.own, more);
        }
    }
}

/// What is known of a message before its text is read.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub author: Author,
    /// Who called a bot, and how.
    pub command: Option<&'a str>,
    /// It names another message without being an answer, as one that was sent on does.
    pub refers: bool,
}

/// Reads what a message says.
pub fn read(message: &mut Fields, about: About<'_>, mentions: &Mentions) -> Result<Body, Shape> {
    let (mut both, mut files) = (Both::default(), Vec::new());
    both.add(about.command.unwrap_or_default(), true);
    part(message, about.author, &mut both, &mut files)?;
    let mut lacks_forwarded = false;
    if let Some(mut forwarded) = message.object("forwardedMessage")? {
        both.add("Forwarded message:", true);
        part(&mut forwarded, about.author, &mut both, &mut files)?;
    } else {
        lacks_forwarded = about.refers && both.shown.is_empty() && files.is_empty();
    }
    for component in message.list("components")? {
        let mut labels = String::new();
        buttons(&component, &mut labels);
        both.add(&labels, true);
    }
    if let Some(poll) = message.object("poll")? {
        both.add(&poll_text(poll)?, true);
    }
    let (shown, own) = (text::lines(&both.shown), text::lines(&both.own));
    let original = mentions.original(&own);
    let text = text::plain(&mentions.shown(&mentions.original(&shown))).into_owned();
    if text.len().max(original.len()) > LONGEST_TEXT {
        return Err(Shape(format!("its text has more than {LONGEST_TEXT} bytes")));
    }
    let original = Some(original).filter(|original| *original != text && !original.is_empty());
    Ok(Body { text, original, files, lacks_forwarded })
}

/// The part of a message that a forwarded one has too.
fn part(message: &mut Fields, author: Author, both: &mut Both, files: &mut Vec<NamedFile>) -> Result<(), Shape> {
    let content = message.text("content")?.unwrap_or_default();
    // Newer exporters give Discord's own form beside.
    match message.text("contentRaw")?.filter(|raw| !raw.is_empty()) {
        Some(raw) => {
            add_line(&mut both.shown, &content);
            add_line(&mut both.own, &raw);
        }
        None => both.add(&content, true),
    }
    for mut file in message.objects("attachments")? {
        let (name, url) = (file.filled("fileName")?, file.filled("url")?);
        files.push(NamedFile { name, url, size: file.count("fileSizeBytes"), is_said: true });
    }
    let is_own = author == Author::Program;
    // The first of an embed's `images` is its `image` again.
    let mut seen = HashSet::new();
    for embed in message.list("embeds")? {
        let more = embed_text(&embed);
        if more != content {
            both.add(&more, is_own);
        }
        let images = embed.get("image").into_iter().chain(embed.get("images").and_then(Value::as_array).into_iter().flatten());
        for url in images.filter_map(|image| text_in(image, "url")) {
            if seen.insert(url.clone()) {
                files.push(NamedFile { name: None, url: Some(url), size: None, is_said: is_own });
            }
        }
    }
    for mut sticker in message.objects("stickers")? {
        let name = sticker.filled("name")?.unwrap_or_default();
        both.add(&format!("[sticker: {name}]"), true);
        files.push(NamedFile { name: None, url: sticker.filled("sourceUrl")?, size: None, is_said: true });
    }
    Ok(())
}

/// An embed, in the order in which it is shown.
fn embed_text(embed: &Value) -> String {
    let inner = |object: &str, field: &str| embed.get(object).and_then(|object| text_in(object, field)).unwrap_or_default();
    let mut out = inner("author", "name");
    let (title, url) = (text_in(embed, "title"), text_in(embed, "url"));
    match (title, url) {
        (Some(title), Some(url)) => add_line(&mut out, &format!("{title} ({url})")),
        (Some(title), None) => add_line(&mut out, &title),
        // A link that shows nothing but itself says nothing new.
        (None, _) => {}
    }
    add_line(&mut out, &text_in(embed, "description").unwrap_or_default());
    for field in embed.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let (name, value) = (text_in(field, "name").unwrap_or_default(), text_in(field, "value").unwrap_or_default());
        let between = if name.is_empty() || value.is_empty() { "" } else { ": " };
        add_line(&mut out, &format!("{name}{between}{value}"));
    }
    add_line(&mut out, &inner("footer", "text"));
    out
}

/// What buttons say, and texts among them. JSON nests at most 128 deep, so this does too.
fn buttons(component: &Value, out: &mut String) {
    match (text_in(component, "label"), text_in(component, "url")) {
        (Some(label), Some(url)) => add_line(out, &format!("[{label}] ({url})")),
        (Some(label), None) => add_line(out, &format!("[{label}]")),
        (None, _) => {}
    }
    add_line(out, &text_in(component, "content").unwrap_or_default());
    for inner in component.get("components").and_then(Value::as_array).into_iter().flatten() {
        buttons(inner, out);
    }
}

/// The question and the answers of a poll. Votes are counted for as long as it is open, and belong to no message.
fn poll_text(mut poll: Fields) -> Result<String, Shape> {
    let mut out = format!("Poll: {}", poll.filled("question")?.unwrap_or_default());
    for mut answer in poll.objects("answers")? {
        let emoji = match answer.object("emoji")? {
            Some(mut emoji) => emoji.filled("name")?.map(|name| format!("{name} ")),
            None => None,
        };
        add_line(&mut out, &format!("- {}{}", emoji.unwrap_or_default(), answer.filled("text")?.unwrap_or_default()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn body(author: Author, json: &str) -> Body {
        let mut mentions = Mentions::default();
        mentions.add("1", "Ann", "Ann");
        let about = About { author, command: None, refers: json.contains("reference") };
        read(&mut Fields::parse(json).unwrap(), about, &mentions).unwrap()
    }

    const EMBED: &str = r#"{"title":"Deal 7","url":"https://deals/7","description":"sold to @Ann","author":{"name":"Desk"},"fields":[{"name":"Size","value":"5m"},{"name":"","value":"x"}],"footer":{"text":"end"},"image":{"url":"a_Files/c.png"},"images":[{"url":"a_Files/c.png"},{"url":"b"}]}"#;

    #[test]
    fn embeds_of_programs_and_of_linked_pages() {
        let shown = "Desk\nDeal 7 (https://deals/7)\nsold to @Ann\nSize: 5m\nx\nend";
        let bot = body(Author::Program, &format!(r#"{{"content":"","embeds":[{EMBED}]}}"#));
        assert_eq!((bot.text.as_str(), bot.original.as_deref()), (shown, Some(&*shown.replace("@Ann", "<@1>"))));
        let urls: Vec<_> = bot.files.iter().map(|file| (file.url.as_deref().unwrap(), file.is_said)).collect();
        assert_eq!(urls, [("a_Files/c.png", true), ("b", true)]);
        let person = body(Author::Person, &format!(r#"{{"content":"see https://deals/7","embeds":[{EMBED},{{"url":"https://x"}}]}}"#));
        assert_eq!(person.text, format!("see https://deals/7\n{shown}"));
        assert_eq!(person.original.as_deref(), Some("see https://deals/7"));
        assert!(person.files.iter().all(|file| !file.is_said));
    }

    #[test]
    fn all_that_is_said() {
        let json = r#"{"content":"hi\r\n@Ann","stickers":[{"id":"5","name":"wave","format":"Png","sourceUrl":"https://x/5.png"}],
          "components":[{"type":"ActionRow","components":[{"type":"Button","label":"Docs","url":"https://docs"},{"type":"Button","label":"No"},{"content":"text"}]}],
          "poll":{"question":"When?","answers":[{"id":1,"text":"now","emoji":{"name":"⏰"}},{"id":2,"text":"later"}],"results":{"answers":[{"id":1,"count":3}]}},
          "forwardedMessage":{"content":"sell","attachments":[{"fileName":"q.pdf","url":"u","fileSizeBytes":3}],"embeds":[],"stickers":[]}}"#;
        let said = body(Author::Person, json);
        assert_eq!(
            said.text,
            "hi\n@Ann\n[sticker: wave]\nForwarded message:\nsell\n[Docs] (https://docs)\n[No]\ntext\nPoll: When?\n- ⏰ now\n- later"
        );
        assert!(said.original.unwrap().starts_with("hi\n<@1>\n"));
        assert_eq!(said.files.len(), 2);
    }

    #[test]
    fn the_form_of_newer_exporters_and_what_older_ones_lack() {
        let newer = body(Author::Person, r#"{"content":"@Ann in #desk","contentRaw":"<@!1> in <#5>"}"#);
        assert_eq!((newer.text.as_str(), newer.original.as_deref()), ("@Ann in #desk", Some("<@1> in <#5>")));
        assert!(body(Author::Person, r#"{"content":"","reference":{"messageId":"5","channelId":"6"}}"#).lacks_forwarded);
        assert!(!body(Author::Person, r#"{"content":"x","reference":{"messageId":"5","channelId":"6"}}"#).lacks_forwarded);
    }
}
