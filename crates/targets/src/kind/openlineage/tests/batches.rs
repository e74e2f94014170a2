//! Events that share a request, statuses, and the id of a request.

use super::*;

/// A server that rejects batches with a poisonous event, and otherwise answers with `answer`.
async fn batch_server(status: u16, answer: &'static str) -> Server {
    Server::start(move |_, body| match body.contains("poison") {
        true => (status, String::new()),
        false => (200, answer.to_owned()),
    })
    .await
}

fn texts(names: &[&str]) -> String {
    let texts = names.iter().map(|name| event(name).text().to_owned());
    format!("[{}]", texts.collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn events_that_are_delivered_together_share_a_request_and_keep_their_own_results() {
    let answer = r#"{"status":"partial_success","summary":{"received":3,"successful":2,"failed":1},"failed_events":[{"index":1,"reason":"x","retriable":false}]}"#;
    let server = batch_server(400, answer).await;
    let target = target(
        &server.url,
        json!({"batch": "array", "max_batch_events": 3}),
    )
    .await;
    let delivered = deliver_each(&target, &[("a", 1), ("b", 1), ("c", 1)]).await;
    assert!(
        matches!(
            &delivered[..],
            [
                Delivery::Delivered { .. },
                Delivery::Permanent(_),
                Delivery::Delivered { .. }
            ]
        ),
        "{delivered:?}"
    );
    assert_eq!(server.bodies(), [texts(&["a", "b", "c"])]);
    assert_eq!(
        server.sent.lock().unwrap()[0].0.uri.path(),
        "/api/v1/lineage/batch"
    );
}

#[tokio::test]
async fn one_event_that_is_rejected_takes_no_other_of_its_request_with_it() {
    let server = batch_server(400, "").await;
    let target = target(
        &server.url,
        json!({"batch": "events", "max_batch_events": 5}),
    )
    .await;
    let names = ["a", "b", "poison", "d", "e"];
    let delivered = deliver_each(&target, &names.map(|name| (name, 1))).await;
    for (name, delivery) in names.iter().zip(&delivered) {
        let is_delivered = *delivery == DELIVERED;
        assert_eq!(is_delivered, *name != "poison", "{name}: {delivery:?}");
    }
    assert!(matches!(delivered[2], Delivery::Permanent(_)));
    assert!(server.bodies()[0].starts_with(r#"{"events":[{"#));
}

#[tokio::test]
async fn an_event_of_a_request_that_failed_is_attempted_alone() {
    let server = batch_server(500, "").await;
    let target = target(
        &server.url,
        json!({"batch": "array", "max_batch_events": 2}),
    )
    .await;
    let is_transient = |delivery: &Delivery| matches!(delivery, Delivery::Transient(failure) if failure.scope == Scope::Event);
    let first = deliver_each(&target, &[("a", 1), ("poison", 1)]).await;
    assert!(first.iter().all(is_transient), "{first:?}");
    let second = deliver_each(&target, &[("a", 2), ("poison", 2)]).await;
    assert_eq!(second[0], DELIVERED);
    assert!(is_transient(&second[1]), "{second:?}");
}

#[tokio::test]
async fn a_500_is_final_after_as_many_attempts_as_the_setting_says() {
    let server = batch_server(500, "").await;
    let target = target(&server.url, json!({"max_attempts_on_500": 2})).await;
    let delivered = deliver_each(&target, &[("poison", 1), ("poison", 2)]).await;
    assert!(
        matches!(
            &delivered[..],
            [Delivery::Transient(_), Delivery::Permanent(_)]
        ),
        "{delivered:?}"
    );
}

#[tokio::test]
async fn an_event_has_the_same_request_id_in_each_attempt() {
    let server = Server::accepting().await;
    let target = target(&server.url, json!({"request_id_parameter": "requestId"})).await;
    deliver_each(&target, &[("a", 1), ("a", 2), ("b", 1)]).await;
    let sent = server.sent.lock().unwrap();
    let mut ids: Vec<&str> = sent
        .iter()
        .map(|(parts, _)| parts.uri.query().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert!(
        ids.iter().all(|id| id.len() == "requestId=".len() + 36),
        "{ids:?}"
    );
}
