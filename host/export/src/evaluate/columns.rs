//! A criterion at work on one chat, and its verdicts as columns.

use std::sync::Arc;

use consign_model::manifest::RuleRef;
use consign_model::module::BoundModule;
use consign_sandbox::{BatchView, ChatContext, CriteriaSession, Decision, Failure};

use super::Ready;
use crate::said::Words;

/// The rule of an event that a negated criterion leaves out.
const NEGATED: &str = "negated";

/// No rule: the event is kept.
pub(crate) const KEEP: u16 = 0;
/// Numbers of rules go from 1 to 255; beyond them is the rule of a negated criterion.
const NEGATED_NUMBER: u16 = 256;

/// A criterion at work on one chat.
pub(crate) struct Session<'a> {
    pub module: &'a BoundModule,
    state: State,
}

enum State {
    /// It looks at events.
    Asks(Box<CriteriaSession>),
    /// It has decided for the whole chat: 0 keeps, n leaves out by rule n - 1, before negation.
    Decided(u8),
}

/// What one criterion says of some events, before negation.
pub(crate) struct Column {
    verdicts: Verdicts,
    negate: bool,
    /// Another than the policy's criterion: its shadow.
    speaker: Option<Box<BoundModule>>,
}

enum Verdicts {
    Same(u8),
    Each(Vec<u8>),
}

impl Column {
    /// The rule by which the event is left out, if it is.
    pub fn at(&self, row: usize) -> Option<u16> {
        let verdict = match &self.verdicts {
            Verdicts::Same(verdict) => *verdict,
            // The sandbox has checked that there is a verdict for each event. Were there none, the event would be left out, whatever is negated.
            Verdicts::Each(verdicts) => match verdicts.get(row) {
                Some(verdict) => *verdict,
                None => return Some(1),
            },
        };
        Some(negated(verdict, self.negate)).filter(|rule| *rule != KEEP)
    }

    /// Whose rules these are: the policy's criterion's, or its shadow's.
    pub fn speaker<'a>(&'a self, criterion: &'a BoundModule) -> &'a BoundModule {
        self.speaker.as_deref().unwrap_or(criterion)
    }

    /// As said by a shadow.
    pub fn of_shadow(self, shadow: &BoundModule) -> Self {
        Self { speaker: Some(Box::new(shadow.clone())), ..self }
    }

    /// With the verdicts on the events that follow.
    pub fn append(&mut self, next: Self) {
        if let (Verdicts::Each(all), Verdicts::Each(some)) = (&mut self.verdicts, next.verdicts) {
            all.extend(some);
        }
    }
}

/// Adds the columns of a batch to those of the batches before it.
pub(crate) fn append(all: &mut Vec<Option<Column>>, batch: Vec<Column>) {
    if all.is_empty() {
        all.extend(batch.into_iter().map(Some));
    } else {
        all.iter_mut().flatten().zip(batch).for_each(|(column, next)| column.append(next));
    }
}

fn negated(verdict: u8, negate: bool) -> u16 {
    match (verdict, negate) {
        (0, true) => NEGATED_NUMBER,
        (_, true) => KEEP,
        (verdict, false) => u16::from(verdict),
    }
}

impl<'a> Session<'a> {
    /// Begins the session, and shows it the chat.
    pub fn begin((module, bound): &'a Ready, chat: &Arc<ChatContext>, said: &mut Words) -> Result<Self, Failure> {
        let mut session = bound.criteria(Arc::clone(chat))?;
        let begun = session.begin();
        said.hear(module, session.take_logs());
        said.spent(module, session.usage().total(), 0);
        let state = match begun? {
            Decision::Inspect => State::Asks(Box::new(session)),
            Decision::KeepAll => State::Decided(0),
            Decision::OmitAll(rule) => State::Decided(rule.saturating_add(1)),
        };
        Ok(Self { module, state })
    }

    /// The rule for all events, or [`KEEP`]; unset where events are looked at.
    pub fn constant(&self) -> Option<u16> {
        match &self.state {
            State::Asks(_) => None,
            State::Decided(verdict) => Some(negated(*verdict, self.module.negate)),
        }
    }

    /// Its verdicts on all events, where it has decided without looking at them.
    pub fn decided(&self) -> Option<Column> {
        match &self.state {
            State::Asks(_) => None,
            State::Decided(verdict) => Some(Column { verdicts: Verdicts::Same(*verdict), negate: self.module.negate, speaker: None }),
        }
    }

    /// Its verdicts on a batch.
    pub fn evaluate(&mut self, view: &Arc<BatchView>, said: &mut Words) -> Result<Column, Failure> {
        let verdicts = match &mut self.state {
            State::Decided(verdict) => Verdicts::Same(*verdict),
            State::Asks(session) => {
                let before = session.usage().total();
                let verdicts = session.evaluate(view);
                said.hear(self.module, session.take_logs());
                said.spent(self.module, session.usage().total().saturating_sub(before), view.len());
                Verdicts::Each(verdicts?)
            }
        };
        Ok(Column { verdicts, negate: self.module.negate, speaker: None })
    }

    /// A rule by its number.
    pub fn rule(&self, number: u16) -> RuleRef {
        rule(self.module, number)
    }
}

/// A rule of a criterion by its number.
pub(crate) fn rule(module: &BoundModule, number: u16) -> RuleRef {
    let rule = if number == NEGATED_NUMBER { NEGATED.to_owned() } else { rule_code(module, usize::from(number).saturating_sub(1)) };
    RuleRef { module: module.name.clone(), rule }
}

/// The code of a rule by its index.
pub(crate) fn rule_code(module: &BoundModule, rule: usize) -> String {
    module.rules.get(rule).map_or_else(|| format!("rule-{rule}"), |rule| rule.code.clone())
}
