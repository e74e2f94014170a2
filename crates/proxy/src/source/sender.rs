//! Sends the events that a source found to intake, in groups, until each is accepted or rejected for good.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sources::FoundEvent;
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
        }
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends events in their order. Returns when there is a final answer for each, however long the queue is not available.
    pub async fn send(&self, events: Vec<FoundEvent>) -> Tally {
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
            self.send_group(group, &mut tally).await;
        }
        tally
    }

    /// Sends a group until there is a final answer for each event.
    async fn send_group(&self, mut group: Vec<RawEvent>, tally: &mut Tally) {
        let mut pause = FIRST_PAUSE;
        while !group.is_empty() {
            if let Some(memory) = self.reserve(&group) {
                let answers = self.intake.accept(group.clone(), &self.origin, memory);
                let answers = answers.await;
                let mut again = Vec::new();
                for (event, answer) in group.into_iter().zip(answers) {
                    match answer {
                        Ok(accepted) if accepted.is_known => tally.known += 1,
                        Ok(_) => tally.accepted += 1,
                        Err(rejected) if rejected.reason.is_retriable() => again.push(event),
                        Err(rejected) => {
                            tally.rejected += 1;
                            let id = event.identity.map(|it| it.to_string()).unwrap_or_default();
                            self.report_rejected(&id, &rejected.reason.to_string());
                        }
                    }
                }
                group = again;
            }
            if !group.is_empty() {
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(LAST_PAUSE);
            }
        }
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
    }

    /// Counts the events of a source in the metrics.
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
    use crate::queue::{Embedded, Queue};

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
}
