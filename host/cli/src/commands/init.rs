//! `init` and `keys`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use consign_life::Life;
use consign_model::audit::Deed;
use consign_model::{EarlierPublicKeys, TenantKeys};
use serde::{Deserialize, Serialize};

use crate::data::{Data, Place};
use crate::output::{Ending, Failure, say, say_json};
use crate::remote::Server;

/// Makes the data folder and keys, or says that they are there.
pub async fn init(place: &Place, json: bool) -> Result<Ending, Failure> {
    let data = Data::open(place).await?;
    let made = data.new.is_some();
    if json {
        say_json(&serde_json::json!({
            "data": place.folder,
            "tenant": place.tenant,
            "made": made,
            "master_key_file": data.new.as_ref().and_then(|new| new.master_key_file.as_ref()),
            "recipient": data.keys.recipient,
            "signing_key": data.keys.signing_public_key,
        }))?;
        return Ok(Ending::Done);
    }
    say_new(&data);
    if !made {
        say(format_args!("{} is ready; tenant '{}' has its keys.", place.folder.display(), place.tenant));
    }
    keys(&data, None, false).await
}

/// Shows the public keys.
pub async fn keys(data: &Data, write_identity: Option<&Path>, json: bool) -> Result<Ending, Failure> {
    if let Some(path) = write_identity {
        // Before it is written: nobody has it of whom the log does not tell.
        data.exporter.store.note(&data.exporter.tenant, &Deed::IdentityRevealed, &data.exporter.author).await?;
        let text = data.identities()?;
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| Failure::new(format!("cannot write {}: {error}; name a new file", path.display())))?;
    }
    say_keys(&Shown::of(&data.keys), json)
}

/// Gives the tenant new keys.
pub async fn rotate_keys(data: &Data, json: bool) -> Result<Ending, Failure> {
    say_rotated(&Shown::of(&Life::new(data.exporter.clone()).rotate_keys().await?), json)
}

/// The same by a server.
pub async fn rotate_keys_at(server: &Server, json: bool) -> Result<Ending, Failure> {
    say_rotated(&server.post(&server.of_tenant(&["keys", "rotate"]).await?, None).await?, json)
}

fn say_rotated(keys: &Shown, json: bool) -> Result<Ending, Failure> {
    if !json {
        say(
            "the tenant has new keys. Give the new signing key to whoever checks manifests and the audit log; the earlier ones stay good for what they have signed.",
        );
        say(
            "Backups that are made from now on have them. What was encrypted before opens with the earlier keys as before, also for whoever has copied one.",
        );
    }
    say_keys(keys, json)
}

/// The same by a server, which hands out no private one.
pub async fn keys_at(server: &Server, json: bool) -> Result<Ending, Failure> {
    say_keys(&server.get(&server.of_tenant(&["keys"]).await?).await?, json)
}

/// What is said of a tenant's keys.
#[derive(Serialize, Deserialize)]
struct Shown {
    recipient: String,
    signing_key: String,
    /// Oldest first.
    #[serde(default)]
    earlier: Vec<EarlierPublicKeys>,
}

impl Shown {
    fn of(keys: &TenantKeys) -> Self {
        let earlier = keys.earlier.iter().map(|keys| keys.public.clone()).collect();
        Self { recipient: keys.recipient.clone(), signing_key: keys.signing_public_key.clone(), earlier }
    }
}

fn say_keys(keys: &Shown, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(keys)?;
    } else {
        say(format_args!("conversation files are encrypted to   {}", keys.recipient));
        say(format_args!("manifests are signed with the key of  {}", keys.signing_key));
        for EarlierPublicKeys { recipient, signing_key, until } in keys.earlier.iter().rev() {
            say(format_args!("until {until}: encrypted to {recipient}, signed with the key of {signing_key}"));
        }
    }
    Ok(Ending::Done)
}

/// Says once where new keys lie, to standard error: it belongs to no command's output.
pub fn say_new(data: &Data) {
    if let Some(new) = &data.new {
        say_made(true, new.master_key_file.as_deref());
    }
}

/// The same, by whether the tenant is new and where a master key was made.
pub fn say_made(is_new: bool, master_key_file: Option<&Path>) {
    match master_key_file {
        _ if !is_new => {}
        Some(file) => eprintln!(
            "made new keys. The master key is in {}: keep a copy elsewhere (without it nobody can read the archive), and better keep it outside of the data folder, with --master-key-file or CONSIGN_MASTER_KEY.",
            file.display()
        ),
        None => eprintln!("made new keys for the tenant, under the master key that was given."),
    }
}
