//! The bytes of many made-up groups, in all four profiles and with everything that an event, a person or a file can be: by digests of another day's. Golden files
//! show what an e-mail looks like; this says that whoever makes composing faster, or tidies it, changed no byte of any.

use std::fmt::Write as _;

use consign_mail::compose::{SealedFile, plan, render};
use consign_model::event::EventKind;
use consign_model::id::Hasher;
use consign_model::policy::{AttachmentFilter, AttachmentsSpec, TooLarge};
use consign_model::target::{ByteSize, Profile};
use consign_model::{Attachment, ChatKind, Digest, Flags, FormerName, Membership, Timestamp};

use super::golden;
use super::support::{Random, START, Sample};

/// Groups of each line of the file.
const GROUPS: u64 = 15;

/// Lines of each profile.
const LINES: u64 = 8;

/// Mostly what people write, sometimes what no parser likes.
fn text(random: &mut Random, longest: usize) -> String {
    const SAID: [&str; 16] = [
        "Morning.",
        "Does `exact h₁` work?",
        "If not, do you have other open goals?\nOr is this the only one?",
        "see <https://desk.example/?a=1&b=2>",
        "I'd say \"no\"",
        "4.02 → 4.03",
        "line\n\n    indented\ttab \n",
        "ok",
        "Größe: 12 €",
        "了解しました",
        "🙂 thanks",
        "שלום",
        "trailing space ",
        "windows\r\nline",
        "a=b;c==d",
        "\u{a0}no\u{a0}break… – “quoted”",
    ];
    match random.below(10) {
        0 => random.text(longest),
        1 => "long ".repeat(random.below(90)),
        2 => SAID.iter().filter(|_| random.below(3) == 0).copied().collect::<Vec<_>>().join(" "),
        3 => String::new(),
        _ => SAID[random.below(SAID.len())].to_owned(),
    }
}

fn maybe<T>(random: &mut Random, of: usize, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    if random.below(of) == 0 { Some(make(random)) } else { None }
}

/// A time that is mostly near the others.
fn time(random: &mut Random, near: i64) -> Timestamp {
    const FAR: [i64; 8] = [Timestamp::MIN.0, Timestamp::MAX.0, 0, -1, 951_782_400_000, 1_709_251_199_999, -62_135_596_800_001, i64::MAX];
    match random.below(400) {
        0 => Timestamp(FAR[random.below(FAR.len())]),
        1..40 => Timestamp(near + i64::try_from(random.next() % 200_000_000).unwrap()),
        _ => Timestamp(near),
    }
}

fn people(random: &mut Random, sample: &mut Sample) -> Vec<String> {
    let ids: Vec<String> =
        (0..=random.below(12)).map(|number| format!("U{number}{}", if random.below(9) == 0 { text(random, 2) } else { String::new() })).collect();
    for id in &ids {
        if random.below(8) == 0 {
            // In no list.
            continue;
        }
        let name = if random.below(5) == 0 {
            text(random, 3)
        } else {
            ["Ann Lee", "Jürgen Groß", "佐藤 花子", "Lee, Ann", "O'Neil \"Bob\""][random.below(5)].to_owned()
        };
        let email = maybe(random, 2, |random| if random.below(6) == 0 { text(random, 2) } else { "ann.lee@desk.example".to_owned() });
        sample.person(id, &name, email.as_deref());
    }
    for one in &mut sample.facts.participants {
        let stay = |random: &mut Random| Membership {
            joined: maybe(random, 2, |random| time(random, START)),
            left: maybe(random, 3, |random| time(random, START + 90_000)),
        };
        one.memberships = (0..random.below(4)).map(|_| stay(random)).collect();
        if random.below(20) == 0 {
            one.memberships = (0..30).map(|_| stay(random)).collect();
        }
        one.derived = random.below(6) == 0;
        one.user.bot = random.below(8) == 0;
        one.user.external = random.below(5) == 0;
        one.user.recorded = random.below(5) > 0;
        if random.below(6) == 0 {
            one.user.former_names = vec![FormerName { name: text(random, 2), until: Timestamp(START + 5_000_000) }];
        }
        if random.below(6) == 0 {
            one.user.name = one.user.id.clone();
        }
    }
    ids
}

fn file(random: &mut Random, sample: &mut Sample) {
    let name = if random.below(3) == 0 { text(random, 3) } else { "Kurve März.csv".to_owned() };
    let media_type = ["text/csv", "image/png", "message/rfc822", "x", "application/pdf; a=b\u{9b}"][random.below(5)];
    if random.below(4) == 0 {
        let url = maybe(random, 2, |random| format!("https://a.example/?b&c{}", text(random, 1)));
        let size = maybe(random, 2, |random| random.next() % 5_000_000);
        sample.events.last_mut().unwrap().0.attachments.push(Attachment { name, media_type: media_type.to_owned(), size, digest: None, url });
    } else {
        let len = if random.below(6) == 0 { random.below(60_000) } else { random.below(900) };
        let content = random.bytes(len);
        sample.attach(&name, media_type, content);
    }
}

fn event(random: &mut Random, sample: &mut Sample, ids: &[String]) {
    const FLAGS: [Flags; 6] = [Flags::EDITED, Flags::DELETED, Flags::FROM_BOT, Flags::LATE, Flags::REMOVED, Flags::REPLY];
    let kind = if random.below(3) > 0 { EventKind::Message } else { EventKind::ALL[random.below(7)] };
    let said = if kind == EventKind::Reaction && random.below(4) > 0 { "thumbsup".to_owned() } else { text(random, 6) };
    let number = sample.events.len();
    sample.event(kind, &ids[random.below(ids.len())], &said);
    let (thread, target) = (random.below(number + 2), random.below(number + 2));
    let (own, flags, before) = sample.events.last_mut().unwrap();
    own.at = time(random, own.at.0);
    own.user = own.user.take().filter(|_| random.below(15) > 0);
    own.thread = maybe(random, 4, |_| format!("m{thread}"));
    own.target = maybe(random, if kind == EventKind::Message { 20 } else { 2 }, |_| format!("m{target}"));
    own.sender_name = maybe(random, 12, |random| text(random, 2));
    own.original = maybe(random, 15, |random| text(random, 3));
    match random.below(40) {
        0 => own.id = format!("files:m{number}:abc"),
        1 => own.id = format!("copy:m{number}:abc"),
        2 => own.id = text(random, 2),
        _ => {}
    }
    for flag in FLAGS {
        *flags = flags.with_if(flag, random.below(15) == 0);
    }
    *before = maybe(random, 6, |random| text(random, 4));
    for _ in 0..random.below(24).saturating_sub(20) {
        file(random, sample);
    }
}

fn group(random: &mut Random, profile: Profile) -> Sample {
    let mut sample = Sample::new();
    sample.target.profile = profile;
    profile.default_subject().clone_into(&mut sample.target.subject);
    sample.target.feed = Some("Consign".to_owned());
    sample.target.archive_id = maybe(random, 2, |_| "16A0".to_owned());
    sample.target.headers.insert("X-Desk".to_owned(), "{{ chat.labels.team }} {{ from_name }} {{ to }} {{ conversation_id }}".to_owned());
    sample.facts.chat.kind = [ChatKind::Direct, ChatKind::Group, ChatKind::Channel, ChatKind::Meeting, ChatKind::Other][random.below(5)];
    sample.facts.chat.title = maybe(random, 2, |random| text(random, 3));
    sample.title = maybe(random, 3, |random| text(random, 3));
    sample.window.supplement = u32::try_from(random.below(9).saturating_sub(6)).unwrap();
    sample.references = (0..random.below(26).saturating_sub(15)).map(|number| format!("{number}@corp.example")).collect();
    sample.target.max_size = ByteSize([25 << 20, 25 << 20, 25 << 20, 90_000, 200_000][random.below(5)]);
    let too_large = if random.below(4) == 0 { TooLarge::Hold } else { TooLarge::Placeholder };
    let max = maybe(random, 4, |_| ByteSize(30_000));
    let types = maybe(random, 6, |_| vec!["image/*".to_owned()]);
    sample.attachments =
        if random.below(8) == 0 { AttachmentsSpec::All(false) } else { AttachmentsSpec::Some(AttachmentFilter { types, max, too_large }) };
    let ids = people(random, &mut sample);
    sample.subject = maybe(random, 3, |_| 0);
    let most = if random.below(3) == 0 { 300 } else { 60 };
    for _ in 0..random.below(most) {
        event(random, &mut sample, &ids);
    }
    for number in 0..random.below(8).saturating_sub(5) {
        let content = random.bytes(3000);
        let (name, digest) = (format!("{number:04}.arrow.zst.age"), Digest::of(&content));
        let (first_at, last_at) = (time(random, START), time(random, START + 40_000));
        sample.files.push(SealedFile { name, size: 3000, digest, first: 100, events: 1 + u32::from(random.below(2) == 0) * 2000, first_at, last_at });
        sample.contents.insert(digest, content);
    }
    sample
}

/// All bytes that come of a group, with what stands beside them; or why there are none.
fn hash(out: &mut Hasher, sample: &Sample) -> (u64, u64) {
    sample.with_input(|input| {
        let planned = match plan(input) {
            Ok(planned) => planned,
            Err(error) => {
                out.field(error.to_string().as_bytes());
                return (0, 0);
            }
        };
        let (mut emails, mut bytes) = (0, 0);
        for (part, layout) in (1..).zip(planned.parts()) {
            out.field(&layout.size.to_be_bytes());
            match render(input, &planned, part, |digest| sample.contents.get(digest).map(Vec::as_slice)) {
                Ok(email) => {
                    for field in [
                        &email.bytes,
                        email.message_id.as_bytes(),
                        email.subject.as_bytes(),
                        email.from.as_bytes(),
                        email.recipients.join(",").as_bytes(),
                    ] {
                        out.field(field);
                    }
                    assert_eq!(email.digest, Digest::of(&email.bytes));
                    emails += 1;
                    bytes += email.bytes.len() as u64;
                }
                Err(error) => {
                    out.field(error.to_string().as_bytes());
                }
            }
        }
        (emails, bytes)
    })
}

#[test]
fn many_groups_are_as_they_were() {
    let mut lines = String::from("profile            line  e-mails     bytes  SHA-256\n");
    for profile in Profile::ALL {
        for line in 0..LINES {
            let mut out = Hasher::default();
            let (mut emails, mut bytes) = (0, 0);
            for number in 0..GROUPS {
                // The same groups for each profile, and for whoever runs it: nothing is drawn.
                let sample = group(&mut Random::from(line * GROUPS + number), profile);
                let (more, size) = hash(&mut out, &sample);
                emails += more;
                bytes += size;
            }
            writeln!(lines, "{:<18} {line:>4}  {emails:>7}  {bytes:>8}  {}", profile.to_string(), out.finish().hex()).unwrap();
        }
    }
    golden("many.txt", lines.as_bytes());
}
