//! Prepares requests from API Gateway: a valid query, and the address of the caller.
//!
//! lambda_http copies the raw query of a payload, and panics if it is not valid in a URI: a stranger could raise the
//! function's error count, and with it an alarm. Called by the ingest function.

use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{LambdaEvent, Request, RequestExt};

use proxy::http::Peer;

/// Percent-encodes what is not valid in the query.
#[must_use]
pub fn with_valid_query(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload
        && let Some(query) = &mut request.raw_query_string
        && !query.bytes().all(is_query_byte)
    {
        *query = encoded(query);
    }
    event
}

/// Adds the address from which the gateway received the request, as an extension.
#[must_use]
pub fn with_peer(mut request: Request) -> Request {
    let address = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.as_deref(),
        Some(_) | None => None,
    };
    if let Some(address) = address.and_then(|address| address.parse().ok()) {
        request.extensions_mut().insert(Peer(address));
    }
    request
}

/// Whether `http::Uri` accepts the byte in a query: those of RFC 3986, and some that are common but wrong.
fn is_query_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x24..=0x3b | 0x3d | 0x3f..=0x7e)
}

fn encoded(query: &str) -> String {
    let byte = |byte: u8| match byte {
        byte if is_query_byte(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    query.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_query_becomes_valid() {
        assert_eq!(encoded("a=<b>&c=d e+f%20"), "a=%3Cb%3E&c=d%20e+f%20");
        assert_eq!(encoded("ü\u{0}#\""), "%C3%BC%00%23%22");
        let every: String = (0..=0x7ff).filter_map(char::from_u32).collect();
        let uri = format!("https://example.com/?{}", encoded(&every));
        assert!(uri.parse::<lambda_http::http::Uri>().is_ok());
    }
}
