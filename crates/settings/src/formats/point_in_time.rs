//! A point in time: a time, a date, or how long ago.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openlineage::date_time;

use crate::Format;

/// A point in time, absolute or relative to now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointInTime {
    /// In milliseconds since 1970.
    At(i64),
    /// That long before now.
    Ago(Duration),
}

impl PointInTime {
    /// Reads a time, a date, or an age such as `2h`.
    pub fn parse_text(text: &str) -> Result<PointInTime, String> {
        <PointInTime as Format>::parse(text)
    }

    /// Returns the time in milliseconds since 1970. `now` is given likewise.
    pub fn resolve(self, now: i64) -> i64 {
        match self {
            PointInTime::At(time) => time,
            PointInTime::Ago(age) => {
                now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }
}

impl Format for PointInTime {
    type Value = PointInTime;

    fn expected() -> String {
        "a time such as 2026-11-20T10:00:00Z, a date, or how long ago such as 2h".to_owned()
    }

    fn values() -> String {
        "time, date or duration".to_owned()
    }

    fn parse(text: &str) -> Result<PointInTime, String> {
        // With a unit: a number alone could be meant as a year or as seconds since 1970.
        if let Ok(age) = humantime::parse_duration(text) {
            return Ok(PointInTime::Ago(age));
        }
        let time = date_time(text).or_else(|| date_time(&format!("{text}T00:00:00Z")));
        let millis = time.map(|time| time.unix_timestamp_nanos().div_euclid(1_000_000));
        let millis = millis.and_then(|millis| i64::try_from(millis).ok());
        let expected = Self::expected();
        millis
            .map(PointInTime::At)
            .ok_or_else(|| format!("expected {expected}, found {text:?}"))
    }

    fn show(value: &PointInTime) -> String {
        match value {
            PointInTime::At(time) => {
                let age = Duration::from_millis(time.unsigned_abs());
                let time: Option<SystemTime> = match *time < 0 {
                    true => UNIX_EPOCH.checked_sub(age),
                    false => UNIX_EPOCH.checked_add(age),
                };
                let time = time
                    .filter(|time| *time >= UNIX_EPOCH)
                    .unwrap_or(UNIX_EPOCH);
                humantime::format_rfc3339(time).to_string()
            }
            PointInTime::Ago(age) => humantime::format_duration(*age).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_a_time_a_date_or_an_age() {
        let hours = |hours: u64| PointInTime::Ago(Duration::from_secs(hours * 3_600));
        for (text, point) in [
            ("1970-01-01T00:00:01Z", PointInTime::At(1_000)),
            ("1970-01-01T01:00:00.5+01:00", PointInTime::At(500)),
            ("1970-01-02", PointInTime::At(86_400_000)),
            ("2h", hours(2)),
            ("7days", hours(7 * 24)),
        ] {
            assert_eq!(PointInTime::parse(text), Ok(point), "{text}");
            let shown = PointInTime::show(&point);
            assert!(PointInTime::parse(&shown).is_ok(), "{shown}");
        }
        for wrong in ["", "yesterday", "2026", "1970-13-01", "10:00"] {
            assert!(PointInTime::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(hours(1).resolve(3_600_500), 500);
    }
}
