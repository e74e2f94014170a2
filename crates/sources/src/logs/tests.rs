//! Log events and recorded logs (`tests/fixtures/logs`), for the tests beside this file.

mod bounds;
mod bugs;
mod files;
mod pieces;
mod recorded;
mod rest;

use std::fs;

use serde_json::Value;

use super::{Lines, LogEvent, Scanner, Seen, TextLog};
use crate::{Extraction, FindingRule};

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
