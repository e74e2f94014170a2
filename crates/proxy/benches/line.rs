//! The line, measured through the real binaries: ingest, a batch, cold starts, memory.
//!
//! `cargo bench -p proxy --bench line`. Prints a table for the README. Figures are medians or totals of one run, ratios
//! are against the floor measured in the same run. With `SQS_ENDPOINT` set (an SQS-compatible server), ingest is
//! measured with SQS too.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod parts;

use std::time::{Duration, Instant};

use aws_stand_in::{Settings, StandIn};
use journal::Journal;
use parts::{Function, Process, event, median, post_all, sqs_event};

const CLIENTS: usize = 32;
/// Fewer than a batch can hold, so that nothing is taken out while ingest alone is measured.
const REQUESTS: usize = 9_600;
const SIZE: usize = 2_000;

#[tokio::main]
async fn main() {
    println!("| what | figure |\n|---|---|");
    let floor = floor().await;
    println!("| store alone, 2 KB rows in groups of {CLIENTS} | {floor:.0} rows/s |");
    ingest(floor).await;
    ingest_sqs().await;
    batch_of_20().await;
    cold_starts().await;
    peak().await;
}

/// What the embedded store does by itself: one writer's groups of 32 rows of 2 KB.
async fn floor() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let schema = "CREATE TABLE m (seq INTEGER PRIMARY KEY, id TEXT, body TEXT, received_at INTEGER, visible_at INTEGER);
                  CREATE INDEX i ON m (visible_at, seq)";
    let journal = Journal::open(&folder.path().join("floor.db"), schema).unwrap();
    let body = event(0, SIZE);
    let started = Instant::now();
    for _ in 0..REQUESTS / CLIENTS {
        let body = body.clone();
        let insert = move |connection: &rusqlite::Connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO m (id, body, received_at, visible_at) VALUES ('x', ?1, 1, 1)",
            )?;
            (0..CLIENTS).try_for_each(|_| insert.execute([&body]).map(drop))
        };
        journal.write(insert).await.unwrap();
    }
    REQUESTS as f64 / started.elapsed().as_secs_f64()
}

async fn ingest(floor: f64) {
    let alone = [
        ("LINEAGE_PROXY_BATCH_SIZE", "10000"),
        ("LINEAGE_PROXY_BATCH_WINDOW", "300"),
    ];
    for (what, settings) in [
        ("ingest alone", &alone[..]),
        ("the whole line, into the store", &[]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().to_str().unwrap();
        let own = [
            ("LINEAGE_PROXY_DATA_DIR", data_dir),
            ("LINEAGE_PROXY_LISTEN", "127.0.0.1:0"),
        ];
        let process = Process::serve(&[settings, &own].concat());
        let (cpu, started) = (process.cpu(), Instant::now());
        post_all(&process.url, CLIENTS, REQUESTS, SIZE).await;
        let rate = REQUESTS as f64 / started.elapsed().as_secs_f64();
        let cpu = (process.cpu() - cpu).as_secs_f64() * 1e6 / REQUESTS as f64;
        let share = rate / floor * 100.0;
        println!(
            "| {what}: embedded queue, 2 KB, {CLIENTS} clients | {rate:.0} requests/s ({share:.0} % of the store alone), {cpu:.0} µs CPU a request |"
        );
    }
}

async fn ingest_sqs() {
    let Ok(endpoint) = std::env::var("SQS_ENDPOINT") else {
        println!("| ingest, SQS | not measured: SQS_ENDPOINT is not set |");
        return;
    };
    let url = std::env::var("SQS_QUEUE_URL").expect("SQS_QUEUE_URL goes with SQS_ENDPOINT");
    let settings = [
        ("LINEAGE_PROXY_QUEUE_URL", url.as_str()),
        ("LINEAGE_PROXY_QUEUE_DEAD_LETTER_URL", url.as_str()),
        ("LINEAGE_PROXY_ONLY", "ingest"),
        ("LINEAGE_PROXY_LISTEN", "127.0.0.1:0"),
        ("AWS_ENDPOINT_URL_SQS", endpoint.as_str()),
    ];
    let process = Process::serve(&settings);
    const REQUESTS: usize = 2_000; // the emulator is the slow part
    post_all(&process.url, 8, 200, SIZE).await;
    let (cpu, started) = (process.cpu(), Instant::now());
    post_all(&process.url, 8, REQUESTS, SIZE).await;
    let rate = REQUESTS as f64 / started.elapsed().as_secs_f64();
    let cpu = (process.cpu() - cpu).as_secs_f64() * 1e6 / REQUESTS as f64;
    println!(
        "| ingest, SQS (emulated, which bounds the rate), 2 KB, 8 clients | {rate:.0} requests/s, {cpu:.0} µs CPU a request |"
    );
}

async fn batch_of_20() {
    let (_datazone, mut function) = batch_function(50).await;
    function.invoke(sqs_event(0, 20, SIZE)).await; // connections
    let (cpu, mut walls) = (function.cpu(), Vec::new());
    const BATCHES: u32 = 50;
    for n in 1..=BATCHES {
        let started = Instant::now();
        function.invoke(sqs_event(n, 20, SIZE)).await;
        walls.push(started.elapsed());
    }
    let cpu = (function.cpu() - cpu).as_secs_f64() * 1e3 / f64::from(BATCHES);
    println!(
        "| batch of 20 against a target that takes 50 ms | {:.1} ms wall (median), {cpu:.1} ms CPU |",
        median(walls).as_secs_f64() * 1e3
    );
}

async fn cold_starts() {
    let mut firsts = Vec::new();
    for n in 0..12 {
        let (_datazone, mut function) = batch_function(0).await;
        function.invoke(sqs_event(n, 1, SIZE)).await;
        firsts.push(function.since_exec());
    }
    println!(
        "| batch function, exec to first batch delivered | {:.1} ms (median of 12) |",
        median(firsts).as_secs_f64() * 1e3
    );
    let mut firsts = Vec::new();
    for _ in 0..12 {
        let mut function = Function::start(
            env!("CARGO_BIN_EXE_ingest"),
            &[
                ("LINEAGE_PROXY_QUEUE_URL", "http://127.0.0.1:9/0/q"),
                ("LINEAGE_PROXY_AUTH_ALLOW_ANONYMOUS", "true"),
            ],
        )
        .await;
        function.invoke(parts::http_event("GET", "/healthz")).await;
        firsts.push(function.since_exec());
    }
    println!(
        "| ingest function, exec to first answer | {:.1} ms (median of 12) |",
        median(firsts).as_secs_f64() * 1e3
    );
}

async fn peak() {
    let (_datazone, mut function) = batch_function(50).await;
    for n in 0..10 {
        function.invoke(sqs_event(n, 20, 200_000)).await;
    }
    println!(
        "| batch function, peak memory after ten batches of 20 × 200 KB | {:.0} MB |",
        function.peak_mb()
    );
}

async fn batch_function(latency_ms: u64) -> (StandIn, Function) {
    let settings = Settings {
        rate: 0,
        latency_ms,
        ..Settings::default()
    };
    let datazone = StandIn::start("127.0.0.1:0".parse().unwrap(), settings)
        .await
        .unwrap();
    let url = datazone.url();
    let function = Function::start(
        env!("CARGO_BIN_EXE_batch"),
        &[
            ("LINEAGE_PROXY_QUEUE_URL", "http://127.0.0.1:9/0/q"),
            (
                "LINEAGE_PROXY_QUEUE_DEAD_LETTER_URL",
                "http://127.0.0.1:9/0/d",
            ),
            ("LINEAGE_PROXY_TARGET", "datazone"),
            ("LINEAGE_PROXY_DATAZONE_DOMAIN_ID", "dzd_standin"),
            ("LINEAGE_PROXY_DATAZONE_POSTS_PER_SECOND", "100000"),
            ("AWS_ENDPOINT_URL_DATAZONE", &url),
        ],
    )
    .await;
    (datazone, function)
}

/// How long anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
