//! Asks the state machine of `delivery.rs` what becomes of a batch, after each attempt of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use targets::{Failure, Scope};

use super::super::super::{delivered, failed, failure, outbound};
use super::MAX_ATTEMPTS;
use crate::pipeline::delivery::RunDelivery;
use crate::pipeline::ordering::Block;
use crate::pipeline::retry::{Attempt, RetryPolicy};
use crate::queue::Settlement;

/// How long a block from an earlier batch still lasts: any time.
const LEFT: Duration = Duration::from_secs(7);

/// An event in hand: its number, and how often it was received.
pub(super) type Item = (usize, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Post {
    Delivered,
    /// The target has it, and the proxy does not know.
    AnswerIsLost,
    Failed,
    OutOfTime,
    /// After one that was out of time.
    NoTimeEither,
}

impl Post {
    pub(super) fn is_fault(self) -> bool {
        match self {
            Post::AnswerIsLost | Post::Failed | Post::OutOfTime => true,
            Post::Delivered | Post::NoTimeEither => false,
        }
    }
}

/// What the state machine makes of a batch after some attempts.
#[derive(Clone, Debug)]
pub(super) struct Replay {
    /// The event to attempt next.
    pub(super) next: Option<usize>,
    pub(super) decided: Vec<(usize, Decision)>,
    pub(super) blocked_by: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Done,
    Retry,
    DeadLetter,
}

/// A batch, the event that blocks it from an earlier one, and how its attempts have ended.
type Batch = (Vec<Item>, Option<usize>, Vec<Post>);

/// Asks the state machine, once for each case: the model takes millions of steps.
pub(super) fn replay(hand: &[Item], earlier: Option<usize>, posts: &[Post]) -> Replay {
    static KNOWN: Mutex<BTreeMap<Batch, Replay>> = Mutex::new(BTreeMap::new());
    let batch = (hand.to_vec(), earlier, posts.to_vec());
    let mut known = KNOWN.lock().unwrap();
    let replay = || asked(hand, earlier, posts);
    known.entry(batch).or_insert_with(replay).clone()
}

fn asked(hand: &[Item], earlier: Option<usize>, posts: &[Post]) -> Replay {
    let policy = RetryPolicy {
        max_attempts: MAX_ATTEMPTS,
    };
    let block = earlier.map(|by| Block {
        after: LEFT,
        by: by.to_string().into(),
        failure: Failure {
            after: Some(LEFT),
            ..failure(Scope::Event)
        },
    });
    let events = hand.iter().map(|(event, receives)| {
        let id = event.to_string();
        outbound(&[&id], *receives)
    });
    let mut delivery = RunDelivery::new(policy, Vec::from_iter(events), block);
    for post in posts {
        assert!(delivery.next(None).is_some(), "nothing to attempt");
        let attempt = match post {
            Post::Delivered => delivered(),
            Post::AnswerIsLost | Post::Failed => failed(),
            Post::OutOfTime | Post::NoTimeEither => Attempt::OutOfTime,
        };
        delivery.record(&attempt, Duration::ZERO);
    }
    let next = delivery.next(None);
    let next = next.map(|event| number(&event.parts()[0].pending.record.queue_id));
    let (decided, block) = delivery.finish();
    let decided = decided.into_iter().map(|decided| {
        let decision = match decided.outcome.settlement() {
            Settlement::Acknowledge | Settlement::Store(_) => Decision::Done,
            Settlement::DeadLetter(_) => Decision::DeadLetter,
            Settlement::Retry(_) => Decision::Retry,
        };
        (number(&decided.record.queue_id), decision)
    });
    Replay {
        next,
        decided: decided.collect(),
        blocked_by: block.map(|block| number(&block.by)),
    }
}

fn number(id: &str) -> usize {
    id.parse().unwrap()
}
