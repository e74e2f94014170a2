//! What the screen shows: nodes that fit it, what is known of each, and the columns of those that are opened. Pure.
//!
//! The drawing (`drawing.rs`) and the table (`rows.rs`) are two views of a [`Picture`], so they show the same.

use std::collections::{BTreeMap, BTreeSet};

use graph::{EdgeKind, Graph, Neighbourhood, Node, NodeKind, Shown};
use history::{Near, Neighbours, NodeFacts, RunState};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A graph with what is known of its nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picture {
    pub(crate) nodes: Vec<PictureNode>,
    /// By the positions of their nodes.
    pub(crate) edges: BTreeSet<(usize, usize)>,
    /// Those of them that the last completed run of their job does not have.
    pub(crate) old: BTreeSet<(usize, usize)>,
    /// The position of the chosen node.
    pub(crate) focus: Option<usize>,
    /// Between columns of nodes that are opened.
    pub(crate) columns: Vec<PictureEdge>,
}

/// A node of a picture.
#[derive(Debug, Clone)]
pub(crate) struct PictureNode {
    pub(crate) what: What,
    pub(crate) facts: Facts,
    pub(crate) opened: Option<Opened>,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Node(Node),
    /// A parent that stands for so many nodes.
    Group(Node, usize),
    /// So many further nodes, at this level.
    More(i64, usize),
}

/// What is known of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// The state of the last run: of the job, or of the job that wrote the dataset last.
    pub(crate) state: State,
    /// When it came to that.
    pub(crate) at: Option<OffsetDateTime>,
    /// How many columns a dataset has.
    pub(crate) fields: usize,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum State {
    /// No event told of a run.
    #[default]
    NoRun,
    Completed,
    Running,
    Aborted,
    Failed,
}

/// The columns that are shown of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The names, in the order of the schema.
    pub(crate) fields: Vec<String>,
    /// How many others it has.
    pub(crate) hidden: usize,
}

/// An edge between columns that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PictureEdge {
    pub(crate) from: Port,
    pub(crate) to: Port,
    pub(crate) kind: EdgeKind,
    /// Whether it is on the path of the chosen column.
    pub(crate) is_lit: bool,
}

/// Where an edge between columns ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port {
    /// The position of the node.
    pub(crate) node: usize,
    /// The position of the column; `None` for all of the dataset.
    pub(crate) field: Option<usize>,
}

impl State {
    pub(crate) const ALL: [State; 5] = [
        State::NoRun,
        State::Completed,
        State::Running,
        State::Aborted,
        State::Failed,
    ];

    /// The state of a run, as the history has it.
    pub(crate) fn of(state: RunState) -> State {
        match state {
            RunState::Running => State::Running,
            RunState::Completed => State::Completed,
            RunState::Failed => State::Failed,
            RunState::Aborted => State::Aborted,
        }
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            State::NoRun => "no run",
            State::Completed => "completed",
            State::Running => "running",
            State::Aborted => "aborted",
            State::Failed => "failed",
        }
    }

    /// A sign beside the word: colours alone tell nothing to some.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            State::NoRun => "–",
            State::Completed => "✔",
            State::Running => "▶",
            State::Aborted => "⊘",
            State::Failed => "✖",
        }
    }

    /// Its class in the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            State::NoRun => "state-none",
            State::Completed => "state-completed",
            State::Running => "state-running",
            State::Aborted => "state-aborted",
            State::Failed => "state-failed",
        }
    }
}

impl Facts {
    pub(crate) fn of(known: &NodeFacts) -> Facts {
        let run = known.run.as_ref();
        let at = run.map(|run| run.ended_at.as_ref().unwrap_or(&run.ran_at));
        let state = run.and_then(|run| run.state);
        Facts {
            state: state.map_or(State::NoRun, State::of),
            at: at.and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()),
            fields: usize::try_from(known.fields).unwrap_or(usize::MAX),
        }
    }

    /// The facts of the part of a group that is worst, and of two that are as bad, of the later one.
    #[must_use]
    pub(crate) fn worse(self, other: Facts) -> Facts {
        match (self.state, self.at) >= (other.state, other.at) {
            true => self,
            false => other,
        }
    }
}

impl What {
    /// The node, unless it stands for several that have no common one.
    pub(crate) fn node(&self) -> Option<&Node> {
        match self {
            What::Node(node) | What::Group(node, _) => Some(node),
            What::More(..) => None,
        }
    }
}

impl Picture {
    /// What is near a node. `groups` has how many nodes each parent stands for.
    pub(crate) fn near(
        found: Neighbourhood,
        focus: &Node,
        groups: &BTreeMap<Node, usize>,
        facts: impl Fn(&Node) -> Facts,
    ) -> Picture {
        let nodes = found.nodes.into_iter().map(|shown| match shown.what {
            Shown::Node(node) => picture_node(node, groups, &facts),
            Shown::More(count) => PictureNode {
                what: What::More(shown.level, count),
                facts: Facts::default(),
                opened: None,
            },
        });
        Picture {
            nodes: nodes.collect(),
            edges: found.edges,
            ..Picture::default()
        }
        .with_writers()
        .focused(focus)
    }

    /// What the history has near a node.
    pub(crate) fn of(found: &Neighbours) -> Picture {
        let nodes = found.nodes.iter().map(|near| match &near.what {
            Near::Node(known) => PictureNode {
                what: What::Node(Node::from(&known.node)),
                facts: Facts::of(&known.facts),
                opened: None,
            },
            Near::More { more } => PictureNode {
                what: What::More(near.level, *more),
                facts: Facts::default(),
                opened: None,
            },
        });
        let edges = |old: bool| {
            let edges = found.edges.iter().filter(move |edge| edge.is_old || !old);
            edges.map(|edge| (edge.from, edge.to)).collect()
        };
        Picture {
            nodes: nodes.collect(),
            edges: edges(false),
            old: edges(true),
            focus: found.focus,
            columns: Vec::new(),
        }
        .with_writers()
    }

    /// All of a graph.
    pub(crate) fn whole(
        graph: &Graph,
        groups: &BTreeMap<Node, usize>,
        facts: impl Fn(&Node) -> Facts,
    ) -> Picture {
        let positions: BTreeMap<&Node, usize> = graph.nodes().zip(0..).collect();
        let position = |node: &Node| positions.get(node).copied();
        let edges = graph.edges();
        let edges = edges.filter_map(|(from, to)| Some((position(from)?, position(to)?)));
        let nodes = graph.nodes().cloned();
        Picture {
            nodes: nodes
                .map(|node| picture_node(node, groups, &facts))
                .collect(),
            edges: edges.filter(|(from, to)| from != to).collect(),
            ..Picture::default()
        }
        .with_writers()
    }

    /// Gives each dataset the state of the job that wrote it last.
    fn with_writers(mut self) -> Picture {
        let mut writers: BTreeMap<usize, Facts> = BTreeMap::new();
        for (from, to) in &self.edges {
            let Some(facts) = self.nodes.get(*from).map(|node| node.facts) else {
                continue;
            };
            let last = writers.entry(*to).or_default();
            if (last.at, last.state) < (facts.at, facts.state) {
                *last = facts;
            }
        }
        for (position, node) in self.nodes.iter_mut().enumerate() {
            let is_dataset = node
                .what
                .node()
                .is_some_and(|node| node.kind == NodeKind::Dataset);
            if let (true, Some(writer)) = (is_dataset, writers.get(&position)) {
                (node.facts.state, node.facts.at) = (writer.state, writer.at);
            }
        }
        self
    }

    /// The same with this node chosen, if it is shown.
    pub(crate) fn focused(mut self, focus: &Node) -> Picture {
        self.focus = self.position(focus);
        self
    }

    /// Where a node stands.
    pub(crate) fn position(&self, node: &Node) -> Option<usize> {
        let mut nodes = self.nodes.iter();
        nodes.position(|it| it.what.node() == Some(node))
    }

    /// The positions of what each node reads or is written by, and of what reads it or it writes.
    pub(crate) fn neighbours(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let mut before = vec![Vec::new(); self.nodes.len()];
        let mut after = before.clone();
        for (from, to) in &self.edges {
            if let Some(after) = after.get_mut(*from) {
                after.push(*to);
            }
            if let Some(before) = before.get_mut(*to) {
                before.push(*from);
            }
        }
        (before, after)
    }
}

fn picture_node(
    node: Node,
    groups: &BTreeMap<Node, usize>,
    facts: &impl Fn(&Node) -> Facts,
) -> PictureNode {
    PictureNode {
        facts: facts(&node),
        what: match groups.get(&node) {
            Some(count) => What::Group(node, *count),
            None => What::Node(node),
        },
        opened: None,
    }
}
