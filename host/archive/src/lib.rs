//! Conversation files at rest: segments, attachments, encryption, object store.
//!
//! What stands here opens without Consign: `age -d` and any Arrow reader. Two halves, by what they know: an [`ArchiveWriter`] has the tenant's public
//! key only, so a node that only ingests can't read; an [`Archive`] has the private key too, unwrapped with the operator's [`MasterKey`].
//! No other room sees a key of conversation files.
//!
//! Absences that others rely on: nothing here moves or changes a stored segment or attachment (but one that was cut short is written anew when the
//! same attachment comes again), and nothing but `delete` deletes one; nothing of a file is handed out before all of it
//! was decrypted, its end seen and its digest checked; no key and no text of a message stands in an error.
//!
//! Every path is relative to the tenant's folder of the object store, so that no path, whoever made it up, leads to another tenant's files.

mod attachment;
mod decoded;
mod delete;
mod error;
mod master;
mod open;
mod place;
mod reader;
mod seal;
mod segment;
mod size;
mod tenant;
mod uses;
mod writer;

pub use attachment::AttachmentUpload;
pub use delete::{Unnamed, attachment_at, attachment_path, delete_all_of};
pub use error::{ArchiveError, KeyError, StoreError};
pub use master::MasterKey;
pub use open::{ObjectStore, holds_files, open_store, sweep};
pub use reader::Archive;
pub use seal::Sealer;
pub use segment::{Arrivals, FORMAT_VERSION, Segment, SegmentError, decode_arrivals, decode_segment, encode_arrivals, encode_segment};
pub use tenant::{NewKeys, age_identities, generate_tenant_keys, verify_signature};
pub use uses::Use;
pub use writer::{ArchiveWriter, StoredSegment};
