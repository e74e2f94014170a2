//! The queue, as the page sees it: the state of each target, dead letters by reason, and what is done to them.
//!
//! To list dead letters of SQS they have to be received, which hides them from others: only when somebody asks for it
//! (`queue/sqs.rs`). Redrives are in `page/redrive.rs`, the state of a target in `queue/state.rs`, how dead letters of the embedded
//! queue are found and deleted in `queue/letters.rs`.

mod answers;
mod count;
mod letters;
mod sqs;
mod state;

use std::sync::Arc;
use std::time::Duration;

use page::Answer;
use page::line::queue::{
    By, DeadLetters, Deletion, Group, Moment, QueueFailure, QueueLine, QueueState, RedriveEnd,
    Selection, SourceState,
};
use targets::Kind;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::answers::{busy, dead_letters, failed, panicked, together};
use super::redrive::{Letters, Redrives};
use crate::queue::{DeadLetterGroups, Embedded, LettersUntil, Queue, SqsDeadLetters, now};
use crate::telemetry::text::shown;
use crate::topology::OpenPipelines;
use count::LatestCount;
use letters::{delete, selected};
use state::{dead_letters_of, target_state};

pub(super) use sqs::SqsTarget;

/// How long dead letters are grouped, of all targets together: a person waits for it.
const GROUPING: Duration = Duration::from_secs(2);

/// How often the time of a grouping passes before the next one, whoever asks: it takes a core as long as it lasts.
const GROUPING_SHARE: u32 = 5;

/// How often dead letters are counted for the navigation. Counting takes at most a hundredth of the time.
const COUNTING: Duration = Duration::from_secs(2);
const COUNTING_SHARE: u32 = 100;

/// How long an answer waits for the end of a deletion in SQS, which may take many requests.
const DELETING: Duration = Duration::from_secs(10);

const UNSEEN: &str = "The queue is SQS. To look at its dead letters they have to be received, which hides them from others for \
    some seconds.";
const BEING_LOOKED_AT: &str = "The dead letters are being looked at: wait a moment.";
const NO_DEAD_LETTERS: &str = "This process does not know the queue of dead letters.";

/// The queue of a target.
pub(crate) struct TargetQueue {
    /// The name of the target.
    pub(crate) name: String,
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its queue.
    pub(crate) queue: Queue,
    /// Its dead letters, of SQS.
    pub(crate) letters: Option<SqsDeadLetters>,
    /// Whether this process delivers to it.
    pub(crate) is_ours: bool,
}

/// The queue of the process.
pub(crate) struct ProxyQueue {
    targets: Vec<TargetQueue>,
    pipelines: Arc<OpenPipelines>,
    sources: Vec<SourceState>,
    redrives: Redrives,
    /// The dead letters by reason as they were grouped last. Whoever has the lock groups.
    grouped: Arc<Mutex<Option<Grouped>>>,
    /// The dead letters of SQS.
    sqs: Arc<[Arc<SqsTarget>]>,
    /// Whoever has the lock looks at them.
    looking: Arc<Mutex<()>>,
    stop: CancellationToken,
    /// The number of dead letters.
    dead_letters: LatestCount,
}

/// Dead letters by reason, when they were grouped, and how long that took.
struct Grouped {
    letters: DeadLetters,
    begun: Instant,
    took: Duration,
}

impl ProxyQueue {
    /// Creates it. Redrives end when `stop` is cancelled.
    pub(crate) fn new(
        targets: Vec<TargetQueue>,
        pipelines: Arc<OpenPipelines>,
        sources: Vec<SourceState>,
        stop: CancellationToken,
    ) -> ProxyQueue {
        let sqs = targets.iter().filter_map(|it| {
            let letters = it.letters.clone()?;
            Some(Arc::new(SqsTarget::new(it.name.clone(), letters)))
        });
        ProxyQueue {
            sqs: sqs.collect(),
            targets,
            pipelines,
            sources,
            redrives: Redrives::new(stop.clone()),
            grouped: Arc::default(),
            looking: Arc::default(),
            stop,
            dead_letters: LatestCount::new(),
        }
    }

    /// Counts dead letters from time to time, until `stop`. Then it waits until what was begun has ended: dead letters of SQS become
    /// visible again.
    pub(crate) async fn count(self: Arc<Self>, stop: CancellationToken) {
        let counting = async {
            loop {
                let begun = Instant::now();
                self.dead_letters.set(begun, self.counted().await);
                tokio::time::sleep(COUNTING.max(begun.elapsed() * COUNTING_SHARE)).await;
            }
        };
        stop.run_until_cancelled(counting).await;
        self.redrives.ended().await;
    }

    async fn counted(&self) -> Option<u64> {
        let mut sum = 0_u64;
        for target in &self.targets {
            let depth = target.queue.depth().await.ok()?;
            sum = sum.saturating_add(depth.dead_letters?);
        }
        Some(sum)
    }

    /// Finds a target.
    fn target(&self, target: &str) -> Result<&TargetQueue, QueueFailure> {
        let found = self.targets.iter().find(|it| it.name == target);
        let name = shown(target, 100);
        found.ok_or_else(|| QueueFailure::NotFound(format!("There is no target {name:?}.")))
    }

    /// Returns the embedded queue of a target.
    fn embedded(&self, target: &str) -> Result<&Embedded, QueueFailure> {
        match &self.target(target)?.queue {
            Queue::Embedded(queue) => Ok(queue),
            Queue::Sqs(_) | Queue::Memory(_) | Queue::Log(_) => {
                Err(QueueFailure::Unsupported(NO_DEAD_LETTERS))
            }
        }
    }

    /// Returns the dead letters of a target in SQS, if they are there.
    fn of_sqs(&self, target: &str) -> Option<&Arc<SqsTarget>> {
        self.sqs.iter().find(|it| it.name() == target)
    }

    /// Looks at the dead letters of SQS. Goes on when nobody waits for it any more: otherwise they would stay hidden.
    async fn look_at_all(&self, by: &By) -> Result<DeadLetters, QueueFailure> {
        let turn = self.looking.clone().try_lock_owned();
        let turn = turn.map_err(|_| QueueFailure::Conflict(BEING_LOOKED_AT.to_owned()))?;
        if self.sqs.is_empty() {
            return Err(QueueFailure::Unsupported(NO_DEAD_LETTERS));
        }
        // It hides the others, which a look would not see.
        let busy = |it: &&Arc<SqsTarget>| self.redrives.runs(it.name());
        if let Some(target) = self.sqs.iter().find(busy) {
            return Err(answers::busy(target.name()));
        }
        let (sqs, by, stop) = (self.sqs.clone(), by.clone(), self.stop.clone());
        let looking = self.redrives.spawn(async move {
            let (_turn, mut found) = (turn, Vec::new());
            for target in sqs.iter() {
                found.push(target.look(&stop).await?);
            }
            info!(key = by.as_deref(), "dead letters of SQS looked at");
            Ok(together(found))
        });
        looking.await.map_err(panicked)?
    }

    async fn groups(&self) -> Result<DeadLetters, QueueFailure> {
        if !self.sqs.is_empty() {
            let seen = self.sqs.iter().map(|target| target.letters());
            let seen: Option<Vec<_>> = seen.collect();
            return seen.map(together).ok_or(QueueFailure::Unseen(UNSEEN));
        }
        let mut grouped = self.grouped.lock().await;
        let fresh = grouped.as_ref();
        let fresh = fresh.filter(|last| last.begun.elapsed() < last.took * (1 + GROUPING_SHARE));
        // What is shown at the end of a redrive stays: no later answer would correct it.
        let fresh = fresh.filter(|last| !self.redrives.one_ended_since(last.begun));
        if let Some(last) = fresh {
            return Ok(last.letters.clone());
        }
        let (begun, mut all) = (Instant::now(), Vec::new());
        for target in &self.targets {
            let queue = self.embedded(&target.name)?;
            let time = GROUPING.saturating_sub(begun.elapsed());
            let groups = queue.dead_letter_groups(time, |_| true).await;
            all.push(groups.map_err(failed)?);
        }
        let letters = dead_letters(DeadLetterGroups::merged(all));
        *grouped = Some(Grouped {
            letters: letters.clone(),
            begun,
            took: begun.elapsed(),
        });
        Ok(letters)
    }

    async fn select_now(&self, group: Group) -> Result<Selection, QueueFailure> {
        if let Some(sqs) = self.of_sqs(&group.target) {
            return sqs.select(group);
        }
        let until = self.embedded(&group.target)?.dead_letters_until(now());
        let LettersUntil { row, dead_at } = until.await.map_err(failed)?;
        selected(
            self.embedded(&group.target)?,
            group,
            Moment { row, at: dead_at },
        )
        .await
    }

    async fn start_redrive(
        &self,
        group: Group,
        rate: u32,
        by: &By,
    ) -> Result<Selection, QueueFailure> {
        let selection = self.select_now(group).await?;
        if selection.count == 0 {
            let why = "There are no dead letters for this reason any more.";
            return Err(QueueFailure::NotFound(why.to_owned()));
        }
        let target = &selection.target;
        let turn = self.looking.try_lock();
        let letters = match self.of_sqs(target) {
            Some(_) if turn.is_err() => {
                return Err(QueueFailure::Conflict(BEING_LOOKED_AT.to_owned()));
            }
            Some(sqs) => Letters::Sqs(sqs.clone(), sqs.messages(&selection)?),
            None => Letters::Embedded(Box::new(self.embedded(target)?.clone())),
        };
        let started = self
            .redrives
            .redrive(letters, selection.clone(), rate, by, now());
        drop(turn);
        *self.grouped.lock().await = None;
        match started {
            true => Ok(selection),
            false => Err(busy(&selection.target)),
        }
    }

    /// Deletes a selection. Goes on when nobody waits for it any more: the person has confirmed it.
    async fn delete_selected(
        &self,
        selection: Selection,
        by: &By,
    ) -> Result<Deletion, QueueFailure> {
        if self.redrives.runs(&selection.target) {
            return Err(busy(&selection.target));
        }
        if let Some(sqs) = self.of_sqs(&selection.target) {
            return self.delete_of_sqs(sqs, selection, by).await;
        }
        let queue = self.embedded(&selection.target)?.clone();
        let (grouped, by) = (self.grouped.clone(), by.clone());
        let deleting = self.redrives.spawn(async move {
            let deleted = delete(&queue, selection, &by).await;
            *grouped.lock().await = None;
            deleted
        });
        deleting.await.map_err(panicked)?.map(Deletion::Done)
    }

    /// Deletes a selection in SQS, and waits for the end if that comes soon.
    async fn delete_of_sqs(
        &self,
        sqs: &Arc<SqsTarget>,
        selection: Selection,
        by: &By,
    ) -> Result<Deletion, QueueFailure> {
        let started = {
            let turn = self.looking.try_lock();
            let _turn = turn.map_err(|_| QueueFailure::Conflict(BEING_LOOKED_AT.to_owned()))?;
            let messages = sqs.messages(&selection)?;
            let Selection { target, key, .. } = selection;
            // With the reason, which the request does not name.
            let selection = sqs.select(Group { target, key })?;
            let letters = (sqs.clone(), messages);
            self.redrives.delete(letters, selection, by, now())
        };
        let deletion = started.ok_or_else(|| busy(sqs.name()))?;
        let ended = tokio::time::timeout(DELETING, deletion.ended()).await;
        match ended {
            Ok((done, RedriveEnd::Finished | RedriveEnd::Cancelled)) => Ok(Deletion::Done(done)),
            Ok((done, RedriveEnd::Failed { error })) => {
                let why = format!("{done} dead letters were deleted, and then: {error}");
                Err(QueueFailure::Failed(why))
            }
            Err(_) => Ok(Deletion::Runs),
        }
    }
}

impl QueueLine for ProxyQueue {
    fn dead_letter_count(&self) -> Option<u64> {
        self.dead_letters.get()
    }

    fn state(&self) -> Answer<'_, QueueState> {
        Box::pin(async {
            // First: the counts of an answer that says that a redrive has ended are those after it.
            let (begun, redrives) = (Instant::now(), self.redrives.states());
            let mut targets = Vec::new();
            for target in &self.targets {
                targets.push(target_state(target, &self.pipelines).await);
            }
            self.dead_letters.set(begun, dead_letters_of(&targets));
            let is_sqs = self
                .targets
                .iter()
                .any(|target| matches!(target.queue, Queue::Sqs(_)));
            QueueState {
                kind: if is_sqs { "SQS" } else { "embedded" },
                targets,
                sources: self.sources.clone(),
                redrives,
            }
        })
    }

    fn dead_letters(&self) -> Answer<'_, Result<DeadLetters, QueueFailure>> {
        Box::pin(self.groups())
    }

    fn look<'a>(&'a self, by: &'a By) -> Answer<'a, Result<DeadLetters, QueueFailure>> {
        Box::pin(self.look_at_all(by))
    }

    fn select(&self, group: Group) -> Answer<'_, Result<Selection, QueueFailure>> {
        Box::pin(self.select_now(group))
    }

    fn redrive<'a>(
        &'a self,
        group: Group,
        rate: u32,
        by: &'a By,
    ) -> Answer<'a, Result<Selection, QueueFailure>> {
        Box::pin(self.start_redrive(group, rate, by))
    }

    fn cancel<'a>(&'a self, target: &'a str, by: &'a By) -> Answer<'a, bool> {
        Box::pin(async move {
            let is_cancelled = self.redrives.cancel(target);
            if is_cancelled {
                info!(
                    target,
                    key = by.as_deref(),
                    "redrive or deletion is being cancelled"
                );
            }
            is_cancelled
        })
    }

    fn delete<'a>(
        &'a self,
        selection: Selection,
        by: &'a By,
    ) -> Answer<'a, Result<Deletion, QueueFailure>> {
        Box::pin(self.delete_selected(selection, by))
    }
}

/// The moment, as the queue has it.
pub(super) fn moment(until: Moment) -> LettersUntil {
    LettersUntil {
        row: until.row,
        dead_at: until.at,
    }
}

#[cfg(test)]
mod tests;
