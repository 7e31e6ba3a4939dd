//! The end of a tenant: everything that it had is destroyed, and what stays says so ([`RemovedTenant`]).
//!
//! In this order, each step begun anew by whoever finds it undone: the write that takes the keys out of the store ([`Life::remove_tenant`]), from which on nothing opens any more; its files
//! ([`delete_files`]); its records, by writing the database anew, which the store does when it is opened next; and then a look through the store's files for what the keys looked like there
//! ([`prove`]), sealed as they were. That look was made before as well: so it is known that it finds them where they are.
//!
//! Backups that were made before have the keys too, and are the operator's to delete.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use consign_archive::{ObjectStore, delete_all_of};
use consign_export::Exporter;
use consign_model::audit::Author;
use consign_model::removal::{Holdings, Proof, Traces};
use consign_model::{Digest, Name, RemovedTenant, TenantId, TenantKeys, Timestamp};
use consign_store::{Store, StoreError};
use memchr::memmem::Finder;

use crate::{Life, LifeError, PAGE};

/// Bytes of the random number with which a sealed key begins, in its base64 and without.
const NONCE: usize = 12;
const NONCE_TEXT: usize = 16;
/// Bytes read at a time in looking for keys.
const STEP: usize = 1 << 20;

/// What stands in a tenant's way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What it has.
    pub has: Holdings,
    /// Legal holds, each of which forbids it.
    pub holds: Vec<Name>,
    /// The version of rules and holds.
    keeping: u32,
}

impl Standing {
    /// Refused where something stands in the way. `even_owed`: what policies have not done with does not.
    pub fn may_go(&self, even_owed: bool) -> Result<(), LifeError> {
        if !self.holds.is_empty() {
            return Err(LifeError::Held(self.holds.clone()));
        }
        if self.has.owed > 0 && !even_owed { Err(LifeError::Owed(self.has.owed)) } else { Ok(()) }
    }
}

impl Life {
    /// What the tenant has, and what of it may not go.
    pub async fn standing(&self) -> Result<Standing, LifeError> {
        let (store, tenant) = (&self.exporter.store, &self.exporter.tenant);
        let keeping = store.keeping(tenant).await?;
        let (mut has, mut after) = (Holdings::default(), 0);
        loop {
            let chats = store.chats_arrived(tenant, after, PAGE).await?;
            let Some((last, _)) = chats.last() else { break };
            after = *last;
            for (_, chat) in &chats {
                let Some(known) = store.chat(tenant, chat).await? else { continue };
                has.chats += 1;
                has.events += known.events;
                let owed = self.exporter.owes(chat).await?.owed;
                let mut stretches: Vec<_> = owed.into_iter().map(|(_, owed)| owed.start..owed.end.min(known.events)).collect();
                stretches.sort_by_key(|stretch| stretch.start);
                let mut until = 0;
                for one in stretches {
                    has.owed += one.end.saturating_sub(one.start.max(until));
                    until = until.max(one.end);
                }
            }
        }
        if store.policies(tenant).await?.is_empty() {
            // Nobody has said what of it is to be exported, and nothing brings it back.
            has.owed = has.events;
        }
        Ok(Standing { has, holds: keeping.holds.iter().map(|hold| hold.name.clone()).collect(), keeping: keeping.version })
    }

    /// Takes the tenant's keys out of the store: from then on it is none, and nothing that it had opens any more. Nobody is at work for it. `even_owed`: also what policies have not
    /// done with. `by` writes the log of the installation.
    pub async fn remove_tenant(&self, reason: &str, even_owed: bool, by: &Author) -> Result<RemovedTenant, LifeError> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(LifeError::NoReason);
        }
        let _one = self.under_way.try_lock().map_err(|_| LifeError::Busy)?;
        let (store, tenant) = (&self.exporter.store, &self.exporter.tenant);
        let standing = self.standing().await?;
        standing.may_go(even_owed)?;
        let Standing { has, keeping, .. } = standing;
        let keys = store.tenant_keys(tenant).await?.ok_or_else(|| StoreError::Conflict { what: format!("the tenant {tenant}") })?;
        let mut traces = Traces { nonces: nonces(&keys), copies_before: 0 };
        let folder = self.exporter.data.join("store");
        traces.copies_before = looked_for(&folder, &traces).await?.copies;
        let removed = RemovedTenant {
            tenant: tenant.clone(),
            at: Timestamp::now(),
            by: by.actor().clone(),
            reason: reason.to_owned(),
            recipient: keys.recipient,
            signing_public_key: keys.signing_public_key,
            earlier_keys: keys.earlier.into_iter().map(|keys| keys.public).collect(),
            last_entry: store.audit_head(tenant).await?,
            had: has,
            modules: store.modules(tenant).await?.into_iter().map(|module| module.digest).collect(),
            traces,
            files_gone: None,
            records_gone: None,
            proof: None,
        };
        store.remove_tenant(&removed, keeping, by).await?;
        Ok(removed)
    }
}

/// Goes on with the end of every tenant that was removed and is not gone to the last, as far as that can be done now: its records go when the store is opened next. Answers how they stand.
/// `platform`: what the installation itself has, into whose log it is entered.
pub async fn go_on_removing(platform: &Exporter) -> Result<Vec<RemovedTenant>, LifeError> {
    let Exporter { store, archive, data, author, .. } = platform;
    let mut all = Vec::new();
    for removed in store.removed_tenants().await?.into_iter().filter(|one| !one.is_over()) {
        let removed = delete_files(store.as_ref(), archive.objects().as_ref(), data, removed, author).await?;
        all.push(prove(store.as_ref(), data, removed, author).await?);
    }
    Ok(all)
}

/// Deletes what a removed tenant has beside the store: conversation files, attachments and all that is sealed with them, manifests, and modules that no other tenant has.
async fn delete_files(
    store: &dyn Store,
    objects: &dyn ObjectStore,
    data: &Path,
    removed: RemovedTenant,
    by: &Author,
) -> Result<RemovedTenant, LifeError> {
    if removed.files_gone.is_some() {
        return Ok(removed);
    }
    let tenant = &removed.tenant;
    delete_all_of(objects, tenant).await?;
    let others = modules_of_others(store, tenant).await?;
    let own = removed.modules.iter().filter(|digest| !others.contains(digest)).map(|digest| data.join("modules").join(format!("{digest}.wasm")));
    // What is left of a folder of the archive has no files any more.
    let folders = ["archive", "manifests"].map(|room| data.join(room).join(tenant.as_str()));
    for path in folders.into_iter().chain(own) {
        gone(&path).await?;
    }
    let removed = RemovedTenant { files_gone: Some(Timestamp::now()), ..removed };
    store.put_removed(&removed, by).await?;
    Ok(removed)
}

async fn gone(path: &Path) -> Result<(), LifeError> {
    let result = if path.is_dir() { tokio::fs::remove_dir_all(path).await } else { tokio::fs::remove_file(path).await };
    match result {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(LifeError::Files { path: path.display().to_string(), cause }),
        _ => Ok(()),
    }
}

async fn modules_of_others(store: &dyn Store, tenant: &TenantId) -> Result<HashSet<Digest>, LifeError> {
    let (mut all, mut after) = (HashSet::new(), None);
    loop {
        let page = store.tenants(after.as_ref(), PAGE).await?;
        for other in page.iter().filter(|other| *other != tenant) {
            all.extend(store.modules(other).await?.into_iter().map(|module| module.digest));
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => return Ok(all),
        }
    }
}

/// Looks for the keys of a tenant whose files and records are gone, and keeps that they were found nowhere.
async fn prove(store: &dyn Store, data: &Path, removed: RemovedTenant, by: &Author) -> Result<RemovedTenant, LifeError> {
    if removed.proof.is_some() || removed.files_gone.is_none() || removed.records_gone.is_none() {
        return Ok(removed);
    }
    let Looked { copies, files, bytes } = looked_for(&data.join("store"), &removed.traces).await?;
    if copies > 0 {
        return Err(LifeError::KeyFound { tenant: removed.tenant, copies });
    }
    let proof = Proof { at: Timestamp::now(), files, bytes, copies_before: removed.traces.copies_before };
    let removed = RemovedTenant { proof: Some(proof), ..removed };
    store.put_removed(&removed, by).await?;
    Ok(removed)
}

/// The random bytes of a tenant's sealed keys, in hexadecimal digits: so what remembers them is not found in their place.
fn nonces(keys: &TenantKeys) -> Vec<String> {
    let nonce = |sealed: &str| {
        let bytes = BASE64_STANDARD.decode(sealed.get(..NONCE_TEXT)?).ok()?;
        Some(bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    };
    let earlier = keys.earlier.iter().map(|keys| &keys.sealed_identity);
    [&keys.sealed_identity, &keys.sealed_signing_key].into_iter().chain(earlier).filter_map(|sealed| nonce(sealed)).collect()
}

/// What looking for keys has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Looked {
    copies: u64,
    files: u64,
    bytes: u64,
}

async fn looked_for(folder: &Path, traces: &Traces) -> Result<Looked, LifeError> {
    let texts = traces.nonces.iter().filter_map(|hex| Some(BASE64_STANDARD.encode(bytes_of(hex)?)));
    let (texts, folder): (Vec<String>, _) = (texts.collect(), folder.to_owned());
    let looked = tokio::task::spawn_blocking(move || look_into(&folder, &texts)).await;
    looked
        .unwrap_or_else(|error| Err((PathBuf::new(), error.into())))
        .map_err(|(path, cause)| LifeError::Files { path: path.display().to_string(), cause })
}

fn bytes_of(hex: &str) -> Option<[u8; NONCE]> {
    let mut bytes = [0; NONCE];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn look_into(folder: &Path, texts: &[String]) -> Result<Looked, (PathBuf, std::io::Error)> {
    let finders: Vec<Finder> = texts.iter().map(|text| Finder::new(text.as_bytes())).collect();
    let (mut looked, mut folders) = (Looked::default(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |cause| (path, cause)
        };
        for entry in std::fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            let path = entry.path();
            if entry.file_type().map_err(at(&path))?.is_dir() {
                folders.push(path);
                continue;
            }
            let mut file = std::fs::File::open(&path).map_err(at(&path))?;
            let mut window: Vec<u8> = Vec::new();
            loop {
                // One that lies over the end of a piece is seen with the next.
                let kept = window.len().min(NONCE_TEXT - 1);
                window.drain(..window.len() - kept);
                let read = file.by_ref().take(STEP as u64).read_to_end(&mut window).map_err(at(&path))?;
                if read == 0 {
                    break;
                }
                looked.bytes += read as u64;
                looked.copies += finders.iter().map(|finder| finder.find_iter(&window).count() as u64).sum::<u64>();
            }
            looked.files += 1;
        }
    }
    Ok(looked)
}
