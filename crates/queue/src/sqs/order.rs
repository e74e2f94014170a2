//! Keeps the order of message groups while messages are sent to a FIFO queue or topic. Pure.
//!
//! The service keeps the order in which it accepts messages. So a message must not be sent once an earlier one of its group,
//! in the same request of a client, may have to be sent again: the client sends both again.

use std::collections::HashMap;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use super::confirmation::{Failures, index_of};

/// Why a message is not sent.
const BEHIND: &str = "an earlier event of its run could not be sent";

/// The message groups that are held up, each with the index of the first message that has to be sent again.
#[derive(Debug, Default)]
pub(super) struct BlockedGroups {
    from: HashMap<String, usize>,
}

impl BlockedGroups {
    /// A message has to be sent again.
    pub(super) fn insert(&mut self, group: &str, index: usize) {
        let first = self.from.entry(group.to_owned()).or_insert(index);
        *first = index.min(*first);
    }

    /// Splits entries into those that may be sent, and the failures of those that may not.
    pub(super) fn split(
        &self,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> (Vec<SendMessageBatchRequestEntry>, Failures) {
        let (behind, free): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| {
            let first = entry.message_group_id().and_then(|id| self.from.get(id));
            first.is_some_and(|first| index_of(entry.id()).is_some_and(|index| *first < index))
        });
        let behind = behind.iter().filter_map(|entry| index_of(entry.id()));
        (
            free,
            behind.map(|index| (index, BEHIND.to_owned())).collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_later_messages_of_a_group_that_is_held_up_wait() {
        let entry = |index: usize, group: &str| {
            let entry = SendMessageBatchRequestEntry::builder().id(index.to_string());
            let entry = entry.message_body("[1]").message_group_id(group);
            entry.build().unwrap()
        };
        let mut held_up = BlockedGroups::default();
        held_up.insert("a", 4);
        held_up.insert("a", 2);
        let entries = vec![entry(1, "a"), entry(2, "b"), entry(3, "a"), entry(5, "a")];
        let (free, behind) = held_up.split(entries);
        let free: Vec<&str> = free.iter().map(|entry| entry.id()).collect();
        let behind: Vec<usize> = behind.iter().map(|(index, _)| *index).collect();
        assert_eq!((free, behind), (vec!["1", "2"], vec![3, 5]));
    }
}
