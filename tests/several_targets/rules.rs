//! Rules and conditions of one target among several.

use super::*;

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
