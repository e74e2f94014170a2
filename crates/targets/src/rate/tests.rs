use proptest::prelude::*;

use super::state::{ALL_ACCEPTED, BURST, MAX_PAUSE, MIN_RATE, STEPS, WINDOW};
use super::*;

fn throttled(after: Option<Duration>) -> Failure {
    Failure {
        after,
        ..Failure::new(Reason::Throttled, Scope::Target, "not now")
    }
}

#[tokio::test]
async fn when_a_target_accepts_nothing_those_who_waited_do_not_ask_one_by_one() {
    let controller = RateController::new(Some(20));
    let now = Instant::now();
    let retry = |at| controller.state().on_throttled(&throttled(None), at);
    assert!(retry(now - PATIENCE));
    assert!(!retry(now + PATIENCE));
    let send = |_| async { unreachable!("it is left to the queue") };
    let report = controller.deliver(now + PATIENCE, send).await;
    assert_eq!(report.attempts, 0);
    assert!(
        matches!(report.delivery, Some(Delivery::Transient(failure)) if failure.scope == Scope::Target)
    );
    // A later one asks, and with its response all is well again.
    controller.state().last_give_up = Some((now - PATIENCE, throttled(None)));
    let send = |_| async { Delivery::Delivered { id: None } };
    let report = controller.deliver(now + PATIENCE, send).await;
    assert_eq!(report.attempts, 1);
    assert!(controller.state().last_give_up.is_none());
}

#[tokio::test]
async fn a_turn_after_the_deadline_ends_at_once() {
    let controller = RateController::new(Some(20));
    tokio::time::sleep(Duration::from_millis(5)).await; // a request is due, and its deadline is later than that
    let send = |_| async { unreachable!("it is too late") };
    let deadline = Instant::now() + MIN_TIME;
    let over = tokio::time::timeout(PATIENCE, controller.deliver(deadline, send)).await;
    assert_eq!(over, Ok(DeliveryReport::default()));
}

#[tokio::test]
async fn after_a_stop_nothing_is_sent() {
    let controller = RateController::new(None);
    controller.stop();
    let send = |_| async { unreachable!("stopped") };
    let report = controller.deliver(Instant::now() + PATIENCE, send).await;
    assert_eq!(report, DeliveryReport::default());
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_another_attempt() {
    let controller = RateController::new(None);
    let wait = controller.sleep_until(Instant::now() + MAX_PAUSE);
    let waited = async { tokio::time::timeout(PATIENCE, wait).await };
    let (waited, ()) = tokio::join!(waited, async { controller.stop() });
    assert_eq!(waited, Ok(()));
}

#[tokio::test]
async fn a_stop_during_a_pause_sends_nothing_more() {
    let controller = RateController::new(None);
    let deadline = Instant::now() + 2 * PATIENCE;
    controller.state().paused_until = Instant::now() + PATIENCE;
    let send = |_| async { unreachable!("stopped") };
    let delivery = controller.deliver(deadline, send);
    let (report, ()) = tokio::join!(delivery, async { controller.stop() });
    assert_eq!(report, DeliveryReport::default());
}

#[test]
fn a_target_that_asks_for_an_endless_pause_is_tried_again_after_a_while() {
    let now = Instant::now();
    let mut state = State::new(20.0, now);
    assert!(!state.on_throttled(&throttled(Some(Duration::MAX)), now));
    assert_eq!(state.paused_until, now + MAX_PAUSE);
}

/// Accepts `rate` events a second, in small bursts, and throttles the others.
struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn accepts(&mut self, now: Instant) -> bool {
        let more = (now - self.filled).as_secs_f64() * self.rate;
        (self.tokens, self.filled) = ((self.tokens + more).min(1.0 + self.rate / 10.0), now);
        let accepts = self.tokens >= 1.0;
        self.tokens -= if accepts { 1.0 } else { 0.0 };
        accepts
    }
}

/// Sends requests until `count` are accepted, as fast as allowed, to a target that answers at once. Returns seconds and
/// requests.
fn play(
    state: &mut State,
    begun: Instant,
    count: u32,
    mut accepts: impl FnMut(Instant) -> bool,
) -> (f64, u32) {
    let (mut now, mut requests, mut accepted) = (begun, 0, 0);
    while accepted < count {
        now = now.max(state.due());
        state.on_sent(now);
        requests += 1;
        match accepts(now) {
            true => {
                state.on_accepted();
                accepted += 1;
            }
            false => {
                state.on_throttled(&throttled(None), now);
            }
        }
    }
    ((now - begun).as_secs_f64(), requests)
}

#[test]
fn a_slow_target_gets_all_it_accepts_in_the_time_it_needs_with_few_wasted_requests() {
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
        let mut state = State::new(budget, filled);
        let (seconds, requests) = play(&mut state, filled, 200, |now| bucket.accepts(now));
        let needed = 200.0 / rate;
        assert!(seconds < 1.1 * needed, "{seconds} s, needed {needed} s");
        assert!(
            requests < 200 * 5 + 100,
            "{requests} requests at {rate} a second"
        );
    }
}

/// A target that accepts so many requests in ten, at random.
fn accepts_at_random(in_ten: u32) -> impl FnMut(Instant) -> bool {
    let mut drawn = 1u32;
    move |_| {
        drawn = drawn.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (drawn >> 16) % 10 >= 10 - in_ten
    }
}

#[test]
fn a_target_that_accepts_one_in_ten_is_sent_about_one_request_a_second() {
    for budget in [20.0, 200.0, f64::INFINITY] {
        let begun = Instant::now();
        let (mut state, mut accepts) = (State::new(budget, begun), accepts_at_random(1));
        play(&mut state, begun, 50, &mut accepts); // it settles
        let later = begun + MAX_PAUSE;
        let (seconds, requests) = play(&mut state, later, 500, &mut accepts);
        let rate = f64::from(requests) / seconds;
        assert!(rate < 2.0 * MIN_RATE, "{budget}: {rate} a second");
    }
}

#[test]
fn throttling_at_random_does_not_lower_the_rate() {
    let begun = Instant::now();
    let (seconds, requests) = play(
        &mut State::new(20.0, begun),
        begun,
        400,
        accepts_at_random(4),
    );
    let needed = f64::from(requests) / 20.0;
    assert!(seconds < 1.1 * needed, "{seconds} s, needed {needed} s");
}

#[test]
fn the_rate_recovers_when_the_target_does() {
    let begun = Instant::now();
    let mut state = State::new(20.0, begun);
    for _ in 0..100 {
        state.on_throttled(&throttled(None), begun);
    }
    assert!(state.rate <= MIN_RATE, "{state:?}");
    play(&mut state, begun, 100, |_| true);
    assert_eq!(state.rate, 20.0);
}

#[test]
fn an_event_is_sent_less_and_less_often_to_a_target_that_accepts_nothing() {
    let (mut refusals, mut sent, mut at) = (Refusals::default(), Vec::new(), Duration::ZERO);
    while at < PATIENCE {
        sent.push(at.as_millis());
        at += refusals.add(7);
    }
    assert_eq!(sent, [0, 0, 100, 300, 700, 1_500, 3_100]);
}

#[test]
fn an_event_that_is_throttled_while_others_are_accepted_is_sent_in_its_next_turn() {
    let mut refusals = Refusals::default();
    let waits: Vec<_> = (1..10).map(|accepted| refusals.add(accepted)).collect();
    assert!(waits.iter().all(Duration::is_zero), "{waits:?}");
}

#[test]
fn after_an_outage_the_rate_is_soon_what_it_was() {
    for (before, budget) in [(200.0, 200.0), (f64::INFINITY, f64::INFINITY)] {
        let begun = Instant::now();
        let mut state = State::new(budget, begun);
        assert_eq!(state.rate, before);
        let mut requests = 0;
        let down = |_| {
            requests += 1;
            requests > 200
        };
        play(&mut state, begun, 1, down);
        let (seconds, _) = play(&mut state, begun + MAX_PAUSE, 100, |_| true);
        assert!(state.rate >= 200.0, "{budget}: {state:?}");
        assert!(seconds < 3.0, "{budget}: {seconds} s");
    }
}

#[test]
fn it_gives_up_on_a_target_that_accepts_nothing_or_asks_for_a_long_pause() {
    let now = Instant::now();
    let mut state = State::new(20.0, now);
    let second = Duration::from_secs(1);
    assert!(state.on_throttled(&throttled(Some(second)), now));
    assert_eq!(state.due(), now + second);
    assert!(!state.on_throttled(&throttled(Some(60 * second)), now + second));
    assert_eq!(state.due(), now + 61 * second);
    state.on_accepted();
    assert!(state.on_throttled(&throttled(None), now + 61 * second));
    assert!(!state.on_throttled(&throttled(None), now + 66 * second));
}

/// What a target answers, after how many milliseconds.
fn answers() -> impl Strategy<Value = Vec<(u64, Option<Option<u64>>)>> {
    let after = prop_oneof![3 => Just(None), 1 => (0u64..2_000).prop_map(Some)];
    let answer = prop_oneof![1 => Just(None), 1 => after.prop_map(Some)];
    proptest::collection::vec((0u64..400, answer), 0..300)
}

/// Sends a request for each response as soon as allowed. Returns when each was sent.
fn replay(
    state: &mut State,
    begun: Instant,
    answers: &[(u64, Option<Option<u64>>)],
) -> Vec<Instant> {
    let mut now = begun;
    let mut sent = Vec::new();
    for (idle, answer) in answers {
        now = (now + Duration::from_millis(*idle)).max(state.due());
        state.on_sent(now);
        sent.push(now);
        match answer {
            None => state.on_accepted(),
            Some(after) => {
                let after = after.map(Duration::from_millis);
                state.on_throttled(&throttled(after), now);
            }
        }
    }
    sent
}

proptest! {
    #[test]
    fn no_second_holds_more_requests_than_the_budget_and_its_burst(
        budget in 1u32..200,
        answers in answers(),
    ) {
        let begun = Instant::now();
        let sent = replay(&mut State::new(budget.into(), begun), begun, &answers);
        let second = Duration::from_secs(1);
        let most = f64::from(budget) * (second + BURST).as_secs_f64() + 1.0;
        for (first, at) in sent.iter().enumerate() {
            let within = sent[first..].iter().take_while(|other| **other - *at < second).count();
            prop_assert!(within as f64 <= most, "{} in a second, budget {}", within, budget);
        }
    }

    #[test]
    fn the_rate_stays_within_its_bounds_and_is_the_budget_again_after_enough_accepted_requests(
        budget in 1u32..2_000,
        answers in answers(),
    ) {
        let begun = Instant::now();
        let mut state = State::new(budget.into(), begun);
        for answer in answers {
            replay(&mut state, begun, &[answer]);
            prop_assert!((MIN_RATE..=f64::from(budget)).contains(&state.rate), "{:?}", state);
        }
        // A window of the past may end first.
        let enough = WINDOW + ALL_ACCEPTED * (STEPS as u32 + 1);
        (0..enough).for_each(|_| state.on_accepted());
        prop_assert_eq!(state.rate, f64::from(budget));
    }

    #[test]
    fn the_next_request_is_never_further_away_than_the_longest_pause(
        answers in answers(),
        after in any::<u64>(),
    ) {
        let begun = Instant::now();
        let mut state = State::new(f64::INFINITY, begun);
        let now = replay(&mut state, begun, &answers).last().copied().unwrap_or(begun);
        state.on_throttled(&throttled(Some(Duration::from_millis(after))), now);
        state.on_sent(state.due());
        let slowest = Duration::from_secs_f64(1.0 / MIN_RATE);
        prop_assert!(state.due() <= now + MAX_PAUSE + slowest, "{:?}", state);
    }
}
