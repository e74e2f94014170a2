//! Of which target the lineage is, if there are several.

use super::*;

/// The event of a job that starts or completes as a target has it.
fn entry_of(
    place: &mut Place,
    job: &str,
    event_type: &str,
    target: &str,
    outcome: Outcome,
) -> Entry {
    let second = if event_type == "START" { 1 } else { 9 };
    let text = run_event(job, 1, event_type, second, &io(&["a"], &[]));
    place.next = second;
    place.entry(&text, target, outcome, NOON)
}

async fn state(place: &Place, name: &str) -> Option<RunState> {
    let node = place.history.node(job(name)).await.unwrap()?;
    node.node.facts.run?.state
}

#[tokio::test]
async fn a_run_whose_events_come_to_targets_in_any_order_is_that_of_one_job() {
    let mut place = Place::new();
    for (job, event_type, target) in [
        ("x", "START", "one"),
        ("y", "START", "two"),
        ("y", "COMPLETE", "two"),
        ("x", "COMPLETE", "one"),
    ] {
        let entry = entry_of(&mut place, job, event_type, target, Outcome::Delivered);
        place.record(vec![entry]).await;
    }
    assert_eq!(state(&place, "x").await, Some(RunState::Completed));
    assert_eq!(state(&place, "y").await, None);
}

#[tokio::test]
async fn what_the_first_target_never_gets_is_what_another_one_has() {
    for outcome in [Outcome::Dropped, Outcome::DeadLettered] {
        for is_before in [true, false] {
            let mut place = Place::new();
            let left = entry_of(&mut place, "x", "START", "one", outcome);
            let other = entry_of(&mut place, "y", "START", "two", Outcome::Delivered);
            let order = match is_before {
                true => [left, other],
                false => [other, left],
            };
            for entry in order {
                place.record(vec![entry]).await;
            }
            let running = Some(RunState::Running);
            assert_eq!(state(&place, "y").await, running, "{outcome:?} {is_before}");
        }
    }
}

#[tokio::test]
async fn what_the_first_target_does_not_get_for_long_is_what_another_one_has() {
    let mut place = Place::new();
    let retried = entry_of(&mut place, "x", "START", "one", Outcome::Retry);
    let other = entry_of(&mut place, "y", "START", "two", Outcome::Delivered);
    place.record(vec![retried, other]).await;
    let forget = |at| place.history.forget(Retention::default(), at);
    forget(NOON + 60_000).await.unwrap();
    assert_eq!(state(&place, "y").await, None);
    forget(NOON + 5 * 60_000).await.unwrap();
    assert_eq!(state(&place, "y").await, Some(RunState::Running));
    // Too late.
    let late = entry_of(&mut place, "x", "START", "one", Outcome::Delivered);
    place.record(vec![late]).await;
    assert_eq!(state(&place, "x").await, None);
}

#[tokio::test]
async fn of_more_events_than_may_wait_the_oldest_are_what_another_target_has() {
    let mut place = Place::new();
    let mut entries = Vec::new();
    for n in 0..1_030 {
        let text = run_event(&format!("job {n}"), n, "START", 1, "");
        place.next = n;
        entries.push(place.entry(&text, "two", Outcome::Delivered, NOON));
    }
    place.record(entries).await;
    let overview = place.history.overview(1).await.unwrap();
    assert_eq!(overview.jobs, 6);
}

#[tokio::test]
async fn the_name_of_a_job_that_only_another_target_has_is_not_kept() {
    let mut place = Place::new();
    for (job, target) in [("x", "one"), ("y", "two")] {
        let entry = entry_of(&mut place, job, "START", target, Outcome::Delivered);
        place.record(vec![entry]).await;
    }
    assert_eq!(place.history.node(job("y")).await.unwrap(), None);
}

#[tokio::test]
async fn a_group_adds_a_bounded_number_of_names() {
    let mut place = Place::new();
    let mut entries = Vec::new();
    for n in 0..15 {
        let names = (0..1_000)
            .map(|at| format!("t{n}.{at}"))
            .collect::<Vec<_>>();
        let names = names.iter().map(String::as_str).collect::<Vec<_>>();
        place.next += 1;
        let text = run_event("j", n, "START", 1, &io(&names, &[]));
        entries.push(place.entry(&text, "one", Outcome::Delivered, NOON));
    }
    place.record(entries).await;
    let overview = place.history.overview(1).await.unwrap();
    assert_eq!(overview.datasets, 10_000);
    // Of the rest, the outcomes are recorded, and it is counted.
    let found = (place.history).find(Search::default(), Page::Before(None), 99, NOON);
    assert_eq!(found.await.unwrap().events.len(), 15);
    let tally = place.history.tally(NOON).await.unwrap();
    assert_eq!((tally.not_recorded, tally.lineage_not_recorded), (0, 5));
    let counted = [(); 2].map(|()| place.history.take_left_out());
    assert_eq!(counted, [5, 0], "once");
}

#[tokio::test]
async fn what_waits_for_the_first_target_is_recorded_before_a_stop() {
    let mut place = Place::new();
    let other = entry_of(&mut place, "y", "START", "two", Outcome::Delivered);
    place.record(vec![other]).await;
    assert_eq!(state(&place, "y").await, None);
    place.history.settle(NOON + 1).await.unwrap();
    assert_eq!(state(&place, "y").await, Some(RunState::Running));
    // The next process knows that another target said it.
    let late = entry_of(&mut place, "x", "START", "one", Outcome::Delivered);
    place.record(vec![late]).await;
    assert_eq!(state(&place, "x").await, None);
}

#[tokio::test]
async fn what_waits_for_the_first_target_still_waits_after_a_write_that_failed() {
    let mut place = Place::new();
    let other = entry_of(&mut place, "y", "START", "two", Outcome::Delivered);
    place.record(vec![other]).await;
    let rename = |from: &str, to: &str| {
        let rename = format!("ALTER TABLE {from} RENAME TO {to}");
        place
            .history
            .journal
            .write(move |it| it.execute_batch(&rename))
    };
    rename("facts", "gone").await.unwrap();
    place.history.settle(NOON + 1).await.unwrap_err();
    rename("gone", "facts").await.unwrap();
    place.history.settle(NOON + 2).await.unwrap();
    assert_eq!(state(&place, "y").await, Some(RunState::Running));
}
