//! Whatever people call themselves, their chats and their files: an e-mail has the headers and recipients that were meant, and no others. In all four
//! profiles, by two parsers that are not ours and by the linter.

use consign_mail::compose::Email;
use consign_mail::lint::lint;
use consign_model::event::EventKind;
use consign_model::target::Profile;
use consign_model::user::synthetic_address;
use serde_json::Value;

use super::support::{Random, Sample, both, header, order_shown, outer};

/// Random strings in one group.
const STRINGS: usize = 10;

/// A string that means something to a parser: at its begin, its end, or cut off.
fn wild(random: &mut Random) -> String {
    const MEAN: [&str; 26] = [
        "Ann Lee <ann@evil.example>",
        "\"Lee, Ann\" <ann@evil.example>",
        "a@evil.example, b@evil.example",
        "<a@evil.example>",
        "undisclosed-recipients:;",
        "team: a@evil.example, b@evil.example;",
        "\"",
        "\\",
        "\\\"",
        "(",
        "(a (b",
        ")",
        ",",
        "\r\nBcc: a@evil.example",
        "\r\n Bcc: a@evil.example",
        "\n\n--=_m_",
        "\r\n\r\n<script>",
        "\0",
        "=?utf-8?Q?=0D=0ABcc:_a@evil.example?=",
        "=?utf-8?B?DQpCY2M6IGFAZXZpbC5leGFtcGxl?=",
        "=?utf-8?Q?a?= =?utf-8?Q?b",
        "?=",
        "=?",
        "\u{202e}\u{2066}",
        "To: a@evil.example",
        "; filename=\"x.exe\"",
    ];
    let mut text = String::new();
    for _ in 0..=random.below(3) {
        match random.below(4) {
            0 => text.push_str(&random.text(4)),
            1 => text.push_str(&"w".repeat(random.below(400))),
            _ => text.push_str(MEAN[random.below(MEAN.len())]),
        }
    }
    text
}

/// A group in which everything that can be is such a string, and whom its e-mails are from and to.
struct Attempt {
    sample: Sample,
    from: String,
    to: Vec<String>,
}

fn attempt(random: &mut Random, profile: Profile) -> Attempt {
    let mut strings: Vec<String> = (0..STRINGS).map(|_| wild(random)).collect();
    let mut next = || strings.pop().unwrap();
    let mut sample = Sample::new();
    sample.facts.chat.title = Some(next());
    sample.title = Some(next());
    sample.key = next();
    sample.window.chat.id = next();
    sample.facts.chat.key = sample.window.chat.clone();
    let third = format!("U3{}", next());
    sample.person("U1", &next(), Some("ann+x@desk.example")).person("U2", "Bob", Some(&next())).person(&third, &next(), None);
    sample.event(EventKind::Message, ["U1", "U2", &third][random.below(3)], "ok").sender_name = Some(next());
    let from = sample.events[0].0.user.clone().unwrap();
    sample.attach(&next(), "application/pdf", b"one".to_vec());
    sample.target.profile = profile;
    profile.default_subject().clone_into(&mut sample.target.subject);
    if profile == Profile::GlobalRelay {
        "chat: {{ group.title }} {{ chat.title }}".clone_into(&mut sample.target.subject);
    }
    sample.target.feed = Some("Consign".to_owned());
    sample.target.archive_id = Some("16A0".to_owned());
    sample.target.headers.insert("X-From".to_owned(), "by {{ from_name }} <{{ from }}> {{ chat.title }} {{ group.key }}".to_owned());
    let made_up = |id: &str| synthetic_address(id, &sample.window.chat.source);
    let address = |id: &str| if id == "U1" { "ann+x@desk.example".to_owned() } else { made_up(id) };
    let mut to: Vec<String> = ["U1", "U2", &third].map(address).to_vec();
    to.sort();
    Attempt { from: address(&from), to, sample }
}

/// The names of an e-mail's headers, in their order: those before the profile's own, these, and those after them.
fn names(profile: Profile) -> (Vec<&'static str>, Vec<&'static str>) {
    let first = ["X-Consign-Policy", "Date", "From", "To", "Message-ID", "Subject", "Auto-Submitted"];
    let own: &[&str] = match profile {
        Profile::Plain => &[],
        Profile::GlobalRelay => &["Precedence", "X-GlobalRelay-MsgType"],
        Profile::EnterpriseVault => &["X-Kvs-ArchiveId", "X-Kvs-IndexData"],
        Profile::ExchangeJournal => &["X-MS-Journal-Report"],
    };
    let (run, chat, mime) =
        (["X-Consign-Run", "X-Consign-Window"], ["X-Consign-Source", "X-Consign-Chat", "X-From"], ["MIME-Version", "Content-Type"]);
    if profile == Profile::ExchangeJournal {
        ([first.as_slice(), own, &run, &mime].concat(), [&first[1..], &chat, &mime].concat())
    } else {
        (Vec::new(), [first.as_slice(), own, &run, &chat, &mime].concat())
    }
}

fn listed(headers: &Value) -> Vec<&str> {
    headers.as_array().unwrap().iter().map(|one| one[0].as_str().unwrap()).collect()
}

fn addresses(people: &Value) -> Vec<String> {
    let mut all: Vec<String> = people.as_array().unwrap().iter().map(|one| one[1].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

/// Without what two readers may see otherwise: white space where a header was folded, and a byte order mark at a word's beginning.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !c.is_control() && *c != '\u{feff}').collect()
}

/// As a header shows it.
fn shown(text: &str) -> String {
    squeezed(&order_shown(text))
}

fn check(Attempt { sample, from, to }: &Attempt, email: &Email, parsed: &Value) {
    let profile = sample.target.profile;
    let (expected_outer, expected) = names(profile);
    let second = &parsed["second"];
    assert_eq!(listed(&parsed["headers"]), expected);
    assert_eq!(second["headers"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect::<Vec<_>>(), expected);
    if profile == Profile::ExchangeJournal {
        assert_eq!(listed(&parsed["outer"]), expected_outer);
        assert_eq!(outer(parsed, "To"), ["ingest@archive.example"]);
        let report = parsed["report"].as_str().unwrap().replace("\r\n", "\n");
        let mut lines = report.lines();
        assert_eq!(lines.next().unwrap(), format!("Sender: {from}"));
        assert!(lines.next().unwrap().starts_with("Subject:"));
        assert_eq!(lines.next().unwrap(), format!("Message-ID: <original.{}>", email.message_id));
        let mut named: Vec<String> = lines.map(|line| line.strip_prefix("To: ").unwrap().to_owned()).collect();
        named.sort();
        assert_eq!(&named, to);
    }
    let (meant_from, meant_to) = match profile {
        Profile::GlobalRelay | Profile::ExchangeJournal => (vec![from.clone()], to.clone()),
        Profile::Plain | Profile::EnterpriseVault => (vec!["journal@corp.example".to_owned()], vec!["ingest@archive.example".to_owned()]),
    };
    for people in [&parsed["people"], second] {
        assert_eq!((addresses(&people["From"]), addresses(&people["To"])), (meant_from.clone(), meant_to.clone()));
    }
    if matches!(profile, Profile::GlobalRelay | Profile::ExchangeJournal) {
        let name = &sample.facts.participants.iter().find(|one| one.user.id == "U1").unwrap().user.name;
        let found = parsed["people"]["To"].as_array().unwrap().iter().find(|one| one[1] == "ann+x@desk.example").unwrap();
        let (found, meant) = (squeezed(found[0].as_str().unwrap()), shown(name));
        // A long one is cut.
        let is_it = found == meant || found.strip_suffix('…').is_some_and(|begin| meant.starts_with(begin) && begin.chars().count() >= 40);
        assert!(is_it, "{found:?} {meant:?}");
    }
    assert_eq!((email.from.as_str(), &email.recipients[..]), ("journal@corp.example", &["ingest@archive.example".to_owned()][..]));
    if profile == Profile::GlobalRelay {
        let meant = format!("chat: {} {}", sample.title.as_deref().unwrap(), sample.facts.chat.title.as_deref().unwrap());
        assert_eq!(squeezed(header(parsed, "Subject")[0]), shown(&meant));
    }
    assert_eq!(squeezed(second["Subject"].as_str().unwrap()), squeezed(parsed["composed"].as_str().unwrap()));
    assert_eq!(squeezed(header(parsed, "X-Consign-Chat")[0]), shown(&sample.window.chat.id));
    // The parts: two frames of headers and three bodies, then the file.
    let typed = ["Content-Type"].as_slice();
    let encoded = ["Content-Type", "Content-Transfer-Encoding"].as_slice();
    let attached = ["Content-Type", "Content-Disposition", "Content-Transfer-Encoding"].as_slice();
    assert_eq!(parsed["parts"], serde_json::json!([typed, encoded, encoded, attached, attached]));
    let names = second["attachments"].as_array().unwrap();
    assert_eq!((names.len(), parsed["attachments"].as_array().unwrap().len()), (2, 1));
    let file = parsed["attachments"][0]["name"].as_str().unwrap();
    assert!(!file.is_empty() && !file.contains(['/', '\\']) && !file.contains(char::is_control), "{file:?}");
    assert_eq!(parsed["json"]["events"][0]["attachments"][0]["name"], sample.events[0].0.attachments[0].name);
    assert_eq!(lint(&email.bytes, profile, None), []);
}

#[test]
fn no_string_makes_a_header_or_a_recipient() {
    let mut random = Random::new("injected");
    let strings = if std::env::var_os("CONSIGN_FULL").is_some() { 10_000 } else { 1_500 };
    let attempts: Vec<Attempt> = (0..strings / STRINGS).flat_map(|_| Profile::ALL).map(|profile| attempt(&mut random, profile)).collect();
    let emails: Vec<Email> = attempts.iter().flat_map(|one| one.sample.compose()).collect();
    assert_eq!(emails.len(), attempts.len());
    println!("injected: {} e-mails with {} random strings in each profile", emails.len(), strings);
    for ((attempt, email), parsed) in attempts.iter().zip(&emails).zip(both(&emails)) {
        check(attempt, email, &parsed);
    }
}
