//! The embedded queue: the log of a data folder as the one target of a proxy sees it.
//!
//! It behaves like an SQS queue: visibility timeout, attempt count, dead letters with their reason. Everything is done by
//! the log (`log.rs`); this file only chooses the consumer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::{Claim, Failure};
use tokio_util::sync::CancellationToken;

use crate::{
    Consumer, DeadLetter, Depth, Log, LogOptions, Message, Record, Retention, SendError,
    Settlement, Status, Unavailable,
};

/// A queue on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Embedded {
    log: Log,
    consumer: Consumer,
}

impl Embedded {
    /// Opens or creates the queue for `target` in the folder that this process has claimed. If it was the queue of another
    /// target until now, what is pending is delivered to this one. See [`Log::claimed`].
    pub async fn claimed(
        claim: Arc<Claim>,
        target: &str,
        visibility_timeout: Duration,
    ) -> Result<Embedded, journal::Error> {
        let options = LogOptions {
            visibility_timeout,
            // What was delivered is read back from the store.
            retention: Retention::NONE,
        };
        let log = Log::claimed(claim, options).await?;
        let consumer = log.only_consumer(target).await?;
        Ok(Embedded { log, consumer })
    }

    /// Claims the folder and opens or creates the queue for some target in it.
    pub async fn own(folder: &Path, visibility: Duration) -> Result<Embedded, Unavailable> {
        let claim = Claim::take(folder).map_err(|error| Unavailable(error.to_string()))?;
        let owned = Embedded::claimed(Arc::new(claim), "target", visibility).await;
        owned.map_err(|error| Unavailable(error.to_string()))
    }

    /// Opens the queue in `folder` beside the process that serves it: for `target`, or for the only target there is.
    pub async fn open(folder: &Path, target: &str) -> Result<Embedded, Unavailable> {
        let log = Log::open(folder).await?;
        let mut consumer = log.existing_consumer(target).await?;
        if consumer.is_none()
            && let [only] = log.consumers().await?.as_slice()
        {
            consumer = log.existing_consumer(&only.target).await?;
        }
        match consumer {
            Some(consumer) => Ok(Embedded { log, consumer }),
            None => Err(Unavailable(format!("no queue for target {target}"))),
        }
    }

    /// See [`Log::enforce_retention`].
    pub async fn enforce_retention(&self, stop: &CancellationToken) {
        self.log.enforce_retention(stop).await;
    }

    pub(super) async fn send(&self, messages: Vec<Message>) -> Vec<Result<(), SendError>> {
        self.log.append(messages).await
    }

    pub(crate) async fn receive(
        &self,
        size: usize,
        window: Duration,
    ) -> Result<Vec<Record>, Unavailable> {
        self.consumer.receive(size, window).await
    }

    pub(crate) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), Unavailable>> {
        self.consumer.settle(records).await
    }

    pub(crate) async fn depth(&self) -> Result<Depth, Unavailable> {
        self.consumer.depth().await
    }

    /// Returns how much is in the queue.
    pub async fn status(&self) -> Result<Status, Unavailable> {
        self.consumer.status().await
    }

    /// See [`Consumer::dead_letters`].
    pub async fn dead_letters(
        &self,
        reason: &str,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Unavailable> {
        self.consumer.dead_letters(reason, limit).await
    }

    /// See [`Consumer::dead_letter_body`].
    pub async fn dead_letter_body(&self, id: &str) -> Result<Option<String>, Unavailable> {
        self.consumer.dead_letter_body(id).await
    }

    /// See [`Consumer::redrive`].
    pub async fn redrive(&self, id: &str) -> Result<bool, Unavailable> {
        self.consumer.redrive(id).await
    }

    /// See [`Consumer::delete_dead_letter`].
    pub async fn delete_dead_letter(&self, id: &str) -> Result<bool, Unavailable> {
        self.consumer.delete_dead_letter(id).await
    }

    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        self.log.ready().await
    }

    pub(super) async fn verify(&self) -> Result<(), Unavailable> {
        self.log.verify().await
    }

    pub(super) async fn failed(&self) -> Failure {
        self.log.failed().await
    }

    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.log.closed()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.log.has_failed()
    }
}

#[cfg(test)]
mod tests;
