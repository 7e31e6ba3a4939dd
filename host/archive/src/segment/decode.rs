//! From a file to a batch.
//!
//! The age layer has already refused any file that is not as it was written. But its public key is public: whoever can write to the store can write a
//! file that decrypts. So lengths and offsets are checked here before a library relies on them, what a file unpacks to is bounded,
//! Arrow's validating constructors check the rest, and a panic in them is a damaged file and not a dead thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int32Type, TimestampMillisecondType, UInt8Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, MessageHeader, root_as_footer, root_as_message};
use arrow_schema::{Field, Schema};
use consign_model::batch::NO_SENDER;
use consign_model::{Attachment, ChatKey, Digest, EventBatch, EventKind, Name, Rows, TextColumn};

use super::arrivals::{Arrivals, Piece};
use super::{
    ARRIVALS, FORMAT_VERSION, MAX_DECODED, META_CHAT, META_FIRST, META_FORMAT, META_KIND, META_SOURCE, Segment, SegmentError, arrival_fields, fields,
};

const MAGIC: &[u8] = b"ARROW1";
const CONTINUATION: [u8; 4] = [0xff; 4];
/// In place of a decompressed length: the buffer is stored as it is.
const STORED: i64 = -1;

/// Reads an Arrow file that [`super::encode_segment`] wrote. For callers with threads of their own; [`crate::Archive::segment`] does all of it.
pub fn decode_segment(arrow: Vec<u8>) -> Result<Segment, SegmentError> {
    decoded(arrow, &fields(), segment)
}

/// Reads an Arrow file that [`super::encode_arrivals`] wrote. For callers with threads of their own; [`crate::Archive::segment`] does all of it.
pub fn decode_arrivals(arrow: Vec<u8>) -> Result<Arrivals, SegmentError> {
    decoded(arrow, &arrival_fields(), arrivals)
}

fn decoded<T>(arrow: Vec<u8>, fields: &[Field], read: fn(&RecordBatch) -> Result<T, SegmentError>) -> Result<T, SegmentError> {
    let file = Buffer::from_vec(arrow);
    // Nothing is shared with the outside but the buffer, which nothing changes: after a panic nothing half-done is seen.
    catch_unwind(AssertUnwindSafe(|| read(&read_file(&file, fields)?))).unwrap_or_else(|_| Err(damaged("it is no valid Arrow file")))
}

fn damaged(what: &str) -> SegmentError {
    SegmentError::Damaged(what.to_owned())
}

fn read_file(file: &Buffer, expected: &[Field]) -> Result<RecordBatch, SegmentError> {
    let footer = footer_bytes(file).ok_or_else(|| damaged("it is not an Arrow file, or its end is missing"))?;
    let footer = root_as_footer(footer).map_err(|_| damaged("its footer is broken"))?;
    let schema = footer.schema().ok_or_else(|| damaged("it has no schema"))?;
    if !schema.endianness().equals_to_target_endianness() {
        return Err(damaged("it was written on a machine with another byte order"));
    }
    let schema = try_fb_to_schema(schema).map_err(|_| damaged("its schema is broken"))?;
    match schema.metadata().get(META_FORMAT) {
        None => return Err(damaged("it is an Arrow file and no segment")),
        Some(version) if version == FORMAT_VERSION => {}
        Some(version) => return Err(SegmentError::UnknownFormat(version.chars().take(40).flat_map(char::escape_debug).collect())),
    }
    let same = |(found, expected): (&Arc<Field>, &Field)| {
        found.name() == expected.name() && found.data_type() == expected.data_type() && found.is_nullable() == expected.is_nullable()
    };
    if schema.fields().len() != expected.len() || !schema.fields().iter().zip(expected).all(same) {
        return Err(damaged("its columns are not those of a segment"));
    }
    let mut unpacked = 0;
    let mut decoder = FileDecoder::new(Arc::new(schema), footer.version());
    for block in footer.dictionaries().into_iter().flatten() {
        let bytes = block_bytes(file, block, &mut unpacked)?;
        decoder.read_dictionary(block, &bytes).map_err(|_| damaged("a column can't be read"))?;
    }
    let mut batches = footer.recordBatches().into_iter().flatten();
    let (Some(block), None) = (batches.next(), batches.next()) else {
        return Err(damaged("it does not have exactly one record batch"));
    };
    let bytes = block_bytes(file, block, &mut unpacked)?;
    let batch = decoder.read_record_batch(block, &bytes).map_err(|_| damaged("a column can't be read"))?;
    batch.ok_or_else(|| damaged("it has no record batch"))
}

/// Magic, padding, blocks, footer, the footer's length (4 bytes), magic.
fn footer_bytes(file: &[u8]) -> Option<&[u8]> {
    let rest = file.strip_prefix(MAGIC)?.strip_suffix(MAGIC)?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
    rest.get(rest.len().checked_sub(length)?..)
}

/// A block's bytes, after checking that it lies in the file, that its buffers lie in it, and that all of the file unpacks to a bounded size.
fn block_bytes(file: &Buffer, block: &Block, unpacked: &mut u64) -> Result<Buffer, SegmentError> {
    let broken = || damaged("a block lies outside the file or is broken");
    let mut checked = || -> Option<(usize, usize)> {
        let start = usize::try_from(block.offset()).ok()?;
        let meta = usize::try_from(block.metaDataLength()).ok()?;
        let body = usize::try_from(block.bodyLength()).ok()?;
        let length = meta.checked_add(body)?;
        let bytes = file.get(start..start.checked_add(length)?)?;
        let (message, body) = bytes.split_at_checked(meta)?;
        let after = message.strip_prefix(&CONTINUATION).unwrap_or(message);
        let message = root_as_message(after.get(4..)?).ok()?;
        let batch = match message.header_type() {
            MessageHeader::RecordBatch => message.header_as_record_batch()?,
            MessageHeader::DictionaryBatch => message.header_as_dictionary_batch()?.data()?,
            _ => return None,
        };
        for buffer in batch.buffers()? {
            let start = usize::try_from(buffer.offset()).ok()?;
            let length = usize::try_from(buffer.length()).ok()?;
            let bytes = body.get(start..start.checked_add(length)?)?;
            let size = match (batch.compression(), bytes.first_chunk::<8>()) {
                (None, _) => bytes.len() as u64,
                (Some(_), Some(prefix)) => match i64::from_le_bytes(*prefix) {
                    STORED => bytes.len() as u64,
                    size => u64::try_from(size).ok()?,
                },
                (Some(_), None) if bytes.is_empty() => 0,
                (Some(_), None) => return None,
            };
            *unpacked = unpacked.checked_add(size).filter(|size| *size <= MAX_DECODED)?;
        }
        Some((start, length))
    };
    let (start, length) = checked().ok_or_else(broken)?;
    Ok(file.slice_with_length(start, length))
}

fn segment(batch: &RecordBatch) -> Result<Segment, SegmentError> {
    let (chat, first) = place(batch.schema_ref())?;
    Ok(Segment { chat, batch: EventBatch { first, ..events(batch.columns(), batch.num_rows())? } })
}

fn arrivals(batch: &RecordBatch) -> Result<Arrivals, SegmentError> {
    if batch.schema_ref().metadata().get(META_KIND).map(String::as_str) != Some(ARRIVALS) {
        return Err(damaged("it does not say that it is an arrival file"));
    }
    let Some(([sources, chats, positions], columns)) = batch.columns().split_first_chunk::<3>() else {
        return Err(damaged("its columns are not those of an arrival file"));
    };
    let events = events(columns, batch.num_rows())?;
    let (sources, source_keys) = words(sources)?;
    let sources: Vec<Option<Name>> = sources.into_iter().map(|source| Name::try_from(source).ok()).collect();
    let (chats, chat_keys) = words(chats)?;
    let positions = values(positions.as_primitive_opt::<UInt64Type>())?;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut before = None;
    for (row, ((source, chat), position)) in (0_u32..).zip(source_keys.into_iter().zip(chat_keys).zip(positions)) {
        let follows = before == Some((source, chat));
        before = Some((source, chat));
        match pieces.last_mut().filter(|_| follows) {
            Some(piece) if piece.first.checked_add(u64::from(piece.rows.count)) == Some(position) => piece.rows.count += 1,
            Some(_) => return Err(damaged("a chat's events do not follow each other")),
            None => {
                let nobody = || damaged("it does not say whose events it has");
                let source = sources.get(source as usize).cloned().flatten().ok_or_else(nobody)?;
                let id = chats.get(chat as usize).cloned().ok_or_else(nobody)?;
                pieces.push(Piece { chat: ChatKey { source, id }, rows: Rows { first: row, count: 1 }, first: position });
            }
        }
    }
    Ok(Arrivals { batch: events, pieces })
}

/// Columns of [`fields`], in their order: their types were compared before they were read.
fn events(columns: &[ArrayRef], rows: usize) -> Result<EventBatch, SegmentError> {
    let rows = u32::try_from(rows).map_err(|_| damaged("it has too many events"))?;
    let [kinds, times, ids, users, texts, threads, targets, sender_names, previous, originals, flags, attachments] = columns else {
        return Err(damaged("its columns are not those of a segment"));
    };
    let (users, senders) = words(users)?;
    Ok(EventBatch {
        first: 0,
        kinds: kind_numbers(kinds)?,
        times: values(times.as_primitive_opt::<TimestampMillisecondType>())?,
        users,
        senders,
        flags: values(flags.as_primitive_opt::<UInt8Type>())?,
        ids: text_column(ids)?,
        texts: text_column(texts)?,
        threads: text_column(threads)?,
        targets: text_column(targets)?,
        sender_names: text_column(sender_names)?,
        previous: text_column(previous)?,
        originals: text_column(originals)?,
        attachments: attachment_rows(attachments, rows)?,
    })
}

fn place(schema: &Schema) -> Result<(ChatKey, u64), SegmentError> {
    let value = |key: &str| schema.metadata().get(key).cloned().ok_or_else(|| damaged("it does not say whose events it has"));
    let source = Name::try_from(value(META_SOURCE)?).map_err(|_| damaged("it does not say whose events it has"))?;
    let first = value(META_FIRST)?.parse().map_err(|_| damaged("it does not say where its events stand"))?;
    Ok((ChatKey { source, id: value(META_CHAT)? }, first))
}

fn values<T: arrow_array::ArrowPrimitiveType>(array: Option<&arrow_array::PrimitiveArray<T>>) -> Result<Vec<T::Native>, SegmentError> {
    array.map(|array| array.values().to_vec()).ok_or_else(|| damaged("a column has another type"))
}

fn strings(array: &dyn Array) -> Result<&StringArray, SegmentError> {
    array.as_string_opt::<i32>().ok_or_else(|| damaged("a column has another type"))
}

/// Two buffers, copied. Arrow has checked that offsets never fall, lie in the bytes and cut no character.
fn text_column(array: &dyn Array) -> Result<TextColumn, SegmentError> {
    let array = strings(array)?;
    if array.offsets().has_non_empty_nulls(array.nulls()) {
        return Err(damaged("a text is there and not there"));
    }
    let broken = || damaged("a text column's offsets are broken");
    let (start, offsets) = array.value_offsets().split_first().ok_or_else(broken)?;
    let end = offsets.last().unwrap_or(start);
    let range = usize::try_from(*start).ok().zip(usize::try_from(*end).ok());
    let bytes = range.and_then(|(start, end)| array.value_data().get(start..end)).ok_or_else(broken)?;
    let relative = |offset: &i32| offset.checked_sub(*start).and_then(|end| u32::try_from(end).ok());
    let ends = offsets.iter().map(relative).collect::<Option<Vec<u32>>>().ok_or_else(broken)?;
    Ok(TextColumn { ends, bytes: bytes.to_vec() })
}

fn kind_numbers(array: &dyn Array) -> Result<Vec<u8>, SegmentError> {
    let array = array.as_dictionary_opt::<Int8Type>().ok_or_else(|| damaged("a column has another type"))?;
    let number = |word: Option<&str>| EventKind::ALL.into_iter().find(|kind| Some(kind.word()) == word).map(|kind| kind as u8);
    let known: Vec<Option<u8>> = strings(array.values())?.iter().map(number).collect();
    let kinds = array.keys().values().iter().map(|key| usize::try_from(*key).ok().and_then(|key| known.get(key).copied().flatten()));
    kinds.collect::<Option<Vec<u8>>>().ok_or_else(|| damaged("an event has a kind that is none"))
}

/// Users, sources or chats, and for each row which it is, or [`NO_SENDER`].
fn words(array: &dyn Array) -> Result<(Vec<String>, Vec<u32>), SegmentError> {
    let array = array.as_dictionary_opt::<Int32Type>().ok_or_else(|| damaged("a column has another type"))?;
    let words = strings(array.values())?.iter().map(|word| word.map(str::to_owned)).collect::<Option<Vec<String>>>();
    let words = words.ok_or_else(|| damaged("a user or chat has no id"))?;
    let number = |key: Option<i32>| match key {
        None => Some(NO_SENDER),
        Some(key) => u32::try_from(key).ok().filter(|key| (*key as usize) < words.len()),
    };
    let numbers = array.keys().iter().map(number).collect::<Option<Vec<u32>>>();
    Ok((words, numbers.ok_or_else(|| damaged("an event has a sender or a chat that is none"))?))
}

fn attachment_rows(array: &dyn Array, rows: u32) -> Result<Vec<(u32, Attachment)>, SegmentError> {
    let other_type = || damaged("a column has another type");
    let lists = array.as_list_opt::<i32>().ok_or_else(other_type)?;
    if lists.values().is_empty() {
        return Ok(Vec::new());
    }
    let items = lists.values().as_struct_opt().ok_or_else(other_type)?;
    let [names, media_types, sizes, digests, urls] = items.columns() else { return Err(other_type()) };
    let (names, media_types, digests, urls) = (strings(names)?, strings(media_types)?, strings(digests)?, strings(urls)?);
    let sizes = sizes.as_primitive_opt::<UInt64Type>().ok_or_else(other_type)?;
    let mut attachments = Vec::with_capacity(items.len());
    for (row, range) in (0..rows).zip(lists.value_offsets().windows(2)) {
        let [start, end] = range else { continue };
        for item in *start..*end {
            // Every list lies in the items: Arrow has checked that.
            let item = usize::try_from(item).ok().filter(|item| *item < items.len()).ok_or_else(|| damaged("an attachment is missing"))?;
            let digest = digests.is_valid(item).then(|| Digest::try_from(digests.value(item).to_owned())).transpose();
            attachments.push((
                row,
                Attachment {
                    name: names.value(item).to_owned(),
                    media_type: media_types.value(item).to_owned(),
                    size: sizes.is_valid(item).then(|| sizes.value(item)),
                    digest: digest.map_err(|_| damaged("an attachment's SHA-256 is none"))?,
                    url: urls.is_valid(item).then(|| urls.value(item).to_owned()),
                },
            ));
        }
    }
    Ok(attachments)
}
