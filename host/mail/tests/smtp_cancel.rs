//! A send that is dropped at any byte of its text: nothing of it gets into another e-mail, and no part of it counts as an e-mail.
//!
//! The server decides when: it reads just so many bytes of the text, and only then is the future dropped. What it reads after that is what was on the
//! way. It keeps every byte of every connection, and these are held against the bytes that the e-mails should be on the wire.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use consign_mail::smtp::Sender;
use consign_model::delivery::Outcome;
use futures::future::join_all;
use serde_json::json;
use support::given::{Authority, Random, email, target};
use support::server::{Act, Gate, Options, Point, Server, lines};

/// What the sender may write of an e-mail's text: dots doubled, and the final one.
fn wire(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 1000);
    for line in lines(message) {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// What the server is to do with the e-mail that comes next.
type Next = Arc<Mutex<Option<(usize, Arc<Gate>)>>>;

/// More than the buffers on the way hold beyond the first MiB, so that the drop finds the sender writing. (On Linux some 4 MiB are on the way.)
const LARGE: usize = 6 << 20;

/// A server, its sender, and what was sent.
struct Line {
    server: Server,
    sender: Sender,
    next: Next,
    /// Where it stands still, after the next dot and what comes behind it.
    dot: Arc<Mutex<Option<Arc<Gate>>>>,
    /// What it was given to send.
    sent: Vec<Vec<u8>>,
}

impl Line {
    fn new(options: Options, more: &serde_json::Value) -> Self {
        let next = Next::default();
        let taken = next.clone();
        let dot = Arc::new(Mutex::new(None));
        let of_dot = dot.clone();
        let options = Options { keep_streams: true, receive_buffer: Some(64 << 10), ..options };
        let server = Server::start(options, move |visit| match visit.point {
            Point::Data => taken.lock().unwrap().take().map_or(Act::Normal, |(bytes, gate)| Act::Hold(bytes, gate)),
            // A 3xx is no yes to a text.
            Point::AfterDot if visit.line.starts_with("Subject: three") => Act::Say(b"354 2.0.0 go on\r\n".to_vec()),
            Point::AfterDot => {
                let kept = Act::Say(format!("250 2.0.0 {}\r\n", visit.line.lines().next().unwrap_or_default()).into_bytes());
                match of_dot.lock().unwrap().take() {
                    Some(gate) => Act::Behind(Box::new(Act::Wait(gate, Box::new(kept)))),
                    None => kept,
                }
            }
            _ => Act::Normal,
        });
        let sender = Sender::new(target(server.address, more));
        Self { server, sender, next, dot, sent: Vec::new() }
    }

    /// Sends, and drops the send when the server has read `offset` bytes of the text. True: the server got all of it nevertheless.
    async fn cancel(&mut self, subject: &str, message: &[u8], offset: usize) -> bool {
        let gate = Arc::new(Gate::default());
        *self.next.lock().unwrap() = Some((offset, gate.clone()));
        let (connection, begins) = {
            let recipients = ["cancelled@archive.example".to_owned()];
            let send = self.sender.send("j@corp.example", &recipients, message);
            tokio::select! {
                outcome = send => panic!("{subject}: it ended before the server had answered: {outcome:?}"),
                () = gate.reached.notified() => {}
            }
            // The server reads nothing now, and has read the text so far and no more.
            let truth = self.server.truth.lock().unwrap();
            let (connection, stream) = truth.streams.last_key_value().unwrap();
            (*connection, stream.len() - offset)
            // Here it is dropped.
        };
        gate.open.notify_one();
        self.server.until("the connection is over", |truth| truth.open == 0).await;
        // The stream ends with a piece of this text: nothing came after it, be it RSET, QUIT or another e-mail.
        let whole = wire(message);
        let text = self.server.truth.lock().unwrap().streams.remove(&connection).unwrap().split_off(begins);
        assert!(text.len() >= offset, "{subject}: {} bytes came, and {offset} were read", text.len());
        assert!(whole.starts_with(&text), "{subject}: what came is no beginning of the e-mail");
        let came = self.server.came().iter().filter(|one| one.bytes == message).count();
        assert_eq!(came, usize::from(text.len() == whole.len()), "{subject}: the server took a piece for the whole");
        self.sent.push(message.to_vec());
        came == 1
    }

    /// Two at once on a connection that has carried one, and one of them (or both) dropped while the server has the first's whole text and the second's envelope,
    /// and has answered neither. The first may have arrived; of the second nothing has, and it goes its own way.
    async fn cancel_two(&mut self, number: usize, dropped: [bool; 2], size: usize) {
        self.next(&format!("earlier{number}")).await;
        let gate = Arc::new(Gate::default());
        *self.dot.lock().unwrap() = Some(gate.clone());
        let subjects = [format!("first{number}"), format!("second{number}")];
        let messages = [email(&subjects[0], size), email(&subjects[1], size)];
        let to = subjects.clone().map(|subject| [format!("{subject}@archive.example")]);
        let connection = *self.server.truth.lock().unwrap().streams.last_key_value().unwrap().0;
        // The leave comes late enough for the second to be waiting when the first one's text goes out.
        let send = |at: usize| self.sender.send_with("j@corp.example", &to[at], &messages[at], tokio::task::yield_now());
        let mut sends = [0, 1].map(|at| Some(Box::pin(send(at))));
        let [first, second] = &mut sends;
        tokio::select! {
            biased;
            outcome = first.as_mut().unwrap() => panic!("{number}: the first ended before the server had answered: {outcome:?}"),
            outcome = second.as_mut().unwrap() => panic!("{number}: the second ended before the server had answered: {outcome:?}"),
            () = gate.reached.notified() => {}
        }
        for (send, dropped) in sends.iter_mut().zip(dropped) {
            if dropped {
                *send = None;
            }
        }
        gate.open.notify_one();
        let outcomes = join_all(sends.into_iter().flatten()).await;
        let left = subjects.iter().zip(dropped).filter(|(_, dropped)| !dropped);
        for ((outcomes, _), (subject, _)) in outcomes.iter().zip(left) {
            let Outcome::Accepted { reply } = &outcomes[0].outcome else { panic!("{subject}: {outcomes:?}") };
            assert_eq!(reply.text, format!("2.0.0 Subject: {subject}"));
        }
        if dropped != [false; 2] {
            self.server.until("the connection is over", |truth| truth.open <= usize::from(!dropped[1])).await;
            // It ends with the first's text and the envelope of the second, and not with a byte of the second's text.
            let stream = self.server.truth.lock().unwrap().streams[&connection].clone();
            let end = format!("MAIL FROM:<j@corp.example> SIZE={}\r\nRCPT TO:<{}>\r\nDATA\r\n", messages[1].len(), to[1][0]);
            assert!(stream.ends_with(&[wire(&messages[0]).as_slice(), end.as_bytes()].concat()), "{number}: the stream ends otherwise");
        }
        // Where the second was not dropped it arrived once, the first once in any case.
        let came = self.server.came();
        let count = |message: &Vec<u8>| came.iter().filter(|one| one.bytes == *message).count();
        assert_eq!([count(&messages[0]), count(&messages[1])], [1, usize::from(!dropped[1])], "{number}: {dropped:?}");
        self.sent.extend(messages);
    }

    /// The next e-mail is its own: its bytes, its recipient, its answer.
    async fn next(&mut self, subject: &str) {
        let (message, recipient) = (email(subject, 900), format!("{subject}@archive.example"));
        let outcomes = self.sender.send("j@corp.example", std::slice::from_ref(&recipient), &message).await;
        match &outcomes[0].outcome {
            Outcome::Accepted { reply } if !subject.starts_with("three") => assert_eq!(reply.text, format!("2.0.0 Subject: {subject}")),
            Outcome::Unknown { .. } if subject.starts_with("three") => {}
            other => panic!("{subject}: {other:?}"),
        }
        let arrived: Vec<_> = self.server.came().into_iter().filter(|one| one.recipients == [recipient.clone()]).collect();
        assert_eq!(arrived.len(), 1, "{subject}");
        assert!(arrived[0].bytes == message, "{subject}: other bytes arrived");
        self.sent.push(message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_any_byte_of_the_text() {
    let mut random = Random::new();
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let ca = folder.path().join("ca.pem");
    authority.write(&ca);
    let tls = json!({"connections": 1, "host": "localhost", "tls": "starttls", "allow-plaintext": false, "ca-file": ca});
    let lines = [
        Line::new(Options::default(), &json!({"connections": 1})),
        Line::new(Options { starttls: Some(authority.server(&["localhost"])), ..Options::default() }, &tls),
    ];
    let count = if std::env::var_os("CONSIGN_FULL").is_some() { 1000 } else { 100 };
    let plans = lines.map(|line| (line, plan(&mut random, count)));
    let (mut cut, mut whole) = (0, 0);
    for line in plans.map(|(line, plan)| tokio::spawn(run(line, plan))) {
        for arrived in line.await.unwrap() {
            if arrived { whole += 1 } else { cut += 1 }
        }
    }
    println!("{} sends dropped: of {cut} the server got a piece, of {whole} the whole, which was on its way", cut + whole);
    // Both happen, or the test is none.
    assert!(cut + whole == 2 * count && cut >= count / 5 && whole >= count, "{cut} pieces, {whole} whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_next_envelope_behind_it() {
    let mut random = Random::new();
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let ca = folder.path().join("ca.pem");
    authority.write(&ca);
    let tls = json!({"connections": 1, "host": "localhost", "tls": "starttls", "allow-plaintext": false, "ca-file": ca});
    let mut lines = [
        Line::new(Options::default(), &json!({"connections": 1})),
        Line::new(Options { starttls: Some(authority.server(&["localhost"])), ..Options::default() }, &tls),
    ];
    for number in 0..if std::env::var_os("CONSIGN_FULL").is_some() { 400 } else { 40 } {
        for line in &mut lines {
            let dropped = [[true, false], [false, true], [true, true], [false, false]][number % 4];
            let size = *random.pick(&[60, 3000, 100_000]);
            line.cancel_two(number, dropped, size).await;
            line.next(&format!("next{number}")).await;
            let truth = line.server.truth.lock().unwrap();
            assert!(truth.came.iter().all(|one| line.sent.contains(&one.bytes)), "the server has an e-mail that nobody sent");
        }
    }
}

/// For each e-mail its size, and after how many bytes on the wire, its final dot among them, the send is dropped.
fn plan(random: &mut Random, count: usize) -> Vec<(usize, usize)> {
    let of = |number: usize, size, random: &mut Random| {
        let end = wire(&email(&format!("cancelled{number}"), size)).len();
        match number {
            // The edges: nothing of the text yet, its first byte, and each byte of the end of the last line and of the final dot.
            0 | 1 => number,
            2..10 => end - (number - 2),
            _ if size == LARGE => random.below(1 << 20),
            _ => random.below(end + 1),
        }
    };
    let size = |number: usize, random: &mut Random| if number % 5 == 4 { LARGE } else { *random.pick(&[60, 3000, 100_000]) };
    let both = |number| {
        let size = size(number, random);
        (size, of(number, size, random))
    };
    (0..count).map(both).collect()
}

/// Whether the whole of each arrived.
async fn run(mut line: Line, plan: Vec<(usize, usize)>) -> Vec<bool> {
    let mut arrived = Vec::new();
    for (number, (size, offset)) in plan.into_iter().enumerate() {
        let subject = format!("cancelled{number}");
        arrived.push(line.cancel(&subject, &email(&subject, size), offset).await);
        if number % 5 == 1 {
            line.next(&format!("three{number}")).await;
        }
        line.next(&format!("next{number}")).await;
        let mut truth = line.server.truth.lock().unwrap();
        // Each e-mail that the server has is one that was sent, as it was sent.
        assert!(truth.came.iter().all(|one| line.sent.contains(&one.bytes)), "the server has an e-mail that nobody sent");
        truth.came.clear();
        truth.streams.clear();
        line.sent.clear();
    }
    arrived
}
