//! The queue, whichever it is: what all of them can do, and what only one does.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::record::{BatchSize, BodyError, Record, Settlement};
use crate::{Embedded, Log, Memory, Message, QueueError, SendError, SendOutcome, Sqs};

/// A queue. Cheap to clone. Calls of SQS are boxed: their futures take up to 27 KB, and so would those of every queue.
#[derive(Debug, Clone)]
pub enum Queue {
    /// SQLite in the data folder.
    Embedded(Embedded),
    /// Amazon SQS, or a server that speaks its protocol; events may come there through an SNS topic.
    Sqs(Sqs),
    /// In memory: nothing is sent to it but by who owns it.
    Memory(Memory),
    /// The log of a data folder without any target: events are appended to it, and received by the next `serve`.
    Log(Log),
}

/// How much is in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth {
    /// Events that wait for an attempt or were received.
    pub events: u64,
    /// Dead letters, if they can be counted.
    pub dead_letters: Option<u64>,
    /// Age of the event that has been in the queue for longest, in seconds; 0 if there is none. SQS does not tell.
    pub oldest_seconds: Option<u64>,
}

impl Queue {
    /// Sends messages; one result each, in order. `Ok` means durable.
    pub async fn send(&self, messages: Vec<Message>) -> Vec<Result<SendOutcome, SendError>> {
        match self {
            Queue::Embedded(queue) => queue.send(messages).await,
            Queue::Sqs(queue) => {
                let sent = Box::pin(queue.send(messages)).await.into_iter();
                sent.map(|sent| sent.map(|()| SendOutcome::Queued))
                    .collect()
            }
            Queue::Memory(_) => {
                let why = SendError::Unavailable("events are pushed".to_owned());
                vec![Err(why); messages.len()]
            }
            Queue::Log(log) => log.append(messages).await,
        }
    }

    /// Receives records, as soon as there are enough or the first has waited for `window`. Returns none from time to time, and
    /// soon after `stop`, so that the caller can do something else.
    pub async fn receive(
        &self,
        size: impl Into<BatchSize>,
        window: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Record>, QueueError> {
        let size = size.into();
        match self {
            Queue::Embedded(queue) => tokio::select! {
                received = queue.receive(size, window) => received,
                () = stop.cancelled() => Ok(Vec::new()),
            },
            Queue::Sqs(queue) => Box::pin(queue.receive(size.enough, window, stop)).await,
            Queue::Memory(queue) => tokio::select! {
                received = queue.receive(size.enough, window) => Ok(received),
                () = stop.cancelled() => Ok(Vec::new()),
            },
            Queue::Log(_) => Err(no_target()),
        }
    }

    /// Fetches the bodies that were too large for the queue, until `until`. Returns the complete records, and the others with
    /// the reason.
    pub async fn fetch_bodies(
        &self,
        records: Vec<Record>,
        until: Instant,
    ) -> (Vec<Record>, Vec<(Record, BodyError)>) {
        match self {
            Queue::Embedded(_) | Queue::Memory(_) | Queue::Log(_) => (records, Vec::new()), // of any size
            Queue::Sqs(queue) => Box::pin(queue.fetch_bodies(records, until)).await,
        }
    }

    /// Settles records; one result each, in order. A record that could not be settled becomes visible again when its
    /// visibility timeout ends. A remote queue is not waited for beyond `until`.
    pub async fn settle(
        &self,
        records: &[(&Record, Settlement)],
        until: Instant,
    ) -> Vec<Result<(), QueueError>> {
        match self {
            Queue::Embedded(queue) => queue.settle(records).await,
            Queue::Sqs(queue) => Box::pin(queue.settle(records, until)).await,
            Queue::Memory(queue) => queue.settle(records).await,
            Queue::Log(_) => vec![Err(no_target()); records.len()],
        }
    }

    /// The queue as the batch function uses it: Lambda deletes the messages that were settled.
    #[must_use]
    pub fn for_function(self) -> Queue {
        match self {
            queue @ (Queue::Embedded(_) | Queue::Memory(_) | Queue::Log(_)) => queue,
            Queue::Sqs(queue) => Queue::Sqs(queue.deleted_by_lambda()),
        }
    }

    /// Whether events can be received from it and counted: not where they are only published to a topic.
    pub fn can_receive(&self) -> bool {
        match self {
            Queue::Embedded(_) | Queue::Memory(_) => true,
            Queue::Sqs(queue) => queue.can_receive(),
            Queue::Log(_) => false,
        }
    }

    /// Counts what is in the queue.
    pub async fn depth(&self) -> Result<Depth, QueueError> {
        match self {
            Queue::Embedded(queue) => queue.depth().await,
            Queue::Sqs(queue) => Box::pin(queue.depth()).await,
            Queue::Memory(queue) => Ok(Depth {
                events: queue.len() as u64,
                dead_letters: None,
                oldest_seconds: None,
            }),
            Queue::Log(_) => Err(no_target()),
        }
    }

    /// Checks now that the open files are still the ones that their paths name.
    pub async fn verify(&self) -> Result<(), QueueError> {
        match self {
            Queue::Embedded(queue) => queue.verify().await,
            Queue::Log(log) => log.verify().await,
            Queue::Sqs(_) | Queue::Memory(_) => Ok(()), // nothing of it is open
        }
    }

    /// Waits until the queue has failed for good, with every accepted event where the next start finds it. The process has
    /// to end then, and be started again. Only the embedded queue can fail so: see [`journal::Journal::failed`].
    pub async fn failed(&self) -> journal::Failure {
        match self {
            Queue::Embedded(queue) => queue.failed().await,
            Queue::Log(log) => log.failed().await,
            Queue::Sqs(_) | Queue::Memory(_) => std::future::pending().await, // nothing of it is open
        }
    }

    /// Returns a future that completes when the last clone is dropped and the files of the embedded queue are closed.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let closed = match self {
            Queue::Embedded(queue) => Some(queue.log().closed()),
            Queue::Log(log) => Some(log.closed()),
            Queue::Sqs(_) | Queue::Memory(_) => None,
        };
        async move {
            if let Some(closed) = closed {
                closed.await;
            }
        }
    }

    /// Whether the queue has failed for good. What only its open files hold may still be being saved.
    pub fn has_failed(&self) -> bool {
        match self {
            Queue::Embedded(queue) => queue.has_failed(),
            Queue::Log(log) => log.has_failed(),
            Queue::Sqs(_) | Queue::Memory(_) => false,
        }
    }

    /// Deletes settled events that are kept no longer, until `stop`. SQS deletes by itself.
    pub async fn enforce_retention(&self, stop: &CancellationToken) {
        match self {
            Queue::Embedded(queue) => queue.enforce_retention(stop).await,
            Queue::Sqs(_) | Queue::Memory(_) | Queue::Log(_) => stop.cancelled().await,
        }
    }

    /// Whether a message could be sent now.
    pub async fn ready(&self) -> Result<(), QueueError> {
        match self {
            Queue::Embedded(queue) => queue.ready().await,
            Queue::Sqs(queue) => Box::pin(queue.ready()).await,
            Queue::Memory(_) => Ok(()),
            Queue::Log(log) => log.ready().await,
        }
    }
}

fn no_target() -> QueueError {
    QueueError("no target receives from the log here".to_owned())
}
