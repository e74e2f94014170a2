//! A replay of the log in a data folder: beside a `serve` that goes on, and with times that a wrong clock gave.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_replayed_beside_the_serve_that_goes_on() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    let data = folder.path("data");
    let serve = Serve::start(&data, &[]);
    let events = runs(40);
    for event in &events {
        assert_eq!(serve.post(event).await.status(), 200);
    }
    let (status, report, err) = replay(&[&text(&data), "--url", &target.url]);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(
        (&report["read"], &report["sent"]),
        (&json!(80), &json!(80)),
        "{report}"
    );
    let accepted = target.accepted();
    assert_eq!(set(&accepted), set(&events));
    assert!(is_in_order(&accepted));
    assert!(folder.states().is_empty(), "nothing is left to resume");

    // To the proxy itself: what it accepts meanwhile does not belong to the replay.
    assert_eq!(serve.post(&event(99, "START")).await.status(), 200);
    let some = ["--url", &serve.url, "--job", "job 1*", "--kind", "run"];
    let (status, report, err) = replay(&[&[&*text(&data)], &some[..]].concat());
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(
        (&report["sent"], &report["filtered"]),
        (&json!(22), &json!(59)),
        "{report}"
    );
    let run_id = "01a1faa6-e194-708b-a993-000000000063";
    let (_, report, _) = replay(&[
        &text(&data),
        "--url",
        &target.url,
        "--run",
        run_id,
        "--since",
        "1h",
    ]);
    assert_eq!(report["sent"], 1, "{report}");
    let (status, report, _) = replay(&[&text(&data), "--url", &target.url, "--until", "1h"]);
    assert_eq!(
        (status, &report["read"]),
        (Some(1), &json!(0)),
        "nothing is that old"
    );
}

/// Events of 10 runs, of which the clock gave the one in the middle a time that is so far off.
async fn log_with_a_clock_that_was_wrong(data: &Path, millis: i64) -> Vec<String> {
    let serve = Serve::start(data, &[]);
    let events = runs(10);
    for event in &events {
        assert_eq!(serve.post(event).await.status(), 200);
    }
    drop(serve);
    let log = rusqlite::Connection::open(data.join("events.db")).unwrap();
    let update = "UPDATE events SET received_at = received_at + ?1 WHERE seq = 10";
    assert_eq!(log.execute(update, [millis]).unwrap(), 1);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_a_time_in_the_future_hides_none_of_a_log() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    let data = folder.path("data");
    let events = log_with_a_clock_that_was_wrong(&data, 7_200_000).await;
    let (status, _, err) = replay(&[&text(&data), "--url", &target.url]);
    assert_eq!(status, Some(0), "{err}");
    assert_eq!(set(&target.accepted()), set(&events));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_a_time_in_the_past_hides_none_after_since() {
    let (folder, target) = (Setup::new(), FaultyTarget::start(Fault::None).await);
    let data = folder.path("data");
    log_with_a_clock_that_was_wrong(&data, -7_200_000).await;
    let (status, report, err) = replay(&[&text(&data), "--url", &target.url, "--since", "1h"]);
    assert_eq!((status, &report["sent"]), (Some(0), &json!(19)), "{err}");
}
