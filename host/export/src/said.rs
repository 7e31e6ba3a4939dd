//! What modules said while they were at work: their log lines, and the words with which they gave up.
//!
//! It may hold message text, so it is sealed with the window's verdicts and read by whom may read events. The reason that a window is held for is in
//! the store and in the manifest, and never has a module's own words.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consign_model::module::BoundModule;
use consign_model::run::{Cost, Costs};
use consign_model::{ChatKey, RunId, TenantId, Timestamp};
use consign_sandbox::{Failure, Level, LogLine};
use consign_store::WindowFilter;
use serde::{Deserialize, Serialize};

use crate::pages::Windows;
use crate::{ExportError, Exporter, Places};

/// One line of a module's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// `name@version`.
    pub module: String,
    /// `debug`, `info`, `warn`, `error`; `failed` for the words with which it gave up, and where it failed.
    pub level: String,
    /// Its words.
    pub text: String,
}

/// What the modules of one window said, in order; and where what they use is added up.
#[derive(Default)]
pub(crate) struct Words {
    pub said: Vec<Said>,
    meter: Option<Arc<Meter>>,
}

/// What modules use, over the windows of a run.
#[derive(Default)]
pub(crate) struct Meter {
    costs: Mutex<Costs>,
    /// Whose time of the day it is; unset for what counts as nobody's.
    of: Option<(Arc<Places>, TenantId)>,
}

impl Meter {
    /// Of a run of this tenant's, whose time of the day it counts against.
    pub fn of_run(exporter: &Exporter) -> Self {
        Self { of: Some((Arc::clone(&exporter.places), exporter.tenant.clone())), ..Self::default() }
    }

    /// So far.
    pub fn costs(&self) -> Costs {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Words {
    /// Of a window of a run that is measured.
    pub fn metered(meter: &Arc<Meter>) -> Self {
        Self { said: Vec::new(), meter: Some(Arc::clone(meter)) }
    }

    /// A module has had so much of a processor, and was shown so many events meanwhile.
    pub fn spent(&self, module: &BoundModule, time: Duration, events: usize) {
        let Some(meter) = &self.meter else { return };
        let cost = Cost { micros: u64::try_from(time.as_micros()).unwrap_or(u64::MAX), events: events as u64 };
        if let Some((places, tenant)) = &meter.of {
            places.spent(tenant, cost.micros, Timestamp::now());
        }
        let mut costs = meter.costs.lock().unwrap_or_else(PoisonError::into_inner);
        match costs.get_mut(&module.name) {
            Some(known) => known.add(&cost),
            None => drop(costs.insert(module.name.clone(), cost)),
        }
    }

    /// Takes in log lines.
    pub fn hear(&mut self, module: &BoundModule, lines: Vec<LogLine>) {
        for line in lines {
            let level = match line.level {
                Level::Debug => "debug",
                Level::Info => "info",
                Level::Warn => "warn",
                Level::Error => "error",
            };
            self.add(module, level, line.message.into_text());
        }
    }

    /// Takes in a failure's words, and answers what may be said of it without them.
    pub fn failure(&mut self, module: &BoundModule, failure: Failure) -> String {
        let text = failure.to_string();
        match failure {
            Failure::Guest { said, .. } => self.add(module, FAILED, said.into_text()),
            Failure::Configuration { errors } => errors.iter().for_each(|error| self.add(module, FAILED, error.to_string())),
            Failure::Trapped { backtrace, .. } => backtrace.into_iter().for_each(|frame| self.add(module, FAILED, format!("at {frame}"))),
            _ => {}
        }
        text
    }

    /// Takes in a shadow's failure, with what may be said of it: that stands nowhere else.
    pub fn gave_up(&mut self, shadow: &BoundModule, failure: Failure) {
        let text = self.failure(shadow, failure);
        self.note(shadow, text);
    }

    /// That a module failed, in the host's words.
    pub fn note(&mut self, module: &BoundModule, text: String) {
        self.add(module, FAILED, text);
    }

    /// Adds what shadows said.
    pub fn add_shadows(&mut self, said: Self) {
        self.said.extend(said.said.into_iter().map(|one| Said { module: format!("{} (shadow)", one.module), ..one }));
    }

    fn add(&mut self, module: &BoundModule, level: &str, text: String) {
        self.said.push(Said { module: module.name.clone(), level: level.to_owned(), text });
    }
}

const FAILED: &str = "failed";

/// What the modules said of one window.
#[derive(Debug, Clone, Serialize)]
pub struct WindowSaid {
    /// As `held` names it.
    pub window: String,
    /// Source and id of its chat.
    pub chat: ChatKey,
    /// The lines, in order.
    pub said: Vec<Said>,
}

impl Exporter {
    /// What the modules said of a run's windows when these were last worked on; those of which nothing was said are left out.
    pub async fn said(&self, run: &RunId) -> Result<Vec<WindowSaid>, ExportError> {
        let run = self.store.run(&self.tenant, run).await?.ok_or_else(|| ExportError::NoRun(run.clone()))?;
        let mut found = Vec::new();
        let mut windows = Windows::new(self, WindowFilter::OfRun(run.id));
        while let Some(page) = windows.next().await? {
            for window in page {
                let Some(verdicts) = window.state.settled().and_then(|settled| settled.verdicts.as_ref()) else { continue };
                let said = self.verdicts(&window.key, verdicts).await?.said;
                if !said.is_empty() {
                    found.push(WindowSaid { window: window.key.id(), chat: window.key.chat, said });
                }
            }
        }
        Ok(found)
    }
}
