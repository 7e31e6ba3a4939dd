//! Groupings: which e-mails the kept events of a chat go into.

use crate::bindings::grouping::exports::consign::filter::grouping as contract;
use crate::criteria::NOT_CONFIGURED;
use crate::manifest::Kind;
use crate::{Chat, ConfigError, Failure, Manifest, RuleSet, View, parse_config};
use serde::de::DeserializeOwned;
use std::ops::Range;

/// A group: one e-mail, or its parts if it is large.
pub use contract::Group;

/// A grouping. One value serves one chat: it is configured, begins the chat, places its events in batches, in order, and at last says
/// what the groups are.
pub trait Grouping: Sized {
    /// The configuration. `#[serde(deny_unknown_fields)]` makes a mistyped key an error.
    type Config: DeserializeOwned;
    /// Why it leaves events out; [`NoRules`](crate::NoRules) if it never does.
    type Rule: RuleSet;
    /// What it says about itself.
    const MANIFEST: Manifest;

    /// Checks the configuration.
    ///
    /// # Errors
    /// All that is wrong with the configuration, with the places.
    fn configure(config: Self::Config) -> Result<Self, Vec<ConfigError>>;

    /// Looks at the chat before its events.
    ///
    /// # Errors
    /// The chat is held with this text.
    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<(), Failure> {
        let _ = chat;
        Ok(())
    }

    /// Places every event of the batch: into at least one group, or into none by exactly one rule.
    ///
    /// # Errors
    /// The chat is held with this text.
    fn place(&mut self, events: &dyn View) -> Result<Placement<Self::Rule>, Failure>;

    /// The groups, by the numbers that the placements used.
    ///
    /// # Errors
    /// The chat is held with this text.
    fn finish_chat(&mut self) -> Result<Vec<Group>, Failure>;
}

/// Events of one batch, by index; the end is exclusive, as everywhere in Rust.
pub type Span = Range<usize>;

/// Where the events of one batch go. Neighbouring spans of the same fate, added one after the other, become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement<R> {
    assigned: Vec<(Span, u32)>,
    left_out: Vec<(Span, R)>,
}

impl<R: RuleSet> Placement<R> {
    /// Nothing is placed yet.
    pub const fn new() -> Self {
        Self { assigned: Vec::new(), left_out: Vec::new() }
    }

    /// These events go into this group. An empty span is nothing.
    pub fn assign(&mut self, span: Span, group: u32) {
        extend(&mut self.assigned, span, group);
    }

    /// These events go into no group, by this rule. An empty span is nothing.
    pub fn leave_out(&mut self, span: Span, rule: R) {
        extend(&mut self.left_out, span, rule);
    }

    /// What was assigned.
    pub fn assigned(&self) -> &[(Span, u32)] {
        &self.assigned
    }

    /// What was left out.
    pub fn left_out(&self) -> &[(Span, R)] {
        &self.left_out
    }

    fn into_contract(self) -> Option<contract::Placement> {
        let assigned = self.assigned.into_iter().map(|(span, group)| {
            let (first, last) = ends(&span)?;
            Some(contract::Assignment { first, last, group })
        });
        let left_out = self.left_out.into_iter().map(|(span, rule)| {
            let (first, last) = ends(&span)?;
            let rule = u32::from(rule.index());
            Some(contract::LeftOut { first, last, rule })
        });
        Some(contract::Placement { assigned: assigned.collect::<Option<_>>()?, left_out: left_out.collect::<Option<_>>()? })
    }
}

impl<R: RuleSet> Default for Placement<R> {
    fn default() -> Self {
        Self::new()
    }
}

fn extend<T: PartialEq>(spans: &mut Vec<(Span, T)>, span: Span, fate: T) {
    if span.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some((last, same)) if *same == fate && last.end == span.start => last.end = span.end,
        _ => spans.push((span, fate)),
    }
}

/// The contract's form: both ends inclusive.
fn ends(span: &Span) -> Option<(u32, u32)> {
    let first = u32::try_from(span.start).ok()?;
    let last = u32::try_from(span.end.checked_sub(1)?).ok()?;
    Some((first, last))
}

/// What [`export_grouping!`](crate::export_grouping) puts between the contract and the trait. Also for tests that want to go the way of the host.
#[derive(Debug)]
pub struct GroupingSession<T>(Option<T>);

impl<T: Grouping> GroupingSession<T> {
    /// Before `configure`.
    pub const fn new() -> Self {
        Self(None)
    }

    /// The manifest as JSON.
    pub fn describe() -> String {
        T::MANIFEST.to_json(Kind::Grouping, T::Rule::ALL)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn configure(&mut self, config: &str) -> Result<(), Vec<ConfigError>> {
        self.0 = Some(T::configure(parse_config(config)?)?);
        Ok(())
    }

    /// Begins the chat.
    ///
    /// # Errors
    /// The module's, or that it was not configured.
    pub fn begin_chat(&mut self, chat: &dyn Chat) -> Result<(), String> {
        self.module()?.begin_chat(chat).map_err(Failure::into_text)
    }

    /// Places a batch.
    ///
    /// # Errors
    /// The module's, or that it was not configured.
    pub fn place(&mut self, events: &dyn View) -> Result<contract::Placement, String> {
        let placement = self.module()?.place(events).map_err(Failure::into_text)?;
        placement.into_contract().ok_or_else(|| "the module placed events past the end of its batch".to_owned())
    }

    /// The groups.
    ///
    /// # Errors
    /// The module's, or that it was not configured.
    pub fn finish_chat(&mut self) -> Result<Vec<Group>, String> {
        self.module()?.finish_chat().map_err(Failure::into_text)
    }

    fn module(&mut self) -> Result<&mut T, String> {
        self.0.as_mut().ok_or_else(|| NOT_CONFIGURED.to_owned())
    }
}

impl<T: Grouping> Default for GroupingSession<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a [`Grouping`] the module's export. Once in a crate, of `crate-type = ["cdylib"]`. It does something in WebAssembly only.
#[macro_export]
macro_rules! export_grouping {
    ($module:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use bindings::exports::consign::filter::grouping::{Guest, Placement};
            use $crate::bindings::criteria::consign::filter::data;
            use $crate::bindings::grouping as bindings;

            ::std::thread_local! {
                static SESSION: ::std::cell::RefCell<$crate::GroupingSession<$module>> =
                    const { ::std::cell::RefCell::new($crate::GroupingSession::new()) };
            }

            struct Module;

            impl Guest for Module {
                fn describe() -> String {
                    $crate::GroupingSession::<$module>::describe()
                }
                fn configure(config: String) -> Result<(), Vec<$crate::ConfigError>> {
                    $crate::log::log_panics();
                    SESSION.with_borrow_mut(|session| session.configure(&config))
                }
                fn begin_chat(chat: &data::Chat) -> Result<(), String> {
                    SESSION.with_borrow_mut(|session| session.begin_chat(chat))
                }
                fn place(events: &data::View) -> Result<Placement, String> {
                    SESSION.with_borrow_mut(|session| session.place(events))
                }
                fn finish_chat() -> Result<Vec<$crate::Group>, String> {
                    SESSION.with_borrow_mut(|session| session.finish_chat())
                }
            }

    $crate::bindings::grouping::export_grouping_module!(Module with_types_in $crate::bindings::grouping);
        };
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoRules;

    #[test]
    fn neighbours_of_one_fate_become_one() {
        let mut placement = Placement::<NoRules>::new();
        for (span, group) in [(0..2, 0), (2..2, 9), (2..3, 0), (3..4, 1), (5..6, 1)] {
            placement.assign(span, group);
        }
        assert_eq!(placement.assigned(), [(0..3, 0), (3..4, 1), (5..6, 1)]);
        let contract = placement.into_contract().map(|placement| {
            let assigned = placement.assigned.into_iter();
            assigned.map(|a| (a.first, a.last, a.group)).collect::<Vec<_>>()
        });
        assert_eq!(contract, Some(vec![(0, 2, 0), (3, 3, 1), (5, 5, 1)]));
    }
}
