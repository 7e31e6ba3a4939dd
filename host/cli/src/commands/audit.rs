//! `audit`

use std::path::{Path, PathBuf};

use consign_export::audit::{Passed, export, has_manifests, verify_file, verify_lines, verify_store, write_export};
use consign_export::verify::SignatureCheck;
use consign_model::audit::{Entry, SignedEntry};
use serde::Deserialize;

use crate::args::AuditCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};
use crate::remote::Server;
use crate::remote::server::with;

/// Entries read at a time.
const PAGE: usize = 1_000;

/// Checks, lists or exports the audit log. `open` is called where the data folder is needed.
pub async fn audit(command: &AuditCommand, open: impl AsyncFnOnce() -> Result<Data, Failure>, json: bool) -> Result<Ending, Failure> {
    match command {
        AuditCommand::Verify { file, key, manifest } => {
            let passed = match file {
                Some(file) => verify_file(file, key.as_deref(), manifest)?,
                None => of_store(&open().await?, key.as_deref(), manifest).await?,
            };
            say_passed(&passed, json)?;
        }
        AuditCommand::List { last } => list(&open().await?, *last, json).await?,
        AuditCommand::Export { file } => write(&open().await?, file, json).await?,
    }
    Ok(Ending::Done)
}

/// The same of a server. Its log is checked here, by what it hands out: whoever checks it by a key that they keep themselves need not trust the server.
pub async fn audit_at(server: &Server, command: &AuditCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        AuditCommand::Verify { key, manifest, .. } => {
            let lines = exported_at(server).await?;
            let passed = verify_lines(&lines, Path::new("the server's log"), key.as_deref(), manifest)?;
            say_passed(&passed, json)?;
        }
        AuditCommand::List { last } => list_at(server, *last, json).await?,
        AuditCommand::Export { file } => {
            let lines = exported_at(server).await?;
            // What is written is a log: else what answered was cut off, or is none of ours.
            let passed = verify_lines(&lines, Path::new("the server's log"), None, &[])?;
            write_export(file, &lines)?;
            say_exported(file, passed.entries, None, json)?;
        }
    }
    Ok(Ending::Done)
}

async fn exported_at(server: &Server) -> Result<Vec<u8>, Failure> {
    server.made(&server.of_tenant(&["audit", "export"]).await?).await
}

async fn list_at(server: &Server, last: Option<u64>, json: bool) -> Result<(), Failure> {
    let url = server.of_tenant(&["audit"]).await?;
    let page = async |after: u64| -> Result<Entries, Failure> {
        server.get(&with(&with(&url, "after", &after.to_string()), "limit", &PAGE_THERE.to_string())).await
    };
    let mut entries = page(0).await?;
    let newest = entries.last;
    let mut after = last.map_or(0, |last| newest.saturating_sub(last));
    if after > 0 {
        entries = page(after).await?;
    }
    let mut listed = Listed::new(json);
    loop {
        let count = entries.entries.len();
        for signed in &entries.entries {
            after += 1;
            listed.add(after, signed)?;
        }
        if count < PAGE_THERE {
            break;
        }
        entries = page(after).await?;
    }
    listed.end(newest)
}

/// Entries that a server gives at a time.
const PAGE_THERE: usize = 500;

/// A part of a server's log.
#[derive(Deserialize)]
struct Entries {
    entries: Vec<SignedEntry>,
    last: u64,
}

async fn of_store(data: &Data, key: Option<&str>, manifests: &[PathBuf]) -> Result<Passed, Failure> {
    let (exporter, own) = (&data.exporter, &data.keys.signing_public_key);
    let (mut manifests, all_of_them) = (manifests.to_vec(), manifests.is_empty());
    let folder = exporter.data.join("manifests").join(exporter.tenant.as_str());
    if all_of_them && has_manifests(&folder)? {
        manifests.push(folder.clone());
    }
    let passed = verify_store(exporter.store.as_ref(), &exporter.tenant, key.unwrap_or(own), &manifests).await?;
    match passed.without_manifest.first() {
        Some(run) if all_of_them => {
            let count = passed.without_manifest.len() as u64;
            let what = format!("the manifests of {} runs that have ended are not in {}, that of run {run} first", number(count), folder.display());
            Err(Failure::new(format!("{what}: restore them from a backup; where they are kept elsewhere, name them with --manifest")))
        }
        _ => Ok(passed),
    }
}

fn say_passed(passed: &Passed, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(passed);
    }
    say(format_args!("{} entries, each follows the one before; {} manifests agree", number(passed.entries), number(passed.manifests)));
    say(match passed.signature {
        SignatureCheck::Trusted => "signatures: good, by the tenant's key",
        _ => "signatures: good, by the key that stands with them (give --key to check whose it is)",
    });
    if !passed.without_manifest.is_empty() {
        say(format_args!("not checked: the manifests of {} runs were not given", number(passed.without_manifest.len() as u64)));
    }
    if let Some(at) = passed.exported_at {
        say(format_args!("exported {at}: what came later is not in this file"));
    }
    Ok(())
}

async fn list(data: &Data, last: Option<u64>, json: bool) -> Result<(), Failure> {
    let (store, tenant) = (&data.exporter.store, &data.exporter.tenant);
    let newest = store.audit_head(tenant).await?.map_or(0, |head| head.seq);
    let mut after = last.map_or(0, |last| newest.saturating_sub(last));
    let mut listed = Listed::new(json);
    loop {
        let page = store.audit(tenant, after, PAGE).await?;
        for one in &page {
            let signed: SignedEntry = serde_json::from_str(&one.line).map_err(|_| damaged(one.seq))?;
            listed.add(one.seq, &signed)?;
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.seq,
            _ => break,
        }
    }
    listed.end(newest)
}

fn damaged(seq: u64) -> Failure {
    Failure::new(format!("entry {seq} of the audit log cannot be read: see 'consign audit verify'"))
}

/// Entries as they are listed: said at once to a person, and to a program as one list.
struct Listed(Option<Vec<serde_json::Value>>);

impl Listed {
    fn new(json: bool) -> Self {
        Self(json.then(Vec::new))
    }

    fn add(&mut self, seq: u64, signed: &SignedEntry) -> Result<(), Failure> {
        if let Some(entries) = &mut self.0 {
            entries.push(serde_json::from_str(signed.entry.get()).map_err(|_| damaged(seq))?);
        } else {
            let entry = serde_json::from_str::<Entry>(signed.entry.get());
            say(entry.map_or_else(|_| format!("{seq}  of a newer release: see --json"), |entry| line(&entry)));
        }
        Ok(())
    }

    fn end(self, newest: u64) -> Result<(), Failure> {
        if let Some(entries) = self.0 {
            return say_json(&entries);
        }
        if newest == 0 {
            say("the audit log is empty: see 'consign audit verify'");
        }
        Ok(())
    }
}

async fn write(data: &Data, file: &Path, json: bool) -> Result<(), Failure> {
    let exporter = &data.exporter;
    let entries = export(exporter.store.as_ref(), &exporter.tenant, &exporter.author, file).await?;
    say_exported(file, entries, Some(&data.keys.signing_public_key), json)
}

/// `key`: the tenant's, as who exports it knows it.
fn say_exported(file: &Path, entries: u64, key: Option<&str>, json: bool) -> Result<(), Failure> {
    if json {
        return say_json(&serde_json::json!({ "entries": entries, "file": file }));
    }
    say(format_args!("{} entries written to {}", number(entries), file.display()));
    let key = key.unwrap_or("KEY (the tenant's public key, best from where you keep it yourself)");
    say(format_args!("Anybody checks it with: consign audit verify {} --key {key}", file.display()));
    Ok(())
}

/// An entry, for a person.
fn line(entry: &Entry) -> String {
    format!("{:>5}  {}  {}: {}", entry.seq, entry.at, entry.by.text(), entry.deed.text())
}
