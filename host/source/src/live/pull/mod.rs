//! What is asked for: pages as platforms answer them, read to what is stored and to where it goes on.
//!
//! Functions from bytes to events, as of what comes by itself: they know no HTTP and keep no cursor. Messages go through the very readers of files, so that
//! whoever imports an export of the same time stores nothing twice.

pub mod slack;
pub mod teams;

/// Whether a platform's word for what is wrong is one: nothing else of it is shown, since nobody knows whom it names.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}
