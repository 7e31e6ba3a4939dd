//! Lines for the module's owner. The host cuts them at 1 KiB each and 64 KiB a session, and shows them to the tenant only. In native tests they go to
//! standard error.

/// For the author, while writing the module.
pub fn debug(message: &str) {
    emit(Level::Debug, message);
}

/// For the owner, who may want to know.
pub fn info(message: &str) {
    emit(Level::Info, message);
}

/// Something is odd, and the verdicts still hold.
pub fn warn(message: &str) {
    emit(Level::Warn, message);
}

/// Something is wrong.
pub fn error(message: &str) {
    emit(Level::Error, message);
}

use crate::bindings::criteria::consign::filter::log::Level;

/// Sends a panic's text to the owner. There is no standard error in a sandbox, so a module that panics would otherwise just trap, and nobody would know where.
#[doc(hidden)]
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}

#[cfg(target_arch = "wasm32")]
fn emit(level: Level, message: &str) {
    crate::bindings::criteria::consign::filter::log::emit(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn emit(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}
