//! The ledger: what was attempted and what became of it, e-mail by e-mail.

use consign_model::{Delivery, DeliveryKey, TenantId, WindowKey};

use super::Embedded;
use super::key::{Class, Key};
use super::writer::Changes;
use crate::{Result, StoreError};

fn of_window(tenant: &TenantId, window: &WindowKey) -> Key {
    Key::of(if window.is_supplement() { Class::SupplementDelivery } else { Class::Delivery }, tenant).window(window)
}

fn delivery_key(tenant: &TenantId, key: &DeliveryKey) -> Key {
    of_window(tenant, &key.window).small(key.group).small(key.part)
}

impl Embedded {
    pub(super) async fn write_deliveries(&self, tenant: &TenantId, deliveries: &[Delivery]) -> Result<()> {
        let deliveries: Vec<(Key, Delivery)> = deliveries.iter().map(|one| (delivery_key(tenant, &one.key), one.clone())).collect();
        self.writer.write(move |changes| deliveries.iter().try_for_each(|(key, delivery)| changes.put(key, delivery))).await
    }

    pub(super) fn deliveries_of(&self, tenant: &TenantId, window: &WindowKey) -> Result<Vec<Delivery>> {
        self.core.all(&of_window(tenant, window))
    }
}

/// Forgets the e-mails of a window, unless one of them may have arrived.
pub(super) fn forget(changes: &mut Changes<'_>, tenant: &TenantId, window: &WindowKey) -> Result<()> {
    let deliveries: Vec<Delivery> = changes.core()?.all(&of_window(tenant, window))?;
    if let Some(arrived) = deliveries.iter().find(|one| one.may_have_arrived()) {
        return Err(StoreError::Conflict { what: format!("the e-mail {} (it may have arrived)", arrived.message_id) });
    }
    for delivery in &deliveries {
        changes.delete(delivery_key(tenant, &delivery.key).bytes());
    }
    Ok(())
}
