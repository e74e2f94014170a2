//! How long a request takes while a backlog is delivered at full speed, with everything on one core: alone, and while
//! something else writes to the disk and uses the other core. And how long one takes while people look at the page.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::build::Build;
use super::{Process, post_all};
use crate::{CLIENTS, Figures, INGEST_ALONE, REQUESTS, SIZE, milliseconds};

/// Fewer than the backlog: delivery is at work to the end.
const POSTED: usize = 6_400;

/// Enough for some seconds.
const READ_BESIDE: usize = 96_000;

/// Those who have the page open.
const READERS: usize = 32;

/// How long each of them waits until it gets the newest events again: what the page waits while there is always something new.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn figures(build: &Build) -> Figures {
    let serve = &build.serve;
    let settings = build.without_history();
    let name = "ingest while a backlog is delivered, one core, 2 KB, 32 clients";
    let mut figures = measured(serve, settings, name).await;
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1) {
        let folder = tempfile::tempdir().unwrap();
        let noise = Noise::start(folder.path());
        figures.extend(
            measured(
                serve,
                settings,
                ", beside another process on the disk and a second core",
            )
            .await,
        );
        drop(noise);
    }
    if build.is_own {
        let with_history = format!("{name}, with the history");
        figures.extend(measured(serve, &[], &with_history).await);
        figures.extend(beside_readers(serve).await);
    }
    figures
}

/// Requests at full speed that are delivered to the store, without and with readers of the page.
async fn beside_readers(serve: &Path) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::serve_in(serve, folder.path(), &[]);
    post_all(&process.url, CLIENTS, POSTED, SIZE).await; // something to look at
    let mut alone = post_all(&process.url, CLIENTS, READ_BESIDE, SIZE).await;
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let url = process.url.clone();
        readers.spawn(read(url, LOOK.mul_f64(number as f64 / READERS as f64)));
    }
    let mut beside = post_all(&process.url, CLIENTS, READ_BESIDE, SIZE).await;
    readers.shutdown().await;
    let p99 = |took: &mut Vec<Duration>| {
        took.sort_unstable();
        milliseconds(took[(took.len() - 1) * 99 / 100])
    };
    let (alone, beside) = (p99(&mut alone), p99(&mut beside));
    let name = format!("ingest beside {READERS} readers of the page, 2 KB, 32 clients: p99");
    vec![
        (format!("{name} ms"), beside),
        (format!("{name}, % of that without"), beside / alone * 100.0),
    ]
}

/// Gets what changes on the events page again and again, as its script does, from when it is first open.
async fn read(url: String, first: Duration) {
    tokio::time::sleep(first).await;
    let address = url.strip_prefix("http://").unwrap();
    let request = "GET /?part=rows HTTP/1.1\r\nAccept: text/html\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    loop {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let is_page = answer.starts_with("HTTP/1.1 200") && answer.contains("</table>");
        assert!(is_page, "{}", answer.lines().next().unwrap_or_default());
        tokio::time::sleep(LOOK).await;
    }
}

async fn measured(serve: &Path, settings: &[(&str, &str)], ingest: &str) -> Figures {
    let folder = tempfile::tempdir().unwrap();
    let filling = Process::serve_in(serve, folder.path(), &[settings, &INGEST_ALONE].concat());
    post_all(&filling.url, CLIENTS, REQUESTS, SIZE).await;
    drop(filling);

    let pinned = PinnedProcess::to_one_core();
    let process = Process::serve_in(serve, folder.path(), settings);
    let began = Instant::now();
    let mut took = post_all(&process.url, CLIENTS, POSTED, SIZE).await;
    let rate = POSTED as f64 / began.elapsed().as_secs_f64();
    let left = (REQUESTS + POSTED).saturating_sub(process.stored().await);
    drop((process, pinned));
    took.sort_unstable();
    let at = |permille: usize| milliseconds(took[(took.len() - 1) * permille / 1_000]);
    vec![
        (format!("{ingest}: median ms"), at(500)),
        (format!("{ingest}: p99 ms"), at(990)),
        (format!("{ingest}: longest ms"), at(1_000)),
        (format!("{ingest}: requests/s"), rate),
        (
            format!("{ingest}: events left to deliver at the end"),
            left as f64,
        ),
    ]
}

/// This process, with all its threads and what it starts, on the first core that it may use; until this is dropped.
struct PinnedProcess {
    before: String,
}

impl PinnedProcess {
    fn to_one_core() -> PinnedProcess {
        let before = taskset(&["-pc", &own_id()]);
        let (_, before) = before.trim().rsplit_once(": ").unwrap();
        taskset(&["-apc", first(before), &own_id()]);
        PinnedProcess {
            before: before.to_owned(),
        }
    }
}

impl Drop for PinnedProcess {
    fn drop(&mut self) {
        taskset(&["-apc", &self.before, &own_id()]);
    }
}

/// The first core of a list such as `0-3` or `2,5`.
fn first(cores: &str) -> &str {
    cores.split([',', '-']).next().unwrap()
}

fn own_id() -> String {
    std::process::id().to_string()
}

fn taskset(arguments: &[&str]) -> String {
    let call = || {
        let output = Command::new("taskset").args(arguments).output();
        output.expect("taskset (util-linux) is needed")
    };
    // It fails if a thread ends between its listing and its turn.
    let mut output = call();
    for _ in 0..20 {
        match output.status.success() {
            true => break,
            false => output = call(),
        }
    }
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Processes that write to the disk without end, and use the last core.
struct Noise([Child; 2]);

impl Noise {
    fn start(folder: &Path) -> Noise {
        let cores = taskset(&["-pc", &own_id()]);
        let last = cores.trim().rsplit([',', '-', ' ']).next().unwrap();
        let start = |script: &str| {
            let mut command = Command::new("taskset");
            command.args(["-c", last, "sh", "-c", script]);
            command.current_dir(folder).stderr(Stdio::null());
            command.spawn().unwrap()
        };
        let write = "while dd if=/dev/zero of=noise bs=1M count=16 conv=fsync; do :; done";
        let noise = Noise([start(write), start("while :; do :; done")]);
        std::thread::sleep(Duration::from_millis(200));
        noise
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
