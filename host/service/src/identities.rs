//! Putting an identity map into force, and saying whom it names and whom it does not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use consign_export::Exporter;
use consign_model::identity::{Identity, IdentityMap};
use consign_model::{Name, Timestamp};
use consign_source::identities::{Form, MapFault, read, read_bytes};
use consign_store::StoreError;
use serde::Serialize;

use crate::expected::{Expected, NotAsExpected, of_identities};

/// What is applied, for a person.
const WHAT: &str = "the identity map";
/// Users looked at at a time.
const PAGE: usize = 1_000;

/// Why a map was not applied.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// All that is wrong with it.
    #[error("{file}: nothing was applied:\n{}", .faults.iter().map(|fault| format!("- {fault}")).collect::<Vec<_>>().join("\n"))]
    Faults {
        /// The file.
        file: String,
        /// What.
        faults: Vec<MapFault>,
    },
    /// The map is another by now than whoever applies one says.
    #[error(transparent)]
    NotAsExpected(#[from] NotAsExpected),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A user whom the map does not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmatched {
    /// The source.
    pub source: Name,
    /// The platform's id.
    pub id: String,
    /// The platform's name.
    pub name: String,
    /// The platform's address.
    pub email: Option<String>,
}

/// Whom the map names.
#[derive(Debug, Clone, Serialize)]
pub struct Matched {
    /// The map in force; unset where there is none.
    pub map: Option<IdentityMap>,
    /// Users of sources whom it names.
    pub matched: u64,
    /// Those whom it does not.
    pub unmatched: Vec<Unmatched>,
    /// Whom it names and no source knows, by source and id.
    pub unknown: Vec<(Name, String)>,
}

/// What applying a map changed.
#[derive(Debug, Clone, Serialize)]
pub struct Applied {
    /// Users named who were not before.
    pub new: u64,
    /// Users of whom something else is said.
    pub changed: u64,
    /// Users who are named no more.
    pub removed: u64,
    /// What holds now.
    #[serde(flatten)]
    pub matched: Matched,
}

/// Puts a file in the place of the map before. `source`: of rows that name none.
pub async fn apply(exporter: &Exporter, file: &Path, source: Option<&Name>) -> Result<Applied, IdentityError> {
    let identities = read(file, source).map_err(|faults| IdentityError::Faults { file: file.display().to_string(), faults })?;
    replace(exporter, &identities, &Expected::default()).await
}

/// The same of a map that is at hand, in the place of one that is as expected.
pub async fn apply_bytes(
    exporter: &Exporter,
    bytes: &[u8],
    form: Form,
    source: Option<&Name>,
    expected: &Expected,
) -> Result<Applied, IdentityError> {
    let identities = read_bytes(bytes, form, source).map_err(|faults| IdentityError::Faults { file: "the body".to_owned(), faults })?;
    replace(exporter, &identities, expected).await
}

async fn replace(exporter: &Exporter, identities: &[Identity], expected: &Expected) -> Result<Applied, IdentityError> {
    let Exporter { tenant, store, author, .. } = exporter;
    let in_force = store.identity_map(tenant).await?;
    expected.must_hold(WHAT, Some(&of_identities(in_force.as_ref())))?;
    let before = store.all_identities(tenant).await?;
    let known: BTreeMap<(&Name, &str), &Identity> = before.iter().map(|one| ((&one.source, one.id.as_str()), one)).collect();
    let (mut new, mut changed) = (0, 0);
    for one in identities {
        match known.get(&(&one.source, one.id.as_str())) {
            None => new += 1,
            Some(known) => changed += u64::from(**known != *one),
        }
    }
    let removed = known.len() as u64 - (identities.len() as u64 - new);
    if new + changed + removed > 0 {
        // The next of the one that was looked at: were that another by now, nothing is kept.
        let version = in_force.map_or(0, |map| map.version) + 1;
        let map = IdentityMap { version, digest: Identity::digest(identities), users: identities.len() as u64, applied_at: Timestamp::now() };
        if let Err(error) = store.put_identities(tenant, &map, identities, author).await {
            return Err(expected.refused(WHAT, error)?.into());
        }
    }
    Ok(Applied { new, changed, removed, matched: matched(exporter).await? })
}

/// Whom the map in force names.
pub async fn matched(exporter: &Exporter) -> Result<Matched, StoreError> {
    let Exporter { tenant, store, .. } = exporter;
    let mut unknown: BTreeSet<(Name, String)> = store.all_identities(tenant).await?.into_iter().map(|one| (one.source, one.id)).collect();
    let named = unknown.len() as u64;
    let mut unmatched = Vec::new();
    for source in store.sources(tenant).await? {
        let mut after: Option<String> = None;
        loop {
            let page = store.users_after(tenant, &source.name, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for user in page {
                if !unknown.remove(&(source.name.clone(), user.id.clone())) {
                    unmatched.push(Unmatched { source: source.name.clone(), id: user.id, name: user.name, email: user.email });
                }
            }
        }
    }
    Ok(Matched { map: store.identity_map(tenant).await?, matched: named - unknown.len() as u64, unmatched, unknown: unknown.into_iter().collect() })
}
