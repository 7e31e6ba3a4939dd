//! `filter check`

use std::fmt::Write as _;
use std::path::PathBuf;

use consign_model::module::{ProbeOutcome, ProbeReport};
use consign_sandbox::{LoadError, Module, Sandbox};
use consign_workshop::component::{ComponentError, label, load, reserved_name};
use consign_workshop::failure::{Details, Line};

use super::inspect::object;
use super::{indented, sandbox};
use crate::output::{Ending, Failure, bytes, say, say_json};

/// Checks components as the server does.
pub fn check(files: &[PathBuf], json: bool) -> Result<Ending, Failure> {
    let sandbox = sandbox()?;
    let (mut refused, mut objects) = (0, Vec::new());
    for file in files {
        let checked = one(&sandbox, file);
        refused += usize::from(!checked.passed());
        if json {
            objects.push(checked.object(file));
        } else {
            say(checked.text(file));
        }
    }
    if json {
        say_json(&objects)?;
    }
    match (refused, files.len()) {
        (0, _) => Ok(Ending::Done),
        (_, 1) => Err(Failure::new("the component does not pass")),
        (_, all) => Err(Failure::new(format!("{refused} of {all} components do not pass"))),
    }
}

/// What came of a component.
enum Checked {
    Refused(ComponentError),
    /// It has the name of another.
    Reserved(Box<Module>, String),
    /// With what a call failed by, for its author.
    Probed(Box<Module>, ProbeReport, Option<Details>),
}

fn one(sandbox: &Sandbox, file: &std::path::Path) -> Checked {
    match load(sandbox, file) {
        Err(error) => Checked::Refused(error),
        Ok(module) => {
            if let Some(problem) = reserved_name(&module) {
                return Checked::Reserved(Box::new(module), problem);
            }
            let (report, failure) = module.probe_closely();
            let details = failure.map(|failed| Details::of(&module, &failed.failure, failed.logs.into_iter().map(Line::from).collect()));
            Checked::Probed(Box::new(module), report, details)
        }
    }
}

impl Checked {
    fn passed(&self) -> bool {
        matches!(self, Self::Probed(_, report, _) if report.passed())
    }

    fn object(&self, file: &std::path::Path) -> serde_json::Value {
        match self {
            Self::Refused(error) => {
                let problems = match error {
                    ComponentError::Refused { cause: LoadError::Mismatch(problems) | LoadError::Manifest(problems), .. } => problems.clone(),
                    ComponentError::Refused { cause, .. } => vec![cause.to_string()],
                    other => vec![other.to_string()],
                };
                serde_json::json!({"file": file, "passed": false, "problems": problems})
            }
            Self::Reserved(module, problem) => {
                serde_json::json!({"file": file, "passed": false, "problems": [problem], "module": object(module)})
            }
            Self::Probed(module, report, details) => serde_json::json!({
                "file": file, "passed": report.passed(), "problems": [], "probe": report, "details": details, "module": object(module),
            }),
        }
    }

    fn text(&self, file: &std::path::Path) -> String {
        let (module, report, details) = match self {
            Self::Refused(error @ ComponentError::Unreadable { .. }) => return format!("NOT READ {error}"),
            Self::Refused(error) => return format!("REFUSED  {error}"),
            Self::Reserved(_, problem) => return format!("REFUSED  {}: {problem}", file.display()),
            Self::Probed(module, report, details) => (module, report, details),
        };
        let head = if report.passed() { "ok     " } else { "REFUSED" };
        let mut text = format!("{head}  {}: {} ({}), sha256:{}", file.display(), label(module), bytes(module.facts().bytes), module.digest().short());
        for step in &report.steps {
            let outcome = match &step.outcome {
                ProbeOutcome::Passed => "passed".to_owned(),
                ProbeOutcome::NotRun { why } => format!("not run: {}", indented(why, 11)),
                ProbeOutcome::Failed { why } => format!("FAILED: {}", indented(why, 11)),
            };
            let _ = write!(text, "\n         {}: {outcome}", step.name);
        }
        if let Some(details) = details {
            text.push_str(&indented(&details.to_string(), 9));
        }
        text
    }
}
