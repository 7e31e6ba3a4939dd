//! Keys that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consign_model::TenantId;

use super::super::samples::{author, keys, rotated};
use super::{Expected, Rehearsal};
use crate::{Store, StoreError};

impl Rehearsal {
    pub(super) async fn rotate_keys(&mut self, store: &dyn Store, tenant: &TenantId, expected: &mut Expected) {
        let text = *self.random.pick::<&str>(&["three", "four"]);
        let known = expected.tenant.as_ref().filter(|_| !self.random.one_in(4));
        let new = rotated(known.unwrap_or(&keys("nobody's")), text);
        let entered = Arc::new(AtomicBool::new(false));
        let enters = Arc::clone(&entered);
        let answer = store.rotate_tenant_keys(tenant, &new, &author(), Box::new(move || enters.store(true, Ordering::SeqCst))).await;
        assert_eq!(entered.load(Ordering::SeqCst), known.is_some());
        if known.is_some() {
            answer.unwrap();
            expected.tenant = Some(new);
            expected.deeds.extend(["keys-rotated", "keys-taken-up"]);
        } else {
            assert!(matches!(answer, Err(StoreError::Conflict { .. })), "{answer:?}");
        }
    }
}
