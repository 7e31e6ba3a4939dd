//! Extism: the same filter as a plug-in, in Rust, with a chat's columns as JSON over its plug-in ABI, one call for each chat.

use consign_model::EventBatch;
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use serde::Serialize;

use super::Peer;
use crate::Fault;
use crate::definition::{Definition, KEEP};
use crate::guest::Toolchain;

pub struct Extism {
    compiled: CompiledPlugin,
    config: String,
    /// Unset: one for each chat.
    plugin: Option<Plugin>,
}

#[derive(Serialize)]
struct Events<'a> {
    users: &'a [String],
    senders: &'a [u32],
    times: &'a [i64],
    texts: Vec<&'a str>,
}

impl Extism {
    pub fn new(definition: &Definition, toolchain: &Toolchain, fresh: bool) -> Result<Self, Fault> {
        let manifest = Manifest::new([Wasm::data(toolchain.core("plugin", &[])?)]);
        let compiled = PluginBuilder::new(manifest).with_cache_disabled().compile()?;
        let mut made = Self { compiled, config: definition.config().to_string(), plugin: None };
        if !fresh {
            made.plugin = Some(made.start()?);
        }
        Ok(made)
    }

    fn start(&self) -> Result<Plugin, Fault> {
        let mut plugin = Plugin::new_from_compiled(&self.compiled)?;
        plugin.call::<_, ()>("configure", self.config.as_str())?;
        Ok(plugin)
    }
}

impl Peer for Extism {
    fn keeps(&mut self, batch: &EventBatch) -> Result<Vec<bool>, Fault> {
        let events = Events { users: &batch.users, senders: &batch.senders, times: &batch.times, texts: batch.texts.iter().collect() };
        let input = serde_json::to_vec(&events)?;
        let mut fresh = None;
        let plugin = match &mut self.plugin {
            Some(plugin) => plugin,
            None => fresh.insert(self.start()?),
        };
        let verdicts: Vec<u8> = serde_json::from_slice(plugin.call::<_, &[u8]>("verdicts", input)?)?;
        Ok(verdicts.into_iter().map(|verdict| verdict == KEEP).collect())
    }
}
