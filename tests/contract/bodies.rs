//! How bodies may be sent: codings, chunks, sizes, and early rejections.

use std::io::{Read, Write};
use std::net::TcpStream;

use testing::events::{event, gzip};
use testing::start_serve;

use super::KEY;

#[tokio::test]
async fn bodies_come_in_every_coding_that_clients_use() {
    let (_folder, serve) = start_serve(&[
        ("MAX_BODY_SIZE", "20 KB"),
        ("MAX_DECOMPRESSED_SIZE", "100 KB"),
    ]);
    let send = async |content_type: &'static str, coding: Option<&'static str>, body: Vec<u8>| {
        let mut post = serve
            .http
            .post(format!("{}/api/v1/lineage", serve.url))
            .header("content-type", content_type);
        if let Some(coding) = coding {
            post = post.header("content-encoding", coding);
        }
        post.body(body).send().await.unwrap().status().as_u16()
    };
    let plain = event(1, "START").into_bytes();
    let large = event(1, "START")
        .replace(r#""x":1.0"#, &format!(r#""x":"{}""#, "y".repeat(200_000)))
        .into_bytes();
    let json = "application/json";
    assert_eq!(send(json, None, plain.clone()).await, 200);
    assert_eq!(
        send(
            "application/json; charset=UTF-8",
            Some("identity"),
            plain.clone()
        )
        .await,
        200
    );
    assert_eq!(
        send(
            "application/vnd.openlineage+json",
            Some("gzip"),
            gzip(&plain)
        )
        .await,
        200
    );
    assert_eq!(
        send("application/json; charset=latin1", None, plain.clone()).await,
        415
    );
    assert_eq!(
        send("application/x-www-form-urlencoded", None, plain.clone()).await,
        415
    );
    assert_eq!(send("text/plain", None, plain.clone()).await, 415);
    assert_eq!(send(json, Some("br"), plain.clone()).await, 415);
    // A gateway that unpacks may leave the header where it was, or take it away.
    assert_eq!(send(json, Some("gzip"), plain.clone()).await, 200);
    assert_eq!(send(json, None, gzip(&plain)).await, 200);
    assert_eq!(send(json, Some("gzip"), b"neither".to_vec()).await, 400);
    assert_eq!(send(json, None, large.clone()).await, 413);
    assert_eq!(send(json, Some("gzip"), gzip(&large)).await, 413);
}

#[tokio::test]
async fn a_client_that_is_rejected_early_receives_the_response_and_not_a_reset() {
    let (_folder, serve) = start_serve(&[("AUTH_KEYS", KEY)]);
    let body = "x".repeat(4_000_000);
    for (path, status) in [("/api/v1/lineage", 401), ("/nowhere", 404)] {
        for _ in 0..5 {
            assert_eq!(serve.post_to(path, &body).await.status(), status);
        }
    }
}

#[tokio::test]
async fn a_chunked_body_without_a_length_is_accepted() {
    let (_folder, serve) = start_serve(&[]);
    let event = event(1, "START");
    let (first, second) = event.split_at(100);
    let mut connection = TcpStream::connect(serve.url.strip_prefix("http://").unwrap()).unwrap();
    write!(
        connection,
        "POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
