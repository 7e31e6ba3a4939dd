//! Runs cases: each through the importer into a set of its own, and from there to the module.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use consign_model::Name;
use consign_model::module::Need;
use consign_sandbox::{BindError, Bound, Module, Sandbox};
use serde::Serialize;
use serde_json::Value;

use super::check::{self, Difference};
use super::file::{Case, CaseFile, CaseFileError};
use super::snapshot;
use crate::component::{self, ComponentError};
use crate::failure::FailureReport;
use crate::ground::{Events, Ground, Laid, listed};
use crate::judge::{Batches as _, JudgeError, Judgement, judge};

/// The source's name where a case names none.
const SOURCE: &str = "test";

/// Which cases, and how.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Only cases whose name holds this, whatever the case of its letters.
    pub name: Option<String>,
    /// Write snapshots anew where they differ or are missing.
    pub update: bool,
    /// Put the texts of events beside their differences.
    pub show_text: bool,
}

impl Selection {
    /// Whether a case is asked for.
    pub fn takes(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|part| name.to_lowercase().contains(&part.to_lowercase()))
    }
}

/// Why no case could be run.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    /// The file of cases.
    #[error(transparent)]
    File(#[from] CaseFileError),
    /// The module.
    #[error(transparent)]
    Component(#[from] ComponentError),
}

/// What came of a case.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum CaseOutcome {
    /// All is as expected.
    Passed {
        /// Whether its snapshot was written.
        updated: bool,
    },
    /// Something is otherwise.
    Failed {
        /// What.
        differences: Vec<Difference>,
        /// The lines of the snapshot that changed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        snapshot: Vec<String>,
        /// The texts of events, by id, where they were asked for.
        #[serde(skip_serializing_if = "HashMap::is_empty")]
        texts: HashMap<String, String>,
    },
    /// The module failed where an answer was expected, or failed otherwise than expected.
    Fault {
        /// What was expected.
        expected: String,
        /// What happened.
        failure: Box<FailureReport>,
    },
    /// The case can't be run as it stands.
    Broken {
        /// Why.
        text: String,
    },
}

/// A case with what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: CaseOutcome,
    /// How long it took, its events' import included.
    pub millis: u64,
}

impl CaseReport {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        matches!(self.outcome, CaseOutcome::Passed { .. })
    }
}

/// A file of cases with its module.
pub struct Cases {
    /// What the file says.
    pub file: CaseFile,
    /// The module.
    pub module: Module,
    /// Where the component lies.
    pub component: PathBuf,
    /// The file's folder, from which its paths go.
    folder: PathBuf,
    ground: Ground,
    /// Sets of events that were laid already: cases often share their fixture.
    laid: HashMap<(Name, Vec<Events>), Arc<Laid>>,
}

impl Cases {
    /// Reads a folder's cases, or a file of them, and loads their module: the one that is named here, or there.
    pub fn open(path: &Path, module: Option<&Path>, sandbox: &Sandbox, ground: &Ground) -> Result<Self, CasesError> {
        let path = CaseFile::find(path)?;
        let file = CaseFile::read(&path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let component = match (module, &file.module) {
            (Some(module), _) => module.to_owned(),
            (None, Some(module)) if component::is_standard(module) => module.clone(),
            (None, Some(module)) => folder.join(module),
            (None, None) => folder.join(format!("{}.wasm", folder_name(&folder))),
        };
        let module = component::load(sandbox, &component)?;
        Ok(Self { file, module, component, folder, ground: ground.clone(), laid: HashMap::new() })
    }

    /// Runs the cases that are asked for, and tells each as it ends.
    pub fn run(&mut self, selection: &Selection, mut tell: impl FnMut(&CaseReport)) -> Vec<CaseReport> {
        let cases: Vec<Case> = self.file.cases.iter().filter(|case| selection.takes(&case.name)).cloned().collect();
        let mut reports = Vec::new();
        for case in &cases {
            let begun = Instant::now();
            let outcome = self.case(case, selection).unwrap_or_else(|text| CaseOutcome::Broken { text });
            let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let report = CaseReport { name: case.name.clone(), outcome, millis };
            tell(&report);
            reports.push(report);
        }
        reports
    }

    /// Snapshots beside the cases that belong to none of them.
    pub fn unreferenced(&self) -> Vec<String> {
        let cases = self.file.cases.iter().filter(|case| case.expect.snapshot);
        snapshot::unreferenced(&self.folder, cases.map(|case| case.name.as_str()))
    }

    /// What the property runs are configured with.
    pub fn properties_config(&self) -> Value {
        self.file.properties.config.clone().unwrap_or_else(|| component::example(&self.module.manifest().config_schema))
    }

    fn case(&mut self, case: &Case, selection: &Selection) -> Result<CaseOutcome, String> {
        if let Some(problem) = case.expect.of_another_kind(self.module.kind()) {
            return Err(problem);
        }
        let config = case.config.clone().unwrap_or_else(|| Value::Object(serde_json::Map::default()));
        let bound = match component::bind(&self.module, &config, case.needs.as_deref()) {
            Ok(bound) => bound,
            Err(BindError::Failed(failure)) if Some(failure.class()) == case.expect.fails => return Ok(CaseOutcome::Passed { updated: false }),
            Err(BindError::Failed(failure)) => {
                return Ok(CaseOutcome::Fault { expected: case.expected(), failure: Box::new(FailureReport::configuring(&self.module, &failure)) });
            }
            Err(error) => return refused(case, &error),
        };
        if let Some(expected) = &case.expect.refused_config {
            return Ok(failed(check::refusal(expected, &[])));
        }
        if let Some(needs) = &case.expect.refused_needs {
            let difference = Difference {
                what: "binding".to_owned(),
                expected: format!("refused, because of {}", words(needs)),
                actual: "bound: the module needs nothing else than was approved".to_owned(),
                event: None,
            };
            return Ok(failed(vec![difference]));
        }
        let laid = self.lay(case)?;
        self.answers(case, &bound, &laid, selection)
    }

    fn answers(&self, case: &Case, bound: &Bound, laid: &Laid, selection: &Selection) -> Result<CaseOutcome, String> {
        let chats = laid.pick(case.chat.as_deref()).map_err(text)?;
        let [chat] = chats.as_slice() else {
            let known = listed(chats.iter().map(|chat| chat.id.as_str()));
            return Err(format!("its events are of {} chats: say which one by 'chat'; there are: {known}", chats.len()));
        };
        let mut windows = laid.windows(chat, case.now).map_err(text)?;
        let mut judged = Vec::new();
        for window in &mut windows {
            match judge(bound, window) {
                Ok(judgement) => judged.push(judgement),
                Err(JudgeError::Read(error)) => return Err(error.to_string()),
                Err(JudgeError::Failed(failure)) if Some(failure.class) == case.expect.fails => return Ok(CaseOutcome::Passed { updated: false }),
                Err(JudgeError::Failed(failure)) => {
                    return Ok(CaseOutcome::Fault { expected: case.expected(), failure });
                }
            }
        }
        if let Some(class) = case.expect.fails {
            let (expected, actual) = (format!("fails: {}", class.word()), "it answered".to_owned());
            return Ok(failed(vec![Difference { what: "the module".to_owned(), expected, actual, event: None }]));
        }
        let rules = &self.module.manifest().rules;
        let differences = check::answers(&case.expect, &judged, rules);
        let (changes, updated) = if case.expect.snapshot { self.snapshot(case, &judged, selection.update)? } else { (Vec::new(), false) };
        if differences.is_empty() && changes.is_empty() {
            return Ok(CaseOutcome::Passed { updated });
        }
        let mut texts = HashMap::new();
        if selection.show_text {
            for window in &mut windows {
                for index in 0..window.count() {
                    let view = window.view(index).map_err(text)?;
                    let batch = view.batch();
                    let named = |id: &str| differences.iter().any(|one| one.event.as_deref() == Some(id));
                    texts.extend(
                        (0..view.len())
                            .map(|row| (batch.ids.get(row), batch.texts.get(row)))
                            .filter(|(id, _)| named(id))
                            .map(|(id, text)| (id.to_owned(), text.to_owned())),
                    );
                }
            }
        }
        Ok(CaseOutcome::Failed { differences, snapshot: changes, texts })
    }

    /// Holds an answer against its snapshot: the lines that differ, and whether it was written.
    fn snapshot(&self, case: &Case, judged: &[Judgement], update: bool) -> Result<(Vec<String>, bool), String> {
        let path = snapshot::path(&self.folder, &case.name);
        let new = snapshot::text(judged, &self.module.manifest().rules);
        let old = match std::fs::read_to_string(&path) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("its snapshot {}: {error}", path.display())),
        };
        if old.as_ref() == Some(&new) {
            return Ok((Vec::new(), false));
        }
        if update {
            let write = || -> std::io::Result<()> {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                std::fs::write(&path, &new)
            };
            write().map_err(|error| format!("its snapshot {}: {error}", path.display()))?;
            return Ok((Vec::new(), true));
        }
        match old {
            None => Err(format!("it has no snapshot yet: look at what it would be with --update, which writes {}", path.display())),
            Some(old) => Ok((snapshot::changes(&old, &new), false)),
        }
    }

    /// Brings a case's events in, unless they are in already.
    fn lay(&mut self, case: &Case) -> Result<Arc<Laid>, String> {
        let source = match &case.source {
            Some(source) => source.clone(),
            None => SOURCE.parse().map_err(text::<consign_model::InvalidName>)?,
        };
        let arrivals: Vec<Events> = case.events.iter().map(|events| self.events(events)).collect();
        let key = (source, arrivals);
        if let Some(laid) = self.laid.get(&key) {
            return Ok(Arc::clone(laid));
        }
        let laid = self.ground.lay(&key.0, &key.1).map_err(text)?;
        let refused: Vec<String> = laid.imported.iter().flat_map(|one| &one.report.refusals).map(ToString::to_string).collect();
        if !refused.is_empty() {
            return Err(format!("some of its events can't be read:\n{}", refused.join("\n")));
        }
        let laid = Arc::new(laid);
        self.laid.insert(key, Arc::clone(&laid));
        Ok(laid)
    }

    fn events(&self, events: &str) -> Events {
        if events.trim_start().starts_with('{') {
            return Events::Lines { name: "events".to_owned(), text: events.to_owned(), folder: Some(self.folder.clone()) };
        }
        Events::file(&self.folder.join(events), None)
    }
}

/// What a case that could not be bound comes to.
fn refused(case: &Case, error: &BindError) -> Result<CaseOutcome, String> {
    match (error, &case.expect.refused_config, &case.expect.refused_needs) {
        (BindError::Config(errors), Some(expected), _) => {
            let differences = check::refusal(expected, errors);
            Ok(if differences.is_empty() { CaseOutcome::Passed { updated: false } } else { failed(differences) })
        }
        (BindError::NotApproved(missing), _, Some(expected)) => {
            let sorted = |needs: &[Need]| {
                let mut needs = needs.to_vec();
                needs.sort_unstable();
                needs
            };
            if sorted(missing) == sorted(expected) {
                return Ok(CaseOutcome::Passed { updated: false });
            }
            let (expected, actual) = (format!("refused, because of {}", words(expected)), format!("refused, because of {}", words(missing)));
            Ok(failed(vec![Difference { what: "binding".to_owned(), expected, actual, event: None }]))
        }
        (BindError::Config(_), None, _) if case.expect.fails.is_some() => {
            Err(format!("{error}\nThe configuration is refused, which is no failure: expect it with refused-config"))
        }
        _ => Err(error.to_string()),
    }
}

fn words(needs: &[Need]) -> String {
    needs.iter().filter_map(|need| serde_json::to_value(need).ok()?.as_str().map(str::to_owned)).collect::<Vec<_>>().join(", ")
}

fn failed(differences: Vec<Difference>) -> CaseOutcome {
    if differences.is_empty() {
        // A refusal was expected, of nothing in particular, and there was none.
        let (expected, actual) = ("refused".to_owned(), "taken".to_owned());
        let differences = vec![Difference { what: "the configuration".to_owned(), expected, actual, event: None }];
        return CaseOutcome::Failed { differences, snapshot: Vec::new(), texts: HashMap::new() };
    }
    CaseOutcome::Failed { differences, snapshot: Vec::new(), texts: HashMap::new() }
}

#[expect(clippy::needless_pass_by_value, reason = "it is for map_err")]
fn text<E: ToString>(error: E) -> String {
    error.to_string()
}

/// What a folder is called.
fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| "filter".to_owned(), |name| name.to_string_lossy().into_owned())
}
