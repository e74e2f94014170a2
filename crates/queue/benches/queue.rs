//! The embedded queue by itself: how fast it is filled and drained, short and long, side by side in one run.
//!
//! `cargo bench -p queue --bench queue` with a million events, or with the number in `QUEUE_EVENTS`. Prints a table.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark ends at the first error"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use queue::{Embedded, Message, Queue, Settlement, now};
use testing::measure::{median, peak_memory};
use tokio_util::sync::CancellationToken;

const SHORT: usize = 1_000;
const SIZE: usize = 1_500;
/// As `serve` has them.
const BATCH: usize = 20;
const VISIBILITY: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let long = std::env::var("QUEUE_EVENTS").map_or(1_000_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    println!("| what | {SHORT} events | {long} events | ratio |\n|---|---|---|---|");
    let (mut fills, mut drains) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        let queue = own(folder.path()).await.1;
        fills.push(fill(&queue, SHORT).await[0]);
        drains.push(drain(&queue, SHORT).await[0]);
    }
    let (fill_short, drain_short) = (median(fills), median(drains));
    let memory = peak_memory(std::process::id());
    let filled = fill(&own(folder.path()).await.1, long).await;
    let last = *filled.last().unwrap();
    println!(
        "| filled in groups of 32, the last tenth of the long one | {fill_short:.0}/s | {last:.0}/s | {:.2} |",
        last / fill_short
    );
    let (started, queue) = own(folder.path()).await;
    println!("| opened | | {:.1} ms | |", started.as_secs_f64() * 1e3);
    let started = Instant::now();
    let Queue::Embedded(embedded) = &queue else {
        unreachable!()
    };
    assert_eq!(embedded.status().await.unwrap().waiting as usize, long);
    println!(
        "| status | | {:.1} ms | |",
        started.elapsed().as_secs_f64() * 1e3
    );
    let tenths = drain(&queue, long).await;
    let all = tenths.len() as f64 / tenths.iter().map(|rate| 1.0 / rate).sum::<f64>();
    println!(
        "| drained in batches of {BATCH} | {drain_short:.0}/s | {all:.0}/s | {:.2} |",
        all / drain_short
    );
    let tenths: Vec<String> = tenths.iter().map(|rate| format!("{rate:.0}")).collect();
    println!("| by tenths | | {} | |", tenths.join(" "));
    println!(
        "| peak memory so far | {} MB | {} MB | |",
        memory / 1_024,
        peak_memory(std::process::id()) / 1_024
    );
    let file = std::fs::metadata(folder.path().join("events.db"))
        .unwrap()
        .len();
    let log = std::fs::metadata(folder.path().join("events.db-wal"))
        .unwrap()
        .len();
    println!(
        "| file, and its log | | {} MB, {} MB | |",
        file >> 20,
        log >> 20
    );
}

async fn own(folder: &Path) -> (Duration, Queue) {
    let started = Instant::now();
    let queue = Embedded::own(folder, VISIBILITY).await.unwrap();
    (started.elapsed(), Queue::Embedded(queue))
}

/// The rate of each tenth.
async fn fill(queue: &Queue, count: usize) -> Vec<f64> {
    let body: Arc<str> = "x".repeat(SIZE).into();
    let (mut rates, tenth) = (Vec::new(), tenth(count));
    for _ in 0..count / tenth {
        let started = Instant::now();
        for from in (0..tenth).step_by(32) {
            let messages = (from..tenth.min(from + 32))
                .map(|_| Message::new(uuid::Uuid::now_v7().to_string(), body.clone(), now()));
            let sent = queue.send(messages.collect()).await;
            assert!(sent.iter().all(Result::is_ok));
        }
        rates.push(tenth as f64 / started.elapsed().as_secs_f64());
    }
    rates
}

async fn drain(queue: &Queue, count: usize) -> Vec<f64> {
    let (mut rates, tenth) = (Vec::new(), tenth(count));
    for _ in 0..count / tenth {
        let started = Instant::now();
        let mut taken = 0;
        while taken < tenth {
            let records = queue
                .receive(BATCH, Duration::ZERO, &CancellationToken::new())
                .await
                .unwrap();
            taken += records.len();
            let done: Vec<_> = records
                .iter()
                .map(|record| (record, Settlement::Acknowledge))
                .collect();
            assert!(
                queue
                    .settle(&done, tokio::time::Instant::now() + VISIBILITY)
                    .await
                    .iter()
                    .all(Result::is_ok)
            );
        }
        rates.push(taken as f64 / started.elapsed().as_secs_f64());
    }
    rates
}

fn tenth(count: usize) -> usize {
    if count > SHORT { count / 10 } else { count }
}
