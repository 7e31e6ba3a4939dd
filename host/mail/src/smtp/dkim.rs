//! Signing e-mails by DKIM (RFC 6376), with RSA or Ed25519 (RFC 8463), when they are sent.
//!
//! The signature goes on top of the composed bytes and changes none of them. So a Message-ID, a digest in the ledger and a golden file are the same
//! with and without, a key can be changed while e-mails wait to be sent again, and `verify`, which reads from our own first header on, finds below the
//! signature what was composed. It holds no time and no random number: a repeat under the same key is the same e-mail, signature and all.
//!
//! By hand over ring, which has both algorithms: what a signing library adds is some forty lines of canonical form, and more than one of them takes
//! headers apart and writes them anew. The form is held against dkimpy's in the tests.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_model::target::DkimSpec;
use ring::digest::{Context, Digest, SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::body::Message;

/// What is signed where it is there; besides, all headers that begin with `X-`.
const SIGNED: [&str; 9] = ["from", "to", "subject", "date", "message-id", "references", "in-reply-to", "mime-version", "content-type"];
/// Where lines of the signature are folded, about.
const WIDTH: usize = 76;

/// Signs in the name of a domain.
pub(crate) struct Signer {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({}._domainkey.{})", self.selector, self.domain)
    }
}

/// Whether domain and selector are names. The error is for a person.
pub(super) fn check(spec: &DkimSpec) -> Result<(), String> {
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.len() <= 63 && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let name = |name: &str| name.len() <= 253 && name.split('.').all(label);
    if !name(&spec.domain) || !spec.domain.contains('.') {
        return Err(format!("domain {:?} is no DNS name. Write it as corp.example, with xn-- for letters that are not ASCII", spec.domain));
    }
    if !name(&spec.selector) {
        return Err(format!("selector {:?} is no part of a DNS name. Write it as s1", spec.selector));
    }
    Ok(())
}

impl Signer {
    /// Reads the key. The error says what is wrong with the file, and nothing that is in it.
    pub(super) fn read(spec: &DkimSpec) -> Result<Self, String> {
        let pem = Zeroizing::new(
            std::fs::read(&spec.key.file).map_err(|error| format!("can't be read ({error}). Check that it exists and that consign may read it"))?,
        );
        let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            "holds no private key in PEM form without a passphrase. PKCS#8 is taken (\"BEGIN PRIVATE KEY\"), and PKCS#1 for RSA".to_owned()
        })?;
        let rejected = |kind: &str, error: ring::error::KeyRejected| {
            format!("holds a key that can't be used as {kind} ({error}). RSA of 2048 to 4096 bits is taken, and Ed25519")
        };
        // An RSA key in PKCS#8 is told from an Ed25519 one by trying: the error of the last says nothing of the first.
        let key = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Key::Rsa).map_err(|error| rejected("RSA", error))?,
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                // OpenSSL writes Ed25519 keys without the public half.
                match (Ed25519KeyPair::from_pkcs8_maybe_unchecked(der), RsaKeyPair::from_pkcs8(der)) {
                    (Ok(key), _) => Key::Ed25519(key),
                    (_, Ok(key)) => Key::Rsa(key),
                    (_, Err(error)) => return Err(rejected("RSA", error)),
                }
            }
            _ => return Err("holds a key that is neither RSA nor Ed25519".to_owned()),
        };
        Ok(Self { domain: spec.domain.clone(), selector: spec.selector.clone(), key })
    }

    /// The header that signs this e-mail: whole lines. The error is for a person.
    pub(super) fn sign(&self, message: &Message<'_>) -> Result<Vec<u8>, String> {
        let (head, body) = split(message.composed());
        let fields = fields(head);
        let mut names: Vec<String> = SIGNED.iter().map(|name| (*name).to_owned()).collect();
        for (name, _) in fields.iter().filter(|(name, _)| name.starts_with("x-")) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut signed: Vec<&str> = Vec::new();
        let mut data = Vec::with_capacity(head.len() + 1000);
        for name in &names {
            // The lowest of a name comes first (section 5.4.2).
            for (_, field) in fields.iter().rev().filter(|(one, _)| one == name) {
                signed.push(name);
                relaxed_field(field, &mut data);
                data.extend_from_slice(b"\r\n");
            }
        }
        // Once more than there is: who adds a sender on top breaks the signature.
        signed.push("from");
        let mut header = self.header(&signed, &body_hash(body));
        relaxed_field(header.as_bytes(), &mut data);
        let signature = self.key.sign(&data)?;
        fold(&mut header, &STANDARD.encode(signature));
        header.push_str("\r\n");
        Ok(header.into_bytes())
    }

    /// All but the signature, which is its end.
    fn header(&self, signed: &[&str], body: &Digest) -> String {
        let algorithm = match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let mut header = format!("DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n\td={}; s={};\r\n\th=", self.domain, self.selector);
        let mut column = 10;
        for (index, name) in signed.iter().enumerate() {
            if column + name.len() > WIDTH {
                header.push_str("\r\n\t ");
                column = 9;
            }
            header.push_str(name);
            header.push(if index + 1 < signed.len() { ':' } else { ';' });
            column += name.len() + 1;
        }
        header.push_str("\r\n\tbh=");
        header.push_str(&STANDARD.encode(body));
        header.push_str(";\r\n\tb=");
        header
    }
}

impl Key {
    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature).map_err(|_| {
                    "the e-mail could not be signed with the key of dkim. Nothing was sent; see whether its file holds a sound key".to_owned()
                })?;
                Ok(signature)
            }
            // Of the hash, not of the data (RFC 8463, section 3).
            Self::Ed25519(key) => Ok(key.sign(digest(&SHA256, data).as_ref()).as_ref().to_vec()),
        }
    }
}

/// Head with its last line end, and body without the line between.
fn split(message: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\r\n" {
            break;
        }
        at += line.len();
    }
    let (head, rest) = message.split_at_checked(at).unwrap_or((message, &[]));
    (head, rest.strip_prefix(b"\r\n").unwrap_or(rest))
}

/// The header's fields in their order: the name in small letters, and the whole field with all its lines.
fn fields(head: &[u8]) -> Vec<(String, &[u8])> {
    let mut fields = Vec::new();
    let mut rest = head;
    while !rest.is_empty() {
        let mut end = 0;
        for (index, line) in rest.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if index > 0 && !line.starts_with(b" ") && !line.starts_with(b"\t") {
                break;
            }
            end += line.len();
        }
        let (field, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let name: Vec<u8> = field.iter().copied().take_while(|byte| *byte != b':').collect();
        fields.push((String::from_utf8_lossy(&name).trim_ascii_end().to_ascii_lowercase(), field));
        rest = after;
    }
    fields
}

/// A field in the form "relaxed", without a line end (section 3.4.2).
fn relaxed_field(field: &[u8], out: &mut Vec<u8>) {
    let colon = field.iter().position(|byte| *byte == b':').unwrap_or(field.len());
    let (name, value) = field.split_at_checked(colon).unwrap_or((field, &[]));
    out.extend(name.trim_ascii_end().iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let is_inner = |byte: &u8| !b" \t\r\n".contains(byte);
    let value = value.get(1..).unwrap_or_default();
    let start = value.iter().position(is_inner).unwrap_or(value.len());
    let end = value.iter().rposition(is_inner).map_or(start, |at| at + 1);
    squeeze(value.get(start..end).unwrap_or_default(), out);
}

/// Runs of spaces and tabs as one space; line ends within are nothing.
fn squeeze(text: &[u8], out: &mut Vec<u8>) {
    let mut space = false;
    for byte in text.iter().copied().filter(|byte| !b"\r\n".contains(byte)) {
        let is_space = byte == b' ' || byte == b'\t';
        if !is_space {
            out.push(byte);
        } else if !space {
            out.push(b' ');
        }
        space = is_space;
    }
}

/// SHA-256 of the body in the form "relaxed" (section 3.4.4): no space at a line's end, no empty lines at the end of all.
fn body_hash(body: &[u8]) -> Digest {
    const PIECE: usize = 64 << 10;
    let mut context = Context::new(&SHA256);
    let mut out = Vec::with_capacity(PIECE + 1000);
    let mut empty: usize = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |at| at + 1);
        let line = line.get(..end).unwrap_or_default();
        if line.is_empty() {
            empty += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty) {
            out.extend_from_slice(b"\r\n");
            if out.len() >= PIECE {
                context.update(&out);
                out.clear();
            }
        }
        squeeze(line, &mut out);
        out.extend_from_slice(b"\r\n");
        if out.len() >= PIECE {
            context.update(&out);
            out.clear();
        }
    }
    context.update(&out);
    context.finish()
}

/// Adds base64 in lines.
fn fold(header: &mut String, mut text: &str) {
    // Short, since it stands behind `b=`.
    let mut width = WIDTH - 12;
    while let Some((line, rest)) = text.split_at_checked(width).filter(|(_, rest)| !rest.is_empty()) {
        header.push_str(line);
        header.push_str("\r\n\t ");
        text = rest;
        width = WIDTH - 10;
    }
    header.push_str(text);
}
