//! What an event has to stay in order with: its run, or its job or dataset where it has no run.
//!
//! One type for the queue's message group, the order within and across batches, and the runs that are coalesced.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::event::{Event, Identity, Subject};

/// Names the events that are delivered one after another. Events of different keys are independent.
///
/// [`Display`](fmt::Display) formats it as a message group id of SQS FIFO: 1 to 128 characters, stable across processes
/// and versions. A job and a dataset of the same name share a group there; the keys themselves differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderingKey {
    /// A RunEvent: by its run id.
    Run(Uuid),
    /// A JobEvent: by its job.
    Job(Identity),
    /// A DatasetEvent: by its dataset.
    Dataset(Identity),
}

impl From<&Event> for OrderingKey {
    fn from(event: &Event) -> OrderingKey {
        match event.subject() {
            Subject::Run { id, .. } => OrderingKey::Run(*id),
            Subject::Job { job } => OrderingKey::Job(job.clone()),
            Subject::Dataset { dataset } => OrderingKey::Dataset(dataset.clone()),
        }
    }
}

impl fmt::Display for OrderingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderingKey::Run(id) => id.fmt(f),
            OrderingKey::Job(named) | OrderingKey::Dataset(named) => {
                let hash = Sha256::digest(format!("{}\n{}", named.namespace, named.name));
                hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn key(about: &str) -> String {
        let text = format!(
            r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s",{about}}}"#
        );
        let event = Event::read(text.as_bytes(), Level::Strict).unwrap().event;
        OrderingKey::from(&event).to_string()
    }

    #[test]
    fn a_run_is_grouped_by_its_id_and_others_by_the_hash_of_their_name() {
        let job = r#""job":{"namespace":"n","name":"j"}"#;
        let run = r#""run":{"runId":"01a1faa6-e194-708b-a993-000000000001"}"#;
        assert_eq!(
            key(&format!("{run},{job}")),
            "01a1faa6-e194-708b-a993-000000000001"
        );
        // The SHA-256 of "n\nj".
        let hash = "8ff8080e67fbba29c603064fa8f0200bfb4b65afe392f3773b1a8feb60ba8ff2";
        assert_eq!(key(job), hash);
        assert_eq!(key(job), key(r#""dataset":{"namespace":"n","name":"j"}"#));
    }
}
