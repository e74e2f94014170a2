//! What is asked of the lineage. Each question reads one snapshot, for at most 2 s.

mod columns;
mod connected;
mod near;
mod nodes;
mod periods;
mod places;
mod resolve;
pub(crate) mod runs;
mod tally;
mod whole;

use graph::Reach;
use rusqlite::Connection;

use crate::{
    ColumnPath, ColumnRef, ColumnStep, Connected, EventPlace, FindError, FoundColumn, FoundRun,
    History, KnownNode, Name, Neighbours, NodeDetails, NodeRef, OpenedColumns, Overview, Period,
    RunState, Tally, Whole,
};

pub use places::EventsOfNodes;
pub use whole::Bounds;

/// Which nodes are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeSearch {
    /// A text in the namespace, a slash and the name, in any case.
    pub text: String,
    /// `None`: both.
    pub kind: Option<graph::NodeKind>,
    /// `None`: all.
    pub namespace: Option<String>,
    /// Only those of the lineage, and not those of which no target has an event.
    pub delivered: bool,
    /// Only jobs whose latest run has one of these states, where `None` is none of them; and jobs without a run.
    pub states: Option<Vec<Option<RunState>>>,
    /// Which come first.
    pub order: NodeOrder,
}

/// Which nodes come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NodeOrder {
    /// Those of which the name begins with the text, then by name.
    #[default]
    Match,
    /// By name.
    Name,
    /// Those that an event named last by any of their names.
    LastSeen,
}

impl History {
    /// What is near a job or a dataset, as far as it fits a screen: see [`graph::Graph::neighbourhood`]. Any name of a dataset can
    /// be given. With `old`, also the edges that the last completed run of a job does not have.
    pub async fn neighbours(
        &self,
        focus: NodeRef,
        reach: Reach,
        old: bool,
    ) -> Result<Neighbours, FindError> {
        self.ask(move |it| near::near(it, &focus, reach, old)).await
    }

    /// All jobs and datasets, or those that were seen last, and the edges between them.
    pub async fn whole(&self, bounds: Bounds) -> Result<Whole, FindError> {
        self.ask(move |it| whole::whole(it, bounds)).await
    }

    /// The namespaces and the failed jobs, at most so many of each.
    pub async fn overview(&self, limit: usize) -> Result<Overview, FindError> {
        self.ask(move |it| whole::overview(it, limit)).await
    }

    /// Finds at most `limit` jobs and datasets after the first so many, and tells how many there are, up to 10,000.
    pub async fn find_nodes(
        &self,
        search: NodeSearch,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<KnownNode>, u64), FindError> {
        self.ask(move |it| nodes::find(it, &search, (limit, offset)))
            .await
    }

    /// Like [`find_nodes`](History::find_nodes), with all that is known of them.
    pub async fn find_details(
        &self,
        search: NodeSearch,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<NodeDetails>, u64), FindError> {
        self.ask(move |it| nodes::find_details(it, &search, (limit, offset)))
            .await
    }

    /// What is connected with a job or a dataset over so many jobs in a row, as Marquez counts it: from a job to all that read or write
    /// what it reads or writes, and so on from each. `None`: it is not known.
    pub async fn connected(
        &self,
        start: NodeRef,
        depth: u32,
    ) -> Result<Option<Connected>, FindError> {
        self.ask(move |it| connected::connected(it, &start, depth))
            .await
    }

    /// The job or dataset of which the namespace, a colon and the name are this text. Both may have colons: the longest namespace
    /// counts.
    pub async fn resolve(
        &self,
        kind: graph::NodeKind,
        text: String,
    ) -> Result<Option<NodeRef>, FindError> {
        self.ask(move |it| resolve::node(it, kind, &text)).await
    }

    /// The column of which the namespace, the name and the field are this text, with colons between them.
    pub async fn resolve_column(&self, text: String) -> Result<Option<ColumnRef>, FindError> {
        self.ask(move |it| resolve::column(it, &text)).await
    }

    /// How many events of each kind were accepted in each of so many periods before a time. Times are in milliseconds, since 1970.
    pub async fn periods(
        &self,
        until: i64,
        length: i64,
        count: u32,
    ) -> Result<Vec<Period>, FindError> {
        self.ask(move |it| periods::periods(it, (until, length), count))
            .await
    }

    /// All that is known of a job or a dataset. Any name of a dataset can be given. `None`: no event names it.
    pub async fn node(&self, node: NodeRef) -> Result<Option<NodeDetails>, FindError> {
        self.ask(move |it| nodes::node(it, &node)).await
    }

    /// The last runs of a job, that which began last first.
    pub async fn runs(&self, job: Name, limit: usize) -> Result<Vec<FoundRun>, FindError> {
        self.ask(move |it| runs::runs(it, &job, limit)).await
    }

    /// A run, with the job of its events.
    pub async fn run(&self, run: String) -> Result<Option<(FoundRun, Option<Name>)>, FindError> {
        self.ask(move |it| runs::found(it, &run)).await
    }

    /// Where the last events of a run are in the log, at most so many, the last one first; only those that a target has.
    pub async fn events_of_run(
        &self,
        run: String,
        limit: usize,
    ) -> Result<Vec<EventPlace>, FindError> {
        self.ask(move |it| places::of_run(it, &run, limit)).await
    }

    /// Where the last events of a job are in the log, or those that name a dataset by any of its names: like
    /// [`events_of_run`](History::events_of_run).
    pub async fn events_of_node(
        &self,
        node: NodeRef,
        limit: usize,
    ) -> Result<Vec<EventPlace>, FindError> {
        self.ask(move |it| places::of_node(it, &node, limit)).await
    }

    /// The same for each of some nodes, in one snapshot.
    pub async fn events_of_nodes(
        &self,
        nodes: Vec<NodeRef>,
        limit: usize,
    ) -> Result<EventsOfNodes, FindError> {
        self.ask(move |it| places::of_nodes(it, &nodes, limit))
            .await
    }

    /// The columns of a dataset, in the order of its schema; then those that only column lineage names. Any name can be given.
    pub async fn columns(&self, dataset: Name) -> Result<Vec<FoundColumn>, FindError> {
        self.ask(move |it| columns::columns(it, &dataset)).await
    }

    /// The edges over which columns are made of others, and others of them, each up to so many levels of datasets: of all of them
    /// together at most 5,000. Without a field, those of all columns of the dataset.
    pub async fn column_paths(
        &self,
        columns: Vec<(ColumnRef, Reach)>,
    ) -> Result<ColumnPath, FindError> {
        self.ask(move |it| columns::paths(it, &columns)).await
    }

    /// The edges over which all columns of these datasets are made of others: of each dataset all, or none if it has more than what is left
    /// of 5,000 edges.
    pub async fn made_of(&self, datasets: Vec<Name>) -> Result<Vec<ColumnStep>, FindError> {
        self.ask(move |it| columns::made_of(it, &datasets)).await
    }

    /// The path of a column, the edges of all columns of some datasets, and the columns of all these datasets, at most `most`.
    pub async fn opened_columns(
        &self,
        path_of: Option<(ColumnRef, Reach)>,
        datasets: Vec<Name>,
        most: usize,
    ) -> Result<OpenedColumns, FindError> {
        self.ask(move |it| columns::opened(it, path_of.as_ref(), &datasets, most))
            .await
    }

    /// How many events ended how since a time, in milliseconds since 1970, from the beginning of its hour.
    pub async fn tally(&self, since: i64) -> Result<Tally, FindError> {
        self.ask(move |it| tally::tally(it, since)).await
    }

    /// Reads a snapshot, within the budget.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> Result<R, FindError> {
        let read = move |connection: &Connection| {
            crate::within(connection, crate::BUDGET, |connection| {
                let connection = connection.unchecked_transaction()?;
                work(&connection)
            })
        };
        self.journal.read(read).await.map_err(FindError::from_read)
    }
}

#[cfg(test)]
mod tests;
