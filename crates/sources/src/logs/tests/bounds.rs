//! Any event in any pieces, among any lines; and bounds of memory.

use proptest::prelude::*;

use super::*;
use crate::Identity;

#[test]
fn one_stream_does_not_make_others_wait_and_memory_is_bounded() {
    let cut: String = glue4(&spark()).chars().take(3_000).collect();
    let mut scanner = Scanner::new(Lines::All, Seen::new(10_000));
    for stream in 0..3_000 {
        scanner.read(&event(&line(&format!("s{stream}"), stream, cut.clone())));
    }
    assert_eq!(scanner.take().findings.len(), 2_000);
    scanner.end(None);
    assert_eq!(scanner.take().findings.len(), 1_000);
}

#[test]
fn an_event_without_end_is_given_up() {
    let mut scanner = Scanner::new(Lines::All, Seen::new(10));
    scanner.read(&event(&line(
        "s",
        0,
        glue4(r#"{"eventTime":"2026-05-15T06:00:00Z","producer":""#),
    )));
    let piece = line("s", 1, "a".repeat(1_000_000));
    for _ in 0..20 {
        scanner.read(&event(&piece));
    }
    assert_eq!(rules(&scanner.take()), [FindingRule::Incomplete]);
}

/// A text that may stand in an event, without what log lines begin with.
fn json_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("a"),
            Just("\""),
            Just("\\"),
            Just("{"),
            Just("}"),
            Just("é"),
            Just("😀"),
            Just("b'"),
            Just("\n"),
            Just(" ")
        ],
        0..12,
    )
    .prop_map(|parts| parts.concat())
}

prop_compose! {
    fn any_event()(name in json_text(), description in json_text(), number in any::<i64>(), is_pretty in any::<bool>()) -> String {
        let value = serde_json::json!({"eventTime": "2026-11-20T20:08:39.375649+00:00", "inputs": [{"name": name, "facets": {"n": [number, true, null]}}], "job": {"name": description}, "producer": "p", "schemaURL": "https://openlineage.io/spec"});
        if is_pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() }
    }
}

/// Cuts a text at some of its characters.
fn cut(text: &str, cuts: &[prop::sample::Index]) -> Vec<String> {
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(1).collect();
    let mut places: Vec<usize> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).collect();
    places.push(text.len());
    places.sort_unstable();
    places.dedup();
    let mut from = 0;
    places
        .into_iter()
        .map(|to| text[std::mem::replace(&mut from, to)..to].to_owned())
        .collect()
}

proptest! {
    #[test]
    fn any_split_of_an_event_over_log_events_gives_the_same_event(event in any_event(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6), is_structlog in any::<bool>()) {
        let messages: Vec<String> = match is_structlog {
            true => cut(&event, &cuts).iter().map(|piece| structlog(piece)).collect(),
            false => cut(&glue4(&event), &cuts),
        };
        let log: Vec<Line> = (0..).zip(messages).map(|(number, message)| line("s", number, message)).collect();
        let found = read(&log);
        let same: Value = serde_json::from_str(&event).unwrap();
        let values: Vec<Value> = texts(&found).into_iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        prop_assert_eq!(values, [same]);
        prop_assert_eq!(rules(&found), []);
    }

    #[test]
    fn arbitrary_lines_harm_nobody(messages in proptest::collection::vec(".{0,60}", 0..20), junk in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..8)) {
        let mut log: Vec<Line> = (0..).zip(messages).map(|(number, message)| line("s", number, message)).collect();
        log.push(line("s", 100, glue4(&spark())));
        let found = read(&log);
        prop_assert_eq!(texts(&found), [spark()]);
        let mut text = TextLog::new("f");
        junk.iter().for_each(|bytes| drop(text.read(bytes)));
        let found = text.read(format!("\n{}\n", glue4(&spark())).as_bytes());
        prop_assert_eq!(texts(&found), [spark()]);
    }

    #[test]
    fn what_was_seen_is_found_nowhere_again(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle(), copies in 1usize..4) {
        let log: Vec<Line> = (0..6).map(|number: i64| line("s", number, glue4(&spark().replace("eventTime\":\"2", &format!("eventTime\":\"{number}"))))).collect();
        let mut scanner = Scanner::new(Lines::All, Seen::new(100));
        let mut ids: Vec<Identity> = Vec::new();
        for _ in 0..copies {
            order.iter().for_each(|at| scanner.read(&event(&log[*at])));
            ids.extend(scanner.take().events.iter().map(|event| event.identity));
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!((ids.len(), count), (6, 6));
    }
}
