//! Bodies that come packed. Unpacked in memory, so never more than the body may have.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

/// The most that a zstd body may ask to be remembered, as a power of two: 32 MiB. Without it a body of some bytes could ask for 2 GiB.
const ZSTD_WINDOW: u32 = 25;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packed {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// Why a body can't be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unpackable {
    /// It has more bytes than it may.
    #[error("unpacked it is larger than a body may be")]
    TooLarge,
    /// It is no such stream, or ends too early.
    #[error("it is damaged, cut short or packed otherwise than it says")]
    Damaged,
}

impl Packed {
    /// By the HTTP header `Content-Encoding` (RFC 9110, 8.4.1); unset for one that is not read here.
    pub fn by_header(value: Option<&str>) -> Option<Self> {
        let value = value.unwrap_or_default().trim();
        let is = |word: &str| value.eq_ignore_ascii_case(word);
        match () {
            () if value.is_empty() || is("identity") => Some(Self::Plain),
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("zstd") => Some(Self::Zstd),
            () => None,
        }
    }

    /// Unpacks it, to at most so many bytes.
    pub fn unpack(self, body: Vec<u8>, most: usize) -> Result<Vec<u8>, Unpackable> {
        match self {
            Self::Plain if body.len() > most => Err(Unpackable::TooLarge),
            Self::Plain => Ok(body),
            Self::Gzip => read(MultiGzDecoder::new(body.as_slice()), most),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(body.as_slice()).map_err(|_| Unpackable::Damaged)?;
                decoder.window_log_max(ZSTD_WINDOW).map_err(|_| Unpackable::Damaged)?;
                read(decoder, most)
            }
        }
    }
}

fn read(reader: impl Read, most: usize) -> Result<Vec<u8>, Unpackable> {
    let mut unpacked = Vec::new();
    reader.take(most as u64 + 1).read_to_end(&mut unpacked).map_err(|_| Unpackable::Damaged)?;
    if unpacked.len() > most { Err(Unpackable::TooLarge) } else { Ok(unpacked) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn unpacked_within_bounds() {
        let text = b"line\nline\n".repeat(1000);
        for (packing, packed) in [
            (Packed::Plain, text.clone()),
            (Packed::Gzip, gzip(&text)),
            (Packed::Gzip, [gzip(b"line\n"), gzip(text.get(5..).unwrap())].concat()),
            (Packed::Zstd, zstd::encode_all(text.as_slice(), 1).unwrap()),
        ] {
            assert_eq!(packing.unpack(packed.clone(), text.len()).as_deref(), Ok(text.as_slice()));
            assert_eq!(packing.unpack(packed.clone(), text.len() - 1), Err(Unpackable::TooLarge));
            if packing != Packed::Plain {
                assert_eq!(packing.unpack(packed.get(..packed.len() - 1).unwrap().to_vec(), text.len()), Err(Unpackable::Damaged));
                assert_eq!(packing.unpack(text.clone(), text.len()), Err(Unpackable::Damaged));
            }
        }
        assert_eq!(Packed::Gzip.unpack(gzip(&vec![0; 64 << 20]), 1 << 20), Err(Unpackable::TooLarge));
    }

    #[test]
    fn by_header() {
        for (value, packing) in [
            (None, Some(Packed::Plain)),
            (Some("identity"), Some(Packed::Plain)),
            (Some(" GZIP "), Some(Packed::Gzip)),
            (Some("zstd"), Some(Packed::Zstd)),
            (Some("br"), None),
            (Some("gzip, zstd"), None),
        ] {
            assert_eq!(Packed::by_header(value), packing, "{value:?}");
        }
    }
}
