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
    /// Those that these took the place of, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierKeys>,
}

/// Keys of a tenant that others took the place of. What was encrypted for them opens as before, and what they have signed holds; nothing more is signed: the private half of the signing key
/// stands in no record any more (until the database is written anew, its files may still have the earlier one, sealed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierKeys {
    /// The public halves.
    #[serde(flatten)]
    pub public: EarlierPublicKeys,
    /// The age identity, sealed under the master key.
    pub sealed_identity: String,
}

/// What anybody may know of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierPublicKeys {
    /// The age recipient.
    pub recipient: String,
    /// The Ed25519 public key, base64.
    pub signing_key: String,
    /// Until when they were in use.
    pub until: Timestamp,
}

impl TenantKeys {
    /// The keys that have signed for the tenant, oldest first: the last is the one that signs now.
    pub fn signing_keys(&self) -> Vec<String> {
        let earlier = self.earlier.iter().map(|keys| &keys.public.signing_key);
        earlier.chain([&self.signing_public_key]).cloned().collect()
    }

    /// The recipient of the tenant's first keys, by which what is sealed for it in the store stays the same tenant's whatever its keys are.
    pub fn first_recipient(&self) -> &str {
        self.earlier.first().map_or(&self.recipient, |keys| &keys.public.recipient)
    }

    /// Whether these may take the place of others: they have them as the last of those before.
    pub fn follow(&self, others: &Self) -> bool {
        let Some((last, before)) = self.earlier.split_last() else { return false };
        before == others.earlier
            && last.public.recipient == others.recipient
            && last.public.signing_key == others.signing_public_key
            && last.sealed_identity == others.sealed_identity
    }
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
