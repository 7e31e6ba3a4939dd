//! `explain`

use consign_export::explain::{EmailFate, Explained, Explanation, Fate};
use consign_model::{ChatKey, Name};
use serde::Deserialize;

use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json};
use crate::remote::Server;
use crate::remote::server::with;

/// Says what became of an event.
pub async fn explain(data: &Data, policy: &Name, event: &str, chat: Option<&str>, json: bool) -> Result<Ending, Failure> {
    say_explained(&data.exporter.explain(policy, event, chat).await?, event, json)
}

/// The same by a server.
pub async fn explain_at(server: &Server, policy: &Name, event: &str, chat: Option<&str>, json: bool) -> Result<Ending, Failure> {
    let mut url = with(&with(&server.of_tenant(&["explain"]).await?, "policy", policy.as_str()), "event", event);
    if let Some(chat) = chat {
        url = with(&url, "chat", chat);
    }
    let answer: ExplainedAnswer = server.get(&url).await?;
    let unreadable =
        answer.unreadable.into_iter().map(|one| (ChatKey { source: one.source, id: one.chat }, "the server's operator finds why".to_owned()));
    say_explained(&Explained { events: answer.events, unreadable: unreadable.collect() }, event, json)
}

/// What a server says. Why it can't read something is no tenant's business there.
#[derive(Deserialize)]
struct ExplainedAnswer {
    events: Vec<Explanation>,
    unreadable: Vec<Unreadable>,
}

#[derive(Deserialize)]
struct Unreadable {
    source: Name,
    chat: String,
}

fn say_explained(found: &Explained, event: &str, json: bool) -> Result<Ending, Failure> {
    if found.events.is_empty() && found.unreadable.is_empty() {
        return Err(Failure::new(format!("no event with the id '{}' is in the archive", event.escape_debug())));
    }
    if json {
        say_json(found)?;
    } else {
        found.events.iter().for_each(say_explanation);
        if found.events.is_empty() {
            say(format_args!("no event with the id '{}' is in what can be read of the archive", event.escape_debug()));
        }
        for (chat, error) in &found.unreadable {
            say(format_args!("not looked into, of chat {} of source {}: {error}", chat.id, chat.source));
        }
    }
    Ok(Ending::complete_if(found.unreadable.is_empty()))
}

fn say_explanation(found: &Explanation) {
    let Explanation { chat, event, kind, at, position, deleted, fate, decided } = found;
    say(format_args!("{kind} {event} of {at}, in chat {} of source {} (position {position}):", chat.id, chat.source));
    match fate {
        Fate::Exported { run, emails } => {
            say(format_args!("  exported by run {run}"));
            emails.iter().for_each(say_email);
        }
        Fate::Omitted { run, by } => {
            let rules: Vec<_> = by.iter().map(|rule| format!("{} by its rule '{}'", rule.module, rule.rule)).collect();
            say(format_args!("  left out in run {run}: {}", rules.join(", ")));
        }
        Fate::Owed { run, to, window, emails } => {
            say(format_args!("  run {run} came to it; owed since to {}, of whom it became known later that they were there", to.join(", ")));
            emails.iter().for_each(say_email);
            match window {
                Some(window) => say(format_args!("  held: see 'consign held', then: consign held retry {window}")),
                None => say("  the policy's next run sends it"),
            }
        }
        Fate::Held { run, window, reason, emails } => {
            say(format_args!("  held since run {run}: {reason}"));
            emails.iter().for_each(say_email);
            say(format_args!("  try again with: consign held retry {window}"));
        }
        Fate::InWork { run } => say(format_args!("  run {run} is at work on it, or was interrupted: run the policy again")),
        Fate::BeforeSince => say("  it had arrived before the policy was applied, whose since = \"now\" begins after it"),
        Fate::NotYet => say("  no run of this policy has come to it yet"),
    }
    if *deleted {
        say("  deleted since, by the rules of retention or an erasure: see 'consign audit list'");
    }
    if let Some(decided) = decided {
        say(format_args!(
            "  decided under version {} of the policy{}",
            decided.policy_version,
            if decided.modules.is_empty() { ", without modules" } else { ", by" }
        ));
        for module in &decided.modules {
            say(format_args!("    {} (sha256:{}) with {}", module.name, module.digest, module.config));
        }
    }
}

fn say_email(email: &EmailFate) {
    let copy = email.subject.as_ref().map(|user| format!(", the copy of {user}")).unwrap_or_default();
    say(format_args!("  e-mail <{}>{copy}", email.message_id));
    for one in &email.recipients {
        say(format_args!("    {}: {}", one.recipient, one.outcome.text()));
    }
}
