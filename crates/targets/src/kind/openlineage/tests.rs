//! Authentication and batches against real HTTP servers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::openlineage::Level;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::*;
use crate::{Delivery, Reason, Scope};

/// A request: path and query, headers, body.
type Sent = (Parts, String);

/// A server that answers as a function says, and what it was sent.
struct Server {
    url: String,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Server {
    async fn start(
        answer: impl Fn(&Parts, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Server {
        let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
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
        let header = |(parts, _): &Sent| Some(parts.headers.get(&name)?.to_str().ok()?.to_owned());
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
    let rereads = Rereads {
        after_rejection: Duration::ZERO,
        ..REREADS
    };
    target_with(url, section, rereads).await
}

async fn target_with(url: &str, section: Value, rereads: Rereads) -> OpenLineage {
    let mut section = section;
    section["url"] = json!(url);
    let config = config(section);
    let aws = Aws::new();
    let credential = config.credential(&aws).await.unwrap();
    OpenLineage::open_with(&config, &aws, credential.as_ref(), rereads)
        .await
        .unwrap()
}

/// The AWS configuration of a process in `eu-west-1`.
fn aws_with(credentials: impl ProvideCredentials + 'static) -> Aws {
    let config = aws_config::SdkConfig::builder()
        .region(aws_config::Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Aws::from(config)
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
async fn a_client_gets_a_token_once_and_uses_it_until_it_expires() {
    for (lifetime, tokens) in [(3_600, 1), (0, 3)] {
        let count = Mutex::new(0);
        let tokens_of = Server::start(move |_, _| {
            let mut count = count.lock().unwrap();
            *count += 1;
            let token = json!({"access_token": format!("token-{count}"), "token_type": "Bearer", "expires_in": lifetime});
            (200, token.to_string())
        })
        .await;
        let server = Server::accepting().await;
        let section = json!({
            "auth": "oauth2", "client_id": "me", "api_key": "secret",
            "token_url": format!("{}/token", tokens_of.url), "token_parameters": {"scope": "lineage"}
        });
        let target = target(&server.url, section).await;
        assert_eq!(tokens_of.bodies().len(), 0, "none before the first event");
        for _ in 0..3 {
            assert_eq!(deliver(&target).await, DELIVERED);
        }
        assert_eq!(
            tokens_of.bodies(),
            vec!["grant_type=client_credentials&scope=lineage"; tokens]
        );
        assert_eq!(
            tokens_of.headers("authorization")[0].as_deref(),
            Some("Basic bWU6c2VjcmV0")
        );
        let last = format!("Bearer token-{tokens}");
        assert_eq!(server.headers("authorization").pop().unwrap(), Some(last));
    }
}

#[tokio::test]
async fn a_token_endpoint_that_refuses_is_a_failure_of_the_target_and_its_words_are_not_kept() {
    let tokens = Server::start(|_, _| {
        let answer =
            r#"{"error":"invalid_client","error_description":"no client with s3cr3t-of-mine"}"#;
        (401, answer.to_owned())
    })
    .await;
    let section = json!({
        "auth": "oauth2", "client_id": "me", "api_key": "s3cr3t-of-mine", "token_url": tokens.url
    });
    let target = target("http://127.0.0.1:9", section).await;
    let Delivery::Transient(failure) = deliver(&target).await else {
        panic!("delivered");
    };
    assert_eq!(
        (failure.reason, failure.scope),
        (Reason::Permission, Scope::Target)
    );
    let message = failure.message;
    assert!(
        message.contains("401") && message.contains("invalid_client"),
        "{message}"
    );
    assert!(!message.contains("s3cr3t"), "{message}");
}

#[tokio::test]
async fn a_parameter_of_the_token_request_that_is_echoed_is_not_kept() {
    let tokens = Server::start(|_, body| {
        let code = body.rsplit('=').next().unwrap();
        (400, json!({"error": code}).to_string())
    })
    .await;
    let echo = async |parameters: &str| {
        let section = json!({
            "auth": "oauth2", "client_id": "me", "api_key": "secret", "token_url": tokens.url,
            "token_parameters": parameters
        });
        let target = target("http://127.0.0.1:9", section).await;
        let Delivery::Transient(failure) = deliver(&target).await else {
            panic!("delivered");
        };
        failure.message
    };
    let message = echo("").await;
    assert!(message.contains("client_credentials"), "{message}");
    let message = echo("password=hunter_of_two").await;
    assert!(!message.contains("hunter"), "{message}");
}

#[tokio::test]
async fn an_api_key_of_ibm_cloud_is_exchanged_for_a_token() {
    let tokens = Server::start(|_, _| (200, r#"{"access_token":"t"}"#.to_owned())).await;
    let server = Server::accepting().await;
    let section = json!({"auth": "ibm_iam", "api_key": "k", "token_url": tokens.url});
    let target = target(&server.url, section).await;
    assert_eq!(deliver(&target).await, DELIVERED);
    let form = "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=k";
    assert_eq!(tokens.bodies(), [form]);
    assert_eq!(
        server.headers("authorization"),
        [Some("Bearer t".to_owned())]
    );
}

#[tokio::test]
async fn the_token_of_a_service_account_is_exchanged_as_it_is_in_its_file_then() {
    let tokens = Server::start(|_, body| {
        let subject = body
            .split('&')
            .find_map(|it| it.strip_prefix("subject_token="));
        let token = json!({"access_token": format!("for-{}", subject.unwrap()), "expires_in": 0});
        (200, token.to_string())
    })
    .await;
    let server = Server::accepting().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first\n").unwrap();
    let section = json!({
        "auth": "token_exchange", "api_key_file": path, "token_url": tokens.url,
        "client_id": "proxy", "token_parameters": {"audience": "lineage"}
    });
    let target = target(&server.url, section).await;
    assert_eq!(deliver(&target).await, DELIVERED);
    std::fs::write(&path, "second").unwrap();
    assert_eq!(deliver(&target).await, DELIVERED);
    let form = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=first\
                &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&client_id=proxy&audience=lineage";
    assert_eq!(tokens.bodies()[0], form);
    assert_eq!(tokens.headers("authorization"), [None, None]);
    let sent = ["first", "second"].map(|subject| Some(format!("Bearer for-{subject}")));
    assert_eq!(server.headers("authorization"), sent);
}

#[tokio::test]
async fn a_process_in_google_cloud_needs_no_credential() {
    let metadata = Server::start(|_, _| {
        (
            200,
            json!({"access_token": "t", "expires_in": 3_599}).to_string(),
        )
    })
    .await;
    let server = Server::accepting().await;
    let path = "computeMetadata/v1/instance/service-accounts/default/token";
    let section = json!({
        "auth": "google_metadata", "token_url": format!("{}/{path}", metadata.url),
        "token_parameters": {"scopes": "a,b"}
    });
    let target = target(&server.url, section).await;
    for _ in 0..2 {
        assert_eq!(deliver(&target).await, DELIVERED);
    }
    assert_eq!(
        metadata.headers("metadata-flavor"),
        [Some("Google".to_owned())]
    );
    let sent = metadata.sent.lock().unwrap();
    assert_eq!(
        (sent[0].0.method.as_str(), sent[0].0.uri.query()),
        ("GET", Some("scopes=a%2Cb"))
    );
    let bearer = Some("Bearer t".to_owned());
    assert_eq!(server.headers("authorization"), [bearer.clone(), bearer]);
}

#[tokio::test]
async fn a_token_of_a_host_that_is_no_metadata_server_is_not_used() {
    let other = Server::start(|_, _| (200, r#"{"access_token":"t"}"#.to_owned())).await;
    let server = Server::accepting().await;
    let section =
        json!({"auth": "google_metadata", "token_url": format!("{}/elsewhere", other.url)});
    let target = target(&server.url, section).await;
    let Delivery::Transient(failure) = deliver(&target).await else {
        panic!("delivered");
    };
    assert_eq!(failure.reason, Reason::Permission);
    assert!(
        failure.message.contains("not one of a metadata server"),
        "{}",
        failure.message
    );
    assert_eq!(server.bodies().len(), 0);
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

/// A server that rejects batches with a poisonous event, and otherwise answers with `answer`.
async fn batch_server(status: u16, answer: &'static str) -> Server {
    Server::start(move |_, body| match body.contains("poison") {
        true => (status, String::new()),
        false => (200, answer.to_owned()),
    })
    .await
}

fn texts(names: &[&str]) -> String {
    let texts = names.iter().map(|name| event(name).text().to_owned());
    format!("[{}]", texts.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn events_that_are_delivered_together_share_a_request_and_keep_their_own_results() {
    let answer = r#"{"status":"partial_success","summary":{"received":3,"successful":2,"failed":1},"failed_events":[{"index":1,"reason":"x","retriable":false}]}"#;
    let server = batch_server(400, answer).await;
    let target = target(
        &server.url,
        json!({"batch": "array", "max_batch_events": 3}),
    )
    .await;
    let delivered = deliver_each(&target, &[("a", 1), ("b", 1), ("c", 1)]).await;
    assert!(
        matches!(
            &delivered[..],
            [
                Delivery::Delivered { .. },
                Delivery::Permanent(_),
                Delivery::Delivered { .. }
            ]
        ),
        "{delivered:?}"
    );
    assert_eq!(server.bodies(), [texts(&["a", "b", "c"])]);
    assert_eq!(
        server.sent.lock().unwrap()[0].0.uri.path(),
        "/api/v1/lineage/batch"
    );
}

#[tokio::test]
async fn one_event_that_is_rejected_takes_no_other_of_its_request_with_it() {
    let server = batch_server(400, "").await;
    let target = target(
        &server.url,
        json!({"batch": "events", "max_batch_events": 5}),
    )
    .await;
    let names = ["a", "b", "poison", "d", "e"];
    let delivered = deliver_each(&target, &names.map(|name| (name, 1))).await;
    for (name, delivery) in names.iter().zip(&delivered) {
        let is_delivered = *delivery == DELIVERED;
        assert_eq!(is_delivered, *name != "poison", "{name}: {delivery:?}");
    }
    assert!(matches!(delivered[2], Delivery::Permanent(_)));
    assert!(server.bodies()[0].starts_with(r#"{"events":[{"#));
}

#[tokio::test]
async fn an_event_of_a_request_that_failed_is_attempted_alone() {
    let server = batch_server(500, "").await;
    let target = target(
        &server.url,
        json!({"batch": "array", "max_batch_events": 2}),
    )
    .await;
    let is_transient = |delivery: &Delivery| matches!(delivery, Delivery::Transient(failure) if failure.scope == Scope::Event);
    let first = deliver_each(&target, &[("a", 1), ("poison", 1)]).await;
    assert!(first.iter().all(is_transient), "{first:?}");
    let second = deliver_each(&target, &[("a", 2), ("poison", 2)]).await;
    assert_eq!(second[0], DELIVERED);
    assert!(is_transient(&second[1]), "{second:?}");
}

#[tokio::test]
async fn a_500_is_final_after_as_many_attempts_as_the_setting_says() {
    let server = batch_server(500, "").await;
    let target = target(&server.url, json!({"max_attempts_on_500": 2})).await;
    let delivered = deliver_each(&target, &[("poison", 1), ("poison", 2)]).await;
    assert!(
        matches!(
            &delivered[..],
            [Delivery::Transient(_), Delivery::Permanent(_)]
        ),
        "{delivered:?}"
    );
}

#[tokio::test]
async fn an_event_has_the_same_request_id_in_each_attempt() {
    let server = Server::accepting().await;
    let target = target(&server.url, json!({"request_id_parameter": "requestId"})).await;
    deliver_each(&target, &[("a", 1), ("a", 2), ("b", 1)]).await;
    let sent = server.sent.lock().unwrap();
    let mut ids: Vec<&str> = sent
        .iter()
        .map(|(parts, _)| parts.uri.query().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(
        ids.iter().all(|id| id.len() == "requestId=".len() + 36),
        "{ids:?}"
    );
}

/// Gives out credentials once, and after that none in time. Each further request is reported.
#[derive(Debug)]
struct Once {
    count: AtomicUsize,
    again: tokio::sync::mpsc::UnboundedSender<()>,
}

impl ProvideCredentials for Once {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        if self.count.fetch_add(1, Ordering::Relaxed) == 0 {
            let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
            return future::ProvideCredentials::ready(Ok(credentials));
        }
        self.again.send(()).unwrap();
        future::ProvideCredentials::new(std::future::pending())
    }
}

#[tokio::test]
async fn events_do_not_wait_while_credentials_that_are_still_valid_are_read_again() {
    let (again, mut asked_again) = tokio::sync::mpsc::unbounded_channel();
    let once = Once {
        count: AtomicUsize::new(0),
        again,
    };
    let server = Server::accepting().await;
    let config = config(json!({"url": server.url, "auth": "sigv4"}));
    let rereads = Rereads {
        every: Duration::ZERO,
        ..REREADS
    };
    let target = OpenLineage::open_with(&config, &aws_with(once), None, rereads)
        .await
        .unwrap();
    assert_eq!(deliver(&target).await, DELIVERED);
    let waiting = target.clone();
    let waiting = tokio::spawn(async move { deliver(&waiting).await });
    asked_again.recv().await.unwrap();
    assert_eq!(deliver(&target).await, DELIVERED);
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_is_not_asked_for_every_event() {
    let tokens = Server::start(|_, _| (503, String::new())).await;
    let section = json!({
        "auth": "oauth2", "client_id": "me", "api_key": "secret", "token_url": tokens.url
    });
    let target = target_with("http://127.0.0.1:9", section, REREADS).await;
    for _ in 0..3 {
        let Delivery::Transient(failure) = deliver(&target).await else {
            panic!("delivered");
        };
        assert_eq!(failure.reason, Reason::Unavailable);
    }
    assert_eq!(tokens.bodies().len(), 1);
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

#[tokio::test]
async fn an_outage_of_what_gives_out_aws_credentials_is_no_lack_of_rights() {
    #[derive(Debug)]
    struct Down;
    impl ProvideCredentials for Down {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let down = CredentialsError::provider_timed_out(Duration::from_secs(5));
            future::ProvideCredentials::ready(Err(down))
        }
    }
    let config = config(json!({"url": "http://127.0.0.1:9", "auth": "sigv4"}));
    let target = OpenLineage::open(&config, &aws_with(Down), None)
        .await
        .unwrap();
    let Delivery::Transient(failure) = deliver(&target).await else {
        panic!("delivered");
    };
    assert_eq!(failure.reason, Reason::Unavailable, "{failure:?}");
}

#[tokio::test]
async fn a_request_is_signed_with_the_credentials_of_the_process() {
    // A service names the key that it does not know.
    let server = Server::start(|parts, _| match parts.uri.query() {
        Some(_) => (
            400,
            r#"{"message": "the key AKIDEXAMPLE is not known"}"#.to_owned(),
        ),
        None => (201, String::new()),
    })
    .await;
    let aws = aws_with(Credentials::new(
        "AKIDEXAMPLE",
        "secret",
        None,
        None,
        "test",
    ));
    let accepted = config(json!({"url": server.url, "auth": "sigv4"}));
    let target = OpenLineage::open(&accepted, &aws, None).await.unwrap();
    assert_eq!(deliver(&target).await, DELIVERED);
    let authorization = server.headers("authorization").remove(0).unwrap();
    assert!(
        authorization
            .contains("/eu-west-1/execute-api/aws4_request, SignedHeaders=host;x-amz-date,"),
        "{authorization}"
    );
    let url = format!("{}/?refuse", server.url);
    let refused = config(json!({"url": url, "auth": "sigv4", "response": "redacted"}));
    let target = OpenLineage::open(&refused, &aws, None).await.unwrap();
    let Delivery::Permanent(failure) = deliver(&target).await else {
        panic!("delivered");
    };
    let message = failure.message;
    assert!(
        message.contains("is not known") && !message.contains("AKID"),
        "{message}"
    );
}
