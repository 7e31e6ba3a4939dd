//! One attempt of a guest, from its file to the last answer about a chat, as the platform would take it: load, probe, bind, and sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_model::module::{FaultClass, ModuleKind};
use consign_sandbox::{BindError, Bound, Call, ChatContext, Clock, Decision, Failure, Limits, LoadError, LogLine, Module, Sandbox};
use consign_tests::guests::{Class, Guest, Must, Stage};

use crate::chats::{batches, chat};
use crate::honest::Queue;

/// How a guest's attempt ended.
#[derive(Debug)]
pub struct End {
    /// Where the host put an end to it, and of what kind; unset where it answered to the last.
    pub ended: Option<(Stage, Class)>,
    /// What the host says.
    pub text: String,
    /// By how much it ran over its deadline, where it had to be stopped at one.
    pub over: Option<Over>,
}

impl End {
    /// Whether it ran out of time while its thread waited for a core for most of that: it may be one that has no need of so much.
    pub fn was_disturbed(&self) -> bool {
        matches!(self.ended, Some((_, Class::Deadline))) && self.over.is_some_and(|over| 2 * over.queue > over.took)
    }
}

/// A run over a deadline.
#[derive(Debug, Clone, Copy)]
pub struct Over {
    /// By the clock, past the deadline.
    pub by: Duration,
    /// What the call took in all.
    pub took: Duration,
    /// How long its thread stood in the queue for a core, from the call's beginning to its end.
    pub queue: Duration,
}

/// Measures steps against their limits.
struct Watch<'a> {
    limits: &'a Limits,
    queue: Queue,
    /// Of all steps of the session under way.
    session: Took,
}

/// What a step took: by the clock, and of that in the queue for a core.
#[derive(Clone, Copy, Default)]
struct Took {
    clock: Duration,
    queue: Duration,
}

impl Watch<'_> {
    fn time<T>(&self, step: impl FnOnce() -> T) -> (T, Took) {
        let (waited, begun) = (self.queue.so_far(), Instant::now());
        let value = step();
        (value, Took { clock: begun.elapsed(), queue: self.queue.so_far().saturating_sub(waited) })
    }

    fn in_session<T>(&mut self, step: impl FnOnce() -> T) -> (T, Took) {
        let (value, took) = self.time(step);
        self.session = Took { clock: self.session.clock + took.clock, queue: self.session.queue + took.queue };
        (value, took)
    }

    fn end(stage: Stage, class: Class, text: String) -> End {
        End { ended: Some((stage, class)), text, over: None }
    }

    fn late(end: End, took: Took, limit: Duration) -> End {
        End { over: Some(Over { by: took.clock.saturating_sub(limit), took: took.clock, queue: took.queue }), ..end }
    }

    fn failed(&self, stage: Stage, failure: &Failure, took: Took) -> End {
        let end = Self::end(stage, class(failure), failure.to_string());
        // Both go onto screens as they are, and the former into logs.
        let words = if let Failure::Guest { said, .. } = failure { said.expose() } else { "" };
        assert!(!end.text.chars().chain(words.chars()).any(char::is_control), "{:?}, {words:?}", end.text);
        match failure {
            Failure::OutOfTime { clock: Clock::Call, .. } => Self::late(end, took, self.limits.call_time),
            Failure::OutOfTime { clock: Clock::Chat, .. } => Self::late(end, self.session, self.limits.chat_time),
            _ => end,
        }
    }
}

fn class(failure: &Failure) -> Class {
    match (failure, failure.class()) {
        (Failure::Refused { .. }, _) => Class::RefusedNeed,
        (_, FaultClass::Trap) => Class::Trap,
        (_, FaultClass::Deadline) => Class::Deadline,
        (_, FaultClass::Memory) => Class::Memory,
        (_, FaultClass::Output) => Class::Output,
        (_, FaultClass::Contract) => Class::Contract,
        (_, FaultClass::Configuration) => Class::Configuration,
        (_, FaultClass::GaveUp) => Class::GaveUp,
        (_, FaultClass::Host) => panic!("a guest had the host fail: {failure}"),
    }
}

fn stage(call: Call) -> Stage {
    match call {
        Call::Instantiate | Call::Describe => Stage::Probe,
        Call::Configure => Stage::Configure,
        Call::BeginChat => Stage::BeginChat,
        Call::Evaluate => Stage::Evaluate,
        Call::Place => Stage::Place,
        Call::FinishChat => Stage::FinishChat,
    }
}

/// Lets a guest do what it tries, once. `limits` are those that it is held against; the sandbox's own, but where a test wants to see that they are not kept.
pub fn attempt(sandbox: &Sandbox, limits: &Limits, guest: &Guest, file: &[u8]) -> End {
    let mut watch = Watch { limits, queue: Queue::of_this_thread(), session: Took::default() };
    let module = match watch.time(|| sandbox.load(file)) {
        (Ok(module), _) => module,
        (Err(error), took) => return not_loaded(&watch, &error, took),
    };
    let kind = if guest.is_grouping() { ModuleKind::Grouping } else { ModuleKind::Criteria };
    assert_eq!(module.kind(), kind, "{}", guest.name);
    let config = guest.config.clone();
    // A module that knows the probe passes it; so what must happen later is not left to the probe.
    if let Must::End(Stage::Probe, ..) = guest.must
        && let Some((step, why)) = module.probe().failure()
    {
        return Watch::end(Stage::Probe, Class::Contract, format!("{step}: {why}"));
    }
    let bound = match watch.time(|| module.bind(&config, &module.manifest().needs)) {
        (Ok(bound), _) => bound,
        (Err(error), took) => return not_bound(&watch, &module, &error, took),
    };
    // One chat twice, and another.
    let mut seen = Vec::new();
    for chat in [chat("C1"), chat("C1"), chat("C2")] {
        watch.session = Took::default();
        let shown = if guest.is_grouping() { groups(&mut watch, &bound, &chat) } else { verdicts(&mut watch, guest, &bound, &chat) };
        match shown {
            Ok(answers) => seen.push(answers),
            Err(end) => return end,
        }
    }
    assert_eq!(seen[0], seen[1], "{}: the same chat gives other answers the second time", guest.name);
    if matches!(guest.must, Must::Harmless(_)) && !guest.chosen_verdicts {
        for answers in &seen {
            assert!(answers.iter().all(|answer| *answer == 0), "{} got hold of what it must not: {answers:?}", guest.name);
        }
    }
    End { ended: None, text: String::new(), over: None }
}

fn not_loaded(watch: &Watch<'_>, error: &LoadError, took: Took) -> End {
    let text = error.to_string();
    match error {
        LoadError::CompileDeadline { .. } | LoadError::CompileStarved { .. } => {
            // A second of a processor. What waits there is another process, so how far it was disturbed can't be said.
            let limit = watch.limits.compile_time * 2;
            Watch::late(Watch::end(Stage::Compile, Class::Deadline, text), Took { clock: took.clock, queue: took.clock }, limit)
        }
        LoadError::CompileMemory { .. } => Watch::end(Stage::Compile, Class::Memory, text),
        LoadError::CompileFailed(_) => Watch::end(Stage::Compile, Class::Refused, text),
        LoadError::Describe(failure) => watch.failed(Stage::Probe, failure, took),
        LoadError::Manifest(_) => Watch::end(Stage::Probe, Class::Refused, text),
        LoadError::TooLarge { .. }
        | LoadError::CoreModule
        | LoadError::NotWasm
        | LoadError::Invalid(_)
        | LoadError::LargeInstances { .. }
        | LoadError::Mismatch(_) => Watch::end(Stage::Check, Class::Refused, text),
    }
}

fn not_bound(watch: &Watch<'_>, module: &Module, error: &BindError, took: Took) -> End {
    match error {
        BindError::Failed(failure) => watch.failed(Stage::Configure, failure, took),
        BindError::Config(_) => Watch::end(Stage::Configure, Class::Configuration, error.to_string()),
        BindError::NotApproved(_) => panic!("{module:?} is not approved what it asks for: {error}"),
    }
}

fn check_logs(guest: &str, limits: &Limits, logs: &[LogLine]) {
    let lines: Vec<&str> = logs.iter().map(|line| line.message.expose()).collect();
    for line in &lines {
        assert!(line.len() <= limits.log_line_bytes, "{guest}: a log line has {} bytes", line.len());
        assert!(!line.chars().any(char::is_control), "{guest}: a log line has control characters: {line:?}");
    }
    // One more says that the log is full.
    let bytes: usize = lines.iter().map(|line| line.len()).sum();
    assert!(bytes <= limits.log_bytes + 200 && lines.len() <= limits.log_bytes / 16 + 1, "{guest}: {} lines, {bytes} bytes", lines.len());
}

fn verdicts(watch: &mut Watch<'_>, guest: &Guest, bound: &Bound, chat: &Arc<ChatContext>) -> Result<Vec<u8>, End> {
    let mut session = bound.criteria(Arc::clone(chat)).unwrap();
    let mut run = || {
        let (decision, took) = watch.in_session(|| session.begin());
        let decision = decision.map_err(|failure| watch.failed(at(&failure, Stage::BeginChat), &failure, took))?;
        let batches = batches(chat);
        let mut all = Vec::new();
        for batch in batches.iter().cycle().take(guest.batches) {
            if decision != Decision::Inspect {
                break;
            }
            let (verdicts, took) = watch.in_session(|| session.evaluate(batch));
            all.append(&mut verdicts.map_err(|failure| watch.failed(at(&failure, Stage::Evaluate), &failure, took))?);
        }
        Ok(all)
    };
    let answers = run();
    check_logs(&guest.name, watch.limits, &session.take_logs());
    answers
}

/// The groups' numbers, event by event: all 0 where everything is in the first one. What groups say of themselves is checked on the way.
fn groups(watch: &mut Watch<'_>, bound: &Bound, chat: &Arc<ChatContext>) -> Result<Vec<u8>, End> {
    let mut session = bound.grouping(Arc::clone(chat)).unwrap();
    let mut run = || {
        let (begun, took) = watch.in_session(|| session.begin());
        begun.map_err(|failure| watch.failed(at(&failure, Stage::BeginChat), &failure, took))?;
        let mut numbers = Vec::new();
        for batch in batches(chat) {
            let (placement, took) = watch.in_session(|| session.place(&batch));
            let placement = placement.map_err(|failure| watch.failed(at(&failure, Stage::Place), &failure, took))?;
            let [one] = placement.assigned.as_slice() else { panic!("{placement:?}") };
            assert_eq!((one.first, one.last as usize + 1), (0, batch.len()));
            numbers.push(u8::try_from(one.group).unwrap());
        }
        let (groups, took) = watch.in_session(|| session.finish());
        let groups = groups.map_err(|failure| watch.failed(at(&failure, Stage::FinishChat), &failure, took))?;
        for group in &groups {
            let texts = group.labels.iter().flat_map(|(name, value)| [name, value]).chain([&group.key, &group.title]);
            for text in texts {
                assert!(text.len() <= watch.limits.title_bytes && !text.chars().any(char::is_control), "{text:?}");
            }
        }
        Ok(numbers)
    };
    let answers = run();
    check_logs("a grouping", watch.limits, &session.take_logs());
    answers
}

/// A session's first step makes the instance and configures it before it shows the chat.
fn at(failure: &Failure, otherwise: Stage) -> Stage {
    failure.call().map_or(otherwise, stage)
}
