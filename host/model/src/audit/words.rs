//! The audit log's words, for a person.

use super::{Actor, Cause, Deed, Deletion};
use crate::figure::number;

impl Actor {
    /// Who it is.
    pub fn text(&self) -> String {
        match self {
            Self::Person { user, named: Some(named), .. } => format!("{user} ({named})"),
            Self::Person { user, .. } => user.clone(),
            Self::Token { token, named, role } => format!("{named} ({role}, by {token})"),
            Self::OpenId { issuer, subject, email, role } => format!("{} ({role}, by {issuer})", email.as_deref().unwrap_or(subject).escape_debug()),
            Self::Schedule => "schedule".to_owned(),
            Self::Consign => "consign".to_owned(),
        }
    }
}

impl Deed {
    /// What was done, as a line after who has done it.
    pub fn text(&self) -> String {
        match self {
            Self::TenantRemoved { tenant, reason, had, .. } => format!(
                "removed tenant {tenant} with {} events of {} chats, {} of them not exported: {}",
                number(had.events),
                number(had.chats),
                number(had.owed),
                reason.escape_debug()
            ),
            Self::TenantDestroyed { tenant, proof } => {
                format!("destroyed what was left of tenant {tenant}; its key was found in none of {} files", number(proof.files))
            }
            Self::TenantMade { signing_key, .. } => format!("made the tenant's keys (signing key {signing_key})"),
            Self::KeysRotated { signing_key, earlier_signing_key, .. } => {
                format!("gave the tenant other keys (signing key {signing_key}, in the place of {earlier_signing_key})")
            }
            Self::KeysTakenUp { signing_key } => format!("signs with the new key from here on ({signing_key})"),
            Self::LogBegun => "began the log of a tenant that is older than it".to_owned(),
            Self::ImportBegun { source, format, input, .. } => format!("began to import {} ({format}) into source {source}", input.escape_debug()),
            Self::ImportEnded { source, figures, .. } => {
                let how = if figures.complete { "imported" } else { "FAILED to import all" };
                format!("{how} into source {source}: {} events stored, {} there already", number(figures.stored), number(figures.already_there))
            }
            Self::IdentitiesApplied { version, users, .. } => format!("identity map {version} with {users} users put into force"),
            Self::ReplaySent { run, emails, accepted } => {
                format!("sent {} e-mails of run {run} once more from its record (replay), {} were accepted", number(*emails), number(*accepted))
            }
            Self::TargetSaved { target, version, .. } => format!("put target {target} version {version} into force"),
            Self::PolicySaved { policy, version, cause, .. } => match cause {
                Cause::Apply => format!("put policy {policy} version {version} into force"),
                Cause::Promote { module } => format!("put policy {policy} version {version} into force, promoting {module}"),
            },
            Self::ModulePushed { module, signed_by: Some(key) } => format!("took in module {}, signed by {key}", module.name),
            Self::ModulePushed { module, signed_by: None } => format!("took in module {}, without a signature", module.name),
            Self::ModuleSigned { module, signed_by } => format!("added the signature of {signed_by} to module {}", module.name),
            Self::ModuleKeyAdded { name, .. } => format!("added the module key {name}"),
            Self::TokenMade { token, named, role, expires_at } => {
                let until = expires_at.map(|end| format!(" until {end}")).unwrap_or_default();
                format!("made {token} for {named}, as {role}{until}")
            }
            Self::TokenRevoked { token, named } => format!("revoked {token} of {named}"),
            Self::LinkMade { token, named, role, expires_at } => {
                let until = expires_at.map(|end| format!(", good until {end}")).unwrap_or_default();
                format!("made the link {token} for {named}, as {role}{until}")
            }
            Self::LinkUsed { until } => format!("used the link and signed in to the console, until {until} at most"),
            Self::SignedIn { until } => format!("signed in to the console, until {until} at most"),
            Self::SignedOut => "signed out of the console".to_owned(),
            Self::TwoPeopleSet { on: true } => "had dangerous changes take two people".to_owned(),
            Self::TwoPeopleSet { on: false } => "had dangerous changes take one person".to_owned(),
            Self::Proposed { proposal, about, .. } => format!("proposed {proposal}, about {}", about.join(", ")),
            Self::ProposalApproved { proposal, .. } => format!("approved {proposal}"),
            Self::ProposalRejected { proposal } => format!("rejected {proposal}"),
            Self::QuotasChanged { quotas } => {
                format!("set quotas (version {}): {}; its weight in sharing is {}", quotas.version, quotas.limits.text(), quotas.weight)
            }
            Self::SecretKept { secret } => format!("kept the secret {secret}"),
            Self::SecretRemoved { secret } => format!("removed the secret {secret}"),
            Self::ModuleKeyRemoved { name, .. } => format!("removed the module key {name}"),
            Self::KeepingChanged { version, rules, placed, lifted } => {
                let mut parts: Vec<String> = placed.iter().map(|hold| format!("placed the hold {} on {}", hold.name, hold.text())).collect();
                parts.extend(lifted.iter().map(|name| format!("lifted the hold {name}")));
                if parts.is_empty() {
                    parts.push(format!("put {} rules of retention into force (version {version})", rules.len()));
                }
                parts.join(", ")
            }
            Self::EventsDeleted { why, events, chats, .. } => {
                let why = match why {
                    Deletion::Retention => "by the rules of retention".to_owned(),
                    Deletion::Erasure { source, user } => format!("of user {} of source {source}, by erasure", user.escape_debug()),
                };
                format!("deleted {} events of {} chats {why}", number(*events), number(*chats))
            }
            Self::Erased { certificate } => format!(
                "erased user {} of source {}: {} events in {} chats; {} stay as they are owed, {} as they are held",
                certificate.user.escape_debug(),
                certificate.source,
                number(certificate.erased),
                number(certificate.chats),
                number(certificate.owed),
                number(certificate.held)
            ),
            Self::IdentityRevealed => "wrote the private key of the tenant's files into a file".to_owned(),
            Self::Quarantined { policy, module, .. } => format!("quarantined {} for policy {policy}", module.name),
            Self::Released { policy, module } => format!("released {} for policy {policy}", module.name),
            Self::RunBegun { run, retry: Some(retry), .. } => format!("began run {run}, to try {} held windows again ({})", retry.windows, retry.how),
            Self::RunBegun { run, .. } => format!("began run {run}"),
            Self::RunEnded { run, events, emails, .. } => format!(
                "ended run {run}: {} events exported in {} e-mails, {} omitted, {} held",
                number(events.exported),
                number(emails.accepted),
                number(events.omitted),
                number(events.held)
            ),
        }
    }
}
