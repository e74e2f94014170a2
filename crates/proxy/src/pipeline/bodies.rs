//! Fetches the bodies of events that were too large for the queue.
//!
//! Where they are is known to the queue. Called by `pipeline.rs` before it decodes a batch.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Pipeline;
use super::outcome::DecidedRecord;
use super::retry::stopped;
use crate::queue::Record;

/// How long a batch waits for bodies that were too large for the queue, however small they are. They are fetched before the
/// runs of the batch have their tickets, because the run of an event is in its body, and the next batch waits for that.
const DOWNLOAD: Duration = Duration::from_secs(10);

/// How many bytes a second are expected of a slow connection: a batch waits for its bodies that much longer. With a fixed limit,
/// a large body would be begun again and again until its event is a dead letter.
const SLOW: u64 = 500_000;

impl Pipeline {
    /// Fetches the bodies that were too large for the queue, and decides the records that have none.
    pub(super) async fn fetch_bodies(
        &self,
        records: Vec<Arc<Record>>,
        deadline: Instant,
    ) -> (Vec<Arc<Record>>, Vec<DecidedRecord>) {
        if records.iter().all(|record| record.stored.is_none()) {
            return (records, Vec::new());
        }
        let stored = records.iter().filter_map(|record| record.stored.as_ref());
        let bytes = stored.fold(0, |sum: u64, stored| sum.saturating_add(stored.bytes));
        let until = download_until(bytes, deadline, Instant::now());
        let owned = records.iter().map(|record| Record::clone(record)).collect();
        let (records, without) = tokio::select! {
            biased;
            fetched = self.queue.fetch_bodies(owned, until) => fetched,
            () = self.stopping.cancelled() => {
                let decide = |record| DecidedRecord::without_event(record, stopped());
                return (Vec::new(), records.into_iter().map(decide).collect());
            }
        };
        let decided = without.into_iter().map(|(record, error)| {
            let outcome = self.retry.without_body(error, &record.id, record.attempts);
            DecidedRecord::without_event(Arc::new(record), outcome)
        });
        (
            records.into_iter().map(Arc::new).collect(),
            decided.collect(),
        )
    }
}

/// Returns until when a batch waits for bodies of so many bytes together. At least half of its time is left for its other
/// events: the size of a body is what its sender says.
fn download_until(bytes: u64, deadline: Instant, now: Instant) -> Instant {
    let limit = DOWNLOAD.saturating_add(Duration::from_secs(bytes / SLOW));
    now + limit.min(deadline.saturating_duration_since(now) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_waits_the_longer_for_bodies_the_larger_they_are_and_at_most_half_of_its_time() {
        let now = Instant::now();
        let wait = |bytes, time| {
            let until = download_until(bytes, now + Duration::from_secs(time), now);
            (until - now).as_secs()
        };
        assert_eq!([0, 8, 20, 40_000].map(|time| wait(0, time)), [0, 4, 10, 10]);
        let bytes = [499_999, 5_000_000, 32_000_000, u64::MAX];
        assert_eq!(bytes.map(|bytes| wait(bytes, 120)), [10, 20, 60, 60]);
    }
}
