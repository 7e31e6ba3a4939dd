//! Pages that are asked for: what they become, in every form that is known, and what is said of those that are none.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write as _;

use consign_model::{ChatKind, Event, EventKind, Flags, Timestamp};
use consign_source::Limits;
use consign_source::live::Arrived;
use consign_source::live::pull::slack::{Answer, Conversation, Directory, Page as SlackPage, Told};
use consign_source::live::pull::teams::{self, Beside, Page};
use support::Kept;

fn limits() -> Limits {
    Limits::default()
}

fn kept(arrived: &Arrived) -> Kept {
    let mut kept = Kept { in_parts: true, ..Kept::default() };
    arrived.gathered.hand_over(&mut kept).unwrap();
    kept
}

fn slack(list: &str, elements: &str) -> SlackPage {
    let name = list.rsplit('.').next().unwrap();
    match Answer::read(format!(r#"{{"ok":true,"{name}":[{elements}]}}"#).as_bytes(), list).unwrap() {
        Answer::Page(page) => page,
        Answer::Refused(why) => panic!("{why}"),
    }
}

fn organisation() -> (Directory, Conversation) {
    let mut directory = Directory::default();
    let users = r#"{"id":"U1","real_name":"Ann Lee","profile":{"email":"ann@desk.example"},"teams":["T1"]},{"id":"U2","real_name":"Bob"}"#;
    let arrived = directory.users(slack("users", users), &limits()).unwrap();
    assert_eq!((arrived.report.refused, arrived.report.users, arrived.report.users_without_email), (0, 2, 1));
    let (mut all, arrived) = directory.conversations(slack("channels", r#"{"id":"C1","name":"rates","is_private":true}"#), &limits()).unwrap();
    assert_eq!((arrived.report.refused, all.len()), (0, 1));
    (directory, all.remove(0))
}

fn edits(records: &[&str]) -> (Vec<Event>, Told, Arrived) {
    let ((directory, of), mut told) = (organisation(), Told::default());
    let arrived = directory.edits(&of, slack("edits", &records.join(",")), &mut told, &limits()).unwrap();
    (kept(&arrived).all().cloned().collect(), told, arrived)
}

#[test]
fn an_edit_is_the_same_in_each_form() {
    let forms = [
        r#"{"type":"message","subtype":"message_changed","ts":"1767600006.000100","message":{"type":"message","user":"U1","text":"new <@U2>","ts":"1767600001.000100","edited":{"user":"U1","ts":"1767600006.000000"}}}"#,
        r#"{"type":"message","ts":"1767600006.000100","original_ts":"1767600001.000100","user":"U1","text":"new <@U2>"}"#,
        r#"{"ts":"1767600006.000100","original_ts":"1767600001.000100","user":"U1","text":"new <@U2>","edited":{"user":"U1","ts":"1767600006.000000"}}"#,
        r#"{"type":"message","ts":"1767600001.000100","original_ts":"1767600001.000100","user":"U1","text":"new <@U2>","event_ts":"1767600006.000100"}"#,
    ];
    for form in forms {
        let (events, ..) = edits(&[form]);
        let [event] = events.as_slice() else { panic!("{form}: {events:?}") };
        assert_eq!(
            (event.kind, event.id.as_str(), event.target.as_deref()),
            (EventKind::Edit, "1767600006.000100", Some("1767600001.000100")),
            "{form}"
        );
        assert_eq!((event.user.as_deref(), event.text.as_str(), event.at), (Some("U1"), "new @Bob", Timestamp(1_767_600_006_000)), "{form}");
    }
}

#[test]
fn a_deletion_is_the_same_in_each_form() {
    let forms = [
        r#"{"type":"message","subtype":"message_deleted","ts":"1767600007.000100","deleted_ts":"1767600001.000100","previous_message":{"user":"U1","text":"old","ts":"1767600001.000100"}}"#,
        r#"{"type":"message","subtype":"message_deleted","ts":"1767600007.000100","original_ts":"1767600001.000100","user":"U1","text":"old"}"#,
        r#"{"type":"message","ts":"1767600007.000100","original_ts":"1767600001.000100","user":"U1","text":"old","is_deleted":true}"#,
        r#"{"type":"message_deleted","ts":"1767600001.000100","original_ts":"1767600001.000100","user":"U1","text":"old","event_ts":"1767600007.000100"}"#,
    ];
    for form in forms {
        let (events, ..) = edits(&[form]);
        let [event] = events.as_slice() else { panic!("{form}: {events:?}") };
        assert_eq!(
            (event.kind, event.id.as_str(), event.target.as_deref()),
            (EventKind::Delete, "1767600007.000100", Some("1767600001.000100")),
            "{form}"
        );
        assert_eq!((event.user.as_deref(), event.previous.as_deref()), (Some("U1"), Some("old")), "{form}");
    }
}

#[test]
fn what_is_no_record_is_refused_by_its_place() {
    let none = [
        r#"{"ts":"1767600007.000100","text":"secret"}"#,
        r#"{"original_ts":"1767600001.000100","ts":"1767600001.000100","text":"secret"}"#,
        "7",
        r#""secret""#,
    ];
    let good = r#"{"ts":"1767600006.000100","original_ts":"1767600001.000100","text":"x"}"#;
    let (events, _, arrived) = edits(&[&none[..], &[good]].concat());
    assert_eq!((events.len(), arrived.report.refused), (1, 4));
    assert_eq!(arrived.report.refusals.iter().map(|one| one.index).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(3)]);
    assert!(!format!("{:?}", arrived.report.refusals).contains("secret"), "{:?}", arrived.report.refusals);
}

#[test]
fn a_text_that_was_told_as_an_edit_is_no_news() {
    let (directory, of) = organisation();
    let mut told = Told::default();
    let edit = r#"{"ts":"1767600006.000100","original_ts":"1767600001.000100","user":"U1","text":"told"}"#;
    directory.edits(&of, slack("edits", edit), &mut told, &limits()).unwrap();
    let message = |ts: &str, text: &str, edited: &str| {
        let edited = if edited.is_empty() { String::new() } else { format!(r#","edited":{{"user":"U1","ts":"{edited}"}}"#) };
        format!(r#"{{"type":"message","user":"U1","ts":"{ts}","text":"{text}"{edited}}}"#)
    };
    let page = [
        message("1767600001.000100", "told", "1767600006.000000"),
        message("1767600002.000100", "not told", "1767600007.000000"),
        message("1767600003.000100", "to be told", "1767600100.000000"),
        message("1767600000.000100", "never edited", ""),
    ];
    let messages = directory.messages(&of, slack("messages", &page.join(",")), &told, Some("1767600100.000000"), &limits()).unwrap();
    let texts = |kept: &Kept| kept.all().map(|event| event.text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&kept(&messages.arrived)), ["never edited", "not told"], "by time");
    let told = kept(&Arrived { gathered: messages.told, ..Arrived::default() });
    assert_eq!(texts(&told), ["told", "to be told"]);
    assert!(told.all().all(|event| event.flags.has(Flags::EDITED)));
}

#[test]
fn what_slack_refuses_is_a_word_and_nothing_else() {
    let read = |body: &str| Answer::read(body.as_bytes(), "messages");
    assert!(matches!(read(r#"{"ok":false,"error":"channel_not_found"}"#), Ok(Answer::Refused(word)) if word == "channel_not_found"));
    assert!(matches!(read(r#"{"ok":false,"error":"a secret thing"}"#), Ok(Answer::Refused(word)) if !word.contains("secret")));
    for body in [
        "",
        "[]",
        "{\"ok\":\"secret\"}",
        "{}",
        r#"{"ok":true,"messages":{"secret":1}}"#,
        r#"{"ok":true}"#,
        "secret",
        "{\"ok\":true,\"messages\":[secret]}",
    ] {
        let error = read(body).unwrap_err();
        assert!(!error.contains("secret"), "{body}: {error}");
    }
    let paged = |offset: &str| match read(&format!(r#"{{"ok":true,"messages":[]{offset}}}"#)).unwrap() {
        Answer::Page(page) => page.offset,
        Answer::Refused(why) => panic!("{why}"),
    };
    assert_eq!(paged(r#","offset":"1463084600.000000""#).as_deref(), Some("1463084600.000000"));
    assert_eq!(paged(r#","offset":5"#).as_deref(), Some("5"));
    assert_eq!(paged(r#","response_metadata":{"next_cursor":"abc="}"#).as_deref(), Some("abc="));
    assert_eq!((paged(r#","offset":"","response_metadata":{"next_cursor":""}"#), paged("")), (None, None));
}

#[test]
fn members_who_have_left_are_none() {
    let members =
        r#"{"id":"U1","date_joined":1,"date_left":0},{"id":"U2","date_left":5},{"user":"U3"},"U4",{"id":"U5","date_left":"1767600000"},{},7"#;
    assert_eq!(slack("members", members).ids(), ["U1", "U3", "U4"]);
}

#[test]
fn pages_of_graph_claim_nothing_and_are_that_users_copies() {
    let mut beside = Beside::new("9854dc85-3fb3-4f8e-a055-9cdc5523024d");
    let chats = r#"{"value":[{"id":"19:g@thread.v2","topic":"Rates","chatType":"group","members":[
        {"userId":"u1","displayName":"Ann","email":"ann@desk.example","roles":["owner"],"visibleHistoryStartDateTime":"0001-01-01T00:00:00Z"},
        {"userId":"u2","displayName":"Guest","roles":["guest"],"visibleHistoryStartDateTime":"2026-01-05T08:00:00Z"}]}]}"#;
    let (arrived, cut) = beside.chats("chats", &Page::read(chats.as_bytes()).unwrap(), &limits()).unwrap();
    assert!(cut.is_empty() && arrived.report.refused == 0);
    let seen = kept(&arrived);
    let chat = &seen.chats["19:g@thread.v2"];
    assert_eq!((chat.kind, chat.title.as_deref(), chat.members.as_slice()), (Some(ChatKind::Group), Some("Rates"), ["u1".to_owned()].as_slice()));
    assert_eq!(seen.all().map(|event| event.kind).collect::<Vec<_>>(), [EventKind::Join]);

    let messages = r#"{"@odata.nextLink":"https://graph.microsoft.com/v1.0/next","value":[
        {"id":"1","messageType":"message","createdDateTime":"2026-01-05T08:00:01Z","chatId":"19:g@thread.v2","from":{"user":{"id":"u1"}},"body":{"contentType":"text","content":"hi"}},
        {"id":"2","messageType":"message","chatId":"19:g@thread.v2","body":{"contentType":"text","content":"secret"}},
        {"id":"3","messageType":"message","createdDateTime":"2026-01-05T08:00:03Z","chatId":"19:g@thread.v2","from":{"user":{"id":"u3","displayName":"Eve","tenantId":"00000000-0000-0000-0000-000000000001"}},"body":{"contentType":"text","content":"ho"}}]}"#;
    let page = Page::read(messages.as_bytes()).unwrap();
    assert_eq!((page.len(), page.next.as_deref(), page.delta.as_deref()), (3, Some("https://graph.microsoft.com/v1.0/next"), None));
    let arrived = beside.messages("users/u1/chats/getAllMessages", &page, Some("u1"), &limits()).unwrap();
    let seen = kept(&arrived);
    assert!(seen.captures.is_empty(), "a page says nothing of times: {:?}", seen.captures);
    assert_eq!(seen.copies.values().map(Vec::len).collect::<Vec<_>>(), [2]);
    assert_eq!((arrived.report.refused, arrived.report.refusals[0].index), (1, Some(1)));
    assert!(!format!("{:?}", arrived.report.refusals).contains("secret"));
    assert!(seen.users.iter().any(|user| user.id == "u3" && user.external), "of another tenant: {:?}", seen.users);

    let claim = kept(&teams::captured("u1", None, Timestamp(5), &limits()).unwrap());
    assert_eq!(claim.captures.iter().map(|one| (one.user.as_str(), one.from, one.until)).collect::<Vec<_>>(), [("u1", None, Some(Timestamp(5)))]);
}

#[test]
fn what_is_no_page_is_told_without_its_text() {
    for body in [
        "",
        "secret",
        "{}",
        "[]",
        r#"{"value":"secret"}"#,
        r#"{"value":{"secret":1}}"#,
        r#"{"value":[],"@odata.nextLink":["secret"]}"#,
        "{\"value\":[\"secret]}",
        "\"secret\"",
    ] {
        let error = Page::read(body.as_bytes()).unwrap_err();
        assert!(!error.contains("secret"), "{body}: {error}");
    }
    assert!(Page::read(b"{\"value\":[\"\xff\"]}").is_err());
    assert_eq!(teams::error_code(br#"{"error":{"code":"Forbidden","message":"secret"}}"#).as_deref(), Some("Forbidden"));
    for body in [&b"secret"[..], b"{}", br#"{"error":"secret"}"#, br#"{"error":{"code":"a secret thing"}}"#] {
        assert_eq!(teams::error_code(body), None);
    }
    assert_eq!(teams::token(br#"{"access_token":"t","expires_in":"3599"}"#), Ok(("t".to_owned(), 3599)));
    assert!(!teams::token(br#"{"access_token":["secret"]}"#).unwrap_err().contains("secret"));
}

/// Answers with one text that may be in no error.
const ANSWERS: [&str; 6] = [
    r#"{"@odata.context":"c","@odata.nextLink":"https://graph.microsoft.com/v1.0/next","value":[{"id":"1","messageType":"message","createdDateTime":"2026-01-05T08:00:01Z","lastEditedDateTime":"2026-01-05T08:00:02Z","chatId":"19:g@thread.v2","from":{"user":{"id":"u1","displayName":"Ann"}},"body":{"contentType":"html","content":"<p>sesame</p>"},"attachments":[{"id":"a","contentType":"reference","contentUrl":"https://x/y","name":"q.pdf"}],"reactions":[{"reactionType":"like","createdDateTime":"2026-01-05T08:00:03Z","user":{"user":{"id":"u2"}}}]}]}"#,
    r#"{"value":[{"id":"19:g@thread.v2","topic":"Rates","chatType":"group","members":[{"userId":"u1","displayName":"Ann","email":"ann@desk.example","roles":["owner"],"visibleHistoryStartDateTime":"2026-01-05T08:00:00Z"}]}]}"#,
    r#"{"value":[{"id":"u1","displayName":"Ann","mail":"ann@desk.example","userPrincipalName":"ann@desk.example","userType":"Member"}]}"#,
    r#"{"ok":true,"has_edits":true,"messages":[{"type":"message","user":"U1","text":"sesame <@U2>","ts":"1767600001.000100","edited":{"user":"U1","ts":"1767600006.000000"},"reactions":[{"name":"tada","users":["U2"],"count":1}],"files":[{"id":"F1","name":"q.pdf"}]}],"offset":"1767600001.000100"}"#,
    r#"{"ok":true,"edits":[{"type":"message","user":"U1","text":"sesame","ts":"1767600006.000100","original_ts":"1767600001.000100"},{"ts":"1767600007.000100","original_ts":"1767600001.000100","is_deleted":true,"text":"sesame"}]}"#,
    r#"{"ok":true,"members":[{"id":"U1","date_joined":1,"date_left":0},"U2"],"response_metadata":{"next_cursor":"abc="}}"#,
];

fn read_in_every_way(body: &[u8]) -> String {
    let (mut said, mut told) = (String::new(), Told::default());
    let mut hear = |arrived: &Arrived| write!(said, "{:?}{:?}", arrived.report.refusals, arrived.report.notes).unwrap();
    if let Ok(page) = Page::read(body) {
        hear(&teams::users("users", &page, &limits()).unwrap().0);
        let mut beside = Beside::new("9854dc85-3fb3-4f8e-a055-9cdc5523024d");
        hear(&beside.chats("chats", &page, &limits()).unwrap().0);
        hear(&beside.channels("t1", Some("Team"), &page, &limits()).unwrap().0);
        hear(&beside.members("19:g@thread.v2", None, &page, &limits()).unwrap());
        hear(&beside.messages("messages", &page, Some("u1"), &limits()).unwrap());
        let _ = teams::teams(&page);
    }
    for list in ["messages", "edits", "members", "users", "channels"] {
        let read = || match Answer::read(body, list) {
            Ok(Answer::Page(page)) => Some(page),
            _ => None,
        };
        let ((mut directory, of), Some(page)) = (organisation(), read()) else { continue };
        let _ = (page.ids(), page.newest());
        hear(&directory.edits(&of, page, &mut told, &limits()).unwrap());
        hear(&directory.messages(&of, read().unwrap(), &told, Some("1767600100.000000"), &limits()).unwrap().arrived);
        hear(&directory.users(read().unwrap(), &limits()).unwrap());
        hear(&directory.conversations(read().unwrap(), &limits()).unwrap().1);
    }
    let errors = [Page::read(body).err(), Page::one(body).err(), Answer::read(body, "messages").err(), teams::token(body).err()];
    said + &errors.into_iter().flatten().collect::<String>() + &teams::error_code(body).unwrap_or_default()
}

#[test]
fn damaged_answers_bring_nothing_down_and_are_not_quoted() {
    let seed = std::env::var("CONSIGN_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("CONSIGN_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..3_000 {
        let mut body = ANSWERS[random.usize(..ANSWERS.len())].as_bytes().to_vec();
        for _ in 0..random.usize(0..6) {
            let at = random.usize(..body.len());
            match random.u8(..4) {
                0 => body[at] = random.u8(..),
                1 => drop(body.remove(at)),
                2 => body.insert(at, *random.choice(b"{}[]\",:0\\").unwrap()),
                _ => {
                    let end = random.usize(at..body.len().min(at + 40));
                    let piece: Vec<u8> = body[at..end].to_vec();
                    let to = random.usize(..body.len());
                    body.splice(to..to, piece);
                }
            }
        }
        let said = read_in_every_way(&body);
        assert!(!said.contains("sesame"), "{said}: {}", String::from_utf8_lossy(&body));
    }
}
