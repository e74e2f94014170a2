//! Authentication against real HTTP servers. Requests that are signed are in `tests/aws.rs`, tokens in
//! `tests/tokens.rs`, batches and statuses in `tests/batches.rs`.

mod aws;
mod batches;
mod tokens;

use std::sync::Mutex;

use ::openlineage::Level;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::{Delivery, Reason, Scope};

/// A request: path and query, headers, body.
type CapturedRequest = (Parts, String);

/// A server that answers as a function says, and what it was sent.
struct Server {
    url: String,
    sent: Arc<Mutex<Vec<CapturedRequest>>>,
}

impl Server {
    async fn start(
        answer: impl Fn(&Parts, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Server {
        let sent: Arc<Mutex<Vec<CapturedRequest>>> = Arc::default();
        let (log, answer) = (sent.clone(), Arc::new(answer));
        let handle = async move |request: axum::extract::Request| {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let (status, text) = answer(&parts, &body);
            // As the metadata server of Google Cloud does.
            let flavor = parts.headers.get("metadata-flavor").cloned();
            let flavor = flavor.filter(|_| parts.uri.path().starts_with("/computeMetadata/"));
            let headers: HeaderMap = (flavor.into_iter())
                .map(|flavor| (HeaderName::from_static("metadata-flavor"), flavor))
                .collect();
            log.lock().unwrap().push((parts, body));
            (StatusCode::from_u16(status).unwrap(), headers, text)
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(handle);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { url, sent }
    }

    async fn accepting() -> Server {
        Server::start(|_, _| (201, String::new())).await
    }

    /// A header of each request.
    fn headers(&self, name: &str) -> Vec<Option<String>> {
        let name: HeaderName = name.parse().unwrap();
        let sent = self.sent.lock().unwrap();
        let header = |(parts, _): &CapturedRequest| {
            Some(parts.headers.get(&name)?.to_str().ok()?.to_owned())
        };
        sent.iter().map(header).collect()
    }

    fn bodies(&self) -> Vec<String> {
        let sent = self.sent.lock().unwrap();
        sent.iter().map(|(_, body)| body.clone()).collect()
    }
}

fn event(name: &str) -> Event {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","dataset":{{"namespace":"n","name":"{name}"}}}}"#
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn config(section: Value) -> OpenLineageConfig {
    let settings: OpenLineageSettings = serde_json::from_value(section).unwrap();
    settings.validate().unwrap()
}

async fn target(url: &str, section: Value) -> OpenLineage {
    let rereads = RereadPolicy {
        after_rejection: Duration::ZERO,
        ..REREADS
    };
    target_with(url, section, rereads).await
}

async fn target_with(url: &str, section: Value, rereads: RereadPolicy) -> OpenLineage {
    let mut section = section;
    section["url"] = json!(url);
    let config = config(section);
    let aws = Aws::new();
    let credential = config.credential(&aws).await.unwrap();
    OpenLineage::open_with(&config, &aws, credential.as_ref(), rereads)
        .await
        .unwrap()
}

async fn deliver_each(target: &OpenLineage, events: &[(&str, u32)]) -> Vec<Delivery> {
    let deadline = Instant::now() + Duration::from_secs(30);
    let events: Vec<_> = events
        .iter()
        .map(|(name, attempts)| (event(name), *attempts))
        .collect();
    let reports = events
        .iter()
        .map(|(event, attempts)| target.deliver(event, *attempts, deadline));
    let reports = join_all(reports).await.into_iter();
    reports.map(|report| report.delivery.unwrap()).collect()
}

async fn deliver(target: &OpenLineage) -> Delivery {
    deliver_each(target, &[("d", 1)]).await.remove(0)
}

const DELIVERED: Delivery = Delivery::Delivered { id: None };

#[tokio::test]
async fn each_way_to_authenticate_puts_the_credential_in_its_place() {
    let key = "k3y-of-mine";
    for (section, header, value, query) in [
        (json!({}), "authorization", None, None),
        (
            json!({"api_key": key}),
            "authorization",
            Some("Bearer k3y-of-mine"),
            None,
        ),
        (
            json!({"api_key": key, "auth": "header", "auth_field": "X-API-Key"}),
            "x-api-key",
            Some(key),
            None,
        ),
        (
            json!({"api_key": key, "auth": "basic", "username": "me"}),
            "authorization",
            Some("Basic bWU6azN5LW9mLW1pbmU="),
            None,
        ),
        (
            json!({"api_key": key, "auth": "query", "auth_field": "code"}),
            "authorization",
            None,
            Some("code=k3y-of-mine"),
        ),
    ] {
        let server = Server::accepting().await;
        let target = target(&server.url, section.clone()).await;
        assert_eq!(deliver(&target).await, DELIVERED);
        assert_eq!(
            server.headers(header),
            [value.map(str::to_owned)],
            "{section}"
        );
        let sent = server.sent.lock().unwrap();
        assert_eq!(sent[0].0.uri.path(), "/api/v1/lineage");
        assert_eq!(sent[0].0.uri.query(), query, "{section}");
    }
}

#[tokio::test]
async fn a_credential_that_cannot_be_read_or_sent_fails_the_start_without_showing_it() {
    for (section, message) in [
        (
            json!({"api_key": "k3y\u{1}"}),
            "a character that no HTTP header can carry",
        ),
        (
            json!({"api_key": r#"{"client_email": "a@b", "private_key": "k3y"}"#}),
            "needs auth: google",
        ),
        (
            json!({"api_key": r#"{"client_email": "a@b", "private_key": "k3y"}"#, "auth": "query", "auth_field": "key"}),
            "needs auth: google",
        ),
        (json!({"api_key_file": "/no/such/file"}), "/no/such/file"),
        (json!({"ca_file": "/dev/null"}), "no certificate in PEM"),
        (
            json!({"client_certificate_file": "/dev/null"}),
            "expected a certificate and its private key",
        ),
    ] {
        let mut section = section;
        section["url"] = json!("http://x");
        let settings: OpenLineageSettings = serde_json::from_value(section).unwrap();
        let config = settings.validate().unwrap();
        let aws = Aws::new();
        let opened = match config.credential(&aws).await {
            Ok(credential) => OpenLineage::open(&config, &aws, credential.as_ref()).await,
            Err(error) => Err(error),
        };
        for error in [check(&config).unwrap_err(), opened.unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains(message) && !error.contains("k3y"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_credential_that_was_rotated_is_read_again_when_it_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "old").unwrap();
    let server = Server::start(|parts, _| {
        let is_new = parts.headers["authorization"] == "Bearer new";
        (if is_new { 201 } else { 401 }, String::new())
    })
    .await;
    let target = target(&server.url, json!({"api_key_file": path})).await;
    let rejected = deliver(&target).await;
    assert!(
        matches!(&rejected, Delivery::Transient(failure) if failure.reason == Reason::Permission && failure.scope == Scope::Target),
        "{rejected:?}"
    );
    assert_eq!(
        server.bodies().len(),
        1,
        "the same credential is not tried twice"
    );
    std::fs::write(&path, "new\n").unwrap();
    assert_eq!(deliver(&target).await, DELIVERED);
    assert_eq!(server.bodies().len(), 3);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_within_the_same_attempt() {
    let count = Mutex::new(0);
    let tokens = Server::start(move |_, _| {
        let mut count = count.lock().unwrap();
        *count += 1;
        (
            200,
            json!({"access_token": format!("token-{count}"), "expires_in": 3_600}).to_string(),
        )
    })
    .await;
    let server = Server::start(|parts, _| {
        let is_revoked = parts.headers["authorization"] == "Bearer token-1";
        (if is_revoked { 401 } else { 201 }, String::new())
    })
    .await;
    let section = json!({
        "auth": "oauth2", "client_id": "me", "api_key": "secret", "token_url": tokens.url
    });
    let target = target(&server.url, section).await;
    assert_eq!(deliver(&target).await, DELIVERED);
}

#[test]
fn a_destination_is_a_service_and_who_asks_it() {
    let plain = json!({"url": "http://x", "api_key": "k"});
    let basic =
        |user: &str| json!({"url": "http://x", "api_key": "k", "auth": "basic", "username": user});
    let oauth2 = |client: &str| json!({"url": "http://x", "api_key": "k", "auth": "oauth2", "client_id": client, "token_url": "http://x/token"});
    let sigv4 = |region: &str| json!({"url": "http://x", "auth": "sigv4", "aws_region": region});
    let mutual = |file: &str| json!({"url": "http://x", "client_certificate_file": file});
    for (one, other, is_same) in [
        (
            plain.clone(),
            json!({"url": "http://x/api/v1/lineage", "api_key": "k"}),
            true,
        ),
        (
            plain.clone(),
            json!({"url": "http://x", "api_key": "k", "batch": "array"}),
            true,
        ),
        (
            plain.clone(),
            json!({"url": "http://x", "api_key": "k", "timeout": 5}),
            true,
        ),
        (
            plain.clone(),
            json!({"url": "http://x", "api_key": "other"}),
            false,
        ),
        (
            plain,
            json!({"url": "http://x/other", "api_key": "k"}),
            false,
        ),
        (basic("me"), basic("me"), true),
        (basic("me"), basic("you"), false),
        (oauth2("me"), oauth2("you"), false),
        (sigv4("eu-west-1"), sigv4("us-east-1"), false),
        (mutual("a.pem"), mutual("b.pem"), false),
    ] {
        let text = format!("{one} {other}");
        let found = config(one).is_same_destination(&config(other));
        assert_eq!(found, is_same, "{text}");
    }
}
