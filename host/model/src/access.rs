//! Who may do what over the network: roles, what each permits, and the tokens that carry one.
//!
//! A program that has the data folder before it is its owner and needs none of this. Over the network everybody shows a token, which belongs to one tenant
//! and has one role. A role is a list of permissions that stands here and nowhere else; each operation of the API names the one permission that it needs.
//!
//! Of a token only its hash is kept. Its text has 256 random bits, so no salt and no slow hash is needed to keep it from being guessed back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::audit::Actor;
use crate::{Digest, Name, TenantId, Timestamp};

/// With what the text of each token begins, so that whoever finds one in a log or a repository can tell what it is.
pub const PREFIX: &str = "consign_";
/// With what the text of each link begins: no token's text does, so neither is ever taken for the other, whatever release reads it.
pub const LINK_PREFIX: &str = "consign-link_";

/// Whose tokens hold for the installation and not for one tenant. It is a tenant like any other to the store, so that what is done about the installation
/// has an audit log of its own; it has no events, and nobody can name it otherwise.
pub fn platform() -> TenantId {
    Name::from_static("platform")
}

/// What somebody is to Consign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the installation: makes tenants and their first tokens, sees figures. Reads nobody's messages.
    PlatformAdministrator,
    /// Everything that one tenant has.
    TenantAdministrator,
    /// Writes policies, runs them and looks into what became of events.
    PolicyAuthor,
    /// Uploads modules, and sees how they do.
    ModuleDeveloper,
    /// Reads all, changes nothing.
    Auditor,
    /// Hands events in, and sees nothing.
    Ingest,
}

/// One thing that somebody may do. Of a tenant, but for the first two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Sees which tenants there are.
    ListTenants,
    /// Makes tenants.
    ManageTenants,
    /// Makes, lists and revokes tokens, and says by which keys modules are signed.
    ManageAccess,
    /// Sees policies, targets, modules, sources, runs and what is held: names and figures, no message.
    Read,
    /// Sees what became of single events, and what modules said, which may repeat messages.
    ReadEvents,
    /// Reads the audit log.
    ReadAudit,
    /// Puts policies into force, runs them, tries again what is held, releases quarantines.
    WritePolicies,
    /// Changes where e-mails go.
    WriteTargets,
    /// Uploads modules.
    WriteModules,
    /// Hands events in.
    WriteEvents,
    /// Says how long events are kept, places and lifts legal holds, and erases users' events.
    ManageKeeping,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::PlatformAdministrator, Self::TenantAdministrator, Self::PolicyAuthor, Self::ModuleDeveloper, Self::Auditor, Self::Ingest];

    /// What it permits.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission::{
            ListTenants, ManageAccess, ManageKeeping, ManageTenants, Read, ReadAudit, ReadEvents, WriteEvents, WriteModules, WritePolicies,
            WriteTargets,
        };
        match self {
            Self::PlatformAdministrator => &[ListTenants, ManageTenants, ManageAccess, Read, ReadAudit],
            Self::TenantAdministrator => {
                &[ManageAccess, Read, ReadEvents, ReadAudit, WritePolicies, WriteTargets, WriteModules, WriteEvents, ManageKeeping]
            }
            Self::PolicyAuthor => &[Read, ReadEvents, WritePolicies],
            Self::ModuleDeveloper => &[Read, WriteModules],
            Self::Auditor => &[Read, ReadEvents, ReadAudit],
            Self::Ingest => &[WriteEvents],
        }
    }

    /// Whether it permits this.
    pub fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }

    /// Whether its tokens are the installation's, and hold for every tenant.
    pub fn is_of_the_platform(self) -> bool {
        self == Self::PlatformAdministrator
    }

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::PlatformAdministrator => "platform-administrator",
            Self::TenantAdministrator => "tenant-administrator",
            Self::PolicyAuthor => "policy-author",
            Self::ModuleDeveloper => "module-developer",
            Self::Auditor => "auditor",
            Self::Ingest => "ingest",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::ListTenants,
        Self::ManageTenants,
        Self::ManageAccess,
        Self::Read,
        Self::ReadEvents,
        Self::ReadAudit,
        Self::WritePolicies,
        Self::WriteTargets,
        Self::WriteModules,
        Self::WriteEvents,
        Self::ManageKeeping,
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::ListTenants => "list-tenants",
            Self::ManageTenants => "manage-tenants",
            Self::ManageAccess => "manage-access",
            Self::Read => "read",
            Self::ReadEvents => "read-events",
            Self::ReadAudit => "read-audit",
            Self::WritePolicies => "write-policies",
            Self::WriteTargets => "write-targets",
            Self::WriteModules => "write-modules",
            Self::WriteEvents => "write-events",
            Self::ManageKeeping => "manage-keeping",
        }
    }
}

/// The text of a token: what its owner shows. It is shown once, when it is made, and kept nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// Of 256 random bits.
    pub fn new(random: &[u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", hex::encode(random)))
    }

    /// That of a link, of 256 random bits.
    pub fn of_link(random: &[u8; 32]) -> Self {
        Self(format!("{LINK_PREFIX}{}", hex::encode(random)))
    }

    /// What somebody shows; unset where no token looks like that.
    pub fn parse(text: &str) -> Option<Self> {
        Self::after(text, PREFIX)
    }

    /// What somebody shows as a link's; unset where no link looks like that.
    pub fn parse_link(text: &str) -> Option<Self> {
        Self::after(text, LINK_PREFIX)
    }

    fn after(text: &str, prefix: &str) -> Option<Self> {
        let bits = text.strip_prefix(prefix)?;
        let fits = bits.len() == 64 && bits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    pub fn hash(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// For its owner, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}

/// A token, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// By which it is listed and revoked. Says nothing of its text.
    pub id: Name,
    /// Who or what has it, as whoever made it says.
    pub name: Name,
    /// What it may do.
    pub role: Role,
    /// Of its text.
    pub hash: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is worth nothing; unset: it stays.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// How it is used.
    #[serde(default, skip_serializing_if = "TokenKind::is_bearer")]
    pub kind: TokenKind,
    /// Who made it; unset: nobody has written that down, as of tokens of earlier releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<Actor>,
}

/// How a token is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum TokenKind {
    /// Shown with each request, and to sign in.
    #[default]
    Bearer,
    /// Once, to begin one session in the console: after that it is worth what that session is, and nothing else.
    Link {
        /// When that was; unset: it has not been used.
        used_at: Option<Timestamp>,
    },
}

impl TokenKind {
    /// Whether it is shown with each request.
    pub fn is_bearer(&self) -> bool {
        *self == Self::Bearer
    }
}

/// What a token is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// What its role permits.
    Valid,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl Token {
    /// What it is worth.
    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing::of(self.revoked_at, self.expires_at, now)
    }
}

impl Standing {
    /// Of a token that was taken back then, and ends then.
    pub fn of(revoked_at: Option<Timestamp>, expires_at: Option<Timestamp>, now: Timestamp) -> Self {
        match (revoked_at, expires_at) {
            (Some(_), _) => Self::Revoked,
            (None, Some(end)) if end <= now => Self::Expired,
            (None, _) => Self::Valid,
        }
    }
}

/// Somebody for whom an issuer of the installation's settings vouches, by `OpenID` Connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The issuer, as the settings name it.
    pub issuer: Name,
    /// Who it is to the issuer, for ever: `sub`.
    pub subject: String,
    /// Their address, where the issuer says that it is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What the settings let them do.
    pub role: Role,
    /// Of their claims those that the settings asked about, and of their values those that the settings name: by these they are asked about again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, BTreeSet<String>>,
}

/// By what somebody has signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedInBy {
    /// The token that was shown, or the link that was used.
    Token(Name),
    /// An issuer's word.
    Person(Person),
}

/// Somebody's time in the console, from signing in to signing out. It is worth what the token is worth that they signed in with, as long as that one is worth something:
/// so a token that is taken back ends every session that came of it. That of a person is worth what the settings let them do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Of the text that the browser keeps, which is 256 random bits like a token's.
    pub hash: Digest,
    /// By what.
    #[serde(flatten)]
    pub by: SignedInBy,
    /// When they signed in.
    pub begun_at: Timestamp,
    /// From when on it is over.
    pub ends_at: Timestamp,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn words_are_those_of_json() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.word());
        }
        for permission in Permission::ALL {
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.word());
        }
    }

    #[test]
    fn no_role_reads_messages_and_runs_the_installation() {
        let platform = Role::PlatformAdministrator;
        assert!(
            ![Permission::ReadEvents, Permission::WritePolicies, Permission::WriteTargets, Permission::WriteEvents]
                .iter()
                .any(|one| platform.may(*one))
        );
        assert_eq!(Role::Ingest.permissions(), [Permission::WriteEvents]);
        // An auditor changes nothing.
        assert!(Role::Auditor.permissions().iter().all(|one| one.word().starts_with("read")));
        // Whatever there is somebody may do.
        for permission in Permission::ALL {
            assert!(Role::ALL.iter().any(|role| role.may(permission)), "{permission:?}");
        }
    }

    #[test]
    fn the_text_of_a_token() {
        let secret = TokenSecret::new(&[7; 32]);
        assert_eq!(secret.reveal().len(), PREFIX.len() + 64);
        assert_eq!(TokenSecret::parse(secret.reveal()), Some(secret.clone()));
        assert!(!format!("{secret:?}").contains("0707"), "its Debug does not show it");
        for other in ["", "consign_", "consign_AAAA", &secret.reveal()[1..], &format!("{}a", secret.reveal()), &secret.reveal().replace("07", "0G")] {
            assert_eq!(TokenSecret::parse(other), None, "{other}");
        }
    }

    #[test]
    fn no_link_is_a_token() {
        let link = TokenSecret::of_link(&[7; 32]);
        assert_eq!((TokenSecret::parse(link.reveal()), TokenSecret::parse_link(link.reveal())), (None, Some(link.clone())));
        assert_eq!(TokenSecret::parse_link(TokenSecret::new(&[7; 32]).reveal()), None);
    }

    /// Stores have them.
    #[test]
    fn what_earlier_releases_wrote_is_read() {
        let token = TokenSecret::new(&[7; 32]).hash();
        let token = Token {
            id: Name::from_static("token-1"),
            name: Name::from_static("ann"),
            role: Role::Auditor,
            hash: token,
            created_at: Timestamp(0),
            expires_at: None,
            revoked_at: None,
            kind: TokenKind::Bearer,
            made_by: None,
        };
        let written = serde_json::to_value(&token).unwrap();
        assert_eq!((written.get("kind"), written.get("made_by")), (None, None));
        assert_eq!(serde_json::from_value::<Token>(written).unwrap(), token);
        let one =
            Session { hash: Digest::of(b""), by: SignedInBy::Token(Name::from_static("token-1")), begun_at: Timestamp(0), ends_at: Timestamp(20) };
        let written = serde_json::to_value(&one).unwrap();
        assert_eq!(written["token"], "token-1");
        assert_eq!(serde_json::from_value::<Session>(written).unwrap(), one);
    }

    #[test]
    fn a_token_ends() {
        let token = Token {
            id: Name::from_static("token-1"),
            name: Name::from_static("ann"),
            role: Role::Auditor,
            hash: Digest::of(b""),
            created_at: Timestamp(0),
            expires_at: Some(Timestamp(10)),
            revoked_at: None,
            kind: TokenKind::Bearer,
            made_by: None,
        };
        assert_eq!([9, 10].map(|now| token.standing(Timestamp(now))), [Standing::Valid, Standing::Expired]);
        let revoked = Token { revoked_at: Some(Timestamp(5)), ..token };
        assert_eq!(revoked.standing(Timestamp(6)), Standing::Revoked);
    }
}
