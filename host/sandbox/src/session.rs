//! One module at work on one chat: an instance of its own from the first call to the last.
//!
//! A session is in one of four stages. A failure moves it to [`Stage::Over`], which drops the store with everything that the module has left in it, so a
//! store that trapped or ran out of time can't be called again.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Resource;

use crate::bindings::criteria::consign::filter::types;
use crate::failure::{Call, Sealed};
use crate::host::{ChatHandle, State, ViewHandle};
use crate::instance::{Guest, Instance};
use crate::logs::one_line;
use crate::{BatchView, Bound, ChatContext, ConfigError, Failure, LogLine, Usage};

mod criteria;
mod grouping;
mod placement;

pub use criteria::{CriteriaSession, wrong_kind};
pub use grouping::GroupingSession;

/// Errors of a configuration that are passed on, and bytes of each.
const CONFIG_ERRORS: usize = 100;
const CONFIG_ERROR_BYTES: usize = 1 << 10;

/// What both kinds of session are made of.
struct Session<G> {
    bound: Bound,
    chat: Arc<ChatContext>,
    stage: Stage<G>,
    logs: Vec<LogLine>,
    usage: Usage,
}

enum Stage<G> {
    /// Before `begin`.
    Fresh,
    /// Between `begin` and the end.
    Running(Box<Instance<G>>),
    /// After a failure.
    Over(Failure),
    /// There is nothing more to call.
    Finished,
}

impl<G: Guest> Session<G> {
    fn new(bound: &Bound, chat: Arc<ChatContext>) -> Self {
        Self { bound: bound.clone(), chat, stage: Stage::Fresh, logs: Vec::new(), usage: Usage::default() }
    }

    /// Instance, configuration, and then the kind's own `begin-chat`.
    fn begin<T>(&mut self, begin_chat: impl FnOnce(&mut Instance<G>, ChatHandle) -> Result<T, Failure>) -> Result<T, Failure> {
        match &self.stage {
            Stage::Fresh => {}
            Stage::Over(failure) => return Err(failure.clone()),
            Stage::Running(_) | Stage::Finished => return Err(misuse("begin was called twice")),
        }
        let inner = self.bound.inner();
        let module = self.bound.module();
        let instance =
            Instance::new(module.sandbox(), (module.facts().tier, module.memory()), inner.allowed, inner.needles.clone(), self.chat.window_end().0);
        self.stage = Stage::Running(Box::new(instance));
        let (bound, chat) = (self.bound.clone(), self.chat.clone());
        self.step(|instance| {
            instance.start(bound.module().linked())?;
            configure(instance, &bound.inner().config)?.map_err(|errors| Failure::Configuration { errors })?;
            begin_chat(instance, ChatHandle(chat))
        })
    }

    /// One call, or some that belong together. Whatever fails ends the session.
    fn step<T>(&mut self, f: impl FnOnce(&mut Instance<G>) -> Result<T, Failure>) -> Result<T, Failure> {
        let instance = match &mut self.stage {
            Stage::Running(instance) => instance,
            Stage::Over(failure) => return Err(failure.clone()),
            Stage::Fresh => return Err(misuse("it was used before begin")),
            Stage::Finished => return Err(misuse("it was used after its end")),
        };
        let answer = f(instance);
        self.logs.extend(instance.take_logs());
        self.usage.clone_from(instance.usage());
        answer.inspect_err(|failure| self.stage = Stage::Over(failure.clone()))
    }

    fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.logs)
    }
}

/// What a module says when it gives up may hold anything, also what would be another module's line in a log.
fn gave_up(call: Call, text: &str) -> Failure {
    Failure::Guest { call, said: Sealed::new(one_line(text, SAID_BYTES)) }
}

/// Bytes of what a module says when it gives up.
const SAID_BYTES: usize = 4 << 10;

fn misuse(what: &str) -> Failure {
    Failure::Host(format!("a session: {what}"))
}

/// Hands the configuration over: outer error, the call failed; inner, the module refuses the configuration.
pub fn configure<G: Guest>(instance: &mut Instance<G>, config: &str) -> Result<Result<(), Vec<ConfigError>>, Failure> {
    let answer = instance.call(Call::Configure, |guest, store| guest.configure(store, config))?;
    Ok(answer.map_err(|errors| errors.iter().take(CONFIG_ERRORS).map(config_error).collect()))
}

fn config_error(error: &types::ConfigError) -> ConfigError {
    ConfigError { pointer: one_line(&error.pointer, CONFIG_ERROR_BYTES), message: one_line(&error.message, CONFIG_ERROR_BYTES) }
}

/// Lends the chat to the module for one call.
fn lend_chat<T>(
    store: &mut Store<State>,
    chat: ChatHandle,
    f: impl FnOnce(&mut Store<State>, Resource<ChatHandle>) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    let owned = store.data_mut().table.push(chat)?;
    let answer = f(store, Resource::new_borrow(owned.rep()))?;
    store.data_mut().table.delete(owned)?;
    Ok(answer)
}

/// Lends a batch to the module for one call.
fn lend_view<T>(
    store: &mut Store<State>,
    view: &Arc<BatchView>,
    f: impl FnOnce(&mut Store<State>, Resource<ViewHandle>) -> wasmtime::Result<T>,
) -> wasmtime::Result<T> {
    let owned = store.data_mut().table.push(ViewHandle::new(view.clone()))?;
    let answer = f(store, Resource::new_borrow(owned.rep()))?;
    store.data_mut().table.delete(owned)?;
    Ok(answer)
}
