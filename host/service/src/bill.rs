//! The bill: what a tenant has used in a month.
//!
//! It is summed from the days that the store keeps, so asking for it costs the same whether a month had ten runs or a million. Months and days are those of UTC.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime};
use consign_model::run::{Costs, DayFigures, add_costs};
use consign_model::{TenantId, Timestamp};
use consign_store::{Store, StoreError};
use serde::Serialize;

/// A month of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// The one that this time is in.
    pub fn of(at: Timestamp) -> Self {
        let date = DateTime::from_timestamp_millis(at.0).map(|at| at.date_naive()).unwrap_or_default();
        Self(date.with_day(1).unwrap_or(date))
    }

    /// The one before.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0.checked_sub_months(Months::new(1)).unwrap_or(self.0))
    }

    /// From its first moment to that of the next one.
    fn span(self) -> (Timestamp, Timestamp) {
        let begin = |date: NaiveDate| Timestamp(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
        (begin(self.0), self.0.checked_add_months(Months::new(1)).map_or(Timestamp::MAX, begin))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%Y-%m").fmt(f)
    }
}

impl FromStr for Month {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write a month as 2026-03";
        let fits = |(at, byte): (usize, u8)| if at == 4 { byte == b'-' } else { byte.is_ascii_digit() };
        if text.len() != "2026-03".len() || !text.bytes().enumerate().all(fits) {
            return Err(wrong);
        }
        NaiveDate::from_str(&format!("{text}-01")).map(Self).map_err(|_| wrong)
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a tenant has used in a month.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bill {
    /// Whose.
    pub tenant: TenantId,
    /// When.
    pub month: Month,
    /// Runs that ended.
    pub runs: u64,
    /// Events that they examined.
    pub examined: u64,
    /// Of these, exported.
    pub exported: u64,
    /// E-mails that were accepted.
    pub emails: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// The most bytes of the archive that were seen on a day, encrypted as they lie there.
    pub bytes_stored: u64,
    /// What its modules used of a processor.
    pub modules: Costs,
}

/// The bill of a tenant for a month.
pub async fn bill(store: &dyn Store, tenant: &TenantId, month: Month) -> Result<Bill, StoreError> {
    let (from, until) = month.span();
    let (mut sum, mut stored) = (DayFigures::default(), 0);
    for (_, day) in store.days(tenant, from, until).await? {
        sum.runs += day.runs;
        sum.events.add(&day.events);
        sum.emails.add(&day.emails);
        add_costs(&mut sum.costs, &day.costs);
        stored = day.stored.max(stored);
    }
    let DayFigures { runs, events, emails, costs, .. } = sum;
    Ok(Bill {
        tenant: tenant.clone(),
        month,
        runs,
        examined: events.examined,
        exported: events.exported,
        emails: emails.accepted,
        bytes_sent: emails.bytes,
        bytes_stored: stored,
        modules: costs,
    })
}

/// Bills as CSV (RFC 4180): a line for each thing that was used.
pub fn csv<'a>(bills: impl IntoIterator<Item = &'a Bill>) -> String {
    let mut text = String::from("tenant,month,item,module,amount,unit\r\n");
    for bill in bills {
        let mut line = |item: &str, module: &str, amount: &dyn fmt::Display, unit: &str| {
            // Names of tenants, and of modules with their versions, hold no comma and no quote. Writing to a text does not fail.
            let _ = write!(text, "{},{},{item},{module},{amount},{unit}\r\n", bill.tenant, bill.month);
        };
        line("runs", "", &bill.runs, "runs");
        line("examined", "", &bill.examined, "events");
        line("exported", "", &bill.exported, "events");
        line("emails", "", &bill.emails, "e-mails");
        line("sent", "", &bill.bytes_sent, "bytes");
        line("stored", "", &bill.bytes_stored, "bytes");
        for (module, cost) in &bill.modules {
            line("processor", module, &Seconds(cost.micros), "seconds");
        }
    }
    text
}

/// Microseconds as seconds.
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn months() {
        let month: Month = "2026-12".parse().unwrap();
        assert_eq!(month.to_string(), "2026-12");
        let (from, until) = month.span();
        assert_eq!((from.to_string(), until.to_string()), ("2026-12-01T00:00:00.000Z".into(), "2027-01-01T00:00:00.000Z".into()));
        assert_eq!(Month::of(Timestamp(until.0 - 1)), month);
        assert_eq!(Month::of(until).before(), month);
        for wrong in ["", "2026", "2026-13", "2026-1", "2026-00", "26-2026", "+026-01", "2026-0é"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
        assert_eq!(Seconds(1_000_007).to_string(), "1.000007");
    }
}
