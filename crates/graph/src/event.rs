//! The nodes and edges that one event names, by the positions of the specification. Where a key is repeated, the last one
//! counts, as for nearly every JSON reader.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use openlineage::{Event, Identity, Subject, Tree, Value};

use crate::node::{Column, ColumnEdge, EdgeKind, Name, Names, Node};

/// The most edges of an event, the most between columns, and the most aliases. An event of the largest size can name some
/// hundred thousand, which is no job that anybody wrote.
pub const MAX_EDGES: usize = 50_000;

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
    pub aliases: BTreeSet<(Name, Name)>,
    /// The job with its parent: the facet `parent`, such as a task and its DAG.
    pub parent: Option<(Name, Name)>,
    /// How many edges and aliases are left out, with the nodes that only they have: those beyond [`MAX_EDGES`].
    pub left_out: usize,
}

/// What is read of an event, and the names in it.
#[derive(Default)]
struct Reading<'t> {
    found: EventGraph,
    names: Names,
    /// Each name as it is written: most are those of many columns.
    written: HashMap<(Cow<'t, str>, Cow<'t, str>), Name>,
}

impl EventGraph {
    /// Reads an event.
    pub fn of(event: &Event) -> EventGraph {
        EventGraph::read(event, Tree::of(event.json()).root())
    }

    /// Reads an event of which the tree is known.
    pub fn read(event: &Event, root: Value<'_>) -> EventGraph {
        let mut reading = Reading::default();
        match event.subject() {
            Subject::Run { job, .. } | Subject::Job { job } => {
                let job = reading.names.share(job.clone().into());
                let node = Node::job(job.clone());
                reading.found.nodes.insert(node.clone());
                for dataset in datasets(root, "inputs") {
                    reading.edge(dataset, |input| (input, node.clone()));
                }
                for dataset in datasets(root, "outputs") {
                    reading.edge(dataset, |output| (node.clone(), output));
                }
                reading.read_parent(root, &job);
            }
            Subject::Dataset { .. } => {
                if let Some(dataset) = root.get("dataset") {
                    let node = reading.dataset(dataset);
                    reading.found.nodes.extend(node);
                }
            }
        }
        reading.found
    }
}

impl<'t> Reading<'t> {
    fn name(&mut self, named: Value<'t>) -> Option<Name> {
        let written = named.names()?;
        if let Some(name) = self.written.get(&written) {
            return Some(name.clone());
        }
        let (namespace, name) = written.clone();
        let name = self.names.share(Name::from(Identity {
            namespace: namespace.into_owned(),
            name: name.into_owned(),
        }));
        self.written.insert(written, name.clone());
        Some(name)
    }

    /// Adds a dataset, and its edge.
    fn edge(&mut self, dataset: Value<'t>, edge: impl FnOnce(Node) -> (Node, Node)) {
        let Some(node) = self.dataset(dataset) else {
            return;
        };
        let found = &mut self.found;
        if add(&mut found.edges, edge(node.clone()), &mut found.left_out) {
            found.nodes.insert(node);
        }
    }

    /// Adds what the facets of a dataset say. Returns its node, unless it has no name.
    fn dataset(&mut self, dataset: Value<'t>) -> Option<Node> {
        let name = self.name(dataset)?;
        let facets = dataset.get("facets");
        let facet = |name| facets.and_then(|facets| facets.get(name));
        if let Some(symlinks) = facet("symlinks") {
            for other in datasets(symlinks, "identifiers") {
                let Some(alias) = self.name(other).filter(|alias| *alias != name) else {
                    continue;
                };
                let found = &mut self.found;
                let alias = (alias, name.clone());
                add(&mut found.aliases, alias, &mut found.left_out);
            }
        }
        if let Some(lineage) = facet("columnLineage") {
            self.columns(lineage, &name);
        }
        Some(Node::dataset(name))
    }

    fn columns(&mut self, lineage: Value<'t>, output: &Name) {
        let mut edges: BTreeMap<(Column, Column), EdgeKind> = BTreeMap::new();
        let fields = lineage.get("fields").into_iter().flat_map(Value::members);
        let fields = fields.filter_map(|(key, field)| {
            let inputs = datasets(field, "inputFields").collect::<Vec<_>>();
            Some((Some(Arc::from(key.string()?)), inputs))
        });
        let whole = (None, datasets(lineage, "dataset").collect());
        for (field, inputs) in fields.chain([whole]) {
            for input in inputs {
                let Some(from) = self.column(input) else {
                    continue;
                };
                let to = Column {
                    dataset: output.clone(),
                    field: field.clone(),
                };
                let kind = kind(input);
                let is_full = self.found.columns.len() + edges.len() >= MAX_EDGES;
                match edges.entry((from, to)) {
                    Entry::Occupied(mut known) => {
                        let kind = kind.min(*known.get()); // direct is the smaller one
                        known.insert(kind);
                    }
                    Entry::Vacant(_) if is_full => self.found.left_out += 1,
                    Entry::Vacant(edge) => {
                        let from = Node::dataset(edge.key().0.dataset.clone());
                        self.found.nodes.insert(from);
                        edge.insert(kind);
                    }
                }
            }
        }
        let edges = edges.into_iter();
        let edges = edges.map(|((from, to), kind)| ColumnEdge { from, to, kind });
        self.found.columns.extend(edges);
    }

    /// A column that is read.
    fn column(&mut self, input: Value<'t>) -> Option<Column> {
        Some(Column {
            dataset: self.name(input)?,
            field: Some(Arc::from(input.get("field")?.string()?)),
        })
    }

    fn read_parent(&mut self, root: Value<'t>, job: &Name) {
        let parent = root.at(&["run", "facets", "parent", "job"]);
        if let Some(parent) = parent.and_then(|parent| self.name(parent)) {
            self.found.nodes.insert(Node::job(parent.clone()));
            self.found.parent = Some((job.clone(), parent));
        }
    }
}

/// Adds an item, unless the set is full. Returns whether it is in it.
fn add<T: Ord>(set: &mut BTreeSet<T>, item: T, left_out: &mut usize) -> bool {
    if set.len() < MAX_EDGES {
        set.insert(item);
        return true;
    }
    let is_known = set.contains(&item);
    *left_out += usize::from(!is_known);
    is_known
}

/// The elements of a list of datasets.
fn datasets<'t>(holder: Value<'t>, list: &str) -> impl Iterator<Item = Value<'t>> + use<'t> {
    holder.get(list).into_iter().flat_map(Value::items)
}

/// Indirect if all transformations are.
fn kind(input: Value<'_>) -> EdgeKind {
    let mut transformations = datasets(input, "transformations").peekable();
    let is_indirect = |transformation: Value<'_>| {
        let of = transformation.get("type").and_then(Value::string);
        of.as_deref() == Some("INDIRECT")
    };
    match transformations.peek().is_some() && transformations.all(is_indirect) {
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
            BTreeSet::from([(identity("t").into(), identity("a").into())])
        );
        let parent = (identity("j").into(), identity("dag").into());
        assert_eq!(found.parent, Some(parent));
        assert!(found.nodes.contains(&Node::job(identity("dag"))));
    }

    #[test]
    fn an_event_of_any_size_has_names_in_proportion_to_it_and_a_number_of_edges() {
        const MORE: usize = 7;
        // The name of the job is compared for each edge: with others of its length, that would take minutes.
        let long = "j".repeat(2_000_000);
        let outputs = (0..MAX_EDGES + MORE).map(|n| format!(r#"{{"namespace":"n","name":"{n}"}}"#));
        let outputs = outputs.collect::<Vec<_>>().join(",");
        let run = JOB.replace(r#""j""#, &format!(r#""{long}""#));
        let found = of(&format!(
            r#"{run},"outputs":[{outputs},{{"namespace":"n","name":"0"}}]"#
        ));
        assert_eq!((found.edges.len(), found.left_out), (MAX_EDGES, MORE));
        assert_eq!(found.nodes.len(), 1 + MAX_EDGES);
        let name = |node: &Node| std::ptr::from_ref::<Identity>(&node.identity);
        let jobs: BTreeSet<_> = found.edges.iter().map(|(job, _)| name(job)).collect();
        assert_eq!(jobs.len(), 1, "one name");
        let mut graph = crate::Graph::default();
        graph.add(&found);
        // The same names in another event.
        graph.add(&of(&format!(r#"{run},"outputs":[{outputs}]"#)));
        let jobs: BTreeSet<_> = graph.edges().map(|(job, _)| name(job)).collect();
        assert_eq!((jobs.len(), graph.edges().count()), (1, MAX_EDGES));
    }

    #[test]
    fn columns_and_other_names_have_a_bound_too() {
        let inputs =
            (0..MAX_EDGES + 2).map(|n| format!(r#"{{"namespace":"n","name":"a","field":"{n}"}}"#));
        let names = (0..MAX_EDGES + 3)
            .map(|n| format!(r#"{{"namespace":"n","name":"{n}","type":"TABLE"}}"#));
        let found = of(&format!(
            r#"{JOB},"outputs":[{{"namespace":"n","name":"b","facets":{{"columnLineage":{{"_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json","fields":{{"x":{{"inputFields":[{}]}}}}}},"symlinks":{{"_producer":"urn:p","_schemaURL":"https://openlineage.io/spec/facets/1-0-0/SymlinksDatasetFacet.json","identifiers":[{}]}}}}}}]"#,
            inputs.collect::<Vec<_>>().join(","),
            names.collect::<Vec<_>>().join(",")
        ));
        assert_eq!(
            (found.columns.len(), found.aliases.len()),
            (MAX_EDGES, MAX_EDGES)
        );
        assert_eq!((found.edges.len(), found.left_out), (1, 5));
    }

    #[test]
    fn a_dataset_event_is_a_node() {
        let found = of(r#""dataset":{"namespace":"n","name":"a"}"#);
        assert_eq!(found.nodes, BTreeSet::from([Node::dataset(identity("a"))]));
        assert_eq!(found.edges, BTreeSet::new());
    }
}
