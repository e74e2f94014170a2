//! From HTTP to DataZone: `serve` with the stand-in behind it, through every error of the service model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use aws_stand_in::{Fault, Kind, Post, Settings, StandIn};
use serde_json::Value;
use testing::events::event;
use testing::{Scenario, TargetKind, until};

/// A proxy in front of a stand-in of DataZone.
struct DataZoneScenario {
    scenario: Scenario,
    datazone: StandIn,
}

impl DataZoneScenario {
    async fn start(settings: Settings, proxy: &[(&str, &str)]) -> DataZoneScenario {
        let address = "127.0.0.1:0".parse().unwrap();
        let datazone = StandIn::start(address, settings).await.unwrap();
        let scenario = Scenario::start(TargetKind::DataZone, &datazone.url(), proxy);
        DataZoneScenario { scenario, datazone }
    }

    /// New events at DataZone, once there are `count`.
    async fn posted(&self, count: usize) -> Vec<Post> {
        until(async || {
            let mut posts = self.datazone.posts();
            posts.retain(|post| !post.repeat);
            (posts.len() >= count).then_some(posts)
        })
        .await
    }
}

#[tokio::test]
async fn an_event_arrives_as_it_was_sent_with_a_token_of_its_content() {
    let line = DataZoneScenario::start(Settings::default(), &[]).await;
    for _ in 0..2 {
        line.scenario.serve.post(&event(1, "START")).await; // the same bytes twice: a client that timed out
    }
    line.scenario.serve.post(&event(2, "START")).await;
    let posts = line.posted(2).await;
    let mut bodies: Vec<&str> = posts.iter().map(|post| post.body.as_str()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [event(1, "START").trim(), event(2, "START").trim()]);
    assert_ne!(posts[0].client_token, posts[1].client_token);
    assert_eq!(posts[0].client_token.as_ref().unwrap().len(), 64);
}

#[tokio::test]
async fn every_error_of_the_service_model_is_retried_or_a_dead_letter_and_harms_no_other_event() {
    let faults = [
        (
            "job 1\"",
            Kind::Validation,
            "invalid: 400 ValidationException",
        ),
        ("job 2\"", Kind::TooLarge, "too_large: 413"),
    ];
    let transient = [
        Kind::Throttle,
        Kind::Internal,
        Kind::Unavailable,
        Kind::Half,
    ];
    let mut script: Vec<Fault> = faults
        .iter()
        .map(|(text, kind, _)| Fault::on(text, *kind))
        .collect();
    for (n, kind) in (3..).zip(transient) {
        // Past the SDK's own second try, so that the queue's is seen.
        script.push(Fault {
            times: Some(2),
            ..Fault::on(&format!("job {n}\""), kind)
        });
    }
    script.push(Fault::on("job 9\"", Kind::Conflict));
    let line = DataZoneScenario::start(
        Settings {
            faults: script,
            ..Settings::default()
        },
        &[],
    )
    .await;
    for n in 0..12 {
        line.scenario.serve.post(&event(n, "COMPLETE")).await;
    }
    // All but the two that are rejected and the one that DataZone reports to have.
    let posts = line.posted(9).await;
    assert_eq!(posts.len(), 9);
    let letters = line.scenario.dead_letters();
    assert_eq!(letters.len(), 2, "{letters:?}");
    for (_, _, reason) in faults {
        assert!(
            letters
                .iter()
                .any(|letter| letter["reason"].as_str().unwrap().starts_with(reason)),
            "{letters:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_conflicts_is_posted_again_with_its_token_and_is_there_if_that_conflicts_too()
{
    let conflicts = |job: &str, times| Fault {
        times: Some(times),
        ..Fault::on(job, Kind::Conflict)
    };
    let settings = Settings {
        faults: vec![
            conflicts("job 1\"", 1),
            conflicts("job 2\"", 2),
            // The connection breaks for a whole receive, so nothing has brought the event when the next one conflicts.
            Fault {
                times: Some(2),
                ..Fault::on("job 3\"", Kind::Half)
            },
            conflicts("job 3\"", 1),
        ],
        ..Settings::default()
    };
    let line = DataZoneScenario::start(settings, &[]).await;
    for n in 1..5 {
        line.scenario.serve.post(&event(n, "COMPLETE")).await;
    }
    let delivered = testing::eventually(|| {
        let outcomes = line.scenario.serve.outcomes().into_iter();
        let delivered: Vec<Value> = outcomes.filter(|it| it["outcome"] == "delivered").collect();
        (delivered.len() == 4).then_some(delivered)
    });
    let known = delivered.iter().filter(|it| it["already_there"] == true);
    let known: Vec<_> = known.map(|it| &it["job.name"]).collect();
    assert_eq!(known, ["job 2"]);
    // What had passed was posted, with the token of the content; what DataZone knows was not posted again.
    let posts = line.datazone.posts();
    let mut posted: Vec<(String, usize)> = (posts.iter())
        .map(|post| {
            let body: Value = serde_json::from_str(&post.body).unwrap();
            let token = post.client_token.as_ref().unwrap();
            (
                body["job"]["name"].as_str().unwrap().to_owned(),
                token.len(),
            )
        })
        .collect();
    posted.sort_unstable();
    let expected = ["job 1", "job 3", "job 4"].map(|job| (job.to_owned(), 64));
    assert_eq!(posted, expected);
    let counted = r#"lineage_proxy_already_there_total{target="datazone"}"#;
    assert_eq!(line.scenario.serve.counter(counted).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_or_domain_keeps_the_events() {
    let kinds = [
        Kind::AccessDenied,
        Kind::NotFound,
        Kind::ExpiredToken,
        Kind::Unauthorized,
        Kind::Quota,
    ];
    let granted = kinds.map(|kind| async move {
        let settings = Settings {
            faults: vec![Fault::always(kind)],
            ..Settings::default()
        };
        let line = DataZoneScenario::start(settings, &[]).await;
        line.scenario.serve.post(&event(1, "START")).await;
        line.scenario.serve.logged("delivery failed, will retry");
        line.datazone.set(|settings| settings.faults.clear());
        assert_eq!(line.posted(1).await.len(), 1, "{kind:?}");
        assert!(line.scenario.dead_letters().is_empty());
    });
    futures_util::future::join_all(granted).await;
}

#[tokio::test]
async fn an_event_that_is_too_large_is_cut_with_a_list_of_it_or_is_a_dead_letter_with_the_reason() {
    let line = DataZoneScenario::start(Settings::default(), &[]).await;
    let facet = |name: &str| {
        format!(
            r#""{name}":{{"_producer":"urn:p","_schemaURL":"urn:s","pad":"{}"}}"#,
            "x".repeat(310_000)
        )
    };
    let run_id = r#""run":{"runId":"#;
    let with = |n: u32, name: &str| {
        event(n, "COMPLETE").replace(
            run_id,
            &format!(r#""run":{{"facets":{{{}}},"runId":"#, facet(name)),
        )
    };
    line.scenario
        .serve
        .post(&with(1, "spark.logicalPlan"))
        .await;
    line.scenario.serve.post(&with(2, "parent")).await;
    let posts = line.posted(1).await;
    let body: Value = serde_json::from_str(&posts[0].body).unwrap();
    assert_eq!(
        body["run"]["facets"]["lineageProxy_cut"]["facets"][0]["pointer"],
        "/run/facets/spark.logicalPlan"
    );
    let letters = testing::eventually(|| {
        Some(line.scenario.dead_letters()).filter(|letters| !letters.is_empty())
    });
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("too_large: 310") && reason.contains("the target accepts 300000"),
        "{reason}"
    );
}

#[tokio::test]
async fn job_events_become_runs_and_dataset_events_have_an_outcome_of_their_own() {
    let line = DataZoneScenario::start(Settings::default(), &[]).await;
    let head = r#""eventTime":"2026-11-20T10:00:00Z","producer":"urn:p","schemaURL":"urn:s""#;
    let job = format!(
        r#"{{{head},"job":{{"namespace":"n","name":"j"}},"outputs":[{{"namespace":"s","name":"t"}}]}}"#
    );
    let idle = format!(r#"{{{head},"job":{{"namespace":"n","name":"idle"}}}}"#);
    let dataset = format!(r#"{{{head},"dataset":{{"namespace":"n","name":"d"}}}}"#);
    for event in [&job, &idle, &dataset] {
        assert_eq!(line.scenario.serve.post(event).await.status(), 200);
    }
    let posts = line.posted(1).await;
    assert!(posts[0].body.contains(r#""run":{"runId":""#));
    let dropped = testing::eventually(|| {
        let rules: Vec<Value> = line
            .scenario
            .serve
            .outcomes()
            .into_iter()
            .filter(|o| o["outcome"] == "dropped")
            .map(|o| o["rule"].clone())
            .collect();
        (rules.len() == 2).then_some(rules)
    });
    assert!(
        dropped.contains(&"builtin/dataset_events".into())
            && dropped.contains(&"builtin/job_events".into())
    );
}

#[tokio::test]
async fn short_redshift_names_are_looked_up_once_and_stay_where_the_look_up_is_denied() {
    let line = DataZoneScenario::start(aws_stand_in::Settings::warehouses(), &[]).await;
    let with = |n: u32, short: &str| {
        event(n, "COMPLETE").replace(
            r#""x":1.0"#,
            &format!(r#""outputs":[{{"namespace":"redshift://{short}:5439","name":"d.s.t"}}]"#),
        )
    };
    for (n, short) in [
        (1, "wg.eu-west-1"),
        (2, "dwh.us-east-1"),
        (3, "wg.eu-west-1"),
        (4, "gone.us-east-1"),
    ] {
        line.scenario.serve.post(&with(n, short)).await;
    }
    let posts = line.posted(4).await;
    let namespaces = |text: &str| posts.iter().filter(|post| post.body.contains(text)).count();
    assert_eq!(
        namespaces("redshift://wg.123456789012.eu-west-1.redshift-serverless.amazonaws.com:5439"),
        2
    );
    assert_eq!(
        namespaces("redshift://dwh.abc123.us-east-1.redshift.amazonaws.com:5439"),
        1
    );
    assert_eq!(namespaces("redshift://gone.us-east-1:5439"), 1);
    line.datazone.set(|settings| settings.lookups_denied = true);
    line.scenario.serve.post(&with(5, "other.us-east-1")).await;
    assert!(
        line.posted(5).await[4]
            .body
            .contains("redshift://other.us-east-1:5439")
    );
    assert_eq!(
        line.scenario
            .serve
            .logged("could not resolve name; left unchanged")["namespace"],
        "redshift://gone.us-east-1:5439"
    );
}

#[tokio::test]
async fn the_rate_stays_within_the_quota() {
    let line =
        DataZoneScenario::start(Settings::default(), &[("DATAZONE_POSTS_PER_SECOND", "20")]).await;
    for n in 0..60 {
        line.scenario.serve.post(&event(n, "COMPLETE")).await;
    }
    assert_eq!(line.posted(60).await.len(), 60);
    // The stand-in lets through 20 a second and throttles the rest: without a budget that is most of them.
    let refused = r#"lineage_proxy_throttled_total{target="datazone"}"#;
    let refused = line.scenario.serve.counter(refused).await;
    assert!(refused < 10, "throttled {refused} times");
    let log = line.scenario.serve.log.lock().unwrap();
    let handed_back = log
        .iter()
        .filter(|l| l["fields"]["message"] == "delivery failed, will retry")
        .count();
    assert_eq!(handed_back, 0, "throttled in spite of the budget");
}
