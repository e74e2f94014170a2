//! The bodies of requests and responses: events joined to a batch, compressed, and the start of what is answered.

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

/// How several events make one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BatchFormat {
    /// They do not: each event is a request.
    #[default]
    None,
    /// A JSON array, as the OpenLineage API has it.
    Array,
    /// `{"events": […]}`, as OpenMetadata has it.
    Events,
}

impl Choice for BatchFormat {
    const CHOICES: &'static [(&'static str, BatchFormat)] = &[
        ("none", BatchFormat::None),
        ("array", BatchFormat::Array),
        ("events", BatchFormat::Events),
    ];
}

/// A request body, and whether it is compressed.
pub(super) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    pub(super) is_gzip: bool,
}

/// Joins the texts of events. Without a format there is one.
pub(super) fn joined(texts: &[&str], format: BatchFormat) -> String {
    let list = texts.join(",");
    match format {
        BatchFormat::None => list,
        BatchFormat::Array => format!("[{list}]"),
        BatchFormat::Events => format!("{{\"events\":[{list}]}}"),
    }
}

/// Compresses a body where that is worthwhile.
pub(super) fn request_body(text: &str, compression: Compression) -> RequestBody {
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
pub(super) struct BodyStart {
    pub(super) bytes: Vec<u8>,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// Reads at most `limit` bytes of a body. One that breaks off is an error only after a success: an incomplete success may
/// come from an intermediary.
pub(super) async fn read_start(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_joined_in_order_and_unchanged() {
        let texts = [r#"{ "a":1.0 }"#, r#"{"b":2}"#];
        for (format, body) in [
            (BatchFormat::Array, r#"[{ "a":1.0 },{"b":2}]"#),
            (BatchFormat::Events, r#"{"events":[{ "a":1.0 },{"b":2}]}"#),
        ] {
            assert_eq!(joined(&texts, format), body);
        }
        assert_eq!(joined(&texts[..1], BatchFormat::None), texts[0]);
    }
}
