//! The Common Expression Language, by the crate cel: an expression, compiled once.
//!
//! Its variables are resolved when they are asked for, and a text is put into small letters only then. Its `matches` compiles the expression anew for each text, so the needles are
//! looked for one by one; written out that takes half as long as by `exists` over a list.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use cel::common::types::{CelInt, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, Program, Value};
use consign_model::EventBatch;

use super::{Peer, any_contained, rows};
use crate::Fault;
use crate::definition::{Definition, PERIOD};

pub struct Cel {
    program: Program,
    context: Context<'static, 'static>,
}

struct Row<'a> {
    sender: &'a str,
    at: i64,
    text: &'a str,
    small: OnceLock<String>,
}

impl VariableResolver for Row<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match variable {
            "sender" => Some(CowVal::owned(CelString::from(self.sender))),
            "at" => Some(CowVal::owned(CelInt::from(self.at))),
            "text" => Some(CowVal::owned(CelString::from(self.small.get_or_init(|| self.text.to_lowercase()).as_str()))),
            _ => None,
        }
    }
}

impl Cel {
    pub fn new(definition: &Definition) -> Result<Self, Fault> {
        let env = Arc::new(Env::stdlib());
        let (from, to) = PERIOD;
        let source = format!("sender in who && at >= {from} && at < {to} && ({})", any_contained("text"));
        let program = env.compile(&source).map_err(|errors| errors.to_string())?;
        let mut context = Context::with_env(env);
        context.add_variable_from_value("who", definition.who.iter().map(|user| (user.as_str(), true)).collect::<HashMap<_, _>>());
        Ok(Self { program, context })
    }
}

impl Peer for Cel {
    fn keeps(&mut self, batch: &EventBatch) -> Result<Vec<bool>, Fault> {
        let keep = |(sender, at, text)| {
            let row = Row { sender, at, text, small: OnceLock::new() };
            let mut context = self.context.new_inner_scope();
            context.set_variable_resolver(&row);
            match self.program.execute(&context) {
                Ok(Value::Bool(keep)) => Ok(keep),
                Ok(other) => Err(format!("CEL answers {other:?}").into()),
                Err(error) => Err(error.to_string().into()),
            }
        };
        rows(batch).map(keep).collect()
    }
}
