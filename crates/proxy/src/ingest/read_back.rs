//! What the store holds, read back in the words of Marquez' API: `GET /api/v1/events/lineage`.
//!
//! Only `serve` with its own store has it. A page is sent as it is read, piece by piece: it may be larger than memory.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use targets::{Order, Place, Store};
use tokio::sync::Semaphore;

use super::Ingest;
use super::answer::{Refusal, refused};

/// Events of one answer at most.
const MOST: u32 = 1_000;

/// Bytes of events that are read at once; at least one event is.
const PIECE: usize = 262_144;

/// Reads under way at once: skipping to a far offset of a large store takes a core and the disk.
static READING: Semaphore = Semaphore::const_new(2);

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
    let limit = page.limit.unwrap_or(100).min(MOST);
    let turn = READING.acquire().await;
    let found = store.page(order, limit, page.offset.unwrap_or(0)).await;
    drop(turn);
    match found {
        Ok((places, total)) => {
            let body = sent(store.clone(), places, total);
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => refused(&Refusal::Unavailable(error.to_string())),
    }
}

/// The answer, read as fast as the client takes it.
fn sent(store: Store, places: Vec<Place>, total: u64) -> Body {
    let first = (places.into_iter().peekable(), Some(r#"{"events":["#));
    let pieces = stream::try_unfold(first, move |(mut rest, opening)| {
        let store = store.clone();
        async move {
            if opening.is_none() && rest.peek().is_none() {
                return Ok(None);
            }
            let (mut piece, mut size) = (Vec::new(), 0);
            while let Some(place) = rest.next_if(|place| size == 0 || size + place.size <= PIECE) {
                size += place.size.max(1);
                piece.push(place);
            }
            let turn = READING.acquire().await;
            let texts = store.texts(piece).await.map_err(io::Error::other)?;
            drop(turn);
            let mut text = opening.unwrap_or(",").to_owned() + &texts.join(",");
            if rest.peek().is_none() {
                text = text + &format!(r#"],"totalCount":{total}}}"#);
            }
            Ok::<_, io::Error>(Some((Bytes::from(text), (rest, None))))
        }
    });
    Body::from_stream(pieces)
}
