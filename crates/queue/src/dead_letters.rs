//! Dead letters by reason: those whose reasons have the same shape are a group, with their count and an example. Pure.
//!
//! The embedded queue adds its dead letters one after the other (`log/dead_letter_groups.rs`), the command line those of SQS.

mod shape;

use std::collections::BTreeMap;

use serde::Serialize;

pub use shape::ReasonShape;

use crate::DeadLetter;

/// The most groups: more are no overview. Dead letters of further shapes are only counted.
pub const MAX_GROUPS: usize = 200;

/// The longest reason of an example, in characters. That of an embedded queue is shorter.
const LONGEST_EXAMPLE: usize = 1_000;

/// Dead letters for the same reason. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterGroup {
    /// What identifies the group, together with its target: see [`ReasonShape::key`].
    pub key: String,
    /// The reason, with `…` for what differs from one event to another.
    pub shape: String,
    /// The target. A queue in SQS has one target, and does not know its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How many there are.
    pub count: u64,
    /// When the first of them became a dead letter.
    pub first_dead_at: i64,
    /// When the last of them did.
    pub last_dead_at: i64,
    /// How many of them were redriven before, and became dead letters again. SQS does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub came_back: Option<u64>,
    /// The last of them.
    pub example: LetterExample,
}

/// A dead letter of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterExample {
    /// The event's id.
    pub id: String,
    /// Its reason, as it is.
    pub reason: String,
    /// How often its delivery was attempted, since it was last redriven.
    pub attempts: u32,
}

/// The groups of the dead letters that were added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetterGroups {
    /// The largest first.
    pub groups: Vec<DeadLetterGroup>,
    /// How many dead letters have further reasons, which are too many to list.
    pub others: u64,
    /// Whether all dead letters were looked at: not if that took too long.
    pub is_complete: bool,
}

/// Groups dead letters. What it holds has a bound, however many they are.
#[derive(Debug, Default)]
pub struct Grouping {
    groups: BTreeMap<(Option<String>, ReasonShape), DeadLetterGroup>,
    others: u64,
}

impl Grouping {
    /// Adds a dead letter. `came_back` tells whether it was redriven before, if that is known.
    pub fn add(&mut self, letter: &DeadLetter, came_back: Option<bool>) {
        let shape = ReasonShape::of(&letter.reason);
        let key = (letter.target.clone(), shape);
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&key) {
            self.others += 1;
            return;
        }
        let group = self
            .groups
            .entry(key)
            .or_insert_with_key(|(target, shape)| DeadLetterGroup {
                key: shape.key(),
                shape: shape.text().to_owned(),
                target: target.clone(),
                count: 0,
                first_dead_at: letter.dead_at,
                last_dead_at: letter.dead_at,
                came_back: came_back.map(|_| 0),
                example: example(letter),
            });
        group.count += 1;
        group.first_dead_at = group.first_dead_at.min(letter.dead_at);
        if letter.dead_at > group.last_dead_at {
            group.last_dead_at = letter.dead_at;
            group.example = example(letter);
        }
        if let (Some(count), Some(true)) = (&mut group.came_back, came_back) {
            *count += 1;
        }
    }

    /// Returns the groups. `is_complete` tells whether all dead letters were added.
    #[must_use]
    pub fn finish(self, is_complete: bool) -> DeadLetterGroups {
        let mut groups: Vec<_> = self.groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count)); // stable
        DeadLetterGroups {
            groups,
            others: self.others,
            is_complete,
        }
    }
}

impl DeadLetterGroups {
    /// Puts the groups of several targets together, the largest first.
    #[must_use]
    pub fn merged(all: impl IntoIterator<Item = DeadLetterGroups>) -> DeadLetterGroups {
        let mut merged = DeadLetterGroups {
            is_complete: true,
            ..DeadLetterGroups::default()
        };
        for of_target in all {
            merged.groups.extend(of_target.groups);
            merged.others += of_target.others;
            merged.is_complete &= of_target.is_complete;
        }
        merged
            .groups
            .sort_by_key(|group| std::cmp::Reverse(group.count)); // stable
        merged
    }
}

fn example(letter: &DeadLetter) -> LetterExample {
    LetterExample {
        id: letter.id.clone(),
        reason: letter.reason.chars().take(LONGEST_EXAMPLE).collect(),
        attempts: letter.attempts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(reason: &str, dead_at: i64) -> DeadLetter {
        DeadLetter {
            id: dead_at.to_string(),
            target: Some("catalog".to_owned()),
            reason: reason.to_owned(),
            received_at: 0,
            dead_at,
            attempts: 1,
            size: 10,
        }
    }

    #[test]
    fn a_group_has_its_count_its_times_and_its_last_dead_letter() {
        let mut grouping = Grouping::default();
        for at in [20, 30, 10] {
            let reason = format!("invalid: 400 Bad Request: no dataset '{at}'");
            grouping.add(&letter(&reason, at), Some(at == 10));
        }
        grouping.add(&letter("too_large: larger than 10 bytes", 5), Some(false));
        let found = grouping.finish(true);
        let [large, small] = &found.groups[..] else {
            panic!("{found:?}");
        };
        assert_eq!((large.count, small.count), (3, 1));
        assert_eq!((large.first_dead_at, large.last_dead_at), (10, 30));
        assert_eq!(large.example.id, "30");
        assert_eq!((large.came_back, small.came_back), (Some(1), Some(0)));
    }

    #[test]
    fn reasons_that_are_all_different_take_no_more_memory_than_many_groups() {
        let mut grouping = Grouping::default();
        for n in 0..MAX_GROUPS + 50 {
            let word: String = n.to_string().bytes().map(|b| char::from(b + 49)).collect();
            grouping.add(&letter(&format!("invalid: {word}"), 1), None);
        }
        let found = grouping.finish(true);
        assert_eq!((found.groups.len(), found.others), (MAX_GROUPS, 50));
    }
}
