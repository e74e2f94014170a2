//! What merging costs: the four events of a run, of 2, 20 and 200 KB each, become its end (or START and end).
//!
//! `cargo bench -p transform --bench coalesce`. `alike`: as Spark sends them, every event repeats the others and has
//! one facet of its own. `apart`: every event brings datasets that no other has. `read` is the floor: what it costs
//! to read one event of the merged size, which merging does once for each event that it writes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark ends at the first error"
)]

use divan::Bencher;
use divan::counter::BytesCount;
use openlineage::{Event, Level};
use transform::coalesce;

const KB: [usize; 3] = [2, 20, 200];

fn main() {
    divan::main();
}

#[divan::bench(args = KB)]
fn alike_to_the_end(bencher: Bencher<'_, '_>, kb: usize) {
    merging(bencher, &run(kb, false), false);
}

#[divan::bench(args = KB)]
fn alike_to_start_and_end(bencher: Bencher<'_, '_>, kb: usize) {
    merging(bencher, &run(kb, false), true);
}

#[divan::bench(args = KB)]
fn apart_to_the_end(bencher: Bencher<'_, '_>, kb: usize) {
    merging(bencher, &run(kb, true), false);
}

#[divan::bench(args = KB)]
fn read_alike(bencher: Bencher<'_, '_>, kb: usize) {
    reading(bencher, &run(kb, false));
}

#[divan::bench(args = KB)]
fn read_apart(bencher: Bencher<'_, '_>, kb: usize) {
    reading(bencher, &run(kb, true));
}

fn merging(bencher: Bencher<'_, '_>, run: &[Event], keep_start: bool) {
    let events: Vec<&Event> = run.iter().collect();
    let came: usize = run.iter().map(|event| event.text().len()).sum();
    bencher
        .counter(BytesCount::new(came))
        .bench(|| coalesce(&events, keep_start, None));
}

fn reading(bencher: Bencher<'_, '_>, run: &[Event]) {
    let events: Vec<&Event> = run.iter().collect();
    let merged = coalesce(&events, false, None)
        .pop()
        .expect("a run has an end");
    bencher
        .counter(BytesCount::new(merged.event.text().len()))
        .bench(|| Event::read(merged.event.text().as_bytes(), Level::Strict));
}

/// START, RUNNING, RUNNING, COMPLETE, each of about `kb` KB: datasets with a schema of ten columns.
fn run(kb: usize, apart: bool) -> Vec<Event> {
    let event = |(number, event_type): (usize, &&str)| {
        let names = if apart { number } else { 0 };
        let mut datasets = Vec::new();
        let mut size = 600;
        while size < kb * 1_000 {
            let dataset = dataset(names, datasets.len());
            size += dataset.len() + 1;
            datasets.push(dataset);
        }
        let (inputs, outputs) = datasets.split_at(datasets.len() / 2);
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:0{number}Z","producer":"urn:p","schemaURL":"urn:s","eventType":"{event_type}","run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4","facets":{{"processing_engine":{{"_producer":"urn:p","_schemaURL":"urn:s","version":"3.5.7"}},"own_{number}":{{"_producer":"urn:p","_schemaURL":"urn:s","n":{number}}}}}}},"job":{{"namespace":"n","name":"j"}},"inputs":[{}],"outputs":[{}]}}"#,
            inputs.join(","),
            outputs.join(",")
        );
        Event::read(text.as_bytes(), Level::Strict).unwrap().event
    };
    let types = ["START", "RUNNING", "RUNNING", "COMPLETE"];
    types.iter().enumerate().map(event).collect()
}

fn dataset(names: usize, number: usize) -> String {
    let field = |field: usize| {
        format!(r#"{{"name":"column_{field}","type":"string","description":"the column"}}"#)
    };
    let fields: Vec<String> = (0..10).map(field).collect();
    format!(
        r#"{{"namespace":"s3://bucket","name":"path/{names}/table_{number}","facets":{{"schema":{{"_producer":"urn:p","_schemaURL":"urn:s","fields":[{}]}}}}}}"#,
        fields.join(",")
    )
}
