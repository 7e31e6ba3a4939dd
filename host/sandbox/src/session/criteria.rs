//! Criteria: verdicts, and what is checked about them.

use std::sync::Arc;

use super::{Session, Stage, gave_up, lend_chat, lend_view, misuse};
use crate::bindings::criteria::CriteriaModule;
use crate::bindings::criteria::exports::consign::filter::criteria::ChatDecision;
use crate::failure::Call;
use crate::logs::told;
use crate::{BatchView, Bound, ChatContext, Decision, Failure, LogLine, Usage};

/// A criteria module at work on one chat: `begin` once, and if it says [`Decision::Inspect`] then `evaluate` for each batch in order. After a failure
/// every further call answers the same failure.
pub struct CriteriaSession(Session<CriteriaModule>);

impl CriteriaSession {
    pub(crate) fn new(bound: &Bound, chat: Arc<ChatContext>) -> Self {
        Self(Session::new(bound, chat))
    }

    /// Makes the instance, configures it and shows it the chat.
    pub fn begin(&mut self) -> Result<Decision, Failure> {
        let call = Call::BeginChat;
        let rules = self.0.bound.module().manifest().rules.len();
        let decision = self.0.begin(|instance, chat| {
            let answer = instance
                .call(call, |guest, store| lend_chat(store, chat, |store, chat| guest.consign_filter_criteria().call_begin_chat(store, chat)))?;
            match answer.map_err(|text| gave_up(call, &text))? {
                ChatDecision::Inspect => Ok(Decision::Inspect),
                ChatDecision::KeepAll => Ok(Decision::KeepAll),
                ChatDecision::OmitAll(rule) => rule_index(rule, rules).map(Decision::OmitAll).map_err(|text| Failure::Contract { call, text }),
            }
        })?;
        if decision != Decision::Inspect {
            self.0.stage = Stage::Finished;
        }
        Ok(decision)
    }

    /// One byte for each event of the batch: 0 keeps it, n > 0 leaves it out by rule n - 1, which the manifest has.
    pub fn evaluate(&mut self, events: &Arc<BatchView>) -> Result<Vec<u8>, Failure> {
        let call = Call::Evaluate;
        let rules = self.0.bound.module().manifest().rules.len();
        self.0.step(|instance| {
            let answer = instance
                .call(call, |guest, store| lend_view(store, events, |store, view| guest.consign_filter_criteria().call_evaluate(store, view)))?;
            let verdicts = answer.map_err(|text| gave_up(call, &text))?;
            match wrong_verdicts(&verdicts, events.len(), rules) {
                None => Ok(verdicts),
                Some(text) => Err(Failure::Contract { call, text }),
            }
        })
    }

    /// What it has used so far; also after a failure.
    pub fn usage(&self) -> &Usage {
        &self.0.usage
    }

    /// What it has logged since the last time; also after a failure.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        self.0.take_logs()
    }
}

impl std::fmt::Debug for CriteriaSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CriteriaSession").field("module", &self.0.bound.module().digest()).finish_non_exhaustive()
    }
}

/// A rule that the module names by number.
pub fn rule_index(rule: u32, rules: usize) -> Result<u8, String> {
    let index = u8::try_from(rule).ok().filter(|index| usize::from(*index) < rules);
    index.ok_or_else(|| format!("it names rule {} and has {rules}, counted from 0", told(rule.into())))
}

fn wrong_verdicts(verdicts: &[u8], events: usize, rules: usize) -> Option<String> {
    if verdicts.len() != events {
        return Some(format!("{} verdicts on {events} events", told(verdicts.len() as u64)));
    }
    let at = verdicts.iter().position(|verdict| usize::from(*verdict) > rules)?;
    let verdict = verdicts.get(at)?;
    Some(format!("its verdict on event {at} of the batch is {verdict}, and it has {rules} rules"))
}

/// Says of a session of the wrong kind that it is one.
pub fn wrong_kind(wanted: &str) -> Failure {
    misuse(&format!("the module is no {wanted} module"))
}
