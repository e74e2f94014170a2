//! Whole logs, as stories: recorded ones (`tests/fixtures/logs`), and such as are made of them.

use std::collections::HashMap;
use std::fs;

use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::subscription::Subscription;
use super::{Lines, LogEvent, Scanner, Seen, TextLog};
use crate::{Extraction, FindingRule, Identity};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/logs");
const MINUTE: i64 = 60_000;

/// A log event, as a test has it.
#[derive(Debug, Clone)]
struct Line {
    stream: String,
    id: String,
    timestamp: i64,
    message: String,
}

fn line(stream: &str, number: i64, message: impl Into<String>) -> Line {
    Line {
        stream: stream.to_owned(),
        id: format!("{number:056}"),
        timestamp: 1_778_800_000_000 + number,
        message: message.into(),
    }
}

fn event(line: &Line) -> LogEvent<'_> {
    LogEvent {
        group: "/jobs",
        stream: &line.stream,
        id: &line.id,
        timestamp: Some(line.timestamp),
        message: &line.message,
    }
}

fn read(lines: &[Line]) -> Extraction {
    read_as(Lines::All, lines)
}

fn read_as(which: Lines, lines: &[Line]) -> Extraction {
    let mut scanner = Scanner::new(which, Seen::new(1_000));
    lines.iter().for_each(|line| scanner.read(&event(line)));
    scanner.end(None);
    scanner.take()
}

fn texts(extraction: &Extraction) -> Vec<&str> {
    extraction
        .events
        .iter()
        .map(|event| event.text.as_str())
        .collect()
}

fn rules(extraction: &Extraction) -> Vec<FindingRule> {
    extraction
        .findings
        .iter()
        .map(|finding| finding.rule)
        .collect()
}

fn fixture(name: &str) -> Value {
    let text = fs::read_to_string(format!("{FIXTURES}/{name}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn lines(json: &Value) -> Vec<Line> {
    let line = |event: &Value| Line {
        stream: event["logStreamName"].as_str().unwrap().to_owned(),
        id: event["eventId"].as_str().unwrap().to_owned(),
        timestamp: event["timestamp"].as_i64().unwrap(),
        message: event["message"].as_str().unwrap().to_owned(),
    };
    json.as_array().unwrap().iter().map(line).collect()
}

fn check(case: &Value, found: &Extraction) {
    let about = &case["about"];
    let hash = |text: &str| hex(&Sha256::digest(text.as_bytes()));
    let mut found_hashes: Vec<String> = texts(found).into_iter().map(hash).collect();
    let mut expected: Vec<&str> = case["expect"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["sha256"].as_str().unwrap())
        .collect();
    found_hashes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found_hashes, expected, "{about}");
    let mut counts = HashMap::new();
    for rule in rules(found) {
        *counts.entry(rule.as_str().to_owned()).or_insert(0) += 1;
    }
    let mut expected = HashMap::new();
    for finding in case["expect"]["findings"].as_array().unwrap() {
        let rule = finding["rule"].as_str().unwrap().to_owned();
        *expected.entry(rule).or_insert(0) += finding["count"].as_i64().unwrap_or(1);
    }
    assert_eq!(counts, expected, "{about}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An event that was recorded, as Spark's Java client and as Airflow's Python client print it.
fn spark() -> String {
    recorded("spark-complete-column-lineage.json")
}

fn airflow() -> String {
    let value: Value = serde_json::from_str(&recorded("airflow-complete-redshift.json")).unwrap();
    value.to_string()
}

fn recorded(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");
    fs::read_to_string(format!("{path}/{name}"))
        .unwrap()
        .trim()
        .to_owned()
}

fn glue4(said: &str) -> String {
    format!("26/05/15 06:00:00 INFO ConsoleTransport: {said}")
}

fn structlog(said: &str) -> String {
    let said = Value::from(said);
    format!(
        r#"{{"logger": "openlineage.client.transport.console", "event": {said}, "level": "info"}}"#
    )
}

/// Cuts a text into pieces of so many characters.
fn pieces(text: &str, length: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(length)
        .map(|piece| piece.iter().collect())
        .collect()
}

#[test]
fn every_recorded_log_yields_its_events_and_findings() {
    let mut cases = 0;
    for entry in fs::read_dir(FIXTURES).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".json") {
            continue;
        }
        let case = fixture(&name);
        if case["events"].is_array() {
            check(&case, &read(&lines(&case["events"])));
            cases += 1;
        }
    }
    assert!(cases >= 11, "{cases}");
}

#[test]
fn what_comes_late_or_again_is_found_once() {
    let case = fixture("glue-09-late-ingestion.json");
    let mut seen = Seen::new(100);
    let mut found = Extraction::default();
    for poll in case["polls"].as_array().unwrap() {
        let mut scanner = Scanner::new(Lines::All, Seen::from_json(&seen.to_json(), 100).unwrap());
        for line in lines(poll) {
            scanner.read(&event(&line));
        }
        scanner.end(None);
        let part = scanner.take();
        found.events.extend(part.events);
        found.findings.extend(part.findings);
        seen = scanner.seen().clone();
    }
    check(&fixture("glue-09-late-ingestion.json"), &found);
}

#[test]
fn every_subscription_payload_yields_its_events() {
    for name in [
        "01-glue",
        "02-airflow3",
        "03-control",
        "04-head-only",
        "05-mixed",
    ] {
        let case = fixture(&format!("subscription-{name}.json"));
        for which in [Lines::All, Lines::Filtered] {
            let subscription = Subscription::read(case["payload"].to_string().as_bytes()).unwrap();
            let mut scanner = Scanner::new(which, Seen::new(10));
            subscription.events().for_each(|event| scanner.read(&event));
            for rest in scanner.wanted() {
                scanner.close(rest, None);
            }
            scanner.end(None);
            check(&case, &scanner.take());
        }
    }
    for payload in fixture("subscription-06-broken.json")["payloads"]
        .as_array()
        .unwrap()
    {
        assert!(
            Subscription::read(payload.to_string().as_bytes()).is_err(),
            "{payload}"
        );
    }
}

#[test]
fn an_event_in_pieces_is_put_together_past_lines_of_other_streams() {
    let mut log = vec![line("other", 0, glue4("Got task 12 {\"stage\":3}"))];
    for (number, piece) in (1..).zip(pieces(&glue4(&spark()), 400)) {
        log.push(line("driver", number, piece));
        log.push(line(
            "other",
            number,
            glue4("Executor {reads=12, writes={a=1}}"),
        ));
    }
    let found = read(&log);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![spark().as_str()], vec![])
    );
}

#[test]
fn pieces_that_each_are_a_log_line_are_joined_by_logger() {
    let event = airflow();
    let mut log = Vec::new();
    for (number, piece) in (0..).zip(pieces(&event, 700)) {
        log.push(line("task", number, structlog(&piece)));
        log.push(line("task", number, r#"{"logger": "airflow.task", "event": "a line {of} \"another\" logger", "level": "info"}"#));
    }
    let found = read(&log);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![event.as_str()], vec![])
    );
}

#[test]
fn a_log_line_in_a_log_line_is_looked_into() {
    let event = airflow();
    let docker = |said: &str| {
        format!(
            r#"{{"log":{},"stream":"stdout","time":"2026-05-15T06:00:00Z"}}"#,
            Value::from(format!("{said}\n"))
        )
    };
    let found = read(&[
        line("pod", 0, docker(&structlog(&event))),
        line("pod", 1, docker(&glue4(&spark()))),
    ]);
    assert_eq!(texts(&found), [event, spark()]);
}

#[test]
fn a_log_line_in_pieces_is_put_together() {
    let event = airflow();
    let log = (0..)
        .zip(pieces(&structlog(&event), 500))
        .map(|(number, piece)| line("pod", number, piece));
    let found = read(&log.collect::<Vec<Line>>());
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![event.as_str()], vec![])
    );
}

#[test]
fn an_event_that_is_cut_off_is_reported_with_its_place_and_what_follows_is_found() {
    let cut: String = glue4(&spark()).chars().take(3_000).collect();
    let found = read(&[
        line("driver", 0, cut),
        line(
            "driver",
            900,
            glue4("Emitting lineage completed successfully with run id: 0"),
        ),
        line("driver", 1_000, glue4(&spark())),
    ]);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![spark().as_str()], vec![FindingRule::Truncated])
    );
    let place = &found.findings[0].place;
    assert!(
        place.starts_with("log group /jobs, stream driver, 00"),
        "{place}"
    );
    assert!(
        place.contains(", 2026-05-14T23:06:40Z, run ") && place.contains(", job "),
        "{place}"
    );
}

#[test]
fn what_a_writer_cut_within_a_log_line_is_reported_too() {
    // watchtower cuts at 262,118 bytes, whatever stands there.
    let text: String = format!(
        "[2026-05-13T18:35:43.100+0000] {{console.py:30}} INFO - {}",
        airflow()
    )
    .chars()
    .take(2_000)
    .collect();
    let json: String = structlog(&airflow()).chars().take(4_001).collect();
    let found = read(&[
        line("task", 0, text),
        line("task", 1, json),
        line("task", 2, structlog(&airflow())),
    ]);
    assert_eq!(
        rules(&found),
        [FindingRule::Truncated, FindingRule::Truncated]
    );
    assert_eq!(texts(&found), [airflow()]);
    for finding in &found.findings {
        assert!(finding.place.contains(", job "), "{}", finding.place);
    }
}

#[test]
fn an_event_that_was_cut_off_within_one_message_is_reported() {
    let cut: String = spark().chars().take(3_000).collect();
    let found = read(&[line(
        "driver",
        0,
        format!("{}\n{}", glue4(&cut), glue4(&spark())),
    )]);
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![spark().as_str()], vec![FindingRule::Truncated])
    );
}

#[test]
fn an_event_whose_end_never_comes_is_incomplete() {
    let cut: String = glue4(&spark()).chars().take(3_000).collect();
    assert_eq!(
        rules(&read(&[line("driver", 0, cut)])),
        [FindingRule::Incomplete]
    );
}

#[test]
fn an_event_that_may_still_be_under_way_is_not_reported_yet() {
    let log: Vec<Line> = (0..)
        .zip(pieces(&glue4(&spark()), 4_000))
        .map(|(number, piece)| line("driver", number, piece))
        .collect();
    let begun = log[0].timestamp;
    let mut scanner = Scanner::new(Lines::All, Seen::new(10));
    scanner.read(&event(&log[0]));
    assert_eq!(scanner.end(Some(begun + MINUTE)), Some(begun));
    assert_eq!(scanner.take(), Extraction::default());
    log.iter().for_each(|line| scanner.read(&event(line)));
    assert_eq!(scanner.end(Some(begun + 2 * MINUTE)), None);
    assert_eq!(texts(&scanner.take()), [spark()]);
    let mut scanner = Scanner::new(Lines::All, Seen::new(10));
    scanner.read(&event(&log[0]));
    assert_eq!(scanner.end(Some(begun + 11 * MINUTE)), None);
    assert_eq!(rules(&scanner.take()), [FindingRule::Incomplete]);
}

#[test]
fn the_rest_of_what_a_filter_let_through_is_asked_for() {
    let all: Vec<Line> = (0..)
        .zip(pieces(&glue4(&spark()), 800))
        .map(|(number, piece)| line("driver", number, piece))
        .collect();
    let filtered: Vec<Line> = all
        .iter()
        .filter(|line| line.message.contains("openlineage.io/spec"))
        .cloned()
        .collect();
    assert!(filtered.len() < all.len());
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(10));
    filtered.iter().for_each(|line| scanner.read(&event(line)));
    let [mut rest] = <[_; 1]>::try_from(scanner.wanted()).unwrap();
    assert_eq!(
        (rest.group(), rest.stream(), rest.since()),
        ("/jobs", "driver", all[0].timestamp)
    );
    let mut stream = vec![line("driver", 0, "before it, in the same millisecond")];
    stream.extend(all);
    stream.push(line("driver", 99, glue4("another line")));
    let used = stream
        .iter()
        .take_while(|line| {
            rest.read(&LogEvent {
                id: "",
                ..event(line)
            })
        })
        .count();
    assert_eq!(
        used,
        stream.len() - 2,
        "no line is read after the last piece"
    );
    assert_eq!(scanner.close(rest, None), None);
    assert_eq!(texts(&scanner.take()), [spark()]);
    // Once found it is not asked for again.
    filtered.iter().for_each(|line| scanner.read(&event(line)));
    assert_eq!(scanner.wanted().len(), 0);
}

#[test]
fn the_rest_of_pieces_that_each_are_a_log_line_is_asked_for() {
    let all: Vec<Line> = (0..)
        .zip(pieces(&airflow(), 900))
        .map(|(number, piece)| line("task", number, structlog(&piece)))
        .collect();
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(10));
    for line in all
        .iter()
        .filter(|line| line.message.contains("openlineage.io/spec"))
    {
        scanner.read(&event(line));
    }
    let [mut rest] = <[_; 1]>::try_from(scanner.wanted()).unwrap();
    let wanted = all.iter().take_while(|line| rest.read(&event(line)));
    assert_eq!(wanted.count(), all.len() - 1);
    scanner.close(rest, None);
    let found = scanner.take();
    assert_eq!(
        (texts(&found), rules(&found)),
        (vec![airflow().as_str()], vec![])
    );
}

#[test]
fn a_rest_that_does_not_come_is_reported_or_waited_for() {
    let cut = line(
        "driver",
        0,
        glue4(&spark()).chars().take(3_000).collect::<String>(),
    );
    let mut scanner = Scanner::new(Lines::Filtered, Seen::new(10));
    let rests: Vec<_> = (0..3)
        .map(|_| {
            scanner.read(&event(&cut));
            scanner.wanted().remove(0)
        })
        .collect();
    let [waits, mut anew, mut gone] = <[_; 3]>::try_from(rests).unwrap();
    assert_eq!(
        scanner.close(waits, Some(cut.timestamp + MINUTE)),
        Some(cut.timestamp)
    );
    assert!(anew.read(&event(&cut)) && !anew.read(&event(&line("driver", 5, glue4("a line")))));
    scanner.close(anew, Some(cut.timestamp + MINUTE));
    assert_eq!(rules(&scanner.take()), [FindingRule::Truncated]);
    // The same is not reported twice.
    assert!(!gone.read(&event(&line(
        "driver",
        5,
        "its beginning is not in the stream"
    ))));
    scanner.close(gone, None);
    assert_eq!(scanner.take(), Extraction::default());
}

#[test]
fn the_same_event_has_the_same_identity_wherever_it_is_printed() {
    let found = |stream, message: String| read(&[line(stream, 7, message)]).events[0].identity;
    let one = found("driver", glue4(&airflow()));
    assert_eq!(one, found("task", structlog(&airflow())));
    assert_eq!(
        one,
        TextLog::new("file")
            .read(format!("{}\n", airflow()).as_bytes())
            .events[0]
            .identity
    );
    assert_ne!(one, found("driver", glue4(&spark())));
}

#[test]
fn a_text_is_read_in_any_pieces_and_keeps_the_lines_of_an_event() {
    let pretty = fs::read(format!("{FIXTURES}/airflow-09-pretty.log")).unwrap();
    for length in [1, 7, 4_096] {
        let mut log = TextLog::new("job.log");
        let mut found = Extraction::default();
        for bytes in pretty.chunks(length) {
            found.events.extend(log.read(bytes).events);
        }
        assert_eq!(log.end(), Extraction::default());
        let text = String::from_utf8(pretty.clone()).unwrap();
        let printed = text
            .strip_prefix("starting\n")
            .and_then(|text| text.strip_suffix("\ndone\n"))
            .unwrap();
        assert_eq!(texts(&found), [printed]);
    }
}

#[test]
fn a_finding_of_a_text_names_its_line() {
    let cut: String = glue4(&spark()).chars().take(3_000).collect();
    let mut log = TextLog::new("job.log");
    let text = format!("a\nb\n{cut}\n{}", glue4("a new line\n"));
    let found = log.read(text.as_bytes());
    assert_eq!(rules(&found), [FindingRule::Truncated]);
    assert!(
        found.findings[0].place.starts_with("job.log, line 3, run "),
        "{}",
        found.findings[0].place
    );
}

#[test]
fn an_event_in_another_encoding_is_reported_with_its_line_and_never_guessed_at() {
    let latin = |text: &str| text.replace("\"job\":", "\"x\":\"caf\u{fffd}\",\"job\":");
    let damaged = |text: String| -> Vec<u8> {
        let parts: Vec<&[u8]> = text.split('\u{fffd}').map(str::as_bytes).collect();
        parts.join(&0xe9)
    };
    let pretty = fs::read_to_string(format!("{FIXTURES}/airflow-09-pretty.log")).unwrap();
    let key = "\"eventTime\":";
    assert_eq!(pretty.matches(key).count(), 1);
    let pretty = pretty.replace(key, &format!("\"x\": \"caf\u{fffd}\",\n{key}"));
    for printed in [
        glue4(&latin(&spark())),
        structlog(&latin(&airflow())),
        pretty,
    ] {
        assert!(printed.contains('\u{fffd}'));
        let mut log = TextLog::new("job.log");
        let mut found = log.read(b"a line\n");
        let read = log.read(&damaged(format!("{printed}\n{}\n", glue4(&spark()))));
        assert_eq!(texts(&read), [spark()], "the next event is found");
        found.findings.extend(read.findings);
        assert_eq!(rules(&found), [FindingRule::Unreadable]);
        let place = &found.findings[0].place;
        assert!(place.starts_with("job.log, line "), "{place}");
    }
}

#[test]
fn a_replacement_character_that_was_printed_and_bytes_around_an_event_are_no_damage() {
    let printed = spark().replace("\"job\":", "\"x\":\"\u{fffd}\",\"job\":");
    let mut log = TextLog::new("job.log");
    let mut bytes = b"caf\xe9\n".to_vec();
    bytes.extend_from_slice(glue4(&printed).as_bytes());
    bytes.extend_from_slice(b"\ncaf\xe9 ");
    bytes.extend_from_slice(airflow().as_bytes());
    bytes.push(b'\n');
    let found = log.read(&bytes);
    assert_eq!(texts(&found), [printed, airflow()]);
    assert_eq!(rules(&found), []);
}

#[test]
fn a_log_in_utf_16_is_reported_once() {
    let text = format!("\u{feff}{}\n{}\n", spark(), spark());
    let units = text.encode_utf16();
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    let mut log = TextLog::new("job.log");
    let mut found = Extraction::default();
    for piece in bytes.chunks(1_000) {
        let read = log.read(piece);
        found.events.extend(read.events);
        found.findings.extend(read.findings);
    }
    found.findings.extend(log.end().findings);
    assert_eq!(texts(&found), [""; 0]);
    assert_eq!(rules(&found), [FindingRule::Unreadable]);
    assert!(found.findings[0].message.contains("UTF-16"));
}

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
