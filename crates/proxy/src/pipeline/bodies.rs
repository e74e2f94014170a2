//! Fetches the bodies of events that were too large for the queue.
//!
//! Where they are is known to the queue. Called by `pipeline.rs` before it decodes a batch.

use std::time::Duration;

use tokio::time::Instant;

use super::Pipeline;
use super::outcome::DecidedRecord;
use super::retry::Attempt;
use crate::queue::Record;

/// How long a batch waits at most for bodies that were too large for the queue. They are fetched before the runs of the batch
/// have their tickets, because the run of an event is in its body, and the next batch waits for that.
const DOWNLOAD: Duration = Duration::from_secs(10);

impl Pipeline {
    /// Fetches the bodies that were too large for the queue, and decides the records that have none.
    pub(super) async fn fetch_bodies(
        &self,
        records: Vec<Record>,
        deadline: Instant,
    ) -> (Vec<Record>, Vec<DecidedRecord>) {
        let until = download_until(deadline, Instant::now());
        let (records, without) = tokio::select! {
            biased;
            fetched = self.queue.fetch_bodies(records.clone(), until) => fetched,
            () = self.stopping.cancelled() => {
                let stopped = |record: Record| {
                    let backoff = Duration::ZERO; // the policy has its own delay for a stop
                    let outcome = self.retry.outcome(&Attempt::Stopped, record.attempts, backoff);
                    DecidedRecord::without_event(record, outcome)
                };
                return (Vec::new(), records.into_iter().map(stopped).collect());
            }
        };
        let decided = without.into_iter().map(|(record, error)| {
            let outcome = self.retry.without_body(error, &record.id, record.attempts);
            DecidedRecord::without_event(record, outcome)
        });
        (records, decided.collect())
    }
}

/// Returns until when a batch waits for bodies. At least half of its time is left for its other events.
fn download_until(deadline: Instant, now: Instant) -> Instant {
    now + DOWNLOAD.min(deadline.saturating_duration_since(now) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_for_large_bodies_for_ten_seconds_and_at_most_half_of_its_time() {
        let now = Instant::now();
        let wait = |time| download_until(now + Duration::from_secs(time), now) - now;
        assert_eq!(
            [0, 8, 20, 40_000].map(|time| wait(time).as_secs()),
            [0, 4, 10, 10]
        );
    }
}
