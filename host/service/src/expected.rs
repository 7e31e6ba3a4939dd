//! What whoever changes something expects to find there, so that nobody undoes what somebody else has done meanwhile.
//!
//! A thing that can be changed is *at* something: a text that is another after each change of it ([`of_policy`], [`of_target`], …). Whoever has seen it says by that text what
//! they decided about, and the change is made of exactly that: what was compared here is named again to the store, which compares it in the write itself. What a thing shows
//! beside it (when it is due, whether a run was asked for) may be another by then, and is compared by nobody.

use consign_model::access::Token;
use consign_model::identity::IdentityMap;
use consign_model::policy::PolicyVersion;
use consign_model::target::{KeptSecret, TargetVersion};
use consign_model::{Digest, ModuleKey, Quarantine, Quotas, TenantId};
use consign_store::StoreError;

use crate::modules::{Listed, Origin};

/// What a thing has to be, or not to be. Nothing is expected where neither is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// `If-Match`.
    pub is: Option<Which>,
    /// `If-None-Match`.
    pub is_not: Option<Which>,
}

/// Of which it is one, or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Any that is there.
    Any,
    /// One that is at one of these.
    At(Vec<String>),
}

impl Which {
    fn has(&self, now: Option<&str>) -> bool {
        match (self, now) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::At(these), Some(now)) => these.iter().any(|one| one == now),
        }
    }
}

/// It is another by now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not what you expect it to be: nothing was changed")]
pub struct NotAsExpected(pub String);

impl Expected {
    /// Whether anything is expected.
    pub fn is_something(&self) -> bool {
        self.is.is_some() || self.is_not.is_some()
    }

    /// Whether whatever would be made has to be new, or stay what it was: so a change that changes nothing is compared too.
    pub fn is_about_all(&self) -> bool {
        !matches!(self, Self { is: Some(Which::At(_)), is_not: None })
    }

    /// Refused where it is not so. `now`: what it is at; unset: it is not there.
    pub fn must_hold(&self, what: &str, now: Option<&str>) -> Result<(), NotAsExpected> {
        let holds = self.is.as_ref().is_none_or(|which| which.has(now)) && !self.is_not.as_ref().is_some_and(|which| which.has(now));
        if holds { Ok(()) } else { Err(NotAsExpected(what.to_owned())) }
    }

    /// What the store's refusal means: where something was expected, and held when it was looked at, it is another since.
    pub fn refused(&self, what: &str, error: StoreError) -> Result<NotAsExpected, StoreError> {
        match error {
            StoreError::Conflict { .. } if self.is_something() => Ok(NotAsExpected(what.to_owned())),
            other => Err(other),
        }
    }
}

/// What a policy is at.
pub fn of_policy(policy: &PolicyVersion) -> String {
    format!("policy:{}:{}", policy.spec.name, policy.version)
}

/// What a target is at.
pub fn of_target(target: &TargetVersion) -> String {
    format!("target:{}:{}", target.spec.name, target.version)
}

/// What a secret is at. Tells nothing of its text.
pub fn of_secret(secret: &KeptSecret) -> String {
    format!("secret:{}:{}", secret.name, secret.mark().short())
}

/// What a token is at: all that changes is that it is taken back.
pub fn of_token(token: &Token) -> String {
    format!("token:{}:{}", token.id, if token.revoked_at.is_some() { "revoked" } else { "made" })
}

/// What a module is at: its bytes are what they are, and it may be signed later.
pub fn of_module(module: &Listed) -> String {
    let signed_by = match &module.origin {
        Origin::Standard => "standard",
        Origin::Pushed { signed_by, .. } => signed_by.as_ref().map_or("nobody", |key| key.name.as_str()),
    };
    format!("module:{}:{signed_by}", module.digest.hex())
}

/// What a key for modules is at.
pub fn of_module_key(key: &ModuleKey) -> String {
    format!("module-key:{}:{}", key.name, key.mark().short())
}

/// What a tenant's identity map is at; also where there is none, for whoever has seen that.
pub fn of_identities(map: Option<&IdentityMap>) -> String {
    map.map_or_else(|| "identities:0".to_owned(), |map| format!("identities:{}:{}", map.version, map.digest.short()))
}

/// What a tenant's quotas are at; also where nothing was ever said.
pub fn of_quotas(tenant: &TenantId, quotas: &Quotas) -> String {
    format!("quotas:{tenant}:{}", quotas.version)
}

/// What all quarantines of a policy together are at.
pub fn of_quarantines(policy: &PolicyVersion, all: &[Quarantine]) -> String {
    let together: Vec<u8> = all.iter().flat_map(|one| one.digest.0.into_iter().chain(one.since.0.to_be_bytes())).collect();
    format!("quarantines:{}:{}", policy.spec.name, Digest::of(&together).short())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_is_expected_is_compared() {
        let at = |text: &str| Some(Which::At(vec!["other:1".to_owned(), text.to_owned()]));
        let holds = |expected: &Expected, now: Option<&str>| expected.must_hold("it", now).is_ok();
        for now in [None, Some("a:1")] {
            assert!(holds(&Expected::default(), now));
            assert_eq!(holds(&Expected { is: at("a:1"), is_not: None }, now), now.is_some());
            assert!(!holds(&Expected { is: at("a:2"), is_not: None }, now));
            assert_eq!(holds(&Expected { is: Some(Which::Any), is_not: None }, now), now.is_some());
            assert_eq!(holds(&Expected { is: None, is_not: Some(Which::Any) }, now), now.is_none());
            assert_eq!(holds(&Expected { is: None, is_not: at("a:1") }, now), now.is_none());
            assert!(!holds(&Expected { is: Some(Which::Any), is_not: Some(Which::Any) }, now));
        }
        let conflict = || StoreError::Conflict { what: "the policy p".into() };
        assert_eq!(Expected { is: at("a:1"), is_not: None }.refused("it", conflict()).unwrap(), NotAsExpected("it".to_owned()));
        assert!(matches!(Expected::default().refused("it", conflict()), Err(StoreError::Conflict { .. })));
    }
}
