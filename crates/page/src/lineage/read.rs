//! Reads what the screen shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use graph::{Column, ColumnEdge, Name as GraphName, Node};
use history::{
    ColumnRef, ColumnStep, FindError, FoundColumn, History, KnownNode, Name, NodeDetails, NodeKind,
    NodeRef, NodeSearch, OpenedColumns, Reach,
};
use openlineage::Identity;

use super::drawing::Drawing;
use super::estate::{Estate, blocking, estate};
use super::opened;
use super::picture::{Picture, What};
use super::wish::{MOST_LEVELS, MOST_OPENED, View, Wish, opened_name};
use crate::Site;
use crate::text::shown;
use crate::visit::Fault;

/// How many names are suggested for one that is not known.
const SUGGESTED: usize = 10;

/// The most characters of a name that the history keeps; see `NAME` of the log lines of the proxy.
const KEPT: usize = 500;

/// What was found for an address.
pub(super) enum Looked {
    /// With the chosen node under its own name, if it was asked for by another one.
    Found(Wish, Box<Read>),
    /// The node is not known; these names are like it.
    Unknown { node: NodeRef, near: Vec<KnownNode> },
}

/// What the screen shows.
pub(super) struct Read {
    pub(super) picture: Picture,
    /// Whether there is more than is shown.
    pub(super) is_cut: bool,
    /// Whether the chosen node is known, but not among those that are read for a whole or grouped view.
    pub(super) is_missing: bool,
    /// What is known of the chosen node.
    pub(super) details: Option<NodeDetails>,
    /// The columns of the chosen dataset.
    pub(super) columns: Vec<FoundColumn>,
    /// Edges between columns of opened datasets.
    pub(super) steps: Vec<ColumnStep>,
    /// What is before the chosen node, much further than the picture reaches.
    pub(super) before: Option<Picture>,
    /// Of a whole view.
    estate: Option<Arc<Estate>>,
}

impl Read {
    fn of(picture: Picture, is_cut: bool) -> Read {
        Read {
            picture,
            is_cut,
            is_missing: false,
            details: None,
            columns: Vec::new(),
            steps: Vec::new(),
            before: None,
            estate: None,
        }
    }

    /// Begins to place a whole view, which takes longest: the script asks for it a moment later.
    pub(super) fn begin_drawing(&self) {
        if let Some(estate) = self.estate.clone().filter(|estate| !estate.is_drawn()) {
            let picture = self.picture.clone();
            tokio::task::spawn_blocking(move || drop(estate.drawing(&picture)));
        }
    }

    /// Places everything.
    pub(super) async fn drawing(&self) -> Result<Drawing, Fault> {
        let (picture, estate) = (self.picture.clone(), self.estate.clone());
        blocking(move || match estate {
            Some(estate) => estate.drawing(&picture),
            None => Drawing::of(&picture),
        })
        .await
    }
}

/// Reads what an address asks for.
pub(super) async fn read(site: &Site, mut wish: Wish) -> Result<Looked, Fault> {
    let details = match &wish.focus {
        Some(node) => known(site, node).await?,
        None => None,
    };
    // What is asked for by another name of it is drawn under its own.
    if let Some(details) = &details {
        wish.focus = Some(details.node.node.clone());
    }
    let focus = wish.focus.clone();
    let mut read = match (&wish.view, &focus) {
        (View::Near, Some(node)) if !wish.is_grouped => near(site, &wish, node.clone()).await?,
        (View::Near | View::Overview | View::Find { .. }, focus) => {
            let estate = estate(site, wish.is_grouped).await?;
            let node = focus.as_ref().map(Node::from);
            let shown = node.as_ref().and_then(|node| estate.shown(node));
            match (shown, focus) {
                (Some(node), _) => Read::of(estate.near(node, wish.reach), estate.is_cut),
                (None, Some(node)) if details.is_some() => Read {
                    is_missing: true,
                    ..near(site, &wish, node.clone()).await?
                },
                (None, _) => Read::of(Picture::default(), estate.is_cut),
            }
        }
        (View::Whole, focus) => {
            let estate = estate(site, wish.is_grouped).await?;
            let whole = estate.whole();
            let node = focus.as_ref().map(Node::from);
            let shown = node.as_ref().and_then(|node| estate.shown(node));
            let picture = match shown {
                Some(node) => whole.focused(node),
                None => whole,
            };
            Read {
                is_missing: focus.is_some() && picture.focus.is_none() && details.is_some(),
                estate: Some(estate.clone()),
                ..Read::of(picture, estate.is_cut)
            }
        }
    };
    let Some(node) = focus else {
        return Ok(Looked::Found(wish, Box::new(read)));
    };
    if read.picture.focus.is_none() && !read.is_missing {
        let near = like(site, &node).await?;
        return Ok(Looked::Unknown { node, near });
    }
    read.details = details;
    if node.kind == NodeKind::Dataset {
        let (history, asked) = (site.history().await?, named(&node));
        read.columns = site
            .read(async move { history.columns(asked).await })
            .await?;
    }
    // In a whole view each opened dataset would move all others.
    if wish.view == View::Near {
        open(site, &wish, &mut read).await?;
        if !wish.is_grouped {
            read.before = before(site, node).await?;
        }
    }
    Ok(Looked::Found(wish, Box::new(read)))
}

/// What is near a node.
async fn near(site: &Site, wish: &Wish, node: NodeRef) -> Result<Read, Fault> {
    let (history, reach, has_old) = (site.history().await?, wish.reach, wish.has_old);
    let found = site.read_in_time(async move { history.neighbours(node, reach, has_old).await });
    let found = found.await?.ok_or_else(fewer_levels)?;
    Ok(Read::of(Picture::of(&found), found.is_cut))
}

fn fewer_levels() -> Fault {
    let why = "what is near it takes longer than 2 s to read: ask for fewer levels, with up and down, or for no column";
    Fault::bad_request(why)
}

/// What is before a node, as far as 150 nodes reach: what broke it may be far away. `None` if that takes too long.
async fn before(site: &Site, node: NodeRef) -> Result<Option<Picture>, Fault> {
    let history = site.history().await?;
    let far = Reach {
        up: MOST_LEVELS,
        down: 0,
    };
    let found = site.read_in_time(async move { history.neighbours(node, far, false).await });
    Ok(found.await?.map(|found| Picture::of(&found)))
}

/// What is known of a node, which may be named as its events do: the history has names as they are shown.
async fn known(site: &Site, node: &NodeRef) -> Result<Option<NodeDetails>, Fault> {
    let as_shown = NodeRef {
        kind: node.kind,
        namespace: shown(&node.namespace, KEPT).into_owned(),
        name: shown(&node.name, KEPT).into_owned(),
    };
    match details(site, node.clone()).await? {
        None if as_shown != *node => details(site, as_shown).await,
        details => Ok(details),
    }
}

async fn details(site: &Site, node: NodeRef) -> Result<Option<NodeDetails>, Fault> {
    let history = site.history().await?;
    site.read(async move { history.node(node).await }).await
}

/// Finds names that are like one that is not known: with its last part in them.
async fn like(site: &Site, node: &NodeRef) -> Result<Vec<KnownNode>, Fault> {
    let last = node.name.rsplit(['.', '/']).find(|part| !part.is_empty());
    let search = NodeSearch {
        text: last.unwrap_or(&node.name).to_owned(),
        ..NodeSearch::default()
    };
    let history = site.history().await?;
    let found = site.read(async move { history.find_nodes(search, SUGGESTED, 0).await });
    found.await.map(|(nodes, _)| nodes)
}

/// Shows the columns that are asked for.
async fn open(site: &Site, wish: &Wish, read: &mut Read) -> Result<(), Fault> {
    let datasets = read
        .picture
        .nodes
        .iter()
        .filter_map(|node| match &node.what {
            What::Node(node) if node.kind == NodeKind::Dataset => Some(named(&NodeRef::from(node))),
            What::Node(_) | What::Group(..) | What::More(..) => None,
        });
    let datasets: Vec<Name> = datasets
        .filter(|name| wish.open.contains(&opened_name(name)))
        .collect();
    let chosen = wish
        .focus
        .as_ref()
        .filter(|node| node.kind == NodeKind::Dataset);
    let column = chosen
        .zip(wish.column.clone())
        .map(|(dataset, field)| ColumnRef {
            dataset: named(dataset),
            field: Some(field),
        });
    if datasets.is_empty() && column.is_none() {
        return Ok(());
    }
    let history = site.history().await?;
    let (asked, of_column, reach) = (datasets.clone(), column.clone(), wish.reach);
    let found = site.read_in_time(async move { columns(&history, asked, of_column, reach).await });
    let (fields, steps) = found.await?.ok_or_else(fewer_levels)?;
    let edges: BTreeSet<ColumnEdge> = steps.iter().map(edge).collect();
    let opened: Vec<GraphName> = datasets.iter().map(graph_name).collect();
    let wish = opened::Wish {
        datasets: opened.iter().collect(),
        column: column.as_ref().map(graph_column),
        filter: &wish.fields,
    };
    opened::open(&mut read.picture, &wish, &fields, &edges);
    read.steps = steps.into_iter().collect();
    Ok(())
}

type Fields = BTreeMap<GraphName, Vec<String>>;

/// The columns of opened datasets, the edges between them, and those on the path of a column.
async fn columns(
    history: &History,
    datasets: Vec<Name>,
    column: Option<ColumnRef>,
    reach: Reach,
) -> Result<(Fields, BTreeSet<ColumnStep>), FindError> {
    // From a dataset to the next one are two levels of the lineage.
    let reach = Reach {
        up: reach.up.div_ceil(2),
        down: reach.down.div_ceil(2),
    };
    let path_of = column.map(|column| (column, reach));
    let OpenedColumns { path, columns } = history
        .opened_columns(path_of, datasets, 2 * MOST_OPENED)
        .await?;
    let fields = columns.into_iter().map(|(dataset, columns)| {
        let names = columns.into_iter().map(|column| column.name);
        (graph_name(&dataset), names.collect())
    });
    Ok((fields.collect(), path.edges.into_iter().collect()))
}

fn named(node: &NodeRef) -> Name {
    Name {
        namespace: node.namespace.clone(),
        name: node.name.clone(),
    }
}

fn graph_name(Name { namespace, name }: &Name) -> GraphName {
    GraphName::from(Identity {
        namespace: namespace.clone(),
        name: name.clone(),
    })
}

fn graph_column(column: &ColumnRef) -> Column {
    Column {
        dataset: graph_name(&column.dataset),
        field: column.field.as_deref().map(Arc::from),
    }
}

fn edge(step: &ColumnStep) -> ColumnEdge {
    ColumnEdge {
        from: graph_column(&step.from),
        to: graph_column(&step.to),
        kind: step.kind,
    }
}
