//! The three formats that the core event asserts (uuid, date-time, uri), and the spellings of them that are repaired.
//!
//! The strict forms are those of JSON Schema 2020-12, "format" vocabulary: RFC 3339 section 5.6, RFC 4122, RFC 3986.

use fluent_uri::Uri;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};
use uuid::Uuid;

/// An RFC 3339 `date-time`, with zone.
pub fn date_time(text: &str) -> Option<OffsetDateTime> {
    // `time` takes any separator, as RFC 3339's note allows; JSON Schema takes its grammar, which has `T`.
    let t = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    if t {
        OffsetDateTime::parse(text, &Rfc3339).ok()
    } else {
        None
    }
}

/// A hyphenated UUID, in either case.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    if text.len() == HYPHENATED {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// An absolute URI.
pub fn uri(text: &str) -> bool {
    Uri::parse(text).is_ok()
}

/// The `date-time` that was meant: other ISO 8601 spellings, a space for the `T`, no zone (then UTC, which is what
/// clients that leave it out run in).
pub(crate) fn repair_date_time(text: &str) -> Option<String> {
    let trimmed = text.trim();
    let with_t = match trimmed.split_once(' ') {
        Some((date, time)) if !time.contains(' ') => format!("{date}T{time}"),
        Some((date, time)) => format!("{date}T{}", time.replacen(' ', "", 1)), // "… 00:00:00 +00:00"
        None => trimmed.to_owned(),
    };
    let colon = || {
        let at = with_t
            .len()
            .checked_sub(5)
            .filter(|at| matches!(with_t.as_bytes().get(*at), Some(b'+' | b'-')))?;
        Some(format!(
            "{}:{}",
            with_t.get(..at + 3)?,
            with_t.get(at + 3..)?
        )) // "+0100"
    };
    let naive = ["", "Z", ":00Z", ":00:00Z"].map(|rest| Some(format!("{with_t}{rest}"))); // down to the hour alone
    if let Some(good) = naive
        .into_iter()
        .chain([colon()])
        .flatten()
        .find(|text| date_time(text).is_some())
    {
        return Some(good);
    }
    let any_iso = OffsetDateTime::parse(&with_t, &Iso8601::PARSING).or_else(|_| {
        PrimitiveDateTime::parse(&with_t, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc)
    });
    any_iso.ok()?.format(&Rfc3339).ok()
}

/// The UUID that was meant: without hyphens, in braces, as a URN.
pub(crate) fn repair_uuid(text: &str) -> Option<String> {
    Uuid::try_parse(text.trim())
        .ok()
        .map(|id| id.hyphenated().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_times_are_rfc_3339_and_nothing_else() {
        for good in [
            "2026-11-20T20:08:53.746383+00:00",
            "2026-01-01T00:00:00Z",
            "2026-01-01t00:00:00.4z",
        ] {
            assert!(date_time(good).is_some(), "{good}");
        }
        for bad in [
            "2026-11-20T21:06:27.826602",
            "2026-01-01 00:00:00Z",
            "20260101T000000Z",
            "2026-13-01T00:00:00Z",
            "",
        ] {
            assert!(date_time(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn times_that_clients_send_are_put_right() {
        let cases = [
            ("2026-11-20T21:06:27.826602", "2026-11-20T21:06:27.826602Z"),
            ("20260101T000000Z", "2026-01-01T00:00:00Z"),
            ("2026-01-01T00", "2026-01-01T00:00:00Z"),
            ("2026-W01-1T00:00:00", "2025-12-29T00:00:00Z"),
            ("2026-01-01 10:20:30.5", "2026-01-01T10:20:30.5Z"),
            ("2026-01-01 10:20:30 +02:00", "2026-01-01T10:20:30+02:00"),
            ("2026-01-01T10:20:30-0330", "2026-01-01T10:20:30-03:30"),
            (" 2026-01-01T00:00:00Z\n", "2026-01-01T00:00:00Z"),
        ];
        for (sent, meant) in cases {
            assert_eq!(repair_date_time(sent).as_deref(), Some(meant), "{sent}");
        }
        for hopeless in [
            "yesterday",
            "2026-01-01",
            "1767225600",
            "",
            "2026-02-30T00:00:00",
        ] {
            assert_eq!(repair_date_time(hopeless), None, "{hopeless}");
        }
    }

    #[test]
    fn uuids_that_clients_send_are_put_right() {
        let meant = Some("01a1faa6-e194-708b-a993-cc010cbe1ae4");
        for sent in [
            "01a1faa6e194708ba993cc010cbe1ae4",
            "{01A1FAA6-E194-708B-A993-CC010CBE1AE4}",
            "urn:uuid:01a1faa6-e194-708b-a993-cc010cbe1ae4",
        ] {
            assert!(uuid(sent).is_none());
            assert_eq!(repair_uuid(sent).as_deref(), meant, "{sent}");
        }
        assert_eq!(repair_uuid("run-1"), None);
    }
}
