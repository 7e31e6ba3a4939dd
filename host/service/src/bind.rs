//! Binding a module to a policy: what the tenant names becomes a digest, with a configuration that the module takes and with what the tenant approved that
//! it reads; and it is tried so before anything depends on it.
//!
//! Standard modules come with the program, so what they read needs no approval; `apply` shows it. What anybody else wrote gets nothing that the policy
//! does not name, since the person who writes the policy answers for it.

use consign_export::{ExportError, Exporter, ShelfError};
use consign_model::module::{BoundModule, ModuleKind, Need, ProbeReport};
use consign_model::policy::CriterionSpec;
use consign_model::{Digest, Name};
use consign_sandbox::BindError;

use crate::apply::Found;

/// The names of the modules that come with the program begin so.
pub const STANDARD: &str = "std/";

/// Binds modules, and remembers what came of trying them.
pub(crate) struct Binder<'a> {
    exporter: &'a Exporter,
    probes: Vec<(Digest, ProbeReport)>,
}

impl<'a> Binder<'a> {
    pub fn new(exporter: &'a Exporter) -> Self {
        Self { exporter, probes: Vec::new() }
    }

    /// Binds a module. What is wrong with it goes to `found`; an error is no fault of the file's.
    pub async fn bind(
        &mut self,
        policy: &Name,
        spec: &CriterionSpec,
        kind: ModuleKind,
        at: &str,
        found: &mut Vec<Found>,
    ) -> Result<Option<BoundModule>, ExportError> {
        let mut say = |at: String, text: String| found.push((at, text));
        let module = match self.exporter.module(&spec.module).await {
            Ok(found) => found.module,
            Err(ExportError::Module(error @ (ShelfError::Unknown { .. } | ShelfError::Refused { .. } | ShelfError::Unreadable { .. }))) => {
                say(at.to_owned(), error.to_string());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if module.kind() != kind {
            let (is, wanted) = match kind {
                ModuleKind::Criteria => ("a grouping", "criteria"),
                ModuleKind::Grouping => ("a criterion", "a grouping"),
            };
            say(at.to_owned(), format!("this module is {is}, and {wanted} is wanted here"));
            return Ok(None);
        }
        let manifest = module.manifest();
        let name = format!("{}@{}", manifest.name, manifest.version);
        let approved = match &spec.needs {
            Some(needs) => needs.clone(),
            None if manifest.name.starts_with(STANDARD) => manifest.needs.clone(),
            None => Vec::new(),
        };
        if manifest.needs.iter().any(|need| !approved.contains(need)) {
            say(at.to_owned(), to_approve(&name, &manifest.needs));
            return Ok(None);
        }
        let bound = BoundModule {
            digest: module.digest(),
            name,
            needs: approved.clone(),
            rules: manifest.rules.clone(),
            config: spec.config.clone(),
            negate: spec.negate,
            shadow: None,
        };
        let memory = self.exporter.store.quotas(&self.exporter.tenant).await?.limits.memory_bytes.unwrap_or(u64::MAX);
        let (loaded, config) = (module.within(memory), spec.config.clone());
        let tried = tokio::task::spawn_blocking(move || loaded.bind(&config, &approved).map(|bound| bound.probe())).await;
        match tried.map_err(|error| ExportError::Stopped(error.to_string()))? {
            Err(BindError::Config(errors)) => {
                for error in errors {
                    say(format!("{at}, config {}", shown(&error.pointer)), error.message);
                }
                Ok(None)
            }
            Err(error) => {
                say(at.to_owned(), error.to_string());
                Ok(None)
            }
            Ok(report) => {
                if let Some((step, why)) = report.failure() {
                    say(at.to_owned(), format!("with this configuration it does not pass its probe ({step}): {why}"));
                    return Ok(None);
                }
                self.probes.push((bound.binding_under(policy), report));
                Ok(Some(bound))
            }
        }
    }

    /// Keeps what came of trying them, where nothing is known yet: what is known is what the next engine is held to.
    pub async fn keep_probes(self) -> Result<(), ExportError> {
        let Exporter { tenant, store, .. } = self.exporter;
        for (binding, report) in &self.probes {
            if store.probe(tenant, binding).await?.is_none() {
                store.save_probe(tenant, binding, report).await?;
            }
        }
        Ok(())
    }
}

/// What to write into the policy, and what that means.
fn to_approve(name: &str, needs: &[Need]) -> String {
    let words: Vec<String> = needs.iter().map(|need| format!("\"{}\"", need.word())).collect();
    let opens: Vec<String> = needs.iter().map(|need| format!("    {}: {}", need.word(), need.opens())).collect();
    format!(
        "the module {name} reads data that this policy has not approved. If it may, add this line to it:\n    needs = [{}]\n  which opens to it:\n{}",
        words.join(", "),
        opens.join("\n")
    )
}

fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "as a whole" } else { pointer }
}
