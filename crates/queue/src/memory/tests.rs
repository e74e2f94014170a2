//! What is received when, and what is left.

use super::*;

const LIMITS: MemoryLimits = MemoryLimits {
    events: 3,
    bytes: 100,
    per_second: None,
};

const TIMEOUT: Duration = Duration::from_secs(60);

fn message(id: &str) -> Message {
    Message::new(id, id, 0)
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| &*record.id).collect()
}

#[tokio::test]
async fn what_is_to_be_retried_is_received_again_after_its_time_with_one_more_attempt() {
    let (queue, _done) = Memory::new(LIMITS, TIMEOUT);
    for number in 0..3 {
        queue.push(number, message(&number.to_string())).await;
    }
    let records = queue.receive(2, Duration::ZERO).await;
    assert_eq!(ids(&records), ["0", "1"]);
    let after = Settlement::Retry(Duration::from_millis(300));
    let answers = queue.settle(&[(&records[0], after)]).await;
    assert!(answers[0].is_ok());
    assert_eq!(ids(&queue.receive(9, Duration::ZERO).await), ["2"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let again = queue.receive(9, Duration::ZERO).await;
    assert_eq!((ids(&again), again[0].attempts), (vec!["0"], 2));
}

#[tokio::test]
async fn what_is_not_settled_in_time_is_received_again_and_only_its_last_receiver_settles_it() {
    let timeout = Duration::from_millis(200);
    let (queue, mut done) = Memory::new(LIMITS, timeout);
    queue.push(0, message("a")).await;
    let first = queue.receive(1, Duration::ZERO).await;
    tokio::time::sleep(timeout).await;
    let second = queue.receive(1, Duration::ZERO).await;
    assert_eq!((ids(&second), second[0].attempts), (vec!["a"], 2));
    let late = [(&first[0], Settlement::Acknowledge)];
    assert!(queue.settle(&late).await[0].is_ok());
    assert!(done.try_recv().is_err());
    let settlements = [(&second[0], Settlement::Acknowledge)];
    let confirm = async { done.recv().await.unwrap().confirm(Ok(())) };
    tokio::join!(queue.settle(&settlements), confirm);
    assert!(queue.is_empty());
}

#[tokio::test]
async fn a_settlement_waits_until_it_is_recorded_and_makes_room_then() {
    let limits = MemoryLimits {
        events: 1,
        ..LIMITS
    };
    let (queue, mut done) = Memory::new(limits, TIMEOUT);
    queue.push(7, message("a")).await;
    let pusher = queue.clone();
    let next = tokio::spawn(async move { pusher.push(8, message("b")).await });
    let records = queue.receive(1, Duration::ZERO).await;
    let reason = Settlement::DeadLetter("invalid".to_owned());
    let settlements = [(&records[0], reason)];
    let settling = queue.settle(&settlements);
    tokio::pin!(settling);
    tokio::select! {
        _ = &mut settling => panic!("it is not recorded yet"),
        event = done.recv() => {
            let event = event.unwrap();
            assert_eq!((event.number, event.given_up.as_deref()), (7, Some("invalid")));
            tokio::task::yield_now().await;
            assert!(!next.is_finished());
            event.confirm(Ok(()));
        }
    }
    assert!(settling.await[0].is_ok());
    next.await.unwrap();
    queue.complete();
    let records = queue.receive(9, Duration::from_secs(60)).await;
    assert_eq!(ids(&records), ["b"]);
}

#[test]
fn no_more_is_received_in_a_second_than_asked_and_what_waits_keeps_no_other() {
    let start = Instant::now();
    let mut state = State {
        pace: Some(Pace::new(2, start)),
        ..State::default()
    };
    for number in 0..3 {
        let message = message(&number.to_string());
        let held = MemoryEntry {
            message,
            attempts: 0,
        };
        state.waiting.insert((start, number), held);
    }
    let mut received = Vec::new();
    for tick in 0..4 {
        let now = start + Duration::from_millis(500) * tick;
        assert_eq!(state.wait(9, now, Duration::ZERO), None);
        let records = state.take(9, now, Duration::ZERO, now + TIMEOUT);
        assert!(state.wait(9, now, Duration::ZERO).is_some());
        received.extend(records.iter().map(|record| record.id.to_string()));
        // The first fails, and is attempted again in its turn.
        if tick == 0 {
            let (number, held) = state.give_back(&records[0].receipt).unwrap();
            state.waiting.insert((now + TIMEOUT / 60, number), held);
        }
    }
    assert_eq!(received, ["0", "1", "2", "0"]);
}

#[tokio::test]
async fn it_is_drained_when_nothing_is_left_and_nothing_comes() {
    let (queue, mut done) = Memory::new(LIMITS, TIMEOUT);
    queue.push(0, message("a")).await;
    queue.complete();
    let records = queue.receive(1, Duration::ZERO).await;
    let settlements = [(&records[0], Settlement::Acknowledge)];
    let confirm = async { done.recv().await.unwrap().confirm(Ok(())) };
    tokio::join!(queue.settle(&settlements), confirm);
    queue.drained().await;
    // Without a reader nothing is confirmed.
    drop(done);
    queue.push(1, message("b")).await;
    let records = queue.receive(1, Duration::ZERO).await;
    let answers = queue
        .settle(&[(&records[0], Settlement::Acknowledge)])
        .await;
    assert!(answers[0].is_err());
}
