//! What the store holds, read back in the words of Marquez' API: `GET /api/v1/events/lineage`.
//!
//! Only `serve` with its own store has it. A page is sent as it is read, piece by piece: it may be larger than memory.

use std::io;
use std::iter::Peekable;
use std::time::Duration;
use std::vec::IntoIter;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use targets::{Order, Store, StoredEvent};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Ingest;
use super::answer::{Refusal, refused};
use super::query::Query;

/// Events of one answer at most.
const MOST: u32 = 1_000;

/// Bytes of events that are read at once; at least one event is.
const PIECE: usize = 262_144;

/// Reads under way at once: skipping to a far offset of a large store takes a core and the disk.
static READING: Semaphore = Semaphore::const_new(2);

/// Bytes of pieces that wait to be taken by their clients, of all together. Clients that take nothing keep others from
/// reading, and no event from coming in.
const IN_MEMORY: u32 = 64_000_000;
static ROOM: Semaphore = Semaphore::const_new(IN_MEMORY as usize);

/// How long a client may wait for room.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes that are handed on at once.
const FRAME: usize = 16_384;

/// What a client asks for when it does not say.
const ORDINARY: u32 = 100;

/// The part of the store that is asked for, in the words of Marquez.
struct Page {
    limit: u32,
    offset: u32,
    order: Order,
}

impl Page {
    fn read(uri: &Uri) -> Result<Page, String> {
        let query = Query::read(uri.query(), &["limit", "offset", "sortDirection"])?;
        let orders = [("asc", Order::Asc), ("desc", Order::Desc)];
        Ok(Page {
            limit: query.number("limit", MOST)?.unwrap_or(ORDINARY),
            offset: query.number("offset", u32::MAX)?.unwrap_or(0),
            order: query.word("sortDirection", &orders)?.unwrap_or(Order::Desc),
        })
    }
}

/// `{"events": […], "totalCount": n}`, each event byte for byte as it was delivered; the newest first.
pub(super) async fn events(State(ingest): State<Ingest>, uri: Uri) -> Response {
    let Some(store) = &ingest.inner.store else {
        let only = "there is no store to read: serve has one with target: store";
        return refused(&Refusal::NotFound(only.to_owned()));
    };
    let Page {
        limit,
        offset,
        order,
    } = match Page::read(&uri) {
        Ok(page) => page,
        Err(why) => return refused(&Refusal::Query(why)),
    };
    let turn = READING.acquire().await;
    let found = store.page(order, limit, offset).await;
    drop(turn);
    match found {
        Ok((places, total)) => {
            let body = sent(store.clone(), places, total);
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => refused(&Refusal::Unavailable(error.to_string())),
    }
}

/// An answer on its way.
struct Answer {
    store: Store,
    rest: Peekable<IntoIter<StoredEvent>>,
    /// What goes before the next event.
    before: &'static str,
    ending: String,
    /// What is read, and how much of it the client has taken.
    piece: String,
    taken: usize,
    room: Option<SemaphorePermit<'static>>,
}

/// The answer, read as fast as the client takes it.
fn sent(store: Store, places: Vec<StoredEvent>, total: u64) -> Body {
    let answer = Answer {
        store,
        rest: places.into_iter().peekable(),
        before: "",
        ending: format!(r#"],"totalCount":{total}}}"#),
        piece: r#"{"events":["#.to_owned(),
        taken: 0,
        room: None,
    };
    Body::from_stream(stream::try_unfold(answer, async |mut answer| {
        if answer.taken == answer.piece.len() {
            answer.read().await?;
        }
        let end = answer.piece.len().min(answer.taken + FRAME);
        // A copy: whoever holds a part of the piece would hold all of it.
        let frame = answer.piece.as_bytes().get(answer.taken..end);
        let frame = Bytes::copy_from_slice(frame.unwrap_or_default());
        answer.taken = end;
        Ok::<_, io::Error>((!frame.is_empty()).then_some((frame, answer)))
    }))
}

impl Answer {
    /// Reads the next piece in the place of the last one; nothing when there is no more.
    async fn read(&mut self) -> io::Result<()> {
        (self.piece, self.taken, self.room) = (String::new(), 0, None);
        let (mut places, mut size) = (Vec::new(), 0);
        while let Some(place) = (self.rest).next_if(|place| size == 0 || size + place.size <= PIECE)
        {
            size += place.size.max(1);
            places.push(place);
        }
        if !places.is_empty() {
            let size = u32::try_from(size).unwrap_or(IN_MEMORY).min(IN_MEMORY);
            let room = tokio::time::timeout(PATIENCE, ROOM.acquire_many(size)).await;
            let Ok(Ok(room)) = room else {
                return Err(io::Error::other("too much is being read at once"));
            };
            self.room = Some(room);
            let _turn = READING.acquire().await;
            let texts = self.store.texts(places).await.map_err(io::Error::other)?;
            self.piece = std::mem::replace(&mut self.before, ",").to_owned() + &texts.join(",");
        }
        if self.rest.peek().is_none() {
            self.piece += &std::mem::take(&mut self.ending);
        }
        Ok(())
    }
}
