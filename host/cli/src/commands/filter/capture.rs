//! `filter capture`

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use consign_export::chats::{ShownChat, Span};
use consign_model::{Name, WindowState};
use consign_source::Format;
use consign_store::WindowFilter;
use consign_workshop::capture::{Captured, Options, capture as captured};
use consign_workshop::component::{bind, config, load};
use consign_workshop::failure::FailureReport;
use consign_workshop::ground::{Events, Ground};
use consign_workshop::judge::{JudgeError, judge};
use serde_json::Value;
use tokio::runtime::Handle;

use super::events::{Found, Origin};
use super::{at_work, ground, indented, sandbox};
use crate::args::{CaptureArgs, Cli};
use crate::output::{Ending, Failure, number, say, say_json};

/// Windows listed at a time.
const PAGE: usize = 64;

/// What is captured.
struct Asked {
    from: Origin,
    chat: String,
    policy: Option<Name>,
    out: PathBuf,
    seed: u64,
    keep_words: bool,
    force: bool,
    module: Option<PathBuf>,
    config: Option<String>,
    json: bool,
}

/// Makes of a chat another one of the same shape.
pub async fn capture(cli: &Cli, args: &CaptureArgs) -> Result<Ending, Failure> {
    let chat = args.events.chat.clone().ok_or_else(|| Failure::new("say which chat: --chat ID, as 'consign held' names it"))?;
    let asked = Asked {
        from: Origin::of(cli, &args.events).await?,
        chat,
        policy: args.policy.clone(),
        out: args.out.clone(),
        seed: args.seed.unwrap_or_else(fresh_seed),
        keep_words: args.keep_words,
        force: args.force,
        module: args.module.clone(),
        config: args.config.clone(),
        json: cli.json,
    };
    let ground = ground()?;
    let used = ground.clone();
    at_work(&ground, move || run(&asked, &used)).await
}

/// A number that nobody chose.
fn fresh_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    u64::try_from(now % u128::from(u32::MAX)).unwrap_or(0)
}

fn run(asked: &Asked, ground: &Ground) -> Result<Ending, Failure> {
    if asked.out.exists() && (!asked.force || asked.from.file().is_some_and(|file| is_same(file, &asked.out))) {
        let way_out = if asked.force { "it is what is captured: name another file" } else { "name another file, or --force to write over it" };
        return Err(Failure::new(format!("{} is there already; {way_out}", asked.out.display())));
    }
    let found = asked.from.find(ground, Some(&asked.chat), |line| eprintln!("not read: {line}"))?;
    let mut chat = window(asked, &found)?;
    let config = config(asked.config.as_deref())?;
    let stem = asked.out.file_stem().map_or_else(|| "chat".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let mut keep_words = Vec::new();
    if asked.keep_words {
        words(&config, &mut keep_words);
    }
    let made = captured(&mut chat, &Options { seed: asked.seed, keep_words, files: format!("{stem}.files") })?;
    write(&asked.out, &made).map_err(|error| Failure::new(format!("{} can't be written: {error}", asked.out.display())))?;
    // What was written is read again as any file of events: it has to have the same events.
    let laid = ground.lay(&"captured".parse()?, &[Events::File { path: asked.out.clone(), format: Format::Jsonl }])?;
    let refused: Vec<String> = laid.imported.iter().flat_map(|one| &one.report.refusals).map(ToString::to_string).collect();
    if !refused.is_empty() {
        return Err(Failure::new(format!(
            "what came out can't be read again, which is a fault of Consign, please report it:\n{}",
            refused.join("\n")
        )));
    }
    let fails = match &asked.module {
        None => None,
        Some(module) => {
            let bound = bind(&load(&sandbox()?, module)?, &config, None)?;
            let before = failure(judge(&bound, &mut chat))?;
            let windows = laid.windows(laid.pick(None)?.first().ok_or_else(|| Failure::new("what came out has no chat"))?, None)?;
            let mut windows = windows.into_iter();
            let mut again = windows.next().ok_or_else(|| Failure::new("what came out has no events"))?;
            Some((before, failure(judge(&bound, &mut again))?))
        }
    };
    tell(asked, &made, fails.as_ref())
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().ok().is_some_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// The chat, or the window of it that a policy holds: the first that it holds.
fn window(asked: &Asked, found: &Found) -> Result<ShownChat, Failure> {
    let none = || Failure::new(format!("the chat {} has no events", asked.chat));
    let key = found.chats().first().ok_or_else(none)?;
    let (Some(policy), Found::Kept(chats, _)) = (&asked.policy, found) else { return found.show(key, None)?.ok_or_else(none) };
    let runtime = Handle::current();
    let (filter, mut after, mut held) = (WindowFilter::OfChat(policy.clone(), key.clone()), None, None);
    while held.is_none() {
        let windows = runtime.block_on(chats.store.windows(&chats.tenant, &filter, after.as_ref(), PAGE))?;
        let Some(last) = windows.last() else { break };
        after = Some(last.key.clone());
        held = windows.into_iter().find(|window| matches!(window.state, WindowState::Held { .. }));
    }
    let held = held.ok_or_else(|| Failure::new(format!("the policy '{policy}' holds nothing of the chat {}: see 'consign held'", asked.chat)))?;
    let span = Span { from: held.key.from, to: Some(held.to), starts_at: held.starts_at, ends_at: Some(held.ends_at) };
    runtime.block_on(chats.show(key, span))?.ok_or_else(none)
}

/// All texts of a configuration.
fn words(config: &Value, into: &mut Vec<String>) {
    match config {
        Value::String(word) => into.push(word.clone()),
        Value::Array(list) => list.iter().for_each(|one| words(one, into)),
        Value::Object(fields) => fields.values().for_each(|one| words(one, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Writes the lines, and the files that they name: of the right size, with nothing in them.
fn write(out: &Path, made: &Captured) -> std::io::Result<()> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for file in &made.files {
        let path = folder.join(&file.path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::create(path)?.set_len(file.bytes)?;
    }
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(out)?;
    file.write_all(made.lines.as_bytes())?;
    file.sync_all()
}

fn failure<T>(judged: Result<T, JudgeError>) -> Result<Option<Box<FailureReport>>, Failure> {
    match judged {
        Ok(_) => Ok(None),
        Err(JudgeError::Failed(failure)) => Ok(Some(failure)),
        Err(JudgeError::Read(error)) => Err(error.into()),
    }
}

type Failures = (Option<Box<FailureReport>>, Option<Box<FailureReport>>);

fn tell(asked: &Asked, made: &Captured, fails: Option<&Failures>) -> Result<Ending, Failure> {
    let same = fails.is_none_or(|(before, after)| before.as_ref().map(|one| one.class) == after.as_ref().map(|one| one.class));
    if asked.json {
        let module = fails.map(|(before, after)| serde_json::json!({"before": before, "after": after, "same": same}));
        say_json(&serde_json::json!({"file": asked.out, "captured": made.report, "files": made.files, "module": module}))?;
        return Ok(Ending::complete_if(same));
    }
    let report = &made.report;
    say(format_args!(
        "{}: {} events and {} people of the same shape, as chat {}; none of the text (seed {})",
        asked.out.display(),
        number(report.events),
        number(report.people as u64),
        report.chat,
        report.seed
    ));
    if report.moves_before > 0 {
        say(format_args!("{} joins and leaves from before the window stand in it too, for the memberships", number(report.moves_before as u64)));
    }
    if report.approximated > 0 {
        say(format_args!("{} events bring files that came after their message: here they are edits", number(report.approximated)));
    }
    match fails {
        None => {}
        Some((None, None)) => say("the module fails neither on the chat nor on this"),
        Some((None, Some(after))) => say(format_args!("the module does not fail on the chat, but on this:\n  {}", indented(&after.to_string(), 2))),
        Some((Some(before), None)) => say(format_args!(
            "the module does not fail on this any more; what it fails on stands in the text, or in a name:\n  {}",
            indented(&before.to_string(), 2)
        )),
        Some((Some(_), Some(after))) if same => say(format_args!("the module fails on this as well:\n  {}", indented(&after.to_string(), 2))),
        Some((Some(before), Some(after))) => say(format_args!(
            "the module fails on this in another way:\n  {}\nwhere on the chat it is:\n  {}",
            indented(&after.to_string(), 2),
            indented(&before.to_string(), 2)
        )),
    }
    Ok(Ending::complete_if(same))
}
