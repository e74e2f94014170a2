//! The bodies of requests and responses: compressed, and the start of what is answered.

use std::io::Write;

use flate2::write::GzEncoder;
use settings::Choice;

/// The smallest body that is compressed, in bytes: for a smaller one compression saves less than a packet.
const MIN_COMPRESSED: usize = 1_024;

/// The compression of request bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// None.
    #[default]
    None,
    /// `Content-Encoding: gzip`.
    Gzip,
}

impl Choice for Compression {
    const CHOICES: &'static [(&'static str, Compression)] =
        &[("none", Compression::None), ("gzip", Compression::Gzip)];
}

/// A request body, and whether it is compressed.
pub(crate) struct RequestBody {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_gzip: bool,
}

/// Compresses a body where that is worthwhile.
pub(crate) fn request_body(text: &str, compression: Compression) -> RequestBody {
    let compressed = match compression {
        Compression::Gzip if text.len() >= MIN_COMPRESSED => gzip(text).ok(),
        Compression::Gzip | Compression::None => None,
    };
    let is_gzip = compressed.is_some();
    RequestBody {
        bytes: compressed.unwrap_or_else(|| text.as_bytes().to_vec()),
        is_gzip,
    }
}

fn gzip(text: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(
        Vec::with_capacity(text.len() / 4),
        flate2::Compression::fast(),
    );
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// The start of a response body.
pub(crate) struct BodyStart {
    pub(crate) bytes: Vec<u8>,
    /// Whether that is all of it.
    pub(crate) is_whole: bool,
}

/// Reads at most `limit` bytes of a body. One that breaks off is an error only after a success: an incomplete success may
/// come from an intermediary.
pub(crate) async fn read_start(
    response: &mut reqwest::Response,
    limit: usize,
) -> Result<BodyStart, reqwest::Error> {
    let mut bytes = Vec::new();
    while bytes.len() < limit {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let left = limit - bytes.len();
                bytes.extend_from_slice(chunk.get(..left).unwrap_or(&chunk));
            }
            Ok(None) => {
                let is_whole = true;
                return Ok(BodyStart { bytes, is_whole });
            }
            Err(error) if response.status().is_success() => return Err(error),
            Err(_) => break,
        }
    }
    let is_whole = false;
    Ok(BodyStart { bytes, is_whole })
}
