//! Why a group could not be composed, in words for the person who finds the window held. Event ids, sizes and the names of headers may stand
//! in these texts; what people wrote, what modules said and file names may not.

use consign_model::Digest;
use consign_model::target::ByteSize;

/// A group that cannot be composed as it stands. Its window is held with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// One event's text alone is too large for an e-mail. It is never cut.
    #[error(
        "the event {event} alone makes an e-mail of {needed} bytes, and the target's max-size is {max}: raise max-size, if the archive takes it, and retry the held window"
    )]
    EventTooLarge {
        /// The event's own id.
        event: String,
        /// Bytes that an e-mail with this event and no attachment would have, about.
        needed: u64,
        /// The target's limit.
        max: ByteSize,
    },
    /// Attachments that the policy exports are too large for an e-mail. None is left out by itself.
    #[error(
        "{count} attachments are too large for one e-mail of at most {max}, the largest has {largest} bytes (in an e-mail a file takes a good third more): raise the target's max-size, if the archive takes it, or leave such files out by the policy's attachments = {{ max = \"…\" }} or {{ too-large = \"placeholder\" }}; then run `consign held retry --current`"
    )]
    AttachmentsTooLarge {
        /// How many.
        count: u64,
        /// Bytes of the largest.
        largest: u64,
        /// The target's limit.
        max: ByteSize,
    },
    /// A file of an encrypted chat is too large for an e-mail.
    #[error(
        "the encrypted file {digest} has {size} bytes, too many for one e-mail of at most {max}: raise the target's max-size, if the archive takes it, and retry the held window"
    )]
    FileTooLarge {
        /// SHA-256 of the file.
        digest: Digest,
        /// Its bytes.
        size: u64,
        /// The target's limit.
        max: ByteSize,
    },
    /// Not even the headers and the heading fit.
    #[error(
        "headers and heading alone need {needed} bytes, and the target's max-size is {max}: raise max-size or shorten the target's header templates"
    )]
    NoRoom {
        /// Bytes.
        needed: u64,
        /// The target's limit.
        max: ByteSize,
    },
    /// A template failed on this chat.
    #[error("the template of the header {header} failed: {reason}; mend it in the target and run `consign held retry --current`")]
    Template {
        /// The header, `Subject` among them.
        header: String,
        /// What the template engine says, without values.
        reason: String,
    },
    /// The target's addresses are no addresses (a target that was applied has been checked).
    #[error("{field} of the target is not an e-mail address: {reason}")]
    Address {
        /// `from` or `to`.
        field: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The target's profile needs a key that the target does not have (a target that was applied has been checked).
    #[error("the target's profile needs {key}: write it into the target, apply it and run `consign held retry --current`")]
    Profile {
        /// Its name in a policy file.
        key: &'static str,
    },
    /// The caller had no bytes for an attachment that the archive has.
    #[error("the bytes of the attachment {digest} of event {event} could not be read: see to the archive and retry the held window")]
    AttachmentUnread {
        /// SHA-256 that the archive knows it by.
        digest: Digest,
        /// The event's own id, or `-` for a file of an encrypted chat.
        event: String,
    },
    /// An attachment has another size than the archive says: composing would break its promise about the e-mail's size.
    #[error(
        "the attachment {digest} of event {event} has {found} bytes where the archive says {expected}: verify the archive, then retry the held window"
    )]
    AttachmentSize {
        /// SHA-256 that the archive knows it by.
        digest: Digest,
        /// The event's own id, or `-` for a file of an encrypted chat.
        event: String,
        /// By the index.
        expected: u64,
        /// In truth.
        found: u64,
    },
    /// A part that the plan does not have, or a plan of another group. A fault of this program.
    #[error(
        "part {part} of a plan with {parts} parts was asked for, or the plan belongs to another group: this is a fault in Consign, please report it"
    )]
    WrongPlan {
        /// Which part was asked for, counted from 1.
        part: u32,
        /// How many there are.
        parts: u32,
    },
    /// The finished e-mail is larger than planned. A fault of this program; nothing was sent.
    #[error("part {part} came out with {size} bytes and the target's max-size is {max}: this is a fault in Consign, please report it")]
    Oversize {
        /// Which part, counted from 1.
        part: u32,
        /// Its bytes.
        size: u64,
        /// The target's limit.
        max: ByteSize,
    },
}
