//! What is known, in the words of Marquez: the members and their types are those of its models. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ::history::{
    ColumnPath, ColumnRef, ColumnStep, Connected, EdgeKind, FieldType, KnownNode, LatestRun, Name,
    NamespaceCount, NodeDetails, NodeKind, NodeRef, Period, RunState,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::facets::Facets;
use super::listed::Listed;

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

/// The columns of each dataset with those of which they are made.
pub(super) fn made_of(edges: &[ColumnStep]) -> MadeOf<'_> {
    let mut all: BTreeMap<&Name, BTreeMap<&str, BTreeMap<&ColumnRef, EdgeKind>>> = BTreeMap::new();
    for step in edges {
        let columns = all.entry(&step.to.dataset).or_default();
        let sources = columns.entry(field(&step.to)).or_default();
        let kind = sources.entry(&step.from).or_insert(step.kind);
        *kind = step.kind.min(*kind); // direct is the smaller one
    }
    let column = |(name, sources): (&str, BTreeMap<&ColumnRef, EdgeKind>)| {
        let direct = sources.values().min().copied();
        let inputs = sources.iter().map(|(from, kind)| {
            json!({
                "namespace": from.dataset.namespace, "dataset": from.dataset.name, "field": field(from),
                "transformationDescription": null, "transformationType": transformation(*kind),
            })
        });
        json!({
            "name": name, "inputFields": inputs.collect::<Vec<Value>>(), "transformationDescription": null,
            "transformationType": direct.map(transformation),
        })
    };
    let datasets = all.into_iter();
    datasets
        .map(|(dataset, columns)| (dataset, columns.into_iter().map(column).collect()))
        .collect()
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

/// Writes a job or a dataset with its facets, and with what Marquez takes out of them. They stay texts: as values they would take many
/// times the memory. (`OpenLineageDao` of
/// <https://github.com/MarquezProject/marquez/blob/0.51.1/api/src/main/java/marquez/db/OpenLineageDao.java>)
pub(super) fn with_facets(mut found: Value, facets: &Facets) -> String {
    if let Some(members) = found.as_object_mut() {
        members.remove("facets");
        let mut fill = |member: &str, facet, of_facet| {
            if let (Some(member), Some(text)) =
                (members.get_mut(member), facets.string(facet, of_facet))
            {
                *member = text.into();
            }
        };
        fill("description", "documentation", "description");
        fill("location", "sourceCodeLocation", "url");
    }
    let rest = found.to_string();
    let rest = rest.strip_prefix('{').unwrap_or(&rest);
    format!(r#"{{"facets":{},{rest}"#, facets.text())
}

/// Writes a list of jobs or datasets under this name, each with its facets.
pub(super) fn list(member: &str, nodes: Vec<Value>, listed: &Listed, count: u64) -> String {
    let mut text = format!(r#"{{"{member}":["#);
    for (position, node) in nodes.into_iter().enumerate() {
        text += if position == 0 { "" } else { "," };
        text += &listed_node(node, position, listed);
    }
    text += &format!(r#"],"totalCount":{count}}}"#);
    text
}

fn listed_node(node: Value, position: usize, listed: &Listed) -> String {
    match listed.get(position) {
        Some(facets) => with_facets(node, facets),
        None => node.to_string(),
    }
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
        let rest = json!({
            "id": id, "type": kind,
            "inEdges": in_edges.collect::<Vec<Value>>(), "outEdges": out_edges.collect::<Vec<Value>>(),
        });
        let rest = rest.to_string();
        let rest = rest.strip_prefix('{').unwrap_or(&rest);
        format!(r#"{{"data":{},{rest}"#, listed_node(data, position, listed))
    });
    let mut text = r#"{"graph":["#.to_owned();
    for (position, node) in graph.enumerate() {
        text += if position == 0 { "" } else { "," };
        text += &node;
    }
    text += "]}";
    text
}

/// Columns with what they are made of. An edge into a column has that column as its origin: Marquez has it so, and its page counts
/// on it.
pub(super) fn columns(path: &ColumnPath) -> Value {
    let mut before: BTreeMap<&ColumnRef, BTreeMap<&ColumnRef, EdgeKind>> = BTreeMap::new();
    let mut after: BTreeMap<&ColumnRef, BTreeSet<&ColumnRef>> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for step in &path.edges {
        all.extend([&step.from, &step.to]);
        let sources = before.entry(&step.to).or_default();
        let kind = sources.entry(&step.from).or_insert(step.kind);
        *kind = step.kind.min(*kind); // direct is the smaller one
        after.entry(&step.from).or_default().insert(&step.to);
    }
    let graph = all.into_iter().map(|column| {
        let id = field_id(column);
        let edge = |to: &ColumnRef| json!({"origin": id, "destination": field_id(to)});
        let sources = before.get(column);
        let inputs = sources.into_iter().flatten().map(|(from, kind)| {
            json!({
                "namespace": from.dataset.namespace, "dataset": from.dataset.name, "datasetVersion": null, "field": field(from),
                "transformationDescription": null, "transformationType": transformation(*kind),
            })
        });
        let inputs: Vec<Value> = inputs.collect();
        let direct = sources.into_iter().flatten().map(|(_, kind)| *kind).min();
        let data = json!({
            "namespace": column.dataset.namespace, "dataset": column.dataset.name, "datasetVersion": null, "field": field(column),
            "fieldType": null, "transformationDescription": null, "transformationType": direct.map(transformation), "inputFields": inputs,
        });
        let in_edges: Vec<Value> = sources.into_iter().flatten().map(|(from, _)| edge(from)).collect();
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
mod tests {
    use ::history::{ConnectedNode, EventPlace, EventsOfNodes, KnownEdge, NodeFacts};

    use super::super::facets::FacetsOf;
    use super::*;

    fn named(kind: NodeKind, name: &str) -> ConnectedNode {
        let node = NodeRef {
            kind,
            namespace: "n".to_owned(),
            name: name.to_owned(),
        };
        ConnectedNode {
            node: KnownNode {
                node,
                facts: NodeFacts::default(),
            },
            schema: Vec::new(),
        }
    }

    #[test]
    fn a_graph_has_each_edge_at_both_of_its_ends() {
        let mut task = named(NodeKind::Job, "dag.task");
        task.node.facts.parent = Some(Name {
            namespace: "n".to_owned(),
            name: "dag".to_owned(),
        });
        let found = Connected {
            nodes: vec![task, named(NodeKind::Dataset, "a")],
            edges: vec![KnownEdge {
                from: 1,
                to: 0,
                is_old: false,
            }],
            is_cut: false,
        };
        let graph = lineage(&found, &Listed::default());
        let graph: Value = serde_json::from_str(&graph).unwrap();
        let edge = json!([{"origin": "dataset:n:a", "destination": "job:n:dag.task"}]);
        assert_eq!(graph["graph"][0]["inEdges"], edge);
        assert_eq!(graph["graph"][1]["outEdges"], edge);
        let data = &graph["graph"][0]["data"];
        assert_eq!(data["inputs"], json!([{"namespace": "n", "name": "a"}]));
        assert_eq!(data["simpleName"], "task");
        assert_eq!(data["parentJobName"], "dag");
    }

    #[test]
    fn a_job_has_its_facets_and_what_they_say() {
        let event = r#"{"job":{"facets":{"documentation":{"description":"loads"},"sourceCodeLocation":{"type":"git","url":"https://h/x"}}}}"#;
        let facets = Facets::none(FacetsOf::Job).with(event);
        let known = named(NodeKind::Job, "load").node;
        let job = with_facets(job_of(&known, Vec::new(), Vec::new()), &facets);
        let job: Value = serde_json::from_str(&job).unwrap();
        assert_eq!(job["facets"]["documentation"]["description"], "loads");
        assert_eq!(
            (&job["description"], &job["location"]),
            (&json!("loads"), &json!("https://h/x"))
        );
        assert_eq!(job["name"], "load");
    }

    #[test]
    fn each_of_a_list_has_its_own_facets() {
        let known = ["a", "b"].map(|name| named(NodeKind::Job, name).node);
        let found = EventsOfNodes {
            places: vec![EventPlace {
                id: "1".to_owned(),
                accepted_at: 0,
                size: 90,
            }],
            of_nodes: vec![vec![], vec![0]],
        };
        let of = known.iter().map(FacetsOf::node).collect();
        let (events, listed) = Listed::choose(of, found);
        let event = r#"{"job":{"facets":{"documentation":{"description":"loads"}}}}"#;
        let listed = listed.with(&events[0], event);
        let jobs = known.iter().map(|it| job_of(it, Vec::new(), Vec::new()));
        let text = list("jobs", jobs.collect(), &listed, 7);
        let answer: Value = serde_json::from_str(&text).unwrap();
        let [a, b] = [0, 1].map(|position| &answer["jobs"][position]);
        assert_eq!((&a["name"], &a["facets"]), (&json!("a"), &json!({})));
        let facets = json!({"documentation": {"description": "loads"}});
        assert_eq!((&b["name"], &b["facets"]), (&json!("b"), &facets));
        assert_eq!(
            (&b["description"], &answer["totalCount"]),
            (&json!("loads"), &json!(7))
        );
    }

    #[test]
    fn a_dataset_has_the_columns_of_which_its_own_are_made() {
        let column = |dataset: &str, field: &str| ColumnRef {
            dataset: Name {
                namespace: "n".to_owned(),
                name: dataset.to_owned(),
            },
            field: Some(field.to_owned()),
        };
        let steps = [EdgeKind::Direct, EdgeKind::Indirect].map(|kind| ColumnStep {
            from: column("a", "x"),
            to: column("b", "y"),
            kind,
            job: None,
        });
        let made_of = made_of(&steps);
        let columns = &made_of[&steps[0].to.dataset];
        assert_eq!(columns[0]["name"], "y");
        assert_eq!(columns[0]["inputFields"][0]["dataset"], "a");
        assert_eq!(columns[0]["inputFields"][0]["transformationType"], "DIRECT");
        assert!(!made_of.contains_key(&steps[0].from.dataset));
    }

    #[test]
    fn an_edge_into_a_column_begins_there_as_in_marquez() {
        let column = |name: &str| ColumnRef {
            dataset: Name {
                namespace: "n".to_owned(),
                name: name.to_owned(),
            },
            field: Some("f".to_owned()),
        };
        let path = ColumnPath {
            edges: vec![ColumnStep {
                from: column("a"),
                to: column("b"),
                kind: EdgeKind::Indirect,
                job: None,
            }],
            is_cut: false,
        };
        let graph = columns(&path);
        let (from, to) = (&graph["graph"][0], &graph["graph"][1]);
        let [a, b] = ["datasetField:n:a:f", "datasetField:n:b:f"];
        assert_eq!(from["outEdges"], json!([{"origin": a, "destination": b}]));
        assert_eq!(to["inEdges"], json!([{"origin": b, "destination": a}]));
        assert_eq!(to["data"]["inputFields"][0]["dataset"], "a");
        assert_eq!(to["data"]["transformationType"], "INDIRECT");
    }
}
