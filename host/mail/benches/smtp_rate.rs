//! E-mails a second into Postfix's `smtp-sink`, by Consign's sender and by Postfix's own `smtp-source`: 10 KB each, 1 and 4 connections.
//!
//! `cargo bench -p consign-mail --bench smtp_rate -- COUNT`. Says so and ends where the two programs are not installed (Debian: postfix).
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a bench ends by panicking, and its counts are small")]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use consign_mail::smtp::{Sender, Target};
use futures::stream::{StreamExt as _, iter};

const SINK: &str = "/usr/sbin/smtp-sink";
const SOURCE: &str = "/usr/sbin/smtp-source";

struct Sink {
    child: Child,
    address: SocketAddr,
}

impl Sink {
    fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        // As root it wants a user to become.
        let child = Command::new(SINK).args(["-u", "nobody", &address.to_string(), "128"]).stderr(Stdio::inherit()).spawn().unwrap();
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    let count: usize = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(20_000);
    if ![SINK, SOURCE].iter().all(|program| std::path::Path::new(program).exists()) {
        println!("{SINK} or {SOURCE} is missing: install Debian's postfix to measure");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut message = b"Subject: bench\r\n\r\n".to_vec();
    while message.len() < 10_240 {
        message.extend_from_slice(b"a line of text of some seventy bytes, as a composed e-mail has them...\r\n");
    }
    for connections in [1_u16, 4] {
        let sink = Sink::start();
        let spec = serde_json::json!({
            "name": "bench", "host": "127.0.0.1", "port": sink.address.port(), "tls": "none", "allow-plaintext": true,
            "from": "journal@corp.example", "to": ["in@archive.example"], "connections": connections
        });
        let sender = Sender::new(Target::from_spec(&serde_json::from_value(spec).unwrap()).unwrap());
        let to = ["in@archive.example".to_owned()];
        let begin = Instant::now();
        let accepted = runtime.block_on(async {
            let send = |_| sender.send("journal@corp.example", &to, &message);
            let mut sends = std::pin::pin!(iter(0..count).map(send).buffer_unordered(connections.into()));
            let mut accepted = 0;
            while let Some(outcomes) = sends.next().await {
                accepted += usize::from(outcomes.iter().all(|one| one.outcome.is_accepted()));
            }
            accepted
        });
        let ours = count as f64 / begin.elapsed().as_secs_f64();
        assert_eq!(accepted, count);
        let begin = Instant::now();
        let source =
            ["-d", "-s", &connections.to_string(), "-m", &count.to_string(), "-l", "10240", "-f", "journal@corp.example", "-t", "in@archive.example"];
        let status = Command::new(SOURCE).args(source).arg(sink.address.to_string()).status().unwrap();
        let theirs = count as f64 / begin.elapsed().as_secs_f64();
        assert!(status.success());
        println!("{connections} connections: consign {ours:.0}/s, smtp-source {theirs:.0}/s, ratio {:.2}", ours / theirs);
    }
}
