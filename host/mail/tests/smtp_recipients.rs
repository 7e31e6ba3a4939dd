//! Some recipients are taken, some deferred, some refused: each outcome, each command and each stored e-mail is what a naive model says.
//!
//! Whatever a server offers, in any mixture of it: PIPELINING changes when answers are read, SIZE, 8BITMIME and SMTPUTF8 what is said and what is not
//! even begun. The codes stand in the addresses, so an answer that was taken for another recipient's shows.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use consign_mail::smtp::Sender;
use consign_model::delivery::Outcome;
use futures::future::join_all;
use serde_json::json;
use support::given::{Random, target};
use support::server::{Act, Options, Point, Server};

/// How many commands go out before the first answer is read.
const GROUP: usize = 50;

/// What a server offers.
#[derive(Debug, Clone, Copy)]
struct Offers {
    pipelining: bool,
    /// `Some(0)`: SIZE without a limit.
    size: Option<usize>,
    eight_bit: bool,
    utf8: bool,
}

impl Offers {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (bits, size) in (0..8).flat_map(|bits| [None, Some(0), Some(2000)].map(|size| (bits, size))) {
            all.push(Self { pipelining: bits & 1 > 0, size, eight_bit: bits & 2 > 0, utf8: bits & 4 > 0 });
        }
        all
    }

    fn words(self) -> Vec<&'static str> {
        let size = match self.size {
            None => "X-NOTHING",
            Some(0) => "SIZE",
            Some(_) => "SIZE 2000",
        };
        let mut words = vec![size];
        words.extend(self.pipelining.then_some("PIPELINING"));
        words.extend(self.eight_bit.then_some("8BITMIME"));
        words.extend(self.utf8.then_some("SMTPUTF8"));
        words
    }
}

/// An e-mail, and what the server answers to each part of it.
#[derive(Debug, Clone)]
struct Email {
    number: usize,
    from: String,
    mail: u16,
    recipients: Vec<(String, u16)>,
    data: u16,
    dot: u16,
    bytes: Vec<u8>,
}

impl Email {
    fn random(number: usize, random: &mut Random) -> Self {
        let often = |random: &mut Random, good, bad: &[u16]| if random.below(8) == 0 { *random.pick(bad) } else { good };
        let (mail, data, dot) = (often(random, 250, &[451, 550]), often(random, 354, &[451, 554]), often(random, 250, &[452, 552]));
        let odd = |random: &mut Random| if random.below(12) == 0 { "ü" } else { "r" };
        let count = 1 + if random.below(4) == 0 { random.below(60) } else { random.below(6) };
        // Mixtures of all kinds: with few refusals, and with nothing else.
        let codes: &[u16] = random.pick::<&[u16]>(&[&[250], &[250, 250, 250, 451, 550], &[250, 451, 550], &[451, 550], &[550]]);
        let recipients = (0..count).map(|index| {
            let code = *random.pick(codes);
            (format!("{}{index}.code{code}@x.example", odd(random)), code)
        });
        let recipients = recipients.collect();
        let mut text = format!("Subject: n{number} code{dot}\r\n\r\n");
        for _ in 0..random.below(120) {
            text.push_str(random.pick::<&str>(&["\r\n", ".\r\n", "..\r\n", "a line of some length, as in most e-mails that are sent\r\n", ".x\r\n"]));
        }
        if random.below(6) == 0 {
            text.push_str("Grüße\r\n");
        }
        // An answer to DATA can be known by what was said before it alone.
        let from = format!("{}.code{mail}.data{data}.n{number}.@corp.example", odd(random));
        Self { number, from, mail, recipients, data, dot, bytes: text.into_bytes() }
    }
}

/// What must become of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// An answer with this code, and this in its text.
    Answer(u16, String),
    /// Not begun.
    NotSendable,
}

#[derive(Debug, PartialEq, Eq)]
struct Expected {
    fates: Vec<Fate>,
    commands: Vec<String>,
    /// The recipients of the e-mail that the server keeps.
    kept: Option<Vec<String>>,
}

/// As one would tell it.
fn model(offers: Offers, email: &Email) -> Expected {
    let count = email.recipients.len();
    let ascii = email.bytes.is_ascii();
    let too_large = offers.size.is_some_and(|limit| limit > 0 && email.bytes.len() > limit);
    if too_large || (!ascii && !offers.eight_bit) || (!email.from.is_ascii() && !offers.utf8) {
        return Expected { fates: vec![Fate::NotSendable; count], commands: Vec::new(), kept: None };
    }
    let asked = |address: &str| offers.utf8 || address.is_ascii();
    let asked_for: Vec<&(String, u16)> = email.recipients.iter().filter(|(address, _)| asked(address)).collect();
    let mut commands = Vec::new();
    let mut kept = None;
    // The answer for those who were taken, or for all where the sender was not.
    let mut common = (email.mail, email.from.clone());
    if !asked_for.is_empty() {
        let mut line = format!("MAIL FROM:<{}>", email.from);
        if offers.size.is_some() {
            write!(line, " SIZE={}", email.bytes.len()).unwrap();
        }
        if !ascii {
            line.push_str(" BODY=8BITMIME");
        }
        if !email.from.is_ascii() || asked_for.iter().any(|(address, _)| !address.is_ascii()) {
            line.push_str(" SMTPUTF8");
        }
        let rcpt = asked_for.iter().map(|(address, _)| format!("RCPT TO:<{address}>"));
        let all: Vec<String> = std::iter::once(line).chain(rcpt).chain(["DATA".to_owned()]).collect();
        // What is said together is said whole; what comes after it, while somebody may still get the e-mail.
        for group in all.chunks(if offers.pipelining { GROUP } else { 1 }) {
            let asked = commands.len().saturating_sub(1);
            let refused = asked_for[..asked].iter().filter(|(_, code)| *code != 250).count();
            if refused == asked_for.len() || (email.mail != 250 && !commands.is_empty()) {
                break;
            }
            commands.extend_from_slice(group);
        }
        let taken: Vec<String> = asked_for.iter().filter(|(_, code)| *code == 250).map(|(address, _)| address.clone()).collect();
        let mut good = false;
        if email.mail == 250 && !taken.is_empty() {
            common = (email.data, format!(".n{}.", email.number));
            if email.data == 354 {
                common = (email.dot, format!("n{} ", email.number));
                if email.dot == 250 {
                    good = true;
                    kept = Some(taken);
                }
            }
        }
        if !good {
            commands.push("RSET".to_owned());
        }
    }
    let fate = |(address, code): &(String, u16)| match code {
        _ if !asked(address) => Fate::NotSendable,
        250 => Fate::Answer(common.0, common.1.clone()),
        _ if email.mail != 250 => Fate::Answer(common.0, common.1.clone()),
        code => Fate::Answer(*code, address.clone()),
    };
    Expected { fates: email.recipients.iter().map(fate).collect(), commands, kept }
}

/// A server with these offers, its sender.
struct Line {
    offers: Offers,
    server: Server,
    sender: Sender,
    /// How many commands and e-mails were looked at.
    seen: (usize, usize),
}

impl Line {
    fn new(offers: Offers, connections: usize) -> Self {
        // The last MAIL of each connection.
        let mails = Mutex::new(BTreeMap::new());
        let server = Server::start(Options { offers: offers.words(), ..Options::default() }, move |visit| match visit.point {
            Point::Data => {
                let mails = mails.lock().unwrap();
                let mail: &String = &mails[&visit.connection];
                let code = mail.split(".data").nth(1).unwrap().get(..3).unwrap();
                Act::Say(format!("{code} {mail}\r\n").into_bytes())
            }
            Point::Mail | Point::Rcpt | Point::AfterDot => {
                if visit.point == Point::Mail {
                    mails.lock().unwrap().insert(visit.connection, visit.line.to_owned());
                }
                let code = visit.line.split("code").nth(1).unwrap().get(..3).unwrap();
                Act::Say(format!("{code}-{}\r\n{code} {}\r\n", visit.line.replace("\r\n", " "), visit.nth).into_bytes())
            }
            _ => Act::Normal,
        });
        let sender = Sender::new(target(server.address, &json!({"connections": connections})));
        // EHLO stands before the first e-mail.
        Self { offers, server, sender, seen: (1, 0) }
    }

    /// Sends it, and says what the answers were.
    async fn fates(&self, email: &Email) -> Vec<Fate> {
        let recipients: Vec<String> = email.recipients.iter().map(|(address, _)| address.clone()).collect();
        let outcomes = self.sender.send(&email.from, &recipients, &email.bytes).await;
        assert_eq!(outcomes.iter().map(|one| &one.recipient).collect::<Vec<_>>(), recipients.iter().collect::<Vec<_>>());
        let markers = model(self.offers, email).fates;
        let fates = outcomes.iter().zip(markers).map(|(one, marker)| match (&one.outcome, marker) {
            (Outcome::Accepted { reply } | Outcome::Deferred { reply } | Outcome::Rejected { reply }, marker) => {
                let word = match reply.code {
                    200..300 => "accepted",
                    400..500 => "deferred",
                    _ => "rejected",
                };
                assert_eq!(one.outcome.word(), word, "{one:?}");
                match marker {
                    Fate::Answer(_, marker) if reply.text.contains(&marker) => Fate::Answer(reply.code, marker),
                    _ => Fate::Answer(reply.code, reply.text.clone()),
                }
            }
            (outcome, _) if outcome.is_not_sendable() => Fate::NotSendable,
            (other, _) => panic!("{other:?} for {}", one.recipient),
        });
        fates.collect()
    }

    /// Sends it alone.
    async fn send(&mut self, email: &Email) -> Expected {
        let fates = self.fates(email).await;
        let commands = self.server.commands();
        let came = self.server.came();
        // Before the first e-mail that is begun, EHLO; the connection lasts.
        let new = commands.get(self.seen.0..).unwrap_or_default().to_vec();
        self.seen.0 = self.seen.0.max(commands.len());
        let kept: Vec<_> = came[self.seen.1..].iter().filter(|one| one.accepted).collect();
        assert!(kept.iter().all(|one| one.bytes == email.bytes), "n{}: other bytes were kept", email.number);
        assert!(kept.len() <= 1, "n{}: kept twice", email.number);
        self.seen.1 = came.len();
        Expected { fates, commands: new, kept: kept.first().map(|one| one.recipients.clone()) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_mixtures() {
    let mut random = Random::new();
    let mut lines: Vec<Line> = Offers::all().into_iter().map(|offers| Line::new(offers, 1)).collect();
    let count = if std::env::var_os("CONSIGN_FULL").is_some() { 20_000 } else { 1000 };
    let (mut recipients, mut mixed) = (0, 0);
    for number in 0..count {
        let line = &mut lines[number % 24];
        let email = Email::random(number, &mut random);
        let seen = line.send(&email).await;
        let expected = model(line.offers, &email);
        assert_eq!(seen, expected, "{:?}, {email:?}", line.offers);
        recipients += email.recipients.len();
        mixed += usize::from(expected.fates.iter().any(|one| *one != expected.fates[0]));
    }
    for line in &lines {
        // A refusal costs no connection.
        let commands = &line.server.truth.lock().unwrap().commands;
        assert!(commands.iter().all(|(connection, _)| *connection == 0));
        assert_eq!(commands.iter().filter(|(_, line)| line.starts_with("EHLO")).count(), 1);
    }
    println!("{count} e-mails to {recipients} recipients over {} servers, {mixed} of them with different outcomes", lines.len());
    assert!(mixed > count / 5);
}

/// Many at once over one connection or two, so that envelopes go out behind other e-mails' texts: each is told its own answers, and what is kept is its own.
#[tokio::test(flavor = "multi_thread")]
async fn random_mixtures_behind_each_other() {
    let mut random = Random::new();
    let offers = Offers::all().into_iter().filter(|offers| offers.pipelining);
    let mut lines: Vec<Line> = offers.zip([1, 2].into_iter().cycle()).map(|(offers, connections)| Line::new(offers, connections)).collect();
    let count = if std::env::var_os("CONSIGN_FULL").is_some() { 20_000 } else { 1500 };
    let mut number = 0;
    while number < count {
        let line = &mut lines[random.below(12)];
        let emails: Vec<Email> = (0..=random.below(12)).map(|more| Email::random(number + more, &mut random)).collect();
        number += emails.len();
        let fates = join_all(emails.iter().map(|email| line.fates(email))).await;
        let came = line.server.came();
        let came = &came[line.seen.1..];
        line.seen.1 += came.len();
        for (email, fates) in emails.iter().zip(fates) {
            let expected = model(line.offers, email);
            assert_eq!(fates, expected.fates, "{:?}, {email:?}", line.offers);
            let kept: Vec<_> = came.iter().filter(|one| one.accepted && one.bytes == email.bytes).map(|one| one.recipients.clone()).collect();
            assert_eq!(kept, expected.kept.into_iter().collect::<Vec<_>>(), "{:?}, {email:?}", line.offers);
        }
        assert!(came.iter().all(|one| emails.iter().any(|email| email.bytes == one.bytes)), "an e-mail came that nobody sent");
    }
    let behind: usize = lines.iter().map(|line| line.server.truth.lock().unwrap().behind).sum();
    println!("{number} e-mails, {behind} texts with the next envelope behind them");
    assert!(behind > count / 20);
}
