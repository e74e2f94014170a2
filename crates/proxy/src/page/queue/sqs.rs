//! The dead letters of a target in SQS, as they were seen when somebody looked at them last, and what is done to those.
//!
//! To be seen they have to be received, which hides them from others. A look makes them visible again, and remembers the ids of their
//! messages: only what was seen is redriven or deleted. Meanwhile the others are hidden, too, so there is one look or operation at a
//! time. Called by `page/queue.rs` and `page/redrive.rs`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use page::line::queue::{
    DeadLetters, Group, Moment, Operation, QueueFailure, RedriveEnd, Selection,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{UNSEEN, dead_letters, failed};
use crate::page::time_text;
use crate::queue::{QueueError, Rate, ReasonShape, SqsDeadLetters, SqsLetter, SqsWalk, now};

/// How long dead letters are looked at: less than the time that an answer may take.
const LOOKING: Duration = Duration::from_secs(15);

/// The dead letters of a target.
pub(crate) struct SqsTarget {
    target: String,
    queue: SqsDeadLetters,
    seen: Mutex<Option<Seen>>,
}

/// What was seen of them, less what was done since.
struct Seen {
    letters: DeadLetters,
    /// When they were looked at.
    at: i64,
    /// The group of each, by the id of its message.
    groups: HashMap<String, String>,
}

impl SqsTarget {
    /// Nothing was seen yet.
    pub(super) fn new(target: String, queue: SqsDeadLetters) -> SqsTarget {
        SqsTarget {
            target,
            queue,
            seen: Mutex::default(),
        }
    }

    /// The target.
    pub(super) fn name(&self) -> &str {
        &self.target
    }

    /// Looks at them, until `stop`.
    pub(super) async fn look(&self, stop: &CancellationToken) -> Result<DeadLetters, QueueFailure> {
        let (begun, mut of_messages) = (Instant::now(), HashMap::new());
        let is_over = || stop.is_cancelled() || begun.elapsed() >= LOOKING;
        let note = |letter: &SqsLetter| {
            let group = ReasonShape::of(&letter.letter.reason).key();
            of_messages.insert(letter.queue_id().to_owned(), group);
            true
        };
        let mut found = self.queue.groups(is_over, note).await.map_err(failed)?;
        // The queue does not know whose it is.
        for group in &mut found.groups {
            group.target = Some(self.target.clone());
        }
        let at = now();
        let letters = DeadLetters {
            looked_at: Some(time_text(at)),
            ..dead_letters(found)
        };
        *self.seen() = Some(Seen {
            letters: letters.clone(),
            at,
            groups: of_messages,
        });
        Ok(letters)
    }

    /// Returns what was seen and is still there, as far as this process knows.
    pub(super) fn letters(&self) -> Option<DeadLetters> {
        self.seen().as_ref().map(|seen| seen.letters.clone())
    }

    /// Returns those of a group that were seen.
    pub(super) fn select(&self, group: Group) -> Result<Selection, QueueFailure> {
        let seen = self.seen();
        let seen = seen.as_ref().ok_or(QueueFailure::Unseen(UNSEEN))?;
        Ok(seen.select(group))
    }

    /// Returns the ids of the messages of a selection, unless it is another one now.
    pub(super) fn messages(&self, selection: &Selection) -> Result<HashSet<String>, QueueFailure> {
        let seen = self.seen();
        let seen = seen.as_ref().ok_or(QueueFailure::Unseen(UNSEEN))?;
        seen.messages(selection)
    }

    /// Redrives or deletes these messages, as many in a second as `rate`; 0 is no limit. Adds those that are done to `done`. All
    /// others are visible again at the end.
    pub(crate) async fn act(
        &self,
        operation: Operation,
        (messages, rate): (HashSet<String>, u32),
        done: &AtomicU64,
        cancel: &CancellationToken,
    ) -> Result<RedriveEnd, QueueError> {
        let mut walk = self.queue.walk();
        let acted = self.act_in(&mut walk, operation, (messages, rate), done, cancel);
        let acted = acted.await;
        if let Err(QueueError(error)) = walk.end().await {
            let target = self.target.as_str();
            warn!(
                target,
                error, "dead letters stay hidden from others for up to two minutes"
            );
        }
        acted
    }

    async fn act_in(
        &self,
        walk: &mut SqsWalk<'_>,
        operation: Operation,
        (mut messages, rate): (HashSet<String>, u32),
        done: &AtomicU64,
        cancel: &CancellationToken,
    ) -> Result<RedriveEnd, QueueError> {
        let mut rate = Rate::new(rate);
        while !messages.is_empty() {
            if cancel.is_cancelled() {
                return Ok(RedriveEnd::Cancelled);
            }
            let Some(letter) = walk.next().await? else {
                // Somebody else has the others, or has done something to them. They would be offered again for ever.
                if let Some(seen) = self.seen().as_mut() {
                    messages.iter().for_each(|message| seen.forget(message));
                }
                break;
            };
            if !messages.contains(letter.queue_id()) {
                continue;
            }
            // Not while it is sent and deleted, so that what is done is counted.
            tokio::select! {
                () = rate.turn() => {}
                () = cancel.cancelled() => return Ok(RedriveEnd::Cancelled),
            }
            match operation {
                Operation::Redrive => self.queue.redrive(letter).await?,
                Operation::Delete => self.queue.delete(letter).await?,
            }
            messages.remove(letter.queue_id());
            if let Some(seen) = self.seen().as_mut() {
                seen.forget(letter.queue_id());
            }
            walk.removed();
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(RedriveEnd::Finished)
    }

    fn seen(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn select(&self, Group { target, key }: Group) -> Selection {
        let group = self.letters.groups.iter().find(|group| group.key == key);
        let messages = self.groups.values().filter(|group| **group == key);
        Selection {
            target,
            shape: group.map(|group| group.shape.clone()),
            count: messages.count() as u64,
            // Every look has a time of its own: it takes two seconds.
            until: Moment {
                row: 0,
                at: self.at,
            },
            key,
        }
    }

    fn messages(&self, selection: &Selection) -> Result<HashSet<String>, QueueFailure> {
        let messages = self.groups.iter();
        let messages = messages.filter(|(_, group)| **group == selection.key);
        let messages: HashSet<String> = messages.map(|(id, _)| id.clone()).collect();
        let (count, left) = (selection.count, messages.len());
        if self.at != selection.until.at {
            let why = "The dead letters were looked at again since. Nothing was done.";
            return Err(QueueFailure::Conflict(why.to_owned()));
        }
        if left as u64 != count {
            let why = format!("Of the {count} dead letters {left} are left. Nothing was done.");
            return Err(QueueFailure::Conflict(why));
        }
        Ok(messages)
    }

    /// Forgets one that is no dead letter any more.
    fn forget(&mut self, message: &str) {
        let Some(key) = self.groups.remove(message) else {
            return;
        };
        let groups = &mut self.letters.groups;
        if let Some(group) = groups.iter_mut().find(|group| group.key == key) {
            group.count = group.count.saturating_sub(1);
        }
        groups.retain(|group| group.count > 0);
    }
}

#[cfg(test)]
mod tests {
    use page::line::queue::{DeadLetterGroup, LetterExample};

    use super::*;

    fn seen(at: i64, counts: &[(&str, usize)]) -> Seen {
        let group = |(key, count): &(&str, usize)| DeadLetterGroup {
            key: (*key).to_owned(),
            shape: format!("shape of {key}"),
            target: Some("catalog".to_owned()),
            count: *count as u64,
            first_dead_at: 0,
            last_dead_at: 0,
            came_back: None,
            example: LetterExample {
                id: String::new(),
                reason: String::new(),
                attempts: 1,
            },
        };
        let messages = counts
            .iter()
            .flat_map(|(key, count)| (0..*count).map(move |n| (format!("{key}-{n}"), key)));
        Seen {
            letters: DeadLetters {
                groups: counts.iter().map(group).collect(),
                ..DeadLetters::default()
            },
            at,
            groups: messages.map(|(id, key)| (id, (*key).to_owned())).collect(),
        }
    }

    fn group(key: &str) -> Group {
        Group {
            target: "catalog".to_owned(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn what_was_seen_of_a_group_is_selected_and_nothing_else() {
        let seen = seen(7, &[("a", 3), ("b", 2)]);
        let selection = seen.select(group("a"));
        assert_eq!(
            (selection.count, selection.shape.as_deref()),
            (3, Some("shape of a"))
        );
        let messages = seen.messages(&selection).unwrap();
        assert_eq!(
            messages,
            ["a-0", "a-1", "a-2"]
                .map(str::to_owned)
                .into_iter()
                .collect()
        );
        assert_eq!(seen.select(group("c")).count, 0);
    }

    #[test]
    fn a_selection_is_not_valid_after_another_look_or_when_some_are_gone() {
        let before = seen(7, &[("a", 3)]);
        let selection = before.select(group("a"));
        let again = seen(8, &[("a", 3)]).messages(&selection);
        assert!(matches!(again, Err(QueueFailure::Conflict(_))), "{again:?}");
        let mut fewer = seen(7, &[("a", 3)]);
        fewer.forget("a-1");
        let fewer = fewer.messages(&selection);
        assert!(matches!(fewer, Err(QueueFailure::Conflict(_))), "{fewer:?}");
    }

    #[test]
    fn what_is_done_is_listed_no_more() {
        let mut seen = seen(7, &[("a", 2), ("b", 1)]);
        seen.forget("b-0");
        seen.forget("a-0");
        seen.forget("a-0"); // once
        let counts = seen.letters.groups.iter().map(|it| (&*it.key, it.count));
        assert_eq!(counts.collect::<Vec<_>>(), [("a", 1)]);
    }
}
