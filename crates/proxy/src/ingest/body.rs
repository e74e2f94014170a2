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

/// What share of a body has to be there before memory is allocated for all of it: a stranger can announce any size.
const BELIEVED_SHARE: usize = 8;

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
        if bytes.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        let size = bytes.len() + data.len();
        memory.grow_to(size)?;
        if size > bytes.capacity()
            && let Some(all) = announced.filter(|all| (size..=limit).contains(all))
            && size >= all / BELIEVED_SHARE
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
