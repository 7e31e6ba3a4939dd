//! `tenant show` and `tenant quota`

use consign_export::Exporter;
use consign_model::Name;
use consign_model::access::platform;
use consign_model::figure::bytes;
use consign_model::quota::{Limits, Quotas, Weight};
use consign_service::bill::Seconds;
use consign_service::expected::Expected;
use consign_service::quotas::{self, Usage};
use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use crate::args::{AtMost, QuotaArgs};
use crate::data::{Installation, Place};
use crate::output::{Ending, Failure, number, say, say_json, table};
use crate::remote::Server;

impl QuotaArgs {
    /// What they make of what there is.
    fn change(&self, known: &Quotas) -> (Limits, Weight) {
        let set = |asked: Option<AtMost>, known: Option<u64>| asked.map_or(known, |AtMost(limit)| limit);
        let limits = Limits {
            processor_seconds: set(self.cpu, known.limits.processor_seconds),
            memory_bytes: set(self.memory, known.limits.memory_bytes),
            modules: set(self.modules, known.limits.modules),
            compiled_bytes: set(self.compiled, known.limits.compiled_bytes),
            stored_bytes: set(self.storage, known.limits.stored_bytes),
            requests: set(self.requests, known.limits.requests),
        };
        (limits, self.weight.unwrap_or(known.weight))
    }
}

/// A tenant that is there: to look at one makes none.
async fn open(place: &Place, name: &Name) -> Result<Exporter, Failure> {
    let (installation, _) = Installation::open(place).await?;
    if *name == platform() || installation.store().tenant_keys(name).await?.is_none() {
        return Err(Failure::new(format!("there is no tenant '{name}': 'consign tenant list' lists them")));
    }
    Ok(installation.tenant(name).await?.exporter)
}

/// Shows what a tenant may use, and what it uses.
pub async fn show(place: &Place, name: &Name, json: bool) -> Result<Ending, Failure> {
    let exporter = open(place, name).await?;
    exporter.archive.writer().see_stored().await?;
    let used = quotas::usage(&exporter).await?;
    say_quotas(name, &exporter.store.quotas(name).await?, &used, None, json)
}

/// Changes it.
pub async fn set(place: &Place, args: &QuotaArgs, json: bool) -> Result<Ending, Failure> {
    let exporter = open(place, &args.name).await?;
    let quotas = quotas::set(&exporter, &Expected::default(), |known| args.change(known)).await?;
    exporter.archive.writer().see_stored().await?;
    say_quotas(&args.name, &quotas, &quotas::usage(&exporter).await?, None, json)
}

/// What a server answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    quotas: Quotas,
    used: Used,
}

#[derive(Deserialize)]
struct Used {
    processor_micros: u64,
    modules: u64,
    compiled_bytes: u64,
    stored_bytes: u64,
    requests: u64,
}

impl Answer {
    fn say(&self, name: &Name, json: bool) -> Result<Ending, Failure> {
        let Used { processor_micros, modules, compiled_bytes, stored_bytes, requests } = self.used;
        let used = Usage { processor_micros, modules, compiled_bytes, stored_bytes };
        say_quotas(name, &self.quotas, &used, Some(requests), json)
    }
}

fn address(server: &Server, name: &Name) -> Result<Url, Failure> {
    server.at(&["v1", "tenants", name.as_str(), "quotas"])
}

/// The same by a server.
pub async fn show_at(server: &Server, name: &Name, json: bool) -> Result<Ending, Failure> {
    server.get::<Answer>(&address(server, name)?).await?.say(name, json)
}

/// The same by a server: the change is made of what was read.
pub async fn set_at(server: &Server, args: &QuotaArgs, json: bool) -> Result<Ending, Failure> {
    let url = address(server, &args.name)?;
    let (known, tag): (Answer, _) = server.get_tagged(&url).await?;
    let (limits, weight) = args.change(&known.quotas);
    server.put_over::<Answer>(&url, tag, &json!({ "limits": limits, "weight": weight })).await?.say(&args.name, json)
}

fn say_quotas(name: &Name, quotas: &Quotas, used: &Usage, requests: Option<u64>, json: bool) -> Result<Ending, Failure> {
    let Quotas { version, limits, weight } = quotas;
    if json {
        let mut figures = json!({
            "processor_micros": used.processor_micros,
            "modules": used.modules,
            "compiled_bytes": used.compiled_bytes,
            "stored_bytes": used.stored_bytes,
        });
        if let Some(requests) = requests {
            figures["requests"] = requests.into();
        }
        say_json(&json!({ "name": name, "version": version, "limits": limits, "weight": weight, "used": figures }))?;
        return Ok(Ending::Done);
    }
    let span = |seconds: u64| humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string();
    let row = |what: &str, used: Option<String>, limit: Option<String>| {
        vec![what.to_owned(), used.unwrap_or_else(|| "–".to_owned()), limit.unwrap_or_else(|| "none".to_owned())]
    };
    let rows = [
        row("processor time today", Some(format!("{} s", Seconds(used.processor_micros))), limits.processor_seconds.map(span)),
        row("memory of a module", None, limits.memory_bytes.map(bytes)),
        row("modules", Some(number(used.modules)), limits.modules.map(number)),
        row("compiled modules", Some(bytes(used.compiled_bytes)), limits.compiled_bytes.map(bytes)),
        row("stored", Some(bytes(used.stored_bytes)), limits.stored_bytes.map(bytes)),
        row("requests a minute", requests.map(number), limits.requests.map(number)),
    ];
    say(format_args!("The tenant '{name}' (quotas version {version}, weight {weight} in sharing):"));
    say(table(&["what", "used", "limit"], &[1, 2], rows));
    Ok(Ending::Done)
}
