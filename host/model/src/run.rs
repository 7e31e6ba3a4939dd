//! A run of a policy and its figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::shadow::ShadowDifference;
use crate::source::Lack;
use crate::{Digest, Name, RunId, Timestamp};

/// Events of a window or a run. Always `examined = exported + omitted + held`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventCounts {
    /// All events of the windows.
    pub examined: u64,
    /// Every copy was accepted for every recipient.
    pub exported: u64,
    /// Left out by a module's rule.
    pub omitted: u64,
    /// Everything else.
    pub held: u64,
    /// Copies in accepted e-mails: one event in five users' e-mails is five.
    pub copies: u64,
}

impl EventCounts {
    /// Adds another window's.
    pub fn add(&mut self, other: &Self) {
        self.examined += other.examined;
        self.exported += other.exported;
        self.omitted += other.omitted;
        self.held += other.held;
        self.copies += other.copies;
    }
}

/// E-mails of a run. Those composed are each counted once by their worst recipient: accepted, or else rejected, deferred, not sent, unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EmailCounts {
    /// Composed, whether sent or not.
    pub composed: u64,
    /// Accepted for every recipient.
    pub accepted: u64,
    /// Refused for good, for one recipient at least.
    pub rejected: u64,
    /// Refused for now.
    pub deferred: u64,
    /// Surely not sent.
    pub not_sent: u64,
    /// No answer after the final dot.
    pub unknown: u64,
    /// Bytes of the accepted ones.
    pub bytes: u64,
}

impl EmailCounts {
    /// Adds another window's.
    pub fn add(&mut self, other: &Self) {
        self.composed += other.composed;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.deferred += other.deferred;
        self.not_sent += other.not_sent;
        self.unknown += other.unknown;
        self.bytes += other.bytes;
    }
}

/// What a run did about windows that earlier runs had held. Their events are not examined again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SupplementCounts {
    /// Windows tried again.
    pub windows: u64,
    /// Of these, done now.
    pub done: u64,
    /// Their events, as they stand now.
    pub events: EventCounts,
    /// Their e-mails, as they stand now.
    pub emails: EmailCounts,
}

/// What a module used of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Processor time of its calls, in microseconds.
    pub micros: u64,
    /// Events that it was shown; none where it decided by chats.
    pub events: u64,
}

impl Cost {
    /// Adds more of it.
    pub fn add(&mut self, other: &Self) {
        self.micros = self.micros.saturating_add(other.micros);
        self.events = self.events.saturating_add(other.events);
    }

    /// Processor seconds that a million events take at this rate; unset where it was shown none.
    pub fn seconds_per_million(&self) -> Option<f64> {
        // Microseconds for an event are seconds for a million of them.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        (self.events > 0).then(|| self.micros as f64 / self.events as f64)
    }
}

/// What modules used, by `name@version`.
pub type Costs = BTreeMap<String, Cost>;

/// Adds costs to others.
pub fn add_costs(to: &mut Costs, costs: &Costs) {
    for (module, cost) in costs {
        to.entry(module.clone()).or_default().add(cost);
    }
}

/// What the runs that ended on one day came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DayFigures {
    /// How many ended.
    pub runs: u64,
    /// Their events, each counted in the run that examined it.
    pub events: EventCounts,
    /// Their e-mails, with those of windows that were tried again.
    pub emails: EmailCounts,
    /// What their modules used. Days before the release that began to measure it have none.
    #[serde(default, skip_serializing_if = "Costs::is_empty")]
    pub costs: Costs,
    /// The most bytes of the archive that were seen on that day, encrypted as they lie there; 0 where nobody looked.
    #[serde(default)]
    pub stored: u64,
}

impl DayFigures {
    /// Adds a run that has ended.
    pub fn add(&mut self, run: &RunSummary) {
        self.runs += 1;
        self.events.add(&run.events);
        self.emails.add(&run.emails);
        self.emails.add(&run.supplements.emails);
        add_costs(&mut self.costs, &run.costs);
    }
}

/// Chats of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChatCounts {
    /// With a window in this run.
    pub examined: u64,
    /// Of these, held.
    pub held: u64,
}

/// What started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", content = "due", rename_all = "lowercase")]
pub enum Trigger {
    /// A person.
    Hand,
    /// The scheduler, for this due time.
    Schedule(Timestamp),
    /// The scheduler, to try e-mails again between due times: it examines nothing.
    Retry,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "runs are few, and nearly all of them have ended")]
pub enum RunState {
    /// Under way, or was when the process died.
    Running,
    /// Ended, with its figures.
    Finished {
        /// When.
        at: Timestamp,
        /// The figures, of all its windows.
        summary: RunSummary,
    },
}

/// Why a run is one of an earlier version of its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandIn {
    /// The version that was in force.
    pub for_version: u32,
    /// The version that ran.
    pub version: u32,
    /// Its quarantined modules: `name@version` and digest.
    pub quarantined: Vec<(String, Digest)>,
}

impl StandIn {
    /// For a person.
    pub fn text(&self) -> String {
        let modules: Vec<&str> = self.quarantined.iter().map(|(name, _)| name.as_str()).collect();
        format!(
            "this is NOT the policy's newest version: version {} ran in place of version {}, since {} is quarantined (see 'consign quarantine list')",
            self.version,
            self.for_version,
            modules.join(", ")
        )
    }
}

/// One run of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The policy.
    pub policy: Name,
    /// The policy's version.
    pub policy_version: u32,
    /// The target's version.
    pub target_version: u32,
    /// What started it.
    pub trigger: Trigger,
    /// When it began: the end of its windows.
    pub started_at: Timestamp,
    /// Only arrivals up to this one belong to it.
    pub until: u64,
    /// Where it runs under an earlier version of its policy, since a module of the newest is quarantined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<StandIn>,
    /// Where it stands.
    pub state: RunState,
}

/// What `run --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run's id.
    pub run: RunId,
    /// The policy.
    pub policy: Name,
    /// Events of the windows that this run froze.
    pub events: EventCounts,
    /// E-mails of those windows.
    pub emails: EmailCounts,
    /// Chats with such a window.
    pub chats: ChatCounts,
    /// Windows of earlier runs that were tried again.
    #[serde(default)]
    pub supplements: SupplementCounts,
    /// What shadows would have done otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadows: Vec<ShadowDifference>,
    /// Modules that were quarantined in it: `name@version` and digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<(String, Digest)>,
    /// Where it ran under an earlier version of its policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_in: Option<StandIn>,
    /// What its policy requires of sources and these do not give: they did when the policy was applied, and have had another way in since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<Lack>,
    /// What its modules and their shadows used. Of one that was interrupted only what was measured since it was taken up.
    #[serde(default, skip_serializing_if = "Costs::is_empty")]
    pub costs: Costs,
    /// Path of the manifest.
    pub manifest: String,
    /// How long it took, in milliseconds; `run --json` prints `seconds`.
    pub millis: u64,
}
