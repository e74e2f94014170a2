//! What is kept and what is forgotten, and what of it a damaged file leaves.

use super::*;

#[tokio::test]
async fn what_is_old_or_too_much_is_forgotten_with_its_names() {
    let place = Place::new();
    let named = |n: u32| Entry {
        datasets: vec![identity("pg", &format!("t{n}"))],
        ..entry(n, Outcome::Delivered)
    };
    place.record((1..=250).map(named).collect()).await;
    let all = Retention {
        age: Duration::from_secs(10),
        events: 200,
    };
    let mut steps = 0;
    while place.history.forget(all, 100_000).await.unwrap() {
        steps += 1;
    }
    // Those up to 90 s are too old, but for the last 200.
    let left = place.found("").await;
    assert_eq!(
        (left.first(), left.last(), steps),
        (Some(&250), Some(&90), 0)
    );
    assert_eq!(place.count("event_nodes").await, 161);
    assert_eq!(place.count("nodes").await, 161 + 1);
    let none = Retention {
        age: Duration::from_secs(1),
        events: 200,
    };
    while place.history.forget(none, 1_000_000_000).await.unwrap() {}
    for table in ["events", "outcomes", "event_nodes", "nodes", "tally"] {
        assert_eq!(place.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn what_is_recorded_at_once_is_never_more_than_is_kept() {
    let place = Place::new();
    let kept = Retention {
        events: 300,
        ..Retention::default()
    };
    for group in 0..5 {
        let group = (1..=256).map(|n| entry(group * 256 + n, Outcome::Delivered));
        place.record_within(group.collect(), kept).await;
        assert!(place.count("events").await <= 300);
    }
    let left = place.found("").await;
    assert_eq!(
        (left.first(), left.last(), left.len()),
        (Some(&1_280), Some(&981), 300)
    );
}

#[tokio::test]
async fn events_that_still_change_do_not_hold_up_those_behind_them() {
    let place = Place::new();
    place
        .record((1..=150).map(|n| entry(n, Outcome::Retry)).collect())
        .await;
    place
        .record((151..=400).map(|n| entry(n, Outcome::Delivered)).collect())
        .await;
    let again = |n| Entry {
        at: NOW,
        ..entry(n, Outcome::Retry)
    };
    place.record((1..=150).map(again).collect()).await;
    let kept = Retention {
        age: Duration::from_secs(60),
        events: 1_000,
    };
    let mut steps = 0;
    while place.history.forget(kept, NOW).await.unwrap() {
        steps += 1;
    }
    assert_eq!((place.count("events").await, steps), (150, 2));
}

#[tokio::test]
async fn a_position_is_given_once_even_if_its_event_was_deleted() {
    let place = Place::new();
    place
        .record((1..=3).map(|n| entry(n, Outcome::Delivered)).collect())
        .await;
    // The event that changed last is the first that too many events delete.
    place.record(vec![entry(1, Outcome::Dropped)]).await;
    let one = Retention {
        events: 1,
        ..Retention::default()
    };
    while place.history.forget(one, NOW).await.unwrap() {}
    place.record(vec![entry(4, Outcome::Delivered)]).await;
    let newer = place.page("", Page::After(4), 10).await;
    assert_eq!(numbers(&newer), [4]);
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_recording_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let claim = Arc::new(Claim::take(folder.path()).unwrap());
    std::fs::write(History::path(folder.path()), [7; 20_000]).unwrap();
    let history = History::own(&claim).unwrap();
    let entries = vec![entry(1, Outcome::Delivered)];
    let gap = Gap { at: 1, count: 3 };
    let recorded = history.record(|| entries, Some(gap), Retention::default(), NOW);
    recorded.await.unwrap();
    let found = history
        .find(Search::default(), Page::Before(None), 1, 0)
        .await;
    assert_eq!(numbers(&found.unwrap()), [1]);
}

#[tokio::test]
async fn outcomes_whose_events_are_lost_do_not_stop_recording() {
    let place = Place::new();
    place
        .record((1..=3).map(|n| entry(n, Outcome::Delivered)).collect())
        .await;
    let lose = |it: &Connection| it.execute("DELETE FROM events WHERE changed > 1", []);
    place.history.journal.write(lose).await.unwrap();
    place.record(vec![entry(4, Outcome::Delivered)]).await;
    let found = place.page("", Page::Before(None), 1).await;
    assert_eq!((numbers(&found), found.newest), (vec![4], 4));
}
