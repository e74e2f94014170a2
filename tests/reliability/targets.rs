//! Targets that throttle, are slow, break off, send garbage, reject everything, or are down.

use std::time::{Duration, Instant};

use aws_stand_in::{Settings, StandIn};
use futures_util::future::join_all;
use serde_json::json;
use testing::events::event;
use testing::scenario::once_each;
use testing::{Fault, FaultKind, FaultyTarget, Scenario, TargetKind, eventually, size};
use tokio::net::TcpSocket;

const KINDS: [TargetKind; 2] = [TargetKind::DataZone, TargetKind::OpenLineage];

/// Posts a second that DataZone gets: its quota, or ten times that to be done sooner.
fn budget() -> u32 {
    size::of(200, 20)
}

fn events(count: u32) -> Vec<String> {
    (0..count).map(|n| event(n, "COMPLETE")).collect()
}

/// Sends `count` events to a target with that fault, checks that each is delivered once, and reports the time. In
/// full size that may be 1.2 times what `needed` makes of the number of posts.
async fn through(kind: TargetKind, fault: Fault, count: u32, needed: impl Fn(f64) -> Option<f64>) {
    let target = FaultyTarget::start(fault.clone()).await;
    let budget = budget().to_string();
    let scenario = Scenario::start(
        kind,
        &target.url,
        &[
            ("DATAZONE_POSTS_PER_SECOND", &budget),
            ("OPENLINEAGE_TIMEOUT", "5"),
        ],
    );
    let events = events(count);
    scenario.send(&events).await;
    let outcomes = scenario.outcomes(events.len()).await;
    let delivered = outcomes
        .values()
        .filter(|outcome| outcome["outcome"] == "delivered");
    assert_eq!(delivered.count(), events.len(), "{fault:?} {kind:?}");
    once_each(&target, &events);
    let figures = target.figures();
    let took = figures.last_accepted.unwrap() - figures.first.unwrap();
    let (took, posts) = (took.as_secs_f64(), f64::from(figures.posts));
    let needed = needed(posts);
    let tries = outcomes
        .values()
        .filter_map(|outcome| outcome["attempts"].as_u64());
    let ratio = needed.map_or(String::new(), |needed| {
        format!(", needed {needed:.1} s: {:.2}", took / needed)
    });
    size::measured(
        &format!("{kind:?} {fault:?}"),
        &format!(
            "{count} events, {posts} posts, at most {} receives, {took:.1} s{ratio}",
            tries.max().unwrap()
        ),
    );
    if let (Some(needed), true) = (needed, size::of(false, true)) {
        assert!(took <= 1.2 * needed, "{took} s, needed {needed} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_throttles_at_random_loses_nothing_and_its_rate_is_used() {
    let count = size::of(60, 400);
    for percent in size::of(&[60][..], &[10, 30, 60]) {
        for (kind, after) in [
            (TargetKind::DataZone, None),
            (TargetKind::OpenLineage, None),
        ] {
            let fault = Fault::Percent(*percent, FaultKind::Status(429, after));
            let needed =
                |posts| (kind == TargetKind::DataZone).then_some(posts / f64::from(budget()));
            through(kind, fault, count, needed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_target_receives_all_events_in_the_time_that_its_rate_needs() {
    // (a second, events): some twenty seconds each, in full.
    let rates = size::of(&[(20, 40)][..], &[(20, 400), (5, 200), (2, 100)]);
    for (rate, count) in rates {
        let cases = [
            (TargetKind::DataZone, 429, None),
            (TargetKind::OpenLineage, 429, None),
            (TargetKind::OpenLineage, 503, None),
        ];
        for (kind, status, after) in cases {
            let fault = Fault::Rate(*rate, FaultKind::Status(status, after));
            let needed = |_| Some(f64::from(*count) / f64::from(*rate));
            through(kind, fault, *count, needed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_of_the_target_is_respected() {
    let target = FaultyTarget::start(Fault::Always(FaultKind::Status(429, Some(2)))).await;
    let scenario = Scenario::start(TargetKind::OpenLineage, &target.url, &[]);
    let events = events(size::of(20, 200));
    scenario.send(&events).await;
    tokio::time::sleep(Duration::from_secs(size::of(3, 30))).await;
    // Twenty may be under way when the first response comes.
    let (posts, spans) = (target.figures().posts, size::of(2, 15) + 1);
    assert!(posts <= 20 + spans * 20, "{posts} posts");
    target.set(Fault::None);
    scenario.outcomes(events.len()).await;
    once_each(&target, &events);
    size::measured(
        "Retry-After: 2 from all",
        &format!("{posts} posts meanwhile"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_at_times_loses_nothing_and_holds_up_no_other_event() {
    let count = size::of(60, 400);
    let cases = [
        (1, FaultKind::Status(500, None)),
        (5, FaultKind::Status(503, None)),
        (5, FaultKind::Reset),
        (5, FaultKind::HalfHeaders),
        (5, FaultKind::HalfBody),
        (5, FaultKind::Garbage),
        (5, FaultKind::Trickle),
    ];
    for some in cases.chunks(size::of(cases.len(), 1)) {
        let all = some.iter().flat_map(|case| KINDS.map(|kind| (kind, case)));
        let all = all.map(|(kind, (percent, kind_of_fault))| {
            let needed =
                move |posts| (kind == TargetKind::DataZone).then_some(posts / f64::from(budget()));
            through(
                kind,
                Fault::Percent(*percent, kind_of_fault.clone()),
                count,
                needed,
            )
        });
        join_all(all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_never_answered_holds_up_no_other_event() {
    let count = size::of(40, 400);
    let both = KINDS.map(|kind| {
        // A time-out of five seconds, and as much again before the next try.
        let needed = move |posts| {
            (kind == TargetKind::DataZone).then_some(posts / f64::from(budget()) + 10.0)
        };
        let fault = Fault::Percent(size::of(5, 1), FaultKind::Hang);
        through(kind, fault, count, needed)
    });
    join_all(both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_of_success_with_an_error_in_its_body_is_a_success() {
    // Neither protocol gives the body of a 200 a meaning.
    for kind in KINDS {
        let target = FaultyTarget::start(Fault::Always(FaultKind::Status(200, None))).await;
        let scenario = Scenario::start(kind, &target.url, &[]);
        let events = events(10);
        scenario.send(&events).await;
        let outcomes = scenario.outcomes(events.len()).await;
        assert!(
            outcomes
                .values()
                .all(|outcome| outcome["outcome"] == "delivered")
        );
        assert_eq!(target.figures().posts, 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_denied_wait_and_are_delivered_when_access_is_granted() {
    let count = size::of(60, 1_000);
    let cases = [(false, "permission"), (true, "missing")].map(|(missing, class)| async move {
        let settings = Settings {
            rate: 0,
            posts_denied: !missing,
            domain: if missing { "dzd_other" } else { "dzd_standin" }.to_owned(),
            ..Settings::default()
        };
        let address = "127.0.0.1:0".parse().unwrap();
        let target = StandIn::start(address, settings).await.unwrap();
        let budget = budget().to_string();
        let more = [("DATAZONE_POSTS_PER_SECOND", budget.as_str())];
        let scenario = Scenario::start(TargetKind::DataZone, &target.url(), &more);
        let events = events(count);
        scenario.send(&events).await;
        scenario.serve.logged("delivery failed, will retry");
        tokio::time::sleep(Duration::from_secs(size::of(1, 30))).await;
        let name = format!(r#"lineage_proxy_retries_total{{target="datazone",reason="{class}"}}"#);
        let raised = scenario.serve.counter(&name).await;
        assert!(raised > 0, "the counter behind the alarm");
        target.set(|settings| {
            settings.posts_denied = false;
            settings.domain = "dzd_standin".to_owned();
        });
        let granted = Instant::now();
        let outcomes = scenario.outcomes(events.len()).await;
        assert!(
            outcomes
                .values()
                .all(|outcome| outcome["outcome"] == "delivered")
        );
        let posts = target.posts();
        assert!(posts.iter().all(|post| !post.repeat));
        assert_eq!(posts.len(), events.len());
        assert!(scenario.dead_letters().is_empty());
        size::measured(
            &format!("DataZone {class}, then granted"),
            &format!(
                "{count} events, retried {raised} times, all delivered {:.0} s after the grant",
                granted.elapsed().as_secs_f64()
            ),
        );
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_trickle_in_while_the_target_is_down_arrive_once_and_in_order() {
    // A port that is bound, and on which nothing listens yet.
    let place = TcpSocket::new_v4().unwrap();
    place.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", place.local_addr().unwrap());
    let scenario = Scenario::start(TargetKind::OpenLineage, &url, &[]);
    let mut sent = Vec::new();
    for n in 0..8 {
        for kind in ["START", "RUNNING", "COMPLETE"] {
            let event = event(n, kind);
            assert_eq!(scenario.serve.post(&event).await.status(), 200);
            sent.push(event);
            tokio::time::sleep(Duration::from_millis(size::of(100, 2_000))).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(size::of(4, 40))).await;
    scenario.serve.logged("delivery failed, will retry");
    let target = FaultyTarget::on(place.listen(1_024).unwrap(), Fault::None);
    let up = Instant::now();
    scenario.outcomes(sent.len()).await;
    once_each(&target, &sent);
    in_order(&target, &sent);
    let figures = format!(
        "24 delivered, in order, {:.0} s after it was up",
        up.elapsed().as_secs_f64()
    );
    size::measured("down with trickle traffic, then up", &figures);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_overlap_and_keep_the_order_of_each_run() {
    let target = FaultyTarget::start(Fault::Percent(30, FaultKind::Trickle)).await;
    let scenario = Scenario::start(TargetKind::OpenLineage, &target.url, &[("BATCH_SIZE", "2")]);
    let runs = size::of(8, 100);
    let kinds = ["START", "RUNNING", "COMPLETE"];
    // The events of a run lie in different batches, and in the same.
    let sent: Vec<String> = (0..runs)
        .flat_map(|n| kinds.map(|kind| event(n, kind)))
        .collect();
    scenario.send(&sent).await;
    scenario.outcomes(sent.len()).await;
    once_each(&target, &sent);
    in_order(&target, &sent);
}

fn in_order(target: &FaultyTarget, sent: &[String]) {
    let taken = target.accepted();
    for run in sent.chunks(3) {
        let place = |event| taken.iter().position(|taken| taken == event);
        let places: Vec<_> = run.iter().map(place).collect();
        assert!(places.is_sorted(), "out of order: {places:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_target_throttles_ends_soon_and_well() {
    let target = FaultyTarget::start(Fault::Rate(1, FaultKind::Status(429, None))).await;
    let scenario = Scenario::start(TargetKind::OpenLineage, &target.url, &[]);
    let events = events(40);
    scenario.send(&events).await;
    while target.accepted().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let Scenario { folder, serve } = scenario;
    let url = target.url.clone();
    assert_eq!(
        tokio::task::spawn_blocking(|| serve.terminate())
            .await
            .unwrap(),
        Some(0)
    );
    let taken = target.accepted().len();
    assert!(taken < 30, "it did not wait until all were delivered");
    target.set(Fault::None);
    let scenario = Scenario::start_in(folder, TargetKind::OpenLineage, &url, &[]);
    scenario.outcomes(events.len() - taken).await;
    once_each(&target, &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn job_events_among_runs_have_one_outcome_each_and_are_posted_once() {
    let count = size::of(100, 1_000);
    let settings = Settings {
        rate: 0,
        ..Settings::default()
    };
    let address = "127.0.0.1:0".parse().unwrap();
    let target = StandIn::start(address, settings).await.unwrap();
    let more = [("DATAZONE_POSTS_PER_SECOND", "1000")];
    let scenario = Scenario::start(TargetKind::DataZone, &target.url(), &more);
    let job = |n: u32| {
        let outputs = match n % 2 {
            0 => json!([{"namespace": "s", "name": format!("t {n}")}]),
            _ => json!([]),
        };
        json!({"eventTime": "2026-11-20T10:00:00Z", "producer": "urn:p", "schemaURL": "urn:s",
            "job": {"namespace": "n", "name": format!("job {n}")}, "outputs": outputs})
        .to_string()
    };
    let events: Vec<String> = (0..count)
        .map(|n| match n % 20 {
            // Two kinds of JobEvents in turn: 5 % in all.
            7 => job(n / 20),
            _ => event(n, "COMPLETE"),
        })
        .collect();
    scenario.send(&events).await;
    let outcomes = scenario.outcomes(events.len()).await;
    let of = |kind: &str| {
        outcomes
            .values()
            .filter(|outcome| outcome["outcome"] == kind)
            .count()
    };
    let (delivered, dropped) = (of("delivered"), of("dropped"));
    assert_eq!(delivered + dropped, events.len());
    let posts = eventually(|| Some(target.posts()).filter(|posts| posts.len() >= delivered));
    assert_eq!(posts.len(), delivered);
    assert!(posts.iter().all(|post| !post.repeat));
    size::measured(
        "5 % JobEvents to DataZone",
        &format!("{count} events, {delivered} posts, {dropped} dropped by rule"),
    );
}
