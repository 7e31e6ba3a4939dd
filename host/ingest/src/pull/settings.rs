//! The sources that are asked, as a person writes them in the file of sources.

use std::net::IpAddr;

use consign_model::policy::ScheduleSpec;
use consign_model::target::SecretSource;
use consign_model::{Name, Timestamp};
use reqwest::Url;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// `kind = "teams-export"`: Microsoft Graph's export of each user's messages.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TeamsExport {
    /// The source.
    pub name: Name,
    /// The organisation's tenant: its id, or one of its domains.
    pub tenant: String,
    /// The id of the application that asks.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretSource,
    /// Whose exports are taken, by id or sign-in name; unset: those of all whom Graph lists.
    #[serde(default)]
    pub users: Option<Vec<String>>,
    /// Whether the channels of these users' teams are asked for too. Not to is for a person to say, not for a line to be forgotten.
    pub channels: bool,
    /// From when on; unset: from the beginning.
    #[serde(default, deserialize_with = "since")]
    pub since: Option<Timestamp>,
    /// By which of Microsoft's models of payment; unset: by none, as in its evaluation mode.
    #[serde(default)]
    pub model: Option<Model>,
    /// When it is asked; unset: by hand only.
    #[serde(default)]
    pub schedule: Option<ScheduleSpec>,
    /// Where tokens come from: another one in sovereign clouds.
    #[serde(default = "login")]
    pub login_address: Address,
    /// Where Graph is: another one in sovereign clouds.
    #[serde(default = "graph")]
    pub graph_address: Address,
}

/// `kind = "slack-discovery"`: Slack's Discovery API.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SlackDiscovery {
    /// The source.
    pub name: Name,
    /// The token of an app with the scope `discovery:read`.
    pub token: SecretSource,
    /// The organisation's retention keeps every edit and deletion. Nobody can ask for that, so a person says it; unset: it does not.
    #[serde(default)]
    pub keeps_edits: bool,
    /// From when on; unset: from the beginning.
    #[serde(default, deserialize_with = "since")]
    pub since: Option<Timestamp>,
    /// When it is asked; unset: by hand only.
    #[serde(default)]
    pub schedule: Option<ScheduleSpec>,
    /// Where the API is.
    #[serde(default = "slack")]
    pub address: Address,
}

/// Microsoft's models of payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Model {
    /// For security and compliance.
    A,
    /// For anything else.
    B,
}

impl Model {
    /// As Graph is asked.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// An address that is asked: `https`, or `http` to this machine alone, since a secret goes there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(Url);

impl TryFrom<String> for Address {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let url = Url::parse(&text).map_err(|error| format!("an address is no URL ({error}): write it as https://host"))?;
        let has_more = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some();
        let address = Self(url);
        match address.0.scheme() {
            _ if has_more || address.0.cannot_be_a_base() => {
                Err("an address has more than scheme, host, port and path: leave the rest out".to_owned())
            }
            "https" => Ok(address),
            "http" if address.is_here() => Ok(address),
            _ => Err("an address that a secret is sent to has to begin with https; http is for this machine alone".to_owned()),
        }
    }
}

impl Address {
    /// Whether it is this machine.
    pub fn is_here(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The URL of a place below it.
    pub fn at<'a>(&self, parts: impl IntoIterator<Item = &'a str>, query: &[(&str, &str)]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        if !query.is_empty() {
            // Graph's own names begin with `$`, and stand as they are.
            let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
            url.set_query(Some(&pairs.join("&")));
        }
        url
    }

    /// A link that was answered; unset for one to anywhere else, since the token would go there.
    pub fn link(&self, link: &str) -> Option<Url> {
        Url::parse(link).ok().filter(|url| url.origin() == self.0.origin() && url.username().is_empty() && url.password().is_none())
    }

    /// The host, for texts.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

/// A value of a query, with `%20` for a space: not all take `+` for one.
fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

fn since<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let time = Timestamp::parse(&text).or_else(|_| Timestamp::parse(&format!("{text}T00:00:00Z")));
    time.map(Some).map_err(|_| D::Error::custom("since is neither a day as 2026-01-05 nor a time as 2026-01-05T08:00:00Z"))
}

fn login() -> Address {
    known("https://login.microsoftonline.com")
}

fn graph() -> Address {
    known("https://graph.microsoft.com/v1.0")
}

fn slack() -> Address {
    known("https://slack.com/api")
}

#[expect(clippy::expect_used, reason = "these are three constants, and a test reads them")]
fn known(address: &str) -> Address {
    Address(Url::parse(address).expect("an address of our own"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn secrets_go_nowhere_in_clear_and_nowhere_else() {
        for address in ["https://graph.microsoft.us/v1.0", "http://127.0.0.1:9/x", "http://[::1]:9", "http://localhost"] {
            Address::try_from(address.to_owned()).unwrap();
        }
        for address in ["http://graph.example", "ftp://127.0.0.1", "graph", "https://a:sesame@b", "https://a/?sesame", "data:sesame"] {
            let error = Address::try_from(address.to_owned()).unwrap_err();
            assert!(!error.contains("sesame"), "{error}");
        }
        for (address, is_link) in [
            ("https://graph.microsoft.com/v1.0/users('1')/x?$skiptoken=a", true),
            ("https://graph.microsoft.com:443/elsewhere", true),
            ("https://graph.microsoft.com.evil.example/v1.0", false),
            ("https://graph.microsoft.com@evil.example/", false),
            ("https://a@graph.microsoft.com/", false),
            ("http://graph.microsoft.com/v1.0", false),
            ("/v1.0/users", false),
        ] {
            assert_eq!(graph().link(address).is_some(), is_link, "{address}");
        }
        let url = slack().at(["a/b", "ann#EXT#@x"], &[("$filter", "a gt 2026-01-01T00:00:00.000Z"), ("q", "+&")]);
        assert_eq!(url.as_str(), "https://slack.com/api/a%2Fb/ann%23EXT%23@x?$filter=a%20gt%202026-01-01T00%3A00%3A00.000Z&q=%2B%26");
        assert_eq!(login().at(["t"], &[]).as_str(), "https://login.microsoftonline.com/t");
    }
}
