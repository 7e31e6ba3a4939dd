//! `doctor`: looks at everything that an installation rests on, and says what is not as it should be and what to do.
//!
//! It is for when something is wrong and nobody knows what, so a thing that can't be looked at is one more line and never the end. It changes nothing, and sends nothing.

use consign_export::watch::Checked;
use consign_model::access::platform;
use consign_model::{Name, RunState, TenantId};
use serde::Serialize;

use crate::args::Cli;
use crate::data::{Installation, Place, TenantData};
use crate::output::{Ending, Failure, say, say_json};

/// Tenants read at a time.
const PAGE: usize = 256;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Good,
    /// To be thought about.
    Note,
    /// To be mended.
    Wrong,
}

/// What was found of one thing.
#[derive(Debug, Serialize)]
struct Found {
    state: State,
    /// Unset: of the installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    /// Which thing.
    about: String,
    /// How it is, and what to do.
    text: String,
}

/// What was found so far, each said as it is found: a check may take its time.
struct Findings {
    all: Vec<Found>,
    json: bool,
}

impl Findings {
    fn add(&mut self, state: State, tenant: Option<&TenantId>, about: impl Into<String>, text: impl Into<String>) {
        let found = Found { state, tenant: tenant.cloned(), about: about.into(), text: text.into() };
        if !self.json {
            let word = match state {
                State::Good => "ok   ",
                State::Note => "note ",
                State::Wrong => "WRONG",
            };
            let of = found.tenant.as_ref().map(|tenant| format!("{tenant}: ")).unwrap_or_default();
            say(format_args!("{word}  {of}{}: {}", found.about, found.text));
        }
        self.all.push(found);
    }
}

/// Looks at the installation and its tenants, or at one. `offline`: asks no target.
pub async fn doctor(cli: &Cli, offline: bool, json: bool) -> Result<Ending, Failure> {
    let place = Place::of(cli)?;
    let mut findings = Findings { all: Vec::new(), json };
    // Whatever keeps it from opening says itself what it is.
    let (installation, _) = Installation::open(&place).await?;
    findings.add(State::Good, None, "data folder", format!("{} opens, with the store as it was last written", place.folder.display()));
    if let Some(file) = installation.made() {
        findings.add(State::Note, None, "master key", format!("there was none, and {} was made: keep a copy of it somewhere else", file.display()));
    }
    let tenants = if cli.tenant.is_some() { vec![place.tenant.clone()] } else { all_tenants(&installation).await? };
    if tenants.is_empty() {
        findings.add(State::Note, None, "tenants", "there is none yet: 'consign init' makes one, or the API");
    }
    for tenant in &tenants {
        match installation.tenant(tenant).await {
            Err(failure) => findings.add(State::Wrong, Some(tenant), "keys", failure.text()),
            Ok(data) => {
                findings.add(State::Good, Some(tenant), "keys", "the master key opens them");
                if let Err(failure) = look(&mut findings, &data, offline).await {
                    findings.add(State::Wrong, Some(tenant), "the rest", format!("it could not be looked at: {}", failure.text()));
                }
            }
        }
    }
    for removed in installation.store().removed_tenants().await?.iter().filter(|one| !one.is_over()) {
        let (state, text) = match (removed.files_gone, removed.records_gone) {
            (Some(_), Some(_)) => (
                State::Note,
                "its files and records are gone; its keys were not looked for yet: 'consign tenant remove' with its name does, and so does the next start",
            ),
            (Some(_), None) => (State::Wrong, "its records are still in the store: it could not be written anew, for want of room say"),
            (None, _) => (
                State::Wrong,
                "its files are still there: 'consign tenant remove' with its name goes on, and so does the next start of 'consign serve'",
            ),
        };
        findings.add(state, None, format!("removed tenant {}", removed.tenant), text);
    }
    let wrong = findings.all.iter().filter(|found| found.state == State::Wrong).count();
    if json {
        say_json(&findings.all)?;
    } else {
        say(match wrong {
            0 => "Nothing is wrong.".to_owned(),
            1 => "One thing is wrong.".to_owned(),
            more => format!("{more} things are wrong."),
        });
    }
    Ok(Ending::complete_if(wrong == 0))
}

async fn all_tenants(installation: &Installation) -> Result<Vec<TenantId>, Failure> {
    let mut all = Vec::new();
    loop {
        let page = installation.store().tenants(all.last(), PAGE).await?;
        if page.is_empty() {
            all.retain(|tenant| *tenant != platform());
            return Ok(all);
        }
        all.extend(page);
    }
}

async fn look(findings: &mut Findings, data: &TenantData, offline: bool) -> Result<(), Failure> {
    let exporter = &data.exporter;
    let (store, tenant) = (&exporter.store, &exporter.tenant);
    let mut add = |state, about: String, text: String| findings.add(state, Some(tenant), about, text);
    let policies = store.policies(tenant).await?;
    let names: Vec<Name> = policies.iter().map(|policy| policy.spec.name.clone()).collect();
    let chain = |checked: Checked| match checked {
        Checked::Good => (State::Good, "as it was written".to_owned()),
        Checked::Broken(text) => {
            (State::Wrong, format!("{text}. Keep a copy as it is, compare with what was exported or backed up, and find out who had the data folder"))
        }
        Checked::Undecided => (State::Note, "it grew each time that it was read: look again".to_owned()),
    };
    let (state, text) = chain(exporter.check_audit_log(&names).await?);
    add(state, "audit log".to_owned(), text);
    for policy in &policies {
        let name = &policy.spec.name;
        let newest = store.runs(tenant, Some(name), 1).await?;
        if !newest.is_empty() {
            let (state, text) = chain(exporter.check_manifests(name).await?);
            add(state, format!("manifests of {name}"), text);
        }
        if let Some(run) = newest.first().filter(|run| run.state == RunState::Running) {
            add(State::Note, format!("policy {name}"), format!("its run {} has not ended: the next one takes it up", run.id));
        }
        for condition in exporter.held_now(name).await?.into_iter().chain(exporter.quarantined_now(policy).await?) {
            add(State::Wrong, format!("policy {name}"), condition.text());
        }
    }
    for condition in exporter.files_now().await?.iter().filter_map(consign_export::watch::MissingFiles::condition) {
        add(State::Wrong, "files".to_owned(), condition.text());
    }
    for target in store.targets(tenant).await?.into_iter().filter(|_| !offline) {
        let name = &target.spec.name;
        let (state, text) = match exporter.check_target(name).await {
            Ok(Ok(checked)) => (
                State::Good,
                format!(
                    "it answers ({}), {}",
                    checked.greeting.code,
                    checked.tls.map_or_else(|| "in clear".to_owned(), |tls| format!("secured by {tls}"))
                ),
            ),
            Ok(Err(why)) => (State::Wrong, why),
            Err(error) => (State::Wrong, error.to_string()),
        };
        add(state, format!("target {name}"), text);
    }
    Ok(())
}
