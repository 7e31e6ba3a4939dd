//! The events of many chats that arrived together, as they are once decoded.

use consign_model::{ChatKey, EventBatch, Rows};

/// An arrival file, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrivals {
    /// Chat after chat.
    pub(super) batch: EventBatch,
    /// By their rows, which follow each other without gaps.
    pub(super) pieces: Vec<Piece>,
}

/// Rows of one chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub chat: ChatKey,
    pub rows: Rows,
    /// Position of the first one.
    pub first: u64,
}

impl Arrivals {
    /// A chat's events; unset where these rows are not that chat's, or not all that came of it.
    pub fn piece(&self, chat: &ChatKey, rows: Rows) -> Option<EventBatch> {
        let at = self.pieces.binary_search_by_key(&rows.first, |piece| piece.rows.first).ok()?;
        let piece = self.pieces.get(at).filter(|piece| piece.rows == rows && piece.chat == *chat)?;
        let first = rows.first as usize;
        self.batch.slice(first..first.checked_add(rows.count as usize)?, piece.first)
    }

    /// Whose events these are, chat after chat: the chat, its rows here, and the position of the first.
    pub fn pieces(&self) -> impl Iterator<Item = (&ChatKey, Rows, u64)> {
        self.pieces.iter().map(|piece| (&piece.chat, piece.rows, piece.first))
    }

    /// Bytes of text in it: what it costs to hold, roughly.
    pub fn text_bytes(&self) -> usize {
        self.batch.text_bytes() + self.pieces.iter().map(|piece| piece.chat.id.len() + 96).sum::<usize>()
    }
}
