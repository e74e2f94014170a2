//! A wall clock that is set back and ahead, under the real binary: a preloaded library shows it another time.
//!
//! Waiting uses a clock that cannot be set. The times of events that are received and shown are those of the wall clock.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testing::events::event;
use testing::{Fault, FaultyTarget, Serve, binary, eventually, size};

/// Adds the seconds in a file to the wall clock of a process.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *t) {
    int answer = syscall(SYS_clock_gettime, id, t);
    const char *name = getenv("TEST_CLOCK");
    FILE *file = id == CLOCK_REALTIME && name ? fopen(name, "r") : NULL;
    long seconds = 0;
    if (file) {
        if (fscanf(file, "%ld", &seconds) == 1) t->tv_sec += seconds;
        fclose(file);
    }
    return answer;
}
"#;

const DAY: i64 = 86_400;

/// The wall clock of the processes that run with its variables.
struct Wall {
    folder: tempfile::TempDir,
}

impl Wall {
    fn new() -> Wall {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("clock.c");
        fs::write(&source, SHIM).unwrap();
        // SQLite is built with the same compiler.
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(folder.path().join("clock.so"))
            .arg(&source)
            .status();
        assert!(built.expect("cc is needed").success());
        let wall = Wall { folder };
        wall.set(0);
        wall
    }

    /// Sets it to so many seconds from the true time.
    fn set(&self, seconds: i64) {
        fs::write(self.folder.path().join("next"), seconds.to_string()).unwrap();
        fs::rename(self.folder.path().join("next"), self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("seconds")
    }

    fn variables(&self) -> [(&'static str, String); 2] {
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD", path(self.folder.path().join("clock.so"))),
            ("TEST_CLOCK", path(self.file())),
        ]
    }

    fn serve(&self, folder: &Path, target: &FaultyTarget) -> Serve {
        let variables = self.variables();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let settings = target.settings();
        Serve::start_with(folder, &settings, &variables)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(binary())
            .args(arguments)
            .envs(self.variables())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_while_it_serves_hides_no_event_and_delivers_none_twice() {
    let (wall, folder, target) = (
        Wall::new(),
        tempfile::tempdir().unwrap(),
        FaultyTarget::start(Fault::None).await,
    );
    let serve = wall.serve(folder.path(), &target);
    let each = size::of(5, 200);
    let (mut sent, mut days) = (0, BTreeSet::new());
    let jumps = [-DAY, 0, DAY, -400 * DAY];
    for seconds in jumps {
        target.set(Fault::status(503));
        for n in sent..sent + each {
            assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
        }
        eventually(|| {
            (serve
                .log
                .lock()
                .unwrap()
                .iter()
                .filter(|line| line["fields"]["message"] == "delivery failed, will retry")
                .count()
                > 0)
            .then_some(())
        });
        // Some wait for a retry, others are being delivered.
        target.delay(Duration::from_millis(300));
        target.set(Fault::None);
        for n in sent + each..sent + 2 * each {
            assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        wall.set(seconds);
        sent += 2 * each;
        target.accepted_when(sent as usize).await;
        target.delay(Duration::ZERO);
        days.extend(logged_days(&serve));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let posts = target.accepted().len();
    assert_eq!(posts, sent as usize, "each is posted once");
    // The log uses the same clock: each jump leads to another day.
    eventually(|| {
        days.extend(logged_days(&serve));
        (days.len() >= jumps.len()).then_some(())
    });
    size::measured(
        "clock jumps",
        &format!(
            "{} jumps, {} days in the log, {sent} events, {posts} posts",
            jumps.len(),
            days.len()
        ),
    );
}

/// Takes the log so far, and returns its days.
fn logged_days(serve: &Serve) -> BTreeSet<String> {
    let log = std::mem::take(&mut *serve.log.lock().unwrap());
    let day = |line: &Value| line["timestamp"].as_str().unwrap()[..10].to_owned();
    log.iter().map(day).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_back_between_two_starts_hides_no_event() {
    let (wall, folder, target) = (
        Wall::new(),
        tempfile::tempdir().unwrap(),
        FaultyTarget::start(Fault::status(503)).await,
    );
    wall.set(DAY);
    let serve = wall.serve(folder.path(), &target);
    for n in 0..20 {
        assert_eq!(serve.post(&event(n, "START")).await.status(), 200);
    }
    serve.logged("delivery failed, will retry");
    serve.kill();
    wall.set(-DAY);
    target.set(Fault::status(400));
    let serve = wall.serve(folder.path(), &target);
    eventually(|| (serve.outcomes().len() == 20).then_some(()));
    // They are dead letters now. A command whose clock is ahead redrives them.
    target.set(Fault::None);
    wall.set(2 * DAY);
    let place = ["--data-dir", folder.path().to_str().unwrap()];
    wall.run(&["dead-letters", "redrive", place[0], place[1], "--all"]);
    wall.set(-DAY);
    target.accepted_when(20).await;
    let status = wall.run(&["queue", "status", place[0], place[1], "--output", "json"]);
    assert!(status.contains(r#""dead_letters":0"#), "{status}");
}
