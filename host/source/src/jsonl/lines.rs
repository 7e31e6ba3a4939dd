//! Lines of a file that may be packed, may be hostile and may have no line ends at all: never more than one bounded line is in memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::{Limits, SourceError};

/// How a file is packed, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Looks at a file's first bytes; other formats that people mix up are told here.
pub fn packing(path: &Path) -> Result<Packing, SourceError> {
    // Before it is opened: that takes bytes from a pipe, or waits for somebody to write.
    let about = std::fs::metadata(path).map_err(|error| SourceError::read(path, error))?;
    if about.is_dir() {
        return Err(SourceError::WrongKind {
            path: path.to_owned(),
            what: "this is a folder",
            hint: "Give one file of JSON lines; a folder can be a Slack export (--format slack)",
        });
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
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
        b"PK\x03\x04" => {
            let hint = "If it is a Slack export use --format slack; else unpack it and import the file inside";
            return Err(SourceError::WrongKind { path: path.to_owned(), what: "this is a ZIP file, not JSON lines", hint });
        }
        _ => Packing::Plain,
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

/// What a line was.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// It is in the buffer, without its end.
    Whole,
    /// It had more bytes than allowed and was skipped.
    TooLong,
    /// There is none left.
    End,
}

/// Reads the next line into `buffer`, and says how many bytes were consumed.
pub fn next(reader: &mut dyn BufRead, buffer: &mut Vec<u8>, most: usize) -> io::Result<(Line, u64)> {
    buffer.clear();
    let mut consumed: u64 = 0;
    let mut too_long = false;
    loop {
        let (used, ended) = match reader.fill_buf() {
            Ok([]) => {
                return Ok(match (too_long, consumed) {
                    (true, _) => (Line::TooLong, consumed),
                    (false, 0) => (Line::End, 0),
                    (false, _) => (Line::Whole, consumed),
                });
            }
            Ok(bytes) => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                too_long |= buffer.len() + line.len() > most;
                if too_long {
                    buffer.clear();
                } else {
                    buffer.extend_from_slice(line);
                }
                (line.len() + usize::from(end.is_some()), end.is_some())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        reader.consume(used);
        consumed += used as u64;
        if ended {
            return Ok((if too_long { Line::TooLong } else { Line::Whole }, consumed));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn bounded_lines() {
        let text = b"one\n\nfar too long a line\r\nlast";
        let mut reader = BufReader::with_capacity(3, text.as_slice());
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        loop {
            let (line, _) = next(&mut reader, &mut buffer, 8).unwrap();
            if line == Line::End {
                break;
            }
            seen.push((line, String::from_utf8(buffer.clone()).unwrap()));
        }
        let whole = |text: &str| (Line::Whole, text.to_owned());
        assert_eq!(seen, [whole("one"), whole(""), (Line::TooLong, String::new()), whole("last")]);
    }
}
