//! The rows of the table beside the drawing: each node with its neighbours. Pure. It is what is read without the script, and
//! what `Accept: application/json` returns.

use graph::NodeKind;
use history::Name;
use serde::Serialize;

use super::picture::{Picture, PictureNode, State, What};

/// A node of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// What it is.
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// The state of its last run, or of the run that wrote it last; nothing if no such run is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<&'static str>,
    /// When it came to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<String>,
    /// How many columns it has.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) columns: usize,
    /// The positions of the rows that it reads or is written by.
    pub(crate) before: Vec<usize>,
    /// The positions of the rows that read it or that it writes.
    pub(crate) after: Vec<usize>,
    #[serde(skip)]
    pub(crate) state_of: State,
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Subject {
    /// A job.
    Job(Name),
    /// A dataset.
    Dataset(Name),
    /// A job with so many jobs whose parent it is.
    Parent {
        /// The parent.
        #[serde(flatten)]
        name: Name,
        /// How many.
        jobs: usize,
    },
    /// Nodes that are not shown.
    More {
        /// How many.
        count: usize,
    },
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The rows of a picture, in the order of its nodes.
pub(crate) fn rows(picture: &Picture) -> Vec<Row> {
    let (before, after) = picture.neighbours();
    let neighbours = before.into_iter().zip(after);
    let nodes = picture.nodes.iter().zip(neighbours);
    let row = |(node, (before, after)): (&PictureNode, (Vec<usize>, Vec<usize>))| Row {
        subject: subject(&node.what),
        state: (node.facts.state != State::NoRun).then(|| node.facts.state.word()),
        at: node.facts.at.map(history::written),
        columns: node.facts.fields,
        before,
        after,
        state_of: node.facts.state,
    };
    nodes.map(row).collect()
}

fn subject(what: &What) -> Subject {
    let named = |node: &graph::Node| Name {
        namespace: node.identity.namespace.clone(),
        name: node.identity.name.clone(),
    };
    match what {
        What::Node(node) => match node.kind {
            NodeKind::Job => Subject::Job(named(node)),
            NodeKind::Dataset => Subject::Dataset(named(node)),
        },
        What::Group(node, jobs) => Subject::Parent {
            name: named(node),
            jobs: *jobs,
        },
        What::More(_, count) => Subject::More { count: *count },
    }
}
