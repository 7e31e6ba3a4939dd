//! A tenant's keys are changed for others: since somebody may have seen them, or since a rule says so every year.
//!
//! Nothing is written anew. What is there opens with the keys that it was encrypted for, which are kept; and manifests and the audit log hold by the keys that signed them. The log
//! itself leads from one key to the next: the entry that tells of it is the last that the earlier key signs. Whoever has copied an earlier private key still opens
//! what was encrypted for it.
//!
//! The order is what nothing is lost by. Files are opened with the new key before there are any. The log is signed with it from the entry on that names it, in the thread that writes entries, so
//! that none falls between. And no file is encrypted for it before the store has kept it durably: a power cut would leave files that nothing opens.

use std::sync::Arc;

use consign_model::{TenantKeys, Timestamp};
use consign_store::StoreError;

use crate::{Life, LifeError};

impl Life {
    /// Gives the tenant other keys, from now on. Goes on to its end also where whoever asks does not wait for it.
    pub async fn rotate_keys(&self) -> Result<TenantKeys, LifeError> {
        let (exporter, rotating) = (self.exporter.clone(), Arc::clone(&self.rotating));
        let rotated = tokio::spawn(async move {
            // Another one's new key would be opened with no more.
            let _one = rotating.lock().await;
            let (store, tenant, archive) = (&exporter.store, &exporter.tenant, &exporter.archive);
            let gone = || StoreError::Conflict { what: format!("the keys of tenant {tenant}") };
            let keys = store.tenant_keys(tenant).await?.ok_or_else(gone)?;
            let new = Arc::new(archive.new_keys(&keys, Timestamp::now())?);
            archive.open_with(&new);
            let (signs, with) = (Arc::clone(archive), Arc::clone(&new));
            store.rotate_tenant_keys(tenant, new.sealed(), &exporter.author, Box::new(move || signs.sign_with(&with))).await?;
            archive.seal_for(&new)?;
            Ok(new.sealed().clone())
        });
        rotated.await.unwrap_or_else(|_| Err(LifeError::BrokenOff))
    }
}
