//! Tells what the source function is invoked with. Pure.

use serde_json::Value;

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Invocation {
    /// Read what a subscription of CloudWatch Logs sent: the payload.
    Logs(Vec<u8>),
    /// Read the messages of a queue, a stream or a topic: the payload.
    Records(Vec<u8>),
    /// Make invocations again that failed: the id of the message that holds each, and its payload.
    Again(Vec<(String, Value)>),
    /// Poll the source: an event of EventBridge, or whatever somebody sent.
    Poll(Value),
}

impl Invocation {
    /// Reads the payload of an invocation.
    pub(super) fn read(payload: Value) -> Invocation {
        if payload.get("awslogs").is_some() {
            return Invocation::Logs(payload.to_string().into_bytes());
        }
        if let Some(failed) = failed(&payload) {
            return Invocation::Again(failed);
        }
        match payload.get("Records").or_else(|| payload.get("records")) {
            Some(Value::Array(_) | Value::Object(_)) => {
                Invocation::Records(payload.to_string().into_bytes())
            }
            Some(_) | None => Invocation::Poll(payload),
        }
    }
}

/// The invocations that messages of a queue hold, if all of them hold one: what Lambda sends to the destination of
/// asynchronous invocations that failed, or to a dead-letter queue
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).
fn failed(payload: &Value) -> Option<Vec<(String, Value)>> {
    let records = payload.get("Records")?.as_array()?;
    let failed: Option<Vec<_>> = records
        .iter()
        .map(|record| {
            let id = record.get("messageId")?.as_str()?.to_owned();
            let body = record.get("body")?.as_str()?;
            Some((id, original(serde_json::from_str(body).ok()?)?))
        })
        .collect();
    failed.filter(|failed| !failed.is_empty())
}

/// The payload of the invocation that a body holds. An OpenLineage event has none of these members.
fn original(mut body: Value) -> Option<Value> {
    let is_record = body.get("requestContext").is_some();
    match body.get_mut("requestPayload").filter(|_| is_record) {
        Some(payload) => Some(payload.take()),
        None => {
            (body.get("awslogs").is_some() || body.get("detail-type").is_some()).then_some(body)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queued(bodies: &[Value]) -> Value {
        let records = bodies.iter().enumerate();
        let records: Vec<Value> = records
            .map(|(id, body)| json!({"messageId": id.to_string(), "body": body.to_string(), "eventSource": "aws:sqs"}))
            .collect();
        json!({ "Records": records })
    }

    #[test]
    fn a_failed_invocation_is_found_in_the_message_of_a_destination_and_of_a_dead_letter_queue() {
        let logs = json!({"awslogs": {"data": "H4sI"}});
        let schedule =
            json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
        let record = json!({"version": "1.0", "requestContext": {"condition": "RetriesExhausted"}, "requestPayload": logs});
        let found = Invocation::read(queued(&[record, logs.clone(), schedule.clone()]));
        let expected = [("0", logs.clone()), ("1", logs), ("2", schedule)];
        let expected = expected.map(|(id, payload)| (id.to_owned(), payload));
        assert_eq!(found, Invocation::Again(expected.to_vec()));
    }

    #[test]
    fn messages_with_events_are_no_invocations() {
        let event = json!({"eventType": "START", "run": {}, "job": {}});
        for payload in [
            queued(std::slice::from_ref(&event)),
            queued(&[event, json!({"awslogs": {}})]),
            json!({"Records": [{"Sns": {"Message": "{}"}}]}),
            json!({"records": {"t-0": []}}),
            json!({"Records": []}),
        ] {
            assert!(matches!(Invocation::read(payload), Invocation::Records(_)));
        }
    }

    #[test]
    fn logs_are_told_from_what_only_asks_for_a_poll() {
        let logs = Invocation::read(json!({"awslogs": {"data": ""}}));
        assert!(matches!(logs, Invocation::Logs(_)));
        for payload in [
            json!({}),
            json!(null),
            json!([1]),
            json!("x"),
            json!({"source": "aws.events"}),
        ] {
            assert!(matches!(Invocation::read(payload), Invocation::Poll(_)));
        }
    }
}
