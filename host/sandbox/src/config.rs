//! A configuration against the module's JSON Schema, with a pointer for each thing that is wrong.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::ConfigError;
use crate::logs::one_line;
use crate::schema::escaped;

/// Errors that are told; a person mends the first few and tries again.
const MOST_ERRORS: usize = 50;
const MESSAGE_BYTES: usize = 1 << 10;

/// The schema's keyword that marks a time zone. Modules have no zone tables, so without it a mistyped zone would be found by the first chat, not here.
pub const ZONE_MARK: &str = "x-consign-time-zone";

/// Bytes of one pattern's program. Matching takes time by the program's size times the text's, on a thread of the host that nothing stops: at 1 MiB a
/// configuration of 69 KB held it for seconds.
const PATTERN_BYTES: usize = 64 << 10;

/// Bytes of a configuration as JSON. Keyword lists may have 1 MiB.
const MOST_BYTES: usize = 2 << 20;

/// The same where the schema has patterns.
const MOST_BYTES_FOR_PATTERNS: usize = 256 << 10;

/// Values of the schema times values of the configuration. Each may be checked against each, and a check takes up to some 100 ns.
const MOST_CHECKS: usize = 20_000_000;

/// The same up to which everything that is wrong is told. The validator makes a list of all of it first, and each entry takes some 250 bytes.
const MOST_CHECKS_TOLD: usize = 200_000;

/// Values in a value, itself among them; a long text counts like several.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(values).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 1024,
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

/// Refuses a configuration that would take too long to check, before anything looks at it. `nodes` are the schema's values.
pub fn check_size(schema: &Value, nodes: usize, config: &Value) -> Result<(), ConfigError> {
    let most = MOST_CHECKS / nodes.max(1);
    if values(config) > most {
        let message =
            format!("it has more than {most} values, the most for so large a schema ({nodes} values): give less, or make the schema simpler");
        return Err(ConfigError { pointer: String::new(), message });
    }
    // A property that is called so counts too: nobody misses the difference.
    let patterns = schema.to_string().contains("\"pattern");
    let (limit, why) = if patterns { (MOST_BYTES_FOR_PATTERNS, " where the schema has patterns") } else { (MOST_BYTES, "") };
    let bytes = config.to_string().len();
    if bytes <= limit {
        return Ok(());
    }
    Err(ConfigError { pointer: String::new(), message: format!("it has {bytes} bytes as JSON, and {limit} are the most{why}") })
}

/// Compiles a schema that [`schema::check`](crate::schema::check) has passed: 2020-12, patterns in linear time, and no reference leads out of it.
pub fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
        .build(schema)
        .map_err(|error| {
            format!("config-schema is no JSON Schema of 2020-12: at '{}': {}", error.instance_path(), one_line(&error.to_string(), MESSAGE_BYTES))
        })
}

/// What a schema has against a configuration.
#[derive(Debug, Default)]
pub struct Found {
    /// What is wrong.
    pub errors: Vec<ConfigError>,
    /// What is wrong where the schema's language has no words for a person: "is not valid under any of the schemas listed in 'anyOf'".
    pub unclear: Vec<ConfigError>,
}

/// Everything that the schema has against a configuration, and marked time zones that are none. `schema` is what `validator` was compiled from.
pub fn check(validator: &Validator, schema: &Value, nodes: usize, config: &Value) -> Found {
    let mut found = Found::default();
    check_zones(schema, config, "", &mut found.errors);
    let all = values(config).saturating_mul(nodes) <= MOST_CHECKS_TOLD;
    let errors: Box<dyn Iterator<Item = jsonschema::ValidationError<'_>>> =
        if all { Box::new(validator.iter_errors(config)) } else { Box::new(validator.validate(config).err().into_iter()) };
    for error in errors {
        let pointer = one_line(&error.instance_path().to_string(), MESSAGE_BYTES);
        match error.kind() {
            // Each unknown key at its own place.
            ValidationErrorKind::AdditionalProperties { unexpected } | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                found.errors.extend(unexpected.iter().map(|key| ConfigError {
                    pointer: format!("{pointer}/{}", one_line(&escaped(key), MESSAGE_BYTES)),
                    message: "is not known here".to_owned(),
                }));
            }
            kind => {
                let error = ConfigError { pointer, message: one_line(&error.to_string(), MESSAGE_BYTES) };
                if is_unclear(kind) { found.unclear.push(error) } else { found.errors.push(error) }
            }
        }
        if found.errors.len() + found.unclear.len() >= MOST_ERRORS {
            break;
        }
    }
    found.errors.truncate(MOST_ERRORS);
    found
}

fn is_unclear(kind: &ValidationErrorKind) -> bool {
    matches!(
        kind,
        ValidationErrorKind::AnyOf { .. }
            | ValidationErrorKind::OneOfNotValid { .. }
            | ValidationErrorKind::OneOfMultipleValid { .. }
            | ValidationErrorKind::Not { .. }
            | ValidationErrorKind::FalseSchema
    )
}

fn check_zones(schema: &Value, config: &Value, pointer: &str, errors: &mut Vec<ConfigError>) {
    let (Some(properties), Some(values)) = (schema.get("properties").and_then(Value::as_object), config.as_object()) else { return };
    for (name, property) in properties {
        let Some(value) = values.get(name) else { continue };
        let pointer = format!("{pointer}/{}", escaped(name));
        let marked = property.get(ZONE_MARK) == Some(&Value::Bool(true));
        if marked && value.as_str().is_some_and(|zone| zone.parse::<chrono_tz::Tz>().is_err()) {
            let message = "is no time zone: use a name of the IANA tables, such as Europe/Berlin".to_owned();
            errors.push(ConfigError { pointer: pointer.clone(), message });
        }
        check_zones(property, value, &pointer, errors);
    }
}
