//! The metrics of `serve`: what `/metrics` shows from the start, and how it changes.

use std::collections::BTreeMap;

use testing::events::event;
use testing::{Fault, FaultyTarget, Serve, start_serve, until};

use super::send;

/// The text format 0.0.4 as its specification has it, and no more: families in one piece, HELP and TYPE before their
/// samples, every sample once, buckets that add up.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
fn parsed(text: &str) -> BTreeMap<String, (String, BTreeMap<String, f64>)> {
    let mut families: BTreeMap<String, (String, BTreeMap<String, f64>)> = BTreeMap::new();
    let (mut helped, mut family) = (String::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty());
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped, name, "no HELP");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            family = name.to_owned();
            assert!(
                families
                    .insert(family.clone(), (kind.to_owned(), BTreeMap::new()))
                    .is_none(),
                "{name} twice"
            );
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let (kind, samples) = families.get_mut(&family).unwrap();
            let ending = name.strip_prefix(family.as_str()).unwrap();
            let endings: &[&str] = if kind == "histogram" {
                &["_bucket", "_sum", "_count"]
            } else {
                &[""]
            };
            assert!(endings.contains(&ending), "{line} in {family}");
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                "{line}"
            );
            assert!(
                samples
                    .insert(sample.to_owned(), value.parse().unwrap())
                    .is_none(),
                "{line} twice"
            );
        }
    }
    for (name, (kind, samples)) in &families {
        if kind == "histogram" {
            let count = format!("{name}_count");
            let counts = samples.iter().filter_map(|(sample, count_of)| {
                let labels = sample.strip_prefix(&count)?;
                Some((labels.trim_matches(['{', '}']), count_of))
            });
            let counts: Vec<_> = counts.collect();
            assert!(!counts.is_empty(), "{name}");
            for (labels, count) in counts {
                let comma = if labels.is_empty() { "" } else { "," };
                let last = format!("{name}_bucket{{{labels}{comma}le=\"+Inf\"}}");
                assert_eq!(samples[&last], *count, "{last}");
            }
            assert!(samples.values().all(|value| *value >= 0.0));
        }
    }
    families
}

#[tokio::test]
async fn every_documented_metric_is_there_from_the_start_and_parses() {
    let (_folder, serve) = start_serve(&[]);
    let families = async || parsed(&serve.get("/metrics").await);
    until(async || (families().await.contains_key("lineage_proxy_queue_events")).then_some(()))
        .await;
    let begin = families().await;
    let documentation = include_str!("../../docs/operate.md");
    let mut documented = 0;
    for row in documentation
        .lines()
        .filter(|line| line.starts_with("| `lineage_proxy_"))
    {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        if name == "lineage_proxy_datazone_processing_failures_total" {
            continue; // the check function's
        }
        // The values of these labels are the rules of a file, the names of keys and of sources, and there are none.
        let unknown = [
            "lineage_proxy_rule_failures_total",
            "lineage_proxy_sender_requests_total",
            "lineage_proxy_source_events_total",
            "lineage_proxy_source_findings_total",
            "lineage_proxy_source_errors_total",
            "lineage_proxy_source_last_success_timestamp_seconds",
        ];
        if unknown.contains(&name) {
            continue;
        }
        let (kind, samples) = begin.get(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(kind, cells[2], "{name}");
        assert!(!samples.is_empty(), "{name}");
        documented += 1;
    }
    assert_eq!(documented, begin.len(), "{:?}", begin.keys());
    for zero in [
        r#"lineage_proxy_dead_lettered_total{target="store",reason="unavailable"}"#,
        r#"lineage_proxy_delivered_total{target="store"}"#,
        r#"lineage_proxy_http_rejected_total{status="403"}"#,
        "lineage_proxy_accepted_total",
    ] {
        let family = &begin[zero.split('{').next().unwrap()].1;
        assert_eq!(family[zero], 0.0, "{zero}");
    }
    let version = format!(
        "lineage_proxy_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(begin["lineage_proxy_build_info"].1[&version], 1.0);
    // What a stranger sends never becomes a label.
    serve.post(&event(1, "START")).await;
    for n in 0..20 {
        let path = format!("/{n}\"}} 1\n");
        send(
            &serve,
            &path,
            &[("user-agent", &format!("agent-{n}"))],
            "{}",
        )
        .await;
    }
    let end = families().await;
    let count = |families: &BTreeMap<String, (String, BTreeMap<String, f64>)>| {
        families
            .values()
            .map(|(_, samples)| samples.len())
            .sum::<usize>()
    };
    assert!(count(&end) <= count(&begin) + 3, "{end:#?}");
    assert_eq!(
        end["lineage_proxy_accepted_total"].1["lineage_proxy_accepted_total"],
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gauges_show_the_depth_and_the_age_of_the_queue_and_that_the_target_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let target = FaultyTarget::start(Fault::status(503)).await;
    let serve = Serve::start(folder.path(), &target.settings());
    for n in 0..3 {
        serve.post(&event(n, "START")).await;
    }
    let refused = event(9, "START").replace("urn:test", r#"urn:test","answer":400,"x2":""#);
    let value = async |name: &str| {
        let text = serve.get("/metrics").await;
        let families = parsed(&text);
        let family = families.get(name.split('{').next().unwrap());
        family.and_then(|(_, samples)| samples.get(name).copied())
    };
    let gauge = |name: &str| format!("lineage_proxy_{name}{{target=\"openlineage\"}}");
    let up = r#"lineage_proxy_target_up{target="openlineage"}"#;
    until(async || (value(up).await == Some(0.0)).then_some(())).await;
    until(async || (value(&gauge("queue_events")).await == Some(3.0)).then_some(())).await;
    until(async || (value(&gauge("queue_oldest_age_seconds")).await > Some(0.0)).then_some(()))
        .await;
    assert_eq!(value(&gauge("dead_letters")).await, Some(0.0));
    target.set(Fault::None);
    assert_eq!(serve.post(&refused).await.status(), 200);
    target.accepted_when(3).await;
    until(async || (value(up).await == Some(1.0)).then_some(())).await;
    until(async || (value(&gauge("queue_events")).await == Some(0.0)).then_some(())).await;
    until(async || (value(&gauge("dead_letters")).await == Some(1.0)).then_some(())).await;
    assert_eq!(value(&gauge("queue_oldest_age_seconds")).await, Some(0.0));
}
