//! The filter in the host's sandbox, as the exporter runs a policy's criteria over a window: for each chat an instance of its own, which is configured, shown the chat, asked
//! about the batch, and dropped.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_model::{EventBatch, Timestamp};
use consign_sandbox::{Bound, Call, ChatContext, CriteriaSession, Decision, Sandbox};
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
        self.run(talk, batch, |_| {})
    }

    /// What chats of one message take, by what is done.
    pub fn parts(&self, talks: &[&Talk]) -> Result<Parts, Fault> {
        let (begun, mut parts) = (Instant::now(), Parts::default());
        for talk in talks {
            self.run(talk, &talk.short, |session| parts.add(session))?;
        }
        parts.all = begun.elapsed();
        Ok(parts)
    }

    /// `ended` is shown each session at its end.
    fn run(&self, talk: &Talk, batch: &Arc<EventBatch>, mut ended: impl FnMut(&CriteriaSession)) -> Result<Vec<u8>, Fault> {
        let chat = Arc::new(ChatContext::new(Arc::clone(&talk.facts), batch.len() as u64, None, Timestamp(0)));
        let mut sessions = Vec::with_capacity(self.0.len());
        for bound in &self.0 {
            let mut session = bound.criteria(Arc::clone(&chat))?;
            let decision = session.begin()?;
            drop(session.take_logs());
            match decision {
                Decision::Inspect => sessions.push(session),
                Decision::KeepAll => ended(&session),
                Decision::OmitAll(rule) => {
                    ended(&session);
                    return Ok(vec![rule + 1; batch.len()]);
                }
            }
        }
        let view = Arc::new(chat.view(Arc::clone(batch), batch.flags.clone())?);
        let mut verdicts = vec![KEEP; batch.len()];
        for mut session in sessions {
            let said = session.evaluate(&view)?;
            drop(session.take_logs());
            ended(&session);
            for (verdict, said) in verdicts.iter_mut().zip(said) {
                if *verdict == KEEP {
                    *verdict = said;
                }
            }
        }
        Ok(verdicts)
    }
}

/// Time by what is done, of many chats together.
#[derive(Default)]
pub struct Parts {
    instantiate: Duration,
    configure: Duration,
    begin_chat: Duration,
    evaluate: Duration,
    all: Duration,
}

impl Parts {
    fn add(&mut self, session: &CriteriaSession) {
        let usage = session.usage();
        self.instantiate += usage.time(Call::Instantiate);
        self.configure += usage.time(Call::Configure);
        self.begin_chat += usage.time(Call::BeginChat);
        self.evaluate += usage.time(Call::Evaluate);
    }

    /// By name, in microseconds a chat.
    pub fn of_a_chat(&self, chats: f64) -> String {
        let rest = self.all.saturating_sub(self.instantiate + self.configure + self.begin_chat + self.evaluate);
        let parts = [
            ("making the instance", self.instantiate),
            ("`configure`", self.configure),
            ("`begin-chat`", self.begin_chat),
            ("`evaluate`", self.evaluate),
            ("its store, dropping both, chat and view", rest),
        ];
        parts.map(|(name, time)| format!("{name} {:.1}", time.as_secs_f64() * 1e6 / chats)).join(", ") + " µs"
    }
}

fn bind(sandbox: &Sandbox, component: &[u8], config: &Value) -> Result<Bound, Fault> {
    let module = sandbox.load(component)?;
    let needs = module.manifest().needs.clone();
    Ok(module.bind(config, &needs)?)
}
