//! `bill`

use consign_model::Timestamp;
use consign_model::figure::bytes;
use consign_service::bill::{Month, Seconds, bill as of, csv};

use crate::data::Data;
use crate::output::{Ending, Failure, number, say, say_json, table};

/// Shows what the tenant has used in a month.
pub async fn bill(data: &Data, month: Option<Month>, as_csv: bool, json: bool) -> Result<Ending, Failure> {
    let bill = of(data.exporter.store.as_ref(), &data.exporter.tenant, month.unwrap_or_else(|| Month::of(Timestamp::now()))).await?;
    if json {
        say_json(&bill)?;
        return Ok(Ending::Done);
    }
    if as_csv {
        say(csv([&bill]).trim_end());
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
