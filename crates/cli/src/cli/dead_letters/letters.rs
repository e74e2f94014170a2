//! The dead letters of either queue: found, read, redriven and deleted by id or by filter.
//!
//! The embedded queue answers at once. SQS is walked page by page; the letters that are kept are released at the end,
//! whatever happens in between. Only the description of each letter is kept in memory.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::stream::{FuturesOrdered, StreamExt};
use indicatif::ProgressBar;
use proxy::queue::{DeadLetter, Embedded, SqsDeadLetters, SqsLetter, Status, now};
use tokio::time::{Instant, sleep_until};

/// Most dead letters that are listed or selected at once.
const MOST: u32 = 1_000_000;

/// Operations under way at once: they share commits, as incoming events do.
const CONCURRENCY: usize = 64;

/// The dead letters of a queue.
pub(super) enum DeadLetterSource {
    Embedded(Embedded),
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

/// The dead letters that an operation is about.
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
}

/// A limit of operations a second: each waits for its turn.
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

    /// The ids that are still to be found; none for a filter.
    fn wanted(&self) -> HashSet<String> {
        match self {
            Selection::Ids(ids) => ids.iter().cloned().collect(),
            Selection::All(_) => HashSet::new(),
        }
    }

    /// Whether there is no need to look further.
    fn is_done(&self, wanted: &HashSet<String>) -> bool {
        matches!(self, Selection::Ids(_)) && wanted.is_empty()
    }
}

impl Rate {
    /// Creates a limit; 0 for none.
    pub(super) fn new(per_second: u32) -> Rate {
        Rate {
            interval: Duration::from_secs(1)
                .checked_div(per_second)
                .unwrap_or_default(),
            next: Instant::now(),
        }
    }

    /// How many may be under way: a limited rate goes one by one.
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
            DeadLetterSource::Embedded(queue) => {
                let letters = queue.dead_letters(&filter.reason, MOST).await?;
                let now = now();
                found.extend(
                    letters
                        .into_iter()
                        .filter(|letter| filter.contains(letter, now)),
                );
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
            DeadLetterSource::Embedded(queue) => Ok(queue.dead_letter_body(id).await?),
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

    /// Counts what is in the queue.
    pub(super) async fn status(&self) -> anyhow::Result<Status> {
        match self {
            DeadLetterSource::Embedded(queue) => Ok(queue.status().await?),
            DeadLetterSource::Sqs(queue) => Ok(queue.status().await?),
        }
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
        let mut count = 0;
        match self {
            DeadLetterSource::Embedded(queue) => {
                let letters = queue.dead_letters("", MOST).await?;
                let now = now();
                let each = async |id: &String| match operation {
                    Operation::Redrive => queue.redrive(id).await,
                    Operation::Delete => queue.delete_dead_letter(id).await,
                };
                let mut under_way = FuturesOrdered::new();
                for letter in letters
                    .iter()
                    .filter(|letter| selection.contains(letter, now))
                {
                    rate.turn().await;
                    under_way.push_back(each(&letter.id));
                    wanted.remove(&letter.id);
                    if under_way.len() >= rate.concurrency()
                        && let Some(done) = under_way.next().await
                    {
                        count += usize::from(done?);
                        progress.inc(1);
                    }
                }
                while let Some(done) = under_way.next().await {
                    count += usize::from(done?);
                    progress.inc(1);
                }
            }
            DeadLetterSource::Sqs(queue) => {
                let started = now();
                let each = async |letter: &SqsLetter| {
                    progress.inc(1);
                    // A letter that failed again since is not taken a second time.
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
        Ok(Summary { count, unknown })
    }
}

/// What a visit did to a letter, and whether it was the last.
enum Visit {
    /// It is still a dead letter.
    Keep,
    /// It is no longer a dead letter.
    Remove,
    /// Kept, and the walk ends.
    KeepAndStop,
    /// Removed, and the walk ends.
    RemoveAndStop,
}

/// Visits each letter once, and releases at the end those that are kept.
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
            // Nothing new: that was all, or the first of them became visible again.
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
