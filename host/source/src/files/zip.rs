//! A ZIP, judged by its central directory before anything of it is read.
//!
//! The `zip` crate keeps one entry of several with the same name and does not say which names those are, so the directory is walked once more here for
//! them: two entries of one name are two truths, and neither is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::{Files, Found, Holder, Place, bad_path, is_litter, refusal};
use crate::{Limits, SourceError};

pub(super) type Archive = ZipArchive<BufReader<File>>;

pub(super) fn open(path: &Path, limits: &Limits) -> Result<Files, SourceError> {
    let mut file = File::open(path).map_err(|error| SourceError::read(path, error))?;
    let length = file.metadata().map_err(|error| SourceError::read(path, error))?.len();
    let mut magic = Vec::new();
    (&mut file).take(4).read_to_end(&mut magic).map_err(|error| SourceError::read(path, error))?;
    if !matches!(magic.as_slice(), b"PK\x03\x04" | b"PK\x05\x06") {
        let what = if length == 0 { "the file is empty" } else { "this is not a ZIP file" };
        return Err(SourceError::WrongKind {
            path: path.to_owned(),
            what,
            hint: "Give the export's ZIP as it was downloaded, or its unpacked folder",
        });
    }
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| SourceError::damaged(path, told(&error)))?;
    if archive.len() > limits.entries {
        return Err(SourceError::damaged(path, format!("it has more than {} entries", limits.entries)));
    }
    if archive.has_overlapping_entries().map_err(|error| SourceError::damaged(path, told(&error)))? {
        return Err(SourceError::Bomb { path: path.to_owned(), what: "entries share the same packed bytes, as in a ZIP bomb".into() });
    }
    let twice = if archive.has_duplicate_names() { names_found_twice(path, archive.central_directory_start())? } else { BTreeSet::new() };

    let mut entries = BTreeMap::new();
    let mut refused: Vec<_> = twice
        .iter()
        .map(|name| refusal(&String::from_utf8_lossy(name), "is in the ZIP twice, so that nobody can say which one is meant. Neither is read"))
        .collect();
    let mut total: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(|error| SourceError::damaged(path, told(&error)))?;
        if twice.contains(entry.name_raw()) {
            continue;
        }
        // Slack and slackdump write UTF-8, not always with the flag that says so; the crate would then read it as code page 437.
        let name = match std::str::from_utf8(entry.name_raw()) {
            Ok(name) => name.to_owned(),
            Err(_) => entry.name().map(std::borrow::Cow::into_owned).unwrap_or_default(),
        };
        let trimmed = name.strip_suffix('/').unwrap_or(&name);
        if let Some(reason) = bad_path(trimmed) {
            refused.push(refusal(&name, reason));
        } else if entry.is_dir() || is_litter(&name) {
        } else if entry.is_symlink() {
            refused.push(refusal(&name, "is a link, and links are not followed. Put the file itself in its place"));
        } else if entry.encrypted() {
            refused.push(refusal(&name, "is encrypted. Unpack the ZIP with its password and import the folder"));
        } else if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            refused.push(refusal(
                &name,
                format!("is packed with {}, which is not read here. Unpack the ZIP and import the folder", entry.compression()),
            ));
        } else if limits.is_bomb(entry.compressed_size(), entry.size()) {
            let reason = format!("would unpack from {} to {} bytes, as a ZIP bomb does. It is not read", entry.compressed_size(), entry.size());
            refused.push(refusal(&name, reason));
        } else {
            total = total.saturating_add(entry.size());
            entries.insert(name, Found { size: entry.size(), place: Place::Zip(index) });
        }
    }
    // Each entry may be small enough and all together still a bomb.
    if limits.is_bomb(length, total) {
        return Err(SourceError::Bomb {
            path: path.to_owned(),
            what: format!("a ZIP of {length} bytes that would unpack to {total}, as a ZIP bomb does"),
        });
    }
    Ok(Files { holder: Holder::Zip(Box::new(archive)), entries, refused, prefix: String::new() })
}

/// What the crate says, without its prefix.
pub(super) fn told(error: &ZipError) -> String {
    match error {
        ZipError::InvalidArchive(what) => what.to_string(),
        ZipError::UnsupportedArchive(what) => (*what).to_owned(),
        ZipError::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Names that occur more than once in the central directory (APPNOTE 4.3.12), which the crate has already read without complaint.
fn names_found_twice(path: &Path, start: u64) -> Result<BTreeSet<Vec<u8>>, SourceError> {
    const FIXED: usize = 46;
    let mut reader = BufReader::new(File::open(path).map_err(|error| SourceError::read(path, error))?);
    reader.seek(SeekFrom::Start(start)).map_err(|error| SourceError::read(path, error))?;
    let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut fixed = [0; FIXED];
    while reader.read_exact(&mut fixed).is_ok() && fixed.starts_with(b"PK\x01\x02") {
        let length = |at: usize| fixed.get(at..at + 2).map_or(0, |two| two.iter().rev().fold(0_u64, |all, byte| all << 8 | u64::from(*byte)));
        let mut name = Vec::new();
        let read = (&mut reader).take(length(28)).read_to_end(&mut name).is_ok();
        if !read || reader.seek_relative(i64::try_from(length(30) + length(32)).unwrap_or_default()).is_err() {
            break;
        }
        *seen.entry(name).or_default() += 1;
    }
    let twice: BTreeSet<_> = seen.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect();
    if twice.is_empty() {
        return Err(SourceError::damaged(path, "two entries have the same name"));
    }
    Ok(twice)
}
