//! Targets as a person writes them (TOML) and as the store keeps them (JSON).
//!
//! As with [policies](crate::policy), the types refuse what can be refused by shape.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Backoff, Digest, Name, Timestamp};

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
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; a line end at its end is cut.
    File(PathBuf),
    /// What a command writes to its standard output; a line end at its end is cut. A program and its arguments, run without a shell.
    Command(Vec<String>),
    /// The store, under the tenant's keys: one that was kept by this name.
    #[serde(rename = "secret")]
    Kept(Name),
}

/// A secret that the store keeps, sealed. Whoever has put it there can put another in its place; nobody reads it again but what signs in with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSecret {
    /// Its name.
    pub name: Name,
    /// As the archive's room sealed it.
    pub sealed: String,
    /// When it was put there.
    pub kept_at: Timestamp,
}

impl KeptSecret {
    /// Of this putting: the same text put there again has another, since it is sealed anew each time. So it tells nothing of the text.
    pub fn mark(&self) -> Digest {
        Digest::of(self.sealed.as_bytes())
    }
}

/// Without a command's arguments: somebody may have put into them what is no business of a log.
impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => f.debug_tuple("Env").field(name).finish(),
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Command(command) => f.debug_tuple("Command").field(&command.first()).finish_non_exhaustive(),
            Self::Kept(name) => f.debug_tuple("Kept").field(name).finish(),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const FORMS: &str = "{ env = \"NAME\" }, { file = \"PATH\" }, { command = [\"PROGRAM\", …] } or { secret = \"NAME\" }";
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = SecretSource;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(FORMS)
            }
            // Not echoed: it may well be the secret.
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom(format_args!("a password is not written into a policy file: use {FORMS}")))
            }
            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
                self.visit_str("")
            }
            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
                self.visit_str("")
            }
            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
                self.visit_str("")
            }
            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
                self.visit_str("")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                use serde::de::Error;
                let expected = format_args!("write {FORMS}");
                let source = match map.next_key::<String>()?.as_deref() {
                    Some("env") => SecretSource::Env(map.next_value().map_err(|_| A::Error::custom(expected))?),
                    Some("secret") => SecretSource::Kept(map.next_value().map_err(|_| A::Error::custom(expected))?),
                    Some("file") => SecretSource::File(map.next_value().map_err(|_| A::Error::custom(expected))?),
                    // Its own error would echo what stands there.
                    Some("command") => match map.next_value::<Vec<String>>() {
                        Ok(command) if command.first().is_some_and(|program| !program.is_empty()) => SecretSource::Command(command),
                        _ => {
                            return Err(A::Error::custom(
                                "a command is a program and its arguments: write { command = [\"PROGRAM\", \"ARGUMENT\", …] }",
                            ));
                        }
                    },
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

impl Profile {
    /// Every one, in the order in which texts name them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::GlobalRelay, Self::EnterpriseVault, Self::ExchangeJournal];

    /// As a policy file says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::GlobalRelay => "global-relay",
            Self::EnterpriseVault => "enterprise-vault",
            Self::ExchangeJournal => "exchange-journal",
        }
    }

    /// The subject of a target that says none, a template. Global Relay's users know theirs by this form.
    pub fn default_subject(self) -> &'static str {
        match self {
            Self::GlobalRelay => {
                "chat, {{ participants | length }} Users, {{ counts.message or encrypted }} Messages, {{ duration_minutes }} Minutes"
            }
            Self::Plain | Self::EnterpriseVault | Self::ExchangeJournal => {
                "{{ group.title or chat.title or chat.id }}, {{ participants | length }} users, {{ events | length }} {{ 'encrypted events' if encrypted else 'messages' }}"
            }
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or("write plain, global-relay, enterprise-vault or exchange-journal")
    }
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
    /// E-mails in a minute, at most, over all runs of a process; unset: as many as the connections carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_minute: Option<NonZeroU32>,
    /// How an e-mail is tried again that the server did not take.
    #[serde(default)]
    pub retry: Backoff,
    /// Sender, of the envelope and the header.
    pub from: String,
    /// Recipients, of the envelope and the header; each gets each e-mail.
    pub to: Vec<String>,
    /// Template of the subject; unset: [`Profile::default_subject`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Templates of more headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Largest e-mail, encoded and with its signature; a larger one is split into parts.
    #[serde(default = "default_max_size")]
    pub max_size: ByteSize,
    /// The archive's conventions.
    #[serde(default)]
    pub profile: Profile,
    /// Signs each e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dkim: Option<DkimSpec>,
    /// Global Relay's name for where these e-mails come from. Only that profile has it, and needs it: no archive is told a feed that nobody named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// Enterprise Vault's id of the archive to store in; unset: the one of the address that is sent to. Only that profile has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_id: Option<String>,
}

impl TargetSpec {
    /// The secret that the store keeps for it.
    pub fn kept_secret(&self) -> Option<&Name> {
        self.password.as_ref().and_then(|source| if let SecretSource::Kept(name) = source { Some(name) } else { None })
    }

    /// The first field whose value is read on the machine that sends: a password, a key, certificates. Whoever may not read what lies there must not name it
    /// either, since what is read goes to the host that they name.
    pub fn read_on_this_machine(&self) -> Option<&'static str> {
        let password = self.password.as_ref().is_some_and(|source| !matches!(source, SecretSource::Kept(_)));
        let fields = [("password", password), ("ca-file", self.ca_file.is_some()), ("dkim", self.dkim.is_some())];
        fields.into_iter().find_map(|(field, is_there)| is_there.then_some(field))
    }
}

/// Signs e-mails by DKIM (RFC 6376), when they are sent: what composing makes does not depend on it, so a key can be changed at any time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DkimSpec {
    /// The domain that signs.
    pub domain: String,
    /// Which of its keys: the public one stands in the DNS at `SELECTOR._domainkey.DOMAIN`.
    pub selector: String,
    /// Where the private key is.
    pub key: KeyFile,
}

/// A private key in PEM form. The key itself never stands in a policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyFile {
    /// The file.
    pub file: PathBuf,
}

impl<'de> Deserialize<'de> for KeyFile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = KeyFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ file = \"PATH\" }")
            }
            // Not echoed: it may well be the key.
            fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom("a key is not written into a policy file: use { file = \"PATH\" }"))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                use serde::de::Error;
                let expected = "write { file = \"PATH\" }";
                let Some("file") = map.next_key::<String>()?.as_deref() else { return Err(A::Error::custom(expected)) };
                let file = map.next_value()?;
                if map.next_key::<String>()?.is_some() { Err(A::Error::custom(expected)) } else { Ok(KeyFile { file }) }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What an e-mail leaves of its `max-size` for a signature on top of it, at least. Less, and one of the largest kind might be refused by a server that takes
/// just `max-size`. It decides how groups are split, so it is a part of the composer: a change of it needs another number there.
const SIGNATURE: u64 = 2 << 10;
/// Of it, what does not depend on the target: the longest key's signature, the hash, the names of our own headers, and the folds.
const SIGNATURE_FIXED: u64 = 1_600;
/// Between two names, and where a line is folded.
const BETWEEN_NAMES: usize = 5;

fn four() -> u16 {
    4
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
    /// See [`TargetSpec::max_size`]; without what a signature takes of it.
    pub max_size: ByteSize,
    /// See [`TargetSpec::profile`].
    pub profile: Profile,
    /// See [`TargetSpec::feed`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// See [`TargetSpec::archive_id`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_id: Option<String>,
}

impl TargetSpec {
    /// How long a signature may become, in bytes: it names the domain, the key, and each header that the target adds.
    fn signature_room(&self, dkim: &DkimSpec) -> u64 {
        let names: usize = self.headers.keys().map(|name| name.len() + BETWEEN_NAMES).sum();
        SIGNATURE.max(SIGNATURE_FIXED + (dkim.domain.len() + dkim.selector.len() + names) as u64)
    }

    /// What composing reads of it.
    pub fn composing(&self) -> Composing {
        Composing {
            from: self.from.clone(),
            to: self.to.clone(),
            subject: self.subject.clone().unwrap_or_else(|| self.profile.default_subject().to_owned()),
            headers: self.headers.clone(),
            max_size: ByteSize(self.max_size.0.saturating_sub(self.dkim.as_ref().map_or(0, |dkim| self.signature_room(dkim)))),
            profile: self.profile,
            feed: self.feed.clone(),
            archive_id: self.archive_id.clone(),
        }
    }
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
    fn profiles_by_name() {
        for profile in Profile::ALL {
            assert_eq!(profile.name().parse::<Profile>(), Ok(profile));
            assert_eq!(serde_json::to_string(&profile).unwrap(), format!("\"{profile}\""));
        }
        assert!("Plain".parse::<Profile>().is_err());
    }

    #[test]
    fn a_literal_password_is_refused_and_not_repeated() {
        let error = serde_json::from_str::<SecretSource>("\"hunter2\"").unwrap_err().to_string();
        assert!(error.contains("{ env = \"NAME\" }") && !error.contains("hunter2"), "{error}");
        assert!(serde_json::from_str::<SecretSource>(r#"{"env":"A","file":"b"}"#).is_err());
        for number in ["48151623", "-48151623", "48151623.5", r#"{"env":48151623}"#, r#"{"file":48151623}"#] {
            let error = serde_json::from_str::<SecretSource>(number).unwrap_err().to_string();
            assert!(error.contains("{ env = \"NAME\" }") && !error.contains("48151623"), "{error}");
        }
        let source: SecretSource = serde_json::from_str(r#"{"env":"A"}"#).unwrap();
        assert_eq!(serde_json::to_string(&source).unwrap(), r#"{"env":"A"}"#);
        let kept: SecretSource = serde_json::from_str(r#"{"secret":"archive"}"#).unwrap();
        assert_eq!(
            (&kept, serde_json::to_string(&kept).unwrap().as_str()),
            (&SecretSource::Kept(Name::from_static("archive")), r#"{"secret":"archive"}"#)
        );
        assert!(serde_json::from_str::<SecretSource>(r#"{"secret":"Hunter 2"}"#).is_err_and(|error| !error.to_string().contains("Hunter")));
        for bad in
            [r#"{"command":[]}"#, r#"{"command":[""]}"#, r#"{"command":"hunter2"}"#, r#"{"command":["a",1]}"#, r#"{"command":["a"],"env":"A"}"#]
        {
            let error = serde_json::from_str::<SecretSource>(bad).unwrap_err().to_string();
            assert!(error.contains("command = [") && !error.contains("hunter2"), "{bad}: {error}");
        }
        let source: SecretSource = serde_json::from_str(r#"{"command":["get-token","--for","hunter2"]}"#).unwrap();
        assert_eq!(source, SecretSource::Command(vec!["get-token".to_owned(), "--for".to_owned(), "hunter2".to_owned()]));
        assert_eq!(serde_json::to_string(&source).unwrap(), r#"{"command":["get-token","--for","hunter2"]}"#);
        let debug = format!("{source:?}");
        assert!(debug.contains("get-token") && !debug.contains("hunter2"), "{debug}");
    }

    const WRITTEN: &str = r#"
        name = "archive"
        host = "smtp.archive.example"
        port = 587
        tls = "starttls"
        username = "consign@corp.example"
        password = { command = ["/usr/bin/get-token", "--for", "archive"] }
        auth = "xoauth2"
        from = "journal@corp.example"
        to = ["ingest@archive.example"]
        max-size = "10 MB"
    "#;

    #[test]
    fn signatures_and_commands_as_a_person_writes_them() {
        let plain: TargetSpec = toml::from_str(WRITTEN).unwrap();
        assert_eq!((&plain.dkim, plain.composing().max_size), (&None, ByteSize(10_000_000)));
        assert!(matches!(&plain.password, Some(SecretSource::Command(command)) if command.len() == 3));
        // What the store has of targets that were applied before there were signatures.
        assert!(!serde_json::to_string(&plain).unwrap().contains("dkim"));

        let dkim = "[dkim]\ndomain = \"corp.example\"\nselector = \"s1\"\nkey = { file = \"/etc/consign/dkim.pem\" }\n";
        let signing: TargetSpec = toml::from_str(&format!("{WRITTEN}{dkim}")).unwrap();
        let key = KeyFile { file: PathBuf::from("/etc/consign/dkim.pem") };
        assert_eq!(signing.dkim, Some(DkimSpec { domain: "corp.example".to_owned(), selector: "s1".to_owned(), key }));
        // Of what composing reads only the room is less.
        let composing = Composing { max_size: ByteSize(10_000_000 - SIGNATURE), ..plain.composing() };
        assert_eq!(signing.composing(), composing);
        // A name of 50 bytes forty times is more than that.
        let headers = (0..40).map(|number| (format!("X-{number:048}"), "x".to_owned())).collect();
        let many = TargetSpec { headers, ..signing.clone() };
        assert_eq!(many.composing().max_size, ByteSize(10_000_000 - 1_600 - 14 - 40 * 55));
        let again: TargetSpec = serde_json::from_str(&serde_json::to_string(&signing).unwrap()).unwrap();
        assert_eq!(again, signing);
        let (no_selector, key_as_text) = (dkim.replace("selector", "#"), dkim.replace("{ file = ", "").replace(" }", ""));
        for (bad, hint) in [(no_selector, "selector"), (format!("{dkim}hash = \"md5\"\n"), "hash"), (key_as_text, "use { file = ")] {
            let error = toml::from_str::<TargetSpec>(&format!("{WRITTEN}{bad}")).unwrap_err();
            assert!(error.to_string().contains(hint), "{bad}: {error}");
            assert!(!error.message().contains("dkim.pem"), "{bad}: {error}");
        }
        for bad in [r#"{"text":"x"}"#, r#"{"file":"a","text":"x"}"#, "{}", "1"] {
            assert!(serde_json::from_str::<KeyFile>(bad).unwrap_err().to_string().contains("{ file = "), "{bad}");
        }
    }
}
