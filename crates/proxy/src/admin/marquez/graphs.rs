//! What is connected, what columns are made of, searches, counts, and the facets of runs.

use ::history::{
    ColumnPath, ColumnRef, FindError, History, Name, NodeKind, NodeRef, Period, Reach,
};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde_json::Value;

use super::facets::{Facets, MAX_FACETS};
use super::question::{Id, Stats};
use super::{
    Answer, MAX_EVENTS_OF_NODE, Marquez, TextAnswer, answer, not_found, question, run_id,
    text_answer,
};
use crate::http::Rejection;
use crate::queue::now;

pub(super) async fn facets(
    State(it): State<Marquez>,
    Path(id): Path<String>,
    uri: Uri,
) -> TextAnswer {
    let (id, of) = (run_id(&id)?, question::facets(uri.query())?);
    let Some(read_back) = it.read_back.clone() else {
        return Err(not_found("run"));
    };
    let places =
        it.ask(move |it| async move { it.events_of_run(id.to_string(), MAX_EVENTS_OF_NODE).await });
    let places = match &it.history {
        Some(_) => places.await.unwrap_or_default(),
        None => Vec::new(),
    };
    let (facets, held) = match places.is_empty() {
        false => it.facets_at(of, places).await?,
        // Without a history, or where it has left the run out, the log is searched.
        true => {
            let facets = (Facets::none(of), MAX_FACETS);
            let folded = read_back.fold_run(id, facets, Facets::with).await;
            let (facets, memory) = folded.map_err(Rejection::Unavailable)?;
            (facets, Some((read_back, memory)))
        }
    };
    let text = facets.answer(id).ok_or_else(|| {
        Rejection::InvalidQuery(format!(
            "the facets have more than {MAX_FACETS} bytes: read the events by /api/v1/events/lineage?run={id}"
        ))
    })?;
    Ok(text_answer(text, held))
}

pub(super) async fn lineage(State(it): State<Marquez>, uri: Uri) -> TextAnswer {
    let (id, depth) = question::lineage(uri.query())?;
    let (kind, text) = match id {
        Id::Node(kind, text) => (kind, text),
        Id::Field(_) => {
            let why = "nodeId: expected job:NAMESPACE:NAME or dataset:NAMESPACE:NAME";
            return Err(Rejection::InvalidQuery(why.to_owned()));
        }
    };
    let found = it
        .ask(move |it| async move {
            match it.resolve(kind, text).await? {
                Some(node) => {
                    let found = it.connected(node.clone(), depth).await?;
                    Ok(found.map(|found| (node, found)))
                }
                None => Ok(None),
            }
        })
        .await?;
    let (begin, found) = found.ok_or_else(|| not_found("node"))?;
    let (facets, held) = it
        .facets_of_all(found.nodes.iter().map(|it| &it.node), Some(&begin))
        .await;
    Ok(text_answer(answer::lineage(&found, &facets), held))
}

pub(super) async fn column_lineage(State(it): State<Marquez>, uri: Uri) -> Answer {
    let (id, reach) = question::column_lineage(uri.query())?;
    let found = it
        .ask(move |it| async move { columns(it, id, reach).await })
        .await?;
    let found = found.ok_or_else(|| not_found("node"))?;
    Ok(Json(answer::columns(&found)))
}

/// The path of the columns that an id names. `None`: nothing of this name is known.
async fn columns(history: History, id: Id, reach: Reach) -> Result<Option<ColumnPath>, FindError> {
    let columns = match id {
        Id::Field(text) => match history.resolve_column(text).await? {
            Some(column) => vec![column],
            None => return Ok(None),
        },
        Id::Node(kind, text) => {
            let Some(node) = history.resolve(kind, text).await? else {
                return Ok(None);
            };
            let of_dataset = |NodeRef {
                                  namespace, name, ..
                              }| ColumnRef {
                dataset: Name { namespace, name },
                field: None,
            };
            match kind {
                NodeKind::Dataset => vec![of_dataset(node)],
                // The columns that it writes.
                NodeKind::Job => match history.node(node).await? {
                    Some(job) => job.after.into_iter().map(of_dataset).collect(),
                    None => return Ok(None),
                },
            }
        }
    };
    let columns = columns.into_iter().map(|column| (column, reach)).collect();
    Ok(Some(history.column_paths(columns).await?))
}

pub(super) async fn search(State(it): State<Marquez>, uri: Uri) -> Answer {
    let (search, limit) = question::search(uri.query())?;
    let found = it
        .ask(move |it| async move { it.find_nodes(search, limit, 0).await })
        .await?;
    Ok(Json(answer::search(&found.0)))
}

pub(super) async fn event_stats(State(it): State<Marquez>, uri: Uri) -> Answer {
    stats(&it, uri, answer::event_counts).await
}

pub(super) async fn job_stats(State(it): State<Marquez>, uri: Uri) -> Answer {
    stats(&it, uri, |it| answer::count(it, it.jobs)).await
}

pub(super) async fn dataset_stats(State(it): State<Marquez>, uri: Uri) -> Answer {
    stats(&it, uri, |it| answer::count(it, it.datasets)).await
}

pub(super) async fn source_stats(State(it): State<Marquez>, uri: Uri) -> Answer {
    stats(&it, uri, |it| answer::count(it, it.sources)).await
}

async fn stats(it: &Marquez, uri: Uri, shown: fn(&Period) -> Value) -> Answer {
    let Stats { length, count } = question::stats(uri.query())?;
    let periods = it
        .ask(move |it| async move { it.periods(now(), length, count).await })
        .await?;
    Ok(Json(periods.iter().map(shown).collect()))
}
