//! A mail server that answers as it is told to, and can be told otherwise while it runs. What it accepts it keeps, as an archive would.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;

use crate::program::Target;

/// What it does with an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Takes it.
    Accept,
    /// Says at EHLO that it takes e-mails of 1,000 bytes at most.
    TakeLittle,
    /// 535 where one signs in.
    RefuseSignIn,
    /// 554 at RCPT.
    RefuseRecipient,
    /// 554 after the data.
    RefuseData,
    /// 451 after the data.
    Defer,
    /// 554 after the data of every third e-mail of a connection, 451 after the others'.
    RefuseSomeAndDefer,
    /// 421 as its greeting, and closes.
    Unavailable,
    /// Closes in place of the answer to the data, having kept nothing.
    CloseBeforeAnswer,
    /// Keeps the e-mail, and closes in place of the answer: the outcome is unknown.
    KeepAndClose,
}

/// The server. Its threads end with the test's process.
#[derive(Debug)]
pub struct Scripted {
    folder: TempDir,
    port: u16,
    behaviour: Arc<Mutex<Behaviour>>,
    sessions: Arc<AtomicUsize>,
}

impl Scripted {
    /// Starts one on a free port.
    pub fn start(behaviour: Behaviour) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let port = listener.local_addr().unwrap_or_else(|error| panic!("{error}")).port();
        let behaviour = Arc::new(Mutex::new(behaviour));
        let sessions = Arc::new(AtomicUsize::new(0));
        let (shared, maildir, open) = (Arc::clone(&behaviour), folder.path().to_owned(), Arc::clone(&sessions));
        std::fs::create_dir(maildir.join("new")).unwrap_or_else(|error| panic!("{error}"));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let (shared, maildir, open) = (Arc::clone(&shared), maildir.clone(), Arc::clone(&open));
                open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // The other end may go away at any time.
                    let _ = session(stream, &shared, &maildir, number);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { folder, port, behaviour, sessions }
    }

    /// From now on.
    pub fn now(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// How to reach it.
    pub fn target(&self) -> Target {
        Target::plain(self.port)
    }

    /// Gives away what it has kept, as this folder, and begins with nothing. Waits until every session is over: whoever sent has to have ended.
    pub fn hand_over(&self, maildir: &Path) {
        crate::until("sessions to be over", || self.sessions.load(Ordering::SeqCst) == 0);
        let new = self.folder.path().join("new");
        std::fs::create_dir_all(maildir)
            .and_then(|()| std::fs::rename(&new, maildir.join("new")))
            .and_then(|()| std::fs::create_dir(&new))
            .unwrap_or_else(|error| panic!("{}: {error}", maildir.display()));
    }

    /// What it has kept.
    pub fn maildir(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

fn session(stream: TcpStream, behaviour: &Mutex<Behaviour>, maildir: &Path, number: usize) -> std::io::Result<()> {
    let is = || *behaviour.lock().unwrap_or_else(PoisonError::into_inner);
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    if is() == Behaviour::Unavailable {
        return out.write_all(b"421 4.3.2 not now\r\n");
    }
    out.write_all(b"220 scripted ESMTP\r\n")?;
    let mut refused = false;
    for email in 0.. {
        let data = loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" if is() == Behaviour::TakeLittle => out.write_all(b"250-scripted\r\n250 SIZE 1000\r\n")?,
                "EHLO" => out.write_all(b"250-scripted\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250 SIZE 104857600\r\n")?,
                "AUTH" if is() == Behaviour::RefuseSignIn => out.write_all(b"535 5.7.8 not you\r\n")?,
                "AUTH" => out.write_all(b"235 2.7.0 welcome\r\n")?,
                "RCPT" if is() == Behaviour::RefuseRecipient => {
                    refused = true;
                    out.write_all(b"554 5.7.1 not this one\r\n")?;
                }
                "DATA" if refused => {
                    refused = false;
                    out.write_all(b"554 5.5.1 no recipients\r\n")?;
                }
                "DATA" => break true,
                "QUIT" => {
                    out.write_all(b"221 bye\r\n")?;
                    return Ok(());
                }
                _ => {
                    refused = false;
                    out.write_all(b"250 2.0.0 ok\r\n")?;
                }
            }
        };
        debug_assert!(data);
        out.write_all(b"354 go on\r\n")?;
        let mut bytes = Vec::new();
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            if line == b".\r\n" {
                break;
            }
            bytes.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
        let now = is();
        if matches!(now, Behaviour::Accept | Behaviour::KeepAndClose) {
            // Whole, or not there: a test may look at any time.
            let (name, half) = (format!("{number}.{email}"), maildir.join(format!("{number}.half")));
            std::fs::write(&half, &bytes)?;
            std::fs::rename(half, maildir.join("new").join(name))?;
        }
        match now {
            Behaviour::Accept => out.write_all(b"250 2.0.0 kept\r\n")?,
            Behaviour::RefuseSomeAndDefer if email % 3 == 0 => out.write_all(b"554 5.6.0 never\r\n")?,
            Behaviour::Defer | Behaviour::RefuseSomeAndDefer => out.write_all(b"451 4.3.0 later\r\n")?,
            Behaviour::RefuseData | Behaviour::RefuseRecipient | Behaviour::RefuseSignIn | Behaviour::TakeLittle => {
                out.write_all(b"554 5.6.0 never\r\n")?;
            }
            Behaviour::CloseBeforeAnswer | Behaviour::KeepAndClose | Behaviour::Unavailable => return Ok(()),
        }
    }
    Ok(())
}
