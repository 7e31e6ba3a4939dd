//! What a shadow would have done otherwise: a second version of a module, which runs on the same events and decides nothing.
//!
//! What is compared is what becomes of an event under the policy as a whole, not one module's word: where another criterion leaves an event out anyway,
//! a shadow that would keep it changes nothing, and nobody needs to look at it before promoting it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::manifest::RuleRef;
use crate::module::FaultClass;
use crate::{ChatKey, Digest};

/// Events that stand for the others of a difference. More of them would say no more, and the store would grow by them.
pub const EXAMPLES: usize = 5;

/// One event, by which a person finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Source and id of its chat.
    pub chat: ChatKey,
    /// The platform's id of it.
    pub event: String,
}

/// Events that some rules decide about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleDifference {
    /// The rules.
    pub by: Vec<RuleRef>,
    /// How many events.
    pub events: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// Events that would go into other e-mails.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Regrouped {
    /// How many.
    pub events: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// What a shadow would have done otherwise, in a window, in a run or in several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowDifference {
    /// The shadow, as `name@version`.
    pub module: String,
    /// The shadow.
    pub digest: Digest,
    /// SHA-256 of the shadow with its configuration and needs.
    pub binding: Digest,
    /// The module that it runs beside, as `name@version`.
    pub beside: String,
    /// Windows that were compared.
    pub windows: u64,
    /// Their events.
    pub events: u64,
    /// Kept by the shadow and not now, by the rules that leave them out now.
    pub gained: Vec<RuleDifference>,
    /// Left out by the shadow and not now, by the rules that would leave them out.
    pub lost: Vec<RuleDifference>,
    /// Kept by both, and in other groups.
    pub regrouped: Regrouped,
    /// Windows in which the shadow failed, by the way it did. They are not compared.
    pub failed: BTreeMap<FaultClass, u64>,
    /// Windows that it did not see any more, since its time for the run was over.
    pub unseen: u64,
}

impl ShadowDifference {
    /// Nothing compared yet.
    pub fn none(module: String, digest: Digest, binding: Digest, beside: String) -> Self {
        Self {
            module,
            digest,
            binding,
            beside,
            windows: 0,
            events: 0,
            gained: Vec::new(),
            lost: Vec::new(),
            regrouped: Regrouped::default(),
            failed: BTreeMap::new(),
            unseen: 0,
        }
    }

    /// How many events it would export that are not exported now.
    pub fn gained(&self) -> u64 {
        self.gained.iter().map(|rule| rule.events).sum()
    }

    /// How many events are exported now that it would leave out.
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(|rule| rule.events).sum()
    }

    /// Adds what was found elsewhere about the same shadow.
    pub fn add(&mut self, other: &Self) {
        self.windows += other.windows;
        self.events += other.events;
        self.unseen += other.unseen;
        add_rules(&mut self.gained, &other.gained);
        add_rules(&mut self.lost, &other.lost);
        self.regrouped.events += other.regrouped.events;
        add_examples(&mut self.regrouped.examples, &other.regrouped.examples);
        for (class, windows) in &other.failed {
            *self.failed.entry(*class).or_default() += windows;
        }
    }
}

fn add_rules(to: &mut Vec<RuleDifference>, from: &[RuleDifference]) {
    for rule in from {
        match to.iter_mut().find(|known| known.by == rule.by) {
            Some(known) => {
                known.events += rule.events;
                add_examples(&mut known.examples, &rule.examples);
            }
            None => to.push(rule.clone()),
        }
    }
}

fn add_examples(to: &mut Vec<Example>, from: &[Example]) {
    to.extend(from.iter().take(EXAMPLES.saturating_sub(to.len())).cloned());
}

/// Adds what was found about shadows to what is known of them.
pub fn add_all(to: &mut Vec<ShadowDifference>, from: &[ShadowDifference]) {
    for one in from {
        match to.iter_mut().find(|known| known.binding == one.binding && known.beside == one.beside) {
            Some(known) => known.add(one),
            None => to.push(one.clone()),
        }
    }
}
