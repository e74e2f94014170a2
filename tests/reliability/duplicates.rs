//! A client that gets no response in time sends the same bytes again: the event is delivered once, and the duplicates are
//! counted.

use std::path::Path;
use std::time::{Duration, Instant};

use testing::events::event;
use testing::{Fault, FaultyTarget, Serve, queued, size};
use tokio::io::AsyncWriteExt;

/// Posts and hangs up without waiting for the answer, as a client does whose time-out is over.
pub(crate) async fn post_and_hang_up(serve: &Serve, body: &str) {
    let address = serve.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn an_event_that_a_client_sends_six_times_is_delivered_once_and_counted() {
    let target = FaultyTarget::start(Fault::None).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = target.settings();
    let serve = Serve::start(folder.path(), &settings);
    let events = size::of(50, 1_000);
    let attempts = 6;
    for n in 0..events {
        let body = event(n, "START");
        for _ in 1..attempts {
            post_and_hang_up(&serve, &body).await;
        }
        assert_eq!(serve.post(&body).await.status(), 200);
        // Several batches, so that duplicates are found across batches too.
        if n % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
    target.accepted_when(events as usize).await;
    let accepted = settled(&serve, folder.path()).await;
    let taken = target.accepted();
    let mut once = taken.clone();
    once.sort();
    once.dedup();
    assert_eq!(
        (taken.len(), once.len()),
        (events as usize, events as usize)
    );
    let dropped = accepted - taken.len();
    let counted = r#"lineage_proxy_dropped_total{target="openlineage",rule="builtin/duplicate"}"#;
    assert_eq!(serve.counter(counted).await, dropped as u64);
    assert!(dropped > 0);
    size::measured(
        "the same bytes six times",
        &format!(
            "{accepted} accepted, {} delivered, {dropped} dropped as duplicates",
            taken.len()
        ),
    );
}

/// How many outcomes there are, once nothing is in the queue and no more comes: a client that has hung up may be heard
/// late. The counter of accepted events does not know those whose client was gone before the answer.
async fn settled(serve: &Serve, folder: &Path) -> usize {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut last = ((0, 0), Instant::now());
    loop {
        let received = serve.counter("lineage_proxy_received_total").await;
        let now = (received, serve.outcomes().len());
        let left = queued(folder);
        if now != last.0 || left != Some(0) {
            last = (now, Instant::now());
        }
        if last.1.elapsed() > Duration::from_secs(1) {
            return now.1;
        }
        assert!(Instant::now() < deadline, "{left:?} in the queue, {now:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
