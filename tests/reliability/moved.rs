//! Files and folders that are removed, moved, replaced or truncated while `serve` has them open: it asks to be restarted,
//! what it answered `200` is delivered, also after a `kill -9`, and what it reports as delivered is where it reports.
//!
//! Every way for the file alone is in the unit tests of `crates/targets/src/file` and `crates/journal/tests/displaced.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testing::events::event;
use testing::serve::aws;
use testing::{Fault, FaultyTarget, Serve, eventually, size, write};

use crate::disk::{
    RESTART, accepted_after_restart, arrived, does, offer, patiently, restarted, start, text,
};

/// What is done to a path.
type Way<'a> = (&'a str, &'a dyn Fn(&Path, &Path));

const DATA: &[Way<'_>] = &[
    ("rm -rf", &|data, _| fs::remove_dir_all(data).unwrap()),
    ("mv", &|data, moved| fs::rename(data, moved).unwrap()),
    ("mv above", &|data, moved| {
        fs::rename(data.parent().unwrap(), moved).unwrap();
    }),
    ("another folder", &|data, moved| {
        fs::rename(data, moved).unwrap();
        fs::create_dir(data).unwrap();
    }),
    ("a link to another folder", &|data, moved| {
        fs::rename(data, moved).unwrap();
        let other = data.with_file_name("other");
        fs::create_dir(&other).unwrap();
        symlink(other, data).unwrap();
    }),
    ("rm of the database", &|data, _| {
        fs::remove_file(data.join("events.db")).unwrap();
    }),
    ("rm of the log", &|data, _| {
        fs::remove_file(data.join("events.db-wal")).unwrap();
    }),
    ("rm of the index", &|data, _| {
        fs::remove_file(data.join("events.db-shm")).unwrap();
    }),
    ("rm of all files", &|data, _| {
        for file in fs::read_dir(data).unwrap() {
            fs::remove_file(file.unwrap().path()).unwrap();
        }
    }),
    ("a backup moved over it", &|data, moved| {
        fs::copy(data.join("events.db"), moved).unwrap();
        fs::rename(moved, data.join("events.db")).unwrap();
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn queued_events_outlast_the_removal_of_the_data_folder_and_a_kill() {
    for (what, way) in DATA {
        let (folder, target) = (
            tempfile::tempdir().unwrap(),
            FaultyTarget::start(Fault::status(503)).await,
        );
        let data = folder.path().join("above/data");
        let serve = start(&data, &target);
        for n in 0..5 {
            assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
        }
        way(&data, &folder.path().join("moved"));
        let mut accepted: BTreeSet<u32> = (0..5).collect();
        for n in 5..10 {
            match offer(&serve, n).await {
                Some(200) => drop(accepted.insert(n)),
                Some(status) => assert_eq!(status, 503, "{what}"),
                None => {} // it has ended
            }
        }
        let serve = accepted_after_restart(serve, || start(&data, &target), 10).await;
        accepted.insert(10);
        serve.kill();
        target.set(Fault::None);
        let serve = start(&data, &target);
        patiently(|| accepted.is_subset(&arrived(&target)).then_some(()));
        drop(serve);
    }
    let ways = DATA.len();
    size::measured(
        "data folder removed",
        &format!("{ways} ways, 11 events each, 0 lost"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_events_outlast_the_removal_of_the_data_folder_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &[]);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    serve.stored_when(1).await;
    serve.stored_when(1).await;
    fs::remove_dir_all(&data).unwrap();
    let serve = accepted_after_restart(serve, || Serve::start(&data, &[]), 2).await;
    eventually(|| (!serve.outcomes().is_empty()).then_some(()));
    serve.kill();
    let serve = Serve::start(&data, &[]);
    assert_eq!(serve.stored_when(2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_events_of_a_removed_data_folder_cannot_be_saved_it_answers_503_and_goes_on() {
    let (folder, target) = (
        tempfile::tempdir().unwrap(),
        FaultyTarget::start(Fault::status(503)).await,
    );
    let above = folder.path().join("above");
    let serve = start(&above.join("data"), &target);
    for n in 0..5 {
        assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
    }
    let before = serve.log.lock().unwrap().len();
    fs::remove_dir_all(&above).unwrap();
    fs::write(&above, "a file in the way").unwrap();
    for n in 5..50 {
        let answer = serve.post(&event(n, "START")).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "1");
    }
    let ready = async {
        let deadline = Instant::now() + Duration::from_secs(30); // an answer is good for a second
        while serve.status("/readyz").await == 200 {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    ready.await;
    assert_eq!(serve.status("/healthz").await, 200);
    // The history says it of its own file, which may lack events at that moment.
    serve.lines_when(
        "database files were taken away while in use, and their rows cannot be saved yet; will retry",
        |line| {
            let has = |field: &str, what| line[field].to_string().contains(what);
            has("file", "above/data/events.db") && has("error", "above/data") && has("rows", "events: 5 rows")
        },
    );
    let lines = serve.log.lock().unwrap().len() - before;
    assert!(lines < 20, "{lines} lines");

    fs::remove_file(&above).unwrap();
    target.set(Fault::None);
    let again = || start(&above.join("data"), &target);
    let _serve = accepted_after_restart(serve, again, 50).await;
    let accepted: BTreeSet<u32> = (0..5).chain([50]).collect();
    patiently(|| accepted.is_subset(&arrived(&target)).then_some(()));
}

/// A proxy with one event in its queue, in front of a target that is down.
async fn undelivered() -> (TempDir, FaultyTarget, Serve) {
    let folder = tempfile::tempdir().unwrap();
    let target = FaultyTarget::start(Fault::status(503)).await;
    let serve = start(&folder.path().join("data"), &target);
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    (folder, target, serve)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_is_mounted_over_the_data_folder_is_noticed() {
    let (folder, target, serve) = undelivered().await;
    let data = folder.path().join("data");
    struct MountGuard<'a>(&'a Path);
    impl Drop for MountGuard<'_> {
        fn drop(&mut self) {
            does("umount", &["-l", text(self.0)]);
        }
    }
    if !does(
        "mount",
        &["-t", "tmpfs", "-o", "size=48m", "tmpfs", text(&data)],
    ) {
        testing::needs::skip(
            "a file system mounted over the data folder",
            "right to mount",
        );
        return;
    }
    let _mounted = MountGuard(&data);
    let serve = accepted_after_restart(serve, || start(&data, &target), 2).await;
    let is_there = data.join("events.db").exists();
    serve.kill();
    target.set(Fault::None);
    let serve = start(&data, &target);
    patiently(|| (arrived(&target).len() == 2).then_some(()));
    drop(serve);
    assert!(is_there);
}

const FILE: &[Way<'_>] = &[
    ("rm", &|file, _| fs::remove_file(file).unwrap()),
    ("mv", &|file, moved| fs::rename(file, moved).unwrap()),
    ("logrotate, create", &|file, moved| {
        fs::rename(file, moved).unwrap();
        fs::write(file, "").unwrap();
    }),
    ("logrotate, copytruncate", &|file, moved| {
        fs::copy(file, moved).unwrap();
        fs::write(file, "").unwrap();
    }),
    ("rm -rf of the folder, and a new one", &|file, _| {
        fs::remove_dir_all(file.parent().unwrap()).unwrap();
        fs::create_dir(file.parent().unwrap()).unwrap();
    }),
    ("mv of the folder, and a new one", &|file, moved| {
        fs::rename(file.parent().unwrap(), moved).unwrap();
        fs::create_dir(file.parent().unwrap()).unwrap();
    }),
    ("a link to another", &|file, moved| {
        fs::remove_file(file).unwrap();
        symlink(moved, file).unwrap();
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn events_reported_as_delivered_are_in_the_file_at_the_path() {
    for (what, way) in FILE {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lineage/events.jsonl");
        fs::create_dir(file.parent().unwrap()).unwrap();
        let settings = [("TARGET", "file"), ("FILE_PATH", text(&file))];
        let serve = Serve::start(&folder.path().join("data"), &settings);
        assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
        eventually(|| (serve.outcomes().len() == 1).then_some(()));
        way(&file, &folder.path().join("moved"));
        assert_eq!(serve.post(&event(2, "START")).await.status(), 200);
        eventually(|| (serve.outcomes().len() == 2).then_some(()));
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(found.contains("job 2"), "{what}: {found}");
        serve.logged("file was replaced; reopened it, and unacknowledged lines are written again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_folder_of_the_file_is_missing_events_wait_and_the_log_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lineage/events.jsonl");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let settings = [("TARGET", "file"), ("FILE_PATH", text(&file))];
    let serve = Serve::start(&folder.path().join("data"), &settings);
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    let retry = serve.logged("delivery failed, will retry");
    assert!(
        retry.to_string().contains("events.jsonl: No such file"),
        "{retry}"
    );
    assert!(serve.outcomes().is_empty());
    fs::create_dir(file.parent().unwrap()).unwrap();
    patiently(|| (!serve.outcomes().is_empty()).then_some(()));
    assert!(fs::read_to_string(&file).unwrap().contains("job 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_opens_the_file_again_and_reads_rules_and_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let rules = write(folder.path(), "transforms.yaml", "rules: []\n");
    let settings = [
        ("TARGET", "file"),
        ("FILE_PATH", text(&file)),
        ("RULES_FILE", text(&rules)),
        ("RULES_REFRESH", "3600"),
    ];
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &settings);
    fs::rename(&file, folder.path().join("events.jsonl.moved")).unwrap();
    write(
        folder.path(),
        "transforms.yaml",
        "rules: [{name: nothing, drop: true}]\n",
    );
    serve.signal("HUP");
    serve.logged("rules and files reloaded");
    // Before any event arrived.
    eventually(|| file.exists().then_some(()));
    assert_eq!(serve.post(&event(1, "START")).await.status(), 200);
    let outcome = eventually(|| serve.outcomes().first().cloned());
    assert_eq!(outcome["outcome"], "dropped", "{outcome}");
    assert_eq!(serve.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_finds_a_data_folder_that_was_removed_and_a_restart_brings_it_back() {
    let (folder, target, serve) = undelivered().await;
    let data = folder.path().join("data");
    fs::remove_dir_all(&data).unwrap();
    target.set(Fault::None);
    serve.signal("HUP");
    serve.logged("storage failed; the process ends, and the next start recovers it");
    let serve = restarted(serve, || start(&data, &target));
    // The history says it of its own file, too.
    serve.lines_when("recovered the rows that an earlier process saved", |line| {
        let has = |field: &str, what| line[field].to_string().contains(what);
        has("file", "data/events.db") && has("rows", "events: 1 rows")
    });
    patiently(|| (arrived(&target).len() == 1).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_saves_the_events_of_a_data_folder_that_was_removed() {
    let (folder, target, serve) = undelivered().await;
    let data = folder.path().join("data");
    fs::remove_dir_all(&data).unwrap();
    // It may notice by itself before the stop.
    let status = serve.terminate();
    assert!(matches!(status, Some(0 | RESTART)), "{status:?}");
    target.set(Fault::None);
    let _serve = start(&data, &target);
    patiently(|| (arrived(&target).len() == 1).then_some(()));
}

#[test]
fn a_hangup_does_not_end_half_a_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let queue = format!("{endpoint}/123456789012/queue");
    let file = folder.path().join("events.jsonl");
    for only in ["ingest", "batch"] {
        let settings = [
            ("ONLY", only),
            ("QUEUE_URL", queue.as_str()),
            ("QUEUE_DEAD_LETTER_URL", queue.as_str()),
            ("TARGET", "file"),
            ("FILE_PATH", file.to_str().unwrap()),
        ];
        let serve = Serve::start_with(&folder.path().join(only), &settings, &aws(&endpoint));
        serve.signal("HUP");
        serve.logged("rules and files reloaded");
        assert_eq!(serve.terminate(), Some(0), "{only}");
    }
}
