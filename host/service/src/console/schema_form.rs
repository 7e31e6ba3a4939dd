//! A form for what a JSON Schema describes: fields by its properties, and a value from what was filled in.
//!
//! A field is called by the JSON Pointer of its place, so what the check says of a place is shown at its field. What has no field of its own (a list of lists, say) is written as JSON. Nothing is checked
//! here: what was filled in goes on as it is, and the one check that policies have says what is wrong.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::form::Fields;

/// How many objects lie in one another at most: what is below is written as JSON.
const DEPTH: u8 = 4;

/// What a field is for.
enum Field<'a> {
    /// Yes or no.
    Boolean,
    /// One of some texts.
    Choice(Vec<&'a str>),
    /// Some of some texts.
    Choices(Vec<&'a str>),
    /// Texts, a line each.
    Lines,
    /// A text.
    Text,
    /// A number.
    Number,
    /// Fields of its own.
    Object(&'a Map<String, Value>),
    /// Anything else, as JSON.
    Json,
}

/// A schema, and the whole of which it is a part.
#[derive(Clone, Copy)]
pub struct Schema<'a> {
    part: &'a Value,
    root: &'a Value,
    depth: u8,
}

impl<'a> Schema<'a> {
    /// The whole.
    pub fn new(root: &'a Value) -> Self {
        Self { part: root, root, depth: 0 }
    }

    fn at(self, part: &'a Value) -> Self {
        let pointer = part["$ref"].as_str().and_then(|way| way.strip_prefix('#'));
        Self { part: pointer.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(part), root: self.root, depth: self.depth + 1 }
    }

    fn texts(part: &'a Value) -> Option<Vec<&'a str>> {
        part["enum"].as_array()?.iter().map(Value::as_str).collect()
    }

    fn field(self) -> Field<'a> {
        if let Some(choices) = Self::texts(self.part) {
            return Field::Choice(choices);
        }
        let items = self.at(&self.part["items"]).part;
        match (self.part["type"].as_str(), self.part["properties"].as_object()) {
            (Some("boolean"), _) => Field::Boolean,
            (Some("string"), _) => Field::Text,
            (Some("integer" | "number"), _) => Field::Number,
            (Some("array"), _) => match (Self::texts(items), items["type"].as_str()) {
                (Some(choices), _) => Field::Choices(choices),
                (None, Some("string")) => Field::Lines,
                (None, _) => Field::Json,
            },
            (Some("object"), Some(properties)) if self.depth < DEPTH => Field::Object(properties),
            _ => Field::Json,
        }
    }

    /// What was filled in below `pointer`; unset where nothing was.
    pub fn read(self, form: &Fields, pointer: &str) -> Option<Value> {
        let text = || form.get(pointer).map(str::to_owned);
        match self.field() {
            Field::Boolean => text().map(|text| if text == "yes" { true.into() } else { false.into() }),
            Field::Choice(_) | Field::Text => text().map(Value::from),
            Field::Number => text().map(|text| serde_json::from_str::<serde_json::Number>(&text).map_or(Value::String(text), Value::Number)),
            Field::Choices(_) => Some(form.all(pointer)).filter(|all| !all.is_empty()).map(Value::from),
            Field::Lines => {
                let lines: Vec<&str> = form.whole(pointer).lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                Some(lines).filter(|lines| !lines.is_empty()).map(Value::from)
            }
            Field::Json => text().map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
            Field::Object(properties) => {
                let set = properties.iter().filter_map(|(name, part)| Some((name.clone(), self.at(part).read(form, &format!("{pointer}/{name}"))?)));
                let object: Map<String, Value> = set.collect();
                (!object.is_empty()).then(|| object.into())
            }
        }
    }

    /// The fields, filled in with this value. `wrong`: what the check says, by place.
    pub fn show(self, pointer: &str, name: &str, value: &Value, wrong: &[(String, String)]) -> Markup {
        let title = self.part["title"].as_str().unwrap_or(name);
        let about = self.part["description"].as_str();
        if let Field::Object(properties) = self.field() {
            let parts = html! { @for (name, part) in properties { (self.at(part).show(&format!("{pointer}/{name}"), name, &value[name], wrong)) } };
            let here = said(wrong, pointer, false);
            if self.depth == 0 {
                return html! { @if let Some(about) = about { p.hint { (about) } } (here.0) (parts) };
            }
            return html! { fieldset { legend { (title) } @if let Some(about) = about { p.hint { (about) } } (here.0) (parts) } };
        }
        let (said, is_wrong) = said(wrong, pointer, true);
        let hint = format!("about-{pointer}");
        let default = self.part.get("default").map(|default| default.as_str().map_or_else(|| default.to_string(), str::to_owned));
        let invalid = is_wrong.then_some("true");
        let explained = html! { p.hint id=(hint) { @if let Some(about) = about { (about) } @if let Some(default) = &default { " If nothing is chosen: " (words(default)) "." } } (said) };
        let label = html! { label for=(pointer) { (title) } };
        let field = match self.field() {
            Field::Boolean => html! {
                (label)
                select id=(pointer) name=(pointer) aria-describedby=(hint) aria-invalid=[invalid] {
                    option value="" { "—" }
                    option value="yes" selected[value == &Value::Bool(true)] { "yes" }
                    option value="no" selected[value == &Value::Bool(false)] { "no" }
                }
            },
            Field::Choice(choices) => html! {
                (label)
                select id=(pointer) name=(pointer) aria-describedby=(hint) aria-invalid=[invalid] {
                    option value="" { "—" }
                    @for choice in choices { option value=(choice) selected[value.as_str() == Some(choice)] { (choice) } }
                }
            },
            Field::Choices(choices) => {
                let chosen = |choice: &str| value.as_array().is_some_and(|all| all.iter().any(|one| one.as_str() == Some(choice)));
                return html! {
                    fieldset aria-describedby=(hint) {
                        legend { (title) }
                        @for choice in choices { label.line { input type="checkbox" name=(pointer) value=(choice) checked[chosen(choice)]; " " (choice) } }
                        (explained)
                    }
                };
            }
            Field::Lines => {
                let lines: Vec<&str> = value.as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
                html! { (label) textarea id=(pointer) name=(pointer) rows="3" aria-describedby=(hint) aria-invalid=[invalid] spellcheck="false" { "\n" (lines.join("\n")) } }
            }
            Field::Text | Field::Number => {
                let text = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                html! { (label) input id=(pointer) name=(pointer) value=(text) autocomplete="off" aria-describedby=(hint) aria-invalid=[invalid]; }
            }
            Field::Json | Field::Object(_) => {
                let text = if value.is_null() { String::new() } else { serde_json::to_string_pretty(value).unwrap_or_default() };
                html! { (label) textarea id=(pointer) name=(pointer) rows="4" aria-describedby=(hint) aria-invalid=[invalid] spellcheck="false" { "\n" (text) } p.hint { "As JSON." } }
            }
        };
        html! { (field) (explained) }
    }
}

fn words(default: &str) -> &str {
    match default {
        "true" => "yes",
        "false" => "no",
        other => other,
    }
}

/// What is wrong at a place, and below it where that has no fields of its own.
fn said(wrong: &[(String, String)], pointer: &str, and_below: bool) -> (Markup, bool) {
    let is_here = |place: &str| place == pointer || (and_below && place.strip_prefix(pointer).is_some_and(|rest| rest.starts_with('/')));
    let here: Vec<&String> = wrong.iter().filter(|(place, _)| is_here(place)).map(|(_, text)| text).collect();
    let is_wrong = !here.is_empty();
    (html! { @for text in here { p.wrong { (text) } } }, is_wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "any": { "title": "Any of", "type": "array", "items": { "type": "string" } },
                "case": { "type": "boolean", "default": false },
                "by": { "enum": ["chat", "sender"] },
                "days": { "type": "array", "items": { "enum": ["Mon", "Tue"] } },
                "who": { "$ref": "#/$defs/people" },
                "sides": { "type": "array", "items": { "$ref": "#/$defs/people" } },
                "minutes": { "type": "integer" },
            },
            "$defs": { "people": { "type": "object", "properties": { "ids": { "type": "array", "items": { "type": "string" } } } } },
        })
    }

    fn read(text: &str) -> Option<Value> {
        Schema::new(&schema()).read(&Fields::read(text.as_bytes()), "c1")
    }

    #[test]
    fn a_value_from_what_was_filled_in() {
        assert_eq!(read(""), None);
        assert_eq!(read("c1/any=+a%0D%0A%0D%0Ab+c"), Some(json!({ "any": ["a", "b c"] })));
        assert_eq!(read("c1/case=no&c1/by=chat&c1/minutes=5"), Some(json!({ "case": false, "by": "chat", "minutes": 5 })));
        assert_eq!(read("c1/days=Mon&c1/days=Tue&c1/who/ids=U1"), Some(json!({ "days": ["Mon", "Tue"], "who": { "ids": ["U1"] } })));
        assert_eq!(read("c1/sides=%5B%7B%22ids%22%3A%5B%22U1%22%5D%7D%5D"), Some(json!({ "sides": [{ "ids": ["U1"] }] })));
        // What does not fit goes on as it is: the check says so.
        assert_eq!(read("c1/minutes=many&c1/sides=%5B"), Some(json!({ "minutes": "many", "sides": "[" })));
        assert_eq!(read("c2/any=a"), None, "another's");
    }

    #[test]
    fn what_is_wrong_stands_at_its_field() {
        let wrong = [("c1/any/0".to_owned(), "too short".to_owned()), ("c1/who".to_owned(), "nobody".to_owned())];
        let shown = Schema::new(&schema()).show("c1", "", &json!({ "any": [""], "case": true }), &wrong).into_string();
        let fields: Vec<&str> = shown.split("<label").collect();
        assert!(
            fields.iter().any(|field| field.contains("Any of") && field.contains("too short") && field.contains("aria-invalid=\"true\"")),
            "{shown}"
        );
        assert_eq!(shown.matches("nobody").count(), 1);
        assert!(shown.contains("<option value=\"yes\" selected>"), "{shown}");
    }
}
