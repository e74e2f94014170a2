//! Finds and reads dead letters of either queue, by id or by filter. They are redriven and deleted in `act.rs`.
//!
//! The embedded queue answers at once. SQS is read page by page; the dead letters that stay become visible again at the
//! end, also after an error. Only the description of each dead letter is kept in memory.

use std::collections::HashSet;
use std::time::Duration;

use proxy::queue::{
    DeadLetter, DeadLetterGroups, Embedded, SqsDeadLetters, SqsLetter, Status, now,
};

/// The most dead letters that are listed or selected at once.
pub(super) const MAX_LETTERS: u32 = 1_000_000;

/// The dead letters of a queue.
pub(super) enum DeadLetterSource {
    /// The queue of each selected target.
    Embedded(Vec<Embedded>),
    Sqs(SqsDeadLetters),
}

/// Selects dead letters by reason and age.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// The reason contains this text.
    pub(super) reason: String,
    /// Became a dead letter longer ago.
    pub(super) older_than: Option<Duration>,
    /// Became a dead letter more recently.
    pub(super) newer_than: Option<Duration>,
}

/// The dead letters of an operation.
pub(super) enum Selection {
    Ids(Vec<String>),
    All(Filter),
}

impl Filter {
    pub(super) fn contains(&self, letter: &DeadLetter, now: i64) -> bool {
        let age =
            Duration::from_millis(u64::try_from(now.saturating_sub(letter.dead_at)).unwrap_or(0));
        letter.reason.contains(&self.reason)
            && self.older_than.is_none_or(|than| age >= than)
            && self.newer_than.is_none_or(|than| age <= than)
    }
}

impl Selection {
    pub(super) fn contains(&self, letter: &DeadLetter, now: i64) -> bool {
        match self {
            Selection::Ids(ids) => ids.contains(&letter.id),
            Selection::All(filter) => filter.contains(letter, now),
        }
    }

    /// Returns the ids to find; none for a filter.
    pub(super) fn wanted(&self) -> HashSet<String> {
        match self {
            Selection::Ids(ids) => ids.iter().cloned().collect(),
            Selection::All(_) => HashSet::new(),
        }
    }

    /// Whether all selected dead letters were found.
    pub(super) fn is_done(&self, wanted: &HashSet<String>) -> bool {
        matches!(self, Selection::Ids(_)) && wanted.is_empty()
    }
}

impl DeadLetterSource {
    /// Lists the letters that pass the filter, oldest first.
    pub(super) async fn list(&self, filter: &Filter) -> anyhow::Result<Vec<DeadLetter>> {
        let mut found = Vec::new();
        match self {
            DeadLetterSource::Embedded(queues) => {
                let now = now();
                for queue in queues {
                    let letters = queue.dead_letters(&filter.reason, MAX_LETTERS).await?;
                    let letters = letters.into_iter();
                    found.extend(letters.filter(|letter| filter.contains(letter, now)));
                }
                found.sort_by_key(|letter| letter.dead_at); // stable
            }
            DeadLetterSource::Sqs(queue) => {
                let now = now();
                let look = async |letter: &SqsLetter| {
                    if filter.contains(&letter.letter, now) {
                        found.push(letter.letter.clone());
                    }
                    Ok(true)
                };
                walk(queue, look).await?;
                found.sort_by_key(|letter| letter.dead_at);
            }
        }
        Ok(found)
    }

    /// Groups the letters that pass the filter by reason, the largest group first.
    pub(super) async fn groups(&self, filter: &Filter) -> anyhow::Result<DeadLetterGroups> {
        let now = now();
        Ok(match self {
            DeadLetterSource::Embedded(queues) => {
                let mut all = Vec::new();
                for queue in queues {
                    let filter = filter.clone();
                    let is_wanted = move |letter: &DeadLetter| filter.contains(letter, now);
                    // A terminal can be interrupted.
                    all.push(queue.dead_letter_groups(Duration::MAX, is_wanted).await?);
                }
                DeadLetterGroups::merged(all)
            }
            DeadLetterSource::Sqs(queue) => {
                let is_wanted = |letter: &SqsLetter| filter.contains(&letter.letter, now);
                queue.groups(|| false, is_wanted).await? // a terminal can be interrupted
            }
        })
    }

    /// Returns the event of a letter.
    pub(super) async fn body(&self, id: &str) -> anyhow::Result<Option<String>> {
        match self {
            DeadLetterSource::Embedded(queues) => {
                // Every target has the same event: the one that was accepted.
                for queue in queues {
                    if let Some(body) = queue.dead_letter_body(id).await? {
                        return Ok(Some(body));
                    }
                }
                Ok(None)
            }
            DeadLetterSource::Sqs(queue) => {
                let mut body = None;
                let look = async |letter: &SqsLetter| {
                    if letter.letter.id != id {
                        return Ok(true);
                    }
                    body = Some(queue.body(letter).await?);
                    Ok(false)
                };
                walk(queue, look).await?;
                Ok(body)
            }
        }
    }

    /// Counts what is in the queue of each target. SQS has one, without a name.
    pub(super) async fn statuses(&self) -> anyhow::Result<Vec<(Option<String>, Status)>> {
        let mut statuses = Vec::new();
        match self {
            DeadLetterSource::Embedded(queues) => {
                for queue in queues {
                    statuses.push((Some(queue.target().to_owned()), queue.status().await?));
                }
            }
            DeadLetterSource::Sqs(queue) => statuses.push((None, queue.status().await?)),
        }
        Ok(statuses)
    }

    /// Counts what is in the queues of all targets together.
    pub(super) async fn status(&self) -> anyhow::Result<Status> {
        let statuses = self.statuses().await?;
        let statuses = statuses.iter().map(|(_, status)| status);
        Ok(Status {
            waiting: statuses.clone().map(|status| status.waiting).sum(),
            in_flight: statuses.clone().map(|status| status.in_flight).sum(),
            retrying: statuses.clone().map(|status| status.retrying).sum(),
            dead_letters: statuses.clone().map(|status| status.dead_letters).sum(),
            oldest_seconds: statuses.filter_map(|status| status.oldest_seconds).max(),
        })
    }
}

/// Passes each dead letter to `look`, until that returns `false`. All are visible again at the end.
async fn walk(
    queue: &SqsDeadLetters,
    mut look: impl AsyncFnMut(&SqsLetter) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut walk = queue.walk();
    let walked = async {
        while let Some(letter) = walk.next().await? {
            if !look(letter).await? {
                break;
            }
        }
        anyhow::Ok(())
    };
    let walked = walked.await;
    let released = walk.end().await;
    walked?;
    Ok(released?)
}
