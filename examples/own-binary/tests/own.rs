//! The transform of one's own, through the binary of one's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn rules_of_this_binary_can_call_its_transform_and_those_of_another_cannot() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/transforms.yaml");
    let test = |transform: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_own-lineage-proxy"))
            .args(transform)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text)
    };
    let (status, text) = test(&["transform", "test", "--rules", rules]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("3 passed, 0 failed"), "{text}");
    // The batch function starts as far as its configuration lets it.
    let batch = Command::new(env!("CARGO_BIN_EXE_own-batch"))
        .output()
        .unwrap();
    assert_eq!(batch.status.code(), Some(64));
}

#[test]
fn what_is_wrong_under_with_is_an_error_of_the_rules_file() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("transforms.yaml");
    let text = "rules:\n  - {name: a, transform: {name: team_of, with: [1]}}\n";
    std::fs::write(&rules, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_own-lineage-proxy"))
        .args(["transform", "check", "--rules"])
        .arg(&rules)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains(":2:33: rule \"a\": team_of: expected a map of job prefixes and teams"),
        "{text}"
    );
}
