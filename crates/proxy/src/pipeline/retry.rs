//! Decides what an attempt means for an event: delivered, another attempt after some time, or a dead letter.
//!
//! Pure. Called by the state machine of a run's delivery (`delivery.rs`) and by the stages before it.

use std::time::Duration;

use targets::{Delivery, Failure, Reason, Scope};

use super::outcome::Outcome;
use crate::queue::{BodyError, Settlement};

/// The shortest and the longest backoff. Doubling takes eight attempts from one to the other; with the default of 100
/// attempts an event survives an outage of about a day.
const FIRST_BACKOFF: Duration = Duration::from_secs(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(900);

/// The longest delay of an event that was not attempted in time: about as long as a batch takes, so that the target
/// does not idle.
const LONGEST_POSTPONEMENT: Duration = Duration::from_secs(30);

/// The number of attempts for which a failing event blocks the later ones of its run: enough for a hiccup. After that
/// the order is given up, so that one event that always fails does not block its run for ever.
const ORDERED_ATTEMPTS: u32 = 3;

/// The error of a dead letter that made this program panic.
pub(super) const BUG: &str = "lineage-proxy panicked on this event; please report it";

/// How an attempt to deliver an event ended.
#[derive(Debug, Clone)]
pub(super) enum Attempt {
    /// The target responded, or the request to it failed.
    Answered(Delivery),
    /// Not attempted, because another event failed in a way that this one would, too.
    Skipped(Failure),
    /// The deadline passed.
    OutOfTime,
    /// The process is stopping.
    Stopped,
}

/// The policy of retries.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    /// The number of attempts after which an event becomes a dead letter. The queue also counts deliveries of the
    /// message that were not attempted at the target.
    pub(super) max_attempts: u32,
}

impl RetryPolicy {
    /// Returns the outcome of an attempt for an event that was received `attempts` times. `backoff` computes the delay after a
    /// transient failure of this event or of one before it, unless the target asks for another delay. It has to be the same
    /// for all parts of a merged event, so that they are received together again.
    pub(super) fn outcome(
        self,
        attempt: &Attempt,
        attempts: u32,
        backoff: impl FnOnce() -> Duration,
    ) -> Outcome {
        match attempt {
            Attempt::Answered(Delivery::Delivered { id }) => Outcome::Delivered {
                id: id.clone(),
                already_there: false,
            },
            Attempt::Answered(Delivery::AlreadyThere) => Outcome::Delivered {
                id: None,
                already_there: true,
            },
            Attempt::Answered(Delivery::Unchanged { reason }) => Outcome::Unchanged {
                reason: reason.clone(),
            },
            Attempt::Answered(Delivery::Permanent(failure)) => {
                Outcome::dead_letter(failure.reason, &failure.message)
            }
            Attempt::Answered(Delivery::Transient(failure)) => {
                let after = failure
                    .after
                    .map_or_else(backoff, |asked| asked.clamp(FIRST_BACKOFF, LONGEST_BACKOFF));
                self.retry(failure.reason, failure.message.clone(), after, attempts)
            }
            Attempt::Skipped(failure) => {
                let error = format!("not attempted: another event failed: {}", failure.message);
                let after = failure
                    .after
                    .map_or_else(backoff, |asked| asked.min(LONGEST_BACKOFF));
                self.retry(failure.reason, error, after, attempts)
            }
            Attempt::OutOfTime => self.out_of_time(attempts),
            Attempt::Stopped => stopped(),
        }
    }

    /// Returns the outcome of an event for which the batch had no time left.
    pub(super) fn out_of_time(self, attempts: u32) -> Outcome {
        let error = "not attempted in time: the target is slow".to_owned();
        self.retry(Reason::OutOfTime, error, postponement(attempts), attempts)
    }

    /// Returns the outcome of an event when the rules used up the time of the batch.
    pub(super) fn rules_slow(self, attempts: u32) -> Outcome {
        let error = "not attempted in time: the rules are slow".to_owned();
        self.retry(Reason::RulesSlow, error, postponement(attempts), attempts)
    }

    /// Returns the outcome of a record whose body was too large for the queue and could not be fetched.
    pub(super) fn without_body(self, error: BodyError, id: &str, attempts: u32) -> Outcome {
        match error {
            BodyError::Gone(why) => Outcome::dead_letter(Reason::Body, why),
            BodyError::Unavailable(why) => {
                self.retry(Reason::Body, why, backoff(id, attempts), attempts)
            }
            BodyError::Later => self.out_of_time(attempts),
        }
    }

    /// Returns the settlement of a record whose batch panicked. Only a record that was processed alone can be the
    /// cause. It is retried at first, because there may be another cause.
    pub(super) fn after_panic(self, id: &str, attempts: u32, alone: bool) -> Settlement {
        match alone && attempts >= self.max_attempts {
            true => Settlement::DeadLetter(format!("{}: {BUG}", Reason::Bug.name())),
            // Alone it is the cause, so it backs off. In a shared batch nearly all are not: they are redelivered
            // together, which keeps their order, and soon, while the deduplication cache still knows those that were
            // delivered.
            false if alone => Settlement::Retry(backoff(id, attempts)),
            false => Settlement::Retry(Duration::ZERO),
        }
    }

    fn retry(self, reason: Reason, error: String, after: Duration, attempts: u32) -> Outcome {
        if attempts >= self.max_attempts {
            let error = format!("{error} (no retry after {attempts} attempts)");
            return Outcome::dead_letter(reason, error);
        }
        Outcome::Retry {
            reason,
            after,
            error,
        }
    }
}

/// Returns the outcome of an event that is not attempted because the process is stopping. Never a dead letter, however often it
/// was received.
pub(super) fn stopped() -> Outcome {
    Outcome::Retry {
        reason: Reason::Stopping,
        after: Duration::ZERO,
        error: "not attempted: the proxy is stopping".to_owned(),
    }
}

/// Whether an event with that many attempts keeps its place in its run: the later ones wait for it, and it waits for
/// the earlier ones.
pub(super) fn keeps_order(attempts: u32) -> bool {
    attempts <= ORDERED_ATTEMPTS
}

/// Returns why the later events of the run have to wait for the next attempt of this one, if they have to.
pub(super) fn blocks_run(attempt: &Attempt, attempts: u32) -> Option<Failure> {
    match attempt {
        Attempt::Skipped(failure) => Some(failure.clone()),
        Attempt::Answered(Delivery::Transient(failure)) => {
            // A target that accepts nothing is not the fault of the event, so the order is kept.
            let blocks = failure.scope == Scope::Target || keeps_order(attempts);
            blocks.then(|| failure.clone())
        }
        Attempt::OutOfTime | Attempt::Stopped => Some(Failure {
            reason: Reason::Unavailable,
            scope: Scope::Event,
            message: "there was no time for an earlier event of its run".to_owned(),
            after: None,
        }),
        Attempt::Answered(
            Delivery::Delivered { .. }
            | Delivery::AlreadyThere
            | Delivery::Unchanged { .. }
            | Delivery::Permanent(_),
        ) => None,
    }
}

/// Returns why the parts of a merged event are delivered separately, if they are: the target rejected it, or it failed
/// too often.
pub(super) fn separates(attempt: &Attempt, attempts: u32) -> Option<&str> {
    match attempt {
        Attempt::Answered(Delivery::Permanent(failure)) => Some(&failure.message),
        Attempt::Answered(Delivery::Transient(failure))
            if failure.scope == Scope::Event && !keeps_order(attempts) =>
        {
            Some(&failure.message)
        }
        Attempt::Answered(
            Delivery::Transient(_)
            | Delivery::Delivered { .. }
            | Delivery::AlreadyThere
            | Delivery::Unchanged { .. },
        )
        | Attempt::Skipped(_)
        | Attempt::OutOfTime
        | Attempt::Stopped => None,
    }
}

/// Returns the backoff: doubled with each attempt, less up to a fifth that depends on the id, so that events that
/// failed together are not retried together.
pub(super) fn backoff(id: &str, attempts: u32) -> Duration {
    let doubled = FIRST_BACKOFF * 2u32.saturating_pow(attempts.saturating_sub(1).min(16));
    let spread = id.bytes().fold(0u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    }) % 200;
    doubled.min(LONGEST_BACKOFF) * (1_000 - spread) / 1_000
}

/// Returns the delay of an event that was not attempted: short at first, and longer later, because the queue counts
/// each delivery.
fn postponement(attempts: u32) -> Duration {
    let doubled = 2u32.saturating_pow(attempts.saturating_sub(ORDERED_ATTEMPTS).min(16));
    (Duration::from_secs(1) * doubled).min(LONGEST_POSTPONEMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { max_attempts: 5 };

    fn throttled(after: Option<Duration>) -> Attempt {
        Attempt::Answered(Delivery::Transient(Failure {
            reason: Reason::Throttled,
            scope: Scope::Event,
            message: "slow down".into(),
            after,
        }))
    }

    #[test]
    fn backoff_grows_to_a_quarter_of_an_hour() {
        let waits = [1, 2, 5, 9, 99].map(|attempts| backoff("a", attempts).as_secs());
        assert_eq!(waits, [4, 9, 72, 812, 812]);
    }

    #[test]
    fn a_target_may_ask_for_its_own_wait() {
        let asked = throttled(Some(Duration::from_secs(30)));
        let outcome = POLICY.outcome(&asked, 1, || FIRST_BACKOFF);
        assert!(matches!(outcome, Outcome::Retry { after, .. } if after.as_secs() == 30));
    }

    #[test]
    fn the_last_attempt_that_fails_is_a_dead_letter() {
        let outcome = POLICY.outcome(&throttled(None), 5, || FIRST_BACKOFF);
        let Outcome::DeadLettered { error, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(error, "throttled: slow down (no retry after 5 attempts)");
    }

    #[test]
    fn an_event_that_was_not_attempted_is_retried_soon_at_first_and_later_less_often() {
        let policy = RetryPolicy { max_attempts: 100 };
        let wait = |attempts| {
            let outcome = policy.out_of_time(attempts);
            let Outcome::Retry { after, .. } = outcome else {
                panic!("{outcome:?}");
            };
            after.as_secs()
        };
        assert_eq!([1, 3, 4, 6, 9, 99].map(wait), [1, 1, 2, 8, 30, 30]);
    }

    #[test]
    fn an_event_that_panics_alone_is_retried_and_becomes_a_dead_letter_in_the_end() {
        let retried = POLICY.after_panic("a", 4, true);
        assert!(matches!(retried, Settlement::Retry(after) if !after.is_zero()));
        let given_up = POLICY.after_panic("a", 5, true);
        assert!(matches!(given_up, Settlement::DeadLetter(error) if error.starts_with("bug: ")));
        // In a shared batch the cause is unknown.
        assert!(matches!(
            POLICY.after_panic("a", 9, false),
            Settlement::Retry(_)
        ));
    }
}
