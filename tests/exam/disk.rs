//! Bad disks: full, read-only, damaged. `serve` says so, takes again by itself, and loses nothing that it answered `200`.
//!
//! A disk that is full is a small file system of its own where mounting is allowed, else a limit of file sizes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::size;
use crate::support::{Serve, Target, event, eventually, moving, run};

const PAGE: u64 = 4_096;

/// Small enough to be filled at once, and large enough to hold what is kept free.
const DISK: usize = 48;

/// A disk that can be filled, and has room again.
struct Disk {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl Disk {
    fn new() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={DISK}m");
        let is_mounted = does(
            "mount",
            &["-t", "tmpfs", "-o", &size, "tmpfs", text(folder.path())],
        );
        Disk { folder, is_mounted }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// To the last byte.
    fn fill(&self, serve: &Serve) {
        match self.is_mounted {
            true => {
                let filler = self.folder.path().join("filler");
                let failed = fs::write(&filler, vec![0; DISK << 20]).unwrap_err();
                assert_eq!(failed.kind(), std::io::ErrorKind::StorageFull);
            }
            false => limit(serve, "0"),
        }
    }

    fn clear(&self, serve: &Serve) {
        match self.is_mounted {
            true => fs::remove_file(self.folder.path().join("filler")).unwrap(),
            false => limit(serve, "unlimited"),
        }
    }

    fn told(&self) -> &'static str {
        match self.is_mounted {
            true => "tmpfs",
            false => "limit of file sizes",
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            does("umount", &["-l", text(self.folder.path())]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_nothing_that_was_accepted_is_lost() {
    let (disk, target) = (Disk::new(), Target::start().await);
    let serve = start(&disk.data(), &target);
    *target.default.lock().unwrap() = 503;
    let mut accepted = BTreeSet::new();
    for n in 0..size::of(60, 600) {
        assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
        accepted.insert(n);
    }
    disk.fill(&serve);
    let before = serve.log.lock().unwrap().len();
    let (until, mut refused) = (Instant::now() + Duration::from_secs(size::of(6, 30)), 0);
    *target.default.lock().unwrap() = 201;
    while Instant::now() < until {
        for n in 1_000..1_020 {
            let answer = serve.post(&event(n, "START")).await;
            if answer.status() == 200 {
                accepted.insert(n); // the last room in the log's file
                continue;
            }
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["retry-after"]),
                (503, &"1".parse().unwrap())
            );
            refused += 1;
        }
        assert_eq!(get(&serve, "/healthz").await, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(refused > 0);
    assert_eq!(get(&serve, "/readyz").await, 503);
    let told = lines(&serve, before);
    // Of events there is a line each; of the disk a few in all.
    let of_disk: Vec<_> = told
        .iter()
        .filter(|line| {
            ![
                "event",
                "will be tried again",
                "not settled yet: the event may come again",
            ]
            .contains(&line["message"].as_str().unwrap_or_default())
        })
        .collect();
    assert!(of_disk.len() < 20, "{of_disk:#?}");
    let reason = of_disk
        .iter()
        .map(|line| line.to_string())
        .collect::<String>();
    assert!(
        reason.contains("MB are free on the disk")
            || reason.contains("disk is full")
            || reason.contains("disk I/O error"),
        "{reason}"
    );

    disk.clear(&serve);
    let n = 2_000;
    taken_again(&serve, n).await;
    accepted.insert(n);
    let delivered = eventually_delivered(&target, &accepted);
    let deadline = Instant::now() + Duration::from_secs(10);
    while get(&serve, "/readyz").await != 200 {
        assert!(Instant::now() < deadline, "it is not ready");
        tokio::time::sleep(Duration::from_millis(100)).await; // an answer is good for a second
    }
    // What could be posted and not settled is settled later, and not posted in a loop.
    assert!(
        delivered <= accepted.len() + 20,
        "{delivered} posts of {}",
        accepted.len()
    );
    size::told(
        "full disk",
        &format!(
            "{}: {} accepted, {refused} refused, {delivered} posts, {} lines of the disk",
            disk.told(),
            accepted.len(),
            of_disk.len()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_events_have_filled_is_drained_and_takes_again() {
    let (disk, target) = (Disk::new(), Target::start().await);
    let serve = start(&disk.data(), &target);
    *target.default.lock().unwrap() = 503;
    if !disk.is_mounted {
        limit(&serve, "20000000");
    }
    let long = format!(r#""padding":"{}""#, "x".repeat(200_000));
    let mut accepted = BTreeSet::new();
    loop {
        let n = u32::try_from(accepted.len()).unwrap();
        let answer = serve.post(&moving(n, "START", &long)).await;
        if answer.status() == 503 {
            break;
        }
        assert_eq!(answer.status(), 200);
        accepted.insert(n);
        assert!(accepted.len() < 1_000, "the disk is never full");
    }
    *target.default.lock().unwrap() = 201;
    if !disk.is_mounted {
        disk.clear(&serve); // without a disk of its own, nothing is kept free
    }
    // Nobody makes room but the deliveries.
    eventually_delivered(&target, &accepted);
    let n = 5_000;
    taken_again(&serve, n).await;
    accepted.insert(n);
    let posts = eventually_delivered(&target, &accepted);
    size::told(
        "disk full of events",
        &format!(
            "{}: {} accepted of 200 KB, {posts} posts",
            disk.told(),
            accepted.len()
        ),
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_no_place_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let place = text(folder.path());
    let is_mounted = does("mount", &["-t", "tmpfs", "-o", "ro", "tmpfs", place]);
    if !is_mounted {
        assert!(does("chmod", &["555", place]));
    }
    let (status, _, told) = run(
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", place],
        &[],
    );
    if is_mounted {
        does("umount", &["-l", place]);
    }
    assert_eq!(status, Some(64), "{told}");
    assert!(
        told.contains(place) && (told.contains("Read-only") || told.contains("denied")),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_read_only_is_told_and_written_again() {
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start().await);
    let serve = start(folder.path(), &target);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    target.taken_when(1).await;
    // Immutable where the file system has that, else without the right to make any file longer than nothing.
    let files: Vec<_> = ["queue.db", "queue.db-wal"]
        .map(|name| folder.path().join(name))
        .into();
    let set = |flag: &str| files.iter().all(|file| does("chattr", &[flag, text(file)]));
    let by_flag = set("+i");
    if !by_flag {
        set("-i");
        limit(&serve, "0");
    }
    let answer = serve.post(&event(2, "START")).await;
    let (status, ready, alive) = (
        answer.status(),
        get(&serve, "/readyz").await,
        get(&serve, "/healthz").await,
    );
    if by_flag {
        set("-i");
    } else {
        limit(&serve, "unlimited");
    }
    assert_eq!((status.as_u16(), ready, alive), (503, 503, 200));
    let why = serve.logged("the file cannot be written");
    assert!(why["error"].as_str().unwrap().contains("queue.db"), "{why}");
    taken_again(&serve, 3).await;
    eventually_delivered(&target, &BTreeSet::from([1, 3]));
    serve.logged("over: the file cannot be written");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_damaged_queue_all_that_can_be_read_is_delivered() {
    let count = size::of(1_500, 10_000);
    let every = |at: &Path| {
        // Pages in the middle, all over the file.
        let pages = fs::metadata(at).unwrap().len() / PAGE;
        for page in [pages / 7, pages / 3, pages / 2, pages / 2 + 1] {
            overwrite(at, page * PAGE, &[0xa5; 200]);
        }
    };
    let head = |at: &Path| overwrite(at, 0, &[0; PAGE as usize]);
    for (what, damage, most) in [
        ("pages in the middle", &every as &dyn Fn(&Path), 40),
        ("the first page", &head, 0),
    ] {
        let (folder, target) = (tempfile::tempdir().unwrap(), Target::start().await);
        filled(folder.path(), &target, count).await;
        damage(&folder.path().join("queue.db"));
        let started = Instant::now();
        let serve = start(folder.path(), &target);
        let taken = started.elapsed();
        assert_eq!(serve.post(&event(count, "START")).await.status(), 200);
        let arrived = settled(&target);
        let lost = count as usize + 1 - arrived.len();
        assert!(lost <= most, "{what}: {lost} lost");
        assert!(arrived.contains(&count));
        aside(folder.path(), "queue.db", &serve);
        size::told(
            "damaged queue",
            &format!(
                "{what}: {count} events, {lost} on the damaged pages, listening after {} ms",
                taken.as_millis()
            ),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_damaged_while_it_is_used_is_set_aside_and_takes_again() {
    let count = size::of(1_500, 10_000);
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start().await);
    filled(folder.path(), &target, count).await;
    *target.default.lock().unwrap() = 503;
    let serve = start(folder.path(), &target);
    serve.logged("will be tried again");
    let at = folder.path().join("queue.db");
    let pages = fs::metadata(&at).unwrap().len() / PAGE;
    for page in pages / 3..pages / 3 + 5 {
        overwrite(&at, page * PAGE, &[0xa5; 200]);
    }
    *target.default.lock().unwrap() = 201;
    let (mut n, deadline) = (count, Instant::now() + Duration::from_secs(60));
    while !lines(&serve, 0)
        .iter()
        .any(|line| line["set_aside"].is_string())
    {
        if serve.post(&event(n, "START")).await.status() == 200 {
            n += 1;
        }
        assert!(Instant::now() < deadline, "{:#?}", lines(&serve, 0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    taken_again(&serve, n).await;
    let arrived = settled(&target);
    let lost = n as usize + 1 - arrived.len();
    assert!(
        lost <= 40 && (count..=n).all(|n| arrived.contains(&n)),
        "{lost} lost of {n}"
    );
    aside(folder.path(), "queue.db", &serve);
    size::told(
        "damaged in use",
        &format!("{count} events, {lost} on the damaged pages"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_behind_a_damaged_frame_of_the_log_are_delivered() {
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start().await);
    *target.default.lock().unwrap() = 503;
    let serve = start(folder.path(), &target);
    let count = 200;
    for n in 0..count {
        assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
    }
    serve.kill();
    let log = folder.path().join("queue.db-wal");
    let frames = (fs::metadata(&log).unwrap().len() - 32) / (PAGE + 24);
    overwrite(&log, 32 + frames / 3 * (PAGE + 24) + 500, &[0xa5; 8]);
    *target.default.lock().unwrap() = 201;
    let serve = start(folder.path(), &target);
    let arrived = settled(&target);
    let lost = count as usize - arrived.len();
    assert!(lost <= 10, "{lost} lost");
    aside(folder.path(), "queue.db", &serve);
    size::told(
        "damaged log",
        &format!("{count} events, {lost} in the damaged frame"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_no_database_makes_way() {
    let folder = tempfile::tempdir().unwrap();
    let text = "not a database, but as long as one. ".repeat(1_000);
    fs::write(folder.path().join("store.db"), text).unwrap();
    let serve = Serve::start(folder.path(), &[]);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    serve.stored_when(1).await;
    aside(folder.path(), "store.db", &serve);
}

fn start(folder: &Path, target: &Target) -> Serve {
    Serve::start(
        folder,
        &[("TARGET", "openlineage"), ("OPENLINEAGE_URL", &target.url)],
    )
}

/// A queue with so many events, as a process leaves it that was killed; the target takes events again.
async fn filled(folder: &Path, target: &Target, count: u32) {
    *target.default.lock().unwrap() = 503;
    let serve = Serve::start(
        folder,
        &[
            ("TARGET", "openlineage"),
            ("OPENLINEAGE_URL", &target.url),
            ("BATCH_SIZE", "10000"),
            ("BATCH_WINDOW", "300"),
        ],
    );
    // More than SQLite keeps in memory: what is damaged is read again.
    let padding = format!(r#""padding":"{}""#, "x".repeat(3_000));
    let numbers: Vec<u32> = (0..count).collect();
    for some in numbers.chunks(500) {
        let events = some.iter().map(|n| moving(*n, "START", &padding));
        let events: Vec<String> = events.collect();
        let answer = serve
            .post_to("/api/v1/lineage/batch", &format!("[{}]", events.join(",")))
            .await;
        assert!(answer.text().await.unwrap().contains(r#""failed":0"#));
    }
    // Whoever closes it last brings all of it into the file.
    assert_eq!(serve.terminate(), Some(0));
    let queue = rusqlite::Connection::open(folder.join("queue.db")).unwrap();
    let all = "PRAGMA wal_checkpoint(TRUNCATE)";
    queue.query_row(all, [], |_| Ok(())).unwrap();
    *target.default.lock().unwrap() = 201;
}

/// The numbers of the events that have arrived.
fn arrived(target: &Target) -> BTreeSet<u32> {
    let taken = target.taken.lock().unwrap();
    let number = |event: &String| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["job"]["name"].as_str().unwrap()[4..].parse().unwrap()
    };
    taken.iter().map(number).collect()
}

/// Sends one until it is taken.
async fn taken_again(serve: &Serve, n: u32) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while serve.post(&event(n, "START")).await.status() != 200 {
        assert!(Instant::now() < deadline, "{:#?}", lines(serve, 0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All these, some day; and how many posts it took.
fn eventually_delivered(target: &Target, accepted: &BTreeSet<u32>) -> usize {
    patiently(|| accepted.is_subset(&arrived(target)).then_some(()));
    target.taken.lock().unwrap().len()
}

/// For as long as a full-sized case may take on a slow machine.
fn patiently<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < deadline, "in vain");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What has arrived, once nothing more does.
fn settled(target: &Target) -> BTreeSet<u32> {
    let mut last = (0, Instant::now());
    patiently(|| {
        let count = target.taken.lock().unwrap().len();
        if count != last.0 {
            last = (count, Instant::now());
        }
        (count > 0 && last.1.elapsed() > Duration::from_secs(3)).then_some(())
    });
    arrived(target)
}

/// The file was set aside, and the log names it.
fn aside(folder: &Path, name: &str, serve: &Serve) {
    let log = eventually(|| {
        let lines = lines(serve, 0);
        lines.into_iter().find(|line| line["set_aside"].is_string())
    });
    let aside = PathBuf::from(log["set_aside"].as_str().unwrap());
    assert!(aside.starts_with(folder) && aside.exists(), "{log}");
    assert!(
        text(&aside).contains(&format!("{name}.damaged-20")),
        "{log}"
    );
}

/// The fields of all log lines after the first so many.
fn lines(serve: &Serve, after: usize) -> Vec<Value> {
    let log = serve.log.lock().unwrap();
    log.iter()
        .skip(after)
        .map(|line| line["fields"].clone())
        .collect()
}

async fn get(serve: &Serve, path: &str) -> u16 {
    let answer = serve.http.get(format!("{}{path}", serve.url)).send().await;
    answer.unwrap().status().as_u16()
}

/// No file of that process may grow past so many bytes.
fn limit(serve: &Serve, bytes: &str) {
    let (pid, limit) = (
        format!("--pid={}", serve.id()),
        format!("--fsize={bytes}:unlimited"),
    );
    assert!(does("prlimit", &[&pid, &limit]));
}

fn does(command: &str, arguments: &[&str]) -> bool {
    let output = Command::new(command).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn overwrite(file: &Path, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
