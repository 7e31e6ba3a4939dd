//! Targets and policies as a person writes them (TOML) and as the store keeps them (JSON).
//!
//! The types refuse what can be refused by shape: an unknown key, a literal password, a size or address that is none. What needs the modules,
//! the zone tables or the other records is checked where the policy is applied.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::module::{BoundModule, Need};
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

/// How the connection to the archive's server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// STARTTLS before anything else; refused where the server does not offer it.
    Starttls,
    /// TLS from the first byte (port 465).
    Implicit,
    /// None; only with `allow-plaintext = true`.
    None,
}

/// How to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMechanism {
    /// RFC 4616.
    Plain,
    /// The older LOGIN.
    Login,
    /// OAuth 2: the secret is the access token.
    Xoauth2,
}

/// Where a secret is read, each time it is needed. The secret itself never stands in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a line end at its end is cut.
    File(PathBuf),
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SecretSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ env = \"NAME\" } or { file = \"PATH\" }")
            }
            // Not echoed: it may well be the secret.
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom("a password is not written into a policy file: use { env = \"NAME\" } or { file = \"PATH\" }"))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                use serde::de::Error;
                let expected = "write { env = \"NAME\" } or { file = \"PATH\" }";
                let source = match map.next_key::<String>()?.as_deref() {
                    Some("env") => SecretSource::Env(map.next_value()?),
                    Some("file") => SecretSource::File(map.next_value()?),
                    Some(_) | None => return Err(A::Error::custom(expected)),
                };
                match map.next_key::<String>()? {
                    None => Ok(source),
                    Some(_) => Err(A::Error::custom(expected)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Bytes, in text as `25 MiB`; a bare number is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl ByteSize {
    /// Reads `25 MiB`, `10MB`, `4096`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "kib" => 1 << 10,
            "mb" => 1_000_000,
            "mib" => 1 << 20,
            "gb" => 1_000_000_000,
            "gib" => 1 << 30,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(factor, _)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((factor, unit)) => write!(f, "{} {unit}", self.0 / factor),
            None => write!(f, "{} B", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(bytes) => Ok(Self(bytes)),
            Either::Text(text) => Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a size: write it as \"25 MiB\"")),
        }
    }
}

/// Which archive's conventions an e-mail follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Plain e-mail.
    #[default]
    Plain,
    /// Global Relay's.
    GlobalRelay,
    /// Enterprise Vault's.
    EnterpriseVault,
    /// Exchange journal reports.
    ExchangeJournal,
}

/// An SMTP storage target, as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TargetSpec {
    /// Policies name it by this.
    pub name: Name,
    /// The server's DNS name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Protection of the connection.
    pub tls: Tls,
    /// Leave to send conversations in clear over the network.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// A PEM file of certificate authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Signs in as this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Where the password, or the OAuth 2 token, is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// How to sign in; unset: PLAIN, else LOGIN, as the server offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthMechanism>,
    /// The name given in EHLO; unset: this machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hello: Option<String>,
    /// Connections at once, at most.
    #[serde(default = "four")]
    pub connections: u16,
    /// Sender, of the envelope and the header.
    pub from: String,
    /// Recipients, of the envelope and the header; each gets each e-mail.
    pub to: Vec<String>,
    /// Template of the subject.
    #[serde(default = "default_subject")]
    pub subject: String,
    /// Templates of more headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Largest e-mail, encoded; a larger one is split into parts.
    #[serde(default = "default_max_size")]
    pub max_size: ByteSize,
    /// The archive's conventions.
    #[serde(default)]
    pub profile: Profile,
}

fn four() -> u16 {
    4
}

fn default_subject() -> String {
    "{{ group.title or chat.title or chat.id }}, {{ participants | length }} users, {{ events | length }} {{ 'encrypted events' if encrypted else 'messages' }}".to_owned()
}

fn default_max_size() -> ByteSize {
    ByteSize(25 << 20)
}

/// The fields of a target that composing reads: frozen with a window, so that a repeat is the same e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Composing {
    /// See [`TargetSpec::from`].
    pub from: String,
    /// See [`TargetSpec::to`].
    pub to: Vec<String>,
    /// See [`TargetSpec::subject`].
    pub subject: String,
    /// See [`TargetSpec::headers`].
    pub headers: BTreeMap<String, String>,
    /// See [`TargetSpec::max_size`].
    pub max_size: ByteSize,
    /// See [`TargetSpec::profile`].
    pub profile: Profile,
}

impl TargetSpec {
    /// What composing reads of it.
    pub fn composing(&self) -> Composing {
        Composing {
            from: self.from.clone(),
            to: self.to.clone(),
            subject: self.subject.clone(),
            headers: self.headers.clone(),
            max_size: self.max_size,
            profile: self.profile,
        }
    }
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
#[serde(untagged, expecting = "write true, false, or { types = [\"image/*\"], max = \"10 MiB\" }")]
pub enum AttachmentsSpec {
    /// All or none; of those that are left out the e-mail has a placeholder.
    All(bool),
    /// Some; the rest as placeholders.
    Some(AttachmentFilter),
}

/// Which attachments are exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentFilter {
    /// Media types, `image/*` for a family. Unset: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// Largest one, in bytes as it is. Unset: any size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<ByteSize>,
}

impl AttachmentsSpec {
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
    /// It runs as its newest earlier version that has made a run and has no such module.
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

/// A target as the store keeps it. A change makes a new version; old ones stay, since windows name them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetVersion {
    /// Counted from 1.
    pub version: u32,
    /// As written.
    pub spec: TargetSpec,
    /// When it was applied.
    pub applied_at: Timestamp,
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
    fn sizes() {
        assert_eq!(ByteSize::parse("25 MiB"), Some(ByteSize(25 << 20)));
        assert_eq!(ByteSize::parse("10MB"), Some(ByteSize(10_000_000)));
        assert_eq!(ByteSize::parse("lots"), None);
        assert_eq!(ByteSize::parse("99999999999 GiB"), None);
        assert_eq!(ByteSize(25 << 20).to_string(), "25 MiB");
        assert_eq!(ByteSize(1000).to_string(), "1000 B");
    }

    #[test]
    fn a_literal_password_is_refused_and_not_repeated() {
        let error = serde_json::from_str::<SecretSource>("\"hunter2\"").unwrap_err().to_string();
        assert!(error.contains("{ env = \"NAME\" }") && !error.contains("hunter2"), "{error}");
        assert!(serde_json::from_str::<SecretSource>(r#"{"env":"A","file":"b"}"#).is_err());
        let source: SecretSource = serde_json::from_str(r#"{"env":"A"}"#).unwrap();
        assert_eq!(serde_json::to_string(&source).unwrap(), r#"{"env":"A"}"#);
    }

    #[test]
    fn attachments_by_type_and_size() {
        let some: AttachmentsSpec = serde_json::from_str(r#"{"types":["image/*","text/plain"],"max":"1 KiB"}"#).unwrap();
        assert!(some.takes("IMAGE/png", 1024) && some.takes("text/plain", 1));
        assert!(!some.takes("image/png", 1025) && !some.takes("text/html", 1));
        let none: AttachmentsSpec = serde_json::from_str("false").unwrap();
        assert!(!none.takes("image/png", 1));
    }
}
