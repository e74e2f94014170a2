//! What the store holds, read back in the words of Marquez' API: `GET /api/v1/events/lineage`.
//!
//! Only `serve` with its own store has it.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use targets::Order;

use super::Ingest;
use super::answer::{Refusal, refused};

/// Events of one answer at most.
const MOST: u32 = 1_000;

/// The query, as Marquez has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    limit: Option<u32>,
    offset: Option<u32>,
    sort_direction: Option<Direction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Asc,
    Desc,
}

/// `{"events": […], "totalCount": n}`, each event byte for byte as it was delivered; the newest first.
pub(super) async fn events(State(ingest): State<Ingest>, Query(page): Query<Page>) -> Response {
    let Some(store) = &ingest.inner.store else {
        return refused(&Refusal::NotFound);
    };
    let order = match page.sort_direction {
        Some(Direction::Asc) => Order::Asc,
        Some(Direction::Desc) | None => Order::Desc,
    };
    match store
        .events(
            order,
            page.limit.unwrap_or(100).min(MOST),
            page.offset.unwrap_or(0),
        )
        .await
    {
        Ok((events, total)) => {
            let body = format!(
                r#"{{"events":[{}],"totalCount":{total}}}"#,
                events.join(",")
            );
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => refused(&Refusal::Unavailable(error.to_string())),
    }
}
