//! Sends the events that a source found to intake, in groups, until each is accepted or rejected for good.
//!
//! A group that was given to intake is never dropped: what was sent and not remembered would be sent again. A stop, and the end
//! of the patience of a command, come between two attempts, and the events without an answer are counted as unsent. An event
//! whose validation panics is set aside after some attempts, once all others have their answers (`sender/keep.rs`). Where there is
//! nothing to set it aside in, it is left without an answer instead: what keeps it, if anything does, is for the caller to know.

mod keep;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use queue::SetAsideQueue;
use sources::{FoundEvent, UnreadInput};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::aside::Aside;
use super::stop_at;
use crate::intake::{Intake, MemoryBudget, Origin, RawEvent, RejectionReason, Reservation};
use crate::telemetry::metric::Metric;

/// Most events, and most bytes beyond the first event, that are one write to the queue: others wait for it.
const GROUP: usize = 200;
const GROUP_BYTES: usize = 1 << 20;

/// How long to wait when the queue or the memory is not available, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// How often an event is tried whose validation panics: what it depends on besides the event may pass, such as a lack of
/// memory.
const BUG_ATTEMPTS: u32 = 3;

/// Sends events of a source.
#[derive(Debug, Clone)]
pub struct Sender {
    intake: Intake,
    origin: Origin,
    memory: MemoryBudget,
    /// The largest event in bytes, as of a request.
    max_size: usize,
    name: Arc<str>,
    /// How often a group is tried without any progress; without a limit, if there is none.
    attempts: Option<u32>,
    /// Where events and inputs are set aside, if anywhere.
    aside: Option<Aside>,
}

/// What became of events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// They are in the queue.
    pub accepted: u64,
    /// They were accepted before, and were not queued again.
    pub known: u64,
    /// They are no valid events, or too large. Each was logged.
    pub rejected: u64,
    /// They cannot be read or validated because of a bug. Each was logged, and is set aside.
    pub set_aside: u64,
    /// They cannot be read or validated because of a bug, and are not set aside. Each was logged. Their source must not pass over
    /// them.
    pub unkept: u64,
    /// They have no answer: there was a stop, or the attempts were used up. Their source has to find them again.
    pub unsent: u64,
}

/// What became of events, and which of them are neither in the queue nor done with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SendReport {
    /// How many.
    pub tally: Tally,
    /// The identities of those that are unkept or unsent.
    pub left: HashSet<Uuid>,
}

impl Sender {
    /// Creates a sender for the source of this name. `memory` is shared by all of them, and has room for an event of
    /// `max_size` bytes.
    pub fn new(name: Arc<str>, intake: Intake, memory: MemoryBudget, max_size: usize) -> Sender {
        let origin = Origin::Source { name: name.clone() };
        Sender {
            intake,
            origin,
            memory,
            max_size,
            name,
            attempts: None,
            aside: None,
        }
    }

    /// Sets events aside below this data folder.
    #[must_use]
    pub fn with_data_folder(self, folder: &Path) -> Sender {
        Sender {
            aside: Some(Aside::in_data(folder)),
            ..self
        }
    }

    /// Sets events and inputs aside as dead letters of this queue.
    #[must_use]
    pub fn with_dead_letters(self, queue: SetAsideQueue) -> Sender {
        Sender {
            aside: Some(Aside::DeadLetters(queue)),
            ..self
        }
    }

    /// Gives up after so many attempts without progress, for a command: somebody waits for its end.
    #[must_use]
    pub fn with_attempts(self, attempts: u32) -> Sender {
        Sender {
            attempts: Some(attempts),
            ..self
        }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends events in their order. Returns when there is a final answer for each, however long the queue is not available,
    /// unless the attempts are limited.
    pub async fn send(&self, events: Vec<FoundEvent>) -> Tally {
        let stop = CancellationToken::new();
        let sent = self.send_until(events, Vec::new(), &stop).await;
        sent.tally
    }

    /// Sends events in their order, and begins no group after `deadline`. A group that was begun has its answer when this
    /// returns; the rest is unsent. Sets `inputs` aside, whose reading panicked.
    pub async fn send_before(
        &self,
        events: Vec<FoundEvent>,
        inputs: Vec<UnreadInput>,
        deadline: Instant,
    ) -> SendReport {
        if Instant::now() >= deadline {
            let mut sent = SendReport::default();
            sent.leave(events.into_iter().map(|event| event.identity.uuid()));
            self.keep_all(Vec::new(), inputs, &CancellationToken::new(), &mut sent)
                .await;
            return sent;
        }
        let (stop, _timer) = stop_at(deadline);
        self.send_until(events, inputs, &stop).await
    }

    /// Sends events in their order. At a stop the group under way gets its answer, and the rest remains unsent. Sets `inputs`
    /// aside, whose reading panicked, with the events whose validation does.
    pub(super) async fn send_until(
        &self,
        events: Vec<FoundEvent>,
        inputs: Vec<UnreadInput>,
        stop: &CancellationToken,
    ) -> SendReport {
        let mut sent = SendReport::default();
        let mut rest = events.into_iter().peekable();
        let mut bugs = Vec::new();
        while rest.peek().is_some() {
            let mut group = Vec::new();
            let mut bytes = 0;
            while let Some(event) = rest.next_if(|event| {
                group.is_empty() || group.len() < GROUP && bytes + event.text.len() <= GROUP_BYTES
            }) {
                bytes += event.text.len();
                if event.text.len() > self.max_size {
                    self.report_rejected(&event.identity.to_string(), "too large");
                    sent.tally.rejected += 1;
                } else {
                    group.push(raw(event));
                }
            }
            bugs.extend(self.send_group(group, stop, &mut sent).await);
            if sent.tally.unsent > 0 || stop.is_cancelled() {
                // Those after it keep their order, and wait with it.
                sent.leave(rest.by_ref().map(|event| event.identity.uuid()));
            }
        }
        self.keep_all(bugs, inputs, stop, &mut sent).await;
        sent
    }

    /// Whether to give up after so many attempts.
    fn is_over(&self, attempt: u32, stop: &CancellationToken) -> bool {
        stop.is_cancelled() || self.attempts.is_some_and(|most| attempt >= most)
    }

    /// Sends a group until there is a final answer for each event, or until it is given up: the rest is counted as unsent. Returns
    /// the events whose validation panics.
    async fn send_group(
        &self,
        mut group: Vec<RawEvent>,
        stop: &CancellationToken,
        sent: &mut SendReport,
    ) -> Vec<RawEvent> {
        let tally = &mut sent.tally;
        let (mut pause, mut attempt) = (FIRST_PAUSE, 0);
        let mut panics: HashMap<Option<Uuid>, u32> = HashMap::new();
        let mut bugs = Vec::new();
        while !group.is_empty() {
            let size = group.len();
            let mut why = "the memory for what sources send is used up".to_owned();
            if let Some(memory) = self.reserve(&group) {
                let answers = self.intake.accept(group.clone(), &self.origin, memory);
                let answers = answers.await;
                let mut again = Vec::new();
                for (event, answer) in group.into_iter().zip(answers) {
                    match answer {
                        Ok(accepted) if accepted.is_known => tally.known += 1,
                        Ok(_) => tally.accepted += 1,
                        Err(rejected) => match rejected.reason {
                            RejectionReason::Bug => {
                                let count = panics.entry(event.identity).or_default();
                                *count += 1;
                                if *count >= BUG_ATTEMPTS {
                                    bugs.push(event);
                                } else {
                                    why = rejected.reason.to_string();
                                    again.push(event);
                                }
                            }
                            RejectionReason::Unavailable(reason) => {
                                why = reason;
                                again.push(event);
                            }
                            RejectionReason::Invalid { .. } | RejectionReason::TooLarge(_) => {
                                tally.rejected += 1;
                                self.report_rejected(&id(&event), &rejected.reason.to_string());
                            }
                        },
                    }
                }
                group = again;
            }
            if group.is_empty() {
                break;
            }
            attempt = match group.len() < size {
                true => 0,
                false => attempt + 1,
            };
            if self.is_over(attempt, stop) {
                break;
            }
            if pause == FIRST_PAUSE {
                warn!(source = %self.name, error = why, "what a source found cannot be queued for now, trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => break,
            }
            pause = pause.saturating_mul(2).min(LAST_PAUSE);
        }
        sent.leave(group.into_iter().filter_map(|event| event.identity));
        bugs
    }

    fn reserve(&self, group: &[RawEvent]) -> Option<Reservation> {
        let bytes = group.iter().map(|event| event.bytes.len()).sum();
        let mut memory = self.memory.reserve();
        memory.grow_to(bytes).ok().map(|()| memory)
    }

    fn report_rejected(&self, id: &str, reason: &str) {
        warn!(source = %self.name, id, reason, "an event that a source found is rejected");
    }
}

impl SendReport {
    /// Adds what became of others.
    pub fn add(&mut self, other: SendReport) {
        self.tally.add(other.tally);
        self.left.extend(other.left);
    }

    /// Counts events as unsent.
    fn leave(&mut self, events: impl Iterator<Item = Uuid>) {
        for identity in events {
            self.tally.unsent += 1;
            self.left.insert(identity);
        }
    }
}

impl Tally {
    /// Adds what became of other events.
    pub fn add(&mut self, other: Tally) {
        self.accepted += other.accepted;
        self.known += other.known;
        self.rejected += other.rejected;
        self.set_aside += other.set_aside;
        self.unkept += other.unkept;
        self.unsent += other.unsent;
    }

    /// Counts the events of a source in the metrics. Those that are unkept or unsent are counted when they are sent.
    pub fn count(self, source: &str) {
        let results = [
            ("accepted", self.accepted),
            ("known", self.known),
            ("rejected", self.rejected),
            ("set_aside", self.set_aside),
        ];
        for (result, count) in results.into_iter().filter(|(_, count)| *count > 0) {
            Metric::SourceEvents.add([source.to_owned().into(), result.into()], count);
        }
    }
}

fn id(event: &RawEvent) -> String {
    event.identity.map(|it| it.to_string()).unwrap_or_default()
}

fn raw(event: FoundEvent) -> RawEvent {
    RawEvent {
        identity: Some(event.identity.uuid()),
        bytes: Bytes::from(event.text),
    }
}

#[cfg(test)]
pub(super) mod tests;
