//! What became of everything of a month under a policy: for whoever is asked whether all of March is there.

use chrono::{Datelike, Months, NaiveDate, Utc};
use consign_export::reconcile::{ChatAccount, Counts, Period, Reconciled};
use consign_model::policy::PolicyVersion;
use consign_model::{Name, Timestamp};
use maud::{Markup, html};

use super::form::{Fields, Query};
use super::page::{Page, Tab, address, badge, number, problem, table, tenant_page};
use super::policies::find;
use crate::api::{account_of, gap};
use crate::caller::Here;
use crate::problem::Problem;

/// Chats, and gaps, that a page shows.
const SHOWN: usize = 500;

/// The page: what to ask for, and the account of it.
pub async fn show(here: Here, Query(asked): Query) -> Page {
    let exporter = here.tenant.exporter();
    let policies = exporter.store.policies(&exporter.tenant).await?;
    let found = if let (Some(policy), Some(month)) = (asked.get("policy"), asked.get("month")) {
        match period(month) {
            Err(wrong) => problem(&wrong),
            Ok(period) => {
                let policy = find(&here, policy).await?;
                account(&here, month, &account_of(&here, &policy.spec.name, period).await?)
            }
        }
    } else {
        html! {}
    };
    let body = html! { (form(&here, &asked, &policies)) div aria-live="polite" { (found) } };
    Ok(tenant_page(&here, Tab::Coverage, "Coverage", &body))
}

/// A month of UTC, as a browser writes it: `2026-03`.
fn period(month: &str) -> Result<Period, Problem> {
    let wrong = || Problem::invalid("month: write it as 2026-03");
    let first = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").map_err(|_| wrong())?;
    let next = first.checked_add_months(Months::new(1)).ok_or_else(wrong)?;
    let at = |date: NaiveDate| date.and_hms_opt(0, 0, 0).map(|time| Timestamp(time.and_utc().timestamp_millis())).ok_or_else(wrong);
    let period = Period { from: at(first)?, to: at(next)? };
    if (Timestamp::MIN..Timestamp::MAX).contains(&period.from) && period.to < Timestamp::MAX { Ok(period) } else { Err(wrong()) }
}

/// The month that was over last.
fn last_month() -> Option<String> {
    let today = Utc::now().date_naive();
    today.checked_sub_months(Months::new(1)).map(|date| format!("{:04}-{:02}", date.year(), date.month()))
}

fn form(here: &Here, asked: &Fields, policies: &[PolicyVersion]) -> Markup {
    let month = asked.get("month").map(str::to_owned).or_else(last_month);
    html! {
        p { "Every event that the archive has of a month, by what became of it under a policy; and the signs that something is missing." }
        @if policies.is_empty() { p { "There is no policy yet." } } @else {
            form.stacked method="get" action=(address(here.tenant.name(), "/coverage")) {
                label for="policy" { "Policy" }
                select #policy name="policy" required {
                    @for policy in policies { option value=(policy.spec.name) selected[asked.get("policy") == Some(policy.spec.name.as_str())] { (policy.spec.name) } }
                }
                label for="month" { "Month" }
                input #month name="month" type="month" required pattern="[0-9]{4}-[0-9]{2}" value=[month] aria-describedby="about-month";
                p.hint id="about-month" { "As 2026-03, of UTC, by the events' own times. All files of the month are read, which may take a while." }
                button { "Account for it" }
            }
        }
    }
}

fn account(here: &Here, month: &str, found: &Reconciled) -> Markup {
    let Counts { events, exported, omitted, held, owed, not_yet_due, deleted } = found.total;
    let certain = found.gaps.iter().filter(|gap| gap.is_certain()).count();
    html! {
        h2 { (found.policy) " in " (month) }
        p role="status" {
            @if events == 0 { (badge("note", "nothing")) " The archive has no event of this month." }
            @else if found.is_complete() { (badge("good", "complete")) " All " (number(events)) " events are exported or left out by a rule, and nothing is surely missing." }
            @else { (badge("bad", "not complete")) " Of " (number(events)) " events " (number(exported)) " are exported and " (number(omitted)) " left out by a rule." }
        }
        @if !found.is_complete() {
            ul {
                @if certain > 0 { li { (number(certain as u64)) " gaps where something is surely missing: see below." } }
                @if held > 0 { li { (number(held)) " are held: " a href=(address(here.tenant.name(), "/held")) { "what is held, and why" } "." } }
                @if owed > 0 { li { (number(owed)) " are owed to users of whom it became known later that they were there: the policy's next run sends them." } }
                @if not_yet_due > 0 { li { (number(not_yet_due)) " no run has come to yet: the policy's next run does." } }
            }
        }
        @if deleted > 0 { p { (number(deleted)) " of all these were deleted since, by a rule or an erasure: that is no gap." } }
        h3 { "Gaps" }
        @if found.gaps.is_empty() { p { "None: the index knows a file for every position, every file can be read, and no source was silent for longer than is usual." } } @else {
            ul {
                @for one in found.gaps.iter().take(SHOWN) {
                    li { @if one.is_certain() { (badge("bad", "missing")) } @else { (badge("note", "may be missing")) } " " (gap(one)) "." }
                }
            }
            @if found.gaps.len() > SHOWN { p.hint { "The first " (SHOWN) " of " (found.gaps.len()) "." } }
        }
        @if !found.chats.is_empty() {
            h3 { "By chat" }
            (table("Events by chat", &["Chat", "Source", "Events", "Exported", "Left out", "Held", "Owed", "Not yet due", "Deleted since"], &[2, 3, 4, 5, 6, 7, 8], found.chats.iter().take(SHOWN).map(row)))
            @if found.chats.len() > SHOWN { p.hint { "The first " (SHOWN) " of " (found.chats.len()) " chats; the sums are of all." } }
        }
    }
}

fn row(one: &ChatAccount) -> Vec<Markup> {
    let Counts { events, exported, omitted, held, owed, not_yet_due, deleted } = one.counts;
    let source: &Name = &one.source;
    [html! { (one.chat) }, html! { (source) }].into_iter().chain([events, exported, omitted, held, owed, not_yet_due, deleted].map(number)).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn months() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(period("2024-02").unwrap(), Period { from: at("2024-02-01T00:00:00Z"), to: at("2024-03-01T00:00:00Z") });
        assert_eq!(period("2026-12").unwrap().to, at("2027-01-01T00:00:00Z"));
        for wrong in ["", "2026", "2026-13", "2026-03-01", "x", "9999-12", "-0001-01", "99999-01"] {
            assert!(period(wrong).is_err(), "{wrong}");
        }
    }
}
