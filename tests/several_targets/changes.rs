//! Targets that are added, removed and discarded between one start and the next.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_target_has_not_received_is_reported_and_kept_until_it_is_discarded() {
    let setup = Setup::new();
    let down = FaultyTarget::start(Fault::status(503)).await;
    let other = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[("down", &down), ("other", &other)]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    other.accepted_when(5).await;
    assert_eq!(serve.terminate(), Some(0));

    let serve = setup.start(&[("other", &other)]);
    let left = serve.lines("events are kept for a target that is not configured");
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(
        (&left[0]["target"], &left[0]["events"]),
        (&"down".into(), &5.into())
    );
    // What is accepted now is not for it.
    post(&serve, 5..9).await;
    setup.lake_when(9);
    let status = setup.json(&["queue", "status", "--target", "down"]);
    // Those that were attempted are retried.
    let kept = ["waiting", "in_flight"].map(|name| status[name].as_u64().unwrap());
    assert_eq!(kept.iter().sum::<u64>(), 5, "{status}");
    assert_eq!(serve.terminate(), Some(0));

    // It goes on when it is configured again.
    down.set(Fault::None);
    let serve = setup.start(&[("down", &down), ("other", &other)]);
    assert_eq!(jobs(&down.accepted_when(5).await).len(), 5);
    post(&serve, 9..10).await;
    let received = jobs(&down.accepted_when(6).await);
    assert!(
        received.contains("job 9") && !received.contains("job 5"),
        "{received:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_removed_target_can_be_discarded() {
    let setup = Setup::new();
    let down = FaultyTarget::start(Fault::status(503)).await;
    let serve = setup.start(&[("down", &down)]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    let config = setup.configure(&[("down", &down)], "");
    let discard = |config: &Path| {
        let config = config.to_str().unwrap();
        setup.run(&["queue", "discard", "down", "--yes", "--config", config])
    };
    let (status, _, err) = discard(&config);
    assert_eq!(status, Some(64), "it is configured: {err}");
    assert_eq!(serve.terminate(), Some(0));

    let serve = setup.start(&[]);
    let (status, out, err) = discard(&setup.configure(&[], ""));
    assert_eq!(
        (status, out.trim()),
        (Some(0), "discarded down: 5 events, 0 dead letters"),
        "{err}"
    );
    assert_eq!(serve.terminate(), Some(0));
    let serve = setup.start(&[]);
    assert!(
        serve
            .lines("events are kept for a target that is not configured")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_a_running_serve_delivers_to_is_not_discarded() {
    let setup = Setup::new();
    let other = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[("other", &other)]);
    post(&serve, 0..1).await;
    other.accepted_when(1).await;
    setup.lake_when(1);
    // Without its configuration, the command does not know the target, of which nothing is left to ask about.
    let discard = || setup.run(&["queue", "discard", "other", "--yes"]);
    let (status, _, err) = discard();
    assert_eq!(status, Some(64), "{err}");
    assert!(
        err.contains("serve is running and delivers to other"),
        "{err}"
    );
    post(&serve, 1..2).await;
    other.accepted_when(2).await;
    assert_eq!(serve.terminate(), Some(0));
    let (status, out, err) = discard();
    assert_eq!(
        (status, out.trim()),
        (Some(0), "discarded other: 0 events, 0 dead letters"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redrive_for_a_target_that_nobody_delivers_to_says_so() {
    let setup = Setup::new();
    let other = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[("other", &other)]);
    let poison = event(7, "START").replace(r#""x":1.0"#, r#""answer":422"#);
    serve.post(&poison).await;
    let list = ["dead-letters", "list"];
    eventually(|| (setup.json(&list).as_array().unwrap().len() == 1).then_some(()));
    let redrive = || setup.run(&["dead-letters", "redrive", "--all"]);
    let (status, out, err) = redrive();
    assert_eq!((status, out.trim(), &*err), (Some(0), "1 redriven", ""));
    eventually(|| (setup.json(&list).as_array().unwrap().len() == 1).then_some(()));
    assert_eq!(serve.terminate(), Some(0));
    let _serve = setup.start(&[]);
    let (status, out, err) = redrive();
    assert_eq!((status, out.trim()), (Some(0), "1 redriven"));
    assert!(err.contains("target other is not configured"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_target_starts_with_new_events() {
    let setup = Setup::new();
    let (first, new) = (
        FaultyTarget::start(Fault::status(503)).await,
        FaultyTarget::start(Fault::None).await,
    );
    let serve = setup.start(&[("first", &first)]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    assert_eq!(serve.terminate(), Some(0));
    let serve = setup.start(&[("first", &first), ("new", &new)]);
    post(&serve, 5..6).await;
    let received = jobs(&new.accepted_when(1).await);
    assert_eq!(received, BTreeSet::from(["job 5".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_target_may_start_with_what_is_in_the_log() {
    let setup = Setup::new();
    let new = FaultyTarget::start(Fault::None).await;
    let serve = setup.start(&[]);
    post(&serve, 0..5).await;
    setup.lake_when(5);
    assert_eq!(serve.terminate(), Some(0));
    let config = setup.configure(&[("new", &new)], "");
    let targets = fs::read_to_string(&config).unwrap();
    let targets = targets.replace("new: {", "new: {start_from: 1h, ");
    let config = write(setup.0.path(), "proxy.yaml", &targets);
    let serve = Serve::start_configured(&setup.data(), &config);
    assert_eq!(jobs(&new.accepted_when(5).await).len(), 5);
    let started = serve.logged("a new target starts in the log");
    assert_eq!(
        (&started["target"], &started["events"]),
        (&"new".into(), &5.into())
    );
    assert_eq!(serve.terminate(), Some(0));
    // It has no effect on a target that the log knows.
    let serve = Serve::start_configured(&setup.data(), &config);
    post(&serve, 5..6).await;
    assert_eq!(new.accepted_when(6).await.len(), 6);
    assert!(serve.lines("a new target starts in the log").is_empty());
}
