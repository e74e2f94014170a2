//! Amazon SQS, as a queue of others: OpenLineage events that clients send to it, or to a topic in front of it.
//!
//! A message is deleted once the queue of this process has its events, and not before. One that cannot be read, or not
//! whole, is never deleted here: it comes back after the visibility timeout, with a finding each time, until the redrive policy
//! of its queue moves it or its retention ends. What messages mean is decided in `sources::streams`; `flyte.rs` receives
//! its messages through this file too.

mod queue;
mod settings;

use ::sources::streams::{self, StreamEvents};
use ::sources::{Extraction, Finding};
use aws::Aws;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{Checkpoint, FetchError, Fetched, ReadMessage};

pub(crate) use queue::{Message, Queue};
pub(crate) use settings::{MAX_VISIBILITY_SECONDS, QueueUrl};
pub use settings::{SqsConfig, SqsSettings};

/// What receives OpenLineage events from a queue.
#[derive(Debug)]
pub struct SqsSource {
    queue: Queue,
    reading: Reading,
}

/// What reads a message, with the place that findings name: [`streams::events`], but in tests of a bug in it.
type Reading = fn(&[u8], &str) -> StreamEvents;

impl SqsSource {
    /// Creates a source that has called nothing yet.
    pub fn new(config: SqsConfig, aws: &Aws) -> SqsSource {
        SqsSource {
            queue: Queue::new(config, aws),
            reading: streams::events,
        }
    }

    /// Receives up to ten messages, and waits for the first. What was received is invisible to others until the visibility
    /// timeout passes or it is [`taken`](SqsSource::taken).
    ///
    /// # Errors
    ///
    /// The queue does not answer, or refuses; or there is a cursor, which no queue has.
    pub async fn next(
        &mut self,
        cursor: Option<&Value>,
        _now: OffsetDateTime,
    ) -> Result<Fetched, FetchError> {
        no_cursor(cursor)?;
        let messages = self.queue.receive().await?;
        let mut fetched = Fetched {
            more: !messages.is_empty(),
            ..Fetched::default()
        };
        let (mut read, mut unread) = (Vec::new(), Vec::new());
        for message in messages {
            let found = (self.reading)(message.body.as_bytes(), &message.place);
            let is_unread = !found.extraction.unread.is_empty();
            let is_done = found.is_complete || is_unread;
            let parts = ReadMessage::new(message.receipt.clone(), &found.extraction);
            add(&mut fetched.extraction, found.extraction, &message, is_done);
            match is_done {
                true if is_unread => unread.push(parts),
                true => read.push(parts),
                false => {}
            }
        }
        fetched.checkpoint = Checkpoint::Messages { read, unread };
        Ok(fetched)
    }

    /// Deletes messages whose events are taken.
    ///
    /// # Errors
    ///
    /// Some could not be deleted. They are received again, and their events are known then.
    pub async fn taken(&mut self, messages: &[String]) -> Result<(), FetchError> {
        self.queue.delete(messages).await
    }
}

/// A position belongs to another kind of source: going on without it would skip what it is about.
pub(crate) fn no_cursor(cursor: Option<&Value>) -> Result<(), FetchError> {
    match cursor {
        None => Ok(()),
        Some(_) => Err(FetchError::Refused(
            "there is a position of another kind of source under this name: a queue has none"
                .to_owned(),
        )),
    }
}

/// Adds what a message holds. A finding of one that stays says so.
pub(crate) fn add(all: &mut Extraction, found: Extraction, message: &Message, is_deleted: bool) {
    let findings = found.findings.into_iter().map(|finding| match is_deleted {
        true => finding,
        false => Finding {
            message: format!("{}; {}", finding.message, message.stays()),
            ..finding
        },
    });
    all.add(Extraction {
        findings: findings.collect(),
        ..found
    });
}

#[cfg(test)]
pub(crate) mod tests;
