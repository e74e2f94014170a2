//! The JSON Schema for editors and the reader of rules files say the same.
//!
//! Each file here is judged by both. What a JSON Schema cannot say stands in a list of its own, with the reason; a case
//! that no longer belongs there fails. The keys and choices of both are compared too: the reader tells its own in what
//! it says of a key or a word that there is not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "schema/bad.rs"]
mod bad;
#[path = "schema/good.rs"]
mod good;
#[path = "schema/unsaid.rs"]
mod unsaid;
#[path = "schema/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use bad::BAD;
use good::GOOD;
use serde_json::Value;
use transform::{Problem, RuleSet, SCHEMA, Script, ScriptLimits, Sources, Transforms};
use unsaid::UNSAID;
use words::{CHOICES, KEYS};

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
    let sources = Sources {
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

/// What the reader and what the schema says.
fn verdicts(text: &str) -> (bool, bool) {
    (read(text).is_ok(), VALIDATOR.is_valid(&yaml(text)))
}

#[test]
fn the_schema_is_one() {
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
fn they_differ_only_in_what_a_schema_cannot_say() {
    for unsaid in UNSAID {
        let (reader, schema) = verdicts(unsaid.text);
        assert_eq!(reader, unsaid.reader, "{}: {}", unsaid.why, unsaid.text);
        assert_ne!(schema, reader, "{}: {}", unsaid.why, unsaid.text);
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

#[test]
fn the_keys_of_the_schema_are_those_of_the_reader() {
    let known = properties(&schema());
    let mut compared = BTreeSet::new();
    for (pointers, text) in KEYS {
        let of_schema: BTreeSet<String> = (known.iter())
            .filter(|(pointer, _)| pointers.contains(&pointer.as_str()))
            .flat_map(|(_, keys)| keys.clone())
            .collect();
        compared.extend(pointers.iter().map(|pointer| (*pointer).to_owned()));
        let of_reader = told(text, "there is no key \"zzz\" here; expected ", "");
        assert_eq!(of_schema, of_reader, "{pointers:?}: {text}");
    }
    let all: BTreeSet<String> = known.into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(compared, all, "objects of the schema that nothing compares");
}

#[test]
fn the_choices_of_the_schema_are_those_of_the_reader() {
    let mut known = Vec::new();
    walk(&schema(), "", &mut |pointer, value| {
        let choices = value.get("enum").and_then(Value::as_array);
        let words = choices
            .into_iter()
            .flatten()
            .map(|choice| choice.as_str().map(str::to_owned));
        if let Some(words) = words
            .collect::<Option<BTreeSet<String>>>()
            .filter(|w| !w.is_empty())
        {
            known.push((pointer.to_owned(), words));
        }
    });
    let mut compared = BTreeSet::new();
    for (pointer, text) in CHOICES {
        let of_schema = known.iter().find(|(at, _)| at == pointer);
        let of_reader = told(text, "expected one of ", ", found \"zzz\"");
        assert_eq!(
            of_schema.map(|(_, words)| words),
            Some(&of_reader),
            "{pointer}: {text}"
        );
        compared.insert((*pointer).to_owned());
    }
    let all: BTreeSet<String> = known.into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(compared, all, "choices of the schema that nothing compares");
}

/// The words that the reader lists between `before` and `after` in what it says of `text`.
fn told(text: &str, before: &str, after: &str) -> BTreeSet<String> {
    let problems = read(text).unwrap_err();
    let list = problems.iter().find_map(|problem| {
        let (_, list) = problem.message.split_once(before)?;
        list.strip_suffix(after)
    });
    let list = list.unwrap_or_else(|| panic!("{text}: {problems:?}"));
    list.split(", ").map(str::to_owned).collect()
}

/// Every object of the schema that takes no other keys than those it lists.
fn properties(schema: &Value) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    walk(schema, "", &mut |pointer, value| {
        if value.get("additionalProperties") == Some(&Value::Bool(false)) {
            let keys = value["properties"].as_object().unwrap().keys().cloned();
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
