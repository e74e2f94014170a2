//! What follows from a call that the service does not accept.

use super::*;

#[tokio::test]
async fn an_event_that_is_rejected_harms_no_other_in_its_call_and_is_not_quoted() {
    let gms = FakeGms::start().await;
    gms.answer(|body| body.contains("f.3").then_some(422));
    let target = target(
        &gms,
        json!({"response": "redacted", "api_key": "t0ken-of-mine"}),
    )
    .await;
    let events: Vec<Event> = (0..6)
        .map(|n| run_event("START", &format!("f.{n}"), ""))
        .collect();
    let events: Vec<&Event> = events.iter().collect();
    let delivered = deliver(&target, &events, 1).await;
    for (n, delivery) in delivered.iter().enumerate() {
        match (n, delivery) {
            (
                3,
                Delivery::Permanent(Failure {
                    reason: Reason::Invalid,
                    message,
                    ..
                }),
            ) => {
                assert!(message.starts_with("422 "), "{message}");
                assert!(
                    !message.contains("f.3") && !message.contains("t0ken"),
                    "{message}"
                );
            }
            (_, delivery) => assert_eq!(delivery, &DELIVERED, "{n}"),
        }
    }
}

#[tokio::test]
async fn an_entity_that_may_not_be_edited_keeps_no_other_event_waiting() {
    let gms = FakeGms::start().await;
    gms.answer(|body| body.contains("f.3").then_some(403));
    let target = target(&gms, json!({})).await;
    let events: Vec<Event> = (0..6)
        .map(|n| run_event("START", &format!("f.{n}"), ""))
        .collect();
    let events: Vec<&Event> = events.iter().collect();
    let is_of_event = |delivery: &Delivery| matches!(delivery, Delivery::Transient(failure) if failure.scope == Scope::Event);
    for (n, delivery) in deliver(&target, &events, 1).await.iter().enumerate() {
        match n {
            3 => assert!(is_of_event(delivery), "{delivery:?}"),
            _ => assert_eq!(delivery, &DELIVERED, "{n}"),
        }
    }
    let again = deliver(&target, &events[3..4], 2).await;
    assert!(again.iter().all(is_of_event), "{again:?}");
}

#[tokio::test]
async fn a_token_that_may_edit_nothing_keeps_all_events_waiting() {
    let gms = FakeGms::start().await;
    gms.answer(|_| Some(403));
    let target = target(&gms, json!({})).await;
    let events = [run_event("START", "f.1", ""), run_event("START", "f.2", "")];
    let delivered = deliver(&target, &[&events[0], &events[1]], 1).await;
    let is_of_target = |delivery: &Delivery| matches!(delivery, Delivery::Transient(failure) if failure.scope == Scope::Target);
    assert!(delivered.iter().all(is_of_target), "{delivered:?}");
}

#[tokio::test]
async fn column_lineage_that_is_rejected_costs_no_edge() {
    let gms = FakeGms::start().await;
    gms.answer(|body| body.contains("fineGrainedLineages").then_some(500));
    let target = target(&gms, json!({"max_attempts_on_500": 3})).await;
    let members = format!(r#","outputs":[{}]"#, dataset("t"));
    let event = run_event("COMPLETE", "f.j", &members);
    let delivered = deliver(&target, &[&event], 1).await;
    assert!(
        matches!(delivered[..], [Delivery::Transient(_)]),
        "{delivered:?}"
    );
    assert_eq!(deliver(&target, &[&event], 3).await, [DELIVERED]);
    let job = "urn:li:dataJob:(urn:li:dataFlow:(openlineage,f,n),f.j)";
    let edges = gms.aspect(job, "dataJobInputOutput").patched;
    let paths: Vec<&str> = edges.keys().map(String::as_str).collect();
    let edge = "/outputDatasetEdges/urn:li:dataset:(urn:li:dataPlatform:postgres,t,PROD)";
    assert_eq!(paths, [edge]);
    assert_eq!(gms.run_events().len(), 1);
}

#[tokio::test]
async fn each_failure_is_classified() {
    let event = run_event("START", "f.j", "");
    for (status, attempts, expected) in [
        (400, 1, "permanent invalid"),
        (401, 1, "transient permission Target"),
        (403, 1, "transient permission Target"),
        (404, 1, "transient missing Target"),
        (413, 1, "permanent too_large"),
        (422, 1, "permanent invalid"),
        (500, 1, "transient unavailable Event"),
        (500, 3, "permanent invalid"),
        (502, 3, "transient unavailable Event"),
        (204, 1, "transient missing Target"), // not a response of the service
    ] {
        let gms = FakeGms::start().await;
        gms.answer(move |_| Some(status));
        let target = target(&gms, json!({"max_attempts_on_500": 3})).await;
        let delivered = deliver(&target, &[&event], attempts).await;
        let mut shown = String::new();
        match &delivered[..] {
            [Delivery::Transient(failure)] => {
                write!(
                    shown,
                    "transient {} {:?}",
                    failure.reason.name(),
                    failure.scope
                )
                .unwrap();
            }
            [Delivery::Permanent(failure)] => {
                write!(shown, "permanent {}", failure.reason.name()).unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(shown, expected, "{status}");
    }
}

#[tokio::test]
async fn a_broken_answer_is_no_success_and_is_tried_again() {
    let event = run_event("START", "f.j", "");
    let page = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
    for (kind, expected) in [
        (FaultKind::Reset, Reason::Unavailable),
        (FaultKind::HalfHeaders, Reason::Unavailable),
        (FaultKind::HalfBody, Reason::Unavailable),
        (FaultKind::Garbage, Reason::Unavailable),
        (FaultKind::Bytes(page.to_vec()), Reason::Missing),
    ] {
        let faulty = FaultyTarget::start(Fault::Always(kind.clone())).await;
        let target = target_at(&faulty.url, json!({"api_key": "t0ken-of-mine"})).await;
        let delivered = deliver(&target, &[&event], 1).await;
        let [Delivery::Transient(failure)] = &delivered[..] else {
            panic!("{kind:?}: {delivered:?}");
        };
        assert_eq!(failure.reason, expected, "{kind:?}");
        assert!(!failure.message.contains("t0ken"), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "first").unwrap();
    let gms = FakeGms::start().await;
    gms.require("first");
    let target = target(&gms, json!({"api_key_file": path})).await;
    let event = run_event("START", "f.j", "");
    assert_eq!(deliver(&target, &[&event], 1).await, [DELIVERED]);
    gms.require("second");
    let delivered = deliver(&target, &[&event], 1).await;
    assert!(
        matches!(
            &delivered[..],
            [Delivery::Transient(Failure {
                scope: Scope::Target,
                ..
            })]
        ),
        "{delivered:?}"
    );
    std::fs::write(&path, "second").unwrap();
    assert_eq!(deliver(&target, &[&event], 1).await, [DELIVERED]);
}
