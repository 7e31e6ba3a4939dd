//! JSON in one form only, as RFC 8785 (JCS) has it: so that what is signed can be made again, byte for byte, by a program that is not ours.
//!
//! Keys are sorted, nothing is between tokens, texts are escaped no more than they must be. Of numbers only integers that every reader holds exactly
//! are written; the standard's way of writing fractions is a chapter of its own, and nothing that we sign has any.

use serde::Serialize;
use serde_json::Value;

/// Up to here (2^53 - 1) a reader that keeps numbers as doubles has them exactly.
pub const MOST: u64 = (1 << 53) - 1;

/// A value that has no canonical form here: a number that is no integer between -(2^53 - 1) and 2^53 - 1.
#[derive(Debug, thiserror::Error)]
#[error("it has no canonical form: {0}")]
pub struct NotCanonical(String);

/// The canonical form of a value.
pub fn canonical<T: Serialize>(value: &T) -> Result<String, NotCanonical> {
    let value = serde_json::to_value(value).map_err(|error| NotCanonical(error.to_string()))?;
    let mut text = String::new();
    write(&value, &mut text)?;
    Ok(text)
}

fn write(value: &Value, out: &mut String) -> Result<(), NotCanonical> {
    match value {
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if size.is_none_or(|size| size > MOST) {
                return Err(NotCanonical("of numbers it may hold integers up to 2^53 - 1 only".to_owned()));
            }
            out.push_str(&number.to_string());
        }
        // serde_json escapes what RFC 8785 (3.2.2.2) has escaped, in the same way, and nothing else.
        Value::Null | Value::Bool(_) | Value::String(_) => out.push_str(&value.to_string()),
        Value::Array(values) => {
            out.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(value, out)?;
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            // By UTF-16 units (3.2.3): beyond the basic plane that is another order than that of the bytes.
            sorted.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            out.push('{');
            for (place, (key, value)) in sorted.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(value, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// The standard's own examples: of escapes (3.2.2), and of sorting (3.2.3).
    #[test]
    fn as_the_standard_shows() {
        let text = r#"{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical(&value).unwrap(), "{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
        let text = r#"{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
                       "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let sorted = canonical(&value).unwrap();
        let order = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"].map(|word| sorted.find(word).unwrap());
        assert!(order.is_sorted(), "{sorted}");
    }

    #[test]
    fn numbers_that_readers_may_hold_otherwise_are_refused() {
        for (text, fits) in [("9007199254740991", true), ("-9007199254740991", true), ("9007199254740992", false), ("0.5", false), ("1e3", false)] {
            assert_eq!(canonical(&serde_json::from_str::<Value>(text).unwrap()).is_ok(), fits, "{text}");
        }
    }
}
