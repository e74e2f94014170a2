//! The law of gateways: a request that comes through a REST API, an HTTP API or a function URL has the same response as one
//! that comes directly.

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{RawRequest, accepted, with};

/// The same request directly, and as REST API, HTTP API and function URL hand it to a function: one answer.
pub(crate) fn gateway(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    let Some(sent) = RawRequest::of(bytes) else {
        return;
    };
    // Gateways hand bodies over as text, or as base64.
    let text = std::str::from_utf8(&sent.body)
        .ok()
        .filter(|_| kind & 4 == 0);
    let (body, base64) = match text {
        Some(text) => (text.to_owned(), false),
        None => (base64_of(&sent.body), true),
    };
    let envelope = match kind & 3 {
        0 => rest_api(&sent, &body, base64),
        1 => http_api(&sent, &body, base64, "$default"),
        2 => http_api(&sent, &body, base64, "prod"),
        _ => function_url(&sent, &body, base64),
    };
    let request = lambda_http::request::from_str(&envelope.to_string()).expect("an envelope");
    if kind & 3 == 2 {
        return; // the stage is in the path, which `path_prefix` is for
    }
    with(|app| {
        let (parts, body) = request.into_parts();
        let body = Bytes::from(body.to_vec());
        let through = app.answer(Request::from_parts(parts, Body::from(body)));
        let mut queued = app.queued(accepted(
            &sent,
            through.0,
            serde_json::from_slice(&through.1).ok().as_ref(),
        ));
        let direct = app.answer(sent.request());
        let queued_directly = app.queued(accepted(
            &sent,
            direct.0,
            serde_json::from_slice(&direct.1).ok().as_ref(),
        ));
        assert_eq!(through.0, direct.0);
        queued
            .iter_mut()
            .zip(&queued_directly)
            .for_each(|(one, two)| assert_eq!(one, two));
        assert_eq!(queued.len(), queued_directly.len());
    });
}

fn headers(sent: &RawRequest<'_>) -> Value {
    let mut headers =
        json!({"host": "x.execute-api.eu-west-1.amazonaws.com", "x-forwarded-proto": "https"});
    for (name, value) in &sent.headers {
        headers[*name] = json!(value);
    }
    headers
}

fn rest_api(sent: &RawRequest<'_>, body: &str, base64: bool) -> Value {
    let (path, query) = sent.path.split_once('?').unwrap_or((sent.path, ""));
    let query: Value = query
        .split_once('=')
        .map_or(Value::Null, |(name, value)| json!({name: value}));
    let many = |value: &Value| -> Value {
        let members = value.as_object().into_iter().flatten();
        members
            .map(|(name, value)| (name.clone(), json!([value])))
            .collect()
    };
    let context = json!({"accountId": "1", "resourceId": "r", "requestId": "i", "identity": {"sourceIp": "1.2.3.4"}, "httpMethod": sent.method.as_str(),
        "apiId": "a", "path": path, "protocol": "HTTP/1.1", "resourcePath": "/{proxy+}"});
    json!({"resource": "/{proxy+}", "path": path, "httpMethod": sent.method.as_str(), "headers": headers(sent), "multiValueHeaders": many(&headers(sent)),
        "queryStringParameters": query, "multiValueQueryStringParameters": many(&query), "pathParameters": null, "stageVariables": null,
        "requestContext": context, "body": body, "isBase64Encoded": base64})
}

fn http_api(sent: &RawRequest<'_>, body: &str, base64: bool, stage: &str) -> Value {
    let (path, query) = sent.path.split_once('?').unwrap_or((sent.path, ""));
    let http = json!({"method": sent.method.as_str(), "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "a"});
    let context = json!({"accountId": "1", "apiId": "a", "domainName": "x.execute-api.eu-west-1.amazonaws.com", "domainPrefix": "x", "http": http,
        "requestId": "i", "routeKey": "$default", "stage": stage, "time": "01/Jan/2026:00:00:00 +0000", "timeEpoch": 1767225600000_i64});
    json!({"version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers(sent),
        "requestContext": context, "body": body, "isBase64Encoded": base64})
}

fn function_url(sent: &RawRequest<'_>, body: &str, base64: bool) -> Value {
    let mut envelope = http_api(sent, body, base64, "$default");
    envelope["requestContext"]["authentication"] = Value::Null;
    envelope["requestContext"]["authorizer"] = json!({"iam": {"accessKey": "a", "accountId": "1", "callerId": "c", "cognitoIdentity": null, "principalOrgId": "o", "userArn": "u", "userId": "i"}});
    envelope
}

fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (0..3).fold(0u32, |word, at| {
            word << 8 | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}
