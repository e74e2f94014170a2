//! Where the events of jobs and datasets are found in the log.

use super::*;

#[tokio::test]
async fn events_of_several_nodes_are_found_once_in_the_order_of_their_own_times() {
    let mut place = Place::new();
    let late = run_event("x", 1, "COMPLETE", 9, &io(&["a"], &["b"]));
    let early = run_event("x", 1, "START", 1, &io(&["a"], &[]));
    let other = run_event("y", 2, "COMPLETE", 5, &io(&["b"], &[]));
    place.deliver(&[late, early, other]).await;
    let dataset = |text| NodeRef {
        kind: NodeKind::Dataset,
        namespace: "pg".to_owned(),
        name: String::from(text),
    };
    let nodes = vec![job("x"), dataset("a"), dataset("b"), dataset("none")];
    let found = place.history.events_of_nodes(nodes.clone(), 2);
    let found = found.await.unwrap();
    // Ids are numbers: 1 is late, 2 early and 3 the other.
    let ids = found.places.iter().map(|it| it.id.get(35..).unwrap());
    assert_eq!(ids.collect::<Vec<_>>(), ["1", "3", "2"]);
    let expected = [vec![0, 2], vec![0, 2], vec![0, 1], vec![]];
    assert_eq!(found.of_nodes, expected);
    for (node, positions) in nodes.into_iter().zip(&found.of_nodes) {
        let alone = place.history.events_of_node(node, 2).await.unwrap();
        let together = positions.iter().map(|it| found.places[*it].clone());
        assert_eq!(together.collect::<Vec<_>>(), alone);
    }
}

#[tokio::test]
async fn of_one_of_several_nodes_at_most_so_many_events_are_found() {
    let mut place = Place::new();
    for second in 0..5 {
        let text = run_event("x", second, "COMPLETE", second, &io(&["a"], &[]));
        place.deliver(&[text]).await;
    }
    let found = place.history.events_of_nodes(vec![job("x")], 3);
    assert_eq!(found.await.unwrap().of_nodes, [[0, 1, 2]]);
}

#[tokio::test]
async fn events_before_many_that_no_target_has_are_found() {
    let mut place = Place::new();
    let event = |second| run_event("x", 1, "RUNNING", second, &io(&["a"], &[]));
    place.deliver(&[event(1), event(2)]).await;
    let waiting = (0..300).map(|_| {
        place.next += 1;
        place.entry(&event(9), "one", Outcome::Retry, NOON)
    });
    let waiting = waiting.collect();
    place.record(waiting).await;
    let nodes = vec![job("x"), NodeRef::dataset(name("a"))];
    let found = place.history.events_of_nodes(nodes, 2).await.unwrap();
    assert_eq!(found.of_nodes, [[0, 1], [0, 1]]);
}
