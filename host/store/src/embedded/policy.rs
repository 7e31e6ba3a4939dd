//! Targets and policies. Versions are never replaced: windows name them for as long as anybody asks what was sent.

use consign_model::policy::PolicyVersion;
use consign_model::target::TargetVersion;
use consign_model::{Name, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Embedded;
use super::key::{Class, Key, Parts};
use crate::{Result, StoreError};

fn named(class: Class, tenant: &TenantId, name: &Name) -> Key {
    Key::of(class, tenant).name(name)
}

impl Embedded {
    /// Keeps a version, where it is the next one.
    async fn save_version<T>(&self, versions: Key, number: u32, version: &T, number_of: fn(&T) -> u32, what: String) -> Result<()>
    where
        T: Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        let version = version.clone();
        self.writer
            .write(move |changes| {
                let newest = changes.core().last::<T>(&versions)?.map_or(0, |newest| number_of(&newest));
                if newest.checked_add(1) != Some(number) {
                    return Err(StoreError::Conflict { what });
                }
                changes.put(&versions.small(number), &version)
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

    pub(super) async fn add_target(&self, tenant: &TenantId, target: &TargetVersion) -> Result<()> {
        let name = &target.spec.name;
        self.save_version(named(Class::Target, tenant, name), target.version, target, |one| one.version, format!("the target {name}")).await
    }

    pub(super) fn get_target(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<TargetVersion>> {
        self.get_version(named(Class::Target, tenant, name), version)
    }

    pub(super) fn all_targets(&self, tenant: &TenantId) -> Result<Vec<TargetVersion>> {
        self.newest_versions(Class::Target, tenant)
    }

    pub(super) async fn add_policy(&self, tenant: &TenantId, policy: &PolicyVersion) -> Result<()> {
        let name = &policy.spec.name;
        self.save_version(named(Class::Policy, tenant, name), policy.version, policy, |one| one.version, format!("the policy {name}")).await
    }

    pub(super) fn get_policy(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<PolicyVersion>> {
        self.get_version(named(Class::Policy, tenant, name), version)
    }

    pub(super) fn all_policies(&self, tenant: &TenantId) -> Result<Vec<PolicyVersion>> {
        self.newest_versions(Class::Policy, tenant)
    }
}
