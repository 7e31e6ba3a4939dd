//! `proposal`

use consign_model::Timestamp;
use consign_model::proposal::Proposal;
use consign_service::proposals::{self, Set, owner};

use crate::args::{OnOff, ProposalCommand};
use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json, table};

/// Lists, shows and decides proposals, or asks for two people.
pub async fn proposal(data: &Data, command: &ProposalCommand, json: bool) -> Result<Ending, Failure> {
    let exporter = &data.exporter;
    match command {
        ProposalCommand::List => list(data, json).await,
        ProposalCommand::Show { id } => {
            let one = proposals::find(exporter, id).await?;
            if json {
                say_json(&one)?;
            } else {
                show(&one);
            }
            Ok(Ending::Done)
        }
        ProposalCommand::Approve { id, digest } => {
            let changes = proposals::approve(exporter, id, digest, owner).await?;
            if json {
                say_json(&changes)?;
                return Ok(Ending::Done);
            }
            say(format_args!("{id} is approved, and in force:"));
            changes.iter().for_each(super::apply::say_change);
            Ok(Ending::Done)
        }
        ProposalCommand::Reject { id } => {
            proposals::reject(exporter, id, owner).await?;
            if json {
                say_json(&proposals::find(exporter, id).await?)?;
            } else {
                say(format_args!("{id} is rejected"));
            }
            Ok(Ending::Done)
        }
        ProposalCommand::TwoPeople { is } => match proposals::require(exporter, *is == OnOff::On).await? {
            Set::Proposed(proposal) => kept(&proposal, json),
            Set::Done => {
                if json {
                    say_json(&serde_json::json!({ "two_people": *is == OnOff::On }))?;
                } else if *is == OnOff::On {
                    say(
                        "new and changed targets, and letting a module see into messages, take two people from now on: one proposes, another approves",
                    );
                } else {
                    say("one person is enough");
                }
                Ok(Ending::Done)
            }
        },
    }
}

/// That something was kept for a second person: nothing of it is done, which is said by the exit code as well.
pub fn kept(proposal: &Proposal, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&serde_json::json!({ "proposal": proposal }))?;
    } else {
        say("this takes two people, so nothing of it is in force yet. It waits for another person's approval:");
        show(proposal);
        say(format_args!("approve it by: consign proposal approve {} {}", proposal.id, proposal.digest));
    }
    Ok(Ending::Incomplete)
}

async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    let proposals = data.exporter.store.proposals(&data.exporter.tenant).await?;
    if json {
        say_json(&proposals)?;
        return Ok(Ending::Done);
    }
    if proposals.is_empty() {
        say("There is no proposal.");
        return Ok(Ending::Done);
    }
    let now = Timestamp::now();
    let row = |one: &Proposal| vec![one.id.to_string(), one.about().join(", "), one.by.text(), one.at.to_string(), one.word(now).to_owned()];
    say(table(&["proposal", "about", "by", "made", ""], &[], proposals.iter().map(row)));
    Ok(Ending::Done)
}

/// One, for a person.
fn show(one: &Proposal) {
    let now = Timestamp::now();
    say(format_args!("{}, {}, proposed {} by {}; can be approved until {}", one.id, one.word(now), one.at, one.by.text(), one.expires_at));
    if let Some(decision) = &one.decision {
        say(format_args!("    {} {} by {}", one.word(now), decision.at, decision.by.text()));
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
