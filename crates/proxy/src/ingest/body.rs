//! From a request to the bytes of its JSON: media type, limits as sent and unpacked, gzip.
//!
//! Whatever a stranger sends, memory is bounded: a body takes its share of a common budget as it grows, and past the
//! budget new ones are told to come again.

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Request, Version, header};
use flate2::bufread::GzDecoder;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::answer::Refusal;
use crate::config;

/// The budget is kept in units of this many bytes. The first one of each body costs nothing: connections are bounded,
/// and hold as much for their heads. So an ordinary event is taken however much is being read.
const UNIT: usize = 16_384;

/// What gives no more than so many bytes is unpacked in less than a millisecond, and on the thread; all else on one that
/// may block. What was sent does not tell: a thousandth of it may have been enough.
const QUICK: usize = 262_144;

/// How long the next piece of a body may take, and the whole of it. A client that is too slow is told to come again:
/// its own patience is some seconds.
const SILENCE: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(60);

/// Members of a gzip body at most. One is what everybody sends; each costs time, though it is empty.
const MEMBERS: usize = 1_000;

/// Bodies above this are large: they leave a quarter of the budget to those below, so that ordinary events are taken
/// while large ones are crowding.
const LARGE: usize = 262_144;

/// How much is taken in.
#[derive(Clone)]
pub(super) struct Limits {
    /// Bytes as sent.
    sent: usize,
    /// Bytes as unpacked.
    unpacked: usize,
    /// What all bodies together may take.
    memory: Memory,
    /// Large bodies that are worked on at once: as many as there are cores. Each may need several times its size.
    heavy: Arc<Semaphore>,
}

impl Limits {
    pub(super) fn new(config: &config::Ingest) -> Limits {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Limits {
            sent: config.max_body_size,
            unpacked: config.max_decompressed_size,
            memory: Memory::of(config.max_body_memory),
            heavy: Arc::new(Semaphore::new(cores)),
        }
    }

    /// Does work that takes long on a thread that may block.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = self.heavy.clone().acquire_owned().await.ok();
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn; // until it is done, even if the client has gone
            work()
        });
        let stopping = |_| Refusal::Unavailable("stopping".to_owned());
        working.await.map_err(stopping)
    }
}

/// The common budget, in units.
#[derive(Clone)]
struct Memory {
    free: Arc<Semaphore>,
    units: usize,
}

impl Memory {
    /// A budget of so many bytes.
    fn of(bytes: usize) -> Memory {
        let units = bytes / UNIT;
        Memory {
            free: Arc::new(Semaphore::new(units)),
            units,
        }
    }
}

/// A body in memory, and its share of the budget.
pub(super) struct Taken {
    pub(super) bytes: Vec<u8>,
    share: Share,
}

impl Taken {
    /// The share by itself, for what is made of the body and outlasts it. What is small has none.
    pub(super) fn into_room(self) -> Option<Arc<OwnedSemaphorePermit>> {
        self.share.permits.map(Arc::new)
    }
}

/// Reads and unpacks the body of `request`. What is refused before its end is still read to it, see [`drain`].
pub(super) async fn take(request: Request<Body>, limits: &Limits) -> Result<Taken, Refusal> {
    let gzip = match head(&request, limits) {
        Ok(gzip) => gzip,
        Err(refusal) => {
            spare(request).await;
            return Err(refusal);
        }
    };
    let mut body = request.into_body();
    let taken = take_from(gzip, &mut body, limits).await;
    if taken.is_err() {
        drain(body).await;
    }
    taken
}

/// What the head says by itself, before anything of the body is asked for: whether it is gzip.
fn head(request: &Request<Body>, limits: &Limits) -> Result<bool, Refusal> {
    media_type(request.headers())?;
    let gzip = is_gzip(request.headers())?;
    // What says that it is too large is not read into memory at all.
    if request.body().size_hint().lower() > u64::try_from(limits.sent).unwrap_or(u64::MAX) {
        return Err(too_large(limits.sent));
    }
    Ok(gzip)
}

/// Deals with the body of a request that its head refuses. A client that asks before it sends (RFC 9110, 10.1.1) gets
/// its answer in place of `100 Continue`, which the first look at the body would send; of any other the body is
/// [drained](drain).
pub(super) async fn spare(request: Request<Body>) {
    let expects = request.headers().get_all(header::EXPECT).iter();
    // hyper asks the same: HTTP/1.0 has no 100.
    let asks = request.version() > Version::HTTP_10
        && expects
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.trim().eq_ignore_ascii_case("100-continue"));
    if !asks {
        drain(request.into_body()).await;
    }
}

/// Reads what a refused client is still sending, and forgets it: a connection that is closed on unread bytes is reset,
/// and the client sees that in place of our answer. Bounded in bytes and time.
async fn drain(mut body: Body) {
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

async fn take_from(gzip: bool, body: &mut Body, limits: &Limits) -> Result<Taken, Refusal> {
    let mut share = Share {
        memory: limits.memory.clone(),
        permits: None,
        bytes: 0,
    };
    let sent = read(body, limits.sent, &mut share).await?;
    if !is_packed(&sent, gzip)? {
        return Ok(Taken { bytes: sent, share });
    }
    let quick = limits.unpacked.min(QUICK);
    let bytes = match unpack(&sent, quick, &mut share) {
        Err(Refusal::TooLarge(_)) if quick < limits.unpacked => {
            let unpacked = limits.unpacked;
            let unpacking = limits
                .heavy(move || unpack(&sent, unpacked, &mut share).map(|bytes| (bytes, share)));
            let (bytes, grown) = unpacking.await??;
            share = grown;
            bytes
        }
        unpacked => unpacked?,
    };
    Ok(Taken { bytes, share })
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
    let whole = Instant::now() + WHOLE;
    loop {
        let until = whole.min(Instant::now() + SILENCE);
        let next = tokio::time::timeout_at(until, body.frame()).await;
        let next = next.map_err(|_| Refusal::Unavailable("a client is too slow".to_owned()))?;
        let Some(frame) = next else {
            return Ok(bytes);
        };
        let frame = frame.map_err(|error| Refusal::Unreadable(format!("broken off: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        share.grow(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
}

fn too_large(limit: usize) -> Refusal {
    Refusal::TooLarge(format!(
        "more than {limit} bytes as sent (max_body_size): send it with gzip, or with fewer facets"
    ))
}

fn unpack(sent: &[u8], limit: usize, share: &mut Share) -> Result<Vec<u8>, Refusal> {
    let (mut rest, mut bytes, mut piece) = (sent, Vec::new(), [0; UNIT]);
    for _ in 0..MEMBERS {
        let mut decoder = GzDecoder::new(rest);
        loop {
            let count = decoder
                .read(&mut piece)
                .map_err(|error| Refusal::Unreadable(format!("no gzip: {error}")))?;
            if count == 0 {
                break;
            }
            if bytes.len() + count > limit {
                return Err(Refusal::TooLarge(format!(
                    "more than {limit} bytes unpacked"
                )));
            }
            share.grow(sent.len() + bytes.len() + count)?;
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
        rest = decoder.into_inner();
        if rest.is_empty() {
            return Ok(bytes);
        }
    }
    Err(Refusal::Unreadable(format!(
        "more than {MEMBERS} gzip members"
    )))
}

/// A body's part of the common budget; given back when it is dropped.
struct Share {
    memory: Memory,
    permits: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Share {
    fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let units = |bytes: usize| bytes.div_ceil(UNIT).saturating_sub(1);
        let more = units(bytes).saturating_sub(units(self.bytes));
        self.bytes = self.bytes.max(bytes);
        let busy = || Refusal::Unavailable("too much is being read at once".to_owned());
        let free = self.memory.free.available_permits();
        if more == 0 {
            return Ok(());
        }
        if bytes > LARGE && free < more + self.memory.units / 4 {
            return Err(busy());
        }
        let permits = u32::try_from(more)
            .ok()
            .and_then(|more| self.memory.free.clone().try_acquire_many_owned(more).ok())
            .ok_or_else(busy)?;
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
