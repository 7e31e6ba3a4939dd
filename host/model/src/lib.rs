//! Plain types that every room speaks: tenant, user, chat, event, policy, run, window, delivery.
//!
//! This room does no input or output and knows no other room, so each of the others can be read, tested and replaced knowing only what stands here.
//! What several rooms must agree on (which membership covers a time, when two events are the same) is a function here, once.

pub mod access;
pub mod alert;
pub mod audit;
pub mod backoff;
pub mod batch;
pub mod canonical;
pub mod chat;
pub mod delivery;
pub mod event;
pub mod extent;
pub mod fault;
pub mod figure;
pub mod id;
pub mod identity;
pub mod keeping;
pub mod keys;
pub mod manifest;
pub mod module;
pub mod policy;
pub mod proposal;
pub mod quarantine;
pub mod quota;
pub mod removal;
pub mod request;
pub mod run;
pub mod schedule;
pub mod shadow;
pub mod source;
pub mod target;
pub mod time;
pub mod user;
pub mod wanted;
pub mod window;

pub use alert::{Alert, AlertKind};
pub use audit::Author;
pub use backoff::{Backoff, Span};
pub use batch::{EventBatch, TextColumn};
pub use chat::{Chat, ChatKey, ChatKind, Member, Membership, Move, MoveKind};
pub use delivery::{Delivery, DeliveryKey, Obstacle, Outcome, RecipientOutcome, Reply};
pub use event::{Attachment, Event, EventHash, EventIdentity, EventKind, Flags};
pub use extent::{Extent, Rows};
pub use id::{Digest, InvalidName, Name, RunId, TenantId};
pub use keeping::{Gone, Hold, Keeping};
pub use keys::{EarlierKeys, EarlierPublicKeys, ModuleKey, PublicKey, TenantKeys};
pub use policy::PolicySpec;
pub use quarantine::Quarantine;
pub use quota::Quotas;
pub use removal::RemovedTenant;
pub use run::{Run, RunState, RunSummary};
pub use target::TargetSpec;
pub use time::Timestamp;
pub use user::{FormerName, User};
pub use wanted::{Reason, WantedFile, WantedKey, WantedKind, WantedState};
pub use window::{HeldReason, Window, WindowKey, WindowState};
