//! What a tenant may use.

use consign_model::TenantId;
use consign_model::quota::{Limits, Quotas};

use super::super::samples::author;
use super::{Expected, Rehearsal};
use crate::{Store, StoreError};

impl Rehearsal {
    pub(super) async fn change_quotas(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let limits = Limits { stored_bytes: Some(self.random.below(1_000)), ..Limits::default() };
        let (next, wrong) = (expected.quotas.with(limits, expected.quotas.weight).unwrap(), self.random.one_in(4));
        let next = Quotas { version: next.version - u32::from(wrong), ..next };
        let answer = store.put_quotas(tenant, next, &author()).await;
        if wrong {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        } else {
            answer.unwrap();
            expected.quotas = next;
            expected.deeds.push("quotas-changed");
        }
        assert_eq!(store.quotas(tenant).await.unwrap(), expected.quotas);
    }
}
