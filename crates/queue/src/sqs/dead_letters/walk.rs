//! Visits each dead letter of an SQS queue once.
//!
//! Those that stay are invisible to others until the walk ends, so that none is received twice: their visibility timeouts are renewed
//! however long it takes. What the walk does to them is decided by its caller.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{INVISIBLE, SqsDeadLetters, SqsLetter};
use crate::sqs::message::MAX_ENTRIES;
use crate::{QueueError, now};

/// When the visibility timeout of a dead letter is renewed. Two thirds of it are left then for what is done to one.
const RENEWAL: Duration = Duration::from_secs(40);

/// The most dead letters that are held at once, some 30 MB. SQS has a quota of 120,000 messages in flight, and at the quota a long poll
/// finds nothing and tells no error.
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>)
const MAX_HELD: usize = 100_000;

/// How many pages in a row without a new dead letter end a walk: SQS may deliver one twice.
const MAX_IDLE: u32 = 3;

/// How many pages in a row with nothing but what became a dead letter since the walk began end it: while a target is down there
/// would be no end, and all of them would be hidden from others. One in each poll is seen for 40 seconds.
const MAX_NEW: u32 = 20;

/// How many requests are made at once.
const CONCURRENCY: usize = 8;

/// A walk over the dead letters of a queue. [`SqsWalk::end`] makes those that stay visible again; otherwise they are after two
/// minutes.
#[derive(Debug)]
pub struct SqsWalk<'q> {
    queue: &'q SqsDeadLetters,
    /// The ids of the messages that were received.
    seen: HashSet<String>,
    /// Those that are to be visited.
    page: VecDeque<SqsLetter>,
    /// When they were received, or renewed.
    page_at: Instant,
    /// The one that is being visited.
    current: Option<SqsLetter>,
    held: Held,
    idle: u32,
    /// When it began, in milliseconds since 1970.
    began_at: i64,
    /// How many pages in a row had nothing that was there then.
    new: u32,
}

/// The receipts of the dead letters that stay, the one that was renewed longest ago first.
#[derive(Debug, Default)]
struct Held(VecDeque<(Instant, String)>);

impl SqsDeadLetters {
    /// Begins a walk.
    #[must_use]
    pub fn walk(&self) -> SqsWalk<'_> {
        SqsWalk {
            queue: self,
            seen: HashSet::new(),
            page: VecDeque::new(),
            page_at: Instant::now(),
            current: None,
            held: Held::default(),
            idle: 0,
            began_at: now(),
            new: 0,
        }
    }
}

impl SqsWalk<'_> {
    /// Returns the next dead letter, after two seconds none if there are no more. The one before stays a dead letter, unless
    /// [`SqsWalk::removed`] was called for it. Not to be cancelled: what it receives would be invisible for two minutes.
    pub async fn next(&mut self) -> Result<Option<&SqsLetter>, QueueError> {
        self.keep();
        loop {
            self.renew().await?;
            if let Some(letter) = self.page.pop_front() {
                return Ok(Some(self.current.insert(letter)));
            }
            if self.held.0.len() >= MAX_HELD {
                let why = format!(
                    "more than {MAX_HELD} dead letters stay, which SQS does not hide at once: redrive or delete those for other reasons first"
                );
                return Err(QueueError(why));
            }
            if !self.receive().await? {
                return Ok(None);
            }
        }
    }

    /// Notes that the dead letter that is visited is one no longer.
    pub fn removed(&mut self) {
        self.current = None;
    }

    /// Makes the dead letters that stay visible again.
    pub async fn end(mut self) -> Result<(), QueueError> {
        self.keep();
        let page = self.page.iter().map(receipt);
        let held = self.held.0.into_iter().map(|(_, receipt)| receipt);
        let receipts: Vec<String> = held.chain(page).collect();
        self.queue.hide(&receipts, Duration::ZERO).await.1
    }

    fn keep(&mut self) {
        if let Some(letter) = self.current.take() {
            self.held.0.push_back((self.page_at, receipt(&letter)));
        }
    }

    /// Receives the next page. Returns whether there may be more.
    async fn receive(&mut self) -> Result<bool, QueueError> {
        self.page_at = Instant::now();
        let received = self.queue.page().await?;
        let is_empty = received.is_empty();
        for letter in received {
            match self.seen.insert(letter.queue_id().to_owned()) {
                true => self.page.push_back(letter),
                // Its timeout has ended all the same: its new receipt is the one that counts.
                false => self.held.0.push_back((self.page_at, receipt(&letter))),
            }
        }
        self.idle = match self.page.is_empty() {
            true => self.idle + 1,
            false => 0,
        };
        let was_there = |letter: &SqsLetter| letter.letter.dead_at <= self.began_at;
        self.new = match self.page.iter().any(was_there) {
            true => 0,
            false => self.new + 1,
        };
        Ok(!is_empty && self.idle < MAX_IDLE && self.new < MAX_NEW)
    }

    /// Renews the visibility timeouts that have run for long. One that cannot be renewed has ended, or SQS has no more of its
    /// twelve hours.
    async fn renew(&mut self) -> Result<(), QueueError> {
        let now = Instant::now();
        if !self.page.is_empty() && self.page_at + RENEWAL <= now {
            let receipts: Vec<String> = self.page.iter().map(receipt).collect();
            self.queue.hide(&receipts, INVISIBLE).await.1?;
            self.page_at = now;
        }
        let due = self.held.take_due(now);
        if !due.is_empty() {
            let (valid, hidden) = self.queue.hide(&due, INVISIBLE).await;
            // All of them: those of which that is not known are made visible at the end, too.
            let kept = if hidden.is_ok() { valid } else { due };
            self.held.0.extend(kept.into_iter().map(|it| (now, it)));
            hidden?;
        }
        Ok(())
    }
}

impl Held {
    /// Takes out those whose timeouts have to be renewed.
    fn take_due(&mut self, now: Instant) -> Vec<String> {
        let mut due = Vec::new();
        while let Some((_, receipt)) = self.0.pop_front_if(|(at, _)| *at + RENEWAL <= now) {
            due.push(receipt);
        }
        due
    }
}

impl SqsDeadLetters {
    /// Makes dead letters invisible for this time from now on, by their receipts; visible at once if it is zero. Goes on after an
    /// error. Returns the receipts that are still valid, and the first error.
    async fn hide(
        &self,
        receipts: &[String],
        time: Duration,
    ) -> (Vec<String>, Result<(), QueueError>) {
        let (mut valid, mut hidden) = (Vec::new(), Ok(()));
        for some in receipts.chunks(MAX_ENTRIES * CONCURRENCY) {
            let requests = some
                .chunks(MAX_ENTRIES)
                .map(|chunk| self.hide_some(chunk, time));
            for answer in join_all(requests).await {
                match answer {
                    Ok(some) => valid.extend(some),
                    Err(error) => hidden = hidden.and(Err(error)),
                }
            }
        }
        (valid, hidden)
    }
}

fn receipt(letter: &SqsLetter) -> String {
    letter.receipt().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_renewed_when_a_third_of_its_timeout_has_passed() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut held = Held::default();
        for n in 0..3 {
            held.0.push_back((after(10 * n), n.to_string()));
        }
        assert!(held.take_due(after(39)).is_empty());
        assert_eq!(held.take_due(after(50)), ["0", "1"]);
        held.0.push_back((after(50), "0".to_owned()));
        assert_eq!(held.take_due(after(89)), ["2"]);
        assert_eq!(held.take_due(after(90)), ["0"]);
        assert!(RENEWAL * 3 <= INVISIBLE);
    }
}
