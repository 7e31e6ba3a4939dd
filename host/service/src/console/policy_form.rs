//! A policy as a form: what most policies say has a field, a module's configuration the fields of its schema. What has none (a shadow, say) stays as it was.
//!
//! What is filled in becomes the text that `consign apply` reads and goes the one way that policies go into force, so the form can't say what a file could not.

use std::path::PathBuf;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use consign_export::Exporter;
use consign_model::PolicySpec;
use consign_model::module::{ModuleKind, Need};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::form::{Fields, Query};
use super::page::{Page, Tab, Trouble, address, problem, tenant_page, to_mend};
use super::policies::{changed, find, written};
use super::proposals;
use super::schema_form::Schema;
use crate::apply::{Applied, Manner, apply_texts};
use crate::caller::Here;
use crate::modules::{self, Listed, Origin};
use crate::problem::{Finding, Problem};

/// Criteria of a policy that is written by a form.
const CRITERIA: usize = 20;

/// What the form is filled with.
struct Draft {
    /// The policy that is changed; unset: it is new.
    of: Option<String>,
    /// As JSON has a policy; what is not filled in yet is missing.
    spec: Map<String, Value>,
}

/// What there is to choose from.
struct Choices {
    targets: Vec<String>,
    modules: Vec<Listed>,
}

impl Choices {
    async fn of(here: &Here) -> Result<Self, Problem> {
        let Exporter { tenant, store, .. } = here.tenant.exporter();
        let targets = store.targets(tenant).await?.into_iter().map(|target| target.spec.name.to_string()).collect();
        let mut modules = modules::list(here.tenant.exporter()).await?;
        modules.retain(|module| module.kind == ModuleKind::Criteria);
        modules.sort_by_key(reference);
        Ok(Self { targets, modules })
    }

    fn module(&self, named: &str) -> Option<&Listed> {
        self.modules.iter().find(|module| {
            named == reference(module)
                || named == format!("{}@{}", module.manifest.name, module.manifest.version)
                || named == format!("sha256:{}", module.digest)
        })
    }
}

/// By which a policy names a module: those that come with the program without a version, which follows the program's.
fn reference(module: &Listed) -> String {
    match module.origin {
        Origin::Standard => module.manifest.name.clone(),
        Origin::Pushed { .. } => format!("{}@{}", module.manifest.name, module.manifest.version),
    }
}

/// The form of a policy, or of a new one.
pub async fn show(here: Here, Query(asked): Query) -> Page {
    let choices = Choices::of(&here).await?;
    let draft = match asked.get("policy") {
        Some(name) => Draft { of: Some(name.to_owned()), spec: object(serde_json::to_value(&find(&here, name).await?.spec).unwrap_or_default()) },
        None => Draft { of: None, spec: object(json!({ "schedule": { "cron": "30 18 * * Mon-Fri", "time-zone": "Europe/Berlin" } })) },
    };
    Ok(page(&here, &draft, &choices, &[], &html! {}))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// Takes in what was filled in: shows the form anew with another criterion or without one, checks it, or puts it into force.
pub async fn write(here: Here, form: Fields) -> Result<Response, Trouble> {
    let choices = Choices::of(&here).await?;
    let base = match form.get("of") {
        Some(name) => object(serde_json::to_value(&find(&here, name).await?.spec).unwrap_or_default()),
        None => Map::new(),
    };
    let draft = Draft { of: form.get("of").map(str::to_owned), spec: read(&form, base, &choices) };
    let how = form.get("how").unwrap_or_default();
    if how != "check" && how != "apply" {
        return Ok(page(&here, &draft, &choices, &[], &html! {}).into_response());
    }
    let again = |wrong: &Problem| to_mend(wrong.status(), page(&here, &draft, &choices, wrong.findings(), &problem(wrong)));
    let spec: PolicySpec = match serde_json::from_value(Value::Object(draft.spec.clone())) {
        Ok(spec) => spec,
        Err(error) => return Ok(again(&Problem::invalid(format!("this is no policy yet: {error}")))),
    };
    let name = spec.name.clone();
    let manner = Manner { targets: false, this_machine: false, only_check: how == "check" };
    match apply_texts(&here.exporter(), [(PathBuf::from("the form"), Ok(written(&spec)))], manner).await {
        Err(error) => Ok(again(&Problem::from(error))),
        Ok(Applied::Proposed(proposal)) => Ok(Redirect::to(&address(here.tenant.name(), &proposals::proposed(&proposal))).into_response()),
        Ok(Applied::Done(changes)) if how == "check" => Ok(to_mend(StatusCode::OK, page(&here, &draft, &choices, &[], &changed(&changes, true)))),
        Ok(Applied::Done(_)) => {
            here.tenant.changed();
            Ok(Redirect::to(&address(here.tenant.name(), &format!("/policies/{name}?done=applied"))).into_response())
        }
    }
}

/// A policy as JSON has it, by what was filled in; what has no field stays as it is in `base`.
fn read(form: &Fields, mut base: Map<String, Value>, choices: &Choices) -> Map<String, Value> {
    for field in ["name", "target", "match"] {
        if let Some(text) = form.get(field) {
            base.insert(field.to_owned(), text.into());
        }
    }
    let zone = form.get("zone").unwrap_or("UTC");
    match form.get("when") {
        Some("cron") => drop(base.insert("schedule".to_owned(), json!({ "cron": form.get("cron").unwrap_or_default(), "time-zone": zone }))),
        Some("once") => drop(base.insert("schedule".to_owned(), json!({ "once": form.get("once").unwrap_or_default(), "time-zone": zone }))),
        Some(_) => drop(base.remove("schedule")),
        None => {}
    }
    if let Some(since) = form.get("since") {
        base.insert("since".to_owned(), since.into());
    }
    if let Some(decrypt) = form.get("decrypt") {
        base.insert("decrypt".to_owned(), (decrypt == "yes").into());
    }
    match form.get("attachments") {
        Some("all") => drop(base.insert("attachments".to_owned(), true.into())),
        Some("none") => drop(base.insert("attachments".to_owned(), false.into())),
        _ => {}
    }
    if let Some(based_on) = form.get("based-on").filter(|based_on| *based_on != "module") {
        base.insert("based-on".to_owned(), based_on.into());
        base.remove("grouping");
    }
    let before = base.get("criteria").and_then(Value::as_array).cloned().unwrap_or_default();
    let how = form.get("how").unwrap_or_default();
    let many = form.number::<usize>("criteria").ok().flatten().unwrap_or_default().min(CRITERIA);
    let kept = (0..many).filter(|number| how != format!("remove-{number}"));
    let mut criteria: Vec<Value> = kept.map(|number| criterion(form, number, &before, choices)).collect();
    if how == "add" && criteria.len() < CRITERIA {
        criteria.push(json!({ "module": choices.modules.first().map(reference) }));
    }
    base.insert("criteria".to_owned(), criteria.into());
    base
}

fn criterion(form: &Fields, number: usize, before: &[Value], choices: &Choices) -> Value {
    let field = |name: &str| format!("criterion-{number}-{name}");
    let named = form.get(&field("module")).unwrap_or_default();
    let was = form.number::<usize>(&field("was")).ok().flatten().and_then(|was| before.get(was)).cloned().unwrap_or_default();
    // What stands beside another module's name is of that module.
    let is_same = was["module"] == named;
    let mut criterion = if is_same { object(was) } else { Map::new() };
    criterion.insert("module".to_owned(), named.into());
    criterion.insert("negate".to_owned(), (form.get(&field("negate")) == Some("yes")).into());
    let Some(module) = choices.module(named) else { return criterion.into() };
    // Shown were the fields of the module that was chosen then.
    if form.get(&field("shown")) == Some(named) {
        let config = Schema::new(&module.manifest.config_schema).read(form, &field("config"));
        criterion.insert("config".to_owned(), config.unwrap_or_else(|| json!({})));
        if matches!(module.origin, Origin::Pushed { .. }) {
            criterion.insert("needs".to_owned(), form.all(&field("need")).into());
        }
    }
    criterion.into()
}

fn page(here: &Here, draft: &Draft, choices: &Choices, findings: &[Finding], said: &Markup) -> Markup {
    let spec = &draft.spec;
    let text = |name: &str| spec.get(name).and_then(Value::as_str).unwrap_or_default();
    let schedule = spec.get("schedule").unwrap_or(&Value::Null);
    let when = if schedule["cron"].is_string() {
        "cron"
    } else if schedule["once"].is_string() {
        "once"
    } else {
        "hand"
    };
    let since = text("since");
    let criteria = spec.get("criteria").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let to = address(here.tenant.name(), "/form");
    let body = html! {
        (said)
        p { "What most policies say. " a href=(address(here.tenant.name(), &draft.of.as_ref().map_or_else(|| "/write".to_owned(), |of| format!("/write?policy={of}")))) { "Write it as TOML" } " for all of it, and for targets." }
        @if choices.targets.is_empty() { p { "There is no target yet: write one as TOML first." } }
        form.stacked method="post" action=(to) {
            // What Enter does.
            button.hidden name="how" value="check" tabindex="-1" aria-hidden="true" { "Check" }
            @if let Some(of) = &draft.of { input type="hidden" name="of" value=(of); }
            label for="name" { "Name" }
            input #name name="name" required maxlength="63" pattern="[a-z0-9][a-z0-9._\\-]*" autocomplete="off" value=(text("name")) readonly[draft.of.is_some()];
            (select("target", "Target", text("target"), choices.targets.iter().map(|target| (target.as_str(), target.as_str()))))
            (select("when", "When it runs", when, [("cron", "again and again"), ("once", "once"), ("hand", "by hand only")]))
            label for="cron" { "Again and again: minute, hour, day of the month, month, day of the week" }
            input #cron name="cron" autocomplete="off" value=(schedule["cron"].as_str().unwrap_or("30 18 * * Mon-Fri"));
            label for="once" { "Once: when, as 2026-03-01T02:00" }
            input #once name="once" autocomplete="off" value=(schedule["once"].as_str().unwrap_or_default());
            label for="zone" { "By the clock of" }
            input #zone name="zone" autocomplete="off" value=(schedule["time-zone"].as_str().unwrap_or("UTC")) aria-describedby="about-zone";
            p.hint id="about-zone" { "A name of the IANA list, such as Europe/Berlin." }
            label for="since" { "Where its first run begins" }
            input #since name="since" autocomplete="off" value=(if since.is_empty() { "all" } else { since }) aria-describedby="about-since";
            p.hint id="about-since" { "all, now, or a day as 2026-01-31." }
            (select("decrypt", "Encrypted conversations", if spec.get("decrypt") == Some(&Value::Bool(false)) { "no" } else { "yes" }, [("yes", "are decrypted"), ("no", "are exported as they are")]))
            (attachments(spec))
            (based_on(spec))
            h2 { "Which events" }
            @if criteria.is_empty() { p { "All of them: there is no criterion." } }
            input type="hidden" name="criteria" value=(criteria.len());
            @for (number, criterion) in criteria.iter().enumerate() { (criterion_fields(number, criterion, choices, &of_criterion(findings, text("name"), number))) }
            div.actions { button name="how" value="add" { "Add a criterion" } }
            @if criteria.len() > 1 { (select("match", "An event is exported when", if text("match").is_empty() { "all" } else { text("match") }, [("all", "all of them keep it"), ("any", "one of them keeps it")])) }
            div.actions {
                button name="how" value="check" { "Check" }
                button.main name="how" value="apply" { "Put into force" }
            }
        }
    };
    let title = draft.of.as_ref().map_or_else(|| "A new policy".to_owned(), |of| format!("Change {of}"));
    tenant_page(here, Tab::Policies, &title, &body)
}

fn select<'a>(name: &str, label: &str, chosen: &str, options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        label for=(name) { (label) }
        select id=(name) name=(name) { @for (value, text) in options { option value=(value) selected[value == chosen] { (text) } } }
    }
}

fn attachments(spec: &Map<String, Value>) -> Markup {
    let (chosen, some) = match spec.get("attachments") {
        Some(Value::Bool(false)) => ("none", false),
        Some(Value::Object(_)) => ("some", true),
        _ => ("all", false),
    };
    let options = [("all", "all are exported"), ("none", "none: a placeholder each"), ("some", "some, as the TOML says")];
    select("attachments", "Attachments", chosen, options.into_iter().filter(|(value, _)| some || *value != "some"))
}

fn based_on(spec: &Map<String, Value>) -> Markup {
    let has_module = spec.get("grouping").is_some();
    let chosen = if has_module { "module" } else { spec.get("based-on").and_then(Value::as_str).unwrap_or("chats") };
    let options = [
        ("chats", "each chat once"),
        ("users", "each recorded user"),
        ("participants", "each participant"),
        ("module", "a grouping module, as the TOML says"),
    ];
    select("based-on", "One export for", chosen, options.into_iter().filter(|(value, _)| has_module || *value != "module"))
}

/// What is wrong in a criterion: the place in its configuration, and the text.
fn of_criterion(findings: &[Finding], policy: &str, number: usize) -> Vec<(String, String)> {
    let begin = format!("policy {policy}, criteria {} (", number + 1);
    let place = |at: &str| {
        let rest = at.strip_prefix(&begin)?.split_once(')')?.1;
        // `, config /any/0`; of the whole there is no pointer.
        let pointer = rest.find(" /").and_then(|start| rest.get(start + 1..)).unwrap_or_default();
        Some(format!("criterion-{number}-config{pointer}"))
    };
    findings.iter().filter_map(|finding| Some((place(&finding.at)?, finding.text.clone()))).collect()
}

fn criterion_fields(number: usize, criterion: &Value, choices: &Choices, wrong: &[(String, String)]) -> Markup {
    let field = |name: &str| format!("criterion-{number}-{name}");
    let named = criterion["module"].as_str().unwrap_or_default();
    let module = choices.module(named);
    let needs = |module: &Listed| match &module.origin {
        Origin::Standard => html! {},
        Origin::Pushed { .. } => consent(&field("need"), &module.manifest.needs, criterion),
    };
    html! {
        fieldset {
            legend { "Criterion " (number + 1) }
            input type="hidden" name=(field("was")) value=(number);
            input type="hidden" name=(field("shown")) value=(named);
            label for=(field("module")) { "Module" }
            select id=(field("module")) name=(field("module")) {
                @if module.is_none() { option value=(named) selected { (named) } }
                @for one in &choices.modules {
                    @let name = reference(one);
                    // One that is named in another way stays named so.
                    @let is_chosen = module.is_some_and(|module| module.digest == one.digest);
                    option value=(if is_chosen { named } else { name.as_str() }) selected[is_chosen] { (name) ": " (one.manifest.summary) }
                }
            }
            div.actions { button name="how" value="choose" { "Show its fields" } button name="how" value=(format!("remove-{number}")) { "Remove criterion " (number + 1) } }
            @if let Some(module) = module {
                (needs(module))
                (Schema::new(&module.manifest.config_schema).show(&field("config"), "Configuration", &criterion["config"], wrong))
            }
            label.line { input type="checkbox" name=(field("negate")) value="yes" checked[criterion["negate"] == true]; " the other way round: keep what it leaves out" }
        }
    }
}

/// What a module of the tenant's own may read: nothing that nobody has agreed to.
fn consent(name: &str, needs: &[Need], criterion: &Value) -> Markup {
    let agreed = |need: &Need| criterion["needs"].as_array().is_some_and(|all| all.iter().any(|one| one == need.word()));
    html! {
        @if !needs.is_empty() {
            fieldset {
                legend { "It asks to read" }
                @for need in needs { label.line { input type="checkbox" name=(name) value=(need.word()) checked[agreed(need)]; " " strong { (need.word()) } ": " (need.opens()) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_which_criterion() {
        let finding = |at: &str| Finding { line: None, at: at.to_owned(), text: "no".to_owned() };
        let findings = [
            "policy fx, criteria 2 (std/keywords), config /any/0",
            "policy fx, criteria 2 (std/keywords), config",
            "policy fx, criteria 21 (x), /a",
            "policy fxx, criteria 2 (x), /a",
            "target a",
        ]
        .map(finding);
        let places: Vec<String> = of_criterion(&findings, "fx", 1).into_iter().map(|(place, _)| place).collect();
        assert_eq!(places, ["criterion-1-config/any/0", "criterion-1-config"]);
    }
}
