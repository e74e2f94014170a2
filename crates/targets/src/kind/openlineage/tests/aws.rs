//! Requests that are signed with the credentials of AWS, and what gives these out.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use super::*;

/// The AWS configuration of a process in `eu-west-1`.
fn aws_with(credentials: impl ProvideCredentials + 'static) -> Aws {
    let config = aws_config::SdkConfig::builder()
        .region(aws_config::Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Aws::from(config)
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
    let rereads = RereadPolicy {
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
