//! What tenants have used.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use consign_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::given::Asked;
use crate::bill::{Bill, Month, bill, csv};
use crate::caller::Here;
use crate::problem::Problem;
use crate::tenants::Tenants;

/// Tenants gone through at a time.
const PAGE: usize = 256;

/// Which month.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// The month, of UTC; unset: this one.
    #[param(example = "2026-03", pattern = "^[0-9]{4}-[0-9]{2}$")]
    month: Option<String>,
}

impl Which {
    fn month(&self) -> Result<Month, Problem> {
        let read = self.month.as_ref().map(|text| text.parse().map_err(|error| Problem::invalid(format!("month: {error}"))));
        Ok(read.transpose()?.unwrap_or_else(|| Month::of(Timestamp::now())))
    }
}

/// What a module used.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModuleCost {
    /// `name@version`.
    module: String,
    /// Processor time of its calls, in microseconds.
    micros: u64,
    /// Events that it was shown.
    events: u64,
}

/// What a tenant has used in a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct BillView {
    /// Whose.
    tenant: String,
    /// When.
    month: String,
    /// Runs that ended.
    runs: u64,
    /// Events that they examined.
    examined: u64,
    /// Of these, exported.
    exported: u64,
    /// E-mails that were accepted.
    emails: u64,
    /// Their bytes.
    bytes_sent: u64,
    /// The most bytes of the archive that were seen on a day; looked at some times a day.
    bytes_stored: u64,
    /// What its modules used, by name.
    modules: Vec<ModuleCost>,
}

impl From<Bill> for BillView {
    fn from(bill: Bill) -> Self {
        let modules = bill.modules.into_iter().map(|(module, cost)| ModuleCost { module, micros: cost.micros, events: cost.events });
        Self {
            tenant: bill.tenant.to_string(),
            month: bill.month.to_string(),
            runs: bill.runs,
            examined: bill.examined,
            exported: bill.exported,
            emails: bill.emails,
            bytes_sent: bill.bytes_sent,
            bytes_stored: bill.bytes_stored,
            modules: modules.collect(),
        }
    }
}

/// Shows what the tenant has used in a month.
#[utoipa::path(get, operation_id = "showBill", path = "/v1/tenants/{tenant}/bill", tag = "bill", security(("token" = ["read"])),
    params(("tenant" = String, Path, description = "The tenant"), Which),
    responses((status = 200, description = "What was used", body = BillView)))]
pub async fn show(here: Here, Asked(which): Asked<Which>) -> Result<Json<BillView>, Problem> {
    Ok(Json(bill(here.tenant.exporter().store.as_ref(), here.tenant.name(), which.month()?).await?.into()))
}

/// What all tenants have used in a month, as CSV.
#[utoipa::path(get, operation_id = "listBills", path = "/v1/bill.csv", tag = "bill", security(("token" = ["list-tenants"])),
    params(Which),
    responses((status = 200, description = "A line for each thing that was used: tenant, month, item, module, amount, unit", body = String, content_type = "text/csv")))]
pub async fn all(State(tenants): State<Arc<Tenants>>, Asked(which): Asked<Which>) -> Result<Response, Problem> {
    let (month, mut bills, mut after) = (which.month()?, Vec::new(), None);
    loop {
        let page = tenants.names(after.as_ref(), PAGE);
        let Some(last) = page.last().cloned() else { break };
        for tenant in &page {
            bills.push(bill(tenants.store().as_ref(), tenant, month).await?);
        }
        after = Some(last);
    }
    Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], csv(&bills)).into_response())
}
