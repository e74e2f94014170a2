//! The messages whose batch panicked, and the batches without them.
//!
//! Called by the worker (`../worker.rs`).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::queue::Record;

/// The most messages that are remembered because their batch panicked.
const MAX_SUSPECTS: usize = 10_000;

/// Records that are processed together.
#[derive(Debug)]
pub(super) enum Group {
    /// Any records, or none, to release buffered events.
    Together(Vec<Arc<Record>>),
    /// A record on which the pipeline may panic.
    Suspect(Arc<Record>),
}

impl Group {
    pub(super) fn into_records(self) -> Vec<Arc<Record>> {
        match self {
            Group::Together(records) => records,
            Group::Suspect(record) => vec![record],
        }
    }

    pub(super) fn records(&self) -> &[Arc<Record>] {
        match self {
            Group::Together(records) => records,
            Group::Suspect(record) => std::slice::from_ref(record),
        }
    }
}

/// The messages whose batch panicked. Each is processed alone when it is received again, so that the one that causes
/// the panic harms no other.
#[derive(Debug, Clone, Default)]
pub(super) struct Suspects(Arc<Mutex<HashSet<Arc<str>>>>);

impl Suspects {
    pub(super) fn add(&self, records: &[Arc<Record>]) {
        let mut suspects = self.lock();
        if suspects.len() + records.len() > MAX_SUSPECTS {
            suspects.clear();
        }
        suspects.extend(records.iter().map(|record| record.queue_id.clone()));
    }

    pub(super) fn acquit(&self, records: &[Arc<Record>]) {
        let mut suspects = self.lock();
        if !suspects.is_empty() {
            for record in records {
                suspects.remove(&record.queue_id);
            }
        }
    }

    /// Returns the batches to process, in the order of arrival: each suspect alone, the others together. Without
    /// records, returns one empty batch, to release buffered events.
    pub(super) fn separate(&self, records: Vec<Arc<Record>>) -> Vec<Group> {
        let suspects = self.lock();
        let (mut batches, mut together) = (Vec::new(), Vec::new());
        for record in records {
            if suspects.contains(&record.queue_id) {
                if !together.is_empty() {
                    batches.push(Group::Together(std::mem::take(&mut together)));
                }
                batches.push(Group::Suspect(record));
            } else {
                together.push(record);
            }
        }
        if !together.is_empty() || batches.is_empty() {
            batches.push(Group::Together(together));
        }
        batches
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::guard;

    fn records(ids: &[&str]) -> Vec<Arc<Record>> {
        let record = |id: &&str| Record {
            queue_id: (*id).into(),
            ..Record::unqueued((*id).into())
        };
        ids.iter().map(record).map(Arc::new).collect()
    }

    fn ids(records: &[Arc<Record>]) -> Vec<&str> {
        let ids = records.iter().map(|record| &*record.queue_id);
        ids.collect()
    }

    fn groups(batches: &[Group]) -> Vec<Vec<&str>> {
        batches.iter().map(|group| ids(group.records())).collect()
    }

    #[tokio::test]
    async fn the_event_on_which_something_panics_harms_no_other() {
        let suspects = Suspects::default();
        let (mut done, mut rounds) = (Vec::new(), 0);
        let mut queued = records(&["a", "b", "c"]);
        while queued.len() > 1 {
            rounds += 1;
            for batch in suspects.separate(std::mem::take(&mut queued)) {
                let batch = batch.records().to_vec();
                let processed = guard(async {
                    assert!(batch.iter().all(|record| *record.queue_id != *"b"), "a bug");
                });
                match processed.await {
                    Some(()) => {
                        suspects.acquit(&batch);
                        done.extend(batch);
                    }
                    None => {
                        suspects.add(&batch);
                        queued.extend(batch);
                    }
                }
            }
        }
        assert_eq!((rounds, ids(&done)), (2, vec!["a", "c"]));
        assert_eq!(ids(&queued), ["b"]);
    }

    #[test]
    fn suspects_are_alone_and_the_order_of_arrival_stays() {
        let suspects = Suspects::default();
        suspects.add(&records(&["b", "c"]));
        let batches = suspects.separate(records(&["a", "b", "c", "d", "e"]));
        let expected: [&[&str]; 4] = [&["a"], &["b"], &["c"], &["d", "e"]];
        assert_eq!(groups(&batches), expected);
        assert!(matches!(batches[1], Group::Suspect(_)));
        suspects.acquit(&records(&["b", "c"]));
        assert_eq!(suspects.separate(records(&["a", "b"])).len(), 1);
    }

    #[test]
    fn without_records_there_is_one_batch_for_what_is_held_back() {
        let batches = Suspects::default().separate(Vec::new());
        assert!(matches!(&batches[..], [Group::Together(none)] if none.is_empty()));
    }
}
