//! Stopping: under load, with a target that hangs, twice, during the start.
//!
//! Every accepted event gets its response, and is then delivered or still queued; the process ends with status 0, in time.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use testing::events::{COALESCE, event, numbered};
use testing::ledger::Ledger;
use testing::serve::aws;
use testing::{Fault, FaultKind, FaultyTarget, Serve, eventually, queued, size, write};

use crate::clients::Clients;
use crate::data_folder::{are_whole, drained, read_store};

/// How long a stop may take (8 s), and what a busy machine needs in addition.
const MAX_STOP: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_completes_its_requests_and_loses_nothing() {
    let stops: u64 = size::of(3, 100);
    let seed = size::seed("stops under load");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let rules = write(folder.path(), "transforms.yaml", COALESCE);
    let settings = [("RULES_FILE", rules.to_str().unwrap())];
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let next = Arc::new(AtomicU64::new(0));
    let http = reqwest::Client::new();
    for stop in 0..stops {
        let serve = Serve::start(&data, &settings);
        let load = (32, Duration::from_millis(20));
        let clients = Clients::start(
            (&http, &serve.url),
            &ledger,
            &next,
            load,
            seed.wrapping_add(stop),
        );
        let before = ledger.lock().unwrap().accepted.len();
        // The first in any case, so that something was accepted.
        if random.u8(0..4) > 0 || stop == 0 {
            clients.have_accepted(before).await;
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
        let signal = ["TERM", "INT"][random.usize(0..2)];
        serve.signal(signal);
        let ended = tokio::task::spawn_blocking(move || serve.ended()).await;
        assert_eq!(ended.unwrap(), Some(0), "after SIG{signal}");
        clients.end().await;
    }
    let serve = Serve::start(&data, &settings);
    drained(&data).await;
    assert_eq!(serve.terminate(), Some(0));
    are_whole(&data, &["events.db"]);
    let mut ledger = ledger.lock().unwrap();
    read_store(&data, &mut ledger);
    let duplicates = ledger.check("stops under load");
    // Every event in the store got a response: none is there that no client knows of.
    let unanswered = ledger
        .delivered
        .keys()
        .filter(|n| !ledger.accepted.contains(n))
        .count();
    assert_eq!((unanswered, duplicates), (0, 0));
    let accepted = ledger.accepted.len();
    let sent = next.load(Ordering::Relaxed);
    size::measured(
        "stops under load",
        &format!(
            "{stops} stops, {sent} events sent, {accepted} answered 200, 0 lost, 0 without a response, 0 delivered again"
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_a_target_that_hangs_ends_in_time_and_keeps_the_batch() {
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let target = FaultyTarget::with_ledger(ledger.clone()).await;
    target.delay(Duration::from_secs(600));
    let folder = tempfile::tempdir().unwrap();
    let mut settings = vec![
        ("TARGET", "openlineage"),
        ("OPENLINEAGE_URL", target.url.as_str()),
        ("OPENLINEAGE_TIMEOUT", "300"),
    ];
    let serve = Serve::start(folder.path(), &settings);
    for n in 0..8 {
        let answer = serve.post(&numbered(n)).await;
        assert_eq!(answer.status(), 200);
        ledger.lock().unwrap().accepted.insert(n);
    }
    eventually(|| (target.figures().posts > 0).then_some(()));
    let signalled = Instant::now();
    serve.signal("TERM");
    serve.signal("TERM"); // a second signal changes nothing
    let ended = tokio::task::spawn_blocking(move || serve.ended()).await;
    assert_eq!(ended.unwrap(), Some(0));
    let took = signalled.elapsed();
    assert!(took < MAX_STOP, "{took:?}");

    // Only what is delivered from now on counts: a request that hung may have been delivered in part.
    ledger.lock().unwrap().delivered.clear();
    target.delay(Duration::ZERO);
    settings.pop();
    let _serve = Serve::start(folder.path(), &settings);
    drained(folder.path()).await;
    ledger
        .lock()
        .unwrap()
        .check("a stop with a target that hangs");
    let took = took.as_millis();
    size::measured(
        "stop, target hangs",
        &format!("8 events kept, ended after {took} ms"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_a_request_in_progress() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let address = serve.url.trim_start_matches("http://");
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = event(1, "START");
    let (first, rest) = body.split_at(40);
    let head = format!(
        "POST /api/v1/lineage HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    // The request is in progress when the proxy asks for the body.
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(first.as_bytes()).await.unwrap();
    serve.signal("TERM");
    // It no longer listens, and still reads the rest.
    eventually(|| std::net::TcpStream::connect(address).err());
    connection.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let ended = tokio::task::spawn_blocking(move || serve.ended()).await;
    assert_eq!(ended.unwrap(), Some(0));
    let serve = Serve::start(folder.path(), &[]);
    assert_eq!(serve.stored_when(1).await, [body]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_the_start_is_not_a_crash() {
    let stops = size::of(10, 300);
    let mut random = fastrand::Rng::with_seed(5);
    let folder = tempfile::tempdir().unwrap();
    // Rules in a bucket that accepts the connection and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let slow = [("RULES_FILE", "s3://rules/transforms.yaml")];
    let serve = Serve::spawn(folder.path(), &slow, &aws(&endpoint));
    silent.accept().unwrap();
    let signalled = Instant::now();
    serve.signal("TERM");
    assert_eq!(serve.ended(), Some(0));
    assert!(signalled.elapsed() < MAX_STOP);

    // And at any moment of a fast start: before the process listens for signals, a signal ends it as it ends any process;
    // after that, it ends with status 0.
    let (mut stopped, mut early) = (0, 0);
    for _ in 0..stops {
        let serve = Serve::spawn(folder.path(), &[], &[]);
        tokio::time::sleep(Duration::from_micros(random.u64(0..100_000))).await;
        serve.signal("TERM"); // not INT, which shells ignore in processes that they start in the background
        match serve.ended() {
            Some(0) => stopped += 1,
            None => early += 1,
            Some(status) => panic!("status {status}"),
        }
    }
    let serve = Serve::start(folder.path(), &[]);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    assert_eq!(serve.stored_when(1).await.len(), 1);
    size::measured(
        "stop during the start",
        &format!("{stops} stops: {stopped} ended with 0, {early} before it listened for signals"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_in_time_whatever_the_target_does_with_its_connection() {
    // Sends nothing, not even in the TLS handshake; drips a head that never ends; responds, and drips the body.
    let drips = [
        ("http", FaultKind::Hang),
        ("https", FaultKind::Hang),
        ("http", FaultKind::Drip("HTTP/1.1 200 OK\r\nx-", "x")),
        (
            "http",
            FaultKind::Drip(
                "HTTP/1.1 503 Unavailable\r\ncontent-length: 1000000\r\n\r\n",
                "x",
            ),
        ),
    ];
    for (scheme, fault) in drips {
        let target = FaultyTarget::start(Fault::Always(fault.clone())).await;
        let url = target.url.replacen("http", scheme, 1);
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("TARGET", "openlineage"),
            ("OPENLINEAGE_URL", url.as_str()),
            ("OPENLINEAGE_TIMEOUT", "300"),
            ("QUEUE_VISIBILITY_TIMEOUT", "600"),
        ];
        let serve = Serve::start(folder.path(), &settings);
        for n in 0..3 {
            assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
        }
        eventually(|| (target.figures().connections > 0).then_some(()));
        let signalled = Instant::now();
        serve.signal("TERM");
        let ended = tokio::task::spawn_blocking(move || serve.ended()).await;
        assert_eq!(ended.unwrap(), Some(0));
        let took = signalled.elapsed();
        assert!(took < MAX_STOP, "{scheme} {fault:?}: {took:?}");
        // Returned to the queue, and not only invisible until the next start.
        assert_eq!(queued(folder.path()), Some(3));
        size::measured(
            "stop, target drips",
            &format!(
                "{scheme}: 3 events kept, ended after {} ms",
                took.as_millis()
            ),
        );
    }
}
