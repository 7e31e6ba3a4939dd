//! What a test has to say although it passes: figures, seeds, and what could not be tested. `println!` is kept back for tests that pass.

use std::fmt::Display;
use std::io::Write as _;

/// Says it on standard error, at once and in one piece.
pub fn say(text: impl Display) {
    let line = format!("{text}\n");
    // Nobody may be listening.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
