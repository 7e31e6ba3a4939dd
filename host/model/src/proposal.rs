//! Changes that take two people: what one proposes is kept as it was proposed, and another one puts it into force or not.
//!
//! Kept is what was written, and not what would come of it: so approving it goes the one way by which things go into force, and is checked as if it were written now. That it still
//! comes to the same is what [`Proposal::digest`] is for.

use serde::{Deserialize, Serialize};

use crate::access::{Permission, Token};
use crate::audit::Actor;
use crate::{Digest, Name, Timestamp};

/// How long one can be approved, in milliseconds: a week, since what it would change may be another by then.
pub const OPEN_FOR: i64 = 7 * 86_400_000;

/// What one would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Proposed {
    /// Puts targets and policies into force.
    Apply {
        /// What was written: its name for a person, and the text.
        texts: Vec<(String, String)>,
        /// Whether who proposed it may change targets.
        targets: bool,
        /// Whether they may name files, variables and commands of the machine that sends.
        this_machine: bool,
    },
    /// Has one person be enough again.
    OnePerson,
}

/// What would be another in one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its name.
    pub field: String,
    /// As it is; unset: it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// As it would be; unset: it would not be there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What would become of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposedChange {
    /// `target` or `policy`, or `setting`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The version that it has now; unset: it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Why it takes two people; empty where it only goes along with something that does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Its fields that would be others.
    pub fields: Vec<FieldChange>,
}

/// What somebody has said to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is put into force.
    Approved,
    /// It is not, and will not be.
    Rejected,
}

/// What has become of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was said.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
}

/// A change that waits for a second person, or has had one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// By which it is approved.
    pub id: Name,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub by: Actor,
    /// From when on it can't be approved any more.
    pub expires_at: Timestamp,
    /// What it would do.
    #[serde(flatten)]
    pub what: Proposed,
    /// Of all that it would put into force, to the modules' digests, and of the versions that these take the place of. Who approves names it: so nothing else is approved than was seen,
    /// and nothing else is done than was approved.
    pub digest: Digest,
    /// The same for a person to read.
    pub changes: Vec<ProposedChange>,
    /// What has become of it; unset: it waits for another person, or did until it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

impl Proposal {
    /// Whether it can be approved.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.decision.is_none() && now < self.expires_at
    }

    /// What approving or rejecting it takes.
    pub fn takes(&self) -> Permission {
        let only_policies = self.changes.iter().all(|change| change.kind == "policy");
        if only_policies { Permission::WritePolicies } else { Permission::WriteTargets }
    }

    /// One word for how it stands.
    pub fn word(&self, now: Timestamp) -> &'static str {
        match &self.decision {
            Some(Decision { verdict: Verdict::Approved, .. }) => "approved",
            Some(Decision { verdict: Verdict::Rejected, .. }) => "rejected",
            None if self.is_open(now) => "open",
            None => "expired",
        }
    }

    /// What it is about: `target archive`, each.
    pub fn about(&self) -> Vec<String> {
        self.changes.iter().map(|change| format!("{} {}", change.kind, change.name)).collect()
    }
}

/// Which person somebody is, as far as that can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Behind {
    /// Who has a token that nobody of the tenant made.
    Token(Name, Name),
    /// Whom an issuer vouches for.
    Person(Name, String),
    /// A user of the machine.
    User(String),
    /// The program.
    Program,
}

/// Whether these are two people, as far as that can be told. `tokens`: the tenant's.
///
/// A token that somebody of the tenant has made counts as whoever made it: else an administrator would make a second one and be two. So tokens are two people only where each comes
/// from outside, from whoever runs the installation; and not where both were made for one name.
pub fn are_two(one: &Actor, other: &Actor, tokens: &[Token]) -> bool {
    match (behind(one, tokens), behind(other, tokens)) {
        (Behind::Program, _) | (_, Behind::Program) => false,
        (Behind::Token(one, named), Behind::Token(other, named_too)) => one != other && named != named_too,
        (one, other) => one != other,
    }
}

fn behind(actor: &Actor, tokens: &[Token]) -> Behind {
    let mut actor = actor;
    // No token is older than itself; but what is read may be anything.
    for _ in 0..=tokens.len() {
        match actor {
            Actor::Token { token, named, .. } => match tokens.iter().find(|one| one.id == *token).and_then(|one| one.made_by.as_ref()) {
                Some(maker @ Actor::OpenId { .. }) => actor = maker,
                Some(maker @ Actor::Token { token: of, .. }) if tokens.iter().any(|one| one.id == *of) => actor = maker,
                _ => return Behind::Token(token.clone(), named.clone()),
            },
            Actor::OpenId { issuer, subject, .. } => return Behind::Person(issuer.clone(), subject.clone()),
            Actor::Person { user, .. } => return Behind::User(user.clone()),
            Actor::Schedule | Actor::Consign => return Behind::Program,
        }
    }
    Behind::Program
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::access::{Role, TokenKind};

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn by(id: &str, named: &str) -> Actor {
        Actor::Token { token: name(id), named: name(named), role: Role::TenantAdministrator }
    }

    fn token(id: &str, named: &str, made_by: Option<Actor>) -> Token {
        Token {
            id: name(id),
            name: name(named),
            role: Role::TenantAdministrator,
            hash: Digest::of(id.as_bytes()),
            created_at: Timestamp(0),
            expires_at: None,
            revoked_at: None,
            kind: TokenKind::Bearer,
            made_by,
        }
    }

    fn person(subject: &str) -> Actor {
        Actor::OpenId { issuer: name("corp"), subject: subject.to_owned(), email: None, role: Role::TenantAdministrator }
    }

    fn user(user: &str, process: u32) -> Actor {
        Actor::Person { user: user.to_owned(), process, named: None }
    }

    #[test]
    fn who_is_two() {
        let operator = Actor::Token { token: name("token-0"), named: name("op"), role: Role::PlatformAdministrator };
        let tokens = [
            token("ann", "ann", Some(operator.clone())),
            token("bob", "bob", Some(user("root@desk", 1))),
            token("ann-2", "ann", Some(operator)),
            token("eve", "eve", Some(by("ann", "ann"))),
            token("eve-2", "eve-2", Some(by("eve", "eve"))),
            token("of-sue", "sue", Some(person("sue"))),
            token("old", "old", None),
            token("loop", "loop", Some(by("loop", "loop"))),
        ];
        let two = |one: &Actor, other: &Actor| {
            let is = are_two(one, other, &tokens);
            assert_eq!(is, are_two(other, one, &tokens));
            is
        };
        let [ann, bob, old] = [by("ann", "ann"), by("bob", "bob"), by("old", "old")];
        assert!(two(&ann, &bob) && two(&ann, &old) && two(&ann, &person("ann")) && two(&ann, &user("root@desk", 1)));
        assert!(!two(&ann, &ann) && !two(&ann, &by("ann-2", "ann")), "two of one name");
        assert!(!two(&ann, &by("eve", "eve")) && !two(&ann, &by("eve-2", "eve-2")) && !two(&by("eve", "eve"), &by("eve-2", "eve-2")), "made by her");
        assert!(two(&bob, &by("eve-2", "eve-2")), "whoever has it, it is Ann's and not Bob's");
        assert!(!two(&person("sue"), &by("of-sue", "sue")) && two(&person("sue"), &person("tom")));
        assert!(!two(&user("root@desk", 1), &user("root@desk", 2)));
        assert!(!two(&ann, &Actor::Consign) && !two(&ann, &by("loop", "loop")));
    }
}
