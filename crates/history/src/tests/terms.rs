//! What each term of a search finds.

use super::*;
use crate::find::Frequency;

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
        for frequency in [Frequency::Rare, Frequency::Common] {
            let found = place.found_by(search, frequency).await;
            assert_eq!(found, expected, "{search}, {frequency:?}");
        }
    }
}

impl Place {
    /// What is found by a query for terms of that frequency, whatever it is.
    async fn found_by(&self, search: &str, frequency: Frequency) -> Vec<u32> {
        let search: Search = search.parse().unwrap();
        let read = move |connection: &Connection| {
            let frequencies = vec![frequency; search.terms.len()];
            let asked = (Page::Before(None), 1_000);
            find::find_by(connection, (&search, &frequencies), asked, NOW)
        };
        let (events, is_cut) = self.history.journal.read(read).await.unwrap();
        assert!(!is_cut);
        let (newest, more) = (0, false);
        numbers(&Found {
            events,
            newest,
            more,
        })
    }
}

#[tokio::test]
async fn what_many_events_have_is_frequent() {
    let place = Place::new();
    let number = |n| Entry {
        rules: vec![if n % 2 == 0 { "even" } else { "odd" }.to_owned()],
        datasets: vec![identity("pg", "shop.rare")],
        ..entry(n, Outcome::Delivered)
    };
    let once = Entry {
        rules: vec!["once".to_owned()],
        ..entry(41, Outcome::Delivered)
    };
    place
        .record((1..=40).map(number).chain([once]).collect())
        .await;
    let many = "
        INSERT INTO nodes (node, is_job, namespace, name) VALUES (1000, 0, 'pg', 'shop.common');
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO event_nodes (node, event) SELECT 1000, 1000 + i FROM n";
    let written = place
        .history
        .journal
        .write(|it: &Connection| it.execute_batch(many));
    written.await.unwrap();
    for (search, expected) in [
        ("rule:even", Frequency::Common),
        ("rule:o*", Frequency::Common),
        ("rule:once", Frequency::Rare),
        ("dataset:shop.common", Frequency::Common),
        ("dataset:pg/*", Frequency::Common),
        ("dataset:shop.rare", Frequency::Rare),
        ("COMM", Frequency::Common),
        ("rare", Frequency::Rare),
    ] {
        let search: Search = search.parse().unwrap();
        let asked = search.clone();
        let read = move |it: &Connection| find::frequencies(it, &asked);
        let found = place.history.journal.read(read).await.unwrap();
        assert_eq!(found, [expected], "{search}");
    }
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
