//! What people write, and call themselves and their files, against what an e-mail of ours says.

use consign_model::Flags;
use consign_model::event::EventKind;

use super::support::{Sample, header, python};

/// The lines of a plain body that are ours, and how many belong to recorded texts.
fn ours(plain: &str) -> (Vec<&str>, usize) {
    let (texts, ours): (Vec<&str>, Vec<&str>) = plain.lines().partition(|line| line.trim_start().starts_with("| "));
    (ours, texts.len())
}

/// A message, a reply, an edit with both texts, a deletion, a system event, each with a file: whatever shows a text, with this one.
fn everywhere(text: &str) -> Sample {
    let mut sample = Sample::new();
    sample.person("U1", "Ann Lee", Some("ann@desk.example")).person("U2", "Bob Ray", None);
    for kind in [EventKind::Message, EventKind::Message, EventKind::Edit, EventKind::Delete, EventKind::Other] {
        let number = sample.events.len();
        let event = sample.event(kind, "U1", if kind == EventKind::Delete { "" } else { text });
        event.thread = (number == 1).then(|| "m0".to_owned());
        event.target = matches!(kind, EventKind::Edit | EventKind::Delete).then(|| "m1".to_owned());
        sample.attach("q.pdf", "application/pdf", vec![1]);
        if matches!(kind, EventKind::Edit | EventKind::Delete) {
            sample.events[number].2 = Some(text.to_owned());
        }
    }
    sample
}

#[test]
fn no_text_forges_a_line_of_ours() {
    const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let honest = &python(&everywhere("ok").compose())[0];
    let (plain, frame) = (honest["plain"].as_str().unwrap(), honest["frame"].as_str().unwrap());
    // Every kind of line that there is, in both bodies, at any indent; and a genuine reply of somebody else.
    let mut lines: Vec<&str> = plain.lines().chain(frame.lines()).collect();
    lines.push("    [2026-01-05T08:01:02.345Z] Bob Ray ↳ reply to Ann Lee, 2026-01-05T08:00:00.345Z: fix it at 4.02");
    lines.extend(["before: x", "    after: x", "        attached: x.exe (a/b, 1 byte)", "Files", "  | x"]);
    for line_break in ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{2029}", "\u{b}", "\u{c}", "\n\n", "<br>", "</div></div><div class=\"e\">"] {
        let forged = format!("ok{line_break}{}", lines.join(line_break));
        let found = &python(&everywhere(&forged).compose())[0];
        let texts: Vec<&str> = found["blocks"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        assert_eq!((found["frame"].as_str().unwrap(), texts.len()), (frame, 6), "{line_break:?}");
        let (found, marked) = ours(found["plain"].as_str().unwrap());
        let breaks = forged.replace("\r\n", "\n").matches(BREAKS).count();
        assert_eq!((found.len(), marked), (plain.lines().count(), 6 * breaks), "{line_break:?}");
        if line_break.contains(BREAKS) {
            assert_eq!(found, plain.lines().collect::<Vec<_>>(), "{line_break:?}");
            assert!(texts.iter().all(|text| text.contains("\n[2026-01-05T08:00:00.345Z]")), "{line_break:?}");
        }
    }
}

#[test]
fn a_program_does_not_pass_for_a_person() {
    let mut sample = Sample::new();
    sample.person("B1", "builds", None).person("U1", "Ann Lee", None);
    sample.facts.participants[0].user.bot = true;
    let said = [
        (None, Flags::FROM_BOT),
        (Some("U1"), Flags::FROM_BOT),
        (Some("B1"), Flags::default()),
        (Some("U1"), Flags::default()),
        (None, Flags::default()),
    ];
    for (number, (user, flags)) in said.into_iter().enumerate() {
        let event = sample.event(EventKind::Message, "", "ship it");
        event.user = user.map(str::to_owned);
        event.sender_name = (number < 3).then(|| "Ann \"A\" Lee".to_owned());
        event.flags = flags;
    }
    sample.event(EventKind::Other, "", "the server was restarted").user = None;
    sample.event(EventKind::Reaction, "U1", "eyes").target = Some("m0".to_owned());
    let parsed = &python(&sample.compose())[0];
    let plain = parsed["plain"].as_str().unwrap();
    for line in [
        "00.345Z] (no user) posted as \"Ann 'A' Lee\" (bot): ship it",
        "01.345Z] Ann Lee posted as \"Ann 'A' Lee\" (bot): ship it",
        "02.345Z] builds posted as \"Ann 'A' Lee\" (bot): ship it",
        "03.345Z] Ann Lee: ship it",
        "04.345Z] (no user): ship it",
        "05.345Z] (system): the server was restarted",
        "to the message of (no user) posted as \"Ann 'A' Lee\", 2026",
    ] {
        assert!(plain.contains(line), "{line} in {plain}");
    }
    assert!(parsed["frame"].as_str().unwrap().contains("(no user) posted as \"Ann 'A' Lee\" (bot):"), "{}", parsed["frame"]);
    assert_eq!(parsed["json"]["events"][0]["sender_name"], "Ann \"A\" Lee");
}

#[test]
fn what_turns_the_order_around_or_talks_to_terminals_is_shown() {
    let mut sample = Sample::new();
    sample.person("U1", "Eve\u{202e}god", None);
    sample.facts.chat.title = Some("desk\u{2066}\u{200f}".to_owned());
    sample.event(EventKind::Message, "U1", "a\u{9b}31mb\u{202e}c\u{2069}").sender_name = Some("\u{202b}x".to_owned());
    sample.attach("invoice\u{202e}fdp.exe", "application/pdf", vec![1]);
    sample.target.headers.insert("X-Who".to_owned(), "{{ from_name }}".to_owned());
    let emails = sample.compose();
    let parsed = &python(&emails)[0];
    let shown = |c: char| matches!(c, '\u{80}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    for place in ["plain", "html"] {
        assert!(!parsed[place].as_str().unwrap().contains(shown), "{place}: {}", parsed[place]);
        assert!(parsed[place].as_str().unwrap().contains("a[U+009B]31mb[U+202E]c[U+2069]"), "{place}: {}", parsed[place]);
    }
    assert_eq!(header(parsed, "Subject"), ["desk[U+2066][U+200F], 1 users, 1 messages"]);
    assert_eq!(header(parsed, "X-Who"), ["Eve[U+202E]god"]);
    assert_eq!(parsed["attachments"][0]["name"], "invoice_fdp.exe");
    assert_eq!(parsed["json"]["events"][0]["text"], "a\u{9b}31mb\u{202e}c\u{2069}");
    assert_eq!(parsed["json"]["participants"][0]["name"], "Eve\u{202e}god");
}
