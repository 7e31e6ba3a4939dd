//! Lines of a file that may be hostile and may have no line ends at all: never more than one bounded line is in memory.

use std::io::{self, BufRead};

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
    use std::io::BufReader;

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
