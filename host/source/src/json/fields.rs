//! JSON objects whose shape nobody promised.
//!
//! serde's derived readers would be shorter, but their errors quote the value they stumble over, and that is message text. Here a wrong shape is told by
//! the field's name and the kinds of JSON value alone. `null` counts as absent everywhere: platforms write both.
//!
//! Fields stand in a list and are looked for one by one: an object of an event has a dozen, and for so few a map that hashes their names took a fifth
//! of the instructions of reading. Of two fields with one name the last holds, as in JavaScript.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Values in one JSON text. Each costs some hundred bytes, so a list of millions of them would become gigabytes; a real event has some hundred values.
const MOST_VALUES: usize = 2_000_000;

/// A value of the wrong kind, by the field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Shape(pub String);

impl Shape {
    pub(crate) fn wrong(field: &str, value: &Value, wanted: &str) -> Self {
        Self(format!("`{field}` is {}, not {wanted}", kind(value)))
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// An object, field by field.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, Value)>);

/// Fields that a small object has room for at once.
const FEW: usize = 8;

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap;
        impl<'de> Visitor<'de> for OfMap {
            type Value = Fields;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::with_capacity(FEW);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(OfMap)
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(map: Map<String, Value>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl Fields {
    /// The fields of a value that should be an object.
    pub fn of(value: Value) -> Result<Self, Shape> {
        match value {
            Value::Object(map) => Ok(map.into()),
            other => Err(Shape(format!("it is {}, not an object", kind(&other)))),
        }
    }

    /// Reads one JSON text.
    pub fn parse(text: &str) -> Result<Self, Shape> {
        // What begins otherwise is read to its end for what is wrong with it.
        if text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') { read(text) } else { Self::of(value(text)?) }
    }

    /// All that nobody took.
    pub fn into_inner(self) -> Map<String, Value> {
        self.0.into_iter().collect()
    }

    /// Of texts by name.
    pub fn of_texts(texts: impl Iterator<Item = (String, String)>) -> Self {
        Self(texts.map(|(name, text)| (name, Value::String(text))).collect())
    }

    /// Adds a field that was read apart.
    pub fn add(&mut self, name: String, json: &RawValue) -> Result<(), Shape> {
        let json = json.get();
        if json.len() > MOST_VALUES / 4 && values(json) > MOST_VALUES {
            return Err(Shape(format!("`{}` has more than {MOST_VALUES} values, and no real one has", crate::report::shown(&name))));
        }
        let value = serde_json::from_str(json).map_err(|error| Shape(syntax(&error)))?;
        self.0.push((name, value));
        Ok(())
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let (_, value) = self.0.remove(self.place(name)?);
        // Those before it do not count. All at once, for there may be very many.
        if self.place(name).is_some() {
            self.0.retain(|(other, _)| other != name);
        }
        Some(value).filter(|value| !value.is_null())
    }

    /// Where the last field of this name stands.
    fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().rposition(|(other, _)| other == name)
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.place(name).and_then(|place| self.0.get(place)).is_some_and(|(_, value)| !value.is_null())
    }

    /// A text, as it is; also an empty one.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Shape> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Shape::wrong(name, &other, "a text")),
        }
    }

    /// Puts a text there, for whoever reads on.
    pub fn put(&mut self, name: &str, text: String) {
        self.0.push((name.to_owned(), Value::String(text)));
    }

    /// A text; an empty one counts as absent.
    pub fn filled(&mut self, name: &str) -> Result<Option<String>, Shape> {
        Ok(self.text(name)?.filter(|text| !text.is_empty()))
    }

    /// An id; an empty one counts as absent.
    pub fn id(&mut self, name: &str) -> Result<Option<String>, Shape> {
        match self.filled(name)? {
            Some(id) if !crate::text::is_id(&id) => Err(Shape(format!("`{name}` is no id: it has control characters or more than 1,024 bytes"))),
            id => Ok(id),
        }
    }

    /// An id that must be there.
    pub fn needed_id(&mut self, name: &str) -> Result<String, Shape> {
        self.id(name)?.ok_or_else(|| Shape(format!("`{name}` is missing")))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Shape> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(Shape::wrong(name, &other, "true or false")),
        }
    }

    /// Whether it is `true`, or the text of it, as flags in bags of texts are.
    pub fn says_yes(&mut self, name: &str) -> bool {
        match self.take(name) {
            Some(Value::Bool(flag)) => flag,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }

    /// A whole number of bytes or things. One that is negative, broken or too large for 64 bits counts as not said: it is never more than a hint.
    pub fn count(&mut self, name: &str) -> Option<u64> {
        self.take(name)?.as_u64()
    }

    /// A whole number, as one or as a text of digits.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>, Shape> {
        let number = match self.take(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_u64(),
        };
        number.map(Some).ok_or_else(|| Shape(format!("`{name}` is no whole number, or more than 64 bits")))
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, Shape> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map.into())),
            Some(other) => Err(Shape::wrong(name, &other, "an object")),
        }
    }

    /// A list, as it is.
    pub fn list(&mut self, name: &str) -> Result<Vec<Value>, Shape> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(Shape::wrong(name, &other, "a list")),
        }
    }

    /// A list of objects; `null` in it counts as absent.
    pub fn objects(&mut self, name: &str) -> Result<Vec<Self>, Shape> {
        Self::of_list(name, self.take(name))
    }

    /// The same of a value that should be such a list.
    pub fn of_list(name: &str, list: Option<Value>) -> Result<Vec<Self>, Shape> {
        let list = match list {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(Shape::wrong(name, &other, "a list")),
        };
        let mut objects = Vec::new();
        for (index, value) in list.into_iter().enumerate() {
            match value {
                Value::Null => {}
                Value::Object(map) => objects.push(map.into()),
                other => return Err(Shape::wrong(&format!("{name}[{index}]"), &other, "an object")),
            }
        }
        Ok(objects)
    }

    /// A list of ids; `null` and empty ones count as absent.
    pub fn ids(&mut self, name: &str) -> Result<Vec<String>, Shape> {
        let mut ids = Vec::new();
        for (index, value) in self.list(name)?.into_iter().enumerate() {
            match value {
                Value::Null => {}
                Value::String(id) if id.is_empty() => {}
                Value::String(id) if crate::text::is_id(&id) => ids.push(id),
                Value::String(_) => return Err(Shape(format!("`{name}[{index}]` is no id: it has control characters or more than 1,024 bytes"))),
                other => return Err(Shape::wrong(&format!("{name}[{index}]"), &other, "a text")),
            }
        }
        Ok(ids)
    }

    /// An object of short texts; numbers and flags count as their text.
    pub fn texts(&mut self, name: &str) -> Result<Vec<(String, String)>, Shape> {
        let mut texts = Vec::new();
        for (key, value) in self.object(name)?.unwrap_or_default().0 {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Bool(flag) => flag.to_string(),
                Value::Number(number) => number.to_string(),
                other => return Err(Shape::wrong(&format!("{name}.…"), &other, "a text")),
            };
            texts.push((key, text));
        }
        Ok(texts)
    }

    /// All texts, however deep, each with the name of its field; a list's elements have the list's.
    pub fn each_text<'a>(&'a self, see: &mut dyn FnMut(&'a str, &'a str)) {
        fn within<'a>(name: &'a str, value: &'a Value, see: &mut dyn FnMut(&'a str, &'a str)) {
            match value {
                Value::String(text) => see(name, text),
                Value::Array(list) => list.iter().for_each(|one| within(name, one, see)),
                Value::Object(map) => map.iter().for_each(|(name, value)| within(name, value, see)),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        self.0.iter().for_each(|(name, value)| within(name, value, see));
    }

    /// Names of the fields that nobody took.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Bytes that should be a text.
pub fn utf8(bytes: &[u8]) -> Result<&str, Shape> {
    std::str::from_utf8(bytes).map_err(|error| Shape(format!("not UTF-8 at byte {}", error.valid_up_to())))
}

/// A text inside a value, where there is one that is not empty: for what is shown as far as it can be, and refused never.
pub fn text_in(value: &Value, field: &str) -> Option<String> {
    value.get(field)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Reads one JSON text of any kind.
pub fn value(text: &str) -> Result<Value, Shape> {
    read(text)
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Shape> {
    if text.len() > MOST_VALUES / 4 && values(text) > MOST_VALUES {
        return Err(Shape(format!("it has more than {MOST_VALUES} values, and no real one has")));
    }
    serde_json::from_str(text).map_err(|error| Shape(syntax(&error)))
}

/// How many values a JSON text has, at most: what separates or opens them, outside of texts. Whatever has a first value within takes room for four of them, so
/// what opens counts as four: `[[[[` would cost four times as much as it seems.
fn values(json: &str) -> usize {
    let (mut count, mut in_text, mut escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b',' => count += usize::from(!in_text),
            b'[' | b'{' => count += 4 * usize::from(!in_text),
            _ => {}
        }
    }
    count
}

/// What is wrong with a JSON text, without quoting it. The line is told elsewhere: for one line of many it would mislead.
pub(crate) fn syntax(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Eof => format!("broken JSON at column {}: it ends too early", error.column()),
        // Data errors quote the value; only readers of plain values are used here, so they don't occur, but nothing may depend on that.
        Category::Data => format!("JSON of the wrong shape at column {}", error.column()),
        Category::Syntax | Category::Io => {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or("not JSON");
            format!("broken JSON at column {}: {what}", error.column())
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn errors_never_quote_values() {
        let mut fields = Fields::parse(r#"{"user":{"secret":1},"text":["secret"],"files":[{"a":1},"secret"],"n":-1,"big":1e300}"#).unwrap();
        for error in [fields.text("user").unwrap_err(), fields.filled("text").unwrap_err(), fields.objects("files").unwrap_err()]
            .map(|error| error.to_string())
        {
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(fields.count("n"), None);
        assert_eq!(fields.count("big"), None);
        for broken in ["{\"a\":secret}", "{\"a\":\"secret", "[\"secret\"]", "\"secret\"", "1e999999", "", "{\"a\":\"\\ud800 secret\"}"] {
            let error = Fields::parse(broken).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Fields::parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn of_two_fields_of_one_name_the_last_holds() {
        let mut fields = Fields::parse(r#" {"x":1,"a":"one","b":"b","a":"two","c":{"a":1,"a":2},"d":"d","d":null}"#).unwrap();
        assert!(fields.has("a") && !fields.has("d") && !fields.has("e"));
        assert_eq!(fields.count("x"), Some(1));
        assert_eq!(fields.text("a").unwrap().as_deref(), Some("two"));
        assert_eq!(fields.text("a").unwrap(), None);
        assert_eq!(fields.object("c").unwrap().unwrap().count("a"), Some(2));
        assert_eq!(fields.text("d").unwrap(), None);
        assert_eq!(fields.rest().collect::<Vec<_>>(), ["b"]);
        fields.put("b", "other".to_owned());
        assert_eq!(fields.into_inner().get("b"), Some(&Value::String("other".into())));
    }

    #[test]
    fn very_many_fields_of_one_name_take_no_longer_than_others() {
        let (many, begun) = (100_000, std::time::Instant::now());
        let json = format!("{{{}{}\"z\":1}}", r#""a":1,"#.repeat(many), r#""b":1,"#.repeat(many));
        let mut fields = Fields::parse(&json).unwrap();
        assert_eq!((fields.count("a"), fields.count("b"), fields.count("z")), (Some(1), Some(1), Some(1)));
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn values_are_counted_outside_of_texts() {
        assert_eq!(values(r#"{"a\"[,":[1,"2,3\\",{}]}"#), 15);
        for (one, times) in [("{}", MOST_VALUES / 5), ("[[[[1]]]]", MOST_VALUES / 16), ("1", MOST_VALUES)] {
            let flood = format!(r#"{{"reactions":[{}]}}"#, vec![one; times].join(","));
            assert!(Fields::parse(&flood).unwrap_err().to_string().contains("more than 2000000 values"), "{one}");
        }
        let commas = format!(r#"{{"text":"{}"}}"#, ",".repeat(MOST_VALUES + 1));
        assert_eq!(Fields::parse(&commas).unwrap().text("text").unwrap().unwrap().len(), MOST_VALUES + 1);
    }
}
