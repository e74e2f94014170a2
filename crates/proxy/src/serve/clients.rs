//! Who is connected, and who has kept us waiting longest.
//!
//! There is room for so many connections. When all are taken, a new one is let in, and the one that has waited longest
//! for its client is closed: idle, slow with its head or its body, or slow to read its answer. A request whose body is
//! here is never closed. So a stranger that holds thousands of connections open shuts nobody out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a new client waits for the one that was closed for it, before another is.
const LEAVING: Duration = Duration::from_millis(10);

/// All clients.
pub(super) struct Clients {
    room: Arc<Semaphore>,
    waiting: Arc<Waiting>,
}

/// A connection's client. Its room is given back when it is dropped.
pub(super) struct Client {
    waiting: Arc<Waiting>,
    closed: CancellationToken,
    /// Since when we wait for it, as a place in the line.
    place: Mutex<Option<u64>>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Those that we wait for, the longest first.
#[derive(Default)]
struct Waiting(Mutex<Line>);

#[derive(Default)]
struct Line {
    next: u64,
    places: BTreeMap<u64, CancellationToken>,
}

impl Clients {
    /// Room for `most` clients.
    pub(super) fn new(most: usize) -> Clients {
        Clients {
            room: Arc::new(Semaphore::new(most)),
            waiting: Arc::default(),
        }
    }

    /// Lets one in; for that, closes another if it has to.
    pub(super) async fn enter(&self) -> Client {
        loop {
            if let Ok(room) = self.room.clone().try_acquire_owned() {
                return self.client(room);
            }
            self.close_one();
            let left = tokio::time::timeout(LEAVING, self.room.clone().acquire_owned());
            if let Ok(Ok(room)) = left.await {
                return self.client(room);
            }
        }
    }

    /// Closes the one that has kept us waiting longest; whether there was one.
    pub(super) fn close_one(&self) -> bool {
        let longest = self.waiting.line(|line| line.places.pop_first());
        longest.map(|(_, longest)| longest.cancel()).is_some()
    }

    /// Closes all that we wait for.
    pub(super) fn close_waiting(&self) {
        let all = self.waiting.line(|line| std::mem::take(&mut line.places));
        all.into_values().for_each(|closed| closed.cancel());
    }

    fn client(&self, room: OwnedSemaphorePermit) -> Client {
        let client = Client {
            waiting: self.waiting.clone(),
            closed: CancellationToken::new(),
            place: Mutex::default(),
            _room: Some(room),
        };
        client.waits();
        client
    }
}

impl Client {
    /// It is for the client to do something, from now on.
    pub(super) fn waits(&self) {
        self.place(Some(&self.closed));
    }

    /// It is for us to do something.
    fn is_served(&self) {
        self.place(None);
    }

    /// When it is to be closed.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    fn place(&self, waits: Option<&CancellationToken>) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        *place = self.waiting.line(|line| {
            if let Some(old) = place.take() {
                line.places.remove(&old);
            }
            waits.map(|closed| {
                line.next += 1;
                line.places.insert(line.next, closed.clone());
                line.next
            })
        });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.is_served();
    }
}

impl Waiting {
    fn line<T>(&self, work: impl FnOnce(&mut Line) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A body on its way in; once it is here, it is for us to do something.
pub(super) struct Arriving {
    body: Incoming,
    client: Arc<Client>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, client: Arc<Client>) -> Arriving {
        if body.is_end_stream() {
            client.is_served();
        }
        Arriving { body, client }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.client.is_served();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_that_keeps_us_waiting_longest_makes_room_and_one_that_is_served_never() {
        let clients = Clients::new(3);
        let (a, b, c) = (
            clients.enter().await,
            clients.enter().await,
            clients.enter().await,
        );
        a.is_served();
        b.waits(); // it has sent something: `c` waits longest now
        let entering = async {
            c.closed().await;
            drop(c);
        };
        let (d, ()) = tokio::join!(clients.enter(), entering);
        assert!(!a.closed.is_cancelled() && !b.closed.is_cancelled() && !d.closed.is_cancelled());
        clients.close_waiting();
        assert!(!a.closed.is_cancelled() && b.closed.is_cancelled() && d.closed.is_cancelled());
    }

    #[tokio::test]
    async fn one_that_has_left_is_waited_for_no_longer() {
        let clients = Clients::new(2);
        drop(clients.enter().await);
        assert!(clients.waiting.line(|line| line.places.is_empty()));
        assert_eq!(clients.room.available_permits(), 2);
    }
}
