//! What the modules of each tenant have used of the processors today, and what comes of that where processors are scarce.
//!
//! What ended runs used stands in the store, by day ([`consign_model::run::DayFigures`]). What runs use that go on is added here as it is used, so that one long run
//! does not have a day's time ten times over before it ends. A process that begins takes over what the store has of the day. The clock is looked at for this alone: nothing that is evaluated
//! comes of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use consign_model::quota::Weight;
use consign_model::run::DayFigures;
use consign_model::{Quotas, TenantId, Timestamp};
use consign_store::StoreError;

use crate::places::Share;
use crate::{Exporter, Places};

const DAY: i64 = 86_400_000;
const SECOND: u64 = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Spending(Mutex<HashMap<TenantId, Account>>);

#[derive(Debug, Clone, Copy, Default)]
struct Account {
    weight: Weight,
    /// Microseconds; unset: there is no limit.
    limit: Option<u64>,
    /// Which day, counted from 1970.
    day: i64,
    /// Microseconds used on it.
    used: u64,
}

impl Account {
    fn share(&self) -> Share {
        Share::new(self.weight, self.limit.is_some_and(|limit| self.used >= limit))
    }
}

impl Spending {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<TenantId, Account>) -> T) -> T {
        // Nothing under it panics half-way.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY)
}

impl Places {
    /// What a tenant may have from now on. `used`: microseconds of this day that the store knows of, for who has used nothing yet in this process.
    fn allow(&self, tenant: &TenantId, quotas: &Quotas, now: Timestamp, used: u64) {
        let share = self.spending.with(|all| {
            let account = all.entry(tenant.clone()).or_default();
            if account.day != day_of(now) {
                (account.day, account.used) = (day_of(now), used);
            }
            account.weight = quotas.weight;
            account.limit = quotas.limits.processor_seconds.map(|seconds| seconds.saturating_mul(SECOND));
            account.share()
        });
        self.work.set_share(tenant, share);
    }

    /// A tenant's modules have had so much of a processor.
    pub(crate) fn spent(&self, tenant: &TenantId, micros: u64, now: Timestamp) {
        let changed = self.spending.with(|all| {
            let account = all.get_mut(tenant)?;
            let before = account.share();
            if account.day != day_of(now) {
                (account.day, account.used) = (day_of(now), 0);
            }
            account.used = account.used.saturating_add(micros);
            Some(account.share()).filter(|share| *share != before)
        });
        if let Some(share) = changed {
            self.work.set_share(tenant, share);
        }
    }

    fn used_on(&self, tenant: &TenantId, day: i64) -> Option<u64> {
        self.spending.with(|all| all.get(tenant).filter(|account| account.day == day).map(|account| account.used))
    }
}

impl Exporter {
    /// What the tenant's modules have used of the processors on this day of UTC, in microseconds, with runs that go on.
    pub async fn processor_today(&self, now: Timestamp) -> Result<u64, StoreError> {
        if let Some(used) = self.places.used_on(&self.tenant, day_of(now)) {
            return Ok(used);
        }
        let begin = day_of(now).saturating_mul(DAY);
        let days = self.store.days(&self.tenant, Timestamp(begin), Timestamp(begin.saturating_add(DAY))).await?;
        let of_day = |day: &DayFigures| day.costs.values().map(|cost| cost.micros).sum::<u64>();
        Ok(days.iter().map(|(_, day)| of_day(day)).sum())
    }

    /// Has what the tenant may use hold from now on, for runs that go on too. Whoever changes it calls this, and each run as it begins.
    pub async fn heed_quotas(&self, now: Timestamp) -> Result<Quotas, StoreError> {
        let (quotas, used) = (self.store.quotas(&self.tenant).await?, self.processor_today(now).await?);
        self.places.allow(&self.tenant, &quotas, now, used);
        Ok(quotas)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use consign_model::Name;
    use consign_model::quota::Limits;

    use super::*;

    #[test]
    fn a_day_is_used_up_and_another_begins() {
        let (places, tenant) = (Places::default(), "t".parse::<Name>().unwrap());
        let is_spent = || places.spending.with(|all| all[&tenant].share()) == Share::new(Weight::default(), true);
        let quotas = |seconds| Quotas::default().with(Limits { processor_seconds: seconds, ..Limits::default() }, Weight::default()).unwrap();
        let at = |day: i64| Timestamp(day * DAY + 5);
        places.spent(&tenant, 7, at(3));
        assert_eq!(places.used_on(&tenant, 3), None, "nobody has said what it may use");
        // A second of two was used before this process began.
        places.allow(&tenant, &quotas(Some(2)), at(3), SECOND);
        places.spent(&tenant, SECOND - 1, at(3));
        assert!(!is_spent());
        places.spent(&tenant, 1, at(3));
        assert!(is_spent() && places.used_on(&tenant, 3) == Some(2 * SECOND));
        // What the store has by then is in it already.
        places.allow(&tenant, &quotas(Some(3)), at(3), SECOND);
        assert!(!is_spent() && places.used_on(&tenant, 3) == Some(2 * SECOND));
        places.allow(&tenant, &quotas(Some(0)), at(3), SECOND);
        assert!(is_spent());
        places.allow(&tenant, &quotas(Some(1)), at(3), SECOND);
        assert!(is_spent());
        places.spent(&tenant, 9, at(4));
        assert!(!is_spent() && places.used_on(&tenant, 4) == Some(9) && places.used_on(&tenant, 3).is_none());
        places.spent(&tenant, SECOND, at(4));
        assert!(is_spent());
        places.allow(&tenant, &quotas(None), at(4), 0);
        assert!(!is_spent());
    }
}
