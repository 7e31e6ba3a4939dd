//! Who a platform's users are to the tenant: an e-mail address, a person, whether and when they are recorded, a department.
//!
//! Platforms know logins. What an archive is asked for are people, and whom the law wants recorded is the tenant's to say and changes by date. So a tenant
//! keeps a map by the platform's ids. It is applied where a window is frozen, so that what was exported under an earlier map stays explained by it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::window::Participant;
use crate::{Digest, Membership, Name, Timestamp, User};

/// From and until, both ends included; unset: without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Period {
    /// All of time.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// What a stay and this period share.
    fn within(&self, stay: &Membership) -> Option<Membership> {
        let joined = stay.joined.max(self.from);
        let left = match (stay.left, self.until) {
            (Some(left), Some(until)) => Some(left.min(until)),
            (left, until) => left.or(until),
        };
        let is_any = joined.zip(left).is_none_or(|(joined, left)| joined <= left);
        is_any.then_some(Membership { joined, left })
    }
}

/// What a tenant says of one user of a platform. What is unset stays as the platform says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The connected platform.
    pub source: Name,
    /// The platform's own id.
    pub id: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address for e-mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Who it is, over all platforms: a number of staff, say. Shown as the attribute `person`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// When this user is recorded; empty: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Vec<Period>>,
    /// `department`, … by name, beside the platform's and in their place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A tenant's map, without its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityMap {
    /// Counted from 1.
    pub version: u32,
    /// SHA-256 of its entries.
    pub digest: Digest,
    /// How many users it has.
    pub users: u64,
    /// When it was applied.
    pub applied_at: Timestamp,
}

impl Identity {
    /// SHA-256 of some entries, which are sorted by source and id.
    pub fn digest(all: &[Self]) -> Digest {
        let mut hasher = crate::id::Hasher::default();
        for one in all {
            hasher.field(serde_json::to_string(one).unwrap_or_default().as_bytes());
        }
        hasher.finish()
    }

    /// Puts what the tenant says over what the platform says.
    pub fn apply(&self, user: &mut User) {
        if let Some(name) = &self.name {
            user.name.clone_from(name);
        }
        if let Some(email) = &self.email {
            user.email = Some(email.clone());
        }
        user.attributes.extend(self.attributes.clone());
        if let Some(person) = &self.person {
            user.attributes.insert("person".to_owned(), person.clone());
        }
        if let Some(recorded) = &self.recorded {
            user.recorded = !recorded.is_empty();
        }
    }

    /// The times at which the user is recorded, where these are not all or none.
    pub fn recorded_at(&self) -> Option<Vec<Period>> {
        self.recorded.clone().filter(|periods| !periods.is_empty() && *periods != [Period::ALWAYS])
    }
}

impl Participant {
    /// The stays, and of these what falls into times at which the user is recorded; nothing where the user is not.
    pub fn recorded_memberships(&self) -> Vec<Membership> {
        match &self.recorded_at {
            _ if !self.user.recorded => Vec::new(),
            None => self.memberships.clone(),
            Some(periods) => {
                let shared = |stay: &Membership| periods.iter().filter_map(|period| period.within(stay)).collect::<Vec<_>>();
                self.memberships.iter().flat_map(shared).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_recorded_where_both_are() {
        let ends: Vec<(Option<i64>, Option<i64>)> = (0..5)
            .flat_map(|from| (from..5).map(move |until| (Some(from), Some(until))))
            .chain([(None, None), (None, Some(2)), (Some(2), None)])
            .collect();
        for (joined, left) in &ends {
            for (from, until) in &ends {
                let stay = Membership { joined: joined.map(Timestamp), left: left.map(Timestamp) };
                let period = Period { from: from.map(Timestamp), until: until.map(Timestamp) };
                let of = Participant { recorded_at: Some(vec![period]), ..Participant::new(User::unknown("U"), vec![stay]) };
                for at in (-1..6).map(Timestamp) {
                    let in_period = Membership { joined: period.from, left: period.until }.covers(at);
                    let recorded = of.recorded_memberships().iter().any(|stay| stay.covers(at));
                    assert_eq!(recorded, stay.covers(at) && in_period, "{stay:?} {period:?} {at:?}");
                }
            }
        }
    }
}
