use std::collections::BTreeSet;

use super::*;

const DOCUMENTATION: &str = include_str!("../../../../../docs/operate.md");
const TEMPLATE: &str = include_str!("../../../../../infra/openlineage-proxy.yaml");

fn definitions() -> impl Iterator<Item = Definition> {
    Metric::VARIANTS.iter().map(|metric| metric.definition())
}

fn row(metric: Definition) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    };
    let label = |label: &Label| format!("`{}`", label.name());
    let labels: Vec<String> = metric.labels.iter().map(label).collect();
    format!(
        "| `{}` | {kind} | {} | {} |",
        metric.name,
        labels.join(", "),
        metric.help
    )
}

#[test]
fn the_documentation_lists_each_metric_and_no_other() {
    let expected: Vec<String> = definitions().map(row).collect();
    let rows = DOCUMENTATION
        .lines()
        .filter(|line| line.starts_with("| `lineage_proxy_"));
    assert_eq!(
        rows.collect::<Vec<_>>().join("\n"),
        expected.join("\n"),
        "\n{}",
        expected.join("\n")
    );
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let mut names = BTreeSet::new();
    for metric in definitions() {
        let name = metric.name;
        assert!(names.insert(name), "{name} twice");
        assert_eq!(
            name.ends_with("_total"),
            metric.kind == Kind::Counter,
            "{name}"
        );
        if let Kind::Histogram(buckets) = metric.kind {
            assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
            assert!(
                name.ends_with("_seconds") || name.ends_with("_ratio"),
                "{name}"
            );
        }
        let help = metric.help;
        assert!(
            help.ends_with('.') && !help.contains(['\n', '|']),
            "{name}: {help}"
        );
    }
}

/// The alarms and the dashboard of the template look for a metric by its exact set of dimensions.
#[test]
fn the_template_names_metrics_and_dimensions_that_exist() {
    let find = |name: &str| {
        let found = definitions().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("{name} is no metric"))
    };
    let dimensions = |metric: Definition| {
        let labels = metric.labels.iter().map(|label| label.name());
        labels.chain(["function"]).collect::<BTreeSet<&str>>()
    };
    let (mut alarms, mut searches) = (0, 0);
    let lines: Vec<&str> = TEMPLATE.lines().collect();
    for pair in lines.windows(2) {
        let Some(at) = pair[0].find("lineage_proxy_") else {
            continue;
        };
        let name = pair[0][at..]
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next();
        let metric = find(name.unwrap());
        if pair[0].trim_start().starts_with("MetricName:") {
            let named = pair[1].split("Name: ").skip(1);
            let named = named.map(|text| text.split([',', '}']).next().unwrap());
            assert_eq!(
                named.collect::<BTreeSet<_>>(),
                dimensions(metric),
                "{}",
                metric.name
            );
            alarms += 1;
        } else if let Some((_, search)) = pair[0].split_once(r#"LineageProxy/${AWS::StackName}\","#)
        {
            let named = search.split('}').next().unwrap().split(',');
            assert_eq!(
                named.collect::<BTreeSet<_>>(),
                dimensions(metric),
                "{}",
                metric.name
            );
            searches += 1;
        }
    }
    assert!(alarms >= 10 && searches >= 6, "{alarms} {searches}");
}

/// clippy.toml keeps the macros of the metrics crate to one file; this keeps the enum free of metrics that nobody records.
#[test]
fn each_metric_is_recorded_somewhere() {
    let files = testing::source_files("crates/proxy/src", "rs").into_iter();
    let files = files.filter(|file| !file.path.ends_with("telemetry/metric/definition.rs"));
    let text: String = files.map(|file| file.text).collect();
    for metric in Metric::VARIANTS {
        let name = format!("Metric::{metric:?}");
        let is_recorded = text.match_indices(&name).any(|(at, _)| {
            let after = &text[at + name.len()..];
            !after.starts_with(|c: char| c.is_alphanumeric())
        });
        assert!(is_recorded, "{name} is not recorded");
    }
}

#[test]
fn a_counter_with_two_labels_begins_at_zero_for_each_combination() {
    let labels = [Label::Target, Label::RetryReason];
    let configured = Configured {
        targets: &["catalog", "marquez"],
        sources: &["crawls"],
    };
    let pairs = combinations(&labels, configured);
    assert_eq!(
        pairs.len(),
        2 * Label::RetryReason.known_values(configured).len()
    );
    assert_eq!(combinations(&[], configured), [Vec::new()]);
    for definition in definitions().filter(|it| it.labels.contains(&Label::Source)) {
        assert!(!combinations(definition.labels, configured).is_empty());
    }
    let unknown = [Label::Target, Label::TransformRule];
    assert!(combinations(&unknown, configured).is_empty());
}

#[test]
fn each_kind_of_repair_begins_at_zero() {
    let event = r#"{"eventType": "complete", "eventTime": "2026-01-01 00:00:00", "producer": "me", "inputs": null,
        "run": {"runId": "one", "facets": {"own": {"a": 1}}}, "job": {"namespace": "n", "name": "j"}}"#;
    let read = openlineage::Event::read(event.as_bytes(), openlineage::Level::Repair).unwrap();
    let found: BTreeSet<&str> = read.repairs.iter().map(|repair| repair.rule).collect();
    let configured = Configured {
        targets: &[],
        sources: &[],
    };
    let known = Label::RepairRule.known_values(configured).iter().copied();
    assert_eq!(found, known.collect());
}
