//! How many bytes of logs one core reads in a second.
//!
//! `cargo bench -p sources --bench logs`

#![allow(missing_docs, reason = "a benchmark has no users")]

use divan::counter::BytesCount;
use sources::logs::{Lines, LogEvent, Scanner, Seen, TextLog};

/// How many bytes of a log are read in one go.
const CHUNK: usize = 64 * 1024;

fn main() {
    divan::main();
}

fn event(number: usize) -> String {
    let event = include_str!("../../../tests/fixtures/spark-complete-column-lineage.json");
    event
        .trim()
        .replace("eventTime\":\"2", &format!("eventTime\":\"{number}"))
}

fn chatter(number: usize) -> String {
    format!(
        "26/05/15 06:00:00 INFO TaskSetManager: Finished task {number}.0 in stage 1.0 (TID 3) in 12 ms on 10.0.0.7 (executor 1) (3/200)"
    )
}

/// What a Spark driver writes: an event now and then, and a map that is printed.
fn spark() -> String {
    let mut log = String::new();
    for number in 0..2_000 {
        for line in 0..100 {
            log.push_str(&chatter(line));
            log.push('\n');
        }
        log.push_str("26/05/15 06:00:00 INFO Executor: metrics {reads=12, writes={a=1, b=2}}\n");
        log.push_str(&format!(
            "26/05/15 06:00:00 INFO ConsoleTransport: {}\n",
            event(number)
        ));
    }
    log
}

/// What Airflow 3 writes: each line is a JSON object.
fn structlog() -> String {
    let line = |said: String| {
        serde_json::json!({"logger": "a.b", "event": said, "level": "info"}).to_string() + "\n"
    };
    let mut log = String::new();
    for number in 0..2_000 {
        (0..50).for_each(|number| log.push_str(&line(chatter(number))));
        log.push_str(&line(event(number)));
    }
    log
}

/// Nothing but events.
fn events() -> String {
    (0..5_000).map(|number| event(number) + "\n").collect()
}

#[divan::bench(args = ["spark", "structlog", "events"], sample_count = 10)]
fn text(bencher: divan::Bencher<'_, '_>, kind: &str) {
    let log = match kind {
        "spark" => spark(),
        "structlog" => structlog(),
        _ => events(),
    };
    bencher.counter(BytesCount::of_str(&log)).bench_local(|| {
        let mut text = TextLog::new("log");
        let chunks = log.as_bytes().chunks(CHUNK);
        let found: usize = chunks.map(|chunk| text.read(chunk).events.len()).sum();
        found + text.end().events.len()
    });
}

/// An event in pieces of 16 KB, as container runtimes write it.
#[divan::bench(sample_count = 10)]
fn pieces(bencher: divan::Bencher<'_, '_>) {
    let event = event(0).replace(
        "\"inputs\":[",
        &format!(
            "\"inputs\":[{}",
            "{\"namespace\":\"a\",\"name\":\"b\"},".repeat(100_000)
        ),
    );
    let event = event
        .as_bytes()
        .chunks(16_384)
        .map(|piece| String::from_utf8_lossy(piece).into_owned());
    let pieces: Vec<String> = event.collect();
    let bytes: usize = pieces.iter().map(String::len).sum();
    bencher.counter(BytesCount::new(bytes)).bench_local(|| {
        let mut scanner = Scanner::new(Lines::All, Seen::new(10));
        for message in &pieces {
            scanner.read(&LogEvent {
                group: "g",
                stream: "s",
                id: "1",
                timestamp: Some(0),
                message,
            });
        }
        scanner.take().events.len()
    });
}
