//! The nodes and edges that one event names, by the positions of the specification. Where a key is repeated, the last one
//! counts, as for nearly every JSON reader.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::{Event, Identity, Json, Subject};

use crate::node::{Column, ColumnEdge, EdgeKind, Node};

/// What an event says about lineage. Whether its run has succeeded is for the caller to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventGraph {
    /// Its job, its datasets, the datasets that column lineage names, and the parent of its job.
    pub nodes: BTreeSet<Node>,
    /// From an input to the job, and from the job to an output.
    pub edges: BTreeSet<(Node, Node)>,
    /// Between columns of inputs and outputs. Of a pair there is one edge: direct, if it is both.
    pub columns: BTreeSet<ColumnEdge>,
    /// Other names of datasets, each with the dataset: the facet `symlinks`.
    pub aliases: BTreeSet<(Identity, Identity)>,
    /// The job with its parent: the facet `parent`, such as a task and its DAG.
    pub parent: Option<(Identity, Identity)>,
}

impl EventGraph {
    /// Reads an event.
    pub fn of(event: &Event) -> EventGraph {
        let mut found = EventGraph::default();
        let root = event.json();
        match event.subject() {
            Subject::Run { job, .. } | Subject::Job { job } => {
                let node = Node::job(job.clone());
                found.nodes.insert(node.clone());
                for dataset in datasets(root, "inputs") {
                    let input = found.dataset(dataset);
                    found.edges.extend(input.map(|input| (input, node.clone())));
                }
                for dataset in datasets(root, "outputs") {
                    let output = found.dataset(dataset);
                    found
                        .edges
                        .extend(output.map(|output| (node.clone(), output)));
                }
                found.read_parent(root, job);
            }
            Subject::Dataset { .. } => {
                if let Some(dataset) = root.get("dataset") {
                    found.dataset(dataset);
                }
            }
        }
        found
    }

    /// Adds a dataset with what its facets say. Returns its node, unless it has no name.
    fn dataset(&mut self, dataset: Json<'_>) -> Option<Node> {
        let identity = Identity::of(dataset)?;
        let facets = dataset.get("facets");
        let facet = |name| facets.and_then(|facets| facets.get(name));
        if let Some(symlinks) = facet("symlinks") {
            let names = datasets(symlinks, "identifiers").filter_map(Identity::of);
            let others = names.filter(|name| *name != identity);
            self.aliases
                .extend(others.map(|name| (name, identity.clone())));
        }
        if let Some(lineage) = facet("columnLineage") {
            self.columns(lineage, &identity);
        }
        let node = Node::dataset(identity);
        self.nodes.insert(node.clone());
        Some(node)
    }

    fn columns(&mut self, lineage: Json<'_>, output: &Identity) {
        let mut edges: BTreeMap<(Column, Column), EdgeKind> = BTreeMap::new();
        let fields = lineage.get("fields").map(Json::members).unwrap_or_default();
        let fields = fields.iter().filter_map(|field| {
            let inputs = datasets(field.value, "inputFields").collect::<Vec<_>>();
            Some((Some(field.key.string()?.into_owned()), inputs))
        });
        let whole = (None, datasets(lineage, "dataset").collect());
        for (field, inputs) in fields.chain([whole]) {
            for input in inputs {
                let Some(from) = column(input) else { continue };
                self.nodes.insert(Node::dataset(from.dataset.clone()));
                let to = Column {
                    dataset: output.clone(),
                    field: field.clone(),
                };
                let kind = kind(input);
                let known = edges.entry((from, to)).or_insert(kind);
                *known = kind.min(*known); // direct is the smaller one
            }
        }
        let edges = edges.into_iter();
        let edges = edges.map(|((from, to), kind)| ColumnEdge { from, to, kind });
        self.columns.extend(edges);
    }

    fn read_parent(&mut self, root: Json<'_>, job: &Identity) {
        let parent = root.at(&["run", "facets", "parent", "job"]);
        if let Some(parent) = parent.and_then(Identity::of) {
            self.nodes.insert(Node::job(parent.clone()));
            self.parent = Some((job.clone(), parent));
        }
    }
}

/// The elements of a list of datasets.
fn datasets<'t>(holder: Json<'t>, list: &str) -> impl Iterator<Item = Json<'t>> {
    let items = holder.get(list).map(Json::items).unwrap_or_default();
    items.into_iter()
}

/// A column that is read.
fn column(input: Json<'_>) -> Option<Column> {
    Some(Column {
        dataset: Identity::of(input)?,
        field: Some(input.get("field")?.string()?.into_owned()),
    })
}

/// Indirect if all transformations are.
fn kind(input: Json<'_>) -> EdgeKind {
    let transformations: Vec<Json<'_>> = datasets(input, "transformations").collect();
    let is_indirect = |transformation: &Json<'_>| {
        let of = transformation.get("type").and_then(Json::string);
        of.as_deref() == Some("INDIRECT")
    };
    match !transformations.is_empty() && transformations.iter().all(is_indirect) {
        true => EdgeKind::Indirect,
        false => EdgeKind::Direct,
    }
}

#[cfg(test)]
mod tests {
    use openlineage::Level;

    use super::*;

    fn of(members: &str) -> EventGraph {
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json",{members}}}"#
        );
        EventGraph::of(&Event::read(text.as_bytes(), Level::Repair).unwrap().event)
    }

    fn identity(name: &str) -> Identity {
        Identity {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }
    }

    const JOB: &str = r#""run":{"runId":"01890000-0000-7000-8000-000000000000"},"job":{"namespace":"n","name":"j"}"#;

    #[test]
    fn edges_lead_from_inputs_by_the_job_to_outputs() {
        let found = of(&format!(
            r#"{JOB},"inputs":[{{"namespace":"n","name":"a"}}],"outputs":[{{"namespace":"n","name":"b"}}]"#
        ));
        let [job, a, b] = [
            Node::job(identity("j")),
            Node::dataset(identity("a")),
            Node::dataset(identity("b")),
        ];
        assert_eq!(found.edges, BTreeSet::from([(a, job.clone()), (job, b)]));
        assert_eq!(found.nodes.len(), 3);
    }

    #[test]
    fn a_column_edge_is_indirect_if_nothing_of_it_is_direct() {
        let input = |field: &str, types: &[&str]| {
            let types = types.iter().map(|of| format!(r#"{{"type":"{of}"}}"#));
            let types = types.collect::<Vec<_>>().join(",");
            format!(
                r#"{{"namespace":"n","name":"a","field":"{field}","transformations":[{types}]}}"#
            )
        };
        let inputs = [
            input("both", &["INDIRECT", "DIRECT"]),
            input("none", &[]),
            input("only", &["INDIRECT", "INDIRECT"]),
            input("twice", &["INDIRECT"]),
            input("twice", &["DIRECT"]),
        ];
        let found = of(&format!(
            r#"{JOB},"outputs":[{{"namespace":"n","name":"b","facets":{{"columnLineage":{{"_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json","fields":{{"x":{{"inputFields":[{}]}}}},"dataset":[{}]}}}}}}]"#,
            inputs.join(","),
            input("f", &["INDIRECT"])
        ));
        let kinds = found.columns.iter();
        let kinds = kinds.map(|edge| {
            let to = edge.to.field.as_deref();
            (edge.from.field.as_deref().unwrap(), to, edge.kind)
        });
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [
                ("both", Some("x"), EdgeKind::Direct),
                ("f", None, EdgeKind::Indirect),
                ("none", Some("x"), EdgeKind::Direct),
                ("only", Some("x"), EdgeKind::Indirect),
                ("twice", Some("x"), EdgeKind::Direct),
            ]
        );
        assert!(found.nodes.contains(&Node::dataset(identity("a"))));
    }

    #[test]
    fn a_symlink_is_another_name_and_a_parent_another_job() {
        let found = of(
            r#""run":{"runId":"01890000-0000-7000-8000-000000000000","facets":{"parent":{"_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-0-0/ParentRunFacet.json","run":{"runId":"01890000-0000-7000-8000-000000000001"},"job":{"namespace":"n","name":"dag"}}}},"job":{"namespace":"n","name":"j"},"inputs":[{"namespace":"n","name":"a","facets":{"symlinks":{"_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-0-0/SymlinksDatasetFacet.json","identifiers":[{"namespace":"n","name":"t","type":"TABLE"},{"namespace":"n","name":"a","type":"TABLE"}]}}}]"#,
        );
        assert_eq!(
            found.aliases,
            BTreeSet::from([(identity("t"), identity("a"))])
        );
        assert_eq!(found.parent, Some((identity("j"), identity("dag"))));
        assert!(found.nodes.contains(&Node::job(identity("dag"))));
    }

    #[test]
    fn a_dataset_event_is_a_node() {
        let found = of(r#""dataset":{"namespace":"n","name":"a"}"#);
        assert_eq!(found.nodes, BTreeSet::from([Node::dataset(identity("a"))]));
        assert_eq!(found.edges, BTreeSet::new());
    }
}
