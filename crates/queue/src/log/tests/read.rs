//! Reading the log as it was accepted.

use proptest::prelude::*;

use super::*;

fn at(id: String, received_at: i64) -> Message {
    Message {
        received_at,
        ..message(&id)
    }
}

/// Reads the ids of all events that were accepted at such a time.
async fn read_all(log: &Log, accepted: AcceptedBetween) -> Vec<String> {
    let (mut ids, mut position) = (Vec::new(), i64::MIN);
    loop {
        let step = log.read(position, i64::MAX, accepted).await.unwrap();
        ids.extend(step.events.into_iter().map(|it| it.id));
        match step.next {
            Some(next) => position = next,
            None => return ids,
        }
    }
}

#[tokio::test]
async fn events_are_read_beside_the_owner_as_they_were_accepted_whether_settled_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = log_with(folder.path(), Retention::default()).await;
    let consumer = log.consumer("target", Start::Oldest).await.unwrap();
    for n in 0..700 {
        append(&log, &[&n.to_string()]).await;
    }
    acknowledge(&consumer, &receive(&consumer, 300).await).await;
    let beside = Log::open(folder.path()).await.unwrap();
    let all: Vec<String> = (0..700).map(|n| n.to_string()).collect();
    assert_eq!(read_all(&beside, AcceptedBetween::EVER).await, all);
    let first = (beside.read(i64::MIN, i64::MAX, AcceptedBetween::EVER).await).unwrap();
    assert_eq!(first.events[7].body, "body of 7");
}

#[tokio::test]
async fn large_events_are_read_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    for id in 0..20 {
        let body: Arc<str> = "x".repeat(1 << 20).into();
        let sent = log.append(vec![Message {
            body,
            ..message(&id.to_string())
        }]);
        assert!(sent.await[0].is_ok());
    }
    let step = (log.read(i64::MIN, i64::MAX, AcceptedBetween::EVER).await).unwrap();
    assert!(
        (8..10).contains(&step.events.len()),
        "{}",
        step.events.len()
    );
    assert_eq!(read_all(&log, AcceptedBetween::EVER).await.len(), 20);
}

#[tokio::test]
async fn nothing_is_read_behind_the_last_position() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path()).await;
    assert_eq!(log.newest().await.unwrap(), None);
    append(&log, &["a", "b"]).await;
    let newest = log.newest().await.unwrap().unwrap();
    append(&log, &["c"]).await;
    let step = log.read(i64::MIN, newest, AcceptedBetween::EVER).await;
    let ids: Vec<String> = step.unwrap().events.into_iter().map(|it| it.id).collect();
    assert_eq!(ids, ["a", "b"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    /// The times grow, but a clock may be wrong at any time.
    #[test]
    fn what_was_accepted_in_a_time_is_found_whatever_the_clock_did_in_between(
        steps in proptest::collection::vec((0..200_000i64, -7_200_000..7_200_000i64), 1..600),
        gaps in proptest::collection::vec(0..600i64, 0..300),
        bounds in (0..60_000_000i64, 0..60_000_000i64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let log = log(folder.path()).await;
            let (mut now, mut events) = (0, Vec::new());
            for (n, (step, back)) in steps.into_iter().enumerate() {
                now += step;
                events.push((n.to_string(), now - back));
            }
            log.append(events.iter().map(|(id, time)| at(id.clone(), *time)).collect()).await;
            let deleted = gaps.clone();
            let delete = move |connection: &Connection| {
                deleted.iter().try_for_each(|seq| {
                    connection.execute("DELETE FROM events WHERE seq = ?1", [seq]).map(drop)
                })
            };
            log.journal.write(delete).await.unwrap();
            let accepted = AcceptedBetween { since: bounds.0, until: bounds.1 };
            let is_there = |n: usize| !gaps.contains(&i64::try_from(n + 1).unwrap());
            let expected: Vec<String> = (events.iter().enumerate())
                .filter(|(n, (_, time))| is_there(*n) && accepted.contains(*time))
                .map(|(_, (id, _))| id.clone())
                .collect();
            assert_eq!(read_all(&log, accepted).await, expected);
        });
    }
}
