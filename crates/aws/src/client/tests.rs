//! Calls against a connection that answers from a list, and keeps what it was sent.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, StaticTimeSource};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_types::region::Region;

use super::*;
use crate::lambda::GetFunctionConfiguration;
use crate::logs::FilterLogEvents;
use crate::s3::{GetObject, PutObject};
use crate::secrets_manager::GetSecretValue;

const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEJr";

/// A response: status, headers, body. `None`: the connection breaks.
type Answer = Option<(u16, &'static [(&'static str, &'static str)], Vec<u8>)>;

/// What was sent: method, URL, headers, body.
type CapturedRequest = (String, String, Vec<(String, String)>, Vec<u8>);

#[derive(Debug, Clone, Default)]
struct Wire {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<CapturedRequest>>>,
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.sent.lock().unwrap().push((
            request.method().to_owned(),
            request.uri().to_owned(),
            headers.collect(),
            request.body().bytes().unwrap_or_default().to_vec(),
        ));
        let Some((status, headers, body)) = self.answers.lock().unwrap().pop_front().flatten()
        else {
            return HttpConnectorFuture::ready(Err(ConnectorError::io("broken".into())));
        };
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn answer(status: u16, body: &str) -> Answer {
    Some((status, &[], body.as_bytes().to_vec()))
}

fn account(answers: impl IntoIterator<Item = Answer>) -> (Aws, Wire) {
    let wire = Wire::default();
    wire.answers.lock().unwrap().extend(answers);
    let connector = SharedHttpConnector::new(wire.clone());
    let credentials = Credentials::new(
        "AKIDEXAMPLE",
        SECRET_KEY,
        Some(TOKEN.to_owned()),
        None,
        "test",
    );
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .time_source(SharedTimeSource::new(StaticTimeSource::new(
            UNIX_EPOCH + Duration::from_secs(1_440_938_160),
        )))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
        .build();
    (Aws::from(config), wire)
}

fn header<'s>(sent: &'s CapturedRequest, name: &str) -> Option<&'s str> {
    let found = sent.2.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

fn secret() -> GetSecretValue {
    GetSecretValue {
        secret_id: "keys".to_owned(),
    }
}

#[tokio::test]
async fn a_request_is_signed_for_its_service_and_region() {
    let (aws, wire) = account([answer(200, r#"{"SecretString":"s3cr3t"}"#)]);
    let value = aws.client().region("us-gov-west-1").send(&secret()).await;
    assert_eq!(value.unwrap().secret_string.as_deref(), Some("s3cr3t"));
    let sent = wire.sent.lock().unwrap();
    let (method, url, _, body) = &sent[0];
    assert_eq!(method, "POST");
    assert_eq!(url, "https://secretsmanager.us-gov-west-1.amazonaws.com/");
    assert_eq!(body, br#"{"SecretId":"keys"}"#);
    let signature = header(&sent[0], "authorization").unwrap();
    let scope = "Credential=AKIDEXAMPLE/20150830/us-gov-west-1/secretsmanager/aws4_request";
    assert!(signature.contains(scope), "{signature}");
    assert_eq!(header(&sent[0], "x-amz-security-token"), Some(TOKEN));
    assert_eq!(
        header(&sent[0], "x-amz-target"),
        Some("secretsmanager.GetSecretValue")
    );
    assert!(
        header(&sent[0], "user-agent")
            .unwrap()
            .starts_with("aws-sdk-rust/")
    );
}

#[tokio::test]
async fn an_object_is_sent_with_its_hash_and_its_path_encoded_once() {
    let (aws, wire) = account([answer(200, "")]);
    let put = PutObject {
        bucket: "my-events".to_owned(),
        key: "events/a b+ä".to_owned(),
        content_type: "application/json",
        body: "{}".into(),
    };
    aws.client().send(&put).await.unwrap();
    let sent = wire.sent.lock().unwrap();
    let url = "https://my-events.s3.eu-west-1.amazonaws.com/events/a%20b%2B%C3%A4?x-id=PutObject";
    assert_eq!((sent[0].0.as_str(), sent[0].1.as_str()), ("PUT", url));
    let hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(header(&sent[0], "x-amz-content-sha256"), Some(hash));
    let checksum = "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=";
    assert_eq!(header(&sent[0], "x-amz-checksum-sha256"), Some(checksum));
    assert_eq!(header(&sent[0], "content-length"), Some("2"));
}

#[tokio::test]
async fn what_may_pass_is_tried_three_times_and_what_will_not_once() {
    let ok = || answer(200, r#"{"State":"Active"}"#);
    let code = |status, code: &str| answer(status, &format!(r#"{{"__type":"{code}"}}"#));
    let cases = [
        (vec![None, answer(503, ""), ok()], 3, true),
        (
            vec![
                code(429, "TooManyRequestsException"),
                code(400, "ThrottlingException"),
                ok(),
            ],
            3,
            true,
        ),
        (
            vec![answer(500, ""), answer(502, ""), answer(504, ""), ok()],
            3,
            false,
        ),
        (vec![code(403, "AccessDeniedException"), ok()], 1, false),
        (vec![code(404, "ResourceNotFoundException"), ok()], 1, false),
    ];
    for (answers, attempts, succeeds) in cases {
        let shown = format!("{answers:?}");
        let (aws, wire) = account(answers);
        let get = GetFunctionConfiguration {
            function_name: "f".to_owned(),
        };
        // A budget of its own: it is kept for each region.
        let region = format!("eu-test-{}", shown.len());
        let result = aws.client().region(region).send(&get).await;
        assert_eq!(wire.sent.lock().unwrap().len(), attempts, "{shown}");
        assert_eq!(result.is_ok(), succeeds, "{shown}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read() {
    let get = GetObject {
        bucket: "my-events".to_owned(),
        key: "k".to_owned(),
    };
    let large = || answer(200, &"x".repeat(11));
    let announced = Some((200, &[("content-length", "11")][..], vec![b'x'; 11]));
    for (answers, attempts) in [(vec![announced], 1), (vec![large(), large(), large()], 3)] {
        let (aws, wire) = account(answers);
        let error = aws.client().max_bytes(10).send(&get).await.unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { limit: 10, .. }),
            "{error:?}"
        );
        assert_eq!(wire.sent.lock().unwrap().len(), attempts);
    }
    let (aws, _) = account([answer(200, &"x".repeat(10))]);
    assert_eq!(
        aws.client().max_bytes(10).send(&get).await.unwrap().len(),
        10
    );
}

#[tokio::test]
async fn an_object_with_another_checksum_is_not_returned() {
    const WRONG: &[(&str, &str)] = &[(
        "x-amz-checksum-sha256",
        "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=",
    )];
    const OF_PARTS: &[(&str, &str)] = &[(
        "x-amz-checksum-sha256",
        "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=-3",
    )];
    let get = GetObject {
        bucket: "my-events".to_owned(),
        key: "k".to_owned(),
    };
    for (headers, body, is_good) in [
        (WRONG, "{}", true),
        (WRONG, "{", false),
        (OF_PARTS, "{", true),
    ] {
        let (aws, _) = account([Some((200, headers, body.into()))]);
        let result = aws.client().send(&get).await;
        assert_eq!(result.is_ok(), is_good, "{result:?}");
    }
}

#[tokio::test]
async fn pages_end_with_the_last_token_and_with_one_that_repeats() {
    let page = |token: &str| answer(200, &format!(r#"{{"events":[],"nextToken":"{token}"}}"#));
    for (answers, expected) in [
        (vec![page("a"), page("b"), answer(200, "{}")], 3),
        (vec![page("a"), page("a"), page("a")], 2),
    ] {
        let (aws, wire) = account(answers);
        let mut pages = aws.client().pages(FilterLogEvents {
            log_group_name: Some("g".to_owned()),
            ..FilterLogEvents::default()
        });
        let mut count = 0;
        while let Some(page) = pages.next().await {
            page.unwrap();
            count += 1;
        }
        assert_eq!(count, expected);
        let sent = wire.sent.lock().unwrap();
        assert_eq!(sent[0].3, br#"{"logGroupName":"g"}"#);
        assert_eq!(sent[1].3, br#"{"logGroupName":"g","nextToken":"a"}"#);
    }
}

#[tokio::test]
async fn an_error_has_code_status_and_request_id_and_no_secret() {
    let quoting =
        format!(r#"{{"__type":"InvalidSignatureException","message":"{TOKEN} {SECRET_KEY}"}}"#);
    let (aws, _) = account([Some((
        400,
        &[("x-amzn-requestid", "r-1")][..],
        quoting.into_bytes(),
    ))]);
    let error = aws.client().send(&secret()).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidSignatureException"));
    assert!(error.is("InvalidSignatureException"));
    assert_eq!(
        error.to_string(),
        "InvalidSignatureException (status 400, request r-1)"
    );
    let (aws, _) = account([None, None, None]);
    let broken = aws.client().send(&secret()).await.unwrap_err();
    assert!(matches!(broken, Error::NoResponse { .. }), "{broken:?}");
    let (aws, _) = account([answer(200, r#"{"SecretString": 7"#)]);
    let unreadable = aws.client().send(&secret()).await.unwrap_err();
    assert!(
        matches!(unreadable, Error::Unreadable { .. }),
        "{unreadable:?}"
    );
    for error in [error, broken, unreadable] {
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains(TOKEN) && !shown.contains(SECRET_KEY),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn without_region_or_credentials_nothing_is_sent() {
    let config = || SdkConfig::builder().behavior_version(BehaviorVersion::latest());
    let error = Aws::from(config().build())
        .client()
        .send(&secret())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::NotSent { source, .. } if source.to_string().contains("AWS_REGION")),
        "{error:?}"
    );
    let wire = Wire::default();
    let connector = SharedHttpConnector::new(wire.clone());
    let config = config()
        .region(Region::new("eu-west-1"))
        .http_client(http_client_fn(move |_, _| connector.clone()));
    Aws::from(config.build())
        .client()
        .send(&secret())
        .await
        .unwrap_err();
    assert!(wire.sent.lock().unwrap().is_empty());
}

/// S3 on this machine, which answers one request by `answer`; and a client of it.
fn server(answer: impl FnOnce(TcpStream) + Send + 'static) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || answer(listener.accept().unwrap().0));
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET_KEY, None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .build();
    Aws::from(config).client().timeout(Duration::from_secs(60))
}

fn object() -> GetObject {
    GetObject {
        bucket: "events".to_owned(),
        key: "large".to_owned(),
    }
}

#[tokio::test]
async fn an_answer_that_is_slow_and_moves_may_take_longer_than_its_first_byte() {
    let pieces = 25;
    let client = server(move |mut stream| {
        let _ = stream.read(&mut [0; 4_096]).unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {pieces}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        for _ in 0..pieces {
            std::thread::sleep(Duration::from_millis(100));
            stream.write_all(b"x").unwrap();
        }
    });
    let client = client.first_byte(Duration::from_secs(2));
    let answer = client.send(&object()).await;
    assert_eq!(answer.unwrap().len(), pieces);
}

#[tokio::test]
async fn an_answer_that_does_not_begin_is_not_waited_for() {
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let client = server(move |_stream| {
        let _ = ended.recv(); // until the test ends
    });
    let client = client.first_byte(Duration::from_millis(50));
    let error = client.send(&object()).await.unwrap_err();
    assert!(matches!(error, Error::NoResponse { .. }), "{error:?}");
    drop(end);
}
