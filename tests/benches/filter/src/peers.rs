//! What else a tenant's filter could be written in and run by, without trusting the tenant.
//!
//! Each is used as its authors advise where speed counts: compiled once and used for all chats, given its input in the cheapest documented way, asked for what is cheap first, and
//! of two ways to look for needles CEL, Rego and JavaScript are given the faster one, as their files say. None of them gets a fresh instance for each chat, as Consign's modules do, but Extism once more.

mod cel;
mod extism;
mod quickjs;
mod rego;
mod rhai;

use consign_model::EventBatch;

use crate::Fault;
use crate::definition::Definition;
use crate::guest::Toolchain;

/// One that filters a chat's events.
pub trait Peer {
    /// Whether each is kept.
    fn keeps(&mut self, batch: &EventBatch) -> Result<Vec<bool>, Fault>;
}

/// What makes it ready.
type Make = fn(&Definition, &Toolchain) -> Result<Box<dyn Peer>, Fault>;

/// By name and version.
pub const ALL: [(&str, Make); 6] = [
    ("CEL (cel 0.15)", |definition, _| Ok(Box::new(cel::Cel::new(definition)?))),
    ("Rego (regorus 0.14, its virtual machine)", |definition, _| Ok(Box::new(rego::Rego::new(definition)?))),
    ("Rhai (rhai 1.27)", |definition, _| Ok(Box::new(rhai::Rhai::new(definition)?))),
    ("QuickJS (rquickjs 0.14)", |definition, _| Ok(Box::new(quickjs::QuickJs::new(definition)?))),
    ("Extism (1.30), one instance for all chats", |definition, toolchain| Ok(Box::new(extism::Extism::new(definition, toolchain, false)?))),
    ("Extism (1.30), a fresh instance for each chat", |definition, toolchain| Ok(Box::new(extism::Extism::new(definition, toolchain, true)?))),
];

/// Each event's sender, time and text.
fn rows(batch: &EventBatch) -> impl Iterator<Item = (&str, i64, &str)> {
    let senders = batch.senders.iter().map(|sender| batch.users.get(*sender as usize).map_or("", String::as_str));
    senders.zip(&batch.times).zip(batch.texts.iter()).map(|((sender, at), text)| (sender, *at, text))
}

/// `contains` of every needle, as nearly all of these languages write it.
fn any_contained(text: &str) -> String {
    crate::definition::NEEDLES.map(|needle| format!("{text}.contains({needle:?})")).join(" || ")
}
