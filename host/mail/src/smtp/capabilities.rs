//! What a server offers in its answer to EHLO (RFC 5321, section 4.1.1.1).

use consign_model::delivery::Reply;

/// What a server offers. Nothing of it outlives STARTTLS: the server says it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a keyword that was offered or not, and any of them go together")]
pub(super) struct Capabilities {
    /// Each keyword with its parameters, as it was said.
    pub(super) lines: Vec<String>,
    pub(super) starttls: bool,
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    /// Largest e-mail in bytes; `None` where it says none, or says 0, which means no fixed limit (RFC 1870).
    pub(super) max_size: Option<u64>,
    /// SIZE was offered, with or without a limit.
    pub(super) size: bool,
    /// Upper-case mechanisms of AUTH.
    pub(super) auth: Vec<String>,
}

impl Capabilities {
    /// Reads the answer; its first line is the server's name.
    pub(super) fn of(reply: &Reply) -> Self {
        let mut all = Self { lines: reply.text.split('\n').skip(1).map(str::to_owned).collect(), ..Self::default() };
        for line in &all.lines {
            let line = line.to_ascii_uppercase();
            // Old servers wrote AUTH=LOGIN.
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("STARTTLS") => all.starttls = true,
                Some("PIPELINING") => all.pipelining = true,
                Some("8BITMIME") => all.eight_bit = true,
                Some("SMTPUTF8") => all.utf8 = true,
                Some("SIZE") => {
                    all.size = true;
                    all.max_size = words.next().and_then(|size| size.parse().ok()).filter(|size| *size > 0);
                }
                Some("AUTH") => all.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers() {
        let text = "mx.example at your service\nPIPELINING\nSIZE 35882577\nStartTLS\nAUTH LOGIN PLAIN\nAUTH=XOAUTH2\n8BITMIME\nSMTPUTF8\nX-ODD";
        let all = Capabilities::of(&Reply { code: 250, text: text.to_owned() });
        assert!(all.starttls && all.pipelining && all.eight_bit && all.utf8 && all.size);
        assert_eq!(all.max_size, Some(35_882_577));
        assert_eq!(all.auth, ["LOGIN", "PLAIN", "XOAUTH2"]);
        let none = Capabilities::of(&Reply { code: 250, text: "STARTTLS".to_owned() });
        assert!(!none.starttls, "the first line is a name");
        let open = Capabilities::of(&Reply { code: 250, text: "x\nSIZE 0".to_owned() });
        assert!(open.size && open.max_size.is_none());
    }
}
