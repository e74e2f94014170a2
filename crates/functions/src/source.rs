//! The source function: reads lineage from what others write, and sends it to the queue of ingest.
//!
//! What it is invoked with says what to do (`source/invocation.rs`): what a subscription of CloudWatch Logs sent and messages are
//! read, and anything else, such as a schedule or an event of EventBridge, lets the source of the configuration look, from where it was.
//! It succeeds only once the queue has the events, so Lambda invokes it again otherwise. What was seen is in a table, so that
//! the same event is sent once, by whatever way it is found.

mod invocation;

use std::process::ExitCode;
use std::sync::Arc;

use aws::Aws;
use fetch::KindConfig;
use fetch::flyte::{FlyteReader, ReadError};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use sources::crawler::Hint;
use sources::logs::subscription::Subscription;
use sources::streams::{self, LambdaRecord, RecordSource};
use sources::{Extraction, Finding, FoundEvent};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use proxy::config::{Config, Layers, Role, SourceConfig};
use proxy::intake::{CpuPool, Intake, MemoryBudget};
use proxy::queue::Ledger;
use proxy::source::{Sender, SourceLook, Tally, report};
use proxy::{telemetry, topology};

use crate::{batch, bootstrap, metrics};
use invocation::Invocation;

/// The memory of the events that are being sent, in bytes: a payload has 6 MB at most, and logs unpack to a multiple.
const MEMORY: usize = 64 << 20;

/// The part of the time of an invocation in which objects of Flyte are read; the rest is for the queue of ingest.
const READING: u32 = 2;

/// The name of a function without a source that looks: one that is only invoked with what others wrote.
const INVOKED: &str = "invoked";

/// The main function of the source function.
pub fn main() -> ExitCode {
    bootstrap::main(start())
}

async fn start() -> Result<(), Error> {
    let config = Config::read(Layers::from_env(), Role::Source)?;
    telemetry::log_to_cloudwatch(&config.log);
    let collector = metrics::install(&config.metrics_namespace, "source")?;
    let function = &SourceFunction::open(&config, &Aws::new()).await?;
    let handler = service_fn(move |event: LambdaEvent<Value>| async move {
        let deadline = batch::deadline(event.context.deadline);
        let own_log = &event.context.env_config.log_group;
        let answer = function.invoke(event.payload, own_log, deadline).await;
        metrics::flush(collector);
        answer.map_err(Error::from)
    });
    lambda_runtime::run(handler).await
}

/// What the function does, whatever it is invoked with.
struct SourceFunction {
    source: Option<SourceConfig>,
    /// What reads messages, if they are those of Flyte; otherwise they are events.
    flyte: Option<FlyteReader>,
    aws: Aws,
    ledger: Ledger,
    sender: Sender,
}

/// The invocation failed. Lambda makes it again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

impl SourceFunction {
    async fn open(config: &Config, aws: &Aws) -> Result<SourceFunction, Error> {
        let queue = topology::open_queue(config, aws).await?;
        let table = config.function_table.clone();
        let ledger = Ledger::table(aws, table.ok_or("function.table is required")?);
        let intake = Intake::new(queue, config.ingest.level, CpuPool::new());
        let source = config.sources.first().cloned();
        let flyte = match source.as_ref().map(|source| &source.kind) {
            Some(KindConfig::Flyte(config)) => Some(FlyteReader::new(config, aws)),
            Some(
                KindConfig::Logs(_)
                | KindConfig::GlueCrawlers(_)
                | KindConfig::Redshift(_)
                | KindConfig::Sqs(_),
            )
            | None => None,
        };
        let name = source
            .as_ref()
            .map_or(INVOKED, |source| source.name.as_str());
        let sender = Sender::new(
            Arc::from(name),
            intake.with_ledger(ledger.clone()),
            MemoryBudget::new(MEMORY),
            config.ingest.max_decompressed_size,
        );
        Ok(SourceFunction {
            source,
            flyte,
            aws: aws.clone(),
            ledger,
            sender,
        })
    }

    /// Does what an invocation asks for, and returns the answer to it. `own_log` is the log group of this function.
    async fn invoke(&self, payload: Value, own_log: &str, until: Instant) -> Result<Value, Failed> {
        match Invocation::read(payload) {
            Invocation::Logs(payload) => self.logs(&payload, own_log, until).await,
            Invocation::Records(payload) => self.records(&payload, until).await,
            Invocation::Again(messages) => {
                let mut failed = Vec::new();
                for (id, payload) in messages {
                    // Boxed, because an invocation can hold one that failed.
                    if let Err(error) = Box::pin(self.invoke(payload, own_log, until)).await {
                        warn!(id, %error, "an invocation that failed before has failed again");
                        failed.push(id);
                    }
                }
                Ok(failures(failed))
            }
            Invocation::Look(event) => self.look(&event, until).await,
        }
    }

    /// Reads what a subscription filter sent.
    async fn logs(&self, payload: &[u8], own_log: &str, until: Instant) -> Result<Value, Failed> {
        let subscription =
            Subscription::read(payload).map_err(|error| Failed(error.to_string()))?;
        if subscription.log_group() == own_log {
            // Each line that this writes would invoke it again.
            warn!("a subscription of the function's own log group is ignored; remove it");
            return Ok(json!({}));
        }
        let read = fetch::logs::read_subscription(&subscription, Some(&self.aws));
        let found = timeout_at(until, read).await;
        let found = found.map_err(|_| late())?;
        let found = found.map_err(|error| Failed(error.to_string()))?;
        match self.take(found, until).await? {
            Taken::All => Ok(json!({})),
            // Lambda keeps the payload, after the attempts that it makes: in the dead letters, from where `redrive` brings it back.
            Taken::Rest => Err(Failed(
                "an event cannot be validated because of a bug".to_owned(),
            )),
        }
    }

    /// Reads messages of a queue, a stream or a topic.
    async fn records(&self, payload: &[u8], until: Instant) -> Result<Value, Failed> {
        let records = streams::records(payload).map_err(|finding| Failed(finding.to_string()))?;
        let (service, records) = records;
        let (mut found, mut failed) = (Extraction::default(), Vec::new());
        let mut events = Vec::with_capacity(records.len());
        let now = Instant::now();
        let read_until = now + until.saturating_duration_since(now) / READING;
        let items = records.iter().map(|record| record.item.clone());
        let items: Vec<String> = items.collect();
        for record in records {
            let (extraction, is_complete) = self.read(&record, read_until).await;
            if !is_complete {
                failed.push(record.item.clone());
            }
            events.push((record.item, extraction.events.clone()));
            found.add(extraction);
        }
        let taken = self.take(found, until).await;
        match (service, taken) {
            // What cannot be read goes to the dead letters of its queue, after the attempts that this has.
            (RecordSource::Sqs, Ok(Taken::All)) => Ok(failures(failed)),
            (RecordSource::Sqs, Ok(Taken::Rest)) => {
                failed.extend(self.with_bug(events, until).await);
                failed.sort();
                failed.dedup();
                Ok(failures(failed))
            }
            (RecordSource::Sqs | RecordSource::Kinesis, Err(_)) => Ok(failures(items)),
            // It would hold up all that comes after it; it was logged.
            (
                RecordSource::Kinesis | RecordSource::Kafka | RecordSource::Sns,
                Ok(Taken::All | Taken::Rest),
            ) => Ok(failures(Vec::new())),
            (RecordSource::Kafka | RecordSource::Sns, Err(error)) => Err(error),
        }
    }

    /// The messages with an event that cannot be validated because of a bug: one by one, as the others are known by now. One that
    /// there is no time for is received again.
    async fn with_bug(
        &self,
        messages: Vec<(String, Vec<FoundEvent>)>,
        until: Instant,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (item, events) in messages {
            let tally = self.sender.send_before(events, until).await;
            if tally.set_aside > 0 || tally.unsent > 0 {
                found.push(item);
            }
        }
        found
    }

    /// Reads a message, and says whether it is done with: read as a whole, and not to be received again.
    async fn read(&self, record: &LambdaRecord, until: Instant) -> (Extraction, bool) {
        let data = match &record.data {
            Ok(data) => data,
            Err(finding) => return (with(finding.clone()), false),
        };
        let Some(flyte) = &self.flyte else {
            let read = streams::events(data, &record.place);
            return (read.extraction, read.is_complete);
        };
        let body = String::from_utf8_lossy(data);
        let read = flyte.read(&body, &record.place, record.receives, until);
        match read.await {
            Ok(extraction) => (extraction, true),
            Err(ReadError::Unreadable(finding)) => (with(finding), false),
            Err(ReadError::Later) => {
                warn!(
                    place = record.place,
                    "S3 does not answer: the message is received again"
                );
                (Extraction::default(), false)
            }
        }
    }

    /// Lets the source look, from where it was, until there is no more or no time.
    async fn look(&self, event: &Value, until: Instant) -> Result<Value, Failed> {
        let Some(source) = &self.source else {
            return Err(Failed(
                "there is no source to look at: LINEAGE_PROXY_SOURCES is empty".to_owned(),
            ));
        };
        let mut source = source.clone();
        if let KindConfig::GlueCrawlers(config) = &mut source.kind {
            match Hint::read(event) {
                Ok(Hint::Ended { crawler }) => {
                    **config = config.as_ref().clone().only(vec![crawler])
                }
                Ok(Hint::Nothing) if event.get("source") == Some(&json!("aws.glue")) => {
                    return Ok(json!({}));
                }
                // A schedule, or somebody who wants a look.
                Ok(Hint::Nothing) | Err(_) => {}
            }
        }
        let look = SourceLook::new(&source, &self.aws, self.ledger.clone(), self.sender.clone());
        let is_done = look.until(until).await;
        let is_done = is_done.map_err(|error| Failed(error.to_string()))?;
        Ok(json!({ "done": is_done }))
    }

    /// Reports what could not be read, and sends the events. All are in the queue, were there before, or are invalid, when
    /// this returns; or they panic. What was begun until the end of the time is waited for: an event that was sent and not
    /// remembered would be sent again.
    async fn take(&self, found: Extraction, until: Instant) -> Result<Taken, Failed> {
        report(self.sender.name(), &found.findings);
        let tally = self.sender.send_before(found.events, until).await;
        tally.count(self.sender.name());
        match tally {
            Tally { unsent: 1.., .. } => Err(late()),
            Tally { set_aside: 1.., .. } => Ok(Taken::Rest),
            Tally { .. } => Ok(Taken::All),
        }
    }
}

/// What the queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// All events that are valid.
    All,
    /// All but those that cannot be validated because of a bug.
    Rest,
}

fn late() -> Failed {
    Failed("the time of the function ended before the queue had the events".to_owned())
}

fn with(finding: Finding) -> Extraction {
    Extraction {
        events: Vec::new(),
        findings: vec![finding],
    }
}

/// The answer that names the messages to deliver again (`ReportBatchItemFailures`).
fn failures(items: Vec<String>) -> Value {
    let items: Vec<Value> = items
        .into_iter()
        .map(|item| json!({"itemIdentifier": item}))
        .collect();
    json!({ "batchItemFailures": items })
}
