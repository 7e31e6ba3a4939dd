//! Who did something, in all the ways in which Graph says it: `identitySet` is an object with a field for each kind of who.

use crate::json::fields::{Fields, Shape};
use crate::text;

/// Kinds of users that no organisation of ours has. `aadUser` and `onPremiseAadUser` may be guests: their tenant tells.
const OUTSIDE: [&str; 7] =
    ["anonymousGuest", "federatedUser", "personalMicrosoftAccountUser", "skypeUser", "phoneUser", "emailUser", "azureCommunicationServicesUser"];

/// The id of the tenant that Graph writes where there is none.
const NO_TENANT: &str = "00000000-0000-0000-0000-000000000000";

/// A GUID as it is compared: Graph writes it in small letters, and people and other programs in capitals too. Any other id stays as it is.
pub fn id(id: String) -> String {
    if is_guid(&id) { id.to_ascii_lowercase() } else { id }
}

/// Whether this is a GUID and nothing more.
pub fn is_guid(id: &str) -> bool {
    id.len() == 36 && id.bytes().enumerate().all(|(at, byte)| if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Whether users of this kind are of no organisation of ours.
pub fn is_outside(kind: &str) -> bool {
    OUTSIDE.contains(&kind)
}

/// Somebody, as an event shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub name: Option<String>,
    pub bot: bool,
    /// From outside, by the kind of user.
    pub outside: bool,
    pub tenant: Option<String>,
}

/// Who sent a message or caused something.
#[derive(Debug, Default)]
pub struct Who {
    /// The user, or the program where it is none.
    pub user: Option<String>,
    /// A program wrote it.
    pub by_bot: bool,
    /// The name that only the event itself tells: a program's, or of somebody without an id.
    pub own_name: Option<String>,
    pub person: Option<Person>,
}

impl Who {
    /// Reads an `identitySet`.
    pub fn of(set: Option<Fields>) -> Result<Self, Shape> {
        let Some(mut set) = set else { return Ok(Self::default()) };
        let mut who = Self::default();
        if let Some(user) = set.object("user")? {
            let (person, name) = person(user)?;
            if person.is_none() {
                who.own_name.clone_from(&name);
            }
            who.user = person.as_ref().map(|person| person.id.clone());
            who.person = person;
        }
        if let Some(program) = set.object("application")? {
            let (program, name) = person(program)?;
            who.by_bot = true;
            who.own_name = name.or(who.own_name);
            if who.user.is_none() {
                who.user = program.as_ref().map(|program| program.id.clone());
                who.person = program.map(|program| Person { bot: true, outside: false, ..program });
            }
        }
        for other in ["device", "phone", "conversation", "guest", "azureCommunicationServicesUser", "onPremises"] {
            if let Some(other) = set.object(other)?
                && who.user.is_none()
            {
                let (person, name) = person(other)?;
                who.own_name = if person.is_some() { who.own_name } else { who.own_name.or(name) };
                who.user = person.as_ref().map(|person| person.id.clone());
                who.person = person;
            }
        }
        Ok(who)
    }
}

/// One identity; where it has no id, its name.
pub fn person(mut identity: Fields) -> Result<(Option<Person>, Option<String>), Shape> {
    let name = identity.filled("displayName")?.map(|name| text::name(&name)).filter(|name| !name.is_empty());
    let kind = identity.filled("userIdentityType")?.unwrap_or_default();
    let tenant = identity.filled("tenantId")?.map(id).filter(|tenant| tenant != NO_TENANT);
    let outside = is_outside(&kind);
    let person = identity.id("id")?.map(|own| Person { id: id(own), name: name.clone(), bot: false, outside, tenant });
    Ok((person, name))
}
