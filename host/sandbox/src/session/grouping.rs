//! Grouping: placements and groups, and what is checked about them.

use std::sync::Arc;

use super::placement::{Placed, check_groups};
use super::{Session, Stage, gave_up, lend_chat, lend_view};
use crate::bindings::grouping::GroupingModule;
use crate::failure::Call;
use crate::{BatchView, Bound, ChatContext, Failure, Group, LogLine, Placement, Usage};

/// A grouping module at work on one chat: `begin` once, `place` for each batch of kept events in order, `finish` once. After a failure every further
/// call answers the same failure.
pub struct GroupingSession {
    session: Session<GroupingModule>,
    placed: Placed,
}

impl GroupingSession {
    pub(crate) fn new(bound: &Bound, chat: Arc<ChatContext>) -> Self {
        Self { session: Session::new(bound, chat), placed: Placed::default() }
    }

    /// Makes the instance, configures it and shows it the chat.
    pub fn begin(&mut self) -> Result<(), Failure> {
        let call = Call::BeginChat;
        self.session.begin(|instance, chat| {
            let answer = instance
                .call(call, |guest, store| lend_chat(store, chat, |store, chat| guest.consign_filter_grouping().call_begin_chat(store, chat)))?;
            answer.map_err(|text| gave_up(call, &text))
        })
    }

    /// Where the batch's events go. Its groups are known after `finish`, and whether an event may be in a user's group is checked there.
    pub fn place(&mut self, events: &Arc<BatchView>) -> Result<Placement, Failure> {
        let call = Call::Place;
        let rules = self.session.bound.module().manifest().rules.len();
        let limits = self.session.bound.module().sandbox().limits().clone();
        let placed = &mut self.placed;
        self.session.step(|instance| {
            let answer = instance
                .call(call, |guest, store| lend_view(store, events, |store, view| guest.consign_filter_grouping().call_place(store, view)))?;
            let raw = answer.map_err(|text| gave_up(call, &text))?;
            placed.take(&raw, &events.batch().times, rules, &limits).map_err(|text| Failure::Contract { call, text })
        })
    }

    /// The groups that `Assignment::group` counts through.
    pub fn finish(&mut self) -> Result<Vec<Group>, Failure> {
        let call = Call::FinishChat;
        let limits = self.session.bound.module().sandbox().limits().clone();
        let placed = std::mem::take(&mut self.placed);
        let chat = self.session.chat.clone();
        let groups = self.session.step(|instance| {
            let answer = instance.call(call, |guest, store| guest.consign_filter_grouping().call_finish_chat(store))?;
            let raw = answer.map_err(|text| gave_up(call, &text))?;
            let participants = &chat.facts().participants;
            let groups = check_groups(raw, participants.len(), &limits).map_err(|text| Failure::Contract { call, text })?;
            match placed.check(&groups, participants, instance.deadline_of_checks()) {
                None => Err(instance.out_of_chat_time(call)),
                Some(Err(text)) => Err(Failure::Contract { call, text }),
                Some(Ok(())) => Ok(groups),
            }
        })?;
        self.session.stage = Stage::Finished;
        Ok(groups)
    }

    /// What it has used so far; also after a failure.
    pub fn usage(&self) -> &Usage {
        &self.session.usage
    }

    /// What it has logged since the last time; also after a failure.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        self.session.take_logs()
    }
}

impl std::fmt::Debug for GroupingSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupingSession").field("module", &self.session.bound.module().digest()).finish_non_exhaustive()
    }
}
