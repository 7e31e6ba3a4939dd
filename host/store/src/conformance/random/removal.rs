//! Tenants that come and go beside the others.

use consign_model::{RemovedTenant, Timestamp};

use super::super::samples::{arrival, author, chat_key, keys, name, removed, token};
use super::Rehearsal;
use crate::Store;

impl Rehearsal {
    /// Makes one and removes it. What it had goes with the next opening, and concerns nobody.
    pub(super) async fn remove_another(&mut self, store: &dyn Store) {
        let goes = format!("goes-{:04}", self.removed.len());
        store.create_tenant(&name(&goes), &keys(&goes), &author()).await.unwrap();
        store.commit(&name(&goes), &[arrival(&chat_key("s", "C1"), 0, 3)]).await.unwrap();
        store.add_token(&name(&goes), &token("one", &goes), &author()).await.unwrap();
        store.remove_tenant(&removed(&goes), 0, &author()).await.unwrap();
        assert!(store.token_of(&token("one", &goes).hash).await.unwrap().is_none());
        self.removed.push(removed(&goes));
        let known = store.removed_tenants().await.unwrap();
        if let Some(one) = known.first().filter(|one| one.files_gone.is_none()) {
            let now = RemovedTenant { files_gone: Some(Timestamp(9)), ..one.clone() };
            store.put_removed(&now, &author()).await.unwrap();
            self.removed.first_mut().unwrap().files_gone = now.files_gone;
        }
    }

    /// Those that were removed are known, and when their records went is for the store to say.
    pub(super) async fn ask_for_removed(&self, store: &dyn Store) {
        let known = store.removed_tenants().await.unwrap().into_iter().map(|one| RemovedTenant { records_gone: None, ..one });
        assert_eq!(known.collect::<Vec<_>>(), self.removed);
    }
}
