//! `serve` starts with exactly the configurations that `serve --check` accepts; and the check leaves nothing behind.

use std::path::Path;
use std::process::{Command, Stdio};

use testing::{Serve, binary, run, write};

/// Files of a configuration, and whether a proxy starts with them.
struct Case {
    name: &'static str,
    config: &'static str,
    rules: &'static str,
    /// The message when it does not.
    refused: Option<&'static str>,
}

const KEY: &str = "rules: {file: rules.yaml, hash_key: 0123456789abcdef0123456789abcdef}";

fn cases() -> Vec<Case> {
    let hash = "rules: [{name: a, redact: {environment: A, with: hash}}]";
    let case = |name, config, rules, refused| Case {
        name,
        config,
        rules,
        refused,
    };
    vec![
        case("nothing", "", "", None),
        case(
            "rules beside",
            "rules: {file: rules.yaml}",
            "rules: []",
            None,
        ),
        case(
            "rules in a folder",
            "rules: {file: ./rules.yaml}",
            "rules: []",
            None,
        ),
        case(
            "rules missing",
            "rules: {file: none.yaml}",
            "",
            Some("none.yaml"),
        ),
        case(
            "rules wrong",
            "rules: {file: rules.yaml}",
            "rules: [{name: a, drop: maybe}]",
            Some("rules.yaml:1:25: rule \"a\": expected true"),
        ),
        case("key", KEY, hash, None),
        case(
            "no key",
            "rules: {file: rules.yaml}",
            hash,
            Some("with: hash needs the setting rules.hash_key"),
        ),
        case(
            "short key",
            "rules: {file: rules.yaml, hash_key: short}",
            hash,
            Some("expected at least 32 characters"),
        ),
        case(
            "window",
            "rules: {file: rules.yaml}\nqueue: {visibility_timeout: 60}",
            "coalesce: {window: 30}",
            None,
        ),
        case(
            "window too long",
            "rules: {file: rules.yaml}\nqueue: {visibility_timeout: 58}",
            "coalesce: {window: 30}",
            Some("rules.yaml:1:20: coalesce: expected a window of at most 29s, found 30s"),
        ),
        case(
            "window by default too long",
            "rules: {file: rules.yaml}\nqueue: {visibility_timeout: 10}\n",
            "coalesce: {window: 6}",
            Some("at most 4s, found 6s"),
        ),
        case(
            "file",
            "target: file\nfile: {path: FOLDER/events.jsonl}",
            "",
            None,
        ),
        case(
            "file in the data folder, which is created first",
            "target: file\nfile: {path: FOLDER/data/events.jsonl}",
            "",
            None,
        ),
        case(
            "file in no folder",
            "target: file\nfile: {path: FOLDER/none/events.jsonl}",
            "",
            Some("file.path: "),
        ),
        case(
            "file that is a folder",
            "target: file\nfile: {path: FOLDER}",
            "",
            Some("file.path: "),
        ),
        case(
            "file that is a device",
            "target: file\nfile: {path: /dev/null}",
            "",
            Some("file.path: /dev/null: not a regular file"),
        ),
        case(
            "log filter",
            "log: info,transform=loud",
            "",
            Some("log: expected a filter such as info"),
        ),
        case(
            "data folder that is a file",
            "data_dir: FOLDER/proxy.yaml",
            "",
            Some("proxy.yaml"),
        ),
        case(
            "data folder below a file",
            "data_dir: FOLDER/proxy.yaml/data",
            "",
            Some("proxy.yaml"),
        ),
        case("new data folder", "data_dir: FOLDER/a/b/c", "", None),
        case(
            "endpoint",
            "target: openlineage\nopenlineage: {url: 'http://127.0.0.1:9', api_key: k}",
            "",
            None,
        ),
        case(
            "key that no header can hold",
            "target: openlineage\nopenlineage: {url: 'http://127.0.0.1:9', api_key: \"a\\nb\"}",
            "",
            Some("openlineage"),
        ),
        case(
            "no such setting",
            "targte: file",
            "",
            Some("did you mean target?"),
        ),
        case(
            "open to all",
            "listen: 0.0.0.0:0",
            "",
            Some("--allow-anonymous"),
        ),
        case("a name", "listen: localhost:0", "", None),
        case("no YAML", "listen: [", "", Some("proxy.yaml:1:")),
    ]
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let listed = Command::new("find").arg(folder).output().unwrap();
    let mut files: Vec<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    files.sort();
    files
}

#[test]
fn serve_starts_with_exactly_what_its_check_accepts() {
    for case in cases() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let text = case.config.replace("FOLDER", path);
        let data_dir = format!("{path}/data");
        let config = write(folder.path(), "proxy.yaml", &text);
        write(folder.path(), "rules.yaml", case.rules);
        let mut arguments = vec!["serve", "--config", config.to_str().unwrap()];
        if !case.config.contains("listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        if !case.config.contains("data_dir") {
            arguments.extend(["--data-dir", &data_dir]);
        }
        let before = files(folder.path());
        let (status, out, err) = run(&[&arguments[..], &["--check"]].concat(), &[]);
        assert_eq!(files(folder.path()), before, "{}", case.name);
        match case.refused {
            Some(message) => {
                assert_eq!(status, Some(64), "{}: {out}{err}", case.name);
                assert!(err.contains(message), "{}: {message} in {err}", case.name);
                let (status, _, err) = run(&arguments, &[]);
                assert_eq!(status, Some(64), "{}: {err}", case.name);
                assert!(err.contains(message), "{}: {message} in {err}", case.name);
            }
            None => {
                assert_eq!(status, Some(0), "{}: {err}", case.name);
                assert!(
                    out.starts_with("ok: listen 127.0.0.1:"),
                    "{}: {out}",
                    case.name
                );
                assert!(out.contains("not checked: whether 127.0.0.1:"), "{out}");
                let mut serve = Command::new(binary())
                    .args(&arguments)
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap();
                let started = listens(&mut serve);
                serve.kill().unwrap();
                serve.wait().unwrap();
                assert!(started, "{}", case.name);
            }
        }
    }
}

/// Whether it listens before it ends.
fn listens(serve: &mut std::process::Child) -> bool {
    use std::io::{BufRead, BufReader};
    let lines = BufReader::new(serve.stderr.take().unwrap()).lines();
    lines
        .map_while(Result::ok)
        .any(|line| line.contains("\"lineage-proxy is listening\""))
}

#[test]
fn what_needs_aws_is_listed_and_not_called() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
target: datazone
datazone: {domain_id: dzd_a}
auth: {secret_id: keys}
queue: {url: 'https://sqs.example/q', dead_letter_url: 'https://sqs.example/d'}
rules: {file: 's3://rules/rules.yaml', hash_key_secret_id: hash}
";
    let config = write(folder.path(), "proxy.yaml", text);
    // No region, no credentials: any call would fail.
    let (status, out, err) = run(
        &["serve", "--check", "--config", config.to_str().unwrap()],
        &[],
    );
    assert_eq!(status, Some(0), "{err}");
    for part in [
        "auth.secret_id: what is in keys",
        "queue.url: whether https://sqs.example/q can be reached",
        "rules.file: what is in s3://rules/rules.yaml",
        "rules.hash_key_secret_id: what is in hash",
        "datazone.domain_id: whether dzd_a accepts events",
    ] {
        assert!(
            out.contains(&format!("not checked: {part}")),
            "{part} in {out}"
        );
    }
}

#[test]
fn a_port_in_use_is_not_an_error_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &[]);
    let address = serve.url.strip_prefix("http://").unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let arguments = [
        "serve",
        "--check",
        "--listen",
        address,
        "--data-dir",
        data_dir,
    ];
    let (status, _, err) = run(&arguments, &[]);
    assert_eq!(status, Some(0), "{err}");
}

#[test]
fn transform_check_reads_the_rules_as_serve_does_with_that_configuration() {
    for case in cases().iter().filter(|case| case.config.contains("rules:")) {
        let folder = tempfile::tempdir().unwrap();
        let config = write(folder.path(), "proxy.yaml", case.config);
        write(folder.path(), "rules.yaml", case.rules);
        let arguments = ["transform", "check", "--config", config.to_str().unwrap()];
        let (status, out, err) = run(&arguments, &[]);
        match case.refused {
            None => assert_eq!(status, Some(0), "{}: {out}{err}", case.name),
            Some(message) => {
                assert!(matches!(status, Some(1 | 64)), "{}: {out}{err}", case.name);
                assert!(
                    out.contains(message) || err.contains(message),
                    "{}: {out}{err}",
                    case.name
                );
            }
        }
    }
    // Without a configuration, a hash key is assumed to exist, and any window is accepted.
    let folder = tempfile::tempdir().unwrap();
    let text = "rules: [{name: a, redact: {environment: A, with: hash}}]\ncoalesce: {window: 900}";
    let rules = write(folder.path(), "rules.yaml", text);
    let (status, out, _) = run(
        &["transform", "check", "--rules", rules.to_str().unwrap()],
        &[],
    );
    assert_eq!(status, Some(0), "{out}");
}
