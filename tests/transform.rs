//! Rules from end to end: the workbench as its user calls it, and `serve` with a rules file.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "transform/check.rs"]
mod check;
#[path = "transform/explain.rs"]
mod explain;
#[path = "transform/serving.rs"]
mod serving;

use serde_json::Value;
use testing::events::{event, event_with};
use testing::{run, write};

const RULES: &str = "
rules:
  - name: s3
    normalise: [s3]
    examples:
      - {name: spark, given: {inputs: [{namespace: 's3a://b', name: /k}]}, expect_at: {/inputs/0/namespace: 's3://b', /inputs/0/name: k}}
  - {name: idle, when: {job: {name: 'job 2'}}, drop: true}
  - name: mark
    when: {job: {name: 'job 3'}}
    script: 'event.run.facets = #{ mark: #{ by: \"a script\" } };'
";

#[test]
fn the_commands_report_errors_examples_changes_and_conditions() {
    let folder = tempfile::tempdir().unwrap();
    let rules = write(folder.path(), "transforms.yaml", RULES);
    let rules = rules.to_str().unwrap();
    let bad = write(
        folder.path(),
        "bad.yaml",
        "rules:\n  - {name: a, drop: maybe}\n",
    );
    let events = [
        event_with(
            1,
            "START",
            r#""inputs":[{"namespace":"s3a://b","name":"/k"}]"#,
        ),
        event(2, "START"),
        event(3, "START"),
        event(4, "START"),
    ];
    let file = write(folder.path(), "events.jsonl", &events.join("\n"));
    let file = file.to_str().unwrap();

    let (status, out, _) = run(
        &["transform", "check", "--rules", bad.to_str().unwrap()],
        &[],
    );
    assert_eq!(status, Some(1));
    assert!(
        out.contains("bad.yaml:2:21: rule \"a\": expected true"),
        "{out}"
    );
    assert_eq!(
        run(&["transform", "check", "--rules", rules], &[]).0,
        Some(0)
    );
    let (status, out, _) = run(&["transform", "test", "--rules", rules], &[]);
    assert_eq!(
        (status, out.contains("1 passed, 0 failed")),
        (Some(0), true),
        "{out}"
    );

    let (status, out, err) = run(&["transform", "--rules", rules, file], &[]);
    assert_eq!(status, Some(0), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[0],
        events[0]
            .replace("s3a://b", "s3://b")
            .replace("\"/k\"", "\"k\"")
    );
    assert_eq!(lines[2], events[3]);
    assert!(err.contains("events.jsonl:2: dropped by \"idle\""), "{err}");

    let (_, out, _) = run(&["transform", "--rules", rules, "--diff", file], &[]);
    for part in [
        "    - /inputs/0/namespace: \"s3a://b\"",
        "    + /inputs/0/namespace: \"s3://b\"",
        "  idle: dropped",
        "  mark:",
        "4 events, 3 changed; 3 would be delivered",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert!(
        !out.contains('\u{1b}'),
        "colours where the output is not a terminal"
    );

    let (_, out, _) = run(
        &[
            "transform",
            "explain",
            "--rules",
            rules,
            "--output",
            "json",
            file,
        ],
        &[],
    );
    let explained: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(explained["rules"][0]["outcome"], "changed");
    assert_eq!(explained["rules"][1]["outcome"], "condition_unmet");
    assert_eq!(explained["rules"][1]["found"], "test job 1");

    let (status, out, _) = run(
        &[
            "transform",
            "replay",
            "--rules",
            rules,
            "--output",
            "json",
            folder.path().join("events.jsonl").to_str().unwrap(),
        ],
        &[],
    );
    let sum: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(status, Some(0));
    let counts =
        ["events", "unchanged", "dropped", "delivered"].map(|name| sum[name].as_u64().unwrap());
    assert_eq!(counts, [4, 1, 1, 3]);
    assert_eq!(sum["renamed"][0]["after"]["namespace"], "s3://b");
}

#[test]
fn the_workbench_knows_the_configured_target_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name, text| {
        let path = write(folder.path(), name, text);
        path.to_str().unwrap().to_owned()
    };
    let rules = file(
        "rules.yaml",
        "rules: [{name: a, when: {target: catalog, job: {name: job 2}}, drop: true}]",
    );
    let config = file(
        "proxy.yaml",
        "targets: {catalog: {type: datazone, domain_id: dzd_a}}\nrules: {file: rules.yaml}",
    );
    let dataset = r#"{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent","dataset":{"namespace":"n","name":"d"}}"#;
    let events = [event(1, "START"), event(2, "START"), dataset.to_owned()];
    let events = file("events.jsonl", &events.join("\n"));

    // It is the default, and its built-in rules are listed.
    let (status, out, _) = run(&["transform", "check", "--config", &config], &[]);
    assert_eq!(status, Some(0), "{out}");
    let followed = "with the built-in rules of target catalog: builtin/dataset_events, builtin/job_events, builtin/size_limit";
    assert!(out.contains(followed), "{out}");
    let named = ["--config", &config, "--target", "catalog", &events];
    for options in [&["--config", &config, &events][..], &named] {
        let (_, out, err) = run(&[&["transform"], options].concat(), &[]);
        assert_eq!(out.lines().count(), 1, "{out}");
        assert!(err.contains(":2: dropped by \"a\""), "{err}");
        assert!(
            err.contains(":3: dropped by \"builtin/dataset_events\""),
            "{err}"
        );
    }
    // A kind is a target, too; another name is wrong usage.
    let kind = [
        "transform",
        "--config",
        &config,
        "--target",
        "store",
        &events,
    ];
    assert_eq!(run(&kind, &[]).1.lines().count(), 3);
    let wrong = [
        "transform",
        "--config",
        &config,
        "--target",
        "catalogue",
        &events,
    ];
    let (status, _, err) = run(&wrong, &[]);
    assert_eq!(status, Some(2));
    assert!(
        err.contains("expected one of catalog, store, ") && err.contains("found \"catalogue\""),
        "{err}"
    );
    // Without a configuration, a rule may be for the target of any.
    let (status, out, _) = run(&["transform", "check", "--rules", &rules], &[]);
    assert_eq!(status, Some(0), "{out}");
    assert!(!out.contains("built-in"), "{out}");
}

#[test]
fn each_line_of_json_names_its_event_and_file_in_the_order_of_the_input() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
rules:
  - {name: idle, when: {job: {name: 'job 2'}}, drop: true}
  - {name: dies, when: {job: {name: 'job 4'}}, script: 'throw 1', on_failure: dead_letter}
coalesce: {window: 1s}
";
    let rules = write(folder.path(), "rules.yaml", text);
    let rules = rules.to_str().unwrap();
    // The runs are mixed, one event is dropped, one text is not an event, and two events are merged.
    let array = format!(
        "[{},{},{},7]",
        event(3, "RUNNING"),
        event(2, "START"),
        event(1, "COMPLETE")
    );
    let array = write(folder.path(), "a.json", &array);
    let lines = write(
        folder.path(),
        "b.jsonl",
        &[event(4, "START"), event(3, "COMPLETE"), event(1, "START")].join("\n"),
    );
    let files = [array.to_str().unwrap(), lines.to_str().unwrap()];
    let (status, out, err) = run(
        &[
            "transform",
            "--output",
            "json",
            "--rules",
            rules,
            files[0],
            files[1],
        ],
        &[],
    );
    assert_eq!(status, Some(1), "{out}{err}");
    let found: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let outcomes: Vec<&str> = found
        .iter()
        .map(|line| line["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        [
            "merged",
            "dropped",
            "delivered",
            "unreadable",
            "dead_letter",
            "delivered",
            "delivered"
        ]
    );
    let file = |line: &Value| line["event"].as_str().unwrap().contains("a.json");
    assert_eq!(
        found.iter().map(file).collect::<Vec<_>>(),
        [true, true, true, true, false, false, false]
    );
    assert_eq!(found[0]["into"], found[5]["event"]);
    assert_eq!(found[5]["merged"][0], found[0]["event"]);
    assert_eq!(found[2]["delivered"]["job"]["name"], "job 1");
    // A person gets the events alone, in that order too.
    let (_, out, _) = run(&["transform", "--rules", rules, files[0], files[1]], &[]);
    let jobs: Vec<String> = out
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["job"]["name"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(jobs, ["job 1", "job 3", "job 1"]);
}
