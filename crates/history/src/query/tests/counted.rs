//! What is found, counted and resolved by name.

use super::*;

#[tokio::test]
async fn the_nodes_that_were_seen_last_are_found_before_the_limit_cuts() {
    let mut place = Place::new();
    let event = |job, second| run_event(job, second, "COMPLETE", second, "");
    place.deliver_at(&[event("a", 1)], NOON).await;
    place.deliver_at(&[event("c", 2)], NOON + 2 * DAY).await;
    place.deliver_at(&[event("b", 3)], NOON + DAY).await;
    let search = NodeSearch {
        order: NodeOrder::LastSeen,
        ..NodeSearch::default()
    };
    let (found, count) = place.history.find_nodes(search, 2, 0).await.unwrap();
    let names: Vec<_> = found.iter().map(|it| it.node.name.as_str()).collect();
    assert_eq!((names, count), (vec!["c", "b"], 3));
}

#[tokio::test]
async fn events_are_counted_by_kind_in_each_period() {
    let mut place = Place::new();
    place.deliver_at(&shop(), NOON).await;
    let periods = place.history.periods(NOON + 1, DAY, 2).await.unwrap();
    let counts: Vec<_> = (periods.iter())
        .map(|it| (it.kinds.get("RunEvent COMPLETE").copied(), it.jobs))
        .collect();
    assert_eq!(counts, [(None, 0), (Some(2), 3)]);
    assert_eq!(periods[1].kinds["RunEvent FAIL"], 1);
    assert_eq!(periods[1].until, "2026-01-01T12:00:00.001Z");
}

#[tokio::test]
async fn what_is_known_at_the_end_of_a_period_is_what_became_known_until_then() {
    let mut place = Place::new();
    let event = |job, second| {
        let dataset = io(&[], &[&format!("{job}.table")]);
        run_event(job, second, "COMPLETE", second, &dataset)
    };
    for (job, second, day) in [
        ("a", 1, 0),
        ("b", 2, 1),
        ("c", 3, 1),
        ("a", 4, 3),
        ("d", 5, 4),
    ] {
        (place.deliver_at(&[event(job, second)], NOON + day * DAY)).await;
    }
    // From a day after the first event.
    let until = NOON + 4 * DAY;
    let periods = place.history.periods(until, DAY, 3).await.unwrap();
    let counts: Vec<_> = (periods.iter())
        .map(|it| {
            (
                it.kinds.values().sum::<u64>(),
                it.jobs,
                it.datasets,
                it.sources,
            )
        })
        .collect();
    assert_eq!(counts, [(2, 3, 3, 1), (0, 3, 3, 1), (1, 3, 3, 1)]);
}

#[tokio::test]
async fn nodes_are_found_by_a_part_of_their_names() {
    let mut place = Place::new();
    place.deliver(&shop()).await;
    let find = async |text: &str, kind, limit| {
        let search = NodeSearch {
            text: text.to_owned(),
            kind,
            ..NodeSearch::default()
        };
        let (found, count) = place.history.find_nodes(search, limit, 0).await.unwrap();
        let names = found.into_iter().map(|known| known.node.name);
        (names.collect::<Vec<_>>(), count)
    };
    assert_eq!(find("ORD", None, 9).await, (vec!["orders".to_owned()], 1));
    assert_eq!(find("air/", Some(NodeKind::Job), 2).await.1, 3);
    assert_eq!(find("%", None, 9).await.1, 0);
    // Those that begin so come first.
    assert_eq!(find("a", None, 9).await.0.len(), 5);
    let overview = place.history.overview(1).await.unwrap();
    assert_eq!((overview.jobs, overview.datasets), (3, 3));
    assert_eq!(
        (overview.namespaces.len(), overview.namespace_count),
        (1, 2)
    );
    assert_eq!(overview.failed[0].node.name, "export");
}

#[tokio::test]
async fn outcomes_are_counted_by_hour() {
    let mut place = Place::new();
    let text = run_event("j", 1, "START", 1, "");
    let mut entries = Vec::new();
    for (outcome, at) in [
        (Outcome::Delivered, NOON),
        (Outcome::Delivered, NOON + 1),
        (Outcome::DeadLettered, NOON + 2),
        (Outcome::Delivered, NOON + DAY),
    ] {
        place.next += 1;
        entries.push(place.entry(&text, "one", outcome, at));
    }
    place.record(entries).await;
    let gap = Gap { at: NOON, count: 7 };
    let recorded = (place.history).record(Vec::new, Some(gap), Retention::default(), NOON);
    recorded.await.unwrap();
    let tally = place.history.tally(NOON).await.unwrap();
    assert_eq!(tally.not_recorded, 7);
    assert_eq!(tally.hours.len(), 3);
    assert_eq!(tally.totals()[&("one", "delivered")], 3);
    assert_eq!(
        place.history.tally(NOON + DAY).await.unwrap().hours.len(),
        1
    );
}

#[tokio::test]
async fn what_is_connected_is_counted_in_jobs() {
    let mut place = Place::new();
    let mut events = shop();
    // It shares only what both read.
    events.push(run_event("other", 4, "COMPLETE", 4, &io(&["raw"], &[])));
    place.deliver(&events).await;
    let connected = async |node: NodeRef, depth| {
        let found = place.history.connected(node, depth).await.unwrap();
        let found = found.unwrap_or_default();
        let names = found.nodes.into_iter().map(|it| it.node.node.name);
        (names.collect::<Vec<_>>().join(" "), found.edges.len())
    };
    let counted = |names: &str, edges| (names.to_owned(), edges);
    assert_eq!(
        connected(job("load"), 0).await,
        counted("load raw staged", 2)
    );
    assert_eq!(
        connected(job("load"), 1).await,
        counted("load mart other orders raw staged", 5)
    );
    let all = "export load mart other orders raw staged";
    assert_eq!(connected(job("load"), 9).await, counted(all, 6));
    // A dataset begins with all that read or write it.
    let raw = NodeRef::dataset(name("raw"));
    let from_raw = counted("load other raw staged", 3);
    assert_eq!(connected(raw, 0).await, from_raw);
    assert_eq!(connected(job("nowhere"), 9).await, counted("", 0));
}

#[tokio::test]
async fn an_id_with_colons_is_resolved_by_what_is_known() {
    let mut place = Place::new();
    let dataset = r#"{"namespace":"postgres://h:5432","name":"shop:orders","facets":{}}"#;
    let lineage = field("a:b", "c:d", "DIRECT");
    place
        .deliver(&[run_event(
            "daily:load",
            1,
            "COMPLETE",
            1,
            &io(&[dataset], &[&wide(&lineage)]),
        )])
        .await;
    let resolve = async |kind, text: &str| {
        let found = place.history.resolve(kind, text.to_owned()).await.unwrap();
        found.map(|node| (node.namespace, node.name))
    };
    let pair = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
    let text = "postgres://h:5432:shop:orders";
    let orders = pair("postgres://h:5432", "shop:orders");
    assert_eq!(resolve(NodeKind::Dataset, text).await, orders);
    assert_eq!(resolve(NodeKind::Job, text).await, None);
    assert_eq!(
        resolve(NodeKind::Job, "air:daily:load").await,
        pair("air", "daily:load")
    );
    let column = place.history.resolve_column("pg:a:b:c:d".to_owned()).await;
    let expected = ColumnRef {
        dataset: name("a:b"),
        field: Some("c:d".to_owned()),
    };
    assert_eq!(column.unwrap(), Some(expected));
    let none = place.history.resolve_column("pg:a:b:x".to_owned()).await;
    assert_eq!(none.unwrap(), None);
}
