//! What windows are composed from: a chat and its people, kept by digest.
//!
//! In a chat of 5,000 people somebody comes or goes before almost every run, and each window names facts of its own. So people that stay as they were
//! are kept once: the list of participants is cut into pieces, each kept under its own SHA-256; the list of these digests is cut into pieces in turn,
//! until one is left. Where a piece ends is decided by what stands there, not by counting, so a newcomer changes the piece that he is in and the few
//! above it, and all others are there already. No piece is large (`disk`), however large the chat.

use consign_model::window::{Facts, Participant};
use consign_model::{Chat, Digest, TenantId};
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::core::Core;
use super::key::{Class, Key};
use super::record::Flaw;
use super::writer::Changes;
use crate::{Result, StoreError};

/// A piece ends after an item whose SHA-256 begins with a byte below this: after 16 on average. Another number keeps everything once more.
const ENDS_BELOW: u8 = 16;
/// Bytes at which a piece ends in any case; one with a single larger item is longer.
const LARGEST: usize = 8 * 1024;
/// Bytes of a digest.
const WIDTH: usize = 32;

/// The record under the facts' own digest.
#[derive(Serialize, Deserialize)]
struct Root {
    chat: Chat,
    /// How many levels of pieces there are. The lowest has participants, a JSON line each; those above have the digests of the pieces below.
    levels: u32,
    /// The digests of the uppermost level: one, or none where there is nobody.
    pieces: Vec<Digest>,
}

fn root_key(tenant: &TenantId, digest: &Digest) -> Key {
    Key::of(Class::Facts, tenant).fixed(&digest.0)
}

fn piece_key(tenant: &TenantId, digest: &Digest) -> Key {
    Key::of(Class::FactsPiece, tenant).fixed(&digest.0)
}

/// Cuts a list into pieces. Each but the last has two items at least or one large one, so that a list of digests becomes shorter.
fn cut(items: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let (mut piece, mut held) = (Vec::new(), 0);
    for item in items {
        if held > 0 && piece.len() + item.len() > LARGEST {
            pieces.push(std::mem::take(&mut piece));
            held = 0;
        }
        piece.extend_from_slice(item);
        held += 1;
        if held > 1 && Digest::of(item).0.first().is_some_and(|byte| *byte < ENDS_BELOW) {
            pieces.push(std::mem::take(&mut piece));
            held = 0;
        }
    }
    if held > 0 {
        pieces.push(piece);
    }
    pieces
}

/// Keeps a list's pieces, and the pieces of their digests, until there is one. Says how many levels that makes, and the uppermost one's digests.
fn keep(changes: &mut Changes, tenant: &TenantId, mut items: Vec<Vec<u8>>) -> Result<(u32, Vec<Digest>)> {
    let mut levels = 0;
    loop {
        let pieces = cut(&items);
        levels += 1;
        let mut digests = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            let digest = Digest::of(piece);
            let key = piece_key(tenant, &digest);
            if !changes.has(&key)? {
                changes.put_bytes(&key, piece);
            }
            digests.push(digest);
        }
        if digests.len() <= 1 {
            return Ok((levels, digests));
        }
        items = digests.iter().map(|digest| digest.0.to_vec()).collect();
    }
}

fn lines(facts: &Facts) -> Result<Vec<Vec<u8>>> {
    let line = |participant: &Participant| {
        let mut line = serde_json::to_vec(participant)?;
        line.push(b'\n');
        Ok(line)
    };
    let lines: serde_json::Result<Vec<Vec<u8>>> = facts.participants.iter().map(line).collect();
    lines.map_err(|_| StoreError::Failed { doing: "writing".into(), cause: "a window's facts cannot be written as JSON".into() })
}

/// What the pieces with these digests hold, one after the other.
fn gather(core: &Core, tenant: &TenantId, digests: &[Digest]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for digest in digests {
        let key = piece_key(tenant, digest);
        let record = core.raw(key.bytes())?.ok_or_else(|| core.flawed(key.bytes(), Flaw::Missing))?;
        all.extend_from_slice(core.bytes(key.bytes(), &record)?);
    }
    Ok(all)
}

/// Facts that are to be kept.
pub(super) struct NewFacts {
    key: Key,
    chat: Chat,
    items: Vec<Vec<u8>>,
}

impl NewFacts {
    /// Keeps them, where nobody has meanwhile.
    pub(super) fn keep(self, changes: &mut Changes, tenant: &TenantId) -> Result<()> {
        if changes.has(&self.key)? {
            return Ok(());
        }
        let (levels, pieces) = keep(changes, tenant, self.items)?;
        changes.put(&self.key, &Root { chat: self.chat, levels, pieces })
    }
}

impl Embedded {
    pub(super) async fn keep_facts(&self, tenant: &TenantId, facts: &Facts) -> Result<Digest> {
        if let Some(new) = self.new_facts(tenant, facts)? {
            let tenant = tenant.clone();
            self.writer.write(move |changes| new.keep(changes, &tenant)).await?;
        }
        Ok(facts.digest())
    }

    /// Facts as they are written, where they are not there. Seen is enough: the window that will name them becomes durable after them, or not at all.
    pub(super) fn new_facts(&self, tenant: &TenantId, facts: &Facts) -> Result<Option<NewFacts>> {
        let key = root_key(tenant, &facts.digest());
        let is_there = self.core.raw(key.bytes())?.is_some();
        if is_there { Ok(None) } else { Ok(Some(NewFacts { key, chat: facts.chat.clone(), items: lines(facts)? })) }
    }

    pub(super) fn get_facts(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Facts>> {
        let key = root_key(tenant, digest);
        let Some(root) = self.core.get::<Root>(&key)? else { return Ok(None) };
        let flawed = || self.core.flawed(key.bytes(), Flaw::Shape);
        let mut digests = root.pieces;
        for _ in 1..root.levels {
            let gathered = gather(&self.core, tenant, &digests)?;
            let (found, []) = gathered.as_chunks::<WIDTH>() else { return Err(flawed()) };
            digests = found.iter().map(|bytes| Digest(*bytes)).collect();
        }
        let lines = gather(&self.core, tenant, &digests)?;
        let participants: serde_json::Result<Vec<Participant>> =
            lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect();
        Ok(Some(Facts { chat: root.chat, participants: participants.map_err(|_| flawed())? }))
    }
}
