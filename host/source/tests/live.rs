//! What comes by itself: Slack's events beside the same ones in an export, and bodies that are damaged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::HashMap;

use consign_model::{ChatKind, Event, EventKind, Flags, Timestamp};
use consign_source::live::slack::{Call, Callback};
use consign_source::live::{self, Arrived};
use consign_source::{Limits, Report};
use support::{Kept, read_day};

fn callback(event: &str) -> Box<Callback> {
    let body = format!(r#"{{"token":"x","team_id":"T1","type":"event_callback","event_id":"Ev1","event_time":1767600099,"event":{event}}}"#);
    match Call::read(body.as_bytes()).unwrap() {
        Call::Event(callback) => callback,
        other => panic!("{other:?}"),
    }
}

fn kept(arrived: Arrived) -> (Kept, Report) {
    let mut kept = Kept::default();
    arrived.gathered.hand_over(&mut kept).unwrap();
    (kept, arrived.report)
}

fn names() -> HashMap<String, String> {
    [("U1", "Ann Lee"), ("U2", "Bob")].map(|(id, name)| (id.to_owned(), name.to_owned())).into()
}

fn slack(event: &str) -> (Kept, Report) {
    kept(callback(event).read(names(), &Limits::default()).unwrap())
}

fn one(event: &str) -> Event {
    let (kept, report) = slack(event);
    assert_eq!((report.refused, kept.all().count()), (0, 1), "{:?}", report.refusals);
    kept.all().next().unwrap().clone()
}

#[test]
fn a_message_is_the_same_event_as_in_an_export() {
    let entries = [
        r#"{"type":"message","user":"U1","text":"hi <@U2> &amp; <!channel>","ts":"1767600001.000100"}"#,
        r#"{"type":"message","subtype":"file_share","user":"U1","text":"","ts":"1767600002.000100","files":[{"id":"F1","name":"q.pdf","mimetype":"application/pdf","size":3,"url_private":"https://f/q.pdf?t=1"}]}"#,
        r#"{"type":"message","subtype":"bot_message","bot_id":"B1","username":"Fixing","text":"ESTR","ts":"1767600003.000100"}"#,
        r#"{"type":"message","subtype":"me_message","user":"U1","text":"waves","ts":"1767600004.000100"}"#,
        r#"{"type":"message","subtype":"thread_broadcast","user":"U1","text":"all","ts":"1767600005.000100","thread_ts":"1767600001.000100"}"#,
        r#"{"type":"message","subtype":"message_changed","hidden":true,"ts":"1767600006.000100","message":{"type":"message","user":"U1","text":"new","ts":"1767600001.000100","edited":{"user":"U1","ts":"1767600006.000000"}},"previous_message":{"type":"message","user":"U1","text":"old","ts":"1767600001.000100"}}"#,
        r#"{"type":"message","subtype":"message_deleted","hidden":true,"ts":"1767600007.000100","deleted_ts":"1767600001.000100","previous_message":{"type":"message","user":"U1","text":"new","ts":"1767600001.000100"}}"#,
        r#"{"type":"message","subtype":"message_replied","ts":"1767600008.000100","message":{"type":"message","user":"U1","ts":"1767600001.000100","thread_ts":"1767600001.000100"}}"#,
        r#"{"type":"message","subtype":"channel_join","user":"U2","text":"<@U2> has joined","inviter":"U1","ts":"1767600009.000100"}"#,
        r#"{"type":"message","subtype":"channel_leave","user":"U2","text":"<@U2> has left","ts":"1767600010.000100"}"#,
        r#"{"type":"message","subtype":"channel_topic","user":"U1","text":"set the topic","topic":"t","ts":"1767600011.000100"}"#,
        r#"{"type":"message","subtype":"never_heard_of","user":"U1","text":"x","ts":"1767600012.000100"}"#,
    ];
    let (exported, _) = read_day(&format!("[{}]", entries.join(",")));
    for entry in entries {
        let live = one(&entry.replacen('{', r#"{"channel":"C1","channel_type":"channel","event_ts":"1.0","#, 1));
        let same = exported.event(&live.id);
        assert_eq!(&live, same);
        assert_eq!(live.identity(), same.identity());
    }
}

#[test]
fn what_slack_says_in_another_way() {
    // A mention comes twice, once for the app; a notice of an answer without its subtype.
    let message = r#"{"type":"message","channel":"C1","user":"U1","text":"<@U9> do","ts":"1767600001.000100"}"#;
    assert_eq!(one(&message.replace("\"message\"", "\"app_mention\"")), one(message));
    let event = one(r#"{"type":"message","channel":"C1","ts":"2.0","message":{"user":"U1","ts":"1.0","thread_ts":"1.0"}}"#);
    assert_eq!((event.kind, event.target.as_deref(), event.text.as_str()), (EventKind::Other, Some("1.0"), ""));
    // Some events have `event_ts` alone.
    assert_eq!(one(r#"{"type":"message","channel":"C1","user":"U1","text":"x","event_ts":"3.5"}"#).id, "3.5");
}

#[test]
fn kinds_of_chats() {
    for (word, kind, private) in [
        ("channel", Some(ChatKind::Channel), false),
        ("group", Some(ChatKind::Channel), true),
        ("mpim", Some(ChatKind::Group), false),
        ("im", Some(ChatKind::Direct), false),
        ("app_home", Some(ChatKind::Direct), false),
        ("C", Some(ChatKind::Channel), false),
        ("G", None, false),
        ("new", None, false),
    ] {
        let (kept, _) = slack(&format!(r#"{{"type":"message","channel":"X1","channel_type":"{word}","user":"U1","text":"x","ts":"1.0"}}"#));
        let chat = kept.chats.get("X1").unwrap();
        assert_eq!((chat.kind, chat.labels.contains_key("private")), (kind, private), "{word}");
    }
}

#[test]
fn names_come_from_whoever_asks_for_them() {
    let callback = callback(
        r#"{"type":"message","subtype":"message_changed","channel":"C1","ts":"2.0","message":{"user":"U1","ts":"1.0","text":"<@U2|b> and <@U3> \u003c@U4\u003e",
            "blocks":[{"type":"rich_text","elements":[{"type":"user","user_id":"U5"}]}]},"previous_message":{"bot_id":"B1","ts":"1.0","text":"<@"}}"#,
    );
    assert_eq!(callback.people().collect::<Vec<_>>(), ["B1", "U1", "U2", "U3", "U4", "U5"]);
    let (kept, _) = kept(callback.read(names(), &Limits::default()).unwrap());
    let event = kept.event("2.0");
    assert_eq!((event.text.as_str(), event.original.as_deref()), ("@Bob and @U3 @U4", Some("<@U2|b> and <@U3> <@U4>")));
}

#[test]
fn guests_from_other_companies() {
    let from = |authorizations: &str, team: &str| {
        let body = format!(
            r#"{{"type":"event_callback","authorizations":{authorizations},"event":{{"type":"message","channel":"C1","user":"U7","user_team":"{team}","text":"x","ts":"1.0"}}}}"#
        );
        let Ok(Call::Event(callback)) = Call::read(body.as_bytes()) else { panic!("no event") };
        let (kept, _) = kept(callback.read(names(), &Limits::default()).unwrap());
        kept.users.first().map(|user| user.external)
    };
    let ours = r#"[{"enterprise_id":null,"team_id":"T1","is_enterprise_install":false}]"#;
    assert_eq!((from(ours, "T2"), from(ours, "T1"), from("[]", "T2")), (Some(true), None, None));
    assert_eq!(from(r#"[{"enterprise_id":"E1","team_id":"T1"}]"#, "T2"), None, "it may be of the same company");
}

#[test]
fn reactions_have_their_own_times() {
    let event = r#"{"type":"reaction_added","user":"U2","reaction":"eyes","item_user":"U1","item":{"type":"message","channel":"C1","ts":"1767600001.000100"},"event_ts":"1767600005.123400"}"#;
    let added = one(event);
    assert_eq!((added.kind, added.text.as_str(), added.user.as_deref()), (EventKind::Reaction, "eyes", Some("U2")));
    assert_eq!((added.at, added.target.as_deref()), (Timestamp(1_767_600_005_123), Some("1767600001.000100")));
    assert_eq!(added.id, "reaction:1767600001.000100:U2:eyes:2026-01-05T08:00:05.123Z");
    let removed = one(&event.replace("reaction_added", "reaction_removed"));
    assert!(removed.flags.has(Flags::REMOVED) && removed.identity() != added.identity());
    let (kept, report) = slack(&event.replace(r#""type":"message""#, r#""type":"file""#));
    assert_eq!((kept.calls, report.notes.len()), (0, 1));
}

#[test]
fn who_comes_and_goes() {
    let joined = one(
        r#"{"type":"member_joined_channel","user":"U2","channel":"C1","channel_type":"G","team":"T1","inviter":"U1","event_ts":"1767600005.000400"}"#,
    );
    assert_eq!((joined.kind, joined.user.as_deref(), joined.at), (EventKind::Join, Some("U2"), Timestamp(1_767_600_005_000)));
    // Without a time of its own it has the request's.
    let left = one(r#"{"type":"member_left_channel","user":"U2","channel":"C1","channel_type":"C","team":"T1"}"#);
    assert_eq!((left.kind, left.at), (EventKind::Leave, Timestamp(1_767_600_099_000)));
    assert_eq!(left.id, "leave:U2:2026-01-05T08:01:39.000Z");
}

#[test]
fn users_and_chats() {
    let (kept, report) = slack(
        r#"{"type":"user_change","user":{"id":"U1","name":"ann","real_name":"Ann Lee-Wu","profile":{"email":"ann@desk.example"}},"event_ts":"1.0"}"#,
    );
    let user = kept.user("U1");
    assert_eq!((user.name.as_str(), user.email.as_deref(), report.users), ("Ann Lee-Wu", Some("ann@desk.example"), 1));
    for (event, kind, title, label) in [
        (r#"{"type":"channel_created","channel":{"id":"C1","name":"fx","creator":"U1"}}"#, Some(ChatKind::Channel), Some("fx"), None),
        (r#"{"type":"channel_rename","channel":{"id":"C1","name":"rates","is_mpim":false}}"#, Some(ChatKind::Channel), Some("rates"), None),
        (r#"{"type":"channel_rename","channel":{"id":"C1","name":"mpdm-a--b-1","is_mpim":true}}"#, Some(ChatKind::Group), None, None),
        (r#"{"type":"group_rename","channel":{"id":"C1","name":"g"}}"#, Some(ChatKind::Channel), Some("g"), Some(("private", "true"))),
        (r#"{"type":"im_created","user":"U1","channel":{"id":"C1"}}"#, Some(ChatKind::Direct), None, None),
        (r#"{"type":"channel_archive","channel":"C1","user":"U1"}"#, None, None, Some(("archived", "true"))),
        (r#"{"type":"channel_unarchive","channel":"C1","user":"U1"}"#, None, None, Some(("archived", "false"))),
    ] {
        let (kept, report) = slack(event);
        let chat = kept.chats.get("C1").unwrap_or_else(|| panic!("{event}: {:?}", report.refusals));
        let labels: Vec<_> = chat.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!((chat.kind, chat.title.as_deref(), labels), (kind, title, label.into_iter().collect()), "{event}");
    }
    let shared = one(r#"{"type":"file_shared","channel_id":"C1","file_id":"F1","user_id":"U1","file":{"id":"F1"},"event_ts":"1767600005.000400"}"#);
    assert_eq!((shared.kind, shared.user.as_deref(), shared.text.as_str()), (EventKind::Other, Some("U1"), "shared the file F1"));
}

#[test]
fn what_is_not_kept_is_counted_and_what_is_broken_is_refused_without_quoting_it() {
    let (kept, report) = slack(r#"{"type":"pin_added","user":"U1"}"#);
    assert_eq!((kept.calls, report.refused), (0, 0));
    assert_eq!(report.notes.keys().collect::<Vec<_>>(), ["Slack events `pin_added`, acknowledged and not kept"]);
    assert!(callback(r#"{"type":"tokens_revoked"}"#).warning().is_some() && callback(r#"{"type":"message"}"#).warning().is_none());
    for event in [
        r#"{"type":"message","channel":"C1","text":"hunter2"}"#,
        r#"{"type":"message","text":"hunter2","ts":"1.0"}"#,
        r#"{"type":"message","channel":"C1","text":{"a":"hunter2"},"ts":"1.0"}"#,
        r#"{"type":"message","channel":"C1","text":"hunter2","ts":"hunter2"}"#,
        r#"{"type":"reaction_added","user":"U1","reaction":"hunter2","item":{"type":"message","channel":"C1","ts":"1.0"},"event_ts":"hunter2"}"#,
        r#"{"type":"reaction_added","user":"U1","item":{"type":"message","channel":"C1","ts":"1.0"}}"#,
        r#"{"type":"member_joined_channel","channel":"C1"}"#,
        r#"{"type":"user_change","user":{"name":"hunter2"}}"#,
    ] {
        let (kept, report) = slack(event);
        assert_eq!((kept.calls, report.refused), (0, 1), "{event}");
        assert!(!report.refusals.iter().any(|refusal| refusal.reason.contains("hunter2")), "{:?}", report.refusals);
    }
    for body in ["hunter2", "[]", "{}", r#"{"type":"event_callback"}"#, r#"{"type":"event_callback","event":{}}"#, r#"{"type":"url_verification"}"#] {
        assert!(!Call::read(body.as_bytes()).unwrap_err().contains("hunter2"), "{body}");
    }
    assert!(Call::read(b"{\"type\":\"x\xff\"}").is_err());
    assert!(matches!(Call::read(br#"{"type":"app_rate_limited","minute_rate_limited":1}"#), Ok(Call::RateLimited)));
    assert!(matches!(Call::read(br#"{"type":"url_verification","challenge":"c"}"#), Ok(Call::Challenge(challenge)) if challenge == "c"));
    assert!(matches!(Call::read(br#"{"type":"new"}"#), Ok(Call::Other)));
}

#[test]
fn lines_of_a_request() {
    let body = b"{\"type\":\"message\",\"chat\":\"C1\",\"id\":\"m1\",\"at\":\"2026-01-05T08:00:00Z\",\"user\":\"U1\",\"text\":\"x\",\"attachments\":[{\"path\":\"/etc/passwd\"}]}\n\
        {\"type\":\"message\",\"chat\":\"C1\",\"id\":\"m2\",\"at\":\"2026-01-05T08:00:00Z\",\"user\":\"U1\",\"text\":\"x\",\"attachments\":[{\"path\":\"Cargo.toml\"}]}\n\xff\n";
    let arrived = live::lines(body, &Limits::default()).unwrap();
    assert_eq!((arrived.gathered.events(), arrived.report.refused, arrived.report.attachments_missing), (1, 2, 1));
    assert!(arrived.gathered.bytes() > 256 && !arrived.is_all_refused());
    // May be asked for twice.
    let (first, report) = kept(live::lines(body, &Limits::default()).unwrap());
    assert_eq!((first.event("m2").attachments.first().unwrap().digest, report.refusals.last().unwrap().line), (None, Some(3)));
    assert!(live::lines(b"x\ny", &Limits::default()).unwrap().is_all_refused());
    assert!(!live::lines(b"", &Limits::default()).unwrap().is_all_refused());
}
