//! Laws of the three formats: any text as a time, a run id, an event type, a URI.
//!
//! What is strict is checked here a second time, by grammars written down from RFC 3339, RFC 4122 and RFC 3986.

use openlineage::{Event, EventType, Json, Level, Subject, date_time, quote, uri};

use crate::event::event;

/// The first byte says where the text stands.
pub(crate) fn spelling(bytes: &[u8]) {
    let Some((place, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let at = |here: u8, good: &str| quote(if place % 4 == here { text } else { good });
    let sent = format!(
        r#"{{"eventTime":{},"producer":{},"schemaURL":"urn:s","eventType":{},"run":{{"runId":{}}},"job":{{"namespace":"n","name":"j"}}}}"#,
        at(0, "2026-01-01T00:00:00Z"),
        at(1, "urn:p"),
        at(2, "START"),
        at(3, "01a1faa6-e194-708b-a993-cc010cbe1ae4")
    );
    event(sent.as_bytes());
    let strict = Event::read(sent.as_bytes(), Level::Strict);
    let repaired = Event::read(sent.as_bytes(), Level::Repair);
    match place % 4 {
        0 => {
            assert_eq!(strict.is_ok(), date_time(text).is_some());
            // What a leap second is, the grammar does not say.
            if !text.contains(":60") {
                assert_eq!(strict.is_ok(), is_date_time(text.as_bytes()));
            }
            if let (Ok(read), Some(time)) = (&repaired, date_time(text.trim())) {
                assert_eq!(read.event.time(), time, "a repair keeps the instant");
            }
        }
        1 => {
            assert_eq!(strict.is_ok(), uri(text));
            assert!(strict.is_err() || has_scheme(text));
            let read = repaired.expect("every word becomes a URI");
            let json = read.event.json();
            let producer = json.get("producer").and_then(Json::string).expect("one");
            assert!(uri(&producer) && has_scheme(&producer), "{producer}");
            let sent = text.trim();
            match producer.strip_prefix("urn:lineage-proxy:producer:") {
                Some(word) if !uri(sent) => {
                    let (word, is_cut) = (decoded(word), sent.chars().count() > 1_000);
                    let kept = word.strip_suffix('…').filter(|_| is_cut).unwrap_or(&word);
                    assert!(sent.starts_with(kept), "the word is kept");
                    assert_eq!(sent == kept, !is_cut);
                }
                _ if sent.is_empty() => assert!(producer.ends_with(":unknown-producer")),
                _ => assert_eq!(producer, sent),
            }
        }
        2 => {
            let types = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
            assert_eq!(strict.is_ok(), types.contains(&text));
            let meant = types
                .iter()
                .find(|name| name.eq_ignore_ascii_case(text.trim()));
            assert_eq!(repaired.is_ok(), meant.is_some());
            if let (Ok(read), Some(meant)) = (&repaired, meant) {
                assert_eq!(read.event.label(), format!("RunEvent {meant}"));
                let ends = ["COMPLETE", "ABORT", "FAIL"].contains(meant);
                assert_eq!(event_type(&read.event).is_some_and(EventType::ends), ends);
            }
        }
        _ => {
            assert_eq!(strict.is_ok(), is_uuid(text.as_bytes()));
            assert_eq!(
                repaired.is_err(),
                text.trim().is_empty(),
                "a name for every id"
            );
            if let Ok(read) = &repaired {
                let id = read.event.run_id().expect("a RunEvent");
                let hex = |text: &str| text.chars().filter(char::is_ascii_hexdigit).count();
                let digits: String = bare(text).chars().filter(|c| *c != '-').collect();
                if digits.len() == 32 && hex(&digits) == 32 && bare(text).len() == 32 {
                    assert_eq!(id.simple().to_string(), digits, "a repair keeps the digits");
                } else if id.to_string() != bare(text) {
                    assert_eq!(id.get_version_num(), 3, "of the text");
                    let kept: String = text.chars().take(1_000).collect();
                    let kept = quote(&kept);
                    let kept = kept.trim_end_matches('"');
                    assert!(read.event.text().contains(kept), "the text is kept");
                }
            }
        }
    }
}

/// What is left of a UUID without what other spellings put around it.
fn bare(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let text = text.strip_prefix("urn:uuid:").unwrap_or(&text);
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    inner.unwrap_or(text).to_owned()
}

/// The text of a part of a URI.
fn decoded(part: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), part.bytes());
    while let Some(byte) = rest.next() {
        let digits = [byte, byte].map(|_| if byte == b'%' { rest.next() } else { None });
        match digits {
            [Some(high), Some(low)] => {
                let digits = String::from_utf8(vec![high, low]).expect("digits");
                bytes.push(u8::from_str_radix(&digits, 16).expect("hexadecimal"));
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).expect("what was encoded is UTF-8")
}

fn event_type(event: &Event) -> Option<EventType> {
    match event.subject() {
        Subject::Run { event_type, .. } => *event_type,
        Subject::Job { .. } | Subject::Dataset { .. } => None,
    }
}

/// RFC 3339, section 5.6, but for leap seconds.
fn is_date_time(text: &[u8]) -> bool {
    let digits = |from: usize, count: usize| -> Option<u32> {
        let digits = text.get(from..from + count)?;
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let is = |at: usize, any: &[u8]| text.get(at).is_some_and(|byte| any.contains(byte));
    let (Some(year), Some(month), Some(day)) = (digits(0, 4), digits(5, 2), digits(8, 2)) else {
        return false;
    };
    let (Some(hour), Some(minute), Some(second)) = (digits(11, 2), digits(14, 2), digits(17, 2))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    let marks = is(4, b"-") && is(7, b"-") && is(10, b"Tt") && is(13, b":") && is(16, b":");
    let mut at = 19;
    if is(at, b".") {
        let fraction = text[at + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    }
    let zone = if is(at, b"Zz") {
        text.len() == at + 1
    } else {
        let (hours, minutes) = (digits(at + 1, 2), digits(at + 4, 2));
        is(at, b"+-")
            && is(at + 3, b":")
            && text.len() == at + 6
            && hours.is_some_and(|h| h < 24)
            && minutes.is_some_and(|m| m < 60)
    };
    marks && zone && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60
}

/// RFC 4122, section 3.
fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// RFC 3986, section 3.1, and that there is nothing but ASCII without white space.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}
