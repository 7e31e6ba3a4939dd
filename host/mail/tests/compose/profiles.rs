//! E-mails in the form of each archive, read back by two parsers that are not ours.

use consign_mail::compose::FIRST_HEADER;
use consign_mail::lint::lint;
use consign_model::event::EventKind;
use consign_model::target::{ByteSize, Profile};
use serde_json::json;

use super::support::{Sample, both, header, outer, python};
use super::{day, golden};

fn of(profile: Profile) -> Sample {
    let mut day = day();
    day.target.profile = profile;
    profile.default_subject().clone_into(&mut day.target.subject);
    day.target.headers.insert("X-Desk".to_owned(), "{{ chat.labels.team }}".to_owned());
    day
}

/// The people of the day: those whom nobody knows, those who act, the others who were there.
const PEOPLE: [[&str; 2]; 4] =
    [["U9", "U9@slack.invalid"], ["Ann Lee", "ann@desk.example"], ["Jürgen Groß", "juergen@desk.example"], ["佐藤 花子", "U3@slack.invalid"]];

const DATE: &str = "Mon, 05 Jan 2026 08:00:09 +0000";

/// What both parsers say alike.
fn agrees(parsed: &serde_json::Value) {
    let second = &parsed["second"];
    for name in ["From", "To"] {
        assert_eq!(second[name], parsed["people"][name], "{name}");
    }
    let names: Vec<&serde_json::Value> = parsed["headers"].as_array().unwrap().iter().map(|one| &one[0]).collect();
    assert_eq!(second["headers"].as_array().unwrap().iter().collect::<Vec<_>>(), names);
    assert_eq!(second["Subject"], header(parsed, "Subject")[0]);
    assert_eq!(second["Message-ID"], header(parsed, "Message-ID")[0]);
    assert_eq!(second["Date"], "2026-01-05T08:00:09");
    let lines = |text: &serde_json::Value| text.as_str().unwrap().replace("\r\n", "\n").trim().to_owned();
    assert_eq!(lines(&second["plain"]), lines(&parsed["plain"]));
    assert_eq!(lines(&second["html"]), lines(&parsed["html"]));
    let files = parsed["attachments"].as_array().unwrap().iter().map(|one| one["name"].clone());
    assert_eq!(second["attachments"], json!(std::iter::once(json!("consign.json")).chain(files).collect::<Vec<_>>()));
    assert_eq!(second["defects"], json!([]));
}

#[test]
fn global_relay_gets_its_feed_and_the_chats_own_people() {
    let mut day = of(Profile::GlobalRelay);
    day.target.feed = Some("Consign-Slack".to_owned());
    let emails = day.compose();
    golden("global-relay.eml", &emails[0].bytes);
    let parsed = &both(&emails)[0];
    agrees(parsed);
    assert_eq!(header(parsed, "X-GlobalRelay-MsgType"), ["Consign-Slack"]);
    // The first to do something is 佐藤 花子, who joins.
    assert_eq!(parsed["people"]["From"], json!([PEOPLE[3]]));
    assert_eq!(parsed["people"]["To"], json!(PEOPLE));
    assert_eq!(header(parsed, "Subject"), ["chat, 3 Users, 3 Messages, 0 Minutes"]);
    assert_eq!((header(parsed, "Precedence"), header(parsed, "Auto-Submitted")), (vec!["bulk"], vec!["auto-generated"]));
    assert_eq!((header(parsed, "Date"), header(parsed, "X-Desk")), (vec![DATE], vec!["fx"]));
    let custom = |name: &str| name.starts_with("X-") && name != "X-GlobalRelay-MsgType";
    assert!(parsed["headers"].as_array().unwrap().iter().filter(|one| custom(one[0].as_str().unwrap())).count() <= 10);
    // The envelope is the target's.
    assert_eq!((emails[0].from.as_str(), &emails[0].recipients[..]), ("journal@corp.example", &["ingest@archive.example".to_owned()][..]));
    assert!(emails[0].message_id.ends_with("@corp.example"));
}

#[test]
fn enterprise_vault_gets_its_headers_as_they_are() {
    let mut day = of(Profile::EnterpriseVault);
    day.target.archive_id = Some("160EEB78D4253BE40AA8EBEBA09C7DFEE1210000evserver1.a-long-domain.example".to_owned());
    day.target.headers.insert("X-Kvs-Other".to_owned(), "{{ from_name }}".to_owned());
    day.person("U5", "O'Neil & Co", Some("o'neil&co@desk.example"));
    let emails = day.compose();
    golden("enterprise-vault.eml", &emails[0].bytes);
    let parsed = &both(&emails)[0];
    agrees(parsed);
    assert_eq!(header(parsed, "X-Kvs-ArchiveId"), [day.target.archive_id.as_deref().unwrap()]);
    let text = String::from_utf8(emails[0].bytes.clone()).unwrap();
    assert!(text.contains("\r\nX-Kvs-ArchiveId: 160EEB78D4253BE40AA8EBEBA09C7DFEE1210000evserver1.a-long-domain.example\r\n"), "{text}");
    assert_eq!(header(parsed, "X-Kvs-Other"), ["佐藤 花子"]);
    let values = PEOPLE.map(|[_, address]| format!(" <VALUE>{address}</VALUE>")).concat();
    let index = format!(
        "<ARCHIVED_ITEM version=\"1.0\"> <PROPSET NAME=\"EVXHDR\"> <PROP NAME=\"X-Consign-Participant\">{values} <VALUE>o&#39;neil&amp;co@desk.example</VALUE> \
         </PROP> </PROPSET> </ARCHIVED_ITEM>"
    );
    assert_eq!(header(parsed, "X-Kvs-IndexData"), [index]);
    assert_eq!(header(parsed, "To"), ["ingest@archive.example"]);
}

#[test]
fn exchange_gets_a_report_around_the_e_mail() {
    let mut day = of(Profile::ExchangeJournal);
    day.facts.chat.title = Some("Zins-Ecke ½".to_owned());
    day.references = vec!["earlier@corp.example".to_owned()];
    let emails = day.compose();
    golden("exchange-journal.eml", &emails[0].bytes);
    assert!(emails[0].bytes.starts_with(FIRST_HEADER.as_bytes()));
    let parsed = &both(&emails)[0];
    agrees(parsed);
    let id = &emails[0].message_id;
    assert_eq!(outer(parsed, "Message-ID"), [format!("<{id}>")]);
    assert_eq!(outer(parsed, "X-MS-Journal-Report"), [""]);
    assert_eq!((outer(parsed, "From"), outer(parsed, "To")), (vec!["journal@corp.example"], vec!["ingest@archive.example"]));
    assert_eq!((outer(parsed, "X-Consign-Run"), outer(parsed, "X-Consign-Window").len()), (vec!["fx-desk-000012"], 1));
    assert_eq!((outer(parsed, "Date"), outer(parsed, "References")), (vec![DATE], vec!["<earlier@corp.example>"]));
    let report = format!(
        "Sender: U3@slack.invalid\nSubject: Zins-Ecke ½, 3 users, 10 messages\nMessage-ID: <original.{id}>\n\
         To: U9@slack.invalid\nTo: ann@desk.example\nTo: juergen@desk.example\nTo: U3@slack.invalid\n"
    );
    assert_eq!(parsed["report"].as_str().unwrap().replace("\r\n", "\n"), report);
    // The original: no header of it makes a mailbox's checker take it for one of ours by itself.
    assert_eq!(header(parsed, "Message-ID"), [format!("<original.{id}>")]);
    assert_eq!(header(parsed, "References"), ["<original.earlier@corp.example>"]);
    assert_eq!((&parsed["people"]["From"], &parsed["people"]["To"]), (&json!([PEOPLE[3]]), &json!(PEOPLE)));
    assert_eq!(header(parsed, "Subject"), ["Zins-Ecke ½, 3 users, 10 messages"]);
    assert_eq!((header(parsed, "Date"), header(parsed, "X-Desk"), header(parsed, "X-Consign-Policy").len()), (vec![DATE], vec!["fx"], 0));
    assert_eq!(outer(parsed, "Subject"), header(parsed, "Subject"));
}

#[test]
fn nobody_and_very_many() {
    for profile in Profile::ALL {
        let mut sample = of(profile);
        sample.target.feed = Some("x".to_owned());
        sample.facts.participants.clear();
        sample.events.clear();
        sample.event(EventKind::Other, "", "the server was restarted").user = None;
        let parsed = &both(&sample.compose())[0];
        assert_eq!((header(parsed, "From"), header(parsed, "To")), (vec!["journal@corp.example"], vec!["ingest@archive.example"]), "{profile}");
        if profile == Profile::ExchangeJournal {
            let report = parsed["report"].as_str().unwrap();
            assert!(report.starts_with("Sender: journal@corp.example") && report.trim_end().ends_with("To: ingest@archive.example"), "{report}");
        }

        for number in 0..1000 {
            sample.person(&format!("U{number:05}"), &format!("Persön {number}"), Some(&format!("p{number}@desk.example")));
        }
        sample.event(EventKind::Message, "U00007", "ok");
        for (max_size, least) in [(4 << 20, 500), (128 << 10, 50)] {
            sample.target.max_size = ByteSize(max_size);
            let emails = sample.compose();
            assert_eq!(lint(&emails[0].bytes, profile, Some(max_size)), [], "{profile}");
            let parsed = &python(&emails)[0];
            let to = parsed["people"]["To"].as_array().unwrap();
            if matches!(profile, Profile::GlobalRelay | Profile::ExchangeJournal) {
                assert!((least..=500).contains(&to.len()), "{profile} {}", to.len());
                assert_eq!((&parsed["people"]["From"][0][0], &to[0][1]), (&json!("Persön 7"), &json!("p7@desk.example")));
                let said = format!("In To:        {} of 1000 participants", to.len());
                assert!(parsed["plain"].as_str().unwrap().contains(&said), "{said}");
            } else {
                assert_eq!(to.len(), 1);
            }
            if profile == Profile::ExchangeJournal && max_size == 4 << 20 {
                let report = parsed["report"].as_str().unwrap();
                assert_eq!((report.matches("\nTo: ").count(), report.matches("\nRecipient: ").count()), (500, 500));
            }
        }
    }
}

/// A person's own address is taken only where it is one; no name of a platform's ends up in an envelope or a report.
#[test]
fn what_is_no_address_gives_way_to_a_made_up_one() {
    for email in
        ["", "nobody", "a@b\r\nBcc: c@d.example", "Ann <a@b.example>", "a@b.example, c@d.example", "\"a b\"@c.example", "ä@b.example", "a@b.example>"]
    {
        let mut sample = Sample::new();
        sample.person("U1", "Ann", Some(email)).event(EventKind::Message, "U1", "ok");
        sample.target.profile = Profile::ExchangeJournal;
        let parsed = &both(&sample.compose())[0];
        assert_eq!(parsed["people"]["To"], json!([["Ann", "U1@slack.invalid"]]), "{email:?}");
        assert!(parsed["report"].as_str().unwrap().starts_with("Sender: U1@slack.invalid"), "{email:?}");
    }
}
