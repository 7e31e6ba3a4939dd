//! `filter run`

use std::path::PathBuf;

use consign_model::Timestamp;
use consign_sandbox::Sandbox;
use consign_workshop::component::{bind, config, is_standard, label, load};
use consign_workshop::ground::Ground;
use consign_workshop::run::{Change, Memory, Shown, ShownGroup, Summary, events, groups};
use consign_workshop::watch::Watch;

use super::events::Origin;
use super::{ground, sandbox, until_ended};
use crate::args::{Cli, RunFilterArgs};
use crate::output::{Ending, Failure, number, say, say_json, table};

/// Changes that are shown after a watched file changed.
const MOST_CHANGES: usize = 200;

/// What is run.
#[derive(Clone)]
struct Asked {
    module: PathBuf,
    config: Option<String>,
    from: Origin,
    chat: Option<String>,
    now: Option<Timestamp>,
    limit: usize,
    watch: bool,
    json: bool,
}

/// Runs a module over chats.
pub async fn run(cli: &Cli, args: &RunFilterArgs) -> Result<Ending, Failure> {
    let now = args.now.as_deref().map(Timestamp::parse).transpose().map_err(|error| Failure::new(format!("--now: {error}")))?;
    let asked = Asked {
        module: args.module.clone(),
        config: args.config.clone(),
        from: Origin::of(cli, &args.events).await?,
        chat: args.events.chat.clone(),
        now,
        limit: args.limit,
        watch: args.watch,
        json: cli.json,
    };
    let ground = ground()?;
    let used = ground.clone();
    let watch = args.watch;
    let work = move || {
        let sandbox = sandbox()?;
        if watch { watched(&asked, &sandbox, &used) } else { once(&asked, &sandbox, &used, true).map(|ran| ran.ending()) }
    };
    match until_ended(&ground, work).await? {
        Some(ending) => Ok(ending),
        // Whoever watches ends it so.
        None if watch => Ok(Ending::Done),
        None => Err(Failure::new("ended by Ctrl-C")),
    }
}

/// What came of it.
struct Ran {
    summary: Summary,
    memory: Memory,
    refused: usize,
}

impl Ran {
    fn ending(&self) -> Ending {
        Ending::complete_if(self.summary.failures.is_empty() && self.refused == 0)
    }
}

fn once(asked: &Asked, sandbox: &Sandbox, ground: &Ground, aloud: bool) -> Result<Ran, Failure> {
    let module = load(sandbox, &asked.module)?;
    let bound = bind(&module, &config(asked.config.as_deref())?, None)?;
    let mut ran = Ran { summary: Summary::default(), memory: Memory::default(), refused: 0 };
    let mut refused = 0;
    let found = asked.from.find(ground, asked.chat.as_deref(), |line| {
        refused += 1;
        eprintln!("not read: {line}");
    })?;
    ran.refused = refused;
    for key in found.chats() {
        let Some(mut chat) = found.show(key, asked.now)? else { continue };
        let Some(judgement) = ran.summary.add(&bound, &mut chat)? else {
            if aloud
                && !asked.json
                && let Some(failure) = ran.summary.failures.last()
            {
                say(failure);
            }
            continue;
        };
        if aloud {
            tell(asked, &events(&judgement, asked.limit), judgement.events.len(), groups(&judgement).collect())?;
            for line in &judgement.logs {
                if asked.json {
                    say_json(&serde_json::json!({"chat": key.id, "log": line}))?;
                } else {
                    say(format_args!("  log {}: {}", line.level, line.text));
                }
            }
        }
        // An archive's verdicts may be more than memory holds, and only who watches compares them.
        if asked.watch {
            ran.memory.keep(key, &judgement);
        }
    }
    if asked.json {
        say_json(&serde_json::json!({"module": label(&module), "digest": module.digest(), "summary": ran.summary}))?;
    } else {
        summary(&ran.summary, &label(&module));
    }
    Ok(ran)
}

/// Shows a chat's events and groups.
fn tell(asked: &Asked, events: &[Shown], all: usize, groups: Vec<ShownGroup>) -> Result<(), Failure> {
    if asked.json {
        events.iter().try_for_each(say_json)?;
        return groups.iter().try_for_each(|group| say_json(&serde_json::json!({"group": group})));
    }
    let Some(chat) = events.first().map(|event| event.chat.clone()) else { return Ok(()) };
    say(format_args!("chat {chat}:"));
    let rows = events
        .iter()
        .map(|event| vec![format!("  {}", event.id), event.at.to_string(), event.kind.to_owned(), event.verdict.clone(), event.groups.join(", ")]);
    say(table(&[], &[], rows));
    if all > events.len() {
        say(format_args!("  and {} more events (--limit)", number((all - events.len()) as u64)));
    }
    for group in groups {
        let of = group.subject.map(|subject| format!(", copy of {subject}")).unwrap_or_default();
        say(format_args!("  group {:?} {:?}: {} events{of}", group.key, group.title, number(group.events as u64)));
    }
    Ok(())
}

fn summary(summary: &Summary, module: &str) {
    say(format_args!("{module}: {} events in {} chats", number(summary.events), number(summary.chats)));
    let mut rows: Vec<Vec<String>> = summary.by_rule.iter().map(|(rule, count)| vec![format!("  {rule}"), number(*count)]).collect();
    if summary.groups > 0 {
        rows.push(vec!["  groups".to_owned(), number(summary.groups)]);
    }
    if summary.held > 0 {
        rows.push(vec!["  would be held".to_owned(), number(summary.held)]);
    }
    say(table(&[], &[1], rows));
    if !summary.failures.is_empty() {
        say(format_args!("it failed on {} chats: these would be held, and nothing of them sent", summary.failures.len()));
    }
}

/// Runs it, and again whenever something changes. Ends only when it is told to.
fn watched(asked: &Asked, sandbox: &Sandbox, ground: &Ground) -> Result<Ending, Failure> {
    let mut files: Vec<PathBuf> = asked.from.file().into_iter().cloned().collect();
    if !is_standard(&asked.module) {
        files.push(asked.module.clone());
    }
    files.extend(asked.config.as_ref().map(PathBuf::from).filter(|path| path.is_file()));
    let mut watch = Watch::new(&files)?;
    let mut before = match once(asked, sandbox, ground, true) {
        Ok(ran) => Some(ran.memory),
        Err(failure) => {
            failure.print(asked.json);
            None
        }
    };
    loop {
        if !asked.json {
            say("watching; Ctrl-C ends");
        }
        let Some(changed) = watch.changed() else { return Ok(Ending::Done) };
        if !asked.json {
            say(format_args!("\n{} changed at {}:", names(&changed), Timestamp::now()));
        }
        match once(asked, sandbox, ground, before.is_none()) {
            Ok(ran) => {
                if let Some(before) = &before {
                    changes(&ran.memory.changes(before), asked.json)?;
                }
                if !asked.json {
                    ran.summary.failures.iter().for_each(say);
                }
                before = Some(ran.memory);
            }
            // It may be half-written, or wrong for now: the next change mends it.
            Err(failure) => failure.print(asked.json),
        }
    }
}

fn names(files: &[PathBuf]) -> String {
    let name = |file: &PathBuf| file.file_name().map_or_else(|| file.display().to_string(), |name| name.to_string_lossy().into_owned());
    files.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Shows what the last change does.
fn changes(changes: &[Change], json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&serde_json::json!({"changes": changes}));
    }
    if changes.is_empty() {
        say("no verdict changed");
        return Ok(());
    }
    for one in changes.iter().take(MOST_CHANGES) {
        let word = |verdict: &Option<String>| verdict.clone().unwrap_or_else(|| "not there".to_owned());
        say(format_args!("  {} {}: {} → {}", one.chat, one.id, word(&one.before), word(&one.after)));
    }
    if changes.len() > MOST_CHANGES {
        say(format_args!("  and {} more", number((changes.len() - MOST_CHANGES) as u64)));
    }
    let verdicts = if changes.len() == 1 { "verdict" } else { "verdicts" };
    say(format_args!("{} {verdicts} changed", number(changes.len() as u64)));
    Ok(())
}
