//! `proposal`

use consign_model::proposal::{Proposal, Proposed, ProposedChange};
use consign_model::{Digest, Name, Timestamp};
use consign_service::apply::Change;
use consign_service::proposals::{self, Set, owner};
use serde::{Deserialize, Serialize};

use super::apply::{ChangeAnswer, say_change};
use crate::args::{OnOff, ProposalCommand};
use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json, table};
use crate::remote::Server;
use crate::remote::server::read;

/// Lists, shows and decides proposals, or asks for two people.
pub async fn proposal(data: &Data, command: &ProposalCommand, json: bool) -> Result<Ending, Failure> {
    let exporter = &data.exporter;
    match command {
        ProposalCommand::List => {
            let all = exporter.store.proposals(&exporter.tenant).await?;
            say_all(&all.into_iter().map(Shown::from).collect::<Vec<_>>(), json)
        }
        ProposalCommand::Show { id } => say_one(&proposals::find(exporter, id).await?.into(), json),
        ProposalCommand::Approve { id, digest } => say_approved(id, &proposals::approve(exporter, id, digest, owner).await?, json),
        ProposalCommand::Reject { id } => {
            proposals::reject(exporter, id, owner).await?;
            say_rejected(&proposals::find(exporter, id).await?.into(), json)
        }
        ProposalCommand::TwoPeople { is } => match proposals::require(exporter, *is == OnOff::On).await? {
            Set::Proposed(proposal) => say_kept(&Shown::from(*proposal), json),
            Set::Done => say_set(*is, json),
        },
    }
}

/// The same by a server.
pub async fn proposal_at(server: &Server, command: &ProposalCommand, json: bool) -> Result<Ending, Failure> {
    match command {
        ProposalCommand::List => say_all(&server.list(&server.of_tenant(&["proposals"]).await?, usize::MAX).await?, json),
        ProposalCommand::Show { id } => say_one(&server.get(&server.of_tenant(&["proposals", id]).await?).await?, json),
        ProposalCommand::Approve { id, digest } => {
            let url = server.of_tenant(&["proposals", id, "approve"]).await?;
            let changes: Vec<ChangeAnswer> = server.post(&url, Some(&serde_json::json!({ "digest": digest }))).await?;
            say_approved(id, &changes.into_iter().map(Change::from).collect::<Vec<_>>(), json)
        }
        ProposalCommand::Reject { id } => say_rejected(&server.post(&server.of_tenant(&["proposals", id, "reject"]).await?, None).await?, json),
        ProposalCommand::TwoPeople { is } => {
            let asked = serde_json::json!({ "on": *is == OnOff::On }).to_string();
            let answer = server.put(&server.of_tenant(&["two-people"]).await?, "application/json", asked.into_bytes()).await?;
            match read(&answer)? {
                SetAnswer::Proposed(proposal) => say_kept(&proposal, json),
                SetAnswer::Done { .. } => say_set(*is, json),
            }
        }
    }
}

/// What a server answers to whoever asks for two people.
#[derive(Deserialize)]
#[serde(untagged)]
enum SetAnswer {
    Proposed(Box<Shown>),
    Done {
        #[serde(rename = "on")]
        _on: bool,
    },
}

/// What is said of a proposal, as a server says it too.
#[derive(Serialize, Deserialize)]
pub struct Shown {
    id: Name,
    state: String,
    at: Timestamp,
    by: String,
    expires_at: Timestamp,
    takes: String,
    digest: Digest,
    changes: Vec<ProposedChange>,
    texts: Vec<String>,
    decided_by: Option<String>,
    decided_at: Option<Timestamp>,
}

impl From<Proposal> for Shown {
    fn from(proposal: Proposal) -> Self {
        let (state, takes) = (proposal.word(Timestamp::now()).to_owned(), proposal.takes().word().to_owned());
        let Proposal { id, at, by, expires_at, what, digest, changes, decision } = proposal;
        let texts = match what {
            Proposed::Apply { texts, .. } => texts.into_iter().map(|(_, text)| text).collect(),
            Proposed::OnePerson => Vec::new(),
        };
        let (decided_by, decided_at) = decision.map(|decision| (decision.by.text(), decision.at)).unzip();
        Self { id, state, at, by: by.text(), expires_at, takes, digest, changes, texts, decided_by, decided_at }
    }
}

fn say_one(one: &Shown, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(one)?;
    } else {
        show(one);
    }
    Ok(Ending::Done)
}

fn say_approved(id: &str, changes: &[Change], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&changes)?;
        return Ok(Ending::Done);
    }
    say(format_args!("{id} is approved, and in force:"));
    changes.iter().for_each(say_change);
    Ok(Ending::Done)
}

fn say_rejected(one: &Shown, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(one)?;
    } else {
        say(format_args!("{} is rejected", one.id));
    }
    Ok(Ending::Done)
}

fn say_set(is: OnOff, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&serde_json::json!({ "two_people": is == OnOff::On }))?;
    } else if is == OnOff::On {
        say("new and changed targets, and letting a module see into messages, take two people from now on: one proposes, another approves");
    } else {
        say("one person is enough");
    }
    Ok(Ending::Done)
}

/// That something was kept for a second person: nothing of it is done, which is said by the exit code as well.
pub fn say_kept(proposal: &Shown, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&serde_json::json!({ "proposal": proposal }))?;
    } else {
        say("this takes two people, so nothing of it is in force yet. It waits for another person's approval:");
        show(proposal);
        say(format_args!("approve it by: consign proposal approve {} {}", proposal.id, proposal.digest));
    }
    Ok(Ending::Incomplete)
}

fn say_all(proposals: &[Shown], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&proposals)?;
        return Ok(Ending::Done);
    }
    if proposals.is_empty() {
        say("There is no proposal.");
        return Ok(Ending::Done);
    }
    let row = |one: &Shown| {
        let about = one.changes.iter().map(|change| format!("{} {}", change.kind, change.name)).collect::<Vec<_>>().join(", ");
        vec![one.id.to_string(), about, one.by.clone(), one.at.to_string(), one.state.clone()]
    };
    say(table(&["proposal", "about", "by", "made", ""], &[], proposals.iter().map(row)));
    Ok(Ending::Done)
}

/// One, for a person.
fn show(one: &Shown) {
    say(format_args!("{}, {}, proposed {} by {}; can be approved until {}", one.id, one.state, one.at, one.by, one.expires_at));
    if let (Some(by), Some(at)) = (&one.decided_by, one.decided_at) {
        say(format_args!("    {} {at} by {by}", one.state));
    }
    for change in &one.changes {
        let version = change.version.map_or_else(|| "new".to_owned(), |version| format!("in the place of version {version}"));
        say(format_args!("{} {} ({version})", change.kind, change.name));
        for why in &change.because {
            say(format_args!("    {why}"));
        }
        for field in &change.fields {
            let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            say(format_args!("    {}: {} -> {}", field.field, shown(&field.before), shown(&field.after)));
        }
    }
    say(format_args!("digest {}", one.digest));
}
