//! `extract` as its user calls it: its inputs, its destinations, its summary and its exit status.

use super::*;

#[test]
fn a_log_that_is_piped_becomes_lines_of_events_and_a_summary() {
    let (status, output, errors) = extract(&["logs"], &log(0..3));
    assert_eq!(status, Some(0), "{errors}");
    let expected: Vec<String> = (0..3).map(printed).collect();
    assert_eq!(output.lines().collect::<Vec<_>>(), expected);
    assert!(errors.contains("3 events found: 3 new"), "{errors}");
}

#[test]
fn an_event_that_was_cut_is_named_and_the_status_says_that_lineage_is_lost() {
    let cut = line(1);
    let log = format!("{}\n{}\n{}\n", line(0), &cut[..cut.len() - 60], line(2));
    let (status, output, errors) = extract(&["logs", "--output", "json"], &log);
    assert_eq!(status, Some(1));
    assert_eq!(output.lines().count(), 2);
    let summary: Value = serde_json::from_str(errors.lines().last().unwrap()).unwrap();
    assert_eq!(summary["complete"], false);
    assert_eq!(summary["accepted"], 2);
    assert!(errors.contains("<stdin>"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extraction_into_a_running_serve_changes_nothing_the_second_time() {
    let (_folder, serve) = start_serve(&[]);
    let to = ["logs", "--to", &serve.url, "--output", "json"];
    for (accepted, known) in [(10, 0), (0, 10)] {
        let (status, output, errors) = extract(&to, &log(0..10));
        assert_eq!(status, Some(0), "{errors}");
        let summary: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(
            (&summary["accepted"], &summary["known"]),
            (&accepted.into(), &known.into())
        );
    }
    runs_are(&serve, 0..10).await;
}

#[test]
fn an_extraction_into_the_queue_of_a_stopped_serve_changes_nothing_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let config = write(
        folder.path(),
        "proxy.yaml",
        &format!("data_dir: {}\n", data.display()),
    );
    let to = [
        "logs",
        "--to",
        "queue",
        "--config",
        config.to_str().unwrap(),
    ];
    for _ in 0..2 {
        let (status, _, errors) = extract(&to, &log(0..10));
        assert_eq!(status, Some(0), "{errors}");
    }
    let serve = Serve::start(&data, &[]);
    let (status, _, errors) = extract(&to, &log(0..10));
    assert_eq!(status, Some(75), "{errors}");
    assert_eq!(serve.outcomes_when(10).len(), 10);
    drop(serve);
    assert_eq!(queued(&data), Some(0));
}

#[test]
fn a_file_that_is_not_there_is_an_error_without_a_summary() {
    let (status, output, errors) = extract(&["logs", "--input", "nofile", "--dry-run"], "");
    assert_eq!((status, output.as_str()), (Some(2), ""), "{errors}");
    assert!(errors.contains("nofile"), "{errors}");
}

#[test]
fn a_file_is_replaced_and_a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let to = ["logs", "--to", file.to_str().unwrap()];
    let (status, output, _) = extract(&[&to[..], &["--dry-run"]].concat(), &log(0..2));
    assert_eq!((status, file.exists()), (Some(0), false));
    assert!(output.contains("2 events found"), "{output}");
    for _ in 0..2 {
        assert_eq!(extract(&to, &log(0..2)).0, Some(0));
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extraction_from_a_service_goes_on_where_its_state_says() {
    let service = stand_in(&[("etl", group(0..20))]).await;
    let (folder, serve) = start_serve(&[]);
    let state = folder.path().join("state");
    let run = || {
        let arguments = [
            "extract",
            "logs",
            "--set",
            "groups=etl",
            "--set",
            "settle=0s",
            "--since",
            "1h",
            "--to",
            &serve.url,
            "--state",
            state.to_str().unwrap(),
            "--output",
            "json",
        ];
        let output = Command::new(binary())
            .args(arguments)
            .envs(testing::serve::aws(&service.url()))
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{errors}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(run()["accepted"], 20);
    let again = run();
    assert_eq!(
        (&again["accepted"], &again["failed"]),
        (&0.into(), &0.into())
    );
    runs_are(&serve, 0..20).await;
}

#[test]
fn what_is_wrong_with_the_arguments_is_said_with_its_place() {
    for (arguments, status, message) in [
        (
            &["logs", "--set", "group=etl"][..],
            64,
            "--set group: unknown setting; logs has",
        ),
        (&["logs", "--set", "settle=0s"], 64, "groups"),
        (
            &["logs", "--since", "yesterday", "--set", "groups=a"],
            64,
            "--since",
        ),
        (&["logs", "--input", "/nowhere"], 2, "/nowhere"),
        (
            &[
                "sqs",
                "--set",
                "queue_url=https://sqs.eu-west-1.amazonaws.com/123456789012/q",
                "--since",
                "1h",
            ],
            64,
            "no past",
        ),
        (
            &["logs", "--set", "groups=a", "--state", "s"],
            64,
            "--state",
        ),
    ] {
        let (found, _, errors) = extract(arguments, "");
        assert_eq!(found, Some(status), "{arguments:?}: {errors}");
        assert!(errors.contains(message), "{arguments:?}: {errors}");
    }
}
