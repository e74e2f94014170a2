//! Disks that are full or read-only.
//!
//! A disk that is full is a small file system of its own where mounting is allowed, else a limit of file sizes
//! (`prlimit`).

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testing::events::{event, event_with};
use testing::{Fault, FaultyTarget, Serve, run, size};

use super::{accepted_again, arrived, does, patiently, start, text};

/// Small enough to be filled at once, and large enough to hold what is kept free.
const DISK: usize = 48;

/// A disk that can be filled and cleared.
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

    fn name(&self) -> &'static str {
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
async fn a_full_disk_is_reported_and_no_accepted_event_is_lost() {
    let (disk, target) = (Disk::new(), FaultyTarget::start(Fault::None).await);
    if !disk.is_mounted && !testing::needs::command("prlimit", "a full disk") {
        return;
    }
    let serve = start(&disk.data(), &target);
    target.set(Fault::status(503));
    let mut accepted = BTreeSet::new();
    for n in 0..size::of(60, 600) {
        assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
        accepted.insert(n);
    }
    disk.fill(&serve);
    let before = serve.log.lock().unwrap().len();
    let (until, mut refused) = (Instant::now() + Duration::from_secs(size::of(6, 30)), 0);
    target.set(Fault::None);
    while Instant::now() < until {
        for n in 1_000..1_020 {
            let answer = serve.post(&event(n, "START")).await;
            if answer.status() == 200 {
                accepted.insert(n); // the last space in the file of the log
                continue;
            }
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["retry-after"]),
                (503, &"1".parse().unwrap())
            );
            refused += 1;
        }
        assert_eq!(serve.status("/healthz").await, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(refused > 0);
    assert_eq!(serve.status("/readyz").await, 503);
    let logged = serve.lines_after(before);
    // Each event has a line; the disk has a few in all.
    let of_disk: Vec<_> = logged
        .iter()
        .filter(|line| {
            ![
                "event delivered",
                "event dropped by rule",
                "event dead-lettered",
                "delivery failed, will retry",
                "failed to acknowledge message; it will be redelivered",
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
    accepted_again(&serve, n).await;
    accepted.insert(n);
    let delivered = eventually_delivered(&target, &accepted);
    let deadline = Instant::now() + Duration::from_secs(10);
    while serve.status("/readyz").await != 200 {
        assert!(Instant::now() < deadline, "not ready again");
        tokio::time::sleep(Duration::from_millis(100)).await; // an answer is good for a second
    }
    // An event that was delivered and not acknowledged is acknowledged later, and not delivered in a loop.
    assert!(
        delivered <= accepted.len() + 20,
        "{delivered} posts of {}",
        accepted.len()
    );
    size::measured(
        "full disk",
        &format!(
            "{}: {} accepted, {refused} refused, {delivered} posts, {} lines of the disk",
            disk.name(),
            accepted.len(),
            of_disk.len()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_events_have_filled_is_drained_and_events_are_accepted_again() {
    if !testing::needs::command(
        "prlimit",
        "a_disk_that_events_have_filled_is_drained_and_events_are_accepted_again",
    ) {
        return;
    }
    let (disk, target) = (Disk::new(), FaultyTarget::start(Fault::None).await);
    let serve = start(&disk.data(), &target);
    target.set(Fault::status(503));
    if !disk.is_mounted {
        limit(&serve, "20000000");
    }
    let long = format!(r#""padding":"{}""#, "x".repeat(200_000));
    let mut accepted = BTreeSet::new();
    loop {
        let n = u32::try_from(accepted.len()).unwrap();
        let answer = serve.post(&event_with(n, "START", &long)).await;
        if answer.status() == 503 {
            break;
        }
        assert_eq!(answer.status(), 200);
        accepted.insert(n);
        assert!(accepted.len() < 1_000, "the disk is never full");
    }
    target.set(Fault::None);
    if !disk.is_mounted {
        disk.clear(&serve); // without a disk of its own, no space is reserved
    }
    // Only the deliveries free space.
    eventually_delivered(&target, &accepted);
    let n = 5_000;
    accepted_again(&serve, n).await;
    accepted.insert(n);
    let posts = eventually_delivered(&target, &accepted);
    size::measured(
        "disk full of events",
        &format!(
            "{}: {} accepted of 200 KB, {posts} posts",
            disk.name(),
            accepted.len()
        ),
    );
}

#[test]
fn serve_does_not_start_in_a_folder_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let place = text(folder.path());
    let is_mounted = does("mount", &["-t", "tmpfs", "-o", "ro", "tmpfs", place]);
    if !is_mounted {
        assert!(does("chmod", &["555", place]));
        if fs::write(folder.path().join("probe"), "").is_ok() {
            let need = "user without root's rights, and no right to mount";
            testing::needs::skip("a folder that cannot be written", need);
            return;
        }
    }
    let (status, _, error) = run(
        &["serve", "--listen", "127.0.0.1:0", "--data-dir", place],
        &[],
    );
    if is_mounted {
        does("umount", &["-l", place]);
    }
    assert_eq!(status, Some(64), "{error}");
    assert!(
        error.contains(place) && (error.contains("Read-only") || error.contains("denied")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_read_only_is_reported_and_written_again() {
    if !testing::needs::command(
        "prlimit",
        "a_file_that_becomes_read_only_is_reported_and_written_again",
    ) {
        return;
    }
    let (folder, target) = (
        tempfile::tempdir().unwrap(),
        FaultyTarget::start(Fault::None).await,
    );
    let serve = start(folder.path(), &target);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    target.accepted_when(1).await;
    // Immutable where the file system supports it; otherwise no file may grow.
    let files: Vec<_> = ["events.db", "events.db-wal"]
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
        serve.status("/readyz").await,
        serve.status("/healthz").await,
    );
    if by_flag {
        set("-i");
    } else {
        limit(&serve, "unlimited");
    }
    assert_eq!((status.as_u16(), ready, alive), (503, 503, 200));
    let why = serve.logged("cannot write to the queue");
    assert!(
        why["error"].as_str().unwrap().contains("events.db"),
        "{why}"
    );
    accepted_again(&serve, 3).await;
    eventually_delivered(&target, &BTreeSet::from([1, 3]));
    serve.logged("recovered: cannot write to the queue");
}

/// Waits until all of these have arrived. Returns the number of posts.
fn eventually_delivered(target: &FaultyTarget, accepted: &BTreeSet<u32>) -> usize {
    patiently(|| accepted.is_subset(&arrived(target)).then_some(()));
    target.accepted().len()
}

/// No file of that process may grow past so many bytes.
fn limit(serve: &Serve, bytes: &str) {
    let (pid, limit) = (
        format!("--pid={}", serve.id()),
        format!("--fsize={bytes}:unlimited"),
    );
    assert!(does("prlimit", &[&pid, &limit]), "prlimit is needed");
}
