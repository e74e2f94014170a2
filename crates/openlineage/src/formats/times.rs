//! Repairs of `date-time`: spellings that clients send and that identify one instant.

use std::borrow::Cow;

use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

use super::date_time;

/// Why a text is not repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ambiguity {
    /// Not a time.
    NoTime,
    /// A time zone name without an offset.
    NoOffset,
    /// Two different offsets.
    TwoOffsets,
    /// A critical suffix (`[!…]`, RFC 9557, section 3.3).
    Critical,
}

/// A part of the zone that follows a time.
enum Zone<'t> {
    /// An offset in minutes, and its spelling.
    Offset(i16, Cow<'t, str>),
    /// A name, which has no offset without a time zone database.
    Name,
    /// A tag that does not affect the instant, such as a calendar.
    Tag,
}

/// Repairs a `date-time`: other ISO 8601 spellings, a space for the `T`, a missing zone (UTC, in which
/// clients that omit it run), a zone name or a second `Z` after the offset.
pub(crate) fn repair_date_time(text: &str) -> Result<String, Ambiguity> {
    let text = text.trim();
    if let Some(good) = respelled(text) {
        return Ok(good);
    }
    let (time, tail) = split_date_and_time(text)
        .filter(|(time, _)| respelled(time).is_some())
        .ok_or(Ambiguity::NoTime)?;
    let zones = zones(tail)?;
    let mut offsets = zones.iter().filter_map(|zone| match zone {
        Zone::Offset(minutes, written) => Some((*minutes, written)),
        Zone::Name | Zone::Tag => None,
    });
    let (minutes, written) = match offsets.next() {
        Some(first) => first,
        None if zones.iter().any(|zone| matches!(zone, Zone::Name)) => {
            return Err(Ambiguity::NoOffset);
        }
        None => (0, &Cow::Borrowed("Z")),
    };
    if offsets.any(|(other, _)| other != minutes) {
        return Err(Ambiguity::TwoOffsets);
    }
    respelled(&format!("{time}{written}")).ok_or(Ambiguity::NoTime)
}

impl Ambiguity {
    /// The explanation appended to the finding.
    pub(crate) fn explanation(self) -> &'static str {
        match self {
            Ambiguity::NoTime => "",
            Ambiguity::NoOffset => "; a zone's name needs the offset before it",
            Ambiguity::TwoOffsets => "; it names two offsets",
            Ambiguity::Critical => {
                "; what follows the time must not be left out, and is not understood"
            }
        }
    }
}

/// Other spellings of ISO 8601.
fn respelled(text: &str) -> Option<String> {
    let with_t = match text.split_once(' ') {
        Some((date, time)) if !time.contains(' ') => format!("{date}T{time}"),
        Some((date, time)) => format!("{date}T{}", time.replacen(' ', "", 1)), // "… 00:00:00 +00:00"
        None => text.to_owned(),
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

/// Date and time of day, and what follows them.
fn split_date_and_time(text: &str) -> Option<(&str, &str)> {
    let t = text.find(['T', 't', ' '])?;
    let of_day = text.get(t + 1..)?;
    let length = of_day
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ',')))
        .unwrap_or(of_day.len());
    Some((text.get(..t + 1 + length)?, of_day.get(length..)?))
}

/// Parses all parts of the zone: `Z`, `UTC`, offsets, names with brackets (RFC 9557, section 4.1) or without.
fn zones(tail: &str) -> Result<Vec<Zone<'_>>, Ambiguity> {
    /// More than any client sends; bounds the work for a hostile text.
    const MOST: usize = 8;
    let (mut zones, mut rest) = (Vec::new(), tail.trim());
    while !rest.is_empty() {
        let (zone, after) = zone(rest)?;
        zones.push(zone);
        rest = after.trim_start();
        if zones.len() > MOST {
            return Err(Ambiguity::NoTime);
        }
    }
    Ok(zones)
}

fn zone(rest: &str) -> Result<(Zone<'_>, &str), Ambiguity> {
    if let Some(inner) = rest.strip_prefix('[') {
        let (inner, after) = inner.split_once(']').ok_or(Ambiguity::NoTime)?;
        if inner.starts_with('!') {
            return Err(Ambiguity::Critical);
        }
        if inner.contains('=') {
            return Ok((Zone::Tag, after));
        }
        let (zone, left) = bare(inner)?;
        return match left {
            "" => Ok((zone, after)),
            _ => Err(Ambiguity::NoTime),
        };
    }
    bare(rest)
}

fn bare(rest: &str) -> Result<(Zone<'_>, &str), Ambiguity> {
    if rest.starts_with(['+', '-']) {
        return offset(rest).ok_or(Ambiguity::NoTime);
    }
    // The names of the time zone database are made of these, and begin with a letter: `Etc/GMT+1`, `Port-au-Prince`.
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    let length = rest.find(|c| !in_name(c)).unwrap_or(rest.len());
    let (name, after) = rest.split_at(length);
    let letters = name.find(|c: char| !c.is_ascii_alphabetic());
    let (word, signed) = name.split_at(letters.unwrap_or(name.len()));
    // `ZZ`, `Z+00:00` and `UTC+00:00` are two parts without a space. The name of a zone may begin with `Zz`, and is one part.
    if let Some(second) = rest.strip_prefix(['Z', 'z'])
        && second.starts_with(['Z', 'z'])
        && word.chars().all(|c| matches!(c, 'Z' | 'z'))
        && (signed.is_empty() || signed.starts_with(['+', '-']))
    {
        return Ok((Zone::Offset(0, Cow::Borrowed("Z")), second));
    }
    let zero = [
        "Z",
        "UTC",
        "GMT",
        "UT",
        "Etc/UTC",
        "Etc/GMT",
        "Etc/Universal",
        "Zulu",
    ];
    let is_zero = |name: &str| zero.iter().any(|zero| name.eq_ignore_ascii_case(zero));
    if is_zero(name) {
        return Ok((Zone::Offset(0, Cow::Borrowed("Z")), after));
    }
    if is_zero(word) && signed.starts_with(['+', '-']) {
        let after = rest.get(word.len()..).unwrap_or_default();
        return Ok((Zone::Offset(0, Cow::Borrowed("Z")), after));
    }
    match name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => Ok((Zone::Name, after)),
        false => Err(Ambiguity::NoTime),
    }
}

/// `+01:00`, `+0100`, `+01`.
fn offset(rest: &str) -> Option<(Zone<'_>, &str)> {
    let sign = rest.get(..1)?;
    let digits = rest.get(1..)?;
    let length = digits
        .find(|c: char| !(c.is_ascii_digit() || c == ':'))
        .unwrap_or(digits.len());
    let (digits, after) = digits.split_at(length);
    let (hours, minutes) = match (digits.len(), digits.split_once(':')) {
        (5, Some((hours, minutes))) if hours.len() == 2 => (hours, minutes),
        (4, None) => digits.split_at(2),
        (2, None) => (digits, "00"),
        _ => return None,
    };
    let (h, m): (i16, i16) = (hours.parse().ok()?, minutes.parse().ok()?);
    if h > 23 || m > 59 {
        return None;
    }
    let total = match sign {
        "-" => -(h * 60 + m),
        _ => h * 60 + m,
    };
    let written = Cow::Owned(format!("{sign}{hours}:{minutes}"));
    Some((Zone::Offset(total, written), after))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(repair_date_time(sent).as_deref(), Ok(meant), "{sent}");
        }
        for hopeless in [
            "yesterday",
            "2026-01-01",
            "1767225600",
            "",
            "2026-02-30T00:00:00",
            "2026-01-01T00:00:00Z[",
            "2026-01-01T00:00:00Z[]",
            "2026-01-01T00:00:00+1:00Z",
            "2026-01-01T00:00:00+24:00Z",
            "2026-02-30T00:00:00Z[Europe/Paris]",
            "2026-01-01T00:00:00ZZZZZZZZZZ",
        ] {
            assert_eq!(
                repair_date_time(hopeless),
                Err(Ambiguity::NoTime),
                "{hopeless}"
            );
        }
    }

    #[test]
    fn a_zone_named_behind_the_offset_is_left_out() {
        let cases = [
            (
                "2026-07-01T10:00:00+02:00[Europe/Paris]",
                "2026-07-01T10:00:00+02:00",
            ),
            (
                "2026-01-01T10:00:00Z[Europe/London]",
                "2026-01-01T10:00:00Z",
            ),
            ("2026-01-01T10:00Z[UTC]", "2026-01-01T10:00:00Z"), // ZonedDateTime.toString() of Java
            ("2026-01-01T10:00:00[UTC]", "2026-01-01T10:00:00Z"),
            (
                "2026-01-01T10:00:00+05:30[+05:30]",
                "2026-01-01T10:00:00+05:30",
            ),
            (
                "2026-01-01T10:00:00-03:00[America/Argentina/Buenos_Aires][u-ca=gregory]",
                "2026-01-01T10:00:00-03:00",
            ),
            ("2026-01-01 10:00:00 UTC", "2026-01-01T10:00:00Z"),
            ("2026-01-01T10:00:00.25 gmt", "2026-01-01T10:00:00.25Z"),
            ("2026-01-01T10:00:00UTC", "2026-01-01T10:00:00Z"),
            ("2026-01-01 10:00:00 Z", "2026-01-01T10:00:00Z"),
            (
                "2026-01-01 10:00:00.5 +0000 UTC",
                "2026-01-01T10:00:00.5+00:00",
            ), // Time.String() of Go
            ("2026-01-01 10:00:00 +0100 CET", "2026-01-01T10:00:00+01:00"),
            (
                "2026-01-01T10:00:00+01:00[Zzyzx/Lake]",
                "2026-01-01T10:00:00+01:00",
            ), // not `ZZ`
        ];
        for (sent, meant) in cases {
            assert_eq!(repair_date_time(sent).as_deref(), Ok(meant), "{sent}");
        }
    }

    #[test]
    fn an_offset_of_nothing_may_be_said_twice_and_another_not() {
        let cases = [
            (
                "2026-03-01T10:00:00.123456+00:00Z",
                "2026-03-01T10:00:00.123456+00:00",
            ),
            ("2026-03-01T10:00:00-00:00Z", "2026-03-01T10:00:00-00:00"),
            ("2026-03-01T10:00:00+0000Z", "2026-03-01T10:00:00+00:00"),
            ("2026-03-01T10:00:00ZZ", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:00:00Z+00:00", "2026-03-01T10:00:00Z"),
            ("2026-03-01T10:00:00 UTC+00:00", "2026-03-01T10:00:00Z"),
        ];
        for (sent, meant) in cases {
            assert_eq!(repair_date_time(sent).as_deref(), Ok(meant), "{sent}");
        }
        for sent in [
            "2026-03-01T10:00:00+01:00Z",
            "2026-03-01T10:00:00-00:30Z",
            "2026-03-01T10:00:00Z+05:30",
            "2026-03-01T10:00:00+02:00 UTC",
            "2026-03-01T10:00:00+02:00[UTC]",
            "2026-03-01T10:00:00+02:00[+01:00]",
        ] {
            assert_eq!(repair_date_time(sent), Err(Ambiguity::TwoOffsets), "{sent}");
        }
    }

    #[test]
    fn a_zone_without_an_offset_says_no_instant() {
        for sent in [
            "2026-01-01T00:00:00[Europe/Paris]",
            "2026-01-01T00:00:00 Europe/Paris",
            "2026-01-01 00:00:00 CET",
            "2026-01-01T00:00:00[Etc/GMT+1]",
        ] {
            assert_eq!(repair_date_time(sent), Err(Ambiguity::NoOffset), "{sent}");
        }
        let critical = "2026-01-01T00:00:00Z[!u-ca=hebrew]";
        assert_eq!(repair_date_time(critical), Err(Ambiguity::Critical));
    }
}
