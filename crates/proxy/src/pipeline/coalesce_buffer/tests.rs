use super::*;
use openlineage::{Event, Level};
use transform::{RuleResources, Transforms};

const TIMEOUT: Duration = Duration::from_secs(30);

fn rules() -> RuleSet {
    rules_with_window(Duration::from_secs(10))
}

fn rules_with_window(window: Duration) -> RuleSet {
    let transforms = Transforms::new();
    let sources = RuleResources {
        file: &|_| Err("none".to_owned()),
        transforms: &transforms,
        hash_key: None,
        targets: &["store"],
    };
    let text = format!("coalesce: {{window: {}ms}}", window.as_millis());
    RuleSet::read(&text, &sources).unwrap()
}

fn event(id: &str, attempts: u32, run: u8, event_type: &str) -> PendingEvent {
    let body = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"{event_type}",
        "run":{{"runId":"00000000-0000-0000-0000-0000000000{run:02}"}},"job":{{"namespace":"n","name":"j"}}}}"#
    );
    let event = Event::read(body.as_bytes(), Level::Strict).unwrap().event;
    let record = Record {
        queue_id: id.into(),
        attempts,
        ..Record::unqueued(id.into())
    };
    PendingEvent::new(record.into(), event)
}

/// A buffer, and a clock that counts seconds from its creation.
fn buffer(age: Duration) -> (CoalesceBuffer, impl Fn(f32) -> Instant) {
    let buffer = CoalesceBuffer::new(TIMEOUT, age);
    let started = buffer.started;
    (buffer, move |seconds| {
        started + Duration::from_secs_f32(seconds)
    })
}

fn offer(buffer: &mut CoalesceBuffer, events: Vec<PendingEvent>, now: Instant) -> Vec<String> {
    let released = buffer.offer(events, &rules(), "store", now);
    let ids = released.events.into_iter();
    ids.map(|event| event.into_record().id.to_string())
        .collect()
}

#[test]
fn a_run_is_released_by_its_end_or_when_its_window_is_over() {
    let (mut buffer, at) = buffer(Duration::ZERO);
    let starts = vec![event("1", 1, 1, "START"), event("2", 1, 2, "START")];
    assert!(offer(&mut buffer, starts, at(0.0)).is_empty());
    let end = vec![event("3", 1, 1, "COMPLETE")];
    assert_eq!(offer(&mut buffer, end, at(3.0)), ["1", "3"]);
    assert!(!buffer.is_due(at(9.999)));
    assert!(buffer.is_due(at(10.0)));
    assert_eq!(offer(&mut buffer, Vec::new(), at(10.0)), ["2"]);
}

#[test]
fn of_a_message_that_is_received_again_the_newer_copy_counts() {
    let (mut buffer, at) = buffer(Duration::ZERO);
    offer(&mut buffer, vec![event("1", 1, 1, "START")], at(0.0));
    offer(&mut buffer, vec![event("1", 2, 1, "START")], at(1.0));
    let end = vec![event("2", 1, 1, "COMPLETE")];
    let released = buffer.offer(end, &rules(), "store", at(2.0));
    let copies: Vec<_> = (released.events.into_iter())
        .map(PendingEvent::into_record)
        .map(|record| (record.id.to_string(), record.attempts))
        .collect();
    assert_eq!(copies, [("1".to_owned(), 2), ("2".to_owned(), 1)]);
}

#[test]
fn an_event_that_is_visible_again_is_left_to_the_queue() {
    let (mut buffer, at) = buffer(Duration::ZERO);
    offer(&mut buffer, vec![event("1", 1, 1, "START")], at(0.0));
    // 30 s, less 3 s of margin and 2 s for a delivery.
    assert!(offer(&mut buffer, Vec::new(), at(25.1)).is_empty());
    assert!(buffer.drain().is_empty());
}

#[test]
fn a_run_that_does_not_end_is_released_after_the_longest_window_whatever_the_visibility_timeout() {
    let (embedded, sqs) = (Duration::from_millis(50), Duration::from_secs(6));
    for (seconds, age) in [
        (10, embedded),
        (12, embedded),
        (30, embedded),
        (60, embedded),
        (20, sqs),
        (60, sqs),
    ] {
        let timeout = Duration::from_secs(seconds);
        let window = CoalesceBuffer::max_window(timeout, age);
        let mut buffer = CoalesceBuffer::new(timeout, age);
        let rules = rules_with_window(window);
        let now = buffer.started;
        let start = vec![event("1", 1, 1, "START")];
        assert!(buffer.offer(start, &rules, "store", now).events.is_empty());
        let late = now + window + age + TICK;
        let released = buffer.offer(Vec::new(), &rules, "store", late);
        assert_eq!(released.events.len(), 1, "{seconds} s, {age:?}");
        released
            .events
            .into_iter()
            .for_each(PendingEvent::supersede);
    }
}

#[test]
fn an_event_that_failed_often_and_its_run_are_not_held_back() {
    let (mut buffer, at) = buffer(Duration::ZERO);
    offer(&mut buffer, vec![event("1", 1, 1, "START")], at(0.0));
    let often = vec![event("2", 4, 1, "RUNNING")];
    assert_eq!(offer(&mut buffer, often, at(1.0)), ["1", "2"]);
}

#[test]
fn the_deadline_is_that_of_the_oldest_released_event() {
    let (mut buffer, at) = buffer(Duration::from_secs(1));
    offer(&mut buffer, vec![event("1", 1, 1, "START")], at(0.0));
    let end = vec![event("2", 1, 1, "COMPLETE")];
    let released = buffer.offer(end, &rules(), "store", at(5.0));
    // Received 6 s ago: 21 s are left of 30 less 3 of margin.
    assert_eq!(released.limit(at(35.0), at(5.0)), at(26.0));
    assert_eq!(released.limit(at(20.0), at(5.0)), at(20.0));
    released
        .events
        .into_iter()
        .for_each(PendingEvent::supersede);
}

#[test]
fn a_stop_takes_everything_out() {
    let (mut buffer, at) = buffer(Duration::ZERO);
    let starts = vec![event("1", 1, 1, "START"), event("2", 1, 2, "START")];
    offer(&mut buffer, starts, at(0.0));
    let drained: Vec<_> = buffer
        .drain()
        .into_iter()
        .map(|record| record.id.to_string())
        .collect();
    assert_eq!(drained, ["1", "2"]);
}
