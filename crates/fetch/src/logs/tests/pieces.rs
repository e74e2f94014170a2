//! Events in pieces: the rest is read, waited for, or reported.

use super::*;

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
    let found = poll(&mut source(&service, settings), &mut cursor, NOW + MINUTE).await;
    assert_eq!(found, (runs(1..3), vec![]));
    let calls = service.calls();
    assert!(calls.contains_key("GetLogEvents 200"), "{calls:?}");
    // All lines of the log come to the same.
    let settings = json!({"groups": GROUP, "settle": "0s", "all_lines": true});
    let found = poll(&mut source(&service, settings), &mut None, NOW + MINUTE).await;
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
        let mut logs_source = source(&service, settings);
        let mut cursor = None;
        for minute in 1..9 {
            assert_eq!(
                poll(&mut logs_source, &mut cursor, NOW + minute * MINUTE).await,
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
            poll(&mut logs_source, &mut cursor, NOW + 11 * MINUTE).await,
            (vec![], vec![FindingRule::Incomplete])
        );
        assert_eq!(
            poll(&mut logs_source, &mut cursor, NOW + 12 * MINUTE).await,
            (vec![], vec![])
        );
        set(
            &service,
            GROUP,
            group(vec![head, logged("a", 2, NOW + MINUTE, rest)]),
        );
        assert_eq!(
            poll(&mut late.0, &mut late.1, NOW + 9 * MINUTE).await,
            (runs(1..2), vec![])
        );
    }
}

#[tokio::test]
async fn where_nobody_polls_again_an_event_under_way_is_reported() {
    for all_lines in [false, true] {
        let head = logged("a", 1, NOW, &line(&event(1))[..150]);
        let service = service(&[(GROUP, group(vec![head]))]).await;
        let mut config = config(json!({"groups": GROUP, "settle": "0s", "all_lines": all_lines}));
        config.until = Some(PointInTime::Ago(std::time::Duration::ZERO));
        let mut logs_source = LogsSource::new(config, &service.aws());
        let found = poll(&mut logs_source, &mut None, NOW + SECOND).await;
        assert_eq!(found, (vec![], vec![FindingRule::Incomplete]));
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
