//! A tenant's identity map, as a person writes it or a directory exports it: CSV with a head, or TOML.
//!
//! All of it is read before any of it counts, and all that is wrong is told at once with its line: a map of which half was taken would record half of
//! those whom the law names. A column, or a field, that has no meaning of its own is an attribute.

use std::collections::BTreeMap;
use std::path::Path;

use consign_model::identity::{Identity, Period};
use consign_model::{Name, Timestamp};
use serde::Deserialize;

use crate::report::shown;
use crate::text;

/// Bytes of a map at most: some million users.
const LARGEST: u64 = 256 << 20;
/// Problems that are listed.
const LISTED: usize = 100;

/// Columns that are no attributes.
const COLUMNS: [&str; 8] = ["source", "id", "name", "email", "person", "recorded", "recorded-from", "recorded-until"];

/// What is wrong with a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapFault {
    /// The line, counted from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong, and the way out. Quotes no more than names of columns.
    pub what: String,
}

impl std::fmt::Display for MapFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl MapFault {
    fn new(line: Option<u64>, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// What one row says.
#[derive(Debug, Default)]
struct Row {
    line: Option<u64>,
    source: Option<String>,
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    person: Option<String>,
    recorded: Option<Vec<Period>>,
    attributes: BTreeMap<String, String>,
}

/// How a map is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With a head.
    Csv,
    /// `[[identity]]` after `[[identity]]`.
    Toml,
}

/// Reads a map. `source`: of rows that name none. Entries come sorted by source and id, each user once; several rows of one user add times of recording.
///
/// # Errors
/// All that is wrong with it, up to a hundred.
pub fn read(path: &Path, source: Option<&Name>) -> Result<Vec<Identity>, Vec<MapFault>> {
    let unreadable = |error: std::io::Error| vec![MapFault::new(None, format!("it can't be read: {error}"))];
    let about = std::fs::metadata(path).map_err(unreadable)?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(vec![MapFault::new(None, format!("it is no file, or has more than {LARGEST} bytes"))]);
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    read_bytes(&bytes, if is_toml { Form::Toml } else { Form::Csv }, source)
}

/// Reads a map that is at hand, as [`read`] does.
///
/// # Errors
/// All that is wrong with it, up to a hundred.
pub fn read_bytes(bytes: &[u8], form: Form, source: Option<&Name>) -> Result<Vec<Identity>, Vec<MapFault>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes.get(..error.valid_up_to()).map(|before| before.split(|byte| *byte == b'\n').count() as u64);
        vec![MapFault::new(line, "it is not UTF-8: save it as that")]
    })?;
    parse(text.trim_start_matches('\u{feff}'), form == Form::Toml, source)
}

fn parse(text: &str, is_toml: bool, source: Option<&Name>) -> Result<Vec<Identity>, Vec<MapFault>> {
    let mut faults = Vec::new();
    let rows = if is_toml { rows_of_toml(text, &mut faults) } else { rows_of_csv(text, &mut faults) };
    let mut map: BTreeMap<(Name, String), Identity> = BTreeMap::new();
    for row in rows {
        let line = row.line;
        if let Err(what) = identity(row, source).and_then(|one| add(&mut map, one)) {
            faults.push(MapFault::new(line, what));
        }
    }
    if map.is_empty() && faults.is_empty() {
        faults.push(MapFault::new(None, "it names no user"));
    }
    faults.truncate(LISTED);
    if faults.is_empty() { Ok(map.into_values().collect()) } else { Err(faults) }
}

/// Takes a user in, whom an earlier row may have named.
fn add(map: &mut BTreeMap<(Name, String), Identity>, one: Identity) -> Result<(), String> {
    match map.entry((one.source.clone(), one.id.clone())) {
        std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(one)),
        std::collections::btree_map::Entry::Occupied(mut known) => {
            let known = known.get_mut();
            let same = Identity { recorded: None, ..known.clone() } == Identity { recorded: None, ..one.clone() };
            let (Some(periods), Some(more), true) = (&mut known.recorded, one.recorded, same) else {
                return Err("this user stands here twice: rows of one user differ in the times of recording alone".into());
            };
            if periods.is_empty() || more.is_empty() {
                return Err("this user is recorded by one row and not by another".into());
            }
            periods.extend(more);
            periods.sort();
            periods.dedup();
        }
    }
    Ok(())
}

fn identity(row: Row, source: Option<&Name>) -> Result<Identity, String> {
    let source = match row.source {
        Some(text) => text.parse().map_err(|_| "its `source` is no name of a source".to_owned())?,
        None => source.cloned().ok_or("it has no `source`: add that column, or give --source NAME for all")?,
    };
    let id = row.id.ok_or("it has no `id`: the platform's own id of the user")?;
    if !text::is_id(&id) {
        return Err("its `id` has control characters or more than 1,024 bytes".into());
    }
    let email = row.email.map(|email| text::address(&email).ok_or("its `email` is no e-mail address")).transpose()?;
    let line = |text: String| Some(text::name(&text)).filter(|text| !text.is_empty());
    let attributes = row.attributes.into_iter().map(|(name, value)| (text::name(&name), text::label(&value)));
    let attributes = attributes.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect();
    Ok(Identity { source, id, name: row.name.and_then(line), email, person: row.person.and_then(line), recorded: row.recorded, attributes })
}

/// A time, or a day: its first instant, or for an end its last.
fn time(text: &str, is_end: bool) -> Result<Timestamp, String> {
    let clock = if is_end { "23:59:59.999" } else { "00:00:00.000" };
    let day = || Timestamp::parse(&format!("{text}T{clock}Z"));
    Timestamp::parse(text).or_else(|_| day()).map_err(|_| "is no date: write it as 2026-03-01 (UTC) or 2026-03-01T08:00:00Z".into())
}

fn period(from: Option<&str>, until: Option<&str>) -> Result<Period, String> {
    let from = from.map(|text| time(text, false).map_err(|what| format!("`recorded-from` {what}"))).transpose()?;
    let until = until.map(|text| time(text, true).map_err(|what| format!("`recorded-until` {what}"))).transpose()?;
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        return Err("it is recorded until a time before the one that it is recorded from".into());
    }
    Ok(Period { from, until })
}

fn rows_of_csv(text: &str, faults: &mut Vec<MapFault>) -> Vec<Row> {
    // Directories of the German-speaking world separate by semicolons.
    let head = text.lines().next().unwrap_or_default();
    let separator = if head.matches(';').count() > head.matches(',').count() { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).flexible(false).from_reader(text.as_bytes());
    let columns: Vec<String> = match reader.headers() {
        Ok(columns) => columns.iter().map(str::to_owned).collect(),
        Err(error) => {
            faults.push(of_csv(&error));
            return Vec::new();
        }
    };
    let mut seen = std::collections::HashSet::new();
    for column in &columns {
        if !seen.insert(column) {
            faults.push(MapFault::new(Some(1), format!("the column `{}` is there twice", shown(column))));
        }
    }
    if !columns.iter().any(|column| column == "id") {
        faults.push(MapFault::new(
            Some(1),
            format!("there is no column `id`. Columns with a meaning are {}; all others are attributes", COLUMNS.join(", ")),
        ));
        return Vec::new();
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        match record {
            Err(error) => faults.push(of_csv(&error)),
            Ok(record) => {
                let line = record.position().map(csv::Position::line);
                match row_of_csv(&columns, &record) {
                    Ok(row) => rows.push(Row { line, ..row }),
                    Err(what) => faults.push(MapFault::new(line, what)),
                }
            }
        }
    }
    rows
}

fn row_of_csv(columns: &[String], record: &csv::StringRecord) -> Result<Row, String> {
    let mut row = Row::default();
    let (mut said, mut from, mut until) = (None, None, None);
    for (column, value) in columns.iter().zip(record) {
        if value.is_empty() {
            continue;
        }
        match column.as_str() {
            "source" => row.source = Some(value.to_owned()),
            "id" => row.id = Some(value.to_owned()),
            "name" => row.name = Some(value.to_owned()),
            "email" => row.email = Some(value.to_owned()),
            "person" => row.person = Some(value.to_owned()),
            "recorded" => said = Some(flag(value)?),
            "recorded-from" => from = Some(value),
            "recorded-until" => until = Some(value),
            attribute => drop(row.attributes.insert(attribute.to_owned(), value.to_owned())),
        }
    }
    row.recorded = match (said, from.is_some() || until.is_some()) {
        (Some(false), true) => return Err("it is not recorded, and has times of recording: take one of them out".into()),
        (Some(false), false) => Some(Vec::new()),
        (None, false) => None,
        (Some(true), _) | (None, true) => Some(vec![period(from, until)?]),
    };
    Ok(row)
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err("`recorded` is none of yes, no".into()),
    }
}

fn of_csv(error: &csv::Error) -> MapFault {
    let line = error.position().map(csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            MapFault::new(line, format!("it has {len} fields, and the head has {expected_len}"))
        }
        _ => MapFault::new(line, "it can't be read as CSV"),
    }
}

/// A map in TOML.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    identity: Vec<toml::Spanned<Written>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    source: Option<String>,
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    person: Option<String>,
    recorded: Option<Recorded>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Recorded {
    Always(bool),
    At(Vec<WrittenPeriod>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPeriod {
    from: Option<String>,
    until: Option<String>,
}

fn rows_of_toml(text: &str, faults: &mut Vec<MapFault>) -> Vec<Row> {
    let line_at = |at: usize| text.get(..at).map(|before| before.matches('\n').count() as u64 + 1);
    let document: Document = match toml::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            // The message may quote a value, and is kept short.
            let message = error.message().lines().next().unwrap_or_default().to_owned();
            faults.push(MapFault::new(error.span().and_then(|span| line_at(span.start)), shown(&message)));
            return Vec::new();
        }
    };
    let mut rows = Vec::new();
    for one in document.identity {
        let line = line_at(one.span().start);
        let Written { source, id, name, email, person, recorded, attributes } = one.into_inner();
        let periods =
            |all: Vec<WrittenPeriod>| all.iter().map(|one| period(one.from.as_deref(), one.until.as_deref())).collect::<Result<Vec<_>, _>>();
        let recorded = match recorded {
            None => Ok(None),
            Some(Recorded::Always(true)) => Ok(Some(vec![Period::ALWAYS])),
            Some(Recorded::Always(false)) => Ok(Some(Vec::new())),
            Some(Recorded::At(all)) => periods(all).map(Some),
        };
        match recorded {
            Ok(recorded) => rows.push(Row { line, source, id, name, email, person, recorded, attributes }),
            Err(what) => faults.push(MapFault::new(line, what)),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn csv_and_toml_say_the_same() {
        let csv = "source;id;email;person;recorded-from;recorded-until;department\n\
            slack;U1;ann@desk.example;E1;2026-01-01;2026-03-31;FX\n\
            slack;U1;ann@desk.example;E1;2026-06-01T08:00:00Z;;FX\n\
            \"slack\";\"U;2\";;;;;\n";
        let toml = "[[identity]]\nsource = \"slack\"\nid = \"U1\"\nemail = \"ann@desk.example\"\nperson = \"E1\"\nattributes = { department = \"FX\" }\n\
            recorded = [{ from = \"2026-01-01\", until = \"2026-03-31\" }, { from = \"2026-06-01T08:00:00Z\" }]\n\
            [[identity]]\nsource = \"slack\"\nid = \"U;2\"\n";
        let map = parse(csv, false, None).unwrap();
        assert_eq!(map, parse(toml, true, None).unwrap());
        let recorded = map.iter().find(|one| one.id == "U1").unwrap().recorded.clone().unwrap();
        let first = Period { from: Some(at("2026-01-01T00:00:00Z")), until: Some(at("2026-03-31T23:59:59.999Z")) };
        assert_eq!(recorded, [first, Period { from: Some(at("2026-06-01T08:00:00Z")), until: None }]);
        assert_eq!(map.iter().find(|one| one.id == "U;2").unwrap().recorded, None, "as the platform says");
    }

    #[test]
    fn everything_wrong_is_told_with_its_line() {
        let csv = "id,email,recorded,recorded-from,recorded-until\nU1,nobody,,,\nU2,,perhaps,,\nU3,,no,2026-01-01,\nU4,,,2026-02-01,2026-01-01\n,,,,\nU5,,,,\nU5,,,,\n";
        let faults = parse(csv, false, Some(&"s".parse().unwrap())).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line.unwrap()).collect::<std::collections::BTreeSet<_>>(), [2, 3, 4, 5, 6, 8].into());
        assert!(!faults.iter().any(|fault| fault.what.contains("nobody") || fault.what.contains("perhaps")));
        let both = "source,id,recorded\ns,U1,no\ns,U1,yes\n";
        assert!(parse(both, false, None).unwrap_err().first().unwrap().what.contains("by one row and not by another"));
        let wrong = |text: &str, is_toml| parse(text, is_toml, None).unwrap_err().first().unwrap().to_string();
        assert!(wrong("id,email\nU1,a@b.example\n", false).contains("line 2: it has no `source`"));
        assert!(wrong("email\na@b.example\n", false).contains("line 1: there is no column `id`"));
        assert!(wrong("id,id\n", false).contains("there twice"));
        assert!(wrong("id,email\nU1\n", false).contains("line 2: it has 1 fields"));
        assert!(wrong("[[identity]]\nid = \"U1\"\nmail = \"x\"\n", true).contains("line"));
        assert!(wrong("", false).contains("id"));
        assert!(wrong("", true).contains("names no user"));
    }
}
