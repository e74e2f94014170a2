//! What the graph is made of: jobs, datasets and columns.

use openlineage::Identity;

/// A job or a dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Which of the two.
    pub kind: NodeKind,
    /// Its name.
    pub identity: Identity,
}

/// What a node is. A job and a dataset of one name are two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A job.
    Job,
    /// A dataset.
    Dataset,
}

/// A column of a dataset, or all of its columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column {
    /// The dataset.
    pub dataset: Identity,
    /// The name of the column; `None` for all of the dataset, as a column is that each row was filtered by.
    pub field: Option<String>,
}

/// An edge between columns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// Its values are made of those of the other. Also where the producer does not say.
    Direct,
    /// The other decides which values it has: it is joined, filtered, grouped or sorted by.
    Indirect,
}

impl Node {
    /// The node of a job.
    pub fn job(identity: Identity) -> Node {
        Node {
            kind: NodeKind::Job,
            identity,
        }
    }

    /// The node of a dataset.
    pub fn dataset(identity: Identity) -> Node {
        Node {
            kind: NodeKind::Dataset,
            identity,
        }
    }
}
