//! `shadow`

use consign_model::Name;
use consign_model::manifest::RuleRef;
use consign_model::shadow::{Example, RuleDifference, ShadowDifference};
use consign_service::promote::{Promoted, promote};
use std::fmt::Write as _;

use crate::args::ShadowCommand;
use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json};
use crate::remote::Server;

/// Shows what shadows would have done, or puts one in place.
pub async fn shadow(data: &Data, policy: Option<&Name>, command: Option<&ShadowCommand>, json: bool) -> Result<Ending, Failure> {
    match (policy, command) {
        (_, Some(ShadowCommand::Promote { policy, module })) => put_in_place(data, policy, module.as_deref(), json).await,
        (Some(policy), None) => show(data, policy, json).await,
        (None, None) => Err(Failure::new("name a policy: consign shadow POLICY")),
    }
}

async fn show(data: &Data, policy: &Name, json: bool) -> Result<Ending, Failure> {
    let reports = data.exporter.shadows(policy).await?;
    if json {
        let list: Vec<_> = reports
            .iter()
            .map(|report| {
                let runs: Vec<_> =
                    report.runs.iter().map(|(run, at, found)| serde_json::json!({ "run": run, "started_at": at, "difference": found })).collect();
                serde_json::json!({ "place": report.place, "total": report.total, "runs": runs })
            })
            .collect();
        say_json(&list)?;
        return Ok(Ending::Done);
    }
    if reports.is_empty() {
        say(format_args!(
            "The policy '{policy}' has no shadow: add one to a criterion or the grouping, as shadow = {{ module = \"…\" }}, and apply it."
        ));
    }
    for report in &reports {
        let total = &report.total;
        say(format_args!("{}, {}: shadow of {}", report.place, total.module, total.beside));
        if report.runs.is_empty() {
            say("  no run has compared them yet");
            continue;
        }
        say(format_args!("  {}", line(total)));
        details(total);
        for (run, at, found) in &report.runs {
            say(format_args!("  {run} of {at}: {}", line(found)));
        }
        say(format_args!("  to put it in place: consign shadow promote {policy} {}", total.module));
    }
    Ok(Ending::Done)
}

/// `+12 −3`, and what else there is to say.
pub fn line(found: &ShadowDifference) -> String {
    let mut text = format!("+{} \u{2212}{}", number(found.gained()), number(found.lost()));
    if found.regrouped.events > 0 {
        let _ = write!(text, ", {} in other e-mails", number(found.regrouped.events));
    }
    let _ = write!(text, " of {} events in {} windows", number(found.events), number(found.windows));
    let failed: Vec<String> = found.failed.iter().map(|(class, windows)| format!("{} ({})", number(*windows), class.word())).collect();
    if !failed.is_empty() {
        let _ = write!(text, "; it FAILED in {} windows", failed.join(" and "));
    }
    if found.unseen > 0 {
        let _ = write!(text, "; {} windows not compared, since its time was over", number(found.unseen));
    }
    text
}

fn details(found: &ShadowDifference) {
    // The rest, where there are too many combinations to tell.
    let rules = |by: &[RuleRef]| {
        if by.is_empty() {
            "other rules".to_owned()
        } else {
            by.iter().map(|rule| format!("{} of {}", rule.rule, rule.module)).collect::<Vec<_>>().join(" and ")
        }
    };
    let say_rule = |sign: &str, what: &str, rule: &RuleDifference| {
        say(format_args!("    {sign}{} {what} {}: {}", number(rule.events), rules(&rule.by), examples(&rule.examples)));
    };
    found.gained.iter().for_each(|rule| say_rule("+", "that are left out now by", rule));
    found.lost.iter().for_each(|rule| say_rule("\u{2212}", "that it would leave out by", rule));
    if found.regrouped.events > 0 {
        say(format_args!("    {} in other e-mails: {}", number(found.regrouped.events), examples(&found.regrouped.examples)));
    }
}

fn examples(examples: &[Example]) -> String {
    let shown: Vec<String> =
        examples.iter().map(|one| format!("{} in chat {} of {}", one.event.escape_debug(), one.chat.id.escape_debug(), one.chat.source)).collect();
    if shown.is_empty() { "no ids, since nothing is decrypted".to_owned() } else { format!("for example {}", shown.join(", ")) }
}

async fn put_in_place(data: &Data, policy: &Name, module: Option<&str>, json: bool) -> Result<Ending, Failure> {
    say_promoted(&promote(&data.exporter, policy, module).await?, json)
}

/// By a server.
pub async fn promote_at(server: &Server, policy: &Name, module: Option<&str>, json: bool) -> Result<Ending, Failure> {
    let url = server.of_tenant(&["policies", policy.as_str(), "shadows", "promote"]).await?;
    say_promoted(&server.post(&url, Some(&serde_json::json!({ "module": module }))).await?, json)
}

fn say_promoted(done: &Promoted, json: bool) -> Result<Ending, Failure> {
    let policy = &done.policy;
    if json {
        say_json(done)?;
        return Ok(Ending::Done);
    }
    say(format_args!("policy {policy} (version {}), {}: {} in place of {}", done.version, done.place, done.module, done.before));
    say("Change the policy's file too, or the next 'consign apply' of it takes this back. Take its line 'shadow' away, and write:");
    done.lines.iter().for_each(|line| say(format_args!("    {line}")));
    Ok(Ending::Done)
}
