//! Tenants that are removed: what stays of one when everything that it had is destroyed.
//!
//! Its conversation files open by one key alone, which lies in the store, sealed under the master key. So what ends a tenant is one write that takes this key out; all that comes after it
//! (files, records, and what the database still holds of records that are gone) only tidies up behind it, and is begun anew by whoever finds it undone. What stays is this: by it
//! somebody can say in years what there was, when it ended and why, which copies elsewhere it concerns, and that the name is never given again.

use serde::{Deserialize, Serialize};

use crate::audit::{Actor, Head};
use crate::{Digest, EarlierPublicKeys, TenantId, Timestamp};

/// What a tenant had in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Holdings {
    /// Chats.
    pub chats: u64,
    /// Events, with those of which only the places were left.
    pub events: u64,
    /// Of these, so many that a policy had not done with: they were exported nowhere, or not everywhere.
    pub owed: u64,
}

/// By which copies of a tenant's private keys are found, sealed as they were: the random bytes (nonces) with which these begin, in hexadecimal digits. They open nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traces {
    /// Of the key that opened its files, and of the one that signed.
    pub nonces: Vec<String>,
    /// How many copies lay in the store's files before: what is found nowhere could be found.
    pub copies_before: u64,
}

/// That no copy of the keys was found any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When they were looked for.
    pub at: Timestamp,
    /// Files of the store that were read to their ends.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many copies lay there before.
    pub copies_before: u64,
}

/// A tenant that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedTenant {
    /// Its name, which no other gets.
    pub tenant: TenantId,
    /// When its key went.
    pub at: Timestamp,
    /// Who asked for it.
    pub by: Actor,
    /// Why.
    pub reason: String,
    /// What its files were encrypted for: by this a copy elsewhere is known to be one that opens no more.
    pub recipient: String,
    /// By which its manifests and its audit log, of which it may have copies, are checked.
    pub signing_public_key: String,
    /// The keys before those, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_keys: Vec<EarlierPublicKeys>,
    /// The last entry of its audit log.
    pub last_entry: Option<Head>,
    /// What it had.
    pub had: Holdings,
    /// Its modules, whose files go where no other tenant has the same.
    pub modules: Vec<Digest>,
    /// By which its keys are looked for.
    pub traces: Traces,
    /// When its files were deleted; unset: they are still to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_gone: Option<Timestamp>,
    /// When the database was written anew without its records, and so without what it still held of older ones; unset: the next opening of the store does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records_gone: Option<Timestamp>,
    /// That the key was found nowhere afterwards; unset: it was not looked for yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

impl RemovedTenant {
    /// Whether nothing is left to do.
    pub fn is_over(&self) -> bool {
        self.files_gone.is_some() && self.records_gone.is_some() && self.proof.is_some()
    }
}
