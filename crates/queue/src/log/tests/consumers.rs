//! Consumers that are added, stopped, renamed and removed, and where each goes on.

use super::*;

#[tokio::test]
async fn a_new_consumer_starts_where_it_was_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let at = |id: &str, received_at| Message {
        received_at,
        ..message(id)
    };
    log.append(vec![at("a", 10), at("b", 20), at("c", 30)])
        .await;
    let starts = [
        (Start::Oldest, vec!["a", "b", "c", "d"]),
        (Start::Since(15), vec!["b", "c", "d"]),
        (Start::Since(31), vec!["d"]),
        (Start::Next, vec!["d"]),
    ];
    let mut consumers = Vec::new();
    for (start, expected) in starts {
        let consumer = log.consumer(&format!("{start:?}"), start).await.unwrap();
        consumers.push((consumer, expected));
    }
    append(&log, &["d"]).await;
    for (consumer, expected) in consumers {
        assert_eq!(ids(&receive(&consumer, 9).await), expected);
    }
}

#[tokio::test]
async fn a_removed_consumer_reports_what_it_had_not_settled_and_is_waited_for_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let keeps = log.consumer("keeps", Start::Oldest).await.unwrap();
    let removed = log.consumer("removed", Start::Oldest).await.unwrap();
    append(&log, &["a", "b", "c", "d"]).await;
    acknowledge(&keeps, &receive(&keeps, 9).await).await;
    let records = receive(&removed, 2).await;
    let dead = Settlement::DeadLetter("rejected".to_owned());
    removed
        .settle(&[(&records[0], dead), (&records[1], Settlement::Retry(NOW))])
        .await;
    let status = log.remove_consumer("removed").await.unwrap().unwrap();
    assert_eq!((status.pending, status.dead_letters), (3, 1));
    assert_eq!(log.sweep().await.unwrap(), 3);
    let left: Vec<_> = log.consumers().await.unwrap();
    let left: Vec<_> = left.iter().map(|it| it.target.as_str()).collect();
    assert_eq!(left, ["keeps"]);
    assert_eq!(log.remove_consumer("removed").await.unwrap(), None);
}

#[tokio::test]
async fn a_stopped_consumer_keeps_what_it_had_not_settled_and_gets_no_more_until_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = log(folder.path()).await;
        let keeps = log.consumer("keeps", Start::Oldest).await.unwrap();
        let stops = log.consumer("stops", Start::Oldest).await.unwrap();
        append(&log, &["a", "b", "c"]).await;
        acknowledge(&keeps, &receive(&keeps, 9).await).await;
        acknowledge(&stops, &receive(&stops, 1).await).await;
        drop((keeps, stops));
        end(log).await;
    }
    {
        let log = log(folder.path()).await;
        let keeps = log.consumer("keeps", Start::Next).await.unwrap();
        let left = log.stop_others(&["keeps"]).await.unwrap();
        let left: Vec<_> = left.iter().map(|it| (&*it.target, it.pending)).collect();
        assert_eq!(left, [("stops", 2)]);
        append(&log, &["d", "e"]).await;
        acknowledge(&keeps, &receive(&keeps, 9).await).await;
        let statuses = log.consumers().await.unwrap();
        let pending: Vec<u64> = statuses.iter().map(|it| it.pending).collect();
        assert_eq!(pending, [0, 2], "later events pass it by");
        // `a` is settled by both, `d` by the one that gets it, and `e` is the last.
        assert_eq!(log.sweep().await.unwrap(), 2);
        drop(keeps);
        end(log).await;
    }
    let log = log(folder.path()).await;
    let stops = log.consumer("stops", Start::Next).await.unwrap();
    append(&log, &["f"]).await;
    let records = receive(&stops, 9).await;
    let mut received = attempts(&records);
    received.sort_unstable();
    assert_eq!(received, [("b", 1), ("c", 1), ("f", 1)]);
}

#[tokio::test]
async fn a_consumer_that_has_nothing_left_is_removed_when_it_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    log.consumer("stops", Start::Oldest).await.unwrap();
    assert_eq!(log.stop_others(&["keeps"]).await.unwrap(), []);
    assert_eq!(log.consumers().await.unwrap(), []);
}

#[tokio::test]
async fn a_renamed_consumer_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let old = log.consumer("old", Start::Oldest).await.unwrap();
    log.consumer("other", Start::Oldest).await.unwrap();
    append(&log, &["a", "b"]).await;
    acknowledge(&old, &receive(&old, 1).await).await;
    assert!(!log.rename_consumer("old", "other").await.unwrap());
    assert!(log.rename_consumer("old", "new").await.unwrap());
    let new = log.consumer("new", Start::Oldest).await.unwrap();
    assert_eq!(ids(&receive(&new, 9).await), ["b"]);
}

#[tokio::test]
async fn the_number_of_a_removed_consumer_is_not_given_out_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    let removed = log.consumer("target", Start::Oldest).await.unwrap();
    append(&log, &["a"]).await;
    let records = receive(&removed, 1).await;
    log.remove_consumer("target").await.unwrap();
    let again = log.consumer("target", Start::Oldest).await.unwrap();
    assert_eq!(ids(&receive(&again, 1).await), ["a"]);
    let late = [(&records[0], Settlement::Acknowledge)];
    assert!(removed.settle(&late).await[0].is_err());
    assert_eq!(again.depth().await.unwrap().events, 1);
}
