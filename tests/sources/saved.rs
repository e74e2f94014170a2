//! `extract --input` of what the AWS CLI saved: no credentials, no service, and the same events as from the service.

use serde_json::json;

use super::kills::{FIXTURES, HISTORY, fixture};
use super::*;

const HOST: &str = "host=corp-wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com:5439";

/// Runs `extract` where nothing is configured and no service could be reached. Returns status, output and errors.
fn offline(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary());
    command
        .arg("extract")
        .args(arguments)
        .env_clear()
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    outcome_with(&mut command, input.as_bytes())
}

fn events(output: &str) -> Vec<Value> {
    let event = |line: &str| serde_json::from_str(line).unwrap();
    output.lines().map(event).collect()
}

fn inputs(files: &[String]) -> Vec<&str> {
    files.iter().flat_map(|file| ["--input", file]).collect()
}

#[test]
fn a_history_is_read_from_files_from_a_pipe_and_by_whatever_names() {
    let files: Vec<String> = HISTORY
        .iter()
        .map(|name| format!("{FIXTURES}/redshift/{name}.json"))
        .collect();
    let set = ["--set", HOST];
    let (_, named, errors) = offline(&[&["redshift"], &inputs(&files)[..], &set].concat(), "");
    assert!(events(&named).len() > 20, "{errors}");
    let all: String = HISTORY
        .iter()
        .map(|name| fixture(&format!("redshift/{name}.json")))
        .collect();
    let (_, piped, errors) = offline(&["redshift", "--input", "-", "--set", HOST], &all);
    assert_eq!(piped, named, "{errors}");
    let dry = [
        &["redshift", "--dry-run", "--output", "json"],
        &inputs(&files)[..],
        &set,
    ]
    .concat();
    let (_, summary, _) = offline(&dry, "");
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["accepted"], events(&named).len());
}

#[test]
fn a_history_of_which_a_page_is_missing_says_so() {
    let first = format!("{FIXTURES}/redshift/sys_query_history.page-1.json");
    let arguments = ["redshift", "--input", &first, "--set", HOST];
    let (status, output, errors) = offline(&arguments, "");
    assert_eq!(status, Some(1));
    assert!(!output.is_empty());
    assert!(
        errors.contains("incomplete: sys_query_history: a page of its result was not saved"),
        "{errors}"
    );
}

#[test]
fn crawls_are_read_from_files_for_the_crawlers_that_are_named() {
    let file = format!("{FIXTURES}/crawler/answers.jsonl");
    let of = |settings: &[&str]| {
        let arguments = [
            "glue-crawlers",
            "--input",
            &file,
            "--set",
            "region=eu-west-1",
        ];
        let (_, output, errors) = offline(&[&arguments[..], settings].concat(), "");
        (events(&output), errors)
    };
    let (all, errors) = of(&[]);
    assert!(
        all.iter()
            .any(|event| event["job"]["name"] == "crawler/shop-jdbc"),
        "{errors}"
    );
    let (some, errors) = of(&["--set", "crawlers=orders-s3,absent"]);
    let names = some
        .iter()
        .map(|event| event["job"]["name"].as_str().unwrap());
    assert!(
        names.clone().count() > 1
            && names
                .clone()
                .all(|name| name.starts_with("crawler/orders-s3"))
    );
    assert!(
        errors.contains("not_visible: crawler absent: no crawl of it"),
        "{errors}"
    );
}

/// What `aws sqs receive-message` prints.
fn received(bodies: &[&str]) -> String {
    let message = |(n, body): (usize, &&str)| json!({"MessageId": format!("m{n}"), "ReceiptHandle": "r", "MD5OfBody": "", "Body": body});
    let messages: Vec<Value> = bodies.iter().enumerate().map(message).collect();
    serde_json::to_string_pretty(&json!({ "Messages": messages })).unwrap()
}

#[test]
fn messages_are_read_as_they_were_received_or_as_they_are() {
    let body = |line: &str| {
        let saved: Value = serde_json::from_str(line).unwrap();
        saved["body"].as_str().unwrap().to_owned()
    };
    let lines = fixture("flyte/external.jsonl");
    let bodies: Vec<String> = lines.lines().map(body).collect();
    let flyte = [
        "flyte",
        "--input",
        "-",
        "--set",
        "cluster=flyte.example.com",
    ];
    let (_, output, errors) = offline(&flyte, &lines);
    assert!(events(&output).len() > 3, "{errors}");
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let (_, again, errors) = offline(&flyte, &received(&bodies));
    assert_eq!(again, output, "{errors}");
    // Without the objects, data is missing, and that is said.
    assert!(errors.contains("--objects names no folder"), "{errors}");

    let sent = [printed(1), printed(2)];
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    let (status, output, errors) = offline(&["sqs", "--input", "-"], &received(&sent));
    assert_eq!(
        (status, output.lines().collect::<Vec<_>>()),
        (Some(0), sent),
        "{errors}"
    );
    let (status, _, errors) = offline(&["sqs", "--input", "-"], &received(&["{}"]));
    assert_eq!(status, Some(1));
    assert!(
        errors.contains("not_openlineage: <stdin> message m0"),
        "{errors}"
    );
}

#[test]
fn what_is_missing_or_wrong_is_said_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let other = write(folder.path(), "other.json", "{\"Crawls\": []}");
    let other = other.to_str().unwrap();
    let broken = write(folder.path(), "sys_query_history.json", "{\"Records\": [\n");
    let broken = broken.to_str().unwrap();
    for (arguments, status, message) in [
        (
            &["redshift", "--input", other][..],
            64,
            "host: required: saved results do not tell it",
        ),
        (
            &["redshift", "--input", other, "--set", HOST],
            64,
            "other.json: not a result of a view",
        ),
        (
            &["redshift", "--input", broken, "--set", HOST],
            64,
            "line 2, column",
        ),
        (
            &["glue-crawlers", "--input", other],
            64,
            "region: required: saved answers do not tell it",
        ),
        (
            &[
                "glue-crawlers",
                "--input",
                other,
                "--set",
                "region=eu-west-1",
            ],
            64,
            "account: no table tells",
        ),
        (
            &[
                "glue-crawlers",
                "--input",
                other,
                "--set",
                "region=eu-west-1",
                "--set",
                "account=111122223333",
            ],
            1,
            "other.json: no event found",
        ),
        (&["flyte", "--input", other], 64, "cluster: is required"),
        (
            &["logs", "--input", other, "--set", "groups=a"],
            64,
            "--set and --source are for their service",
        ),
        (
            &["sqs", "--input", other, "--objects", "x"],
            64,
            "--objects",
        ),
        (
            &["redshift", "--input", "/nowhere", "--set", HOST],
            2,
            "/nowhere",
        ),
        (
            &["redshift", "--input", other, "--since", "1h"],
            2,
            "--since",
        ),
    ] {
        let (found, _, errors) = offline(arguments, "");
        assert_eq!(found, Some(status), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
}
