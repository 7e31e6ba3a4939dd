//! A zone by its name, and what may have been meant by one that is none.

use std::fmt;

use chrono_tz::{TZ_VARIANTS, Tz};

use super::{ScheduleError, shown};

/// Names of zones that are close to what was written, the closest first; at most three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near(pub Vec<&'static str>);

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let before = if index == 0 { "; did you mean " } else { " or " };
            write!(f, "{before}'{name}'")?;
        }
        if self.0.is_empty() { Ok(()) } else { f.write_str("?") }
    }
}

/// The zone of this name.
pub(super) fn find(written: &str) -> Result<Tz, ScheduleError> {
    written.trim().parse().map_err(|_| ScheduleError::Zone { written: shown(written), near: near(written) })
}

fn near(written: &str) -> Near {
    // Longer than any zone's name: comparing costs the product of the lengths.
    let wanted: String = written.trim().chars().take(40).map(|c| if c.is_whitespace() { '_' } else { c.to_ascii_lowercase() }).collect();
    if wanted.is_empty() {
        return Near(Vec::new());
    }
    let city = last_part(&wanted);
    let mut scored: Vec<(usize, &'static str)> = TZ_VARIANTS
        .iter()
        .filter_map(|zone| {
            let name = zone.name().to_ascii_lowercase();
            let score = if name == wanted {
                0
            } else if last_part(&name) == city {
                1
            } else {
                let slips = distance(&name, &wanted).min(distance(last_part(&name), city).saturating_add(1));
                // One slip in three letters is still the same word; more is chance.
                (slips * 3 <= city.len()).then_some(1 + slips)?
            };
            Some((score, zone.name()))
        })
        .collect();
    scored.sort_unstable();
    Near(scored.into_iter().take(3).map(|(_, name)| name).collect())
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Letters to change, add or take away (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = index + 1;
        next.push(left);
        for (pair, theirs) in row.windows(2).zip(&other) {
            if let [diagonal, above] = pair {
                left = (diagonal + usize::from(letter != *theirs)).min(above + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
