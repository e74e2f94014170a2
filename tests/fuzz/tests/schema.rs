//! The strict verdict on every kept event is that of an implementation of JSON Schema. Not a law for the fuzzer: it takes
//! longer to build and to run than all the others.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a fuzz target reports by panicking"
)]

use fuzz_laws::{pack, seeds};
use openlineage::{Event, Level};
use serde_json::Value;

#[test]
fn strict_accepts_and_refuses_what_json_schema_does() {
    let text = include_str!("../../../crates/openlineage/tests/core-event.schema.json");
    let schema = serde_json::from_str(text).unwrap();
    let options = jsonschema::options().should_validate_formats(true);
    let schema = options.build(&schema).unwrap();
    let kept = pack::inputs(&pack::file(env!("CARGO_MANIFEST_DIR"), "event"));
    for input in kept.into_iter().chain(seeds::of("event")) {
        let verdict = Event::read(&input, Level::Strict);
        // Numbers that no float holds are not read by `serde_json`, and are nobody's business here.
        let Ok(value) = serde_json::from_slice::<Value>(&input) else {
            continue;
        };
        if schema.is_valid(&value) != verdict.is_ok() {
            let theirs: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
            panic!("{:?}\nJSON Schema: {theirs:?}", verdict.map(|_| "accepted"));
        }
    }
}
