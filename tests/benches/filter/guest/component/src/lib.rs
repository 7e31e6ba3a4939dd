//! The bench's filter as a component: an event is kept whose sender is listed, which happened in the period, and whose text holds any of the needles, in this order.
//!
//! By default the host looks for the needles, so that no text enters; with the feature `text` the module reads the texts and looks itself. Either way it asks for what
//! costs most last, and not at all where no event of a batch is left that it could be about.

#[cfg(feature = "text")]
#[path = "../../needles.rs"]
mod needles;

use consign_filter::{Chat, ChatDecision, ConfigError, Criteria, Failure, Manifest, Need, Schema, Verdict, View};
use serde::Deserialize;

consign_filter::rules! {
    /// Why an event is left out.
    pub enum Why {
        OtherSender = "other-sender": "somebody else wrote it",
        OutsidePeriod = "outside-period": "it happened before or after the period",
        NoKeyword = "no-keyword": "its text holds none of the keywords",
    }
}

/// `from` and `to` in milliseconds since 1970, `to` excluded; `who` has the platform's ids.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    #[cfg_attr(not(feature = "text"), expect(dead_code, reason = "the host looks for them"))]
    any: Vec<String>,
    /// The schema has it true.
    #[serde(default)]
    #[expect(dead_code, reason = "the host reads it by the schema's pointer")]
    ignore_case: bool,
    who: Vec<String>,
    from: i64,
    to: i64,
}

/// What a schema says of the needles: one that marks them is a module's that asks the host for matches.
macro_rules! schema {
    ($mark:literal) => {
        concat!(
            r#"{"type": "object", "additionalProperties": false, "required": ["any", "who", "from", "to"], "properties": {
            "any": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 3}"#,
            $mark,
            r#"}, "ignore-case": {"type": "boolean", "const": true},
            "who": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
            "from": {"type": "integer"}, "to": {"type": "integer"}},
            "examples": [{"any": ["libor"], "ignore-case": true, "who": ["U1"], "from": 0, "to": 1}]}"#
        )
    };
}

#[cfg(feature = "text")]
const SCHEMA: &str = schema!("");
#[cfg(not(feature = "text"))]
const SCHEMA: &str = schema!(r#", "x-consign-needles": {"ignore-case": "/ignore-case"}"#);

/// The filter.
pub struct Filter {
    who: Vec<String>,
    from: i64,
    to: i64,
    /// Of each participant, whether they are listed.
    listed: Vec<bool>,
    #[cfg(feature = "text")]
    needles: needles::Needles,
}

impl Criteria for Filter {
    type Config = Config;
    type Rule = Why;
    const MANIFEST: Manifest = Manifest {
        name: if cfg!(feature = "text") { "bench/by-text" } else { "bench/by-matching" },
        version: "1.0.0",
        summary: "What listed people wrote in a period with any of some keywords.",
        needs: &[Need::Participants, Need::Senders, Need::Times, if cfg!(feature = "text") { Need::Text } else { Need::Matching }],
        config_schema: Schema::Written(SCHEMA),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        #[cfg(feature = "text")]
        let needles = needles::Needles::new(&config.any).map_err(|text| vec![consign_filter::config_error("/any", text)])?;
        Ok(Self {
            who: config.who,
            from: config.from,
            to: config.to,
            listed: Vec::new(),
            #[cfg(feature = "text")]
            needles,
        })
    }

    fn begin_chat(&mut self, chat: &dyn Chat) -> Result<ChatDecision<Why>, Failure> {
        self.listed = chat.participants().iter().map(|participant| self.who.contains(&participant.id)).collect();
        Ok(if self.listed.contains(&true) { ChatDecision::Inspect } else { ChatDecision::OmitAll(Why::OtherSender) })
    }

    fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<Why>>, Failure> {
        let verdict = |(sender, at): (Option<usize>, i64)| {
            if !sender.and_then(|sender| self.listed.get(sender)).is_some_and(|listed| *listed) {
                Verdict::LeaveOut(Why::OtherSender)
            } else if at < self.from || at >= self.to {
                Verdict::LeaveOut(Why::OutsidePeriod)
            } else {
                Verdict::Keep
            }
        };
        let mut verdicts: Vec<_> = events.senders().into_iter().zip(events.times()).map(verdict).collect();
        if verdicts.contains(&Verdict::Keep) {
            self.look(events, &mut verdicts);
        }
        Ok(verdicts)
    }
}

impl Filter {
    /// Leaves those out of what is left that hold no needle.
    #[cfg(not(feature = "text"))]
    #[expect(clippy::unused_self, reason = "with the other feature it has the needles")]
    fn look(&self, events: &dyn View, verdicts: &mut [Verdict<Why>]) {
        for (verdict, holds) in verdicts.iter_mut().zip(events.matches(0)) {
            if *verdict == Verdict::Keep && !holds {
                *verdict = Verdict::LeaveOut(Why::NoKeyword);
            }
        }
    }

    /// Leaves those out of what is left that hold no needle.
    #[cfg(feature = "text")]
    fn look(&self, events: &dyn View, verdicts: &mut [Verdict<Why>]) {
        let texts = events.texts();
        for (verdict, text) in verdicts.iter_mut().zip(texts.iter()) {
            if *verdict == Verdict::Keep && !self.needles.any_in(text) {
                *verdict = Verdict::LeaveOut(Why::NoKeyword);
            }
        }
    }
}

consign_filter::export_criteria!(Filter);
