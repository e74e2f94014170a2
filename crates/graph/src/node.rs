//! What the graph is made of: jobs, datasets and columns.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use openlineage::Identity;
use serde::{Deserialize, Serialize};

/// The name of a job or a dataset, shared by all that has it: a name can be as long as an event, and have as many edges as
/// fit one.
#[derive(Debug, Clone)]
pub struct Name(Arc<Identity>);

/// A job or a dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Which of the two.
    pub kind: NodeKind,
    /// Its name.
    pub identity: Name,
}

/// What a node is. A job and a dataset of one name are two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// A job.
    Job,
    /// A dataset.
    Dataset,
}

/// A column of a dataset, or all of its columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// The dataset.
    pub dataset: Name,
    /// The name of the column; `None` for all of the dataset, as a column is that each row was filtered by.
    pub field: Option<Arc<str>>,
}

/// An edge between columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ColumnEdge {
    /// What is read.
    pub from: Column,
    /// What is written.
    pub to: Column,
    /// How one depends on the other.
    pub kind: EdgeKind,
}

/// How a column depends on another: the `type` of its transformations
/// (<https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// Its values are made of those of the other. Also where the producer does not say.
    Direct,
    /// The other decides which values it has: it is joined, filtered, grouped or sorted by.
    Indirect,
}

impl Node {
    /// The node of a job.
    pub fn job(name: impl Into<Name>) -> Node {
        Node {
            kind: NodeKind::Job,
            identity: name.into(),
        }
    }

    /// The node of a dataset.
    pub fn dataset(name: impl Into<Name>) -> Node {
        Node {
            kind: NodeKind::Dataset,
            identity: name.into(),
        }
    }
}

impl From<Identity> for Name {
    fn from(identity: Identity) -> Name {
        Name(Arc::new(identity))
    }
}

impl Deref for Name {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        // A name is compared with itself once for each of its edges, and may be long.
        match Arc::ptr_eq(&self.0, &other.0) {
            true => Ordering::Equal,
            false => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Name {}

/// Names, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(BTreeSet<Name>);

impl Names {
    /// The one of this name that all share.
    pub(crate) fn share(&mut self, name: Name) -> Name {
        if let Some(shared) = self.0.get(&name) {
            return shared.clone();
        }
        self.0.insert(name.clone());
        name
    }
}
