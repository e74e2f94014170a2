//! Finds, reads, redrives and deletes dead letters of either queue, by id or by filter.
//!
//! The embedded queue answers at once. SQS is read page by page; the dead letters that stay become visible again at the
//! end, also after an error. Only the description of each dead letter is kept in memory.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use futures_util::stream::{FuturesOrdered, StreamExt};
use indicatif::ProgressBar;
use proxy::queue::{DeadLetter, Embedded, SqsDeadLetters, SqsLetter, Status, now};
use tokio::time::{Instant, sleep_until};

/// The most dead letters that are listed or selected at once.
const MAX_LETTERS: u32 = 1_000_000;

/// The most operations in flight: they share commits, as incoming events do.
const CONCURRENCY: usize = 64;

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

/// What is done to dead letters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    Redrive,
    Delete,
}

/// The result of an operation.
pub(super) struct Summary {
    pub(super) count: usize,
    /// Ids that were selected and do not exist.
    pub(super) unknown: Vec<String>,
    /// Targets that something was redriven for, and that nobody delivers to.
    pub(super) stopped: BTreeSet<String>,
}

/// A rate limit: each operation waits for its turn.
pub(super) struct Rate {
    interval: Duration,
    next: Instant,
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
    fn contains(&self, letter: &DeadLetter, now: i64) -> bool {
        match self {
            Selection::Ids(ids) => ids.contains(&letter.id),
            Selection::All(filter) => filter.contains(letter, now),
        }
    }

    /// Returns the ids to find; none for a filter.
    fn wanted(&self) -> HashSet<String> {
        match self {
            Selection::Ids(ids) => ids.iter().cloned().collect(),
            Selection::All(_) => HashSet::new(),
        }
    }

    /// Whether all selected dead letters were found.
    fn is_done(&self, wanted: &HashSet<String>) -> bool {
        matches!(self, Selection::Ids(_)) && wanted.is_empty()
    }
}

impl Rate {
    /// Creates a rate limit; 0 is no limit.
    pub(super) fn new(per_second: u32) -> Rate {
        Rate {
            interval: Duration::from_secs(1)
                .checked_div(per_second)
                .unwrap_or_default(),
            next: Instant::now(),
        }
    }

    /// Returns the most operations in flight: with a rate limit, one.
    fn concurrency(&self) -> usize {
        if self.interval.is_zero() {
            CONCURRENCY
        } else {
            1
        }
    }

    async fn turn(&mut self) {
        sleep_until(self.next).await;
        self.next = Instant::now() + self.interval;
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
                    Ok(Visit::Keep)
                };
                walk(queue, look).await?;
                found.sort_by_key(|letter| letter.dead_at);
            }
        }
        Ok(found)
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
                        return Ok(Visit::Keep);
                    }
                    body = Some(queue.body(letter).await?);
                    Ok(Visit::KeepAndStop)
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
            not_visible: statuses.clone().map(|status| status.not_visible).sum(),
            dead_letters: statuses.clone().map(|status| status.dead_letters).sum(),
            oldest_seconds: statuses.filter_map(|status| status.oldest_seconds).max(),
        })
    }

    /// Redrives or deletes the selected letters, at that rate.
    pub(super) async fn act(
        &self,
        operation: Operation,
        selection: &Selection,
        mut rate: Rate,
        progress: &ProgressBar,
    ) -> anyhow::Result<Summary> {
        let mut wanted = selection.wanted();
        let (mut count, mut stopped) = (0, BTreeSet::new());
        match self {
            DeadLetterSource::Embedded(queues) => {
                let now = now();
                let mut letters = Vec::new();
                for queue in queues {
                    let of_target = queue.dead_letters("", MAX_LETTERS).await?;
                    letters.extend(of_target.into_iter().map(|letter| (queue, letter)));
                }
                let each = async |queue: &Embedded, id: &String| match operation {
                    Operation::Redrive => queue.redrive(id).await,
                    Operation::Delete => queue.delete_dead_letter(id).await,
                };
                if let Operation::Redrive = operation {
                    for queue in queues {
                        let mut selected = letters.iter().filter(|(of, letter)| {
                            of.target() == queue.target() && selection.contains(letter, now)
                        });
                        if selected.next().is_some() && queue.is_stopped().await? {
                            stopped.insert(queue.target().to_owned());
                        }
                    }
                }
                let mut in_flight = FuturesOrdered::new();
                for (queue, letter) in letters
                    .iter()
                    .filter(|(_, letter)| selection.contains(letter, now))
                {
                    rate.turn().await;
                    in_flight.push_back(each(queue, &letter.id));
                    wanted.remove(&letter.id);
                    if in_flight.len() >= rate.concurrency()
                        && let Some(done) = in_flight.next().await
                    {
                        count += usize::from(done?);
                        progress.inc(1);
                    }
                }
                while let Some(done) = in_flight.next().await {
                    count += usize::from(done?);
                    progress.inc(1);
                }
            }
            DeadLetterSource::Sqs(queue) => {
                let started = now();
                let each = async |letter: &SqsLetter| {
                    progress.inc(1);
                    // A dead letter that failed again in the meantime is not redriven a second time.
                    let is_new = letter.letter.dead_at > started;
                    if is_new || !selection.contains(&letter.letter, started) {
                        return Ok(Visit::Keep);
                    }
                    rate.turn().await;
                    match operation {
                        Operation::Redrive => queue.redrive(letter).await?,
                        Operation::Delete => queue.delete(letter).await?,
                    }
                    count += 1;
                    wanted.remove(&letter.letter.id);
                    Ok(match selection.is_done(&wanted) {
                        true => Visit::RemoveAndStop,
                        false => Visit::Remove,
                    })
                };
                walk(queue, each).await?;
            }
        }
        let mut unknown: Vec<String> = wanted.into_iter().collect();
        unknown.sort();
        Ok(Summary {
            count,
            unknown,
            stopped,
        })
    }
}

/// What a visit did to a dead letter, and whether the walk continues.
enum Visit {
    /// It stays a dead letter.
    Keep,
    /// It is no longer a dead letter.
    Remove,
    /// It stays a dead letter, and the walk ends.
    KeepAndStop,
    /// It is no longer a dead letter, and the walk ends.
    RemoveAndStop,
}

/// Visits each dead letter once. Makes those that stay visible again at the end.
async fn walk(
    queue: &SqsDeadLetters,
    mut look: impl AsyncFnMut(&SqsLetter) -> anyhow::Result<Visit>,
) -> anyhow::Result<()> {
    let (mut seen, mut kept) = (HashSet::new(), Vec::new());
    let walked = async {
        loop {
            let page = queue.page().await?;
            let before = seen.len();
            let mut over = false;
            for letter in page {
                if !seen.insert(letter.queue_id().to_owned()) || over {
                    kept.push(letter.receipt().to_owned());
                    continue;
                }
                let left = look(&letter).await;
                if !matches!(left, Ok(Visit::Remove | Visit::RemoveAndStop)) {
                    kept.push(letter.receipt().to_owned());
                }
                over = matches!(left?, Visit::KeepAndStop | Visit::RemoveAndStop);
            }
            // Nothing new: all were visited, or the first became visible again.
            if over || seen.len() == before {
                return anyhow::Ok(());
            }
        }
    };
    let walked = walked.await;
    let released = queue.release(&kept).await;
    walked?;
    Ok(released?)
}
