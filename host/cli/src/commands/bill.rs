//! `bill`

use consign_model::TenantId;
use consign_model::Timestamp;
use consign_model::figure::bytes;
use consign_model::run::Cost;
use consign_service::bill::{Bill, Month, Seconds, bill as of, csv};
use serde::Deserialize;

use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json, table};
use crate::remote::Server;
use crate::remote::server::with;

/// Shows what the tenant has used in a month.
pub async fn bill(data: &Data, month: Option<Month>, as_csv: bool, json: bool) -> Result<Ending, Failure> {
    let bill = of(data.exporter.store.as_ref(), &data.exporter.tenant, month.unwrap_or_else(|| Month::of(Timestamp::now()))).await?;
    say_bill(&bill, as_csv, json)
}

/// The same by a server.
pub async fn bill_at(server: &Server, month: Option<Month>, as_csv: bool, json: bool) -> Result<Ending, Failure> {
    let mut url = server.of_tenant(&["bill"]).await?;
    if let Some(month) = month {
        url = with(&url, "month", &month.to_string());
    }
    say_bill(&server.get::<BillAnswer>(&url).await?.bill()?, as_csv, json)
}

/// A bill, as a server shows it.
#[derive(Deserialize)]
struct BillAnswer {
    tenant: TenantId,
    month: String,
    runs: u64,
    examined: u64,
    exported: u64,
    emails: u64,
    bytes_sent: u64,
    bytes_stored: u64,
    modules: Vec<ModuleCost>,
}

#[derive(Deserialize)]
struct ModuleCost {
    module: String,
    #[serde(flatten)]
    cost: Cost,
}

impl BillAnswer {
    fn bill(self) -> Result<Bill, Failure> {
        let Self { tenant, month, runs, examined, exported, emails, bytes_sent, bytes_stored, modules } = self;
        let month = month.parse().map_err(|_| Failure::new("the server names a month by what is none: it is probably of another release"))?;
        let modules = modules.into_iter().map(|one| (one.module, one.cost)).collect();
        Ok(Bill { tenant, month, runs, examined, exported, emails, bytes_sent, bytes_stored, modules })
    }
}

fn say_bill(bill: &Bill, as_csv: bool, json: bool) -> Result<Ending, Failure> {
    if json {
        say_json(bill)?;
        return Ok(Ending::Done);
    }
    if as_csv {
        say(csv([bill]).trim_end());
        return Ok(Ending::Done);
    }
    say(format_args!("{} in {}: {} runs", bill.tenant, bill.month, number(bill.runs)));
    say(format_args!("{} events examined, {} exported", number(bill.examined), number(bill.exported)));
    say(format_args!("{} e-mails accepted, {}", number(bill.emails), bytes(bill.bytes_sent)));
    if bill.bytes_stored > 0 {
        say(format_args!("{} stored at most", bytes(bill.bytes_stored)));
    }
    if !bill.modules.is_empty() {
        let rate = |seconds: Option<f64>| seconds.map_or_else(String::new, |seconds| format!("{seconds:.2}"));
        let rows = bill
            .modules
            .iter()
            .map(|(module, cost)| vec![module.clone(), Seconds(cost.micros).to_string(), number(cost.events), rate(cost.seconds_per_million())]);
        say(table(&["module", "processor, s", "events", "s for a million"], &[1, 2, 3], rows));
    }
    Ok(Ending::Done)
}
