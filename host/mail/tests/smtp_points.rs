//! Every point of a session fails in every way once, and the outcomes are those of `smtp_points.txt`.
//!
//! A cell is more than a word: the test also holds it against what truly happened at the server, and sends a further e-mail by the same sender, which
//! must go out right. So a session that failed can leave nothing behind that the next e-mail would meet.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_mail::smtp::{Sender, Target};
use consign_model::delivery::{Outcome, RecipientOutcome};
use futures::stream::{StreamExt as _, iter};
use serde_json::json;
use support::given::{Authority, email, target};
use support::server::{Act, Options, Point, Server, Visit};

const TABLE: &str = include_str!("smtp_points.txt");
const OUTCOMES: [&str; 5] = ["accepted", "rejected", "deferred", "not-sent", "unknown"];
const FAULTS: [&str; 9] = ["421", "4xx", "5xx", "stall", "reset", "garbage", "1001", "endless", "half"];
/// The points of an e-mail's own session, of which the table must have each; where the server is asked, and which time.
const POINTS: [(&str, Point, &[usize]); 13] = [
    ("greeting", Point::Greeting, &[0]),
    ("ehlo", Point::Ehlo, &[0]),
    ("starttls", Point::StartTls, &[0]),
    ("tls", Point::Handshake, &[0]),
    ("ehlo-tls", Point::Ehlo, &[1]),
    ("auth", Point::Auth, &[0]),
    // After the user's name, and after the password.
    ("auth-answer", Point::AuthAnswer, &[0, 1]),
    ("mail", Point::Mail, &[0]),
    ("rcpt-1", Point::Rcpt, &[0]),
    ("rcpt-2", Point::Rcpt, &[1]),
    ("data", Point::Data, &[0]),
    ("text", Point::MidBody, &[0]),
    ("dot", Point::AfterDot, &[0]),
];
/// Those around it.
const AROUND: [(&str, Point, &[usize]); 8] = [
    ("rset", Point::Rset, &[0]),
    ("quit", Point::Quit, &[0]),
    ("next-mail", Point::Mail, &[1]),
    // Two e-mails were before it.
    ("ahead-mail", Point::Mail, &[2]),
    ("ahead-rcpt-1", Point::Rcpt, &[4]),
    ("ahead-rcpt-2", Point::Rcpt, &[5]),
    ("ahead-data", Point::Data, &[2]),
    // Of the one before it.
    ("ahead-dot", Point::AfterDot, &[1]),
];

/// For a step that stalls: long enough that no other step of that session reaches it on a busy machine.
const SHORT: Duration = Duration::from_secs(2);
/// More than all the buffers on the way hold, so that what is said in the middle comes before the end is sent. Linux keeps 4 MiB of what is sent.
const LARGE: usize = 6 << 20;

/// The outcomes of both recipients.
type Pair = [&'static str; 2];
/// By point and fault.
type Table = BTreeMap<(&'static str, &'static str), Pair>;

/// Reads the table. An error names the line.
fn read(text: &str) -> Result<Table, String> {
    let mut table = Table::new();
    let mut rows = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    let head: Vec<&str> = rows.next().ok_or("no head")?.0.split_whitespace().collect();
    if head.split_first() != Some((&"point", FAULTS.as_slice())) {
        return Err(format!("the head is {head:?}"));
    }
    for (line, number) in rows {
        let wrong = |what: &str| format!("line {number}: {what}: {line}");
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let (point, ..) = *POINTS.iter().chain(&AROUND).find(|point| point.0 == name).ok_or_else(|| wrong("no such point"))?;
        let cells: Vec<&str> = words.collect();
        if cells.len() != FAULTS.len() {
            return Err(wrong("not nine cells"));
        }
        for (fault, cell) in FAULTS.iter().zip(cells) {
            let (first, second) = cell.split_once('/').unwrap_or((cell, cell));
            let known = |word: &str| OUTCOMES.into_iter().find(|one| *one == word).ok_or_else(|| wrong("no such outcome"));
            let pair = [known(first)?, known(second)?];
            if point != "dot" && pair.contains(&"unknown") {
                return Err(wrong("unknown before the final dot"));
            }
            if point == "dot" && pair.contains(&"not-sent") {
                return Err(wrong("not-sent after the final dot"));
            }
            if table.insert((point, fault), pair).is_some() {
                return Err(wrong("twice"));
            }
        }
    }
    match POINTS.iter().chain(&AROUND).find(|point| !table.contains_key(&(point.0, FAULTS[0]))) {
        Some((point, ..)) => Err(format!("the point {point} is missing")),
        None => Ok(table),
    }
}

/// The cells in which what was seen is not what the table says, or nothing was seen.
fn differences<'s>(table: &Table, seen: &'s [(Case, Pair)]) -> BTreeSet<(&'s str, &'s str)> {
    let mut cells: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for (case, pair) in seen {
        *cells.entry((case.point, case.fault)).or_insert(true) &= table.get(&(case.point, case.fault)) == Some(pair);
    }
    let all = POINTS.iter().chain(&AROUND).flat_map(|point| FAULTS.iter().map(|fault| (point.0, *fault)));
    all.filter(|cell| cells.get(cell) != Some(&true)).collect()
}

/// One session to run.
#[derive(Debug, Clone)]
struct Case {
    point: &'static str,
    fault: &'static str,
    /// Where the server is asked, and which time.
    at: (Point, usize),
    act: Act,
    pipelining: bool,
    /// Ends by a time limit.
    stalls: bool,
}

impl Case {
    /// The envelope goes out behind the text of another e-mail.
    fn is_ahead(&self) -> bool {
        self.point.starts_with("ahead")
    }
}

/// How the server does what the column says, and whether only our own time limit ends it.
fn acts(fault: &str, point: Point) -> Vec<(Act, bool)> {
    let say = |text: &str| (Act::Say(text.as_bytes().to_vec()), false);
    let last = |text: &str| (Act::SayAndClose(text.as_bytes().to_vec()), false);
    let long = |size: usize, end: &str| (Act::Say([b"250 ".as_slice(), &vec![b'x'; size - 4], end.as_bytes()].concat()), false);
    match fault {
        "421" => vec![last("421 4.3.2 going down\r\n"), say("421 4.3.2 going down\r\n")],
        "4xx" => vec![say("451-4.7.1 come\r\n451 4.7.1 later\r\n")],
        "5xx" => vec![say("550-5.7.1 never\r\n550 5.7.1 ever\r\n"), say("571 no\r\n")],
        "stall" => vec![(Act::Stall, true)],
        "reset" => vec![(Act::Reset, false), (Act::Close, false)],
        "garbage" => vec![
            say("HTTP/1.1 400 Bad Request\r\n"),
            say("\0\0\0\0\0\0\0\0\r\n"),
            say("250-a\r\n550 b\r\n"),
            say("150 o\r\n"),
            say(if matches!(point, Point::Data | Point::MidBody) { "250 2.0.0 ok\r\n" } else { "354 go\r\n" }),
        ],
        "1001" => vec![long(1001, "\r\n"), long(70_000, "")],
        "endless" => vec![(Act::Endless(b"250-and\r\n".repeat(1000)), false)],
        "half" => vec![last("250-one\r\n250"), (Act::Say(b"250-one\r\n250".to_vec()), true)],
        other => unreachable!("{other}"),
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (point, place, times) in POINTS.into_iter().chain(AROUND) {
        // What is said before MAIL is the same with and without.
        let kinds: &[bool] = if !point.starts_with("ahead") && matches!(place, Point::Mail | Point::Rcpt | Point::Data | Point::AfterDot) {
            &[true, false]
        } else {
            &[true]
        };
        for (fault, nth, pipelining) in
            FAULTS.into_iter().flat_map(|f| times.iter().flat_map(move |nth| kinds.iter().map(move |kind| (f, *nth, *kind))))
        {
            let case = |(act, stalls)| Case { point, fault, at: (place, nth), act, pipelining, stalls };
            cases.extend(acts(fault, place).into_iter().map(case));
        }
    }
    cases
}

/// What all sessions share.
struct World {
    tls: Arc<rustls::ServerConfig>,
    ca: PathBuf,
    password: PathBuf,
    large: Vec<u8>,
    table: Table,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(table: Table) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (authority, ca, password) = (Authority::new(), folder.path().join("ca.pem"), folder.path().join("password"));
        authority.write(&ca);
        std::fs::write(&password, "sesame\n").unwrap();
        Self { tls: authority.server(&["localhost"]), ca, password, large: email("first", LARGE), table, _folder: folder }
    }

    fn target(&self, server: &Server, case: &Case) -> Target {
        let more = json!({
            "host": "localhost", "tls": "starttls", "allow-plaintext": false, "ca-file": self.ca, "connections": 1,
            "username": "u", "password": {"file": self.password}, "auth": "login"
        });
        let mut target = target(server.address, &more);
        if case.stalls {
            let times = &mut target.timeouts;
            let limit = match case.at.0 {
                Point::Handshake => &mut times.handshake,
                Point::Data => &mut times.data,
                Point::MidBody => &mut times.chunk,
                Point::AfterDot => &mut times.end_of_data,
                Point::Rset | Point::Quit => &mut times.closing,
                _ => &mut times.command,
            };
            *limit = SHORT;
        }
        target
    }
}

fn words(outcomes: &[RecipientOutcome], recipients: &[String]) -> Pair {
    let [first, second] = outcomes else { panic!("{outcomes:?}") };
    assert_eq!([&first.recipient, &second.recipient], [&recipients[0], &recipients[1]]);
    [first, second].map(|one| OUTCOMES.into_iter().find(|word| word.replace('-', "_") == one.outcome.word()).unwrap())
}

/// Says what the case wants, once, on the first connection; all else is as it should be. What is accepted is answered with the e-mail's subject.
fn script(case: &Case) -> impl Fn(&Visit<'_>) -> Act + Send + Sync + 'static {
    let case = case.clone();
    move |visit| {
        if (visit.connection, visit.point, visit.nth) == (0, case.at.0, case.at.1) {
            let act = case.act.clone();
            return if case.point == "ahead-dot" { Act::Behind(Box::new(act)) } else { act };
        }
        let kept = || Act::Say(format!("250 2.0.0 kept {}\r\n", visit.line.lines().next().unwrap_or_default()).into_bytes());
        match visit.point {
            // So that there is something to reset.
            Point::Rcpt if case.point == "rset" && visit.connection == 0 && visit.nth < 2 => Act::Say(b"550 5.1.1 nobody\r\n".to_vec()),
            Point::AfterDot if case.is_ahead() && (visit.connection, visit.nth) == (0, 1) => Act::Behind(Box::new(kept())),
            Point::AfterDot => kept(),
            _ => Act::Normal,
        }
    }
}

/// Sends it behind another e-mail, on a connection that an e-mail was accepted on. What becomes of the other one is as if it were alone.
async fn behind(
    world: &World,
    case: &Case,
    server: &Server,
    sender: &Sender,
    recipients: &[String],
    send: impl Future<Output = Vec<RecipientOutcome>>,
) -> Vec<RecipientOutcome> {
    let earlier = sender.send("j@corp.example", recipients, &email("earlier", 500)).await;
    assert_eq!(words(&earlier, recipients), ["accepted"; 2], "{case:?}: {earlier:?}");
    let (text, of_earlier) = (email("before", 600), server.came().len());
    // Its leave comes late enough for the other to be waiting when its text goes out.
    let before = sender.send_with("j@corp.example", recipients, &text, tokio::task::yield_now());
    let ((before, _), outcomes) = futures::future::join(before, send).await;
    let expected = if case.point == "ahead-dot" { world.table[&("dot", case.fault)] } else { ["accepted"; 2] };
    assert_eq!(words(&before, recipients), expected, "{case:?}: {before:?}");
    for one in &before {
        if let Outcome::Accepted { reply } = &one.outcome {
            assert_eq!(reply, &support::given::reply(250, "2.0.0 kept Subject: before"), "{case:?}");
        }
    }
    let arrived: Vec<_> = server.came().drain(of_earlier..).filter(|one| one.bytes == text).collect();
    assert!(arrived.len() == 1 && arrived[0].connection == 0 && arrived[0].recipients == recipients, "{case:?}: {} came", arrived.len());
    outcomes
}

/// Runs a case, and holds everything but the cell's words against what happened.
async fn run(world: &World, case: &Case) -> Pair {
    let offers = if case.pipelining { vec!["PIPELINING", "SIZE", "AUTH PLAIN LOGIN"] } else { vec!["SIZE", "AUTH PLAIN LOGIN"] };
    let starttls = Some(world.tls.clone());
    let options = Options { offers, starttls, receive_buffer: Some(64 << 10), ..Options::default() };
    let server = Server::start(options, script(case));
    let sender = Sender::new(world.target(&server, case));
    let recipients = ["a@archive.example".to_owned(), "b@archive.example".to_owned()];
    if case.point == "next-mail" {
        let before = sender.send("j@corp.example", &recipients, &email("before", 500)).await;
        assert_eq!(words(&before, &recipients), ["accepted"; 2], "{case:?}: {before:?}");
    }
    let small = email("first", 2000);
    let message = if case.at.0 == Point::MidBody { &world.large } else { &small };
    let send = sender.send("j@corp.example", &recipients, message);
    let outcomes = if case.is_ahead() { behind(world, case, &server, &sender, &recipients, send).await } else { send.await };
    let pair = words(&outcomes, &recipients);
    for one in &outcomes {
        match &one.outcome {
            Outcome::Accepted { reply } => assert_eq!(reply, &support::given::reply(250, "2.0.0 kept Subject: first"), "{case:?}"),
            // The server's whole answer.
            Outcome::Deferred { reply } if case.fault == "4xx" => assert_eq!(reply, &support::given::reply(451, "4.7.1 come\n4.7.1 later")),
            Outcome::Deferred { reply } => assert_eq!(reply, &support::given::reply(421, "4.3.2 going down"), "{case:?}"),
            Outcome::Rejected { reply } if case.point == "rset" => assert_eq!(reply, &support::given::reply(550, "5.1.1 nobody")),
            Outcome::Rejected { reply } => {
                assert!(
                    [support::given::reply(550, "5.7.1 never\n5.7.1 ever"), support::given::reply(571, "no")].contains(reply),
                    "{case:?}: {reply:?}"
                );
            }
            Outcome::NotSent { reason, .. } | Outcome::Unknown { reason } => {
                assert!(reason.contains(&sender.target().place()), "{case:?}: {reason}");
                assert!(!reason.contains("sesame"), "{case:?}: {reason}");
            }
        }
    }
    // What truly happened: nothing is called sent that was not, and nothing not sent that was.
    let arrived: Vec<_> = server.came().into_iter().filter(|one| one.bytes == *message).collect();
    for (recipient, word) in recipients.iter().zip(pair) {
        let took = arrived.iter().filter(|one| one.accepted && one.recipients.contains(recipient)).count();
        match word {
            "accepted" => assert_eq!(took, 1, "{case:?}"),
            "unknown" => assert_eq!(arrived.len(), 1, "{case:?}"),
            _ => assert_eq!(took, 0, "{case:?}"),
        }
        assert!(word != "not-sent" || arrived.is_empty(), "{case:?}: said not sent, and the server has it");
    }
    if case.point == "quit" {
        sender.close().await;
    }
    // The next e-mail of this sender.
    let next = sender.send("j@corp.example", &recipients, &email("next", 700)).await;
    assert_eq!(words(&next, &recipients), ["accepted"; 2], "{case:?}: {next:?}");
    for one in &next {
        assert!(matches!(&one.outcome, Outcome::Accepted { reply } if reply.text == "2.0.0 kept Subject: next"), "{case:?}: {one:?}");
    }
    let arrived: Vec<_> = server.came().into_iter().filter(|one| one.bytes == email("next", 700)).collect();
    assert_eq!((arrived.len(), &arrived[0].recipients[..]), (1, &recipients[..]), "{case:?}");
    // A refusal of the e-mail leaves its connection good. Everything else ends it, and nothing more is sent over it.
    let refused = matches!(case.fault, "4xx" | "5xx") && matches!(case.at.0, Point::Mail | Point::Rcpt | Point::Data | Point::AfterDot)
        // Unless the next one's envelope was behind the refused text.
        && case.point != "ahead-dot";
    assert_eq!(arrived[0].connection, usize::from(!refused), "{case:?}: {:?}", server.commands());
    pair
}

#[tokio::test(flavor = "multi_thread")]
async fn every_point_fails_in_every_way() {
    let begun = Instant::now();
    let table = read(TABLE).unwrap();
    let world = Arc::new(World::new(table.clone()));
    let (waiting, quick): (Vec<Case>, Vec<Case>) = cases().into_iter().partition(|case| case.stalls);
    let mut seen = Vec::new();
    // Those that wait do so together, and with nothing beside them that could make a step of theirs slow.
    for (cases, together) in [(quick, 4), (waiting, 24)] {
        let runs = cases.into_iter().map(|case| {
            let world = world.clone();
            tokio::spawn(async move {
                let pair = run(&world, &case).await;
                (case, pair)
            })
        });
        let mut runs = iter(runs).buffer_unordered(together);
        while let Some(one) = runs.next().await {
            seen.push(one.unwrap());
        }
    }
    for (case, pair) in &seen {
        let cell = table[&(case.point, case.fault)];
        if *pair != cell {
            println!("{} at {}: the table says {cell:?}, and it was {pair:?}: {case:?}", case.fault, case.point);
        }
    }
    assert_eq!(differences(&table, &seen), BTreeSet::new());
    let cells: BTreeSet<_> = seen.iter().map(|(case, _)| (case.point, case.fault)).collect();
    let own = cells.iter().filter(|(point, _)| POINTS.iter().any(|one| one.0 == *point)).count();
    assert_eq!((own, cells.len()), (13 * 9, 21 * 9));
    println!("{own} cells of 13 points and 9 faults, {} of 8 points around; {} sessions in {:.1?}", cells.len() - own, seen.len(), begun.elapsed());

    // And the comparison can fail: another word in any cell, or a session that was left out, shows in that cell and no other.
    for cell in &cells {
        for word in OUTCOMES {
            for which in 0..2 {
                let mut other = table.clone();
                let pair = other.get_mut(cell).unwrap();
                if std::mem::replace(&mut pair[which], word) != word {
                    assert_eq!(differences(&other, &seen), BTreeSet::from([*cell]));
                }
            }
        }
        let rest: Vec<_> = seen.iter().filter(|(case, _)| (case.point, case.fault) != *cell).cloned().collect();
        assert_eq!(differences(&table, &rest), BTreeSet::from([*cell]));
    }
}

#[test]
fn a_table_that_is_not_whole_is_none() {
    read(TABLE).unwrap();
    let rows: Vec<&str> = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(rows.len(), 1 + POINTS.len() + AROUND.len());
    let with = |at: usize, row: &str| {
        let mut rows = rows.clone();
        rows[at] = row;
        read(&rows.join("\n"))
    };
    for (at, row) in rows.iter().enumerate().skip(1) {
        let name = row.split_whitespace().next().unwrap();
        assert_eq!(with(at, "").unwrap_err(), format!("the point {name} is missing"));
        assert!(with(at, row.rsplit_once(' ').unwrap().0).unwrap_err().contains("not nine cells"));
        assert!(with(at, &format!("{row} accepted")).unwrap_err().contains("not nine cells"));
        assert!(with(at, &format!("x{row}")).unwrap_err().contains("no such point"));
        assert!(with(at, &format!("{}sent", row.rsplit_once(' ').unwrap().0)).is_err());
        assert!(with(at, &format!("{row}\n{row}")).unwrap_err().contains("twice"));
        // Unknown stands in one row alone, whatever somebody writes.
        let (before, last) = row.rsplit_once(' ').unwrap();
        for cell in ["unknown", "accepted/unknown", "unknown/rejected"] {
            assert_eq!(with(at, &format!("{before} {cell}")).is_ok(), name == "dot", "{row}");
        }
        assert_eq!(with(at, &format!("{before} {last}/not-sent")).is_err(), name == "dot");
    }
    assert!(with(0, "point 421 4xx 5xx stall reset garbage 1001 half endless").unwrap_err().contains("the head"));
}
