//! Requests that are made once, by their keys. Beside each lies a place by its age, by which what is old is dropped and how many there are is counted without reading them.

use std::ops::Bound;

use consign_model::request::{KeptAnswer, KeptRequest};
use consign_model::{Digest, TenantId, Timestamp};

use super::Embedded;
use super::key::{Class, Key, Parts};
use super::record::Flaw;
use crate::{Claim, Result};

/// Places that one write reads beyond those that may be kept: so many old ones are dropped at least, and what is left of them by the writes that follow.
const DROPPED: usize = 256;

fn request_key(tenant: &TenantId, key: &Digest) -> Key {
    Key::of(Class::Request, tenant).fixed(&key.0)
}

fn ages(tenant: &TenantId) -> Key {
    Key::of(Class::RequestAge, tenant)
}

/// No clock is before 1970.
fn number(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or_default()
}

fn age_key(tenant: &TenantId, request: &KeptRequest) -> Key {
    ages(tenant).number(number(request.at)).fixed(&request.key.0)
}

impl Embedded {
    pub(super) async fn claim_request(&self, tenant: &TenantId, request: &KeptRequest, since: Timestamp, most: usize) -> Result<Claim> {
        let (tenant, request) = (tenant.clone(), request.clone());
        self.writer
            .write(move |changes| {
                let all = ages(&tenant);
                let places = changes.core()?.raw_range(Bound::Included(all.bytes()), &all, most.saturating_add(DROPPED))?;
                let mut kept = 0;
                for (place, _) in places {
                    let mut parts = Parts::after(&all, &place);
                    let (Some(at), Some(key)) = (parts.number(), parts.fixed::<32>()) else { return Err(changes.flawed(&place, Flaw::Shape)) };
                    if at < number(since) {
                        changes.delete(&place);
                        changes.delete(request_key(&tenant, &Digest(key)).bytes());
                    } else {
                        kept += 1;
                    }
                }
                let key = request_key(&tenant, &request.key);
                match changes.get::<KeptRequest>(&key)? {
                    Some(known) if known.at >= since => return Ok(Claim::Known(known)),
                    Some(old) => changes.delete(age_key(&tenant, &old).bytes()),
                    None => {}
                }
                if kept >= most {
                    return Ok(Claim::Full);
                }
                changes.put(&key, &request)?;
                changes.put_bytes(&age_key(&tenant, &request), b"");
                Ok(Claim::New)
            })
            .await
    }

    pub(super) async fn settle_request(&self, tenant: &TenantId, key: &Digest, answer: Option<&KeptAnswer>) -> Result<()> {
        let (tenant, place, answer) = (tenant.clone(), request_key(tenant, key), answer.cloned());
        self.writer
            .write(move |changes| {
                let Some(known) = changes.get::<KeptRequest>(&place)? else { return Ok(()) };
                if answer.is_some() {
                    return changes.put(&place, &KeptRequest { answer, ..known });
                }
                changes.delete(age_key(&tenant, &known).bytes());
                changes.delete(place.bytes());
                Ok(())
            })
            .await
    }
}
