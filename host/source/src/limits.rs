//! What a hostile or broken export may cost.

/// Bounds on what is read. The defaults are far above what real exports hold; they don't limit how large an export is as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Events handed over at once. A larger piece costs memory in the sink, a smaller one more calls.
    pub piece_events: usize,
    /// Bytes of text handed over at once. One event that is larger goes alone.
    pub piece_bytes: usize,
    /// Bytes of text of all chats together that wait to be handed over, where chats come interleaved (all but Slack and Discord). Above it the
    /// largest goes. Less scatters chats over
    /// more places in the archive.
    pub waiting_bytes: usize,
    /// Longest line of a `jsonl` file and longest entry or message of other formats, in bytes; not of a line of Mattermost, in which a post stands with all
    /// its replies. A longer one is refused, and the rest is read: one event of more than the archive takes would else stop the import of its whole file
    /// for ever.
    pub line_bytes: usize,
    /// Largest day file of Slack, line of Mattermost and element of a list, in bytes unpacked: that much is held in memory.
    pub json_bytes: u64,
    /// Largest list of users or chats, in bytes unpacked. It is read element by element, and what it says is kept.
    pub list_bytes: u64,
    /// Largest attachment, in bytes. A larger one is recorded as missing.
    pub attachment_bytes: u64,
    /// A packed file may not grow to more than this many times its size. Real chat exports pack 3 to 30 times; DEFLATE ends near 1,030.
    pub ratio: u64,
    /// Below this size, in bytes unpacked, the ratio is not asked: small files of one byte repeated are harmless.
    pub ratio_from: u64,
    /// Entries of a ZIP, or files of a folder.
    pub entries: usize,
    /// Refusals, and missing attachments, that the report lists one by one; those beyond are counted only.
    pub listed: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            piece_events: 4096,
            piece_bytes: 1 << 20,
            waiting_bytes: 32 << 20,
            line_bytes: 16 << 20,
            json_bytes: 256 << 20,
            list_bytes: 8 << 30,
            attachment_bytes: 4 << 30,
            ratio: 200,
            ratio_from: 64 << 20,
            entries: 5_000_000,
            listed: 10_000,
        }
    }
}

impl Limits {
    /// Whether so much out of so little is a bomb.
    pub(crate) fn is_bomb(&self, packed: u64, unpacked: u64) -> bool {
        unpacked > self.ratio_from && unpacked > packed.saturating_mul(self.ratio)
    }
}
