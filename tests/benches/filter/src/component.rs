//! The filter in the host's sandbox, as the exporter runs a policy's criteria over a window: for each chat an instance of its own, which is configured, shown the chat, asked
//! about the batch, and dropped.

use std::path::Path;
use std::sync::Arc;

use consign_model::{EventBatch, Timestamp};
use consign_sandbox::{Bound, ChatContext, Decision, Sandbox};
use serde_json::Value;

use crate::Fault;
use crate::definition::{Definition, KEEP};
use crate::talk::Talk;

/// A policy's criteria, ready to run.
pub struct Criteria(Vec<Bound>);

impl Criteria {
    /// One component that does it all.
    pub fn alone(sandbox: &Sandbox, component: &[u8], definition: &Definition) -> Result<Self, Fault> {
        Ok(Self(vec![bind(sandbox, component, &definition.config())?]))
    }

    /// Three standard modules, all of which have to keep an event.
    pub fn standard(sandbox: &Sandbox, definition: &Definition) -> Result<Self, Fault> {
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../guest-filters/dist/std");
        let module = |(name, config): (&str, Value)| bind(sandbox, &std::fs::read(dist.join(name).with_extension("wasm"))?, &config);
        Ok(Self(definition.standard().into_iter().map(module).collect::<Result<_, _>>()?))
    }

    /// One verdict for each event: of several criteria the first that leaves it out.
    pub fn verdicts(&self, talk: &Talk, batch: &Arc<EventBatch>) -> Result<Vec<u8>, Fault> {
        let chat = Arc::new(ChatContext::new(Arc::clone(&talk.facts), batch.len() as u64, None, Timestamp(0)));
        let mut sessions = Vec::with_capacity(self.0.len());
        for bound in &self.0 {
            let mut session = bound.criteria(Arc::clone(&chat))?;
            let decision = session.begin()?;
            drop(session.take_logs());
            match decision {
                Decision::Inspect => sessions.push(session),
                Decision::KeepAll => {}
                Decision::OmitAll(rule) => return Ok(vec![rule + 1; batch.len()]),
            }
        }
        let view = Arc::new(chat.view(Arc::clone(batch), batch.flags.clone())?);
        let mut verdicts = vec![KEEP; batch.len()];
        for mut session in sessions {
            let said = session.evaluate(&view)?;
            drop(session.take_logs());
            for (verdict, said) in verdicts.iter_mut().zip(said) {
                if *verdict == KEEP {
                    *verdict = said;
                }
            }
        }
        Ok(verdicts)
    }
}

fn bind(sandbox: &Sandbox, component: &[u8], config: &Value) -> Result<Bound, Fault> {
    let module = sandbox.load(component)?;
    let needs = module.manifest().needs.clone();
    Ok(module.bind(config, &needs)?)
}
