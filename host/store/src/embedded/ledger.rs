//! The ledger: what was attempted and what became of it, e-mail by e-mail.
//!
//! Beside each lies where it is, by the hash of its Message-ID: all that whoever has found an e-mail in an archive brings along. It is written with the intent and costs nothing when
//! the outcome is, since it is the same then. What an earlier release recorded has none; what it took back may have left one, so what it leads to is looked at.

use consign_model::{Delivery, DeliveryKey, Digest, TenantId, WindowKey};

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

/// Half of a SHA-256: nobody chooses what it is of but this program, and what it leads to is compared.
fn message_key(tenant: &TenantId, message_id: &str) -> Key {
    let hash = Digest::of(message_id.as_bytes());
    Key::of(Class::MessageId, tenant).fixed(&hash.0[..16])
}

impl Embedded {
    pub(super) async fn write_deliveries(&self, tenant: &TenantId, deliveries: &[Delivery]) -> Result<()> {
        let place = |one: &Delivery| (delivery_key(tenant, &one.key), message_key(tenant, &one.message_id), one.clone());
        let deliveries: Vec<(Key, Key, Delivery)> = deliveries.iter().map(place).collect();
        let write = move |changes: &mut Changes<'_>| {
            for (key, by_id, delivery) in &deliveries {
                changes.put(key, delivery)?;
                changes.put_bytes(by_id, key.bytes());
            }
            Ok(())
        };
        self.writer.write(write).await
    }

    pub(super) fn find_delivery(&self, tenant: &TenantId, message_id: &str) -> Result<Option<Delivery>> {
        let by_id = message_key(tenant, message_id);
        let Some(record) = self.core.raw(by_id.bytes())? else { return Ok(None) };
        let key = self.core.bytes(by_id.bytes(), &record)?;
        let Some(record) = self.core.raw(key)? else { return Ok(None) };
        let delivery: Delivery = self.core.value(key, &record)?;
        Ok((delivery.message_id == message_id).then_some(delivery))
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
        changes.delete(message_key(tenant, &delivery.message_id).bytes());
    }
    Ok(())
}
