//! The rules of a piece, by importing into an archive that is a table.

use super::*;
use consign_model::{Attachment, Digest, Timestamp};

/// What an archive knows of one chat.
#[derive(Default)]
struct Archive {
    known: HashMap<EventHash, [u8; 8]>,
    events: Vec<Event>,
}

impl Archive {
    /// Imports a piece, as `prepare` does: what was stored, and the counts.
    fn import(&mut self, events: &[Event]) -> (Vec<Event>, Counts) {
        let contents = |of: &[Event]| of.iter().map(|event| self.known.get(&event.identity().hash).copied()).collect::<Vec<_>>();
        let before = contents(events);
        let files = events.iter().flat_map(Event::files).map(|(_, file)| file.hash);
        let files = files.chain(events.iter().flat_map(Event::named).map(|(_, name)| name)).filter(|file| self.known.contains_key(file)).collect();
        let edits = found_edits(events, &before, Edits::All, false);
        let edits_before = contents(&edits);
        let Fresh { events: stored, identities, counts, .. } = fresh(events, &before, files, edits, &edits_before);
        for identity in identities {
            assert_eq!(self.known.insert(identity.hash, identity.content), None, "stored twice");
        }
        self.events.extend(stored.iter().cloned());
        (stored, counts)
    }
}

fn message(id: &str, text: &str) -> Event {
    let mut event = Event::new(EventKind::Message, id, Timestamp(5));
    event.user = Some("U1".into());
    text.clone_into(&mut event.text);
    event
}

fn missing(name: &str) -> Attachment {
    let url = Some(format!("https://files.example/{name}"));
    Attachment { name: name.to_owned(), media_type: "application/pdf".to_owned(), size: None, digest: None, url }
}

fn present(name: &str, bytes: &str) -> Attachment {
    Attachment { size: Some(bytes.len() as u64), digest: Some(Digest::of(bytes.as_bytes())), url: None, ..missing(name) }
}

fn with(mut event: Event, files: impl IntoIterator<Item = Attachment>) -> Event {
    event.attachments.extend(files);
    event
}

fn names(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

/// Of late events: target, text, names of the files.
fn late(events: &[Event]) -> Vec<(&str, &str, Vec<String>)> {
    let files = |event: &Event| event.attachments.iter().map(|file| file.name.clone()).collect();
    let late = events.iter().filter(|event| event.adds_files());
    late.map(|event| (event.target.as_deref().unwrap_or_default(), event.text.as_str(), files(event))).collect()
}

#[test]
fn the_same_event_is_stored_once() {
    let mut archive = Archive::default();
    archive.import(&[message("m2", "b")]);
    let (stored, counts) = archive.import(&[message("m1", "a"), message("m1", "a"), message("m2", "b")]);
    assert_eq!(stored, [message("m1", "a")]);
    assert_eq!(counts.stored, BTreeMap::from([(EventKind::Message, 1)]));
    assert_eq!(counts.already_there, BTreeMap::from([(EventKind::Message, 2)]));
}

#[test]
fn another_text_is_an_edit_and_only_once() {
    let mut archive = Archive::default();
    archive.import(&[message("m1", "old")]);
    let (stored, counts) = archive.import(&[message("m1", "new")]);
    assert_eq!((stored.len(), counts.edits_found), (1, 1));
    assert_eq!(stored.first().map(|edit| (edit.kind, edit.target.as_deref())), Some((EventKind::Edit, Some("m1"))));
    let (again, counts) = archive.import(&[message("m1", "new")]);
    assert_eq!((again.len(), counts.edits_found), (0, 0));
}

#[test]
fn a_renamed_user_edits_nothing() {
    let said = |name: &str| Event { original: Some("hi <@U2>".to_owned()), ..message("m1", name) };
    let mut archive = Archive::default();
    archive.import(&[said("hi @Ann")]);
    assert_eq!(archive.import(&[said("hi @Ann Lee")]).0, []);
}

#[test]
fn a_file_that_was_missing_comes_as_an_event_of_its_own_and_only_once() {
    let reply =
        Event { thread: Some("m0".to_owned()), sender_name: Some("Ann".to_owned()), original: Some("*hi*".to_owned()), ..message("m1", "hi") };
    let mut archive = Archive::default();
    let came = [with(reply.clone(), [missing("q.pdf")])];
    let (_, counts) = archive.import(&came);
    assert_eq!(counts.late_files, 0);
    let whole = [with(reply.clone(), [present("q.pdf", "bytes")])];
    let (stored, counts) = archive.import(&whole);
    assert_eq!(stored.len(), 1);
    let event = &stored[0];
    assert!(event.adds_files() && event.id.starts_with("files:m1:"), "{}", event.id);
    // All that modules see of the message, they see of it too.
    let expected =
        Event { kind: EventKind::Edit, id: event.id.clone(), target: Some("m1".to_owned()), flags: whole[0].own_flags(), ..whole[0].clone() };
    assert_eq!(*event, expected);
    let edits = BTreeMap::from([(EventKind::Edit, 1)]);
    assert_eq!((counts.late_files, counts.edits_found, counts.stored), (1, 0, edits));
    assert_eq!(counts.already_there, BTreeMap::from([(EventKind::Message, 1)]));
    // With or without its bytes, it is no news any more.
    for events in [&whole, &came] {
        let (stored, counts) = archive.import(events);
        assert_eq!((stored, counts.late_files), (vec![], 0));
    }
}

#[test]
fn a_file_that_an_edit_added_is_seen_without_its_bytes_too() {
    let (bare, more) = ([message("m1", "hi")], [with(message("m1", "hi"), [missing("q.pdf"), missing("q.pdf")])]);
    let mut archive = Archive::default();
    archive.import(&bare);
    let (stored, counts) = archive.import(&more);
    assert_eq!((stored.len(), counts.late_files, stored[0].attachments.len(), stored[0].adds_files()), (1, 0, 2, true));
    for events in [&more[..], &bare[..], &stored.clone()[..]] {
        assert_eq!(archive.import(events).0, []);
    }
    // What is fetched for it comes with it.
    let mut fetched = stored[0].clone();
    fetched.attachments[0] = present("q.pdf", "bytes");
    let (stored, counts) = archive.import(&[fetched]);
    assert_eq!((stored.len(), counts.late_files, stored[0].attachments.len()), (1, 1, 1));
}

#[test]
fn a_file_that_was_there_from_the_beginning_never_comes_again() {
    let (whole, less) = ([with(message("m1", ""), [present("q.pdf", "bytes")])], [with(message("m1", ""), [missing("q.pdf")])]);
    let mut archive = Archive::default();
    let (stored, counts) = archive.import(&whole);
    assert_eq!((stored.as_slice(), counts.late_files), (whole.as_slice(), 0));
    for events in [&whole, &less, &whole] {
        assert_eq!(archive.import(events).0, []);
    }
}

#[test]
fn twice_in_one_piece() {
    let (bare, less, whole) =
        (message("m1", "hi"), with(message("m1", "hi"), [missing("q.pdf")]), with(message("m1", "hi"), [present("q.pdf", "bytes")]));
    // Whichever comes first is the message. What the second has more is added, even where the first names no file at all.
    for first in [bare, less] {
        let mut archive = Archive::default();
        let (stored, counts) = archive.import(&[first.clone(), whole.clone(), whole.clone()]);
        assert_eq!((stored.first(), late(&stored), counts.late_files), (Some(&first), vec![("m1", "hi", names("q.pdf"))], 1));
        let mut other_way = Archive::default();
        assert_eq!(other_way.import(&[whole.clone(), first]).0, std::slice::from_ref(&whole));
    }
}

#[test]
fn several_files_in_several_imports() {
    let (a, b, c) = (present("a", "A"), present("b", "B"), present("c", "C"));
    let mut archive = Archive::default();
    let mut import = |files: [Attachment; 3]| archive.import(&[with(message("m1", "hi"), files)]);
    assert_eq!(import([a.clone(), missing("b"), missing("c")]).1.late_files, 0);
    let (second, _) = import([a.clone(), missing("b"), c.clone()]);
    assert_eq!(late(&second), [("m1", "hi", names("c"))]);
    let (third, _) = import([missing("a"), b.clone(), c.clone()]);
    assert_eq!(late(&third), [("m1", "hi", names("b"))]);
    assert_ne!(second[0].id, third[0].id);
    assert_eq!(import([a, b, c]).0, []);
}

#[test]
fn two_files_with_the_same_bytes_are_two() {
    let mut archive = Archive::default();
    let file = |name: &str| present(name, "the same");
    archive.import(&[with(message("m1", "one"), [missing("a"), missing("b")]), with(message("m2", "two"), [missing("a")])]);
    let (stored, counts) = archive.import(&[with(message("m1", "one"), [file("a"), missing("b")]), with(message("m2", "two"), [file("a")])]);
    assert_eq!((late(&stored), counts.late_files), (vec![("m1", "one", names("a")), ("m2", "two", names("a"))], 2));
    let (stored, _) = archive.import(&[with(message("m1", "one"), [file("a"), file("b")]), with(message("m2", "two"), [file("a")])]);
    assert_eq!(late(&stored), [("m1", "one", names("b"))]);
}

#[test]
fn another_text_and_a_file_at_once() {
    let mut archive = Archive::default();
    archive.import(&[with(message("m1", "old"), [missing("q.pdf")])]);
    let edited = [with(message("m1", "new"), [present("q.pdf", "bytes")])];
    let (stored, counts) = archive.import(&edited);
    // The edit first, so that the files come with a text that is known by then.
    let kinds: Vec<_> = stored.iter().map(|event| (event.kind, event.adds_files(), event.attachments.len())).collect();
    assert_eq!(kinds, [(EventKind::Edit, false, 0), (EventKind::Edit, true, 1)]);
    assert_eq!(late(&stored), [("m1", "new", names("q.pdf"))]);
    assert_eq!((counts.edits_found, counts.late_files), (1, 1));
    assert_eq!(archive.import(&edited).0, []);
    assert_eq!(archive.import(&[with(message("m1", "old"), [present("q.pdf", "bytes")])]).0, []);
}

#[test]
fn files_of_edits_and_of_system_events() {
    let mut edit = Event::new(EventKind::Edit, "edit:m1:then", Timestamp(9));
    edit.target = Some("m1".to_owned());
    let topic = Event::new(EventKind::Other, "t1", Timestamp(7));
    let mut archive = Archive::default();
    archive.import(&[with(edit.clone(), [missing("a")]), with(topic.clone(), [missing("b")])]);
    let whole = [with(edit, [present("a", "A")]), with(topic, [present("b", "B")])];
    let (stored, _) = archive.import(&whole);
    let said: Vec<_> = stored.iter().map(|event| (event.kind, event.target.as_deref(), event.at)).collect();
    // In order of time; a system event stays one, since a module may judge those otherwise.
    assert_eq!(said, [(EventKind::Other, Some("t1"), Timestamp(7)), (EventKind::Edit, Some("m1"), Timestamp(9))]);
    assert_eq!(late(&stored), [("t1", "", names("b")), ("m1", "", names("a"))]);
    assert_eq!(archive.import(&whole).0, []);
}

/// splitmix64.
fn random(state: &mut u64, end: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % end
}

#[test]
fn in_every_order_each_file_is_stored_once_with_its_message() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_nanos()));
    let mut seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(now);
    println!("CONSIGN_SEED={seed}");
    for _ in 0..2_000 {
        let mut archive = Archive::default();
        let mut told = HashSet::new();
        for _ in 0..=random(&mut seed, 5) {
            let mut events = Vec::new();
            for _ in 0..random(&mut seed, 6) {
                let id = format!("m{}", random(&mut seed, 3));
                let mut event = message(&id, ["old", "new"][usize::from(random(&mut seed, 4) == 0)]);
                for name in ["a", "b", "c"] {
                    // Two of the names have the same bytes.
                    event.attachments.extend(match random(&mut seed, 3) {
                        0 => None,
                        1 => Some(missing(name)),
                        _ => Some(present(name, if name == "c" { "C" } else { "AB" })),
                    });
                }
                told.extend(event.files().map(|(file, _)| (id.clone(), file.name.clone())));
                events.push(event);
            }
            archive.import(&events);
            assert_eq!(archive.import(&events).0, [], "the same again");
        }
        let mut stored: Vec<_> = archive
            .events
            .iter()
            .flat_map(|event| {
                let of = if event.adds_files() { event.target.as_ref() } else { Some(&event.id) };
                event.files().map(move |(file, _)| (of.cloned().unwrap_or_default(), file.name.clone()))
            })
            .collect();
        let count = stored.len();
        stored.sort();
        stored.dedup();
        assert_eq!(stored.len(), count, "a file was stored twice");
        assert_eq!(stored.into_iter().collect::<HashSet<_>>(), told);
        let ids: HashSet<_> = archive.events.iter().map(|event| (event.kind, &event.id)).collect();
        assert_eq!(ids.len(), archive.events.len(), "two events have one id");
    }
}

/// A message that was edited comes with its edit, which has a time of its own: it is no edit of a time that nobody knows. Nor is a text that went by a deletion.
#[test]
fn what_a_source_tells_of_an_edit_is_not_found_again() {
    let known = message("m1", "first");
    let contents = [Some(known.identity().content)];
    let again = |text: &str, flag: Flags| [Event { flags: flag, ..message("m1", text) }];
    assert!(found_edits(&again("second", Flags::EDITED), &contents, Edits::Newest, false).is_empty());
    assert_eq!(found_edits(&again("second", Flags::EDITED), &contents, Edits::All, false).len(), 1);
    assert_eq!(found_edits(&again("second", Flags::default()), &contents, Edits::Newest, false).len(), 1, "the platform did not tell");
    assert!(found_edits(&again("", Flags::DELETED), &contents, Edits::All, false).is_empty());
    let copies = found_edits(&again("second", Flags::default()), &contents, Edits::All, true);
    assert!(copies.iter().all(Event::differs) && copies.len() == 1);
}

#[test]
fn two_joins_in_one_millisecond_are_two_members() {
    let join = |user: &str| {
        let mut event = Event::new(EventKind::Join, format!("join:{user}"), Timestamp(5));
        event.user = Some(user.to_owned());
        event
    };
    let members = members(None, &[], &[join("A"), join("B")]);
    assert_eq!(members.iter().map(|member| (member.user.as_str(), member.moves.len())).collect::<Vec<_>>(), [("A", 1), ("B", 1)]);
}

#[test]
fn captures_that_say_no_more_are_no_news() {
    let capture =
        |user: &str, from: Option<i64>, until: Option<i64>| Capture { user: user.to_owned(), from: from.map(Timestamp), until: until.map(Timestamp) };
    let known = [capture("U1", Some(5), None), capture("U2", Some(1), Some(9))];
    let told = vec![
        capture("U1", Some(5), Some(5)),
        capture("U1", Some(4), Some(6)),
        capture("U1", Some(5), Some(6)),
        capture("U1", None, Some(6)),
        capture("U2", Some(1), Some(9)),
        capture("U2", Some(1), None),
        capture("U3", Some(2), Some(2)),
        capture("U3", Some(2), Some(2)),
    ];
    let news = [capture("U1", Some(4), Some(6)), capture("U1", None, Some(6)), capture("U2", Some(1), None), capture("U3", Some(2), Some(2))];
    assert_eq!(new_captures(&known, told), news);
    // As many as are kept, and one less.
    let many: Vec<_> = (0..5_000).map(|at| capture("U1", Some(at), Some(at))).collect();
    let one = || vec![capture("U1", Some(-1), Some(-1)), capture("U2", None, None)];
    assert_eq!(new_captures(&many, one()), [capture("U2", None, None)]);
    assert_eq!(new_captures(many.get(1..).unwrap_or_default(), one()), one());
}

#[test]
fn a_system_event_that_is_told_again_with_more_is_seen() {
    let told = |text: &str| Event {
        text: text.into(),
        target: Some("m1".into()),
        ..Event::new(EventKind::Other, "other:policy-violation:m1", Timestamp(1))
    };
    let message = Event { text: "hi".into(), user: Some("U1".into()), ..Event::new(EventKind::Message, "m1", Timestamp(1)) };
    let (less, more) = (told("Policy violation"), told("Policy violation\nSender's action: override"));
    let mut archive = Archive::default();
    archive.import(&[message.clone(), less.clone()]);
    let (stored, counts) = archive.import(&[message.clone(), more.clone()]);
    let [event] = stored.as_slice() else { unreachable!("{stored:?}") };
    assert_eq!((event.kind, event.text.as_str(), event.target.as_deref()), (EventKind::Other, more.text.as_str(), Some("m1")));
    assert_eq!((event.at, counts.edits_found), (more.at, 1));
    assert_eq!((counts.stored, counts.already_there), ([(EventKind::Other, 1)].into(), [(EventKind::Message, 1)].into()));
    // Either again, also in an older copy, is there already.
    for again in [&more, &less] {
        let (stored, counts) = archive.import(&[message.clone(), again.clone()]);
        assert_eq!((stored.len(), counts.stored.len()), (0, 0));
        assert_eq!(counts.already_there, [(EventKind::Message, 1), (EventKind::Other, 1)].into());
    }
    // Of two users' copies neither is another's edit of it: this is what was said later.
    let contents = [Some(less.identity().content)];
    let of_copy = found_edits(std::slice::from_ref(&more), &contents, Edits::Newest, true);
    assert!(of_copy.first().is_some_and(|event| event.id.starts_with("edit:") && !event.differs()));
}
