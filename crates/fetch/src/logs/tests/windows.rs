//! What is found, and once: late, again, page by page, and after a crash.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn what_comes_late_or_at_the_same_millisecond_is_found_once() {
    let one = logged("a", 1, NOW, line(&event(1)));
    let two = logged("a", 2, NOW + 5 * SECOND, line(&event(2)));
    let same_time = logged("a", 3, NOW + 5 * SECOND, line(&event(3)));
    let late = logged("b", 4, NOW + SECOND, line(&event(4)));
    let service = service(&[(GROUP, group(vec![one.clone(), two.clone()]))]).await;
    let settings = json!({"groups": GROUP, "settle": "0s"});
    let mut cursor = None;
    let mut logs_source = source(&service, settings.clone());
    assert_eq!(
        poll(&mut logs_source, &mut cursor, NOW + 10 * SECOND).await,
        (runs(1..3), vec![])
    );
    set(
        &service,
        GROUP,
        group(vec![one.clone(), two.clone(), same_time.clone()]),
    );
    assert_eq!(
        poll(&mut logs_source, &mut cursor, NOW + 40 * SECOND).await,
        (runs(3..4), vec![])
    );
    set(&service, GROUP, group(vec![one, two, same_time, late]));
    // Another process goes on from the cursor.
    let mut logs_source = source(&service, settings);
    assert_eq!(
        poll(&mut logs_source, &mut cursor, NOW + 2 * MINUTE).await,
        (runs(4..5), vec![])
    );
    assert_eq!(
        poll(&mut logs_source, &mut cursor, NOW + 3 * MINUTE).await,
        (vec![], vec![])
    );
}

#[tokio::test]
async fn pages_are_read_to_the_last_and_a_crash_between_them_loses_nothing() {
    let service = service(&[(GROUP, paged(7))]).await;
    let settings = json!({"groups": GROUP, "settle": "0s"});
    let mut cursor = None;
    assert_eq!(
        poll(
            &mut source(&service, settings.clone()),
            &mut cursor,
            NOW + MINUTE
        )
        .await
        .0,
        runs(1..8)
    );
    // A process that dies after a step: what it took is not found again, and the rest is.
    let mut killed = source(&service, settings.clone());
    let first = killed.next(None, at(NOW + MINUTE)).await.unwrap();
    assert!(first.more && first.extraction.events.len() == 2);
    let mut cursor = Some(cursor_of(&first));
    assert_eq!(
        poll(&mut source(&service, settings), &mut cursor, NOW + MINUTE)
            .await
            .0,
        runs(3..8)
    );
}

#[tokio::test]
async fn events_that_the_queue_did_not_take_are_found_again() {
    let service = service(&[(GROUP, paged(5))]).await;
    let mut logs_source = source(&service, json!({"groups": GROUP, "settle": "0s"}));
    let first = logs_source.next(None, at(NOW + MINUTE)).await.unwrap();
    assert_eq!(first.extraction.events.len(), 2);
    let again = logs_source.next(None, at(NOW + MINUTE)).await.unwrap();
    assert_eq!(again.extraction, first.extraction);
}

#[tokio::test]
async fn a_long_past_is_read_in_steps_and_only_between_its_ends() {
    let hour = 60 * MINUTE;
    let log = (0..30).map(|number| {
        logged(
            "a",
            number,
            NOW - number * hour,
            line(&event(usize::try_from(number).unwrap())),
        )
    });
    let service = service(&[(GROUP, group(log.collect()))]).await;
    let mut config = config(json!({"groups": GROUP}));
    (config.since, config.until) = (
        Some(PointInTime::Ago(std::time::Duration::from_secs(20 * 3_600))),
        Some(PointInTime::At(NOW - 2 * hour)),
    );
    let mut logs_source = LogsSource::new(config, &service.aws());
    let mut cursor = None;
    let (mut found, rules) = poll(&mut logs_source, &mut cursor, NOW).await;
    found.reverse();
    assert_eq!((found, rules), (runs(2..21), vec![]));
    assert_eq!(
        poll(&mut logs_source, &mut cursor, NOW + hour).await,
        (vec![], vec![])
    );
}

/// How a log is written and read: an event each, with its delay, and the times of the polls.
fn late_log() -> impl Strategy<Value = (Vec<(i64, i64)>, Vec<i64>)> {
    let events = proptest::collection::vec((0..100 * MINUTE, 0..15 * MINUTE - 11 * SECOND), 1..20);
    let polls = proptest::collection::vec(0..130 * MINUTE, 1..20);
    (events, polls)
}

proptest! {
    /// Windows overlap so that whatever comes no later than the overlap is in one of them.
    #[test]
    fn no_event_is_missed_that_comes_within_the_overlap((events, mut polls) in late_log(), is_open in any::<bool>()) {
        let config = config(json!({"groups": "g", "lookback": "0s"}));
        polls.sort_unstable();
        polls.push(200 * MINUTE);
        let mut position = Position { begin: NOW, read_to: NOW, seen: Seen::new(5) };
        let mut missed: Vec<usize> = (0..events.len()).collect();
        for poll in polls {
            while let Some(window) = Window::after(&position, &config, NOW + poll) {
                let is_read = |&number: &usize| {
                    let (logged, delay) = events[number];
                    logged + delay <= poll && (window.from..=window.to).contains(&(NOW + logged))
                };
                missed.retain(|number| !is_read(number));
                // An event that may be under way holds the window where it began.
                let open = is_open.then(|| window.to - MINUTE).filter(|open| *open > window.from && window.is_last);
                position.pass(&window, open, &config);
                prop_assert!(position.read_to >= position.begin);
                if window.is_last {
                    break;
                }
            }
        }
        prop_assert_eq!(missed, Vec::<usize>::new());
    }
}
