//! The strict verdict against an implementation of JSON Schema, on damaged real events: no difference.
//!
//! The schema beside this file is ours, in as few words as it takes. Where the official one is found (`OPENLINEAGE_SPEC`,
//! or beside the checkout), the same events go through it too. `MUTANTS` sets how many there are for each event.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::PathBuf;

use jsonschema::Validator;
use openlineage::{Event, Level};
use serde_json::Value;
use support::{Chance, fixtures, mutate};

fn validator(text: &str) -> Validator {
    let schema: Value = serde_json::from_str(text).unwrap();
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

fn official() -> Option<Validator> {
    let beside = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/openlineage-spec"
    );
    let folder = std::env::var("OPENLINEAGE_SPEC").unwrap_or_else(|_| beside.to_owned());
    let text = std::fs::read_to_string(PathBuf::from(folder).join("OpenLineage.json")).ok()?;
    Some(validator(&text))
}

#[test]
fn strict_accepts_and_refuses_what_json_schema_does() {
    let ours = validator(include_str!("core-event.schema.json"));
    let official = official();
    if official.is_none() {
        println!("the official schema is not here: compared with our own alone");
    }
    let mutants: usize = std::env::var("MUTANTS").map_or(1_500, |count| count.parse().unwrap());
    let (mut accepted, mut refused, mut differences) = (0, 0, Vec::new());
    for (name, text) in fixtures() {
        let event: Value = serde_json::from_str(&text).unwrap();
        let mut chance = Chance(name.len() as u64);
        for n in 0..mutants {
            let mutant = if n == 0 {
                event.clone()
            } else {
                mutate(&event, &mut chance)
            };
            let verdict = Event::read(mutant.to_string().as_bytes(), Level::Strict);
            *(if verdict.is_ok() {
                &mut accepted
            } else {
                &mut refused
            }) += 1;
            for validator in [Some(&ours), official.as_ref()].into_iter().flatten() {
                if validator.is_valid(&mutant) != verdict.is_ok() {
                    let theirs: Vec<String> = validator
                        .iter_errors(&mutant)
                        .map(|error| error.to_string())
                        .collect();
                    differences.push(format!(
                        "{name}: {verdict:?}\n  JSON Schema: {theirs:?}\n  {mutant}"
                    ));
                }
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences, the first:\n{}",
        differences.len(),
        differences[0]
    );
    assert!(
        accepted > 1_000 && refused > 1_000,
        "{accepted} accepted, {refused} refused: the mutations are one-sided"
    );
    println!("{accepted} accepted, {refused} refused, no difference");
}
