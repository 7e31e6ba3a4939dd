//! Just enough calendar for modules. There is no clock here and no time zone table: times come from the events, and their distance from UTC from the
//! host ([`View::utc_offsets`](crate::View::utc_offsets)), which keeps its zone tables with the window. Dates are those of the proleptic Gregorian calendar; the
//! arithmetic is Howard Hinnant's "days from civil".

use std::fmt;

const MILLIS_A_DAY: i64 = 86_400_000;

/// A day of the calendar, of no particular zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    days: i64,
}

impl Date {
    /// Days since 1970-01-01.
    pub const fn from_days(days: i64) -> Self {
        Self { days }
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i64 {
        self.days
    }

    /// Its midnight, in milliseconds of the same clock that [`Local`] counts in.
    pub const fn midnight(self) -> i64 {
        self.days.saturating_mul(MILLIS_A_DAY)
    }

    /// Reads `YYYY-MM-DD`. None for anything else and for days that are in no calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else {
            return None;
        };
        let year = i64::from(number(&[y1, y2, y3, y4])?);
        let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
        (1..=12).contains(&month).then_some(())?;
        let date = Self::from_civil(year, i64::from(month), i64::from(day));
        (date.civil() == (year, month, day)).then_some(date)
    }

    fn from_civil(year: i64, month: i64, day: i64) -> Self {
        let year = year - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self::from_days(era * 146_097 + day_of_era - 719_468)
    }

    fn civil(self) -> (i64, u32, u32) {
        let days = self.days + 719_468;
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
        // Both are small by construction.
        let small = |value: i64| u32::try_from(value).unwrap_or(0);
        (year, small(month), small(day))
    }

    /// Its day of the week.
    pub const fn weekday(self) -> Weekday {
        match (self.days + 3).rem_euclid(7) {
            0 => Weekday::Mon,
            1 => Weekday::Tue,
            2 => Weekday::Wed,
            3 => Weekday::Thu,
            4 => Weekday::Fri,
            5 => Weekday::Sat,
            _ => Weekday::Sun,
        }
    }

    /// The day before.
    #[must_use]
    pub const fn before(self) -> Self {
        Self::from_days(self.days - 1)
    }
}

/// `YYYY-MM-DD`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// A day of the week; in configurations `"Mon"` to `"Sun"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A local time: what the clock on the wall showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Local {
    millis: i64,
}

impl Local {
    /// From an event's time (milliseconds since 1970, UTC) and its offset (seconds, from [`View::utc_offsets`](crate::View::utc_offsets)).
    pub const fn new(at: i64, utc_offset: i32) -> Self {
        Self { millis: at.saturating_add(utc_offset as i64 * 1000) }
    }

    /// Milliseconds since 1970-01-01T00:00 on that wall.
    pub const fn millis(self) -> i64 {
        self.millis
    }

    /// Its day.
    pub const fn date(self) -> Date {
        Date::from_days(self.millis.div_euclid(MILLIS_A_DAY))
    }

    /// Whole minutes since midnight, 0 to 1439.
    pub const fn minute_of_day(self) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "below 1440")]
        let minute = (self.millis.rem_euclid(MILLIS_A_DAY) / 60_000) as u16;
        minute
    }
}

/// `YYYY-MM-DD HH:MM`.
impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minute = self.minute_of_day();
        write!(f, "{} {:02}:{:02}", self.date(), minute / 60, minute % 60)
    }
}

/// Reads an instant as RFC 3339 has it, `2026-01-05T08:00:00Z` or `…T08:00:00.5+01:00`; milliseconds since 1970, UTC. Digits past the millisecond are cut off,
/// and a leap second is the second after it.
pub fn parse_instant(text: &str) -> Option<i64> {
    let date = Date::parse(text.get(..10)?)?;
    let rest = text.get(10..)?.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *clock.as_bytes() else {
        return None;
    };
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            (Some(rest.get(..digits)?).filter(|text| !text.is_empty())?, rest.get(digits..)?)
        }
        None => ("", rest),
    };
    let offset = match *zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
            (hours < 24 && minutes < 60).then_some(())?;
            let minutes = i64::from(hours * 60 + minutes);
            if sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    (hour < 24 && minute < 60 && second <= 60).then_some(())?;
    let millis = fraction.bytes().chain(*b"000").take(3);
    let millis = millis.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let seconds = i64::from(hour * 3600 + minute * 60 + second) - offset * 60;
    Some(date.midnight() + seconds * 1000 + millis)
}

/// Reads `HH:MM`, 00:00 to 24:00, as minutes since midnight.
pub fn parse_minute_of_day(text: &str) -> Option<u16> {
    let [h1, h2, b':', m1, m2] = *text.as_bytes() else {
        return None;
    };
    let (hour, minute) = (number(&[h1, h2])?, number(&[m1, m2])?);
    let minutes = u16::try_from(hour * 60 + minute).ok()?;
    (minute < 60 && minutes <= 1440).then_some(minutes)
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum: u32, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_day_of_nine_centuries_comes_back() {
        // Counted by hand from the rule of the calendar, not by the arithmetic above.
        let mut date = Date::parse("1600-01-01").unwrap();
        for year in 1600..2500 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if leap { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(lengths) {
                for day in 1..=length {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    assert_eq!(date.to_string(), text);
                    assert_eq!(Date::parse(&text), Some(date));
                    date = Date::from_days(date.days() + 1);
                }
                let beyond = format!("{year:04}-{month:02}-{:02}", length + 1);
                assert_eq!(Date::parse(&beyond), None, "{beyond}");
            }
        }
        assert_eq!(Date::parse("1970-01-01").unwrap().days(), 0);
    }

    #[test]
    fn weekdays() {
        let of = |text| Date::parse(text).unwrap().weekday();
        assert_eq!(of("1970-01-01"), Weekday::Thu);
        assert_eq!(of("2026-01-05"), Weekday::Mon);
        assert_eq!(of("1969-12-28"), Weekday::Sun);
    }

    #[test]
    fn instants() {
        // From `date -u -d … +%s`.
        assert_eq!(parse_instant("2026-01-05T08:01:02.345Z"), Some(1_767_600_062_345));
        assert_eq!(parse_instant("2026-01-05T09:01:02.345678+01:00"), Some(1_767_600_062_345));
        assert_eq!(parse_instant("2026-01-05T02:31:02.3-05:30"), Some(1_767_600_062_300));
        assert_eq!(parse_instant("1969-12-31T23:59:59Z"), Some(-1000));
        for wrong in [
            "2026-01-05",
            "2026-01-05T08:01:02",
            "2026-01-05T08:01Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T08:60:00Z",
            "2026-02-29T08:00:00Z",
            "2026-01-05T08:01:02.Z",
            "2026-01-05T08:01:02+0100",
            "2026-01-05T08:01:02+24:00",
            "2026-01-05T08:01:02Zulu",
            "２026-01-05T08:01:02Z",
            "",
        ] {
            assert_eq!(parse_instant(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn minutes_of_the_day() {
        assert_eq!(parse_minute_of_day("00:00"), Some(0));
        assert_eq!(parse_minute_of_day("24:00"), Some(1440));
        for wrong in ["24:01", "8:00", "08:60", "08:00:00", "08.00", ""] {
            assert_eq!(parse_minute_of_day(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn local_times_before_1970_have_their_own_day() {
        let local = Local::new(-1, 0);
        assert_eq!(local.to_string(), "1969-12-31 23:59");
        let local = Local::new(0, -3600);
        assert_eq!((local.date().days(), local.minute_of_day()), (-1, 23 * 60));
    }
}
