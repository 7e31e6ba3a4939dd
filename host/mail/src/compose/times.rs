//! How times are written: each event's once for the three bodies, and most of a group's events are of one day, whose date is worked out once.

use std::cell::Cell;

use chrono::Datelike;
use consign_model::Timestamp;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// A time as it is written: RFC 3339, UTC, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(8))]
pub(super) struct Stamp([u8; 24]);

impl Stamp {
    /// `2026-01-05T08:01:02.345Z`.
    pub fn as_str(&self) -> &str {
        // It is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Writes times.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// The day asked for last, counted from 1970, and its date.
    last: Cell<Option<(i64, [u8; 10])>>,
}

fn digit(value: i64) -> u8 {
    b'0' + u8::try_from(value % 10).unwrap_or_default()
}

impl Calendar {
    /// Times out of the years 0 to 9999 become the nearest end, as in the model.
    pub fn stamp(&self, time: Timestamp) -> Stamp {
        let millis = time.0.clamp(Timestamp::MIN.0, Timestamp::MAX.0);
        let (day, millis) = (millis.div_euclid(DAY), millis.rem_euclid(DAY));
        let [y3, y2, y1, y0, _, m1, m0, _, d1, d0] = match self.last.get() {
            Some((known, date)) if known == day => date,
            _ => {
                let date = date(time);
                self.last.set(Some((day, date)));
                date
            }
        };
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        let [(h1, h0), (i1, i0), (s1, s0)] = [hour, minute, second].map(|two| (digit(two / 10), digit(two)));
        let (t2, t1, t0) = (digit(millis / 100), digit(millis / 10), digit(millis));
        Stamp([y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0, b'T', h1, h0, b':', i1, i0, b':', s1, s0, b'.', t2, t1, t0, b'Z'])
    }
}

/// `2026-01-05`.
fn date(time: Timestamp) -> [u8; 10] {
    let time = time.to_utc();
    let (year, month, day) = (i64::from(time.year()), i64::from(time.month()), i64::from(time.day()));
    let [y3, y2, y1, y0] = [1000, 100, 10, 1].map(|place| digit(year / place));
    [y3, y2, y1, y0, b'-', digit(month / 10), digit(month), b'-', digit(day / 10), digit(day)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_model_writes_them() {
        let calendar = Calendar::default();
        let days = (-400..400).map(|day| 1_709_164_800_000 + day * DAY);
        let edges = [0, 1, -1, 1_767_600_062_345, 1_767_600_062_346, Timestamp::MIN.0, Timestamp::MAX.0, 951_782_400_000, i64::MIN, i64::MAX];
        for millis in edges.into_iter().chain(days.flat_map(|day| [day - 1, day, day + 1, day + 43_210_987])) {
            let time = Timestamp(millis);
            assert_eq!(calendar.stamp(time).as_str(), time.to_string());
        }
    }
}
