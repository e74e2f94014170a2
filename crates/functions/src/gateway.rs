//! What a gateway passes on, made fit to be a request.
//!
//! lambda_http takes the raw query of a payload as it stands, and panics where it is no part of a URI: a stranger could
//! count up the function's errors, and with them raise an alarm. And who called the gateway, which it alone knows.
//! Called by the ingest function alone.

use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{LambdaEvent, Request, RequestExt};

use proxy::ingest::Peer;

/// The event, with a query that is one.
#[must_use]
pub fn fit(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload
        && let Some(query) = &mut request.raw_query_string
        && !query.bytes().all(is_of_a_query)
    {
        *query = encoded(query);
    }
    event
}

/// The request, with the address from which the gateway had it.
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

/// What `http::Uri` takes in a query: what RFC 3986 has, and some that are as common as they are wrong.
fn is_of_a_query(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x24..=0x3b | 0x3d | 0x3f..=0x7e)
}

fn encoded(query: &str) -> String {
    let byte = |byte: u8| match byte {
        byte if is_of_a_query(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    query.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_one_whatever_a_client_sends() {
        assert_eq!(encoded("a=<b>&c=d e+f%20"), "a=%3Cb%3E&c=d%20e+f%20");
        assert_eq!(encoded("ü\u{0}#\""), "%C3%BC%00%23%22");
        let every: String = (0..=0x7ff).filter_map(char::from_u32).collect();
        let uri = format!("https://example.com/?{}", encoded(&every));
        assert!(uri.parse::<lambda_http::http::Uri>().is_ok());
    }
}
