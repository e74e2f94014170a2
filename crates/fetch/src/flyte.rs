//! Flyte: its events from a queue, and the objects in which it keeps what its tasks read and wrote.
//!
//! Receiving, deleting and what happens to messages that cannot be read is as for every queue of others (`sqs.rs`).
//! [`FlyteReader`] reads one message with its objects, for the source and for a function alike. What a message means, and
//! which objects it needs, is decided in `sources::flyte`.

mod objects;
mod settings;

use std::time::Duration;

use ::sources::flyte::{self, FlyteMessage, FlyteOptions, Objects};
use ::sources::{Extraction, Finding, guarded};
use aws::Aws;
use futures_util::future::join_all;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::sqs::{Message, Queue, add, no_cursor};
use crate::{Checkpoint, FetchError, Fetched, ReadMessage};
use objects::{Bucket, ObjectError};

pub(crate) use settings::SavedFlyte;
pub use settings::{FlyteConfig, FlyteSettings};

/// How often a message is received while S3 does not answer. Then its event goes without datasets: a queue that moves
/// messages to dead letters does so after some receives, often five.
const PATIENCE: u32 = 3;

/// The part of the visibility timeout in which objects are read; the rest is for the queue of this process.
const READING: u32 = 2;

/// The messages that are read at the same time: each can hold the objects of a whole message in memory.
const PARALLEL: usize = 4;

/// What receives the events of Flyte from a queue.
#[derive(Debug)]
pub struct FlyteSource {
    queue: Queue,
    reader: FlyteReader,
    time: Duration,
}

/// What reads messages of Flyte, with the objects that they name.
#[derive(Debug, Clone)]
pub struct FlyteReader {
    options: FlyteOptions,
    bucket: Bucket,
    reading: Reading,
}

/// What reads the body of a message, with the place that findings name: [`flyte::read`], but in tests of a bug in it.
type Reading = fn(&str, &str) -> Result<FlyteMessage, Finding>;

/// Why a message comes to nothing for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// It is none of Flyte's, or one that this version does not know.
    Unreadable(Finding),
    /// An object that it names cannot be read for now: S3 does not answer.
    Later,
    /// It cannot be read because of a bug.
    Bug,
}

impl FlyteSource {
    /// Creates a source that has called nothing yet.
    pub fn new(config: FlyteConfig, aws: &Aws) -> FlyteSource {
        FlyteSource {
            time: config.queue.visibility_timeout / READING,
            reader: FlyteReader::new(&config, aws),
            queue: Queue::new(config.queue, aws),
        }
    }

    /// Receives up to ten messages, waits for the first, and reads their objects.
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
        let until = Instant::now() + self.time;
        let mut fetched = Fetched {
            more: !messages.is_empty(),
            ..Fetched::default()
        };
        let (mut read_messages, mut unread) = (Vec::new(), Vec::new());
        for messages in messages.chunks(PARALLEL) {
            let read = join_all(messages.iter().map(|message| self.read(message, until))).await;
            for (message, read) in messages.iter().zip(read) {
                match read {
                    Ok(found) => {
                        read_messages.push(ReadMessage::new(message.receipt.clone(), &found));
                        add(&mut fetched.extraction, found, message, true);
                    }
                    Err(ReadError::Unreadable(finding)) => {
                        let found = Extraction {
                            findings: vec![finding],
                            ..Extraction::default()
                        };
                        add(&mut fetched.extraction, found, message, false);
                    }
                    Err(ReadError::Bug) => {
                        let found = Extraction::unread(&message.place, message.body.as_bytes());
                        unread.push(ReadMessage::new(message.receipt.clone(), &found));
                        add(&mut fetched.extraction, found, message, true);
                    }
                    Err(ReadError::Later) => {} // received again
                }
            }
        }
        fetched.checkpoint = Checkpoint::Messages {
            read: read_messages,
            unread,
        };
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

    async fn read(&self, message: &Message, until: Instant) -> Result<Extraction, ReadError> {
        self.reader
            .read(&message.body, &message.place, message.receives, until)
            .await
    }
}

impl FlyteReader {
    /// Creates a reader that has called nothing yet.
    pub fn new(config: &FlyteConfig, aws: &Aws) -> FlyteReader {
        FlyteReader {
            options: config.options.clone(),
            bucket: Bucket::new(config, aws),
            reading: flyte::read,
        }
    }

    /// Reads the body of a message and its objects, until `until`. An object that cannot be read costs the event its datasets,
    /// with a finding. While the message was received (`receives`) a few times at most, one that may be read later costs it nothing:
    /// the message is to be received again.
    ///
    /// # Errors
    ///
    /// The message cannot be read, or not yet, or its reading panics.
    pub async fn read(
        &self,
        body: &str,
        place: &str,
        receives: Option<u32>,
        until: Instant,
    ) -> Result<Extraction, ReadError> {
        let message = unpanicked(body, || (self.reading)(body, place))?;
        let message = message.map_err(ReadError::Unreadable)?;
        let is_patient = receives.is_some_and(|receives| receives < PATIENCE);
        let mut objects = Objects::default();
        let mut budget = self.bucket.budget();
        loop {
            let needed = unpanicked(body, || message.needed(&self.options, &objects))?;
            if needed.is_empty() {
                return unpanicked(body, || message.extraction(&self.options, &objects));
            }
            for uri in needed {
                let content = self.bucket.get(&uri, &mut budget, until).await;
                if is_patient && matches!(content, Err(ObjectError::Later(_))) {
                    return Err(ReadError::Later);
                }
                objects.insert(uri, content.map_err(ObjectError::reason));
            }
        }
    }
}

fn unpanicked<T>(body: &str, read: impl FnOnce() -> T) -> Result<T, ReadError> {
    guarded(body.as_bytes(), read).ok_or(ReadError::Bug)
}

#[cfg(test)]
mod tests;
