//! What a tenant may use.

use std::sync::Arc;

use consign_model::audit::Deed;
use consign_model::quota::{Limits, Quotas, Weight};

use super::audit::log;
use super::samples::{author, name};
use crate::{Store, StoreError};

pub(super) async fn quotas_by_version(store: Arc<dyn Store>) {
    let (tenant, by) = (name("t"), author());
    assert_eq!(store.quotas(&tenant).await.unwrap(), Quotas::default());
    let limits = |modules| Limits { modules: Some(modules), ..Limits::default() };
    let first = Quotas::default().with(limits(3), Weight::default()).unwrap();
    let second = first.with(limits(4), Weight::try_from(100).unwrap()).unwrap();
    assert!(matches!(store.put_quotas(&tenant, second, &by).await, Err(StoreError::Conflict { .. })), "one is left out");
    for next in [first, second] {
        store.put_quotas(&tenant, next, &by).await.unwrap();
        // Whoever else has changed the one before, too, has not seen this one.
        assert!(matches!(store.put_quotas(&tenant, next, &by).await, Err(StoreError::Conflict { .. })));
        assert_eq!(store.quotas(&tenant).await.unwrap(), next);
    }
    assert_eq!(store.quotas(&name("t-a")).await.unwrap(), Quotas::default(), "another tenant's");
    let told: Vec<Deed> = log(&*store, &tenant).await.into_iter().map(|entry| entry.deed).collect();
    assert_eq!(told, [first, second].map(|quotas| Deed::QuotasChanged { quotas }));
}
