//! One `serve` with several targets: each has its own worker, attempts, rules and dead letters, and none waits for another.
//! What their configuration may be is tested in `crates/proxy/src/config/tests/kinds.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "several_targets/late.rs"]
mod late;

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

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_target_has_not_received_is_reported_and_kept_until_it_is_discarded() {
    let setup = Setup::new();
    let down = FaultyTarget::start(Fault::status(503)).await;
    let other = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[("down", &down), ("other", &other)]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    other.accepted_when(5).await;
    assert_eq!(serve.terminate(), Some(0));

    let serve = setup.start(&[("other", &other)]);
    let left = serve.lines("events are kept for a target that is not configured");
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        (&left[0]["target"], &left[0]["events"]),
        (&"down".into(), &5.into())
    );
    // What is accepted now is not for it.
    post(&serve, 5..9).await;
    setup.lake_when(9);
    let status = setup.json(&["queue", "status", "--target", "down"]);
    assert_eq!(status["waiting"], 5, "{status}");
    assert_eq!(serve.terminate(), Some(0));

    // It goes on when it is configured again.
    down.set(Fault::None);
    let serve = setup.start(&[("down", &down), ("other", &other)]);
    assert_eq!(jobs(&down.accepted_when(5).await).len(), 5);
    post(&serve, 9..10).await;
    let received = jobs(&down.accepted_when(6).await);
    assert!(
        received.contains("job 9") && !received.contains("job 5"),
        "{received:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_removed_target_can_be_discarded() {
    let setup = Setup::new();
    let down = FaultyTarget::start(Fault::status(503)).await;
    let serve = setup.start(&[("down", &down)]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    let config = setup.configure(&[("down", &down)], "");
    let discard = |config: &Path| {
        let config = config.to_str().unwrap();
        setup.run(&["queue", "discard", "down", "--yes", "--config", config])
    };
    let (status, _, err) = discard(&config);
    assert_eq!(status, Some(64), "it is configured: {err}");
    assert_eq!(serve.terminate(), Some(0));

    let serve = setup.start(&[]);
    let (status, out, err) = discard(&setup.configure(&[], ""));
    assert_eq!(
        (status, out.trim()),
        (Some(0), "discarded down: 5 events, 0 dead letters"),
        "{err}"
    );
    assert_eq!(serve.terminate(), Some(0));
    let serve = setup.start(&[]);
    assert!(
        serve
            .lines("events are kept for a target that is not configured")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_a_running_serve_delivers_to_is_not_discarded() {
    let setup = Setup::new();
    let other = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[("other", &other)]);
    post(&serve, 0..1).await;
    other.accepted_when(1).await;
    setup.lake_when(1);
    // Without its configuration, the command does not know the target, of which nothing is left to ask about.
    let discard = || setup.run(&["queue", "discard", "other", "--yes"]);
    let (status, _, err) = discard();
    assert_eq!(status, Some(64), "{err}");
    assert!(
        err.contains("serve is running and delivers to other"),
        "{err}"
    );
    post(&serve, 1..2).await;
    other.accepted_when(2).await;
    assert_eq!(serve.terminate(), Some(0));
    let (status, out, err) = discard();
    assert_eq!(
        (status, out.trim()),
        (Some(0), "discarded other: 0 events, 0 dead letters"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_for_a_target_that_nobody_delivers_to_says_so() {
    let setup = Setup::new();
    let other = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[("other", &other)]);
    let poison = event(7, "START").replace(r#""x":1.0"#, r#""answer":422"#);
    serve.post(&poison).await;
    let list = ["dead-letters", "list"];
    eventually(|| (setup.json(&list).as_array().unwrap().len() == 1).then_some(()));
    let redrive = || setup.run(&["dead-letters", "redrive", "--all"]);
    let (status, out, err) = redrive();
    assert_eq!((status, out.trim(), &*err), (Some(0), "1 redriven", ""));
    eventually(|| (setup.json(&list).as_array().unwrap().len() == 1).then_some(()));
    assert_eq!(serve.terminate(), Some(0));
    let _serve = setup.start(&[]);
    let (status, out, err) = redrive();
    assert_eq!((status, out.trim()), (Some(0), "1 redriven"));
    assert!(err.contains("target other is not configured"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_target_starts_with_new_events() {
    let setup = Setup::new();
    let (first, new) = (
        FaultyTarget::start(Fault::status(503)).await,
        FaultyTarget::start(Fault::None).await,
    );
    let serve = setup.start(&[("first", &first)]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    assert_eq!(serve.terminate(), Some(0));
    let serve = setup.start(&[("first", &first), ("new", &new)]);
    post(&serve, 5..6).await;
    let received = jobs(&new.accepted_when(1).await);
    assert_eq!(received, BTreeSet::from(["job 5".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_target_may_start_with_what_is_in_the_log() {
    let setup = Setup::new();
    let new = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    assert_eq!(serve.terminate(), Some(0));
    let config = setup.configure(&[("new", &new)], "");
    let targets = fs::read_to_string(&config).unwrap();
    let targets = targets.replace("new: {", "new: {start_from: 1h, ");
    let config = write(setup.0.path(), "proxy.yaml", &targets);
    let serve = Serve::start_configured(&setup.data(), &config);
    assert_eq!(jobs(&new.accepted_when(5).await).len(), 5);
    let started = serve.logged("a new target starts in the log");
    assert_eq!(
        (&started["target"], &started["events"]),
        (&"new".into(), &5.into())
    );
    assert_eq!(serve.terminate(), Some(0));
    // It has no effect on a target that the log knows.
    let serve = Serve::start_configured(&setup.data(), &config);
    post(&serve, 5..6).await;
    assert_eq!(new.accepted_when(6).await.len(), 6);
    assert!(serve.lines("a new target starts in the log").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_may_have_rules_of_its_own_and_a_reload_reads_them() {
    let setup = Setup::new();
    let other = FaultyTarget::start(Fault::None).await;
    let rules = |job: &str| {
        let drop =
            format!("rules:\n  - name: few\n    when: {{job: {{name: {job}}}}}\n    drop: true\n");
        write(setup.0.path(), "lake.yaml", &drop)
    };
    rules("job 0");
    let config = setup.configure(&[("other", &other)], ", rules: {file: lake.yaml}");
    let serve = Serve::start_configured(&setup.data(), &config);
    post(&serve, 0..3).await;
    assert_eq!(jobs(&other.accepted_when(3).await).len(), 3);
    let lake = jobs(&setup.lake_when(2));
    assert!(!lake.contains("job 0"), "{lake:?}");

    rules("job 3");
    serve.signal("HUP");
    serve.logged("rules and files reloaded");
    post(&serve, 3..5).await;
    assert_eq!(jobs(&other.accepted_when(5).await).len(), 5);
    let lake = jobs(&setup.lake_when(3));
    assert!(
        lake.contains("job 4") && !lake.contains("job 3"),
        "{lake:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_gets_the_events_that_meet_its_conditions() {
    let setup = Setup::new();
    let other = FaultyTarget::start(Fault::None).await;
    let config = setup.configure(
        &[("other", &other)],
        ", when: {job: {name: {regex: 'job [12]'}}}",
    );
    let serve = Serve::start_configured(&setup.data(), &config);
    post(&serve, 0..5).await;
    assert_eq!(jobs(&other.accepted_when(5).await).len(), 5);
    let dropped = |line: &Value| line["rule"] == "builtin/when" && line["target"] == "lake";
    until(async || {
        let lines = serve.outcomes();
        (lines.iter().filter(|line| dropped(line)).count() == 3).then_some(())
    })
    .await;
    let lake = jobs(&setup.lake_when(2));
    assert_eq!(
        lake,
        BTreeSet::from(["job 1".to_owned(), "job 2".to_owned()])
    );

    // The workbench says why, although there is no rules file.
    let events = write(setup.0.path(), "events.jsonl", &event(4, "START"));
    let (config, events) = (config.to_str().unwrap(), events.to_str().unwrap());
    let explain = |target: &str| {
        let explain = [
            "transform",
            "explain",
            "--config",
            config,
            "--target",
            target,
            events,
        ];
        let (status, out, err) = run(&explain, &[]);
        assert_eq!(status, Some(0), "{err}");
        out
    };
    let explained = explain("lake");
    assert!(explained.contains("builtin/when: dropped"), "{explained}");
    assert!(explained.contains("found test job 4"), "{explained}");
    let (status, _, err) = run(&["transform", "test", "--config", config], &[]);
    assert_eq!(status, Some(64), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_may_share_a_rules_file_that_names_one_of_them() {
    let setup = Setup::new();
    let other = FaultyTarget::start(Fault::None).await;
    let rules =
        "rules:\n  - name: few\n    when: {target: lake, job: {name: job 0}}\n    drop: true\n";
    write(setup.0.path(), "rules.yaml", rules);
    let config = setup.configure(&[("other", &other)], "");
    let targets = fs::read_to_string(&config).unwrap();
    let config = write(
        setup.0.path(),
        "proxy.yaml",
        &format!("{targets}rules: {{file: rules.yaml}}\n"),
    );
    // The workbench reads the file for each of them, as `serve` does.
    for target in ["lake", "other"] {
        let file = config.to_str().unwrap();
        let check = ["transform", "check", "--config", file, "--target", target];
        let (status, out, err) = run(&check, &[]);
        assert_eq!(status, Some(0), "{target}: {out}{err}");
    }
    let serve = Serve::start_configured(&setup.data(), &config);
    post(&serve, 0..3).await;
    assert_eq!(jobs(&other.accepted_when(3).await).len(), 3);
    let lake = jobs(&setup.lake_when(2));
    assert!(!lake.contains("job 0"), "{lake:?}");
}
