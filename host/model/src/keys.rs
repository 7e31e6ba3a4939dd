//! A tenant's keys as the store keeps them. Only the archive room can open the private one.

use serde::{Deserialize, Serialize};

use crate::{Digest, Name, Timestamp};

/// The tenant's age recipient and its wrapped private keys. The store treats them as opaque.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantKeys {
    /// The age X25519 recipient (`age1…`): all that ingest needs.
    pub recipient: String,
    /// The age identity (`AGE-SECRET-KEY-1…`), sealed under the master key: base64 of nonce and AES-256-GCM ciphertext.
    pub sealed_identity: String,
    /// The Ed25519 key that signs manifests, in PKCS#8, sealed alike.
    pub sealed_signing_key: String,
    /// The Ed25519 public key, base64: all that `consign verify` needs.
    pub signing_public_key: String,
    /// A check value by which a wrong master key is told from damaged data, without opening anything.
    pub master_key_check: String,
}

/// A key by which a tenant's modules are signed: of the tenant's own developers, or of a house that it trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleKey {
    /// Its name, given by the tenant.
    pub name: Name,
    /// The key.
    pub key: PublicKey,
    /// When it was added.
    pub added_at: Timestamp,
}

impl ModuleKey {
    /// Of the key that lies under its name.
    pub fn mark(&self) -> Digest {
        let (PublicKey::Minisign(key) | PublicKey::Ed25519(key)) = &self.key;
        Digest::of(key.as_bytes())
    }
}

/// A public key for signatures of modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "key", rename_all = "lowercase")]
pub enum PublicKey {
    /// As minisign writes it, in base64: with its id, by which a signature names it.
    Minisign(String),
    /// The 32 bytes of an Ed25519 key (RFC 8032), in base64.
    Ed25519(String),
}

impl PublicKey {
    /// The key in base64.
    pub fn text(&self) -> &str {
        let (Self::Minisign(text) | Self::Ed25519(text)) = self;
        text
    }
}
