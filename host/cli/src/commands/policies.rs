//! `policies`

use consign_model::Timestamp;
use consign_model::policy::PolicyVersion;
use consign_service::schedule::Schedule;

use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json, table};

/// Lists the policies.
pub async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    let policies = data.exporter.store.policies(&data.exporter.tenant).await?;
    let now = Timestamp::now();
    let next = |policy: &PolicyVersion| -> Option<Timestamp> {
        let schedule = policy.spec.schedule.as_ref().filter(|_| policy.spec.enabled)?;
        Schedule::parse(schedule).ok()?.next_after(now)
    };
    if json {
        let list: Vec<_> = policies
            .iter()
            .map(|policy| serde_json::json!({ "name": policy.spec.name, "version": policy.version, "target": policy.spec.target, "enabled": policy.spec.enabled, "next_due": next(policy) }))
            .collect();
        say_json(&list)?;
        return Ok(Ending::Done);
    }
    if policies.is_empty() {
        say("There is no policy yet: write one (README.md has a first one) and put it into force with 'consign apply FILE'.");
        return Ok(Ending::Done);
    }
    let rows = policies.iter().map(|policy| {
        let when = match (policy.spec.enabled, &policy.spec.schedule) {
            (false, _) => "disabled".to_owned(),
            (true, None) => "by hand".to_owned(),
            (true, Some(_)) => next(policy).map_or_else(|| "never again".to_owned(), |due| due.to_string()),
        };
        vec![policy.spec.name.to_string(), policy.version.to_string(), policy.spec.target.to_string(), when]
    });
    say(table(&["policy", "version", "target", "runs next"], &[1], rows));
    Ok(Ending::Done)
}
