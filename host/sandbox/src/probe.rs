//! Trying a module before anybody relies on it: on a made-up chat, twice, in batches of two sizes.
//!
//! A probe proves little about a hostile module, which may know this chat by heart. It finds the careless one: that answers otherwise for other batch
//! sizes, that can't stand an empty text or a system event, that describes itself by a random number. The limits and the checks of answers are those of
//! every session, so whatever the module does, this ends.

use std::sync::Arc;

use consign_model::id::Hasher;
use consign_model::module::{ModuleKind, ProbeOutcome, ProbeReport, ProbeStep};
use consign_model::window::{Facts, Participant};
use consign_model::{Attachment, Chat, ChatKey, ChatKind, Digest, Event, EventBatch, EventKind, Flags, Membership, Name, Timestamp, User};
use serde_json::Value;

use crate::logs::{one_line, told};
use crate::{BatchView, BindError, Bound, Call, ChatContext, CriteriaSession, Decision, Failure, GroupingSession, LogLine, Module};

/// Batch sizes that are tried: event by event, and such that batches end between events that belong together.
const SIZES: [usize; 2] = [1, 3];

/// Groups of the made-up chat. What is told of an event's groups is kept, so many groups of many events would be much.
const MOST_GROUPS: usize = 1_000;

/// Of what is told of a step: lines, and bytes of one.
const LINES: usize = 20;
const LINE_BYTES: usize = 1 << 10;

const DESCRIBE: &str = "describe, twice";
const CONFIGURATION: &str = "a configuration";
const CHAT: &str = "a made-up chat, in batches of 1 and of 3";

impl Module {
    /// Tries it with a configuration of its own: the first of the schema's `examples`, else an empty one.
    pub fn probe(&self) -> ProbeReport {
        self.probe_closely().0
    }

    /// As [`probe`](Self::probe), with what a call failed by: its author may be told all of it, since the chat is made up.
    pub fn probe_closely(&self) -> (ProbeReport, Option<ProbeFailure>) {
        let mut report = Report::new(self);
        if !report.describe(self) {
            return (report.kept, report.failure);
        }
        let example = self.manifest().config_schema.pointer("/examples/0").cloned();
        let given = example.is_some();
        let config = example.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        match self.bind(&config, &self.manifest().needs) {
            Ok(bound) => {
                report.add(CONFIGURATION, ProbeOutcome::Passed);
                report.chat(&bound);
            }
            Err(BindError::Failed(failure)) => {
                report.add(CONFIGURATION, ProbeOutcome::Failed { why: failure.to_string() });
                report.failure = Some(failure.into());
            }
            Err(error) if given => {
                report.add(CONFIGURATION, ProbeOutcome::Failed { why: format!("the first of the schema's 'examples' is refused: {error}") });
            }
            Err(_) => {
                let why = "an empty configuration is refused, and the schema has no 'examples': give it one, so that it can be tried".to_owned();
                report.add(CONFIGURATION, ProbeOutcome::NotRun { why });
            }
        }
        (report.kept, report.failure)
    }
}

impl Bound {
    /// Tries it with the configuration that it was bound with.
    pub fn probe(&self) -> ProbeReport {
        let mut report = Report::new(self.module());
        if report.describe(self.module()) {
            report.chat(self);
        }
        report.kept
    }
}

struct Report {
    kept: ProbeReport,
    failure: Option<ProbeFailure>,
}

/// A call that failed in a probe.
#[derive(Debug)]
pub struct ProbeFailure {
    /// By what.
    pub failure: Failure,
    /// What the module logged until then.
    pub logs: Vec<LogLine>,
    /// In which batch; unset outside of batches.
    batch: Option<usize>,
}

impl From<Failure> for ProbeFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, logs: Vec::new(), batch: None }
    }
}

impl Report {
    fn new(module: &Module) -> Self {
        Self { kept: ProbeReport { engine: module.sandbox().engine_version(), steps: Vec::new(), verdicts: None }, failure: None }
    }

    fn add(&mut self, name: &str, outcome: ProbeOutcome) {
        let clean = |why: &str| why.lines().map(|line| one_line(line, LINE_BYTES)).take(LINES).collect::<Vec<_>>().join("; ");
        let outcome = match outcome {
            ProbeOutcome::Passed => ProbeOutcome::Passed,
            ProbeOutcome::NotRun { why } => ProbeOutcome::NotRun { why: clean(&why) },
            ProbeOutcome::Failed { why } => ProbeOutcome::Failed { why: clean(&why) },
        };
        self.kept.steps.push(ProbeStep { name: name.to_owned(), outcome });
    }

    /// Whether it says the same of itself again.
    fn describe(&mut self, module: &Module) -> bool {
        let failed = match module.says_again() {
            Ok((now, before)) if now == before => None,
            Ok(_) => Some("it describes itself otherwise the second time".to_owned()),
            Err(failure) => Some(self.failure.insert(failure.into()).failure.to_string()),
        };
        let passed = failed.is_none();
        self.add(DESCRIBE, failed.map_or(ProbeOutcome::Passed, |why| ProbeOutcome::Failed { why }));
        passed
    }

    fn chat(&mut self, bound: &Bound) {
        let (chat, events) = made_up();
        let answers = SIZES.map(|size| {
            let batches = batches(&chat, &events, size);
            answers(bound, &chat, &batches).map_err(|broken| (size, broken))
        });
        let outcome = match answers {
            [Ok(one), Ok(other)] if one == other => {
                self.kept.verdicts = Some(digest(&one));
                ProbeOutcome::Passed
            }
            [Ok(one), Ok(other)] => {
                let what = one.iter().zip(&other).position(|(one, other)| one != other);
                let place = what.and_then(|index| events.get(index)).map_or_else(|| "its groups".to_owned(), |event| format!("event {}", event.id));
                ProbeOutcome::Failed { why: format!("its answer depends on the size of the batches: it differs for {place} of the made-up chat") }
            }
            [Err((size, broken)), _] | [_, Err((size, broken))] => {
                let id = |index: usize| events.get(index.min(events.len() - 1)).map_or("", |event| event.id.as_str());
                let place = match broken.batch {
                    None => String::new(),
                    Some(batch) if size == 1 => format!(" at event {}", id(batch)),
                    Some(batch) => format!(" in the events from {} to {}", id(batch * size), id(batch * size + size - 1)),
                };
                ProbeOutcome::Failed { why: format!("in batches of {size}{place}: {}", self.failure.insert(broken).failure) }
            }
        };
        self.add(CHAT, outcome);
    }
}

/// For each event what became of it, as a text that does not depend on batches; for a grouping its groups follow.
fn answers(bound: &Bound, chat: &Arc<ChatContext>, batches: &[Arc<BatchView>]) -> Result<Vec<String>, ProbeFailure> {
    match bound.module().kind() {
        ModuleKind::Criteria => verdicts(bound, chat, batches),
        ModuleKind::Grouping => places(bound, chat, batches),
    }
}

fn verdicts(bound: &Bound, chat: &Arc<ChatContext>, batches: &[Arc<BatchView>]) -> Result<Vec<String>, ProbeFailure> {
    let mut session = bound.criteria(Arc::clone(chat))?;
    let mut at = None;
    decided(&mut session, batches, &mut at).map_err(|failure| ProbeFailure { failure, logs: session.take_logs(), batch: at })
}

/// `at` is the batch at work.
fn decided(session: &mut CriteriaSession, batches: &[Arc<BatchView>], at: &mut Option<usize>) -> Result<Vec<String>, Failure> {
    let events = batches.iter().map(|batch| batch.len()).sum();
    match session.begin()? {
        Decision::KeepAll => Ok(vec!["keep".to_owned(); events]),
        Decision::OmitAll(rule) => Ok(vec![format!("rule {rule}"); events]),
        Decision::Inspect => {
            let mut all = Vec::with_capacity(events);
            for (number, batch) in batches.iter().enumerate() {
                *at = Some(number);
                let verdicts = session.evaluate(batch)?;
                all.extend(verdicts.iter().map(|verdict| verdict.checked_sub(1).map_or_else(|| "keep".to_owned(), |rule| format!("rule {rule}"))));
            }
            Ok(all)
        }
    }
}

fn places(bound: &Bound, chat: &Arc<ChatContext>, batches: &[Arc<BatchView>]) -> Result<Vec<String>, ProbeFailure> {
    let mut session = bound.grouping(Arc::clone(chat))?;
    let mut at = None;
    placed(&mut session, batches, &mut at).map_err(|failure| ProbeFailure { failure, logs: session.take_logs(), batch: at })
}

/// `at` is the batch at work.
fn placed(session: &mut GroupingSession, batches: &[Arc<BatchView>], at: &mut Option<usize>) -> Result<Vec<String>, Failure> {
    session.begin()?;
    let mut placed: Vec<Vec<u32>> = Vec::new();
    let mut out: Vec<Option<u8>> = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let first = placed.len();
        placed.resize_with(first + batch.len(), Vec::new);
        out.resize(first + batch.len(), None);
        // The session has checked that rows are rows of the batch.
        *at = Some(number);
        let placement = session.place(batch)?;
        for one in placement.assigned {
            for row in placed.iter_mut().skip(first + one.first as usize).take((one.last - one.first) as usize + 1) {
                row.push(one.group);
            }
        }
        for one in placement.left_out {
            for row in out.iter_mut().skip(first + one.first as usize).take((one.last - one.first) as usize + 1) {
                *row = Some(one.rule);
            }
        }
    }
    *at = None;
    let groups = session.finish()?;
    if groups.len() > MOST_GROUPS {
        let text = format!("it makes {} groups of {} events", told(groups.len() as u64), placed.len());
        return Err(Failure::Contract { call: Call::FinishChat, text });
    }
    // Numbers of groups may differ from one batch size to another; their keys may not.
    let key = |group: &u32| groups.get(*group as usize).map_or("", |group| group.key.as_str());
    let mut all: Vec<String> = Vec::with_capacity(placed.len() + groups.len());
    for (mut rows, rule) in placed.into_iter().zip(out) {
        rows.sort_unstable_by_key(|group| key(group));
        rows.dedup();
        let keys: Vec<&str> = rows.iter().map(key).collect();
        all.push(rule.map_or_else(|| format!("groups {keys:?}"), |rule| format!("rule {rule}")));
    }
    let mut told: Vec<String> =
        groups.iter().map(|group| format!("group {:?} {:?} {:?} {:?}", group.key, group.title, group.subject, group.labels)).collect();
    told.sort_unstable();
    all.extend(told);
    Ok(all)
}

fn digest(answers: &[String]) -> Digest {
    let mut hasher = Hasher::default();
    for answer in answers {
        hasher.field(answer.as_bytes());
    }
    hasher.finish()
}

fn batches(chat: &ChatContext, events: &[Event], size: usize) -> Vec<Arc<BatchView>> {
    let mut first = 0;
    let views = events.chunks(size).filter_map(|some| {
        let batch = Arc::new(EventBatch::from_events(first, some));
        first += some.len() as u64;
        let flags = batch.flags.clone();
        // Its columns are as long as one another: they were just made from rows.
        chat.view(batch, flags).ok().map(Arc::new)
    });
    views.collect()
}

/// Every kind of event, texts that are easily got wrong, and people who come, go and come back.
fn made_up() -> (Arc<ChatContext>, Vec<Event>) {
    let at = |minutes: i64| Timestamp(1_767_600_000_000 + minutes * 60_000 + 345);
    let person = |id: &str, name: &str, email: Option<&str>| {
        let attributes = [("department".to_owned(), "FX".to_owned())].into();
        User { name: name.to_owned(), email: email.map(str::to_owned), attributes, ..User::unknown(id) }
    };
    let stay = |joined: Option<i64>, left: Option<i64>| Membership { joined: joined.map(at), left: left.map(at) };
    let mut bot = person("B1", "quotes", None);
    bot.bot = true;
    let mut guest = person("U3", "Zoë 🎉 O\u{2019}Neil", Some("zoe@bank.example"));
    (guest.external, guest.recorded) = (true, false);
    let participants = vec![
        Participant::new(bot, vec![stay(None, None)]),
        Participant::new(person("U1", "Ann Lee", Some("ann@desk.example")), vec![stay(None, None)]),
        Participant::new(person("U2", "Bo", Some("bo@desk.example")), vec![stay(Some(2), Some(9)), stay(Some(14), None)]),
        Participant::new(guest, vec![stay(None, Some(12))]),
    ];
    let mut chat = Chat::new(ChatKey { source: Name::from_static("probe"), id: "C1".to_owned() }, ChatKind::Channel);
    chat.title = Some("rates-desk".to_owned());
    chat.labels.insert("team".to_owned(), "fx".to_owned());

    let event = |kind: EventKind, id: &str, minutes: i64, user: Option<&str>, text: &str| {
        let mut event = Event::new(kind, id, at(minutes));
        event.user = user.map(str::to_owned);
        event.text.push_str(text);
        event
    };
    let about = |mut event: Event, target: &str| {
        event.target = Some(target.to_owned());
        event
    };
    let mut reply = event(EventKind::Message, "m4", 6, Some("U2"), "agreed, at the fixing");
    reply.thread = Some("m1".to_owned());
    let mut file = event(EventKind::Message, "m5", 7, Some("U1"), "");
    file.attachments.push(Attachment {
        name: "quote, final.pdf".to_owned(),
        media_type: "application/pdf".to_owned(),
        size: Some(20_480),
        digest: None,
        url: None,
    });
    let mut quoted = event(EventKind::Message, "m6", 8, Some("B1"), "EURUSD 1.0842 / 1.0845");
    quoted.flags = quoted.flags.with(Flags::FROM_BOT);
    let mut taken_back = about(event(EventKind::Reaction, "r2", 11, Some("U3"), "thumbsup"), "m1");
    taken_back.flags = taken_back.flags.with(Flags::REMOVED);
    let events = vec![
        event(EventKind::Message, "m1", 0, Some("U1"), "morning all, LIBOR fixing at 11?"),
        event(EventKind::Join, "j1", 2, Some("U2"), ""),
        event(EventKind::Message, "m2", 3, Some("U3"), "e\u{301}te\u{301} \u{202e}desrever\u{202c} 👩‍👩‍👧 合意 ΟΔΟΣ"),
        event(EventKind::Message, "m3", 4, Some("U1"), "one\ntwo\n\nfour\t\u{0}"),
        reply,
        file,
        quoted,
        event(EventKind::Leave, "l1", 9, Some("U2"), ""),
        about(event(EventKind::Reaction, "r1", 10, Some("U3"), "thumbsup"), "m1"),
        taken_back,
        event(EventKind::Leave, "l2", 12, Some("U3"), ""),
        about(event(EventKind::Edit, "e1", 13, Some("U1"), "one\ntwo\nthree\nfour"), "m3"),
        event(EventKind::Join, "j2", 14, Some("U2"), ""),
        about(event(EventKind::Delete, "d1", 15, Some("U1"), ""), "m1"),
        event(EventKind::Other, "o1", 16, None, "the topic is now: fixings"),
        event(EventKind::Message, "m7", 17, Some("U2"), "bye"),
        // Earlier than the one before it: what arrives late.
        event(EventKind::Message, "m8", 5, Some("U1"), "late"),
    ];
    let facts = Facts { chat, participants };
    (Arc::new(ChatContext::new(Arc::new(facts), events.len() as u64, None, at(60))), events)
}
