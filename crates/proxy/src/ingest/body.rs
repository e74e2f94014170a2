//! From a request to the bytes of its JSON: media type, limits as sent and unpacked, gzip.
//!
//! Whatever a stranger sends, memory is bounded: a body takes its share of a common budget as it grows, and past the
//! budget new ones are told to come again.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, header};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answer::Refusal;

/// The budget is kept in units of this many bytes.
pub(super) const UNIT: usize = 16_384;

/// Unpacking up to here takes less than a millisecond and stays on the thread; above, it moves to one that may block.
const QUICK: usize = 65_536;

/// How much is taken in.
#[derive(Clone)]
pub(super) struct Limits {
    /// Bytes as sent.
    pub(super) sent: usize,
    /// Bytes as unpacked.
    pub(super) unpacked: usize,
    /// What all bodies together may take.
    pub(super) memory: Arc<Semaphore>,
}

/// A body in memory, and its share of the budget.
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    _share: Share,
}

/// Reads and unpacks the body of `request`. What is refused before its end is still read to it, see [`drain`].
pub(super) async fn take(request: Request<Body>, limits: &Limits) -> Result<Taken, Refusal> {
    let (parts, mut body) = request.into_parts();
    let taken = take_from(&parts.headers, &mut body, limits).await;
    if taken.is_err() {
        drain(body).await;
    }
    taken
}

/// Reads what a refused client is still sending, and forgets it: a connection that is closed on unread bytes is reset,
/// and the client sees that in place of our answer. Bounded in bytes and time.
pub(super) async fn drain(mut body: Body) {
    const MOST: usize = 32 << 20;
    const PATIENCE: Duration = Duration::from_secs(2);
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MOST {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await; // the answer goes out either way
}

async fn take_from(
    headers: &HeaderMap,
    body: &mut Body,
    limits: &Limits,
) -> Result<Taken, Refusal> {
    media_type(headers)?;
    let gzip = is_gzip(headers)?;
    let mut share = Share {
        memory: limits.memory.clone(),
        permits: None,
        bytes: 0,
    };
    let sent = read(body, limits.sent, &mut share).await?;
    let bytes = if !is_packed(&sent, gzip)? {
        sent
    } else if sent.len() <= QUICK {
        unpack(&sent, limits.unpacked, &mut share)?
    } else {
        let unpacked = limits.unpacked;
        let unpacking = tokio::task::spawn_blocking(move || {
            unpack(&sent, unpacked, &mut share).map(|bytes| (bytes, share))
        });
        let stopping = |_| Refusal::Unavailable("stopping".to_owned());
        let (bytes, grown) = unpacking.await.map_err(stopping)??;
        share = grown;
        bytes
    };
    Ok(Taken {
        bytes,
        _share: share,
    })
}

/// Whether the bytes are gzip, whatever the header says: a gateway may unpack a body and leave its header, or take
/// the header away.
fn is_packed(sent: &[u8], said: bool) -> Result<bool, Refusal> {
    // RFC 1952, section 2.3.1; and what becomes of it when something in front takes it for UTF-8 text.
    const MAGIC: &[u8] = b"\x1f\x8b";
    const MANGLED: &[u8] = b"\x1f\xef\xbf\xbd";
    let is_json =
        sent.trim_ascii_start().starts_with(b"{") || sent.trim_ascii_start().starts_with(b"[");
    match said {
        _ if sent.starts_with(MAGIC) => Ok(true),
        _ if sent.starts_with(MANGLED) => Err(Refusal::Unreadable(
            "the gzip body was turned into text on its way, by a gateway that goes by Content-Type: \
             send it as application/openlineage+json, or without gzip"
                .to_owned(),
        )),
        true if !is_json => Err(Refusal::Unreadable("no gzip, though Content-Encoding says so".to_owned())),
        true | false => Ok(false),
    }
}

async fn read(body: &mut Body, limit: usize, share: &mut Share) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    // Chunked bodies have no length: count what comes, whatever was announced.
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Unreadable(format!("broken off: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Err(Refusal::TooLarge(format!(
                "more than {limit} bytes as sent (max_body): send it with gzip, or with fewer facets"
            )));
        }
        share.grow(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn unpack(sent: &[u8], limit: usize, share: &mut Share) -> Result<Vec<u8>, Refusal> {
    let mut decoder = MultiGzDecoder::new(sent);
    let (mut bytes, mut piece) = (Vec::new(), [0; UNIT]);
    loop {
        let count = decoder
            .read(&mut piece)
            .map_err(|error| Refusal::Unreadable(format!("no gzip: {error}")))?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() + count > limit {
            return Err(Refusal::TooLarge(format!(
                "more than {limit} bytes unpacked (max_unpacked): send it with fewer facets"
            )));
        }
        share.grow(sent.len() + bytes.len() + count)?;
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}

/// A body's part of the common budget; given back when it is dropped.
struct Share {
    memory: Arc<Semaphore>,
    permits: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let (have, need) = (self.bytes.div_ceil(UNIT), bytes.div_ceil(UNIT));
        self.bytes = self.bytes.max(bytes);
        let Some(more) = need
            .checked_sub(have)
            .and_then(|more| u32::try_from(more).ok())
            .filter(|more| *more > 0)
        else {
            return Ok(());
        };
        let busy = |_| Refusal::Unavailable("too much is being read at once".to_owned());
        let permits = self
            .memory
            .clone()
            .try_acquire_many_owned(more)
            .map_err(busy)?;
        match &mut self.permits {
            Some(held) => held.merge(permits),
            None => self.permits = Some(permits),
        }
        Ok(())
    }
}

/// `application/json`, anything `+json` and nothing at all, in UTF-8. Not `text/plain`: any web page can make a browser
/// send that to a proxy on the same machine.
fn media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let text = value.to_str().unwrap_or("?").to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let json = matches!(essence, "" | "application/json")
        || essence.starts_with("application/") && essence.ends_with("+json");
    if !json {
        return Err(Refusal::Unsupported(format!(
            "send Content-Type: application/json, not {essence}"
        )));
    }
    match parts
        .find_map(|part| part.strip_prefix("charset="))
        .map(|charset| charset.trim_matches('"'))
    {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(other) => Err(Refusal::Unsupported(format!("send UTF-8, not {other}"))),
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
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
        other => Err(Refusal::Unsupported(format!(
            "send Content-Encoding: gzip or none, not {other}"
        ))),
    }
}
