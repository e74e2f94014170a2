//! The batch function: receives events from SQS, and delivers them with the same pipeline as `serve`.
//!
//! Messages that were not delivered are reported by their id (`ReportBatchItemFailures`) and received again after their
//! delay. Called by the bootstrap, and by users who build one with their own transforms.

use std::collections::HashSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws::Aws;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::time::Instant;
use transform::{Builtins, Transforms};

use proxy::config::{Config, Layers, Role};
use proxy::pipeline::{MARGIN, SettledRecord, guard};
use proxy::queue::{Record, once};
use proxy::rules::RuleOptions;
use proxy::telemetry;
use proxy::topology::{TargetPlan, open_queue};

use crate::{bootstrap, metrics};

/// The main function of a batch function whose rules may also use `transforms`.
pub fn main(transforms: Transforms) -> ExitCode {
    bootstrap::main(start(transforms))
}

async fn start(transforms: Transforms) -> Result<(), Error> {
    let config = Config::read(Layers::from_env(), Role::Batch)?;
    telemetry::log_to_cloudwatch(&config.log);
    let collector = metrics::install(&config.metrics_namespace, "batch")?;
    let aws = Aws::new();
    // Nothing is buffered between batches, so any window is valid.
    let options = RuleOptions {
        transforms,
        max_window: None,
        targets: vec![config.pipeline.target.name.clone()],
        builtins: Builtins::default(),
    };
    let plan = TargetPlan::read(&config.pipeline, &aws, options).await?;
    let queue = open_queue(&config, &aws).await?.for_function();
    let pipeline = &plan.open(&config, &aws, queue).await?;
    let handler = service_fn(move |event: LambdaEvent<Value>| async move {
        let deadline = deadline(event.context.deadline);
        let records: Vec<_> = records(event.payload)?.into_iter().map(Arc::new).collect();
        let received: Vec<Arc<str>> = (records.iter())
            .map(|record| record.queue_id.clone())
            .collect();
        let settled = guard(pipeline.process(records, deadline)).await;
        metrics::flush(collector);
        Ok::<_, Error>(failures(received, &settled.unwrap_or_default()))
    });
    lambda_runtime::run(handler).await
}

/// Returns when the batch has to stop: before the function's own time ends (`deadline_ms`, milliseconds since 1970).
pub(crate) fn deadline(deadline_ms: u64) -> Instant {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Instant::now()
        + Duration::from_millis(deadline_ms)
            .saturating_sub(now)
            .saturating_sub(MARGIN)
}

/// The payload is not a batch of an SQS queue. The error quotes nothing of it.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("the payload is not an event of an SQS queue: {0}")]
pub struct InvalidPayload(&'static str);

/// Returns the records of an invocation, each message once. Deserializes Lambda's own payload, so that anything else is
/// an error, but requires of a record only what is needed, because other producers write their own attributes.
pub fn records(payload: Value) -> Result<Vec<Record>, InvalidPayload> {
    let Value::Object(mut payload) = payload else {
        return Err(InvalidPayload("it is not an object"));
    };
    let Some(Value::Array(records)) = payload.remove("Records") else {
        return Err(InvalidPayload("it has no member Records"));
    };
    let records: Result<Vec<Record>, _> = records.into_iter().map(record).collect();
    records.map(once)
}

fn record(mut record: Value) -> Result<Record, InvalidPayload> {
    let mut take = |name: &str| match record.get_mut(name).map(Value::take) {
        Some(Value::String(text)) if !text.is_empty() => Some(text),
        Some(_) | None => None,
    };
    let queue_id = take("messageId").ok_or(InvalidPayload("a record has no messageId"))?;
    let receipt = take("receiptHandle").ok_or(InvalidPayload("a record has no receiptHandle"))?;
    let body = take("body").ok_or(InvalidPayload("a record has no body"))?;
    let system = |name: &str| record.get("attributes")?.get(name).and_then(text);
    let ours = |name: &str| {
        let attribute = record.get("messageAttributes")?.get(name)?;
        attribute.get("stringValue").and_then(text)
    };
    Ok(Record::received(
        queue_id.into(),
        receipt,
        body,
        system,
        ours,
    ))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Reports every received message that may need redelivery: Lambda deletes the others.
fn failures(received: Vec<Arc<str>>, settled: &[SettledRecord]) -> SqsBatchResponse {
    let done: HashSet<&str> = settled
        .iter()
        .filter(|settled| settled.is_done)
        .map(|settled| &*settled.queue_id)
        .collect();
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = received
        .into_iter()
        .filter(|queue_id| !done.contains(&**queue_id))
        .map(|queue_id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = queue_id.to_string();
            failure
        })
        .collect();
    response
}

#[cfg(test)]
mod tests {
    use proxy::queue::Receipt;

    use super::*;
    use serde_json::json;

    fn handed(id: &str, receives: u32) -> Value {
        let attributes = json!({"ApproximateReceiveCount": receives.to_string()});
        json!({"messageId": id, "receiptHandle": format!("{id} {receives}"), "body": "[1]", "attributes": attributes})
    }

    #[test]
    fn a_message_that_is_not_known_to_be_done_is_reported() {
        let settled = [("done", true), ("not done", false)];
        let settled = settled.map(|(id, is_done)| SettledRecord {
            queue_id: id.into(),
            is_done,
        });
        let received = ["done", "not done", "unknown"].map(Arc::from);
        let response = failures(received.to_vec(), &settled);
        let failed = response.batch_item_failures.into_iter();
        let failed: Vec<String> = failed.map(|failure| failure.item_identifier).collect();
        assert_eq!(failed, ["not done", "unknown"]);
    }

    #[test]
    fn a_message_that_is_there_twice_is_one_by_its_latest_receipt() {
        let twice =
            json!({"Records": [handed("a", 2), handed("b", 1), handed("a", 3), handed("a", 1)]});
        let records = records(twice).unwrap();
        let receipts: Vec<Receipt> = records.into_iter().map(|record| record.receipt).collect();
        assert_eq!(
            receipts,
            ["a 3", "b 1"].map(|it| Receipt::Sqs(it.to_owned()))
        );
    }

    #[test]
    fn a_payload_without_what_every_message_has_is_none_of_sqs() {
        for payload in [
            json!(null),
            json!([]),
            json!({"Records": {}}),
            json!({"Records": [7]}),
            json!({"Records": [handed("a", 1), {"messageId": "b", "body": "x"}]}),
            json!({"Records": [{"messageId": "", "receiptHandle": "r", "body": "x"}]}),
            json!({"Records": [{"messageId": "a", "receiptHandle": "r", "body": ""}]}),
        ] {
            assert!(records(payload).is_err());
        }
    }
}
