//! Composed e-mails, read back by Python's `email`, and compared with golden files.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "compose/support.rs"]
mod support;

use std::path::PathBuf;

use consign_mail::compose::{ComposeError, FIRST_HEADER, SealedFile, message_id, plan, render};
use consign_model::event::EventKind;
use consign_model::policy::{AttachmentFilter, AttachmentsSpec, ByteSize};
use consign_model::{Attachment, ChatKind, Digest, Flags, Membership, RunId, Timestamp};
use serde_json::{Value, json};

use support::{Random, START, Sample, header, name, python};

/// A small day in a channel, with one of everything.
fn day() -> Sample {
    let mut day = Sample::new();
    day.person("U1", "Ann Lee", Some("ann@desk.example")).person("U2", "Jürgen Groß", Some("juergen@desk.example"));
    day.person("U3", "佐藤 花子", None).person("U4", "Left Long Ago", Some("left@desk.example"));
    day.facts.participants[2].memberships = vec![
        Membership { joined: Some(Timestamp(START + 500)), left: Some(Timestamp(START + 4500)) },
        Membership { joined: Some(Timestamp(START + 9345)), left: None },
    ];
    day.facts.participants[3].memberships = vec![Membership { joined: None, left: Some(Timestamp(START - 86_400_000)) }];
    day.facts.participants[1].user.external = true;
    day.event(EventKind::Join, "U3", "");
    day.event(EventKind::Message, "U1", "Morning.\nWhere is the fixing?");
    day.event(EventKind::Message, "U2", "<b>4.02</b> & rising 📈").thread = Some("m1".to_owned());
    day.attach("Kurve März.csv", "text/csv", b"a,b\n1,2\n".to_vec());
    day.event(EventKind::Edit, "U2", "4.03").target = Some("m2".to_owned());
    day.events[3].2 = Some("<b>4.02</b> & rising 📈".to_owned());
    day.events[2].1 = Flags::EDITED;
    day.event(EventKind::Leave, "U3", "");
    day.event(EventKind::Reaction, "U1", "thumbsup").target = Some("m2".to_owned());
    day.event(EventKind::Delete, "U1", "").target = Some("gone".to_owned());
    day.event(EventKind::Message, "U9", "I am in no list\u{0301}\0").thread = Some("elsewhere".to_owned());
    day.events[7].1 = Flags::LATE;
    day.events[7].0.sender_name = Some("Deploy\r\nBot".to_owned());
    let missing =
        Attachment { name: "gone.bin".into(), media_type: "x/y".into(), size: None, digest: None, url: Some("https://a.example/?b&c".into()) };
    day.events[7].0.attachments.push(missing);
    day.event(EventKind::Other, "U1", "set the topic: <rates>");
    day.event(EventKind::Join, "U3", "");
    day
}

fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("CONSIGN_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
        return;
    }
    let wanted = std::fs::read(&path).unwrap_or_default();
    assert!(
        wanted == bytes,
        "{name} came out otherwise than its golden file. If that is meant, raise COMPOSER and run with CONSIGN_UPDATE_GOLDEN=1. Got:\n{}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn a_day_is_as_its_golden_file_and_python_reads_it() {
    let mut day = day();
    day.target.headers.insert("X-Desk".to_owned(), "{{ chat.labels.team }}".to_owned());
    day.target.headers.insert("X-Nothing".to_owned(), "{{ chat.labels.nothing }}".to_owned());
    day.references = vec!["earlier@corp.example".to_owned(), "not usable>".to_owned()];
    let emails = day.compose();
    assert_eq!(emails.len(), 1);
    golden("day.eml", &emails[0].bytes);
    assert!(emails[0].bytes.starts_with(FIRST_HEADER.as_bytes()));
    let parsed = &python(&emails)[0];
    assert_eq!(header(parsed, "Subject"), ["rates-desk, 3 users, 10 messages"]);
    assert_eq!(header(parsed, "From"), ["journal@corp.example"]);
    assert_eq!(header(parsed, "To"), ["ingest@archive.example"]);
    assert_eq!(header(parsed, "Date"), ["Mon, 05 Jan 2026 08:00:09 +0000"]);
    assert_eq!(header(parsed, "Message-ID"), [format!("<{}>", emails[0].message_id)]);
    assert_eq!(header(parsed, "References"), ["<earlier@corp.example>"]);
    assert_eq!(header(parsed, "In-Reply-To"), ["<earlier@corp.example>"]);
    assert_eq!(header(parsed, "X-Desk"), ["fx"]);
    assert_eq!(header(parsed, "X-Nothing"), [""; 0]);
    assert_eq!(header(parsed, "X-Consign-Run"), ["fx-desk-000012"]);
    let body = &parsed["json"];
    assert_eq!(body["policy"], "fx-desk");
    assert_eq!(body["chat"], json!({"id": "C024BE91L", "kind": "channel", "title": "rates-desk"}));
    assert_eq!(body["group"], json!({"key": "C024BE91L", "subject": null}));
    assert_eq!((&body["part"], &body["parts"]), (&json!(1), &json!(1)));
    assert_eq!(body["participants"].as_array().unwrap().len(), 3);
    let events = body["events"].as_array().unwrap();
    assert_eq!(events[3]["previous"], "<b>4.02</b> & rising 📈");
    assert_eq!(events[7]["text"], "I am in no list\u{0301}\0");
    assert_eq!(events[7]["attachments"][0]["reason"], "missing");
    assert_eq!(parsed["attachments"][0]["name"], "Kurve März.csv");
    assert_eq!(parsed["attachments"][0]["sha256"], Digest::of(b"a,b\n1,2\n").hex());
    let plain = parsed["plain"].as_str().unwrap().replace("\r\n", "\n");
    assert!(plain.contains("[2026-01-05T08:00:01.345Z] Ann Lee: Morning.\n    Where is the fixing?\n"), "{plain}");
    assert!(
        plain.contains("    [2026-01-05T08:00:02.345Z] Jürgen Groß ↳ reply to Ann Lee, 2026-01-05T08:00:01.345Z (edited later): <b>4.02"),
        "{plain}"
    );
    assert!(
        plain.contains(
            "Jürgen Groß edited the message of Jürgen Groß, 2026-01-05T08:00:02.345Z\n    before: <b>4.02</b> & rising 📈\n    after: 4.03"
        ),
        "{plain}"
    );
    assert!(
        plain.contains("joined 2026-01-05T08:00:00.500Z, left 2026-01-05T08:00:04.500Z; joined 2026-01-05T08:00:09.345Z, still there"),
        "{plain}"
    );
    assert!(plain.contains("not attached: gone.bin (x/y): missing, it was at https://a.example/?b&c"), "{plain}");
    let html = parsed["html"].as_str().unwrap();
    assert!(html.contains("&lt;b&gt;4.02&lt;/b&gt; &amp; rising 📈") && !html.contains("<b>4.02"), "{html}");
    for outside in ["http-equiv", "<script", "<img", "src=", "href=", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn an_events_fields_are_all_in_the_json() {
    let mut one = Sample::new();
    one.person("U1", "Ann", None);
    let event = one.event(EventKind::Reaction, "U1", "wave");
    event.target = Some("m-7".to_owned());
    event.thread = Some("m-1".to_owned());
    event.sender_name = Some("Bot".to_owned());
    event.original = Some(":wave:".to_owned());
    event.previous = Some("never shown: the export decides".to_owned());
    one.events[0].1 = Flags::REMOVED.with(Flags::EDITED).with(Flags::DELETED).with(Flags::LATE);
    let parsed = python(&one.compose());
    let expected = json!({
        "id": "m0", "type": "reaction", "at": "2026-01-05T08:00:00.345Z", "user": "U1", "text": "wave", "position": 100, "sender_name": "Bot",
        "thread": "m-1", "target": "m-7", "original": ":wave:", "removed": true, "edited": true, "deleted": true, "late": true
    });
    assert_eq!(parsed[0]["json"]["events"][0], expected);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_the_run_is_not_in_the_id() {
    let mut day = day();
    let first = day.compose();
    assert_eq!(first, day.compose());
    let id = |day: &Sample| day.with_input(|input| message_id(input, 1).unwrap());
    assert_eq!(first[0].message_id, id(&day));
    day.run = RunId::new(&name("fx-desk"), 13);
    assert_eq!(first[0].message_id, day.compose()[0].message_id);
    assert_ne!(first[0].bytes, day.compose()[0].bytes);
    let mut ids = vec![id(&day)];
    day.tenant = name("other");
    ids.push(id(&day));
    day.window.from += 1;
    ids.push(id(&day));
    day.key.push('x');
    ids.push(id(&day));
    day.window.chat.id.push('x');
    ids.push(id(&day));
    ids.push(day.with_input(|input| message_id(input, 2).unwrap()));
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(ids.iter().all(|id| id.ends_with("@corp.example")));
}

/// What must be found in the parts of a group: each event once, in order; each attachment's bytes where the JSON says.
fn check_parts(sample: &Sample, parsed: &[Value]) {
    let parts = parsed.len();
    let mut events = Vec::new();
    for (index, one) in parsed.iter().enumerate() {
        assert_eq!((&one["json"]["part"], &one["json"]["parts"]), (&json!(index + 1), &json!(parts)));
        let found: Vec<&Value> = one["json"]["events"].as_array().unwrap().iter().collect();
        let files = one["json"]["files"].as_array().cloned().unwrap_or_default();
        let here = found.iter().flat_map(|event| event["attachments"].as_array().into_iter().flatten());
        let here = here.filter(|one| one["attached"] == json!(true) && one["part"].is_null());
        // Files of events go first, sealed files last.
        let (of_events, sealed): (Vec<&Value>, Vec<&Value>) = files.iter().partition(|file| !file["event"].is_null());
        let named: Vec<&Value> = of_events.into_iter().chain(here).chain(sealed).collect();
        let attached = one["attachments"].as_array().unwrap();
        assert_eq!(named.iter().map(|one| &one["sha256"]).collect::<Vec<_>>(), attached.iter().map(|one| &one["sha256"]).collect::<Vec<_>>());
        events.extend(found.into_iter().cloned());
        for event in one["json"]["events"].as_array().unwrap() {
            for spread in event["attachments"].as_array().into_iter().flatten().filter(|one| !one["part"].is_null()) {
                let part = usize::try_from(spread["part"].as_u64().unwrap()).unwrap();
                let files = parsed[part - 1]["json"]["files"].as_array().unwrap();
                assert!(files.iter().any(|file| file["sha256"] == spread["sha256"] && file["event"] == event["id"]), "{spread}");
            }
        }
    }
    let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, sample.events.iter().map(|(event, ..)| event.id.as_str()).collect::<Vec<_>>());
    for (found, (event, ..)) in events.iter().zip(&sample.events) {
        assert_eq!(found["text"], event.text);
        assert_eq!(found["user"].as_str(), event.user.as_deref());
    }
}

#[test]
fn parts_hold_every_event_once_and_none_is_too_large() {
    let mut random = Random::new("parts");
    let mut many = 0;
    for _ in 0..25 {
        let mut sample = Sample::new();
        sample.person("U1", "Ann", Some("ann@desk.example")).person("U2", "Bob", None);
        sample.target.max_size = ByteSize(20_000 + random.below(120_000) as u64);
        if random.below(2) == 0 {
            sample.target.subject = "{% if part > 2 %}{{ chat.title * 20 }}{% endif %} {{ part }}".to_owned();
        }
        for _ in 0..random.below(80) {
            let kind = EventKind::ALL[random.below(7)];
            let text = match random.below(12) {
                0 => "長い".repeat(random.below(600)),
                1 => "line\n".repeat(random.below(800)),
                _ => random.text(6),
            };
            sample.event(kind, if random.below(2) == 0 { "U1" } else { "U2" }, &text);
            for _ in 0..random.below(8).saturating_sub(5) {
                let len = random.below(40_000);
                let content = random.bytes(len);
                let name = random.text(3);
                sample.attach(&name, "application/pdf", content);
            }
        }
        for index in 0..random.below(4) {
            let content = random.bytes(5000);
            sample.files.push(SealedFile { name: format!("{index}.arrow.zst.age"), size: 5000, digest: Digest::of(&content) });
            sample.contents.insert(Digest::of(&content), content);
        }
        let emails = sample.with_input(|input| match plan(input) {
            Ok(_) => Some(sample.compose()),
            // A text too large for the limit that was drawn.
            Err(ComposeError::EventTooLarge { .. }) => None,
            Err(other) => panic!("{other}"),
        });
        if let Some(emails) = emails {
            many = many.max(emails.len());
            let parsed = python(&emails);
            check_parts(&sample, &parsed);
            for later in parsed.iter().skip(1) {
                assert_eq!(header(later, "In-Reply-To"), [format!("<{}>", emails[0].message_id)]);
            }
        }
    }
    assert!(many > 3, "no group of this run had several parts");
}

#[test]
fn attachments_that_do_not_fit_beside_each_other_follow_in_parts() {
    let mut random = Random::new("spread");
    let mut sample = Sample::new();
    sample.person("U1", "Ann", None);
    sample.target.max_size = ByteSize(64 << 10);
    sample.event(EventKind::Message, "U1", "before");
    sample.event(EventKind::Message, "U1", "five files");
    for index in 0..5 {
        let content = random.bytes(30_000);
        sample.attach(&format!("{index}.bin"), "application/octet-stream", content);
    }
    let content = random.bytes(60_000);
    sample.attach("huge.bin", "application/octet-stream", content);
    sample.event(EventKind::Message, "U1", "after");
    let emails = sample.compose();
    let parsed = python(&emails);
    check_parts(&sample, &parsed);
    assert_eq!(parsed.iter().map(|one| one["attachments"].as_array().unwrap().len()).sum::<usize>(), 5);
    let whole = parsed.iter().flat_map(|one| one["json"]["events"].as_array().unwrap()).find(|event| event["id"] == "m1").unwrap();
    assert_eq!(whole["attachments"][5]["reason"], "too large for one e-mail");
    assert_eq!(header(&parsed[1], "Subject"), [format!("rates-desk, 1 users, 3 messages (part 2 of {})", emails.len())]);
}

#[test]
fn what_cannot_be_composed_is_an_error_that_names_it() {
    let mut sample = Sample::new();
    sample.target.max_size = ByteSize(100_000);
    sample.event(EventKind::Message, "U1", "fine");
    sample.event(EventKind::Message, "U1", &"secret ".repeat(20_000));
    let error = sample.with_input(|input| plan(input).unwrap_err());
    assert!(matches!(&error, ComposeError::EventTooLarge { event, .. } if event == "m1"), "{error}");
    assert!(!error.to_string().contains("secret"));

    let mut sample = day();
    sample.files = vec![SealedFile { name: "a.age".to_owned(), size: 90_000, digest: Digest::of(b"x") }];
    sample.target.max_size = ByteSize(64 << 10);
    assert!(matches!(sample.with_input(|input| plan(input).unwrap_err()), ComposeError::FileTooLarge { size: 90_000, .. }));
    sample.target.max_size = ByteSize(1000);
    assert!(matches!(sample.with_input(|input| plan(input).unwrap_err()), ComposeError::NoRoom { .. }));

    let sample = day();
    sample.with_input(|input| {
        let plan = plan(input).unwrap();
        assert!(matches!(render(input, &plan, 1, |_| None), Err(ComposeError::AttachmentUnread { .. })));
        assert!(matches!(render(input, &plan, 1, |_| Some(b"short".as_slice())), Err(ComposeError::AttachmentSize { found: 5, .. })));
        assert!(matches!(render(input, &plan, 2, |_| None), Err(ComposeError::WrongPlan { part: 2, parts: 1 })));
        assert!(matches!(render(input, &plan, 0, |_| None), Err(ComposeError::WrongPlan { part: 0, .. })));
    });
}

#[test]
fn the_policy_leaves_attachments_out_by_name() {
    let mut sample = day();
    sample.attachments = AttachmentsSpec::Some(AttachmentFilter { types: Some(vec!["image/*".to_owned()]), max: None });
    let parsed = python(&sample.compose());
    let attachment = &parsed[0]["json"]["events"][2]["attachments"][0];
    assert_eq!((&attachment["attached"], &attachment["reason"]), (&json!(false), &json!("left out by policy")));
    assert_eq!(parsed[0]["attachments"], json!([]));
    assert!(parsed[0]["plain"].as_str().unwrap().contains("left out by policy"));
}

#[test]
fn no_name_or_text_gets_out_of_its_place() {
    let mut random = Random::new("names");
    let mut samples = Vec::new();
    for _ in 0..60 {
        let mut sample = Sample::new();
        sample.facts.chat.title = Some(random.text(8));
        sample.title = Some(random.text(8));
        sample.key = random.text(4);
        sample.window.chat.id = random.text(4);
        sample.facts.chat.key = sample.window.chat.clone();
        sample.facts.chat.kind = ChatKind::Group;
        let (person, id) = (random.text(5), random.text(2));
        sample.person(&id, &person, Some(&random.text(3))).person("U2", &random.text(4), None);
        sample.subject = Some(0);
        sample.target.from = "\"Jürgen, FX\" <journal@corp.example>".to_owned();
        sample.target.headers.insert("X-People".to_owned(), "{{ participants | map(attribute='name') | join('; ') }}".to_owned());
        sample.target.headers.insert("X-From".to_owned(), "{{ from_name }} {{ from }} {{ to_name }} {{ chat.title }}".to_owned());
        for _ in 0..10 {
            let text = random.text(12);
            let event = sample.event(EventKind::Message, &id, &text);
            event.thread = Some(random.text(2));
            event.sender_name = (random.below(3) == 0).then(|| random.text(2));
            let (file, kind, len) = (random.text(4), random.text(2), random.below(50));
            let content = random.bytes(len);
            sample.attach(&file, &kind, content);
        }
        samples.push(sample);
    }
    let emails: Vec<_> = samples.iter().flat_map(Sample::compose).collect();
    let allowed = [
        "Date",
        "From",
        "To",
        "Message-ID",
        "Subject",
        "Auto-Submitted",
        "X-Consign-Policy",
        "X-Consign-Run",
        "X-Consign-Source",
        "X-Consign-Chat",
        "X-People",
        "X-From",
        "MIME-Version",
        "Content-Type",
    ];
    for (parsed, sample) in python(&emails).iter().zip(&samples) {
        check_parts(sample, std::slice::from_ref(parsed));
        let one = |text: &str| text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ").trim().to_owned();
        let names: Vec<&str> = parsed["headers"].as_array().unwrap().iter().map(|one| one[0].as_str().unwrap()).collect();
        assert!(names.iter().all(|name| allowed.contains(name)), "{names:?}");
        assert!(header(parsed, "From")[0].ends_with("<journal@corp.example>"));
        assert_eq!(parsed["json"]["chat"]["title"], sample.facts.chat.title.clone().unwrap());
        assert_eq!(parsed["json"]["group"]["subject"], sample.facts.participants[0].user.id);
        let title = sample.title.as_deref().filter(|title| !title.is_empty()).or(sample.facts.chat.title.as_deref().filter(|t| !t.is_empty()));
        let subject = header(parsed, "Subject")[0];
        let expected = one(&format!("{}, 2 users, 10 messages", title.unwrap_or(&sample.window.chat.id)));
        // Python drops a byte order mark at an encoded word's beginning, and white space between words of which one only looks encoded.
        let squeezed = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '\u{feff}').collect::<String>();
        assert_eq!(squeezed(subject), squeezed(&expected));
        for (event, found) in sample.events.iter().zip(parsed["json"]["events"].as_array().unwrap()) {
            assert_eq!(found["attachments"][0]["name"], event.0.attachments[0].name);
        }
    }
}

#[test]
fn a_large_room_is_listed_whole_once() {
    let mut sample = Sample::new();
    for number in 0..3000 {
        sample.person(&format!("U{number:05}"), &format!("Person {number}"), Some(&format!("p{number}@desk.example")));
    }
    sample.target.max_size = ByteSize(4 << 20);
    for _ in 0..6000 {
        sample.event(EventKind::Message, "U00007", &"Some words that are said again and again. ".repeat(6));
    }
    let parsed = python(&sample.compose());
    assert!(parsed.len() > 1);
    check_parts(&sample, &parsed);
    assert_eq!(parsed[0]["json"]["participants"].as_array().unwrap().len(), 3000);
    assert_eq!(parsed[1]["json"]["participants"].as_array().unwrap().len(), 100);
    assert_eq!(parsed[1]["json"]["participants"][0]["id"], "U00007");
    assert_eq!(parsed[1]["json"]["participants_not_listed"], 2900);
}

#[test]
fn a_group_in_two_parts_is_as_its_golden_files() {
    let mut day = day();
    day.target.max_size = ByteSize(16 << 10);
    let content: Vec<u8> = (0..6000_u32).map(|n| n.to_le_bytes()[0]).collect();
    day.attach("a.bin", "message/rfc822", content);
    let emails = day.compose();
    assert_eq!(emails.len(), 2);
    golden("two-1.eml", &emails[0].bytes);
    golden("two-2.eml", &emails[1].bytes);
    check_parts(&day, &python(&emails));
}

#[test]
fn an_encrypted_chat_is_sent_as_its_files() {
    let mut sample = Sample::new();
    let content = vec![7; 1000];
    sample.files = vec![SealedFile { name: "0001.arrow.zst.age".to_owned(), size: 1000, digest: Digest::of(&content) }];
    sample.contents.insert(Digest::of(&content), content.clone());
    let emails = sample.compose();
    golden("sealed.eml", &emails[0].bytes);
    let parsed = python(&emails);
    assert_eq!(parsed[0]["json"]["events"], json!([]));
    assert_eq!(parsed[0]["json"]["files"][0]["sha256"], Digest::of(&content).hex());
    assert_eq!(parsed[0]["attachments"][0]["name"], "0001.arrow.zst.age");
    assert_eq!(header(&parsed[0], "Date"), ["Tue, 06 Jan 2026 08:00:00 +0000"]);
}
