//! What `describe` answers, read strictly: it comes from a tenant, and names and rules of it stand in e-mails' ledgers and in file names of reports.

use std::collections::HashSet;

use consign_model::module::{ModuleKind, ModuleManifest, Need, Rule};
use serde::Deserialize;

use crate::Limits;
use crate::logs::disturbs;
use crate::needles::{self, ListSpec};
use crate::schema;

const NAME_BYTES: usize = 128;
const VERSION_BYTES: usize = 64;
const CODE_BYTES: usize = 64;
const SUMMARY_BYTES: usize = 1 << 10;

/// A verdict is a byte, and 0 is "keep".
const MOST_RULES: usize = 255;

/// A manifest that was read, and what follows from its schema.
pub struct Described {
    pub manifest: ModuleManifest,
    pub schema: jsonschema::Validator,
    /// Values of the schema, unfolded.
    pub nodes: usize,
    pub lists: Vec<ListSpec>,
}

#[derive(Deserialize)]
struct SaidKind {
    #[serde(default)]
    kind: Option<ModuleKind>,
}

/// Reads a manifest: everything that is wrong.
pub fn read(text: &str, kind: ModuleKind, limits: &Limits) -> Result<Described, Vec<String>> {
    if text.len() > limits.manifest_bytes {
        return Err(vec![format!("it has {} bytes, and {} are the most", text.len(), limits.manifest_bytes)]);
    }
    let no_json = |error: &serde_json::Error| vec![format!("it is no manifest: {error}")];
    let manifest: ModuleManifest = serde_json::from_str(text).map_err(|error| no_json(&error))?;
    let said: SaidKind = serde_json::from_str(text).map_err(|error| no_json(&error))?;
    let mut problems = Vec::new();
    if said.kind.is_some_and(|said| said != kind) {
        problems.push("kind: it says to be of the kind that it does not export".to_owned());
    }
    if !is_name(&manifest.name) {
        problems.push(format!("name: 1 to {NAME_BYTES} of a-z, 0-9, '.', '_' and '-', with '/' between parts, such as acme/desk-filter"));
    }
    if manifest.version.is_empty() || manifest.version.len() > VERSION_BYTES || !manifest.version.bytes().all(is_version_byte) {
        problems.push(format!("version: 1 to {VERSION_BYTES} letters, digits, '.', '-' and '+', such as 1.2.0"));
    }
    if !is_summary(&manifest.summary) {
        problems.push(format!("summary: one line of at most {SUMMARY_BYTES} bytes"));
    }
    if manifest.needs.iter().collect::<HashSet<_>>().len() != manifest.needs.len() {
        problems.push("needs: each can be named once".to_owned());
    }
    check_rules(&manifest.rules, &mut problems);
    let nodes = match schema::check(&manifest.config_schema) {
        Ok(nodes) => nodes,
        Err(more) => {
            // Not to be compiled or followed: it may never end.
            problems.extend(more);
            return Err(problems);
        }
    };
    let lists = needles::lists_of(&manifest.config_schema).unwrap_or_else(|problem| {
        problems.push(problem);
        Vec::new()
    });
    if !lists.is_empty() && !manifest.needs.contains(&Need::Matching) {
        problems.push(format!("needs: config-schema marks a list with {}, so 'matching' has to be among them", needles::MARK));
    }
    match crate::config::compile(&manifest.config_schema) {
        Ok(schema) if problems.is_empty() => Ok(Described { manifest, schema, nodes, lists }),
        Ok(_) => Err(problems),
        Err(problem) => {
            problems.push(problem);
            Err(problems)
        }
    }
}

fn check_rules(rules: &[Rule], problems: &mut Vec<String>) {
    if rules.len() > MOST_RULES {
        problems.push(format!("rules: {} of them, and {MOST_RULES} are the most", rules.len()));
    }
    let mut codes = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        if !is_code(&rule.code) {
            problems.push(format!("rules: the code of rule {index} has to be 1 to {CODE_BYTES} of a-z, 0-9 and '-', such as no-keyword"));
        } else if !codes.insert(rule.code.as_str()) {
            problems.push(format!("rules: the code {} is there twice", rule.code));
        }
        if !is_summary(&rule.summary) {
            problems.push(format!("rules: the summary of rule {index} has to be one line of at most {SUMMARY_BYTES} bytes"));
        }
    }
}

fn is_name(name: &str) -> bool {
    let part = |part: &str| {
        part.bytes().next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'))
    };
    name.len() <= NAME_BYTES && name.split('/').all(part)
}

fn is_version_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+')
}

fn is_code(code: &str) -> bool {
    let bytes = code.len();
    (1..=CODE_BYTES).contains(&bytes)
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && code.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
}

fn is_summary(summary: &str) -> bool {
    summary.len() <= SUMMARY_BYTES && !summary.chars().any(disturbs)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn problems(json: &serde_json::Value) -> Vec<String> {
        read(&json.to_string(), ModuleKind::Criteria, &Limits::default()).map(|_| ()).unwrap_err()
    }

    #[test]
    fn everything_wrong_is_told() {
        let rule = serde_json::json!({"code": "a-b", "summary": "s"});
        let wrong = serde_json::json!({
            "name": "../Etc", "version": "1 0", "summary": "two\nlines", "kind": "grouping", "needs": ["text", "text"],
            "rules": [rule, rule, {"code": "A", "summary": "\u{7}"}],
            "config-schema": {"type": "objekt", "properties": {"any": {"x-consign-needles": {}}}},
        });
        let problems = problems(&wrong);
        for (problem, start) in problems.iter().zip([
            "kind:",
            "name:",
            "version:",
            "summary:",
            "needs:",
            "rules: the code a-b",
            "rules: the code of rule 2",
            "rules: the summary",
        ]) {
            assert!(problem.starts_with(start), "{problem} / {start}");
        }
        assert_eq!(problems.len(), 10, "{problems:#?}");
    }

    #[test]
    fn unknown_needs_and_schemas_from_elsewhere() {
        let base = |needs: &str, schema: serde_json::Value| serde_json::json!({"name": "a/b", "version": "1", "summary": "s", "needs": [needs], "config-schema": schema});
        assert!(problems(&base("clock", serde_json::json!({})))[0].contains("clock"));
        assert!(problems(&base("text", serde_json::json!({"$ref": "https://example.org/x.json"})))[0].starts_with("config-schema"));
        assert!(problems(&base("text", serde_json::json!({"$ref": "file:///etc/passwd"})))[0].starts_with("config-schema"));
        assert!(read(&base("text", serde_json::json!(true)).to_string(), ModuleKind::Criteria, &Limits::default()).is_ok());
    }
}
