//! A user of a connected platform.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::Name;

/// A user as the platform knows them, keyed by (source, id), never by e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The platform's own id.
    pub id: String,
    /// The name to show; the id where the platform has none.
    pub name: String,
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

fn yes() -> bool {
    true
}

impl User {
    /// A user of whom only the id is known: one that wrote and is in no list.
    pub fn unknown(id: &str) -> Self {
        Self { id: id.to_owned(), name: id.to_owned(), email: None, bot: false, external: false, recorded: true, attributes: BTreeMap::new() }
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
