//! What takes two people, and what waits for the second.

use std::ops::Bound;

use consign_model::audit::{Author, Deed};
use consign_model::proposal::{Decision, Proposal, Verdict};
use consign_model::{Name, TenantId};

use super::Embedded;
use super::key::{Class, Key};
use crate::{Result, StoreError};

/// How long one is listed that can't be approved any more, in milliseconds. The audit log has it for ever.
const LISTED: i64 = 90 * 86_400_000;

fn setting_key(tenant: &TenantId) -> Key {
    Key::of(Class::TwoPeople, tenant)
}

fn proposal_key(tenant: &TenantId, id: &Name) -> Key {
    Key::of(Class::Proposal, tenant).name(id)
}

impl Embedded {
    pub(super) fn get_two_people(&self, tenant: &TenantId) -> Result<bool> {
        Ok(self.core.get::<bool>(&setting_key(tenant))?.unwrap_or_default())
    }

    pub(super) async fn put_two_people(&self, tenant: &TenantId, on: bool, by: &Author) -> Result<()> {
        let key = setting_key(tenant);
        self.write_audited(tenant, by, move |changes| {
            if changes.get::<bool>(&key)?.unwrap_or_default() == on {
                return Ok(((), None));
            }
            changes.put(&key, &on)?;
            Ok(((), Some(Deed::TwoPeopleSet { on })))
        })
        .await
    }

    pub(super) async fn put_proposal(&self, tenant: &TenantId, proposal: &Proposal, by: &Author) -> Result<()> {
        let (all, key, proposal) = (Key::of(Class::Proposal, tenant), proposal_key(tenant, &proposal.id), proposal.clone());
        self.write_audited(tenant, by, move |changes| {
            if changes.has(&key)? {
                return Err(StoreError::Conflict { what: format!("the proposal {}", proposal.id) });
            }
            let core = changes.core()?;
            for (place, record) in core.raw_range(Bound::Included(all.bytes()), &all, usize::MAX)? {
                let known: Proposal = core.value(&place, &record)?;
                if known.expires_at.0.saturating_add(LISTED) <= proposal.at.0 {
                    changes.delete(&place);
                }
            }
            changes.put(&key, &proposal)?;
            let about = proposal.about();
            Ok(((), Some(Deed::Proposed { proposal: proposal.id, digest: proposal.digest, about })))
        })
        .await
    }

    pub(super) fn all_proposals(&self, tenant: &TenantId) -> Result<Vec<Proposal>> {
        self.core.all(&Key::of(Class::Proposal, tenant))
    }

    pub(super) async fn put_decision(&self, tenant: &TenantId, id: &Name, decision: &Decision, by: &Author) -> Result<()> {
        let (key, id, decision) = (proposal_key(tenant, id), id.clone(), decision.clone());
        self.write_audited(tenant, by, move |changes| {
            let known = changes.get::<Proposal>(&key)?.filter(|known| known.is_open(decision.at));
            let Some(known) = known else { return Err(StoreError::Conflict { what: format!("the proposal {id}") }) };
            let deed = match decision.verdict {
                Verdict::Approved => Deed::ProposalApproved { proposal: id, digest: known.digest },
                Verdict::Rejected => Deed::ProposalRejected { proposal: id },
            };
            changes.put(&key, &Proposal { decision: Some(decision), ..known })?;
            Ok(((), Some(deed)))
        })
        .await
    }
}
