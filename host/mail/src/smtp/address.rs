//! Envelope addresses: only what can stand between `<` and `>` of a command.
//!
//! This is not a judge of addresses (the server is); it makes sure that an address can't end the command and begin another, or add a parameter.

use std::fmt;

/// Why a text can't be used as an envelope address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    text: String,
    what: &'static str,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug form: what is refused here may well hold control characters.
        write!(f, "{:?} is not an e-mail address that SMTP can carry: {}; write it as name@host.example", self.text, self.what)
    }
}

impl std::error::Error for AddressError {}

/// Refuses an address with control characters, spaces, `<` or `>` in it (quoted local parts with these exist on paper, and in attacks), one
/// that is too long (RFC 5321, section 4.5.3.1), or one without a local part and a domain.
pub(crate) fn check(text: &str) -> Result<(), AddressError> {
    let wrong = |what| Err(AddressError { text: text.chars().take(320).collect(), what });
    // Most hold nothing that has to be looked at twice.
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<' && byte != b'>') {
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return wrong("it holds a space or a control character");
        }
        if text.contains(['<', '>']) {
            return wrong("it holds an angle bracket");
        }
    }
    match text.rsplit_once('@') {
        None => wrong("it has no @"),
        Some(("", _)) => wrong("nothing stands before the @"),
        Some((_, "")) => wrong("nothing stands after the @"),
        Some((local, domain)) if local.len() > 64 || domain.len() > 255 => wrong("it is too long"),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn what_can_stand_in_a_command() {
        for good in ["a@b", "o'neil+x=y@desk.example", "\"q\"@b.example", "佐藤@例え.jp", "a@[127.0.0.1]", "a@[IPv6:::1]", "x@y@z"] {
            check(good).unwrap();
        }
        for bad in ["", "a", "@b", "a@", "a b@c", "a@b\r\nRCPT TO:<x@y>", "a@b> SIZE=1", "<a@b>", "a@b\0", "a@b\u{2028}c", "\u{85}@b"] {
            let error = check(bad).unwrap_err().to_string();
            assert!(!error.contains(['\r', '\n', '\0']), "{error}");
        }
        check(&format!("{}@b", "x".repeat(65))).unwrap_err();
    }
}
