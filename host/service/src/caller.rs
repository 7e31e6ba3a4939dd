//! Who asks over the network, and which tenant is theirs: the same for programs, which show a token, and for people, whose session stands for one.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use consign_export::Exporter;
use consign_life::Life;
use consign_model::access::{Permission, Person, Role, Standing, Token, platform};
use consign_model::audit::{Actor, Author};
use consign_model::{TenantId, Timestamp};

use crate::problem::Problem;
use crate::tenants::{Tenant, Tenants};

/// By what somebody is let in.
#[derive(Clone)]
pub enum By {
    /// A token that was shown or signed in with, or a link that was used.
    Token(Token),
    /// An issuer's word, as the settings take it now.
    Person(Person),
}

/// Who asks.
#[derive(Clone)]
pub struct Caller {
    /// By what they are let in.
    pub by: By,
    /// Whose it is.
    pub home: TenantId,
}

impl Caller {
    /// Who has this token; unset where it is worth nothing now.
    pub fn with(token: Token, home: TenantId) -> Option<Self> {
        match token.standing(Timestamp::now()) {
            Standing::Valid => Self::of(By::Token(token), home),
            Standing::Expired | Standing::Revoked => None,
        }
    }

    /// Somebody; unset where such a role counts for nothing there.
    pub fn of(by: By, home: TenantId) -> Option<Self> {
        let caller = Self { by, home };
        // A role of the installation counts only where what belongs to the installation lies, and no other counts there.
        (caller.role().is_of_the_platform() == (caller.home == platform())).then_some(caller)
    }

    /// Who enters what is done about their own access into the log.
    pub async fn author(&self, tenants: &Tenants) -> Result<Author, Problem> {
        if self.home == platform() {
            return Ok(tenants.platform_author().await?.acting_as(self.actor()));
        }
        Ok(tenants.get(&self.home)?.by(self.actor()).author)
    }

    /// For the audit log.
    pub fn actor(&self) -> Actor {
        match &self.by {
            By::Token(token) => Actor::Token { token: token.id.clone(), named: token.name.clone(), role: token.role },
            By::Person(Person { issuer, subject, email, role, .. }) => {
                Actor::OpenId { issuer: issuer.clone(), subject: subject.clone(), email: email.clone(), role: *role }
            }
        }
    }

    /// Whether it is a token that is shown with each request.
    pub fn shows_a_token(&self) -> bool {
        matches!(&self.by, By::Token(token) if token.kind.is_bearer())
    }

    /// By which the log knows them: a token's id, or who it is to the issuer.
    pub fn id(&self) -> &str {
        match &self.by {
            By::Token(token) => token.id.as_str(),
            By::Person(person) => &person.subject,
        }
    }

    /// What they are called.
    pub fn name(&self) -> &str {
        match &self.by {
            By::Token(token) => token.name.as_str(),
            By::Person(person) => person.email.as_deref().unwrap_or(&person.subject),
        }
    }

    /// From when on they are let in no more, by what they have shown; unset: that has no end of its own.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match &self.by {
            By::Token(token) => token.expires_at,
            By::Person(_) => None,
        }
    }

    /// Whether they may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.role().may(permission)
    }

    /// Refused where they may not.
    pub fn must(&self, permission: Permission) -> Result<(), Problem> {
        if self.may(permission) { Ok(()) } else { Err(Problem::forbidden(permission.word(), self.role().word())) }
    }

    /// Their role.
    pub fn role(&self) -> Role {
        match &self.by {
            By::Token(token) => token.role,
            By::Person(person) => person.role,
        }
    }

    /// A tenant, where it is one of theirs. Another's is not told from none.
    pub fn tenant(&self, tenants: &Tenants, name: &str) -> Result<Arc<Tenant>, Problem> {
        let none = || Problem::no_such_tenant(name);
        let tenant: TenantId = name.parse().map_err(|_| none())?;
        if self.home != platform() && self.home != tenant {
            return Err(none());
        }
        tenants.get(&tenant).map_err(|_| none())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthenticated("there is no token"))
    }
}

/// The tenant that a request is about, and who asks.
#[derive(Clone)]
pub struct Here {
    /// It.
    pub tenant: Arc<Tenant>,
    /// Who asks.
    pub caller: Caller,
}

impl Here {
    /// What it has; what is done with it is the caller's deed.
    pub fn exporter(&self) -> Exporter {
        self.tenant.by(self.caller.actor())
    }

    /// What lets its events go, as the caller's deed.
    pub fn life(&self) -> Life {
        self.tenant.life().by(self.exporter().author)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Here {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Set by whoever lets requests through, for every address that names a tenant.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::no_such_tenant(""))
    }
}
