use openlineage::Identity;
use proptest::prelude::*;

use super::*;

/// In milliseconds since 1970.
const NOW: i64 = 10_000_000;

const RUN: &str = "01a1faa6-e194-708b-a993-cc010cbe1ae4";

fn identity(namespace: &str, name: &str) -> Identity {
    Identity {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

fn id(n: u32) -> String {
    format!("0191f3a0-0000-7000-8000-{n:012x}")
}

/// An event of job `a`, accepted at `n` seconds.
fn entry(n: u32, outcome: Outcome) -> Entry {
    Entry {
        id: id(n),
        accepted_at: i64::from(n) * 1_000,
        at: i64::from(n) * 1_000 + 5,
        kind: Some("RunEvent START"),
        run: Some(RUN.to_owned()),
        job: Some(identity("air", "a")),
        datasets: Vec::new(),
        size: 7,
        target: "one".to_owned(),
        outcome,
        attempts: 1,
        duration: 3,
        reason: None,
        detail: None,
        rules: Vec::new(),
        merged: None,
    }
}

struct Place {
    _folder: tempfile::TempDir,
    history: History,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let claim = Arc::new(Claim::take(folder.path()).unwrap());
        let history = History::own(&claim).unwrap();
        Place {
            _folder: folder,
            history,
        }
    }

    async fn record(&self, entries: Vec<Entry>) {
        self.record_within(entries, Retention::default()).await;
    }

    async fn record_within(&self, entries: Vec<Entry>, retention: Retention) {
        let recorded = self.history.record(|| entries, None, retention, NOW);
        recorded.await.unwrap();
    }

    async fn page(&self, search: &str, page: Page, limit: usize) -> Found {
        let search = search.parse().unwrap();
        self.history.find(search, page, limit, NOW).await.unwrap()
    }

    /// The last digits of the ids, newest first.
    async fn found(&self, search: &str) -> Vec<u32> {
        numbers(&self.page(search, Page::Before(None), 1_000).await)
    }

    async fn count(&self, table: &'static str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        let read = move |it: &Connection| it.query_row(&count, [], |row| row.get(0));
        self.history.journal.read(read).await.unwrap()
    }
}

fn numbers(found: &Found) -> Vec<u32> {
    let ids = found.events.iter().map(|event| event.id.get(24..).unwrap());
    ids.map(|id| u32::from_str_radix(id, 16).unwrap()).collect()
}

#[tokio::test]
async fn every_key_of_a_search_finds_what_it_names() {
    let place = Place::new();
    let dead = Entry {
        kind: Some("JobEvent"),
        run: None,
        job: Some(identity("spark://x", "load_[1]?.Orders")),
        reason: Some("invalid"),
        detail: Some("invalid: 400 100% Name too_long".to_owned()),
        rules: vec!["one-host".to_owned(), "cut".to_owned()],
        ..entry(2, Outcome::DeadLettered)
    };
    let dataset = Entry {
        datasets: vec![
            identity("s3://bucket", "in/x"),
            identity("pg", "shop.orders"),
        ],
        target: "two".to_owned(),
        ..entry(3, Outcome::Delivered)
    };
    place
        .record(vec![entry(1, Outcome::Delivered), dead, dataset])
        .await;
    for (search, expected) in [
        ("", &[3, 2, 1][..]),
        ("job:a", &[3, 1]),
        ("job:air/a", &[3, 1]),
        ("job:air", &[]),
        ("job:*", &[3, 2, 1]),
        ("job:load_[1]?.*", &[2]),
        ("job:load_1x*", &[]),
        ("job:LOAD*", &[]),
        ("dataset:shop.*", &[3]),
        ("dataset:s3://bucket/in/x", &[3]),
        ("dataset:a", &[]),
        ("run:01a1", &[3, 1]),
        (&format!("run:{RUN}"), &[3, 1]),
        ("run:01a2", &[]),
        (&format!("id:{}", id(2)), &[2]),
        ("outcome:dead", &[2]),
        ("outcome:delivered", &[3, 1]),
        ("outcome:retry", &[]),
        ("target:one", &[2, 1]),
        ("target:t*", &[3]),
        ("kind:job", &[2]),
        ("kind:run", &[3, 1]),
        ("kind:start", &[3, 1]),
        ("kind:fail", &[]),
        ("rule:cut", &[2]),
        ("rule:one*", &[2]),
        ("rule:on", &[]),
        ("rule:*cut", &[2]),
        ("rule:one*cut", &[]),
        ("rule:one-* rule:cut", &[2]),
        ("reason:inv*", &[2]),
        ("since:1970-01-01T00:00:02Z", &[3, 2]),
        ("until:1970-01-01T00:00:02Z", &[1]),
        ("since:9998s", &[3, 2]),
        ("ORDERS", &[3, 2]),
        ("s3://buck", &[3]),
        ("100%", &[2]),
        ("10%m", &[]),
        ("too_long", &[2]),
        ("tooxlong", &[]),
        ("01a1faa6", &[3, 1]),
        ("orders outcome:dead job:load*", &[2]),
    ] {
        assert_eq!(place.found(search).await, expected, "{search}");
    }
}

#[tokio::test]
async fn an_event_has_one_row_that_tells_what_happened_last_at_each_target() {
    let place = Place::new();
    let retry = Entry {
        reason: Some("throttled"),
        ..entry(1, Outcome::Retry)
    };
    let at_two = Entry {
        target: "two".to_owned(),
        rules: vec!["a".to_owned(), "b".to_owned()],
        ..entry(1, Outcome::Delivered)
    };
    place
        .record(vec![retry, entry(2, Outcome::Delivered), at_two])
        .await;
    let delivered = Entry {
        attempts: 2,
        at: 9_000,
        ..entry(1, Outcome::Delivered)
    };
    place.record(vec![delivered.clone()]).await;
    // What changed last comes first.
    let found = place.page("", Page::Before(None), 10).await;
    assert_eq!((numbers(&found), found.more), (vec![1, 2], false));
    let event = &found.events[0];
    assert_eq!(event.changed_at, "1970-01-01T00:00:09.000Z");
    let outcomes: Vec<_> = event
        .outcomes
        .iter()
        .map(|it| {
            (
                it.target.as_str(),
                it.outcome.as_str(),
                it.attempts,
                it.reason.as_deref(),
                it.rules.join(","),
            )
        })
        .collect();
    let expected = [
        ("two", "delivered", 1, None, "a,b".to_owned()),
        ("one", "delivered", 2, None, String::new()),
    ];
    assert_eq!(outcomes, expected);
    // Each outcome has the number of its own change.
    let positions: Vec<i64> = event.outcomes.iter().map(|it| it.position).collect();
    assert_eq!((positions, event.position), (vec![3, 4], 4));
    // The same again changes nothing but the order.
    place.record(vec![delivered]).await;
    assert_eq!(place.count("events").await, 2);
    assert_eq!(place.count("outcomes").await, 3);
}

#[tokio::test]
async fn pages_follow_one_another_in_both_directions() {
    let place = Place::new();
    place
        .record((1..=5).map(|n| entry(n, Outcome::Delivered)).collect())
        .await;
    let first = place.page("", Page::Before(None), 2).await;
    assert_eq!((numbers(&first), first.more), (vec![5, 4], true));
    let last = first.events[1].position;
    let second = place.page("", Page::Before(Some(last)), 3).await;
    assert_eq!((numbers(&second), second.more), (vec![3, 2, 1], false));
    let newer = place.page("", Page::After(last), 10).await;
    assert_eq!((numbers(&newer), newer.newest), (vec![5], 5));
    // One that changes is found again.
    place.record(vec![entry(2, Outcome::Dropped)]).await;
    let newer = place.page("", Page::After(newer.newest), 10).await;
    assert_eq!(numbers(&newer), [2]);
}

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
async fn the_terms_about_outcomes_are_about_the_same_one() {
    let place = Place::new();
    let dead = Entry {
        target: "catalog".to_owned(),
        reason: Some("invalid"),
        rules: vec!["cut".to_owned()],
        ..entry(1, Outcome::DeadLettered)
    };
    let elsewhere = Entry {
        id: id(2),
        target: "lake".to_owned(),
        ..dead.clone()
    };
    let delivered = Entry {
        target: "catalog".to_owned(),
        ..entry(2, Outcome::Delivered)
    };
    place
        .record(vec![
            dead,
            entry(1, Outcome::Delivered),
            elsewhere,
            delivered,
        ])
        .await;
    for (search, expected) in [
        ("outcome:dead", &[2, 1][..]),
        ("outcome:dead target:catalog", &[1]),
        ("target:catalog outcome:delivered", &[2]),
        ("target:lake outcome:delivered", &[]),
        ("target:catalog reason:invalid", &[1]),
        ("target:lake rule:cut reason:inv* outcome:dead", &[2]),
        ("target:one rule:cut", &[]),
        ("outcome:dead target:catalog job:a id:0191", &[1]),
    ] {
        assert_eq!(place.found(search).await, expected, "{search}");
    }
}

#[tokio::test]
async fn a_page_of_large_events_ends_before_it_is_too_large() {
    let place = Place::new();
    let dataset = |n: usize| identity("pg", &format!("{n:0>4000}"));
    let large = |n| Entry {
        datasets: (0..MAX_DATASETS).map(dataset).collect(),
        ..entry(n, Outcome::Delivered)
    };
    place.record((1..=4).map(large).collect()).await;
    // An event has 4 MB.
    let first = place.page("", Page::Before(None), 10).await;
    assert_eq!((numbers(&first), first.more), (vec![4, 3], true));
    let place_of_last = Page::Before(Some(first.events[1].position));
    let second = place.page("", place_of_last, 10).await;
    assert_eq!((numbers(&second), second.more), (vec![2, 1], false));
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_interrupted_and_the_next_one_is_not() {
    let connection = Connection::open_in_memory().unwrap();
    let endless =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let run = |sql: &str, budget| {
        within(&connection, budget, |it| {
            it.query_row(sql, [], |row| row.get::<_, i64>(0))
        })
    };
    let error = run(endless, Duration::from_millis(50)).unwrap_err();
    assert_eq!(
        error.sqlite_error_code(),
        Some(ErrorCode::OperationInterrupted)
    );
    assert_eq!(run("SELECT 1", Duration::from_secs(5)), Ok(1));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a term has, the query is one that SQLite can run.
    #[test]
    fn any_search_runs(text in "((job|dataset|target|rule|reason):)?[\\PC]{1,20}") {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema::SCHEMA.tables).unwrap();
        record::record(&connection, &[entry(1, Outcome::Delivered)]).unwrap();
        if let Ok(search) = text.parse::<Search>() {
            find::find(&connection, &search, (Page::Before(Some(5)), 10), 0).unwrap();
        }
    }
}
