//! What became of an event, and why.

use consign_export::explain::{Decided, EmailFate, Explanation, Fate};
use consign_export::story::{EmailEvent, EmailStory};
use consign_model::ChatKey;
use consign_model::policy::PolicyVersion;
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, address, badge, outcome, problem, table, tenant_page, time};
use crate::api::no_such_email;
use crate::caller::Here;
use crate::problem::Problem;

/// The page: what to look for, and what was found.
pub async fn show(here: Here, Query(asked): Query) -> Page {
    let exporter = here.tenant.exporter();
    let policies = exporter.store.policies(&exporter.tenant).await?;
    let found = match asked.get("event") {
        None => html! {},
        Some(event) => match policies.iter().find(|policy| asked.get("policy") == Some(policy.spec.name.as_str())) {
            None => problem(&Problem::invalid("choose a policy")),
            Some(policy) => {
                let explained = exporter.explain(&policy.spec.name, event, asked.get("chat")).await?;
                html! {
                    h2 { "What became of it" }
                    @if explained.events.is_empty() { p { "No event of this id has arrived" @if asked.get("chat").is_some() { " in this chat" } "." } }
                    @for one in &explained.events { (story(&here, one)) }
                    @if !explained.unreadable.is_empty() { (unreadable(&explained.unreadable)) }
                }
            }
        },
    };
    let found = match asked.get("email") {
        None => found,
        Some(id) => match exporter.story(id).await? {
            Some(story) => email(&here, &story),
            None => problem(&no_such_email(id)),
        },
    };
    let body = html! { (form(&here, &asked, &policies)) (by_message_id(&here, &asked)) div aria-live="polite" { (found) } };
    Ok(tenant_page(&here, Tab::Explain, "Explain", &body))
}

fn form(here: &Here, asked: &Fields, policies: &[PolicyVersion]) -> Markup {
    html! {
        form.stacked method="get" action=(address(here.tenant.name(), "/explain")) {
            label for="policy" { "Policy" }
            select #policy name="policy" required {
                @for policy in policies { option value=(policy.spec.name) selected[asked.get("policy") == Some(policy.spec.name.as_str())] { (policy.spec.name) } }
            }
            label for="event" { "The event's id" }
            input #event name="event" required value=[asked.get("event")] autocomplete="off" aria-describedby="about-event";
            p.hint id="about-event" { "As the platform gives it: for Slack its " code { "ts" } ". An e-mail has it in its part " code { "consign.json" } "." }
            label for="chat" { "Only in the chat with this id" }
            input #chat name="chat" value=[asked.get("chat")] autocomplete="off" aria-describedby="about-chat";
            p.hint id="about-chat" { "May be left empty. With it the search is short, however large the archive." }
            button { "Explain" }
        }
    }
}

fn by_message_id(here: &Here, asked: &Fields) -> Markup {
    html! {
        h2 { "Or an e-mail" }
        form.stacked method="get" action=(address(here.tenant.name(), "/explain")) {
            label for="email" { "Its Message-ID" }
            input #email name="email" required maxlength="500" value=[asked.get("email")] autocomplete="off" aria-describedby="about-email";
            p.hint id="about-email" { "As the e-mail has it in its head, with angle brackets or without; of a journal report also that of its original." }
            button { "Find the e-mail" }
        }
    }
}

/// All about one e-mail, and which events are in it.
fn email(here: &Here, story: &EmailStory) -> Markup {
    let (tenant, delivery) = (here.tenant.name(), &story.delivery);
    let told = |event: &EmailEvent| {
        let asked: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("policy", story.policy.as_str())
            .append_pair("event", &event.event)
            .append_pair("chat", &story.chat.id)
            .finish();
        vec![
            html! { a href=(address(tenant, &format!("/explain?{asked}"))) { (event.event) } @if event.deleted { " " (badge("note", "deleted since")) } },
            html! { (event.kind) },
            time(event.at),
        ]
    };
    html! {
        h2 { "The e-mail" }
        article {
            p { code { (delivery.message_id) } @if delivery.parts > 1 { ", part " (delivery.key.part) " of " (delivery.parts) } @if let Some(user) = &story.subject { ", the copy of " (user) } }
            p {
                "Of the chat " code { (story.chat.id) } " of " (story.chat.source) ", by the policy " a href=(address(tenant, &format!("/policies/{}", story.policy))) { (story.policy) }
                " and its run " a href=(address(tenant, &format!("/runs/{}", story.run))) { (story.run) } "."
            }
            p { (consign_model::figure::bytes(delivery.size)) ", SHA-256 " code { (delivery.digest) } ". Tried " (delivery.attempts) " times, last " (time(delivery.attempted_at)) "." }
            @if delivery.outcomes.is_empty() { p { (badge("note", "on its way")) } }
            @for one in &delivery.outcomes { (outcome(one)) }
            @if let Some(held) = &story.held { p { (badge("bad", "held")) " " (held) } }
            @if let Some(decided) = &story.decided { (decided_by(decided)) }
        }
        @match &story.events {
            None => p { "Which events are in it is said when its chat is settled." },
            Some(events) => {
                @if story.unreadable { div.notice.bad role="alert" { p { "A file of the archive that has some of its events can't be read. The server's operator can see why." } } }
                @if !events.is_empty() { (table("Events in it", &["Event", "Kind", "Time"], &[], events.iter().map(told))) }
                @if story.more > 0 { p.hint { "And " (story.more) " more." } }
            }
        }
    }
}

fn decided_by(decided: &Decided) -> Markup {
    html! {
        details {
            summary { "What decided, under version " (decided.policy_version) " of the policy" }
            ul { @for module in &decided.modules { li { strong { (module.name) } " " code { (module.digest) } pre tabindex="0" { (serde_json::to_string_pretty(&module.config).unwrap_or_default()) } } } }
        }
    }
}

fn story(here: &Here, one: &Explanation) -> Markup {
    let run = |run: &consign_model::RunId| html! { a href=(address(here.tenant.name(), &format!("/runs/{run}"))) { (run) } };
    let (fate, told) = match &one.fate {
        Fate::Exported { run: by, emails } => (badge("good", "exported"), html! { "by the run " (run(by)) ", in:" (emails_of(emails)) }),
        Fate::Omitted { run: by, by: rules } => (
            badge("note", "omitted"),
            html! { "by the run " (run(by)) ", by " @for (place, rule) in rules.iter().enumerate() { @if place > 0 { ", and " } strong { (rule.module) } " · " code { (rule.rule) } } "." },
        ),
        Fate::Owed { run: by, to, emails, .. } => (
            badge("bad", "owed"),
            html! { "to " (to.join(", ")) ", since it became known later that they were there; the run was " (run(by)) ". " (emails_of(emails)) },
        ),
        Fate::Held { run: by, reason, emails, .. } => (badge("bad", "held"), html! { "by the run " (run(by)) ": " (reason) " " (emails_of(emails)) }),
        Fate::InWork { run: by } => (badge("note", "in work"), html! { "by the run " (run(by)) "." }),
        Fate::BeforeSince => (badge("note", "before the policy"), html! { "It had arrived when the policy was applied with since = \"now\"." }),
        Fate::NotYet => (badge("note", "not yet"), html! { "No run of the policy has reached it." }),
    };
    html! {
        article {
            p { (one.kind) " " code { (one.event) } " of " (time(one.at)) ", in the chat " code { (one.chat.id) } " of " (one.chat.source) }
            p { (fate) " " (told) }
            @if let Some(decided) = &one.decided { (decided_by(decided)) }
        }
    }
}

fn emails_of(emails: &[EmailFate]) -> Markup {
    html! {
        ul {
            @for email in emails {
                li {
                    code { (email.message_id) } @if let Some(user) = &email.subject { ", the copy of " (user) }
                    @for one in &email.recipients { (outcome(one)) }
                }
            }
        }
    }
}

fn unreadable(chats: &[(ChatKey, String)]) -> Markup {
    html! {
        div.notice.bad role="alert" {
            p { "Files of these chats can't be read, and may have it: " @for (place, (chat, _)) in chats.iter().enumerate() { @if place > 0 { ", " } code { (chat.id) } } ". The server's operator can see why." }
        }
    }
}
