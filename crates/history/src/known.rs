//! What is known of the lineage, as pages and answers have it. Times are in RFC 3339.

use graph::{EdgeKind, Node, NodeKind};
use openlineage::Identity;
use serde::{Deserialize, Serialize};

use crate::{Name, RunState};

/// A job or a dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeRef {
    /// Which of the two.
    pub kind: NodeKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A job or a dataset with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownNode {
    /// Which one.
    #[serde(flatten)]
    pub node: NodeRef,
    /// What is known.
    #[serde(flatten)]
    pub facts: NodeFacts,
}

/// What is known of a job or a dataset. All is empty if only events name it that no target has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// The latest run of a job: the one that began last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<LatestRun>,
    /// The parent of a job: the facet `parent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// Other names of a dataset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Name>,
    /// How many fields a dataset has.
    pub fields: u32,
    /// When an event named it first, and last, the latter exact to an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// See `first_seen`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
}

/// Where an event is found in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPlace {
    /// Its id.
    pub id: String,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_at: i64,
    /// Its size, in bytes.
    pub size: usize,
}

/// A run, by the times in its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatestRun {
    /// The id.
    pub run: String,
    /// `None`: no event has said it.
    pub state: Option<RunState>,
    /// The time of its first event.
    pub started_at: String,
    /// The time of the event that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// The time of its last event.
    pub ran_at: String,
    /// How long it took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
}

/// What is near a node. Empty if the node is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours {
    /// The position of the node itself.
    pub focus: Option<usize>,
    /// In the order of their levels, and by name within one.
    pub nodes: Vec<NearNode>,
    /// By the positions of their nodes.
    pub edges: Vec<KnownEdge>,
    /// Whether a node has more edges than are read: then the numbers of further nodes are too small.
    pub is_cut: bool,
}

/// A node, or what stands for several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearNode {
    /// How far it is from the focus: below 0 before it.
    pub level: i64,
    /// What it is.
    #[serde(flatten)]
    pub what: Near,
}

/// What a place of a neighbourhood has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Near {
    /// A node.
    Node(Box<KnownNode>),
    /// Further nodes of the level.
    More {
        /// How many.
        more: usize,
    },
}

/// An edge between nodes, by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KnownEdge {
    /// The node before.
    pub from: usize,
    /// The node after.
    pub to: usize,
    /// Whether the last completed run of its job does not have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_old: bool,
}

/// The lineage as far as it is drawn from afar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// By kind and name. If there are more, those that were seen last.
    pub nodes: Vec<KnownNode>,
    /// By the positions of their nodes.
    pub edges: Vec<KnownEdge>,
    /// Whether nodes or edges are left out.
    pub is_cut: bool,
}

/// What is connected with a job or a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// By kind and name.
    pub nodes: Vec<ConnectedNode>,
    /// By the positions of their nodes.
    pub edges: Vec<KnownEdge>,
    /// Whether nodes are left out.
    pub is_cut: bool,
}

/// A job or a dataset with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectedNode {
    /// What is known of it.
    #[serde(flatten)]
    pub node: KnownNode,
    /// The fields of a dataset, in the order of its schema.
    pub schema: Vec<FieldType>,
}

/// How many events of each kind were accepted in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// When it begins.
    pub from: String,
    /// When it ends.
    pub until: String,
    /// By kind, as [`FoundEvent`](crate::FoundEvent) has it.
    pub kinds: std::collections::BTreeMap<String, u64>,
    /// How many jobs are known at its end.
    pub jobs: u64,
    /// How many datasets are known at its end.
    pub datasets: u64,
    /// How many namespaces of datasets are known at its end.
    pub sources: u64,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// By name; at most as many as asked for.
    pub namespaces: Vec<NamespaceCount>,
    /// Of all namespaces.
    pub jobs: u64,
    /// Of all namespaces.
    pub datasets: u64,
    /// How many namespaces there are.
    pub namespace_count: u64,
    /// The jobs whose latest run has failed, the last one first; at most as many as asked for.
    pub failed: Vec<KnownNode>,
    /// How many jobs have failed.
    pub failed_count: u64,
}

/// How many nodes a namespace has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceCount {
    /// The namespace.
    pub namespace: String,
    /// How many jobs.
    pub jobs: u64,
    /// How many datasets.
    pub datasets: u64,
    /// When the first of them was seen first.
    pub first_seen: String,
    /// When the last of them was seen last, exact to an hour.
    pub last_seen: String,
}

/// All that is known of one job or dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDetails {
    /// What the lineage has. Of a name that stands for another dataset, that dataset.
    #[serde(flatten)]
    pub node: KnownNode,
    /// The fields of a dataset, in the order of its schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema: Vec<FieldType>,
    /// The jobs that have a job as their parent; at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Name>,
    /// What a job reads, or what writes a dataset; at most 1,000.
    pub before: Vec<NodeRef>,
    /// What a job writes, or what reads a dataset; at most 1,000.
    pub after: Vec<NodeRef>,
    /// How many events name it, at most 10,000 are counted.
    pub events: u64,
    /// The id of the event that changed last of those.
    pub last_event: Option<String>,
}

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldType {
    /// Its name.
    pub name: String,
    /// Its type, if the schema has it.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub of_type: Option<String>,
}

/// A run of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRun {
    /// What its events say.
    #[serde(flatten)]
    pub run: LatestRun,
    /// How many events it has.
    pub events: u64,
    /// The id of the event that was accepted last.
    pub last_event: String,
}

/// A column of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundColumn {
    /// Its name.
    pub name: String,
    /// Its type. `None`: only column lineage names it, or its schema has none.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub of_type: Option<String>,
    /// Of how many columns it is made.
    pub before: u64,
    /// How many columns are made of it.
    pub after: u64,
}

/// A column, or all of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnRef {
    /// The dataset.
    pub dataset: Name,
    /// The name of the column; `None` for all of the dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// The columns of which one is made, and those that are made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnPath {
    /// Sorted.
    pub edges: Vec<ColumnStep>,
    /// Whether edges are left out.
    pub is_cut: bool,
}

/// The columns of opened datasets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenedColumns {
    /// The edges between them.
    pub path: ColumnPath,
    /// By dataset.
    pub columns: std::collections::BTreeMap<Name, Vec<FoundColumn>>,
}

/// An edge between columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnStep {
    /// What is read.
    pub from: ColumnRef,
    /// What is written.
    pub to: ColumnRef,
    /// How one depends on the other.
    pub kind: EdgeKind,
    /// The job that says so; `None`: a DatasetEvent.
    pub job: Option<Name>,
}

/// How many events ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// By hour, target and outcome. Hours in which nothing ended are not in it.
    pub hours: Vec<Count>,
    /// How many outcomes were not recorded.
    pub not_recorded: u64,
    /// Of how many further events the lineage was not recorded.
    #[serde(default)]
    pub lineage_not_recorded: u64,
}

/// How many events ended so in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// When the hour began.
    pub hour: String,
    /// The target.
    pub target: String,
    /// The outcome, as in [`FoundOutcome`](crate::FoundOutcome).
    pub outcome: String,
    /// How many.
    pub count: u64,
}

impl Tally {
    /// How many of all hours, by target and outcome.
    pub fn totals(&self) -> std::collections::BTreeMap<(&str, &str), u64> {
        let mut totals = std::collections::BTreeMap::new();
        for count in &self.hours {
            *totals
                .entry((count.target.as_str(), count.outcome.as_str()))
                .or_default() += count.count;
        }
        totals
    }
}

impl NodeRef {
    /// A job.
    pub fn job(name: Name) -> NodeRef {
        NodeRef::new(NodeKind::Job, name)
    }

    /// A dataset.
    pub fn dataset(name: Name) -> NodeRef {
        NodeRef::new(NodeKind::Dataset, name)
    }

    pub(crate) fn new(kind: NodeKind, Name { namespace, name }: Name) -> NodeRef {
        NodeRef {
            kind,
            namespace,
            name,
        }
    }

    pub(crate) fn is_job(&self) -> bool {
        self.kind == NodeKind::Job
    }
}

impl From<&NodeRef> for Node {
    fn from(node: &NodeRef) -> Node {
        let identity = Identity {
            namespace: node.namespace.clone(),
            name: node.name.clone(),
        };
        match node.kind {
            NodeKind::Job => Node::job(identity),
            NodeKind::Dataset => Node::dataset(identity),
        }
    }
}

impl From<&Node> for NodeRef {
    fn from(node: &Node) -> NodeRef {
        NodeRef {
            kind: node.kind,
            namespace: node.identity.namespace.clone(),
            name: node.identity.name.clone(),
        }
    }
}
