//! Reading a configuration. The host has checked it against the schema already; it is read strictly here all the same, because a module can be
//! used without that host, and because a silently ignored key would export other events than its author meant.

use crate::{ConfigError, Schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

/// For modules that have nothing to configure: an empty object.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "attributes", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

impl NoConfig {
    /// Its schema.
    pub const SCHEMA: Schema = Schema::Written(r#"{"type":"object","additionalProperties":false}"#);
}

/// An error at a place of the configuration; `pointer` is an RFC 6901 JSON Pointer, `""` for the whole.
pub fn config_error(pointer: impl Into<String>, message: impl Into<String>) -> ConfigError {
    ConfigError { pointer: pointer.into(), message: message.into() }
}

/// Reads a configuration.
///
/// # Errors
/// The first thing that is not as `T` wants it, with its place.
pub fn parse_config<T: DeserializeOwned>(text: &str) -> Result<T, Vec<ConfigError>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| vec![config_error(pointer(error.path()), plain(error.inner()))])?;
    json.end().map_err(|error| vec![config_error("", plain(&error))])?;
    Ok(value)
}

/// `serde_json` adds a line and a column, which mean little for a configuration that was TOML or a form.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&["/", &index.to_string()].concat()),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&escape(key));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

/// RFC 6901, section 3.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[expect(dead_code, reason = "read by nobody: the test is about errors")]
        lists: BTreeMap<String, Vec<u8>>,
    }

    fn error(text: &str) -> (String, String) {
        let errors = parse_config::<Config>(text).unwrap_err();
        (errors[0].pointer.clone(), errors[0].message.clone())
    }

    #[test]
    fn an_error_says_where() {
        assert_eq!(error(r#"{"lists":{"a/b~":[1,"x"]}}"#).0, "/lists/a~1b~0/1");
        let (pointer, message) = error(r#"{"lists":{},"unknown":1}"#);
        assert_eq!(pointer, "/unknown");
        assert!(message.contains("unknown field `unknown`"), "{message}");
        assert!(!message.contains("line"), "{message}");
    }

    #[test]
    fn what_follows_the_object_is_refused() {
        assert_eq!(error(r#"{"lists":{}} {}"#).0, "");
        assert_eq!(error("").0, "");
    }
}
