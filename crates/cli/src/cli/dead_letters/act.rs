//! Redrives or deletes the selected dead letters of either queue, at a rate.
//!
//! Which are selected is decided in `letters.rs`. Called by `dead_letters.rs`.

use futures_util::stream::{FuturesOrdered, StreamExt};
use indicatif::ProgressBar;
use proxy::queue::{Embedded, QueueError, Rate, SqsDeadLetters, SqsWalk, now};
use std::collections::{BTreeSet, HashSet};

use super::letters::{DeadLetterSource, MAX_LETTERS, Selection};

/// The most operations in flight: they share commits, as incoming events do.
const CONCURRENCY: usize = 64;

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

/// What was done so far.
struct Tally<'p> {
    /// The ids that are still to be found.
    wanted: HashSet<String>,
    count: usize,
    stopped: BTreeSet<String>,
    progress: &'p ProgressBar,
}

/// Returns the most operations in flight: with a rate limit, one.
fn concurrency(rate: &Rate) -> usize {
    match rate.is_unlimited() {
        true => CONCURRENCY,
        false => 1,
    }
}

impl Tally<'_> {
    /// Counts an operation; `is_done` is whether the dead letter still existed.
    fn add(&mut self, is_done: bool) {
        self.count += usize::from(is_done);
        self.progress.inc(1);
    }

    fn finish(self) -> Summary {
        let mut unknown: Vec<String> = self.wanted.into_iter().collect();
        unknown.sort();
        Summary {
            count: self.count,
            unknown,
            stopped: self.stopped,
        }
    }
}

impl DeadLetterSource {
    /// Redrives or deletes the selected letters, at that rate.
    pub(super) async fn act(
        &self,
        operation: Operation,
        selection: &Selection,
        rate: Rate,
        progress: &ProgressBar,
    ) -> anyhow::Result<Summary> {
        let mut tally = Tally {
            wanted: selection.wanted(),
            count: 0,
            stopped: BTreeSet::new(),
            progress,
        };
        match self {
            DeadLetterSource::Embedded(queues) => {
                act_embedded(queues, operation, selection, rate, &mut tally).await?;
            }
            DeadLetterSource::Sqs(queue) => {
                act_sqs(queue, operation, selection, rate, &mut tally).await?;
            }
        }
        Ok(tally.finish())
    }
}

async fn act_embedded(
    queues: &[Embedded],
    operation: Operation,
    selection: &Selection,
    mut rate: Rate,
    tally: &mut Tally<'_>,
) -> anyhow::Result<()> {
    let now = now();
    let mut selected: Vec<(&Embedded, String)> = Vec::new();
    for queue in queues {
        let letters = queue.dead_letters("", MAX_LETTERS).await?.into_iter();
        let before = selected.len();
        let letters = letters.filter(|letter| selection.contains(letter, now));
        selected.extend(letters.map(|letter| (queue, letter.id)));
        let is_redriven = match operation {
            Operation::Redrive => selected.len() > before,
            Operation::Delete => false,
        };
        if is_redriven && queue.is_stopped().await? {
            tally.stopped.insert(queue.target().to_owned());
        }
    }
    let mut in_flight = FuturesOrdered::new();
    for (queue, id) in &selected {
        rate.turn().await;
        in_flight.push_back(act_on(queue, id, operation));
        tally.wanted.remove(id);
        if in_flight.len() >= concurrency(&rate)
            && let Some(done) = in_flight.next().await
        {
            tally.add(done?);
        }
    }
    while let Some(done) = in_flight.next().await {
        tally.add(done?);
    }
    Ok(())
}

/// Returns whether the dead letter still existed.
async fn act_on(queue: &Embedded, id: &str, operation: Operation) -> Result<bool, QueueError> {
    match operation {
        Operation::Redrive => queue.redrive(id).await,
        Operation::Delete => queue.delete_dead_letter(id).await,
    }
}

async fn act_sqs(
    queue: &SqsDeadLetters,
    operation: Operation,
    selection: &Selection,
    rate: Rate,
    tally: &mut Tally<'_>,
) -> anyhow::Result<()> {
    let mut walk = queue.walk();
    let acted = act_in(&mut walk, queue, (operation, selection), rate, tally).await;
    let released = walk.end().await;
    acted?;
    Ok(released?)
}

async fn act_in(
    walk: &mut SqsWalk<'_>,
    queue: &SqsDeadLetters,
    (operation, selection): (Operation, &Selection),
    mut rate: Rate,
    tally: &mut Tally<'_>,
) -> anyhow::Result<()> {
    let started = now();
    while !selection.is_done(&tally.wanted) {
        let Some(letter) = walk.next().await? else {
            return Ok(());
        };
        tally.progress.inc(1);
        // A dead letter that failed again in the meantime is not redriven a second time.
        let is_new = letter.letter.dead_at > started;
        if is_new || !selection.contains(&letter.letter, started) {
            continue;
        }
        rate.turn().await;
        match operation {
            Operation::Redrive => queue.redrive(letter).await?,
            Operation::Delete => queue.delete(letter).await?,
        }
        tally.count += 1;
        tally.wanted.remove(&letter.letter.id);
        walk.removed();
    }
    Ok(())
}
