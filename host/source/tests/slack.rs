//! Slack: every subtype, names, files and layouts, on exports made by hand.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use consign_model::{ChatKind, Digest, EventKind, Flags, Timestamp};
use consign_source::{Format, Limits};
use support::{CHANNELS, Room, USERS, day, read, read_day, read_with, refused_whole};

#[test]
fn every_entry_is_one_event_with_its_ts() {
    let subtypes = [
        ("", EventKind::Message),
        ("file_share", EventKind::Message),
        ("bot_message", EventKind::Message),
        ("me_message", EventKind::Message),
        ("thread_broadcast", EventKind::Message),
        ("file_comment", EventKind::Message),
        ("channel_join", EventKind::Join),
        ("group_join", EventKind::Join),
        ("channel_leave", EventKind::Leave),
        ("group_leave", EventKind::Leave),
        ("message_replied", EventKind::Other),
        ("channel_topic", EventKind::Other),
        ("channel_purpose", EventKind::Other),
        ("channel_name", EventKind::Other),
        ("pinned_item", EventKind::Other),
        ("channel_archive", EventKind::Other),
        ("huddle_thread", EventKind::Other),
        ("never_heard_of", EventKind::Other),
        // These promise what they don't have: an event all the same, and not an invented edit.
        ("message_changed", EventKind::Other),
        ("message_deleted", EventKind::Other),
    ];
    let entries: Vec<String> = subtypes
        .iter()
        .enumerate()
        .map(|(at, (subtype, _))| format!(r#"{{"type":"message","subtype":"{subtype}","ts":"1767600000.{at:06}","user":"U1","text":"by <@U1>"}}"#))
        .collect();
    let (kept, report) = read_day(&format!("[{}]", entries.join(",\n")));
    let seen: Vec<_> = kept.chat("C1").iter().map(|event| (event.id.clone(), event.kind)).collect();
    let wanted: Vec<_> = subtypes.iter().enumerate().map(|(at, (_, kind))| (format!("1767600000.{at:06}"), *kind)).collect();
    assert_eq!(seen, wanted);
    assert!(!report.refused_anything());
    assert!(kept.chat("C1").iter().all(|event| event.user.as_deref() == Some("U1") && event.at == Timestamp(1_767_600_000_000)));
    let replied = kept.event("1767600000.000010");
    assert_eq!(replied.text, "");
    let topic = kept.event("1767600000.000011");
    assert_eq!((topic.text.as_str(), topic.original.as_deref()), ("by @Ann Lee", Some("by <@U1>")));
    let join = kept.event("1767600000.000006");
    assert_eq!((join.text.as_str(), join.original.as_deref()), ("", Some("by <@U1>")));
}

#[test]
fn edits_and_deletes_carry_both_texts() {
    let (kept, _) = read_day(
        r#"[
  {"type":"message","subtype":"message_changed","hidden":true,"ts":"1767600009.000900","channel":"C1",
   "message":{"type":"message","user":"U1","text":"new &amp; better","ts":"1767600001.000100","thread_ts":"1767600000.000000","edited":{"user":"U2","ts":"1767600009.000000"}},
   "previous_message":{"type":"message","user":"U1","text":"old","ts":"1767600001.000100"}},
  {"type":"message","subtype":"message_changed","ts":"1767600010.000000","message":{"user":"U1","text":"x","ts":"1767600001.000100"}},
  {"type":"message","subtype":"message_deleted","ts":"1767600011.000000","deleted_ts":"1767600001.000100","previous_message":{"user":"U1","text":"<@U2> gone","ts":"1767600001.000100"}},
  {"type":"message","subtype":"message_deleted","ts":"1767600012.000000","user":"U2","previous_message":{"user":"U1","ts":"1767600001.000100"}},
  {"type":"message","ts":"1767600001.000100","user":"U1","text":"new","edited":{"user":"U2","ts":"1767600009.000000"}}
 ]"#,
    );
    let edit = kept.event("1767600009.000900");
    assert_eq!(edit.kind, EventKind::Edit);
    assert_eq!(edit.target.as_deref(), Some("1767600001.000100"));
    assert_eq!(edit.thread.as_deref(), Some("1767600000.000000"));
    assert_eq!(edit.user.as_deref(), Some("U2"));
    assert_eq!((edit.text.as_str(), edit.previous.as_deref()), ("new & better", Some("old")));
    assert_eq!(edit.original.as_deref(), Some("new &amp; better"));
    let second = kept.event("1767600010.000000");
    assert_eq!((second.user.as_deref(), second.previous.as_deref()), (Some("U1"), None));
    let delete = kept.event("1767600011.000000");
    assert_eq!(delete.kind, EventKind::Delete);
    assert_eq!((delete.user.as_deref(), delete.target.as_deref()), (Some("U1"), Some("1767600001.000100")));
    assert_eq!((delete.text.as_str(), delete.previous.as_deref()), ("", Some("@Bob gone")));
    let by_other = kept.event("1767600012.000000");
    assert_eq!((by_other.user.as_deref(), by_other.target.as_deref()), (Some("U2"), Some("1767600001.000100")));
    assert!(kept.event("1767600001.000100").flags.has(Flags::EDITED));
    let order: Vec<_> = kept.chat("C1").iter().map(|event| event.id.as_str()).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn tombstones_are_deletions() {
    let (kept, report) = read_day(
        r#"[
  {"type":"message","subtype":"tombstone","user":"USLACKBOT","ts":"1767600001.000100","thread_ts":"1767600001.000100","text":"This message was deleted.","reply_count":1},
  {"type":"message","subtype":"message_changed","ts":"1767600009.000000","message":{"subtype":"tombstone","user":"USLACKBOT","text":"This message was deleted.","ts":"1767600001.000100","thread_ts":"1767600001.000100"},
   "previous_message":{"user":"U1","text":"sold <@U2>","ts":"1767600001.000100"}}
 ]"#,
    );
    let of_root = kept.event("1767600001.000100");
    assert_eq!((of_root.kind, of_root.user.as_deref(), of_root.target.as_deref()), (EventKind::Delete, None, Some("1767600001.000100")));
    assert_eq!((of_root.text.as_str(), of_root.original.as_deref()), ("", Some("This message was deleted.")));
    let change = kept.event("1767600009.000000");
    assert_eq!((change.kind, change.user.as_deref(), change.target.as_deref()), (EventKind::Delete, Some("U1"), Some("1767600001.000100")));
    assert_eq!((change.text.as_str(), change.previous.as_deref()), ("", Some("sold @Bob")));
    assert_eq!(change.thread.as_deref(), Some("1767600001.000100"));
    assert_eq!((kept.all().count(), report.refused), (2, 0));
}

#[test]
fn a_huddle_names_its_participants() {
    let (kept, _) = read_day(
        r#"[{"subtype":"huddle_thread","user":"U1","ts":"1.0","text":"","room":{"participants":["U2"],"participant_history":["U1","U2","U9"]}},
            {"subtype":"huddle_thread","user":"U1","ts":"2.0","text":"A huddle","room":{"participants":[],"participant_history":["U1"]}},
            {"subtype":"huddle_thread","user":"U1","ts":"3.0","text":"A huddle","room":null}]"#,
    );
    let shown = |id: &str| (kept.event(id).kind, kept.event(id).text.as_str(), kept.event(id).original.as_deref());
    assert_eq!(shown("1.0"), (EventKind::Other, "Participants: @Bob, @Ann Lee, @U9", Some("Participants: <@U2>, <@U1>, <@U9>")));
    assert_eq!(shown("2.0"), (EventKind::Other, "A huddle\nParticipants: @Ann Lee", Some("A huddle\nParticipants: <@U1>")));
    assert_eq!(shown("3.0"), (EventKind::Other, "A huddle", None));
}

#[test]
fn threads_and_notices() {
    let (kept, _) = read_day(
        r#"[
  {"type":"message","ts":"1767600001.000000","thread_ts":"1767600001.000000","user":"U1","text":"root","replies":[{"user":"U2","ts":"1767600002.000000"}]},
  {"type":"message","ts":"1767600002.000000","thread_ts":"1767600001.000000","user":"U2","text":"reply"},
  {"type":"message","subtype":"thread_broadcast","ts":"1767600003.000000","thread_ts":"1767600001.000000","user":"U2","text":"to all","root":{"text":"root","ts":"1767600001.000000"}},
  {"type":"message","subtype":"message_replied","ts":"1767600002.000001","message":{"text":"root","user":"U1","ts":"1767600001.000000","thread_ts":"1767600001.000000","replies":[]}}
 ]"#,
    );
    assert_eq!(kept.all().count(), 4);
    assert!(!kept.event("1767600001.000000").own_flags().has(Flags::REPLY));
    assert!(kept.event("1767600002.000000").own_flags().has(Flags::REPLY));
    assert_eq!(kept.event("1767600003.000000").thread.as_deref(), Some("1767600001.000000"));
    let notice = kept.event("1767600002.000001");
    assert_eq!((notice.kind, notice.text.as_str(), notice.user.as_deref()), (EventKind::Other, "", None));
    assert_eq!((notice.target.as_deref(), notice.thread.as_deref()), (Some("1767600001.000000"), Some("1767600001.000000")));
}

#[test]
fn bots_and_people_in_no_list() {
    let (kept, report) = read_day(
        r#"[
  {"type":"message","subtype":"bot_message","ts":"1767600001.000000","bot_id":"B1","username":"Fixing\r\nBot","text":"","attachments":[{"fallback":"ESTR 1.93"}]},
  {"type":"message","ts":"1767600002.000000","user":"U3","bot_id":"B2","bot_profile":{"name":"Ops"},"text":"hi"},
  {"type":"message","ts":"1767600003.000000","user":"U9","text":"guest","user_profile":{"real_name":"Guest Nine","name":"nine"}},
  {"type":"message","ts":"1767600004.000000","user":"U9","text":"again","user_profile":{"real_name":"Guest Nine"}},
  {"type":"message","ts":"1767600005.000000","user":"U8","text":"nobody"},
  {"type":"message","subtype":"file_share","ts":"1767600006.000000","user":"U1","username":"<@U1|ann>","text":"x"},
  {"type":"message","subtype":"file_comment","ts":"1767600007.000000","text":"c","comment":{"user":"U2","comment":"c"}}
 ]"#,
    );
    let bot = kept.event("1767600001.000000");
    assert_eq!((bot.user.as_deref(), bot.sender_name.as_deref(), bot.text.as_str()), (Some("B1"), Some("Fixing Bot"), "ESTR 1.93"));
    assert!(bot.flags.has(Flags::FROM_BOT));
    let posted = kept.event("1767600002.000000");
    assert_eq!((posted.user.as_deref(), posted.sender_name.as_deref(), posted.flags.has(Flags::FROM_BOT)), (Some("U3"), Some("Ops"), true));
    let person = kept.event("1767600006.000000");
    assert_eq!((person.sender_name.as_deref(), person.flags), (None, Flags::default()));
    assert_eq!(kept.event("1767600007.000000").user.as_deref(), Some("U2"));
    assert_eq!((kept.user("B1").name.as_str(), kept.user("B1").bot), ("Fixing Bot", true));
    assert_eq!((kept.user("U9").name.as_str(), kept.user("U9").bot), ("Guest Nine", false));
    assert_eq!(kept.users.iter().filter(|user| user.id == "U9").count(), 1);
    assert!(kept.users.iter().all(|user| user.id != "U8"));
    assert_eq!((report.users, report.users_without_email), (5, 4));
}

#[test]
fn reactions_are_events_of_their_own() {
    let entries = r#"[{"type":"message","ts":"1767600001.000200","thread_ts":"1767600000.000000","user":"U1","text":"x","reactions":[
      {"name":"thumbsup","users":["U2","U1","U2"],"count":5},{"name":"eyes","users":["U2"]},{"name":"+1::skin-tone-3","users":[]}]}]"#;
    let (kept, report) = read_day(entries);
    let seen: Vec<_> = kept.chat("C1").iter().map(|e| (e.id.as_str(), e.user.as_deref(), e.text.as_str(), e.target.as_deref())).collect();
    let (message, at) = ("1767600001.000200", "2026-01-05T08:00:01.000Z");
    assert_eq!(
        seen,
        [
            (message, Some("U1"), "x", None),
            (&*format!("reaction:{message}:U1:thumbsup:{at}"), Some("U1"), "thumbsup", Some(message)),
            (&*format!("reaction:{message}:U2:thumbsup:{at}"), Some("U2"), "thumbsup", Some(message)),
            (&*format!("reaction:{message}:U2:eyes:{at}"), Some("U2"), "eyes", Some(message)),
        ]
    );
    assert_eq!(report.notes.len(), 1, "two thumbs without a user: {:?}", report.notes);
    // The same again, to the last byte: ids never depend on the run.
    assert_eq!(read_day(entries).0.events, kept.events);
}

#[test]
fn users_and_chats() {
    let room = Room::new();
    let path = room.zip(&[
        ("users.json", USERS.as_bytes()),
        ("channels.json", CHANNELS.as_bytes()),
        ("groups.json", r#"[{"id":"G1","name":"deal-🌋-room","is_archived":true,"members":["U1"]}]"#.as_bytes()),
        ("dms.json", br#"[{"id":"D1","members":["U1","U2"]}]"#),
        ("mpims.json", br#"[{"id":"M1","name":"mpdm-ann--bob-1","members":["U1","U2","U3"]}]"#),
        ("deal-🌋-room/2026-01-05.json", br#"[{"ts":"1.0","user":"U1","text":"a"}]"#),
        ("D1/2026-01-05.json", br#"[{"ts":"2.0","user":"U1","text":"b"}]"#),
        ("mpdm-ann--bob-1/2026-01-06.json", br#"[{"ts":"4.0","user":"U1","text":"d"}]"#),
        ("mpdm-ann--bob-1/2026-01-05.json", br#"[{"ts":"3.9","user":"U1","text":"c"},{"ts":"3.100000","user":"U1","text":"b"}]"#),
        ("lost-and-found/2026-01-05.json", br#"[{"ts":"5.0","user":"U1","text":"e"}]"#),
        ("desk/canvas_in_the_conversation.json", b"{}"),
        ("integration_logs.json", b"[]"),
        ("__MACOSX/._users.json", b"litter"),
    ]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    let ann = kept.user("U1");
    assert_eq!((ann.name.as_str(), ann.email.as_deref(), ann.recorded, ann.bot), ("Ann Lee", Some("ann@desk.example"), true, false));
    assert_eq!(ann.attributes.get("login-name").map(String::as_str), Some("ann"));
    assert_eq!((kept.user("U2").name.as_str(), kept.user("U2").email.as_deref()), ("Bob", None));
    assert_eq!((kept.user("U3").name.as_str(), kept.user("U3").bot), ("田中 花子", true));
    assert_eq!(report.users_without_email, 2);
    let chat = |id: &str| kept.chats.get(id).unwrap();
    assert_eq!((chat("C1").kind, chat("C1").title.as_deref()), (Some(ChatKind::Channel), Some("desk")));
    assert_eq!(chat("C1").members, ["U1", "U2"]);
    // What people wrote there is text, and labels stand in clear in the index: the events that set it have it.
    assert!(chat("C1").labels.is_empty());
    assert_eq!((chat("G1").kind, chat("G1").title.as_deref()), (Some(ChatKind::Channel), Some("deal-🌋-room")));
    assert_eq!(chat("G1").labels.get("private").map(String::as_str), Some("true"));
    assert_eq!((chat("D1").kind, chat("D1").title.as_deref()), (Some(ChatKind::Direct), None));
    assert_eq!((chat("M1").kind, chat("M1").title.as_deref()), (Some(ChatKind::Group), None));
    assert_eq!((chat("lost-and-found").kind, chat("lost-and-found").title.as_deref()), (None, Some("lost-and-found")));
    let texts = |id: &str| kept.chat(id).iter().map(|event| event.text.as_str()).collect::<String>();
    assert_eq!((texts("G1"), texts("D1"), texts("M1"), texts("lost-and-found")), ("a".into(), "b".into(), "bcd".into(), "e".into()));
    assert!(!report.refused_anything());
    assert_eq!(report.notes.len(), 3, "{:?}", report.notes);
}

#[test]
fn files_of_either_layout_from_zip_folder_and_folder_in_zip() {
    let day = br#"[
  {"ts":"1.0","user":"U1","text":"","files":[{"id":"F1","name":"q.pdf","mimetype":"application/pdf","size":999,"url_private":"https://files/q.pdf"}]},
  {"ts":"2.0","user":"U1","subtype":"file_share","text":"","file":{"id":"F2","name":"a.csv","size":3,"url_private":"https://files/a.csv"}},
  {"ts":"3.0","user":"U1","text":"","files":[{"id":"F3","title":"gone\r\n.txt","mode":"tombstone","size":-5},null,{"id":"F1","name":"q.pdf","mimetype":"application/pdf"}]},
  {"ts":"4.0","subtype":"message_changed","message":{"ts":"1.0","user":"U1","text":"y","files":[{"id":"F1","name":"q.pdf"},{"id":"F2","name":"a.csv"}]},"previous_message":{"ts":"1.0","files":[{"id":"F1","name":"q.pdf"}]}}
 ]"#;
    let files: [(&str, &[u8]); 5] = [
        ("users.json", USERS.as_bytes()),
        ("channels.json", CHANNELS.as_bytes()),
        ("desk/2026-01-05.json", day),
        ("__uploads/F1/q.pdf", b"%PDF-1.4 bytes"),
        ("desk/attachments/F2-a.csv", b"a,b"),
    ];
    let room = Room::new();
    let zip = room.zip(&files);
    let inside: Vec<_> = files.iter().map(|(name, bytes)| (format!("Export Jan 2026/{name}"), *bytes)).collect();
    let inside: Vec<_> = inside.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    let packed_folder = room.write("folder.zip", support::zip_of(&inside));
    for (name, bytes) in &files {
        room.write(&format!("unpacked/{name}"), bytes);
    }
    for path in [zip, packed_folder, room.path("unpacked")] {
        let (kept, report) = read(Format::Slack, &path).unwrap();
        let pdf = kept.event("1.0").attachments.first().unwrap().clone();
        assert_eq!((pdf.name.as_str(), pdf.size, pdf.digest), ("q.pdf", Some(14), Some(Digest::of(b"%PDF-1.4 bytes"))));
        assert_eq!((pdf.media_type.as_str(), pdf.url), ("application/pdf", None));
        let csv = kept.event("2.0").attachments.first().unwrap();
        assert_eq!((csv.digest, csv.media_type.as_str()), (Some(Digest::of(b"a,b")), "application/octet-stream"));
        let of_third = &kept.event("3.0").attachments;
        assert_eq!(of_third.len(), 2);
        let (gone, again) = (of_third.first().unwrap(), of_third.last().unwrap());
        assert_eq!((gone.name.as_str(), gone.digest, gone.size), ("gone .txt", None, None));
        assert_eq!(again.digest, pdf.digest);
        let added: Vec<_> = kept.event("4.0").attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(added, ["a.csv"]);
        assert_eq!((report.attachments, report.attachments_missing, report.refused), (4, 1, 0));
        assert_eq!(report.missing.first().map(|missing| (missing.chat.as_str(), missing.event.as_str())), Some(("C1", "3.0")));
        assert_eq!(kept.files.len(), 2);
    }
}

#[test]
fn files_of_what_is_gone_hang_on_the_deletion() {
    let file = |id: &str| format!(r#"{{"id":"{id}","name":"{id}.pdf"}}"#);
    let deleted = |ts: &str, of: &str, id: &str| {
        let files = file(id);
        format!(
            r#"{{"ts":"{ts}","subtype":"message_deleted","deleted_ts":"{of}","previous_message":{{"ts":"{of}","user":"U1","text":"x","files":[{files}]}}}}"#
        )
    };
    let (kept_file, edited_out) = (file("F2"), file("F3"));
    let entries = [
        // The message is in no export; it is, and has its file; an edit takes a file away from one that is in none; a root is deleted.
        deleted("10.0", "1.0", "F1"),
        format!(r#"{{"ts":"2.0","user":"U1","text":"y","files":[{kept_file}]}}"#),
        deleted("11.0", "2.0", "F2"),
        format!(
            r#"{{"ts":"12.0","subtype":"message_changed","message":{{"ts":"3.0","text":"z"}},"previous_message":{{"ts":"3.0","text":"z","files":[{edited_out}]}}}}"#
        ),
        format!(
            r#"{{"ts":"13.0","subtype":"message_changed","message":{{"ts":"4.0","subtype":"tombstone"}},"previous_message":{{"ts":"4.0","files":[{}]}}}}"#,
            file("F4")
        ),
    ];
    let day = format!("[{}]", entries.join(",\n"));
    let room = Room::new();
    let lists: [(&str, &[u8]); 3] =
        [("users.json", USERS.as_bytes()), ("channels.json", CHANNELS.as_bytes()), ("desk/2026-01-05.json", day.as_bytes())];
    let uploads: [(&str, &[u8]); 5] = [
        ("__uploads/F1/F1.pdf", b"one"),
        ("__uploads/F2/F2.pdf", b"two"),
        ("__uploads/F3/F3.pdf", b"three"),
        ("__uploads/F4/F4.pdf", b"four"),
        ("__uploads/F9/nobody's.pdf", b"nine"),
    ];
    let (kept, report) = read(Format::Slack, &room.zip(&[lists.as_slice(), &uploads].concat())).unwrap();
    let digests = |id: &str| kept.event(id).attachments.iter().map(|file| file.digest.unwrap()).collect::<Vec<_>>();
    assert_eq!(digests("10.0"), [Digest::of(b"one")]);
    assert_eq!((digests("2.0"), digests("11.0")), (vec![Digest::of(b"two")], vec![]));
    assert_eq!((digests("12.0"), digests("13.0")), (vec![Digest::of(b"three")], vec![Digest::of(b"four")]));
    assert_eq!((report.attachments, report.attachments_missing, report.refused), (4, 0, 0));
    assert_eq!((report.unclaimed, report.unclaimed_files), (1, vec!["__uploads/F9/nobody's.pdf".to_owned()]));
    assert!(report.notes.keys().any(|note| note.contains("no message names")), "{:?}", report.notes);
    // Without the bytes they are missing, and said so.
    let (_, report) = read(Format::Slack, &room.zip(&lists)).unwrap();
    assert_eq!((report.attachments_missing, report.unclaimed), (4, 0));
}

/// A file that was renamed may have been downloaded under both names.
#[test]
fn of_two_files_with_one_id_each_message_gets_the_one_with_its_name() {
    let message = |ts: &str, name: &str| format!(r#"{{"ts":"{ts}","user":"U1","text":"x","files":[{{"id":"F1","name":"{name}"}}]}}"#);
    let day = format!("[{},{},{}]", message("1.0", "old.pdf"), message("2.0", "new.pdf"), message("3.0", "other.pdf"));
    let room = Room::new();
    let files: [(&str, &[u8]); 4] = [
        ("channels.json", CHANNELS.as_bytes()),
        ("desk/2026-01-05.json", day.as_bytes()),
        ("__uploads/F1/new.pdf", b"new"),
        ("__uploads/F1/old.pdf", b"old"),
    ];
    let (kept, report) = read(Format::Slack, &room.zip(&files)).unwrap();
    let digest = |id: &str| kept.event(id).attachments.first().unwrap().digest.unwrap();
    assert_eq!(["1.0", "2.0", "3.0"].map(digest), [b"old", b"new", b"new"].map(|bytes| Digest::of(bytes)));
    assert_eq!((report.attachments, report.unclaimed, report.refused), (3, 0, 0));
}

#[test]
fn an_enterprise_grid() {
    let channels = r#"[{"id":"C1","name":"desk"},{"id":"C2","name":"general"},{"id":"C3","name":"general"},{"id":"C4","name":"ops"},{"id":"C5","name":"shared"}]"#;
    let org = r#"[{"id":"U2","real_name":"Robert"},{"id":"U7","real_name":"Grid Seven","profile":{"email":"seven@desk.example"}}]"#;
    let day = |ts: &str| format!(r#"[{{"ts":"{ts}","user":"U7","text":"<@U7>"}}]"#);
    let days = [
        ("teams/acme/desk/2026-01-05.json", "1.0"),
        ("teams/acme/desk/2026-01-06.json", "2.0"),
        // Two chats of one name; and one chat, of which two folders have the name.
        ("teams/acme/general/2026-01-05.json", "3.0"),
        ("ops/2026-01-05.json", "4.0"),
        ("teams/acme/ops/2026-01-05.json", "5.0"),
        // An id is certain wherever it stands.
        ("teams/acme/C5/2026-01-06.json", "6.2"),
        ("teams/blue/C5/2026-01-05.json", "6.1"),
        ("teams/blue/unlisted/2026-01-05.json", "7.0"),
        ("2026-01-05.json", "8.0"),
    ]
    .map(|(path, ts)| (path, day(ts)));
    let room = Room::new();
    let mut files: Vec<(&str, &[u8])> =
        vec![("users.json", USERS.as_bytes()), ("org_users.json", org.as_bytes()), ("channels.json", channels.as_bytes())];
    files.extend(days.iter().map(|(path, day)| (*path, day.as_bytes())));
    let (kept, report) = read(Format::Slack, &room.zip(&files)).unwrap();
    let ids = |chat: &str| kept.chat(chat).iter().map(|event| event.id.as_str()).collect::<Vec<_>>();
    assert_eq!((ids("C1"), ids("C4"), ids("C5")), (vec!["1.0", "2.0"], vec!["4.0"], vec!["6.1", "6.2"]));
    assert_eq!((kept.all().count(), kept.event("1.0").text.as_str()), (5, "@Grid Seven"));
    let mut refused: Vec<_> = report.refusals.iter().map(|refusal| refusal.file.as_str()).collect();
    refused.sort_unstable();
    let wanted = ["2026-01-05.json", "teams/acme/general/2026-01-05.json", "teams/acme/ops/2026-01-05.json", "teams/blue/unlisted/2026-01-05.json"];
    assert_eq!(refused, wanted);
    assert_eq!((kept.user("U7").email.as_deref(), kept.user("U2").name.as_str(), kept.users.len()), (Some("seven@desk.example"), "Bob", 4));
}

#[test]
fn a_missing_file_is_told_without_its_token() {
    let (kept, report) = read_day(
        r#"[{"ts":"1.0","user":"U1","text":"","files":[{"id":"F1","name":"a","url_private":"https://files.slack.com/a?t=xoxe-1"}]},
            {"ts":"2.0","user":"U1","text":"","files":[{"id":"F2","name":"b","permalink":"https://corp.slack.com/b?token=xoxe-2#xoxe-3"}]}]"#,
    );
    let urls = kept.all().flat_map(|event| &event.attachments).map(|file| file.url.as_deref());
    assert_eq!(urls.collect::<Vec<_>>(), [Some("https://files.slack.com/a"), Some("https://corp.slack.com/b")]);
    assert!(report.missing.len() == 2 && !format!("{kept:?} {report:?}", kept = kept.events).contains("xoxe"));
}

#[test]
fn people_of_other_companies_are_external() {
    let room = Room::new();
    let users = r#"[{"id":"U1","team_id":"T1","real_name":"Ann"},{"id":"U2","team_id":"T8","is_stranger":true},{"id":"U3","enterprise_user":{"enterprise_id":"E1","teams":["T2"]}}]"#;
    let day = r#"[
      {"ts":"1.0","user":"U5","text":"a","user_team":"T8","source_team":"T8"},
      {"ts":"2.0","user":"U5","text":"b","user_team":"T8"},
      {"ts":"3.0","user":"U5","text":"c","user_team":"T8","user_profile":{"real_name":"Eve Other"}},
      {"ts":"4.0","user":"U6","text":"d","source_team":"T9","user_profile":{"real_name":"Ivo"}},
      {"ts":"5.0","user":"U7","text":"e","user_team":"T2","source_team":"T1","user_profile":{"real_name":"Colleague"}},
      {"ts":"6.0","user":"U8","text":"f","user_team":"E1"},
      {"ts":"7.0","user":"U1","text":"g","user_team":"T1","source_team":"T8"}]"#;
    let path = room.zip(&[("users.json", users.as_bytes()), ("channels.json", CHANNELS.as_bytes()), ("desk/2026-01-05.json", day.as_bytes())]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    let seen: Vec<_> = kept.users.iter().map(|user| (user.id.as_str(), user.name.as_str(), user.external)).collect();
    let listed = [("U1", "Ann", false), ("U2", "U2", true), ("U3", "U3", false)];
    let met = [("U5", "U5", true), ("U5", "Eve Other", true), ("U6", "Ivo", true), ("U7", "Colleague", false)];
    assert_eq!(seen, [listed.as_slice(), &met].concat());
    assert_eq!((report.users, report.refused), (6, 0));
}

#[test]
fn one_bad_entry_costs_only_itself() {
    let room = Room::new();
    let path = room.write(
        "export.zip",
        support::day(
            r#"[{"ts":"1.0","user":"U1","text":"ok"},
7,
{"user":"U1","text":"secret"},
{"ts":"soon","user":"U1","text":"secret"},
{"ts":"99999999999999.0","text":"secret"},
{"ts":"6.0","user":["secret"],"text":"x"},
{"ts":"7.0","user":"U1","text":1e999999},
{"ts":"8.0","user":"U1","text":{"a":"secret"}},
{"ts":"9.0","user":"U1","text":"\ud800"},
{"ts":"10.0","user":"U1","text":"ok","files":"secret"},
{"ts":"11.0","user":"U\n1","text":"ok"},
null,
{"ts":"-1.0","text":"x"},
{"ts":"12.0","user":"U1","text":"ok","reactions":[{"name":"a","users":"secret"}]},
{"ts":"13.0","user":"U1","text":"ok","edited":null,"files":null,"reactions":null,"thread_ts":null,"subtype":null,"bot_id":null}]"#,
        ),
    );
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!(kept.chat("C1").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["1.0", "13.0"]);
    assert_eq!((report.refused, report.refusals.len()), (13, 13));
    let mut lines: Vec<_> = report.refusals.iter().map(|refusal| (refusal.line.unwrap(), refusal.index.unwrap())).collect();
    lines.sort_unstable();
    assert_eq!(lines, (1..14).map(|index| (index + 1, index)).collect::<Vec<_>>());
    for refusal in &report.refusals {
        assert_eq!(refusal.file, "desk/2026-01-05.json");
        assert!(!refusal.reason.contains("secret"), "{refusal}");
    }
    let shown = report.refusals.iter().find(|refusal| refusal.index == Some(5)).unwrap().to_string();
    assert_eq!(shown, "desk/2026-01-05.json, line 6, entry 5: `user` is a list, not a text");
}

#[test]
fn a_broken_day_file_costs_only_itself_and_a_broken_list_everything() {
    let room = Room::new();
    let path = room.zip(&[
        ("users.json", USERS.as_bytes()),
        ("channels.json", CHANNELS.as_bytes()),
        ("desk/2026-01-05.json", b"[{\"ts\":\"1.0\",\"text\":\"a\"},\n{\"ts\":\"2.0\",\"text\":\"b\"\n]"),
        ("desk/2026-01-06.json", b"[{\"ts\":\"3.0\",\"text\":\"c\"}]"),
        ("desk/2026-01-07.json", b"[\n\n{\"ts\":\"3.0\",\"text\":\"\xff\"}]"),
        ("desk/2026-01-08.json", b"{\"ok\":false}"),
        ("desk/2026-01-09.json", b""),
    ]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!(kept.chat("C1").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["3.0"]);
    let places: Vec<_> = report.refusals.iter().map(|refusal| (refusal.file.as_str(), refusal.line)).collect();
    assert_eq!(
        places,
        [("desk/2026-01-05.json", Some(3)), ("desk/2026-01-07.json", Some(3)), ("desk/2026-01-08.json", Some(1)), ("desk/2026-01-09.json", Some(1))]
    );

    for (users, place) in [("[{\"id\":\"U1\"},\n{]", "users.json, line 2"), ("{}", "users.json, line 1"), ("\u{feff}[", "users.json, line 1")] {
        let path = room.zip(&[("users.json", users.as_bytes()), ("channels.json", CHANNELS.as_bytes())]);
        let error = refused_whole(Format::Slack, &path, &Limits::default()).to_string();
        assert!(error.contains(place), "{error}");
    }
    // One bad element of a list is refused alone.
    let path = room.zip(&[("users.json", br#"[{"id":"U1"},{"name":"x"},{"id":"U1"},{"id":7}]"#), ("channels.json", CHANNELS.as_bytes())]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!((kept.users.len(), report.refused), (1, 3));
}

#[test]
fn names_are_cleaned_and_said_so() {
    let room = Room::new();
    let path = room.zip(&[
        ("users.json", br#"[{"id":"U1","profile":{"real_name":"Ann\r\nBcc: x@y.example","email":"a@b.example\r\nX: y"}}]"#),
        ("channels.json", br#"[{"id":"C1","name":"desk\r\nSubject: hi"}]"#),
    ]);
    let (kept, report) = read(Format::Slack, &path).unwrap();
    assert_eq!((kept.user("U1").name.as_str(), kept.user("U1").email.as_deref()), ("Ann Bcc: x@y.example", None));
    assert_eq!(kept.chats.get("C1").unwrap().title.as_deref(), Some("desk Subject: hi"));
    assert_eq!(report.notes.values().sum::<u64>(), 3, "{:?}", report.notes);
}

#[test]
fn pieces_are_bounded_and_a_failing_sink_ends_the_import() {
    let entries: Vec<_> = (0..50).map(|at| format!(r#"{{"ts":"{at}.0","user":"U1","text":"{}"}}"#, "x".repeat(at))).collect();
    let room = Room::new();
    let path = room.write("export.zip", support::day(&format!("[{}]", entries.join(","))));
    let limits = Limits { piece_events: 7, ..Limits::default() };
    let (kept, _) = read_with(Format::Slack, &path, &limits).unwrap();
    assert_eq!((kept.chat("C1").len(), kept.largest_piece), (50, 7));
    let whole = kept.calls;
    for fail_at in 0..whole {
        let mut kept = support::Kept { fail_at: Some(fail_at), ..support::Kept::default() };
        let error = consign_source::read(Format::Slack, &path, &limits, &mut kept, &support::silent).unwrap_err();
        assert!(error.to_string().contains("the disk is full"), "{error}");
        assert_eq!(kept.calls, fail_at + 1, "nothing comes after a failure");
    }
}

#[test]
fn a_chat_with_a_folder_by_its_name_and_one_by_its_id_is_read_by_date() {
    let entry = |ts: &str| format!(r#"[{{"ts":"{ts}","user":"U1","text":"a"}}]"#);
    let (one, two, three) = (entry("1.0"), entry("2.0"), entry("3.0"));
    // The order of a set of two is another one each time.
    for _ in 0..8 {
        let room = Room::new();
        let path = room.zip(&[
            ("users.json", USERS.as_bytes()),
            ("channels.json", CHANNELS.as_bytes()),
            ("desk/2026-01-05.json", one.as_bytes()),
            ("C1/2026-01-06.json", two.as_bytes()),
            ("desk/2026-01-07.json", three.as_bytes()),
        ]);
        let (kept, _) = read(Format::Slack, &path).unwrap();
        assert_eq!(kept.chat("C1").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["1.0", "2.0", "3.0"]);
    }
}

#[test]
fn control_characters_in_blocks_become_pictures() {
    let (kept, _) = read_day(
        r#"[{"ts":"1.0","bot_id":"B1","text":"","blocks":[{"type":"rich_text","elements":[{"type":"link","url":"x:\u0001","text":"a\u0000"},
          {"type":"emoji","name":"\u001b"},{"type":"user","user_id":"U\u0007"},{"type":"channel","channel_id":"\u0002C"}]}]}]"#,
    );
    let event = kept.event("1.0");
    assert_eq!(event.text, "a␀ (x:␁):␛:@U␇#␂C");
    assert!(event.original.as_deref().is_some_and(|original| original.contains("<@U\u{7}>")));
}

#[test]
fn a_field_that_stands_twice_is_the_same_for_every_reading() {
    // What has no `ts` is counted and not kept where the report lists no more.
    let room = Room::new();
    let path = room.write("export.zip", day(r#"[{"ts":"2.0","text":"b"},{"ts":null,"text":"a","ts":"1.0"},{"ts":"3.0","text":"c","ts":null}]"#));
    let (kept, report) = read_with(Format::Slack, &path, &Limits { listed: 0, ..Limits::default() }).unwrap();
    assert_eq!(kept.chat("C1").iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["1.0", "2.0"]);
    assert_eq!(report.refused, 1);
}
