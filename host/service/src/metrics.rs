//! Figures for a monitoring system, in the text format that Prometheus reads.
//!
//! They are counted when a run has ended and set when alerts are looked at, so reading them asks neither the store nor a run, and can be done at any time.
//! Counters begin at nothing with the process, as Prometheus expects; what is true across starts is a gauge.
//!
//! Labels are names of tenants, policies, targets and sources, and words of the program: as many as a person has made. What is in a chat, a person's name, a run, a
//! module's digest never is one.

mod server;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use consign_export::watch::MissingFiles;
use consign_model::alert::{Alert, Condition};
use consign_model::run::Trigger;
use consign_model::{Name, Run, RunSummary, TenantId, Timestamp, WantedKind};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use server::{MetricsServer, MetricsSettings};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPolicy {
    tenant: String,
    policy: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTarget {
    tenant: String,
    target: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRun {
    tenant: String,
    policy: String,
    trigger: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    tenant: String,
    policy: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfResult {
    tenant: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFiles {
    tenant: String,
    source: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfAlert {
    tenant: String,
    kind: &'static str,
    policy: String,
    target: String,
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTenant {
    tenant: String,
}

/// Seconds since 1970.
type Seconds = Gauge<f64, AtomicU64>;

/// What came of telling an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// A 2xx.
    Taken,
    /// Another answer.
    Refused,
    /// None.
    Failed,
}

/// All figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    alerts: Family<OfAlert, Gauge>,
    held_windows: Family<OfPolicy, Gauge>,
    held_events: Family<OfPolicy, Gauge>,
    target_down: Family<OfTarget, Gauge>,
    missing_files: Family<OfFiles, Gauge>,
    runs: Family<OfRun, Counter>,
    run_failures: Family<OfPolicy, Counter>,
    examined: Family<OfPolicy, Counter>,
    events: Family<OfOutcome, Counter>,
    emails: Family<OfOutcome, Counter>,
    tried_again: Family<OfOutcome, Counter>,
    last_run: Family<OfPolicy, Seconds>,
    last_success: Family<OfPolicy, Seconds>,
    next_due: Family<OfPolicy, Seconds>,
    deliveries: Family<OfResult, Counter>,
    owed: Family<OfTenant, Gauge>,
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a date are far below 2^53")]
fn seconds(time: Timestamp) -> f64 {
    time.0 as f64 / 1_000.0
}

fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// With nothing in them.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("consign");
        let mut metrics = Self {
            registry: Registry::default(),
            alerts: Family::default(),
            held_windows: Family::default(),
            held_events: Family::default(),
            target_down: Family::default(),
            missing_files: Family::default(),
            runs: Family::default(),
            run_failures: Family::default(),
            examined: Family::default(),
            events: Family::default(),
            emails: Family::default(),
            tried_again: Family::default(),
            last_run: Family::default(),
            last_success: Family::default(),
            next_due: Family::default(),
            deliveries: Family::default(),
            owed: Family::default(),
        };
        let Self { alerts, held_windows, held_events, target_down, missing_files, .. } = &metrics;
        registry.register("alert_firing", "Alerts that fire, by kind and what they are about", alerts.clone());
        registry.register("held_windows", "Windows of chats that are held", held_windows.clone());
        registry.register("held_events", "Events that are held", held_events.clone());
        registry.register("target_down", "1 where a target could not be used several times running and did not answer since", target_down.clone());
        registry.register(
            "missing_files",
            "Files that events name by an address and that are not there, by what is known of them",
            missing_files.clone(),
        );
        let Self { runs, run_failures, examined, events, emails, tried_again, .. } = &metrics;
        registry.register("runs", "Runs that ended, by what started them, and whether something was held", runs.clone());
        registry.register("run_failures", "Runs that broke off and are taken up again", run_failures.clone());
        registry.register("events_examined", "Events that runs examined", examined.clone());
        registry.register("events", "Examined events by what became of them in their run", events.clone());
        registry.register("emails", "E-mails that runs composed of what they examined, by what became of them in that run", emails.clone());
        registry.register("supplement_windows", "Held windows that runs tried again, by what became of them", tried_again.clone());
        let Self { last_run, last_success, next_due, deliveries, owed, .. } = &metrics;
        registry.register("last_run_end_timestamp_seconds", "When the policy's newest run ended", last_run.clone());
        registry.register("last_success_timestamp_seconds", "When the policy's newest run ended that had nothing to hold", last_success.clone());
        registry.register("next_due_timestamp_seconds", "When the policy is due next", next_due.clone());
        registry.register("webhook_deliveries", "Tries to tell the webhook of an alert, by result", deliveries.clone());
        registry.register("webhook_owed", "Notices of alerts that the webhook has not taken yet", owed.clone());
        metrics.registry = registry;
        metrics
    }

    /// All figures as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a text fails never.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Those of one tenant.
    pub fn of(self: &Arc<Self>, tenant: &TenantId) -> TenantMetrics {
        TenantMetrics { all: Arc::clone(self), tenant: tenant.to_string(), firing: Mutex::default() }
    }
}

/// The figures of one tenant, among those of all.
#[derive(Debug)]
pub struct TenantMetrics {
    all: Arc<Metrics>,
    tenant: String,
    /// The alerts that it shows.
    firing: Mutex<Vec<OfAlert>>,
}

impl TenantMetrics {
    fn of(&self, policy: &Name) -> OfPolicy {
        OfPolicy { tenant: self.tenant.clone(), policy: policy.to_string() }
    }

    /// What fires now. A policy of which nothing is held any more shows 0.
    pub fn firing(&self, alerts: &[Alert]) {
        let name = |name: &Option<Name>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        let mut shown = self.firing.lock().unwrap_or_else(PoisonError::into_inner);
        for labels in shown.drain(..) {
            self.all.alerts.remove(&labels);
        }
        for alert in alerts {
            let about = alert.condition.subject();
            let (policy, target, source) = (name(&about.policy), name(&about.target), name(&about.source));
            let labels = OfAlert { tenant: self.tenant.clone(), kind: about.kind.word(), policy, target, source };
            self.all.alerts.get_or_create(&labels).inc();
            shown.push(labels);
        }
    }

    /// What is held of a policy.
    pub fn held(&self, policy: &Name, held: Option<&Condition>) {
        let (windows, events) = match held {
            Some(Condition::Held { windows, events, .. }) => (*windows, *events),
            _ => (0, 0),
        };
        self.all.held_windows.get_or_create(&self.of(policy)).set(level(windows));
        self.all.held_events.get_or_create(&self.of(policy)).set(level(events));
    }

    /// Whether a target is down.
    pub fn target(&self, target: &Name, is_down: bool) {
        self.all.target_down.get_or_create(&OfTarget { tenant: self.tenant.clone(), target: target.to_string() }).set(i64::from(is_down));
    }

    /// The files that are not there. A source of which all are there now shows 0.
    pub fn files(&self, sources: &[MissingFiles]) {
        for files in sources {
            for kind in WantedKind::ALL {
                let labels = OfFiles { tenant: self.tenant.clone(), source: files.source.to_string(), state: kind.word() };
                self.all.missing_files.get_or_create(&labels).set(level(files.count(kind)));
            }
        }
    }

    /// A run that has just ended.
    pub fn ended(&self, run: &Run, summary: &RunSummary) {
        let policy = run.policy.to_string();
        let trigger = match run.trigger {
            Trigger::Hand => "hand",
            Trigger::Schedule(_) => "schedule",
            Trigger::Retry => "retry",
        };
        let result = if is_success(summary) { "complete" } else { "held" };
        self.all.runs.get_or_create(&OfRun { tenant: self.tenant.clone(), policy: policy.clone(), trigger, result }).inc();
        let (events, emails, again) = (&summary.events, &summary.emails, &summary.supplements);
        self.all.examined.get_or_create(&self.of(&run.policy)).inc_by(events.examined);
        let add = |family: &Family<OfOutcome, Counter>, outcome, count| {
            family.get_or_create(&OfOutcome { tenant: self.tenant.clone(), policy: policy.clone(), outcome }).inc_by(count);
        };
        for (outcome, count) in [("exported", events.exported), ("omitted", events.omitted), ("held", events.held)] {
            add(&self.all.events, outcome, count);
        }
        for (outcome, count) in [
            ("accepted", emails.accepted),
            ("rejected", emails.rejected),
            ("deferred", emails.deferred),
            ("not_sent", emails.not_sent),
            ("unknown", emails.unknown),
        ] {
            add(&self.all.emails, outcome, count);
        }
        add(&self.all.tried_again, "done", again.done);
        add(&self.all.tried_again, "held", again.windows.saturating_sub(again.done));
    }

    /// When a run ended, of this process or an earlier one.
    pub fn ran(&self, policy: &Name, at: Timestamp, summary: &RunSummary) {
        self.all.last_run.get_or_create(&self.of(policy)).set(seconds(at));
        if is_success(summary) {
            self.all.last_success.get_or_create(&self.of(policy)).set(seconds(at));
        }
    }

    /// A run that broke off.
    pub fn failed(&self, policy: &Name) {
        self.all.run_failures.get_or_create(&self.of(policy)).inc();
    }

    /// When a policy is due next; unset where it is not.
    pub fn due(&self, policy: &Name, next: Option<Timestamp>) {
        match next {
            Some(next) => drop(self.all.next_due.get_or_create(&self.of(policy)).set(seconds(next))),
            None => drop(self.all.next_due.remove(&self.of(policy))),
        }
    }

    /// That an alert was told, or was not.
    pub fn delivery(&self, result: Delivered) {
        let result = match result {
            Delivered::Taken => "delivered",
            Delivered::Refused => "refused",
            Delivered::Failed => "failed",
        };
        self.all.deliveries.get_or_create(&OfResult { tenant: self.tenant.clone(), result }).inc();
    }

    /// How many notices the webhook has not taken yet.
    pub fn owed(&self, notices: usize) {
        self.all.owed.get_or_create(&OfTenant { tenant: self.tenant.clone() }).set(i64::try_from(notices).unwrap_or(i64::MAX));
    }
}

/// Whether a run had nothing to hold.
fn is_success(summary: &RunSummary) -> bool {
    summary.chats.held == 0 && summary.supplements.windows == summary.supplements.done
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// Everything counted once.
    fn full(all: &Arc<Metrics>, tenant: &str) -> TenantMetrics {
        let (metrics, policy): (_, Name) = (all.of(&tenant.parse().unwrap()), "desk".parse().unwrap());
        let counts = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1.into())).collect::<serde_json::Map<_, _>>();
        let events = counts(&["examined", "exported", "omitted", "held", "copies"]);
        let emails = counts(&["composed", "accepted", "rejected", "deferred", "not_sent", "unknown", "bytes"]);
        let summary: RunSummary = serde_json::from_value(serde_json::json!({
            "run": "desk-000001", "policy": policy, "events": events, "emails": emails, "chats": counts(&["examined"]).into_iter().chain([("held".to_owned(), 0.into())]).collect::<serde_json::Map<_, _>>(),
            "manifest": "m", "millis": 5,
        }))
        .unwrap();
        let run = Run {
            id: summary.run.clone(),
            policy: policy.clone(),
            policy_version: 1,
            target_version: 1,
            trigger: Trigger::Schedule(Timestamp(0)),
            started_at: Timestamp(0),
            until: 1,
            stands_in: None,
            state: consign_model::RunState::Finished { at: Timestamp(1_500), summary: summary.clone() },
        };
        let held = Condition::Held { policy: policy.clone(), windows: 2, events: 7, tried_again: 0, oldest: Timestamp(0) };
        metrics.ended(&run, &summary);
        metrics.ran(&policy, Timestamp(1_500), &summary);
        metrics.held(&policy, Some(&held));
        metrics.firing(&[Alert { condition: held, since: Timestamp(0) }]);
        metrics.target(&policy, true);
        metrics.files(&[MissingFiles::of("s".parse().unwrap(), [(WantedKind::Gone, 2)])]);
        metrics.failed(&policy);
        metrics.due(&policy, Some(Timestamp(2_000)));
        metrics.delivery(Delivered::Taken);
        metrics.owed(3);
        metrics
    }

    /// Others' dashboards and rules name them, so a change here is one of theirs.
    #[test]
    fn names_and_helps() {
        let all = Arc::new(Metrics::new());
        full(&all, "acme");
        let text = all.text();
        let said: Vec<&str> = text.lines().filter(|line| line.starts_with("# HELP") || line.starts_with("# TYPE")).collect();
        assert_eq!(said.join("\n"), include_str!("metrics/snapshot.txt").trim_end(), "{text}");
    }

    #[test]
    fn what_is_over_is_not_shown() {
        let all = Arc::new(Metrics::new());
        let (metrics, _other) = (full(&all, "acme"), full(&all, "other"));
        metrics.firing(&[]);
        metrics.held(&"desk".parse().unwrap(), None);
        let text = all.text();
        for (shown, line) in [
            (false, "consign_alert_firing{tenant=\"acme\""),
            (true, "consign_alert_firing{tenant=\"other\""),
            (true, "consign_held_windows{tenant=\"acme\",policy=\"desk\"} 0\n"),
            (true, "consign_held_windows{tenant=\"other\",policy=\"desk\"} 2\n"),
        ] {
            assert_eq!(text.contains(line), shown, "{line} in {text}");
        }
    }
}
