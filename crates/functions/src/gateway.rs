//! Prepares requests from API Gateway: a valid query, the path with its prefix, and the address of the caller.
//!
//! lambda_http copies the raw query of a payload, and panics if it is not valid in a URI: a stranger could raise the
//! function's error count, and with it an alarm. Called by the ingest function.

use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{LambdaEvent, Request, RequestExt};

use proxy::http::Peer;
use proxy::ingest::is_route;

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

/// Puts `prefix` in front of a path that does not begin with it, or that is a route with the prefix taken off: with the
/// prefix `/api`, `/api/v1/lineage` is what the gateway leaves of `/api/api/v1/lineage`.
///
/// API Gateway passes on the base path of a custom domain name or takes it off, depending on the kind of API and of mapping:
/// <https://github.com/aws/serverless-java-container/issues/34>, <https://github.com/honojs/hono/issues/5015>. And the
/// URL of the API itself has none.
#[must_use]
pub fn with_prefix(
    mut event: LambdaEvent<LambdaRequest>,
    prefix: &str,
) -> LambdaEvent<LambdaRequest> {
    let path = if let LambdaRequest::ApiGatewayV1(request) = &mut event.payload {
        request.path.as_mut()
    } else if let LambdaRequest::ApiGatewayV2(request) = &mut event.payload {
        request.raw_path.as_mut()
    } else {
        None // nothing else invokes the function
    };
    if let Some(path) = path
        && (!has_prefix(path, prefix) || is_route(path))
    {
        path.insert_str(0, prefix);
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

/// Whether the path begins with all segments of the prefix.
fn has_prefix(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
    use lambda_http::Context;
    use serde_json::json;

    use super::*;

    /// The path that a request with this one has after `with_prefix`, as an HTTP API and as a REST API send it.
    fn with(prefix: &str, path: &str) -> [String; 2] {
        let http = json!({"version": "2.0", "rawPath": path, "headers": {}, "isBase64Encoded": false, "requestContext": {"http": {"method": "POST"}}});
        let rest = json!({"path": path, "httpMethod": "POST", "headers": {}, "multiValueHeaders": {}, "requestContext": {"httpMethod": "POST", "identity": {}}});
        [http, rest].map(|request| {
            let payload: LambdaRequest = serde_json::from_value(request).unwrap();
            let event = with_prefix(LambdaEvent::new(payload, Context::default()), prefix);
            Request::from(event.payload).raw_http_path().to_owned()
        })
    }

    #[test]
    fn a_path_has_its_prefix_once_whether_the_gateway_took_it_off_or_not() {
        for (prefix, path, expected) in [
            ("/team", "/team/api/v1/lineage", "/team/api/v1/lineage"),
            ("/team", "/api/v1/lineage", "/team/api/v1/lineage"),
            ("/team", "/teams/api", "/team/teams/api"),
            ("/team", "/team", "/team"),
            ("", "/api/v1/lineage", "/api/v1/lineage"),
            ("/api", "/api/v1/lineage", "/api/api/v1/lineage"),
            ("/api", "/api//v1/lineage/", "/api/api//v1/lineage/"),
            ("/api", "/api/api/v1/lineage", "/api/api/v1/lineage"),
            (
                "/api/v1",
                "/api/v1/lineage/batch",
                "/api/v1/api/v1/lineage/batch",
            ),
            ("/api", "/api/unknown", "/api/unknown"),
        ] {
            assert_eq!(with(prefix, path), [expected; 2], "{prefix} {path}");
        }
    }

    #[test]
    fn any_query_becomes_valid() {
        assert_eq!(encoded("a=<b>&c=d e+f%20"), "a=%3Cb%3E&c=d%20e+f%20");
        assert_eq!(encoded("ü\u{0}#\""), "%C3%BC%00%23%22");
        let every: String = (0..=0x7ff).filter_map(char::from_u32).collect();
        let uri = format!("https://example.com/?{}", encoded(&every));
        assert!(uri.parse::<lambda_http::http::Uri>().is_ok());
    }
}
