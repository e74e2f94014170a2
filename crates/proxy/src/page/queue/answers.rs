//! What is answered: dead letters as the page has them, and why something could not be done.
//!
//! Pure. Called by `../queue.rs`.

use page::line::queue::{DeadLetterGroup, DeadLetters, LetterExample, QueueFailure};

use crate::queue::{DeadLetterGroups, QueueError};

pub(super) fn panicked(panic: tokio::task::JoinError) -> QueueFailure {
    QueueFailure::Failed(panic.to_string())
}

pub(super) fn busy(target: &str) -> QueueFailure {
    QueueFailure::Conflict(format!(
        "Dead letters of {target} are being redriven or deleted: wait for the end, or cancel it."
    ))
}

pub(super) fn failed(QueueError(why): QueueError) -> QueueFailure {
    QueueFailure::Failed(why)
}

/// Puts what was seen of several targets together, the largest group first.
pub(super) fn together(all: Vec<DeadLetters>) -> DeadLetters {
    let mut together = DeadLetters {
        is_complete: true,
        ..DeadLetters::default()
    };
    for of_target in all {
        together.groups.extend(of_target.groups);
        together.others += of_target.others;
        together.is_complete &= of_target.is_complete;
        // The first of them.
        together.looked_at = together.looked_at.or(of_target.looked_at);
    }
    let groups = &mut together.groups;
    groups.sort_by_key(|group| std::cmp::Reverse(group.count)); // stable
    together
}

pub(super) fn dead_letters(groups: DeadLetterGroups) -> DeadLetters {
    let group = |group: crate::queue::DeadLetterGroup| DeadLetterGroup {
        key: group.key,
        shape: group.shape,
        target: group.target,
        count: group.count,
        first_dead_at: group.first_dead_at,
        last_dead_at: group.last_dead_at,
        came_back: group.came_back,
        example: LetterExample {
            id: group.example.id,
            reason: group.example.reason,
            attempts: group.example.attempts,
        },
    };
    DeadLetters {
        groups: groups.groups.into_iter().map(group).collect(),
        others: groups.others,
        is_complete: groups.is_complete,
        looked_at: None,
    }
}
