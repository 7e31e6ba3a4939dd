//! JavaScript, by `QuickJS`: a function, compiled once and called once for each chat, with numbers in typed arrays; it answers with the rows that it
//! keeps. Its regular expressions go back and forth, twenty needles at each
//! place of a text, which takes twice as long as looking for one after the other.

use consign_model::EventBatch;
use rquickjs::{Context, Function, Persistent, Runtime, TypedArray};

use super::Peer;
use crate::Fault;
use crate::definition::{Definition, NEEDLES, PERIOD};

pub struct QuickJs {
    /// Goes before the context.
    function: Persistent<Function<'static>>,
    context: Context,
}

impl QuickJs {
    pub fn new(definition: &Definition) -> Result<Self, Fault> {
        let (from, to) = PERIOD;
        let who: Vec<String> = definition.who.iter().map(|user| format!("{user:?}")).collect();
        let any = NEEDLES.map(|needle| format!("small.includes({needle:?})")).join(" || ");
        let source = format!(
            "const who = new Set([{}]);\n\
             (users, senders, times, texts) => {{\n  const listed = users.map(user => who.has(user)), kept = [];\n  \
             for (let i = 0; i < times.length; i++) {{\n    if (!listed[senders[i]] || times[i] < {from} || times[i] >= {to}) continue;\n    \
             const small = texts[i].toLowerCase();\n    if ({any}) kept.push(i);\n  }}\n  return kept;\n}}",
            who.join(", "),
        );
        let context = Context::full(&Runtime::new()?)?;
        let function = context.with(|context| {
            let function: Function = context.eval(source)?;
            Ok::<_, rquickjs::Error>(Persistent::save(&context, function))
        })?;
        Ok(Self { function, context })
    }
}

impl Peer for QuickJs {
    #[expect(clippy::cast_precision_loss, reason = "JavaScript's numbers; milliseconds are far below 2^53")]
    fn keeps(&mut self, batch: &EventBatch) -> Result<Vec<bool>, Fault> {
        self.context.with(|context| {
            let function = self.function.clone().restore(&context)?;
            let senders = TypedArray::<u32>::new(context.clone(), batch.senders.as_slice())?;
            let times: Vec<f64> = batch.times.iter().map(|at| *at as f64).collect();
            let times = TypedArray::<f64>::new(context.clone(), times)?;
            let texts: Vec<&str> = batch.texts.iter().collect();
            let users: Vec<&str> = batch.users.iter().map(String::as_str).collect();
            let kept: Vec<usize> = function.call((users, senders, times, texts))?;
            let mut keeps = vec![false; batch.len()];
            for row in kept {
                *keeps.get_mut(row).ok_or("JavaScript keeps what is not there")? = true;
            }
            Ok(keeps)
        })
    }
}
