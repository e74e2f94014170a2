//! Looks at log groups of a service that follows the model: late, again, in pieces, and page by page.

use ::settings::PointInTime;
use aws_stand_in::{GlueFault, LogEvent as Logged, LogGroup, Settings, StandIn};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// 2026-05-14T23:06:40Z.
const NOW: i64 = 1_778_800_000_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const GROUP: &str = "/aws-glue/jobs/error";

fn event(number: usize) -> String {
    format!(
        r#"{{"eventTime":"2026-05-14T23:00:00Z","producer":"p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json","run":{{"runId":"r{number}"}},"job":{{"namespace":"n","name":"j"}}}}"#
    )
}

fn logged(stream: &str, number: i64, timestamp: i64, message: impl Into<String>) -> Logged {
    Logged {
        stream: stream.to_owned(),
        id: format!("{number:056}"),
        timestamp,
        message: message.into(),
    }
}

fn line(said: &str) -> String {
    format!("26/05/15 08:00:00 INFO ConsoleTransport: {said}")
}

async fn service(groups: &[(&str, LogGroup)]) -> StandIn {
    let groups = groups
        .iter()
        .map(|(name, group)| ((*name).to_owned(), group.clone()));
    let settings = Settings {
        log_groups: groups.collect(),
        ..Settings::default()
    };
    StandIn::start(([127, 0, 0, 1], 0).into(), settings)
        .await
        .unwrap()
}

fn group(events: Vec<Logged>) -> LogGroup {
    LogGroup {
        events,
        ..LogGroup::default()
    }
}

fn set(service: &StandIn, name: &str, group: LogGroup) {
    service.set(|settings| drop(settings.log_groups.insert(name.to_owned(), group)));
}

fn config(settings: Value) -> LogsConfig {
    let settings: LogsSettings = serde_json::from_value(settings).unwrap();
    settings.validate().unwrap()
}

fn source(service: &StandIn, settings: Value) -> LogsSource {
    LogsSource::new(config(settings), &service.aws())
}

fn at(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap()
}

/// One look: all steps until there is no more. Returns the runs, and the findings.
async fn look(
    source: &mut LogsSource,
    cursor: &mut Option<Value>,
    now: i64,
) -> (Vec<String>, Vec<FindingRule>) {
    let (mut runs, mut rules) = (Vec::new(), Vec::new());
    loop {
        let fetched = source.next(cursor.as_ref(), at(now)).await.unwrap();
        runs.extend(
            fetched
                .extraction
                .events
                .iter()
                .map(|event| run(&event.text)),
        );
        rules.extend(
            fetched
                .extraction
                .findings
                .iter()
                .map(|finding| finding.rule),
        );
        if let Checkpoint::Cursor(next) = fetched.checkpoint {
            *cursor = Some(next);
        }
        if !fetched.more {
            return (runs, rules);
        }
    }
}

fn run(text: &str) -> String {
    let event: Value = serde_json::from_str(text).unwrap();
    event["run"]["runId"].as_str().unwrap().to_owned()
}

fn runs(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("r{number}")).collect()
}

#[tokio::test]
async fn what_comes_late_or_at_the_same_millisecond_is_found_once() {
    let one = logged("a", 1, NOW, line(&event(1)));
    let two = logged("a", 2, NOW + 5 * SECOND, line(&event(2)));
    let same_time = logged("a", 3, NOW + 5 * SECOND, line(&event(3)));
    let late = logged("b", 4, NOW + SECOND, line(&event(4)));
    let service = service(&[(GROUP, group(vec![one.clone(), two.clone()]))]).await;
    let settings = json!({"groups": GROUP, "settle": "0s"});
    let mut cursor = None;
    let mut looker = source(&service, settings.clone());
    assert_eq!(
        look(&mut looker, &mut cursor, NOW + 10 * SECOND).await,
        (runs(1..3), vec![])
    );
    set(
        &service,
        GROUP,
        group(vec![one.clone(), two.clone(), same_time.clone()]),
    );
    assert_eq!(
        look(&mut looker, &mut cursor, NOW + 40 * SECOND).await,
        (runs(3..4), vec![])
    );
    set(&service, GROUP, group(vec![one, two, same_time, late]));
    // Another process goes on from the cursor.
    let mut looker = source(&service, settings);
    assert_eq!(
        look(&mut looker, &mut cursor, NOW + 2 * MINUTE).await,
        (runs(4..5), vec![])
    );
    assert_eq!(
        look(&mut looker, &mut cursor, NOW + 3 * MINUTE).await,
        (vec![], vec![])
    );
}

#[tokio::test]
async fn pages_are_read_to_the_last_and_a_crash_between_them_loses_nothing() {
    let events = (1..8).map(|number: usize| {
        logged(
            "a",
            number as i64,
            NOW + number as i64,
            line(&event(number)),
        )
    });
    let log = LogGroup {
        page: Some(2),
        ..group(events.collect())
    };
    let service = service(&[(GROUP, log)]).await;
    let settings = json!({"groups": GROUP, "settle": "0s"});
    let mut cursor = None;
    assert_eq!(
        look(
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
        look(&mut source(&service, settings), &mut cursor, NOW + MINUTE)
            .await
            .0,
        runs(3..8)
    );
}

fn cursor_of(fetched: &Fetched) -> Value {
    match &fetched.checkpoint {
        Checkpoint::Cursor(cursor) => cursor.clone(),
        Checkpoint::None | Checkpoint::Messages(_) => panic!("a step has a cursor"),
    }
}

#[tokio::test]
async fn events_that_the_queue_did_not_take_are_found_again() {
    let events = (1..6).map(|number: usize| {
        logged(
            "a",
            number as i64,
            NOW + number as i64,
            line(&event(number)),
        )
    });
    let log = LogGroup {
        page: Some(2),
        ..group(events.collect())
    };
    let service = service(&[(GROUP, log)]).await;
    let mut looker = source(&service, json!({"groups": GROUP, "settle": "0s"}));
    let first = looker.next(None, at(NOW + MINUTE)).await.unwrap();
    assert_eq!(first.extraction.events.len(), 2);
    let again = looker.next(None, at(NOW + MINUTE)).await.unwrap();
    assert_eq!(again.extraction, first.extraction);
}

#[tokio::test]
async fn the_rest_of_an_event_is_read_without_the_filter() {
    let large = event(1).replace(
        "\"name\":\"j\"",
        &format!("\"name\":\"{}\"", "j".repeat(400)),
    );
    let text = line(&large);
    let pieces: Vec<&str> = text
        .as_bytes()
        .chunks(120)
        .map(|piece| std::str::from_utf8(piece).unwrap())
        .collect();
    let mut log = vec![logged("a", 90, NOW, "in the same millisecond")];
    for (number, piece) in (0..).zip(&pieces) {
        log.push(logged("a", number, NOW + number, *piece));
        log.push(logged(
            "b",
            100 + number,
            NOW + number,
            line("of another stream"),
        ));
    }
    log.push(logged("a", 99, NOW + 99, line(&event(2))));
    let service = service(&[(
        GROUP,
        LogGroup {
            page: Some(3),
            ..group(log)
        },
    )])
    .await;
    let settings = json!({"groups": GROUP, "settle": "0s", "filter": "\"ConsoleTransport: {\""});
    let mut cursor = None;
    let found = look(&mut source(&service, settings), &mut cursor, NOW + MINUTE).await;
    assert_eq!(found, (runs(1..3), vec![]));
    let calls = service.calls();
    assert!(calls.contains_key("GetLogEvents 200"), "{calls:?}");
    // All lines of the log come to the same.
    let settings = json!({"groups": GROUP, "settle": "0s", "all_lines": true});
    let found = look(&mut source(&service, settings), &mut None, NOW + MINUTE).await;
    assert_eq!(found, (runs(1..3), vec![]));
}

#[tokio::test]
async fn an_event_under_way_is_waited_for_and_then_reported_once() {
    for settings in [
        json!({"groups": GROUP, "settle": "0s", "overlap": "0s"}),
        json!({"groups": GROUP, "settle": "0s", "overlap": "0s", "all_lines": true}),
    ] {
        let text = line(&event(1));
        let (head, rest) = text.split_at(150);
        let head = logged("a", 1, NOW, head);
        let service = service(&[(GROUP, group(vec![head.clone()]))]).await;
        let mut looker = source(&service, settings);
        let mut cursor = None;
        for minute in 1..9 {
            assert_eq!(
                look(&mut looker, &mut cursor, NOW + minute * MINUTE).await,
                (vec![], vec![])
            );
        }
        let mut late = (
            source(
                &service,
                json!({"groups": GROUP, "settle": "0s", "overlap": "0s"}),
            ),
            cursor.clone(),
        );
        assert_eq!(
            look(&mut looker, &mut cursor, NOW + 11 * MINUTE).await,
            (vec![], vec![FindingRule::Incomplete])
        );
        assert_eq!(
            look(&mut looker, &mut cursor, NOW + 12 * MINUTE).await,
            (vec![], vec![])
        );
        set(
            &service,
            GROUP,
            group(vec![head, logged("a", 2, NOW + MINUTE, rest)]),
        );
        assert_eq!(
            look(&mut late.0, &mut late.1, NOW + 9 * MINUTE).await,
            (runs(1..2), vec![])
        );
    }
}

#[tokio::test]
async fn where_nobody_looks_again_an_event_under_way_is_reported() {
    for all_lines in [false, true] {
        let head = logged("a", 1, NOW, &line(&event(1))[..150]);
        let service = service(&[(GROUP, group(vec![head]))]).await;
        let mut config = config(json!({"groups": GROUP, "settle": "0s", "all_lines": all_lines}));
        config.until = Some(PointInTime::Ago(std::time::Duration::ZERO));
        let mut looker = LogsSource::new(config, &service.aws());
        let found = look(&mut looker, &mut None, NOW + SECOND).await;
        assert_eq!(found, (vec![], vec![FindingRule::Incomplete]));
    }
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
    let mut looker = LogsSource::new(config, &service.aws());
    let mut cursor = None;
    let (mut found, rules) = look(&mut looker, &mut cursor, NOW).await;
    found.reverse();
    assert_eq!((found, rules), (runs(2..21), vec![]));
    assert_eq!(
        look(&mut looker, &mut cursor, NOW + hour).await,
        (vec![], vec![])
    );
}

#[tokio::test]
async fn one_log_group_that_refuses_or_is_not_there_harms_no_other() {
    let cold = LogGroup {
        class: Some("INFREQUENT_ACCESS".to_owned()),
        ..LogGroup::default()
    };
    let service = service(&[
        ("cold", cold),
        ("good", group(vec![logged("a", 1, NOW, line(&event(1)))])),
    ])
    .await;
    let mut looker = source(
        &service,
        json!({"groups": "gone,cold,good", "settle": "0s"}),
    );
    let (mut cursor, mut found, mut rules, mut errors) = (None, Vec::new(), Vec::new(), Vec::new());
    for _ in 0..6 {
        match looker.next(cursor.as_ref(), at(NOW + MINUTE)).await {
            Ok(fetched) => {
                found.extend(
                    fetched
                        .extraction
                        .events
                        .iter()
                        .map(|event| run(&event.text)),
                );
                rules.extend(
                    fetched
                        .extraction
                        .findings
                        .iter()
                        .map(|finding| finding.rule),
                );
                cursor = Some(cursor_of(&fetched));
            }
            Err(error) => errors.push(error),
        }
    }
    assert_eq!((found, rules), (runs(1..2), vec![FindingRule::NotVisible]));
    assert!(errors.iter().all(|error| matches!(error, FetchError::Refused(text) if text.contains("log group cold") && text.contains("INFREQUENT_ACCESS"))), "{errors:?}");
    assert!(!errors.is_empty());
    // What was logged before the group was there to be seen is found once it is.
    set(
        &service,
        "gone",
        group(vec![logged("a", 2, NOW - MINUTE, line(&event(2)))]),
    );
    let mut found = Vec::new();
    for _ in 0..8 {
        if let Ok(fetched) = looker.next(cursor.as_ref(), at(NOW + 2 * MINUTE)).await {
            found.extend(
                fetched
                    .extraction
                    .events
                    .iter()
                    .map(|event| run(&event.text)),
            );
            cursor = Some(cursor_of(&fetched));
        }
    }
    assert_eq!(found, runs(2..3));
}

#[tokio::test]
async fn an_error_says_which_call_failed_and_the_same_step_is_made_again() {
    let service = service(&[(GROUP, group(vec![logged("a", 1, NOW, line(&event(1)))]))]).await;
    let denied = |times| GlueFault {
        operation: "FilterLogEvents".to_owned(),
        matches: String::new(),
        code: "AccessDeniedException".to_owned(),
        times,
    };
    service.set(|settings| settings.glue_faults = vec![denied(1)]);
    let mut looker = source(&service, json!({"groups": GROUP, "settle": "0s"}));
    let error = looker.next(None, at(NOW + MINUTE)).await.unwrap_err();
    let expected =
        format!("FilterLogEvents of log group {GROUP}: AccessDeniedException: on demand");
    assert_eq!(error, FetchError::Refused(expected));
    assert_eq!(
        look(&mut looker, &mut None, NOW + MINUTE).await,
        (runs(1..2), vec![])
    );
}

#[tokio::test]
async fn a_foreign_or_damaged_cursor_is_an_error_with_its_place() {
    let service = service(&[]).await;
    let good = || json!({"kind": "logs/1", "step": 1, "groups": {"g": {"begin": 5, "read_to": 5, "seen": []}}});
    let changed = |pointer: &str, value: Value| {
        let mut cursor = good();
        *cursor.pointer_mut(pointer).unwrap() = value;
        cursor
    };
    for (cursor, place) in [
        (json!({"LastEvaluated": 1}), "LastEvaluated"),
        (changed("/kind", json!("crawls/1")), "/kind"),
        (
            changed("/groups/g/seen", json!([7])),
            "/groups/g/seen: element 0",
        ),
        (changed("/groups/g/read_to", json!(4)), "/groups/g/read_to"),
        (json!([]), "the cursor"),
    ] {
        let error = source(&service, json!({"groups": "g"}))
            .next(Some(&cursor), at(NOW))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, FetchError::Refused(text) if text.contains(place)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_subscription_payload_is_completed_from_its_stream() {
    let text = line(&event(1));
    let (head, rest) = text.split_at(150);
    let log = vec![logged("a", 1, NOW, head), logged("a", 2, NOW, rest)];
    let service = service(&[(GROUP, group(log))]).await;
    let data = json!({"messageType": "DATA_MESSAGE", "logGroup": GROUP, "logStream": "a", "logEvents": [{"id": "1", "timestamp": NOW, "message": head}]});
    let subscription: Subscription = serde_json::from_value(data).unwrap();
    let aws = service.aws();
    let found = read_subscription(&subscription, Some(&aws)).await.unwrap();
    assert_eq!(
        found
            .events
            .iter()
            .map(|event| run(&event.text))
            .collect::<Vec<_>>(),
        runs(1..2)
    );
    let found = read_subscription(&subscription, None).await.unwrap();
    assert_eq!(
        found
            .findings
            .iter()
            .map(|finding| finding.rule)
            .collect::<Vec<_>>(),
        [FindingRule::Incomplete]
    );
}

#[test]
fn settings_that_cannot_be_are_named() {
    let errors = |settings: Value| {
        let settings: LogsSettings = serde_json::from_value(settings).unwrap();
        settings
            .validate()
            .unwrap_err()
            .into_iter()
            .map(|error| error.setting)
            .collect::<Vec<_>>()
    };
    assert_eq!(errors(json!({})), ["groups"]);
    assert_eq!(
        errors(json!({"groups": "a,a", "filter": "x".repeat(1_025)})),
        ["groups", "filter"]
    );
}

/// How a log is written and read: an event each, with its delay, and the times of the looks.
fn late_log() -> impl Strategy<Value = (Vec<(i64, i64)>, Vec<i64>)> {
    let events = proptest::collection::vec((0..100 * MINUTE, 0..15 * MINUTE - 11 * SECOND), 1..20);
    let looks = proptest::collection::vec(0..130 * MINUTE, 1..20);
    (events, looks)
}

proptest! {
    /// Windows overlap so that whatever comes no later than the overlap is in one of them.
    #[test]
    fn no_event_is_missed_that_comes_within_the_overlap((events, mut looks) in late_log(), is_open in any::<bool>()) {
        let config = config(json!({"groups": "g", "lookback": "0s"}));
        looks.sort_unstable();
        looks.push(200 * MINUTE);
        let mut position = Position { begin: NOW, read_to: NOW, seen: Seen::new(5) };
        let mut missed: Vec<usize> = (0..events.len()).collect();
        for look in looks {
            while let Some(window) = Window::after(&position, &config, NOW + look) {
                let is_read = |&number: &usize| {
                    let (logged, delay) = events[number];
                    logged + delay <= look && (window.from..=window.to).contains(&(NOW + logged))
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
