//! A segment: one chat's events, one after another by position, as an Arrow IPC file with zstd-compressed columns.
//!
//! Arrow because it is columns on disk as in memory (decoding copies two buffers a text column, not a string an event) and because every data tool
//! reads it. One record batch a file; words instead of numbers where a reader would have to look them up; the chat and its first position in the
//! schema's metadata, so that a file says by itself what it is. Parquet was not taken: it decodes about ten times slower and saves little at this size.
//!
//! | column | type | |
//! |---|---|---|
//! | `kind` | dictionary of utf8 | `message`, `edit`, `delete`, `join`, `leave`, `reaction`, `other` |
//! | `at` | timestamp, ms, UTC | |
//! | `id` | utf8 | the platform's |
//! | `user` | dictionary of utf8, nullable | the platform's id |
//! | `text` | utf8 | |
//! | `thread`, `target`, `sender_name`, `previous`, `original` | utf8, nullable | null and empty are the same |
//! | `flags` | uint8 | bits as in the field's metadata |
//! | `attachments` | list of struct | `name`, `media_type`, `size`, `sha256`, `url`; the last three nullable |

//!
//! What arrives for many chats at once, little of each, is one *arrival file* instead: the same columns behind three that say whose event a row is, each chat's rows
//! together and by position. Then no chat costs a key agreement, a compressor and a flush of its own. It is the tenant's, and never handed out as it is.
//!
//! | column | type | |
//! |---|---|---|
//! | `source`, `chat` | dictionary of utf8 | the source's name, the platform's id |
//! | `position` | uint64 | in the chat, counted from 0 by arrival |

mod arrivals;
mod decode;
mod encode;

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, TimeUnit};
use consign_model::{ChatKey, EventBatch};

pub use arrivals::Arrivals;
pub use decode::{decode_arrivals, decode_segment};
pub use encode::{encode_arrivals, encode_segment};
pub(crate) use encode::{record_batch, write_file};

/// The version in each file. Any change of columns, types or words (a new event kind, too) is a new version: older releases then say so instead of
/// reading what they don't understand.
pub const FORMAT_VERSION: &str = "1";

const META_FORMAT: &str = "consign.format";
const META_SOURCE: &str = "consign.source";
const META_CHAT: &str = "consign.chat";
/// Of a file that is not one chat's: what it is.
const META_KIND: &str = "consign.kind";
const ARRIVALS: &str = "arrivals";
const META_FIRST: &str = "consign.first_position";
const FLAG_BITS: &str = "1 edited, 2 deleted, 4 reply, 8 from a bot, 16 has attachments, 64 reaction taken back";

/// What writing takes. Far over what ingest makes of it (some MiB); it keeps reading's limit from ever refusing what writing took.
/// Does not limit attachments' bytes, which lie elsewhere.
const MAX_WRITTEN: usize = 256 * 1024 * 1024;

/// What decoding takes, decompressed: a small file may say that it unpacks to anything.
const MAX_DECODED: u64 = 1024 * 1024 * 1024;

/// A segment, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Whose events.
    pub chat: ChatKey,
    /// They.
    pub batch: EventBatch,
}

/// Why a segment could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The batch can't be stored: columns of different length, a sender out of range, too large.
    #[error("{0}")]
    Refused(String),
    /// The file is no segment, or not what was written.
    #[error("{0}")]
    Damaged(String),
    /// The file is of another format version.
    #[error("format '{0}' is not known")]
    UnknownFormat(String),
}

fn kind_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
}

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

fn attachment_fields() -> Fields {
    Fields::from(vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("media_type", DataType::Utf8, false),
        Field::new("size", DataType::UInt64, true),
        Field::new("sha256", DataType::Utf8, true),
        Field::new("url", DataType::Utf8, true),
    ])
}

fn attachment_item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::Struct(attachment_fields()), false))
}

fn word_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The columns of an arrival file, in the order in which they are written and read.
fn arrival_fields() -> Vec<Field> {
    let leading = [Field::new("source", word_type(), false), Field::new("chat", word_type(), false), Field::new("position", DataType::UInt64, false)];
    leading.into_iter().chain(fields()).collect()
}

/// The columns of a segment, in the order in which they are written and read.
fn fields() -> Vec<Field> {
    vec![
        Field::new("kind", kind_type(), false),
        Field::new("at", time_type(), false),
        Field::new("id", DataType::Utf8, false),
        Field::new("user", word_type(), true),
        Field::new("text", DataType::Utf8, false),
        Field::new("thread", DataType::Utf8, true),
        Field::new("target", DataType::Utf8, true),
        Field::new("sender_name", DataType::Utf8, true),
        Field::new("previous", DataType::Utf8, true),
        Field::new("original", DataType::Utf8, true),
        Field::new("flags", DataType::UInt8, false).with_metadata([("bits".to_owned(), FLAG_BITS.to_owned())]),
        Field::new("attachments", DataType::List(attachment_item()), false),
    ]
}
