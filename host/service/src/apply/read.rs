//! Files of targets and policies, as TOML.

use std::path::Path;

use consign_model::policy::PolicyFile;

use super::{Problem, problem};

/// Reads one text. The error has the line but not its content, which may hold a secret.
pub fn read(path: &Path, text: &str) -> Result<PolicyFile, Problem> {
    let mut file: PolicyFile = toml::from_str(text).map_err(|error| Problem {
        file: path.to_owned(),
        line: error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1),
        at: String::new(),
        text: error.message().to_owned(),
    })?;
    for policy in &mut file.policy {
        for criterion in &mut policy.criteria {
            dates_as_text(&mut criterion.config);
            criterion.shadow.iter_mut().filter_map(|shadow| shadow.config.as_mut()).for_each(dates_as_text);
        }
        if let Some(grouping) = &mut policy.grouping {
            dates_as_text(&mut grouping.config);
            grouping.shadow.iter_mut().filter_map(|shadow| shadow.config.as_mut()).for_each(dates_as_text);
        }
    }
    if file.target.is_empty() && file.policy.is_empty() {
        return Err(problem(path, "", "it has neither a [[target]] nor a [[policy]]"));
    }
    Ok(file)
}

/// A bare date of TOML (`from = 2026-01-31`) as the text that JSON has for it.
fn dates_as_text(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            if let (1, Some(serde_json::Value::String(date))) = (object.len(), object.get("$__toml_private_datetime")) {
                *value = serde_json::Value::String(date.clone());
            } else {
                object.values_mut().for_each(dates_as_text);
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(dates_as_text),
        _ => {}
    }
}
