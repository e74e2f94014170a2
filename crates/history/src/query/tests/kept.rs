//! What is kept, and for how long.

use super::*;

#[tokio::test]
async fn what_nobody_names_for_90_days_leaves_the_lineage() {
    let mut place = Place::new();
    let outputs = wide(&field("staged", "old", "DIRECT"));
    let old = run_event("gone", 1, "COMPLETE", 1, &io(&["staged"], &[&outputs]));
    place.deliver_at(&[old], NOON).await;
    let later = NOON + 90 * DAY;
    place
        .deliver_at(
            &[run_event("stays", 2, "COMPLETE", 2, &io(&["staged"], &[]))],
            later,
        )
        .await;
    while place
        .history
        .forget(Retention::default(), later)
        .await
        .unwrap()
    {}
    assert_eq!(
        place.names(NodeRef::dataset(name("staged")), true).await,
        ["0 staged", "1 stays"]
    );
    assert_eq!(place.history.node(job("gone")).await.unwrap(), None);
    for (table, count) in [
        ("edges", 1),
        ("column_sets", 0),
        ("column_edges", 0),
        ("fields", 0),
    ] {
        let read = move |it: &rusqlite::Connection| {
            it.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get(0)
            })
        };
        let found: i64 = place.history.journal.read(read).await.unwrap();
        assert_eq!(found, count, "{table}");
    }
}

#[tokio::test]
async fn a_node_stays_in_the_lineage_when_its_events_are_forgotten() {
    let mut place = Place::new();
    place.deliver(&shop()).await;
    let none = Retention {
        events: 1,
        ..Retention::default()
    };
    while place.history.forget(none, NOON).await.unwrap() {}
    assert_eq!(place.names(job("mart"), false).await.len(), 6);
}

#[tokio::test]
async fn a_history_without_lineage_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = History::path(folder.path());
    let old = include_str!("schema-0.sql");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(old)
        .unwrap();
    let error = History::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("older lineage-proxy"), "{error}");
    let claim = Arc::new(Claim::take(folder.path()).unwrap());
    let history = History::own(&claim).unwrap();
    let found = history.find(Search::default(), Page::Before(None), 9, NOON);
    assert_eq!(found.await.unwrap().events[0].job, Some(name("load")));
    let node = history
        .node(NodeRef::job(name("load")))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((node.events, node.node.facts), (1, NodeFacts::default()));
    assert_eq!(
        history.whole(Bounds::default()).await.unwrap(),
        Whole::default()
    );
}

#[tokio::test]
async fn an_event_that_names_more_datasets_than_are_recorded_says_so() {
    let mut place = Place::new();
    let names = (0..MAX_DATASETS + 5).map(|n| format!("t{n}"));
    let names = names.collect::<Vec<_>>();
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    place
        .deliver(&[
            run_event("few", 1, "START", 1, &io(&["a"], &[])),
            run_event("many", 2, "START", 1, &io(&names, &[])),
        ])
        .await;
    let found = place
        .history
        .find(Search::default(), Page::Before(None), 9, NOON);
    let found = found.await.unwrap().events;
    let counts: Vec<_> = found
        .iter()
        .map(|it| (it.datasets.len(), it.dataset_count))
        .collect();
    let many = MAX_DATASETS as u64 + 5;
    assert_eq!(counts, [(MAX_DATASETS, Some(many)), (1, None)]);
}
