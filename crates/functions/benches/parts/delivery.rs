//! `serve` from the request to the target, with the default store, and with one to three files: rate, processor time, bytes
//! written and syncs for each event. Without its history, which another build may not have; and, to the store, with it.
//!
//! A file is the cheapest local target that does something, and each one that is added has to write every event once more.
//! So what it adds is shown with and without the contents of its file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::build::Build;
use super::{Process, event, post_all};
use crate::{CLIENTS, Figures, PATIENCE, REQUESTS, SIZE};

/// Events of the run in which syncs are counted: a tracer makes each a little slower.
const TRACED: usize = 3_200;

const MOST_FILES: usize = 3;

/// What delivering an event cost.
struct Cost {
    /// Requests a second until all were answered, while events are delivered.
    ingest: f64,
    /// Events a second until all were delivered.
    rate: f64,
    /// µs.
    cpu: f64,
    bytes: f64,
    /// Nothing without `strace`.
    syncs: Option<f64>,
}

/// Where events go.
#[derive(Debug, Clone, Copy)]
enum Targets {
    Store,
    /// The same, and the history is on, as it is by default.
    StoreWithHistory,
    Files(usize),
}

pub(crate) async fn figures(build: &Build) -> Figures {
    let mut figures = Figures::new();
    let store = cost(build, Targets::Store).await;
    figures.extend(store.iter().flat_map(|cost| rows("the store", cost)));
    if build.is_own {
        let recorded = cost(build, Targets::StoreWithHistory).await;
        let rows = |cost| rows("the store, with the history", cost);
        figures.extend(recorded.iter().flat_map(rows));
        if let (Some(store), Some(recorded)) = (&store, &recorded) {
            figures.extend(kept(store, recorded));
        }
    }
    let mut files = Vec::new();
    for count in 1..=MOST_FILES {
        let cost = cost(build, Targets::Files(count)).await;
        let name = format!("{count} file{}", if count == 1 { "" } else { "s" });
        figures.extend(cost.iter().flat_map(|cost| rows(&name, cost)));
        files.extend(cost);
    }
    if let [one, .., all] = files.as_slice()
        && files.len() == MOST_FILES
    {
        figures.extend(comparison(one, all));
    }
    figures
}

fn rows(to: &str, cost: &Cost) -> Figures {
    let serve = format!("serve, 2 KB, 32 clients, to {to}");
    let mut rows = vec![
        (
            format!("{serve}: events/s until all is delivered"),
            cost.rate,
        ),
        (format!("{serve}: requests/s meanwhile"), cost.ingest),
        (format!("{serve}: µs CPU an event"), cost.cpu),
        (format!("{serve}: bytes written an event"), cost.bytes),
    ];
    let syncs = cost.syncs.map(|syncs| syncs * 1e3);
    rows.extend(syncs.map(|syncs| (format!("{serve}: syncs a thousand events"), syncs)));
    rows
}

/// What is left of the rates while everything is recorded in the history.
fn kept(without: &Cost, with: &Cost) -> Figures {
    let name = |what: &str| format!("with the history, % of {what} without");
    vec![
        (name("events/s"), with.rate / without.rate * 100.0),
        (name("requests/s"), with.ingest / without.ingest * 100.0),
    ]
}

/// What each further file adds, in percent of what one costs, and what is left of the rate of ingest.
fn comparison(one: &Cost, all: &Cost) -> Figures {
    let further = (MOST_FILES - 1) as f64;
    let added = |of: f64, all: f64| (all - of) / further * 100.0;
    let contents = SIZE as f64;
    let name = |what: &str| format!("each further file adds, % {what}");
    let mut rows = vec![
        (name("CPU"), added(one.cpu, all.cpu) / one.cpu),
        (
            name("bytes written"),
            added(one.bytes, all.bytes) / one.bytes,
        ),
        (
            name("bytes written beside its contents"),
            (added(one.bytes, all.bytes) - contents * 100.0) / one.bytes,
        ),
    ];
    if let (Some(of), Some(syncs)) = (one.syncs, all.syncs) {
        rows.push((name("syncs"), added(of, syncs) / of));
    }
    let left = all.ingest / one.ingest * 100.0;
    rows.push((
        format!("ingest with {MOST_FILES} files, % of that with one"),
        left,
    ));
    rows
}

/// Measures, or returns nothing for another build that does not know several targets.
async fn cost(build: &Build, targets: Targets) -> Option<Cost> {
    let program = build.serve.join("lineage-proxy");
    let folder = tempfile::tempdir().unwrap();
    let process = start(build, Command::new(&program), folder.path(), targets);
    let Some(process) = process else {
        assert!(!build.is_own, "serve does not start with {targets:?}");
        return None;
    };
    let (cpu, written, started) = (process.cpu(), process.written(), Instant::now());
    post_all(&process.url, CLIENTS, REQUESTS, SIZE).await;
    let answered = started.elapsed();
    delivered(&process, folder.path(), targets, REQUESTS).await;
    let (count, took) = (REQUESTS as f64, started.elapsed());
    let cpu = process.cpu() - cpu;
    let bytes = (process.written() - written) as f64;
    drop(process);
    Some(Cost {
        ingest: count / answered.as_secs_f64(),
        rate: count / took.as_secs_f64(),
        cpu: cpu.as_secs_f64() * 1e6 / count,
        bytes: bytes / count,
        syncs: syncs(build, &program, targets).await,
    })
}

/// Counts the syncs for each event. The tracer is a process of its own (`-D`), and stops the traced one at these calls only
/// (`--seccomp-bpf`, <https://man7.org/linux/man-pages/man1/strace.1.html>).
async fn syncs(build: &Build, program: &Path, targets: Targets) -> Option<f64> {
    let version = Command::new("strace")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.ok()?;
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "--seccomp-bpf"]);
    command.args(["-e", "signal=none", "-e", "trace=fsync,fdatasync"]);
    command.arg("-o").arg(&calls).arg(program);
    let process = start(build, command, folder.path(), targets)?;
    let before = count(&calls);
    post_all(&process.url, CLIENTS, TRACED, SIZE).await;
    delivered(&process, folder.path(), targets, TRACED).await;
    Some((count(&calls) - before) as f64 / TRACED as f64)
}

/// A call that is interrupted in the trace has a second line, without the bracket.
fn count(calls: &Path) -> usize {
    let calls = std::fs::read_to_string(calls).unwrap_or_default();
    calls.matches("sync(").count()
}

fn start(build: &Build, mut command: Command, folder: &Path, targets: Targets) -> Option<Process> {
    command.arg("serve");
    let data = folder.join("data");
    let mut settings = vec![
        ("LINEAGE_PROXY_DATA_DIR", data.to_str().unwrap().to_owned()),
        ("LINEAGE_PROXY_LISTEN", "127.0.0.1:0".to_owned()),
        // The last batch may be small, and does not wait for more for long. Without any wait all would be small.
        ("LINEAGE_PROXY_BATCH_WINDOW", "50ms".to_owned()),
    ];
    let path = |n: usize| file(folder, n).to_str().unwrap().to_owned();
    if !matches!(targets, Targets::StoreWithHistory) {
        let without = build.without_history().iter();
        settings.extend(without.map(|(name, value)| (*name, (*value).to_owned())));
    }
    match targets {
        Targets::Store | Targets::StoreWithHistory => {}
        // Builds before `targets` know one.
        Targets::Files(1) => settings.extend([
            ("LINEAGE_PROXY_TARGET", "file".to_owned()),
            ("LINEAGE_PROXY_FILE_PATH", path(0)),
        ]),
        Targets::Files(count) => {
            let target = |n| format!("  lake-{n}: {{type: file, path: '{}'}}\n", path(n));
            let targets: String = (0..count).map(target).collect();
            let config = folder.join("proxy.yaml");
            std::fs::write(&config, format!("targets:\n{targets}")).unwrap();
            command.arg("--config").arg(config);
        }
    }
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, it)| (*name, it.as_str()))
        .collect();
    Process::start(command, &settings)
}

fn file(folder: &Path, n: usize) -> PathBuf {
    folder.join(format!("events-{n}.jsonl"))
}

/// Comes back when every target has so many events.
async fn delivered(process: &Process, folder: &Path, targets: Targets, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    // Each event is a line of the same length.
    let whole = (count * (event(0, SIZE).len() + 1)) as u64;
    loop {
        let are_there = match targets {
            Targets::Store | Targets::StoreWithHistory => process.stored().await >= count,
            Targets::Files(files) => (0..files).all(|n| {
                let file = std::fs::metadata(file(folder, n));
                file.is_ok_and(|file| file.len() >= whole)
            }),
        };
        if are_there {
            return;
        }
        assert!(Instant::now() < deadline, "not all is delivered");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
