//! Starts that are refused, with the reason, before anything is created.

use super::*;

#[tokio::test]
async fn no_second_proxy_serves_from_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Serve::start(folder.path(), &[]);
    let second = Command::new(binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(75));
    assert!(
        String::from_utf8(second.stderr)
            .unwrap()
            .contains("another lineage-proxy serves from this folder")
    );
}

/// Why a start in that folder is refused, with those rules and a file as its target.
fn refused(folder: &Path, rules: &str, target: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let (data, rules, target) = (at("data"), at(rules), at(target));
    let settings = [
        ("TARGET", "file"),
        ("FILE_PATH", target.as_str()),
        ("RULES_FILE", rules.as_str()),
    ];
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", &data];
    let (status, _, err) = run(&arguments, &settings);
    assert_eq!(status, Some(64), "{err}");
    err
}

#[test]
fn a_start_with_invalid_rules_opens_no_target_and_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "rules: [{name: a, drop: maybe}]";
    fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    let err = refused(folder.path(), "rules.yaml", "events.jsonl");
    assert!(err.contains("rules.yaml:1:25: rule \"a\""), "{err}");
    let left = fs::read_dir(folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["rules.yaml"]);
}

#[test]
fn the_errors_of_a_target_and_of_its_rules_are_reported_together() {
    let folder = tempfile::tempdir().unwrap();
    let err = refused(folder.path(), "none.yaml", "none/events.jsonl");
    assert!(
        err.contains("LINEAGE_PROXY_FILE_PATH: ") && err.contains("LINEAGE_PROXY_RULES_FILE: "),
        "{err}"
    );
}
