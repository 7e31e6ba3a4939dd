//! A preview: what the next run of a policy would export, how it is grouped, and each e-mail as it will look. Nothing is sent, and nothing of it is kept.

use consign_export::ExportError;
use consign_export::preview::{Preview, Showcase};
use consign_model::HeldReason;
use consign_model::run::EmailCounts;
use mailparse::{MailHeaderMap, ParsedMail, parse_mail};
use maud::{Markup, html};
use tokio::sync::Semaphore;

use super::page::{Page, Tab, address, number, table, tenant_page};
use super::policies::find;
use crate::api::Item;
use crate::caller::Here;

/// E-mails after which no further chat is looked at: a person reads no more, and a preview is no run.
const EMAILS: usize = 100;
/// Bytes of e-mails after which it is likewise.
const BYTES: usize = 8 << 20;
/// Chats that are looked at, of which no e-mail may come.
const CHATS: usize = 2_000;
/// Of an e-mail's text, what is shown.
const TEXT: usize = 20_000;
/// Previews at once: each is as much work as a small run. The others wait.
static PREVIEWS: Semaphore = Semaphore::const_new(2);

/// An e-mail, as far as it is shown.
struct Shown {
    headers: Vec<(&'static str, String)>,
    subject: String,
    text: String,
    is_cut: bool,
    attachments: Vec<(String, usize)>,
    bytes: usize,
}

/// The first e-mails.
#[derive(Default)]
struct First {
    emails: Vec<Shown>,
    bytes: usize,
    chats: usize,
}

impl Showcase for First {
    fn take(&mut self, _: &str, _: u32, _: u32, email: &[u8]) -> Result<(), ExportError> {
        if self.emails.len() < EMAILS && self.bytes < BYTES {
            self.bytes += email.len();
            self.emails.push(shown(email));
        }
        Ok(())
    }

    fn wants_another(&mut self) -> bool {
        self.chats += 1;
        self.chats <= CHATS && self.emails.len() < EMAILS && self.bytes < BYTES
    }
}

fn shown(email: &[u8]) -> Shown {
    let mut found =
        Shown { headers: Vec::new(), subject: String::new(), text: String::new(), is_cut: false, attachments: Vec::new(), bytes: email.len() };
    // What we compose can be read; what can't be is shown by its size alone.
    let Ok(parsed) = parse_mail(email) else { return found };
    found.subject = parsed.headers.get_first_value("Subject").unwrap_or_default();
    let header = |name: &'static str| parsed.headers.get_first_value(name).map(|value| (name, value));
    found.headers = ["From", "To", "Cc", "Date", "Message-ID", "References"].into_iter().filter_map(header).collect();
    parts(&parsed, &mut found);
    let end = found.text.char_indices().nth(TEXT).map(|(end, _)| end);
    if let Some(end) = end {
        found.text.truncate(end);
        found.is_cut = true;
    }
    found
}

/// The first part of plain text is what a reader sees; what has a name is an attachment.
fn parts(part: &ParsedMail<'_>, found: &mut Shown) {
    let disposition = part.get_content_disposition();
    let name = disposition.params.get("filename").or_else(|| part.ctype.params.get("name"));
    match name {
        Some(name) => found.attachments.push((name.clone(), part.get_body_raw().map_or(0, |body| body.len()))),
        None if part.ctype.mimetype == "text/plain" && found.text.is_empty() => found.text = part.get_body().unwrap_or_default(),
        None => part.subparts.iter().for_each(|part| parts(part, found)),
    }
}

/// The page.
pub async fn show(here: Here, Item(name): Item) -> Page {
    let policy = find(&here, &name).await?;
    // `Err` can't be: nobody closes it.
    let _place = PREVIEWS.acquire().await.ok();
    let mut first = First::default();
    let preview = here.tenant.exporter().preview(&policy.spec.name, &mut first).await?;
    let mut emails: EmailCounts = preview.emails;
    emails.add(&preview.supplements.emails);
    let body = html! {
        p.summary {
            "What the next run of " a href=(address(here.tenant.name(), &format!("/policies/{}", policy.spec.name))) { (policy.spec.name) } " would do. Nothing was sent, and nothing of this is kept."
            @if preview.is_cut { " It has looked at the first chats alone, since there are many: a run examines all." }
        }
        @if let Some(stands_in) = &preview.stands_in { p { (stands_in.text()) } }
        @if let Some(run) = &preview.interrupted { p { "The run " (run) " was interrupted: the next one takes it up and ends it first." } }
        (figures(&preview, &emails))
        @if !preview.held.is_empty() {
            h2 { "Would be held" }
            (table("Would be held", &["Chat", "Source", "Why"], &[], preview.held.iter().map(|(source, chat, reason): &(_, _, HeldReason)| vec![html! { (chat) }, html! { (source) }, html! { (reason.text()) }])))
        }
        h2 { "E-mails" }
        @if first.emails.is_empty() { p { "There would be none." } }
        @if (first.emails.len() as u64) < emails.composed.saturating_sub(emails.accepted) { p.hint { "The first " (first.emails.len()) ", as they would look." } }
        @for email in &first.emails { (one(email)) }
    };
    Ok(tenant_page(&here, Tab::Policies, &format!("Preview of {}", policy.spec.name), &body))
}

fn figures(preview: &Preview, emails: &EmailCounts) -> Markup {
    let events = &preview.events;
    let steps = [
        ("Chats", preview.chats),
        ("Examined", events.examined),
        ("Kept", events.examined.saturating_sub(events.omitted)),
        ("Omitted", events.omitted),
        ("Held", events.held),
        ("E-mails", emails.composed.saturating_sub(emails.accepted)),
    ];
    html! {
        ol.funnel { @for (name, figure) in steps { li { span.name { (name) } " " strong { (number(figure)) } } } }
        @if emails.accepted > 0 { p { (number(emails.accepted)) " more e-mails were accepted already, and are not sent again." } }
    }
}

fn one(email: &Shown) -> Markup {
    html! {
        details.email {
            summary { @if email.subject.is_empty() { "(no subject)" } @else { (email.subject) } " " span.hint { (consign_model::figure::bytes(email.bytes as u64)) } }
            dl { @for (name, value) in &email.headers { dt { (name) } dd { (value) } } }
            pre tabindex="0" { (email.text) }
            @if email.is_cut { p.hint { "The text goes on." } }
            @if !email.attachments.is_empty() {
                p { "Attached: " @for (place, (name, bytes)) in email.attachments.iter().enumerate() { @if place > 0 { ", " } (name) " (" (consign_model::figure::bytes(*bytes as u64)) ")" } }
            }
        }
    }
}
