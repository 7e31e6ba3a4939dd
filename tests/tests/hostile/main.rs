//! Hostile guests against the sandbox, beside an honest tenant's run; and some of them against the program.
//!
//! The rest of this package links none of the rooms and drives the program alone. This one links the sandbox: what is asked here is whether the process that a
//! hostile module is in goes on as before, so that process has to be this one, which can measure its own memory, and another tenant's batches one by one.
//!
//! `CONSIGN_GUEST=NAME` takes the guests whose name holds NAME, `CONSIGN_REPEATS=N` lets each try so often (10; 100 by `CONSIGN_FULL=1`).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod attempt;
mod chats;
mod figures;
mod honest;
mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use attempt::{End, attempt};
use consign_sandbox::{CacheKey, CodeCache, Compile, CompileChild, Limits, Sandbox, SandboxConfig};
use consign_tests::guests::{self, Class, Guest, Must, Stage};
use consign_tests::{Random, binary, say, seed};
use figures::{Figures, Table};
use honest::{EVENTS, Honest};

/// Batches of the honest tenant that are measured before each guest, and at least beside it.
const BATCHES: usize = 200;

/// Short, so that what runs for ever is waited for often.
fn limits() -> Limits {
    Limits { call_time: Duration::from_millis(100), chat_time: Duration::from_millis(300), ..Limits::default() }
}

/// For guests that are compiled for ever. The others have the usual minute, so that a busy machine does not stop them for being slow itself.
const COMPILE_TIME: Duration = Duration::from_secs(1);

/// As the program has it: compiled in a process of its own, which is the program, and kept in a cache.
fn sandbox(limits: Limits, cache: &Path) -> Sandbox {
    let child = CompileChild { program: binary(), arguments: vec!["sandbox-compile".into()] };
    let cache = CodeCache { dir: cache.to_owned(), key: CacheKey([7; 32]), most_bytes: 1 << 30 };
    Sandbox::new(SandboxConfig { cache: Some(cache), limits, compile: Compile::Child(child), ..SandboxConfig::default() }).unwrap()
}

/// Of the tests that measure: the process has one memory, and the machine its cores.
static ALONE: Mutex<()> = Mutex::new(());

/// What this process has of the machine's memory, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

fn repeats() -> usize {
    let given = std::env::var("CONSIGN_REPEATS").ok().map(|text| text.parse().unwrap());
    given.unwrap_or(if std::env::var_os("CONSIGN_FULL").is_some() { 100 } else { 10 })
}

/// What is wrong in how an attempt ended.
fn wrong(guest: &Guest, end: &End) -> Option<String> {
    let found = match end.ended {
        Some((stage, class)) => format!("{stage} {class}: {}", end.text),
        None => "it answered to the end".to_owned(),
    };
    let right = match &guest.must {
        Must::Answered(_) => true,
        Must::Harmless(_) => end.ended.is_none(),
        Must::End(stage, class, says) => end.ended == Some((*stage, *class)) && says.iter().all(|part| end.text.contains(part)),
    };
    (!right).then(|| format!("{}: must be {:?}, and is: {found}", guest.name, guest.must))
}

/// All attempts of one guest beside the honest tenant.
fn measure(sandbox: &Sandbox, honest: &Honest, guest: &Guest, files: &[PathBuf]) -> Result<Figures, String> {
    let file = |number: usize| std::fs::read(&files[number % files.len()]).unwrap();
    // Compiled once beforehand, where it can be: then the time of an attempt is the guest's own.
    let first = attempt(sandbox, sandbox.limits(), guest, &file(0));
    if let Some(wrong) = wrong(guest, &first).filter(|_| !first.was_disturbed()) {
        return Err(wrong);
    }
    let probe = match sandbox.load(&file(0)) {
        Err(_) => "-",
        Ok(module) => {
            let report = module.probe();
            if !report.passed() {
                "stopped"
            } else if report.verdicts.is_some() {
                "passed"
            } else {
                "not run"
            }
        }
    };
    let alone = honest.alone(BATCHES);
    // Of a family each member tries once, ten or more in all.
    let times = repeats().max(files.len());
    let (mut over, mut done) = (Vec::new(), 0);
    let mut problem = None;
    let mut disturbed = 0;
    let beside = honest.beside(BATCHES, || {
        let end = attempt(sandbox, sandbox.limits(), guest, &file(done));
        problem = wrong(guest, &end);
        if problem.is_some() && end.was_disturbed() && disturbed < times {
            // Another attempt in its place: of this one the machine had most of the time.
            (problem, disturbed) = (None, disturbed + 1);
            return true;
        }
        over.extend(end.over);
        done += 1;
        done < times && problem.is_none()
    });
    match problem {
        Some(problem) => Err(problem),
        None => Ok(Figures {
            guest: guest.name.clone(),
            must: guest.must.to_string(),
            compiling: matches!(guest.must, Must::End(Stage::Compile, ..)),
            times: done,
            probe,
            over,
            alone,
            beside,
            memory: memory(),
        }),
    }
}

/// The guests that are asked for.
fn chosen() -> Vec<Guest> {
    let only = std::env::var("CONSIGN_GUEST").unwrap_or_default();
    let guests: Vec<Guest> = guests::guests().into_iter().filter(|guest| guest.name.contains(&only)).collect();
    assert!(!guests.is_empty(), "no guest has '{only}' in its name");
    guests
}

/// Set for the process that makes the guests' files: the folder where to.
const MAKE: &str = "CONSIGN_TEST_MAKE";

/// A component of megabytes takes a hundred times as much while it is made from text, and the allocator keeps that: it would hide what a guest takes. So
/// another process makes the files, which is this program with a variable set.
#[test]
fn the_guests_files() {
    let guests = chosen();
    let Some(folder) = std::env::var_os(MAKE) else {
        assert!(guests.len() >= 30 || std::env::var_os("CONSIGN_GUEST").is_some(), "{} guests", guests.len());
        return;
    };
    let mut random = Random::new(seed("hostile guests"));
    for guest in guests {
        let folder = Path::new(&folder).join(&guest.name);
        std::fs::create_dir(&folder).unwrap();
        for (number, file) in guest.files(&mut random).iter().enumerate() {
            std::fs::write(folder.join(format!("{number:04}.wasm")), file).unwrap();
        }
    }
}

fn make_files(folder: &Path) {
    let own = std::env::current_exe().unwrap();
    let status = Command::new(own).args(["--exact", "the_guests_files", "--nocapture"]).env(MAKE, folder).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "the guests' files could not be made");
}

fn files(folder: &Path, guest: &Guest) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(&guest.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn every_guest_beside_an_honest_tenant() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let guests = chosen();
    let (made, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    make_files(made.path());
    let common = sandbox(limits(), folder.path());
    let honest = Honest::start(&common, &honest::texts(), EVENTS);
    honest.alone(BATCHES);
    let mut table = Table { memory_before: memory(), honest_stopped: 0, guests: Vec::new() };
    let mut problems = Vec::new();
    for guest in &guests {
        let own = match (&guest.must, guest.compile_mib, guest.call_time) {
            (_, Some(mib), _) => Some(Limits { compile_bytes: mib << 20, ..limits() }),
            (Must::End(Stage::Compile, ..), ..) => Some(Limits { compile_time: COMPILE_TIME, ..limits() }),
            (_, _, Some(call_time)) => Some(Limits { call_time, chat_time: call_time, ..limits() }),
            _ => None,
        };
        // Of what never describes itself nothing is kept, so it is compiled each time: here, where that takes less than starting a process would.
        let own = match guest.must {
            Must::End(Stage::Probe, Class::Deadline, _) => {
                Some(Sandbox::new(SandboxConfig { limits: limits(), ..SandboxConfig::default() }).unwrap())
            }
            _ => own.map(|limits| sandbox(limits, folder.path())),
        };
        let measured = measure(own.as_ref().unwrap_or(&common), &honest, guest, &files(made.path(), guest));
        match measured {
            Ok(figures) => table.guests.push(figures),
            Err(problem) => problems.push(problem),
        }
    }
    table.honest_stopped = honest.stopped();
    drop(honest);
    say(&table);
    problems.extend(table.problems());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The judgement can fail: a guest that is let run ten times as long as it may, a tenant whose batches take three times as long, and a process that keeps
/// memory, each really so.
#[test]
fn what_is_late_slow_or_large_is_told() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let (asked, texts) = (limits(), honest::texts());
    let slack = sandbox(Limits { call_time: asked.call_time * 10, chat_time: asked.call_time * 20, ..asked.clone() }, folder.path());
    let guest = guests::guest("endless-evaluate");
    let ends: Vec<End> = (0..3).map(|_| attempt(&slack, &asked, &guest, &guest.files(&mut Random::new(0))[0])).collect();
    let memory_before = memory();
    let kept = std::hint::black_box(vec![1_u8; 128 << 20]);
    let figures = Figures {
        guest: guest.name,
        must: guest.must.to_string(),
        compiling: false,
        times: ends.len(),
        probe: "-",
        over: ends.iter().filter_map(|end| end.over).collect(),
        alone: Honest::start(&slack, &texts, EVENTS).alone(BATCHES),
        beside: Honest::start(&slack, &texts, 3 * EVENTS).alone(BATCHES),
        memory: memory(),
    };
    drop(kept);
    let problems = Table { memory_before, honest_stopped: 0, guests: vec![figures] }.problems().join("\n");
    for part in ["after its deadline", "half of the honest tenant's batches", "the honest tenant's p99", "bytes more than before"] {
        assert!(problems.contains(part), "{part}: {problems}");
    }
}

/// Whoever can write into the cache has a module's code there under another one's name, as it was compiled and with what authenticates it.
#[test]
fn compiled_code_put_into_the_cache_by_hand_is_not_taken() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (evil, honest) = (guests::guest("cached-code").files(&mut Random::new(0)).remove(0), guests::honest());
    let load = |folder: &Path, key: u8, file: &[u8]| {
        let cache = CodeCache { dir: folder.to_owned(), key: CacheKey([key; 32]), most_bytes: 1 << 30 };
        Sandbox::new(SandboxConfig { cache: Some(cache), limits: limits(), ..SandboxConfig::default() }).unwrap().load(file).unwrap()
    };
    let cached = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let verdict = |module: &consign_sandbox::Module| {
        let chat = chats::chat("C1");
        let mut session = module.bind(&serde_json::json!({}), &[]).unwrap().criteria(chat.clone()).unwrap();
        session.begin().unwrap();
        session.evaluate(&chats::messages(&chat, &["a".to_owned()])).unwrap()
    };
    // The honest module's code is there, and what it does is known.
    assert_eq!(verdict(&load(theirs.path(), 1, &honest)), [0]);
    let place = cached(theirs.path()).remove(0);
    // Compiled under another key, and under the host's own as another tenant's module.
    assert_eq!(verdict(&load(mine.path(), 2, &evil)), [1]);
    let under_another_key = std::fs::read(cached(mine.path()).remove(0)).unwrap();
    load(theirs.path(), 1, &evil);
    let under_the_hosts_key = std::fs::read(cached(theirs.path()).into_iter().find(|path| *path != place).unwrap()).unwrap();
    for planted in [&under_another_key, &under_the_hosts_key, &under_another_key[32..].to_vec()] {
        std::fs::write(&place, planted).unwrap();
        assert_eq!(verdict(&load(theirs.path(), 1, &honest)), [0], "what was put into the cache was run");
        assert!(std::fs::read(&place).unwrap() != *planted, "and it is compiled again");
    }
}
