//! Changes that take two people, where the tenant asks for it: kept as a proposal, shown, and put into force or not by another person.
//!
//! What takes two: a new or changed target, since it says where e-mails go; a policy that lets a module of somebody else's see into messages, where it has not been let before; and that one
//! person be enough again. All of them go through [`crate::apply`], from whichever surface, or through here, so there is one place where it is asked. What a proposal would do is planned
//! anew when it is approved: it is done only where it comes to the very same, which its digest says.

use std::path::PathBuf;

use consign_export::Exporter;
use consign_model::access::Permission;
use consign_model::audit::Actor;
use consign_model::proposal::{Decision, FieldChange, OPEN_FOR, Proposal, Proposed, ProposedChange, Verdict, are_two};
use consign_model::{Digest, Timestamp};
use consign_store::StoreError;

use crate::api::random;
use crate::apply::{ApplyError, Change, Manner, plan};
use crate::expected::Expected;

/// Proposals of a tenant that wait at once: more is nobody's reading.
const OPEN: usize = 50;
/// Bytes of what was written, in one.
const LARGEST: usize = 1 << 20;

/// Why nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Too many wait, or it is too large.
    #[error("{0}")]
    Full(String),
    /// The store failed, or there is no randomness.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a proposal was not approved or rejected.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is none of that name.
    #[error("there is no proposal '{0}'")]
    None(String),
    /// It is approved, rejected or expired.
    #[error("the proposal {0} is {1}")]
    NotOpen(String, &'static str),
    /// Whoever asks is not another person.
    #[error(
        "this takes another person than who proposed it: {0}. A token that one of the tenant has made counts as whoever made it, and tokens of one name are one person's"
    )]
    NotAnother(String),
    /// They have no say about it.
    #[error("this takes the permission {}", .0.word())]
    NotTheirs(Permission),
    /// They approve something else.
    #[error("the proposal {0} is not the one that was looked at: its digest is another")]
    OtherDigest(String),
    /// It would not come to the same any more.
    #[error("{0}: what was proposed would not be what comes of it. Propose it anew")]
    Changed(String),
    /// What was written can't be put into force any more.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a setting is so now.
#[derive(Debug)]
pub enum Set {
    /// It is so.
    Done,
    /// That it be so waits for another person.
    Proposed(Box<Proposal>),
}

/// Keeps something as a proposal.
pub(crate) async fn keep(exporter: &Exporter, what: Proposed, digest: Digest, changes: Vec<ProposedChange>) -> Result<Proposal, KeepError> {
    let Exporter { tenant, store, author, .. } = exporter;
    if let Proposed::Apply { texts, .. } = &what
        && texts.iter().map(|(name, text)| name.len() + text.len()).sum::<usize>() > LARGEST
    {
        return Err(KeepError::Full(format!(
            "what takes two people is kept until another has read it, and this is more than {LARGEST} bytes: apply it in parts"
        )));
    }
    let now = Timestamp::now();
    if store.proposals(tenant).await?.iter().filter(|one| one.is_open(now)).count() >= OPEN {
        return Err(KeepError::Full(format!("{OPEN} proposals wait already: have some approved or rejected first")));
    }
    let failed = |cause: String| StoreError::Failed { doing: "making a proposal".to_owned(), cause };
    let bits = random().map_err(|error| failed(error.to_string()))?;
    let id = format!("proposal-{}", Digest::of(&bits).short()).parse().map_err(|_| failed("its id is no name".to_owned()))?;
    let expires_at = Timestamp(now.0.saturating_add(OPEN_FOR));
    let proposal = Proposal { id, at: now, by: author.actor().clone(), expires_at, what, digest, changes, decision: None };
    store.propose(tenant, &proposal, author).await?;
    Ok(proposal)
}

/// One of a tenant's.
pub async fn find(exporter: &Exporter, id: &str) -> Result<Proposal, DecideError> {
    let none = || DecideError::None(id.escape_debug().to_string());
    let name = id.parse().map_err(|_| none())?;
    exporter.store.proposals(&exporter.tenant).await?.into_iter().find(|one| one.id == name).ok_or_else(none)
}

/// Puts what was proposed into force, as the exporter's author, who has to be another person. `digest`: of what they have looked at. `may`: what they have a say about.
pub async fn approve(exporter: &Exporter, id: &str, digest: &Digest, may: impl Fn(Permission) -> bool) -> Result<Vec<Change>, DecideError> {
    let Exporter { tenant, store, author, .. } = exporter;
    let proposal = find(exporter, id).await?;
    let now = Timestamp::now();
    if !may(proposal.takes()) {
        return Err(DecideError::NotTheirs(proposal.takes()));
    }
    if !proposal.is_open(now) {
        return Err(DecideError::NotOpen(proposal.id.to_string(), proposal.word(now)));
    }
    if *digest != proposal.digest {
        return Err(DecideError::OtherDigest(proposal.id.to_string()));
    }
    if !are_two(&proposal.by, author.actor(), &store.tokens(tenant).await?) {
        return Err(DecideError::NotAnother(proposal.by.text()));
    }
    let approved = Decision { verdict: Verdict::Approved, at: now, by: author.actor().clone() };
    match &proposal.what {
        Proposed::OnePerson => {
            store.decide(tenant, &proposal.id, &approved, author).await?;
            store.set_two_people(tenant, false, author).await?;
            Ok(Vec::new())
        }
        Proposed::Apply { texts, targets, this_machine } => {
            let manner = Manner { targets: *targets, this_machine: *this_machine, only_check: false };
            let texts = texts.iter().map(|(name, text)| (PathBuf::from(name), Ok(text.clone())));
            let plan = plan(exporter, texts, manner).await?;
            if let Some(which) = plan.moved_since(&proposal.changes) {
                return Err(DecideError::Changed(format!("{which} is another than when this was proposed")));
            }
            if plan.digest() != proposal.digest {
                return Err(DecideError::Changed("a module, or something else that it names, is another than when this was proposed".to_owned()));
            }
            // Before it is done: of two who approve at the same moment one does it, and nothing is done that the log does not say was approved.
            store.decide(tenant, &proposal.id, &approved, author).await?;
            Ok(plan.carry_out(&Expected::default()).await?)
        }
    }
}

/// Puts an end to a proposal: by whoever might approve it, or has made it.
pub async fn reject(exporter: &Exporter, id: &str, may: impl Fn(Permission) -> bool) -> Result<(), DecideError> {
    let Exporter { tenant, store, author, .. } = exporter;
    let (proposal, now) = (find(exporter, id).await?, Timestamp::now());
    if !may(proposal.takes()) && proposal.by != *author.actor() {
        return Err(DecideError::NotTheirs(proposal.takes()));
    }
    if !proposal.is_open(now) {
        return Err(DecideError::NotOpen(proposal.id.to_string(), proposal.word(now)));
    }
    let rejected = Decision { verdict: Verdict::Rejected, at: now, by: author.actor().clone() };
    Ok(store.decide(tenant, &proposal.id, &rejected, author).await?)
}

/// Has dangerous changes take two people from now on, or one again; the latter is such a change itself.
pub async fn require(exporter: &Exporter, two_people: bool) -> Result<Set, KeepError> {
    let Exporter { tenant, store, author, .. } = exporter;
    if two_people {
        store.set_two_people(tenant, true, author).await?;
        return Ok(Set::Done);
    }
    if !store.two_people(tenant).await? {
        return Ok(Set::Done);
    }
    let field = FieldChange { field: "two-people".to_owned(), before: Some("true".to_owned()), after: Some("false".to_owned()) };
    let change = ProposedChange {
        kind: "setting".to_owned(),
        name: "two-people".to_owned(),
        version: None,
        because: vec!["one person would be enough for all that takes two now".to_owned()],
        fields: vec![field],
    };
    let proposal = keep(exporter, Proposed::OnePerson, Digest::of(b"one person is enough"), vec![change]).await?;
    Ok(Set::Proposed(Box::new(proposal)))
}

/// What a person at the machine, who has the data folder before them, has a say about.
pub fn owner(_: Permission) -> bool {
    true
}

/// Who did something, for a person.
pub fn who(actor: &Actor) -> String {
    actor.text()
}

/// The fields of two things that differ, as a person reads them.
pub(crate) fn fields<T: serde::Serialize>(before: Option<&T>, after: &T) -> Vec<FieldChange> {
    let object = |value: &T| match serde_json::to_value(value) {
        Ok(serde_json::Value::Object(object)) => object,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (before.map(object).unwrap_or_default(), object(after));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let text = |value: Option<&serde_json::Value>| value.filter(|value| !value.is_null()).map(shown);
    let change = |name: &&String| FieldChange { field: (*name).clone(), before: text(old.get(*name)), after: text(new.get(*name)) };
    names.iter().map(change).filter(|change| change.before != change.after).collect()
}

fn shown(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
