//! `lineage-proxy config`: settings in effect, where each was set, and all errors, for people and for programs.

use serde_json::{Value, json};
use testing::run;

fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.yaml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn show_lists_every_setting_in_effect_with_its_origin_and_hides_secrets() {
    let secret = "0123456789abcdef0123456789abcdef";
    let text = format!(
        "targets:\n  marquez:\n    type: openlineage\n    url: https://marquez.example.com/?key=hunter2\n    api_key: {secret}\n\
         \x20 other: {{type: openlineage, url: 'https://user:hunter2@other.example.com'}}\n\
         auth: {{keys: {{airflow: {secret}}}}}\nrules: {{file: rules.yaml, hash_key: {secret}}}\nbatch: {{size: 7}}"
    );
    let (_folder, path) = file(&text);
    let arguments = [
        "config",
        "show",
        "--config",
        &path,
        "--listen",
        "127.0.0.1:0",
    ];
    let variables = [("BATCH_SIZE", "9"), ("QUEUE_MAX_ATTEMPTS", "")];
    let (status, out, err) = run(
        &[&arguments[..], &["--output", "json"]].concat(),
        &variables,
    );
    assert_eq!(status, Some(0), "{err}");
    let shown: Vec<Value> = serde_json::from_str(&out).unwrap();
    let setting = |name: &str| {
        let found = shown.iter().find(|shown| shown["setting"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} in {out}"));
        (
            found["value"].clone(),
            found["origin"].as_str().unwrap().to_owned(),
        )
    };
    let default = "default".to_owned();
    let variable = |name: &str| format!("LINEAGE_PROXY_{name}");
    assert_eq!(
        setting("listen"),
        (json!("127.0.0.1:0"), "--listen".to_owned())
    );
    assert_eq!(setting("batch.size"), (json!("9"), variable("BATCH_SIZE")));
    assert_eq!(
        setting("queue.max_attempts"),
        (json!("100"), default.clone())
    );
    assert_eq!(setting("redshift.style"), (json!("none"), default.clone()));
    assert_eq!(setting("rules.refresh"), (json!("2s"), default));
    assert_eq!(
        setting("auth.keys"),
        (json!("airflow (send)"), format!("{path}:7:14"))
    );
    let kind = (json!("openlineage"), format!("{path}:3:11"));
    assert_eq!(setting("targets.marquez.type"), kind);
    assert_eq!(setting("targets.marquez.api_key").0, "***");
    let others = |shown: &Value| shown["setting"].as_str().unwrap().starts_with("datazone.");
    assert!(!shown.iter().any(others), "{out}");
    let (status, table, _) = run(&arguments, &variables);
    assert_eq!(status, Some(0));
    assert!(
        table.contains(&format!("auth.keys\tairflow (send)\t{path}:7:14")),
        "{table}"
    );
    for text in [out, table] {
        assert!(
            !text.contains(secret) && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[test]
fn check_reports_all_errors_as_json_with_setting_and_origin() {
    let (_folder, path) = file("batch: {size: 0}\nquue: {url: x}");
    let arguments = ["config", "check", "--config", &path];
    let (status, out, _) = run(&[&arguments[..], &["--output", "json"]].concat(), &[]);
    assert_eq!(status, Some(64), "{out}");
    let checked: Value = serde_json::from_str(&out).unwrap();
    let errors = json!([
        {"setting": "batch.size", "origin": format!("{path}:1:15"), "message": "expected a whole number from 1 to 10000, found \"0\""},
        {"setting": "quue", "origin": format!("{path}:2:1"), "message": "unknown setting (did you mean queue?)"},
    ]);
    assert_eq!(checked, json!({"valid": false, "errors": errors}));
    let (status, _, err) = run(&arguments, &[]);
    assert_eq!(status, Some(64));
    assert!(
        err.starts_with("lineage-proxy: invalid configuration:\n  - "),
        "{err}"
    );
    let (_folder, path) = file("target: file\nfile: {path: /no/such/folder/x}");
    let arguments = ["config", "check", "--config", &path, "--output", "json"];
    let (status, out, _) = run(&arguments, &[]);
    assert_eq!(status, Some(64));
    let checked: Value = serde_json::from_str(&out).unwrap();
    let error = &checked["errors"][0];
    assert_eq!(error["setting"], "file.path", "{out}");
    assert_eq!(error["origin"], format!("{path}:2:14"), "{out}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("/no/such/folder/x: "), "{out}");
}

#[test]
fn an_invalid_setting_hides_no_error_of_the_rules() {
    let (folder, path) = file(
        "listen: nowhere\nrules: {file: rules.yaml, hash_key: short}\ntargets:\n  a: {type: archive, location: 's3://', apply_rules: false}\n  b: {type: file}\n  c: {type: store, rules: {file: none.yaml}}",
    );
    let rules = "rules:\n  - actoin: drop\n  - hash: {names: [x]}\n";
    std::fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    for arguments in [["config", "check"], ["serve", "--data-dir=/dev/null"]] {
        let (status, _, err) = run(&[&arguments[..], &["--config", &path]].concat(), &[]);
        assert_eq!(status, Some(64), "{err}");
        for error in [
            "proxy.yaml:1:9: listen: ",
            "proxy.yaml:2:37: rules.hash_key: ",
            "proxy.yaml:2:15: rules.file: ",
            "rules.yaml:2:5: rule 1: unknown key \"actoin\"",
            "proxy.yaml:4:32: targets.a.location: ",
            "proxy.yaml:5:13: targets.b.path: ",
            "proxy.yaml:6:34: targets.c.rules.file: ",
        ] {
            assert_eq!(err.matches(error).count(), 1, "{error} in {err}");
        }
    }
}
