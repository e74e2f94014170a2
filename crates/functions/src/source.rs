//! The source function: reads lineage from what others write, and sends it to the queue of ingest.
//!
//! What it is invoked with says what to do (`source/invocation.rs`): what a subscription of CloudWatch Logs sent and messages are
//! read, and anything else, such as a schedule or an event of EventBridge, lets the source of the configuration poll, from where it was.
//! It succeeds only once the queue has the events, so Lambda invokes it again otherwise. What was seen is in a table, so that
//! the same event is sent once, by whatever way it is found.

mod answer;
mod invocation;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws::Aws;
use fetch::KindConfig;
use fetch::flyte::{FlyteReader, ReadError};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use sources::crawler::Hint;
use sources::logs::subscription::Subscription;
use sources::streams::{self, LambdaRecord, RecordSource};
use sources::{Extraction, Finding, Identity};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use proxy::config::{Config, Layers, Role, SourceConfig};
use proxy::intake::{CpuPool, Intake, MemoryBudget};
use proxy::queue::{Ledger, Queue};
use proxy::source::{SendReport, Sender, SourcePoll, report};
use proxy::{telemetry, topology};

use crate::{batch, bootstrap, metrics};
use answer::{Failed, Read, ReadMessage, failures, late};
use invocation::Invocation;

/// The memory of the events that are being sent, in bytes: a payload has 6 MB at most, and logs unpack to a multiple.
const MEMORY: usize = 64 << 20;

/// The part of the time of an invocation in which objects of Flyte are read; the rest is for the queue of ingest.
const READING: u32 = 2;

/// The time that a group of events may take, once it was given to the queue: a call of the table for what is known (10 s), sending (8
/// s), and a call for what to remember (10 s). A function that ended in between would send the group twice.
const GROUP: Duration = Duration::from_secs(28);

/// The name of a function without a source that polls: one that is only invoked with what others wrote.
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
        let deadline = last_begin(Instant::now(), batch::deadline(event.context.deadline));
        let own_log = &event.context.env_config.log_group;
        let answer = Box::pin(function.invoke(event.payload, own_log, deadline)).await;
        metrics::flush(collector);
        answer.map_err(Error::from)
    });
    lambda_runtime::run(handler).await
}

/// When the last group of events may begin, of what ends at `end`. At least half of the time is for beginning some: a function with little
/// time gets on, too.
fn last_begin(now: Instant, end: Instant) -> Instant {
    let time = end.saturating_duration_since(now);
    now + time.saturating_sub(GROUP).max(time / 2)
}

/// What the function does, whatever it is invoked with.
struct SourceFunction {
    source: Option<SourceConfig>,
    /// What reads messages, if they are those of Flyte; otherwise they are events.
    flyte: Option<FlyteReader>,
    aws: Aws,
    ledger: Ledger,
    /// Leaves what cannot be read because of a bug to what invoked the function.
    sender: Sender,
    /// Sets it aside, where what invoked the function would hold up others with it.
    keeping: Sender,
}

impl SourceFunction {
    async fn open(config: &Config, aws: &Aws) -> Result<SourceFunction, Error> {
        let queue = topology::open_queue(config, aws).await?;
        let table = config.function_table.clone();
        let ledger = Ledger::table(aws, table.ok_or("function.table is required")?);
        let dead_letters = match (&queue, &config.function_dead_letters) {
            (Queue::Sqs(sqs), Some(url)) => Some(sqs.set_aside_queue(url.clone())),
            (Queue::Sqs(_) | Queue::Embedded(_) | Queue::Memory(_) | Queue::Log(_), _) => None,
        };
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
        let keeping = match dead_letters {
            Some(queue) => sender.clone().with_dead_letters(queue),
            None => sender.clone(),
        };
        Ok(SourceFunction {
            source,
            flyte,
            aws: aws.clone(),
            ledger,
            sender,
            keeping,
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
            Invocation::Poll(event) => Box::pin(self.poll(&event, until)).await,
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
        // Lambda keeps the payload of what fails, after the attempts that it makes: in the dead letters, from where `redrive`
        // brings it back.
        answer::whole(&take(&self.sender, found, until).await)?;
        Ok(json!({}))
    }

    /// Reads messages of a queue, a stream or a topic.
    async fn records(&self, payload: &[u8], until: Instant) -> Result<Value, Failed> {
        let records = streams::records(payload).map_err(|finding| Failed(finding.to_string()))?;
        let (service, records) = records;
        let mut found = Extraction::default();
        let mut messages = Vec::with_capacity(records.len());
        let now = Instant::now();
        let read_until = now + until.saturating_duration_since(now) / READING;
        for record in records {
            let (extraction, read) = self.read(&record, read_until).await;
            let events = extraction.events.iter().map(|event| event.identity);
            let unread = extraction.unread.iter().map(|input| input.identity);
            messages.push(ReadMessage {
                parts: events.chain(unread).map(Identity::uuid).collect(),
                item: record.item,
                read,
            });
            found.add(extraction);
        }
        // A shard or a partition waits for a record that fails, and an invocation with it fails as a whole.
        let sender = match service {
            RecordSource::Kinesis | RecordSource::Kafka => &self.keeping,
            RecordSource::Sqs | RecordSource::Sns => &self.sender,
        };
        let sent = take(sender, found, until).await;
        answer::to_records(service, &messages, &sent)
    }

    /// Reads a message, and says what came of that.
    async fn read(&self, record: &LambdaRecord, until: Instant) -> (Extraction, Read) {
        let data = match &record.data {
            Ok(data) => data,
            Err(finding) => return (with(finding.clone()), Read::Unreadable),
        };
        let Some(flyte) = &self.flyte else {
            let read = streams::events(data, &record.place);
            // What cannot be read because of a bug is no fault of the message.
            let is_whole = read.is_complete || !read.extraction.unread.is_empty();
            return match is_whole {
                true => (read.extraction, Read::Whole),
                false => (read.extraction, Read::Unreadable),
            };
        };
        let body = String::from_utf8_lossy(data);
        let read = flyte.read(&body, &record.place, record.receives, until);
        match read.await {
            Ok(extraction) => (extraction, Read::Whole),
            Err(ReadError::Unreadable(finding)) => (with(finding), Read::Unreadable),
            Err(ReadError::Bug) => (Extraction::unread(&record.place, data), Read::Whole),
            Err(ReadError::Later) => {
                warn!(
                    place = record.place,
                    "S3 does not answer: the message is received again"
                );
                (Extraction::default(), Read::Later)
            }
        }
    }

    /// Lets the source poll, from where it was, until there is no more or no time.
    async fn poll(&self, event: &Value, until: Instant) -> Result<Value, Failed> {
        let Some(source) = &self.source else {
            return Err(Failed(
                "there is no source to poll: LINEAGE_PROXY_SOURCES is empty".to_owned(),
            ));
        };
        let mut source = source.clone();
        match &mut source.kind {
            KindConfig::GlueCrawlers(config) => match Hint::read(event) {
                Ok(Hint::Ended { crawler }) => {
                    **config = config.as_ref().clone().only(vec![crawler])
                }
                Ok(Hint::Nothing) if event.get("source") == Some(&json!("aws.glue")) => {
                    return Ok(json!({}));
                }
                // A schedule, or somebody who wants a poll.
                Ok(Hint::Nothing) | Err(_) => {}
            },
            KindConfig::Redshift(config) => **config = config.as_ref().clone().ending_at(until),
            KindConfig::Logs(_) | KindConfig::Flyte(_) | KindConfig::Sqs(_) => {}
        }
        let sender = self.keeping.clone();
        let poll = SourcePoll::new(&source, &self.aws, self.ledger.clone(), sender);
        let is_done = Box::pin(poll.until(until)).await;
        let is_done = is_done.map_err(|error| Failed(error.to_string()))?;
        Ok(json!({ "done": is_done }))
    }
}

/// Reports what could not be read, and sends the events. What was begun until the end of the time is waited for: an event
/// that was sent and not remembered would be sent again.
async fn take(sender: &Sender, found: Extraction, until: Instant) -> SendReport {
    report(sender.name(), &found.findings);
    let sent = sender.send_before(found.events, found.unread, until);
    let sent = sent.await;
    sent.tally.count(sender.name());
    sent
}

fn with(finding: Finding) -> Extraction {
    Extraction {
        findings: vec![finding],
        ..Extraction::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_group_begins_without_the_time_that_it_may_take() {
        let now = Instant::now();
        let begin = |seconds| last_begin(now, now + Duration::from_secs(seconds)) - now;
        assert_eq!(begin(117), Duration::from_secs(117) - GROUP);
        assert_eq!(begin(57), Duration::from_secs(29));
        assert_eq!(begin(12), Duration::from_secs(6), "never none at all");
        assert_eq!(last_begin(now, now - Duration::from_secs(1)), now);
    }
}
