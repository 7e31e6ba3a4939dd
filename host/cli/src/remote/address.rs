//! Where the server is, and what is shown to it: checked before anything is sent, since what is sent first is the token.

use std::net::IpAddr;

use consign_model::access::TokenSecret;
use reqwest::Url;

use crate::args::ServerArgs;
use crate::output::Failure;

/// Bytes of a token's file that are read: a token has 72.
const LONGEST: u64 = 4 << 10;

/// A server, and the token for it.
pub struct Address {
    /// Without query, fragment and name; its path ends with a `/`.
    pub url: Url,
    /// Shown with every request.
    pub token: TokenSecret,
    /// Whether what goes there does not leave this machine.
    pub is_here: bool,
}

impl Address {
    /// As the options say.
    pub fn of(server: &str, args: &ServerArgs) -> Result<Self, Failure> {
        let (url, is_here) = url(server, args.allow_plaintext)?;
        Ok(Self { url, is_here, token: token(args)? })
    }
}

/// Nothing of what was given is in an error: somebody may have put a password into it.
fn url(text: &str, allow_plaintext: bool) -> Result<(Url, bool), Failure> {
    let wrong = |what: &str| Failure::usage(format!("--server: {what}: write https://HOST, or http://127.0.0.1:PORT for one on this machine"));
    let mut url = Url::parse(text).map_err(|error| wrong(&format!("this is no address ({error})")))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let is_here = is_loopback(&host);
    match url.scheme() {
        "https" => {}
        "http" if is_here || allow_plaintext => {}
        "http" => {
            return Err(Failure::usage(format!(
                "--server: http would send the token to {host} in clear, for everybody on the way: use https:// (a proxy with a certificate stands before the server), or say \
                 --allow-plaintext where nobody listens"
            )));
        }
        _ => return Err(wrong("it begins neither with https:// nor with http://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::usage(
            "--server: a name or password stands in the address, and no server is asked by these: give a token, with --token-file or CONSIGN_TOKEN",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("something stands behind its path"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok((url, is_here))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn token(args: &ServerArgs) -> Result<TokenSecret, Failure> {
    let (place, text) = match (&args.token_file, &args.token, args.on_line.has("token")) {
        (Some(_), Some(_), true) => return Err(Failure::usage("two tokens are named: leave out --token or --token-file")),
        (Some(file), _, _) => (format!("the file {}", file.display()), read(file)?),
        (None, Some(token), true) => ("--token".to_owned(), token.0.clone()),
        (None, Some(token), false) if !token.0.is_empty() => ("CONSIGN_TOKEN".to_owned(), token.0.clone()),
        (None, _, _) => {
            return Err(Failure::usage(
                "a server does nothing without a token: name a file that has yours with --token-file, or put it into CONSIGN_TOKEN; whoever administers the tenant makes one \
                 with 'consign token create NAME --role ROLE'",
            ));
        }
    };
    // Its text is in no error, right or wrong.
    let none =
        || Failure::usage(format!("{place} does not hold a token: it is one line, consign_ and 64 digits, as 'consign token create' shows it once"));
    TokenSecret::parse(text.trim()).ok_or_else(none)
}

fn read(file: &std::path::Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let unreadable = |error: std::io::Error| Failure::new(format!("the token's file {} can't be read: {error}", file.display()));
    let mut text = String::new();
    std::fs::File::open(file).map_err(unreadable)?.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn a_token_goes_in_clear_to_no_other_machine() {
        for (text, allowed, is_taken) in [
            ("https://consign.example", false, true),
            ("https://consign.example:8443/below", false, true),
            ("http://127.0.0.1:8480", false, true),
            ("http://[::1]:8480", false, true),
            ("http://localhost:8480/", false, true),
            ("http://consign.example", false, false),
            // Names that look like this machine's.
            ("http://127.0.0.1.example", false, false),
            ("http://localhost.example", false, false),
            ("http://consign.example", true, true),
            ("ftp://consign.example", true, false),
            ("consign.example", true, false),
            ("https://ann:secret@consign.example", true, false),
            ("https://consign.example/?token=secret", true, false),
        ] {
            let found = url(text, allowed);
            assert_eq!(found.is_ok(), is_taken, "{text}");
            assert!(found.err().is_none_or(|failure| failure.code() == 2 && !failure.text().contains("secret")), "{text}");
        }
        assert_eq!(url("https://consign.example/below", false).unwrap().0.join("v1/me").unwrap().as_str(), "https://consign.example/below/v1/me");
    }
}
