//! A tenant's keys as the store keeps them. Only the archive room can open the private one.

use serde::{Deserialize, Serialize};

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
