//! One `serve` with several targets: each has its own worker, attempts, rules and dead letters, and none waits for another.
//! What their configuration may be is tested in `crates/proxy/src/config/tests/kinds.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "several_targets/changes.rs"]
mod changes;
#[path = "several_targets/late.rs"]
mod late;
#[path = "several_targets/rules.rs"]
mod rules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use testing::events::event;
use testing::{Fault, FaultKind, FaultyTarget, Serve, eventually, run, until, write};

/// A folder with the data of a `serve`, its configuration, and the file of its target `lake`.
struct Setup(TempDir);

impl Setup {
    fn new() -> Setup {
        Setup(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Starts `serve` with the target `lake`, a file, and these OpenLineage endpoints.
    fn start(&self, endpoints: &[(&str, &FaultyTarget)]) -> Serve {
        Serve::start_configured(&self.data(), &self.configure(endpoints, ""))
    }

    /// Writes the configuration. `lake` has these settings besides.
    fn configure(&self, endpoints: &[(&str, &FaultyTarget)], of_lake: &str) -> PathBuf {
        let lake = self.0.path().join("lake.jsonl");
        let mut targets = format!(
            "  lake: {{type: file, path: {}{of_lake}}}\n",
            lake.display()
        );
        for (name, target) in endpoints {
            let url = &target.url;
            targets += &format!("  {name}: {{type: openlineage, url: '{url}'}}\n");
        }
        write(self.0.path(), "proxy.yaml", &format!("targets:\n{targets}"))
    }

    /// The events in the file of `lake`, once there are `count` or more.
    fn lake_when(&self, count: usize) -> Vec<String> {
        eventually(|| {
            let text = fs::read_to_string(self.0.path().join("lake.jsonl")).unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        })
    }

    /// Runs a command on the data folder, with JSON as its output.
    fn json(&self, command: &[&str]) -> Value {
        let (status, out, err) = self.run(&[command, &["--output", "json"]].concat());
        assert_eq!(status, Some(0), "{err}");
        serde_json::from_str(&out).unwrap()
    }

    fn run(&self, command: &[&str]) -> (Option<i32>, String, String) {
        let data = self.data();
        run(
            &[command, &["--data-dir", data.to_str().unwrap()]].concat(),
            &[],
        )
    }
}

async fn post(serve: &Serve, numbers: std::ops::Range<u32>) {
    for n in numbers {
        assert_eq!(serve.post(&event(n, "COMPLETE")).await.status(), 200);
    }
}

/// The jobs of events.
fn jobs(events: &[String]) -> BTreeSet<String> {
    let job = |event: &String| {
        let event: Value = serde_json::from_str(event).unwrap();
        event["job"]["name"].as_str().unwrap().to_owned()
    };
    events.iter().map(job).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_gets_everything_while_others_are_down_or_hang() {
    let setup = Setup::new();
    let down = FaultyTarget::start(Fault::status(503)).await;
    let slow = FaultyTarget::start(Fault::Always(FaultKind::Hold)).await;
    let serve = setup.start(&[("down", &down), ("slow", &slow)]);
    post(&serve, 0..60).await;
    assert_eq!(jobs(&setup.lake_when(60)).len(), 60);
    assert_eq!((down.accepted().len(), slow.accepted().len()), (0, 0));
    down.set(Fault::None);
    slow.set(Fault::None);
    assert_eq!(jobs(&down.accepted_when(60).await).len(), 60);
    assert_eq!(jobs(&slow.accepted_when(60).await).len(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_much_waits_is_measured_for_each_target() {
    let setup = Setup::new();
    let down = FaultyTarget::start(Fault::status(503)).await;
    let serve = setup.start(&[("down", &down)]);
    post(&serve, 0..3).await;
    let gauge = async |target: &str| {
        let name = format!("lineage_proxy_queue_events{{target=\"{target}\"}}");
        serve.counter(&name).await
    };
    until(async || (gauge("down").await == 3 && gauge("lake").await == 0).then_some(())).await;
    let status = setup.json(&["queue", "status"]);
    assert_eq!(status["targets"]["lake"]["waiting"], 0, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_target_has_its_own_dead_letters() {
    let setup = Setup::new();
    let (one, two) = (
        FaultyTarget::start(Fault::None).await,
        FaultyTarget::start(Fault::None).await,
    );
    let _serve = {
        let serve = setup.start(&[("one", &one), ("two", &two)]);
        let poison = event(7, "START").replace(r#""x":1.0"#, r#""answer":422"#);
        serve.post(&poison).await;
        serve
    };
    assert_eq!(setup.lake_when(1).len(), 1, "the file accepts it");
    let letters = |target: &[&str]| {
        let list = [&["dead-letters", "list"], target].concat();
        setup.json(&list).as_array().unwrap().clone()
    };
    let all = eventually(|| Some(letters(&[])).filter(|all| all.len() == 2));
    let targets: BTreeSet<&str> = all
        .iter()
        .map(|it| it["target"].as_str().unwrap())
        .collect();
    assert_eq!(targets, BTreeSet::from(["one", "two"]));
    assert_eq!(letters(&["--target", "lake"]).len(), 0);
    let (_, table, _) = setup.run(&["dead-letters", "list"]);
    assert!(table.starts_with("id\ttarget\t"), "{table}");

    let id = all[0]["id"].as_str().unwrap();
    let (_, out, _) = setup.run(&["dead-letters", "delete", "--target", "one", id]);
    assert_eq!(out.trim(), "1 deleted");
    let left = letters(&[]);
    assert_eq!((left.len(), &left[0]["target"]), (1, &"two".into()));
    // The event is still there for the other target.
    let (_, shown, _) = setup.run(&["dead-letters", "show", id]);
    assert!(shown.contains("answer"), "{shown}");
    let (status, _, err) = setup.run(&["dead-letters", "list", "--target", "three"]);
    assert_eq!(status, Some(64));
    assert!(
        err.contains("no queue for target three, only for lake, one, two"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_loses_nothing_for_any_target() {
    let setup = Setup::new();
    let fast = FaultyTarget::start(Fault::None).await;
    let down = FaultyTarget::start(Fault::status(503)).await;
    let serve = setup.start(&[("fast", &fast), ("down", &down)]);
    post(&serve, 0..40).await;
    serve.kill();
    down.set(Fault::None);
    let _serve = setup.start(&[("fast", &fast), ("down", &down)]);
    let all = |jobs: BTreeSet<String>| (jobs.len() == 40).then_some(());
    until(async || all(jobs(&fast.accepted()))).await;
    until(async || all(jobs(&down.accepted()))).await;
    eventually(|| all(jobs(&setup.lake_when(40))));
}
