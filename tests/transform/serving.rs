//! Rules in `serve`: applied, swapped while it serves, and never the end of an event that they do not name.

use std::path::Path;

use serde_json::Value;
use testing::events::event;
use testing::{Serve, eventually, run, write};

use super::RULES;

#[test]
fn invalid_rules_keep_serve_from_starting_and_name_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(
        folder.path(),
        "bad.yaml",
        "rules:\n  - {name: a, drop: maybe}\n",
    );
    let data = folder.path().join("data");
    let (status, _, err) = run(
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            data.to_str().unwrap(),
            "--rules",
            rules.to_str().unwrap(),
        ],
        &[],
    );
    assert_eq!(status, Some(64));
    assert!(err.contains("bad.yaml:2:21"), "{err}");
}

#[tokio::test]
async fn rules_apply_and_are_swapped_while_serving_and_bad_ones_never_replace_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "transforms.yaml", RULES);
    let settings = [
        ("RULES_FILE", rules.to_str().unwrap()),
        ("RULES_REFRESH", "1"),
    ];
    let serve = Serve::start(&folder.path().join("data"), &settings);
    for n in 1..=4 {
        serve.post(&event(n, "START")).await;
    }
    let stored = serve.stored_when(3).await;
    assert!(
        stored
            .iter()
            .any(|text| text.contains(r#""mark":{"by":"a script""#)),
        "{stored:?}"
    );
    let outcomes = eventually(|| Some(serve.outcomes()).filter(|outcomes| outcomes.len() == 4));
    let dropped: Vec<&Value> = outcomes
        .iter()
        .filter(|line| line["outcome"] == "dropped")
        .collect();
    assert_eq!(
        (dropped.len(), &dropped[0]["rule"]),
        (1, &Value::from("idle"))
    );
    let metrics = serve.get("/metrics").await;
    assert!(
        metrics.contains("lineage_proxy_dropped_total{target=\"store\",rule=\"idle\"} 1"),
        "{metrics}"
    );

    // Half-written, as `cp` leaves a file for a moment: no rules are not meant.
    std::fs::write(&rules, "").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    serve.post(&event(2, "RUNNING")).await;
    eventually(|| Some(serve.outcomes()).filter(|outcomes| outcomes.len() == 5));
    std::fs::write(&rules, "rules: [{name: a}]").unwrap();
    serve.logged("invalid rules file; the last valid rules stay in use");
    serve.post(&event(2, "COMPLETE")).await;
    eventually(|| Some(serve.outcomes()).filter(|outcomes| outcomes.len() == 6));
    assert_eq!(serve.stored().await.len(), 3);

    std::fs::write(
        &rules,
        "rules: [{name: new, when: {job: {name: 'job 3'}}, drop: true}]",
    )
    .unwrap();
    eventually(|| {
        let log = serve.log.lock().unwrap();
        let used = log
            .iter()
            .filter(|line| line["fields"]["message"] == "rules loaded");
        (used.count() == 2).then_some(())
    });
    serve.post(&event(2, "COMPLETE")).await;
    serve.stored_when(4).await;
}

#[tokio::test]
async fn a_script_that_never_ends_harms_its_event_only_as_its_rule_allows() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
rules:
  - {name: loops, when: {job: {name: 'job 1'}}, script: 'loop { }'}
  - {name: grows, when: {job: {name: 'job 2'}}, script: 'let a = [1]; loop { a.append(a + a); }', on_failure: dead_letter}
  - {name: rubbish, when: {job: {name: 'job 3'}}, script: 'event.run = 1;'}
";
    let rules = write(folder.path(), "transforms.yaml", text);
    let serve = Serve::start(
        &folder.path().join("data"),
        &[("RULES_FILE", rules.to_str().unwrap())],
    );
    for n in 1..=4 {
        serve.post(&event(n, "START")).await;
    }
    let mut stored = serve.stored_when(3).await;
    stored.sort();
    let mut expected = [1, 3, 4].map(|n| event(n, "START"));
    expected.sort();
    assert_eq!(stored, expected);
    let outcomes = eventually(|| Some(serve.outcomes()).filter(|outcomes| outcomes.len() == 4));
    let dead = outcomes
        .iter()
        .find(|line| line["outcome"] == "dead_lettered")
        .unwrap();
    assert_eq!(dead["job.name"], "job 2");
    assert_eq!(dead["reason"], "rule");
    assert!(
        dead["error"]
            .as_str()
            .unwrap()
            .starts_with("rule: \"grows\" failed: "),
        "{dead}"
    );
    let log = serve.log.lock().unwrap();
    let failed = log
        .iter()
        .filter(|line| line["fields"]["message"] == "rule failed");
    let mut rules: Vec<&str> = failed
        .map(|line| line["fields"]["rule"].as_str().unwrap())
        .collect();
    rules.sort_unstable();
    assert_eq!(rules, ["grows", "loops", "rubbish"]);
}

#[tokio::test]
async fn a_module_beside_the_rules_changes_events_and_a_bad_one_harms_none() {
    let folder = tempfile::tempdir().unwrap();
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transform/tests/modules");
    std::fs::create_dir(folder.path().join("modules")).unwrap();
    let copied = folder.path().join("modules/job_environment.wasm");
    std::fs::copy(modules.join("job_environment.wasm"), &copied).unwrap();
    let text = "
rules:
  - {name: starved, module: {file: modules/job_environment.wasm, with: testing, fuel: 12000}}
  - {name: environment, module: {file: modules/job_environment.wasm, with: testing}}
";
    let rules = write(folder.path(), "transforms.yaml", text);
    let (status, out, _) = run(
        &["transform", "check", "--rules", rules.to_str().unwrap()],
        &[],
    );
    assert_eq!(status, Some(0), "{out}");
    let serve = Serve::start(
        &folder.path().join("data"),
        &[("RULES_FILE", rules.to_str().unwrap())],
    );
    serve.post(&event(1, "START")).await;
    let stored = serve.stored_when(1).await;
    assert!(
        stored[0].contains(r#""namespace":"testing""#),
        "{}",
        stored[0]
    );
    assert_eq!(serve.logged("rule failed")["rule"], "starved");

    std::fs::write(&copied, b"\0asm").unwrap();
    let (status, out, _) = run(
        &["transform", "check", "--rules", rules.to_str().unwrap()],
        &[],
    );
    assert_eq!(status, Some(1));
    assert!(
        out.contains(":3:36: rule \"starved\": modules/job_environment.wasm: "),
        "{out}"
    );
}
