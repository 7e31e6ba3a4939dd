//! Signatures, verified by dkimpy: of what came over the wire, under RSA and Ed25519; and one changed byte is seen.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_mail::smtp::{Sender, Target, TargetFault, check_connection};
use consign_model::delivery::{Obstacle, Outcome};
use serde_json::{Value, json};
use support::given::{Random, email, spec, target};
use support::server::{Act, Options, Server};

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Private keys as OpenSSL writes them, and what stands in the DNS.
struct Keys {
    folder: tempfile::TempDir,
    /// Selector, which is the key's file too, and the text record's name and text.
    records: BTreeMap<String, String>,
}

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        openssl(&["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &at("rsa")]);
        openssl(&["rsa", "-in", &at("rsa"), "-traditional", "-out", &at("pkcs1")]);
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", &at("ed25519")]);
        let mut records = BTreeMap::new();
        for selector in ["rsa", "pkcs1", "ed25519"] {
            let der = openssl(&["pkey", "-in", &at(selector), "-pubout", "-outform", "DER"]);
            let (kind, public) = if selector == "ed25519" { ("ed25519", &der[der.len() - 32..]) } else { ("rsa", &der[..]) };
            records.insert(format!("{selector}._domainkey.corp.example"), format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(public)));
        }
        Self { folder, records }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dkim(&self, selector: &str) -> Value {
        json!({"domain": "corp.example", "selector": selector, "key": {"file": self.file(selector)}})
    }

    /// What dkimpy says to each.
    fn verify(&self, emails: &[Vec<u8>]) -> Vec<(bool, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (number, bytes) in emails.iter().enumerate() {
            files.push(folder.path().join(format!("{number}.eml")));
            std::fs::write(&files[number], bytes).unwrap();
        }
        let task = folder.path().join("task.json");
        std::fs::write(&task, json!({"emails": files, "keys": self.records}).to_string()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signatures.py");
        let output = Command::new("python3").arg(script).arg(&task).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let results: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let result = |one: &Value| {
            let listed = one["listed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
            (one["good"].as_bool().unwrap(), listed)
        };
        results.iter().map(result).collect()
    }
}

/// As they come over the wire, from a target that signs with this key.
async fn signed(keys: &Keys, selector: &str, emails: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let server = Server::start(Options::default(), |_| Act::Normal);
    let sender = Sender::new(target(server.address, &json!({"dkim": keys.dkim(selector)})));
    for bytes in emails {
        let outcomes = sender.send("journal@corp.example", &["in@archive.example".to_owned()], bytes).await;
        assert!(outcomes[0].outcome.is_accepted(), "{outcomes:?}");
    }
    let came: Vec<_> = server.came();
    for (one, bytes) in came.iter().zip(emails) {
        assert!(one.bytes.starts_with(b"DKIM-Signature: ") && one.bytes.ends_with(bytes), "the e-mail below the signature was changed");
        assert!(one.mail.contains(&format!(" SIZE={}", one.bytes.len())), "{}", one.mail);
        let signature = &one.bytes[..one.bytes.len() - bytes.len()];
        assert!(signature.split(|byte| *byte == b'\n').all(|line| line.len() < 100), "{}", String::from_utf8_lossy(signature));
    }
    came.into_iter().map(|one| one.bytes).collect()
}

/// E-mails with everything that the canonical form is about.
fn samples(random: &mut Random) -> Vec<Vec<u8>> {
    let long = "X-Long: word\r\n  folded\t \r\n\tagain, and   spaces \t within \r\n";
    let head = format!(
        "X-Consign-Policy: desk\r\nFrom: Journal <journal@corp.example>\r\nTO:in@archive.example\r\nSubject:  =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_more?=\r\n\
         Date: Mon, 5 Jan 2026 08:00:00 +0000\r\nMessage-ID: <1@corp.example>\r\nIn-Reply-To: <0@corp.example>\r\nReferences: <0@corp.example>\r\n <00@corp.example>\r\n\
         {long}X-Empty:\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n"
    );
    let with = |body: &str| [head.as_bytes(), b"\r\n", body.as_bytes()].concat();
    let mut samples: Vec<Vec<u8>> = ["day", "sealed", "two-1", "two-2"]
        .map(|name| std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.eml"))).unwrap())
        .into();
    samples.extend([
        with(""),
        with("\r\n"),
        with("\r\n\r\n \t\r\n"),
        with("one line\r\n"),
        with(".\r\n..\r\n.dots.\r\n"),
        with("trailing empty lines\r\n\r\n\r\n\r\n"),
        with(" spaces  and\t\ttabs \t \r\n\t \r\nlast \r\n"),
        with("Grüße, 佐藤\r\n"),
        with(&"a line, many times, with  two spaces\r\n\r\n".repeat(2000)),
        with(&format!("{}end\r\n", "\r\n".repeat(40_000))),
        // No body, not even the line before it.
        head.clone().into_bytes(),
        // Headers that come twice, and one of the lists alone.
        format!("X-A: 1\r\nx-a: 2\r\nFrom: a@corp.example\r\nX-B: {}\r\n\r\nx\r\n", "word ".repeat(150)).into_bytes(),
    ]);
    for number in 0..60 {
        let mut text = format!("From: r{number}@corp.example\r\n");
        for index in 0..random.below(12) {
            let value = pieces(random, &[" ", "\t", "a", "B:", ";", "\r\n ", "=", "longer-word"]);
            write!(text, "X-R{index}:{}\r\n", value.trim_end()).unwrap();
        }
        text.push_str("\r\n");
        text.push_str(&pieces(random, &[" ", "\t", "\r\n", "\r\n", "a", ".", "ü", "words of a text"]));
        text.push_str("\r\n");
        samples.push(text.into_bytes());
    }
    samples
}

fn pieces(random: &mut Random, from: &[&str]) -> String {
    (0..random.below(30)).map(|_| *random.pick(from)).collect()
}

/// Changes one letter or digit behind `marker` into another.
fn changed(bytes: &[u8], marker: &str, random: &mut Random) -> Option<Vec<u8>> {
    let start = bytes.windows(marker.len()).position(|window| window == marker.as_bytes())? + marker.len();
    // In the rest of a header's line, or of the body.
    let rest = &bytes[start..];
    let end = if marker == "\r\n\r\n" { rest.len() } else { rest.iter().position(|byte| *byte == b'\r').unwrap() };
    let places: Vec<usize> = (0..end).filter(|at| rest[*at].is_ascii_alphanumeric()).collect();
    if places.is_empty() {
        return None;
    }
    let at = start + *random.pick(&places);
    let mut changed = bytes.to_vec();
    changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
    Some(changed)
}

#[tokio::test(flavor = "multi_thread")]
async fn dkimpy_verifies_them() {
    let mut random = Random::new();
    let keys = Keys::new();
    let samples = samples(&mut random);
    for selector in ["rsa", "pkcs1", "ed25519"] {
        let sent = signed(&keys, selector, &samples).await;
        for ((bytes, sample), (good, listed)) in sent.iter().zip(&samples).zip(keys.verify(&sent)) {
            assert!(good, "{selector}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(3000)]));
            let head = String::from_utf8_lossy(sample);
            let head = head.split("\r\n\r\n").next().unwrap();
            let own = ["from", "to", "subject", "date", "message-id", "references", "in-reply-to", "mime-version", "content-type"];
            let mut expected: Vec<String> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap().trim_end().to_lowercase())
                .filter(|name| own.contains(&name.as_str()) || name.starts_with("x-"))
                .collect();
            expected.push("from".to_owned());
            expected.sort();
            let mut listed = listed;
            listed.sort();
            assert_eq!(listed, expected);
        }
        // The same again is the same, signature and all.
        assert!(signed(&keys, selector, &samples).await == sent, "{selector}: another signature for the same e-mail");

        if selector == "pkcs1" {
            // The same key as "rsa".
            continue;
        }
        // One byte, anywhere that counts.
        let mut altered = Vec::new();
        for bytes in &sent {
            for marker in [
                "\r\nFrom:",
                "\r\nSubject:",
                "\r\nDate:",
                "\r\nMessage-ID:",
                "\r\nX-Consign-Policy:",
                "\r\nX-B:",
                "\r\nX-R1:",
                "\r\n\r\n",
                "\tbh=",
                "\tb=",
                "\th=",
            ] {
                altered.extend(changed(bytes, marker, &mut random));
            }
            // A sender of somebody else's, above and below; a line more of the text.
            altered.push([b"From: boss@corp.example\r\n", bytes.as_slice()].concat());
            altered.push([bytes.as_slice(), b"x\r\n"].concat());
        }
        let count = altered.len();
        let passed = keys.verify(&altered).iter().filter(|(good, _)| *good).count();
        println!("{selector}: {} e-mails verified, {count} altered ones refused", sent.len());
        assert_eq!(passed, 0, "{selector}: of {count} altered ones");
    }
}

#[tokio::test]
async fn a_size_counts_the_signature() {
    let keys = Keys::new();
    let bytes = [b"From: a@corp.example\r\n", email("x", 3000).as_slice()].concat();
    let whole = signed(&keys, "rsa", std::slice::from_ref(&bytes)).await[0].len();
    for (limit, fits) in [(whole, true), (whole - 1, false), (bytes.len(), false)] {
        let offer: &'static str = Box::leak(format!("SIZE {limit}").into_boxed_str());
        let server = Server::start(Options { offers: vec![offer], ..Options::default() }, |_| Act::Normal);
        let sender = Sender::new(target(server.address, &json!({"dkim": keys.dkim("rsa")})));
        let outcomes = sender.send("journal@corp.example", &["in@archive.example".to_owned()], &bytes).await;
        match &outcomes[0].outcome {
            Outcome::Accepted { .. } if fits => {}
            Outcome::NotSent { reason, obstacle: Obstacle::Lasting } if !fits => {
                let room = limit - (whole - bytes.len());
                assert!(reason.contains(&format!("{whole} bytes")) && reason.contains(&format!("\"{room} B\"")), "{reason}");
            }
            other => panic!("{limit}: {other:?}"),
        }
    }
    // And composing leaves room for it.
    let address = "127.0.0.1:25".parse().unwrap();
    let sizes = [json!({}), json!({"dkim": keys.dkim("rsa")})].map(|more| spec(address, &more).composing().max_size.0);
    assert!(sizes[1] + u64::try_from(whole - bytes.len()).unwrap() <= sizes[0]);
}

#[test]
fn keys_and_names_that_are_refused() {
    let keys = Keys::new();
    let at = |name: &str| keys.file(name).to_str().unwrap().to_owned();
    openssl(&["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:1024", "-out", &at("short")]);
    openssl(&["genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &at("ec")]);
    openssl(&["pkey", "-in", &at("ec"), "-traditional", "-out", &at("sec1")]);
    openssl(&["pkey", "-in", &at("rsa"), "-aes256", "-passout", "pass:sesame", "-out", &at("locked")]);
    openssl(&["pkey", "-in", &at("rsa"), "-pubout", "-out", &at("public")]);
    std::fs::write(keys.file("text"), "sesame").unwrap();
    let address = "127.0.0.1:25".parse().unwrap();
    for (change, hint) in [
        (json!({"domain": "corp example"}), "domain \"corp example\" is no DNS name"),
        (json!({"domain": "example"}), "no DNS name"),
        (json!({"domain": "grüße.example"}), "xn--"),
        (json!({"domain": "a.example;\r\n b=x"}), "no DNS name"),
        (json!({"selector": "s1; d=other.example"}), "selector"),
        (json!({"selector": ""}), "selector"),
        (json!({"key": {"file": at("none")}}), "none, which can't be read"),
        (json!({"key": {"file": at("text")}}), "no private key"),
        (json!({"key": {"file": at("public")}}), "no private key"),
        (json!({"key": {"file": at("locked")}}), "passphrase"),
        (json!({"key": {"file": at("short")}}), "2048"),
        (json!({"key": {"file": at("ec")}}), "RSA of 2048"),
        (json!({"key": {"file": at("sec1")}}), "neither RSA nor Ed25519"),
    ] {
        let mut dkim = keys.dkim("rsa");
        for (key, value) in change.as_object().unwrap() {
            dkim[key] = value.clone();
        }
        let spec = spec(address, &json!({"dkim": dkim}));
        let error = Target::from_spec(&spec).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.fault.field(), "dkim");
        assert!(
            text.contains(hint) && text.starts_with("target t: ") && !text.contains(['\r', '\n']) && !text.contains("sesame"),
            "{change}: {text}"
        );
        // When it is applied the names are checked; the key may be another user's to read.
        let found: Vec<&str> = check_connection(&spec).iter().map(TargetFault::field).collect();
        assert_eq!(found.is_empty(), change.get("key").is_some(), "{change}");
    }
    let good = Target::from_spec(&spec(address, &json!({"dkim": keys.dkim("ed25519")}))).unwrap();
    assert!(format!("{good:?}").contains("Signer(ed25519._domainkey.corp.example)"));
}
