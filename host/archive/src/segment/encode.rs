//! From a batch to a file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Int8Array, Int32Array, ListArray, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampMillisecondArray, UInt8Array, UInt64Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_schema::{ArrowError, Schema};
use consign_model::batch::NO_SENDER;
use consign_model::{ChatKey, EventBatch, EventKind, TextColumn};

use super::{
    ARRIVALS, FORMAT_VERSION, MAX_WRITTEN, META_CHAT, META_FIRST, META_FORMAT, META_KIND, META_SOURCE, SegmentError, arrival_fields,
    attachment_fields, attachment_item, fields,
};

/// Of buffers, in bytes: the least that the format allows. Most chats have a few events, and padding to 64 would be most of their files.
const ALIGNMENT: usize = 8;

/// The Arrow file of a batch, not encrypted. For callers with threads of their own; [`crate::ArchiveWriter::put_segment`] does all of it.
pub fn encode_segment(chat: &ChatKey, batch: &EventBatch) -> Result<Vec<u8>, SegmentError> {
    write_file(&record_batch(chat, batch)?)
}

/// The Arrow file of some chats' batches, not encrypted, with the row at which each begins. For callers with threads of their own;
/// [`crate::ArchiveWriter::put_arrivals`] does all of it.
pub fn encode_arrivals(pieces: &[(ChatKey, EventBatch)]) -> Result<(Vec<u8>, Vec<u32>), SegmentError> {
    let chats: HashSet<&ChatKey> = pieces.iter().map(|(chat, _)| chat).collect();
    if chats.len() < pieces.len() {
        return Err(SegmentError::Refused("a chat has two pieces in one arrival file".to_owned()));
    }
    let all = EventBatch::concat(pieces.iter().map(|(_, batch)| batch));
    let rows = all.len();
    let mut leading = Leading::default();
    let mut begins = Vec::with_capacity(pieces.len());
    for (chat, batch) in pieces {
        begins.push(u32::try_from(leading.positions.len()).map_err(|_| too_large(rows))?);
        let end = batch.first.checked_add(batch.len() as u64).ok_or_else(|| SegmentError::Refused("positions go beyond 2^64".to_owned()))?;
        leading.add(chat, batch.first..end)?;
    }
    if leading.positions.len() != rows {
        return Err(lengths());
    }
    let mut columns = leading.columns()?;
    columns.extend(event_columns(&all)?);
    let metadata = [(META_FORMAT.to_owned(), FORMAT_VERSION.to_owned()), (META_KIND.to_owned(), ARRIVALS.to_owned())];
    let schema = Schema::new_with_metadata(arrival_fields(), metadata);
    Ok((write_file(&assembled(schema, columns, rows)?)?, begins))
}

/// The columns that say whose event a row is.
#[derive(Default)]
struct Leading {
    sources: Words,
    chats: Words,
    positions: Vec<u64>,
}

/// Words that come again and again.
#[derive(Default)]
struct Words {
    keys: Vec<i32>,
    each: Vec<String>,
    known: HashMap<String, i32>,
}

impl Words {
    fn add(&mut self, word: &str, times: usize) -> Result<(), SegmentError> {
        let key = if let Some(key) = self.known.get(word) {
            *key
        } else {
            let key = i32::try_from(self.each.len()).map_err(|_| too_large(self.keys.len()))?;
            self.each.push(word.to_owned());
            self.known.insert(word.to_owned(), key);
            key
        };
        self.keys.extend(std::iter::repeat_n(key, times));
        Ok(())
    }

    fn column(self) -> Result<ArrayRef, SegmentError> {
        let words = Arc::new(StringArray::from_iter_values(self.each));
        let column = DictionaryArray::<Int32Type>::try_new(Int32Array::from(self.keys), words).map_err(|error| refused(&error))?;
        Ok(Arc::new(column))
    }
}

impl Leading {
    fn add(&mut self, chat: &ChatKey, positions: std::ops::Range<u64>) -> Result<(), SegmentError> {
        let count = usize::try_from(positions.end - positions.start).unwrap_or(usize::MAX);
        self.sources.add(chat.source.as_str(), count)?;
        self.chats.add(&chat.id, count)?;
        self.positions.extend(positions);
        Ok(())
    }

    fn columns(self) -> Result<Vec<ArrayRef>, SegmentError> {
        Ok(vec![self.sources.column()?, self.chats.column()?, Arc::new(UInt64Array::from(self.positions))])
    }
}

/// Copies the batch's columns into Arrow's, and checks them against each other. Some microseconds a thousand events.
pub(crate) fn record_batch(chat: &ChatKey, batch: &EventBatch) -> Result<RecordBatch, SegmentError> {
    let metadata = [
        (META_FORMAT.to_owned(), FORMAT_VERSION.to_owned()),
        (META_SOURCE.to_owned(), chat.source.to_string()),
        (META_CHAT.to_owned(), chat.id.clone()),
        (META_FIRST.to_owned(), batch.first.to_string()),
    ];
    assembled(Schema::new_with_metadata(fields(), metadata), event_columns(batch)?, batch.len())
}

fn assembled(schema: Schema, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, SegmentError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options).map_err(|error| refused(&error))
}

/// The columns of [`fields`], in their order.
fn event_columns(batch: &EventBatch) -> Result<Vec<ArrayRef>, SegmentError> {
    let rows = batch.len();
    let attachments: usize =
        batch.attachments.iter().map(|(_, a)| a.name.len() + a.media_type.len() + a.url.as_ref().map_or(0, String::len) + 96).sum();
    let users: usize = batch.users.iter().map(|user| user.len() + 4).sum();
    if batch.text_bytes().saturating_add(attachments).saturating_add(users) > MAX_WRITTEN {
        return Err(too_large(rows));
    }
    if [batch.times.len(), batch.senders.len(), batch.flags.len()] != [rows; 3] {
        return Err(lengths());
    }
    Ok(vec![
        Arc::new(kinds(&batch.kinds)?),
        Arc::new(TimestampMillisecondArray::from(batch.times.clone()).with_timezone("UTC")),
        Arc::new(texts(&batch.ids, rows, Empty::IsText)?),
        Arc::new(senders(&batch.senders, &batch.users)?),
        Arc::new(texts(&batch.texts, rows, Empty::IsText)?),
        Arc::new(texts(&batch.threads, rows, Empty::IsNull)?),
        Arc::new(texts(&batch.targets, rows, Empty::IsNull)?),
        Arc::new(texts(&batch.sender_names, rows, Empty::IsNull)?),
        Arc::new(texts(&batch.previous, rows, Empty::IsNull)?),
        Arc::new(texts(&batch.originals, rows, Empty::IsNull)?),
        Arc::new(UInt8Array::from(batch.flags.clone())),
        Arc::new(attachment_lists(batch)?),
    ])
}

/// Compresses: about 300 MB of text a second.
pub(crate) fn write_file(columns: &RecordBatch) -> Result<Vec<u8>, SegmentError> {
    let written = || -> Result<Vec<u8>, ArrowError> {
        let options = IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5)?.try_with_compression(Some(CompressionType::ZSTD))?;
        let mut writer = FileWriter::try_new_with_options(Vec::new(), columns.schema_ref(), options)?;
        writer.write(columns)?;
        writer.finish()?;
        writer.into_inner()
    };
    written().map_err(|error| refused(&error))
}

fn too_large(events: usize) -> SegmentError {
    SegmentError::Refused(format!("these {events} events are over 256 MiB together: store them as several segments"))
}

fn lengths() -> SegmentError {
    SegmentError::Refused("the batch's columns have different lengths".to_owned())
}

/// Arrow's errors name columns, types and numbers, never a text.
fn refused(error: &ArrowError) -> SegmentError {
    SegmentError::Refused(format!("the batch breaks its own rules: {error}"))
}

fn kinds(kinds: &[u8]) -> Result<DictionaryArray<Int8Type>, SegmentError> {
    let known = |kind: &u8| EventKind::from_number(*kind).and_then(|kind| i8::try_from(kind as u8).ok());
    let keys: Option<Vec<i8>> = kinds.iter().map(known).collect();
    let keys = keys.ok_or_else(|| SegmentError::Refused("an event has a kind that is none".to_owned()))?;
    let words = StringArray::from_iter_values(EventKind::ALL.iter().map(|kind| kind.word()));
    DictionaryArray::try_new(Int8Array::from(keys), Arc::new(words)).map_err(|error| refused(&error))
}

fn senders(senders: &[u32], users: &[String]) -> Result<DictionaryArray<Int32Type>, SegmentError> {
    let out_of_range = || SegmentError::Refused("an event has a sender that is not in the batch".to_owned());
    let key = |sender: &u32| match *sender {
        NO_SENDER => Ok(None),
        sender => i32::try_from(sender).map(Some).map_err(|_| out_of_range()),
    };
    let keys = senders.iter().map(key).collect::<Result<Int32Array, SegmentError>>()?;
    // The only rule that the keys can break here is their range.
    DictionaryArray::try_new(keys, Arc::new(StringArray::from_iter_values(users))).map_err(|_| out_of_range())
}

/// What an empty text stands for.
#[derive(Clone, Copy)]
enum Empty {
    IsText,
    IsNull,
}

/// Two buffers, copied; UTF-8 is checked on the way.
fn texts(column: &TextColumn, rows: usize, empty: Empty) -> Result<StringArray, SegmentError> {
    let broken = || SegmentError::Refused("a text column's ends don't fit its bytes".to_owned());
    if column.len() != rows {
        return Err(lengths());
    }
    let mut offsets = Vec::with_capacity(rows + 1);
    let mut before = 0;
    offsets.push(before);
    for end in &column.ends {
        let end = i32::try_from(*end).map_err(|_| broken())?;
        if end < before {
            return Err(broken());
        }
        offsets.push(end);
        before = end;
    }
    let bytes = usize::try_from(before).ok().and_then(|end| column.bytes.get(..end)).ok_or_else(broken)?;
    let nulls = match empty {
        Empty::IsText => None,
        Empty::IsNull => {
            let filled = |row: usize| offsets.get(row) != offsets.get(row + 1);
            Some(NullBuffer::new(BooleanBuffer::collect_bool(rows, filled)))
        }
    };
    // `offsets` is not empty, not negative and never falls: what `OffsetBuffer::new` asks for.
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    StringArray::try_new(offsets, Buffer::from(bytes), nulls).map_err(|_| SegmentError::Refused("a text is not UTF-8".to_owned()))
}

fn attachment_lists(batch: &EventBatch) -> Result<ListArray, SegmentError> {
    let all = &batch.attachments;
    if !all.is_sorted_by_key(|(row, _)| *row) || all.last().is_some_and(|(row, _)| *row as usize >= batch.len()) {
        return Err(SegmentError::Refused("the batch's attachments are not sorted by event, or belong to none".to_owned()));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(all.iter().map(|(_, one)| &one.name))),
        Arc::new(StringArray::from_iter_values(all.iter().map(|(_, one)| &one.media_type))),
        Arc::new(all.iter().map(|(_, one)| one.size).collect::<UInt64Array>()),
        Arc::new(all.iter().map(|(_, one)| one.digest.map(|digest| digest.hex())).collect::<StringArray>()),
        Arc::new(all.iter().map(|(_, one)| one.url.as_deref()).collect::<StringArray>()),
    ];
    let items = StructArray::try_new_with_length(attachment_fields(), columns, None, all.len()).map_err(|error| refused(&error))?;
    let mut counts = vec![0_usize; batch.len()];
    for (row, _) in all {
        if let Some(count) = counts.get_mut(*row as usize) {
            *count += 1;
        }
    }
    let offsets = OffsetBuffer::<i32>::try_from_lengths(counts).map_err(|_| SegmentError::Refused("too many attachments".to_owned()))?;
    ListArray::try_new(attachment_item(), offsets, Arc::new(items), None).map_err(|error| refused(&error))
}
