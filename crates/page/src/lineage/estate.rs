//! All of the lineage, as it is kept for some seconds: a whole view is read and placed once for all who look.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use graph::{Graph, Name, Node, NodeKind, Reach};
use history::{Bounds, KnownNode, Whole};
use openlineage::Identity;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::drawing::Drawing;
use super::grouped::Grouped;
use super::picture::{Facts, Picture};
use crate::Site;
use crate::visit::Fault;

/// How long it is kept, in milliseconds.
const KEPT: i64 = 10_000;

/// The lineage with and without groups, if it was asked for. Whoever holds the lock reads it for all who wait.
pub(crate) type Estates = Mutex<[Option<(i64, Arc<Estate>)>; 2]>;

/// All of the lineage.
#[derive(Debug, Default)]
pub(crate) struct Estate {
    graph: Graph,
    groups: BTreeMap<Node, usize>,
    parts: BTreeMap<Node, Node>,
    facts: BTreeMap<Node, Facts>,
    /// Whether there is more than is read.
    pub(crate) is_cut: bool,
    drawing: OnceLock<Drawing>,
}

/// Returns all of the lineage, some seconds old at most.
pub(crate) async fn estate(site: &Site, is_grouped: bool) -> Result<Arc<Estate>, Fault> {
    let now = site.line().now();
    let mut estates = site.estates().lock().await;
    let [single, grouped] = &mut *estates;
    let kept = if is_grouped { grouped } else { single };
    if let Some((at, estate)) = kept
        && (*at..*at + KEPT).contains(&now)
    {
        return Ok(estate.clone());
    }
    let history = site.history().await?;
    let whole = site.read(async move { history.whole(Bounds::default()).await });
    let whole = whole.await?;
    let estate = blocking(move || Arc::new(Estate::of(whole, is_grouped))).await?;
    *kept = Some((now, estate.clone()));
    Ok(estate)
}

/// Does what takes long for a core, where it delays nobody.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Fault> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| Fault::unavailable(error.to_string()))
}

impl Estate {
    fn of(whole: Whole, is_grouped: bool) -> Estate {
        let nodes: Vec<Node> = whole
            .nodes
            .iter()
            .map(|known| Node::from(&known.node))
            .collect();
        let mut graph = Graph::default();
        for node in &nodes {
            graph.add_node(node.clone());
        }
        for edge in &whole.edges {
            if let (Some(from), Some(to)) = (nodes.get(edge.from), nodes.get(edge.to)) {
                graph.add_edge(from.clone(), to.clone());
            }
        }
        let facts = whole.nodes.iter().map(|known| Facts::of(&known.facts));
        let facts: BTreeMap<Node, Facts> = nodes.iter().cloned().zip(facts).collect();
        if !is_grouped {
            return Estate {
                graph,
                facts,
                is_cut: whole.is_cut,
                ..Estate::default()
            };
        }
        let grouped = Grouped::of(&graph, &parents(&whole.nodes));
        let mut of_groups = facts.clone();
        for (node, parent) in grouped
            .parts
            .iter()
            .filter(|(node, _)| node.kind == NodeKind::Job)
        {
            let part = facts.get(node).copied().unwrap_or_default();
            let whole = of_groups.entry(parent.clone()).or_default();
            *whole = whole.worse(part);
        }
        Estate {
            graph: grouped.graph,
            groups: grouped.counts,
            parts: grouped.parts,
            facts: of_groups,
            is_cut: whole.is_cut,
            drawing: OnceLock::new(),
        }
    }

    /// The node that stands for this one, if it is known.
    pub(crate) fn shown(&self, node: &Node) -> Option<&Node> {
        match self.parts.get(node) {
            Some(parent) => Some(parent),
            None => self.graph.nodes().find(|it| *it == node),
        }
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Picture {
        Picture::whole(&self.graph, &self.groups, |node| self.facts_of(node))
    }

    /// What is near a node.
    pub(crate) fn near(&self, focus: &Node, reach: Reach) -> Picture {
        let near = self.graph.neighbourhood(focus, reach);
        Picture::near(near, focus, &self.groups, |node| self.facts_of(node))
    }

    /// The drawing of all of it, with this node chosen.
    pub(crate) fn drawing(&self, picture: &Picture) -> Drawing {
        let drawing = self.drawing.get_or_init(|| Drawing::of(picture));
        drawing.clone().focused(picture.focus)
    }

    /// Whether it has been placed.
    pub(crate) fn is_drawn(&self) -> bool {
        self.drawing.get().is_some()
    }

    fn facts_of(&self, node: &Node) -> Facts {
        self.facts.get(node).copied().unwrap_or_default()
    }
}

fn parents(nodes: &[KnownNode]) -> BTreeMap<Name, Name> {
    let parents = nodes
        .iter()
        .filter(|known| known.node.kind == NodeKind::Job);
    let parents = parents.filter_map(|known| {
        let parent = known.facts.parent.as_ref()?;
        let parent = Identity {
            namespace: parent.namespace.clone(),
            name: parent.name.clone(),
        };
        Some((Node::from(&known.node).identity, Name::from(parent)))
    });
    parents.collect()
}
