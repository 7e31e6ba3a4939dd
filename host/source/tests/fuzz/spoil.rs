//! Damage: to values (wrong kinds, missing, doubled, moved elsewhere), to how they are written, and to bytes.

use serde_json::Value;

use crate::dice::{Dice, RAW};
use crate::pack::{Doc, File};

/// Does some damage to the values of an export. Says whether what somebody said may now stand where names stand.
pub fn values(files: &mut [File], dice: &mut Dice, times: usize) -> bool {
    let mut roots: Vec<&mut Value> = files
        .iter_mut()
        .flat_map(|file| match &mut file.doc {
            Doc::Json(value) => vec![value],
            Doc::Lines(lines) => lines.iter_mut().collect(),
            Doc::Bytes(_) => Vec::new(),
        })
        .collect();
    if roots.is_empty() {
        return false;
    }
    let mut moved = false;
    for _ in 0..times {
        let (from, to) = (dice.below(roots.len()), dice.below(roots.len()));
        let other = within(roots[from], dice).clone();
        let place = within(roots[to], dice);
        match dice.below(8) {
            0..=2 => *place = dice.value(),
            3 => {
                *place = other;
                moved = true;
            }
            4 => match place {
                Value::Array(list) if !list.is_empty() => {
                    let at = dice.below(list.len());
                    list.remove(at);
                }
                Value::Object(fields) if !fields.is_empty() => {
                    let name = fields.keys().nth(dice.below(fields.len())).cloned().unwrap();
                    fields.remove(&name);
                }
                other => *other = Value::Null,
            },
            5 => match place {
                Value::Array(list) if !list.is_empty() => {
                    let one = list[dice.below(list.len())].clone();
                    let is_small = dice.large > 0 && one.to_string().len() < 1_000;
                    let times = if is_small && dice.once_in(3) { 2_000 } else { dice.below(4) };
                    list.extend(std::iter::repeat_n(one, times));
                }
                Value::Object(fields) if fields.len() > 1 => {
                    // What one field says another says too.
                    let names: Vec<String> = fields.keys().cloned().collect();
                    let (one, two) = (dice.below(names.len()), dice.below(names.len()));
                    let value = fields[&names[one]].clone();
                    fields.insert(names[two].clone(), value);
                    moved = true;
                }
                other => *other = dice.value(),
            },
            6 => match place {
                Value::Array(list) => {
                    let mut rest = std::mem::take(list);
                    dice.shuffle(&mut rest);
                    *list = rest;
                }
                Value::String(text) => {
                    text.push_str(["\0", "\r\n", "\u{2028}", "\u{7f}", "/", "..", "@", "<", "\u{1f}x"][dice.below(9)]);
                }
                Value::Object(fields) => {
                    fields.insert(["type", "id", "unknown\u{1}", "ts", "", "value", "messages"][dice.below(7)].to_owned(), other);
                    moved = true;
                }
                other => *other = dice.value(),
            },
            _ => {
                let inner = std::mem::take(place);
                *place = Value::Array(vec![inner]);
            }
        }
    }
    moved
}

/// A value somewhere within this one.
fn within<'a>(value: &'a mut Value, dice: &mut Dice) -> &'a mut Value {
    let length = match value {
        Value::Array(list) => list.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if length == 0 || dice.once_in(6) {
        return value;
    }
    let at = dice.below(length);
    let inner = match value {
        Value::Array(list) => list.get_mut(at),
        Value::Object(fields) => fields.values_mut().nth(at),
        _ => None,
    };
    within(inner.unwrap(), dice)
}

/// Takes out what is null, as some exporters do.
pub fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, inner| !inner.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    /// All on lines of their own; not for files of lines.
    Spread,
    /// All signs as `\uXXXX`.
    Escaped,
    /// Each field twice, the first time as null.
    Twice,
}

/// Writes JSON.
pub fn write(value: &Value, style: Style, out: &mut Vec<u8>) {
    let space: &[u8] = if style == Style::Spread { b"\r\n \t" } else { b"" };
    match value {
        Value::String(text) => match text.strip_prefix(RAW) {
            Some(raw) => out.extend_from_slice(raw.as_bytes()),
            None if style == Style::Escaped => escaped(text, out),
            None => serde_json::to_writer(out, text).unwrap(),
        },
        Value::Array(list) => {
            out.push(b'[');
            for (at, inner) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(space);
                write(inner, style, out);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (at, (name, inner)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(space);
                serde_json::to_writer(&mut *out, name).unwrap();
                out.push(b':');
                if style == Style::Twice {
                    out.extend_from_slice(b"null,");
                    serde_json::to_writer(&mut *out, name).unwrap();
                    out.push(b':');
                }
                write(inner, style, out);
            }
            out.push(b'}');
        }
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

fn escaped(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for unit in text.encode_utf16() {
        out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
    }
    out.push(b'"');
}

/// Damage to bytes.
pub fn bytes(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const SPICE: [&[u8]; 14] = [
        b"\"",
        b"{",
        b"[",
        b"null",
        b"\\ud800",
        b"\xff\xfe",
        b"1e999",
        b"PK\x01\x02",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"../",
        b"\n",
        b"\xef\xbb\xbf",
        b"},{",
    ];
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(7) {
            0 => bytes.truncate(at),
            1 => {
                let spice = dice.pick(&SPICE);
                bytes.splice(at..at, spice.iter().copied());
            }
            2 => {
                let end = (at + dice.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + dice.below(200)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = dice.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let byte = u8::try_from(dice.below(256)).unwrap();
                if let Some(one) = bytes.get_mut(at) {
                    *one = byte;
                }
            }
        }
    }
}

/// As other systems write texts: with a mark, in UTF-16, in Latin-1.
pub fn encoding(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = match dice.below(4) {
        0 => [b"\xef\xbb\xbf", bytes.as_slice()].concat(),
        1 => [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
        2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect(),
    };
}
