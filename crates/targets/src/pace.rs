//! How fast a target is posted to: never faster than its budget, and slower when it says so.
//!
//! What a target refuses for now (too many requests, overloaded, not there) is posted again in its turn while there is
//! time: a wait in the queue would be longer than what the rate needs. Posts are let through one after another, in
//! the order in which they came. Used by the targets behind a network; what is no refusal is their caller's business.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{Delivery, DeliveryReport, Failure, Reason, Scope};

/// Posts for each that is taken. More are wasted, and the rate goes down; fewer only say that others share the quota,
/// or that refusals have nothing to do with our rate. At three in five refused, the rate has to stay.
const POSTS_FOR_ONE: f64 = 4.0;

/// Answers after which the rate is looked at: with fewer, three in five refused by chance would slow us down.
const WINDOW: u32 = 16;

/// Posts in a row that are taken before the rate goes up: a target that is back is not kept waiting for a window.
const ALL_WELL: u32 = 4;

/// The slowest, in posts a second: as good as nothing for a target, and soon enough to see that it is back.
const SLOWEST: f64 = 1.0;

/// Where slowing down begins without a budget, and where it ends.
const FIRST_RATE: f64 = 100.0;
const NO_RATE: f64 = 1_000.0;

/// How much of the budget may go at once. The service counts by its own clock, and a full second's burst on top of a
/// steady rate would be over it.
const BURST: Duration = Duration::from_millis(500);

/// A target that has taken nothing for so long, or asks to be left alone for longer, is the queue's to wait for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest that a target is left alone, whatever it asks for: the queue's longest wait. Then one event asks again.
const LONGEST: Duration = Duration::from_secs(900);

/// Before the second try after a hiccup, and how soon a failure has to come to be one.
const HICCUP: Duration = Duration::from_millis(100);
const QUICK: Duration = Duration::from_secs(2);

/// A post is not begun with less time than this: it would be given up while the target is at it.
const LEAST: Duration = Duration::from_secs(1);

/// The pace of all posts to one target.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Whose turn it is: one permit, given out in order, held while waiting.
    line: Arc<Semaphore>,
    learnt: Arc<Mutex<Learnt>>,
}

/// Pure.
#[derive(Debug)]
struct Learnt {
    /// Posts a second at most; infinite without a budget.
    budget: f64,
    rate: f64,
    /// When the last post was due: what is left of the burst counts from there.
    last: Instant,
    /// Until when the target asked to be left alone.
    alone: Instant,
    taken: u32,
    refused: u32,
    /// The first refusal after the last post that was taken.
    dry_since: Option<Instant>,
    /// When it was left to the queue, and why: those who wait for their turn since before need not ask again.
    left: Option<(Instant, Failure)>,
}

impl Pace {
    /// At most `budget` posts a second.
    pub(crate) fn new(budget: Option<u32>) -> Pace {
        Pace {
            line: Arc::new(Semaphore::new(1)),
            learnt: Arc::new(Mutex::new(Learnt::new(
                budget.map_or(f64::INFINITY, f64::from),
                Instant::now(),
            ))),
        }
    }

    /// Posts until there is an answer that is more than "not now", or no time is left. `post` is given its time.
    pub(crate) async fn deliver<F>(
        &self,
        until: Instant,
        post: impl Fn(Duration) -> F + Send,
    ) -> DeliveryReport
    where
        F: Future<Output = Delivery> + Send,
    {
        let (mut tries, came) = (DeliveryReport::default(), Instant::now());
        loop {
            if let Err(left_alone) = self.turn(came, until).await {
                // What it said before is more than that there was no time; and there is nothing to double about it.
                let said = match tries.delivery.take() {
                    Some(Delivery::Transient(failure)) => Some(Failure {
                        scope: Scope::Event,
                        after: failure.after.or(Some(PATIENCE)),
                        ..failure
                    }),
                    Some(_) | None => left_alone,
                };
                tries.delivery = said.map(Delivery::Transient);
                return tries;
            }
            let begun = Instant::now();
            let delivery = post(until.saturating_duration_since(begun)).await;
            let now = Instant::now();
            tries.attempts += 1;
            let again = match &delivery {
                Delivery::Transient(failure) if slow_down(failure) => {
                    tries.throttled += 1;
                    self.learnt().refuse(failure, now)
                }
                Delivery::Transient(failure) => {
                    let hiccup = failure.reason == Reason::Unavailable && now - begun < QUICK;
                    if hiccup && tries.attempts == 1 {
                        sleep(HICCUP).await;
                    }
                    hiccup && tries.attempts == 1
                }
                Delivery::Delivered { .. } | Delivery::Permanent(_) => {
                    self.learnt().take();
                    false
                }
            };
            tries.delivery = Some(delivery);
            if !again {
                return tries;
            }
        }
    }

    /// Lets nobody through any more.
    pub(crate) fn stop(&self) {
        self.line.close();
    }

    /// Waits for its turn, since it `came`. Errors: there is no time for one, or the target wants to be left alone, or took
    /// nothing for too long.
    async fn turn(&self, came: Instant, until: Instant) -> Result<(), Option<Failure>> {
        let until = until.checked_sub(LEAST).unwrap_or(until);
        let Ok(Ok(_line)) = timeout_at(until, self.line.acquire()).await else {
            return Err(None);
        };
        loop {
            let now = Instant::now();
            let due = {
                let mut learnt = self.learnt();
                if learnt.alone > now + PATIENCE {
                    return Err(Some(left_alone(learnt.alone - now)));
                }
                if let Some((_, failure)) = learnt.left.as_ref().filter(|(at, _)| *at >= came) {
                    return Err(Some(failure.clone()));
                }
                let due = learnt.due();
                if due <= now && now < until {
                    learnt.go(now);
                    return Ok(());
                }
                due
            };
            if due >= until {
                return Err(None);
            }
            sleep_until(due).await; // then look again: meanwhile the target may have said more
        }
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it says: not now, whatever you send.
fn slow_down(failure: &Failure) -> bool {
    failure.scope == Scope::Target
        && matches!(failure.reason, Reason::Throttled | Reason::Unavailable)
}

fn left_alone(time: Duration) -> Failure {
    Failure {
        after: Some(time),
        ..Failure::new(
            Reason::Throttled,
            Scope::Target,
            "not tried: the target asked to be left alone",
        )
    }
}

impl Learnt {
    fn new(budget: f64, now: Instant) -> Learnt {
        Learnt {
            budget,
            rate: budget,
            last: now.checked_sub(BURST).unwrap_or(now),
            alone: now,
            taken: 0,
            refused: 0,
            dry_since: None,
            left: None,
        }
    }

    /// When the next post may go.
    fn due(&self) -> Instant {
        (self.last + Duration::from_secs_f64(1.0 / self.rate)).max(self.alone)
    }

    /// Lets a post go.
    fn go(&mut self, now: Instant) {
        self.last = self.due().max(now.checked_sub(BURST).unwrap_or(now));
    }

    fn take(&mut self) {
        self.taken += 1;
        self.dry_since = None;
        self.left = None;
        self.look();
    }

    /// Whether it is worth while to post again soon.
    fn refuse(&mut self, failure: &Failure, now: Instant) -> bool {
        self.refused += 1;
        self.look();
        let dry_since = *self.dry_since.get_or_insert(now);
        let after = failure.after.map(|after| after.min(LONGEST));
        if let Some(after) = after {
            self.alone = self.alone.max(now + after);
        }
        let again = after.is_none_or(|after| after <= PATIENCE) && now - dry_since < PATIENCE;
        if !again {
            self.left = Some((now, failure.clone()));
        }
        again
    }

    fn look(&mut self) {
        let all_well = self.refused == 0 && self.taken >= ALL_WELL;
        if !all_well && self.taken + self.refused < WINDOW {
            return;
        }
        let share = f64::from(self.taken) / f64::from(self.taken + self.refused);
        let rate = match self.rate.is_finite() {
            true => self.rate * (share * POSTS_FOR_ONE).clamp(0.25, 4.0),
            false if share * POSTS_FOR_ONE < 1.0 => FIRST_RATE,
            false => f64::INFINITY,
        };
        let rate = if rate > NO_RATE { f64::INFINITY } else { rate };
        self.rate = rate.max(SLOWEST).min(self.budget);
        (self.taken, self.refused) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(after: Option<Duration>) -> Failure {
        Failure {
            after,
            ..Failure::new(Reason::Throttled, Scope::Target, "not now")
        }
    }

    #[tokio::test]
    async fn when_a_target_takes_nothing_those_who_waited_do_not_ask_one_by_one() {
        let pace = Pace::new(Some(20));
        let now = Instant::now();
        assert!(pace.learnt().refuse(&refusal(None), now - PATIENCE));
        assert!(!pace.learnt().refuse(&refusal(None), now + PATIENCE));
        let post = |_| async { unreachable!("it is left to the queue") };
        let tries = pace.deliver(now + PATIENCE, post).await;
        assert_eq!(tries.attempts, 0);
        assert!(
            matches!(tries.delivery, Some(Delivery::Transient(failure)) if failure.scope == Scope::Target)
        );
        // Who comes later asks, and with an answer all is well again.
        pace.learnt().left = Some((now - PATIENCE, refusal(None)));
        let post = |_| async { Delivery::Delivered { id: None } };
        assert_eq!(pace.deliver(now + PATIENCE, post).await.attempts, 1);
        assert!(pace.learnt().left.is_none());
    }

    #[test]
    fn who_asks_to_be_left_alone_for_ever_is_asked_again_after_a_while() {
        let now = Instant::now();
        let mut learnt = Learnt::new(20.0, now);
        assert!(!learnt.refuse(&refusal(Some(Duration::MAX)), now));
        assert_eq!(learnt.alone, now + LONGEST);
    }

    /// Takes `rate` events a second, in small bursts, and refuses the others.
    struct Bucket {
        rate: f64,
        tokens: f64,
        filled: Instant,
    }

    impl Bucket {
        fn takes(&mut self, now: Instant) -> bool {
            let more = (now - self.filled).as_secs_f64() * self.rate;
            (self.tokens, self.filled) = ((self.tokens + more).min(1.0 + self.rate / 10.0), now);
            let takes = self.tokens >= 1.0;
            self.tokens -= if takes { 1.0 } else { 0.0 };
            takes
        }
    }

    /// Posts until `count` are taken, as fast as may be, to a target that answers at once. Gives seconds and posts.
    fn play(
        learnt: &mut Learnt,
        begun: Instant,
        count: u32,
        mut takes: impl FnMut(Instant) -> bool,
    ) -> (f64, u32) {
        let (mut now, mut posts, mut taken) = (begun, 0, 0);
        while taken < count {
            now = now.max(learnt.due());
            learnt.go(now);
            posts += 1;
            match takes(now) {
                true => {
                    learnt.take();
                    taken += 1;
                }
                false => {
                    learnt.refuse(&refusal(None), now);
                }
            }
        }
        ((now - begun).as_secs_f64(), posts)
    }

    #[test]
    fn a_slow_target_gets_what_it_takes_in_the_time_it_needs_with_few_posts_more() {
        let cases = [
            (20.0, 2.0),
            (20.0, 5.0),
            (20.0, 20.0),
            (f64::INFINITY, 2.0),
            (f64::INFINITY, 20.0),
        ];
        for (budget, rate) in cases {
            let filled = Instant::now();
            let mut bucket = Bucket {
                rate,
                tokens: 1.0,
                filled,
            };
            let mut learnt = Learnt::new(budget, filled);
            let (seconds, posts) = play(&mut learnt, filled, 200, |now| bucket.takes(now));
            let needed = 200.0 / rate;
            assert!(seconds < 1.1 * needed, "{seconds} s, needed {needed} s");
            assert!(posts < 200 * 5 + 100, "{posts} posts at {rate} a second");
        }
    }

    #[test]
    fn refusals_by_lot_do_not_slow_it_down() {
        let mut drawn = 1u32;
        let takes = |_| {
            drawn = drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (drawn >> 16) % 10 >= 6
        };
        let begun = Instant::now();
        let (seconds, posts) = play(&mut Learnt::new(20.0, begun), begun, 400, takes);
        let needed = f64::from(posts) / 20.0;
        assert!(seconds < 1.1 * needed, "{seconds} s, needed {needed} s");
    }

    #[test]
    fn it_recovers_when_the_target_does() {
        let begun = Instant::now();
        let mut learnt = Learnt::new(20.0, begun);
        let mut posts = 0;
        let down = |_| {
            posts += 1;
            posts > 100
        };
        play(&mut learnt, begun, 1, down);
        assert!(learnt.rate <= SLOWEST, "{learnt:?}");
        play(&mut learnt, begun, 100, |_| true);
        assert_eq!(learnt.rate, 20.0);
    }

    #[test]
    fn it_gives_up_on_a_target_that_takes_nothing_or_wants_to_be_left_alone() {
        let now = Instant::now();
        let mut learnt = Learnt::new(20.0, now);
        let second = Duration::from_secs(1);
        assert!(learnt.refuse(&refusal(Some(second)), now));
        assert_eq!(learnt.due(), now + second);
        assert!(!learnt.refuse(&refusal(Some(60 * second)), now + second));
        assert_eq!(learnt.due(), now + 61 * second);
        learnt.take();
        assert!(learnt.refuse(&refusal(None), now + 61 * second));
        assert!(!learnt.refuse(&refusal(None), now + 66 * second));
    }
}
