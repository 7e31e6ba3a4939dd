//! Some people, as a configuration describes them, and whether a participant is one of them.

use consign_filter::{ConfigError, Participant, UserFlags, config_error};
use serde::Deserialize;
use std::collections::HashSet;

/// As written. `config.schema.json` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleConfig {
    ids: Option<Vec<String>>,
    addresses: Option<Vec<String>>,
    domains: Option<Vec<String>>,
    external: Option<bool>,
    recorded: Option<bool>,
}

/// As checked.
#[derive(Debug)]
pub struct People {
    /// None: everybody.
    named: Option<Named>,
    external: Option<bool>,
    recorded: Option<bool>,
}

/// Case does not matter in domains (RFC 1035) and, in practice, in addresses.
#[derive(Debug, Default)]
struct Named {
    ids: HashSet<String>,
    /// In lower case.
    addresses: HashSet<String>,
    /// In lower case.
    domains: HashSet<String>,
}

impl PeopleConfig {
    /// Checks it; `pointer` is where it stands. None if there were errors.
    pub fn read(self, pointer: &str, errors: &mut Vec<ConfigError>) -> Option<People> {
        let before = errors.len();
        let lists = [
            ("ids", &self.ids, is_id as fn(&str) -> _, "an id can't be empty"),
            ("addresses", &self.addresses, is_address, "not an e-mail address, such as ann@desk.example"),
            ("domains", &self.domains, is_domain, "not a domain, such as desk.example"),
        ];
        for (name, list, is_right, message) in lists {
            let Some(list) = list else { continue };
            if list.is_empty() {
                let message = "give at least one, or leave this out";
                errors.push(config_error(format!("{pointer}/{name}"), message));
            }
            for (index, _) in list.iter().enumerate().filter(|(_, text)| !is_right(text)) {
                errors.push(config_error(format!("{pointer}/{name}/{index}"), message));
            }
        }
        let anybody = self.ids.is_none() && self.addresses.is_none() && self.domains.is_none();
        if anybody && self.external.is_none() && self.recorded.is_none() {
            let message = "say who: \"ids\", \"addresses\", \"domains\", \"external\" or \"recorded\"";
            errors.push(config_error(pointer, message));
        }
        let lower = |list: Option<Vec<String>>| {
            let texts = list.into_iter().flatten();
            texts.map(|text| text.to_lowercase()).collect()
        };
        (errors.len() == before).then(|| People {
            named: (!anybody).then(|| Named {
                ids: self.ids.into_iter().flatten().collect(),
                addresses: lower(self.addresses),
                domains: lower(self.domains),
            }),
            external: self.external,
            recorded: self.recorded,
        })
    }
}

impl People {
    /// Whether this participant is one of them.
    pub fn has(&self, participant: &Participant) -> bool {
        let is = |flag: UserFlags, wanted: Option<bool>| wanted.is_none_or(|wanted| participant.flags.contains(flag) == wanted);
        is(UserFlags::EXTERNAL, self.external)
            && is(UserFlags::RECORDED, self.recorded)
            && self.named.as_ref().is_none_or(|named| named.has(participant))
    }
}

impl Named {
    fn has(&self, participant: &Participant) -> bool {
        if self.ids.contains(&participant.id) {
            return true;
        }
        let Some(address) = participant.email.as_ref().map(|address| address.to_lowercase()) else {
            return false;
        };
        self.addresses.contains(&address) || address.rsplit_once('@').is_some_and(|(_, domain)| self.has_domain(domain))
    }

    /// The domain itself or one above it.
    fn has_domain(&self, domain: &str) -> bool {
        let mut rest = Some(domain);
        while let Some(domain) = rest {
            if self.domains.contains(domain) {
                return true;
            }
            rest = domain.split_once('.').map(|(_, above)| above);
        }
        false
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty()
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

fn is_domain(text: &str) -> bool {
    let wrong = |label: &str| label.is_empty() || label.contains('@') || label.contains(char::is_whitespace);
    !text.split('.').any(wrong)
}
