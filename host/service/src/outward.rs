//! Asking servers that the operator's settings name: by TLS of the one library, with an end to each try, and no redirect followed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url};

/// What asks. `limit`: for one try, with looking up the name, connecting and the whole answer. The error is why TLS can't be set up.
pub fn client(is_here: bool, limit: Duration) -> Result<Client, String> {
    let client = Client::builder()
        .tls_backend_preconfigured(client_config().map_err(|error| error.to_string())?)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limit)
        .user_agent(concat!("consign/", env!("CARGO_PKG_VERSION")));
    // What is in clear leaves this machine for no proxy either.
    let client = if is_here { client.no_proxy() } else { client };
    client.build().map_err(|error| error.without_url().to_string())
}

/// Trusts the system's authorities, by the same library as the rest of the program.
fn client_config() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    // None is an error only for who connects by TLS; the handshake says so then.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider())).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Whether what goes there does not leave this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What is in the way, without the address.
pub fn cause(error: reqwest::Error, limit: Duration) -> String {
    if error.is_timeout() {
        return format!("it did not answer within {} s", limit.as_secs());
    }
    let (mut text, error) = (String::new(), error.without_url());
    let mut next: Option<&dyn std::error::Error> = Some(&error);
    while let Some(one) = next {
        text.push_str(if text.is_empty() { "" } else { ": " });
        text.push_str(&one.to_string());
        next = one.source();
    }
    text
}
