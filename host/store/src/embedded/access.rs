//! Which tenants there are, tokens, sessions, and secrets.
//!
//! A token lies under its tenant and id, as everything of a tenant does; beside it a place by its hash, which is all that who shows one brings along.

use std::ops::Bound;

use consign_model::access::{Session, SignedInBy, Standing, Token, TokenKind};
use consign_model::audit::{Author, Deed};
use consign_model::target::KeptSecret;
use consign_model::{Digest, Name, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use crate::{Result, Seen, StoreError};

/// Where a token lies.
#[derive(Serialize, Deserialize)]
struct Place {
    tenant: TenantId,
    id: Name,
}

fn token_key(tenant: &TenantId, id: &Name) -> Key {
    Key::of(Class::Token, tenant).name(id)
}

fn secret_key(tenant: &TenantId, name: &Name) -> Key {
    Key::of(Class::Secret, tenant).name(name)
}

pub(super) fn hash_key(hash: &Digest) -> Key {
    Key::global(Class::TokenHash).fixed(&hash.0)
}

fn session_key(tenant: &TenantId, hash: &Digest) -> Key {
    Key::of(Class::Session, tenant).fixed(&hash.0)
}

fn must_be_seen(seen: Seen, now: Option<&KeptSecret>, name: &Name) -> Result<()> {
    if seen.is(now.map(KeptSecret::mark)) { Ok(()) } else { Err(StoreError::Conflict { what: format!("the secret {name}") }) }
}

impl Embedded {
    pub(super) fn list_tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let all = Key::global(Class::Tenant);
        let from = after.map(|tenant| Key::of(Class::Tenant, tenant));
        let from = from.as_ref().map_or(Bound::Included(all.bytes()), |key| Bound::Excluded(key.bytes()));
        let records = self.core.raw_range(from, &all, limit)?;
        records.iter().map(|(key, _)| Parts::after(&all, key).name().ok_or_else(|| self.core.flawed(key, Flaw::Shape))).collect()
    }

    pub(super) async fn put_token(&self, tenant: &TenantId, token: &Token, by: &Author) -> Result<()> {
        let (key, place, tenant_of, token) = (token_key(tenant, &token.id), hash_key(&token.hash), tenant.clone(), token.clone());
        self.write_audited(tenant, by, move |changes| {
            if changes.has(&key)? || changes.has(&place)? {
                return Err(StoreError::Conflict { what: format!("the token {}", token.id) });
            }
            changes.put(&key, &token)?;
            changes.put(&place, &Place { tenant: tenant_of, id: token.id.clone() })?;
            let Token { id: token, name: named, role, expires_at, kind, .. } = token;
            let deed = match kind {
                TokenKind::Bearer => Deed::TokenMade { token, named, role, expires_at },
                TokenKind::Link { .. } => Deed::LinkMade { token, named, role, expires_at },
            };
            Ok(((), Some(deed)))
        })
        .await
    }

    pub(super) fn all_tokens(&self, tenant: &TenantId) -> Result<Vec<Token>> {
        self.core.all(&Key::of(Class::Token, tenant))
    }

    pub(super) fn find_token(&self, hash: &Digest) -> Result<Option<(TenantId, Token)>> {
        let Some(Place { tenant, id }) = self.core.get(&hash_key(hash))? else { return Ok(None) };
        let key = token_key(&tenant, &id);
        let token: Token = self.core.get(&key)?.ok_or_else(|| self.core.flawed(key.bytes(), Flaw::Missing))?;
        // A place that leads to another token would lend somebody else's rights.
        if token.hash != *hash {
            return Err(self.core.flawed(key.bytes(), Flaw::Shape));
        }
        Ok(Some((tenant, token)))
    }

    pub(super) async fn end_token(&self, tenant: &TenantId, id: &Name, at: Timestamp, by: &Author) -> Result<Option<Token>> {
        let key = token_key(tenant, id);
        self.write_audited(tenant, by, move |changes| {
            let Some(known) = changes.get::<Token>(&key)? else { return Ok((None, None)) };
            if known.revoked_at.is_some() {
                return Ok((Some(known), None));
            }
            let ended = Token { revoked_at: Some(at), ..known };
            changes.put(&key, &ended)?;
            let deed = Deed::TokenRevoked { token: ended.id.clone(), named: ended.name.clone() };
            Ok((Some(ended), Some(deed)))
        })
        .await
    }

    pub(super) async fn put_session(&self, tenant: &TenantId, session: &Session, by: &Author) -> Result<()> {
        let (all, key, session) = (Key::of(Class::Session, tenant), session_key(tenant, &session.hash), session.clone());
        let of = tenant.clone();
        self.write_audited(tenant, by, move |changes| {
            let core = changes.core()?;
            for (place, record) in core.raw_range(Bound::Included(all.bytes()), &all, usize::MAX)? {
                let known: Session = core.value(&place, &record)?;
                if known.ends_at <= session.begun_at {
                    changes.delete(&place);
                }
            }
            let until = session.ends_at;
            changes.put(&key, &session)?;
            let SignedInBy::Token(id) = &session.by else { return Ok(((), Some(Deed::SignedIn { until }))) };
            let key = token_key(&of, id);
            match changes.get::<Token>(&key)? {
                // Looked at in the writing thread, so of two who use it at the same moment one does.
                Some(link @ Token { kind: TokenKind::Link { used_at }, .. }) => {
                    if used_at.is_some() || link.standing(session.begun_at) != Standing::Valid {
                        return Err(StoreError::Conflict { what: format!("the link {id}") });
                    }
                    changes.put(&key, &Token { kind: TokenKind::Link { used_at: Some(session.begun_at) }, expires_at: Some(until), ..link })?;
                    Ok(((), Some(Deed::LinkUsed { until })))
                }
                _ => Ok(((), Some(Deed::SignedIn { until }))),
            }
        })
        .await
    }

    pub(super) fn get_session(&self, tenant: &TenantId, hash: &Digest) -> Result<Option<Session>> {
        self.core.get(&session_key(tenant, hash))
    }

    pub(super) async fn delete_session(&self, tenant: &TenantId, hash: &Digest, by: &Author) -> Result<bool> {
        let key = session_key(tenant, hash);
        self.write_audited(tenant, by, move |changes| {
            if !changes.has(&key)? {
                return Ok((false, None));
            }
            changes.delete(key.bytes());
            Ok((true, Some(Deed::SignedOut)))
        })
        .await
    }

    pub(super) async fn put_secret(&self, tenant: &TenantId, secret: &KeptSecret, seen: Seen, by: &Author) -> Result<()> {
        let (key, secret) = (secret_key(tenant, &secret.name), secret.clone());
        self.write_audited(tenant, by, move |changes| {
            must_be_seen(seen, changes.get(&key)?.as_ref(), &secret.name)?;
            changes.put(&key, &secret)?;
            Ok(((), Some(Deed::SecretKept { secret: secret.name })))
        })
        .await
    }

    pub(super) fn get_secret(&self, tenant: &TenantId, name: &Name) -> Result<Option<KeptSecret>> {
        self.core.get(&secret_key(tenant, name))
    }

    pub(super) fn all_secrets(&self, tenant: &TenantId) -> Result<Vec<KeptSecret>> {
        self.core.all(&Key::of(Class::Secret, tenant))
    }

    pub(super) async fn delete_secret(&self, tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> Result<bool> {
        let (key, name) = (secret_key(tenant, name), name.clone());
        self.write_audited(tenant, by, move |changes| {
            let Some(known) = changes.get(&key)? else { return Ok((false, None)) };
            must_be_seen(seen, Some(&known), &name)?;
            changes.delete(key.bytes());
            Ok((true, Some(Deed::SecretRemoved { secret: name })))
        })
        .await
    }
}
