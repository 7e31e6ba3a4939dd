//! What a module's schema may be, looked at before it is compiled.
//!
//! Schemas come from tenants and are followed without a clock, by the host itself. A few hundred bytes can ask for more than a lifetime: a definition
//! that refers twice to the next one, thirty times over. So a schema is unfolded here, each reference replaced by what it names, and refused where that
//! is large or deep. Only references within the schema, by a JSON Pointer, are taken, so that what is followed here is what the validator follows.
//!
//! The same walk finds our own keywords where nobody would read them. The host follows them through `properties` alone: a mark elsewhere would be
//! passed over, and its author would take the absence of an answer for one.

use serde_json::Value;

use crate::logs::one_line;
use crate::{config, needles};

/// Values of a schema after unfolding. The standard modules have some 60; checking a configuration takes at most some microseconds for each and for
/// each value of the configuration.
const MOST_NODES: usize = 10_000;

/// Schemas within schemas. The validator calls itself for each, on the stack of the thread that it finds.
const DEEPEST: usize = 64;

/// A regular expression is a program of its own: it counts like so many values. So a schema has nine of them at most, and what they cost together on a
/// large configuration stays some seconds (see `config::PATTERN_BYTES`).
const NODES_OF_PATTERN: usize = 1_000;

/// Keywords that hold one schema.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords that hold a list of schemas.
const LIST: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];

/// Keywords that hold schemas by name.
const MAP: [&str; 6] = ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];

/// Keywords that hold plain data, in which nothing means anything to us.
const DATA: [&str; 5] = ["const", "default", "enum", "examples", "required"];

/// Keywords that give a place in the schema another name, or lead to one: what they mean is not followed here.
const NAMES: [&str; 5] = ["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "id"];

/// Bytes after which a place is cut: keys can be as long as the schema.
const PLACE_BYTES: usize = 200;

/// How the walk came to a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Via {
    /// It is the whole.
    Root,
    /// Through `properties` alone.
    Properties,
    /// In some other way.
    Other,
}

/// Bytes of the names on the way to a schema: whoever follows it keeps the way to each value.
const WAY_BYTES: usize = 2 << 10;

struct Walk<'a> {
    root: &'a Value,
    left: usize,
    /// Bytes of the names on the way to where it is.
    way: usize,
    misplaced: Vec<String>,
}

/// Everything for which a schema is refused before it is compiled; else its values, unfolded.
pub fn check(schema: &Value) -> Result<usize, Vec<String>> {
    let mut walk = Walk { root: schema, left: MOST_NODES, way: 0, misplaced: Vec::new() };
    match walk.schema(schema, Via::Root, 0, "") {
        Err(problem) => Err(vec![problem]),
        Ok(()) if walk.misplaced.is_empty() => Ok(MOST_NODES - walk.left),
        Ok(()) => {
            walk.misplaced.sort();
            walk.misplaced.dedup();
            Err(walk.misplaced)
        }
    }
}

impl Walk<'_> {
    fn spend(&mut self, nodes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(nodes).ok_or_else(|| {
            format!("config-schema has more than {MOST_NODES} values when each $ref is replaced by what it names: make it smaller, or refer to less")
        })?;
        Ok(())
    }

    fn schema(&mut self, schema: &Value, via: Via, depth: usize, at: &str) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!(
                "config-schema is more than {DEEPEST} schemas deep, or a $ref leads back to where it stands (at {at}): make it flatter"
            ));
        }
        self.spend(1)?;
        let Some(keywords) = schema.as_object() else { return Ok(()) };
        for (keyword, value) in keywords {
            self.spend(1)?;
            let place = || within(at, keyword);
            match keyword.as_str() {
                "$ref" => {
                    let target = value.as_str().and_then(|target| target.strip_prefix('#')).filter(|pointer| !pointer.contains('%'));
                    let target = target.and_then(|pointer| self.root.pointer(pointer));
                    let target = target
                        .ok_or_else(|| format!("config-schema: $ref at {}: it has to name a place in the schema, as \"#/$defs/name\"", place()))?;
                    self.schema(target, Via::Other, depth + 1, &place())?;
                }
                name if NAMES.contains(&name) && value.is_string() => {
                    return Err(format!("config-schema: {} is not taken: refer to places by $ref, as \"#/$defs/name\"", place()));
                }
                "$id" if via != Via::Root => {
                    return Err(format!("config-schema: {} is not taken: only the whole schema can have an $id", place()));
                }
                needles::MARK | config::ZONE_MARK => {
                    if via != Via::Properties {
                        self.misplaced.push(format!(
                            "config-schema: {keyword} at {} would not be found: mark a property that is reached through 'properties' alone, not by \
                             way of $ref, items, allOf and the like",
                            place()
                        ));
                    }
                }
                "pattern" => self.spend(NODES_OF_PATTERN)?,
                name if ONE.contains(&name) && !value.is_array() => self.schema(value, Via::Other, depth + 1, &place())?,
                name if LIST.contains(&name) => {
                    for (index, one) in value.as_array().into_iter().flatten().enumerate() {
                        self.schema(one, Via::Other, depth + 1, &within(&place(), &index.to_string()))?;
                    }
                }
                name if MAP.contains(&name) => {
                    let via = if name == "properties" && via != Via::Other { Via::Properties } else { Via::Other };
                    for (key, one) in value.as_object().into_iter().flatten() {
                        if name == "patternProperties" {
                            self.spend(NODES_OF_PATTERN)?;
                        }
                        self.way += key.len();
                        if self.way > WAY_BYTES {
                            return Err(format!(
                                "config-schema: the names that lead to a schema have more than {WAY_BYTES} bytes together (at {})",
                                place()
                            ));
                        }
                        self.schema(one, via, depth + 1, &within(&place(), key))?;
                        self.way -= key.len();
                    }
                }
                name => self.data(value, DATA.contains(&name), &place())?,
            }
        }
        Ok(())
    }

    /// What is no schema: counted, and if the keyword is one that nobody knows (`propertys`), searched for marks.
    fn data(&mut self, value: &Value, known: bool, at: &str) -> Result<(), String> {
        self.spend(1)?;
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if !known && matches!(name.as_str(), needles::MARK | config::ZONE_MARK) {
                        self.misplaced.push(format!("config-schema: {name} at {at} would not be found: no keyword of that name leads to schemas"));
                    }
                    self.data(field, known, at)?;
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.data(item, known, at)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(())
    }
}

/// A place within a place, for a person: where that would be long, its beginning.
fn within(at: &str, key: &str) -> String {
    if at.len() > PLACE_BYTES {
        return at.to_owned();
    }
    format!("{at}/{}", escaped(&one_line(key, PLACE_BYTES)))
}

/// A key as a part of a JSON Pointer.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use serde_json::json;

    fn problem(schema: &Value) -> String {
        check(schema).unwrap_err().join("\n")
    }

    #[test]
    fn references_that_double_at_each_level() {
        let mut defs = serde_json::Map::new();
        for level in 0..30 {
            let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
            defs.insert(format!("l{level}"), json!({"allOf": [next, next]}));
        }
        defs.insert("l30".into(), json!({"type": "object"}));
        let bomb = json!({"$defs": defs, "$ref": "#/$defs/l0"});
        assert!(bomb.to_string().len() < 2_500);
        assert!(problem(&bomb).contains("10000 values"), "{}", problem(&bomb));
    }

    #[test]
    fn references_without_end() {
        for endless in [
            json!({"$ref": "#"}),
            json!({"properties": {"next": {"$ref": "#"}}}),
            json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}),
        ] {
            assert!(problem(&endless).contains("leads back"), "{endless}");
        }
        let mut defs = serde_json::Map::new();
        for level in 0..8_000 {
            defs.insert(format!("l{level}"), json!({"$ref": format!("#/$defs/l{}", level + 1)}));
        }
        defs.insert("l8000".into(), json!(true));
        assert!(problem(&json!({"$ref": "#/$defs/l0", "$defs": defs})).contains("deep"));
    }

    #[test]
    fn names_that_are_long_together() {
        let nested = |depth: usize| (0..depth).fold(json!({"type": "string"}), |inner, _| json!({"properties": {"n".repeat(100): inner}}));
        assert!(check(&nested(20)).is_ok(), "{:?}", check(&nested(20)));
        let problem = problem(&nested(21));
        assert!(problem.contains("2048 bytes together") && problem.len() < 1_000, "{problem}");
    }

    #[test]
    fn references_that_are_not_followed_here() {
        for other in ["other.json", "https://example.org/x.json", "#anchor", "#/$defs/none", "#/%24defs/a", ""] {
            assert!(problem(&json!({"$ref": other, "$defs": {"a": true}})).contains("$ref at /$ref"), "{other}");
        }
        assert!(problem(&json!({"properties": {"a": {"$dynamicRef": "#x"}}})).contains("$dynamicRef is not taken"));
        assert!(problem(&json!({"properties": {"a": {"$id": "https://example.org/a"}}})).contains("only the whole"));
    }

    #[test]
    fn what_is_usual() {
        let usual = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "https://example.org/a", "type": "object",
            "properties": {
                "$ref": {"type": "string", "default": {"$ref": "x", "x-consign-needles": {}}}, "id": {"$ref": "#/$defs/id"},
                "nested": {"properties": {"zone": {"x-consign-time-zone": true}, "words": {"x-consign-needles": {}, "items": {"type": "string"}}}},
            },
            "$defs": {"id": {"type": "string", "pattern": "^[a-z]+$"}}, "additionalProperties": false,
        });
        assert!(check(&usual).is_ok_and(|nodes| nodes > 20), "{:?}", check(&usual));
    }

    #[test]
    fn marks_that_nobody_would_find() {
        for (schema, at) in [
            (json!({"x-consign-needles": {}}), "/x-consign-needles"),
            (json!({"$defs": {"words": {"x-consign-needles": {}}}}), "/$defs/words/"),
            (json!({"properties": {"a": {"$ref": "#/$defs/words"}}, "$defs": {"words": {"x-consign-needles": {}}}}), "/properties/a/$ref/"),
            (json!({"properties": {"a": {"items": {"x-consign-time-zone": true}}}}), "/properties/a/items/"),
            (json!({"allOf": [{"properties": {"a": {"x-consign-needles": {}}}}]}), "/allOf/0/properties/a/"),
            (json!({"propertys": {"a": {"x-consign-needles": {}}}}), "/propertys"),
        ] {
            let problem = problem(&schema);
            assert!(problem.contains(at) && problem.contains("would not be found"), "{schema}: {problem}");
        }
    }
}
