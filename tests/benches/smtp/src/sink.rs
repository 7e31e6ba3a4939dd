//! A server that takes e-mails and keeps none, fast enough not to be what is measured: `smtp-sink` is one process with one event loop, and ends near
//! 7,000 e-mails a second.
//!
//! It is a process of its own, so that its processor time is not the sender's, and it is honest: it offers what an archive offers, reads every byte to
//! the final dot, and answers commands in their order, those that came together with one write (RFC 2920, section 3.2).

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use consign_bench_measure::processor_time;
use memchr::memmem;

use crate::Error;

/// As archives do.
const OFFERS: &str = "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n";

/// What came over all connections.
#[derive(Default)]
struct Count {
    emails: AtomicU64,
    bytes: AtomicU64,
}

/// Runs until standard input ends. Says its port first, and for each line that comes the e-mails and their bytes so far and its own processor time in µs.
pub fn serve() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let count = Arc::new(Count::default());
    let shared = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = shared.clone();
            std::thread::spawn(move || talk(stream, &count));
        }
    });
    for line in io::stdin().lines() {
        line?;
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        println!("{} {} {}", of(&count.emails), of(&count.bytes), processor_time().as_micros());
    }
    Ok(())
}

/// One session. What ends it, be it QUIT or a broken connection, is no matter here.
fn talk(mut stream: TcpStream, count: &Count) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink ESMTP\r\n")?;
    let end = memmem::Finder::new(b"\r\n.\r\n");
    // Of what was read, that before `done` is dealt with.
    let (mut space, mut filled, mut done) = (vec![0; 256 << 10], 0, 0);
    // In the text, how far the end was looked for; the text's own length so far is `taken`.
    let (mut in_text, mut taken) = (false, 0);
    let mut answers = String::new();
    loop {
        if in_text {
            if let Some(at) = end.find(&space[done..filled]) {
                count.emails.fetch_add(1, Ordering::Relaxed);
                count.bytes.fetch_add(taken + at as u64 + 2, Ordering::Relaxed);
                let _ = write!(answers, "250 2.0.0 kept {}\r\n", taken + at as u64 + 2);
                (in_text, taken) = (false, 0);
                done += at + 5;
                continue;
            }
            // The end may lie across two reads.
            let searched = (filled - done).saturating_sub(4);
            taken += searched as u64;
            done += searched;
        } else if let Some(length) = memchr::memchr(b'\n', &space[done..filled]) {
            let line = &space[done..done + length];
            done += length + 1;
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_slice() {
                b"EHLO" => answers.push_str(OFFERS),
                b"HELO" => answers.push_str("250 sink\r\n"),
                b"MAIL" => answers.push_str("250 2.1.0 ok\r\n"),
                b"RCPT" => answers.push_str("250 2.1.5 ok\r\n"),
                b"RSET" | b"NOOP" => answers.push_str("250 2.0.0 ok\r\n"),
                b"DATA" => {
                    answers.push_str("354 go on\r\n");
                    in_text = true;
                }
                b"QUIT" => {
                    answers.push_str("221 2.0.0 bye\r\n");
                    return stream.write_all(answers.as_bytes());
                }
                _ => answers.push_str("500 5.5.1 what?\r\n"),
            }
            continue;
        }
        if !answers.is_empty() {
            stream.write_all(answers.as_bytes())?;
            answers.clear();
        }
        space.copy_within(done..filled, 0);
        filled -= done;
        done = 0;
        match stream.read(&mut space[filled..])? {
            0 => return Ok(()),
            length => filled += length,
        }
    }
}

/// The process that serves, from outside.
pub struct Sink {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub port: u16,
}

/// What a sink says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub emails: u64,
    pub bytes: u64,
    pub cpu: Duration,
}

impl Sink {
    pub fn start() -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?).arg("sink").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ask = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().ok_or("the sink has no output")?);
        let mut port = String::new();
        answers.read_line(&mut port)?;
        Ok(Self { port: port.trim().parse()?, child, ask, answers })
    }

    pub fn seen(&mut self) -> Result<Seen, Error> {
        self.ask.as_mut().ok_or("the sink has no input")?.write_all(b"\n")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next().ok_or("the sink says too little");
        Ok(Seen { emails: next()??, bytes: next()??, cpu: Duration::from_micros(next()??) })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ask = None;
        let _ = self.child.wait();
    }
}
