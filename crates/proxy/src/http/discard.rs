//! Reads the body of a rejected request to its end.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{Version, header};
use http_body_util::BodyExt;

/// The limits of bytes and time for reading a rejected body.
const MAX_BYTES: usize = 32 << 20;
const TIMEOUT: Duration = Duration::from_secs(2);

/// Discards the body of a request that was rejected by its head. A client that waits for `100 Continue` (RFC 9110,
/// 10.1.1) gets the response without it: reading the body would send it. Any other body is [drained](drain).
pub(crate) async fn discard_body(request: Request) {
    let expects = request.headers().get_all(header::EXPECT).iter();
    // hyper has the same condition: HTTP/1.0 has no 100.
    let asks = request.version() > Version::HTTP_10
        && expects
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.trim().eq_ignore_ascii_case("100-continue"));
    if !asks {
        drain(request.into_body()).await;
    }
}

/// Reads and discards what a rejected client is still sending: closing a connection with unread bytes resets it, and
/// the client would see the reset instead of the response.
pub(crate) async fn drain(mut body: Body) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > MAX_BYTES {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(TIMEOUT, reading).await; // the response goes out either way
}
