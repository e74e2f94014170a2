//! The runs of jobs.

use super::*;

#[tokio::test]
async fn the_state_of_a_job_is_that_of_its_latest_run_whatever_came_last() {
    let mut place = Place::new();
    let event = |run, event_type, second| run_event("j", run, event_type, second, "");
    place
        .deliver(&[event(2, "COMPLETE", 20), event(2, "START", 10)])
        .await;
    let completed = Some((run_id(2), Some(RunState::Completed)));
    assert_eq!(place.latest(job("j")).await, completed);
    // An earlier run, whose events come late.
    place
        .deliver(&[event(1, "START", 1), event(1, "FAIL", 30)])
        .await;
    assert_eq!(place.latest(job("j")).await, completed);
    place.deliver(&[event(3, "FAIL", 40)]).await;
    let failed = Some((run_id(3), Some(RunState::Failed)));
    assert_eq!(place.latest(job("j")).await, failed);
    place.deliver(&[event(3, "START", 35)]).await;
    assert_eq!(place.latest(job("j")).await, failed);

    let job = Name {
        namespace: "air".to_owned(),
        name: "j".to_owned(),
    };
    let runs = place.history.runs(job.clone(), 10).await.unwrap();
    let runs: Vec<_> = (runs.iter())
        .map(|run| (run.run.run.as_str(), run.run.state, run.events))
        .collect();
    let (one, two, three) = (run_id(1), run_id(2), run_id(3));
    assert_eq!(
        runs,
        [
            (three.as_str(), Some(RunState::Failed), 2),
            (two.as_str(), Some(RunState::Completed), 2),
            (one.as_str(), Some(RunState::Failed), 2),
        ]
    );
    let (run, of) = place.history.run(run_id(2)).await.unwrap().unwrap();
    assert_eq!(of, Some(job));
    assert_eq!(run.run.started_at, "2026-01-01T12:00:10.000Z");
    assert_eq!(
        run.run.ended_at.as_deref(),
        Some("2026-01-01T12:00:20.000Z")
    );
    assert_eq!(place.history.overview(5).await.unwrap().failed_count, 1);
}

#[tokio::test]
async fn a_time_in_the_far_future_is_cut_however_many_runs_there_are() {
    let mut place = Place::new();
    let event = |run, event_type: &str| {
        let event = run_event("j", run, event_type, 1, "");
        event.replacen("2026-01-01T", "9999-01-01T", 1)
    };
    place
        .deliver(&[event(1, "START"), event(2, "START"), event(1, "COMPLETE")])
        .await;
    place
        .deliver(&[run_event("j", 1, "FAIL", 1, ""), event(2, "FAIL")])
        .await;
    let (run, _) = place.history.run(run_id(2)).await.unwrap().unwrap();
    assert_eq!(run.run.ran_at, "2026-01-02T12:00:00.000Z");
    let job = place.history.node(job("j")).await.unwrap().unwrap();
    let latest = job.node.facts.run.unwrap();
    assert!(
        latest.ran_at.as_str() <= "2026-01-02T12:00:00.000Z",
        "{latest:?}"
    );
}

#[tokio::test]
async fn a_run_began_with_the_event_that_its_target_got_in_another() {
    let mut place = Place::new();
    let start = run_event("j", 1, "START", 1, "");
    place.next += 1;
    let merged = Entry {
        delivered: None,
        merged: Some("m".to_owned()),
        ..place.entry(&start, "one", Outcome::Delivered, NOON)
    };
    place.record(vec![merged]).await;
    place.deliver(&[run_event("j", 1, "COMPLETE", 9, "")]).await;
    let job = place.history.node(job("j")).await.unwrap().unwrap();
    let run = job.node.facts.run.unwrap();
    assert_eq!(run.started_at, "2026-01-01T12:00:01.000Z");
    assert_eq!(run.ended_at.as_deref(), Some("2026-01-01T12:00:09.000Z"));
}

#[tokio::test]
async fn a_run_of_many_events_began_with_the_first_one() {
    let mut place = Place::new();
    let mut entries = Vec::new();
    for n in 0..1_200 {
        let text = run_event("stream", 1, "RUNNING", 1 + n % 3_000, "");
        place.next += 1;
        entries.push(place.entry(&text, "one", Outcome::Retry, NOON));
    }
    place.record(entries).await;
    let (run, _) = place.history.run(run_id(1)).await.unwrap().unwrap();
    assert_eq!(run.run.started_at, "2026-01-01T12:00:01.000Z");
    assert_eq!(run.run.ran_at, "2026-01-01T12:20:00.000Z");
    // The history of a job counts them as the writer does.
    place
        .deliver(&[
            run_event("stream", 2, "START", 1_300, ""),
            run_event("stream", 1, "COMPLETE", 1_400, &io(&["a"], &[])),
        ])
        .await;
    let read = |it: &rusqlite::Connection| {
        let select = "SELECT completed_from FROM facts WHERE completed_from IS NOT NULL";
        it.query_row(select, [], |row| row.get(0))
    };
    let from: i64 = place.history.journal.read(read).await.unwrap();
    assert_eq!(from, NOON + 1_000);
}
