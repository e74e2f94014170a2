//! A replay into a queue of SQS: what the batch function of a stack delivers, with its own rules, rate and retries.
//!
//! Events leave the queue in memory in their order, and a batch is sent until the queue has all of it: a later event of a run
//! never overtakes an earlier one on its way there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Replay;
use crate::queue::{
    DoneEvent, Memory, MemoryLimits, Message, Queue, Record, SendError, Settlement, Sqs, now,
};

/// How many events are sent at once: ten requests of SQS.
const TOGETHER: usize = 100;

/// The longest wait for so many: events are read faster than they are sent.
const WINDOW: Duration = Duration::from_millis(200);

/// How long an event is held while it is sent, again and again: longer than any replay waits.
const HELD: Duration = Duration::from_secs(86_400);

/// The pause before a batch is sent again, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of a part of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// So many events are durably in the queue.
    Sent(u64),
    /// An event is larger than the queue can ever take.
    TooLarge,
    /// So many events are sent again later; the reason of the last.
    Again(u64, String),
}

/// Who learns what became of the events.
pub type EnqueueReport = Arc<dyn Fn(Enqueued) + Send + Sync>;

impl Replay {
    /// Begins to send events to a queue of SQS. Also returns the events that need no further attempt: each has to be
    /// confirmed once that is recorded.
    pub fn into_queue(
        to: Sqs,
        limits: MemoryLimits,
        report: EnqueueReport,
    ) -> (Replay, UnboundedReceiver<DoneEvent>) {
        let (queue, done) = Memory::new(limits, HELD);
        let stop = CancellationToken::new();
        let sender = Sender {
            from: Queue::Memory(queue.clone()),
            to: Queue::Sqs(to),
            report,
            stop: stop.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(sender.run());
        let replay = Replay { queue, tasks, stop };
        (replay, done)
    }
}

struct Sender {
    from: Queue,
    to: Queue,
    report: EnqueueReport,
    stop: CancellationToken,
}

impl Sender {
    /// Sends what is received, batch by batch, until it is to stop.
    async fn run(self) {
        while !self.stop.is_cancelled() {
            let Ok(records) = self.from.receive(TOGETHER, WINDOW, &self.stop).await else {
                return; // a queue in memory can be received from
            };
            self.send(records).await;
        }
    }

    /// Sends a batch until the queue has all of it. What is left when it is to stop is read again by the replay that resumes.
    async fn send(&self, mut records: Vec<Record>) {
        let mut pause = FIRST_PAUSE;
        while !records.is_empty() {
            let messages = records.iter().map(message).collect();
            let sent = self.to.send(messages).await;
            let sorted = sort(records, sent);
            for enqueued in sorted.reports() {
                (self.report)(enqueued);
            }
            let settled: Vec<_> = (sorted.settled.iter())
                .map(|(record, settlement)| (record, settlement.clone()))
                .collect();
            // Confirmed when it is recorded. If it cannot be, its recorder ends the replay.
            let _ = self.from.settle(&settled, Instant::now()).await;
            records = sorted.again;
            if records.is_empty() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The records of a batch that was sent.
#[derive(Debug, Default)]
struct Sorted {
    settled: Vec<(Record, Settlement)>,
    /// To be sent again, in their order.
    again: Vec<Record>,
    error: Option<String>,
}

/// Sorts the records of a batch by what became of them.
fn sort<T>(records: Vec<Record>, sent: Vec<Result<T, SendError>>) -> Sorted {
    let mut sorted = Sorted::default();
    for (record, sent) in records.into_iter().zip(sent) {
        match sent {
            Ok(_) => sorted.settled.push((record, Settlement::Acknowledge)),
            Err(error @ SendError::TooLarge { .. }) => {
                let reason = Settlement::DeadLetter(error.to_string());
                sorted.settled.push((record, reason));
            }
            Err(SendError::Unavailable(error)) => {
                sorted.again.push(record);
                sorted.error = Some(error);
            }
        }
    }
    sorted
}

impl Sorted {
    fn reports(&self) -> Vec<Enqueued> {
        let mut sent = 0;
        let mut reports = Vec::new();
        for (_, settlement) in &self.settled {
            match settlement {
                Settlement::Acknowledge | Settlement::Store(_) | Settlement::Retry(_) => sent += 1,
                Settlement::DeadLetter(_) => reports.push(Enqueued::TooLarge),
            }
        }
        if sent > 0 {
            reports.push(Enqueued::Sent(sent));
        }
        if let Some(error) = &self.error {
            let again = u64::try_from(self.again.len()).unwrap_or(u64::MAX);
            reports.push(Enqueued::Again(again, error.clone()));
        }
        reports
    }
}

/// The message of an event. Each attempt has an id of its own: the body of a large event is stored under it and deleted with
/// the delivery, and an attempt that was not confirmed may have arrived. It is as old as it is in this queue, so that alarms on
/// the age of events do not take a replay of last week for a backlog.
fn message(record: &Record) -> Message {
    Message {
        id: Uuid::now_v7().to_string(),
        body: record.body.clone(),
        received_at: now(),
        group: record.group.clone().unwrap_or_default(),
        identity: None,
        memory_permit: None,
        trace: None,
        event: record.event.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_sent_is_sent_again_in_its_order_and_nothing_else() {
        let records = ["1", "2", "3", "4"].map(|id| Record::unqueued(id.into()));
        let unavailable = || Err(SendError::Unavailable("Throttling".to_owned()));
        let too_large = Err(SendError::TooLarge { limit: 7 });
        let sent = vec![unavailable(), Ok(()), too_large, unavailable()];
        let sorted = sort(records.to_vec(), sent);
        let ids = |records: Vec<&Record>| -> Vec<String> {
            records.into_iter().map(|it| it.id.to_string()).collect()
        };
        assert_eq!(ids(sorted.again.iter().collect()), ["1", "4"]);
        let settled = sorted.settled.iter().map(|(record, _)| record);
        assert_eq!(ids(settled.collect()), ["2", "3"]);
        let expected = [
            Enqueued::TooLarge,
            Enqueued::Sent(1),
            Enqueued::Again(2, "Throttling".to_owned()),
        ];
        assert_eq!(sorted.reports(), expected);
    }

    #[test]
    fn each_attempt_is_a_message_of_its_own_in_the_group_of_its_run() {
        let record = Record {
            group: Some("run 1".to_owned()),
            ..Record::unqueued("1".into())
        };
        let (one, other) = (message(&record), message(&record));
        assert_ne!(one.id, other.id);
        assert_eq!((&*one.group, &*other.group), ("run 1", "run 1"));
    }
}
