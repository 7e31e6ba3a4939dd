//! `std/keywords`: events whose text holds any, all or none of some keywords.
//!
//! The texts do not enter this module. The host looks for the needles that the configuration fixed and answers with a number for each event, so the only
//! need is `matching`, and a tenant who approves it shows nobody a word. For the same reason this module does not know how case is ignored or where a
//! word ends: that is the host's, and the same for every module.
//!
//! An event without a text (a join, say) holds no keyword: `any` and `all` leave it out, `none` alone keeps it.

use consign_filter::text::fold_case;
use consign_filter::{ConfigError, Criteria, Failure, Manifest, Need, Schema, Verdict, View, config_error};
use serde::Deserialize;
use std::collections::HashMap;

consign_filter::rules! {
    /// Why an event is left out.
    pub enum Why {
        NoKeyword = "no-keyword": "the text holds none of the keywords, or not all of those that it has to",
        ExcludedKeyword = "excluded-keyword": "the text holds a keyword that it must not",
    }
}

/// The configuration; `config.schema.json` says what its fields mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    #[serde(default)]
    any: Vec<String>,
    #[serde(default)]
    all: Vec<String>,
    #[serde(default)]
    none: Vec<String>,
    #[serde(default)]
    ignore_case: bool,
    /// The host's to follow; named here so that it is known.
    #[serde(default)]
    #[expect(dead_code, reason = "the host reads it by the schema's pointer")]
    whole_words: bool,
}

/// The numbers of the lists: their order in the schema's `properties`.
const ANY: u32 = 0;
const ALL: u32 = 1;
const NONE: u32 = 2;

/// A count of 255 means "that many and more", so more needles than this could not be told from all of them.
const MOST_NEEDLES_OF_ALL: usize = 254;

/// The criterion: which lists there are. The needles themselves stay with the host.
#[derive(Debug)]
pub struct Keywords {
    any: bool,
    /// How many needles an event must hold.
    all: Option<u8>,
    none: bool,
}

impl Criteria for Keywords {
    type Config = Config;
    type Rule = Why;
    const MANIFEST: Manifest = Manifest {
        name: "std/keywords",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Events whose text holds any, all or none of some keywords.",
        needs: &[Need::Matching],
        config_schema: Schema::Written(include_str!("../config.schema.json")),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        check_list("any", &config.any, str::to_owned, &mut errors);
        check_list("none", &config.none, str::to_owned, &mut errors);
        // The host counts *different* needles. Two that differ in case only are one where case is ignored, and all of them could never be reached.
        let same = if config.ignore_case { fold_case } else { str::to_owned };
        check_list("all", &config.all, same, &mut errors);
        if config.all.len() > MOST_NEEDLES_OF_ALL {
            let message = format!("at most {MOST_NEEDLES_OF_ALL} keywords can be asked for together");
            errors.push(config_error("/all", message));
        }
        if config.any.is_empty() && config.all.is_empty() && config.none.is_empty() {
            let message = "give at least one keyword in \"any\", \"all\" or \"none\"";
            errors.push(config_error("", message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { any: !config.any.is_empty(), all: u8::try_from(config.all.len()).ok().filter(|count| *count > 0), none: !config.none.is_empty() })
    }

    fn evaluate(&mut self, events: &dyn View) -> Result<Vec<Verdict<Why>>, Failure> {
        let mut verdicts = vec![Verdict::Keep; events.len()];
        if self.none {
            let excluded = events.matches(NONE).into_iter();
            for (verdict, excluded) in verdicts.iter_mut().zip(excluded) {
                if excluded {
                    *verdict = Verdict::LeaveOut(Why::ExcludedKeyword);
                }
            }
        }
        // An event that lacks a keyword has that reason, whatever else it holds.
        let mut require = |has: &mut dyn Iterator<Item = bool>| {
            for (verdict, has) in verdicts.iter_mut().zip(has) {
                if !has {
                    *verdict = Verdict::LeaveOut(Why::NoKeyword);
                }
            }
        };
        if self.any {
            require(&mut events.matches(ANY).into_iter());
        }
        if let Some(all) = self.all {
            let counts = events.match_counts(ALL).into_iter();
            require(&mut counts.map(|count| count >= all));
        }
        Ok(verdicts)
    }
}

/// `same` makes equal what counts as one keyword.
fn check_list(name: &str, list: &[String], same: fn(&str) -> String, errors: &mut Vec<ConfigError>) {
    let mut seen = HashMap::new();
    for (index, needle) in list.iter().enumerate() {
        let pointer = format!("/{name}/{index}");
        if needle.is_empty() {
            errors.push(config_error(pointer, "a keyword can't be empty"));
        } else if let Some(first) = seen.insert(same(needle), index) {
            let message = format!("the same keyword as number {}", first + 1);
            errors.push(config_error(pointer, message));
        }
    }
}

consign_filter::export_criteria!(Keywords);

#[cfg(test)]
mod tests;
