//! A module that was checked and compiled.

use std::sync::Arc;

use consign_model::Digest;
use consign_model::module::{ModuleFacts, ModuleKind, ModuleManifest, Need, Tier};
use serde_json::Value;
use wasmtime::component::Component;

use crate::bindings::criteria::{CriteriaModule, CriteriaModulePre};
use crate::bindings::grouping::{GroupingModule, GroupingModulePre};
use crate::bound::Bound;
use crate::examine::Examined;
use crate::failure::Call;
use crate::host::NeedSet;
use crate::instance::{Guest, Instance, Linked};
use crate::manifest::{self, Described};
use crate::{BindError, ConfigError, Failure, LoadError, Sandbox, config, needles, session, wasi};

/// A module that was checked, compiled and asked what it is. Clones are the same module.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
    /// Of one session, in bytes.
    memory: usize,
}

struct Inner {
    sandbox: Sandbox,
    digest: Digest,
    kind: ModuleKind,
    facts: ModuleFacts,
    linked: Linked,
    described: Described,
    /// SHA-256 of what `describe` answered.
    says: Digest,
    compiled_bytes: u64,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("name", &self.manifest().name).field("digest", &self.inner.digest).finish_non_exhaustive()
    }
}

impl Module {
    pub(crate) fn new(sandbox: Sandbox, digest: Digest, examined: Examined, component: &Component) -> Result<Self, LoadError> {
        let Examined { kind, facts } = examined;
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(vec![format!("{error:#}")]);
        let sealed = wasi::link(sandbox.engine(), sandbox.linker(), component).map_err(mismatch)?;
        let pre = sealed.as_ref().unwrap_or_else(|| sandbox.linker()).instantiate_pre(component).map_err(mismatch)?;
        let (linked, text) = match kind {
            ModuleKind::Criteria => {
                let linked = Linked::Criteria(CriteriaModulePre::new(pre).map_err(mismatch)?);
                let text = describe::<CriteriaModule>(&sandbox, facts.tier, &linked, sandbox.limits().memory_bytes);
                (linked, text)
            }
            ModuleKind::Grouping => {
                let linked = Linked::Grouping(GroupingModulePre::new(pre).map_err(mismatch)?);
                let text = describe::<GroupingModule>(&sandbox, facts.tier, &linked, sandbox.limits().memory_bytes);
                (linked, text)
            }
        };
        let text = text.map_err(LoadError::Describe)?;
        let described = manifest::read(&text, kind, sandbox.limits()).map_err(LoadError::Manifest)?;
        let says = Digest::of(text.as_bytes());
        let compiled = component.image_range();
        let compiled_bytes = (compiled.end as usize).saturating_sub(compiled.start as usize) as u64;
        let memory = sandbox.limits().memory_bytes;
        Ok(Self { inner: Arc::new(Inner { sandbox, digest, kind, facts, linked, described, says, compiled_bytes }), memory })
    }

    /// SHA-256 of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// Criteria or grouping.
    pub fn kind(&self) -> ModuleKind {
        self.inner.kind
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &ModuleManifest {
        &self.inner.described.manifest
    }

    /// What can be seen of it without running it.
    pub fn facts(&self) -> &ModuleFacts {
        &self.inner.facts
    }

    /// The same module, for sessions that may have so many bytes of memory and tables, or what [`crate::Limits`] gives everybody where that is less.
    #[must_use]
    pub fn within(&self, memory_bytes: u64) -> Self {
        let memory = usize::try_from(memory_bytes).unwrap_or(usize::MAX).min(self.memory);
        Self { inner: Arc::clone(&self.inner), memory }
    }

    /// Bytes of it as it is compiled.
    pub fn compiled_bytes(&self) -> u64 {
        self.inner.compiled_bytes
    }

    /// What its sessions may have of memory.
    pub(crate) fn memory(&self) -> usize {
        self.memory
    }

    /// SHA-256 of what `describe` answers now, in a fresh instance, and of what it answered when the module was loaded.
    pub(crate) fn says_again(&self) -> Result<(Digest, Digest), Failure> {
        let text = match self.inner.kind {
            ModuleKind::Criteria => describe::<CriteriaModule>(&self.inner.sandbox, self.inner.facts.tier, &self.inner.linked, self.memory)?,
            ModuleKind::Grouping => describe::<GroupingModule>(&self.inner.sandbox, self.inner.facts.tier, &self.inner.linked, self.memory)?,
        };
        Ok((Digest::of(text.as_bytes()), self.inner.says))
    }

    /// Checks a configuration by the module's JSON Schema and then by the module itself: everything that is wrong.
    ///
    /// # Errors
    /// `Config`, or `Failed`.
    pub fn check_config(&self, config: &Value) -> Result<(), BindError> {
        config::check_size(&self.manifest().config_schema, self.inner.described.nodes, config).map_err(|error| BindError::Config(vec![error]))?;
        let config::Found { mut errors, unclear } =
            config::check(&self.inner.described.schema, &self.manifest().config_schema, self.inner.described.nodes, config);
        if !unclear.is_empty() {
            // The schema's refusal stands; the module's words for it are better, where it has some.
            let mut more = match self.ask(config) {
                Ok(Err(said)) if !said.is_empty() => said,
                Ok(_) | Err(_) => unclear,
            };
            more.retain(|one| errors.iter().all(|known| known.pointer != one.pointer));
            errors.append(&mut more);
        }
        if !errors.is_empty() {
            return Err(BindError::Config(errors));
        }
        match self.ask(config).map_err(BindError::Failed)? {
            Ok(()) => Ok(()),
            // An empty list says no as well.
            Err(errors) if errors.is_empty() => Err(BindError::Config(vec![whole("the module refuses it, and does not say why".to_owned())])),
            Err(errors) => Err(BindError::Config(errors)),
        }
    }

    /// What the module itself says of a configuration.
    fn ask(&self, config: &Value) -> Result<Result<(), Vec<ConfigError>>, Failure> {
        let text = config.to_string();
        match self.inner.kind {
            ModuleKind::Criteria => self.try_config::<CriteriaModule>(&text),
            ModuleKind::Grouping => self.try_config::<GroupingModule>(&text),
        }
    }

    fn try_config<G: Guest>(&self, config: &str) -> Result<Result<(), Vec<ConfigError>>, Failure> {
        let mut instance = Instance::<G>::new(&self.inner.sandbox, (self.inner.facts.tier, self.memory), NeedSet::default(), Arc::default(), 0);
        instance.start(&self.inner.linked)?;
        session::configure(&mut instance, config)
    }

    /// Joins it with a configuration and what the tenant approved. Keep what comes of it for the whole run: keywords are compiled here, once.
    pub fn bind(&self, config: &Value, approved: &[Need]) -> Result<Bound, BindError> {
        let needs = &self.manifest().needs;
        let missing: Vec<Need> = needs.iter().copied().filter(|need| !approved.contains(need)).collect();
        if !missing.is_empty() {
            return Err(BindError::NotApproved(missing));
        }
        self.check_config(config)?;
        let needles = needles::compile(&self.inner.described.lists, config).map_err(BindError::Config)?;
        // What the module did not ask for stays closed, whatever was approved.
        let allowed = needs.iter().copied().collect();
        Ok(Bound::new(self.clone(), config.to_string(), allowed, needles))
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.inner.sandbox
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.inner.linked
    }
}

fn describe<G: Guest>(sandbox: &Sandbox, tier: Tier, linked: &Linked, memory: usize) -> Result<String, Failure> {
    let mut instance = Instance::<G>::new(sandbox, (tier, memory), NeedSet::default(), Arc::default(), 0);
    instance.start(linked)?;
    instance.call(Call::Describe, G::describe)
}

fn whole(message: String) -> ConfigError {
    ConfigError { pointer: String::new(), message }
}
