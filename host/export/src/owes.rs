//! What policies have not done with: what they owe of a chat must not be deleted, whatever else allows it.
//!
//! A policy owes what no window of its has examined, from where it begins; windows that are open or held; and windows of which copies turned out to be owed to somebody. One
//! that is switched off owes the same: it may be switched on again.

use std::ops::Range;

use consign_model::{ChatKey, Name, Timestamp, WindowState};
use consign_store::WindowFilter;

use crate::freeze::end_by;
use crate::pages::Windows;
use crate::{ExportError, Exporter};

/// What the policies have done with of a chat, and what not.
#[derive(Debug, Clone, Default)]
pub struct Owes {
    /// Positions that a policy has not done with: which one, and from where to where.
    pub owed: Vec<(Name, Range<u64>)>,
    /// Positions that a policy is done with, and since when.
    pub done: Vec<(Range<u64>, Timestamp)>,
}

impl Owes {
    /// The policy that owes this position; unset where none does.
    pub fn by(&self, position: u64) -> Option<&Name> {
        self.owed.iter().find(|(_, owed)| owed.contains(&position)).map(|(policy, _)| policy)
    }

    /// When the last of the policies was done that came to it; unset where none did, or one still owes it.
    pub fn done_at(&self, position: u64) -> Option<Timestamp> {
        let done = self.done.iter().filter(|(done, _)| done.contains(&position)).map(|(_, at)| *at);
        if self.by(position).is_some() { None } else { done.max() }
    }
}

impl Exporter {
    /// What every policy owes of a chat.
    pub async fn owes(&self, chat: &ChatKey) -> Result<Owes, ExportError> {
        let mut owes = Owes::default();
        for policy in self.store.policies(&self.tenant).await? {
            let name = &policy.spec.name;
            let next = match self.store.next_window(&self.tenant, name, chat).await? {
                Some(next) => next.from,
                None => end_by(&self.store.segments(&self.tenant, chat, 0).await?, policy.starts_after),
            };
            owes.owed.push((name.clone(), next..u64::MAX));
            let windows = Windows::all(self, WindowFilter::OfChat(name.clone(), chat.clone())).await?;
            let owing = self.owing(&policy, chat, &windows).await?;
            for window in &windows {
                let positions = window.key.from..window.to;
                match &window.state {
                    WindowState::Done { at, .. } if !owing.concerns(window) => owes.done.push((positions, *at)),
                    WindowState::Done { .. } | WindowState::Open | WindowState::Held { .. } => owes.owed.push((name.clone(), positions)),
                }
            }
        }
        Ok(owes)
    }
}
