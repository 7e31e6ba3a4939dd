//! Delivering e-mails over SMTP.
//!
//! The session is written by hand over tokio and rustls. It was meant to stand on lettre's low-level connection; read in lettre 0.11.23,
//! these stood against it:
//! - its `message_iter` always ends with CRLF, dot, CRLF, so an e-mail that ends in CRLF arrives with a line more than was hashed;
//! - writing the body and reading the answer is one call: when it fails, nobody can tell *not sent* from *unknown*;
//! - its reader keeps what came in clear before STARTTLS and takes it for the server's answers after it;
//! - a line without an end is read into memory until it ends, and only then found too long;
//! - a reply with a code such as 571 or with a byte that is not UTF-8 is an error, and its text is lost;
//! - it doesn't pipeline.
//!
//! An e-mail takes one round trip: its envelope goes out behind the text of the one before (`transaction` says what makes that safe). What of its time is the
//! network's, the kernel's and ours: `tests/benches/smtp`.
//!
//! What becomes of an e-mail at each point of a session and each fault is a table: `tests/smtp_points.txt`. Every cell of it is run.
//!
//! A future that is dropped takes its connection with it: nothing half-used is ever used again.

pub(crate) mod address;
mod auth;
mod body;
mod capabilities;
mod connection;
mod dkim;
mod envelope;
mod fault;
mod pool;
mod reply;
mod secret;
mod sender;
mod target;
mod transaction;

pub use address::AddressError;
pub use sender::{Checked, Sender};
pub use target::{Target, TargetError, TargetFault, Timeouts, check_connection};
