//! `transform check` and `transform test`: rules files and their examples, without events.

use std::path::Path;

use super::*;

#[test]
fn check_warns_of_rules_that_can_never_act_and_fails_only_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let text = "rules:\n- name: a\n  symlink_to_primary: {namespace: \"*\"}\n- name: b\n  rename: {namespace: {map: {x: x}}}\n";
    let rules = write(folder.path(), "rules.yaml", text);
    let rules = rules.to_str().unwrap();
    let (status, out, _) = run(&["transform", "check", "--rules", rules], &[]);
    assert_eq!(status, Some(0), "{out}");
    for part in [
        "rules.yaml:3:23: warning: rule \"a\": it never swaps",
        "rules.yaml:5:30: warning: rule \"b\": \"x\" becomes itself",
        "2 rules, 0 examples, 2 warnings",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let deny = ["transform", "check", "--deny-warnings", "--rules", rules];
    assert_eq!(run(&deny, &[]).0, Some(1));
    let (_, out, _) = run(
        &["transform", "check", "--output", "json", "--rules", rules],
        &[],
    );
    let lines: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["level"], "warning");
    assert_eq!(
        (&lines[0]["line"], &lines[0]["column"]),
        (&3.into(), &23.into())
    );
    assert_eq!(lines[2]["warnings"], 2);
}

#[test]
fn an_example_that_fails_and_a_file_without_examples_are_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let text = "rules: [{name: a, drop: true, examples: [{given: {}, expect_unchanged: true}]}]";
    let rules = write(folder.path(), "a.yaml", text);
    let (status, out, _) = run(
        &["transform", "test", "--rules", rules.to_str().unwrap()],
        &[],
    );
    assert_eq!(status, Some(1));
    assert!(
        out.contains("FAIL") && out.contains("dropped by \"a\""),
        "{out}"
    );
    let rules = write(folder.path(), "b.yaml", "rules: [{name: a, drop: true}]");
    let (status, _, err) = run(
        &["transform", "test", "--rules", rules.to_str().unwrap()],
        &[],
    );
    assert_eq!((status, err.contains("no examples")), (Some(1), true));
    let (status, _, err) = run(&["transform", "test", "--rules", "no-such.yaml"], &[]);
    assert_eq!((status, err.contains("no-such.yaml")), (Some(64), true));
}

#[test]
fn the_examples_of_the_documented_rules_file_pass() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/transforms.yaml");
    let (status, out, err) = run(
        &["transform", "test", "--rules", rules.to_str().unwrap()],
        &[],
    );
    assert_eq!(status, Some(0), "{out}{err}");
}
