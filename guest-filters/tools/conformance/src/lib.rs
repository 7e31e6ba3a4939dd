//! Checks of a module's manifest and configuration, for its tests.
//!
//! A module says twice what a configuration may be: in its JSON Schema, by which the host refuses a policy and makes forms, and in its own reading. Where
//! the two differ a policy is accepted and then fails at night. So each example goes through both, the schema by a validator that is not ours.

#![expect(clippy::panic, reason = "a check fails by panicking: it is called from tests")]

use consign_filter::ConfigError;
use serde_json::Value;

/// A configuration that must be refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The configuration.
    pub config: &'static str,
    /// Where the module must say that the fault is.
    pub pointer: &'static str,
    /// Who refuses it.
    pub by: RefusedBy,
}

/// Who refuses a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// The schema, and the module too.
    Both,
    /// The module alone: the schema's language can't say it.
    Module,
}

/// By both.
pub const fn refused(config: &'static str, pointer: &'static str) -> Refused {
    Refused { config, pointer, by: RefusedBy::Both }
}

/// By the module alone.
pub const fn refused_by_module(config: &'static str, pointer: &'static str) -> Refused {
    Refused { config, pointer, by: RefusedBy::Module }
}

/// Checks what `describe` returned, and both readings of some configurations.
///
/// # Panics
/// Something is not as it should be; the text says what.
pub fn check(describe: &str, configure: impl Fn(&str) -> Result<(), Vec<ConfigError>>, accepted: &[&str], refused: &[Refused]) {
    let manifest = parse(describe);
    check_manifest(&manifest);
    let schema = &manifest["config-schema"];
    check_closed(schema, "");
    let validator = jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        // As the host has it: patterns in linear time, so without looking around.
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .build(schema)
        .unwrap_or_else(|error| panic!("the schema is not valid: {error}"));
    for config in accepted {
        if let Err(error) = validator.validate(&parse(config)) {
            panic!("the schema refuses {config}: {error}");
        }
        if let Err(errors) = configure(config) {
            panic!("the module refuses {config}: {errors:?}");
        }
    }
    for Refused { config, pointer, by } in refused {
        let by_schema = !validator.is_valid(&parse(config));
        assert_eq!(by_schema, *by == RefusedBy::Both, "whether the schema refuses {config}");
        let Err(errors) = configure(config) else {
            panic!("the module accepts {config}");
        };
        assert!(
            errors.iter().any(|error| error.pointer == *pointer),
            "the module places the fault of {config} elsewhere than at {pointer:?}: {errors:?}"
        );
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}"))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let text = value[key].as_str().unwrap_or_default();
    assert!(!text.is_empty(), "the manifest has no {key:?}");
    text
}

fn check_manifest(manifest: &Value) {
    let (_, name) = text(manifest, "name").split_once('/').unwrap_or_else(|| panic!("a name is owner/name"));
    assert!(is_kebab_case(name), "{name:?}");
    text(manifest, "version");
    text(manifest, "summary");
    assert!(matches!(text(manifest, "kind"), "criteria" | "grouping"));
    assert!(manifest["needs"].is_array(), "needs");
    let no_rules = || panic!("the manifest has no rules");
    let rules = manifest["rules"].as_array().unwrap_or_else(no_rules);
    assert!(rules.len() <= 255, "a verdict is one byte");
    let mut codes: Vec<&str> = rules.iter().map(|rule| text(rule, "code")).collect();
    for (code, rule) in codes.iter().zip(rules) {
        assert!(is_kebab_case(code), "{code:?}");
        text(rule, "summary");
    }
    codes.sort_unstable();
    assert!(codes.windows(2).all(|pair| pair[0] != pair[1]), "two rules of one code");
}

fn is_kebab_case(text: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.split('-').all(word)
}

/// Every object whose fields the schema names must say what else it takes: a mistyped key is an error.
fn check_closed(schema: &Value, pointer: &str) {
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("type").is_some_and(|kind| kind == "object");
            assert!(!is_object || fields.contains_key("additionalProperties"), "the schema at {pointer:?} takes any key");
            for (key, value) in fields {
                check_closed(value, &format!("{pointer}/{key}"));
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                check_closed(value, &format!("{pointer}/{index}"));
            }
        }
        _ => {}
    }
}
