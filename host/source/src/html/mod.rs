//! HTML of messages to plain text.
//!
//! Where tags, comments and characters begin and end, html5gum says, as the WHATWG's standard has it and browsers do it. It holds one token at a time and no
//! tree, so that hostile nesting costs nothing. What each is in a plain text is decided here ([`writer`]).
//!
//! What counts is that no word is lost whatever the markup is. A tag that nobody knows is as if it were not there and its content stays. In two things this
//! is not the standard, by which they would be dropped: an address in angle brackets, as people write it, is text; and so is what begins like a tag or comment
//! and has no end, or begins like the end of a tag that can't be one (`</3`).

mod writer;

use std::convert::Infallible;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Error, Span, Tokenizer};

use self::writer::Writer;

/// Tags and comments without an end that are looked for in vain before all the rest counts as text, and what begins like the end of one and is none: each may cost a
/// look at all the rest.
const MOST_ENDLESS: u32 = 4;
/// Attributes of one tag that are looked at.
const MOST_ATTRIBUTES: usize = 64;

/// What stands in a message's HTML and only its other fields explain.
pub trait Named {
    /// Who is meant by the mention with this id. A name in several parts is several mentions of one.
    fn mentioned(&self, id: &str) -> Option<String>;
    /// What the attachment with this id says, to be put in its place.
    fn attached(&mut self, id: &str) -> Option<String>;
    /// Whether it matters where a link leads.
    fn leads(&self, _target: &str) -> bool {
        true
    }
}

/// Where nothing else explains anything.
pub struct Nothing;

impl Named for Nothing {
    fn mentioned(&self, _id: &str) -> Option<String> {
        None
    }

    fn attached(&mut self, _id: &str) -> Option<String> {
        None
    }
}

/// A picture, sound or film that a text shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Where it is.
    pub source: String,
    /// What stands there where it can't be shown; may be empty.
    pub alt: String,
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// The plain text, `\n` between lines.
    pub text: String,
    /// What it shows, in order.
    pub shown: Vec<Shown>,
}

/// Reads HTML.
pub fn read(html: &str, named: &mut dyn Named) -> Read {
    let mut writer = Writer::default();
    let mut rest = html;
    for _ in 0..MOST_ENDLESS {
        rest = rest.get(tokens(rest, &mut writer, named)..).unwrap_or_default();
        let Some(after) = rest.strip_prefix('<') else { break };
        writer.words("<");
        rest = after;
    }
    writer.words(rest);
    writer.finish()
}

/// Writes all up to what begins like a tag or comment and is none, and answers with how many bytes that was.
fn tokens(html: &str, writer: &mut Writer, named: &mut dyn Named) -> usize {
    let (mut done, mut begin, mut is_cut) = (0, 0, false);
    let mut tag = Tag::default();
    let take = |event: CallbackEvent<'_>, span: Span<usize>| {
        let raw = |begin: usize| html.get(begin..span.end).unwrap_or_default();
        match event {
            CallbackEvent::OpenStartTag { name } => {
                tag = Tag::named(name);
                begin = span.start;
                return None;
            }
            CallbackEvent::AttributeName { name } => {
                tag.attribute(name);
                return None;
            }
            CallbackEvent::AttributeValue { value } => {
                tag.value(value);
                return None;
            }
            CallbackEvent::Error(error) => {
                is_cut |= matches!(error, Error::EofInTag | Error::EofInComment | Error::EofInDoctype);
                return None;
            }
            CallbackEvent::Comment { .. } | CallbackEvent::Doctype { .. } if is_cut || !raw(span.start).ends_with('>') => return Some(Stop),
            CallbackEvent::Comment { .. } if raw(span.start).starts_with("</") => return Some(Stop),
            CallbackEvent::Comment { .. } | CallbackEvent::Doctype { .. } => {}
            CallbackEvent::String { value } => writer.words(&String::from_utf8_lossy(value)),
            CallbackEvent::CloseStartTag { .. } => tag.write(raw(begin), writer, named),
            CallbackEvent::EndTag { name } => Tag { closes: true, ..Tag::named(name) }.write(raw(span.start), writer, named),
        }
        done = span.end;
        None
    };
    // Reading from memory never fails, so what comes out is at most that.
    let mut stops = Tokenizer::new_with_emitter(html, CallbackEmitter::new(take));
    let _: Option<Result<Stop, Infallible>> = stops.next();
    drop(stops);
    done
}

/// That what comes has to be read otherwise.
struct Stop;

#[derive(Debug, Default)]
struct Tag {
    /// In small letters, as attributes' names.
    name: String,
    closes: bool,
    attributes: Vec<(String, String)>,
    /// Attributes there were, with those that are not looked at.
    count: usize,
}

impl Tag {
    fn named(name: &[u8]) -> Self {
        Self { name: String::from_utf8_lossy(name).into_owned(), ..Self::default() }
    }

    fn attribute(&mut self, name: &[u8]) {
        self.count += 1;
        if self.count <= MOST_ATTRIBUTES {
            self.attributes.push((String::from_utf8_lossy(name).into_owned(), String::new()));
        }
    }

    /// The value of the attribute that came last.
    fn value(&mut self, value: &[u8]) {
        if self.count <= MOST_ATTRIBUTES
            && let Some((_, last)) = self.attributes.last_mut()
        {
            *last = String::from_utf8_lossy(value).into_owned();
        }
    }

    fn get(&self, name: &str) -> &str {
        self.attributes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Writes what it makes of the text. `raw`: how it stands there, which is what an address is.
    fn write(&self, raw: &str, writer: &mut Writer, named: &mut dyn Named) {
        if self.name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_')) {
            writer.tag(self, named);
        } else {
            writer.words(raw);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Message;

    impl Named for Message {
        fn mentioned(&self, id: &str) -> Option<String> {
            match id {
                "0" | "1" => Some("ann".into()),
                "2" => Some("bob".into()),
                _ => None,
            }
        }

        fn attached(&mut self, id: &str) -> Option<String> {
            (id == "quote").then(|| "> Bob: sold\n> at 3".into())
        }
    }

    fn text(html: &str) -> String {
        read(html, &mut Message).text
    }

    #[test]
    fn lines_and_spaces() {
        for (html, plain) in [
            ("plain", "plain"),
            ("<p>one</p>\n<p>two</p>", "one\ntwo"),
            ("<p>one</p><p>&nbsp;</p><p>two</p>", "one\n\ntwo"),
            ("<div>a<br></div><div>b<br/><br>c</div>", "a\nb\n\nc"),
            ("  many \n\t spaces&nbsp;&nbsp;hard ", "many spaces  hard"),
            ("<div><div><div>deep</div></div></div>", "deep"),
            ("a<p>b</p>c", "a\nb\nc"),
            ("<b>bo</b>ld <i> it</i>", "bold it"),
            ("<p></p>", ""),
            ("<pre>a  b\n  c</pre>after", "a  b\n  c\nafter"),
            ("<codeblock class=\"Sql\"><code>select *<br>from  t</code></codeblock>", "select *\nfrom  t"),
            ("<blockquote>said<br>so</blockquote>indeed", "> said\n> so\nindeed"),
            ("one<hr>two", "one\n---\ntwo"),
            ("<h1>Title</h1>text", "Title\ntext"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn lists_and_tables() {
        assert_eq!(text("<ul><li>a</li><li><p>b</p><ol><li>c</li><li>d</li></ol></li></ul>e"), "- a\n- b\n  1. c\n  2. d\ne");
        assert_eq!(text("<ol start=\"3\"><li>c</li></ol><li>loose"), "3. c\n- loose");
        assert_eq!(text("<table><tbody><tr><td>a</td><td><p>b</p></td></tr><tr><th>c</th>\n<td>d</td></tr></table>"), "a | b\nc | d");
    }

    #[test]
    fn entities() {
        for (html, plain) in [
            ("3 &lt; 4 &amp;&amp; 5 &gt; 4 &quot;x&apos; &#39;&#x1F600;", "3 < 4 && 5 > 4 \"x' '😀"),
            ("&eacute;&Uuml;&szlig;&yuml;&iexcl;&euro;", "éÜßÿ¡€"),
            ("&unknown; &amp;lt; & &; AT&T", "&unknown; &lt; & &; AT&T"),
            ("&#xd800;&#99999999999; &#128; &ne;&nbsp;&copy 1 &check;", "\u{fffd}\u{fffd} € ≠ © 1 ✓"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn what_is_no_tag_is_text() {
        for (html, plain) in [
            ("a < b > c <3 <- <", "a < b > c <3 <- <"),
            ("to <ann@desk.example>", "to <ann@desk.example>"),
            ("<unknown x=1>kept</unknown>", "kept"),
            ("open <b", "open <b"),
            ("open <a href=\"x", "open <a href=\"x"),
            ("open <a href=\"x <b>y</b> &amp; z", "open <a href=\"x y & z"),
            ("i </3 <b>it</b>", "i </3 it"),
            ("<A@b.example> <P CLASS=x>kept</P> </", "<A@b.example>\nkept\n</"),
            ("<!-- gone -->here<!-- open", "here<!-- open"),
            ("<!DOCTYPE html><?xml ?>x", "x"),
            ("</p></li></ul></blockquote></a></at>x", "x"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn links() {
        for (html, plain) in [
            ("<a href=\"https://a.example/?x=1&amp;y=2\">the book</a>.", "the book (https://a.example/?x=1&y=2)."),
            ("<a href='https://a.example/'>https://a.example</a>", "https://a.example"),
            ("<a href=https://a.example>a.example</a> <a href=\"mailto:ann@x\">ann@x</a>", "a.example ann@x"),
            ("see <a href=\"https://a.example\"></a>", "see https://a.example"),
            ("<a>no target</a>", "no target"),
        ] {
            assert_eq!(text(html), plain, "{html}");
        }
    }

    #[test]
    fn mentions_attachments_and_pictures() {
        assert_eq!(
            text("<at id=\"0\">Ann</at>&nbsp;<at id=\"1\">Lee</at> and <at id=\"2\">Bob</at> <at id=\"2\">Bob</at>, <at id=\"2\">Bob</at>"),
            "@Ann Lee and @Bob Bob, @Bob"
        );
        assert_eq!(text("<at id=\"8\">all</at> <at id=\"9\">desk</at>"), "@all @desk");
        assert_eq!(text("<attachment id=\"quote\"></attachment><p>yes</p><attachment id=\"file\"></attachment>"), "> Bob: sold\n> at 3\nyes");
        let seen = read(
            "a <img alt=\"chart\" src=\"https://x/1\"> <img src='https://x/2'> <emoji id=\"smile\" alt=\"🙂\" title=\"Smile\"></emoji> <img itemtype=\"http://schema.skype.com/Emoji\" alt=\"😀\" src=\"https://x/3\"><video src=\"https://x/4\"></video>",
            &mut Nothing,
        );
        assert_eq!(seen.text, "a [chart] [image] 🙂 😀[video]");
        assert_eq!(seen.shown.iter().map(|shown| shown.source.as_str()).collect::<Vec<_>>(), ["https://x/1", "https://x/2", "https://x/4"]);
    }

    #[test]
    fn hostile_markup_takes_no_time() {
        for piece in [
            "<a ",
            "<!-- ",
            "<a href=\"",
            "&",
            "<",
            "<ul><li>",
            "<blockquote>",
            "<div>",
            "<at id=\"1\">",
            "&#",
            "&amp",
            "&notin",
            "</3 ",
            "<!doctype ",
            "<a b=c ",
        ] {
            let html = piece.repeat(200_000);
            let out = text(&html);
            assert!(out.len() <= 200_000 * (piece.len() + 2 * writer::DEEPEST + 4), "{piece}");
        }
    }
}
