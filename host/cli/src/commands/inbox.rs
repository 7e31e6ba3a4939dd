//! `inbox`

use std::net::SocketAddr;
use std::path::Path;

use consign_mail::inbox::{Inbox, InboxOptions};

use crate::output::{Ending, Failure, bytes, number, say, say_json};

/// Receives until it is interrupted.
pub async fn inbox(listen: SocketAddr, maildir: &Path, json: bool) -> Result<Ending, Failure> {
    // Before it says that it listens: whoever reads that may ask it to end.
    let asked_to_end = super::serve::interrupted();
    let inbox = Inbox::bind(listen, maildir, InboxOptions::default()).await?;
    let address = inbox.local_addr();
    if json {
        say_json(&serde_json::json!({ "listening": address, "maildir": maildir }))?;
    } else {
        say(format_args!("listening on {address}; e-mails go into {}; Ctrl-C ends it", maildir.display()));
    }
    let received = inbox.serve(asked_to_end).await;
    if json {
        say_json(&serde_json::json!({ "emails": received.emails, "bytes": received.bytes }))?;
    } else {
        say(format_args!("received {} e-mails, {}", number(received.emails), bytes(received.bytes)));
    }
    Ok(Ending::Done)
}
