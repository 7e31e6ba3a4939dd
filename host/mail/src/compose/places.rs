//! Where in a text something else has to be written than what stands there: found by blocks, since most of most texts is written as it is. Crates that do this by
//! vector instructions look for three bytes at most (memchr), for HTML's own, or for what a Rust string escapes; here each of the bodies has its own set. So
//! the tests are written in a way that the compiler makes vector instructions of, for every processor.

/// Bytes looked at together. The compiler tests them by vector instructions, as long as the test has no branches.
const BLOCK: usize = 32;

/// The places of those bytes for which a test holds, in order. It must not hold for a space.
pub(super) struct Places<'t, T> {
    bytes: &'t [u8],
    test: T,
    /// Where the block begins that is being gone through, and the one after it.
    block: usize,
    next: usize,
    /// Of that block a bit for each place that is still to come.
    bits: u32,
}

/// The places in this text.
pub(super) fn places<T: Fn(u8) -> bool>(of: &str, test: T) -> Places<'_, T> {
    Places { bytes: of.as_bytes(), test, block: 0, next: 0, bits: 0 }
}

/// A bit for each byte that is 1; the others are 0.
fn gathered(flags: &[u8; BLOCK]) -> u32 {
    // Moves the lowest bits of eight bytes next to each other.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = flags.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| bits << 8 | u32::from((u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56) as u8))
}

impl<T: Fn(u8) -> bool> Iterator for Places<'_, T> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.bits == 0 {
            let rest = self.bytes.get(self.next..).filter(|rest| !rest.is_empty())?;
            let flag = |byte| u8::from((self.test)(byte));
            self.bits = if let Some(block) = rest.first_chunk::<BLOCK>() {
                gathered(&block.map(flag))
            } else if let Some(block) = self.bytes.last_chunk::<BLOCK>() {
                // The last ones of a text are looked at together with some before them, whose places are let go.
                gathered(&block.map(flag)) >> (BLOCK - rest.len())
            } else {
                let mut block = [b' '; BLOCK];
                if let Some(places) = block.get_mut(..rest.len()) {
                    places.copy_from_slice(rest);
                }
                gathered(&block.map(flag))
            };
            self.block = self.next;
            self.next += BLOCK;
        }
        let place = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(self.block + usize::try_from(place).unwrap_or_default())
    }
}

/// Whether it is a control character of ASCII, or one of these bytes.
#[expect(clippy::needless_bitwise_bool, reason = "a branch would keep the compiler from vector instructions")]
pub(super) fn is_control_or<const N: usize>(byte: u8, these: [u8; N]) -> bool {
    these.iter().fold(byte < 0x20, |found, one| found | (byte == *one))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn is_special(byte: u8) -> bool {
        is_control_or(byte, [0x7f, 0xc2])
    }

    #[test]
    fn what_is_looked_for_is_found_wherever_it_stands() {
        for len in 0..3 * BLOCK {
            let all = "\n".repeat(len);
            assert!(places(&all, is_special).eq(0..len));
            for at in 0..len {
                let one = format!("{}\u{7f}{}", "a".repeat(at), "~ ".repeat(len).get(at + 1..len).unwrap());
                assert!(places(&one, is_special).eq([at]), "{len} {at}");
                let two = format!("{}\u{a0}{}", "a".repeat(at), "\u{e9}".repeat(len - at));
                assert!(places(&two, is_special).eq([at]), "{len} {at}");
            }
        }
    }
}
