//! The batch function: SQS in front, the target behind, the same batch as the worker of `serve`.
//!
//! What was not delivered is reported by its message id (`ReportBatchItemFailures`) and comes back after its wait. Called
//! by the bootstrap, and by those who build one with transforms of their own.

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use tokio::time::Instant;
use transform::Transforms;

use crate::batch::{self, Batch, Hold, MARGIN, Report};
use crate::config::settings::Settings;
use crate::config::{Config, Role};
use crate::queue::{Pointer, Queue, Record, Settlement};
use crate::rules::Allowed;
use crate::{bootstrap, setup, telemetry};

/// The whole main of a batch function whose rules may also use `transforms`.
pub fn batch(transforms: Transforms) -> ExitCode {
    bootstrap::main(start(transforms))
}

async fn start(transforms: Transforms) -> Result<(), Error> {
    let config = Config::read(Settings::environment(std::env::vars()), Role::Batch)?;
    telemetry::log_to_cloudwatch(&config.log);
    let metrics = telemetry::count_for_cloudwatch(&config.metrics_namespace, "batch")?;
    let aws = setup::aws(&config).await;
    let queue = setup::queue(&config, aws.as_ref()).await?.for_function();
    // No window is too long where nothing is held.
    let allowed = Allowed {
        transforms,
        longest_window: None,
    };
    let batch = setup::batch(&config, aws.as_ref(), allowed).await?;
    let (batch, queue): (&Batch, &Queue) = (&batch, &queue);
    let handler = service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let deadline = deadline(event.context.deadline);
        let records: Vec<Record> = event.payload.records.into_iter().map(record).collect();
        let received: Vec<String> =
            (records.iter().map(|record| record.queue_id.clone())).collect();
        let mut hold = Hold::nothing();
        let report = batch::run(batch, queue, &mut hold, records, deadline).await;
        metrics.flush(std::io::stdout())?;
        Ok::<_, Error>(failures(received, &report))
    });
    lambda_runtime::run(handler).await
}

/// When the batch has to stop: before the function's own time is over (`deadline_ms`, milliseconds since 1970).
fn deadline(deadline_ms: u64) -> Instant {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Instant::now()
        + Duration::from_millis(deadline_ms)
            .saturating_sub(now)
            .saturating_sub(MARGIN)
}

fn record(message: SqsMessage) -> Record {
    let ours = |name: &str| {
        message
            .message_attributes
            .get(name)
            .and_then(|attribute| attribute.string_value.clone())
    };
    let system = |name: &str| {
        message
            .attributes
            .get(name)
            .and_then(|value| value.parse().ok())
    };
    let body = message.body.clone().unwrap_or_default();
    Record {
        stored: Pointer::read(&body, ours),
        group: message.attributes.get("MessageGroupId").cloned(),
        id: ours("id")
            .or_else(|| message.message_id.clone())
            .unwrap_or_default(),
        received_at: ours("received_at")
            .and_then(|value| value.parse().ok())
            .or_else(|| system("SentTimestamp")),
        receives: system("ApproximateReceiveCount")
            .and_then(|count: i64| u32::try_from(count).ok())
            .unwrap_or(1),
        receipt: message.receipt_handle.clone().unwrap_or_default(),
        queue_id: message.message_id.unwrap_or_default(),
        body: body.into(),
    }
}

/// Everything of what was received that is not dealt with: Lambda deletes the others. So what a batch could not settle, or
/// does not know of any more, is named too.
fn failures(received: Vec<String>, report: &Report) -> SqsBatchResponse {
    let is_done = |settlement: Settlement, acknowledged: bool| match settlement {
        Settlement::Done => true,
        Settlement::DeadLetter(_) => acknowledged,
        Settlement::Retry(_) => false,
    };
    let done: HashSet<&str> = report
        .settled
        .iter()
        .filter(|settled| is_done(settled.settlement(), settled.acknowledged))
        .map(|settled| settled.record.queue_id.as_str())
        .collect();
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = received
        .into_iter()
        .filter(|id| !done.contains(id.as_str()))
        .map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        })
        .collect();
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Outcome;

    fn message(id: &str) -> SqsMessage {
        let mut message = SqsMessage::default();
        message.message_id = Some(id.to_owned());
        message
    }

    fn failed(outcomes: Vec<(&str, Outcome, bool)>) -> Vec<String> {
        let received = ["a", "b"].map(str::to_owned).to_vec();
        let mut report = Report::default();
        for (id, outcome, acknowledged) in outcomes {
            report.push(record(message(id)), None, outcome);
            if let Some(settled) = report.settled.last_mut() {
                settled.acknowledged = acknowledged;
            }
        }
        let failures = failures(received, &report).batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    }

    fn dead() -> Outcome {
        Outcome::DeadLettered {
            class: "refused",
            reason: "no".to_owned(),
        }
    }

    #[test]
    fn what_the_batch_no_longer_knows_of_comes_again() {
        let done = Outcome::Delivered { id: None };
        assert_eq!(failed(vec![("a", done, true)]), ["b"]);
    }

    #[test]
    fn a_dead_letter_is_done_when_it_lies_there_and_not_before() {
        assert_eq!(
            failed(vec![("a", dead(), true), ("b", dead(), false)]),
            ["b"]
        );
    }
}
