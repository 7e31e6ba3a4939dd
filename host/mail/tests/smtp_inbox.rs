//! The inbox: what lettre, Consign's own sender and raw bytes put into it lies in its Maildir unchanged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use consign_mail::inbox::{Account, Inbox, InboxOptions, Received};
use consign_mail::smtp::Sender;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use serde_json::json;
use support::given::{Authority, Random, email, target};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Running {
    address: SocketAddr,
    folder: tempfile::TempDir,
    end: oneshot::Sender<()>,
    task: JoinHandle<Received>,
}

impl Running {
    async fn start(options: InboxOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inbox = Inbox::bind("127.0.0.1:0".parse().unwrap(), folder.path(), options).await.unwrap();
        let address = inbox.local_addr();
        let (end, ended) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            inbox
                .serve(async {
                    let _ = ended.await;
                })
                .await
        });
        Self { address, folder, end, task }
    }

    async fn stop(self) -> (Vec<Vec<u8>>, Received) {
        let _ = self.end.send(());
        let received = self.task.await.unwrap();
        (files(self.folder.path()), received)
    }

    /// Sends these bytes at once, and reads to the end.
    async fn talk(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may close before it has read all of it.
        let _ = stream.write_all(bytes).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }
}

/// All e-mails, sorted; nothing may be left in `tmp`.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    assert_eq!(std::fs::read_dir(folder.join("tmp")).unwrap().count(), 0);
    let mut all: Vec<Vec<u8>> = std::fs::read_dir(folder.join("new")).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    all.sort();
    all
}

fn codes(answer: &str) -> Vec<&str> {
    answer.lines().filter(|line| line.as_bytes().get(3) == Some(&b' ')).map(|line| &line[..3]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_arrive_as_they_were_sent() {
    let mut random = Random::new();
    let inbox = Running::start(InboxOptions::default()).await;
    let sender = Sender::new(target(inbox.address, &json!({"connections": 4})));
    let mut emails: Vec<Vec<u8>> = Vec::new();
    for number in 0..200 {
        let mut bytes = format!("Subject: {number}\r\n\r\n").into_bytes();
        for _ in 0..random.below(60) {
            for _ in 0..random.below(80) {
                bytes.extend_from_slice(random.pick(&[".", "..", "a", " ", "\t", "\u{0}", "é", "QUIT", "\u{7f}"]).as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
        }
        emails.push(bytes);
    }
    // Larger than every buffer, and with dots at the borders of the pieces.
    emails.push(email("large", 20 << 20));
    emails.push(b".\r\n".repeat(100_000));
    emails.push(b"\r\n".to_vec());
    let recipients = vec!["a@archive.example".to_owned(), "b@archive.example".to_owned()];
    let all = futures::future::join_all(emails.iter().map(|bytes| sender.send("j@corp.example", &recipients, bytes))).await;
    assert!(all.iter().flatten().all(|one| one.outcome.is_accepted()), "{all:?}");
    sender.close().await;
    let (kept, received) = inbox.stop().await;
    assert_eq!(received, Received { emails: 203, bytes: emails.iter().map(|bytes| bytes.len() as u64).sum() });
    emails.sort();
    assert!(kept == emails, "some e-mail was changed");
}

/// Somebody else's client: through STARTTLS, signed in by each mechanism, and pipelined.
#[tokio::test(flavor = "multi_thread")]
async fn lettre_delivers() {
    use lettre::transport::smtp::authentication::Mechanism;
    use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};

    let authority = Authority::new();
    let ca = tempfile::NamedTempFile::new().unwrap();
    authority.write(ca.path());
    let options = InboxOptions {
        tls: Some(authority.server(&["localhost"])),
        account: Some(Account { user: "ann".to_owned(), secret: "sesame".to_owned() }),
        ..InboxOptions::default()
    };
    let inbox = Running::start(options).await;
    let tls = || {
        let pem = std::fs::read(ca.path()).unwrap();
        Tls::Required(TlsParameters::builder("localhost".to_owned()).add_root_certificate(Certificate::from_pem(&pem).unwrap()).build().unwrap())
    };
    let envelope = Envelope::new(Some("j@corp.example".parse().unwrap()), vec!["a@archive.example".parse().unwrap()]).unwrap();
    let client = |mechanism, secret: &str| {
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("localhost")
            .port(inbox.address.port())
            .tls(tls())
            .credentials(Credentials::new("ann".to_owned(), secret.to_owned()))
            .authentication(vec![mechanism])
            .build()
    };
    for mechanism in [Mechanism::Plain, Mechanism::Login, Mechanism::Xoauth2] {
        client(mechanism, "sesame").send_raw(&envelope, b"Subject: x\r\n\r\n.dots\r\n..\r\nend").await.unwrap();
        assert!(client(mechanism, "wrong").send_raw(&envelope, b"x").await.is_err());
    }
    // And ours, by the same ways.
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(password.path(), "sesame").unwrap();
    for auth in ["plain", "login", "xoauth2"] {
        let more = json!({"host": "localhost", "tls": "starttls", "ca-file": ca.path(), "username": "ann", "password": {"file": password.path()}, "auth": auth});
        let sender = Sender::new(target(inbox.address, &more));
        let outcomes = sender.send("j@corp.example", &["b@archive.example".to_owned()], b"ours\r\n").await;
        assert!(outcomes[0].outcome.is_accepted(), "{outcomes:?}");
        assert_eq!(sender.check().await.unwrap().signed_in.unwrap().to_lowercase(), auth);
    }
    let unsigned = Sender::new(target(inbox.address, &json!({}))).send("j@corp.example", &["b@archive.example".to_owned()], b"x\r\n").await;
    assert!(unsigned[0].outcome.text().contains("530"), "{unsigned:?}");
    let (kept, _) = inbox.stop().await;
    let mut expected = vec![b"Subject: x\r\n\r\n.dots\r\n..\r\nend\r\n".to_vec(); 3];
    expected.extend(vec![b"ours\r\n".to_vec(); 3]);
    assert_eq!(kept, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_sessions() {
    let inbox = Running::start(InboxOptions { max_size: 2000, ..InboxOptions::default() }).await;
    // Everything at once, two e-mails, with the end of one and the beginning of the next in one piece.
    let answer = inbox
        .talk(b"EHLO x\r\nMAIL FROM:<a@b> SIZE=5 BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nRCPT TO:<nobody>\r\nDATA\r\none\r\n.\r\nmail from:<>\r\nrcpt to:<c@d>\r\ndata\r\ntwo\r\n.\r\nQUIT\r\n")
        .await;
    assert_eq!(codes(&answer), ["220", "250", "250", "250", "553", "354", "250", "250", "250", "354", "250", "221"], "{answer}");
    // What makes no sense.
    let answer = inbox
        .talk(b"MAIL FROM:<a@b>\r\nEHLO\r\nEHLO x\r\nDATA\r\nRCPT TO:<a@b>\r\nMAIL FROM:<a@b> X=1\r\nMAIL FROM:<a@b> SIZE=9999\r\nMAIL FROM:<a@b>\r\nDATA\r\nSTARTTLS\r\nAUTH PLAIN AAAA\r\nBDAT 5 LAST\r\nlone\nlf\r\nQUIT\r\n")
        .await;
    assert_eq!(
        codes(&answer),
        ["220", "503", "501", "250", "503", "503", "555", "552", "250", "554", "502", "502", "500", "500", "500", "221"],
        "{answer}"
    );
    // Too large, smuggled, a line too long: refused at the end, and the session goes on.
    let begin = "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";
    let long = "x".repeat(999);
    let large = "0123456789\r\n".repeat(170);
    let answer = inbox
        .talk(format!("EHLO x\r\n{begin}{large}.\r\n{begin}a\n.\nMAIL FROM:<evil@b>\r\n.\r\n{begin}{long}\r\n.\r\nNOOP\r\nQUIT\r\n").as_bytes())
        .await;
    assert_eq!(
        codes(&answer),
        ["220", "250", "250", "250", "354", "552", "250", "250", "354", "554", "250", "250", "354", "554", "250", "221"],
        "{answer}"
    );
    // Endless: a command, mistakes, an e-mail.
    let answer = inbox.talk(&[vec![b'x'; 100_000].as_slice(), b"\r\nQUIT\r\n"].concat()).await;
    assert_eq!(codes(&answer), ["220", "500", "221"], "{answer}");
    let answer = inbox.talk(&b"what?\r\n".repeat(100)).await;
    assert!(codes(&answer).last() == Some(&"421") && codes(&answer).len() < 30, "{answer}");
    // Only those in a row count.
    let answer = inbox.talk(&[b"what?\r\nNOOP\r\n".repeat(100).as_slice(), b"QUIT\r\n"].concat()).await;
    assert_eq!((codes(&answer).len(), codes(&answer).last()), (202, Some(&"221")), "{answer}");
    let answer = inbox.talk(&[b"EHLO x\r\n", begin.as_bytes(), &b"0123456789\r\n".repeat(400_000)].concat()).await;
    assert!(codes(&answer).is_empty() || codes(&answer).last() == Some(&"421") || codes(&answer).last() == Some(&"354"), "{answer}");
    // Cut off in the middle: not kept.
    drop(TcpStream::connect(inbox.address).await.unwrap().write_all(format!("EHLO x\r\n{begin}half").as_bytes()).await);
    let (kept, received) = inbox.stop().await;
    assert_eq!(kept, [b"one\r\n".to_vec(), b"two\r\n".to_vec()]);
    assert_eq!(received.emails, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_guesses_for_ever() {
    let account = Some(Account { user: "u".into(), secret: "sesame".into() });
    let inbox = Running::start(InboxOptions { account, ..InboxOptions::default() }).await;
    let guess = b"AUTH PLAIN AHUAd3Jvbmc=\r\nNOOP\r\n".repeat(100);
    let answer = inbox.talk(&[b"EHLO x\r\n", guess.as_slice(), b"QUIT\r\n"].concat()).await;
    assert_eq!((codes(&answer).iter().filter(|code| **code == "535").count(), codes(&answer).last()), (19, Some(&"421")), "{answer}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_what_came() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let maildir = folder.path().join("new/one");
    let inbox = Inbox::bind("127.0.0.1:0".parse().unwrap(), &maildir, InboxOptions::default()).await.unwrap();
    let address = inbox.local_addr();
    tokio::spawn(async move { inbox.serve(std::future::pending()).await });
    let to = ["b@archive.example".to_owned()];
    assert!(Sender::new(target(address, &json!({}))).send("j@corp.example", &to, b"x\r\n").await[0].outcome.is_accepted());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let came = std::fs::read_dir(maildir.join("new")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&came), 0o600);
    for made in [folder.path().join("new"), maildir.clone(), maildir.join("tmp"), maildir.join("new"), maildir.join("cur")] {
        assert_eq!(mode(&made), 0o700, "{}", made.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_too_many_and_the_end() {
    let inbox = Running::start(InboxOptions { max_sessions: 1, ..InboxOptions::default() }).await;
    let mut first = TcpStream::connect(inbox.address).await.unwrap();
    let mut greeting = [0; 4];
    first.read_exact(&mut greeting).await.unwrap();
    let outcomes = Sender::new(target(inbox.address, &json!({}))).send("j@corp.example", &["b@archive.example".to_owned()], b"x\r\n").await;
    assert_eq!(outcomes[0].outcome.word(), "deferred", "{outcomes:?}");
    // The end comes while the first is still there: it is told.
    let (kept, received) = inbox.stop().await;
    let mut rest = String::new();
    first.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("421 4.3.2 the inbox ends\r\n"), "{rest}");
    assert_eq!((kept.len(), received), (0, Received::default()));
}

#[tokio::test]
async fn what_can_not_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Inbox::bind("127.0.0.1:0".parse().unwrap(), &file, InboxOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("--maildir"), "{error}");
    let taken = Arc::new(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
    let error = Inbox::bind(taken.local_addr().unwrap(), folder.path(), InboxOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("--listen"), "{error}");
}
