//! Targets and policies. Versions are never replaced: windows name them for as long as anybody asks what was sent.

use consign_model::audit::{Author, Bound, Cause, Deed};
use consign_model::policy::PolicyVersion;
use consign_model::target::TargetVersion;
use consign_model::{Digest, Name, TenantId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Embedded;
use super::key::{Class, Key, Parts};
use crate::{Result, StoreError, Versions};

fn named(class: Class, tenant: &TenantId, name: &Name) -> Key {
    Key::of(class, tenant).name(name)
}

/// A version that is to be kept: where, what a conflict names, and what the audit log tells of it.
struct New {
    versions: Key,
    number: u32,
    record: Version,
    what: String,
    deed: Deed,
}

enum Version {
    Target(Box<TargetVersion>),
    Policy(Box<PolicyVersion>),
}

/// SHA-256 of a version as its record has it.
fn record_digest<T: Serialize>(version: &T) -> Digest {
    // A type of the model always has a form in JSON; where not, the record itself is not written either.
    Digest::of(&serde_json::to_vec(version).unwrap_or_default())
}

fn new_target(tenant: &TenantId, target: &TargetVersion) -> New {
    let name = &target.spec.name;
    New {
        versions: named(Class::Target, tenant, name),
        number: target.version,
        what: format!("the target {name}"),
        deed: Deed::TargetSaved { target: name.clone(), version: target.version, digest: record_digest(target) },
        record: Version::Target(Box::new(target.clone())),
    }
}

fn new_policy(tenant: &TenantId, policy: &PolicyVersion, cause: &Cause) -> New {
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
    New {
        versions: named(Class::Policy, tenant, name),
        number: policy.version,
        what: format!("the policy {name}"),
        deed,
        record: Version::Policy(Box::new(policy.clone())),
    }
}

impl Embedded {
    /// Keeps versions, where each is the next one: all or none, with an entry in the log for each.
    pub(super) async fn add_versions(&self, tenant: &TenantId, versions: Versions<'_>, cause: &Cause, by: &Author) -> Result<()> {
        let targets = versions.targets.iter().map(|target| new_target(tenant, target));
        let all: Vec<New> = targets.chain(versions.policies.iter().map(|policy| new_policy(tenant, policy, cause))).collect();
        self.write_audited_all(tenant, by, move |changes| {
            let core = changes.core()?;
            let mut deeds = Vec::with_capacity(all.len());
            for New { versions, number, record, what, deed } in all {
                let newest = match &record {
                    Version::Target(_) => core.last::<TargetVersion>(&versions)?.map_or(0, |newest| newest.version),
                    Version::Policy(_) => core.last::<PolicyVersion>(&versions)?.map_or(0, |newest| newest.version),
                };
                let key = versions.small(number);
                // One that stands twice in what is to be kept would take its own place.
                if newest.checked_add(1) != Some(number) || changes.has(&key)? {
                    return Err(StoreError::Conflict { what });
                }
                match record {
                    Version::Target(target) => changes.put(&key, &target)?,
                    Version::Policy(policy) => changes.put(&key, &policy)?,
                }
                deeds.push(deed);
            }
            Ok(((), deeds))
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

    pub(super) fn get_target(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<TargetVersion>> {
        self.get_version(named(Class::Target, tenant, name), version)
    }

    pub(super) fn all_targets(&self, tenant: &TenantId) -> Result<Vec<TargetVersion>> {
        self.newest_versions(Class::Target, tenant)
    }

    pub(super) fn get_policy(&self, tenant: &TenantId, name: &Name, version: Option<u32>) -> Result<Option<PolicyVersion>> {
        self.get_version(named(Class::Policy, tenant, name), version)
    }

    pub(super) fn all_policies(&self, tenant: &TenantId) -> Result<Vec<PolicyVersion>> {
        self.newest_versions(Class::Policy, tenant)
    }
}
