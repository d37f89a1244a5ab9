//! The seeds of a night: each night has a thousand million that no other night has.
//!
//! A night is a date. Whoever names the date has the same seeds again; the real clock is asked only where nobody does.

use std::ops::Range;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

/// How many seeds a night has: more than a machine can run until the next.
const SEEDS: u64 = 1_000_000_000;

/// The date of the first seeds, those from 0 on.
const FIRST: Date = date(1970, 1, 1);

/// A night of exploring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Night {
    date: Date,
    number: u64,
}

impl FromStr for Night {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = text.parse().map_err(|_| "write a date, such as 2026-11-26".to_owned())?;
        Night::of(date).ok_or_else(|| format!("the first night is {FIRST}"))
    }
}

impl Night {
    fn of(date: Date) -> Option<Self> {
        let days = date.duration_since(FIRST).as_hours() / 24;
        Some(Night { date, number: u64::try_from(days).ok()? })
    }

    /// Today's, by UTC.
    #[expect(clippy::disallowed_methods, reason = "which night it is, the real clock knows")]
    pub(crate) fn today() -> Self {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        Night::of(today).unwrap_or(Night { date: FIRST, number: 0 })
    }

    /// Its seeds.
    pub(crate) fn seeds(self) -> Range<u64> {
        self.number * SEEDS..(self.number + 1) * SEEDS
    }
}

impl std::fmt::Display for Night {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.date.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_night_goes_on_where_the_one_before_ends() {
        let seeds = |night: &str| night.parse::<Night>().unwrap().seeds();
        assert_eq!(seeds("1970-01-01").start, 0);
        for (night, next) in [("2024-02-28", "2024-02-29"), ("2026-12-31", "2027-01-01")] {
            assert_eq!(seeds(night).end, seeds(next).start);
        }
        assert!(seeds("9999-12-31").end < u64::MAX / 2);
    }

    #[test]
    fn what_is_no_night_is_refused() {
        for wrong in ["", "tonight", "2026-02-30", "26-11-2026", "1969-12-31"] {
            assert!(wrong.parse::<Night>().is_err(), "{wrong}");
        }
    }
}
