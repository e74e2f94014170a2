use super::*;
use futures_util::FutureExt;
use openlineage::Level;
use proptest::prelude::*;
use targets::{Reason, Scope};
use uuid::Uuid;

use crate::queue::Record;

const SOON: Duration = Duration::from_secs(1);
const RUN: OrderingKey = OrderingKey::Run(Uuid::nil());
const OTHER: OrderingKey = OrderingKey::Run(Uuid::max());

fn event(id: usize, run: u8, event_type: &str, second: u8) -> PendingEvent {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:{second:02}Z","producer":"urn:p","schemaURL":"urn:s","eventType":"{event_type}",
        "run":{{"runId":"00000000-0000-0000-0000-0000000000{run:02}"}},"job":{{"namespace":"n","name":"j"}}}}"#
    );
    let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
    PendingEvent::new(Record::unqueued(id.to_string().into()).into(), event)
}

fn ids(run: Vec<PendingEvent>) -> Vec<String> {
    run.into_iter()
        .map(|event| event.into_record().id.to_string())
        .collect()
}

#[test]
fn a_start_is_before_its_end_even_when_clocks_disagree() {
    let events = vec![
        event(0, 1, "COMPLETE", 5),
        event(1, 1, "OTHER", 9),
        event(2, 1, "START", 7),
        event(3, 1, "RUNNING", 3),
    ];
    let (_, run) = by_run(events).remove(0);
    assert_eq!(ids(run), ["3", "2", "0", "1"]);
}

proptest! {
    #[test]
    fn each_run_is_in_order_and_nothing_is_lost(
        events in proptest::collection::vec((1u8..4, 0usize..6, 0u8..60), 0..40),
    ) {
        let types = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
        let batch: Vec<_> = events.iter().enumerate().map(|(n, (run, t, s))| event(n, *run, types[*t], *s)).collect();
        let count = batch.len();
        let mut seen = Vec::new();
        for (key, run) in by_run(batch) {
            prop_assert!(run.iter().all(|event| OrderingKey::from(&event.event) == key));
            let position = |wanted: fn(&Event) -> bool| run.iter().enumerate().filter(|(_, e)| wanted(&e.event)).map(|(n, _)| n).collect::<Vec<_>>();
            let starts = position(|e| event_type(e) == Some(EventType::Start));
            let ended = position(is_end);
            prop_assert!(starts.iter().all(|start| ended.iter().all(|end| start < end)));
            let times: Vec<_> = run.iter().filter(|e| event_type(&e.event) != Some(EventType::Start)).map(|e| e.event.time()).collect();
            prop_assert!(times.is_sorted());
            seen.extend(ids(run).iter().map(|id| id.parse::<usize>().unwrap()));
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_ticket_is_ready_when_all_before_it_are_dropped() {
    let order = RunOrder::default();
    let (first, second, third) = (order.ticket(RUN), order.ticket(RUN), order.ticket(RUN));
    let other = order.ticket(OTHER);
    let deadline = Instant::now() + 3_600 * SOON;
    let ready = |ticket: &RunTicket| ticket.ready(deadline, None).now_or_never() == Some(true);
    assert!(ready(&first) && ready(&other) && !ready(&second) && !ready(&third));
    drop(first);
    assert!(ready(&second) && !ready(&third));
    drop(second);
    assert!(ready(&third));
    drop((third, other));
    assert!(order.lock().tickets.is_empty());
}

#[tokio::test]
async fn a_ticket_that_waits_is_woken_when_the_last_before_it_is_dropped() {
    let order = RunOrder::default();
    let (first, second, third) = (order.ticket(RUN), order.ticket(RUN), order.ticket(RUN));
    let deadline = Instant::now() + 3_600 * SOON;
    let waiting = tokio::spawn(async move { third.ready(deadline, None).await });
    for earlier in [second, first] {
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(earlier);
    }
    assert!(waiting.await.unwrap());
}

#[tokio::test]
async fn a_ticket_waits_until_its_deadline_and_no_longer() {
    let order = RunOrder::default();
    let (_first, second) = (order.ticket(RUN), order.ticket(RUN));
    assert!(!second.ready(Instant::now(), None).await);
}

#[tokio::test]
async fn a_ticket_that_did_not_have_its_turn_lets_none_go_first() {
    let order = RunOrder::default();
    let (first, second, third) = (order.ticket(RUN), order.ticket(RUN), order.ticket(RUN));
    assert!(!second.ready(Instant::now(), None).await);
    drop(second);
    assert!(!third.ready(Instant::now(), None).await);
    drop(first);
    assert!(third.ready(Instant::now(), None).await);
}

fn block(after: Duration, by: &str) -> Block {
    Block {
        after,
        by: by.into(),
        failure: Failure {
            reason: Reason::Unavailable,
            scope: Scope::Event,
            message: "down".into(),
            after: None,
        },
    }
}

#[test]
fn a_later_block_does_not_end_one_that_lasts_longer() {
    let order = RunOrder::default();
    let now = Instant::now();
    order.ticket(RUN).block_run(block(SOON * 5, "a"), now);
    order.ticket(RUN).block_run(block(SOON, "b"), now);
    let left = order.ticket(RUN).block(["c"].into_iter(), now);
    assert_eq!(
        left.map(|left| (left.after, left.by)),
        Some((SOON * 5, "a".into()))
    );
}

#[test]
fn a_blocked_run_waits_for_its_time_and_no_other_run_does() {
    let order = RunOrder::default();
    let now = Instant::now();
    order.ticket(RUN).block_run(block(SOON, "a"), now);
    let (later, other) = (order.ticket(RUN), order.ticket(OTHER));
    let block = |ticket: &RunTicket, id: &str, after| {
        let block = ticket.block([id].into_iter(), now + after);
        block.map(|block| block.after)
    };
    assert_eq!(block(&later, "b", SOON / 4), Some(SOON * 3 / 4));
    assert_eq!(block(&later, "a", SOON / 4), None, "its own retry goes on");
    assert_eq!(block(&other, "b", SOON / 4), None);
    assert_eq!(block(&later, "b", SOON), None);
}

#[test]
fn an_event_that_was_in_hand_is_blocked_until_the_one_ahead_of_it_is_received_again() {
    let order = RunOrder::default();
    let now = Instant::now();
    let (failed, waiting) = (order.ticket(RUN), order.ticket(RUN));
    failed.block_run(block(SOON, "a"), now);
    let (retry, new) = (order.ticket(RUN), order.ticket(RUN));
    let block = |ticket: &RunTicket, id: &str, after| {
        let block = ticket.block([id].into_iter(), now + after);
        block.map(|block| block.after)
    };
    assert_eq!(block(&waiting, "b", SOON / 4), Some(SOON * 3 / 4));
    assert_eq!(block(&waiting, "b", SOON * 9), Some(OVERDUE));
    assert_eq!(block(&retry, "a", SOON * 9), None);
    assert_eq!(
        block(&new, "c", SOON * 9),
        None,
        "the queue keeps its order"
    );
}

#[test]
fn an_event_that_failed_blocks_none_ahead_of_it() {
    let order = RunOrder::default();
    let now = Instant::now();
    let (first, second) = (order.ticket(RUN), order.ticket(RUN));
    second.block_run(block(SOON, "b"), now);
    assert!(first.block(["a"].into_iter(), now).is_none());
    // If that one fails, too, the retry of the second waits for it.
    first.block_run(block(SOON / 2, "a"), now);
    let retry = order.ticket(RUN);
    let by = retry.block(["b"].into_iter(), now);
    assert_eq!(by.map(|block| block.by), Some("a".into()));
}

#[test]
fn an_event_in_hand_stays_blocked_when_another_is_blocked_after_it() {
    let order = RunOrder::default();
    let now = Instant::now();
    let (first, second, third) = (order.ticket(RUN), order.ticket(RUN), order.ticket(RUN));
    first.block_run(block(SOON, "a"), now);
    third.block_run(block(SOON, "c"), now + SOON * 2);
    let block = second.block(["b"].into_iter(), now + SOON * 9);
    assert_eq!(block.map(|block| block.by), Some("a".into()));
}
