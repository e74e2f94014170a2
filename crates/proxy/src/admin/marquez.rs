//! `GET /api/v1/…`: the lineage of the history in the format of Marquez' API, for what reads it: its clients and its page.
//!
//! Only what reads. The handlers are in `marquez/catalog.rs` and `marquez/graphs.rs`. `marquez/question.rs` reads the queries,
//! `marquez/facets.rs` collects facets, with `marquez/listed.rs` those of lists, and `marquez/answer.rs` and `marquez/text.rs` write the
//! answers; all these are pure. What Marquez has and the history has not is empty: tags and owners. Of versions, each dataset has one.
//! (<https://github.com/MarquezProject/marquez/blob/0.51.1/spec/openapi.yml>)

mod answer;
mod catalog;
mod facets;
mod graphs;
mod listed;
mod question;
mod text;

use std::sync::Arc;
use std::time::Duration;

use ::history::{
    ColumnStep, EventPlace, FindError, History, KnownNode, Name, NodeDetails, NodeKind, NodeRef,
    NodeSearch, RunState,
};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use super::in_turn;
use super::read_back::{MEMORY_TIMEOUT, ReadBack};
use crate::history::CurrentHistory;
use crate::http::Rejection;

use facets::{Facets, FacetsOf, MAX_FACETS};
use listed::Listed;
use question::Question;

/// The paths of [`Marquez::routes`], without the prefix. One has a slash at its end, as Marquez' page asks for it.
pub(crate) const PATHS: [&str; 23] = [
    "/api/v1/namespaces",
    "/api/v1/namespaces/{namespace}",
    "/api/v1/namespaces/{namespace}/jobs",
    "/api/v1/namespaces/{namespace}/jobs/{job}",
    "/api/v1/namespaces/{namespace}/jobs/{job}/runs",
    "/api/v1/namespaces/{namespace}/datasets",
    "/api/v1/namespaces/{namespace}/datasets/{dataset}",
    "/api/v1/namespaces/{namespace}/datasets/{dataset}/versions",
    "/api/v1/namespaces/{namespace}/datasets/{dataset}/versions/{version}",
    "/api/v1/jobs",
    "/api/v1/jobs/runs/{run}",
    "/api/v1/jobs/runs/{run}/facets",
    "/api/v1/lineage",
    "/api/v1/column-lineage",
    "/api/v1/search",
    "/api/v1/search/",
    "/api/v1/sources",
    "/api/v1/sources/{source}",
    "/api/v1/tags",
    "/api/v1/stats/lineage-events",
    "/api/v1/stats/jobs",
    "/api/v1/stats/datasets",
    "/api/v1/stats/sources",
];

/// The most runs of a job that are listed.
const MAX_RUNS: usize = 1_000;

/// The most events of a run, a job or a dataset of which facets are read: a few, which may be large.
const MAX_EVENTS_OF_NODE: usize = 20;

/// How long a list waits for the memory for its facets. Without them it is still an answer.
const MAX_WAIT_OF_LIST: Duration = Duration::from_secs(1);

/// The most namespaces that are listed.
const MAX_NAMESPACES: usize = 10_000;

/// Answers questions within limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct Marquez {
    history: Option<CurrentHistory>,
    /// Those of all that read the history.
    turns: Arc<Semaphore>,
    /// The events themselves, of which the facets of runs are read.
    read_back: Option<ReadBack>,
}

type Answer = Result<Json<Value>, Rejection>;

/// An answer that is a text already, with the memory that it takes.
type TextAnswer = Result<Response, Rejection>;

impl Marquez {
    pub(super) fn new(
        history: Option<CurrentHistory>,
        turns: Arc<Semaphore>,
        read_back: Option<ReadBack>,
    ) -> Marquez {
        Marquez {
            history,
            turns,
            read_back,
        }
    }

    /// All routes, under `prefix`.
    pub(super) fn routes(self, prefix: &str) -> Router {
        let handlers: [MethodRouter<Marquez>; PATHS.len()] = [
            get(catalog::namespaces),
            get(catalog::namespace),
            get(catalog::jobs_of),
            get(catalog::job),
            get(catalog::runs),
            get(catalog::datasets_of),
            get(catalog::dataset),
            get(catalog::versions),
            get(catalog::version),
            get(catalog::jobs),
            get(catalog::run),
            get(graphs::facets),
            get(graphs::lineage),
            get(graphs::column_lineage),
            get(graphs::search),
            get(graphs::search),
            get(catalog::sources),
            get(catalog::source),
            get(catalog::tags),
            get(graphs::event_stats),
            get(graphs::job_stats),
            get(graphs::dataset_stats),
            get(graphs::source_stats),
        ];
        let routes = PATHS.into_iter().zip(handlers);
        let routes = routes.fold(Router::new(), |router, (path, handler)| {
            router.route(&format!("{prefix}{path}"), handler)
        });
        routes.with_state(self)
    }

    /// Asks the history, in one of few turns.
    async fn ask<R, F>(
        &self,
        ask: impl FnOnce(History) -> F + Send + 'static,
    ) -> Result<R, Rejection>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, FindError>> + Send + 'static,
    {
        let Some(current) = &self.history else {
            let why = "there is no lineage: history.age is 0, the queue is SQS, or this process only accepts events";
            return Err(Rejection::NotFound(why.to_owned()));
        };
        let history = current.opened().await.ok_or(Rejection::NoHistory)?;
        let answer = in_turn(&self.turns, async move { ask(history).await }).await;
        let answer = answer.map_err(|error| Rejection::Unavailable(error.to_string()))?;
        answer.map_err(|error| match error {
            FindError::TooLong => {
                Rejection::InvalidQuery("it takes longer than 2 s: ask for less".to_owned())
            }
            FindError::Failed(error) => Rejection::Unavailable(error.to_string()),
        })
    }

    /// Finds jobs or datasets of the lineage, with how many there are. `states` are those that the latest runs of jobs may have.
    async fn list(
        &self,
        kind: NodeKind,
        namespace: Option<String>,
        states: Option<Vec<Option<RunState>>>,
        question: &Question,
    ) -> Result<(Vec<NodeDetails>, u64), Rejection> {
        let search = NodeSearch {
            kind: Some(kind),
            namespace: namespace.clone(),
            delivered: true,
            states,
            ..NodeSearch::default()
        };
        let Question { limit, offset } = *question;
        let listed = self
            .ask(move |it| async move { it.find_details(search, limit, offset).await })
            .await?;
        match namespace {
            Some(namespace) if listed.1 == 0 => {
                self.namespace(namespace).await?;
            }
            Some(_) | None => {}
        }
        Ok(listed)
    }

    async fn namespaces(&self) -> Result<Vec<::history::NamespaceCount>, Rejection> {
        let overview = self.ask(|it| async move { it.overview(MAX_NAMESPACES).await });
        Ok(overview.await?.namespaces)
    }

    async fn namespace(&self, name: String) -> Result<::history::NamespaceCount, Rejection> {
        let mut all = self.namespaces().await?.into_iter();
        all.find(|found| found.namespace == name)
            .ok_or_else(|| not_found("namespace"))
    }

    /// A job or dataset of the lineage.
    async fn node(
        &self,
        kind: NodeKind,
        (namespace, name): (String, String),
    ) -> Result<NodeDetails, Rejection> {
        let node = NodeRef {
            kind,
            namespace,
            name,
        };
        let found = self
            .ask(move |it| async move { it.node(node).await })
            .await?;
        let found = found.filter(|it| it.node.facts.first_seen.is_some());
        found.ok_or_else(|| {
            not_found(match kind {
                NodeKind::Job => "job",
                NodeKind::Dataset => "dataset",
            })
        })
    }

    /// The facets of a job or a dataset, of the last events that name it, with the memory that they take. Nothing where there are no
    /// events to read, or none that are found in time: the rest of the answer does not need them.
    async fn facets_of(&self, found: &NodeDetails) -> Result<(Facets, Option<Held>), Rejection> {
        let (node, of) = (found.node.node.clone(), FacetsOf::node(&found.node));
        let places =
            self.ask(move |it| async move { it.events_of_node(node, MAX_EVENTS_OF_NODE).await });
        match places.await {
            Ok(places) => self.facets_at(of, places).await,
            Err(_) => Ok((Facets::none(of), None)),
        }
    }

    /// The facets in the events at these places, with the memory that they take.
    async fn facets_at(
        &self,
        of: FacetsOf,
        places: Vec<EventPlace>,
    ) -> Result<(Facets, Option<Held>), Rejection> {
        let facets = Facets::none(of);
        let Some(read_back) = self.read_back.clone() else {
            return Ok((facets, None));
        };
        let kept = (facets, MAX_FACETS);
        let with = |facets: Facets, _: &EventPlace, event: &str| facets.with(event);
        let folded = read_back.fold_places(places, MEMORY_TIMEOUT, kept, with);
        let folded = folded.await;
        let (facets, memory) = folded.map_err(Rejection::Unavailable)?;
        Ok((facets, Some((read_back, memory))))
    }

    /// The facets of the jobs and datasets of an answer, within the limits of `marquez/listed.rs`; of a graph, that from which it begins
    /// first. Also returns the memory that they take. Returns no facets if they are not found in time, or memory is not available soon.
    async fn facets_of_all(
        &self,
        nodes: impl Iterator<Item = &KnownNode>,
        begin: Option<&NodeRef>,
    ) -> (Listed, Option<Held>) {
        let none = (Listed::default(), None);
        let Some(read_back) = self.read_back.clone() else {
            return none;
        };
        let nodes = listed::select(nodes, begin).into_iter();
        let of: Vec<_> = nodes
            .map(|node| (node.node.clone(), FacetsOf::node(node)))
            .collect();
        let refs: Vec<NodeRef> = of.iter().map(|(node, _)| node.clone()).collect();
        let found =
            self.ask(move |it| async move { it.events_of_nodes(refs, MAX_EVENTS_OF_NODE).await });
        let Ok(found) = found.await else {
            return none;
        };
        let (places, listed) = Listed::choose(of, found);
        let kept = (listed, MAX_FACETS);
        let folded = read_back.fold_places(places, MAX_WAIT_OF_LIST, kept, Listed::with);
        match folded.await {
            Ok((listed, memory)) => (listed, Some((read_back, memory))),
            Err(_) => none,
        }
    }

    /// Of which columns those of these datasets are made, as far as that is found in time: the rest of the answer does not need it.
    async fn columns_of(&self, datasets: impl Iterator<Item = &NodeDetails>) -> Vec<ColumnStep> {
        let name = |found: &NodeDetails| Name {
            namespace: found.node.node.namespace.clone(),
            name: found.node.node.name.clone(),
        };
        let names: Vec<Name> = datasets.map(name).collect();
        let steps = self.ask(move |it| async move { it.made_of(names).await });
        steps.await.unwrap_or_default()
    }
}

/// What the memory of an answer is taken from, and its permit.
type Held = (ReadBack, OwnedSemaphorePermit);

/// Returns a response with this text, which is in memory as long as the client has not taken it.
fn text_answer(text: String, held: Option<Held>) -> Response {
    let body = match held {
        Some((read_back, memory)) => read_back.body(text, memory),
        None => text.into(),
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn not_found(what: &str) -> Rejection {
    Rejection::NotFound(format!("no {what} of this name is known"))
}

fn run_id(text: &str) -> Result<Uuid, Rejection> {
    Uuid::try_parse(text).map_err(|_| not_found("run"))
}

fn page<T>(all: Vec<T>, question: &Question) -> impl Iterator<Item = T> {
    all.into_iter().skip(question.offset).take(question.limit)
}
