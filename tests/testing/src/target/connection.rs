//! A connection of the target: reads requests, and writes the response or the fault that was decided.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{FaultKind, State};

/// The response to an event that is accepted, as DataZone has it; an OpenLineage endpoint may respond with anything.
const ACCEPTED: &str = r#"{"id":"abcdefghij1234","domainId":"dzd_standin"}"#;

/// A request that was read to its end.
#[derive(Debug)]
pub struct Request {
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Whether the connection can be used for another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Open,
    Closed,
}

pub(super) async fn serve(mut connection: TcpStream, state: Arc<State>) {
    state.lock().figures.connections += 1;
    let _ = connection.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut connection, &mut buffer).await {
        if !is_known(&request) {
            let _ = connection.write_all(status(404, None).as_bytes()).await;
            return;
        }
        let mut post = Post::arrive(&state, &request.body);
        let after = respond(&mut connection, &request, &state, &mut post).await;
        post.end();
        if after == Connection::Closed {
            return;
        }
    }
}

/// Returns the next request, if the connection has one.
async fn read(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            let (from, to) = (end + 4, end + 4 + length.unwrap_or(0));
            if buffer.len() >= to {
                let body = String::from_utf8_lossy(&buffer[from..to]).into_owned();
                buffer.drain(..to);
                return Some(Request { head, body });
            }
        }
        if connection.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// Whether it goes where DataZone, DataHub or an OpenLineage endpoint accepts events.
fn is_known(request: &Request) -> bool {
    let mut line = request.head.split(' ');
    let path = line.nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    ["/api/v1/lineage", "/aspects"].contains(&path) || path.ends_with("/lineage/events")
}

/// A post that is under way.
struct Post<'s> {
    state: &'s State,
    body: &'s str,
    is_under_way: bool,
}

impl<'s> Post<'s> {
    fn arrive(state: &'s State, body: &'s str) -> Post<'s> {
        state.arrive(body);
        Post {
            state,
            body,
            is_under_way: true,
        }
    }

    /// Ends the post, before its response is written: the proxy may have the response, and post again, before the task that
    /// wrote it goes on.
    fn end(&mut self) {
        if std::mem::take(&mut self.is_under_way) {
            self.state.leave(self.body);
        }
    }
}

async fn respond(
    connection: &mut TcpStream,
    request: &Request,
    state: &State,
    post: &mut Post<'_>,
) -> Connection {
    let mut changed = state.fault.subscribe();
    let kind = loop {
        let kind = state.decide(request);
        if kind != Some(FaultKind::Hold) {
            break kind;
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = is_closed(connection) => return Connection::Closed,
        }
    };
    let delay = state.lock().delay;
    // A timer fires at the next millisecond at the earliest, also one of no time.
    if !delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = is_closed(connection) => return Connection::Closed,
        }
    }
    state.lock().answered.push(Instant::now());
    let length = ACCEPTED.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    let write = match kind {
        None => {
            state.accept(&request.body);
            post.end();
            connection.write_all((head + ACCEPTED).as_bytes()).await
        }
        Some(FaultKind::Status(code, after)) => {
            if code < 300 {
                state.accept(&request.body);
            }
            post.end();
            connection.write_all(status(code, after).as_bytes()).await
        }
        Some(FaultKind::Hold | FaultKind::Hang) => {
            is_closed(connection).await;
            return Connection::Closed;
        }
        Some(FaultKind::Reset) => {
            let _ = connection.set_zero_linger();
            return Connection::Closed;
        }
        Some(FaultKind::HalfHeaders) => {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-").await;
            return Connection::Closed;
        }
        Some(FaultKind::HalfBody) => {
            let half = head + &ACCEPTED[..length / 2];
            let _ = connection.write_all(half.as_bytes()).await;
            return Connection::Closed;
        }
        Some(FaultKind::Garbage) => {
            let _ = connection.write_all(b"\x16\x03\x01 what?\r\n\r\n").await;
            return Connection::Closed;
        }
        Some(FaultKind::Trickle) => return trickle(connection, request, state, &head).await,
        Some(FaultKind::Drip(first, then)) => {
            let mut write = connection.write_all(first.as_bytes()).await;
            while write.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                write = connection.write_all(then.as_bytes()).await;
            }
            return Connection::Closed;
        }
        Some(FaultKind::Bytes(bytes)) => {
            let _ = connection.write_all(&bytes).await;
            let _ = connection.shutdown().await;
            return Connection::Closed;
        }
        Some(FaultKind::Endless(bytes)) => {
            let mut write = connection.write_all(&bytes).await;
            while write.is_ok() {
                write = connection.write_all(request.body.as_bytes()).await;
                state.lock().figures.endless_bytes += request.body.len() as u64;
            }
            return Connection::Closed;
        }
    };
    match write {
        Ok(()) => Connection::Open,
        Err(_) => Connection::Closed,
    }
}

/// Writes the response byte by byte. The event is accepted when all but the last byte is written.
async fn trickle(
    connection: &mut TcpStream,
    request: &Request,
    state: &State,
    head: &str,
) -> Connection {
    let whole = format!("{head}{ACCEPTED}");
    let (last, most) = whole.as_bytes().split_last().unwrap();
    for byte in most {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if connection.write_all(&[*byte]).await.is_err() {
            return Connection::Closed;
        }
    }
    state.accept(&request.body);
    match connection.write_all(&[*last]).await {
        Ok(()) => Connection::Open,
        Err(_) => Connection::Closed,
    }
}

/// Returns when the proxy has closed the connection.
async fn is_closed(connection: &TcpStream) {
    match connection.peek(&mut [0]).await {
        Ok(0) | Err(_) => {}
        // The next request waits for its turn.
        Ok(_) => std::future::pending().await,
    }
}

/// A response with that status, named as DataZone names it.
fn status(status: u16, after: Option<u32>) -> String {
    let name = match status {
        403 => "x-amzn-errortype: AccessDeniedException\r\n",
        429 => "x-amzn-errortype: ThrottlingException\r\n",
        500 => "x-amzn-errortype: InternalServerException\r\n",
        _ => "",
    };
    let after = after.map_or(String::new(), |after| format!("retry-after: {after}\r\n"));
    format!("HTTP/1.1 {status} No\r\n{name}{after}content-length: 2\r\n\r\n{{}}")
}
