//! Targets that throttle, take their time, break off, say nonsense, refuse everything, or are not there.

use std::time::{Duration, Instant};

use aws_stand_in::{Settings, StandIn};
use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpSocket;

use crate::line::{Kind, Line, once_each};
use crate::rough::{How, Rough, Trouble};
use crate::size;
use crate::support::{event, eventually};

const KINDS: [Kind; 2] = [Kind::DataZone, Kind::OpenLineage];

/// Posts a second that DataZone gets: its quota, or ten times that to be done sooner.
fn budget() -> u32 {
    size::of(200, 20)
}

fn events(count: u32) -> Vec<String> {
    (0..count).map(|n| event(n, "COMPLETE")).collect()
}

/// Sends `count` events to a target with that trouble, sees that all is well in the end, and tells what it took. In
/// full size that may be 1.2 times what `needed` makes of the number of posts.
async fn through(kind: Kind, trouble: Trouble, count: u32, needed: impl Fn(f64) -> Option<f64>) {
    let target = Rough::start(trouble).await;
    let budget = budget().to_string();
    let line = Line::start(
        kind,
        &target.url(),
        &[
            ("DATAZONE_POSTS_PER_SECOND", &budget),
            ("OPENLINEAGE_TIMEOUT", "5"),
        ],
    );
    let events = events(count);
    line.send(&events).await;
    let outcomes = line.outcomes(events.len()).await;
    let delivered = outcomes
        .values()
        .filter(|told| told["outcome"] == "delivered");
    assert_eq!(delivered.count(), events.len(), "{trouble:?} {kind:?}");
    once_each(&target, &events);
    let figures = target.figures();
    let took = figures.last_taken.unwrap() - figures.first.unwrap();
    let (took, posts) = (took.as_secs_f64(), f64::from(figures.posts));
    let needed = needed(posts);
    let tries = outcomes
        .values()
        .filter_map(|told| told["attempts"].as_u64());
    let ratio = needed.map_or(String::new(), |needed| {
        format!(", needed {needed:.1} s: {:.2}", took / needed)
    });
    size::told(
        &format!("{kind:?} {trouble:?}"),
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
async fn throttled_by_lot_nothing_is_lost_and_the_rate_is_used() {
    let count = size::of(60, 400);
    for percent in size::of(&[60][..], &[10, 30, 60]) {
        for (kind, after) in [(Kind::DataZone, None), (Kind::OpenLineage, None)] {
            let trouble = Trouble::Percent(*percent, How::Status(429, after));
            let needed = |posts| (kind == Kind::DataZone).then_some(posts / f64::from(budget()));
            through(kind, trouble, count, needed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_target_gets_all_in_the_time_that_its_rate_needs() {
    // (a second, events): some twenty seconds each, in full.
    let rates = size::of(&[(20, 40)][..], &[(20, 400), (5, 200), (2, 100)]);
    for (rate, count) in rates {
        let cases = [
            (Kind::DataZone, 429, None),
            (Kind::OpenLineage, 429, None),
            (Kind::OpenLineage, 503, None),
        ];
        for (kind, status, after) in cases {
            let trouble = Trouble::Rate(*rate, How::Status(status, after));
            let needed = |_| Some(f64::from(*count) / f64::from(*rate));
            through(kind, trouble, *count, needed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_says_when_to_come_again_is_left_alone_until_then() {
    let target = Rough::start(Trouble::Always(How::Status(429, Some(2)))).await;
    let line = Line::start(Kind::OpenLineage, &target.url(), &[]);
    let events = events(size::of(20, 200));
    line.send(&events).await;
    tokio::time::sleep(Duration::from_secs(size::of(3, 30))).await;
    // Twenty may be on the way when the first says so.
    let (posts, spans) = (target.figures().posts, size::of(2, 15) + 1);
    assert!(posts <= 20 + spans * 20, "{posts} posts");
    target.set(Trouble::Nothing);
    line.outcomes(events.len()).await;
    once_each(&target, &events);
    size::told(
        "Retry-After: 2 from all",
        &format!("{posts} posts while it said so"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_now_and_then_loses_nothing_and_holds_up_nobody() {
    let count = size::of(60, 400);
    let cases = [
        (1, How::Status(500, None)),
        (5, How::Status(503, None)),
        (5, How::Reset),
        (5, How::HalfHeaders),
        (5, How::HalfBody),
        (5, How::Garbage),
        (5, How::Trickle),
    ];
    for some in cases.chunks(size::of(cases.len(), 1)) {
        let all = some.iter().flat_map(|case| KINDS.map(|kind| (kind, case)));
        let all = all.map(|(kind, (percent, how))| {
            let needed =
                move |posts| (kind == Kind::DataZone).then_some(posts / f64::from(budget()));
            through(kind, Trouble::Percent(*percent, *how), count, needed)
        });
        join_all(all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_never_answered_holds_up_nobody() {
    let count = size::of(40, 400);
    let both = KINDS.map(|kind| {
        // A time-out of five seconds, and as much again before the next try.
        let needed =
            move |posts| (kind == Kind::DataZone).then_some(posts / f64::from(budget()) + 10.0);
        let trouble = Trouble::Percent(size::of(5, 1), How::Hang);
        through(kind, trouble, count, needed)
    });
    join_all(both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_that_says_error_is_a_success() {
    // 200 is all that the protocols promise; a body of it has no meaning in either.
    for kind in KINDS {
        let target = Rough::start(Trouble::Always(How::Status(200, None))).await;
        let line = Line::start(kind, &target.url(), &[]);
        let events = events(10);
        line.send(&events).await;
        let outcomes = line.outcomes(events.len()).await;
        assert!(outcomes.values().all(|told| told["outcome"] == "delivered"));
        assert_eq!(target.figures().posts, 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_or_not_there_is_kept_told_and_delivered_once_it_is_granted() {
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
        let line = Line::start(Kind::DataZone, &target.url(), &more);
        let events = events(count);
        line.send(&events).await;
        line.serve.logged("delivery failed, will retry");
        tokio::time::sleep(Duration::from_secs(size::of(1, 30))).await;
        let name = format!(r#"lineage_proxy_retries_total{{target="datazone",reason="{class}"}}"#);
        let raised = line.serve.counter(&name).await;
        assert!(raised > 0, "the counter behind the alarm");
        target.set(|settings| {
            settings.posts_denied = false;
            settings.domain = "dzd_standin".to_owned();
        });
        let granted = Instant::now();
        let outcomes = line.outcomes(events.len()).await;
        assert!(outcomes.values().all(|told| told["outcome"] == "delivered"));
        let posts = target.posts();
        assert!(posts.iter().all(|post| !post.repeat));
        assert_eq!(posts.len(), events.len());
        assert!(line.dead_letters().is_empty());
        size::told(
            &format!("DataZone {class}, then granted"),
            &format!(
                "{count} events, handed back {raised} times, all delivered {:.0} s after the grant",
                granted.elapsed().as_secs_f64()
            ),
        );
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_trickle_in_while_the_target_is_down_arrive_once_and_in_order() {
    // A place that is kept, where nobody listens yet.
    let place = TcpSocket::new_v4().unwrap();
    place.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", place.local_addr().unwrap());
    let line = Line::start(Kind::OpenLineage, &url, &[]);
    let mut sent = Vec::new();
    for n in 0..8 {
        for kind in ["START", "RUNNING", "COMPLETE"] {
            let event = event(n, kind);
            assert_eq!(line.serve.post(&event).await.status(), 200);
            sent.push(event);
            tokio::time::sleep(Duration::from_millis(size::of(100, 2_000))).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(size::of(4, 40))).await;
    line.serve.logged("delivery failed, will retry");
    let target = Rough::on(place.listen(1_024).unwrap(), Trouble::Nothing);
    let up = Instant::now();
    line.outcomes(sent.len()).await;
    once_each(&target, &sent);
    in_order(&target, &sent);
    let told = format!(
        "24 delivered, in order, {:.0} s after it was up",
        up.elapsed().as_secs_f64()
    );
    size::told("down with trickle traffic, then up", &told);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_overlap_and_keep_the_order_of_each_run() {
    let target = Rough::start(Trouble::Percent(30, How::Trickle)).await;
    let line = Line::start(Kind::OpenLineage, &target.url(), &[("BATCH_SIZE", "2")]);
    let runs = size::of(8, 100);
    let kinds = ["START", "RUNNING", "COMPLETE"];
    // The events of a run lie in different batches, and in the same.
    let sent: Vec<String> = (0..runs)
        .flat_map(|n| kinds.map(|kind| event(n, kind)))
        .collect();
    line.send(&sent).await;
    line.outcomes(sent.len()).await;
    once_each(&target, &sent);
    in_order(&target, &sent);
}

fn in_order(target: &Rough, sent: &[String]) {
    let taken = target.taken();
    for run in sent.chunks(3) {
        let place = |event| taken.iter().position(|taken| taken == event);
        let places: Vec<_> = run.iter().map(place).collect();
        assert!(places.is_sorted(), "out of order: {places:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_target_throttles_ends_soon_and_well() {
    let target = Rough::start(Trouble::Rate(1, How::Status(429, None))).await;
    let line = Line::start(Kind::OpenLineage, &target.url(), &[]);
    let events = events(40);
    line.send(&events).await;
    while target.taken().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let Line { folder, serve } = line;
    let url = target.url();
    assert_eq!(
        tokio::task::spawn_blocking(|| serve.terminate())
            .await
            .unwrap(),
        Some(0)
    );
    let taken = target.taken().len();
    assert!(taken < 30, "it did not wait until all were delivered");
    target.set(Trouble::Nothing);
    let line = Line::start_in(folder, Kind::OpenLineage, &url, &[]);
    line.outcomes(events.len() - taken).await;
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
    let line = Line::start(Kind::DataZone, &target.url(), &more);
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
    line.send(&events).await;
    let outcomes = line.outcomes(events.len()).await;
    let of = |kind: &str| {
        outcomes
            .values()
            .filter(|told| told["outcome"] == kind)
            .count()
    };
    let (delivered, dropped) = (of("delivered"), of("dropped"));
    assert_eq!(delivered + dropped, events.len());
    let posts = eventually(|| Some(target.posts()).filter(|posts| posts.len() >= delivered));
    assert_eq!(posts.len(), delivered);
    assert!(posts.iter().all(|post| !post.repeat));
    size::told(
        "5 % JobEvents to DataZone",
        &format!("{count} events, {delivered} posts, {dropped} dropped by rule"),
    );
}
