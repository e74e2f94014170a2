//! The embedded queue: the log of a data folder as one target of a proxy sees it.
//!
//! It behaves like an SQS queue: visibility timeout, attempt count, dead letters with their reason. Everything is done by
//! the log (`log.rs`); this file only chooses the consumer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use journal::{Claim, ClaimError, Failure};
use tokio_util::sync::CancellationToken;

use crate::{
    BatchSize, Consumer, ConsumerStart, ConsumerStatus, DeadLetter, DeadLetterGroups, Depth,
    FoundLetter, LetterStep, LettersUntil, Log, LogOptions, Message, OwnerTarget, QueueError,
    Record, Retention, SendError, SendOutcome, Settlement, Status,
};

/// A queue on disk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Embedded {
    log: Log,
    consumer: Consumer,
}

impl Embedded {
    /// Opens or creates the log in the folder that this process has claimed, and returns the queue of each target. What is
    /// pending for other targets stays: the second result names them.
    ///
    /// `store` is the target of the kind `store`, if there is one: what it has can be read from the log.
    ///
    /// All targets have been added when this returns, so that a queue exists only where nothing is deleted that one of them
    /// needs. Where a target starts that the log does not know is said at [`Log::owner_consumers`]; see also [`Log::claimed`].
    pub async fn claimed(
        claim: Arc<Claim>,
        targets: &[OwnerTarget<'_>],
        store: Option<&str>,
        options: LogOptions,
    ) -> Result<(Vec<Embedded>, Vec<ConsumerStatus>), journal::Error> {
        let log = Log::claimed(claim, options).await?;
        let consumers = log.owner_consumers(targets).await?;
        let names: Vec<&str> = targets.iter().map(|target| target.name).collect();
        let left = log.stop_others(&names).await?;
        log.set_store(store).await?;
        let queue = |consumer| Embedded {
            log: log.clone(),
            consumer,
        };
        Ok((consumers.into_iter().map(queue).collect(), left))
    }

    /// Claims the folder and opens or creates the queue for some target in it. Nothing is kept that is settled.
    pub async fn own(folder: &Path, visibility: Duration) -> Result<Embedded, QueueError> {
        let failed = |error: &dyn std::fmt::Display| QueueError(error.to_string());
        let claim = Arc::new(Claim::take(folder).map_err(|error| failed(&error))?);
        let options = LogOptions {
            visibility_timeout: visibility,
            retention: Retention::NONE,
        };
        let opened = Embedded::claimed(claim, &["target".into()], None, options).await;
        let (queues, _) = opened.map_err(|error| failed(&error))?;
        let queue = queues.into_iter().next();
        queue.ok_or_else(|| failed(&"no queue"))
    }

    /// Opens the queue of each target in `folder` beside the process that serves them, in the order in which they were
    /// added.
    pub async fn open(folder: &Path) -> Result<Vec<Embedded>, QueueError> {
        let log = Log::open(folder).await?;
        let mut queues = Vec::new();
        for known in log.consumers().await? {
            if let Some(consumer) = log.existing_consumer(&known.target).await? {
                let log = log.clone();
                queues.push(Embedded { log, consumer });
            }
        }
        Ok(queues)
    }

    /// The name of the target.
    pub fn target(&self) -> &str {
        self.consumer.target()
    }

    /// How its target started, if the log did not know it when [`claimed`](Self::claimed) returned this.
    pub fn started(&self) -> Option<ConsumerStart> {
        self.consumer.started()
    }

    /// Removes the queue of this target, with its events and dead letters: what only they need is deleted for good. Returns
    /// whether that was done: not while another process serves this target.
    pub async fn discard(self) -> Result<bool, QueueError> {
        match Claim::take(self.log.folder()) {
            Ok(_claim) => {
                // No process starts while the folder is claimed.
                self.log.remove_consumer(self.target()).await?;
                Ok(true)
            }
            Err(ClaimError::InUse(_)) => self.log.remove_stopped_consumer(self.target()).await,
            Err(error @ ClaimError::Failed(..)) => Err(QueueError(error.to_string())),
        }
    }

    /// See [`Consumer::is_stopped`].
    pub async fn is_stopped(&self) -> Result<bool, QueueError> {
        self.consumer.is_stopped().await
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// See [`Log::enforce_retention`].
    pub async fn enforce_retention(&self, stop: &CancellationToken) {
        self.log.enforce_retention(stop).await;
    }

    pub(super) async fn send(&self, messages: Vec<Message>) -> Vec<Result<SendOutcome, SendError>> {
        self.log.append(messages).await
    }

    pub(crate) async fn receive(
        &self,
        size: impl Into<BatchSize>,
        window: Duration,
    ) -> Result<Vec<Record>, QueueError> {
        self.consumer.receive(size, window).await
    }

    pub(crate) async fn settle(
        &self,
        records: &[(&Record, Settlement)],
    ) -> Vec<Result<(), QueueError>> {
        self.consumer.settle(records).await
    }

    pub(crate) async fn depth(&self) -> Result<Depth, QueueError> {
        self.consumer.depth().await
    }

    /// Returns how much is in the queue.
    pub async fn status(&self) -> Result<Status, QueueError> {
        self.consumer.status().await
    }

    /// See [`Consumer::dead_letters`].
    pub async fn dead_letters(
        &self,
        reason: &str,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        self.consumer.dead_letters(reason, limit).await
    }

    /// See [`Consumer::dead_letter_body`].
    pub async fn dead_letter_body(&self, id: &str) -> Result<Option<String>, QueueError> {
        self.consumer.dead_letter_body(id).await
    }

    /// See [`Consumer::redrive`].
    pub async fn redrive(&self, id: &str) -> Result<bool, QueueError> {
        self.consumer.redrive(id).await
    }

    /// See [`Consumer::dead_letter_groups`].
    pub async fn dead_letter_groups(
        &self,
        time: Duration,
        is_wanted: impl Fn(&DeadLetter) -> bool + Send + 'static,
    ) -> Result<DeadLetterGroups, QueueError> {
        self.consumer.dead_letter_groups(time, is_wanted).await
    }

    /// See [`Consumer::dead_letters_until`].
    pub async fn dead_letters_until(&self, now: i64) -> Result<LettersUntil, QueueError> {
        self.consumer.dead_letters_until(now).await
    }

    /// See [`Consumer::letters_of_group`].
    pub async fn letters_of_group(
        &self,
        key: &str,
        until: LettersUntil,
        after: Option<i64>,
        limit: usize,
    ) -> Result<LetterStep, QueueError> {
        self.consumer
            .letters_of_group(key, until, after, limit)
            .await
    }

    /// See [`Consumer::redrive_found`].
    pub async fn redrive_found(&self, letters: Vec<FoundLetter>) -> Result<u64, QueueError> {
        self.consumer.redrive_found(letters).await
    }

    /// See [`Consumer::delete_found`].
    pub async fn delete_found(&self, letters: Vec<FoundLetter>) -> Result<u64, QueueError> {
        self.consumer.delete_found(letters).await
    }

    /// See [`Consumer::delete_dead_letter`].
    pub async fn delete_dead_letter(&self, id: &str) -> Result<bool, QueueError> {
        self.consumer.delete_dead_letter(id).await
    }

    pub(crate) async fn ready(&self) -> Result<(), QueueError> {
        self.log.ready().await
    }

    pub(super) async fn verify(&self) -> Result<(), QueueError> {
        self.log.verify().await
    }

    pub(super) async fn failed(&self) -> Failure {
        self.log.failed().await
    }

    pub(super) fn has_failed(&self) -> bool {
        self.log.has_failed()
    }
}

#[cfg(test)]
mod tests;
