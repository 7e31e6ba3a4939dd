//! The API's document as a page to read: made once, from the document itself, without a script.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::guard::SCHEME;

/// What the page may load: its own style, and nothing else.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// How it looks, by day and by night, on a screen of any width.
pub const STYLE: &str = include_str!("reader.css");

/// The page.
pub fn page(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let info = &document["info"];
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Consign API" }
                link rel="stylesheet" href="/docs.css";
            }
            body {
                header {
                    h1 { "Consign API " small { (text(&info["version"])) } }
                    p { (text(&info["description"])) }
                    p { a href="/openapi.json" { "openapi.json" } " is the same for programs." }
                }
                nav aria-label="Operations" {
                    @for (tag, operations) in &by_tag(&document) {
                        h2 { (tag) }
                        ul { @for one in operations { li { a href={ "#" (one.id) } { (one.summary) } } } }
                    }
                }
                main {
                    @for operations in by_tag(&document).values() { @for one in operations { (section(one)) } }
                    h2 id="types" { "Types" }
                    @for (name, schema) in object(&document["components"]["schemas"]) { (named_type(&name, &schema)) }
                }
            }
        }
    }
    .into_string()
}

/// An operation, as far as it is shown.
struct Operation {
    id: String,
    summary: String,
    method: String,
    path: String,
    described: Value,
}

fn by_tag(document: &Value) -> BTreeMap<String, Vec<Operation>> {
    let mut found: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in object(&item) {
            let (id, summary) = (text(&operation["operationId"]), text(&operation["summary"]));
            let one = Operation { id, summary, method: method.to_uppercase(), path: path.clone(), described: operation.clone() };
            found.entry(text(&operation["tags"][0])).or_default().push(one);
        }
    }
    found
}

fn section(one: &Operation) -> Markup {
    let operation = &one.described;
    let takes = &operation["security"][0][SCHEME];
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        section id=(one.id) aria-labelledby={ (one.id) "-title" } {
            h3 id={ (one.id) "-title" } { (one.summary) }
            p.call { code { (one.method) " " (one.path) } }
            @if let Some(said) = operation["description"].as_str() { p { (said) } }
            p { @match takes[0].as_str() { Some(permission) => { "Takes the permission " code { (permission) } "." } None => { "Takes any token." } } }
            @if !parameters.is_empty() {
                table {
                    caption { "Parameters" }
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Where" } th scope="col" { "What" } } }
                    tbody {
                        @for parameter in parameters {
                            tr {
                                th scope="row" { code { (text(&parameter["name"])) } }
                                td { (text(&parameter["in"])) }
                                td { (text(&parameter["description"])) " " (type_of(&parameter["schema"])) }
                            }
                        }
                    }
                }
            }
            @for (kind, content) in object(&operation["requestBody"]["content"]) {
                p { "Body: " code { (kind) } " " (text(&operation["requestBody"]["description"])) " " (type_of(&content["schema"])) }
            }
            table {
                caption { "Answers" }
                thead { tr { th scope="col" { "Status" } th scope="col" { "What" } } }
                tbody {
                    @for (status, response) in object(&operation["responses"]) {
                        tr {
                            th scope="row" { (status) }
                            td { (text(&response["description"])) @for (_, content) in object(&response["content"]) { " " (type_of(&content["schema"])) } }
                        }
                    }
                }
            }
        }
    }
}

fn named_type(name: &str, schema: &Value) -> Markup {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        section id={ "type-" (name) } aria-labelledby={ "type-" (name) "-title" } {
            h3 id={ "type-" (name) "-title" } { (name) }
            p { (text(&schema["description"])) }
            @if !object(&schema["properties"]).is_empty() {
                table {
                    caption { "Fields" }
                    thead { tr { th scope="col" { "Name" } th scope="col" { "What" } } }
                    tbody {
                        @for (field, schema) in object(&schema["properties"]) {
                            tr {
                                th scope="row" { code { (field) } }
                                td {
                                    (text(&schema["description"])) " " (type_of(&schema))
                                    @if !required.iter().any(|one| one.as_str() == Some(&field)) { " May be missing." }
                                }
                            }
                        }
                    }
                }
            }
            @for part in schema["allOf"].as_array().map(Vec::as_slice).unwrap_or_default() { p { (type_of(part)) } }
            @if !values(schema).is_empty() { ul { @for value in values(schema) { li { code { (value) } } } } }
        }
    }
}

/// What a text may be, where it is one of some: each as it is, or in a schema of its own with what it means.
fn values(schema: &Value) -> Vec<String> {
    let each = |name: &str| schema[name].as_array().cloned().unwrap_or_default();
    let in_schemas = each("oneOf").iter().flat_map(|one| one["enum"].as_array().cloned().unwrap_or_default()).collect::<Vec<_>>();
    each("enum").iter().chain(&in_schemas).map(text).collect()
}

/// A type in a word, with the way to it where it has a name.
fn type_of(schema: &Value) -> Markup {
    let reference = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let items = &schema["items"];
    // One that may be missing is one of nothing and itself.
    let there = schema["oneOf"].as_array().and_then(|ways| ways.iter().find(|one| one["type"] != "null"));
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or "),
        kind => text(kind),
    };
    html! {
        @if let Some(name) = reference { a href={ "#type-" (name) } { (name) } }
        @else if let Some(one) = there { (type_of(one)) }
        @else if items.is_object() { "List of " (type_of(items)) }
        @else if !kinds.is_empty() { em { (kinds) } }
        @for bound in ["minimum", "maximum", "default", "pattern"] { @if let Some(value) = schema.get(bound) { ", " (bound) " " code { (text(value)) } } }
    }
}

fn object(value: &Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_type_is_on_the_page() {
        let document = super::super::document();
        let page = page(&document);
        let document = serde_json::to_value(document).unwrap_or_default();
        let operations: Vec<Operation> = by_tag(&document).into_values().flatten().collect();
        assert!(operations.len() > 20);
        for one in operations {
            assert!(page.contains(&format!("id=\"{}\"", one.id)) && page.contains(&format!("{} {}", one.method, one.path)), "{}", one.id);
        }
        for (name, _) in object(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("id=\"type-{name}\"")), "{name}");
        }
        // Each way leads somewhere, and nothing runs in it.
        for way in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{way}\"")), "#{way} leads nowhere");
        }
        assert!(!page.contains("<ul></ul>") && !page.contains("<td> </td>"), "something is empty");
        assert!(!page.contains("<script") && !page.contains(" style="), "the page's own policy forbids it");
    }
}
