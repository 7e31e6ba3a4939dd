//! TLS and signing in: what must be refused is refused before a secret or an e-mail is sent.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_mail::smtp::{Sender, Target, TargetFault, check_connection};
use consign_model::delivery::Outcome;
use serde_json::{Value, json};
use support::given::{Authority, email, patient, spec, target};
use support::server::{Act, Options, Point, Server};

async fn send(target: Target) -> Outcome {
    let mut outcomes = Sender::new(target).send("j@corp.example", &["a@archive.example".to_owned()], &email("x", 3000)).await;
    outcomes.remove(0).outcome
}

/// A target with this host, in `tls`, trusting `ca`.
fn secure(server: &Server, host: &str, tls: &str, ca: &std::path::Path) -> Target {
    target(server.address, &json!({"host": host, "tls": tls, "allow-plaintext": false, "ca-file": ca}))
}

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::NotSent { reason, .. } => reason,
        other => other.word(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let (known, unknown) = (Authority::new(), Authority::new());
    let (ca, other_ca) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    known.write(&ca);
    unknown.write(&other_ca);
    for tls in ["starttls", "implicit"] {
        let start = async |names: &[&str]| {
            let config = Some(known.server(names));
            let options = if tls == "implicit" {
                Options { implicit: config, ..Options::default() }
            } else {
                Options { starttls: config, ..Options::default() }
            };
            Server::start(options, |_| Act::Normal)
        };
        // By address and by name.
        let server = start(&["127.0.0.1"]).await;
        assert!(send(secure(&server, "127.0.0.1", tls, &ca)).await.is_accepted(), "{tls}");
        let checked = Sender::new(secure(&server, "127.0.0.1", tls, &ca)).check().await.unwrap();
        assert!(checked.tls.unwrap().starts_with("TLSv1.3"));
        let server = start(&["localhost"]).await;
        assert!(send(secure(&server, "localhost", tls, &ca)).await.is_accepted(), "{tls}");
        assert_eq!(server.came()[0].bytes, email("x", 3000));
        // The wrong name, another address, and an authority that is not trusted.
        for (names, host, ca, hint) in [
            (&["archive.example"], "localhost", &ca, "not for the name localhost"),
            (&["127.0.0.2"], "127.0.0.1", &ca, "not for the name 127.0.0.1"),
            (&["localhost"], "localhost", &other_ca, "ca-file"),
        ] {
            let server = start(names).await;
            let outcome = send(secure(&server, host, tls, ca)).await;
            assert!(reason(&outcome).contains(hint), "{tls}: {outcome:?}");
            assert!(!server.commands().iter().any(|line| line.starts_with("MAIL") || line.starts_with("AUTH")));
        }
        // Without ca-file the system's authorities count, and this one is none of them.
        let server = start(&["localhost"]).await;
        let mut system = Target::from_spec(&spec(server.address, &json!({"host": "localhost", "tls": tls})));
        if let Ok(system) = &mut system {
            system.timeouts = patient();
            let outcome = send(system.clone()).await;
            assert!(reason(&outcome).contains("no authority"), "{tls}: {outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_is_not_to_be_talked_out_of() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = folder.path().join("ca.pem");
    authority.write(&ca);
    let config = || Some(authority.server(&["localhost"]));
    let hidden = Server::start(Options::default(), |_| Act::Normal);
    let outcome = send(secure(&hidden, "localhost", "starttls", &ca)).await;
    assert!(reason(&outcome).contains("does not offer STARTTLS"), "{outcome:?}");

    let refused = Server::start(Options { starttls: config(), ..Options::default() }, |visit| match visit.point {
        Point::StartTls => Act::Say(b"502 5.5.1 no\r\n".to_vec()),
        _ => Act::Normal,
    });
    assert!(reason(&send(secure(&refused, "localhost", "starttls", &ca)).await).contains("refused STARTTLS"));

    let injected = Server::start(Options { starttls: config(), inject: "250-evil\r\n250 AUTH PLAIN\r\n", ..Options::default() }, |_| Act::Normal);
    assert!(reason(&send(secure(&injected, "localhost", "starttls", &ca)).await).contains("inserting"));

    for server in [&hidden, &refused, &injected] {
        assert!(!server.commands().iter().any(|line| line.starts_with("MAIL")), "sent in clear");
    }
    // The tls setting and the port don't fit.
    let plain = Server::start(Options::default(), |_| Act::Normal);
    let outcome = send(secure(&plain, "localhost", "implicit", &ca)).await;
    assert!(reason(&outcome).contains("tls setting"), "{outcome:?}");
    // 421 and the like in the handshake.
    for (act, word) in [
        (Act::Close, "not_sent"),
        (Act::SayAndClose(b"421 4.3.2 down\r\n".to_vec()), "deferred"),
        (Act::SayAndClose(b"220 go\r\n".to_vec()), "not_sent"),
        (Act::SayAndClose(b"220 go\r\n250 garbage".to_vec()), "not_sent"),
    ] {
        let server = Server::start(Options { starttls: config(), ..Options::default() }, move |visit| match visit.point {
            Point::StartTls => act.clone(),
            _ => Act::Normal,
        });
        assert_eq!(send(secure(&server, "localhost", "starttls", &ca)).await.word(), word);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in() {
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "öpen sesame\r\n").unwrap();
    let with = |auth: Value| json!({"username": "consign", "password": {"file": password}, "auth": auth});
    let plain = format!("AUTH PLAIN {}", STANDARD.encode("\0consign\0öpen sesame"));
    let login = vec!["AUTH LOGIN".to_owned(), STANDARD.encode("consign"), STANDARD.encode("öpen sesame")];
    let oauth = format!("AUTH XOAUTH2 {}", STANDARD.encode("user=consign\x01auth=Bearer öpen sesame\x01\x01"));
    for (offer, auth, sent) in [
        ("AUTH LOGIN PLAIN XOAUTH2", json!(null), vec![plain.clone()]),
        ("AUTH PLAIN LOGIN XOAUTH2", json!("login"), login.clone()),
        ("AUTH LOGIN", json!(null), login),
        ("AUTH=plain", json!("plain"), vec![plain]),
        ("AUTH PLAIN XOAUTH2", json!("xoauth2"), vec![oauth]),
    ] {
        let server = Server::start(Options { offers: vec!["SIZE", offer], ..Options::default() }, |_| Act::Normal);
        assert!(send(target(server.address, &with(auth))).await.is_accepted(), "{offer}");
        let commands = server.commands();
        assert_eq!(commands[1..=sent.len()], sent);
        assert!(commands[sent.len() + 1].starts_with("MAIL"));
    }
    // Not offered.
    for (offer, auth) in [("SIZE", json!(null)), ("AUTH CRAM-MD5", json!(null)), ("AUTH LOGIN", json!("plain")), ("AUTH XOAUTH2", json!(null))] {
        let server = Server::start(Options { offers: vec![offer], ..Options::default() }, |_| Act::Normal);
        let outcome = send(target(server.address, &with(auth))).await;
        assert!(reason(&outcome).contains("offers"), "{outcome:?}");
        assert!(!server.commands().iter().any(|line| line.starts_with("AUTH")));
    }
    // Refused: XOAUTH2's error comes as a challenge first.
    let refusals = |visit: &support::server::Visit<'_>| match (visit.point, visit.line) {
        (Point::Auth, line) if line.starts_with("AUTH XOAUTH2") => Act::Say(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n".to_vec()),
        (Point::Auth, line) if line.starts_with("AUTH PLAIN") => Act::Say(b"535 5.7.8 wrong\r\n".to_vec()),
        (Point::AuthAnswer, _) if visit.nth == 1 => Act::Say(b"535 5.7.8 wrong\r\n".to_vec()),
        _ => Act::Normal,
    };
    for auth in ["plain", "login", "xoauth2"] {
        let server = Server::start(Options { offers: vec!["AUTH PLAIN LOGIN XOAUTH2"], ..Options::default() }, refusals);
        let outcome = send(target(server.address, &with(json!(auth)))).await;
        let text = reason(&outcome);
        assert!(text.contains("sign in") && !text.contains("sesame"), "{text}");
        assert!(!server.commands().iter().any(|line| line.starts_with("MAIL")));
    }
}

/// A server that says again what it was told, in one way or another: nobody finds the secret in what becomes of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_the_secret() {
    type Way = (&'static str, fn(&str) -> Vec<u8>);
    let ways: [Way; 6] = [
        ("the line", |line| format!("500 5.5.1 what is \"{line}\"?\r\n").into_bytes()),
        ("a word of it", |line| format!("535 5.7.8 <{}>: no\r\n", line.rsplit(' ').next().unwrap()).into_bytes()),
        ("folded", |line| {
            let mut reply = Vec::new();
            for piece in line.as_bytes().chunks(16) {
                reply.extend([b"535-", piece, b"\r\n"].concat());
            }
            reply.extend(b"535 5.7.8 no\r\n");
            reply
        }),
        ("cut", |line| format!("500 5.5.2 line too long: {}...\r\n", &line[..line.len() - 5]).into_bytes()),
        ("read", |line| {
            let message = STANDARD.decode(line.rsplit(' ').next().unwrap()).unwrap();
            [b"535 5.7.8 no such: (", message.as_slice(), b")\r\n"].concat()
        }),
        ("in base64 of its own", |line| {
            let message = STANDARD.decode(line.rsplit(' ').next().unwrap()).unwrap();
            format!("535 5.7.8 {}\r\n", STANDARD.encode([b"{\"got\":\"", message.as_slice(), b"\"}"].concat())).into_bytes()
        }),
    ];
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    let secret = "ya29.Sesame-open_9f3kQ7";
    std::fs::write(&password, secret).unwrap();
    for (way, reply) in ways {
        for auth in ["plain", "login", "xoauth2"] {
            let server = Server::start(Options { offers: vec!["AUTH PLAIN LOGIN XOAUTH2"], ..Options::default() }, move |visit| match visit.point {
                Point::Auth if visit.line != "AUTH LOGIN" => Act::Say(reply(visit.line)),
                Point::AuthAnswer if visit.nth == 1 => Act::Say(reply(visit.line)),
                _ => Act::Normal,
            });
            let more = json!({"username": "consign", "password": {"file": password}, "auth": auth});
            let outcome = send(target(server.address, &more)).await;
            let text = format!("{outcome:?}");
            let word_of = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.len() > 5 && secret.contains(word));
            assert!(text.contains('…') && !word_of(&text), "{way}, {auth}: {text}");
            for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))) {
                for from in 0..word.len().min(4) {
                    let end = from + (word.len() - from) / 4 * 4;
                    let read = STANDARD.decode(word.get(from..end).unwrap()).unwrap_or_default();
                    assert!(!word_of(&String::from_utf8_lossy(&read)), "{way}, {auth}: {word} in {text}");
                }
            }
        }
    }
}

/// A token that is good for one connection only: each has to get its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_each_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Counts its calls; at the fifth it fails.
    let (script, count, file) = (path("get-token"), path("count"), path("token"));
    let text = format!("n=$(($(cat {0}) + 1)); echo $n > {0}; [ $n -ne 5 ] || {{ echo sesame-5; exit 1; }}; echo sesame-$n", count.display());
    std::fs::write(&script, text).unwrap();
    for source in [json!({"command": ["/bin/sh", script]}), json!({"file": file})] {
        let by_command = source.get("command").is_some();
        std::fs::write(&count, "0").unwrap();
        // The only good token is the one after those of the connections before; the first was read when the target was made.
        let server = Server::start(Options { offers: vec!["AUTH XOAUTH2"], ..Options::default() }, |visit| match visit.point {
            Point::Auth => {
                let good = STANDARD.encode(format!("user=consign\x01auth=Bearer sesame-{}\x01\x01", visit.connection + 2));
                if visit.line == format!("AUTH XOAUTH2 {good}") { Act::Normal } else { Act::Say(b"334 eyJzdGF0dXMiOiI0MDEifQ==\r\n".to_vec()) }
            }
            Point::AuthAnswer => Act::Say(b"535 5.7.8 expired\r\n".to_vec()),
            Point::AfterDot => Act::SayAndClose(b"250 2.0.0 kept\r\n".to_vec()),
            _ => Act::Normal,
        });
        std::fs::write(&file, "sesame-1\n").unwrap();
        let sender = Sender::new(target(server.address, &json!({"username": "consign", "password": source, "auth": "xoauth2", "connections": 1})));
        for token in 2..=6 {
            std::fs::write(&file, format!("sesame-{token}\n")).unwrap();
            let subject = format!("n{token}");
            let mut outcomes = sender.send("j@corp.example", &["a@archive.example".to_owned()], &email(&subject, 500)).await;
            let outcome = outcomes.remove(0).outcome;
            match token {
                // No token, no connection; and what the command said stays with it.
                5 if by_command => {
                    assert!(reason(&outcome).contains("/bin/sh, which failed") && !outcome.is_not_sendable(), "{outcome:?}");
                    assert!(!reason(&outcome).contains("sesame"), "{outcome:?}");
                }
                // This one is not the fourth connection's.
                6 if by_command => {
                    assert!(reason(&outcome).contains("sign in") && reason(&outcome).contains("expired"), "{outcome:?}");
                    assert!(!reason(&outcome).contains("sesame"), "{outcome:?}");
                }
                _ => assert!(outcome.is_accepted(), "{outcome:?}"),
            }
        }
        assert_eq!(server.came().len(), if by_command { 3 } else { 5 });
    }
}

#[test]
fn targets_that_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let address = "127.0.0.1:25".parse().unwrap();
    for (more, hint) in [
        (json!({"allow-plaintext": false}), "allow-plaintext"),
        (json!({"username": "u"}), "without password"),
        (json!({"password": {"env": "X"}}), "without username"),
        (json!({"auth": "plain"}), "without username"),
        (json!({"username": "u", "password": {"env": "CONSIGN_TEST_SURELY_UNSET"}}), "CONSIGN_TEST_SURELY_UNSET"),
        (json!({"username": "u", "password": {"file": folder.path().join("none")}}), "none"),
        (json!({"username": "u", "password": {"file": file("empty", "\n")}}), "is empty"),
        (json!({"username": "u", "password": {"file": file("two", "sesame\nsesame\n")}}), "more than one line"),
        (json!({"username": "u", "password": {"command": [folder.path().join("none"), "sesame"]}}), "none, which can't be started"),
        (json!({"username": "u", "password": {"command": ["/bin/sh", "-c", "echo sesame; exit 7"]}}), "/bin/sh, which failed (exit status: 7)"),
        (json!({"username": "u", "password": {"command": ["/bin/sh", "-c", "echo sesame; echo sesame"]}}), "more than one line"),
        (json!({"username": "u\u{0}", "password": {"file": file("one", "sesame")}}), "control character"),
        (json!({"tls": "starttls", "ca-file": folder.path().join("gone.pem")}), "gone.pem"),
        (json!({"tls": "starttls", "ca-file": file("no.pem", "hello")}), "holds no certificate"),
        (json!({"tls": "implicit", "ca-file": file("bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}), "can't be used"),
        (json!({"host": "no host"}), "neither a DNS name"),
        (json!({"host": "a\r\nb"}), "neither a DNS name"),
        (json!({"hello": "x\r\nMAIL FROM:<a@b>"}), "hello"),
        (json!({"from": "j@corp.example\r\nDATA"}), "from"),
        (json!({"to": ["a@b", "nobody"]}), "no '@'"),
        (json!({"from": "Journal <journal@corp.example> x"}), "from"),
        (json!({"to": []}), "at least one recipient"),
        (json!({"connections": 0}), "at least 1"),
    ] {
        let error = Target::from_spec(&spec(address, &more)).unwrap_err().to_string();
        assert!(error.contains(hint) && error.starts_with("target t: "), "{more}: {error}");
        assert!(!error.contains("sesame") && !error.contains(['\r', '\n']), "{error}");
    }
    let good = Target::from_spec(&spec(address, &json!({"host": "[::1]", "username": "u", "password": {"file": file("good", "sesame")}}))).unwrap();
    assert_eq!(good.place(), "[::1]:25");
    let named = json!({"from": "Journal <journal@corp.example>", "to": ["\"In, gest\" <ingest@archive.example>", "b@archive.example"]});
    Target::from_spec(&spec(address, &named)).unwrap();
    // What can be found without the secret is found all at once, and the secret is not asked for.
    let several = json!({"host": "a:25", "hello": "x y", "connections": 0, "username": "u", "password": {"env": "CONSIGN_TEST_SURELY_UNSET"}});
    let found: Vec<&str> = check_connection(&spec(address, &several)).iter().map(TargetFault::field).collect();
    assert_eq!(found, ["host", "hello", "connections"]);
    assert!(!format!("{good:?}").contains("sesame"));
    let good = Target::from_spec(&spec(address, &json!({"username": "u", "password": {"command": ["/bin/echo", "sesame"]}}))).unwrap();
    assert!(!format!("{good:?}").contains("sesame"));
}
