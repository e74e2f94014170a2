//! `GET /api/v1/events/lineage`: returns the events of the store, in the format of Marquez' API.
//!
//! A page may be larger than memory, so it is sent piece by piece, as it is read.

use std::io;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use targets::{Order, Store, StoredEvent};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::{Query, Rejection};

/// The most events of one page, and the default.
const MAX_LIMIT: u32 = 1_000;
const DEFAULT_LIMIT: u32 = 100;

/// How many bytes of events are read at once, but at least one event.
const PIECE: usize = 262_144;

/// How many bytes are passed to the connection at once.
const FRAME: usize = 16_384;

/// The most concurrent reads: skipping to a far offset of a large store takes a core and the disk.
const MAX_READS: usize = 2;

/// The most bytes in memory that wait for slow readers, of all responses together. Slow readers can delay other
/// readers, but not the acceptance of events.
const MAX_MEMORY: u32 = 64_000_000;

/// How long a response may wait for memory.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the store within limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct ReadBack {
    store: Store,
    reads: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

/// The part of the store that a query selects, in the words of Marquez.
struct Page {
    limit: u32,
    offset: u32,
    order: Order,
}

/// The state of a response.
struct Pieces {
    from: ReadBack,
    rest: Peekable<IntoIter<StoredEvent>>,
    /// The text before the next event.
    separator: &'static str,
    ending: String,
    /// The last piece, and how much of it the connection has.
    piece: String,
    sent: usize,
    memory_permit: Option<OwnedSemaphorePermit>,
}

/// Responds with `{"events": […], "totalCount": n}`, newest first, with each event byte for byte as it was delivered.
pub(super) async fn events(State(read_back): State<Option<ReadBack>>, uri: Uri) -> Response {
    let Some(read_back) = read_back else {
        let why = "there is no store to read: no target has the type store";
        return Rejection::NotFound(why.to_owned()).into_response();
    };
    let page = match Page::parse(&uri) {
        Ok(page) => page,
        Err(why) => return Rejection::InvalidQuery(why).into_response(),
    };
    match read_back.page(page).await {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Rejection::Unavailable(error).into_response(),
    }
}

impl Page {
    fn parse(uri: &Uri) -> Result<Page, String> {
        let query = Query::read(uri.query(), &["limit", "offset", "sortDirection"])?;
        let orders = [("asc", Order::Asc), ("desc", Order::Desc)];
        Ok(Page {
            limit: query.number("limit", MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT),
            offset: query.number("offset", u32::MAX)?.unwrap_or(0),
            order: query.word("sortDirection", &orders)?.unwrap_or(Order::Desc),
        })
    }
}

impl ReadBack {
    pub(super) fn new(store: Store) -> ReadBack {
        ReadBack {
            store,
            reads: Arc::new(Semaphore::new(MAX_READS)),
            memory: Arc::new(Semaphore::new(MAX_MEMORY as usize)),
        }
    }

    /// Returns the body of a page, which is read as fast as the client takes it.
    async fn page(self, page: Page) -> Result<Body, String> {
        let turn = self.reads.clone().acquire_owned().await;
        let found = self.store.page(page.order, page.limit, page.offset).await;
        drop(turn);
        let (events, total) = found.map_err(|error| error.to_string())?;
        let pieces = Pieces {
            from: self,
            rest: events.into_iter().peekable(),
            separator: "",
            ending: format!(r#"],"totalCount":{total}}}"#),
            piece: r#"{"events":["#.to_owned(),
            sent: 0,
            memory_permit: None,
        };
        Ok(Body::from_stream(stream::try_unfold(
            pieces,
            async |mut pieces| {
                let frame = pieces.next_frame().await?;
                Ok::<_, io::Error>(frame.map(|frame| (frame, pieces)))
            },
        )))
    }
}

impl Pieces {
    async fn next_frame(&mut self) -> io::Result<Option<Bytes>> {
        if self.sent == self.piece.len() {
            self.read().await?;
        }
        let end = self.piece.len().min(self.sent + FRAME);
        let frame = self.piece.as_bytes().get(self.sent..end);
        // Copies, because a reference to a part would keep the whole piece in memory.
        let frame = Bytes::copy_from_slice(frame.unwrap_or_default());
        self.sent = end;
        Ok((!frame.is_empty()).then_some(frame))
    }

    /// Reads the next piece, which is empty at the end.
    async fn read(&mut self) -> io::Result<()> {
        (self.piece, self.sent, self.memory_permit) = (String::new(), 0, None);
        let (mut events, mut size) = (Vec::new(), 0);
        while let Some(event) = (self.rest).next_if(|event| size == 0 || size + event.size <= PIECE)
        {
            size += event.size.max(1);
            events.push(event);
        }
        if !events.is_empty() {
            let size = u32::try_from(size).unwrap_or(MAX_MEMORY).min(MAX_MEMORY);
            let memory = self.from.memory.clone().acquire_many_owned(size);
            let Ok(Ok(memory)) = tokio::time::timeout(MEMORY_TIMEOUT, memory).await else {
                return Err(io::Error::other("too many responses are being read"));
            };
            self.memory_permit = Some(memory);
            let _turn = self.from.reads.clone().acquire_owned().await;
            let texts = self.from.store.texts(events).await;
            let texts = texts.map_err(io::Error::other)?;
            self.piece = std::mem::replace(&mut self.separator, ",").to_owned() + &texts.join(",");
        }
        if self.rest.peek().is_none() {
            self.piece += &std::mem::take(&mut self.ending);
        }
        Ok(())
    }
}
