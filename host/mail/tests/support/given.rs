//! What tests are given: e-mails, targets, a certificate authority, random numbers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use consign_mail::smtp::{Target, Timeouts};
use consign_model::TargetSpec;
use consign_model::delivery::Reply;

pub fn reply(code: u16, text: &str) -> Reply {
    Reply { code, text: text.to_owned() }
}

/// A target without TLS at this address; `more` is merged into its JSON.
pub fn target(address: SocketAddr, more: &serde_json::Value) -> Target {
    let mut target = Target::from_spec(&spec(address, more)).unwrap();
    target.timeouts = patient();
    target
}

/// Its specification.
pub fn spec(address: SocketAddr, more: &serde_json::Value) -> TargetSpec {
    let mut json = serde_json::json!({
        "name": "t", "host": address.ip().to_string(), "port": address.port(), "tls": "none", "allow-plaintext": true,
        "from": "journal@corp.example", "to": ["in@archive.example"], "hello": "test.example"
    });
    for (key, value) in more.as_object().unwrap() {
        json[key] = value.clone();
    }
    serde_json::from_value(json).unwrap()
}

/// Far longer than any step takes on a busy machine: a test that should not meet a limit doesn't.
pub fn patient() -> Timeouts {
    let long = Duration::from_mins(1);
    Timeouts { connect: long, handshake: long, command: long, data: long, chunk: long, end_of_data: long, closing: long, idle: long }
}

/// An e-mail of about so many bytes, with a marker at its beginning.
pub fn email(marker: &str, size: usize) -> Vec<u8> {
    let mut bytes = format!("Subject: {marker}\r\n\r\n").into_bytes();
    while bytes.len() < size {
        bytes.extend_from_slice(b".leading dot, and the rest of a line that is some seventy bytes long...\r\n");
    }
    bytes
}

/// Small and repeatable; the seed is printed and can be given as `CONSIGN_SEED`.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = std::env::var("CONSIGN_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now.subsec_nanos().into());
        println!("CONSIGN_SEED={seed}");
        Self(seed)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    pub fn pick<'p, T>(&mut self, from: &'p [T]) -> &'p T {
        &from[self.below(from.len())]
    }
}

/// A certificate authority and what it signs.
pub struct Authority {
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self { issuer: rcgen::CertifiedIssuer::self_signed(parameters, rcgen::KeyPair::generate().unwrap()).unwrap() }
    }

    /// Its certificate as a file for `ca-file`.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.issuer.pem()).unwrap();
    }

    /// A server's TLS with a certificate for these names (or addresses).
    pub fn server(&self, names: &[&str]) -> Arc<rustls::ServerConfig> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }
}
