//! What is known, in the words of Marquez: the members and their types are those of its models. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ::history::{
    ColumnPath, ColumnRef, ColumnStep, Connected, EdgeKind, FieldType, KnownNode, LatestRun, Name,
    NamespaceCount, NodeDetails, NodeKind, NodeRef, Period, RunState,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::listed::Listed;
use super::text::{self, GraphNodeText, NodeText};

/// Of which columns those of each dataset are made: `columnLineage`.
pub(super) type MadeOf<'c> = BTreeMap<&'c Name, Value>;

pub(super) fn namespace(found: NamespaceCount) -> Value {
    json!({
        "name": found.namespace, "createdAt": found.first_seen, "updatedAt": found.last_seen,
        "ownerName": "anonymous", "description": null, "isHidden": false,
    })
}

/// A source of Marquez is what the namespace of a dataset names.
pub(super) fn source(found: NamespaceCount) -> Value {
    json!({
        "type": found.namespace.split("://").next(), "name": found.namespace, "createdAt": found.first_seen,
        "updatedAt": found.last_seen, "connectionUrl": found.namespace, "description": null,
    })
}

pub(super) fn job(found: &NodeDetails) -> Value {
    let names = |nodes: &[NodeRef]| nodes.iter().map(name).collect::<Vec<Value>>();
    job_of(&found.node, names(&found.before), names(&found.after))
}

pub(super) fn dataset(found: &NodeDetails, made_of: &MadeOf<'_>) -> Value {
    let mut dataset = dataset_of(&found.node, &found.schema);
    let NodeRef {
        namespace, name, ..
    } = found.node.node.clone();
    let columns = made_of.get(&Name { namespace, name });
    if let (Some(member), Some(columns)) = (dataset.get_mut("columnLineage"), columns) {
        *member = columns.clone();
    }
    dataset
}

/// The columns of each dataset with those of which they are made. What is said of all columns of a dataset is said of none of them here, as
/// in Marquez, which takes the `fields` of a facet `columnLineage` only (`upsertColumnLineage` in
/// <https://github.com/MarquezProject/marquez/blob/0.51.1/api/src/main/java/marquez/db/OpenLineageDao.java>).
pub(super) fn made_of(edges: &[ColumnStep]) -> MadeOf<'_> {
    let is_of_fields = |it: &&ColumnStep| it.from.field.is_some() && it.to.field.is_some();
    let mut all: BTreeMap<&Name, Vec<Value>> = BTreeMap::new();
    for (column, sources) in sources(edges.iter().filter(is_of_fields)) {
        let inputs = sources.iter().map(|(from, kind)| input_field(from, *kind));
        let column_of = all.entry(&column.dataset).or_default();
        column_of.push(json!({
            "name": field(column), "inputFields": inputs.collect::<Vec<Value>>(), "transformationDescription": null,
            "transformationType": strongest(&sources),
        }));
    }
    let datasets = all.into_iter();
    let datasets = datasets.map(|(dataset, columns)| (dataset, columns.into()));
    datasets.collect()
}

/// Of which columns one is made, and how.
type Sources<'c> = BTreeMap<&'c ColumnRef, EdgeKind>;

/// The sources of each column that has any. One that is a source over several jobs is a direct one if it is for one of them.
fn sources<'c>(
    edges: impl Iterator<Item = &'c ColumnStep>,
) -> BTreeMap<&'c ColumnRef, Sources<'c>> {
    let mut all: BTreeMap<&ColumnRef, Sources<'_>> = BTreeMap::new();
    for step in edges {
        let sources = all.entry(&step.to).or_default();
        let kind = sources.entry(&step.from).or_insert(step.kind);
        *kind = step.kind.min(*kind); // direct is the smaller one
    }
    all
}

fn input_field(from: &ColumnRef, kind: EdgeKind) -> Value {
    json!({
        "namespace": from.dataset.namespace, "dataset": from.dataset.name, "field": field(from),
        "transformationDescription": null, "transformationType": transformation(kind),
    })
}

fn strongest(sources: &Sources<'_>) -> Option<&'static str> {
    sources.values().min().copied().map(transformation)
}

/// The one version of a dataset.
pub(super) fn version(found: &NodeDetails) -> Value {
    let mut version = dataset_of(&found.node, &found.schema);
    let id = version_of(&found.node.node, &found.schema);
    if let Some(members) = version.as_object_mut() {
        members.insert("version".to_owned(), json!(id));
        let NodeRef {
            namespace, name, ..
        } = &found.node.node;
        let id = json!({"namespace": namespace, "name": name, "version": id});
        members.insert("id".to_owned(), id);
        members.insert("createdByRun".to_owned(), Value::Null);
        members.insert("lifecycleState".to_owned(), json!(""));
    }
    version
}

pub(super) fn run(run: &LatestRun, job: Option<&Name>) -> Value {
    let state = match run.state {
        Some(RunState::Running) => "RUNNING",
        Some(RunState::Completed) => "COMPLETED",
        Some(RunState::Failed) => "FAILED",
        Some(RunState::Aborted) => "ABORTED",
        None => "NEW",
    };
    json!({
        "id": run.run, "createdAt": run.started_at, "updatedAt": run.ran_at, "nominalStartTime": null, "nominalEndTime": null,
        "state": state, "startedAt": run.started_at, "endedAt": run.ended_at, "durationMs": run.duration_ms, "args": {},
        "jobVersion": job.map(|job| json!({"namespace": job.namespace, "name": job.name, "version": null})),
        "inputDatasetVersions": [], "outputDatasetVersions": [], "context": {}, "facets": {},
    })
}

/// Writes what is connected, each job and dataset with its facets.
pub(super) fn lineage(found: &Connected, listed: &Listed) -> String {
    let nodes: Vec<&NodeRef> = found.nodes.iter().map(|it| &it.node.node).collect();
    let mut before: BTreeMap<usize, Vec<&NodeRef>> = BTreeMap::new();
    let mut after: BTreeMap<usize, Vec<&NodeRef>> = BTreeMap::new();
    for edge in &found.edges {
        if let (Some(from), Some(to)) = (nodes.get(edge.from), nodes.get(edge.to)) {
            before.entry(edge.to).or_default().push(from);
            after.entry(edge.from).or_default().push(to);
        }
    }
    let graph = found.nodes.iter().enumerate().map(|(position, it)| {
        let [before, after] =
            [&before, &after].map(|edges| edges.get(&position).cloned().unwrap_or_default());
        let names = |nodes: &[&NodeRef]| nodes.iter().map(|it| name(it)).collect::<Vec<Value>>();
        let id = node_id(&it.node.node);
        let edge = |origin: &str, destination: &str| json!({"origin": origin, "destination": destination});
        let (kind, data) = match it.node.node.kind {
            NodeKind::Job => ("JOB", job_of(&it.node, names(&before), names(&after))),
            NodeKind::Dataset => ("DATASET", dataset_of(&it.node, &it.schema)),
        };
        let in_edges = before.iter().map(|from| edge(&node_id(from), &id));
        let out_edges = after.iter().map(|to| edge(&id, &node_id(to)));
        let edges = json!({
            "id": id, "type": kind,
            "inEdges": in_edges.collect::<Vec<Value>>(), "outEdges": out_edges.collect::<Vec<Value>>(),
        });
        let data = NodeText::of(data, listed.get(&it.node.node));
        GraphNodeText::of(data, &edges)
    });
    text::graph(&graph.collect::<Vec<_>>())
}

/// Columns with what they are made of. An edge into a column has that column as its origin: Marquez has it so, and its page counts
/// on it.
pub(super) fn columns(path: &ColumnPath) -> Value {
    let before = sources(path.edges.iter());
    let mut after: BTreeMap<&ColumnRef, BTreeSet<&ColumnRef>> = BTreeMap::new();
    for step in &path.edges {
        after.entry(&step.from).or_default().insert(&step.to);
    }
    let all: BTreeSet<&ColumnRef> = before.keys().chain(after.keys()).copied().collect();
    let none = Sources::new();
    let graph = all.into_iter().map(|column| {
        let id = field_id(column);
        let edge = |to: &ColumnRef| json!({"origin": id, "destination": field_id(to)});
        let sources = before.get(column).unwrap_or(&none);
        let inputs = sources.iter().map(|(from, kind)| {
            let mut input = input_field(from, *kind);
            if let Some(members) = input.as_object_mut() {
                members.insert("datasetVersion".to_owned(), Value::Null);
            }
            input
        });
        let data = json!({
            "namespace": column.dataset.namespace, "dataset": column.dataset.name, "datasetVersion": null, "field": field(column),
            "fieldType": null, "transformationDescription": null, "transformationType": strongest(sources),
            "inputFields": inputs.collect::<Vec<Value>>(),
        });
        let in_edges: Vec<Value> = sources.keys().map(|from| edge(from)).collect();
        let out_edges: Vec<Value> = after.get(column).into_iter().flatten().map(|to| edge(to)).collect();
        json!({"id": id, "type": "DATASET_FIELD", "data": data, "inEdges": in_edges, "outEdges": out_edges})
    });
    json!({"graph": graph.collect::<Vec<Value>>()})
}

pub(super) fn search(found: &[KnownNode]) -> Value {
    let results = found.iter().map(|found| {
        let kind = match found.node.kind {
            NodeKind::Job => "JOB",
            NodeKind::Dataset => "DATASET",
        };
        json!({
            "type": kind, "name": found.node.name, "updatedAt": found.facts.last_seen, "namespace": found.node.namespace,
            "nodeId": node_id(&found.node),
        })
    });
    let results: Vec<Value> = results.collect();
    json!({"totalCount": results.len(), "results": results})
}

pub(super) fn event_counts(period: &Period) -> Value {
    let count = |kind: &str| period.kinds.get(kind).copied().unwrap_or(0);
    json!({
        "startInterval": period.from, "endInterval": period.until, "fail": count("RunEvent FAIL"), "start": count("RunEvent START"),
        "complete": count("RunEvent COMPLETE"), "abort": count("RunEvent ABORT"),
    })
}

pub(super) fn count(period: &Period, count: u64) -> Value {
    json!({"startInterval": period.from, "endInterval": period.until, "count": count})
}

fn job_of(known: &KnownNode, inputs: Vec<Value>, outputs: Vec<Value>) -> Value {
    let (node, facts) = (&known.node, &known.facts);
    let job = Name {
        namespace: node.namespace.clone(),
        name: node.name.clone(),
    };
    let parent = facts.parent.as_ref().map(|parent| &parent.name);
    // Where a job has a parent, its simple name is what follows the name of the parent.
    let simple =
        parent.and_then(|parent| job.name.strip_prefix(parent.as_str())?.strip_prefix('.'));
    let latest = facts.run.as_ref().map(|latest| run(latest, Some(&job)));
    json!({
        "id": name(node), "type": "BATCH", "name": node.name, "simpleName": simple.unwrap_or(&node.name),
        "parentJobName": parent, "parentJobUuid": null, "createdAt": facts.first_seen, "updatedAt": facts.last_seen,
        "namespace": node.namespace, "inputs": inputs, "outputs": outputs, "location": null, "context": {}, "description": null,
        "latestRuns": latest.iter().collect::<Vec<_>>(), "latestRun": latest, "facets": {}, "currentVersion": null, "labels": [],
        "tags": [],
    })
}

fn dataset_of(known: &KnownNode, schema: &[FieldType]) -> Value {
    let (node, facts) = (&known.node, &known.facts);
    let fields = schema.iter().map(
        |field| json!({"name": field.name, "type": field.of_type, "tags": [], "description": null}),
    );
    json!({
        "id": name(node), "type": "DB_TABLE", "name": node.name, "physicalName": node.name, "createdAt": facts.first_seen,
        "updatedAt": facts.last_seen, "namespace": node.namespace, "sourceName": node.namespace,
        "fields": fields.collect::<Vec<Value>>(), "tags": [], "lastModifiedAt": facts.last_seen, "lastLifecycleState": "",
        "description": null, "currentVersion": version_of(node, schema), "columnLineage": null, "facets": {}, "deleted": false,
    })
}

/// Another one for another schema.
fn version_of(node: &NodeRef, schema: &[FieldType]) -> String {
    let mut hash = Sha256::new();
    let schema = schema.iter().map(|field| (&field.name, &field.of_type));
    let all = json!([node.namespace, node.name, schema.collect::<Vec<_>>()]);
    hash.update(all.to_string());
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    Uuid::new_v8(bytes).to_string()
}

fn name(node: &NodeRef) -> Value {
    json!({"namespace": node.namespace, "name": node.name})
}

fn node_id(node: &NodeRef) -> String {
    let kind = match node.kind {
        NodeKind::Job => "job",
        NodeKind::Dataset => "dataset",
    };
    format!("{kind}:{}:{}", node.namespace, node.name)
}

/// Of all of a dataset, the id has an empty field.
fn field_id(column: &ColumnRef) -> String {
    let Name { namespace, name } = &column.dataset;
    format!("datasetField:{namespace}:{name}:{}", field(column))
}

fn field(column: &ColumnRef) -> &str {
    column.field.as_deref().unwrap_or_default()
}

fn transformation(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Direct => "DIRECT",
        EdgeKind::Indirect => "INDIRECT",
    }
}

#[cfg(test)]
mod tests;
