//! `audit`

use std::path::{Path, PathBuf};

use consign_export::audit::{Passed, export, has_manifests, verify_file, verify_store};
use consign_export::verify::SignatureCheck;
use consign_model::audit::{Entry, SignedEntry};

use crate::args::AuditCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};

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
    let mut entries = Vec::new();
    loop {
        let page = store.audit(tenant, after, PAGE).await?;
        for one in &page {
            let damaged = |_| Failure::new(format!("entry {} of the audit log cannot be read: see 'consign audit verify'", one.seq));
            let signed: SignedEntry = serde_json::from_str(&one.line).map_err(damaged)?;
            if json {
                entries.push(serde_json::from_str::<serde_json::Value>(signed.entry.get()).map_err(damaged)?);
            } else {
                let entry = serde_json::from_str::<Entry>(signed.entry.get());
                say(entry.map_or_else(|_| format!("{}  of a newer release: see --json", one.seq), |entry| line(&entry)));
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = last.seq,
            _ => break,
        }
    }
    if json {
        return say_json(&entries);
    }
    if newest == 0 {
        say("the audit log is empty: see 'consign audit verify'");
    }
    Ok(())
}

async fn write(data: &Data, file: &Path, json: bool) -> Result<(), Failure> {
    let exporter = &data.exporter;
    let entries = export(exporter.store.as_ref(), &exporter.tenant, &exporter.author, file).await?;
    if json {
        return say_json(&serde_json::json!({ "entries": entries, "file": file }));
    }
    say(format_args!("{} entries written to {}", number(entries), file.display()));
    say(format_args!("Anybody checks it with: consign audit verify {} --key {}", file.display(), data.keys.signing_public_key));
    Ok(())
}

/// An entry, for a person.
fn line(entry: &Entry) -> String {
    format!("{:>5}  {}  {}: {}", entry.seq, entry.at, entry.by.text(), entry.deed.text())
}
