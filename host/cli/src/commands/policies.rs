//! `policies`

use consign_model::policy::PolicyVersion;
use consign_model::{Name, Timestamp};
use consign_service::schedule::Schedule;
use serde::Serialize;

use crate::data::Data;
use crate::output::{Ending, Failure, say, say_json, table};
use crate::remote::Server;
use crate::remote::answers::PolicyAnswer;

/// What is said of a policy.
#[derive(Serialize)]
struct Shown {
    name: Name,
    version: u32,
    target: Name,
    enabled: bool,
    next_due: Option<Timestamp>,
    #[serde(skip)]
    is_scheduled: bool,
}

/// Lists the policies.
pub async fn list(data: &Data, json: bool) -> Result<Ending, Failure> {
    let policies = data.exporter.store.policies(&data.exporter.tenant).await?;
    let now = Timestamp::now();
    let next = |policy: &PolicyVersion| -> Option<Timestamp> {
        let schedule = policy.spec.schedule.as_ref().filter(|_| policy.spec.enabled)?;
        Schedule::parse(schedule).ok()?.next_after(now)
    };
    let shown = policies.into_iter().map(|policy| Shown {
        next_due: next(&policy),
        is_scheduled: policy.spec.schedule.is_some(),
        name: policy.spec.name,
        version: policy.version,
        target: policy.spec.target,
        enabled: policy.spec.enabled,
    });
    say_policies(&shown.collect::<Vec<_>>(), json)
}

/// The same of a server.
pub async fn list_at(server: &Server, json: bool) -> Result<Ending, Failure> {
    let policies: Vec<PolicyAnswer> = server.list(&server.of_tenant(&["policies"]).await?, usize::MAX).await?;
    let shown = policies.into_iter().map(|policy| Shown {
        is_scheduled: policy.is_scheduled(),
        name: policy.name,
        version: policy.version,
        target: policy.target,
        enabled: policy.enabled,
        next_due: policy.next_due,
    });
    say_policies(&shown.collect::<Vec<_>>(), json)
}

fn say_policies(policies: &[Shown], json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(&policies)?;
        return Ok(Ending::Done);
    }
    if policies.is_empty() {
        say("There is no policy yet: write one (README.md has a first one) and put it into force with 'consign apply FILE'.");
        return Ok(Ending::Done);
    }
    let rows = policies.iter().map(|policy| {
        let when = match (policy.enabled, policy.is_scheduled) {
            (false, _) => "disabled".to_owned(),
            (true, false) => "by hand".to_owned(),
            (true, true) => policy.next_due.map_or_else(|| "never again".to_owned(), |due| due.to_string()),
        };
        vec![policy.name.to_string(), policy.version.to_string(), policy.target.to_string(), when]
    });
    say(table(&["policy", "version", "target", "runs next"], &[1], rows));
    Ok(Ending::Done)
}
