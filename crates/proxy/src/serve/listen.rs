//! The listener of `serve`: HTTP/1.1 and nothing else, for whoever connects.
//!
//! A stranger may connect without end, send slowly or not at all, and leave answers unread. So heads are small and have
//! to come in time, connections are bounded in number (`clients.rs`), and no failure of one of them, nor a want of file
//! descriptors, ends the listening. How bodies are bounded is in `ingest/body.rs`. HTTP/2 is not served: no OpenLineage
//! client speaks it in clear text, and it would bring its own ways to be flooded.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use governor::{Quota, RateLimiter};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::clients::{Arriving, Client, Clients};
use crate::http::Peer;

/// How long the head of a request may take, and the silence before it. Above the 60 s after which load balancers drop a
/// connection that is not used: one that they still hold has to be open.
const HEAD: Duration = Duration::from_secs(75);

/// The largest head of a request, in bytes, and how much of a body is read at once: as much as Node.js takes.
/// Each connection may hold this in memory.
const HEAD_BYTES: usize = 16_384;

/// How long a client may take nothing of its answer.
const UNREAD: Duration = Duration::from_secs(30);

/// How long a stop waits for clients that are still sending: their own time-out.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait when no connection can be taken for want of descriptors or memory; and when one has been closed for it.
const PAUSE: Duration = Duration::from_millis(50);
const LEAVING: Duration = Duration::from_millis(1);

/// Serves `router` until `stop`, then answers what is under way. `most` connections at once.
pub(super) async fn listen(
    listener: TcpListener,
    router: Router,
    most: usize,
    stop: CancellationToken,
) {
    let clients = Clients::new(affordable(most));
    let conversations = TaskTracker::new();
    let logged = RateLimiter::direct(Quota::per_second(NonZeroU32::MIN));
    loop {
        let accepting = async {
            let (stream, peer) = listener.accept().await?;
            Ok((stream, Peer(peer.ip()), clients.enter().await))
        };
        let accepted: std::io::Result<_> = tokio::select! {
            accepted = accepting => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, client)) => {
                let router = router.clone();
                conversations.spawn(converse(stream, peer, router, client, stop.clone()));
            }
            Err(error) if is_of_one_client(error.kind()) => {}
            Err(error) => {
                if logged.check().is_ok() {
                    warn!(%error, "no connection can be taken");
                }
                let pause = if clients.close_one() { LEAVING } else { PAUSE };
                tokio::time::sleep(pause).await;
            }
        }
    }
    drop(listener);
    conversations.close();
    if tokio::time::timeout(GRACE, conversations.wait())
        .await
        .is_err()
    {
        clients.close_waiting();
        conversations.wait().await;
    }
}

/// As many connections as half the descriptors allow: the rest is for the queue, the store, the target. The limit is
/// raised first, since many systems start processes with a soft limit of 1,024.
fn affordable(most: usize) -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1_024);
    let half = usize::try_from(limit / 2).unwrap_or(usize::MAX).max(1);
    if half < most {
        warn!(
            limit,
            max_connections = half,
            "the limit of open files leaves room for fewer connections"
        );
    }
    most.min(half)
}

/// Whether the client was gone before it was accepted.
fn is_of_one_client(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// One connection, to its end.
async fn converse(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    client: Client,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true); // slower without, but not wrong
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(UNREAD));
    let client = Arc::new(client);
    let served = client.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        served.waits();
        let mut request = request.map(|body| Body::new(Arriving::new(body, served.clone())));
        request.extensions_mut().insert(peer);
        answer(router.clone(), request, served.clone())
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        // A client that says that it sends no more still waits for its answer (RFC 9112, 9.6). The connection ends with it.
        .half_close(true)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut conversation = pin!(conversation);
    let ended = tokio::select! {
        ended = conversation.as_mut() => ended,
        () = client.closed() => return,
        () = stop.cancelled() => {
            conversation.as_mut().graceful_shutdown();
            tokio::select! {
                ended = conversation.as_mut() => ended,
                () = client.closed() => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended");
    }
}

async fn answer(
    router: Router,
    request: Request<Body>,
    client: Arc<Client>,
) -> Result<Response<Body>, Infallible> {
    let answer = router.oneshot(request).await;
    client.waits();
    answer
}
