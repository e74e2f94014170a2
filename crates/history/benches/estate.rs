//! What the history of a large estate costs: 100,000 events of 1,000 jobs, or as many as `ESTATE_EVENTS` says. How much of the disk an
//! event takes, how long a group of 256 outcomes, and how long each question.
//!
//! `cargo bench -p history --bench estate` prints a table for docs/benchmarks.md.

#![expect(
    clippy::disallowed_methods,
    reason = "it measures, and its size is set by the environment"
)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark ends at the first error"
)]

mod parts;

use std::time::{Duration, Instant};

use history::{Bounds, ColumnRef, FindError, Name, NodeRef, NodeSearch, Page, Reach, Retention};
use parts::{Estate, GROUP, Place};

const EVENTS: usize = 100_000;
const JOBS: usize = 1_000;

/// How often each question is asked; the middle one counts.
const ROUNDS: usize = 9;

/// As many events as the page and the API list.
const LISTED: usize = 100;

fn main() {
    let events = std::env::var("ESTATE_EVENTS").map_or(EVENTS, |events| events.parse().unwrap());
    println!("| what | measured |\n|---|---|");
    let sizes = [3_001, 3_000].map(|n| Estate::of(JOBS).text(n).len());
    println!(
        "| an event, end and start of a run | {} and {} bytes |",
        sizes[0], sizes[1]
    );
    for with_lineage in [false, true] {
        let (place, times) = recorded(events, with_lineage);
        let name = if with_lineage { "with" } else { "without" };
        println!(
            "| a group of {GROUP}, {name} lineage | {} |",
            shown(middle(times))
        );
        let bytes = place.size() / events as u64;
        println!("| disk for an event, {name} lineage | {bytes} bytes |");
        if with_lineage {
            ask(&place);
        }
    }
}

fn recorded(events: usize, with_lineage: bool) -> (Place, Vec<Duration>) {
    let mut place = Place::new(Estate::of(JOBS), with_lineage, Retention::default());
    let mut times = Vec::new();
    for _ in 0..events / GROUP {
        let group = place.group();
        let begun = Instant::now();
        place.record(group);
        times.push(begun.elapsed());
    }
    (place, times)
}

fn ask(place: &Place) {
    let last = place.next - 1;
    let run = format!("run:01890000-0000-7000-8000-{:012}", last / 2);
    let id = format!("id:0191f3a0-0000-7000-8000-{last:012x}");
    for search in [
        "",
        "job:job_00500",
        "job:air/job_005*",
        "dataset:shop.layer.table_00500",
        "dataset:*table_005*",
        "dataset:shop.*",
        &run,
        &id,
        "outcome:delivered",
        "outcome:dead",
        "target:catalog",
        "target:c*",
        "kind:complete",
        "kind:fail",
        "rule:none",
        "reason:none",
        "since:2026-01-01T01:00:00Z until:2026-01-01T01:00:10Z",
        "table_00500",
        "nowhere",
    ] {
        let parsed: history::Search = search.parse().unwrap();
        let now = parts::at(place.next);
        let what = format!("find, `{search}`");
        timed(place, &what, async || {
            let page = Page::Before(None);
            place.history.find(parsed.clone(), page, LISTED, now).await
        });
    }
    let job = NodeRef::job(Name {
        namespace: "air".to_owned(),
        name: "job_00500".to_owned(),
    });
    let dataset = Name {
        namespace: parts::NAMESPACE.to_owned(),
        name: "shop.layer.table_00500".to_owned(),
    };
    let history = &place.history;
    let reach = Reach { up: 4, down: 4 };
    timed(place, "neighbourhood, 4 levels each way", async || {
        history.neighbours(job.clone(), reach, false).await
    });
    timed(place, "whole estate, 2,000 nodes", async || {
        history.whole(Bounds::default()).await
    });
    timed(place, "overview", async || history.overview(100).await);
    timed(place, "a job, with its neighbours", async || {
        history.node(job.clone()).await
    });
    let name = Name {
        namespace: job.namespace.clone(),
        name: job.name.clone(),
    };
    timed(place, "the last 20 runs of a job", async || {
        history.runs(name.clone(), 20).await
    });
    let reach = Reach { up: 20, down: 20 };
    let column = ColumnRef {
        dataset,
        field: Some("column_03".to_owned()),
    };
    timed(
        place,
        "columns before and after one, 20 levels",
        async || history.column_paths(vec![(column.clone(), reach)]).await,
    );
    let search = NodeSearch {
        text: "table_0050".to_owned(),
        ..NodeSearch::default()
    };
    timed(
        place,
        "jobs and datasets by a part of the name",
        async || history.find_nodes(search.clone(), 20, 0).await,
    );
    timed(place, "outcomes by hour", async || history.tally(0).await);
}

/// Asks, and prints the middle of the times.
fn timed<R>(place: &Place, what: &str, question: impl AsyncFn() -> Result<R, FindError>) {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        place.runtime.block_on(question()).unwrap();
        times.push(begun.elapsed());
    }
    println!("| {what} | {} |", shown(middle(times)));
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn shown(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} µs"),
        micros => format!("{:.1} ms", micros as f64 / 1_000.0),
    }
}
