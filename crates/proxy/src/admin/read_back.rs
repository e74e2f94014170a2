//! `GET /api/v1/events/lineage`: returns the events of the log, in the format of Marquez' API.
//!
//! What is asked for is read by `read_back/query.rs`, and names are compared by `read_back/condition.rs`. The log is searched
//! in steps, for a limited time. A page may be larger than memory, so it is sent piece by piece, as it is read.

mod condition;
mod query;

use std::io;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use ::history::EventPlace;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::Instant;
use uuid::Uuid;

use crate::http::Rejection;
use crate::queue::{Form, Log, QueueError, SearchHit, SoughtText};

use query::Page;

/// How long a request may search. Some 100,000 events of 2 KB are compared in that time.
const BUDGET: Duration = Duration::from_secs(2);

/// How many bytes of events are read at once, but at least one event.
const PIECE: usize = 262_144;

/// The most events that are looked up at once. In a log that accepted a thousand a second that takes 3 ms if they are of about one time,
/// and 100 ms if each is of another. Only the two seconds before and after each are looked through.
const MAX_LOOKED_UP: usize = 50;

/// The most of them that are looked up at once further from their times, which takes 30 times as long for each.
const MAX_LOOKED_UP_FAR: usize = 2;

/// How many bytes are passed to the connection at once.
const FRAME: usize = 16_384;

/// The most concurrent reads: skipping to a far offset of a large store takes a core and the disk.
const MAX_READS: usize = 2;

/// The most bytes in memory that wait for slow readers, of all responses together. Slow readers can delay other
/// readers, but not the acceptance of events.
const MAX_MEMORY: u32 = 64_000_000;

/// How long a response may wait for memory.
pub(super) const MEMORY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the log within limits. Cheap to clone.
#[derive(Clone)]
pub(super) struct ReadBack {
    log: Log,
    /// The form that is shown if a query names none.
    form: Form,
    reads: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

/// What a search has found.
struct Results {
    page: Vec<SearchHit>,
    /// How many events match, as far as was searched.
    total: u64,
    /// When the last event was accepted that was looked at, if the time was not enough for all.
    searched_to: Option<i64>,
    /// Where to go on, if there may be more.
    position: Option<i64>,
}

/// The state of a response.
struct Pieces {
    from: ReadBack,
    form: Form,
    rest: Peekable<IntoIter<SearchHit>>,
    /// The text before the next event.
    separator: &'static str,
    ending: String,
    /// The last piece, and how much of it the connection has.
    piece: String,
    sent: usize,
    memory_permit: Option<OwnedSemaphorePermit>,
}

/// Responds with `{"events": […], "totalCount": n}`, newest first, with each event byte for byte.
pub(super) async fn events(State(read_back): State<Option<ReadBack>>, uri: Uri) -> Response {
    let Some(read_back) = read_back else {
        let why = "there are no events to read: the queue is SQS, which keeps none";
        return Rejection::NotFound(why.to_owned()).into_response();
    };
    let page = match Page::parse(uri.query(), read_back.form) {
        Ok(page) => page,
        Err(why) => return Rejection::InvalidQuery(why).into_response(),
    };
    match read_back.page(page).await {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => Rejection::Unavailable(error).into_response(),
    }
}

impl ReadBack {
    pub(super) fn new(log: Log, form: Form) -> ReadBack {
        ReadBack {
            log,
            form,
            reads: Arc::new(Semaphore::new(MAX_READS)),
            memory: Arc::new(Semaphore::new(MAX_MEMORY as usize)),
        }
    }

    /// Folds the last events of a run that are found in time, newest first, into what is kept of them, of which `kept` bytes
    /// at most are in memory. Reads one event at a time, and waits for the memory before the first. Returns its permit too.
    pub(super) async fn fold_run<T: Send + 'static>(
        &self,
        run: Uuid,
        (mut folded, kept): (T, usize),
        fold: fn(T, &str) -> T,
    ) -> Result<(T, OwnedSemaphorePermit), String> {
        let page = Page::of_run(run, self.form);
        let found = self.search(page).await.map_err(|error| error.to_string())?;
        let sizes = found.page.iter().map(|event| event.size);
        let size = size_of_fold(sizes, 0, kept);
        let memory = self.memory(size, MEMORY_TIMEOUT).await;
        let memory = memory.map_err(|error| error.to_string())?;
        for event in found.page {
            let (log, form) = (self.log.clone(), self.form);
            let step = async move {
                let texts = log.texts(form, vec![event]).await?;
                // A text of some megabytes takes some 100 ms.
                let fold = move || texts.iter().fold(folded, |folded, text| fold(folded, text));
                tokio::task::spawn_blocking(fold).await.map_err(stopped)
            };
            let step = super::in_turn(&self.reads, step).await.map_err(stopped);
            folded = step.flatten().map_err(|error| error.to_string())?;
        }
        Ok((folded, memory))
    }

    /// Folds the events at these places, in their order, like [`fold_run`](ReadBack::fold_run), but reads some at a time: those of about
    /// one time are found together. One that the log has no longer, or not in the form that is shown, is left out. Fails if there is no
    /// memory within `wait`.
    pub(super) async fn fold_places<T: Send + 'static>(
        &self,
        places: Vec<EventPlace>,
        wait: Duration,
        (mut folded, kept): (T, usize),
        fold: fn(T, &EventPlace, &str) -> T,
    ) -> Result<(T, OwnedSemaphorePermit), String> {
        let sizes = places.iter().map(|place| place.size);
        let memory = self.memory(size_of_fold(sizes, PIECE, kept), wait).await;
        let memory = memory.map_err(|error| error.to_string())?;
        for places in pieces(places) {
            let texts = self.texts_at(&places).await;
            let texts = texts.map_err(|error| error.to_string())?;
            let fold = move || {
                let events = places.iter().zip(texts);
                events.fold(folded, |folded, (place, text)| match text {
                    Some(text) => fold(folded, place, &text),
                    None => folded,
                })
            };
            let step = async move { tokio::task::spawn_blocking(fold).await };
            let step = super::in_turn(&self.reads, step).await.flatten();
            folded = step.map_err(|error| error.to_string())?;
        }
        Ok((folded, memory))
    }

    /// The texts of the events at these places in the form that is shown, if they have it. What is not found close to its time is looked
    /// for further from it, few events in a turn: others wait for one.
    async fn texts_at(&self, places: &[EventPlace]) -> Result<Vec<Option<String>>, QueueError> {
        let place = |it: &EventPlace| (it.id.clone(), it.accepted_at);
        let sought: Vec<(String, i64)> = places.iter().map(place).collect();
        let (log, form, all) = (&self.log, self.form, sought.clone());
        let find = |log: Log, all| async move { log.texts_of(all, form).await };
        let found = super::in_turn(&self.reads, find(log.clone(), all)).await;
        let mut found = found.map_err(stopped)??;
        let rest = found.iter_mut().zip(sought);
        let mut rest: Vec<_> = rest.filter(|(found, _)| !found.is_found()).collect();
        for some in rest.chunks_mut(MAX_LOOKED_UP_FAR) {
            let sought = some.iter().map(|(_, sought)| sought.clone()).collect();
            let find = |log: Log, sought| async move { log.distant_texts_of(sought, form).await };
            let distant = super::in_turn(&self.reads, find(log.clone(), sought)).await;
            for ((found, _), text) in some.iter_mut().zip(distant.map_err(stopped)??) {
                **found = text;
            }
        }
        Ok(found.into_iter().map(SoughtText::into_text).collect())
    }

    /// Returns the body of this text, which is in memory as long as the client has not taken it. Releases what it does not need.
    pub(super) fn body(self, text: String, mut memory: OwnedSemaphorePermit) -> Body {
        drop(memory.split(memory.num_permits().saturating_sub(text.len())));
        let form = self.form;
        stream_of(Pieces {
            from: self,
            form,
            rest: Vec::new().into_iter().peekable(),
            separator: "",
            ending: String::new(),
            piece: text,
            sent: 0,
            memory_permit: Some(memory),
        })
    }

    /// Waits until so many bytes of events may be in memory, at most so long.
    async fn memory(&self, size: usize, wait: Duration) -> io::Result<OwnedSemaphorePermit> {
        let size = u32::try_from(size).unwrap_or(MAX_MEMORY).min(MAX_MEMORY);
        let memory = self.memory.clone().acquire_many_owned(size);
        match tokio::time::timeout(wait, memory).await {
            Ok(Ok(memory)) => Ok(memory),
            Ok(Err(_)) | Err(_) => Err(io::Error::other("too many responses are being read")),
        }
    }

    /// Returns the body of a page, which is read as fast as the client takes it.
    async fn page(self, page: Page) -> Result<Body, String> {
        let form = page.search.form;
        let found = self.search(page).await;
        let Results {
            page,
            total,
            searched_to,
            position,
        } = found.map_err(|error| error.to_string())?;
        let searched_to = searched_to.map_or_else(String::new, |time| {
            format!(r#","searchedTo":"{}""#, shown(time))
        });
        let position = position.map_or_else(String::new, |position| {
            format!(r#","position":"{position}""#)
        });
        let pieces = Pieces {
            from: self,
            form,
            rest: page.into_iter().peekable(),
            separator: "",
            ending: format!(r#"],"totalCount":{total}{searched_to}{position}}}"#),
            piece: r#"{"events":["#.to_owned(),
            sent: 0,
            memory_permit: None,
        };
        Ok(stream_of(pieces))
    }

    /// Searches until the page is full, and on for the total unless the log knows it, as long as there is time.
    async fn search(&self, page: Page) -> Result<Results, QueueError> {
        let until = Instant::now() + BUDGET;
        let known = match page.selects_all() {
            true => {
                let (log, form) = (self.log.clone(), page.search.form);
                let count = super::in_turn(&self.reads, async move { log.count(form).await });
                Some(count.await.map_err(stopped)??)
            }
            false => None,
        };
        let end = page.offset.saturating_add(page.limit);
        let mut results = Results {
            page: Vec::new(),
            total: known.unwrap_or(0),
            searched_to: None,
            position: None,
        };
        let (mut seen, mut next) = (0, Some(page.position));
        while let Some(position) = next
            && (known.is_none() || seen < end && page.limit > 0)
        {
            let (log, search) = (self.log.clone(), page.search.clone());
            let step = async move { log.search(search, position).await };
            let step = super::in_turn(&self.reads, step).await;
            let step = step.map_err(stopped)??;
            for found in step.found {
                if (page.offset..end).contains(&seen) {
                    results.page.push(found);
                }
                seen += 1;
            }
            next = step.next.map(Some);
            if next.is_some() && Instant::now() >= until && (known.is_none() || seen < end) {
                results.searched_to = step.looked_to;
                break;
            }
        }
        // Of what follows a page that is full, nothing was shown, however far it was searched.
        results.position = match results.page.last() {
            Some(last) if results.page.len() == page.limit => {
                (seen > end || next.is_some()).then(|| last.position())
            }
            Some(_) | None if seen >= page.offset => next.flatten(),
            Some(_) | None => None, // the offset is not passed yet
        };
        if known.is_none() {
            results.total = u64::try_from(seen).unwrap_or(u64::MAX);
        }
        Ok(results)
    }
}

/// How many bytes are in memory while events of these sizes are folded: the largest of them, or those that are read at once, and what is
/// kept, which is written once more. That comes after the reading, so until then there is room for texts that rules have made larger.
fn size_of_fold(sizes: impl Iterator<Item = usize> + Clone, at_once: usize, kept: usize) -> usize {
    let all: usize = sizes.clone().sum();
    let read = sizes.max().unwrap_or(0).max(all.min(at_once));
    read + 2 * all.min(kept)
}

/// Divides places, in their order, into what is read at once: at most so many events, and bytes, but at least one.
fn pieces(places: Vec<EventPlace>) -> impl Iterator<Item = Vec<EventPlace>> {
    let mut rest = places.into_iter().peekable();
    std::iter::from_fn(move || {
        let (mut piece, mut size) = (Vec::new(), 0);
        while let Some(place) = rest.next_if(|place| {
            piece.is_empty() || piece.len() < MAX_LOOKED_UP && size + place.size <= PIECE
        }) {
            size += place.size;
            piece.push(place);
        }
        (!piece.is_empty()).then_some(piece)
    })
}

fn stream_of(pieces: Pieces) -> Body {
    Body::from_stream(stream::try_unfold(pieces, async |mut pieces| {
        let frame = pieces.next_frame().await?;
        Ok::<_, io::Error>(frame.map(|frame| (frame, pieces)))
    }))
}

fn stopped(error: JoinError) -> QueueError {
    QueueError(error.to_string())
}

/// A time in milliseconds since 1970, as it can be passed in a query.
fn shown(time: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time) * 1_000_000);
    let text = time.ok().and_then(|time| time.format(&Rfc3339).ok());
    text.unwrap_or_default()
}

impl Pieces {
    async fn next_frame(&mut self) -> io::Result<Option<Bytes>> {
        if self.sent == self.piece.len() {
            self.read().await?;
            // All events of a piece may have been deleted meanwhile.
            while self.piece.is_empty() && self.rest.peek().is_some() {
                self.read().await?;
            }
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
            self.memory_permit = Some(self.from.memory(size, MEMORY_TIMEOUT).await?);
            let (log, form) = (self.from.log.clone(), self.form);
            let texts = async move { log.texts(form, events).await };
            let texts = super::in_turn(&self.from.reads, texts).await?;
            let texts = texts.map_err(io::Error::other)?;
            if !texts.is_empty() {
                let separator = std::mem::replace(&mut self.separator, ",");
                self.piece = separator.to_owned() + &texts.join(",");
            }
        }
        if self.rest.peek().is_none() {
            self.piece += &std::mem::take(&mut self.ending);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
