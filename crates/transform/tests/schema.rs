//! The JSON Schema for editors and the reader of rules files accept and refuse the same files.
//!
//! The schema is generated from the types that the reader uses (`rules/tests/schema.rs`), except for the parts about
//! keys that belong together. Each file here is checked by both. What a JSON Schema cannot express is in a list of its
//! own, with the reason; a case that no longer belongs there fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "schema/bad.rs"]
mod bad;
#[path = "schema/differences.rs"]
mod differences;
#[path = "schema/good.rs"]
mod good;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use bad::BAD;
use differences::DIFFERENCES;
use good::GOOD;
use serde_json::Value;
use transform::{Problem, RuleResources, RuleSet, SCHEMA, Script, ScriptLimits, Transforms};

const MODULE: &[u8] = include_bytes!("modules/team_owner.wasm");

fn read(text: &str) -> Result<RuleSet, Vec<Problem>> {
    let file = |name: &str| match name {
        "7" | "script.rhai" => Ok(b"let x = 1;".to_vec()),
        "module.wasm" => Ok(MODULE.to_vec()),
        "event.json" => Ok(b"{}".to_vec()),
        _ => Err(format!("{name}: not found")),
    };
    let transforms = Transforms::new().with("known", |_| {
        let script = Script::compile("", ScriptLimits::default());
        Ok(Arc::new(script.unwrap()))
    });
    let sources = RuleResources {
        file: &file,
        transforms: &transforms,
        hash_key: Some(b"0123456789abcdef0123456789abcdef"),
        targets: &["store", "file", "openlineage", "datazone"],
    };
    RuleSet::read(text, &sources)
}

fn yaml(text: &str) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());

/// Whether the reader and whether the schema accepts the file.
fn verdicts(text: &str) -> (bool, bool) {
    (read(text).is_ok(), VALIDATOR.is_valid(&yaml(text)))
}

#[test]
fn the_schema_is_a_json_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn good_files_are_good_to_both() {
    for text in GOOD {
        assert_eq!(verdicts(text), (true, true), "{text}\n{:?}", read(text));
    }
}

#[test]
fn bad_files_are_bad_to_both() {
    for text in BAD {
        assert_eq!(verdicts(text), (false, false), "{text}\n{:?}", read(text));
    }
}

#[test]
fn they_differ_only_in_what_a_schema_cannot_express() {
    for difference in DIFFERENCES {
        let (reader, schema) = verdicts(difference.text);
        assert_eq!(
            reader, difference.reader,
            "{}: {}",
            difference.why, difference.text
        );
        assert_ne!(schema, reader, "{}: {}", difference.why, difference.text);
    }
}

#[test]
fn every_key_has_a_good_file() {
    let mut used = BTreeSet::new();
    for text in GOOD {
        walk(&yaml(text), "", &mut |_, value| {
            used.extend(
                value
                    .as_object()
                    .into_iter()
                    .flat_map(|map| map.keys().cloned()),
            );
        });
    }
    let unused: Vec<String> = properties(&schema())
        .into_iter()
        .flat_map(|(_, keys)| keys)
        .filter(|key| !used.contains(key))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// Every object of the schema that takes no other keys than those it lists.
fn properties(schema: &Value) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    walk(schema, "", &mut |pointer, value| {
        if value.get("additionalProperties") == Some(&Value::Bool(false)) {
            let keys = value.get("properties").and_then(Value::as_object);
            let keys = keys.into_iter().flat_map(|keys| keys.keys().cloned());
            found.push((pointer.to_owned(), keys.collect()));
        }
    });
    found
}

fn walk(value: &Value, pointer: &str, see: &mut impl FnMut(&str, &Value)) {
    see(pointer, value);
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                walk(value, &format!("{pointer}/{key}"), see);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                walk(value, &format!("{pointer}/{index}"), see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_examples_of_the_example_file_pass() {
    let rules = read(include_str!("../../../examples/transforms.yaml")).unwrap();
    assert!(!rules.examples().is_empty());
    for example in rules.examples() {
        let failures = example.run(&rules).failures;
        assert!(failures.is_empty(), "{}: {failures:?}", example.name);
    }
}

/// The files that a rules text reads.
fn files_of(text: &str) -> Vec<String> {
    let asked = std::cell::RefCell::new(Vec::new());
    let file = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        Err("not here".to_owned())
    };
    let transforms = Transforms::new();
    let sources = RuleResources {
        file: &file,
        transforms: &transforms,
        hash_key: None,
        targets: &[],
    };
    let _ = RuleSet::read(text, &sources);
    asked.into_inner()
}

/// [`every_key_has_a_good_file`], so a new setting that names a file is among them.
#[test]
fn rules_that_are_tried_read_no_file_whatever_setting_names_it() {
    let transforms = Transforms::new();
    let sources = RuleResources {
        file: &|name| panic!("{name} is read"),
        transforms: &transforms,
        hash_key: Some(b"0123456789abcdef0123456789abcdef"),
        targets: &["store", "file", "openlineage", "datazone"],
    };
    let mut reading = 0;
    for text in GOOD {
        let tried = RuleSet::read_trial(text, &sources);
        if files_of(text).is_empty() {
            // Those that need a transform of this binary, or many operations.
            let refused = tried.err().unwrap_or_default();
            let is_known = |problem: &Problem| {
                problem.message.contains("this binary has no transform")
                    || problem
                        .message
                        .contains("operations in rules that are tried")
            };
            assert!(refused.iter().all(is_known), "{text}: {refused:?}");
        } else {
            reading += 1;
            let problems = tried.unwrap_err();
            let is_named = |problem: &Problem| problem.message.contains("expected no file");
            assert!(problems.iter().any(is_named), "{text}: {problems:?}");
        }
    }
    assert!(reading >= 3, "scripts, modules and events");
}

#[test]
fn a_script_that_is_tried_gets_the_default_steps_at_most() {
    let transforms = Transforms::new();
    let sources = RuleResources {
        file: &|name| panic!("{name} is read"),
        transforms: &transforms,
        hash_key: None,
        targets: &[],
    };
    let rules = |operations: u64| {
        let text = format!(
            "rules: [{{name: r, script: {{text: 'let x = 1;', operations: {operations}}}}}]"
        );
        RuleSet::read_trial(&text, &sources).map(drop)
    };
    let default = ScriptLimits::default().operations;
    assert_eq!(rules(default), Ok(()));
    let problems = rules(default + 1).unwrap_err();
    assert_eq!((problems.len(), problems[0].line), (1, 1));
}

#[test]
fn rules_that_are_tried_have_few_scripts_and_regular_expressions() {
    let transforms = Transforms::new();
    let sources = RuleResources {
        file: &|name| panic!("{name} is read"),
        transforms: &transforms,
        hash_key: None,
        targets: &[],
    };
    let rules = |count: usize, action: &str| {
        let rules = (1..=count).map(|number| format!("  - {{name: r{number}, {action}}}\n"));
        format!("rules:\n{}", rules.collect::<String>())
    };
    for (most, action) in [
        (50, "script: 'let x = 1;'"),
        (100, "drop: true, when: {job: {name: {regex: '^a$'}}}"),
    ] {
        assert!(RuleSet::read_trial(&rules(most, action), &sources).is_ok());
        let text = rules(most + 1, action);
        let problems = RuleSet::read_trial(&text, &sources).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].line, most as u64 + 2);
        let message = &problems[0].message;
        assert!(
            message.contains(&format!("found {}", most + 1)),
            "{message}"
        );
        assert!(
            RuleSet::read(&text, &sources).is_ok(),
            "a file has no limit"
        );
    }
}
