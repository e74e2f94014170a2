//! A client that sees no answer in time sends the same bytes again: it is delivered once, and the others are counted.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::size;
use crate::support::{Serve, Target, event, eventually};

/// Posts and hangs up without waiting for the answer, as a client does whose time-out is over.
async fn post_and_hang_up(serve: &Serve, body: &str) {
    let address = serve.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn what_a_client_sends_six_times_is_delivered_once_and_counted() {
    let target = Target::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", target.url.as_str()),
    ];
    let serve = Serve::start(folder.path(), &settings);
    let events = size::of(50, 1_000);
    let tries = 6;
    for n in 0..events {
        let body = event(n, "START");
        for _ in 1..tries {
            post_and_hang_up(&serve, &body).await;
        }
        assert_eq!(serve.post(&body).await.status(), 200);
        // Several batches, so that it is not only within one that they are told apart.
        if n % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
    target.taken_when(events as usize).await;
    // Nothing more to tell: all that was accepted has its outcome.
    let accepted = eventually(|| {
        let outcomes = serve.outcomes().len();
        std::thread::sleep(Duration::from_secs(1));
        (serve.outcomes().len() == outcomes).then_some(outcomes)
    });
    let taken = target.taken.lock().unwrap().clone();
    let mut once = taken.clone();
    once.sort();
    once.dedup();
    assert_eq!(
        (taken.len(), once.len()),
        (events as usize, events as usize)
    );
    let metrics = serve.http.get(format!("{}/metrics", serve.url)).send();
    let metrics = metrics.await.unwrap().text().await.unwrap();
    let dropped = accepted - taken.len();
    let counted = format!(r#"lineage_proxy_dropped_total{{rule="duplicate"}} {dropped}"#);
    assert!(dropped > 0 && metrics.contains(&counted), "{metrics}");
    size::told(
        "the same bytes six times",
        &format!(
            "{accepted} accepted, {} delivered, {dropped} dropped as duplicates",
            taken.len()
        ),
    );
}
