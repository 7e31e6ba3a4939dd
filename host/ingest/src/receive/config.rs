//! The file of sources, as a person writes it (TOML): what is received from, and what may be fetched.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use consign_model::Name;
use consign_model::target::{ByteSize, SecretSource};
use consign_source::Format;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::fetch::FetchConfig;
use crate::pull::{SlackDiscovery, TeamsExport};

/// A file of sources.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// What requests may cost.
    #[serde(default)]
    pub receive: Bounds,
    /// The sources.
    #[serde(rename = "source", default)]
    pub sources: Vec<SourceConfig>,
    /// From where files may be fetched that events name by an address.
    #[serde(default)]
    pub fetch: Vec<FetchConfig>,
}

/// A source, by how its events come. The name is the source's in the archive: events of one that was imported from files before are the same events.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum SourceConfig {
    /// JSON lines, as in `jsonl` files.
    Events {
        /// The source.
        name: Name,
        /// What callers send as `Authorization: Bearer …`.
        token: SecretSource,
    },
    /// Slack's Events API.
    SlackEvents {
        /// The source.
        name: Name,
        /// The app's signing secret.
        signing_secret: SecretSource,
    },
    /// Change notifications of Microsoft Graph for messages of Teams.
    TeamsNotifications {
        /// The source.
        name: Name,
        /// The subscription's `encryptionCertificateId`.
        certificate_id: String,
        /// The certificate's private key: PKCS#8 in PEM.
        private_key: SecretSource,
        /// The subscription's `clientState`.
        client_state: SecretSource,
        /// Microsoft's public keys, as a JSON Web Key Set. Read again when a token names a key that is not in it.
        #[serde(default)]
        issuer_keys: Option<PathBuf>,
        /// The id of the application that subscribes; with `issuer-keys`.
        #[serde(default)]
        app_id: Option<String>,
        /// The id of its tenant; with `issuer-keys`.
        #[serde(default)]
        tenant_id: Option<String>,
        /// Instead of these: Microsoft's tokens are not looked at, and `client-state` alone says who sends.
        #[serde(default)]
        unchecked_tokens: bool,
    },
    /// A Mattermost outgoing webhook.
    MattermostWebhook {
        /// The source.
        name: Name,
        /// The token that Mattermost gave the webhook.
        token: SecretSource,
    },
    /// Files that are put into a folder. Another source may have the same name: then what is in the files is of that one.
    Folder {
        /// The source.
        name: Name,
        /// The folder.
        path: PathBuf,
        /// What its files are; unset: recognised, of each file.
        #[serde(default, deserialize_with = "format")]
        format: Option<Format>,
        /// Seconds that a file must have stood still.
        #[serde(default = "five")]
        settle_seconds: u16,
    },
    /// Microsoft Graph's export of each user's messages, which is asked. Another source may have the same name, as with a folder.
    TeamsExport(TeamsExport),
    /// Slack's Discovery API, which is asked. Another source may have the same name, as with a folder.
    SlackDiscovery(SlackDiscovery),
}

impl SourceConfig {
    /// The source.
    pub fn name(&self) -> &Name {
        match self {
            Self::Events { name, .. }
            | Self::SlackEvents { name, .. }
            | Self::TeamsNotifications { name, .. }
            | Self::MattermostWebhook { name, .. }
            | Self::Folder { name, .. }
            | Self::TeamsExport(TeamsExport { name, .. })
            | Self::SlackDiscovery(SlackDiscovery { name, .. }) => name,
        }
    }
}

fn five() -> u16 {
    5
}

fn format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Format>, D::Error> {
    Option::<String>::deserialize(deserializer)?.map(|word| word.parse().map_err(D::Error::custom)).transpose()
}

/// What requests may cost. None of these limits how many events come in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Bounds {
    /// Largest body, as it comes and unpacked.
    max_body: ByteSize,
    /// Bytes of all requests together that are being read or wait to be stored. Above it a request is told to come back.
    max_waiting: ByteSize,
    /// Connections at once. For one above them the one goes that has said nothing for the longest time; where all have a request under way it waits.
    max_connections: u16,
    /// Seconds that a body may stand still, and that all of it may take.
    body_pause_seconds: u16,
    body_seconds: u16,
    /// Milliseconds to wait for more after the first request, before storing: what is stored together shares its flushes and files.
    gather_milliseconds: u16,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_body: ByteSize(16 << 20),
            max_waiting: ByteSize(256 << 20),
            max_connections: 512,
            body_pause_seconds: 10,
            body_seconds: 60,
            gather_milliseconds: 3,
        }
    }
}

impl Bounds {
    pub(super) fn body(&self) -> usize {
        usize::try_from(self.max_body.0).unwrap_or(usize::MAX)
    }

    pub(super) fn waiting(&self) -> usize {
        usize::try_from(self.max_waiting.0).unwrap_or(usize::MAX)
    }

    pub(super) fn connections(&self) -> u16 {
        self.max_connections
    }

    pub(super) fn body_pause(&self) -> Duration {
        Duration::from_secs(self.body_pause_seconds.into())
    }

    pub(super) fn body_time(&self) -> Duration {
        Duration::from_secs(self.body_seconds.into())
    }

    pub(super) fn gather(&self) -> Duration {
        Duration::from_millis(self.gather_milliseconds.into())
    }
}

/// The file can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is no TOML, or says something that can't be.
    #[error("line {line}: {what}")]
    Toml {
        /// Which line.
        line: usize,
        /// What is wrong. Never quotes the file: a secret may stand there that should not.
        what: String,
    },
    /// Two sources of one name, or with one folder.
    #[error("source '{0}' is there twice, or its folder is: give one of them another")]
    Twice(Name),
    /// Nothing to receive from, and nothing to fetch.
    #[error("there is no [[source]] and no [[fetch]]: add one")]
    Empty,
    /// A `[[fetch]]` by which nothing could be fetched.
    #[error("the [[fetch]] of source '{0}' {1}")]
    Fetch(Name, &'static str),
    /// Bounds that don't fit together.
    #[error("[receive] {0}")]
    Bounds(&'static str),
}

impl Config {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ConfigError::Toml { line: before.matches('\n').count() + 1, what: error.message().to_owned() }
        })?;
        let (mut names, mut folders, mut asked) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for source in &config.sources {
            let is_first = match source {
                SourceConfig::Folder { path, .. } => folders.insert(path),
                SourceConfig::TeamsExport(_) | SourceConfig::SlackDiscovery(_) => asked.insert(source.name()),
                _ => names.insert(source.name()),
            };
            if !is_first {
                return Err(ConfigError::Twice(source.name().clone()));
            }
        }
        let bounds = &config.receive;
        if config.sources.is_empty() && config.fetch.is_empty() {
            return Err(ConfigError::Empty);
        }
        if let Some((fetch, fault)) = config.fetch.iter().find_map(|fetch| Some((fetch, fetch.fault()?))) {
            return Err(ConfigError::Fetch(fetch.source.clone(), fault));
        }
        if bounds.max_connections == 0 || bounds.max_body.0 == 0 || bounds.body_seconds == 0 || bounds.body_pause_seconds == 0 {
            return Err(ConfigError::Bounds("a bound of 0 lets nothing in: write at least 1"));
        }
        // A body that fits in only where nothing else waits would be sent for ever.
        if bounds.max_waiting.0 < bounds.max_body.0.saturating_mul(2) {
            return Err(ConfigError::Bounds("max-waiting must be at least twice max-body"));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn as_a_person_writes_it() {
        let config =
            Config::parse("[receive]\nmax-body = \"1 MiB\"\n[[source]]\nname = \"desk\"\nkind = \"events\"\ntoken = { env = \"DESK\" }\n").unwrap();
        assert_eq!(config.receive.body(), 1 << 20);
        assert!(matches!(config.sources.as_slice(), [SourceConfig::Events { token: SecretSource::Env(env), .. }] if env == "DESK"));
        let fetch = "[[fetch]]\nsource = \"slack\"\nhosts = [\"files.slack.com\", \"a.cdn.example\"]\ntoken = { env = \"SLACK_TOKEN\" }\nmax-size = \"1 GiB\"\n\
                     seconds = 60\nwithin = \"7 days\"\nallow-addresses = [\"10.1.0.0/16\", \"::1\"]\n";
        let config = Config::parse(fetch).unwrap();
        let [FetchConfig { hosts, max_size: ByteSize(1_073_741_824), seconds: 60, allow_addresses, .. }] = config.fetch.as_slice() else {
            unreachable!("{config:?}")
        };
        assert_eq!((hosts.len(), allow_addresses.len()), (2, 2));
    }

    #[test]
    fn what_is_wrong_is_told_without_quoting_it() {
        let source = "[[source]]\nname = \"desk\"\nkind = \"events\"\n";
        for (text, hint) in [
            (format!("{source}token = \"hunter2\"\n"), "{ env = \"NAME\" }"),
            (format!("{source}token = {{ env = \"A\" }}\nhunter2 = 1\n"), "unknown field"),
            (format!("{source}token = {{ hunter2\n"), "line 4"),
            ("[[source]]\nname = \"desk\"\nkind = \"hunter3\"\n".to_owned(), "unknown variant"),
            (String::new(), "no [[source]]"),
            (format!("{source}token = {{ env = \"A\" }}\n{source}token = {{ env = \"A\" }}\n"), "twice"),
            (format!("[receive]\nmax-body = \"200 MiB\"\n{source}token = {{ env = \"A\" }}\n"), "max-waiting"),
            ("[[source]]\nname = \"drop\"\nkind = \"folder\"\npath = \"/x\"\nformat = \"sms\"\n".to_owned(), "unknown format 'sms'"),
            ("[[source]]\nname = \"drop\"\nkind = \"folder\"\npath = \"/x\"\n".repeat(2), "twice"),
            (format!("[receive]\nmax-connections = 0\n{source}token = {{ env = \"A\" }}\n"), "at least 1"),
            ("[[fetch]]\nsource = \"slack\"\nhosts = []\n".to_owned(), "names no host"),
            ("[[fetch]]\nsource = \"slack\"\nhosts = [\"https://x/\"]\n".to_owned(), "no host"),
            ("[[fetch]]\nsource = \"slack\"\nhosts = [\"x\"]\ntoken = \"hunter2\"\n".to_owned(), "{ env = \"NAME\" }"),
            ("[[fetch]]\nsource = \"slack\"\nhosts = [\"x\"]\nallow-addresses = [\"intranet\"]\n".to_owned(), "no range of addresses"),
            ("[[fetch]]\nsource = \"slack\"\nhosts = [\"x\"]\nseconds = 0\n".to_owned(), "at least 1"),
            ("[[fetch]]\nsource = \"slack\"\nhosts = [\"*.x.example\"]\ntoken = { env = \"A\" }\n".to_owned(), "would be sent the token"),
        ] {
            let error = Config::parse(&text).unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
            assert!(!error.contains("\"hunter2\"") && !error.contains("= hunter2"), "{error}");
        }
    }
}
