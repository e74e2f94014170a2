//! The log: processor time and bytes written for each event, from append to acknowledgement.
//!
//! `cargo bench -p queue --bench log` with 100,000 events that come 32 at a time, or as `LOG_EVENTS` and `LOG_GROUP` say.
//! Prints a table.

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

use journal::Claim;
use queue::{Consumer, Log, LogOptions, Message, Record, Retention, Settlement, Start, now};

const SIZE: usize = 1_500;
/// As `serve` has them.
const BATCH: usize = 20;
const VISIBILITY: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let count = number("LOG_EVENTS", 100_000);
    let group = number("LOG_GROUP", 32);
    println!("| what | µs of CPU an event | bytes written an event | events/s | MB on disk |");
    println!("|---|---|---|---|---|");
    for (name, retention) in [("kept", Retention::default()), ("deleted", Retention::NONE)] {
        for consumers in 1..=3 {
            log(count, group, (consumers, name, retention)).await;
        }
    }
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

async fn log(count: usize, group: usize, (consumers, name, retention): (usize, &str, Retention)) {
    let folder = tempfile::tempdir().unwrap();
    let claim = Arc::new(Claim::take(folder.path()).unwrap());
    let options = LogOptions {
        visibility_timeout: VISIBILITY,
        retention,
    };
    let log = Log::claimed(claim, options).await.unwrap();
    let mut targets: Vec<Consumer> = Vec::new();
    for n in 0..consumers {
        let target = log.consumer(&format!("target-{n}"), Start::Oldest).await;
        targets.push(target.unwrap());
    }
    let usage = Usage::now();
    for n in 0..count / group {
        assert!(log.append(messages(group)).await.iter().all(Result::is_ok));
        // Side by side, as their workers are.
        let drains = targets.iter().map(|target| drain_group(target, group));
        futures_util::future::join_all(drains).await;
        if n * group % 2_048 < group {
            log.sweep().await.unwrap();
        }
    }
    let what = format!("log, {consumers} consumers, settled events {name}");
    usage.print(&what, count, folder.path());
}

async fn drain_group(consumer: &Consumer, mut left: usize) {
    while left > 0 {
        let size = BATCH.min(left);
        let records = consumer.receive(size, Duration::ZERO).await.unwrap();
        left -= records.len();
        let answers = consumer.settle(&done(&records)).await;
        assert!(answers.iter().all(Result::is_ok));
    }
}

fn messages(count: usize) -> Vec<Message> {
    let body: Arc<str> = "x".repeat(SIZE).into();
    let message = |_| Message::new(uuid::Uuid::now_v7().to_string(), body.clone(), now());
    (0..count).map(message).collect()
}

fn done(records: &[Record]) -> Vec<(&Record, Settlement)> {
    records
        .iter()
        .map(|record| (record, Settlement::Acknowledge))
        .collect()
}

/// What the process had used at a moment.
struct Usage {
    at: Instant,
    cpu: Duration,
    written: u64,
}

impl Usage {
    fn now() -> Usage {
        Usage {
            at: Instant::now(),
            cpu: cpu(),
            written: written(),
        }
    }

    fn print(&self, what: &str, count: usize, folder: &Path) {
        let cpu = (cpu() - self.cpu).as_secs_f64() * 1e6 / count as f64;
        let written = (written() - self.written) as f64 / count as f64;
        let rate = count as f64 / self.at.elapsed().as_secs_f64();
        let files = std::fs::read_dir(folder).unwrap();
        let size: u64 = files.map(|it| it.unwrap().metadata().unwrap().len()).sum();
        println!(
            "| {what} | {cpu:.0} | {written:.0} | {rate:.0} | {} |",
            size >> 20
        );
    }
}

/// The processor time of this process, in user and system mode: the 14th and 15th field, in ticks of 10 ms
/// (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>).
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = [11, 12]
        .map(|at| fields[at].parse::<u64>().unwrap())
        .iter()
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Bytes that this process has written by system calls
/// (<https://man7.org/linux/man-pages/man5/proc_pid_io.5.html>).
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}
