//! Tokens that a credential is exchanged for.

use super::*;

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

/// In a process of its own, since the environment is that of all tests.
#[expect(
    clippy::disallowed_methods,
    reason = "a test tells itself by it that it is the child"
)]
#[test]
fn the_metadata_server_is_asked_without_a_proxy() {
    const CHILD: &str = "TEST_OF_METADATA_WITHOUT_A_PROXY";
    if std::env::var_os(CHILD).is_some() {
        return ask_for_a_token();
    }
    let name = "kind::openlineage::tests::tokens::the_metadata_server_is_asked_without_a_proxy";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        // Nothing listens there.
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("1 passed"), "{said}");
}

#[tokio::main(flavor = "current_thread")]
async fn ask_for_a_token() {
    let token = |_: &Parts, _: &str| (200, json!({"access_token": "t"}).to_string());
    let metadata = Server::start(token).await;
    let url = format!("{}/computeMetadata/v1/token", metadata.url);
    let section = json!({"auth": "google_metadata", "token_url": url});
    // The request itself goes to the proxy, which is not there.
    let target = target("http://127.0.0.1:9", section).await;
    assert_ne!(deliver(&target).await, DELIVERED);
    assert_eq!(metadata.sent.lock().unwrap().len(), 1);
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
