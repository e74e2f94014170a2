//! What a producer's bytes come to: events with identities.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Finding, UnreadInput};

/// What was found in some bytes of a producer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extraction {
    /// The events, in the order in which they were written.
    pub events: Vec<FoundEvent>,
    /// What could not be read, and where it is. Never silently left out.
    pub findings: Vec<Finding>,
    /// The inputs whose reading panicked. Each has a finding, too.
    pub unread: Vec<UnreadInput>,
}

/// One event. It is not validated yet: intake does that for the events of every source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEvent {
    /// Who it is, however it was found.
    pub identity: Identity,
    /// The event as JSON: the bytes that the producer wrote, where it wrote OpenLineage.
    pub text: String,
}

/// Who an event is: the same for the same event however and however often it is found, and different for two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(Uuid);

impl Extraction {
    /// Adds what was found in further bytes.
    pub fn add(&mut self, found: Extraction) {
        self.events.extend(found.events);
        self.findings.extend(found.findings);
        self.unread.extend(found.unread);
    }
}

impl Identity {
    /// The identity of what these parts name together, such as a warehouse and the id of a query. Parts are kept apart:
    /// `["a", "bc"]` is not `["ab", "c"]`.
    pub fn of(parts: &[&str]) -> Identity {
        Identity::of_hash(Identity::hash(parts))
    }

    /// The identity of bytes, among those of what the parts name.
    pub(crate) fn of_bytes(parts: &[&str], bytes: &[u8]) -> Identity {
        Identity::of_hash(Identity::hash(parts).chain_update(bytes))
    }

    fn hash(parts: &[&str]) -> Sha256 {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash
    }

    fn of_hash(hash: Sha256) -> Identity {
        let digest: [u8; 32] = hash.finalize().into();
        let [bytes @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        Identity(Uuid::new_v8(bytes))
    }

    /// The identity of an event that a producer wrote itself: its text. So it is one event, whether it is in a log, printed
    /// twice, or on a stream.
    pub fn of_event(text: &str) -> Identity {
        Identity::of(&["openlineage event", text])
    }

    /// As a UUID of version 8: also the id of a run that has none of its own.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(Identity::of(&["a", "bc"]), Identity::of(&["ab", "c"]));
        assert_eq!(Identity::of(&["a", "bc"]), Identity::of(&["a", "bc"]));
    }

    #[test]
    fn it_is_a_uuid_that_its_version_marks_as_made_of_something() {
        assert_eq!(Identity::of(&["a"]).uuid().get_version_num(), 8);
    }
}
