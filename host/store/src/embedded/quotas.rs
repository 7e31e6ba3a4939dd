//! What a tenant may use of the installation.

use consign_model::audit::{Author, Deed};
use consign_model::{Quotas, TenantId};

use super::Embedded;
use super::key::{Class, Key};
use crate::{Result, StoreError};

fn quotas_key(tenant: &TenantId) -> Key {
    Key::of(Class::Quotas, tenant)
}

impl Embedded {
    pub(super) fn get_quotas(&self, tenant: &TenantId) -> Result<Quotas> {
        Ok(self.core.get(&quotas_key(tenant))?.unwrap_or_default())
    }

    pub(super) async fn save_quotas(&self, tenant: &TenantId, quotas: Quotas, by: &Author) -> Result<()> {
        let key = quotas_key(tenant);
        self.write_audited(tenant, by, move |changes| {
            let before: Quotas = changes.get(&key)?.unwrap_or_default();
            if before.version.checked_add(1) != Some(quotas.version) {
                return Err(StoreError::Conflict { what: "what the tenant may use".to_owned() });
            }
            changes.put(&key, &quotas)?;
            Ok(((), Some(Deed::QuotasChanged { quotas })))
        })
        .await
    }
}
