//! The JSON Schema of rules files is generated from the types that read them.

use std::path::Path;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::*;
use crate::rules::read::FileSettings;

/// Set to rewrite the schema.
const UPDATE: &str = "UPDATE_SCHEMA";

fn generated() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<FileSettings>();
    schema.insert("$id".to_owned(), "urn:lineage-proxy:transforms".into());
    schema.to_value()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test")]
fn the_schema_is_the_one_that_the_types_generate() {
    let generated = generated();
    if std::env::var_os(UPDATE).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("transforms.schema.json");
        let text = serde_json::to_string_pretty(&generated).unwrap();
        std::fs::write(path, text + "\n").unwrap();
        return;
    }
    let committed: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(
        committed == generated,
        "transforms.schema.json is out of date: run this test with {UPDATE}=1"
    );
}

#[test]
fn every_setting_has_a_description() {
    let schema = generated();
    let mut without = Vec::new();
    walk(&schema, "", &mut |pointer, value| {
        let properties = value.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let described = |value: &Value| value.get("description").is_some();
            let reference = property.get("$ref").and_then(Value::as_str);
            let target = reference.and_then(|path| schema.pointer(path.trim_start_matches('#')));
            let required_form = pointer.contains("/anyOf/") || pointer.contains("/oneOf/");
            let facet_member = name.starts_with('_');
            if !required_form
                && !facet_member
                && !described(property)
                && !target.is_some_and(described)
            {
                without.push(format!("{pointer}/{name}"));
            }
        }
    });
    assert!(without.is_empty(), "{without:?}");
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
