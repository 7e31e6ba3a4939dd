//! Who asks over the network, and which tenant is theirs: the same for programs, which show a token, and for people, whose session stands for one.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use consign_export::Exporter;
use consign_life::Life;
use consign_model::access::{Permission, Role, Standing, Token, platform};
use consign_model::audit::{Actor, Author};
use consign_model::{TenantId, Timestamp};

use crate::problem::Problem;
use crate::tenants::{Tenant, Tenants};

/// Who asks.
#[derive(Clone)]
pub struct Caller {
    /// What they have shown, or signed in with.
    pub token: Token,
    /// Whose it is.
    pub home: TenantId,
}

impl Caller {
    /// Who has this token; unset where it is worth nothing now.
    pub fn with(token: Token, home: TenantId) -> Option<Self> {
        match token.standing(Timestamp::now()) {
            // A role of the installation counts only where tokens of the installation lie, and no other counts there.
            Standing::Valid if token.role.is_of_the_platform() == (home == platform()) => Some(Self { token, home }),
            Standing::Valid | Standing::Expired | Standing::Revoked => None,
        }
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
        Actor::Token { token: self.token.id.clone(), named: self.token.name.clone(), role: self.token.role }
    }

    /// Whether they may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.token.role.may(permission)
    }

    /// Refused where they may not.
    pub fn must(&self, permission: Permission) -> Result<(), Problem> {
        if self.may(permission) { Ok(()) } else { Err(Problem::forbidden(permission.word(), self.role().word())) }
    }

    /// Their role.
    pub fn role(&self) -> Role {
        self.token.role
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
