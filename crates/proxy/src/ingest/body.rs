//! Reads the body of a request: media type, and the limits of the sent and the decompressed size. Decompressing is in
//! `gzip.rs`.
//!
//! Memory is bounded, whatever a stranger sends: a body reserves memory as it grows, and past the budget new bodies are
//! rejected for the moment.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::gzip;
use crate::config;
use crate::http::{Rejection, discard_body, drain};
use crate::intake::{CpuPool, INLINE_SIZE, MemoryBudget, Reservation};

/// The timeouts of the next piece of a body, and of the whole body. A slower client gets `503`; its own timeout is
/// some seconds.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// What share of a body, one in so many bytes, has to be there before the memory of all of it is reserved: a stranger can announce any
/// size, and stop.
const BELIEVED_SHARE: usize = 4;

/// The limits of bodies.
#[derive(Clone)]
pub(super) struct Limits {
    /// The most bytes as sent.
    sent: usize,
    /// The most bytes after decompression.
    decompressed: usize,
    /// The memory budget of all bodies together.
    memory: MemoryBudget,
    pool: CpuPool,
}

impl Limits {
    pub(super) fn new(config: &config::Ingest, pool: CpuPool) -> Limits {
        Limits {
            sent: config.max_body_size,
            decompressed: config.max_decompressed_size,
            memory: MemoryBudget::new(config.max_body_memory),
            pool,
        }
    }
}

/// Reads and decompresses the body of a request, and reserves its memory. A body that is rejected early is read to its
/// end, see [`drain`].
pub(super) async fn read(
    request: Request,
    limits: &Limits,
) -> Result<(Bytes, Reservation), Rejection> {
    let is_gzip = match check_head(&request, limits) {
        Ok(is_gzip) => is_gzip,
        Err(rejection) => {
            discard_body(request).await;
            return Err(rejection);
        }
    };
    let mut body = request.into_body();
    let read = read_body(is_gzip, &mut body, limits).await;
    if read.is_err() {
        drain(body).await;
    }
    read
}

/// Checks the head of the request before the body is read. Returns whether the body is gzip.
fn check_head(request: &Request, limits: &Limits) -> Result<bool, Rejection> {
    check_media_type(request.headers())?;
    let is_gzip = is_gzip(request.headers())?;
    // A body that is announced as too large is not read into memory.
    let limit = u64::try_from(limits.sent).unwrap_or(u64::MAX);
    if request.body().size_hint().lower() > limit {
        return Err(too_large(limits.sent));
    }
    Ok(is_gzip)
}

async fn read_body(
    is_gzip: bool,
    body: &mut Body,
    limits: &Limits,
) -> Result<(Bytes, Reservation), Rejection> {
    let mut memory = limits.memory.reserve();
    let sent = receive(body, limits.sent, &mut memory).await?;
    if !is_compressed(&sent, is_gzip)? {
        return Ok((sent.into(), memory));
    }
    // The size as sent does not tell how long decompression takes: a body can become a thousand times as large. One that
    // claims to be small starts on this thread, and starts again in the pool if it turns out to be large.
    let limit = limits.decompressed;
    let inline = limit.min(INLINE_SIZE);
    if gzip::claimed_size(&sent) <= inline {
        match gzip::decompress(&sent, inline, &mut memory) {
            Err(Rejection::TooLarge(_)) if inline < limit => {}
            bytes => return Ok((bytes?.into(), memory)),
        }
    }
    let work =
        move || gzip::decompress(&sent, limit, &mut memory).map(|bytes| (bytes.into(), memory));
    limits.pool.run(limit, work).await?
}

/// Receives the bytes as sent. Counts what arrives, because chunked bodies announce no length and others may announce a
/// wrong one.
async fn receive(
    body: &mut Body,
    limit: usize,
    memory: &mut Reservation,
) -> Result<Vec<u8>, Rejection> {
    let mut bytes = Vec::new();
    let announced = body.size_hint().exact();
    let announced = announced.and_then(|size| usize::try_from(size).ok());
    let deadline = Instant::now() + BODY_TIMEOUT;
    loop {
        let until = deadline.min(Instant::now() + PIECE_TIMEOUT);
        let next = tokio::time::timeout_at(until, body.frame()).await;
        let next = next.map_err(|_| Rejection::Unavailable("the client is too slow".to_owned()))?;
        let Some(frame) = next else {
            return Ok(bytes);
        };
        let broken = |error| Rejection::Unreadable(format!("the body broke off: {error}"));
        let frame = frame.map_err(broken)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let size = bytes.len() + data.len();
        if size > limit {
            return Err(too_large(limit));
        }
        memory.grow_to(size)?;
        // Once, in its size: see `gzip.rs`.
        if let Some(all) = announced
            && size > bytes.capacity()
            && (size..=limit).contains(&all)
            && size >= all / BELIEVED_SHARE
            && memory.grow_to(all).is_ok()
        {
            bytes.reserve_exact(all - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
}

fn too_large(limit: usize) -> Rejection {
    Rejection::TooLarge(format!(
        "more than {limit} bytes as sent (max_body_size): send it with gzip, or with fewer facets"
    ))
}

/// Whether the bytes are gzip, regardless of the header: a gateway may decompress a body and leave the header, or
/// remove the header.
fn is_compressed(sent: &[u8], announced: bool) -> Result<bool, Rejection> {
    // RFC 1952, section 2.3.1; and the same bytes after something in between treated them as UTF-8 text.
    const MAGIC: &[u8] = b"\x1f\x8b";
    const MANGLED: &[u8] = b"\x1f\xef\xbf\xbd";
    let text = sent.trim_ascii_start();
    let is_json = text.starts_with(b"{") || text.starts_with(b"[");
    match announced {
        _ if sent.starts_with(MAGIC) => Ok(true),
        _ if sent.starts_with(MANGLED) => Err(Rejection::Unreadable(
            "the gzip body was turned into text on its way, by a gateway that goes by Content-Type: \
             send it as application/openlineage+json, or without gzip"
                .to_owned(),
        )),
        true if !is_json => Err(Rejection::Unreadable(
            "Content-Encoding is gzip, but the body is not".to_owned(),
        )),
        true | false => Ok(false),
    }
}

/// Accepts `application/json`, any `+json` and no type at all, in UTF-8. Rejects `text/plain`, which any web page can
/// make a browser send to a proxy on the same machine.
fn check_media_type(headers: &HeaderMap) -> Result<(), Rejection> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or("?").to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let json = matches!(essence, "" | "application/json")
        || essence.starts_with("application/") && essence.ends_with("+json");
    if !json {
        return Err(Rejection::Unsupported(format!(
            "send Content-Type: application/json, not {essence}"
        )));
    }
    match parts
        .find_map(|part| part.strip_prefix("charset="))
        .map(|charset| charset.trim_matches('"'))
    {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => Err(Rejection::Unsupported(format!("send UTF-8, not {other}"))),
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Rejection> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(false);
    };
    match value
        .to_str()
        .unwrap_or("?")
        .trim()
        .to_ascii_lowercase()
        .as_str()
    {
        "" | "identity" => Ok(false),
        "gzip" | "x-gzip" => Ok(true),
        other => Err(Rejection::Unsupported(format!(
            "send Content-Encoding: gzip or none, not {other}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use axum::body::HttpBody;
    use hyper::body::{Frame, SizeHint};
    use testing::events::gzip;

    use super::*;

    /// A body in pieces, with the size that it announces.
    struct Announced(VecDeque<Bytes>, u64);

    impl HttpBody for Announced {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.1)
        }
    }

    async fn received(pieces: usize, announced: u64, budget: usize) -> Vec<u8> {
        let piece = Bytes::from(vec![b' '; 10_000]);
        let mut body = Body::new(Announced(vec![piece; pieces].into(), announced));
        let mut memory = MemoryBudget::new(budget).reserve();
        receive(&mut body, 1_000_000, &mut memory).await.unwrap()
    }

    #[tokio::test]
    async fn a_body_takes_the_size_that_it_announces() {
        let bytes = received(100, 1_000_000, 2_000_000).await;
        assert_eq!((bytes.len(), bytes.capacity()), (1_000_000, 1_000_000));
    }

    #[tokio::test]
    async fn a_body_that_ends_early_takes_what_it_has() {
        let bytes = received(20, 1_000_000, 2_000_000).await;
        assert_eq!(bytes.len(), 200_000);
        assert!(bytes.capacity() <= 400_000, "{}", bytes.capacity());
    }

    #[tokio::test]
    async fn an_announced_size_that_the_budget_does_not_have_is_not_allocated() {
        let bytes = received(30, 1_000_000, 600_000).await;
        assert_eq!(bytes.len(), 300_000);
        assert!(bytes.capacity() <= 600_000, "{}", bytes.capacity());
    }

    #[tokio::test]
    async fn gzip_that_is_larger_than_it_claims_is_decompressed_all_the_same() {
        let plain = vec![b' '; INLINE_SIZE + 1];
        // It claims the size of its last member.
        let sent = [gzip(&plain), gzip(b"{}")].concat();
        let limits = Limits {
            sent: sent.len(),
            decompressed: 2 * INLINE_SIZE,
            memory: MemoryBudget::new(8 * INLINE_SIZE),
            pool: CpuPool::new(),
        };
        let request = Request::builder().header(header::CONTENT_ENCODING, "gzip");
        let (bytes, _) = read(request.body(sent.into()).unwrap(), &limits)
            .await
            .unwrap();
        assert_eq!(bytes, [plain, b"{}".to_vec()].concat());
    }
}
