//! What may be fetched, as a person writes it into the file of sources: `[[fetch]]`.
//!
//! Nothing is asked for that is not named: events come from outside, so whoever writes in a chat could else have this program ask any machine that it can
//! reach. A host is named as it stands in addresses, with its port where that is not the usual one.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use consign_model::target::{ByteSize, SecretSource};
use consign_model::{Name, Span};
use ipnet::IpNet;
use reqwest::Url;
use serde::{Deserialize, Deserializer};

use super::address::is_loopback;

/// Some hosts from which files of a source's events may be fetched. A source may have several: the first that names a host counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FetchConfig {
    /// Whose events.
    pub source: Name,
    /// The hosts.
    pub hosts: Vec<HostRule>,
    /// Sent to them as `Authorization: Bearer …`.
    #[serde(default)]
    pub token: Option<SecretSource>,
    /// Most bytes of a file. What is larger is not kept, and shown as unreadable.
    #[serde(default = "max_size")]
    pub max_size: ByteSize,
    /// How long a file may take in all.
    #[serde(default = "seconds")]
    pub seconds: u16,
    /// How long what is not yet there is tried again before it counts as unreadable.
    #[serde(default = "within")]
    pub within: Span,
    /// Private addresses that may be reached all the same.
    #[serde(default, deserialize_with = "ranges")]
    pub allow_addresses: Vec<IpNet>,
    /// Files of `SharePoint` and `OneDrive` are asked of Microsoft Graph, at this address (`https://graph.microsoft.com/v1.0`), which sends on to them: a token of
    /// Graph opens no address of theirs. The token goes to Graph, then.
    #[serde(default, deserialize_with = "address")]
    pub graph: Option<Url>,
    /// The proxy by which these hosts are reached (`http://proxy.corp.example:3128`). It looks names up, and has to refuse those that lead inward.
    #[serde(default, deserialize_with = "address")]
    pub proxy: Option<Url>,
    /// Certificates (PEM) of authorities that are trusted beside the system's, for these hosts.
    #[serde(default)]
    pub authorities: Option<PathBuf>,
}

fn max_size() -> ByteSize {
    ByteSize(256 << 20)
}

fn seconds() -> u16 {
    300
}

fn within() -> Span {
    Span(Duration::from_hours(5 * 24))
}

fn ranges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let written = Vec::<String>::deserialize(deserializer)?;
    let range = |text: &String| {
        let one = text.parse::<IpNet>().or_else(|_| text.parse().map(|address: std::net::IpAddr| address.into()));
        one.map_err(|_| serde::de::Error::custom("allow-addresses has what is no range of addresses: write \"10.1.0.0/16\""))
    };
    written.iter().map(range).collect()
}

/// An address of the web, without a secret in it.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_right = |url: &Url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty() && url.password().is_none() && url.query().is_none()
    };
    let url = Url::parse(&text).ok().filter(is_right);
    url.map(Some).ok_or_else(|| serde::de::Error::custom("this is no address: write it as https://host/path, without a name or password in it"))
}

/// A host by name or address, with its port; `*.` before it stands for exactly one more label, as in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    any_label: bool,
    /// As the `url` crate writes hosts: in lower case, in ASCII, addresses in their one form.
    host: String,
    /// Unset: the scheme's own.
    port: Option<u16>,
}

/// A text that names no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hosts has what is no host: write \"files.example.com\", \"*.cdn.example.com\" or \"files.example.com:8443\"")]
pub struct NoHost;

impl FromStr for HostRule {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        let (any_label, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        if rest.contains(['*', '/', '\\', '@', '?', '#', ' ', '\t', '\n']) {
            return Err(NoHost);
        }
        let url = Url::parse(&format!("https://{rest}/")).map_err(|_| NoHost)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NoHost)?.to_owned();
        // One label alone would be a whole top-level domain.
        if any_label && (url.domain().is_none() || !host.contains('.')) {
            return Err(NoHost);
        }
        Ok(Self { any_label, host, port: url.port() })
    }
}

impl<'de> Deserialize<'de> for HostRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl HostRule {
    /// Whether this address is of the host.
    pub fn names(&self, url: &Url) -> bool {
        let usual = if url.scheme() == "http" { 80 } else { 443 };
        if url.port_or_known_default() != Some(self.port.unwrap_or(usual)) {
            return false;
        }
        let host = url.host_str().unwrap_or_default();
        if !self.any_label {
            return host == self.host;
        }
        host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == self.host)
    }
}

impl FetchConfig {
    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if self.hosts.is_empty() {
            Some("names no host, so nothing could be fetched: write hosts = [\"files.example.com\"]")
        } else if self.token.is_some() && self.graph.is_none() && self.hosts.iter().any(|host| host.any_label) {
            Some(
                "has a token for hosts by *.: whoever has a host there, and writes its address in a chat, would be sent the token. Name the hosts one by one",
            )
        } else if self.max_size.0 == 0 || self.seconds == 0 {
            Some("has a bound of 0, so nothing could be fetched: write at least 1")
        } else if self.graph.as_ref().is_some_and(|graph| graph.scheme() != "https" && !is_loopback(graph)) {
            Some("graph has to begin with https: its token would go out in clear")
        } else if self.within.0 < Duration::from_secs(1) {
            Some("within has to be a second at least")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn hosts_are_named_exactly() {
        for (rule, yes, no) in [
            (
                "files.Slack.com",
                &["https://files.slack.com/a", "https://FILES.slack.com:443/"][..],
                &[
                    "https://slack.com/",
                    "https://files.slack.com:8443/",
                    "https://files.slack.com.evil.example/",
                    "http://files.slack.com:443/x",
                    "https://files.slack.com./",
                ][..],
            ),
            (
                "*.cdn.example",
                &["https://a.cdn.example/"],
                &["https://cdn.example/", "https://a.b.cdn.example/", "https://acdn.example/", "https://.cdn.example/"],
            ),
            ("127.0.0.1:8080", &["http://127.0.0.1:8080/", "http://0x7f.1:8080/", "https://2130706433:8080/"], &["http://127.0.0.1/"]),
            ("[::1]:80", &["http://[0:0::1]/"], &["https://[::1]/"]),
            ("bücher.example", &["https://xn--bcher-kva.example/"], &[]),
        ] {
            let rule: HostRule = rule.parse().unwrap();
            let named = |url: &str| Url::parse(url).is_ok_and(|url| rule.names(&url));
            let wrong: Vec<_> = yes.iter().filter(|url| !named(url)).chain(no.iter().filter(|url| named(url))).collect();
            assert!(wrong.is_empty(), "{rule:?}: {wrong:?}");
        }
        for text in ["", "*", "*.com", "*.1.2.3.4", "a.*.example", "https://x", "x/y", "a@b", "x:99999"] {
            assert_eq!(text.parse::<HostRule>(), Err(NoHost), "{text}");
        }
    }
}
