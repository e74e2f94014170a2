//! Connections that are held open, flooded, fed a byte a second, or left unread.

use std::time::{Duration, Instant};

use testing::events::{event, event_with};
use testing::size;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::neighbours::{KEY, Neighbourhood, statuses};

const POST: &str =
    "POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-key-of-the-neighbour\r\n";

/// Whether the proxy has closed the connection: reading returns its end or an error.
fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 4_096]) {
        Ok(0) => true,
        Ok(_) => is_closed(stream),
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

async fn hold(
    neighbourhood: &Neighbourhood,
    count: usize,
    opening: impl Fn(usize) -> String,
) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for n in 0..count {
        let mut stream = neighbourhood.connect().await;
        let _ = stream.write_all(opening(n).as_bytes()).await;
        held.push(stream);
    }
    held
}

/// Sends a byte a second on each connection. Returns how many are still open at the end.
async fn drip(held: &mut [TcpStream], seconds: u64) -> usize {
    for _ in 0..seconds {
        for stream in held.iter() {
            let _ = stream.try_write(b"x"); // it may be closed
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    held.iter().filter(|stream| !is_closed(stream)).count()
}

/// The same, and then until at most `most` are open: a slow machine does not accept all of them at once.
async fn drip_until(held: &mut [TcpStream], seconds: u64, most: usize) -> usize {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let mut open = drip(held, seconds).await;
    while open > most {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{open} are open, not {most}"
        );
        open = drip(held, 1).await;
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_or_half_open_connections_lock_nobody_out() {
    let (most, count) = (size::of(200, 4_096), size::of(500, 10_000));
    let mut neighbourhood = Neighbourhood::start(&[("MAX_CONNECTIONS", &most.to_string())]).await;
    neighbourhood.allows_resend = true; // its connection may be the one that was idle for longest
    let mut held = hold(&neighbourhood, count, |n| match n % 3 {
        0 => String::new(),
        1 => POST.to_owned() + "X-Slow: ",
        _ => "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), // answered, and kept
    })
    .await;
    let open = drip_until(&mut held, size::of(2, 10), most).await;
    let later = drip(&mut held, size::of(0, 75)).await;
    if size::of(false, true) {
        assert_eq!(later, 0, "a head has to come in time");
    }
    let figures = format!("{count} connections, {open} kept, {later} after 75 s more");
    neighbourhood
        .end("idle connections and slow heads", 300, &figures)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_a_byte_a_second_lock_nobody_out() {
    let (most, count) = (size::of(200, 4_096), size::of(400, 5_000));
    let mut neighbourhood = Neighbourhood::start(&[("MAX_CONNECTIONS", &most.to_string())]).await;
    neighbourhood.allows_resend = true; // its connection may be the one that was idle for longest
    let mut held = hold(&neighbourhood, count, |_| {
        POST.to_owned() + "Content-Length: 100000\r\n\r\n{"
    })
    .await;
    let open = drip_until(&mut held, size::of(2, 5), most).await;
    let later = drip(&mut held, size::of(0, 70)).await;
    if size::of(false, true) {
        assert_eq!(later, 0, "a body has to come in time");
        let silent = neighbourhood
            .answers(
                (POST.to_owned() + "Content-Length: 9\r\n\r\n{").as_bytes(),
                1,
            )
            .await;
        assert_eq!(statuses(&silent), [503], "{silent}");
    }
    let figures = format!("{count} bodies, {open} kept, {later} after 70 s more");
    neighbourhood.end("slow bodies", 300, &figures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_bodies_are_rejected_and_not_kept() {
    let neighbourhood = Neighbourhood::start(&[]).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(size::of(3, 20));
    let mut senders = JoinSet::new();
    for n in 0..size::of(4, 16) {
        let address = neighbourhood.address;
        senders.spawn(async move {
            let (mut sent, mut answers) = (0_u64, Vec::new());
            let head = match n % 3 {
                0 => POST.to_owned() + "Transfer-Encoding: chunked\r\n\r\n",
                1 => POST.to_owned() + "Content-Length: 1000000000000000\r\n\r\n",
                _ => "POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .to_owned(),
            };
            let piece = [b"10000\r\n".as_slice(), &[b' '; 65_536], b"\r\n"].concat();
            while tokio::time::Instant::now() < until {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _ = stream.write_all(head.as_bytes()).await;
                let sending = async {
                    while stream.write_all(&piece).await.is_ok() {
                        sent += piece.len() as u64;
                    }
                };
                let _ = tokio::time::timeout_at(until, sending).await;
                let mut answer = [0; 4_096];
                let reading = stream.read(&mut answer);
                if let Ok(Ok(count)) =
                    tokio::time::timeout(Duration::from_millis(100), reading).await
                {
                    answers.extend(statuses(&String::from_utf8_lossy(&answer[..count])));
                }
            }
            (sent, answers)
        });
    }
    let mut total = 0;
    while let Some(done) = senders.join_next().await {
        let (sent, answers) = done.unwrap();
        total += sent;
        assert!(
            answers
                .iter()
                .all(|status| [413, 404, 503].contains(status)),
            "{answers:?}"
        );
    }
    let figures = format!("{} MB taken and forgotten", total >> 20);
    neighbourhood.end("bodies without end", 400, &figures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_that_stall_leave_memory_for_ordinary_events() {
    let (body, budget) = (size::of(2_000_000, 9_900_000), size::of(40, 256));
    let settings = [
        ("MAX_BODY_MEMORY", &*format!("{budget} MB")),
        ("MAX_BODY_SIZE", "10 MB"),
        ("MAX_DECOMPRESSED_SIZE", "12 MB"),
    ];
    let neighbourhood = Neighbourhood::start(&settings).await;
    let head = format!("{POST}Content-Length: 10000000\r\n\r\n");
    let spaces = vec![b' '; body];
    let mut held = Vec::new();
    for _ in 0..size::of(40, 100) {
        let mut stream = neighbourhood.connect().await;
        let _ = stream.write_all(head.as_bytes()).await;
        let whole = stream.write_all(&spaces);
        let _ = tokio::time::timeout(Duration::from_secs(5), whole).await;
        held.push(stream);
    }
    // An event of a common size is accepted beside them.
    let facet = format!(
        r#""x":{{"_producer":"urn:p","_schemaURL":"urn:s","text":"{}"}}"#,
        "x".repeat(100_000)
    );
    let middle = event_with(1, "START", &facet);
    let post = format!("{POST}Content-Length: {}\r\n\r\n{middle}", middle.len());
    let answer = neighbourhood.answers(post.as_bytes(), 1).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    let figures = format!(
        "{} bodies of {} MB, held, in a budget of {budget} MB",
        held.len(),
        body / 1_000_000
    );
    neighbourhood
        .end("large bodies held", size::of(250, 600), &figures)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_connections_are_closed() {
    let neighbourhood = Neighbourhood::start(&[]).await;
    let before = neighbourhood.descriptors();
    for n in 0..size::of(200, 5_000) {
        let mut stream = neighbourhood.connect().await;
        let whole = event(n, "START");
        let sent = match n % 4 {
            0 => format!("{POST}Content-Length: {}\r\n\r\n{whole}", whole.len()),
            1 => format!("{POST}Content-Length: 5000\r\n\r\n{whole}"),
            2 => POST.to_owned(),
            _ => format!("{POST}Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n"),
        };
        let _ = stream.write_all(sent.as_bytes()).await;
        let _ = stream.shutdown().await; // half closed; the other half with the drop
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while neighbourhood.descriptors() > before + 10 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{}",
            neighbourhood.descriptors()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    neighbourhood
        .end("connections left behind", 300, "half closed at every point")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_pages_of_the_store_are_not_kept_in_memory() {
    let (events, clients) = (size::of(150, 1_000), size::of(20, 100));
    let neighbourhood = Neighbourhood::start(&[]).await;
    let facet = format!(
        r#""x":{{"_producer":"urn:p","_schemaURL":"urn:s","text":"{}"}}"#,
        "x".repeat(200_000)
    );
    for n in 0..events {
        let large = event_with(n, "START", &facet);
        let url = format!("{}/api/v1/lineage", neighbourhood.serve.url);
        let post = neighbourhood
            .serve
            .http
            .post(url)
            .bearer_auth(KEY)
            .body(large);
        assert_eq!(post.send().await.unwrap().status(), 200);
    }
    let page = format!(
        "GET /api/v1/events/lineage?limit=1000&offset=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\r\n"
    );
    let held = hold(&neighbourhood, clients, |_| page.clone()).await;
    tokio::time::sleep(Duration::from_secs(size::of(3, 10))).await;
    drop(held);
    let far = page.replace("offset=0", "offset=4294967295");
    assert_eq!(
        statuses(&neighbourhood.answers(far.as_bytes(), 1).await),
        [200]
    );
    let figures = format!("{clients} pages of {events} events of 200 KB");
    neighbourhood.end("pages unread", 300, &figures).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_past_the_descriptor_limit_neither_ends_nor_spins_the_listener() {
    if !testing::needs::command("prlimit", "a flood past the limit of descriptors") {
        return;
    }
    let mut neighbourhood = Neighbourhood::start(&[]).await;
    neighbourhood.allows_resend = true;
    // The soft limit only: a hard limit that was lowered cannot be raised again.
    let limit = |files: usize| {
        let set = std::process::Command::new("prlimit")
            .args([
                "--pid",
                &neighbourhood.serve.id().to_string(),
                &format!("--nofile={files}:"),
            ])
            .status();
        assert!(set.expect("prlimit is needed").success());
    };
    // Below the limit from which the bound on connections was computed: accepting fails.
    limit(neighbourhood.descriptors() + 20);
    let count = size::of(100, 5_000);
    let held = hold(&neighbourhood, count, |_| String::new()).await;
    let failed = neighbourhood.serve.logged("failed to accept connection");
    // From here on the listener waits for free descriptors, and serves two neighbours.
    let (before, began) = (neighbourhood.cpu(), Instant::now());
    tokio::time::sleep(Duration::from_secs(size::of(4, 10))).await;
    let (spent, took) = (
        (neighbourhood.cpu() - before).as_secs_f64(),
        began.elapsed().as_secs_f64(),
    );
    drop(held);
    assert!(spent < 0.7 * took + 0.5, "{spent} s of CPU in {took} s");
    let lines = neighbourhood.serve.log.lock().unwrap().clone();
    let lines = lines.iter().filter(|line| line["fields"] == failed).count();
    assert!(lines < 60, "{lines} lines: {failed}");
    limit(1_024);
    let figures = format!(
        "{count} connections for 20 descriptors, {spent:.1} s CPU in {took:.1} s meanwhile, {lines} lines of log"
    );
    neighbourhood
        .end("flood past the descriptors", 300, &figures)
        .await;
}
