//! The fields of a cron, read here and handed to the `cron` crate as plain lists of numbers.
//!
//! The crate could read them itself, but not as people write them: it refuses five fields, counts Sunday as 1, wants day of month *and* day of week to fit,
//! and its errors name no field. So it gets sets of numbers in its own counting, and where a day may fit either of two fields it gets two schedules.

use std::collections::BTreeSet;
use std::str::FromStr as _;

use super::{ScheduleError, floor, shown};

/// What may stand in a field.
struct Kind {
    name: &'static str,
    /// Smallest and largest value that `*` means.
    all: (u32, u32),
    /// Largest value that may be written: 7 for a Sunday, else as in `all`.
    largest: u32,
    /// Of `all.0` and those after it.
    names: &'static [&'static str],
    /// For errors.
    allowed: &'static str,
    day: bool,
}

const SECOND: Kind =
    Kind { name: "second", all: (0, 59), largest: 59, names: &[], allowed: "0 to 59, *, lists 0,30, ranges 0-29 and steps */10", day: false };
const MINUTE: Kind = Kind { name: "minute", ..SECOND };
const HOUR: Kind = Kind { name: "hour", all: (0, 23), largest: 23, allowed: "0 to 23, *, lists 8,18, ranges 8-18 and steps */2", ..SECOND };
const DAY: Kind =
    Kind { name: "day of month", all: (1, 31), largest: 31, allowed: "1 to 31, *, lists 1,15, ranges 1-7 and steps */2", day: true, ..SECOND };
const MONTH: Kind = Kind {
    name: "month",
    all: (1, 12),
    largest: 12,
    names: &["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"],
    allowed: "1 to 12 or Jan to Dec, *, lists Jan,Jul, ranges Jan-Mar and steps */3",
    day: false,
};
const WEEKDAY: Kind = Kind {
    name: "day of week",
    all: (0, 6),
    largest: 7,
    names: &["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"],
    allowed: "0 to 7 (0 and 7 are Sunday) or Sun to Sat, *, lists Mon,Thu, ranges Mon-Fri and steps */2",
    day: true,
};
const YEAR: Kind =
    Kind { name: "year", all: (1970, 2100), largest: 2100, allowed: "1970 to 2100, *, lists 2026,2027, ranges 2026-2030 and steps 2026/2", ..SECOND };

/// A field as read.
struct Field {
    values: BTreeSet<u32>,
    /// It begins with `*`, which for the two day fields means that it leaves the choice to the other.
    star: bool,
    all: bool,
}

/// Reads a cron. Due is what any of the answers says.
pub(super) fn read(text: &str) -> Result<Vec<cron::Schedule>, ScheduleError> {
    let text = text.trim();
    let nickname;
    let written = if text.starts_with('@') {
        nickname = spelled_out(text).ok_or_else(|| ScheduleError::Nickname { cron: shown(text) })?;
        nickname
    } else {
        text
    };
    let fields: Vec<&str> = written.split_whitespace().collect();
    let (second, minute, hour, day, month, weekday, year) = match *fields.as_slice() {
        [minute, hour, day, month, weekday] => ("0", minute, hour, day, month, weekday, "*"),
        [second, minute, hour, day, month, weekday] => (second, minute, hour, day, month, weekday, "*"),
        [second, minute, hour, day, month, weekday, year] => (second, minute, hour, day, month, weekday, year),
        _ => return Err(ScheduleError::FieldCount { cron: shown(text), found: fields.len() }),
    };
    let field = |kind: &Kind, written: &str| {
        read_field(kind, written).map_err(|(part, problem)| ScheduleError::Field {
            cron: shown(text),
            field: kind.name,
            written: shown(part),
            problem,
            allowed: kind.allowed,
        })
    };
    let time = [field(&SECOND, second)?, field(&MINUTE, minute)?, field(&HOUR, hour)?].iter().map(list).collect::<Vec<_>>().join(" ");
    let (day, month, weekday) = (field(&DAY, day)?, field(&MONTH, month)?, field(&WEEKDAY, weekday)?);
    let year = field(&YEAR, year)?;

    // The crate counts Sunday as 1.
    let weekdays = list(&Field { values: weekday.values.iter().map(|day| day + 1).collect(), ..weekday });
    let (days, months, years) = (list(&day), list(&month), list(&year));
    let both = if day.star || weekday.star {
        vec![format!("{time} {days} {months} {weekdays} {years}")]
    } else {
        vec![format!("{time} {days} {months} * {years}"), format!("{time} * {months} {weekdays} {years}")]
    };
    let crons: Vec<cron::Schedule> = both
        .iter()
        .map(|plain| cron::Schedule::from_str(plain))
        .collect::<Result<_, _>>()
        // Lists of numbers in range are what the crate takes, so this is for a later release of it that takes less.
        .map_err(|error| ScheduleError::Never { cron: shown(text), why: error.to_string() })?;
    if crons.iter().all(|cron| cron.after(&floor().and_utc()).next().is_none()) {
        return Err(ScheduleError::Never { cron: shown(text), why: why_never(&day, &month) });
    }
    Ok(crons)
}

fn spelled_out(nickname: &str) -> Option<&'static str> {
    Some(match nickname {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        _ => return None,
    })
}

/// As the crate reads it.
fn list(field: &Field) -> String {
    if field.all { "*".to_owned() } else { field.values.iter().map(u32::to_string).collect::<Vec<_>>().join(",") }
}

fn why_never(day: &Field, month: &Field) -> String {
    let longest = month.values.iter().map(|month| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    });
    match (day.values.first(), longest.max()) {
        (Some(first), Some(longest)) if *first > longest => {
            let names: Vec<String> = month.values.iter().filter_map(|month| MONTH.names.get(*month as usize - 1)).map(|name| capital(name)).collect();
            format!("{} never has a day {first}", names.join(" or "))
        }
        _ => "no date of the years 1970 to 2100 fits all of its fields".to_owned(),
    }
}

fn capital(name: &str) -> String {
    name.chars().enumerate().map(|(index, c)| if index == 0 { c.to_ascii_uppercase() } else { c }).collect()
}

/// The part that is wrong, and what is wrong with it.
type Wrong<'a> = (&'a str, String);

fn read_field<'a>(kind: &Kind, written: &'a str) -> Result<Field, Wrong<'a>> {
    let mut values = BTreeSet::new();
    for part in written.split(',') {
        read_part(kind, part, &mut values)?;
    }
    let star = written.starts_with('*') || (kind.day && written.starts_with('?'));
    let all = (kind.all.0..=kind.all.1).all(|value| values.contains(&value));
    Ok(Field { values, star, all })
}

fn read_part<'a>(kind: &Kind, part: &'a str, values: &mut BTreeSet<u32>) -> Result<(), Wrong<'a>> {
    let wrong = |problem: &str| Err((part, problem.to_owned()));
    let (range, step) = match part.split_once('/') {
        None => (part, None),
        Some((range, step)) => match number(step) {
            Some(step) if step > 0 => (range, Some(step)),
            _ => return wrong("has a step that is no number from 1 on"),
        },
    };
    let (first, last) = if range == "*" || (kind.day && range == "?") {
        kind.all
    } else if let Some((first, last)) = range.split_once('-') {
        let (Some(first), Some(last)) = (value(kind, first), value(kind, last)) else {
            return wrong("is not a range of allowed values");
        };
        // Sunday by name ends a week as it begins one: Sat-Sun.
        let last = if last == Written::Name(0) && kind.largest == 7 && first.number() > 0 { 7 } else { last.number() };
        if first.number() > last {
            let (from, to) = range.split_once('-').unwrap_or_default();
            let hint =
                if kind.names.is_empty() { format!("{from}-{},{}-{to}", kind.all.1, kind.all.0) } else { "two ranges with a comma".to_owned() };
            return Err((part, format!("runs backwards (write {hint})")));
        }
        (first.number(), last)
    } else {
        match value(kind, range) {
            Some(first) => (first.number(), if step.is_some() { kind.all.1.max(first.number()) } else { first.number() }),
            None if range.is_empty() => return wrong("is empty"),
            None => return wrong("is not an allowed value"),
        }
    };
    let step = step.unwrap_or(1);
    // 7 is the other name of Sunday.
    let folded = |value: u32| if value > kind.all.1 { kind.all.0 } else { value };
    values.extend((first..=last).step_by(usize::try_from(step).unwrap_or(usize::MAX)).map(folded));
    Ok(())
}

/// A value, and whether it was written by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Number(u32),
    Name(u32),
}

impl Written {
    fn number(self) -> u32 {
        match self {
            Self::Number(value) | Self::Name(value) => value,
        }
    }
}

fn value(kind: &Kind, text: &str) -> Option<Written> {
    if let Some(value) = number(text) {
        return (kind.all.0..=kind.largest).contains(&value).then_some(Written::Number(value));
    }
    let lower = text.to_ascii_lowercase();
    let index = kind.names.iter().position(|name| lower == *name || (lower.len() == 3 && name.starts_with(&lower)))?;
    Some(Written::Name(u32::try_from(index).ok()? + kind.all.0))
}

/// Digits only, and few enough for any field.
fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
