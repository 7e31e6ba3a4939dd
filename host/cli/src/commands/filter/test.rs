//! `filter test`

use std::fmt::Write as _;
use std::time::Instant;

use consign_workshop::cases::{CaseOutcome, CaseReport, Cases, Selection};
use consign_workshop::component::{bind, label};
use consign_workshop::ground::Ground;
use consign_workshop::properties::{self, PropertyOutcome, PropertyReport};

use super::{at_work, ground, indented, sandbox, time};
use crate::args::TestArgs;
use crate::output::{Ending, Failure, say, say_json};

/// Runs a module's cases and the property runs.
pub async fn test(args: &TestArgs, json: bool) -> Result<Ending, Failure> {
    let ground = ground()?;
    let (path, module) = (args.path.clone(), args.module.clone());
    let selection = Selection { name: args.case.clone(), update: args.update, show_text: args.show_text };
    let with_properties = !args.no_properties;
    let used = ground.clone();
    let work = move || {
        let cases = Cases::open(&path, module.as_deref(), &sandbox()?, &used)?;
        run(cases, &selection, with_properties, &used, json)
    };
    at_work(&ground, work).await
}

fn run(mut cases: Cases, selection: &Selection, with_properties: bool, ground: &Ground, json: bool) -> Result<Ending, Failure> {
    let begun = Instant::now();
    let talk = |text: String| {
        if !json {
            say(text);
        }
    };
    let digest = cases.module.digest().short();
    talk(format!("{} ({}, sha256:{digest})", label(&cases.module), cases.component.display()));
    let width = cases.file.cases.iter().map(|case| case.name.chars().count()).max().unwrap_or(0).clamp(32, 60);
    let reports = cases.run(selection, |report| talk(case_text(report, width)));
    if reports.is_empty() && (selection.name.is_some() || !with_properties) {
        let names: Vec<&str> = cases.file.cases.iter().map(|case| case.name.as_str()).collect();
        return Err(Failure::new(format!("no case was run: the file has {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })));
    }
    let mut held = Vec::new();
    if with_properties {
        talk("what any module must stand:".to_owned());
        let config = cases.properties_config();
        let bound = bind(&cases.module, &config, None).map_err(|error| {
            Failure::new(format!(
                "the property runs can't be configured with {config}: {error}\nGive a configuration in the file of cases, under properties.config"
            ))
        })?;
        held = properties::run(&bound, ground, |report| talk(property_text(report, width)));
    }
    let unreferenced = cases.unreferenced();
    for name in &unreferenced {
        talk(format!("snapshots/{name} belongs to no case: remove it"));
    }
    let failed = reports.iter().filter(|report| !report.passed()).count() + held.iter().filter(|report| !report.passed()).count();
    if json {
        say_json(&serde_json::json!({
            "module": label(&cases.module), "component": cases.component, "digest": cases.module.digest(),
            "cases": reports, "properties": held, "unreferenced_snapshots": unreferenced, "passed": failed == 0,
        }))?;
    }
    let count = reports.len() + held.len();
    talk(format!("{} passed, {failed} failed, in {}", count - failed, time(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))));
    if failed == 0 { Ok(Ending::Done) } else { Err(Failure::new(format!("{failed} of {count} failed"))) }
}

/// The line of a case or property.
fn line(passed: bool, name: &str, width: usize, millis: u64, note: &str) -> String {
    let pad = " ".repeat(width.saturating_sub(name.chars().count()));
    format!("  {}  {name}{pad}  {:>8}{note}", if passed { "ok  " } else { "FAIL" }, time(millis))
}

fn case_text(report: &CaseReport, width: usize) -> String {
    let note = if matches!(report.outcome, CaseOutcome::Passed { updated: true }) { "  snapshot written" } else { "" };
    let mut text = line(report.passed(), &report.name, width, report.millis, note);
    match &report.outcome {
        CaseOutcome::Passed { .. } => {}
        CaseOutcome::Failed { differences, snapshot, texts } => {
            for one in differences {
                let _ = write!(text, "\n        {}: expected {}, got {}", one.what, one.expected, one.actual);
                if let Some(words) = one.event.as_ref().and_then(|id| texts.get(id)) {
                    let _ = write!(text, "\n          text: {words:?}");
                }
            }
            if !snapshot.is_empty() {
                text.push_str("\n        the snapshot is another one (--update takes this one):");
                for line in snapshot {
                    let _ = write!(text, "\n          {line}");
                }
            }
        }
        CaseOutcome::Fault { expected, failure } => {
            let _ = write!(text, "\n        expected {expected}, got:\n        {}", indented(&failure.to_string(), 8));
        }
        CaseOutcome::Broken { text: problem } => {
            let _ = write!(text, "\n        {}", indented(problem, 8));
        }
    }
    text
}

fn property_text(report: &PropertyReport, width: usize) -> String {
    let text = line(report.passed(), report.name, width, report.millis, "");
    match &report.outcome {
        PropertyOutcome::Passed => text,
        PropertyOutcome::Differs { text: problem } | PropertyOutcome::Broken { text: problem } => format!("{text}\n        {}", indented(problem, 8)),
        PropertyOutcome::Fault { failure } => format!("{text}\n        {}", indented(&failure.to_string(), 8)),
    }
}
