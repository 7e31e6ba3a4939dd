//! One file, as it is or packed by gzip or zstd. A packed one is read to its end before anything of it is used: one that is cut short says so only there.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::{Limits, SourceError};

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// What an export is to the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Folder,
    /// Many files in one.
    Zip,
    /// One file, packed or not.
    One(Packing),
}

/// Tells by the first bytes.
pub fn kind(path: &Path) -> Result<Kind, SourceError> {
    // Before it is opened: that takes bytes from a pipe, or waits for somebody to write.
    let about = std::fs::metadata(path).map_err(|error| SourceError::read(path, error))?;
    if about.is_dir() {
        return Ok(Kind::Folder);
    }
    if !about.is_file() {
        return Err(SourceError::no_file(path));
    }
    let mut magic = Vec::new();
    File::open(path)
        .map_err(|error| SourceError::read(path, error))?
        .take(4)
        .read_to_end(&mut magic)
        .map_err(|error| SourceError::read(path, error))?;
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Kind::One(Packing::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd] => Kind::One(Packing::Zstd),
        b"PK\x03\x04" | b"PK\x05\x06" => Kind::Zip,
        _ => Kind::One(Packing::Plain),
    })
}

/// Opens a file, unpacking it.
pub fn open(path: &Path, packing: Packing) -> Result<Box<dyn BufRead>, SourceError> {
    let file = File::open(path).map_err(|error| SourceError::read(path, error))?;
    Ok(match packing {
        Packing::Plain => Box::new(BufReader::with_capacity(1 << 16, file)),
        Packing::Gzip => Box::new(BufReader::with_capacity(1 << 16, Gzip(Some(GzDecoder::new(BufReader::with_capacity(1 << 16, file)))))),
        Packing::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(file).map_err(|error| SourceError::read(path, error))?;
            Box::new(BufReader::with_capacity(1 << 16, decoder))
        }
    })
}

/// Gzip members one after another, and zeros behind them, which tapes and `dd` leave: `gzip -d` takes them too.
struct Gzip(Option<GzDecoder<BufReader<File>>>);

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.0 {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let mut rest = self.0.take().map(GzDecoder::into_inner);
            while let Some(input) = &mut rest {
                let ready = input.fill_buf()?;
                let zeros = ready.iter().take_while(|byte| **byte == 0).count();
                let (is_end, has_more) = (ready.is_empty(), zeros < ready.len());
                input.consume(zeros);
                if is_end {
                    rest = None;
                } else if has_more {
                    break;
                }
            }
            self.0 = rest.map(GzDecoder::new);
        }
        Ok(0)
    }
}

/// Reads a packed file to its end before anything of it is used: one that is cut short says so only there. Answers with its size unpacked.
pub fn check(path: &Path, packing: Packing, limits: &Limits) -> Result<u64, SourceError> {
    let packed = std::fs::metadata(path).map_err(|error| SourceError::read(path, error))?.len();
    if packing == Packing::Plain {
        return Ok(packed);
    }
    let mut reader = open(path, packing)?;
    let mut size: u64 = 0;
    loop {
        let read = match reader.fill_buf() {
            Ok([]) => return Ok(size),
            Ok(buffer) => buffer.len(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(SourceError::damaged(path, format!("unpacking failed after {size} bytes: {error}"))),
        };
        reader.consume(read);
        size = size.saturating_add(read as u64);
        if limits.is_bomb(packed, size) {
            let what = format!("a file of {packed} bytes that unpacks to more than {size}, as a decompression bomb does");
            return Err(SourceError::Bomb { path: path.to_owned(), what });
        }
    }
}
