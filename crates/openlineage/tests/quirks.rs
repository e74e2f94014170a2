//! What real clients send, one fixture a quirk.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use openlineage::{Event, EventType, Level, Subject, ValidEvent};
use support::{fixture, fixtures};

fn strict(name: &str) -> Event {
    Event::read(fixture(name).as_bytes(), Level::Strict)
        .unwrap_or_else(|refused| panic!("{name}: {refused}"))
        .event
}

/// Pointer and rule of each finding.
fn refused(text: &[u8]) -> Vec<(String, &'static str)> {
    let refused = Event::read(text, Level::Repair).unwrap_err();
    refused
        .findings
        .into_iter()
        .map(|finding| (finding.pointer, finding.rule))
        .collect()
}

fn repaired(text: &str) -> ValidEvent {
    Event::read(text.as_bytes(), Level::Repair).unwrap()
}

#[test]
fn every_event_of_an_integration_is_valid_and_leaves_as_it_came() {
    let of_integrations = fixtures()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("python-"));
    for (name, text) in of_integrations {
        assert_eq!(strict(&name).text(), text.trim(), "{name}");
    }
}

#[test]
fn spark_names_its_engine_twice() {
    for name in [
        "spark-rdd-duplicate-key",
        "spark-rdd-duplicate-key-complete",
    ] {
        let event = strict(name);
        assert_eq!(event.text(), fixture(name).trim());
        assert_eq!(event.text().matches("\"processing_engine\"").count(), 2);
    }
}

#[test]
fn an_integer_of_70_bits_stays_one() {
    assert!(
        strict("python-integer-of-70-bits")
            .text()
            .contains("1180591620717411303424")
    );
}

#[test]
fn nan_and_lone_surrogates_are_refused_with_their_place() {
    for name in ["python-nan", "python-lone-surrogate"] {
        assert_eq!(
            refused(fixture(name).as_bytes()),
            [("/run/facets/x/v".to_owned(), "json")],
            "{name}"
        );
    }
}

#[test]
fn a_nul_in_a_name_is_a_character_like_others() {
    assert!(strict("python-nul-in-a-name").text().contains("\\u0000"));
}

#[test]
fn a_time_without_zone_is_utc() {
    let text = fixture("python-naive-time");
    assert!(Event::read(text.as_bytes(), Level::Strict).is_err());
    let read = repaired(&text);
    assert_eq!(
        (read.repairs.len(), read.repairs[0].pointer.as_str()),
        (1, "/eventTime")
    );
    assert_eq!(
        read.event.text().len(),
        text.len() + 1,
        "a Z, and nothing else"
    );
}

#[test]
fn a_run_id_without_hyphens_gets_them() {
    let read = repaired(&fixture("python-hex-run-id"));
    assert_eq!(read.repairs[0].pointer, "/run/runId");
    assert!(read.event.run_id().is_some());
}

#[test]
fn the_kind_is_told_by_the_keys_and_never_by_the_schema_url() {
    assert!(matches!(
        strict("java-no-event-type").subject(),
        Subject::Run {
            event_type: None,
            ..
        }
    ));
    assert!(matches!(
        strict("java-job-event").subject(),
        Subject::Job { .. }
    ));
    assert!(matches!(
        strict("java-dataset-event").subject(),
        Subject::Dataset { .. }
    ));
    let legacy = repaired(&fixture("python-legacy-schema-url")).event;
    assert!(legacy.text().contains("1-0-5"));
    assert!(matches!(
        legacy.subject(),
        Subject::Run {
            event_type: Some(EventType::Start),
            ..
        }
    ));
    let claims_otherwise = fixture("java-job-event").replace("JobEvent", "RunEvent");
    assert!(matches!(
        repaired(&claims_otherwise).event.subject(),
        Subject::Job { .. }
    ));
}

#[test]
fn a_job_and_a_dataset_without_a_run_are_neither() {
    let both = fixture("java-job-event").replace(
        r#""job":"#,
        r#""dataset":{"namespace":"n","name":"d"},"job":"#,
    );
    assert_eq!(refused(both.as_bytes()), [(String::new(), "oneOf")]);
}

#[test]
fn nulls_and_facets_without_a_producer_are_put_right() {
    let text = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","eventType":null,"run":{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4",
        "facets":{"mine":{"x":1.0}, "empty":{}}},"job":{"namespace":"n","name":"j","facets":null},"inputs":null}"#;
    let read = repaired(text);
    let mut pointers: Vec<&str> = read
        .repairs
        .iter()
        .map(|repair| repair.pointer.as_str())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/eventType",
            "/inputs",
            "/job/facets",
            "/run/facets/empty",
            "/run/facets/mine",
            "/schemaURL"
        ]
    );
    for part in [
        r#""mine":{"x":1.0,"_producer":"#,
        r#""empty":{"_producer":"#,
        r#""inputs":[]"#,
        r#"#/$defs/RunEvent""#,
    ] {
        assert!(
            read.event.text().contains(part),
            "{part} in {}",
            read.event.text()
        );
    }
    assert!(!read.event.text().contains("eventType"));
}

#[test]
fn texts_that_no_one_can_read_are_refused() {
    let bomb = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert_eq!(refused(bomb.as_bytes())[0].1, "depth");
    assert_eq!(refused(b"\xff\xfe{\0}\0"), [(String::new(), "utf-8")]);
    assert_eq!(refused(b""), [(String::new(), "json")]);
    assert_eq!(refused(b"[]"), [(String::new(), "type")]);
    let marked = format!("\u{feff}{}", fixture("go-start"));
    assert_eq!(repaired(&marked).event.text(), fixture("go-start").trim());
    let huge = fixture("java-job-event").replacen('{', r#"{"x":1e400,"#, 1);
    assert!(repaired(&huge).event.text().contains("1e400"));
}

#[test]
fn a_million_faults_are_counted_and_a_hundred_told() {
    let facets: Vec<String> = (0..50_000).map(|n| format!(r#""{n}":7"#)).collect();
    let text = fixture("java-job-event").replace(
        r#""name":"j""#,
        &format!(r#""name":"j","facets":{{{}}}"#, facets.join(",")),
    );
    let findings = refused(text.as_bytes());
    assert_eq!((findings.len(), findings[100].1), (101, "more"));
}

#[test]
fn a_million_tokens_that_are_no_json_are_counted_and_a_hundred_told() {
    let list = ["NaN"; 50_000].join(",");
    let text =
        fixture("java-job-event").replacen('{', &format!(r#"{{"x":[{list}],"producer":7,"#), 1);
    let refused = Event::read(text.as_bytes(), Level::Repair).unwrap_err();
    assert_eq!(
        (refused.findings.len(), refused.findings[100].rule),
        (101, "more")
    );
    assert!(
        refused.findings[100].message.contains("49900"),
        "{:?}",
        refused.findings[100]
    );
}

#[test]
fn what_stands_around_a_repaired_event_is_no_part_of_it() {
    let text = fixture("python-naive-time");
    let around = repaired(&format!("\u{feff} \n{text}\r\n\t"));
    assert_eq!(around.event, repaired(text.trim()).event);
}

#[test]
fn a_byte_order_mark_in_the_queue_is_no_part_of_the_event() {
    let text: std::sync::Arc<str> = format!("\u{feff}{}", fixture("go-start")).into();
    let read = Event::read_shared(&text, Level::Strict).unwrap();
    assert_eq!(read.event.text(), fixture("go-start").trim());
}

#[test]
fn what_is_logged_of_a_refusal_is_short_and_of_one_line_whatever_the_keys() {
    let key = format!("\\n\\u0001{}", "k".repeat(100_000));
    let text = fixture("java-job-event").replace(
        r#""name":"j""#,
        &format!(r#""name":"j","facets":{{"{key}":7}}"#),
    );
    let refused = Event::read(text.as_bytes(), Level::Repair).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.len() < 400 && !message.contains(char::is_control),
        "{message}"
    );
    let pointer = &refused.findings[0].pointer;
    assert!(pointer.len() < 2_000, "{} bytes", pointer.len());
}
