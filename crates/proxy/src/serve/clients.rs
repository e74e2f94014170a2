//! The connection limit: when full, evicts the connection that has been idle longest.
//!
//! A connection is idle while we wait for its client: between requests, slow with its head or its body, or slow to read its
//! response. A request whose body has arrived is never evicted. So a stranger that holds thousands of connections open
//! locks nobody out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a new connection waits for the place of the evicted one, before another is evicted.
const EVICTION_TIMEOUT: Duration = Duration::from_millis(10);

/// All connections.
pub(super) struct Clients {
    places: Arc<Semaphore>,
    idle: Arc<IdleList>,
}

/// One connection. Frees its place when it is dropped.
pub(super) struct Client {
    idle: Arc<IdleList>,
    evicted: CancellationToken,
    /// Its position among the idle connections, while it is one.
    position: Mutex<Option<u64>>,
    _place: OwnedSemaphorePermit,
}

/// The idle connections, longest first.
#[derive(Default)]
struct IdleList(Mutex<Positions>);

#[derive(Default)]
struct Positions {
    last: u64,
    evictions: BTreeMap<u64, CancellationToken>,
}

impl Clients {
    /// Creates a limit of so many connections.
    pub(super) fn new(limit: usize) -> Clients {
        Clients {
            places: Arc::new(Semaphore::new(limit)),
            idle: Arc::default(),
        }
    }

    /// Admits a connection, and evicts others until there is a place for it.
    pub(super) async fn admit(&self) -> Client {
        loop {
            if let Ok(place) = self.places.clone().try_acquire_owned() {
                return self.client(place);
            }
            self.evict_one();
            let freed = tokio::time::timeout(EVICTION_TIMEOUT, self.places.clone().acquire_owned());
            if let Ok(Ok(place)) = freed.await {
                return self.client(place);
            }
        }
    }

    /// Evicts the connection that has been idle longest. Returns whether there was one.
    pub(super) fn evict_one(&self) -> bool {
        let longest = self.idle.with(|idle| idle.evictions.pop_first());
        longest.map(|(_, evicted)| evicted.cancel()).is_some()
    }

    /// Evicts all idle connections.
    pub(super) fn evict_idle(&self) {
        let all = self.idle.with(|idle| std::mem::take(&mut idle.evictions));
        all.into_values().for_each(|evicted| evicted.cancel());
    }

    fn client(&self, place: OwnedSemaphorePermit) -> Client {
        let client = Client {
            idle: self.idle.clone(),
            evicted: CancellationToken::new(),
            position: Mutex::default(),
            _place: place,
        };
        client.mark_idle();
        client
    }
}

impl Client {
    /// Marks the connection idle, and so evictable, from now on.
    pub(super) fn mark_idle(&self) {
        self.move_to_end(Some(&self.evicted));
    }

    /// Marks the connection busy: it cannot be evicted.
    fn mark_busy(&self) {
        self.move_to_end(None);
    }

    /// Completes when the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// Takes the connection out of the idle ones, and adds it at their end if it is idle.
    fn move_to_end(&self, evicted: Option<&CancellationToken>) {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        *position = self.idle.with(|idle| {
            if let Some(old) = position.take() {
                idle.evictions.remove(&old);
            }
            evicted.map(|evicted| {
                idle.last += 1;
                idle.evictions.insert(idle.last, evicted.clone());
                idle.last
            })
        });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.mark_busy(); // out of the list
    }
}

impl IdleList {
    fn with<T>(&self, work: impl FnOnce(&mut Positions) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request body that marks its connection busy when it has arrived.
pub(super) struct TrackedBody {
    body: Incoming,
    client: Arc<Client>,
}

impl TrackedBody {
    pub(super) fn new(body: Incoming, client: Arc<Client>) -> TrackedBody {
        if body.is_end_stream() {
            client.mark_busy();
        }
        TrackedBody { body, client }
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.client.mark_busy();
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
    use proptest::prelude::*;

    #[tokio::test]
    async fn the_connection_that_is_idle_longest_is_evicted_and_a_busy_one_never() {
        let clients = Clients::new(3);
        let (a, b, c) = (
            clients.admit().await,
            clients.admit().await,
            clients.admit().await,
        );
        a.mark_busy();
        b.mark_idle(); // it has sent something: `c` is idle longest now
        let leaving = async {
            c.evicted().await;
            drop(c);
        };
        let (d, ()) = tokio::join!(clients.admit(), leaving);
        let evicted = |client: &Client| client.evicted.is_cancelled();
        assert!(!evicted(&a) && !evicted(&b) && !evicted(&d));
        clients.evict_idle();
        assert!(!evicted(&a) && evicted(&b) && evicted(&d));
    }

    #[tokio::test]
    async fn a_connection_that_has_ended_leaves_nothing() {
        let clients = Clients::new(2);
        drop(clients.admit().await);
        assert!(clients.idle.with(|idle| idle.evictions.is_empty()));
        assert_eq!(clients.places.available_permits(), 2);
    }

    proptest! {
        /// Against a list in which the order is plain to see.
        #[test]
        fn evictions_follow_the_order_in_which_connections_became_idle(
            steps in proptest::collection::vec((0usize..6, 0u8..3), 0..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let clients = Clients::new(6);
            let all: Vec<Client> = (0..6).map(|_| runtime.block_on(clients.admit())).collect();
            let mut idle: Vec<usize> = (0..6).collect();
            for (n, step) in steps {
                match step {
                    0 | 1 => {
                        idle.retain(|other| *other != n);
                        match step {
                            0 => all[n].mark_busy(),
                            _ => {
                                all[n].mark_idle();
                                idle.push(n);
                            }
                        }
                    }
                    _ => {
                        let evicted = (!idle.is_empty()).then(|| idle.remove(0));
                        let before: Vec<bool> = all.iter().map(|one| one.evicted.is_cancelled()).collect();
                        prop_assert_eq!(clients.evict_one(), evicted.is_some());
                        for (m, client) in all.iter().enumerate() {
                            let expected = before[m] || evicted == Some(m);
                            prop_assert_eq!(client.evicted.is_cancelled(), expected);
                        }
                    }
                }
            }
        }
    }
}
