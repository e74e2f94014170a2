//! Sends the events that a source found to intake, in groups, until each is accepted or rejected for good.
//!
//! A group that was given to intake is never dropped: what was sent and not remembered would be sent again. A stop, and the end
//! of the patience of a command, come between two attempts, and the events without an answer are counted as unsent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sources::FoundEvent;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::intake::{Intake, MemoryBudget, Origin, RawEvent, Reservation};
use crate::telemetry::metric::Metric;

/// Most events, and most bytes beyond the first event, that are one write to the queue: others wait for it.
const GROUP: usize = 200;
const GROUP_BYTES: usize = 1 << 20;

/// How long to wait when the queue or the memory is not available, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(30);

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
    /// They have no answer: there was a stop, or the attempts were used up. Their source has to find them again.
    pub unsent: u64,
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
        self.send_until(events, &CancellationToken::new()).await
    }

    /// Sends events in their order. At a stop the group under way gets its answer, and the rest remains unsent.
    pub(super) async fn send_until(
        &self,
        events: Vec<FoundEvent>,
        stop: &CancellationToken,
    ) -> Tally {
        let mut tally = Tally::default();
        let mut rest = events.into_iter().peekable();
        while rest.peek().is_some() {
            let mut group = Vec::new();
            let mut bytes = 0;
            while let Some(event) = rest.next_if(|event| {
                group.is_empty() || group.len() < GROUP && bytes + event.text.len() <= GROUP_BYTES
            }) {
                bytes += event.text.len();
                if event.text.len() > self.max_size {
                    self.report_rejected(&event.identity.to_string(), "too large");
                    tally.rejected += 1;
                } else {
                    group.push(raw(event));
                }
            }
            self.send_group(group, stop, &mut tally).await;
            if tally.unsent > 0 || stop.is_cancelled() {
                // Those after it keep their order, and wait with it.
                tally.unsent += rest.by_ref().count() as u64;
            }
        }
        tally
    }

    /// Sends a group until there is a final answer for each event, or until it is given up: the rest is counted as unsent.
    async fn send_group(
        &self,
        mut group: Vec<RawEvent>,
        stop: &CancellationToken,
        tally: &mut Tally,
    ) {
        let (mut pause, mut attempt) = (FIRST_PAUSE, 0);
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
                        Err(rejected) if rejected.reason.is_retriable() => {
                            why = rejected.reason.to_string();
                            again.push(event);
                        }
                        Err(rejected) => {
                            tally.rejected += 1;
                            let id = event.identity.map(|it| it.to_string()).unwrap_or_default();
                            self.report_rejected(&id, &rejected.reason.to_string());
                        }
                    }
                }
                group = again;
            }
            if group.is_empty() {
                return;
            }
            attempt = match group.len() < size {
                true => 0,
                false => attempt + 1,
            };
            if stop.is_cancelled() || self.attempts.is_some_and(|most| attempt >= most) {
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
        tally.unsent += group.len() as u64;
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

impl Tally {
    /// Adds what became of other events.
    pub fn add(&mut self, other: Tally) {
        self.accepted += other.accepted;
        self.known += other.known;
        self.rejected += other.rejected;
        self.unsent += other.unsent;
    }

    /// Counts the events of a source in the metrics. Those that are unsent are counted when they are sent.
    pub fn count(self, source: &str) {
        let results = [
            ("accepted", self.accepted),
            ("known", self.known),
            ("rejected", self.rejected),
        ];
        for (result, count) in results.into_iter().filter(|(_, count)| *count > 0) {
            Metric::SourceEvents.add([source.to_owned().into(), result.into()], count);
        }
    }
}

fn raw(event: FoundEvent) -> RawEvent {
    RawEvent {
        identity: Some(event.identity.uuid()),
        bytes: Bytes::from(event.text),
    }
}

#[cfg(test)]
mod tests {
    use openlineage::Level;
    use sources::Identity;

    use super::*;
    use crate::intake::CpuPool;
    use crate::queue::{Embedded, Memory, MemoryLimits, Queue};

    fn found(n: usize, text: String) -> FoundEvent {
        FoundEvent {
            identity: Identity::of(&[&n.to_string()]),
            text,
        }
    }

    fn valid(n: usize) -> FoundEvent {
        let text = format!(
            r#"{{"eventType":"START","eventTime":"2026-01-01T00:00:00Z","producer":"urn:test","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent","run":{{"runId":"01890000-0000-7000-8000-000000000000"}},"job":{{"namespace":"n","name":"job {n}"}}}}"#
        );
        found(n, text)
    }

    #[tokio::test]
    async fn each_event_is_accepted_known_or_rejected_whatever_stands_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Embedded::own(folder.path(), Duration::from_secs(60)).await;
        let queue = Queue::Embedded(queue.unwrap());
        let intake = Intake::new(queue.clone(), Level::Repair, CpuPool::new());
        let memory = MemoryBudget::new(8 << 20);
        let sender = Sender::new("etl".into(), intake, memory, 1_000_000);
        // More than a group.
        let mut events: Vec<FoundEvent> = (0..2 * GROUP + 1).map(valid).collect();
        events.insert(3, valid(0));
        events.insert(7, found(10_000, "{}".to_owned()));
        events.insert(GROUP, found(10_001, " ".repeat(1_000_001)));
        let first = sender.send(events.clone()).await;
        let accepted = 2 * GROUP as u64 + 1;
        assert_eq!(
            (first.accepted, first.known, first.rejected),
            (accepted, 1, 2)
        );
        let again = sender.send(events).await;
        assert_eq!(
            (again.accepted, again.known, again.rejected),
            (0, accepted + 1, 2)
        );
        assert_eq!(queue.depth().await.unwrap().events, accepted);
    }

    /// A sender to a queue that is not available: one in memory is given its events in another way.
    fn unavailable() -> Sender {
        let limits = MemoryLimits {
            events: 1,
            bytes: 1,
            per_second: None,
        };
        let (queue, _) = Memory::new(limits, Duration::ZERO);
        let intake = Intake::new(Queue::Memory(queue), Level::Repair, CpuPool::new());
        Sender::new("etl".into(), intake, MemoryBudget::new(8 << 20), 1_000_000)
    }

    #[tokio::test]
    async fn a_command_gives_up_a_queue_that_stays_unavailable_and_counts_what_is_unsent() {
        let events: Vec<FoundEvent> = (0..GROUP + 3).map(valid).collect();
        let sent = unavailable().with_attempts(2).send(events).await;
        assert_eq!((sent.accepted, sent.unsent), (0, GROUP as u64 + 3));
    }

    #[tokio::test]
    async fn a_stop_lets_the_group_under_way_have_its_answer_and_sends_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Embedded::own(folder.path(), Duration::from_secs(60)).await;
        let queue = Queue::Embedded(queue.unwrap());
        let intake = Intake::new(queue.clone(), Level::Repair, CpuPool::new());
        let sender = Sender::new("etl".into(), intake, MemoryBudget::new(8 << 20), 1_000_000);
        let stop = CancellationToken::new();
        // Before the first group: while it is under way, a fast queue may have answered all of them.
        stop.cancel();
        let events = (0..GROUP + 3).map(valid).collect();
        let sent = sender.send_until(events, &stop).await;
        assert_eq!((sent.accepted, sent.unsent), (GROUP as u64, 3));
        assert_eq!(queue.depth().await.unwrap().events, GROUP as u64);
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_for_a_queue() {
        let stop = CancellationToken::new();
        let sender = unavailable();
        let send = sender.send_until(vec![valid(0)], &stop);
        let (sent, ()) = tokio::join!(send, async { stop.cancel() });
        assert_eq!((sent.accepted, sent.unsent), (0, 1));
    }
}
