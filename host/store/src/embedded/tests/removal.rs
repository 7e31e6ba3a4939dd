//! What a removed tenant had is in the database's files no more when the folder was opened anew, and what others have is all there.

use std::fs;
use std::path::Path;

use consign_model::{RemovedTenant, TenantKeys};

use super::super::Embedded;
use super::damage::copy;
use crate::Store;
use crate::conformance::samples::{arrival, author, chat_key, keys, name, removed, token};

const SEALED: &str = "c2VhbGVkIGlkZW50aXR5IG9mIHRoZSBvbmUgd2hvIGdvZXM=";
const CHAT: &str = "the chat of those who go";

/// In how many files under a folder a text stands.
fn files_with(folder: &Path, text: &str) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let in_entry = |entry: fs::DirEntry| {
        if entry.file_type().unwrap().is_dir() {
            return files_with(&entry.path(), text);
        }
        let bytes = fs::read(entry.path()).unwrap();
        usize::from(bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    entries.map(in_entry).sum()
}

/// Two tenants, of which one is removed.
async fn one_of_two(folder: &Path) {
    let (store, by) = (Embedded::open(folder).unwrap(), author());
    let of_who_goes = TenantKeys { sealed_identity: SEALED.into(), ..keys("goes") };
    for (tenant, keys) in [("platform", keys("platform")), ("goes", of_who_goes), ("stays", keys("stays"))] {
        store.create_tenant(&name(tenant), &keys, &by).await.unwrap();
    }
    for tenant in ["goes", "stays"] {
        store.add_token(&name(tenant), &token("one", tenant), &by).await.unwrap();
        let chat = chat_key("s", if tenant == "goes" { CHAT } else { "others" });
        store.commit(&name(tenant), &[arrival(&chat, 0, 500)]).await.unwrap();
    }
    store.remove_tenant(&removed("goes"), 0, &by).await.unwrap();
}

async fn is_gone(folder: &Path, recovered: bool) {
    for opened in 0..2 {
        let store = Embedded::open(folder).unwrap();
        assert_eq!(store.is_recovered(), recovered && opened == 0);
        store.check().await.unwrap();
        let all = store.removed_tenants().await.unwrap();
        let [RemovedTenant { records_gone: Some(_), files_gone: None, .. }] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(store.chat(&name("goes"), &chat_key("s", CHAT)).await.unwrap(), None);
        assert!(store.audit(&name("goes"), 0, 9).await.unwrap().is_empty());
        assert_eq!(store.chat(&name("stays"), &chat_key("s", "others")).await.unwrap().unwrap().events, 500);
        assert!(store.token_of(&token("one", "stays").hash).await.unwrap().is_some());
        assert_eq!(store.audit(&name("stays"), 0, 9).await.unwrap().len(), 2);
        for text in [SEALED, CHAT] {
            assert_eq!(files_with(folder, text), 0, "{text}");
        }
        // It goes on as any other.
        store.commit(&name("stays"), &[arrival(&chat_key("s", "more"), opened * 3, 3)]).await.unwrap();
    }
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test]
async fn nothing_of_it_is_in_the_files() {
    let whole = tempfile::tempdir().unwrap();
    one_of_two(whole.path()).await;
    for text in [SEALED, CHAT] {
        assert!(files_with(whole.path(), text) > 0, "{text} is found where it is");
    }
    let cut_off = tempfile::tempdir().unwrap();
    copy(whole.path(), cut_off.path());
    is_gone(whole.path(), false).await;

    // The same after a kill, with what a rewriting that was cut off has left.
    copy(&cut_off.path().join("index"), &cut_off.path().join("index.recovering"));
    copy(&cut_off.path().join("index"), &cut_off.path().join("index.superseded"));
    super::format::set_mark(cut_off.path(), super::super::format::FORMAT, false);
    is_gone(cut_off.path(), true).await;
}
