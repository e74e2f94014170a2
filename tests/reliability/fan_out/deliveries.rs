//! Faults of one target beside the two others: each has one outcome for each event, and gets it once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use testing::fan_out::NAMES;
use testing::scenario::once_each;
use testing::{FanOut, Fault, FaultKind, FaultyTarget, TargetKind, size, until};

use super::{ALL, runs};
use crate::duplicates::post_and_hang_up;

/// How long a stop may take (8 s), and what a busy machine needs in addition.
const MAX_STOP: Duration = Duration::from_secs(12);

/// Whether a fault is one after which the order of a run is kept whatever the number of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Kept,
    GivenUp,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_of_three_targets_does_each_gets_every_event_once() {
    let (throttles, fails) = (FaultKind::Status(429, None), FaultKind::Status(500, None));
    let faults = [
        (Fault::Percent(30, throttles), Order::Kept),
        (Fault::Rate(20, FaultKind::Status(503, None)), Order::Kept),
        (Fault::Percent(20, fails), Order::GivenUp),
        (Fault::Percent(5, FaultKind::Reset), Order::GivenUp),
        (Fault::Percent(5, FaultKind::HalfBody), Order::GivenUp),
        (Fault::Percent(5, FaultKind::Hang), Order::GivenUp),
        (Fault::Percent(20, FaultKind::Trickle), Order::Kept),
    ];
    let kinds = [TargetKind::OpenLineage, TargetKind::DataZone];
    let cases = faults.iter().enumerate().flat_map(|(n, (fault, order))| {
        // In short, the kinds take turns.
        let some = size::of(&kinds[n % 2..=n % 2], &kinds);
        some.iter().map(move |kind| case(*kind, fault, *order))
    });
    let mut cases: Vec<_> = cases.collect();
    // In full, one after the other: the times mean something then.
    let at_once = size::of(cases.len(), 1);
    while !cases.is_empty() {
        join_all(cases.drain(..at_once)).await;
    }
}

async fn case(kind: TargetKind, fault: &Fault, order: Order) {
    let fan_out = FanOut::with_healthy(kind, ALL, &[]).await;
    let targets = &fan_out.targets;
    targets.healthy.set(fault.clone());
    let events = runs(size::of(15, 200));
    let sent = Instant::now();
    fan_out.send(&events).await;
    delivered(&fan_out, "healthy", events.len()).await;
    let took = sent.elapsed();
    assert_eq!(targets.down.accepted().len(), 0);
    let of_limited = targets.limited.accepted().len();
    once_each(&targets.healthy, &events);
    if order == Order::Kept {
        in_order(&targets.healthy, &events);
    }
    targets.heal();
    for (name, target) in [("down", &targets.down), ("limited", &targets.limited)] {
        delivered(&fan_out, name, events.len()).await;
        once_each(target, &events);
        // 429 and 503 say that the target accepts nothing from anyone.
        in_order(target, &events);
    }
    for name in NAMES {
        assert_eq!(fan_out.dead_letters(name).len(), 0, "{name}");
        assert_eq!(fan_out.queued(name), 0, "{name}");
    }
    size::measured(
        &format!("three targets, one {kind:?} {fault:?}"),
        &format!(
            "{} events, all delivered after {:.1} s, {of_limited} at the limited one, 0 at the one that was down; then \
             all at both, each once",
            events.len(),
            took.as_secs_f64(),
        ),
    );
}

async fn delivered(fan_out: &FanOut, target: &str, count: usize) {
    let outcomes = fan_out.outcomes(target, count).await;
    let kinds: BTreeSet<_> = outcomes.values().map(|it| it["outcome"].as_str()).collect();
    assert_eq!(kinds, BTreeSet::from([Some("delivered")]), "{target}");
}

fn in_order(target: &FaultyTarget, sent: &[String]) {
    let accepted = target.accepted();
    for run in sent.chunks(3) {
        let place = |event| accepted.iter().position(|accepted| accepted == event);
        let places: Vec<_> = run.iter().map(place).collect();
        assert!(places.is_sorted(), "out of order: {places:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_rejects_everything_has_dead_letters_and_the_others_have_none() {
    let fan_out = FanOut::start(ALL, &[]).await;
    let targets = &fan_out.targets;
    targets.down.set(Fault::status(400));
    let events = runs(size::of(10, 300));
    fan_out.send(&events).await;
    delivered(&fan_out, "healthy", events.len()).await;
    let rejected = fan_out.outcomes("down", events.len()).await;
    assert!(rejected.values().all(|it| it["outcome"] == "dead_lettered"));
    targets.heal();
    delivered(&fan_out, "limited", events.len()).await;
    let letters = NAMES.map(|name| fan_out.dead_letters(name).len());
    assert_eq!(letters, [0, events.len(), 0]);

    let redrive = [
        "dead-letters",
        "redrive",
        "--all",
        "--rate",
        "0",
        "--target",
    ];
    fan_out.command(&[&redrive[..], &["down"]].concat());
    targets.down.accepted_when(events.len()).await;
    for target in targets.all() {
        once_each(target, &events);
    }
    let letters = NAMES.map(|name| fan_out.dead_letters(name).len());
    assert_eq!(letters, [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_one_target_rejects_is_delivered_to_the_others() {
    let fan_out = FanOut::start(ALL, &[]).await;
    let targets = &fan_out.targets;
    let poison = runs(1)[1].replace(r#""x":1.0"#, r#""answer":422"#);
    let mut events = runs(size::of(5, 100));
    events[1].clone_from(&poison); // in the middle of a run
    // Only `healthy` reads what the event says about its response.
    targets.down.ignore_own_answers();
    targets.limited.ignore_own_answers();
    targets.heal();
    fan_out.send(&events).await;
    for name in ["down", "limited"] {
        delivered(&fan_out, name, events.len()).await;
    }
    let outcomes = fan_out.outcomes("healthy", events.len()).await;
    let dead = outcomes.values().filter(|it| it["outcome"] != "delivered");
    assert_eq!(dead.count(), 1);
    for target in [&targets.down, &targets.limited] {
        once_each(target, &events);
        in_order(target, &events);
    }
    events.remove(1);
    once_each(&targets.healthy, &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_six_times_are_delivered_once_to_each_of_three_targets() {
    // In full, copies wait for each other longer than the minute of the default.
    let settings = [("BATCH_DEDUPLICATION_WINDOW", "30m")];
    let fan_out = FanOut::start(ALL, &settings).await;
    let events = runs(size::of(10, 200));
    for event in &events {
        for _ in 1..6 {
            post_and_hang_up(&fan_out.serve, event).await;
        }
        assert_eq!(fan_out.serve.post(event).await.status(), 200);
    }
    fan_out.targets.heal();
    let mut dropped = Vec::new();
    for (name, target) in NAMES.iter().zip(fan_out.targets.all()) {
        fan_out.settled(name).await;
        once_each(target, &events);
        let rule = "builtin/duplicate";
        let counter = format!(r#"lineage_proxy_dropped_total{{target="{name}",rule="{rule}"}}"#);
        dropped.push(fan_out.serve.counter(&counter).await);
    }
    assert!(dropped.iter().all(|dropped| *dropped > 0), "{dropped:?}");
    size::measured(
        "three targets, the same bytes six times",
        &format!(
            "{} events, each delivered once to each, {dropped:?} dropped as duplicates",
            events.len()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_one_target_that_hangs_and_one_that_throttles_ends_in_time_and_loses_nothing() {
    let fan_out = FanOut::start(ALL, &[]).await;
    fan_out.targets.down.set(Fault::Always(FaultKind::Hang));
    let events = runs(size::of(10, 100));
    fan_out.send(&events).await;
    until(async || (fan_out.targets.down.figures().posts > 0).then_some(())).await;
    let signalled = Instant::now();
    let fan_out = fan_out.restarted(|targets| targets.heal()).await;
    let took = signalled.elapsed();
    assert!(took < MAX_STOP, "{took:?}");
    for name in NAMES {
        fan_out.settled(name).await;
    }
    for target in fan_out.targets.all() {
        once_each(target, &events);
    }
    size::measured(
        "three targets, stop while one hangs and one throttles",
        &format!(
            "{} events, stopped and started again in {} ms, each delivered once to each",
            events.len(),
            took.as_millis()
        ),
    );
}
