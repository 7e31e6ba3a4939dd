//! Criteria: which events of a chat a policy exports.

use crate::bindings::criteria::exports::consign::filter::criteria as contract;
use crate::manifest::Kind;
use crate::{Chat, ConfigError, Failure, Manifest, RuleSet, View, parse_config};
use serde::de::DeserializeOwned;

/// A criterion. One value serves one chat: it is configured, begins the chat, and gets its events in batches, in order.
pub trait Criteria: Sized {
    /// The configuration. `#[serde(deny_unknown_fields)]` makes a mistyped key an error.
    type Config: DeserializeOwned;
    /// Why it leaves events out.
    type Rule: RuleSet;
    /// What it says about itself.
    const MANIFEST: Manifest;

    /// Checks the configuration and prepares for the events: whatever is slow belongs here.
    ///
    /// # Errors
    /// All that is wrong with the configuration, with the places.
    fn configure(config: Self::Config) -> Result<Self, Vec<ConfigError>>;

    /// Decides by the chat alone where that is enough: a chat that is left out as a whole is not even decrypted.
    ///
    /// # Errors
    /// The chat is held with this text.
    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<ChatDecision<Self::Rule>, Failure> {
        let _ = chat;
        Ok(ChatDecision::Inspect)
    }

    /// One verdict for each event, in order.
    ///
    /// # Errors
    /// The chat is held with this text.
    fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<Self::Rule>>, Failure>;
}

/// What a criterion says of a whole chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatDecision<R> {
    /// It wants to see the events.
    Inspect,
    /// All of it is exported; the events are not shown to this module.
    KeepAll,
    /// None of it is exported, by this rule.
    OmitAll(R),
}

/// What a criterion says of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<R> {
    /// Export it.
    Keep,
    /// Leave it out, by this rule.
    LeaveOut(R),
}

impl<R> Verdict<R> {
    /// Keep it if so, leave it out by `rule` otherwise.
    pub fn keep_if(condition: bool, rule: R) -> Self {
        if condition { Self::Keep } else { Self::LeaveOut(rule) }
    }
}

/// What [`export_criteria!`](crate::export_criteria) puts between the contract and the trait. Also for tests that want to go the way of the host:
/// configuration as text, verdicts as bytes.
#[derive(Debug)]
pub struct CriteriaSession<T>(Option<T>);

impl<T: Criteria> CriteriaSession<T> {
    /// Before `configure`.
    pub const fn new() -> Self {
        Self(None)
    }

    /// The manifest as JSON.
    pub fn describe() -> String {
        T::MANIFEST.to_json(Kind::Criteria, T::Rule::ALL)
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
    pub fn begin_chat(&mut self, chat: &dyn Chat) -> Result<contract::ChatDecision, String> {
        let module = self.0.as_mut().ok_or(NOT_CONFIGURED)?;
        let decision = module.begin_chat(chat).map_err(Failure::into_text)?;
        Ok(match decision {
            ChatDecision::Inspect => contract::ChatDecision::Inspect,
            ChatDecision::KeepAll => contract::ChatDecision::KeepAll,
            ChatDecision::OmitAll(rule) => contract::ChatDecision::OmitAll(u32::from(rule.index())),
        })
    }

    /// Verdicts as bytes: 0 keeps, n leaves out by rule n - 1.
    ///
    /// # Errors
    /// The module's, or that it was not configured, or that it named a rule past the 255th.
    pub fn evaluate(&mut self, events: &dyn View) -> Result<Vec<u8>, String> {
        let module = self.0.as_mut().ok_or(NOT_CONFIGURED)?;
        let verdicts = module.evaluate(events).map_err(Failure::into_text)?;
        let byte = |verdict| match verdict {
            Verdict::Keep => Ok(0),
            Verdict::LeaveOut(rule) => RuleSet::index(rule).checked_add(1).ok_or_else(|| "a module has 255 rules at most".to_owned()),
        };
        verdicts.into_iter().map(byte).collect()
    }
}

impl<T: Criteria> Default for CriteriaSession<T> {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) const NOT_CONFIGURED: &str = "the module was used before it was configured";

/// Makes a [`Criteria`] the module's export. Once in a crate, of `crate-type = ["cdylib"]`. It does something in WebAssembly only.
#[macro_export]
macro_rules! export_criteria {
    ($module:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use bindings::exports::consign::filter::criteria::{ChatDecision, Guest};
            use $crate::bindings::criteria as bindings;

            ::std::thread_local! {
                static SESSION: ::std::cell::RefCell<$crate::CriteriaSession<$module>> =
                    const { ::std::cell::RefCell::new($crate::CriteriaSession::new()) };
            }

            struct Module;

            impl Guest for Module {
                fn describe() -> String {
                    $crate::CriteriaSession::<$module>::describe()
                }
                fn configure(config: String) -> Result<(), Vec<$crate::ConfigError>> {
                    $crate::log::log_panics();
                    SESSION.with_borrow_mut(|session| session.configure(&config))
                }
                fn begin_chat(chat: &bindings::consign::filter::data::Chat) -> Result<ChatDecision, String> {
                    SESSION.with_borrow_mut(|session| session.begin_chat(chat))
                }
                fn evaluate(events: &bindings::consign::filter::data::View) -> Result<Vec<u8>, String> {
                    SESSION.with_borrow_mut(|session| session.evaluate(events))
                }
            }

    $crate::bindings::criteria::export_criteria_module!(Module with_types_in $crate::bindings::criteria);
        };
    };
}
