//! Finds the OpenLineage events in one text, whatever stands around and between them. Called by `scanner.rs`.
//!
//! At each brace an object is read. A complete one is an event or not, and the search goes on behind it. One that is no
//! JSON, or does not end, leaves the braces within it to be tried; but those that were open within it share its fate, and
//! are not tried again. So the time is linear in the text, for any text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use memchr::{memchr, memchr_iter};

use super::json::{Kept, Key, Object, Progress};

/// The most broken events of one text that are reported.
const MAX_BROKEN: usize = 20;

/// An escape that was cut has fewer characters: two code units, `\\ud83d\\ude00`.
const LONGEST_ESCAPE: usize = 12;

/// What is in a text.
#[derive(Debug, Default)]
pub(super) struct Found<'t> {
    /// The events, with their offsets.
    pub(super) events: Vec<(usize, &'t str)>,
    /// What begins as an event and is no JSON, with its offset.
    pub(super) broken: Vec<(usize, Object)>,
    /// An object that the text ends within.
    pub(super) head: Option<Head>,
    /// What a log line of one JSON object says.
    pub(super) line: Option<(Origin, String)>,
}

/// An object that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Where it begins.
    pub(super) offset: usize,
    pub(super) object: Object,
    /// Whether it stands in Python's `b'…'`, with every backslash doubled. It may be JSON, but is not what was sent.
    pub(super) is_repr: bool,
}

/// Where in a log line of one JSON object a text stands. Pieces of an event have the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    member: Kept,
    logger: Option<String>,
}

/// Searches a text from an offset.
pub(super) fn scan(text: &str, from: usize) -> Found<'_> {
    let mut found = Found::default();
    let mut next = from;
    let mut doomed = BTreeSet::new();
    while let Some(offset) = brace(text, next) {
        next = offset + 1;
        if doomed.remove(&offset) || !may_begin(text, next) {
            continue;
        }
        let rest = text.get(offset..).unwrap_or_default();
        let mut object = Object::new();
        let is_repr = text
            .get(..offset)
            .is_some_and(|before| before.ends_with("b'"));
        match object.read(rest) {
            Progress::Complete(length) => {
                next = offset + length;
                let object_text = rest.get(..length).unwrap_or_default();
                if is_repr {
                } else if is_event(&object) {
                    found.events.push((offset, object_text));
                } else if text
                    .get(next..)
                    .is_some_and(|after| after.trim().is_empty())
                {
                    found.line = line(&object, object_text);
                }
            }
            Progress::Unfinished if is_repr || begins(text, offset, &object) => {
                found.head = Some(Head {
                    offset,
                    object,
                    is_repr,
                });
                return found;
            }
            progress @ (Progress::Broken | Progress::Unfinished) => {
                doomed = doomed.split_off(&next);
                doomed.extend(object.open_objects().map(|open| offset + open));
                if is_repr {
                    next = offset + object.position();
                } else if progress == Progress::Broken
                    && is_surely_event(&object)
                    && found.broken.len() < MAX_BROKEN
                {
                    found.broken.push((offset, object));
                }
            }
        }
    }
    found
}

/// Whether a complete object is an OpenLineage event.
pub(super) fn is_event(object: &Object) -> bool {
    let has = |key| object.has(key);
    has(Key::EventTime)
        && has(Key::Producer)
        && has(Key::SchemaUrl)
        && (has(Key::Job) || has(Key::Dataset))
}

/// Whether an object that has not ended is one that somebody waits for: an event, or a log line with an event in it.
pub(super) fn is_missed(object: &Object, text: &str) -> bool {
    object.first().is_some_and(Key::is_of_event)
        || object.has(Key::EventTime)
        || has_escaped_event(text)
}

/// What a log line of one JSON object says: structlog's `event` beside a level or a logger (Airflow 3,
/// <https://www.structlog.org/en/stable/standard-library.html>), or a `message`, `msg` or `log`.
pub(super) fn line(object: &Object, text: &str) -> Option<(Origin, String)> {
    let is_structlog = object.has(Key::Level) || object.has(Key::Logger);
    let members = [Kept::Event, Kept::Message, Kept::Msg, Kept::Log];
    let texts = members
        .into_iter()
        .filter_map(|member| Some((member, object.kept(member, text)?)));
    let mut texts = texts.filter(|(member, _)| *member != Kept::Event || is_structlog);
    let (member, said) = texts.next()?;
    let logger = object.kept(Kept::Logger, text).map(str::to_owned);
    Some((Origin { member, logger }, unescaped(said)))
}

/// The next brace. Most texts have none.
fn brace(text: &str, from: usize) -> Option<usize> {
    let rest = text.as_bytes().get(from..)?;
    memchr(b'{', rest).map(|at| from + at)
}

/// Whether an object with members may begin before `at`: sorts out most braces that are not JSON.
fn may_begin(text: &str, at: usize) -> bool {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
    next.is_none_or(|next| *next == b'"')
}

/// Whether an object that the text ends within may be an event, or a log line with one.
fn begins(text: &str, offset: usize, object: &Object) -> bool {
    let from_brace = text.get(offset..).unwrap_or_default();
    match object.first() {
        // The first key is cut: the braces of texts that are no JSON are followed by something else.
        None => {
            let begun = object.begun_key(from_brace);
            let mut keys = Key::EVENT.iter();
            keys.any(|(name, _)| name.starts_with(begun)) || is_alone(text, offset)
        }
        Some(first) if first.is_of_event() => {
            object.has(Key::EventTime) || !is_value(text.get(..offset).unwrap_or_default())
        }
        Some(first) => {
            object.has(Key::EventTime)
                || (first.is_of_line() && is_alone(text, offset))
                || has_escaped_event(from_brace)
        }
    }
}

/// Whether nothing stands before the brace.
fn is_alone(text: &str, offset: usize) -> bool {
    text.get(..offset)
        .is_some_and(|before| before.trim().is_empty())
}

/// Whether what follows is the value of a member or an element: so it is a part of an event, not an event.
fn is_value(before: &str) -> bool {
    let before = before.trim_end();
    let member = before.strip_suffix(':').map(str::trim_end);
    member.is_some_and(|key| key.ends_with('"')) || before.ends_with(['[', ','])
}

/// Whether a broken object is an event beyond doubt.
fn is_surely_event(object: &Object) -> bool {
    object.has(Key::EventTime) && object.first().is_some_and(Key::is_of_event)
}

/// Whether an event begins within a string.
fn has_escaped_event(text: &str) -> bool {
    escaped_event(text).is_some()
}

/// What begins as an event within a string: `{\\"eventTime\\"`, escaped once or more.
fn escaped_event(text: &str) -> Option<&str> {
    let mut braces = memchr_iter(b'{', text.as_bytes()).filter_map(|brace| text.get(brace..));
    braces.find(|from_brace| {
        let rest = from_brace.get(1..).unwrap_or_default().trim_start();
        let unescaped = rest.trim_start_matches('\\');
        let key = unescaped.strip_prefix('"').unwrap_or_default();
        let length = key.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (key, end) = key.split_at_checked(length).unwrap_or_default();
        rest.len() > unescaped.len()
            && end.starts_with('\\')
            && Key::EVENT.iter().any(|(name, _)| *name == key)
    })
}

/// The beginning of an event that stands in a string, as far as it goes, with what is known of it.
pub(super) fn begun_in_string(text: &str) -> Option<(Object, String)> {
    let string = escaped_event(text)?;
    // Up to the end of the string, or to what was cut within an escape.
    let is_end = |(at, _): &(usize, &str)| {
        let before = string.get(..*at).unwrap_or_default();
        let escapes = before.len() - before.trim_end_matches('\\').len();
        escapes % 2 == 0
    };
    let end = string.match_indices('"').find(is_end);
    let string = string.get(..end.map_or(string.len(), |(at, _)| at))?;
    let whole = (0..LONGEST_ESCAPE).filter_map(|cut| string.get(..string.len().checked_sub(cut)?));
    let said = whole.map(unescaped).find(|said| !said.is_empty())?;
    let mut object = Object::new();
    object.read(&said);
    Some((object, said))
}

/// The text that a JSON string stands for. Half a surrogate pair, which is no text, becomes U+FFFD.
fn unescaped(string: &str) -> String {
    let parsed = |string: &str| serde_json::from_str::<String>(&format!("\"{string}\""));
    parsed(string)
        .or_else(|_| parsed(&without_lone_surrogates(string)))
        .unwrap_or_default()
}

fn without_lone_surrogates(string: &str) -> Cow<'_, str> {
    let mut whole = String::with_capacity(string.len());
    let mut rest = string;
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        let length = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => 12,
            (Some(0xD800..0xE000), _) => 0,
            (Some(_), _) => 6,
            (None, _) => 2,
        };
        let (kept, after) = match length {
            0 => ("\\ufffd", escape.get(6..)),
            length => (escape.get(..length).unwrap_or(escape), escape.get(length..)),
        };
        whole.push_str(kept);
        rest = after.unwrap_or_default();
    }
    whole.push_str(rest);
    whole.into()
}

/// The code unit of `\uXXXX`.
fn unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"eventTime":"t","producer":"p","schemaURL":"s","job":{"name":"j"}}"#;

    fn texts(text: &str) -> Vec<&str> {
        scan(text, 0)
            .events
            .into_iter()
            .map(|(_, event)| event)
            .collect()
    }

    #[test]
    fn an_event_is_found_between_anything() {
        for text in [
            format!("INFO ConsoleTransport: {EVENT}"),
            format!("{{{{console.py:29}}}} INFO - {EVENT} done"),
            format!("plan {{\"rows\": 12}} then {EVENT}"),
            format!("struct<a:int> {{\"unterminated\": \"abc {EVENT}"),
            format!("{{\"unterminated\": {EVENT}, oops"),
            format!("[{EVENT}"),
        ] {
            assert_eq!(texts(&text), [EVENT], "{text}");
        }
        assert_eq!(texts(&format!("{EVENT}{EVENT}\n{EVENT}")).len(), 3);
    }

    #[test]
    fn an_object_that_is_no_event_is_passed_as_a_whole() {
        for text in [
            r#"{"eventTime":"t","order":{"id":7}}"#.to_owned(),
            format!("{{\"payload\": {EVENT}}}"),
            format!("will *try* to emit event b'{EVENT}'"),
        ] {
            assert_eq!(texts(&text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_does_not_hide_the_rest_of_a_line() {
        assert_eq!(unescaped(r"a\ud83d\ude00\\ud800\n"), "a😀\\ud800\n");
        assert_eq!(unescaped(r#"\ud800x\udc00\""#), "\u{fffd}x\u{fffd}\"");
    }

    #[test]
    fn a_text_of_braces_takes_linear_time() {
        // Each would take minutes, if each brace was read to its end.
        let deep = "{\"a\":".repeat(200_000);
        let strings = format!("{{\"{}", ":\",\"{\":".repeat(200_000));
        let halves = format!("{}!", "{\"a\":[".repeat(60)).repeat(3_000);
        for text in [
            deep,
            strings,
            halves,
            "{".repeat(1_000_000),
            "{ ".repeat(500_000),
        ] {
            assert_eq!(scan(&text, 0).events.len(), 0);
        }
    }
}
