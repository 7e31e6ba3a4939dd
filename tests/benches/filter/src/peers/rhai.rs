//! Rhai: a function of a script, compiled and optimised once. It has no regular expressions, so the needles are looked for one by one.

use consign_model::EventBatch;
use rhai::{AST, CallFnOptions, Engine, FuncArgs, ImmutableString, OptimizationLevel, Scope};

use super::{Peer, any_contained, rows};
use crate::Fault;
use crate::definition::{Definition, PERIOD};

pub struct Rhai {
    engine: Engine,
    script: AST,
    scope: Scope<'static>,
}

impl Rhai {
    pub fn new(definition: &Definition) -> Result<Self, Fault> {
        let (from, to) = PERIOD;
        let who: Vec<String> = definition.who.iter().map(|user| format!("{user:?}: ()")).collect();
        let source = format!(
            "fn keep(sender, at, text) {{\n  if at < {from} || at >= {to} || !(sender in #{{{}}}) {{ return false; }}\n  text.make_lower();\n  {}\n}}\n",
            who.join(", "),
            any_contained("text"),
        );
        let mut engine = Engine::new();
        engine.set_optimization_level(OptimizationLevel::Full);
        engine.set_max_expr_depths(0, 0);
        let script = engine.compile(source)?;
        Ok(Self { engine, script, scope: Scope::new() })
    }
}

/// As the function takes them.
struct Row<'a>(&'a str, i64, &'a str);

impl FuncArgs for Row<'_> {
    fn parse<C: Extend<rhai::Dynamic>>(self, args: &mut C) {
        let Self(sender, at, text) = self;
        args.extend([ImmutableString::from(sender).into(), at.into(), ImmutableString::from(text).into()]);
    }
}

impl Peer for Rhai {
    fn keeps(&mut self, batch: &EventBatch) -> Result<Vec<bool>, Fault> {
        let mut keep = |(sender, at, text)| {
            let options = CallFnOptions::new().eval_ast(false);
            Ok(self.engine.call_fn_with_options::<bool>(options, &mut self.scope, &self.script, "keep", Row(sender, at, text))?)
        };
        rows(batch).map(&mut keep).collect()
    }
}
