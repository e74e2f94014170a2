//! Fills in what an event of an example needs and leaves out.

use openlineage::Json;
use serde_json::{Map, Value, json};

use crate::rules::when::Kind;

/// Returns the event with everything that it needs. The text is unchanged if nothing is missing.
pub(super) fn filled(text: &str, kind: Option<Kind>) -> String {
    let Some(root) = Json::parse(text).ok().filter(|json| json.is_object()) else {
        return text.to_owned();
    };
    let has = |name| root.get(name).is_some();
    let kind = kind.unwrap_or(match has("dataset") && !has("run") && !has("job") {
        true => Kind::Dataset,
        false => Kind::Run,
    });
    let definition = match kind {
        Kind::Run => "RunEvent",
        Kind::Job => "JobEvent",
        Kind::Dataset => "DatasetEvent",
    };
    let schema = format!("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{definition}");
    let mut missing = vec![
        ("eventTime", json!("2026-01-01T00:00:00Z")),
        ("producer", json!("https://example.com/producer")),
        ("schemaURL", json!(schema)),
    ];
    if kind == Kind::Run {
        missing.push(("run", json!({"runId": RUN})));
    }
    if kind != Kind::Dataset {
        missing.push(("job", json!({"namespace": "example", "name": "job"})));
    }
    let mut edits = openlineage::Edits::new(text);
    let new: Vec<(&str, String)> = missing
        .iter()
        .filter(|(name, _)| !has(name))
        .map(|(name, value)| (*name, value.to_string()))
        .collect();
    if !new.is_empty() {
        edits.add_members(root, &new);
    }
    for (name, needed) in missing
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_object()?)))
    {
        fill(&mut edits, root, name, needed);
    }
    edits.apply()
}

/// Fills in `runId`, or the job's namespace and name.
fn fill(
    edits: &mut openlineage::Edits<'_>,
    root: Json<'_>,
    name: &str,
    needed: &Map<String, Value>,
) {
    let Some(holder) = root.get(name).filter(|holder| holder.is_object()) else {
        return;
    };
    let missing: Vec<(&str, String)> = needed
        .iter()
        .filter(|(key, _)| holder.get(key).is_none())
        .map(|(key, value)| (key.as_str(), value.to_string()))
        .collect();
    if !missing.is_empty() {
        edits.add_members(holder, &missing);
    }
}

/// The run id of examples that have none.
const RUN: &str = "00000000-0000-7000-8000-000000000001";
