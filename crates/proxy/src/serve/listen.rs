//! The listener of `serve`: HTTP/1.1 only.
//!
//! A stranger may open any number of connections, send slowly or not at all, and leave responses unread. So request heads
//! are small and have to arrive in time, connections are bounded in number (`clients.rs`), and neither the failure of one
//! nor a lack of file descriptors ends the listener. `ingest/body.rs` bounds the bodies. HTTP/2 is not served: no
//! OpenLineage client speaks it in clear text, and it has floods of its own.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::clients::{Client, Clients, TrackedBody};
use crate::http::Peer;

/// How long the head of a request may take, with the silence before it. Above the 60 s after which load balancers drop an
/// unused connection: a connection that they still hold has to be open.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// The largest head of a request in bytes, as in Node.js, and how much of a body is read at once. Each connection may hold
/// this in memory.
const MAX_HEAD: usize = 16_384;

/// How long a client may read nothing of its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a stop waits for clients that are still sending: their own timeout.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// How long to wait before the next `accept` when one failed for lack of descriptors or memory; and when a connection was
/// evicted for it.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
const ACCEPT_RETRY_AFTER_EVICTION: Duration = Duration::from_millis(1);

/// How often it is logged that `accept` fails.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Serves `router` until `stop`, on at most `max_connections` at once; then completes the requests under way. The number of
/// file descriptors is raised by the call, and not when the future is first polled.
pub(crate) fn listen(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    stop: CancellationToken,
) -> impl Future<Output = ()> {
    let clients = Clients::new(within_descriptors(max_connections));
    accept_until(stop, listener, router, clients)
}

async fn accept_until(
    stop: CancellationToken,
    listener: TcpListener,
    router: Router,
    clients: Clients,
) {
    let connections = TaskTracker::new();
    let mut logged: Option<Instant> = None;
    loop {
        let accepting = async {
            let (stream, peer) = listener.accept().await?;
            Ok((stream, Peer(peer.ip()), clients.admit().await))
        };
        let accepted: std::io::Result<_> = tokio::select! {
            accepted = accepting => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, client)) => {
                let router = router.clone();
                connections.spawn(serve_connection(stream, peer, router, client, stop.clone()));
            }
            Err(error) if is_of_one_connection(error.kind()) => {}
            Err(error) => {
                if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
                    warn!(%error, "failed to accept connection");
                    logged = Some(Instant::now());
                }
                let pause = match clients.evict_one() {
                    true => ACCEPT_RETRY_AFTER_EVICTION,
                    false => ACCEPT_RETRY,
                };
                tokio::time::sleep(pause).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(SHUTDOWN_GRACE, connections.wait())
        .await
        .is_err()
    {
        clients.evict_idle();
        connections.wait().await;
    }
}

/// The number of connections within half of the file descriptors: the rest is for the queue, the store and the target. Raises
/// the limit first, since many systems start processes with a soft limit of 1,024.
fn within_descriptors(max_connections: usize) -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    let half = usize::try_from(limit / 2).unwrap_or(usize::MAX).max(1);
    if half < max_connections {
        warn!(
            limit,
            allowed = half,
            max_connections,
            "open file limit allows fewer connections than max_connections"
        );
    }
    max_connections.min(half)
}

/// Whether the error is that of a connection that ended before it was accepted.
fn is_of_one_connection(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// Serves one connection to its end.
async fn serve_connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    client: Client,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true); // without it, only slower
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let client = Arc::new(client);
    let tracked = client.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        tracked.mark_idle();
        let mut request = request.map(|body| Body::new(TrackedBody::new(body, tracked.clone())));
        request.extensions_mut().insert(peer);
        respond(router.clone(), request, tracked.clone())
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // A client that closes its side still waits for its response (RFC 9112, 9.6). The connection ends with it.
        .half_close(true)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = client.evicted() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = client.evicted() => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, peer = %peer.0, "connection failed");
    }
}

async fn respond(
    router: Router,
    request: Request<Body>,
    client: Arc<Client>,
) -> Result<Response<Body>, Infallible> {
    let response = router.oneshot(request).await;
    client.mark_idle();
    response
}
