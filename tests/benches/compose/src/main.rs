//! Composing e-mails, against mail-builder that is given the finished texts.
//!
//! Consign writes three texts of each group (for people, for browsers, for programs), encodes them, and hashes the e-mail; the peer has those texts, of the
//! very same e-mails, and the attachments' bytes, and has only headers, encodings and MIME to do. So a ratio of 1 would mean that writing the texts is free. As
//! whoever sends e-mails by ledger needs their SHA-256, the peer is measured with that too: what remains beyond it is the writing of texts.
//!
//! `cargo run --release --manifest-path tests/benches/Cargo.toml -p consign-bench-compose [-- --rounds 40 --emails 500]`. Texts are of
//! `CONSIGN_CORPORA/chat-real-30k.jsonl.gz` where that is set. `-- only ours|peer|digest|nothing --emails 60` runs one side alone, once,
//! for callgrind.
#![expect(clippy::cast_precision_loss, reason = "bytes and counts as ratios")]

mod allocations;
mod talk;

use std::hint::black_box;
use std::process::{Command, ExitCode};

use allocations::counted;
use consign_bench_measure::{Pairs, Spread, print_place, print_row, took};
use consign_mail::compose::{Email, plan, render};
use consign_model::Digest;
use consign_model::target::ByteSize;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;
use mailparse::{MailHeaderMap as _, ParsedMail};
use talk::{Group, Talk};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

type Fault = Box<dyn std::error::Error>;

/// How many times the peer's time composing may take.
const WANTED: f64 = 1.2;

/// Most memory of composing a large e-mail, as a multiple of its bytes.
const WANTED_MEMORY: f64 = 2.0;

/// `max-size` of the parts of a group that is too large for one e-mail.
const PARTS: u64 = 4 << 20;

/// Passes over all e-mails of one side of a pair.
const PASSES: usize = 3;

/// Everything that the peer is given.
struct Finished {
    headers: Vec<(String, String)>,
    text: String,
    html: String,
    json: String,
    files: Vec<(String, String, Vec<u8>)>,
}

fn main() -> ExitCode {
    consign_bench_measure::ended(run())
}

fn option(name: &str, default: usize) -> Result<usize, Fault> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    if args.next().is_none() {
        return Ok(default);
    }
    Ok(args.next().ok_or_else(|| format!("{name} takes a number"))?.parse()?)
}

fn run() -> Result<(), Fault> {
    let (rounds, emails) = (option("--rounds", 40)?, option("--emails", 500)?);
    let mut talk = Talk::new(emails);
    let composed: Vec<Email> = talk.groups.iter().map(|group| compose(&talk, group)).collect::<Result<_, _>>()?;
    let finished: Vec<Finished> = composed.iter().map(|email| finished(&email.bytes)).collect::<Result<_, _>>()?;
    if let Some(side) = std::env::args().skip_while(|arg| arg != "only").nth(1) {
        return alone(&talk, &finished, &side);
    }
    let (count, bytes): (usize, usize) = (composed.len(), composed.iter().map(|email| email.bytes.len()).sum());
    print_place();
    println!("{count} e-mails of {} events, {} KB each, of {}; {rounds} pairs\n", talk::EVENTS, bytes / count / 1000, talk.source);
    println!("| what | against | wanted | measured | holds |\n|---|---|---|---|---|");
    let ours = || took(|| pass_ours(&talk, PASSES)).1;
    let pairs = Pairs::run(rounds, ours, || took(|| pass_peer(&finished, PASSES, false)).1);
    let hashed = Pairs::run(rounds, ours, || took(|| pass_peer(&finished, PASSES, true)).1);
    // What is left to Consign if writing the texts cost nothing.
    let floor = Pairs::run(rounds, || took(|| pass_peer(&finished, PASSES, true)).1, || took(|| pass_peer(&finished, PASSES, false)).1);
    let peer = "mail-builder given the finished texts";
    let and_hash = "the same, and the SHA-256 of its e-mail";
    let wanted = format!("at most {WANTED}");
    let sent = "mail-builder and the SHA-256 of its e-mail, processor time";
    for (what, spread, against, judged) in [
        ("composing, by the clock", pairs.wall(), peer, true),
        ("composing, processor time", pairs.cpu(), peer, true),
        ("composing, by the clock", hashed.wall(), and_hash, false),
        ("composing, processor time", hashed.cpu(), and_hash, false),
        (sent, floor.cpu(), peer, false),
    ] {
        print_row(what, against, if judged { &wanted } else { "" }, &format!("{spread} times"), !judged || spread.median <= WANTED);
    }
    if let Some(times) = instructions() {
        print_row("composing without its SHA-256, instructions", peer, "", &format!("{times:.2} times"), true);
    }
    let composings = (count * PASSES) as f64;
    let micros = |seconds: f64| seconds / composings * 1e6;
    let (own, others, with_hash) = (micros(pairs.ours().median), micros(pairs.peer().median), micros(hashed.peer().median));
    print_row("an e-mail", "", "", &format!("{own:.1} µs; the peer {others:.1}, with SHA-256 {with_hash:.1}"), true);
    let rate = (bytes * PASSES) as f64 / pairs.ours().median / 1e6;
    print_row("bytes of e-mails", "", "", &format!("{rate:.0} MB/s"), true);
    let (done, times, _) = counted(|| talk.groups.iter().try_for_each(|group| compose(&talk, group).map(drop)));
    done?;
    let (done, peer_times, _) = counted(|| finished.iter().try_for_each(|one| build(one).map(drop)));
    done?;
    print_row("allocations an e-mail", peer, "", &format!("{}; the peer {}", times / count as u64, peer_times / count as u64), true);
    large(&mut talk, rounds)
}

/// Everything that was said as one group: what its composing holds at once beside what it is given, and what it takes in parts.
fn large(talk: &mut Talk, rounds: usize) -> Result<(), Fault> {
    let group = talk.in_one().ok_or("there are no e-mails")?;
    let (email, _, most) = counted(|| compose(talk, &group));
    let size = email?.bytes.len();
    let megabytes = size as f64 / 1e6;
    let times = most as f64 / size as f64;
    let what = format!("memory of one e-mail of {megabytes:.1} MB");
    print_row(&what, "its own size", &format!("at most {WANTED_MEMORY} times"), &format!("{times:.2} times"), times <= WANTED_MEMORY);
    let whole = talk.target.max_size;
    let mut took_in_parts = Vec::new();
    let mut parts = 0;
    for _ in 0..rounds.div_ceil(8) {
        let in_one = took(|| compose(talk, &group));
        in_one.0?;
        talk.target.max_size = ByteSize(PARTS);
        let in_parts = took(|| compose_all(talk, &group));
        talk.target.max_size = whole;
        parts = in_parts.0?;
        took_in_parts.push(in_parts.1.cpu.as_secs_f64() / in_one.1.cpu.as_secs_f64());
    }
    print_row(&format!("the same in {parts} parts, processor time"), "in one e-mail", "", &format!("{} times", Spread::of(took_in_parts)), true);
    Ok(())
}

/// All parts of a group; how many there are.
fn compose_all(talk: &Talk, group: &Group) -> Result<usize, Fault> {
    let input = talk.input(group);
    let planned = plan(&input)?;
    for part in (1..).take(planned.parts().len()) {
        black_box(render(&input, &planned, part, |_| Some(&talk.file))?);
    }
    Ok(planned.parts().len())
}

fn compose(talk: &Talk, group: &Group) -> Result<Email, Fault> {
    let input = talk.input(group);
    let planned = plan(&input)?;
    if planned.parts().len() != 1 {
        return Err("an e-mail that was meant to be in one part is in several".into());
    }
    Ok(render(&input, &planned, 1, |_| Some(&talk.file))?)
}

fn pass_ours(talk: &Talk, passes: usize) {
    for group in (0..passes).flat_map(|_| &talk.groups) {
        black_box(compose(talk, group).ok());
    }
}

fn pass_peer(finished: &[Finished], passes: usize, hash: bool) {
    for one in (0..passes).flat_map(|_| finished) {
        let email = build(one).unwrap_or_default();
        if hash {
            black_box(Digest::of(&email));
        }
        black_box(email);
    }
}

/// What a program that sends e-mails does with mail-builder. The file for programs is given as bytes: so its encoding is not chosen by counting, which is
/// faster.
fn build(one: &Finished) -> std::io::Result<Vec<u8>> {
    let mut message = MessageBuilder::new();
    for (name, value) in &one.headers {
        message = match name.as_str() {
            "From" | "To" => message.header(name.as_str(), Address::new_address(None::<&str>, value.as_str())),
            "Subject" => message.subject(value.as_str()),
            "Message-ID" => message.message_id(value.as_str()),
            _ => message.header(name.as_str(), Raw::new(value.as_str())),
        };
    }
    message = message.text_body(&one.text).html_body(&one.html).attachment("application/json", "consign.json", one.json.as_bytes());
    for (name, media_type, bytes) in &one.files {
        message = message.attachment(media_type.as_str(), name.as_str(), bytes.as_slice());
    }
    message.write_to_vec()
}

/// Takes an e-mail apart, by a parser that is neither's.
fn finished(email: &[u8]) -> Result<Finished, Fault> {
    let parsed = mailparse::parse_mail(email)?;
    let skipped = ["MIME-Version", "Content-Type"];
    let headers = parsed.headers.iter().map(|one| (one.get_key(), one.get_value())).filter(|(name, _)| !skipped.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| {
        let value = if name == "Message-ID" { value.trim_matches(['<', '>']).to_owned() } else { value };
        (name, value)
    });
    let [alternative, json, files @ ..] = parsed.subparts.as_slice() else { return Err("an e-mail has too few parts".into()) };
    let [text, html] = alternative.subparts.as_slice() else { return Err("an e-mail has not two bodies".into()) };
    let body = |part: &ParsedMail<'_>| Ok::<_, Fault>(String::from_utf8(part.get_body_raw()?)?);
    let file = |part: &ParsedMail<'_>| {
        let name = part.get_content_disposition().params.get("filename").cloned().unwrap_or_default();
        Ok::<_, Fault>((name, part.headers.get_first_value("Content-Type").unwrap_or_default(), part.get_body_raw()?))
    };
    Ok(Finished {
        headers: headers.collect(),
        text: body(text)?,
        html: body(html)?,
        json: body(json)?,
        files: files.iter().map(file).collect::<Result<_, _>>()?,
    })
}

/// One side alone.
fn alone(talk: &Talk, finished: &[Finished], side: &str) -> Result<(), Fault> {
    match side {
        "ours" => pass_ours(talk, 1),
        "peer" => pass_peer(finished, 1, false),
        "digest" => pass_peer(finished, 1, true),
        "nothing" => {}
        _ => return Err("write: only ours, peer, digest or nothing".into()),
    }
    Ok(())
}

/// Instructions of composing, less those of hashing, divided by the peer's; where valgrind is there to count them. Its processor has no instructions for SHA-256,
/// which would be most of it there.
fn instructions() -> Option<f64> {
    let program = std::env::current_exe().ok()?;
    let count = |side: &str| {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&program).args(["only", side, "--emails", "60"]);
        let said = String::from_utf8(command.output().ok()?.stderr).ok()?;
        said.lines().find_map(|line| line.split_once("Collected :"))?.1.trim().parse::<f64>().ok()
    };
    let nothing = count("nothing")?;
    let (ours, peer, digest) = (count("ours")? - nothing, count("peer")? - nothing, count("digest")? - nothing);
    Some((ours - (digest - peer)) / peer)
}
