//! The line, measured through the real binaries: ingest, `serve` with one to three targets, latencies on one core, a batch,
//! cold starts, memory.
//!
//! `cargo bench -p functions --bench line` prints a table for docs/benchmarks.md, with `-- batch` (or `ingest`, `serve`,
//! `latency`, `cold`, `peak`) that part of it. `BENCH_AGAINST` names a folder with the binaries of another build: both are
//! measured in turns in the one run, and the table has their ratio. `BENCH_AGAINST_COMMIT` says in the table which build that
//! is. Each figure is the median of the rounds, 9 or as many as `BENCH_ROUNDS` says. With `SQS_ENDPOINT` set (an
//! SQS-compatible server), ingest is measured with SQS too. Needs `taskset` (util-linux) for the latencies, and `strace` for
//! the syncs, which are left out without it.

#![expect(
    clippy::disallowed_methods,
    reason = "the size of a test is set by the environment"
)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark ends at the first error"
)]

mod parts;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_stand_in::{Settings, StandIn};
use journal::{Claim, Journal, Schema};
use parts::build::Build;
use parts::{Function, Process, delivery, event, latency, post_all, sqs_event};
use testing::measure::median;

const ROUNDS: usize = 9;
pub(crate) const CLIENTS: usize = 32;
/// Fewer than a batch can hold, so that nothing is taken out while ingest alone is measured. Whole batches of 20, so that the
/// last one does not wait for its window.
pub(crate) const REQUESTS: usize = 9_600;
pub(crate) const SIZE: usize = 2_000;
/// Settings with which nothing is delivered of [`REQUESTS`].
pub(crate) const INGEST_ALONE: [(&str, &str); 2] = [
    ("LINEAGE_PROXY_BATCH_SIZE", "10000"),
    ("LINEAGE_PROXY_BATCH_WINDOW", "300"),
];
const BATCHES: u32 = 30;

/// How long anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What one round of one build came to: each figure under its name. Another build may lack some.
pub(crate) type Figures = Vec<(String, f64)>;

#[tokio::main]
async fn main() {
    let builds = parts::build::all();
    let rounds = std::env::var("BENCH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let (mut floors, mut measured) = (Vec::new(), vec![Vec::new(); builds.len()]);
    for round in 0..rounds {
        floors.push(floor().await);
        // Who comes second finds another machine: they take turns at that too.
        for place in 0..builds.len() {
            let which = (place + round) % builds.len();
            measured[which].push(figures(&builds[which]).await);
        }
    }
    print(median(floors), &measured);
}

fn print(floor: f64, builds: &[Vec<Figures>]) {
    let rounds = builds[0].len();
    let against = std::env::var("BENCH_AGAINST_COMMIT").unwrap_or_else(|_| "against".to_owned());
    let (heads, line, none) = match builds {
        [_] => (String::new(), "", ""),
        _ => (format!(" {against} | ratio |"), "---|---|", " | |"),
    };
    println!("| median of {rounds} rounds | this build |{heads}\n|---|---|{line}");
    println!("| store alone, 2 KB rows in groups of {CLIENTS}, rows/s | {floor:.0} |{none}");
    for (name, _) in &builds[0][0] {
        let of = |build: &Vec<Figures>| {
            let figure = |round: &Figures| Some(round.iter().find(|it| it.0 == *name)?.1);
            let figures: Vec<f64> = build.iter().filter_map(figure).collect();
            (!figures.is_empty()).then(|| median(figures))
        };
        let figures: Vec<Option<f64>> = builds.iter().map(of).collect();
        let mut shown: Vec<String> = figures
            .iter()
            .map(|figure| figure.map_or(String::new(), |figure| format!("{figure:.1}")))
            .collect();
        if let [own, other] = figures[..] {
            let ratio = own.zip(other).map(|(own, other)| own / other);
            shown.push(ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")));
        }
        println!("| {name} | {} |", shown.join(" | "));
    }
}

/// What the embedded store does by itself: one writer's groups of 32 rows of 2 KB.
async fn floor() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let schema = Schema {
        tables: "CREATE TABLE m (seq INTEGER PRIMARY KEY, id TEXT, body TEXT, received_at INTEGER, visible_at INTEGER);
                 CREATE INDEX i ON m (visible_at, seq)",
        migrations: &[],
        can_shrink: false,
        page_size: journal::PAGE,
    };
    let claim = Arc::new(Claim::take(folder.path()).unwrap());
    let journal = Journal::own(&folder.path().join("floor.db"), schema, &claim).unwrap();
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

async fn figures(build: &Build) -> Figures {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_wanted = |part: &str| wanted.as_ref().is_none_or(|wanted| wanted == part);
    let mut figures = Figures::new();
    if is_wanted("ingest") {
        figures.extend(ingest(&build.serve).await);
        figures.extend(ingest_sqs(&build.serve).await);
    }
    if is_wanted("serve") {
        figures.extend(delivery::figures(build).await);
    }
    if is_wanted("latency") {
        figures.extend(latency::figures(build).await);
    }
    if is_wanted("batch") {
        figures.extend(batch_of_20(&build.functions).await);
    }
    if is_wanted("cold") {
        figures.extend(cold_starts(&build.functions).await);
    }
    if is_wanted("peak") {
        figures.push(peak(&build.functions).await);
    }
    figures
}

async fn ingest(serve: &Path) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::serve_in(serve, folder.path(), &INGEST_ALONE);
    let (before, started) = (process.cpu(), Instant::now());
    post_all(&process.url, CLIENTS, REQUESTS, SIZE).await;
    let rate = REQUESTS as f64 / started.elapsed().as_secs_f64();
    let spent = (process.cpu() - before).as_secs_f64();
    vec![
        named(
            "ingest alone, embedded queue, 2 KB, 32 clients, requests/s",
            rate,
        ),
        named("the same, µs CPU a request", spent * 1e6 / REQUESTS as f64),
    ]
}

async fn ingest_sqs(serve: &Path) -> Figures {
    let Ok(endpoint) = std::env::var("SQS_ENDPOINT") else {
        return Vec::new();
    };
    let url = std::env::var("SQS_QUEUE_URL").expect("SQS_QUEUE_URL goes with SQS_ENDPOINT");
    let settings = [
        ("LINEAGE_PROXY_QUEUE_URL", url.as_str()),
        ("LINEAGE_PROXY_QUEUE_DEAD_LETTER_URL", url.as_str()),
        ("LINEAGE_PROXY_ONLY", "ingest"),
        ("LINEAGE_PROXY_LISTEN", "127.0.0.1:0"),
        ("AWS_ENDPOINT_URL_SQS", endpoint.as_str()),
    ];
    let process = Process::serve(serve, &settings).expect("it listens");
    const REQUESTS: usize = 1_000; // the emulator is the slow part, and bounds the rate
    post_all(&process.url, 8, 200, SIZE).await;
    let before = process.cpu();
    post_all(&process.url, 8, REQUESTS, SIZE).await;
    let spent = (process.cpu() - before).as_secs_f64();
    vec![named(
        "ingest, SQS, 2 KB, 8 clients, µs CPU a request",
        spent * 1e6 / REQUESTS as f64,
    )]
}

async fn batch_of_20(build: &Path) -> Figures {
    let (_datazone, mut function) = batch_function(build, 50).await;
    function.invoke(sqs_event(0, 20, SIZE)).await; // connections
    let (before, mut walls) = (function.cpu(), Vec::new());
    for n in 1..=BATCHES {
        let started = Instant::now();
        function.invoke(sqs_event(n, 20, SIZE)).await;
        walls.push(milliseconds(started.elapsed()));
    }
    let spent = milliseconds(function.cpu() - before);
    vec![
        named(
            "batch of 20 against a target that takes 50 ms, ms",
            median(walls),
        ),
        named("the same, ms CPU", spent / f64::from(BATCHES)),
    ]
}

async fn cold_starts(build: &Path) -> Figures {
    let (_datazone, mut batch) = batch_function(build, 0).await;
    batch.invoke(sqs_event(1, 1, SIZE)).await;
    let mut ingest = Function::start(
        &build.join("ingest"),
        &[
            ("LINEAGE_PROXY_QUEUE_URL", "http://127.0.0.1:9/0/q"),
            ("LINEAGE_PROXY_AUTH_ALLOW_ANONYMOUS", "true"),
        ],
    )
    .await;
    ingest.invoke(parts::http_event("GET", "/healthz")).await;
    vec![
        named(
            "batch function, exec to first batch delivered, ms",
            milliseconds(batch.since_exec()),
        ),
        named(
            "ingest function, exec to first answer, ms",
            milliseconds(ingest.since_exec()),
        ),
    ]
}

async fn peak(build: &Path) -> (String, f64) {
    let (_datazone, mut function) = batch_function(build, 50).await;
    for n in 0..10 {
        function.invoke(sqs_event(n, 20, 200_000)).await;
    }
    named(
        "batch function, peak memory after ten batches of 20 × 200 KB, MB",
        function.peak_mb(),
    )
}

async fn batch_function(build: &Path, latency_ms: u64) -> (StandIn, Function) {
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
        &build.join("batch"),
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

fn named(name: &str, figure: f64) -> (String, f64) {
    (name.to_owned(), figure)
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
