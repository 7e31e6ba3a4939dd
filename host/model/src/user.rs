//! A user of a connected platform.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::{Name, Timestamp};

/// A user as the platform knows them, keyed by (source, id), never by e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The platform's own id.
    pub id: String,
    /// The name to show; the id where the platform has none.
    pub name: String,
    /// Names that the user had before, the oldest first. The index keeps them ([`User::after`]): no platform says them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_names: Vec<FormerName>,
    /// The address, where the platform says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A program, not a person.
    #[serde(default)]
    pub bot: bool,
    /// From outside of the organisation.
    #[serde(default)]
    pub external: bool,
    /// One whom the platform is configured to record. Unstated means recorded.
    #[serde(default = "yes")]
    pub recorded: bool,
    /// More that the platform or an identity map says: `department`, `user-custom-field-0`, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A name that a user had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerName {
    /// The name.
    pub name: String,
    /// When another was first told. The platform had changed it then, nobody knows since when.
    pub until: Timestamp,
}

/// Former names that are kept. Two ways in that call a user differently would make more of them with each import.
const MOST_FORMER_NAMES: usize = 8;

fn yes() -> bool {
    true
}

impl User {
    /// A user of whom only the id is known: one that wrote and is in no list.
    pub fn unknown(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            former_names: Vec::new(),
            email: None,
            bot: false,
            external: false,
            recorded: true,
            attributes: BTreeMap::new(),
        }
    }

    /// This user as the index has to know him who `known` until now: with the names that he had. Where that was called by his id he had none.
    #[must_use]
    pub fn after(&self, known: &Self, now: Timestamp) -> Self {
        let mut former_names = known.former_names.clone();
        if known.name != self.name && known.name != known.id {
            former_names.push(FormerName { name: known.name.clone(), until: now });
            former_names.drain(..former_names.len().saturating_sub(MOST_FORMER_NAMES));
        }
        Self { former_names, ..self.clone() }
    }

    /// The names that the user may have had at some time from `start` on, beside today's: each once, the oldest first.
    pub fn names_since(&self, start: Timestamp) -> impl Iterator<Item = &FormerName> {
        let told =
            |place: usize, one: &FormerName| one.name != self.name && !self.former_names.iter().skip(place + 1).any(|later| later.name == one.name);
        self.former_names.iter().enumerate().filter(move |(place, one)| one.until >= start && told(*place, one)).map(|(_, one)| one)
    }

    /// The address for an e-mail: the platform's, or `<id>@<source>.invalid` (RFC 2606) with the id reduced to what a local part takes.
    pub fn address(&self, source: &Name) -> String {
        match &self.email {
            Some(email) => email.clone(),
            None => synthetic_address(&self.id, source),
        }
    }
}

/// `<id>@<source>.invalid`; a character that a local part does not take becomes `=` and its code in hexadecimal, so two ids never share an address.
pub fn synthetic_address(id: &str, source: &Name) -> String {
    let mut local = String::with_capacity(id.len());
    for character in id.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') {
            local.push(character);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(local, "={:x}.", u32::from(character));
        }
    }
    let local = local.trim_end_matches('.');
    let local = if local.is_empty() || local.len() > 64 { crate::Digest::of(id.as_bytes()).short() } else { local.to_owned() };
    format!("{local}@{source}.invalid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_user_had() {
        let called = |name: &str| User { name: name.to_owned(), ..User::unknown("U1") };
        let mut user = User::unknown("U1");
        for (number, name) in ["Ann", "Ann", "Ann Lee", "U1", "Ann", "Ann Smith"].into_iter().enumerate() {
            user = called(name).after(&user, Timestamp(number.try_into().unwrap_or(0)));
        }
        let former: Vec<(&str, i64)> = user.former_names.iter().map(|one| (one.name.as_str(), one.until.0)).collect();
        assert_eq!(former, [("Ann", 2), ("Ann Lee", 3), ("Ann", 5)]);
        let since = |at: i64| user.names_since(Timestamp(at)).map(|one| one.name.as_str()).collect::<Vec<_>>();
        assert_eq!((since(0), since(4), since(6)), (vec!["Ann Lee", "Ann"], vec!["Ann"], vec![]));
        for number in 0..100 {
            user = called(&format!("name {number}")).after(&user, Timestamp(number));
        }
        assert_eq!(user.former_names.len(), MOST_FORMER_NAMES);
    }
}
