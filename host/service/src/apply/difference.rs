//! What a plan would change: which of it takes two people, what a person reads of it, and the digest that stands for all of it.

use consign_model::Digest;
use consign_model::module::{BoundModule, Need};
use consign_model::policy::PolicyVersion;
use consign_model::proposal::{FieldChange, ProposedChange};
use consign_model::target::TargetSpec;

use super::{Plan, Planned, Ready, is_same, with_subject};
use crate::bind::STANDARD;
use crate::proposals;

impl Plan<'_> {
    /// Whether anything in it takes two people, where that is asked for.
    pub fn is_dangerous(&self) -> bool {
        self.differences().iter().any(|change| !change.because.is_empty())
    }

    /// What would be another, for a person.
    pub fn differences(&self) -> Vec<ProposedChange> {
        let target = |spec: &TargetSpec| {
            let known = self.stored.get(&spec.name);
            let because = vec!["it says where e-mails go".to_owned()];
            let change = |fields| ProposedChange {
                kind: "target".to_owned(),
                name: spec.name.to_string(),
                version: known.map(|known| known.version),
                because,
                fields,
            };
            (!is_same(known, spec)).then(|| change(proposals::fields(known.map(|known| &known.spec), spec)))
        };
        let policy = |one: &Planned| {
            let Planned { spec, ready, known } = one;
            let mut fields = proposals::fields(known.as_ref().map(|known| &known.spec), spec);
            let (before, after) = (known.as_ref().map(|known| bound(known.modules())), bound(ready.modules()));
            if before.as_ref() != Some(&after) {
                fields.push(FieldChange { field: "modules".to_owned(), before, after: Some(after) });
            }
            let change = |fields| ProposedChange {
                kind: "policy".to_owned(),
                name: spec.name.to_string(),
                version: known.as_ref().map(|known| known.version),
                because: newly_approved(known.as_ref(), ready),
                fields,
            };
            (!fields.is_empty()).then(|| change(fields))
        };
        self.targets.iter().filter_map(target).chain(self.policies.iter().filter_map(policy)).collect()
    }

    /// Of all that it would put into force and the versions in whose places. What a policy's modules are is in it by their digests, so the same text with another module under its name is
    /// another plan.
    pub fn digest(&self) -> Digest {
        let targets: Vec<_> = self.targets.iter().map(|spec| (self.stored.get(&spec.name).map(|known| known.version), with_subject(spec))).collect();
        let version = |one: &Planned| one.known.as_ref().map(|known| known.version);
        let policies: Vec<_> = self.policies.iter().map(|one| (version(one), &one.spec, &one.ready.criteria, &one.ready.grouping)).collect();
        // Both are types of the model, which have a form in JSON; a plan without one could never be approved.
        Digest::of(&serde_json::to_vec(&(targets, policies)).unwrap_or_default())
    }

    /// What has another version now than when this was proposed.
    pub fn moved_since(&self, proposed: &[ProposedChange]) -> Option<String> {
        let now = |change: &ProposedChange| match change.kind.as_str() {
            "target" => self.stored.iter().find(|(name, _)| name.as_str() == change.name).map(|(_, known)| known.version),
            _ => self.policies.iter().find(|one| one.spec.name.as_str() == change.name).and_then(|one| one.known.as_ref()).map(|known| known.version),
        };
        proposed.iter().find(|change| now(change) != change.version).map(|change| format!("{} {}", change.kind, change.name))
    }
}

/// Modules, for a person.
fn bound<'a>(modules: impl Iterator<Item = &'a BoundModule>) -> String {
    let one = |module: &BoundModule| {
        let needs: Vec<&str> = module.needs.iter().map(|need| need.word()).collect();
        format!("{} ({}) reads {}", module.name, module.digest.short(), if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") })
    };
    let with_shadow = |module: &BoundModule| [Some(one(module)), module.shadow.as_deref().map(|shadow| format!("shadow {}", one(shadow)))];
    modules.flat_map(with_shadow).flatten().collect::<Vec<_>>().join("; ")
}

/// What a policy lets modules of somebody else's see of messages, where it does not let these very modules see it already. Shadows see it as well.
fn newly_approved(known: Option<&PolicyVersion>, ready: &Ready) -> Vec<String> {
    fn approvals(module: &BoundModule) -> Vec<(&BoundModule, Need)> {
        let all = [Some(module), module.shadow.as_deref()].into_iter().flatten().filter(|module| !module.name.starts_with(STANDARD));
        all.flat_map(|module| module.needs.iter().filter(|need| need.is_of_messages()).map(move |need| (module, *need))).collect()
    }
    let before: Vec<_> = known.iter().flat_map(|known| known.modules()).flat_map(approvals).map(|(module, need)| (module.digest, need)).collect();
    let new = ready.modules().flat_map(approvals).filter(|(module, need)| !before.contains(&(module.digest, *need)));
    new.map(|(module, need)| format!("it lets {} read {}: {}", module.name, need.word(), need.opens())).collect()
}
