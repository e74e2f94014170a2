//! The events of an example, as they are given or expected: with what an event needs filled in.

use openlineage::{Event, Json, Level};
use serde_json::{Map, Value, json};

use crate::rules::yaml::{Node, Problems, Value as Yaml};

/// Events: a map, a JSON text, `{file: …}`, or a list of those.
pub(super) fn events(
    node: &Node,
    kind: Option<&str>,
    file: &dyn Fn(&str) -> Result<Vec<u8>, String>,
    problems: &mut Problems,
) -> Vec<Event> {
    (node.one_or_many().into_iter())
        .filter_map(|node| {
            let value = match &node.value {
                Yaml::Text(text) => parsed(text, node, problems)?,
                Yaml::Map(members) => match members.as_slice() {
                    [(key, name)] if key.text == "file" => {
                        let name = name.text(problems)?;
                        let bytes = problems.ok(node.at, file(&name))?;
                        let text = String::from_utf8(bytes);
                        let text = problems
                            .ok(node.at, text.map_err(|error| format!("{name}: {error}")))?;
                        parsed(&text, node, problems)?
                    }
                    _ => node.json().to_string(),
                },
                _ => {
                    node.expected("an event: a map, a JSON text, or {file: …}", problems);
                    return None;
                }
            };
            let read = Event::read(filled(&value, kind).as_bytes(), Level::Repair);
            let read = read.map_err(|refused| {
                let first = refused.findings.first();
                let told =
                    first.map(|finding| format!("{} at {:?}", finding.message, finding.pointer));
                format!("not an event: {}", told.unwrap_or_default())
            });
            problems.ok(node.at, read).map(|read| read.event)
        })
        .collect()
}

fn parsed(text: &str, node: &Node, problems: &mut Problems) -> Option<String> {
    let json = Json::parse(text).map_err(|error| format!("not JSON: {error}"));
    problems
        .ok(node.at, json)
        .map(|json| json.text().to_owned())
}

/// The event with what it needs and does not have. The text stays as it is where nothing is missing.
fn filled(text: &str, kind: Option<&str>) -> String {
    let Some(root) = Json::parse(text).ok().filter(|json| json.is_object()) else {
        return text.to_owned();
    };
    let has = |name| root.get(name).is_some();
    let kind = kind.unwrap_or(if has("dataset") && !has("run") && !has("job") {
        "dataset"
    } else {
        "run"
    });
    let definition = match kind {
        "job" => "JobEvent",
        "dataset" => "DatasetEvent",
        _ => "RunEvent",
    };
    let schema = format!("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{definition}");
    let mut missing = vec![
        ("eventTime", json!("2026-01-01T00:00:00Z")),
        ("producer", json!("https://example.com/producer")),
        ("schemaURL", json!(schema)),
    ];
    if kind == "run" {
        missing.push(("run", json!({"runId": RUN})));
    }
    if kind != "dataset" {
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

/// The run of examples that name none.
const RUN: &str = "00000000-0000-7000-8000-000000000001";
