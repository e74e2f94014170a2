//! A day's outage of one of three targets at a hundred events a second, scaled in time: the others do not notice, memory
//! stays flat, and the backlog is drained at the target's own rate.

use std::time::{Duration, Instant};

use testing::events::event_with;
use testing::fan_out::latencies;
use testing::scenario::once_each;
use testing::{FanOut, Fault, FaultKind, FaultyTarget, size};
use tokio::time::MissedTickBehavior;

use super::ALL;

/// A hundred events a second.
const PAUSE: Duration = Duration::from_millis(10);

/// What the target accepts a second when it is back: less than the machine can deliver, so that this is what is measured.
const RATE: u32 = 200;

/// Events that are received during the outage wait for a retry, for 15 minutes at most (`Targets`, "Responses and retries").
/// The others are delivered before; those of a short outage wait for less.
const LONGEST_BACKOFF: Duration = Duration::from_secs(900);

/// Memory that allocators and caches may add during an outage, in MB.
const FLAT: u64 = 16;

/// How much longer the median latency of the others may be during the outage, and the drain than the rate needs.
const ALLOWED: f64 = 1.1;
const ALLOWED_DRAIN: f64 = 1.2;

/// A part of the case, and what the two other targets had in it.
struct Phase {
    sent: Vec<(String, Instant)>,
    medians: [f64; 2],
    rates: [f64; 2],
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outage_of_one_of_three_targets_is_not_noticed_at_the_others() {
    // A day is ten minutes in full.
    let (before, outage) = (size::of(3, 60), size::of(8, 600));
    // The log lines of outcomes would be the most in the memory of the test.
    let settings = [("LOG", "info,proxy::pipeline=warn")];
    let fan_out = FanOut::start(ALL, &settings).await;
    let targets = &fan_out.targets;
    targets.heal();
    let mut next = 0;
    let healthy = phase(&fan_out, &mut next, before).await;

    targets.down.set(Fault::status(503));
    // What the first failures need in memory is there at a quarter of the outage.
    let first = phase(&fan_out, &mut next, outage / 4).await;
    let memory_then = fan_out.serve.memory_mb();
    let rest = phase(&fan_out, &mut next, outage - outage / 4).await;
    let memory = fan_out.serve.memory_mb();
    let backlog = fan_out.queued("down");
    let during = (outage / 4) * 100 + (outage - outage / 4) * 100;
    assert!(backlog >= during, "{backlog} of {during} wait for it");

    let back = Instant::now();
    let throttled = FaultKind::Status(429, None);
    targets.down.set(Fault::Rate(RATE, throttled));
    let count = next as usize;
    let drained = drained(&targets.down, (count, backlog)).await;
    for target in targets.all() {
        let sent = [&healthy, &first, &rest].map(|phase| phase.sent.as_slice());
        let events: Vec<String> = sent.concat().into_iter().map(|(event, _)| event).collect();
        once_each(target, &events);
    }

    let needed = backlog as f64 / f64::from(RATE);
    let (most, all) = drained;
    let [most, all] = [most - back, all - back].map(|time| time.as_secs_f64());
    let ratios: Vec<f64> = rest
        .medians
        .iter()
        .zip(healthy.medians)
        .map(|(during, before)| during / before)
        .collect();
    size::measured(
        "a day's outage of one of three targets",
        &format!(
            "100 events/s, {outage} s without it, {backlog} wait. The two others: {:.0?} events/s before and {:.0?} \
             during, median latency {:.1?} ms and {:.1?} ms ({ratios:.2?}). Memory {memory_then} MB at a quarter, {memory} \
             MB at the end. At its rate of {RATE}/s the backlog needs {needed:.1} s: nine tenths after {most:.1} s \
             ({:.2}), all after {all:.1} s",
            healthy.rates,
            rest.rates,
            healthy.medians,
            rest.medians,
            most / (0.9 * needed),
        ),
    );
    assert!(
        memory <= memory_then + FLAT,
        "{memory_then} MB, {memory} MB"
    );
    if size::of(false, true) {
        assert!(ratios.iter().all(|ratio| *ratio <= ALLOWED), "{ratios:?}");
        assert!(most <= ALLOWED_DRAIN * 0.9 * needed, "{most} s, {needed} s");
        let limit = needed + LONGEST_BACKOFF.as_secs_f64();
        assert!(all <= limit, "{all} s, {limit} s");
    }
}

/// Sends a hundred events a second for so many seconds. Returns when the two other targets have them all.
async fn phase(fan_out: &FanOut, next: &mut u32, seconds: u64) -> Phase {
    let [one, _, two] = fan_out.targets.all();
    let had = [one, two].map(|target| target.accepted_count());
    let mut tick = tokio::time::interval(PAUSE);
    // Those that were missed are made up for: the rate is that of the clients, whatever a response takes.
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let padding = format!(r#""padding":"{}""#, "x".repeat(600));
    let (mut sent, began) = (Vec::new(), Instant::now());
    for _ in 0..seconds * 100 {
        tick.tick().await;
        let event = event_with(*next, "COMPLETE", &padding);
        *next += 1;
        sent.push((event.clone(), Instant::now()));
        assert_eq!(fan_out.serve.post(&event).await.status(), 200);
    }
    for (target, had) in [one, two].into_iter().zip(had) {
        target.accepted_when(had + sent.len()).await;
    }
    let rate = |target: &FaultyTarget| {
        let last = target.figures().last_accepted.unwrap_or(began);
        sent.len() as f64 / (last - began).as_secs_f64()
    };
    let median = |target: &FaultyTarget| {
        let latencies = latencies(&sent, target);
        latencies[latencies.len() / 2].as_secs_f64() * 1e3
    };
    Phase {
        medians: [one, two].map(median),
        rates: [one, two].map(rate),
        sent,
    }
}

/// Waits until a target has `count` events. Returns when it had nine tenths of its backlog, and when all.
async fn drained(target: &FaultyTarget, (count, backlog): (usize, u64)) -> (Instant, Instant) {
    let deadline = Instant::now() + 2 * LONGEST_BACKOFF;
    let tenth = usize::try_from(backlog / 10).unwrap();
    loop {
        let accepted = target.accepted_count();
        if accepted >= count {
            let at = target.accepted_at();
            return (at[count - tenth - 1].1, at[count - 1].1);
        }
        assert!(Instant::now() < deadline, "{accepted} of {count}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
