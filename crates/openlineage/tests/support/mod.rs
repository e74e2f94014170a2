//! Real events, and ways to damage them.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use openlineage::{Event, Level, Severity, ValidEvent};
use serde_json::{Map, Value, json};

pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures");

pub fn fixture(name: &str) -> String {
    std::fs::read_to_string(Path::new(FIXTURES).join(format!("{name}.json"))).unwrap()
}

/// Every fixture that is JSON, with its name.
pub fn fixtures() -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(FIXTURES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            (
                path.file_stem().unwrap().to_string_lossy().into_owned(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .filter(|(_, text)| serde_json::from_str::<Value>(text).is_ok())
        .collect();
    found.sort();
    found
}

/// The events of a fixture whose quirk is repaired: `NAME.json` with one, or `NAME.jsonl`.
pub fn repair_fixtures(name: &str) -> Vec<String> {
    let path = |extension| Path::new(FIXTURES).join(format!("repairs/{name}.{extension}"));
    let text =
        std::fs::read_to_string(path("json")).or_else(|_| std::fs::read_to_string(path("jsonl")));
    text.unwrap().lines().map(str::to_owned).collect()
}

/// The one event of a fixture.
pub fn repair_fixture(name: &str) -> String {
    repair_fixtures(name).remove(0)
}

/// Repaired, and refused as strict: what the core schema refuses.
pub fn repaired(text: &str) -> ValidEvent {
    let strict = Event::read(text.as_bytes(), Level::Strict);
    assert!(strict.is_err(), "strict takes {text}");
    read(text)
}

/// Repaired, where the core schema has nothing against it.
pub fn repaired_inside(text: &str) -> ValidEvent {
    let strict = Event::read(text.as_bytes(), Level::Strict).unwrap();
    assert_eq!(strict.event.text(), text);
    read(text)
}

pub fn read(text: &str) -> ValidEvent {
    let read = Event::read(text.as_bytes(), Level::Repair)
        .unwrap_or_else(|refused| panic!("{:?}", refused.findings));
    for repair in &read.repairs {
        assert_eq!(repair.severity, Severity::Repaired);
    }
    let again = Event::read(read.event.text().as_bytes(), Level::Strict).unwrap();
    assert_eq!(again.event, read.event);
    read
}

pub fn value(read: &ValidEvent) -> Value {
    serde_json::from_str(read.event.text()).unwrap()
}

pub fn pointers(read: &ValidEvent) -> Vec<&str> {
    let mut pointers: Vec<&str> = read.repairs.iter().map(|found| &*found.pointer).collect();
    pointers.sort_unstable();
    pointers
}

/// A small repeatable source of chance (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % end
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// Values that are right somewhere and wrong elsewhere.
fn values() -> Vec<Value> {
    let texts = [
        "",
        "x",
        "START",
        "start",
        "BEGIN",
        "urn:a:b",
        "http://h/p?q#f",
        "no uri",
        "/relative",
        "file",
        "http://[::1",
        "a b:c",
        "é:x",
        "%zz:",
        "http://h/%zz",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01t00:00:00.123456789012z",
        "2026-01-01 00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2024-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:59+24:00",
        "2026-01-01T00:00:00-23:59",
        "2026-01-01T00:00Z",
        "20260101T000000Z",
        "2026-1-1T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "+002026-01-01T00:00:00Z",
        " 2026-01-01T00:00:00Z",
        "01a1faa6-e194-708b-a993-cc010cbe1ae4",
        "01A1FAA6-E194-708B-A993-CC010CBE1AE4",
        "01a1faa6e194708ba993cc010cbe1ae4",
        "{01a1faa6-e194-708b-a993-cc010cbe1ae4}",
        "urn:uuid:01a1faa6-e194-708b-a993-cc010cbe1ae4",
        "01a1faa6-e194-708b-a993-cc010cbe1aeg",
        "01a1faa6-e194-708ba993-cc010cbe1ae44",
        "manual__2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00+01:00[Europe/Paris]",
        "2026-01-01T00:00:00[Europe/Paris]",
        "2026-01-01T00:00:00+00:00Z",
        "2026-01-01T00:00:00+01:00Z",
        "2026-01-01 00:00:00 UTC",
    ];
    let facet = json!({"_producer": "urn:p", "_schemaURL": "urn:s"});
    let mut values: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    values.extend([
        Value::Null,
        json!(true),
        json!(7),
        json!(1.5),
        json!([]),
        json!({}),
        json!([7]),
        json!([{}]),
    ]);
    values.extend([
        facet.clone(),
        json!({"f": facet}),
        json!({"f": {}}),
        json!({"f": null}),
        json!({"f": {"_producer": null, "_schemaURL": "x y", "_deleted": null, "n": null}}),
        json!({"documentation": {"_producer": "urn:p", "_schemaURL": "urn:s", "description": "d", "contentType": null}}),
        json!({"parent": {"_producer": "urn:p", "_schemaURL": "urn:s", "run": {"runId": "run 1", "facets": {"f": null}},
            "job": {"namespace": "n", "name": "j", "facets": {"f": {"x": null}}}, "root": null}}),
        json!([null, {"namespace": "n", "name": "m"}, null]),
        json!({"f": 1}),
        json!({"namespace": "n", "name": "m"}),
    ]);
    values.extend([
        json!({"runId": "01a1faa6-e194-708b-a993-cc010cbe1ae4"}),
        json!([{"namespace": "", "name": ""}]),
    ]);
    values
}

const NAMES: [&str; 17] = [
    "run",
    "job",
    "dataset",
    "inputs",
    "outputs",
    "facets",
    "inputFacets",
    "outputFacets",
    "eventType",
    "eventTime",
    "producer",
    "schemaURL",
    "runId",
    "namespace",
    "name",
    "_producer",
    "_deleted",
];

/// Changes one to three things at random places.
pub fn mutate(event: &Value, chance: &mut Chance) -> Value {
    let mut event = event.clone();
    for _ in 0..=chance.below(3) {
        let depth = chance.below(6);
        mutate_at(&mut event, depth, chance);
    }
    event
}

fn mutate_at(value: &mut Value, depth: usize, chance: &mut Chance) {
    match value {
        Value::Object(members) if depth > 0 && !members.is_empty() => {
            let name = chance.one(&members.keys().cloned().collect::<Vec<_>>());
            if let Some(inner) = members.get_mut(&name) {
                mutate_at(inner, depth - 1, chance);
            }
        }
        Value::Array(items) if depth > 0 && !items.is_empty() => {
            let index = chance.below(items.len());
            mutate_at(&mut items[index], depth - 1, chance);
        }
        Value::Object(members) => mutate_members(members, chance),
        Value::Array(items) if chance.below(2) == 0 => items.push(chance.one(&values())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            *value = chance.one(&values())
        }
    }
}

fn mutate_members(members: &mut Map<String, Value>, chance: &mut Chance) {
    let keys: Vec<String> = members.keys().cloned().collect();
    match chance.below(3) {
        0 if !keys.is_empty() => drop(members.remove(&chance.one(&keys))),
        1 if !keys.is_empty() => {
            let value = members.remove(&chance.one(&keys)).unwrap_or_default();
            members.insert(chance.one(&NAMES).to_owned(), value);
        }
        _ => drop(members.insert(chance.one(&NAMES).to_owned(), chance.one(&values()))),
    }
}
