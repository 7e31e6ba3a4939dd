//! What is taken for a secret, wherever it comes from.

/// The most bytes that a secret may have: tokens of some identity providers have several KiB.
pub const MOST: usize = 64 << 10;

/// It is none. Says nothing of what it is.
#[derive(Debug, thiserror::Error)]
#[error("a secret is one line of text, of 1 to {MOST} bytes")]
pub struct NoSecret;

/// One line of text, without the line's end that a file or a command leaves.
pub fn line(text: &str) -> Result<&str, NoSecret> {
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    let fits = !line.is_empty() && line.len() <= MOST && !line.chars().any(char::is_control);
    if fits { Ok(line) } else { Err(NoSecret) }
}
