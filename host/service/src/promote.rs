//! Putting a shadow in the place of the module beside which it ran.
//!
//! It makes a version of the policy in which nothing else is changed: the shadow as it was bound and has run, by its digest, not what its name means by
//! now. The file from which the policy was applied is the tenant's own, so what to change in it is only said; applying it unchanged shows the
//! promotion as a change, and takes it back.

use consign_export::shadow::{in_place_of, promoted};
use consign_export::{ExportError, Exporter};
use consign_model::audit::Cause;
use consign_model::policy::PolicyVersion;
use consign_model::{Name, Timestamp};
use serde::{Deserialize, Serialize};

use crate::expected::{Expected, NotAsExpected, of_policy};

/// What a promotion did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Promoted {
    /// The policy.
    pub policy: Name,
    /// Its version now.
    pub version: u32,
    /// Where in the policy: `criteria 1`, `grouping`.
    pub place: String,
    /// The module that was there, as `name@version`.
    pub before: String,
    /// The one that is there now.
    pub module: String,
    /// What to write in the policy's file in place of what stands there.
    pub lines: Vec<String>,
}

/// Why nothing was promoted.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// There is none.
    #[error("the policy '{0}' has no shadow: add one to a criterion or the grouping, as shadow = {{ module = \"…\" }}, and apply it")]
    None(Name),
    /// There are several.
    #[error("the policy '{policy}' has several shadows: name one of {}", .modules.join(", "))]
    Several {
        /// The policy.
        policy: Name,
        /// As `name@version`.
        modules: Vec<String>,
    },
    /// None of them is the one that was named.
    #[error("the policy '{policy}' has no shadow '{named}': it has {}", .modules.join(", "))]
    Unknown {
        /// The policy.
        policy: Name,
        /// As asked for.
        named: String,
        /// As `name@version`.
        modules: Vec<String>,
    },
    /// It would not run.
    #[error("{module} is quarantined for the policy '{policy}', which would be paused with it: consign quarantine list")]
    Quarantined {
        /// The policy.
        policy: Name,
        /// As `name@version`.
        module: String,
    },
    /// The policy is another by now than whoever promotes says.
    #[error(transparent)]
    NotAsExpected(#[from] NotAsExpected),
    /// Anything else.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Puts a policy's shadow in place: the only one, or the one that is named as `name@version`.
pub async fn promote(exporter: &Exporter, policy: &Name, named: Option<&str>) -> Result<Promoted, PromoteError> {
    promote_expecting(exporter, policy, named, &Expected::default()).await
}

/// The same where the policy is as expected.
pub async fn promote_expecting(exporter: &Exporter, policy: &Name, named: Option<&str>, expected: &Expected) -> Result<Promoted, PromoteError> {
    let Exporter { tenant, store, .. } = exporter;
    let newest = store.policy(tenant, policy, None).await.map_err(ExportError::from)?;
    let newest = newest.ok_or_else(|| ExportError::NoPolicy(policy.clone()))?;
    let what = format!("the policy '{policy}'");
    expected.must_hold(&what, Some(&of_policy(&newest)))?;
    let places = newest.criteria.iter().enumerate().map(|(place, module)| (Some(place), module)).chain(newest.grouping.iter().map(|one| (None, one)));
    let shadows: Vec<_> = places.filter_map(|(place, module)| Some((place, module, module.shadow.as_deref()?))).collect();
    let modules = || shadows.iter().map(|(.., shadow)| shadow.name.clone()).collect::<Vec<_>>();
    let chosen: Vec<_> = shadows.iter().filter(|(.., shadow)| named.is_none_or(|named| named == shadow.name)).collect();
    let (place, current, shadow) = match (chosen.as_slice(), named) {
        ([one], _) => **one,
        ([], _) if shadows.is_empty() => return Err(PromoteError::None(policy.clone())),
        ([], Some(named)) => return Err(PromoteError::Unknown { policy: policy.clone(), named: named.to_owned(), modules: modules() }),
        _ => return Err(PromoteError::Several { policy: policy.clone(), modules: modules() }),
    };
    if exporter.in_force(policy).await.map_err(ExportError::from)?.iter().any(|one| one.digest == shadow.digest) {
        return Err(PromoteError::Quarantined { policy: policy.clone(), module: shadow.name.clone() });
    }
    let (Some(spec), Some(bound)) = (promoted(&newest.spec, place, shadow), in_place_of(current)) else {
        return Err(PromoteError::None(policy.clone()));
    };
    let (mut criteria, mut grouping) = (newest.criteria.clone(), newest.grouping.clone());
    match place {
        Some(place) => criteria.iter_mut().skip(place).take(1).for_each(|one| *one = bound.clone()),
        None => grouping = Some(bound),
    }
    let said = match place {
        Some(place) => spec.criteria.get(place).map(|one| (one.module.clone(), one.config.clone(), one.needs.clone())),
        None => spec.grouping.as_ref().map(|one| (one.module.clone(), one.config.clone(), one.needs.clone())),
    };
    let version = PolicyVersion { version: newest.version + 1, spec, criteria, grouping, applied_at: Timestamp::now(), ..newest.clone() };
    let cause = Cause::Promote { module: shadow.name.clone() };
    if let Err(error) = store.save_policy(tenant, &version, &cause, &exporter.author).await {
        return Err(expected.refused(&what, error).map_err(ExportError::from)?.into());
    }
    Ok(Promoted {
        policy: policy.clone(),
        version: version.version,
        place: place.map_or_else(|| "grouping".to_owned(), |place| format!("criteria {}", place + 1)),
        before: current.name.clone(),
        module: shadow.name.clone(),
        lines: said.map(|(module, config, needs)| lines(&module, &config, needs.as_deref())).unwrap_or_default(),
    })
}

/// The lines of a criterion or grouping in a policy's file.
fn lines(module: &str, config: &serde_json::Value, needs: Option<&[consign_model::module::Need]>) -> Vec<String> {
    let mut lines = vec![format!("module = {}", inline(&serde_json::Value::String(module.to_owned())))];
    if config.as_object().is_none_or(|config| !config.is_empty()) {
        lines.push(format!("config = {}", inline(config)));
    }
    if let Some(needs) = needs {
        let words: Vec<String> = needs.iter().map(|need| format!("\"{}\"", need.word())).collect();
        lines.push(format!("needs = [{}]", words.join(", ")));
    }
    lines
}

/// A value as TOML writes it within a line. TOML has no null; a configuration that came from TOML has none either.
fn inline(value: &serde_json::Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}
