//! Files that are damaged: set aside, and all that can be read of them delivered.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testing::events::{event, event_with};
use testing::{Fault, FaultyTarget, Serve, eventually, queued, size};

use super::{arrived, offer, patiently, restarted, start, text};

const PAGE: u64 = 4_096;

#[tokio::test(flavor = "multi_thread")]
async fn the_readable_events_of_a_damaged_queue_are_delivered() {
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
        let (folder, target) = (
            tempfile::tempdir().unwrap(),
            FaultyTarget::start(Fault::None).await,
        );
        fill(folder.path(), &target, count).await;
        damage(&folder.path().join("events.db"));
        let started = Instant::now();
        let serve = start(folder.path(), &target);
        let taken = started.elapsed();
        assert_eq!(serve.post(&event(count, "START")).await.status(), 200);
        let arrived = settled(folder.path(), &serve, &target);
        let lost = count as usize + 1 - arrived.len();
        assert!(lost <= most, "{what}: {lost} lost");
        assert!(arrived.contains(&count));
        aside(folder.path(), "events.db", &serve);
        size::measured(
            "damaged queue",
            &format!(
                "{what}: {count} events, {lost} on the damaged pages, listening after {} ms",
                taken.as_millis()
            ),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_damaged_while_it_is_used_ends_serve_and_the_restart_recovers_it() {
    let count = size::of(1_500, 10_000);
    let (folder, target) = (
        tempfile::tempdir().unwrap(),
        FaultyTarget::start(Fault::None).await,
    );
    fill(folder.path(), &target, count).await;
    target.set(Fault::status(503));
    let mut serve = start(folder.path(), &target);
    serve.logged("delivery failed, will retry");
    let at = folder.path().join("events.db");
    let pages = fs::metadata(&at).unwrap().len() / PAGE;
    for page in pages / 3..pages / 3 + 5 {
        overwrite(&at, page * PAGE, &[0xa5; 200]);
    }
    target.set(Fault::None);
    let (mut n, deadline) = (count, Instant::now() + Duration::from_secs(60));
    while serve.exit_status().is_none() {
        if offer(&serve, n).await == Some(200) {
            n += 1;
        }
        assert!(Instant::now() < deadline, "{:#?}", serve.lines_after(0));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let serve = restarted(serve, || start(folder.path(), &target));
    assert_eq!(offer(&serve, n).await, Some(200));
    let arrived = settled(folder.path(), &serve, &target);
    let lost = n as usize + 1 - arrived.len();
    assert!(
        lost <= 40 && (count..=n).all(|n| arrived.contains(&n)),
        "{lost} lost of {n}"
    );
    aside(folder.path(), "events.db", &serve);
    size::measured(
        "damaged in use",
        &format!("{count} events, {lost} on the damaged pages"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_behind_a_damaged_frame_of_the_log_are_delivered() {
    let (folder, target) = (
        tempfile::tempdir().unwrap(),
        FaultyTarget::start(Fault::status(503)).await,
    );
    let serve = start(folder.path(), &target);
    let count = 200;
    for n in 0..count {
        assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
    }
    serve.kill();
    let log = folder.path().join("events.db-wal");
    let frames = (fs::metadata(&log).unwrap().len() - 32) / (PAGE + 24);
    overwrite(&log, 32 + frames / 3 * (PAGE + 24) + 500, &[0xa5; 8]);
    target.set(Fault::None);
    let serve = start(folder.path(), &target);
    let arrived = settled(folder.path(), &serve, &target);
    let lost = count as usize - arrived.len();
    assert!(lost <= 10, "{lost} lost");
    aside(folder.path(), "events.db", &serve);
    size::measured(
        "damaged log",
        &format!("{count} events, {lost} in the damaged frame"),
    );
}

/// Fills a queue, while the target is down, and stops its process. The target is up again at the end.
async fn fill(folder: &Path, target: &FaultyTarget, count: u32) {
    target.set(Fault::status(503));
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
        let events = some.iter().map(|n| event_with(*n, "START", &padding));
        let events: Vec<String> = events.collect();
        let answer = serve
            .post_to("/api/v1/lineage/batch", &format!("[{}]", events.join(",")))
            .await;
        assert!(answer.text().await.unwrap().contains(r#""failed":0"#));
    }
    // The last connection that closes moves the log into the file.
    assert_eq!(serve.terminate(), Some(0));
    let queue = rusqlite::Connection::open(folder.join("events.db")).unwrap();
    let all = "PRAGMA wal_checkpoint(TRUNCATE)";
    queue.query_row(all, [], |_| Ok(())).unwrap();
    target.set(Fault::None);
}

/// What has arrived, once the damaged file is set aside and nothing is left in the queue.
fn settled(folder: &Path, serve: &Serve, target: &FaultyTarget) -> BTreeSet<u32> {
    patiently(|| was_set_aside(serve).then_some(()));
    patiently(|| (queued(folder) == Some(0)).then_some(()));
    arrived(target)
}

fn was_set_aside(serve: &Serve) -> bool {
    let lines = serve.lines_after(0);
    lines.iter().any(|line| line["set_aside"].is_string())
}

/// The file was set aside, and the log names it.
fn aside(folder: &Path, name: &str, serve: &Serve) {
    let log = eventually(|| {
        let lines = serve.lines_after(0);
        lines.into_iter().find(|line| line["set_aside"].is_string())
    });
    let aside = PathBuf::from(log["set_aside"].as_str().unwrap());
    assert!(aside.starts_with(folder) && aside.exists(), "{log}");
    assert!(
        text(&aside).contains(&format!("{name}.damaged-20")),
        "{log}"
    );
}

fn overwrite(file: &Path, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(bytes, at).unwrap();
}
