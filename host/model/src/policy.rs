//! Policies as a person writes them (TOML) and as the store keeps them (JSON).
//!
//! The types refuse what can be refused by shape: an unknown key, a time zone that is none. What needs the modules,
//! the zone tables or the other records is checked where the policy is applied.

use serde::{Deserialize, Serialize};

use crate::module::{BoundModule, Need};
use crate::source::Requirement;
use crate::target::{ByteSize, TargetSpec};
use crate::{Digest, Name, Timestamp};

/// A file of targets and policies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// `[[target]]`
    #[serde(default)]
    pub target: Vec<TargetSpec>,
    /// `[[policy]]`
    #[serde(default)]
    pub policy: Vec<PolicySpec>,
}

/// When a policy runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "kebab-case", try_from = "WrittenSchedule")]
pub enum ScheduleSpec {
    /// Again and again.
    Cron {
        /// Five fields (minute, hour, day of month, month, day of week), or six with seconds first.
        cron: String,
        /// IANA name; unset: UTC.
        time_zone: String,
    },
    /// Once.
    Once {
        /// Local time, `2026-03-01T02:00` or with seconds.
        once: String,
        /// IANA name; unset: UTC.
        time_zone: String,
    },
}

/// A schedule as it is written. An enum without a tag would pass over keys that it does not know, and a mistyped `time-zone` would mean UTC.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a schedule as { cron = \"30 18 * * Mon-Fri\", time-zone = \"Europe/Berlin\" }")]
struct WrittenSchedule {
    cron: Option<String>,
    once: Option<String>,
    time_zone: Option<String>,
}

impl TryFrom<WrittenSchedule> for ScheduleSpec {
    type Error = &'static str;
    fn try_from(written: WrittenSchedule) -> Result<Self, Self::Error> {
        let time_zone = written.time_zone.unwrap_or_else(|| "UTC".to_owned());
        match (written.cron, written.once) {
            (Some(cron), None) => Ok(Self::Cron { cron, time_zone }),
            (None, Some(once)) => Ok(Self::Once { once, time_zone }),
            (Some(_), Some(_)) => Err("cron and once exclude each other: keep one"),
            (None, None) => Err("write { cron = \"30 18 * * Mon-Fri\", time-zone = \"Europe/Berlin\" } \
                                 or { once = \"2026-03-01T02:00\", time-zone = \"Europe/Berlin\" }"),
        }
    }
}

/// Where a policy's first window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "WrittenSince", into = "String")]
pub enum Since {
    /// With the archive's first event.
    #[default]
    All,
    /// With the first event to arrive after the policy was applied.
    Now,
    /// Events of an earlier time are left out, by the rule `before-since`.
    Date(Timestamp),
}

/// Where a first window begins, as it is written.
#[derive(Deserialize)]
#[serde(untagged, expecting = "write since = \"all\", \"now\", a date as \"2026-01-31\" (UTC) or a time as \"2026-01-31T08:00:00Z\"")]
enum WrittenSince {
    Text(String),
    /// A bare date of TOML, which serde sees as a map of this one key.
    Date {
        #[serde(rename = "$__toml_private_datetime")]
        date: String,
    },
}

impl TryFrom<WrittenSince> for Since {
    type Error = String;
    fn try_from(written: WrittenSince) -> Result<Self, String> {
        let (WrittenSince::Text(text) | WrittenSince::Date { date: text }) = written;
        match text.as_str() {
            "all" => Ok(Self::All),
            "now" => Ok(Self::Now),
            date => Timestamp::parse(date)
                .or_else(|_| Timestamp::parse(&format!("{date}T00:00:00Z")))
                .map(Self::Date)
                .map_err(|_| "write since = \"all\", \"now\", a date as \"2026-01-31\" (UTC) or a time as \"2026-01-31T08:00:00Z\"".to_owned()),
        }
    }
}

impl From<Since> for String {
    fn from(since: Since) -> Self {
        match since {
            Since::All => "all".to_owned(),
            Since::Now => "now".to_owned(),
            Since::Date(date) => date.to_string(),
        }
    }
}

/// How a policy's criteria combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// An event is kept when every criterion keeps it.
    #[default]
    All,
    /// An event is kept when one criterion keeps it.
    Any,
}

/// *Export Conversations Based on*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BasedOn {
    /// Each chat once.
    Chats,
    /// One export for each recorded user, with the events of the times when that user was a member.
    Users,
    /// The same for each participant.
    Participants,
}

/// *Export Attachments in IM Conversations*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write true, false, or { types = [\"image/*\"], max = \"10 MiB\", too-large = \"placeholder\" }")]
pub enum AttachmentsSpec {
    /// All or none; of those that are left out the e-mail has a placeholder.
    All(bool),
    /// Some; the rest as placeholders.
    Some(AttachmentFilter),
}

/// What becomes of an attachment that the policy exports and that no e-mail of the target's `max-size` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TooLarge {
    /// Its chat's window is held, until somebody raises `max-size` or decides otherwise. Nothing is left out that nobody decided on.
    #[default]
    Hold,
    /// The e-mail has its name, type, size and SHA-256 in its place.
    Placeholder,
}

/// Which attachments are exported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AttachmentFilter {
    /// Media types, `image/*` for a family. Unset: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Largest one, in bytes as it is. Unset: any size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<ByteSize>,
    /// What becomes of one that no e-mail takes.
    #[serde(default, skip_serializing_if = "is_hold")]
    pub too_large: TooLarge,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_hold(what: &TooLarge) -> bool {
    *what == TooLarge::Hold
}

impl AttachmentsSpec {
    /// What becomes of an attachment that no e-mail takes.
    pub fn too_large(&self) -> TooLarge {
        match self {
            Self::All(_) => TooLarge::Hold,
            Self::Some(filter) => filter.too_large,
        }
    }

    /// Whether an attachment of this type and size is exported.
    pub fn takes(&self, media_type: &str, size: u64) -> bool {
        match self {
            Self::All(all) => *all,
            Self::Some(filter) => {
                let fits = |pattern: &String| match pattern.strip_suffix('*') {
                    Some(family) => media_type.to_ascii_lowercase().starts_with(&family.to_ascii_lowercase()),
                    None => media_type.eq_ignore_ascii_case(pattern),
                };
                filter.types.as_ref().is_none_or(|types| types.iter().any(fits)) && filter.max.is_none_or(|max| size <= max.0)
            }
        }
    }
}

/// A criterion, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriterionSpec {
    /// `name`, `name@version` or `sha256:…`.
    pub module: String,
    /// The module's own configuration.
    #[serde(default = "empty_object")]
    pub config: serde_json::Value,
    /// Keep what the module leaves out, and leave out what it keeps.
    #[serde(default)]
    pub negate: bool,
    /// What the tenant lets it read. Unset only for standard modules: all that they declare, which `apply` shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<Need>>,
    /// Another version, which runs beside it and decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowSpec>,
}

/// A second version of a module, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowSpec {
    /// As [`CriterionSpec::module`].
    pub module: String,
    /// Its own configuration; unset: that of the module beside which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Value>,
    /// As [`CriterionSpec::needs`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<Need>>,
}

/// What a policy does while a module of it is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnQuarantine {
    /// It does not run. Nothing is lost: its windows begin where the last ones ended.
    #[default]
    Pause,
    /// It runs as its newest earlier version that has exported something and differs in nothing but an earlier version of that module.
    LastGood,
}

/// A grouping module, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupingSpec {
    /// `name`, `name@version` or `sha256:…`.
    pub module: String,
    /// The module's own configuration.
    #[serde(default = "empty_object")]
    pub config: serde_json::Value,
    /// What the tenant lets it read. Unset only for standard modules: all that they declare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<Need>>,
    /// Another version, which runs beside it and decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowSpec>,
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

/// A policy, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicySpec {
    /// Its name.
    pub name: Name,
    /// The target's name.
    pub target: Name,
    /// Whether the scheduler runs it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// When; unset: by hand only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSpec>,
    /// Where the first window begins. Changing it moves the beginning only until the first run.
    #[serde(default)]
    pub since: Since,
    /// How the criteria combine.
    #[serde(default, rename = "match")]
    pub match_: Match,
    /// *Decrypt Encrypted Conversations*.
    #[serde(default = "yes")]
    pub decrypt: bool,
    /// *Export Attachments in IM Conversations*.
    #[serde(default = "all_attachments")]
    pub attachments: AttachmentsSpec,
    /// *Export Conversations Based on*; unset with `grouping` unset: chats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub based_on: Option<BasedOn>,
    /// A grouping module instead of `based-on`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouping: Option<GroupingSpec>,
    /// None: every event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<CriterionSpec>,
    /// What every source has to give. One that does not is refused by name, and the policy with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Requirement>,
    /// A module that fails in so many different chats, within as many runs running, is quarantined; 0: never.
    #[serde(default = "three", skip_serializing_if = "is_three")]
    pub quarantine_after: u32,
    /// What happens then.
    #[serde(default, skip_serializing_if = "is_pause")]
    pub on_quarantine: OnQuarantine,
}

/// Two may have the same text in them, a quotation say; three that have nothing else in common speak against the module.
const THREE: u32 = 3;

fn three() -> u32 {
    THREE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_three(number: &u32) -> bool {
    *number == THREE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_pause(what: &OnQuarantine) -> bool {
    *what == OnQuarantine::Pause
}

fn yes() -> bool {
    true
}

fn all_attachments() -> AttachmentsSpec {
    AttachmentsSpec::All(true)
}

/// A policy as the store keeps it, with its modules bound by digest. A change makes a new version; old ones stay, since windows name them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Counted from 1.
    pub version: u32,
    /// As written.
    pub spec: PolicySpec,
    /// The criteria, in the order written.
    pub criteria: Vec<BoundModule>,
    /// The grouping; unset where encrypted chats are exported as they are (`decrypt = false`).
    pub grouping: Option<BoundModule>,
    /// When this version was applied.
    pub applied_at: Timestamp,
    /// The arrival after which each chat's first window begins (`since = "now"`); 0 for all. Kept from version to version, unless `since` is another
    /// one and no run has begun yet.
    pub starts_after: u64,
    /// When the first version was applied: due times before it are not missed ones.
    pub created_at: Timestamp,
}

impl PolicyVersion {
    /// SHA-256 of everything that decides what is exported and how it looks. So shadows are not in it.
    pub fn digest(&self) -> Digest {
        let mut spec = self.spec.clone();
        spec.criteria.iter_mut().for_each(|criterion| criterion.shadow = None);
        spec.grouping.iter_mut().for_each(|grouping| grouping.shadow = None);
        let criteria: Vec<BoundModule> = self.criteria.iter().map(BoundModule::alone).collect();
        let grouping = self.grouping.as_ref().map(BoundModule::alone);
        Digest::of(serde_json::to_string(&(&spec, &criteria, &grouping)).unwrap_or_default().as_bytes())
    }

    /// The modules that decide, in order.
    pub fn modules(&self) -> impl Iterator<Item = &BoundModule> {
        self.criteria.iter().chain(&self.grouping)
    }

    /// The shadows, each with the module beside which it runs.
    pub fn shadows(&self) -> impl Iterator<Item = (&BoundModule, &BoundModule)> {
        self.modules().filter_map(|module| Some((module, module.shadow.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn attachments_by_type_and_size() {
        let some: AttachmentsSpec = serde_json::from_str(r#"{"types":["image/*","text/plain"],"max":"1 KiB"}"#).unwrap();
        assert!(some.takes("IMAGE/png", 1024) && some.takes("text/plain", 1));
        assert!(!some.takes("image/png", 1025) && !some.takes("text/html", 1));
        assert_eq!(some.too_large(), TooLarge::Hold);
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"{"types":["image/*","text/plain"],"max":"1 KiB"}"#);
        let placeholder: AttachmentsSpec = serde_json::from_str(r#"{"too-large":"placeholder"}"#).unwrap();
        assert!(placeholder.takes("text/html", u64::MAX) && placeholder.too_large() == TooLarge::Placeholder);
        assert!(serde_json::from_str::<AttachmentsSpec>(r#"{"too-large":"drop"}"#).is_err());
        let none: AttachmentsSpec = serde_json::from_str("false").unwrap();
        assert!(!none.takes("image/png", 1));
    }
}
