use super::*;

const DOCUMENTED: &str = include_str!("../../../../../docs/operate.md");

fn row(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    };
    let labels: Vec<String> = (metric.labels.iter())
        .map(|label| format!("`{}`", label.name))
        .collect();
    format!(
        "| `{}` | {kind} | {} | {} |",
        metric.name,
        labels.join(", "),
        metric.help
    )
}

#[test]
fn the_documentation_has_each_metric_and_no_other() {
    let expected: Vec<String> = ALL.into_iter().map(row).collect();
    let rows = DOCUMENTED
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
fn names_say_what_they_are() {
    for metric in ALL {
        let Metric {
            name,
            kind,
            unit,
            help,
            ..
        } = metric;
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
        assert!(
            help.ends_with('.') && !help.contains('\n') && !help.contains('|'),
            "{name}"
        );
        if let Kind::Histogram(buckets) = kind {
            assert!(buckets.is_sorted_by(|a, b| a < b), "{name}");
        }
    }
    let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
}

/// Clippy keeps `counter!` and its like to this file; here, that what is in the table is used.
#[test]
fn each_metric_is_used() {
    fn sources(folder: &std::path::Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else if !path.ends_with("telemetry/metric.rs") {
                into.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut text = String::new();
    sources(
        &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    let table = include_str!("../metric.rs");
    let constants: Vec<&str> = table
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub(crate) const ")?
                .split_once(": Metric =")
        })
        .map(|(constant, _)| constant)
        .collect();
    assert_eq!(constants.len(), ALL.len());
    for constant in constants
        .into_iter()
        .filter(|constant| *constant != "BUILD_INFO")
    {
        assert!(
            text.contains(&format!("metric::{constant}.")),
            "{constant} is not used"
        );
    }
}

#[test]
fn each_kind_of_repair_begins_at_zero() {
    let event = r#"{"eventType": "complete", "eventTime": "2026-01-01 00:00:00", "producer": "me", "inputs": null,
        "run": {"runId": "one", "facets": {"own": {"a": 1}}}, "job": {"namespace": "n", "name": "j"}}"#;
    let read = openlineage::Event::read(event.as_bytes(), openlineage::Level::Repair).unwrap();
    let found: std::collections::BTreeSet<&str> =
        read.repairs.iter().map(|repair| repair.rule).collect();
    let Known::These(known) = RULE_OF_REPAIR.known else {
        panic!("no rules are known");
    };
    assert_eq!(found, known.iter().copied().collect());
}
