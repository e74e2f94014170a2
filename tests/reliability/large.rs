//! Large events: trimmed, rejected with advice, or dead-lettered with the reason; and how much memory they cost.

use serde_json::Value;
use testing::events::{event_with, gzip as compress};
use testing::{Fault, FaultyTarget, Scenario, TargetKind, size};

/// An event whose bytes may be cut (a facet outside the specification), or may not (inputs).
fn sized(n: u32, bytes: usize, cut: bool) -> String {
    let members = match cut {
        true => {
            let pad = "x".repeat(bytes - 400);
            format!(
                r#""outputs":[{{"namespace":"s","name":"t","facets":{{"pad":{{"_producer":"urn:p","_schemaURL":"urn:s","pad":"{pad}"}}}}}}]"#
            )
        }
        false => {
            let inputs: Vec<String> = (0..bytes / 50)
                .map(|n| format!(r#"{{"namespace":"s3://bucket","name":"table {n:012}"}}"#))
                .collect();
            format!(r#""inputs":[{}]"#, inputs.join(","))
        }
    };
    event_with(n, "COMPLETE", &members)
}

async fn send(scenario: &Scenario, event: &str, gzip: bool) -> (u16, String) {
    let post = scenario
        .serve
        .http
        .post(format!("{}/api/v1/lineage", scenario.serve.url))
        .header("content-type", "application/json");
    let post = match gzip {
        true => post
            .header("content-encoding", "gzip")
            .body(compress(event.as_bytes())),
        false => post.body(event.to_owned()),
    };
    let answer = post.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_is_delivered_trimmed_rejected_or_dead_lettered_and_always_reported() {
    let sizes = size::of(
        &[310_000, 990_000][..],
        &[310_000, 990_000, 5_000_000, 20_000_000],
    );
    let kinds = [TargetKind::DataZone, TargetKind::OpenLineage].map(|kind| async move {
        let target = FaultyTarget::start(Fault::None).await;
        let scenario = Scenario::start(kind, &target.url, &[]);
        let (mut accepted, mut kept, mut n) = (0, Vec::new(), 0);
        for bytes in sizes {
            for (cut, gzip) in [(true, false), (true, true), (false, true)] {
                n += 1;
                let event = sized(n, *bytes, cut);
                let (status, text) = send(&scenario, &event, gzip).await;
                if *bytes > 10_000_000 && !gzip {
                    let problem: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(status, 413, "{text}");
                    let detail = problem["detail"].as_str().unwrap();
                    assert!(detail.contains("max_body_size") || detail.contains("gzip"), "{detail}");
                    continue;
                }
                assert_eq!(status, 200, "{text}");
                accepted += 1;
                if kind == TargetKind::OpenLineage {
                    kept.push(event);
                }
            }
        }
        let outcomes = scenario.outcomes(accepted).await;
        let taken = target.accepted();
        let dead = scenario.dead_letters();
        match kind {
            TargetKind::OpenLineage => {
                assert!(dead.is_empty());
                assert_eq!(taken.len(), kept.len());
                assert!(kept.iter().all(|event| taken.contains(event)), "not byte for byte");
            }
            TargetKind::DataZone => {
                assert_eq!(dead.len(), sizes.len(), "those that cannot be cut");
                assert_eq!(taken.len(), accepted - dead.len());
                for event in &taken {
                    assert!(event.len() <= 300_000 && event.contains("lineageProxy_cut"));
                }
                let reasons = dead.iter().map(|letter| letter["reason"].as_str().unwrap());
                for reason in reasons {
                    assert!(reason.contains("the target accepts 300000"), "{reason}");
                }
                let cut = outcomes.values().filter(|outcome| outcome["cut"] == 1).count();
                assert_eq!(cut, taken.len(), "the log reports the cut");
            }
        }
        let peak = scenario.serve.peak_mb();
        size::measured(
            &format!("large events, {kind:?}"),
            &format!("up to {} bytes, {accepted} accepted, {} delivered, {} dead letters, peak {peak} MB", sizes.last().unwrap(), taken.len(), dead.len()),
        );
    });
    futures_util::future::join_all(kinds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_events_wait_on_disk_and_not_in_memory() {
    let target = FaultyTarget::start(Fault::None).await;
    let more = [("BATCH_WINDOW", "1s")];
    let scenario = Scenario::start(TargetKind::OpenLineage, &target.url, &more);
    let (count, bytes) = size::of((6, 2_000_000), (40, 20_000_000));
    for n in 0..count {
        let (status, text) = send(&scenario, &sized(n, bytes, true), true).await;
        assert_eq!(status, 200, "{text}");
    }
    scenario.outcomes(count.try_into().unwrap()).await;
    let peak = scenario.serve.peak_mb();
    // Far below all of them together: 40 × 20 MB.
    assert!(peak < 700, "{peak} MB");
    size::measured(
        "many large events",
        &format!("{count} of {} MB each, peak {peak} MB", bytes / 1_000_000),
    );
}
