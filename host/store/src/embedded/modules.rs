//! Modules: what a tenant has pushed, the keys by which they are signed, what came of probing them, and for which policy one is quarantined.
//!
//! A quarantine that is over stays, under the next number of its policy and module, since it says who released it. So the last one of a module is the
//! one that may be in force.

use consign_model::audit::{Author, Bound, Deed};
use consign_model::module::{ModuleManifest, ProbeReport};
use consign_model::quarantine::{QuarantineReason, Release};
use consign_model::{Digest, ModuleKey, Name, Quarantine, TenantId, Timestamp};

use super::Embedded;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use crate::{ModuleRecord, Result, Seen, StoreError};

fn module_name_key(tenant: &TenantId, manifest: &ModuleManifest) -> Key {
    Key::of(Class::ModuleName, tenant).text(&manifest.name).text(&manifest.version)
}

fn signing_key(tenant: &TenantId, name: &Name) -> Key {
    Key::of(Class::ModuleKey, tenant).name(name)
}

fn probe_key(tenant: &TenantId, of: &Digest) -> Key {
    Key::of(Class::Probe, tenant).fixed(&of.0)
}

fn quarantines_of(tenant: &TenantId, policy: &Name, module: &Digest) -> Key {
    Key::of(Class::Quarantine, tenant).name(policy).fixed(&module.0)
}

fn bound(quarantine: &Quarantine) -> Bound {
    Bound { name: quarantine.module.clone(), digest: quarantine.digest }
}

impl Embedded {
    pub(super) async fn add_module(&self, tenant: &TenantId, module: &ModuleRecord, by: &Author) -> Result<()> {
        let key = Key::of(Class::Module, tenant).fixed(&module.digest.0);
        let (name, module) = (module_name_key(tenant, &module.manifest), module.clone());
        self.write_audited(tenant, by, move |changes| {
            let bound = Bound { name: module.name(), digest: module.digest };
            if let Some(known) = changes.get::<ModuleRecord>(&key)? {
                // Who vouches for the same bytes later is kept too.
                let Some(signed_by) = module.signed_by.filter(|_| known.signed_by.is_none()) else { return Ok(((), None)) };
                let deed = Deed::ModuleSigned { module: bound, signed_by: signed_by.name.clone() };
                changes.put(&key, &ModuleRecord { signed_by: Some(signed_by), ..known })?;
                return Ok(((), Some(deed)));
            }
            if changes.has(&name)? {
                let what = format!("the module {}@{} (it is there with other contents)", module.manifest.name, module.manifest.version);
                return Err(StoreError::Conflict { what });
            }
            changes.put(&name, &module.digest)?;
            changes.put(&key, &module)?;
            Ok(((), Some(Deed::ModulePushed { module: bound, signed_by: module.signed_by.map(|key| key.name) })))
        })
        .await
    }

    pub(super) fn get_module(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<ModuleRecord>> {
        self.core.get(&Key::of(Class::Module, tenant).fixed(&digest.0))
    }

    pub(super) fn all_modules(&self, tenant: &TenantId) -> Result<Vec<ModuleRecord>> {
        let digests: Vec<Digest> = self.core.all(&Key::of(Class::ModuleName, tenant))?;
        digests
            .iter()
            .map(|digest| {
                let key = Key::of(Class::Module, tenant).fixed(&digest.0);
                self.core.get(&key)?.ok_or_else(|| self.core.flawed(key.bytes(), Flaw::Missing))
            })
            .collect()
    }

    pub(super) async fn add_module_key(&self, tenant: &TenantId, key: &ModuleKey, by: &Author) -> Result<()> {
        let (place, key) = (signing_key(tenant, &key.name), key.clone());
        self.write_audited(tenant, by, move |changes| match changes.get::<ModuleKey>(&place)? {
            None => {
                changes.put(&place, &key)?;
                Ok(((), Some(Deed::ModuleKeyAdded { name: key.name, key: key.key })))
            }
            Some(known) if known.key == key.key => Ok(((), None)),
            Some(_) => Err(StoreError::Conflict { what: format!("the key {} (there is another one of that name)", key.name) }),
        })
        .await
    }

    pub(super) fn all_module_keys(&self, tenant: &TenantId) -> Result<Vec<ModuleKey>> {
        self.core.all(&Key::of(Class::ModuleKey, tenant))
    }

    pub(super) async fn delete_module_key(&self, tenant: &TenantId, name: &Name, seen: Seen, by: &Author) -> Result<bool> {
        let place = signing_key(tenant, name);
        self.write_audited(tenant, by, move |changes| {
            let Some(known) = changes.get::<ModuleKey>(&place)? else { return Ok((false, None)) };
            if !seen.is(Some(known.mark())) {
                return Err(StoreError::Conflict { what: format!("the key {}", known.name) });
            }
            changes.delete(place.bytes());
            Ok((true, Some(Deed::ModuleKeyRemoved { name: known.name, key: known.key })))
        })
        .await
    }

    pub(super) async fn put_probe(&self, tenant: &TenantId, of: &Digest, probe: &ProbeReport) -> Result<()> {
        let (key, probe) = (probe_key(tenant, of), probe.clone());
        self.writer.write(move |changes| changes.put(&key, &probe)).await
    }

    pub(super) fn get_probe(&self, tenant: &TenantId, of: &Digest) -> Result<Option<ProbeReport>> {
        self.core.get(&probe_key(tenant, of))
    }

    pub(super) async fn begin_quarantine(&self, tenant: &TenantId, quarantine: &Quarantine, by: &Author) -> Result<bool> {
        let (prefix, quarantine) = (quarantines_of(tenant, &quarantine.policy, &quarantine.digest), quarantine.clone());
        self.write_audited(tenant, by, move |changes| {
            let number = match changes.core()?.raw_last(&prefix)? {
                None => 0,
                Some((key, record)) => {
                    let last: Quarantine = changes.core()?.value(&key, &record)?;
                    if last.is_in_force() {
                        return Ok((false, None));
                    }
                    let number = Parts::after(&prefix, &key).number().and_then(|last| last.checked_add(1));
                    number.ok_or_else(|| changes.flawed(&key, Flaw::Shape))?
                }
            };
            changes.put(&prefix.number(number), &quarantine)?;
            let module = bound(&quarantine);
            // What the engine's check found may repeat what the module answered: the record has it, the log only that it was so.
            let (reason, run) = match quarantine.why {
                QuarantineReason::Faults { run, .. } => ("faults", Some(run)),
                QuarantineReason::Engine { .. } => ("engine", None),
            };
            Ok((true, Some(Deed::Quarantined { policy: quarantine.policy, module, reason: reason.to_owned(), run })))
        })
        .await
    }

    pub(super) async fn end_quarantine(
        &self,
        tenant: &TenantId,
        (policy, module): (&Name, &Digest),
        since: Option<Timestamp>,
        release: &Release,
        by: &Author,
    ) -> Result<Option<Quarantine>> {
        let (prefix, release) = (quarantines_of(tenant, policy, module), release.clone());
        self.write_audited(tenant, by, move |changes| {
            let Some((key, record)) = changes.core()?.raw_last(&prefix)? else { return Ok((None, None)) };
            let last: Quarantine = changes.core()?.value(&key, &record)?;
            if !last.is_in_force() || since.is_some_and(|since| since != last.since) {
                return Ok((None, None));
            }
            let number = Parts::after(&prefix, &key).number().ok_or_else(|| changes.flawed(&key, Flaw::Shape))?;
            let ended = Quarantine { release: Some(release), ..last };
            changes.put(&prefix.number(number), &ended)?;
            let deed = Deed::Released { policy: ended.policy.clone(), module: bound(&ended) };
            Ok((Some(ended), Some(deed)))
        })
        .await
    }

    pub(super) fn all_quarantines(&self, tenant: &TenantId, policy: Option<&Name>) -> Result<Vec<Quarantine>> {
        let all = Key::of(Class::Quarantine, tenant);
        self.core.all(&policy.map_or_else(|| all.clone(), |policy| all.clone().name(policy)))
    }
}
