//! Owners whose targets are not those of the last owner.

use super::*;

/// The log as an owner with these targets opens it, and their consumers.
async fn owned(folder: &Path, targets: &[&str]) -> (Log, Vec<Consumer>) {
    let log = log(folder).await;
    let consumers = log.owner_consumers(targets).await.unwrap();
    log.stop_others(targets).await.unwrap();
    (log, consumers)
}

/// Ends the owner.
async fn leave(log: Log, consumers: Vec<Consumer>) {
    drop(consumers);
    end(log).await;
}

/// The pending events of each consumer.
async fn pending(log: &Log) -> Vec<(String, u64)> {
    let statuses = log.consumers().await.unwrap().into_iter();
    statuses.map(|it| (it.target, it.pending)).collect()
}

#[tokio::test]
async fn a_target_takes_the_place_of_the_only_one_that_there_ever_was() {
    let folder = tempfile::tempdir().unwrap();
    let (log, consumers) = owned(folder.path(), &["first"]).await;
    append(&log, &["a", "b"]).await;
    leave(log, consumers).await;
    for next in ["second", "third"] {
        let (log, consumers) = owned(folder.path(), &[next]).await;
        assert_eq!(pending(&log).await, [(next.to_owned(), 2)]);
        leave(log, consumers).await;
    }
}

#[tokio::test]
async fn a_target_does_not_take_the_place_of_another_where_there_were_two() {
    let folder = tempfile::tempdir().unwrap();
    let (log, consumers) = owned(folder.path(), &["down", "fast"]).await;
    append(&log, &["a", "b"]).await;
    acknowledge(&consumers[1], &receive(&consumers[1], 9).await).await;
    leave(log, consumers).await;
    let (log, consumers) = owned(folder.path(), &["down"]).await;
    assert_eq!(pending(&log).await, [("down".to_owned(), 2)]);
    leave(log, consumers).await;
    let (log, mut consumers) = owned(folder.path(), &["fast"]).await;
    append(&log, &["c"]).await;
    assert_eq!(ids(&receive(&consumers.remove(0), 9).await), ["c"]);
    assert_eq!(
        pending(&log).await,
        [("down".to_owned(), 2), ("fast".to_owned(), 1)]
    );
}

#[tokio::test]
async fn a_target_whose_cursor_is_lost_does_not_take_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (log, consumers) = owned(folder.path(), &["kept"]).await;
    append(&log, &["a", "b"]).await;
    acknowledge(&consumers[0], &receive(&consumers[0], 1).await).await;
    // As a repair that lost cursors leaves it.
    let lose = |c: &Connection| {
        c.execute_batch("PRAGMA application_id = 2")?;
        assert_eq!(journal::incomplete_tables(c)?, ["cursors"]);
        Ok(())
    };
    log.journal.write(lose).await.unwrap();
    leave(log, consumers).await;
    let (log, mut consumers) = owned(folder.path(), &["lost"]).await;
    assert_eq!(ids(&receive(&consumers.remove(0), 9).await), ["a", "b"]);
    assert_eq!(pending(&log).await[0], ("kept".to_owned(), 1));
}

#[tokio::test]
async fn a_consumer_that_an_owner_reads_for_is_not_removed_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let (log, consumers) = owned(folder.path(), &["stops", "stays"]).await;
    append(&log, &["a"]).await;
    leave(log, consumers).await;
    let (owner, _consumers) = owned(folder.path(), &["stays"]).await;
    let beside = Log::open(folder.path()).await.unwrap();
    assert!(!beside.remove_stopped_consumer("stays").await.unwrap());
    assert!(beside.remove_stopped_consumer("stops").await.unwrap());
    assert_eq!(pending(&owner).await, [("stays".to_owned(), 1)]);
}

#[tokio::test]
async fn what_is_redriven_for_a_stopped_consumer_waits_for_an_owner_that_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (log, consumers) = owned(folder.path(), &["stops", "stays"]).await;
    append(&log, &["a"]).await;
    let records = receive(&consumers[0], 9).await;
    let dead = Settlement::DeadLetter("rejected".to_owned());
    consumers[0].settle(&[(&records[0], dead)]).await;
    assert!(!consumers[0].is_stopped().await.unwrap());
    leave(log, consumers).await;
    let (log, consumers) = owned(folder.path(), &["stays"]).await;
    let stopped = log.existing_consumer("stops").await.unwrap().unwrap();
    assert!(stopped.is_stopped().await.unwrap());
    assert!(stopped.redrive("a").await.unwrap());
    drop(stopped);
    leave(log, consumers).await;
    let (_log, mut consumers) = owned(folder.path(), &["stops", "stays"]).await;
    assert_eq!(ids(&receive(&consumers.remove(0), 9).await), ["a"]);
}

#[tokio::test]
async fn a_target_with_a_start_of_its_own_takes_no_place_and_starts_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    let first = log.owner_consumers(&["first"]).await.unwrap();
    let old = Message {
        received_at: 1_000,
        ..message("old")
    };
    assert!(log.append(vec![old]).await[0].is_ok());
    append(&log, &["young"]).await;
    acknowledge(&first[0], &receive(&first[0], 9).await).await;
    let target = |name, start| OwnerTarget {
        name,
        start: Some(start),
    };
    let targets = [
        target("all", Start::Oldest),
        target("some", Start::Since(2_000)),
        target("none", Start::Next),
    ];
    let consumers = log.owner_consumers(&targets).await.unwrap();
    let events = consumers.iter().map(|it| it.started().unwrap().events);
    assert_eq!(events.collect::<Vec<_>>(), [2, 1, 0]);
    assert_eq!(consumers[0].started().unwrap().first, Some(1_000));
    assert_eq!(ids(&receive(&consumers[0], 9).await), ["old", "young"]);
    assert_eq!(ids(&receive(&consumers[1], 9).await), ["young"]);
    // From then on it has a place of its own.
    let again = log.owner_consumers(&targets).await.unwrap();
    assert!(again.iter().all(|it| it.started().is_none()));
    let alone = log.owner_consumers(&[target("alone", Start::Next)]).await;
    assert_eq!(alone.unwrap()[0].started().unwrap().events, 0);
    assert!(pending(&log).await.contains(&("first".to_owned(), 0)));
}

#[tokio::test]
async fn a_stop_that_was_interrupted_between_its_steps_is_completed_or_taken_back() {
    for goes_on in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let log = super::log(folder.path()).await;
        let stops = log.consumer("stops", Start::Oldest).await.unwrap();
        append(&log, &["a", "b", "c", "d", "e", "f"]).await;
        acknowledge(&stops, &receive(&stops, 2).await[1..]).await;
        let number = stops.state.number;
        let step = move |c: &rusqlite::Connection| crate::log::cursor::stop(c, number, 2);
        assert!(!log.journal.write(step).await.unwrap());
        drop(stops);
        end(log).await;

        if !goes_on {
            let log = super::log(folder.path()).await;
            let left = log.stop_others(&["keeps"]).await.unwrap();
            assert_eq!(left[0].pending, 5);
            append(&log, &["passes it by"]).await;
            assert_eq!(log.consumers().await.unwrap()[0].pending, 5);
            end(log).await;
        }
        let log = super::log(folder.path()).await;
        let stops = log.consumer("stops", Start::Next).await.unwrap();
        let mut received = Vec::new();
        for record in receive(&stops, 9).await {
            received.push((record.id.to_string(), record.attempts));
        }
        received.sort_unstable();
        let expected = [("a", 2), ("c", 1), ("d", 1), ("e", 1), ("f", 1)];
        assert_eq!(
            received,
            expected.map(|(id, attempts)| (id.to_owned(), attempts))
        );
    }
}
