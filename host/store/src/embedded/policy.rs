//! Targets and policies. Versions are never replaced: windows name them for as long as anybody asks what was sent.

use consign_model::audit::{Author, Bound, Cause, Deed};
use consign_model::policy::PolicyVersion;
use consign_model::target::TargetVersion;
use consign_model::{Digest, Name, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Embedded;
use super::key::{Class, Key, Parts};
use crate::{Result, StoreError};

fn named(class: Class, tenant: &TenantId, name: &Name) -> Key {
    Key::of(class, tenant).name(name)
}

/// Where a version goes, what a conflict names, and what the audit log tells of it.
struct Told {
    versions: Key,
    what: String,
    deed: Deed,
}

/// SHA-256 of a version as its record has it.
fn record_digest<T: Serialize>(version: &T) -> Digest {
    // A type of the model always has a form in JSON; where not, the record itself is not written either.
    Digest::of(&serde_json::to_vec(version).unwrap_or_default())
}

impl Embedded {
    /// Keeps a version, where it is the next one.
    async fn save_version<T>(&self, tenant: &TenantId, version: &T, number_of: fn(&T) -> u32, told: Told, by: &Author) -> Result<()>
    where
        T: Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        let Told { versions, what, deed } = told;
        let (number, version) = (number_of(version), version.clone());
        self.write_audited(tenant, by, move |changes| {
            let newest = changes.core()?.last::<T>(&versions)?.map_or(0, |newest| number_of(&newest));
            if newest.checked_add(1) != Some(number) {
                return Err(StoreError::Conflict { what });
            }
            changes.put(&versions.small(number), &version)?;
            Ok(((), Some(deed)))
        })
        .await
    }

    fn get_version<T: DeserializeOwned>(&self, versions: Key, version: Option<u32>) -> Result<Option<T>> {
        match version {
            Some(number) => self.core.get(&versions.small(number)),
            None => self.core.last(&versions),
        }
    }

    fn newest_versions<T: DeserializeOwned>(&self, class: Class, tenant: &TenantId) -> Result<Vec<T>> {
        let prefix = Key::of(class, tenant);
        self.core.newest_of_each(&prefix, |key| Parts::after(&prefix, key).name().map(|name| prefix.clone().name(&name)))
    }

    pub(super) async fn add_target(&self, tenant: &TenantId, target: &TargetVersion, by: &Author) -> Result<()> {
        let name = &target.spec.name;
        let deed = Deed::TargetSaved { target: name.clone(), version: target.version, digest: record_digest(target) };
        let told = Told { versions: named(Class::Target, tenant, name), what: format!("the target {name}"), deed };
        self.save_version(tenant, target, |one| one.version, told, by).await
    }

    pub(super) fn get_target(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<TargetVersion>> {
        self.get_version(named(Class::Target, tenant, name), version)
    }

    pub(super) fn all_targets(&self, tenant: &TenantId) -> Result<Vec<TargetVersion>> {
        self.newest_versions(Class::Target, tenant)
    }

    pub(super) async fn add_policy(&self, tenant: &TenantId, policy: &PolicyVersion, cause: &Cause, by: &Author) -> Result<()> {
        let name = &policy.spec.name;
        let shadows = policy.shadows().map(|(_, shadow)| shadow);
        let deed = Deed::PolicySaved {
            policy: name.clone(),
            version: policy.version,
            digest: record_digest(policy),
            decides: policy.digest(),
            modules: policy.modules().chain(shadows).map(|module| Bound { name: module.name.clone(), digest: module.digest }).collect(),
            cause: cause.clone(),
        };
        let told = Told { versions: named(Class::Policy, tenant, name), what: format!("the policy {name}"), deed };
        self.save_version(tenant, policy, |one| one.version, told, by).await
    }

    pub(super) fn get_policy(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<PolicyVersion>> {
        self.get_version(named(Class::Policy, tenant, name), version)
    }

    pub(super) fn all_policies(&self, tenant: &TenantId) -> Result<Vec<PolicyVersion>> {
        self.newest_versions(Class::Policy, tenant)
    }
}
