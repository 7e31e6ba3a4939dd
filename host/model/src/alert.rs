//! An alert: a state of things that somebody should know of without asking.
//!
//! It goes to a pager, to a monitoring system and to persons who read no log, so it is a state and no event: it *fires* once, goes on, and *is resolved*.
//! What it is about (its [`Subject`]) makes it the same one, whatever its figures come to meanwhile: a pager must not ring for each chat more.
//!
//! All that it holds is names that a person gave to policies, targets, sources and modules, and figures. Titles of chats, names of people, what a
//! server or a module said, and text of messages have no field here, since what goes to a pager goes anywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::figure::{bytes, number};
use crate::{Digest, Name, Timestamp};

/// What kind of alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// See [`Condition::RunFailed`].
    RunFailed,
    /// See [`Condition::Held`].
    Held,
    /// See [`Condition::TargetDown`].
    TargetDown,
    /// See [`Condition::NothingExported`].
    NothingExported,
    /// See [`Condition::Gap`].
    Gap,
    /// See [`Condition::Files`].
    Files,
    /// See [`Condition::Quarantined`].
    Quarantined,
    /// See [`Condition::ChainBroken`].
    ChainBroken,
    /// See [`Condition::Quota`].
    Quota,
}

impl AlertKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RunFailed,
        Self::Held,
        Self::TargetDown,
        Self::NothingExported,
        Self::Gap,
        Self::Files,
        Self::Quarantined,
        Self::ChainBroken,
        Self::Quota,
    ];

    /// The word for it, as in JSON and in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::RunFailed => "run-failed",
            Self::Held => "held",
            Self::TargetDown => "target-down",
            Self::NothingExported => "nothing-exported",
            Self::Gap => "gap",
            Self::Files => "files",
            Self::Quarantined => "quarantined",
            Self::ChainBroken => "chain-broken",
            Self::Quota => "quota",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How a target can't be used. Its own words are in the log and in `consign held`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DownCause {
    /// No connection, or none over which e-mails can be sent.
    Unreachable,
    /// It takes e-mails and gives no answer.
    NoAnswer,
    /// It says that it is closing (421).
    Closing,
}

impl DownCause {
    /// For a person.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "it can't be reached, or lets nobody in",
            Self::NoAnswer => "it takes e-mails and gives no answer",
            Self::Closing => "it says that it is not available (421)",
        }
    }
}

/// By which of its own runs a policy usually exports something at a due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usual {
    /// At the same time of so many weeks before.
    SameTime(u32),
    /// In so many due runs before it, running.
    Running(u32),
}

impl Usual {
    fn text(self) -> String {
        match self {
            Self::SameTime(weeks) => format!("the runs at this time of {weeks} weeks before it exported something"),
            Self::Running(runs) => format!("each of the {runs} due runs before it exported something"),
        }
    }
}

/// What a source lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lack {
    /// Nothing came for longer than usual.
    Silence,
    /// The index knows no file for some positions.
    Hole,
}

/// Of what a quota is used up, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Used {
    /// Bytes in the archive: from nine tenths of the limit on. At all of it no events are taken in.
    StoredBytes,
    /// Processor seconds of modules on this day of UTC, once they are used up: what is due is exported in what the others leave.
    ProcessorSeconds,
}

/// What is the matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Condition {
    /// A run of a policy broke off, so nothing is exported by it. Why is in the log, and `consign run` says it.
    RunFailed {
        /// The policy.
        policy: Name,
    },
    /// Chats of a policy are held.
    Held {
        /// The policy.
        policy: Name,
        /// Windows: what one run examined of one chat.
        windows: u64,
        /// Their events that are neither exported nor left out.
        events: u64,
        /// Of the windows, those that are tried again by themselves. The others wait for a person.
        tried_again: u64,
        /// Since when the first of them is.
        oldest: Timestamp,
    },
    /// A target could not be used several times running, and is left alone for now.
    TargetDown {
        /// The target.
        target: Name,
        /// Its version.
        version: u32,
        /// How.
        cause: DownCause,
        /// Not asked before.
        next_attempt: Timestamp,
    },
    /// A due run of a policy has exported nothing, where it usually does.
    NothingExported {
        /// The policy.
        policy: Name,
        /// When the run was due.
        due: Timestamp,
        /// Events that it examined.
        examined: u64,
        /// Of these, those that modules left out.
        omitted: u64,
        /// Of these, those that are held.
        held: u64,
        /// How it is known.
        usual: Usual,
    },
    /// Something of a source seems to be missing.
    Gap {
        /// The source.
        source: Name,
        /// What.
        lack: Lack,
        /// The end of the last hour in which something came; of a hole unset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Timestamp>,
        /// The longest silence that comes each week, in hours; of a hole unset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usual_hours: Option<i64>,
        /// In how many chats; of a silence unset.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chats: Option<u64>,
    },
    /// Files that events of a source name by an address can't be had as things are. What is not there yet, and what the platform has no more, fires
    /// nothing: for the one nothing needs doing, and for the other nothing can be done.
    Files {
        /// The source.
        source: Name,
        /// How many can't be had.
        unreadable: u64,
        /// How many are gone for good.
        gone: u64,
        /// Since when the first of those that can't be had is so.
        oldest: Timestamp,
    },
    /// A module is quarantined for a policy that names it.
    Quarantined {
        /// The policy.
        policy: Name,
        /// `name@version`.
        module: String,
        /// The module.
        digest: Digest,
        /// In so many chats it failed; unset where it is not what it was under another engine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed_in_chats: Option<u32>,
    },
    /// A policy's manifests, or where no policy is named the audit log, are not as they were written.
    ChainBroken {
        /// The policy; unset for the audit log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Name>,
        /// What is wrong, and where.
        what: String,
    },
    /// A quota of the tenant's is used up, or nearly.
    Quota {
        /// Of what.
        of: Used,
        /// How much is used.
        used: u64,
        /// The limit.
        limit: u64,
    },
}

/// What an alert is about. Two with the same subject are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The kind.
    pub kind: AlertKind,
    /// The policy, where it is about one.
    pub policy: Option<Name>,
    /// The target, where it is about one.
    pub target: Option<Name>,
    /// The source, where it is about one.
    pub source: Option<Name>,
    /// What tells two of the same kind and names apart: a module's digest, what a source lacks.
    detail: Option<String>,
}

impl Condition {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        let of = |kind| Subject { kind, policy: None, target: None, source: None, detail: None };
        match self {
            Self::RunFailed { policy } => Subject { policy: Some(policy.clone()), ..of(AlertKind::RunFailed) },
            Self::Held { policy, .. } => Subject { policy: Some(policy.clone()), ..of(AlertKind::Held) },
            Self::TargetDown { target, .. } => Subject { target: Some(target.clone()), ..of(AlertKind::TargetDown) },
            Self::NothingExported { policy, .. } => Subject { policy: Some(policy.clone()), ..of(AlertKind::NothingExported) },
            Self::Gap { source, lack, .. } => {
                let detail = match lack {
                    Lack::Silence => "silence",
                    Lack::Hole => "hole",
                };
                Subject { source: Some(source.clone()), detail: Some(detail.to_owned()), ..of(AlertKind::Gap) }
            }
            Self::Files { source, .. } => Subject { source: Some(source.clone()), ..of(AlertKind::Files) },
            Self::Quarantined { policy, digest, .. } => {
                Subject { policy: Some(policy.clone()), detail: Some(digest.hex()), ..of(AlertKind::Quarantined) }
            }
            Self::ChainBroken { policy, .. } => Subject { policy: policy.clone(), ..of(AlertKind::ChainBroken) },
            Self::Quota { of: Used::StoredBytes, .. } => Subject { detail: Some("stored-bytes".to_owned()), ..of(AlertKind::Quota) },
            Self::Quota { of: Used::ProcessorSeconds, .. } => Subject { detail: Some("processor-seconds".to_owned()), ..of(AlertKind::Quota) },
        }
    }

    /// What is the matter, and what to do: for a person.
    pub fn text(&self) -> String {
        match self {
            Self::RunFailed { policy } => format!(
                "policy '{policy}': a run broke off, and nothing is exported until one ends. It is tried again by itself; why it broke off is in the log of 'consign serve'"
            ),
            Self::Held { policy, windows, events, tried_again, oldest } => {
                let waiting = windows.saturating_sub(*tried_again);
                let next = match (tried_again, waiting) {
                    (_, 0) => "Consign tries again by itself. To see why".to_owned(),
                    (0, _) => "They wait for a person. To see why, and what to do".to_owned(),
                    _ => format!("{tried_again} are tried again by themselves, {waiting} wait for a person. To see why, and what to do"),
                };
                format!(
                    "policy '{policy}': {windows} windows of chats with {events} events are held, the first since {oldest}. {next}: consign held --policy {policy}"
                )
            }
            Self::TargetDown { target, cause, next_attempt, .. } => format!(
                "target '{target}' is down: {}. It is not asked before {next_attempt}; then e-mails are sent by themselves, and nothing is lost. What it said: consign held",
                cause.text()
            ),
            Self::NothingExported { policy, due, examined, omitted, held, usual } => {
                let what = match (examined, omitted, held) {
                    (0, ..) => {
                        "Nothing new had arrived: see whether imports still come (consign audit list), and what the archive has (consign reconcile"
                            .to_owned()
                    }
                    (examined, omitted, 0) if examined == omitted => {
                        format!(
                            "All of the {examined} events that it examined were left out by the policy's modules: see whether that is meant (consign runs; consign reconcile"
                        )
                    }
                    (examined, omitted, held) => {
                        format!(
                            "Of {examined} events that it examined {omitted} were left out and {held} are held: see why (consign held; consign reconcile"
                        )
                    }
                };
                format!("policy '{policy}': the run due at {due} exported nothing, and {}. {what} {policy})", usual.text())
            }
            Self::Gap { source, lack: Lack::Silence, last, usual_hours, .. } => {
                let last = last.map(|last| format!(" since {last}")).unwrap_or_default();
                let usual = usual_hours.map(|hours| format!("; usual are up to {hours} hours")).unwrap_or_default();
                format!(
                    "source '{source}': nothing came{last}{usual}. See whether the platform's export is made and imported (consign audit list); a source that is meant to be silent is named in silent-sources"
                )
            }
            Self::Gap { source, lack: Lack::Hole, chats, .. } => format!(
                "source '{source}': the index knows no file for some events of {} chats. Restore the data folder from a backup; consign reconcile POLICY says which",
                chats.unwrap_or_default()
            ),
            Self::Files { source, unreadable, gone, oldest } => {
                let gone = if *gone == 0 { String::new() } else { format!(" ({gone} more are gone for good)") };
                format!(
                    "source '{source}': {unreadable} files that messages name by an address can't be had, the first since {oldest}{gone}. A token, a limit or an export has to be mended: consign fetch {source} --list says which and why, and consign fetch {source} --again asks again"
                )
            }
            Self::Quarantined { policy, module, failed_in_chats, .. } => {
                let why = match failed_in_chats {
                    Some(chats) => format!("it failed in {chats} different chats"),
                    None => "under this engine it is not what it was".to_owned(),
                };
                format!(
                    "policy '{policy}': the module {module} is quarantined: {why}. Mend it and apply the policy, or release it: consign quarantine release {policy}"
                )
            }
            Self::ChainBroken { policy: Some(policy), what } => format!(
                "the manifests of policy '{policy}' are not as they were written: {what}. Keep them as they are for whoever looks into it, and compare with a copy kept elsewhere: consign verify"
            ),
            Self::ChainBroken { policy: None, what } => format!(
                "the audit log is not as it was written: {what}. Keep the data folder as it is for whoever looks into it, and compare with an export kept elsewhere: consign audit verify"
            ),
            Self::Quota { of: Used::StoredBytes, used, limit } if used < limit => format!(
                "{} of {} that may be stored are used. When all is, no events are taken in: see how long they are kept (consign retention), or have the quota raised (consign tenant quota)",
                bytes(*used),
                bytes(*limit)
            ),
            Self::Quota { of: Used::StoredBytes, limit, .. } => format!(
                "all of {} that may be stored is used: no events are taken in, and platforms are told to send them again. See how long they are kept (consign retention), or have the quota raised \
                 (consign tenant quota)",
                bytes(*limit)
            ),
            Self::Quota { of: Used::ProcessorSeconds, used, limit } => format!(
                "modules have used {} of {} processor seconds of this day (UTC): until it is over they have what other tenants leave, and runs take longer. See what uses it (consign bill), or \
                 have the quota raised (consign tenant quota)",
                number(*used),
                number(*limit)
            ),
        }
    }

    /// That it is over.
    fn over(&self) -> String {
        match self {
            Self::RunFailed { policy } => format!("policy '{policy}': a run has ended again, or it does not run any more"),
            Self::Held { policy, .. } => format!("policy '{policy}': nothing is held any more"),
            Self::TargetDown { target, .. } => format!("target '{target}' is used again, or is another one now"),
            Self::NothingExported { policy, .. } => format!("policy '{policy}' exports again"),
            Self::Gap { source, lack: Lack::Silence, .. } => format!("source '{source}': something has come again"),
            Self::Gap { source, lack: Lack::Hole, .. } => format!("source '{source}': the index has a file for every event again"),
            Self::Files { source, .. } => format!("source '{source}': of the files that messages name by an address none has to be mended any more"),
            Self::Quarantined { policy, module, .. } => {
                format!("policy '{policy}': the module {module} is released, or the policy does not name it any more")
            }
            Self::ChainBroken { policy: Some(policy), .. } => {
                format!("the manifests of policy '{policy}' were checked again, all of them, and are good")
            }
            Self::ChainBroken { policy: None, .. } => "the audit log was checked again, all of it, and is good".to_owned(),
            Self::Quota { of: Used::StoredBytes, .. } => "there is room again to store events".to_owned(),
            Self::Quota { of: Used::ProcessorSeconds, .. } => "modules have processor time again as before".to_owned(),
        }
    }
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What is the matter, with the figures of now.
    #[serde(flatten)]
    pub condition: Condition,
    /// Since when it fires.
    pub since: Timestamp,
}

/// What became of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It began.
    Fired,
    /// It is over.
    Resolved,
}

/// That an alert fired or was resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its own, by which a receiver knows one that comes again.
    pub id: String,
    /// What became of it.
    pub change: Change,
    /// When.
    pub at: Timestamp,
    /// The alert, as it was then.
    pub alert: Alert,
}

impl Notice {
    /// For a person.
    pub fn text(&self) -> String {
        match self.change {
            Change::Fired => self.alert.condition.text(),
            Change::Resolved => format!("resolved: {}", self.alert.condition.over()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn held(windows: u64, tried_again: u64) -> Condition {
        Condition::Held { policy: "desk".parse().unwrap(), windows, events: 7, tried_again, oldest: Timestamp(0) }
    }

    #[test]
    fn figures_change_and_the_alert_is_the_same() {
        assert_eq!(held(1, 0).subject(), held(9, 9).subject());
        let module = |text: &str| Condition::Quarantined {
            policy: "desk".parse().unwrap(),
            module: "acme/x@1".into(),
            digest: Digest::of(text.as_bytes()),
            failed_in_chats: Some(3),
        };
        assert_ne!(module("one").subject(), module("other").subject());
        assert_ne!(held(1, 0).subject(), module("one").subject());
    }

    #[test]
    fn texts_say_what_to_do() {
        for (condition, says) in [
            (held(2, 2), &["tries again by itself", "consign held --policy desk"][..]),
            (held(2, 0), &["wait for a person"]),
            (held(3, 1), &["1 are tried again by themselves, 2 wait"]),
            (
                Condition::Files { source: "corp".parse().unwrap(), unreadable: 2, gone: 1, oldest: Timestamp(0) },
                &["2 files", "(1 more are gone for good)", "consign fetch corp --list"],
            ),
        ] {
            let text = condition.text();
            assert!(says.iter().all(|part| text.contains(part)), "{text}");
        }
    }

    #[test]
    fn as_json_and_back() {
        let gap = Condition::Gap { source: "s".parse().unwrap(), lack: Lack::Silence, last: Some(Timestamp(0)), usual_hours: Some(62), chats: None };
        let files = Condition::Files { source: "s".parse().unwrap(), unreadable: 2, gone: 1, oldest: Timestamp(0) };
        for condition in [held(1, 0), gap, files, Condition::ChainBroken { policy: None, what: "entry 3".into() }] {
            let alert = Alert { condition, since: Timestamp(5) };
            let text = serde_json::to_string(&alert).unwrap();
            assert_eq!(serde_json::from_str::<Alert>(&text).unwrap(), alert, "{text}");
            assert!(text.contains(&format!("\"kind\":\"{}\"", alert.condition.subject().kind)), "{text}");
        }
    }
}
