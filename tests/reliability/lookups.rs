//! Redshift names: warehouses of both kinds, and look-ups that are denied, throttled, or never answered.

use aws_stand_in::{Settings, StandIn};
use testing::events::{event, event_with};
use testing::{Scenario, TargetKind, size};

fn with(n: u32, short: &str) -> String {
    let outputs =
        format!(r#""outputs":[{{"namespace":"redshift://{short}:5439","name":"d.s.t"}}]"#);
    event_with(n, "COMPLETE", &outputs)
}

async fn stand_in(change: impl FnOnce(&mut Settings)) -> StandIn {
    let mut settings = Settings {
        rate: 0,
        ..Settings::warehouses()
    };
    change(&mut settings);
    StandIn::start("127.0.0.1:0".parse().unwrap(), settings)
        .await
        .unwrap()
}

/// A change to the settings of the stand-in.
type Change = fn(&mut Settings);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_look_up_returns_the_event_is_delivered_at_worst_with_the_name_as_received() {
    let cases: [(&str, Change, usize); 4] = [
        ("answered", |_| {}, 2),
        ("denied", |settings| settings.lookups_denied = true, 0),
        ("throttled", |settings| settings.lookups_throttled = true, 0),
        (
            "never answered",
            |settings| settings.lookups_hang = Some("".into()),
            0,
        ),
    ];
    let cases = cases.map(|(case, change, found)| async move {
        let target = stand_in(change).await;
        let more = [("DATAZONE_POSTS_PER_SECOND", "200")];
        let scenario = Scenario::start(TargetKind::DataZone, &target.url(), &more);
        let count = size::of(20, 200);
        let events: Vec<String> = (0..count)
            .map(|n| match n % 4 {
                0 => with(n, "wg.eu-west-1"),
                1 => with(n, "dwh.us-east-1"),
                2 => with(n, "gone.us-east-1"),
                _ => event(n, "COMPLETE"),
            })
            .collect();
        scenario.send(&events).await;
        let outcomes = scenario.outcomes(events.len()).await;
        assert!(
            outcomes
                .values()
                .all(|outcome| outcome["outcome"] == "delivered")
        );
        let posts = target.posts();
        assert_eq!(posts.len(), events.len());
        let of = |text: &str| posts.iter().filter(|post| post.body.contains(text)).count();
        let full =
            of("redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439")
                + of("redshift://dwh.abc123.us-east-1.redshift.amazonaws.com:5439");
        let quarter = events.len() / 4;
        assert_eq!(full, found * quarter, "{case}");
        let short = of("redshift://wg.eu-west-1:5439") + of("redshift://dwh.us-east-1:5439");
        assert_eq!(short, (2 - found) * quarter, "{case}");
        assert_eq!(of("redshift://gone.us-east-1:5439"), quarter, "{case}");
        let unresolved = r#"lineage_proxy_unresolved_namespaces_total{target="datazone"}"#;
        let unresolved = scenario.serve.counter(unresolved).await;
        size::measured(
            &format!("Redshift look-ups {case}"),
            &format!("{count} events delivered, {unresolved} with the name as received"),
        );
    });
    futures_util::future::join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_look_up_does_not_hold_up_events_that_need_none() {
    let target = stand_in(|settings| settings.lookups_hang = Some("slow".into())).await;
    let more = [("DATAZONE_POSTS_PER_SECOND", "1000")];
    let scenario = Scenario::start(TargetKind::DataZone, &target.url(), &more);
    // More than a batch, with the slow ones first.
    let slow: Vec<String> = (0..3)
        .map(|n| with(n, &format!("slow{n}.us-east-1")))
        .collect();
    let others: Vec<String> = (100..100 + size::of(60, 100))
        .map(|n| event(n, "COMPLETE"))
        .collect();
    let events = [slow.clone(), others].concat();
    scenario.send(&events).await;
    scenario.outcomes(events.len()).await;
    let bodies: Vec<String> = target.posts().into_iter().map(|post| post.body).collect();
    assert_eq!(bodies.len(), events.len());
    // All of them as a rule; a slow machine needs longer than the three seconds that a look-up has.
    let before = bodies.iter().position(|body| slow.contains(body)).unwrap();
    assert!(before > 20, "only {before} before it");
    let figures = format!(
        "{before} of {} events before the first that waited for one",
        bodies.len() - slow.len()
    );
    size::measured("a Redshift look-up without an answer", &figures);
}
