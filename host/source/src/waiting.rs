//! Events of many chats that come interleaved: they wait by chat (and by whose copies they are) until a chat has a piece's worth, or until all together are
//! too much: then the largest goes. Within a chat they keep the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use consign_model::Event;

use crate::SourceError;
use crate::intake::{Intake, Piece};

/// A chat, and the user whose copies these are, where the export has one for each user.
type Whose = (String, Option<String>);

/// What waits. `by_cost` finds the largest without looking at all chats.
#[derive(Default)]
pub struct Waiting {
    pieces: BTreeMap<Whose, Piece>,
    by_cost: BTreeSet<(usize, Whose)>,
    cost: usize,
}

impl Waiting {
    /// Adds an event, and hands over what has become too much.
    pub fn push(&mut self, intake: &mut Intake<'_>, chat: &str, copy_of: Option<&str>, event: Event) -> Result<(), SourceError> {
        let whose = (chat.to_owned(), copy_of.map(str::to_owned));
        let piece = self.pieces.entry(whose.clone()).or_default();
        let before = piece.cost;
        piece.push(event);
        let (cost, is_full) = (piece.cost, piece.is_full(intake.limits));
        self.cost += cost - before;
        self.by_cost.remove(&(before, whose.clone()));
        self.by_cost.insert((cost, whose.clone()));
        if is_full {
            self.hand_over(intake, &whose)?;
        }
        while self.cost > intake.limits.waiting_bytes
            && let Some((_, largest)) = self.by_cost.last().cloned()
        {
            self.hand_over(intake, &largest)?;
        }
        Ok(())
    }

    fn hand_over(&mut self, intake: &mut Intake<'_>, whose: &Whose) -> Result<(), SourceError> {
        let Some(mut piece) = self.pieces.remove(whose) else { return Ok(()) };
        self.by_cost.remove(&(piece.cost, whose.clone()));
        self.cost -= piece.cost;
        let (chat, copy_of) = whose;
        intake.events(chat, copy_of.as_deref(), piece.take())
    }

    /// Hands over all that is left.
    pub fn hand_over_all(&mut self, intake: &mut Intake<'_>) -> Result<(), SourceError> {
        self.by_cost.clear();
        self.cost = 0;
        for ((chat, copy_of), mut piece) in std::mem::take(&mut self.pieces) {
            intake.events(&chat, copy_of.as_deref(), piece.take())?;
        }
        Ok(())
    }
}
