//! Applying files of targets and policies: everything in them is checked first, all problems are named together, and only then anything is stored.
//!
//! So a file with one mistake changes nothing, and a person mends all mistakes in one go. What is stored binds modules by digest: a policy means
//! tomorrow what it meant when it was applied.

mod difference;
mod read;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use consign_export::{ExportError, Exporter, ShelfError};
use consign_mail::smtp::check_connection;
use consign_mail::template::check_templates;
use consign_model::audit::Cause;
use consign_model::module::{BoundModule, ModuleKind, Need};
use consign_model::policy::{BasedOn, CriterionSpec, PolicySpec, PolicyVersion, ShadowSpec, Since};
use consign_model::proposal::{Proposal, Proposed};
use consign_model::source::{Memberships, Requirement, SourceUse, View};
use consign_model::target::{TargetSpec, TargetVersion, Tls};
use consign_model::{Name, Timestamp};
use consign_store::{StoreError, Versions};
use serde::Serialize;

use self::read::read;
use crate::bind::Binder;
use crate::expected::{Expected, NotAsExpected, of_policy, of_target};
use crate::proposals::{self, KeepError};
use crate::schedule::{Schedule, ScheduleError};

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {text}", place(.file, *.line, .at))]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// Which part: `policy fx-desk, criteria 1 (std/keywords), /any/0`. Empty where the line says it all.
    pub at: String,
    /// What is wrong, and the way out.
    pub text: String,
}

fn place(file: &Path, line: Option<usize>, at: &str) -> String {
    let mut place = file.display().to_string();
    if let Some(line) = line {
        // Writing to a String cannot fail.
        let _ = write!(place, ", line {line}");
    }
    if !at.is_empty() {
        place.push_str(", ");
        place.push_str(at);
    }
    place
}

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// All that is wrong in the files.
    #[error("nothing was applied:\n{}", .0.iter().map(|problem| format!("- {problem}")).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    /// Something in them is another by now than whoever applies them says.
    #[error(transparent)]
    NotAsExpected(#[from] NotAsExpected),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A module could not be kept.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// A module could not be looked up or tried, and its file or the policy is not to blame.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// It takes two people, and could not be kept for the second.
    #[error("nothing was applied: {0}")]
    Keep(#[from] KeepError),
}

/// What became of what was applied.
#[derive(Debug)]
pub enum Applied {
    /// It is in force, or was checked.
    Done(Vec<Change>),
    /// Nothing of it is in force: it takes two people, and waits for the second.
    Proposed(Box<Proposal>),
}

/// What became of one target or policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `target` or `policy`.
    pub kind: &'static str,
    /// Its name.
    pub name: Name,
    /// New, changed or the same.
    pub change: ChangeKind,
    /// Its version now.
    pub version: u32,
    /// What each module of a policy may read: name and needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<(String, Vec<Need>)>,
    /// When a policy runs next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// What to think about: a target that sends in clear, say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Whether something changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", content = "fields", rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was not there.
    New,
    /// These fields are other than before.
    Changed(Vec<String>),
    /// As it was.
    Same,
}

/// What whoever applies something may do by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// Change targets: where e-mails go.
    pub targets: bool,
    /// Name files, variables and commands of this machine in them.
    pub this_machine: bool,
    /// Only say what would change.
    pub only_check: bool,
}

impl Manner {
    /// Of whoever has the data folder before them.
    pub const OWNER: Self = Self { targets: true, this_machine: true, only_check: false };
}

/// Applies files, as the machine's owner. Blocks briefly while modules are compiled for the first time.
pub async fn apply(exporter: &Exporter, files: &[PathBuf]) -> Result<Applied, ApplyError> {
    let texts = files.iter().map(|path| (path.clone(), std::fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))));
    apply_texts(exporter, texts, Manner::OWNER).await
}

/// Applies texts, each with the name by which problems call it; or keeps them for a second person, where that is asked for of what they change.
pub async fn apply_texts(
    exporter: &Exporter,
    texts: impl IntoIterator<Item = (PathBuf, Result<String, String>)>,
    manner: Manner,
) -> Result<Applied, ApplyError> {
    apply_expecting(exporter, texts, manner, &Expected::default()).await
}

/// The same where what they change is as expected. Of what a file has and leaves as it is nothing is expected, unless that is said of all.
pub async fn apply_expecting(
    exporter: &Exporter,
    texts: impl IntoIterator<Item = (PathBuf, Result<String, String>)>,
    manner: Manner,
    expected: &Expected,
) -> Result<Applied, ApplyError> {
    let texts: Vec<_> = texts.into_iter().collect();
    let plan = plan(exporter, texts.clone(), manner).await?;
    let takes_two = exporter.store.two_people(&exporter.tenant).await? && plan.is_dangerous();
    let (mut changes, ..) = plan.versions(expected).await?;
    if manner.only_check {
        if takes_two && let Some(first) = changes.first_mut() {
            first.warnings.push("this takes two people: it will be kept as a proposal, for another to approve".to_owned());
        }
        return Ok(Applied::Done(changes));
    }
    if !takes_two {
        return Ok(Applied::Done(plan.carry_out(expected).await?));
    }
    let read = texts.into_iter().filter_map(|(path, text)| Some((path.display().to_string(), text.ok()?))).collect();
    let what = Proposed::Apply { texts: read, targets: manner.targets, this_machine: manner.this_machine };
    Ok(Applied::Proposed(Box::new(proposals::keep(exporter, what, plan.digest(), plan.differences()).await?)))
}

/// What texts come to: all of it is right, and nothing of it is stored.
pub(crate) struct Plan<'a> {
    exporter: &'a Exporter,
    now: Timestamp,
    /// As they are in force.
    stored: BTreeMap<Name, TargetVersion>,
    targets: Vec<TargetSpec>,
    policies: Vec<Planned>,
    sources: Vec<SourceUse>,
    binder: Binder<'a>,
}

/// A policy of a plan.
#[derive(Clone)]
struct Planned {
    spec: PolicySpec,
    ready: Ready,
    /// As it is in force; unset: it is new.
    known: Option<PolicyVersion>,
}

/// Reads and checks texts.
pub(crate) async fn plan(
    exporter: &Exporter,
    texts: impl IntoIterator<Item = (PathBuf, Result<String, String>)>,
    manner: Manner,
) -> Result<Plan<'_>, ApplyError> {
    let now = Timestamp::now();
    let mut problems = Vec::new();
    let mut targets: BTreeMap<Name, (PathBuf, TargetSpec)> = BTreeMap::new();
    let mut policies: BTreeMap<Name, (PathBuf, PolicySpec)> = BTreeMap::new();
    for (path, text) in texts {
        let (path, read) = (&path, text.map_err(|why| problem(&path, "", &why)).and_then(|text| read(&path, &text)));
        match read {
            Err(problem) => problems.push(problem),
            Ok(file) => {
                for spec in file.target {
                    let twice = format!("target {}", spec.name);
                    if targets.insert(spec.name.clone(), (path.clone(), spec)).is_some() {
                        problems.push(problem(path, &twice, "it stands twice in these files: keep one"));
                    }
                }
                for spec in file.policy {
                    let twice = format!("policy {}", spec.name);
                    if policies.insert(spec.name.clone(), (path.clone(), spec)).is_some() {
                        problems.push(problem(path, &twice, "it stands twice in these files: keep one"));
                    }
                }
            }
        }
    }
    let stored: BTreeMap<Name, TargetVersion> =
        exporter.store.targets(&exporter.tenant).await?.into_iter().map(|target| (target.spec.name.clone(), target)).collect();
    for (path, target) in targets.values() {
        let refused = if is_same(stored.get(&target.name), target) { None } else { not_allowed(target, manner) };
        let missing = match target.kept_secret() {
            Some(name) if exporter.store.secret(&exporter.tenant, name).await?.is_none() => Some((
                ", password".to_owned(),
                format!("there is no secret '{name}': keep it first (consign secret keep {name}, or PUT …/secrets/{name})"),
            )),
            _ => None,
        };
        let found = check_target(target).into_iter().chain(refused).chain(missing);
        problems.extend(found.map(|(at, text)| problem(path, &format!("target {}{at}", target.name), &text)));
    }
    let sources = exporter.sources().await?;
    let (mut checked, mut binder) = (Vec::new(), Binder::new(exporter));
    for (path, policy) in policies.into_values() {
        let mut found = Vec::new();
        if !targets.contains_key(&policy.target) && !stored.contains_key(&policy.target) {
            found.push((String::new(), format!("there is no target '{}': add a [[target]] of that name to a file", policy.target)));
        }
        found.extend(lacking(&policy, &sources).map(|text| (", requires".to_owned(), text)));
        let known = exporter.store.policy(&exporter.tenant, &policy.name, None).await?;
        let ready = check_policy(&mut binder, &policy, known.as_ref(), now, &mut found).await?;
        problems.extend(found.into_iter().map(|(at, text)| problem(&path, &format!("policy {}{at}", policy.name), &text)));
        checked.push(Planned { spec: policy, ready, known });
    }
    if !problems.is_empty() {
        return Err(ApplyError::Problems(problems));
    }

    let targets = targets.into_values().map(|(_, target)| target).collect();
    Ok(Plan { exporter, now, stored, targets, policies: checked, sources, binder })
}

/// What a plan comes to: each change, and the versions that are new by it.
type Comes = (Vec<Change>, Vec<TargetVersion>, Vec<PolicyVersion>);

impl Plan<'_> {
    /// What would become of each, and the versions that they would have. Refused where what changes is not as expected.
    async fn versions(&self, expected: &Expected) -> Result<Comes, ApplyError> {
        let must_hold = |change: &Change, now: Option<String>| {
            if change.change == ChangeKind::Same && !expected.is_about_all() {
                return Ok(());
            }
            expected.must_hold(&format!("the {} '{}'", change.kind, change.name), now.as_deref())
        };
        let (mut changes, mut targets, mut policies) = (Vec::new(), Vec::new(), Vec::new());
        for spec in &self.targets {
            let known = self.stored.get(&spec.name);
            let change = target_change(known, spec);
            must_hold(&change, known.map(of_target))?;
            if change.change != ChangeKind::Same {
                targets.push(TargetVersion { version: change.version, spec: spec.clone(), applied_at: self.now });
            }
            changes.push(change);
        }
        for one in &self.policies {
            let (change, policy) = policy_change(self.exporter, one.clone(), self.now, self.doubts(&one.spec)).await?;
            must_hold(&change, one.known.as_ref().map(of_policy))?;
            policies.extend(policy);
            changes.push(change);
        }
        Ok((changes, targets, policies))
    }

    /// Puts all of it into force.
    pub(crate) async fn carry_out(self, expected: &Expected) -> Result<Vec<Change>, ApplyError> {
        let (changes, targets, policies) = self.versions(expected).await?;
        let Self { exporter, policies: planned, binder, .. } = self;
        // Before anything is in force: a folder that can't be written must not leave a policy without its modules.
        for module in planned.iter().flat_map(|one| one.ready.modules()) {
            exporter.shelf.keep(&module.digest)?;
            if let Some(shadow) = &module.shadow {
                exporter.shelf.keep(&shadow.digest)?;
            }
        }
        binder.keep_probes().await?;
        if !targets.is_empty() || !policies.is_empty() {
            // Each is the next of the version that was looked at: were that another by now, nothing is kept.
            let versions = Versions { targets: &targets, policies: &policies };
            let saved = exporter.store.save_versions(&exporter.tenant, versions, &Cause::Apply, &exporter.author).await;
            if let Err(error) = saved {
                return Err(expected.refused("something in this", error)?.into());
            }
        }
        Ok(changes)
    }

    fn doubts(&self, spec: &PolicySpec) -> Vec<String> {
        self.sources.iter().flat_map(|source| doubts(spec, source)).collect()
    }
}

fn problem(file: &Path, at: &str, text: &str) -> Problem {
    Problem { file: file.to_owned(), line: None, at: at.to_owned(), text: text.to_owned() }
}

/// Where (`, field`) and what.
pub(crate) type Found = (String, String);

fn check_target(target: &TargetSpec) -> Vec<Found> {
    let mut found: Vec<Found> = check_connection(target).iter().map(|fault| (format!(", {}", fault.field()), fault.to_string())).collect();
    if target.port == 0 {
        found.push((", port".to_owned(), "0 is no port: 587 is usual with STARTTLS, 465 with implicit TLS".to_owned()));
    }
    if let Err(errors) = check_templates(target) {
        found.extend(errors.into_iter().map(|error| (format!(", {}", error.field), error.reason)));
    }
    found
}

/// Criteria of a policy. Each is an instance of its own with up to the sandbox's memory limit, for every chat that is evaluated at the moment.
const MOST_CRITERIA: usize = 16;

/// A policy with its modules bound.
#[derive(Clone)]
struct Ready {
    criteria: Vec<BoundModule>,
    grouping: Option<BoundModule>,
    next_due: Option<Timestamp>,
}

impl Ready {
    fn modules(&self) -> impl Iterator<Item = &BoundModule> {
        self.criteria.iter().chain(&self.grouping)
    }
}

async fn check_policy(
    binder: &mut Binder<'_>,
    policy: &PolicySpec,
    known: Option<&PolicyVersion>,
    now: Timestamp,
    found: &mut Vec<Found>,
) -> Result<Ready, ExportError> {
    let mut ready = Ready { criteria: Vec::new(), grouping: None, next_due: None };
    if let Some(spec) = &policy.schedule {
        match Schedule::parse(spec).and_then(|schedule| schedule.first_after(now)) {
            Ok(due) => ready.next_due = policy.enabled.then_some(due),
            // One that was in force when its time came may be applied again as it is.
            Err(ScheduleError::Over { .. }) if known.is_some_and(|known| known.spec.schedule.as_ref() == Some(spec)) => {}
            Err(error) => found.push((", schedule".to_owned(), error.to_string())),
        }
    }
    if policy.criteria.len() > MOST_CRITERIA {
        let text = format!(
            "{} criteria, and {MOST_CRITERIA} are the most, since each may use memory of its own for each chat at work: join some, or make it several policies",
            policy.criteria.len()
        );
        found.push((", criteria".to_owned(), text));
        return Ok(ready);
    }
    for (number, criterion) in (1..).zip(&policy.criteria) {
        let at = format!(", criteria {number} ({})", criterion.module);
        ready.criteria.extend(bind_with_shadow(binder, &policy.name, criterion, ModuleKind::Criteria, &at, found).await?);
    }
    if !policy.decrypt {
        check_undecrypted(policy, &ready.criteria, found);
        return Ok(ready);
    }
    let based_on = |users: &str| serde_json::json!({ "users": users });
    let (module, config, needs, shadow) = match (&policy.grouping, policy.based_on) {
        (Some(_), Some(_)) => {
            found.push((", based-on".to_owned(), "based-on and grouping exclude each other: keep one".to_owned()));
            return Ok(ready);
        }
        (Some(grouping), None) => (grouping.module.clone(), grouping.config.clone(), grouping.needs.clone(), grouping.shadow.clone()),
        (None, None | Some(BasedOn::Chats)) => ("std/per-chat".to_owned(), serde_json::json!({}), None, None),
        (None, Some(BasedOn::Users)) => ("std/per-user".to_owned(), based_on("recorded"), None, None),
        (None, Some(BasedOn::Participants)) => ("std/per-user".to_owned(), based_on("participants"), None, None),
    };
    let at = format!(", grouping ({module})");
    let spec = CriterionSpec { module, config, negate: false, needs, shadow };
    ready.grouping = bind_with_shadow(binder, &policy.name, &spec, ModuleKind::Grouping, &at, found).await?;
    Ok(ready)
}

/// Binds a module, and the shadow that is to run beside it.
async fn bind_with_shadow(
    binder: &mut Binder<'_>,
    policy: &Name,
    spec: &CriterionSpec,
    kind: ModuleKind,
    at: &str,
    found: &mut Vec<Found>,
) -> Result<Option<BoundModule>, ExportError> {
    let bound = binder.bind(policy, spec, kind, at, found).await?;
    let Some(ShadowSpec { module, config, needs }) = spec.shadow.clone() else { return Ok(bound) };
    let at = format!("{at}, shadow ({module})");
    let config = config.unwrap_or_else(|| spec.config.clone());
    let shadow = binder.bind(policy, &CriterionSpec { module, config, negate: spec.negate, needs, shadow: None }, kind, &at, found).await?;
    let (Some(mut bound), Some(shadow)) = (bound, shadow) else { return Ok(None) };
    if shadow.binding() == bound.binding() {
        found.push((at, "it is the module beside which it is to run, with the same configuration: there is nothing to compare".to_owned()));
        return Ok(None);
    }
    bound.shadow = Some(Box::new(shadow));
    Ok(Some(bound))
}

/// What a policy that does not decrypt can't ask for: its e-mails carry the encrypted files as they are, so nobody can look into them.
fn check_undecrypted(policy: &PolicySpec, criteria: &[BoundModule], found: &mut Vec<Found>) {
    let mut say = |at: &str, text: &str| found.push((at.to_owned(), text.to_owned()));
    if policy.grouping.is_some() || !matches!(policy.based_on, None | Some(BasedOn::Chats)) {
        say(", based-on", "with decrypt = false each chat is exported once, as it is: leave it out, set based-on = \"chats\", or set decrypt = true");
    }
    if matches!(policy.since, Since::Date(_)) {
        say(", since", "with decrypt = false events have no readable time: use \"all\" or \"now\", or set decrypt = true");
    }
    let with_shadows = |module: &BoundModule| [Some(module.alone()), module.shadow.as_deref().cloned()].into_iter().flatten().collect::<Vec<_>>();
    for (number, module) in (1..).zip(criteria).flat_map(|(number, module)| with_shadows(module).into_iter().map(move |one| (number, one))) {
        if let Some(need) = module.needs.iter().find(|need| need.needs_decryption()) {
            let word = need.word();
            let text =
                format!("it reads {word}, which only decrypted events have: use a criterion that decides by chat (std/chats), or set decrypt = true");
            say(&format!(", criteria {number} ({})", module.name), &text);
        }
    }
}

/// With the subject that it has where none is written: a release before this one kept that as if it were.
fn with_subject(spec: &TargetSpec) -> TargetSpec {
    TargetSpec { subject: Some(spec.composing().subject), ..spec.clone() }
}

fn is_same(stored: Option<&TargetVersion>, spec: &TargetSpec) -> bool {
    stored.is_some_and(|old| with_subject(&old.spec) == with_subject(spec))
}

/// What a new or changed target has that whoever applies it may not say.
fn not_allowed(target: &TargetSpec, manner: Manner) -> Option<Found> {
    if !manner.targets {
        let text = "it is new or other than it is in force, and where e-mails go only a tenant administrator changes: leave it out";
        return Some((String::new(), text.to_owned()));
    }
    let field = target.read_on_this_machine().filter(|_| !manner.this_machine)?;
    let text = "it is read on the machine that sends, which only its operator has a say about: leave it out, or ask them to apply this target there";
    Some((format!(", {field}"), text.to_owned()))
}

/// What would become of a target.
fn target_change(stored: Option<&TargetVersion>, spec: &TargetSpec) -> Change {
    let change = match stored {
        None => ChangeKind::New,
        Some(_) if is_same(stored, spec) => ChangeKind::Same,
        Some(old) => ChangeKind::Changed(differing(&old.spec, spec)),
    };
    let clear = "conversations go over the network in clear".to_owned();
    let warnings = if spec.tls == Tls::None { vec![clear] } else { Vec::new() };
    let version = stored.map_or(0, |old| old.version) + u32::from(change != ChangeKind::Same);
    Change { kind: "target", name: spec.name.clone(), change, version, modules: Vec::new(), next_due: None, warnings }
}

/// What would become of a policy, and its version then: the one after that which the plan has seen, so nothing is put over what somebody else has put there meanwhile.
async fn policy_change(
    exporter: &Exporter,
    Planned { spec, ready, known }: Planned,
    now: Timestamp,
    doubts: Vec<String>,
) -> Result<(Change, Option<PolicyVersion>), StoreError> {
    let Exporter { tenant, store, .. } = exporter;
    let (name, old) = (spec.name.clone(), known.as_ref());
    let bound = || ready.criteria.iter().chain(&ready.grouping);
    let of = |module: &BoundModule| (module.name.clone(), module.needs.clone());
    let shadow = |module: &BoundModule| module.shadow.as_ref().map(|shadow| (format!("{} (shadow)", shadow.name), shadow.needs.clone()));
    let modules = bound().map(of).chain(bound().filter_map(shadow)).collect();
    let change = match old {
        None => ChangeKind::New,
        Some(old) if old.spec == spec && old.criteria == ready.criteria && old.grouping == ready.grouping => ChangeKind::Same,
        Some(old) if old.spec == spec => ChangeKind::Changed(vec!["modules".to_owned()]),
        Some(old) => ChangeKind::Changed(differing(&old.spec, &spec)),
    };
    let mut version = old.map_or(0, |old| old.version);
    let mut warnings = doubts;
    for one in exporter.in_force(&name).await?.iter().filter(|one| bound().any(|module| module.digest == one.digest)) {
        warnings.push(format!("{} is quarantined for this policy: {}. Release it with: consign quarantine release {name}", one.module, one.text()));
    }
    let mut policy = None;
    if change != ChangeKind::Same {
        version += 1;
        let runs = store.progress(tenant, &spec.name).await?.runs;
        let starts_after = match old {
            Some(old) if old.spec.since == spec.since => old.starts_after,
            Some(old) if runs > 0 => {
                warnings.push(too_late(spec.since, old.starts_after));
                old.starts_after
            }
            Some(_) | None if spec.since == Since::Now => store.newest_arrival(tenant).await?,
            Some(_) | None => 0,
        };
        let created_at = old.map_or(now, |old| old.created_at);
        let (criteria, grouping) = (ready.criteria, ready.grouping);
        policy = Some(PolicyVersion { version, spec, criteria, grouping, applied_at: now, starts_after, created_at });
    }
    Ok((Change { kind: "policy", name, change, version, modules, next_due: ready.next_due, warnings }, policy))
}

/// What a policy requires and a source does not give.
pub fn lacking(policy: &PolicySpec, sources: &[SourceUse]) -> impl Iterator<Item = String> {
    let all = sources.iter().flat_map(|source| source.lacking(&policy.requires));
    all.map(|lack| format!("{}. Take the requirement out, or import otherwise", lack.text()))
}

/// What a policy will make of a source that does not give what such an export lives on, and does not require it.
fn doubts(policy: &PolicySpec, source: &SourceUse) -> Vec<String> {
    let mut doubts = Vec::new();
    let by_user = matches!(policy.based_on, Some(BasedOn::Users | BasedOn::Participants));
    if by_user && source.ways.values().any(|way| way.memberships == Memberships::Derived) {
        doubts.push(format!(
            "the source '{}' tells no memberships: who wrote in a chat counts as there all the time, and who did not as never there",
            source.name
        ));
    }
    if source.view == View::PerUser && !policy.requires.contains(&Requirement::CompleteChats) {
        doubts.push(format!(
            "the source '{}' has copies of captured users: a chat is complete only as far as 'consign coverage {}' says",
            source.name, source.name
        ));
    }
    doubts
}

/// What another `since` means for a policy that has run: it moves no window any more, also none of a chat that has had none.
///
/// Runs have passed over the chats that had nothing after `starts_after`, and come back to one only when something arrives there. Were it moved back, a
/// chat's past would be exported or not by that accident; were it moved on, no run would examine what has arrived since the last one.
fn too_late(since: Since, starts_after: u64) -> String {
    let meaning = match since {
        Since::All if starts_after > 0 => {
            "What had arrived before it was to begin stays out of it, in all chats. To export that too, apply a policy of another name with \
             since = \"all\", which exports again what this one has exported"
        }
        Since::All => "What earlier runs left out stays out; later ones leave nothing out for its age",
        Since::Now => {
            "What has arrived since its last run is exported all the same. To leave that out, disable this policy and apply one of another name with \
             since = \"now\""
        }
        Since::Date(_) => "What earlier runs exported or left out stays so; later ones leave out what is before this date",
    };
    format!("since: this policy has run, so where each chat begins is settled. {meaning}")
}

/// The names of fields that differ.
fn differing<T: Serialize>(old: &T, new: &T) -> Vec<String> {
    let fields = |value: &T| match serde_json::to_value(value) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let mut names: Vec<String> = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).cloned().collect();
    names.sort();
    names.dedup();
    names
}
