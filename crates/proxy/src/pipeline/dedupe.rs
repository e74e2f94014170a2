//! Drops events that are byte for byte equal to one that was delivered a moment ago: a client that got no response in
//! time sends the same event again.
//!
//! Has two caches, both of this process. `contents` contains delivered events by content; new rules make a different
//! event of the same text, so their version is part of the key. `messages` contains delivered messages: one that is
//! received again, because its settlement failed or it was buffered for too long, is settled again but not published
//! again.

mod recent;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use targets::Reason;
use tokio::time::Instant;

use super::outcome::{DecidedRecord, Outcome, PendingEvent};
use crate::queue::Record;
use recent::Recent;

/// The rule under which dropped duplicates are logged and counted.
pub(super) const RULE: &str = "builtin/duplicate";

/// The most delivered events that are remembered, of some 150 bytes each. The oldest are forgotten first.
const CAPACITY: u32 = 20_000;

/// The first half of a SHA-256 that begins with a secret of the cache. Nobody outside can compute it, so nobody can choose its place
/// in a table, or make two texts that share it.
type TruncatedHash = recent::Key;

/// The hash of the text of an event and of the version of the rules.
type Content = TruncatedHash;

/// The hash of a message's id in the queue and of the id of the event: the queue may reuse its id later.
type MessageKey = TruncatedHash;

/// The events that were delivered within the window.
#[derive(Debug)]
pub(super) struct DedupeCache {
    window: Duration,
    /// Whether a message that is received again has to be delivered again: the store has an event by its settlement alone,
    /// which may have failed.
    pub(super) delivers_again: bool,
    /// A hasher that has read the secret. Each hash starts as a clone of it.
    secret: Sha256,
    /// When each content was delivered, and as which message.
    contents: Recent<(Instant, MessageKey)>,
    messages: Recent<()>,
}

/// What an event is remembered by once it is delivered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fingerprint {
    content: Content,
    message: MessageKey,
    /// Whether the outcome of the message was published before.
    is_repeat: bool,
}

/// The duplicates among the events of a run. [`DedupeCache::resolve`] decides their outcome.
#[must_use = "duplicates have no outcome yet"]
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    /// Duplicates of an event that is delivered now.
    of_this_run: Vec<(Content, PendingEvent)>,
    /// Duplicates of an event that was delivered before.
    decided: Vec<DecidedRecord>,
}

/// Marks a message as delivered until its outcome is published. If it is dropped before that, as by a panic, the mark
/// is removed, so that the outcome is published when the message is received again.
#[derive(Debug)]
pub(super) struct DeliveredMark {
    messages: Recent<()>,
    key: Option<MessageKey>,
}

impl DedupeCache {
    /// Creates a cache that remembers events for `window`; if that is zero, it remembers none.
    pub(super) fn new(window: Duration) -> DedupeCache {
        DedupeCache {
            window,
            delivers_again: false,
            secret: secret(),
            contents: Recent::new(CAPACITY),
            messages: Recent::new(CAPACITY),
        }
    }

    /// Separates the events to deliver, each content once, from their duplicates. `version` is that of the rules.
    pub(super) fn partition(
        &self,
        events: Vec<PendingEvent>,
        version: &str,
        now: Instant,
    ) -> (Vec<PendingEvent>, Duplicates) {
        let mut duplicates = Duplicates::default();
        if self.window.is_zero() {
            return (events, duplicates);
        }
        // Most runs have one event in a batch, which is compared with none.
        let is_alone = events.len() == 1;
        let mut seen = HashSet::new();
        let unique = events.into_iter().filter_map(|mut event| {
            let fingerprint = self.fingerprint(version, &event.record);
            let content = fingerprint.content;
            let delivered = self.delivered(&content, now);
            let is_own = delivered.as_ref() == Some(&fingerprint.message);
            if delivered.is_some() && !(self.delivers_again && is_own) {
                duplicates.decided.push(DecidedRecord {
                    is_repeat: fingerprint.is_repeat,
                    ..event.decide(dropped())
                });
                None
            } else if is_alone || seen.insert(content) {
                event.fingerprint = Some(fingerprint);
                Some(event)
            } else {
                duplicates.of_this_run.push((content, event));
                None
            }
        });
        (unique.collect(), duplicates)
    }

    /// Decides the duplicates from the outcomes of the others, and remembers what was delivered.
    pub(super) fn resolve(
        &self,
        duplicates: Duplicates,
        mut decided: Vec<DecidedRecord>,
        now: Instant,
    ) -> Vec<DecidedRecord> {
        let mut outcomes: HashMap<Content, Outcome> = HashMap::new();
        for first in &mut decided {
            let Some(fingerprint) = first.fingerprint else {
                continue;
            };
            first.is_repeat |= fingerprint.is_repeat;
            if let Outcome::Delivered { .. } = first.outcome {
                let (content, message) = (fingerprint.content, fingerprint.message);
                self.contents.insert(content, (now, message));
                first.mark = Some(self.mark(message));
            }
            if !duplicates.of_this_run.is_empty() {
                outcomes.insert(fingerprint.content, outcome_of_duplicate(&first.outcome));
            }
        }
        decided.extend(duplicates.decided);
        for (content, event) in duplicates.of_this_run {
            let outcome = outcomes.get(&content).cloned();
            decided.push(event.decide(outcome.unwrap_or_else(undecided)));
        }
        decided
    }

    fn fingerprint(&self, version: &str, record: &Record) -> Fingerprint {
        let message = self.message_key(record);
        Fingerprint {
            content: self.content(version, record),
            message,
            is_repeat: self.messages.get(&message).is_some(),
        }
    }

    fn message_key(&self, record: &Record) -> MessageKey {
        let id = (self.secret.clone())
            .chain_update(&*record.queue_id)
            .chain_update("\n") // no queue has one in its ids
            .chain_update(&*record.id);
        truncated(id)
    }

    fn content(&self, version: &str, record: &Record) -> Content {
        let content = (self.secret.clone())
            .chain_update(record.body_hash())
            .chain_update(version);
        let content = match &record.token_salt {
            None => content,
            // To be delivered again, although it was delivered a moment ago.
            Some(salt) => content.chain_update("\n").chain_update(salt.as_str()),
        };
        truncated(content)
    }

    /// Returns as which message a content was delivered within the window.
    fn delivered(&self, content: &Content, now: Instant) -> Option<MessageKey> {
        let (at, message) = self.contents.get(content)?;
        (now.saturating_duration_since(at) < self.window).then_some(message)
    }

    fn mark(&self, key: MessageKey) -> DeliveredMark {
        self.messages.insert(key, ());
        DeliveredMark {
            messages: self.messages.clone(),
            key: Some(key),
        }
    }
}

impl DeliveredMark {
    /// Keeps the mark: the outcome of the message is published.
    pub(super) fn keep(mut self) {
        self.key = None;
    }
}

impl Drop for DeliveredMark {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.messages.remove(key);
        }
    }
}

/// Returns a hasher that has read 64 random bytes. That is one whole block, so that its clones do not hash it again.
fn secret() -> Sha256 {
    let random = RandomState::new();
    let block = (0u8..8).map(|n| random.hash_one(n).to_le_bytes());
    block.fold(Sha256::new(), Sha256::chain_update)
}

fn truncated(hash: Sha256) -> TruncatedHash {
    let mut truncated = TruncatedHash::default();
    truncated
        .iter_mut()
        .zip(hash.finalize())
        .for_each(|(to, byte)| *to = byte);
    truncated
}

/// The outcome of the duplicates of an event with this outcome.
fn outcome_of_duplicate(first: &Outcome) -> Outcome {
    match first {
        Outcome::Delivered { .. } => dropped(),
        other @ (Outcome::Unchanged { .. }
        | Outcome::Dropped { .. }
        | Outcome::DeadLettered { .. }
        | Outcome::Retry { .. }) => other.clone(),
    }
}

fn dropped() -> Outcome {
    Outcome::Dropped {
        rule: Arc::from(RULE),
    }
}

/// The outcome of duplicates whose original has none: a bug, which must not lose the events.
fn undecided() -> Outcome {
    Outcome::Retry {
        reason: Reason::Bug,
        after: Duration::ZERO,
        error: "an event of the same content has no outcome".to_owned(),
    }
}

#[cfg(test)]
mod tests;
