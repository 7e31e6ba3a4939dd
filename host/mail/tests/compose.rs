//! Composed e-mails, read back by Python's `email`, and compared with golden files.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "compose/forged.rs"]
mod forged;
#[path = "compose/injected.rs"]
mod injected;
#[path = "compose/profiles.rs"]
mod profiles;
#[path = "compose/same.rs"]
mod same;
#[path = "compose/sizes.rs"]
mod sizes;
#[path = "compose/support.rs"]
mod support;

use std::path::PathBuf;

use consign_mail::compose::{ComposeError, FIRST_HEADER, SealedFile, plan, render};
use consign_model::event::EventKind;
use consign_model::policy::{AttachmentFilter, AttachmentsSpec};
use consign_model::target::{ByteSize, Profile};
use consign_model::{Attachment, ChatKind, Digest, Flags, FormerName, Membership, RunId, Timestamp};
use serde_json::{Value, json};

use support::{Random, START, Sample, header, name, order_shown, python};

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
    day.events[7].0.attachments.push(missing("gone.bin"));
    day.event(EventKind::Other, "U1", "set the topic: <rates>");
    day.event(EventKind::Join, "U3", "");
    day
}

fn missing(name: &str) -> Attachment {
    Attachment { name: name.into(), media_type: "x/y".into(), size: None, digest: None, url: Some("https://a.example/?b&c".into()) }
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
    assert!(plain.contains("[2026-01-05T08:00:01.345Z] Ann Lee: Morning.\n    | Where is the fixing?\n"), "{plain}");
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
    // In two parts.
    day.target.max_size = ByteSize(16 << 10);
    day.attach("a.bin", "application/octet-stream", vec![7; 6000]);
    let first = day.compose();
    assert_eq!(first, day.compose());
    let of = |day: &Sample| day.compose().into_iter().map(|email| email.message_id).collect::<Vec<_>>();
    let mut ids = of(&day);
    day.run = RunId::new(&name("fx-desk"), 13);
    assert_eq!(of(&day), ids);
    assert_ne!(first[0].bytes, day.compose()[0].bytes);
    day.tenant = name("other");
    ids.extend(of(&day));
    day.window.from += 1;
    ids.extend(of(&day));
    day.key.push('x');
    ids.extend(of(&day));
    day.window.chat.id.push('x');
    ids.extend(of(&day));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5 * 2);
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
        sample.target.profile = Profile::ALL[random.below(4)];
        sample.target.feed = Some("Consign".to_owned());
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
                let len = random.below(usize::try_from(sample.target.max_size.0).unwrap().min(160_000) / 4);
                let content = random.bytes(len);
                let name = random.text(3);
                sample.attach(&name, "application/pdf", content);
            }
        }
        for index in 0..random.below(4) {
            let content = random.bytes(5000);
            sample.files.push(sealed(&format!("{index}.arrow.zst.age"), &content, 100, 4));
            sample.contents.insert(Digest::of(&content), content);
        }
        let emails = sample.with_input(|input| match plan(input) {
            Ok(_) => Some(sample.compose()),
            // A text or a file too large for the limit that was drawn.
            Err(ComposeError::EventTooLarge { .. } | ComposeError::AttachmentsTooLarge { .. }) => None,
            Err(other) => panic!("{other}"),
        });
        if let Some(emails) = emails {
            many = many.max(emails.len());
            let parsed = python(&emails);
            check_parts(&sample, &parsed);
            for later in parsed.iter().skip(1) {
                let prefix = if sample.target.profile == Profile::ExchangeJournal { "original." } else { "" };
                assert_eq!(header(later, "In-Reply-To"), [format!("<{prefix}{}>", emails[0].message_id)]);
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
    sample.event(EventKind::Message, "U1", "after");
    let emails = sample.compose();
    let parsed = python(&emails);
    check_parts(&sample, &parsed);
    assert_eq!(parsed.iter().map(|one| one["attachments"].as_array().unwrap().len()).sum::<usize>(), 5);
    assert_eq!(header(&parsed[1], "Subject"), [format!("rates-desk, 1 users, 3 messages (part 2 of {})", emails.len())]);
}

#[test]
fn an_attachment_that_no_e_mail_takes_is_not_dropped() {
    let mut sample = day();
    sample.target.max_size = ByteSize(64 << 10);
    sample.attach("secret name.bin", "application/octet-stream", vec![1; 60_000]).attach("b.bin", "text/plain", vec![2; 70_000]);
    sample.attach("small.bin", "application/octet-stream", vec![3; 30_000]);
    let error = sample.with_input(|input| plan(input).unwrap_err());
    assert!(matches!(error, ComposeError::AttachmentsTooLarge { count: 2, largest: 70_000, max: ByteSize(65_536) }), "{error}");
    let text = error.to_string();
    assert!(text.contains("raise the target's max-size") && text.contains("attachments = { max = ") && !text.contains("secret"), "{text}");
    // What the policy leaves out stays a placeholder.
    sample.attachments = AttachmentsSpec::Some(AttachmentFilter { max: Some(ByteSize(50_000)), ..AttachmentFilter::default() });
    let parsed = python(&sample.compose());
    let files: Vec<&Value> = parsed
        .iter()
        .flat_map(|one| one["json"]["events"].as_array().unwrap())
        .flat_map(|one| one["attachments"].as_array().into_iter().flatten())
        .collect();
    assert_eq!(files.iter().filter(|one| one["reason"] == "left out by policy").count(), 2, "{files:?}");
    check_parts(&sample, &parsed);
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
    sample.files = vec![SealedFile { size: 90_000, ..sealed("a.age", b"x", 100, 4) }];
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
    sample.attachments = AttachmentsSpec::Some(AttachmentFilter { types: Some(vec!["image/*".to_owned()]), ..AttachmentFilter::default() });
    let parsed = python(&sample.compose());
    let attachment = &parsed[0]["json"]["events"][2]["attachments"][0];
    assert_eq!((&attachment["attached"], &attachment["reason"]), (&json!(false), &json!("left out by policy")));
    assert_eq!(parsed[0]["attachments"], json!([]));
    assert!(parsed[0]["plain"].as_str().unwrap().contains("left out by policy"));
}

#[test]
fn files_that_came_later_read_as_such_and_not_as_edits() {
    let mut day = Sample::new();
    day.person("U1", "Ann Lee", Some("ann@desk.example"));
    day.event(EventKind::Message, "U1", "Here it is:\n<b>all</b> of it").attachments.push(missing("q.pdf"));
    day.event(EventKind::Other, "U1", "set the picture").attachments.push(missing("p.png"));
    let [message, picture] = [0, 1].map(|index: usize| day.events[index].0.clone());
    day.target.subject = "{{ counts.message }} {{ counts.edit }} {{ counts.other }} {{ counts.late_files }}".to_owned();
    let brought = |day: &mut Sample, event: consign_model::Event, file: &str| {
        day.events.push((event.late_files(Vec::new()), Flags::LATE, None));
        day.attach(file, "application/pdf", file.as_bytes().to_vec());
    };
    brought(&mut day, message.clone(), "q.pdf");
    brought(&mut day, picture, "p.png");
    let parsed = &python(&day.compose())[0];
    assert_eq!(header(parsed, "Subject"), ["1 0 1 2"]);
    let (plain, html) = (parsed["plain"].as_str().unwrap().replace("\r\n", "\n"), parsed["html"].as_str().unwrap());
    assert!(plain.contains("Events:       1 message, 1 other event, 2 arrivals of late files\n"), "{plain}");
    let file = format!("attached: q.pdf (application/pdf, 5 bytes, SHA-256 {})\n", Digest::of(b"q.pdf").hex());
    let whom = "the message of Ann Lee, 2026-01-05T08:00:00.345Z";
    assert!(plain.contains(&format!("[2026-01-05T08:00:00.345Z] Ann Lee ↳ late files of {whom} (arrived late)\n    {file}")), "{plain}");
    assert!(plain.contains("Ann Lee ↳ late files of the event m1 (arrived late)\n    its text: set the picture\n    attached: p.png"), "{plain}");
    assert!(html.contains(&format!("↳ late files of {whom}")) && html.matches("all&lt;/b&gt; of it").count() == 1, "{html}");
    let events = parsed["json"]["events"].as_array().unwrap();
    let keys = |index: usize| ["type", "target", "text", "adds_files", "edited"].map(|key| events[index][key].clone());
    assert_eq!(keys(0), [json!("message"), Value::Null, json!("Here it is:\n<b>all</b> of it"), Value::Null, Value::Null]);
    assert_eq!(keys(2), [json!("edit"), json!("m0"), json!("Here it is:\n<b>all</b> of it"), json!(true), Value::Null]);
    assert_eq!(keys(3), [json!("other"), json!("m1"), json!("set the picture"), json!(true), Value::Null]);
    assert_eq!(events[2]["attachments"][0]["attached"], true);
    assert_eq!(parsed["attachments"][0]["sha256"], Digest::of(b"q.pdf").hex());

    // In the next e-mail nobody knows the message any more, so its text is said; it has none, so there is none to say.
    day.events.clear();
    brought(&mut day, message.clone(), "q.pdf");
    brought(&mut day, consign_model::Event { id: "m9".to_owned(), text: String::new(), ..message }, "r.pdf");
    let parsed = &python(&day.compose())[0];
    let (plain, html) = (parsed["plain"].as_str().unwrap().replace("\r\n", "\n"), parsed["html"].as_str().unwrap());
    let expected =
        format!("↳ late files of the message m0 (not in this e-mail) (arrived late)\n    its text: Here it is:\n    | <b>all</b> of it\n    {file}");
    assert!(plain.contains(&expected), "{plain}");
    assert!(plain.contains("the message m9 (not in this e-mail) (arrived late)\n    attached: r.pdf"), "{plain}");
    assert!(html.contains("Here it is:<br>&lt;b&gt;all&lt;/b&gt; of it</div>"), "{html}");
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
        "X-Consign-Window",
        "X-Consign-Source",
        "X-Consign-Chat",
        "X-People",
        "X-From",
        "MIME-Version",
        "Content-Type",
    ];
    for (parsed, sample) in python(&emails).iter().zip(&samples) {
        check_parts(sample, std::slice::from_ref(parsed));
        let one = |text: &str| {
            let spaced = text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ");
            order_shown(&spaced).trim().to_owned()
        };
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
    assert!(parsed[1]["plain"].as_str().unwrap().contains("  and 2,900 more, see part 1"));

    // Where the first part can't list all either, no part says that it does.
    sample.target.max_size = ByteSize(256 << 10);
    sample.events.truncate(900);
    let parsed = python(&sample.compose());
    let listed = |part: usize| parsed[part]["json"]["participants"].as_array().unwrap().len();
    assert!(parsed.len() > 1 && listed(0) < 3000 && listed(1) == 100, "{} {}", parsed.len(), listed(0));
    for place in ["plain", "html"] {
        let says = |part: usize, what: &str| assert!(parsed[part][place].as_str().unwrap().contains(what), "{what}");
        says(0, &format!("and {},{:03} more, too many for one e-mail", (3000 - listed(0)) / 1000, (3000 - listed(0)) % 1000));
        says(1, &format!("and 2,900 more, part 1 lists {} of them, the others are too many for one e-mail", listed(0) - 100));
    }
}

#[test]
fn stays_that_are_not_shown_are_counted() {
    let mut sample = Sample::new();
    sample.person("U1", "Ann", None).person("U2", "Bob", None);
    let stays = |count: i64| {
        let stay = |n: i64| Membership { joined: Some(Timestamp(START + 10 * n)), left: Some(Timestamp(START + 10 * n + 5)) };
        (0..count).map(stay).collect::<Vec<_>>()
    };
    sample.facts.participants[0].memberships = stays(23);
    sample.facts.participants[1].memberships = stays(21);
    for _ in 0..2 {
        sample.event(EventKind::Message, "U1", "ok").at = Timestamp(START);
    }
    sample.events[1].0.at = Timestamp(START + 1000);
    let parsed = &python(&sample.compose())[0];
    let people = &parsed["json"]["participants"];
    assert_eq!((people[0]["memberships"].as_array().unwrap().len(), &people[0]["memberships_not_listed"]), (20, &json!(3)));
    assert_eq!((people[1]["memberships"].as_array().unwrap().len(), &people[1]["memberships_not_listed"]), (20, &json!(1)));
    for place in ["plain", "html"] {
        let text = parsed[place].as_str().unwrap();
        assert!(text.contains("and 3 more stays") && text.contains("and 1 more stay"), "{text}");
    }
}

#[test]
fn names_as_they_were_and_times_that_nothing_tells() {
    let mut sample = Sample::new();
    sample.person("U1", "Ann Smith", None).person("U2", "Bob", None);
    let former = |name: &str, until: i64| FormerName { name: name.to_owned(), until: Timestamp(until) };
    let ann = &mut sample.facts.participants[0];
    ann.user.former_names = vec![former("Ann Day", START), former("Ann \"Lee\"\r\nx", START + 1000)];
    ann.memberships = vec![
        Membership { joined: Some(Timestamp(START)), left: Some(Timestamp(START + 300)) },
        Membership { joined: Some(Timestamp(START + 300)), left: None },
    ];
    ann.derived = true;
    sample.event(EventKind::Message, "U1", "ok").at = Timestamp(START + 1);
    let parsed = &python(&sample.compose())[0];
    let people = &parsed["json"]["participants"];
    // What she was called before all of this is of no use here.
    assert_eq!(people[0]["former_names"], json!([{ "name": "Ann \"Lee\"\r\nx", "until": Timestamp(START + 1000).to_string() }]));
    assert_eq!((people[1].get("former_names"), people[1]["memberships"][0].get("derived")), (None, None));
    assert_eq!(people[0]["memberships"][0]["derived"], true);
    // Quotes and line ends in it end nothing.
    assert!(parsed["plain"].as_str().unwrap().contains("known as \"Ann 'Lee'  x\""), "{}", parsed["plain"]);
    for place in ["plain", "html"] {
        let text = parsed[place].as_str().unwrap();
        assert_eq!((text.matches("known as").count(), text.matches("(derived from what this user did)").count()), (1, 1), "{text}");
    }
}

/// A rendering's budget is in steps: none of them may cost more in a large room.
#[test]
fn templates_over_a_very_large_room_are_cut_and_not_refused() {
    let mut sample = Sample::new();
    for number in 0..100_000 {
        let mut user = consign_model::User::unknown(&format!("U{number:06}"));
        user.name = format!("Persön {number}");
        user.attributes.insert("user-custom-field-1".to_owned(), "desk".to_owned());
        let stay = Membership { joined: None, left: None };
        sample.facts.participants.push(consign_model::window::Participant::new(user, vec![stay]));
    }
    sample.event(EventKind::Message, "U000000", "ok");
    let all = "{% for p in participants %}{{ p.name }} <{{ p.address }}>{% if not loop.last %}; {% endif %}{% endfor %}";
    let often = "{% for a in range(4) %}{% for b in range(10000) %}{% if to_name and to_user_custom_field_1 and conference_participants %}{% endif %}{% endfor %}{% endfor %}x";
    for (name, template) in [("X-All", all), ("X-Often", often), ("X-Names", "{{ to_name }}"), ("X-Count", "{{ participants | length }}")] {
        sample.target.headers.insert(name.to_owned(), template.to_owned());
    }
    let parsed = &python(&sample.compose())[0];
    let people = header(parsed, "X-All")[0];
    assert!(people.starts_with("Persön 0 <U000000@slack.invalid>; Persön 1 <") && people.ends_with('…'));
    assert!((15_900..=16_001).contains(&people.chars().count()), "{}", people.chars().count());
    assert!(header(parsed, "X-Names")[0].starts_with("Persön 1, Persön 2, ") && header(parsed, "X-Names")[0].ends_with('…'));
    assert_eq!((header(parsed, "X-Often"), header(parsed, "X-Count")), (vec!["x"], vec!["100000"]));
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

/// A file of this content, with events from this position on, one a second.
fn sealed(name: &str, content: &[u8], first: u64, events: u32) -> SealedFile {
    let at = |position: u64| Timestamp(START + 1000 * i64::try_from(position).unwrap());
    let size = content.len() as u64;
    let last_at = at(first + u64::from(events) - 1);
    SealedFile { name: name.to_owned(), size, digest: Digest::of(content), first, events, first_at: at(first), last_at }
}

#[test]
fn an_encrypted_chat_is_sent_as_its_files() {
    let mut sample = Sample::new();
    sample.person("U1", "Ann Lee", None).person("U2", "Left Before", None);
    sample.facts.participants[1].memberships[0].left = Some(Timestamp(START));
    sample.target.subject = Profile::Plain.default_subject().to_owned();
    sample.target.headers.insert("X-First".to_owned(), "{{ events[0].type }} {{ events | length }} {{ encrypted }} {{ started }}".to_owned());
    let contents = [vec![7; 1000], vec![8; 500]];
    sample.files = vec![sealed("0001.arrow.zst.age", &contents[0], 100, 4), sealed("0002.arrow.zst.age", &contents[1], 104, 1)];
    sample.contents.extend(contents.iter().map(|content| (Digest::of(content), content.clone())));
    let emails = sample.compose();
    golden("sealed.eml", &emails[0].bytes);
    let parsed = &python(&emails)[0];
    assert_eq!(parsed["json"]["events"], json!([]));
    assert_eq!((&parsed["json"]["encrypted_events"], &parsed["json"]["started"]), (&json!(5), &json!("2026-01-05T08:01:40.000Z")));
    assert_eq!(
        parsed["json"]["files"][0],
        json!({
            "name": "0001.arrow.zst.age", "media_type": "application/octet-stream", "size": 1000, "sha256": Digest::of(&contents[0]).hex(),
            "events": 4, "from": 100, "to": 104, "started": "2026-01-05T08:01:40.000Z", "ended": "2026-01-05T08:01:43.000Z"
        })
    );
    assert_eq!(parsed["attachments"][0]["name"], "0001.arrow.zst.age");
    assert_eq!(header(parsed, "Subject"), ["rates-desk, 1 users, 5 encrypted events"]);
    assert_eq!(header(parsed, "X-First"), ["encrypted 5 5 2026-01-05T08:01:40.000Z"]);
    assert_eq!(header(parsed, "Date"), ["Mon, 05 Jan 2026 08:01:44 +0000"]);
    for place in ["plain", "frame"] {
        let text = parsed[place].as_str().unwrap();
        assert!(text.contains("5 events, encrypted, in the attached files") && !text.contains("none") && !text.contains("order of time"), "{text}");
        assert!(text.contains(": 1 event, encrypted, from 2026-01-05T08:01:44.000Z to 2026-01-05T08:01:44.000Z"), "{text}");
    }
}
