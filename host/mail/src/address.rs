//! Addresses of a target: what stands in the envelope and in From and To. ASCII only (RFC 5321 without SMTPUTF8), so that every server takes
//! them; and no character that could end a command or a header line.

/// A mailbox as written: `ingest@archive.example` or `Journal <journal@corp.example>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mailbox<'a> {
    /// The name before the address, without its quotes.
    pub name: Option<&'a str>,
    /// The bare address: `local@domain`.
    pub address: &'a str,
}

impl<'a> Mailbox<'a> {
    /// Reads a mailbox, or says why it is none.
    pub fn parse(text: &'a str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err("it has a line break or another control character");
        }
        match text.strip_suffix('>') {
            None => Ok(Self { name: None, address: check(text)? }),
            Some(rest) => {
                let (name, address) = rest.rsplit_once('<').ok_or("it has a '>' without a '<'")?;
                let name = name.trim();
                let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name).trim();
                if name.contains(['"', '\\', '<', '>']) {
                    return Err("its name has a quote, a backslash or an angle bracket");
                }
                Ok(Self { name: Some(name).filter(|name| !name.is_empty()), address: check(address)? })
            }
        }
    }

    /// What follows the `@`.
    pub fn domain(&self) -> &'a str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

fn check(address: &str) -> Result<&str, &'static str> {
    let (local, domain) = address.rsplit_once('@').ok_or("it has no '@': write it as name@example.com")?;
    if !address.is_ascii() {
        return Err("it has other characters than ASCII: write the domain in its xn-- form");
    }
    if local.is_empty() || local.len() > 64 || address.len() > 254 {
        return Err("before the '@' stand 1 to 64 characters, and 254 in all at most");
    }
    if address.parse::<lettre::Address>().is_err() {
        return Err(
            "write it as name@example.com: before the '@' letters, digits and !#$%&'*+-/=?^_`{|}~ with single dots between them, after it a domain",
        );
    }
    // lettre takes quoted local parts, which may hold what ends a command or a header line.
    if address.contains(['"', '<', '>', ' ', ',']) || domain.is_empty() {
        return Err("it has a quote, a comma, a space or an angle bracket");
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn mailboxes() {
        let full = Mailbox::parse("\"Journal, FX\" <journal@corp.example>").unwrap();
        assert_eq!((full.name, full.address, full.domain()), (Some("Journal, FX"), "journal@corp.example", "corp.example"));
        assert_eq!(Mailbox::parse(" a.b+c@x-y.example ").unwrap().address, "a.b+c@x-y.example");
        assert_eq!(Mailbox::parse("a@localhost").unwrap().address, "a@localhost");
        assert_eq!(Mailbox::parse("a@[127.0.0.1]").unwrap().address, "a@[127.0.0.1]");
        let bad = [
            "",
            "a",
            "a@",
            "@b",
            "a@b\r\nRCPT TO:<x@y>",
            "a b@c",
            "a..b@c",
            "ä@b",
            "a@ä.example",
            "a@-b",
            "<a@b",
            "a@b>",
            "a@b> <c@d>",
            "a@b,c@d",
            "a@[x y]",
        ];
        for bad in bad {
            assert!(Mailbox::parse(bad).is_err(), "{bad:?}");
        }
    }
}
