//! What rules cost, beside what reading the same event costs: nothing to do, and each built-in action.
//!
//! `cargo bench -p transform --bench rules`. `read` is `Event::read`, the floor that every event pays once when it comes
//! and again for each rule that changes it. Each action finds something to do in these events, which is checked first.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends at the first error"
)]

use std::collections::HashMap;

use divan::{Bencher, black_box};
use openlineage::{Event, Level};
use serde_json::json;
use transform::{Context, RuleResources, RuleSet, StepOutcome, Transformation, Transforms};

const SIZES: [usize; 3] = [2_000, 20_000, 200_000];

/// Each built-in action that changes an event.
const ACTIONS: &[&str] = &[
    "rename: {namespace: {map: {'s3a://lake': 's3://lake'}}}",
    "rename: {namespace: {prefix: {'s3a://': 's3://'}}}",
    "rename: {namespace: {regex: '^s3[an]://', to: 's3://'}}",
    "rename: {namespace: {hosts: [10.1.2.3], to: db.example.com}}",
    "normalise: all",
    "redshift: {hosts: {10.1.2.4: dwh.abc.us-east-1.redshift.amazonaws.com}}",
    "symlink_to_primary: true",
    "strip: all",
    "facets: {remove: [spark.logicalPlan]}",
    "facets: {keep: [schema]}",
    "facets: {cap: {'*': 200 B}}",
    "redact: {sql_literals: true}",
    "redact: {connection_secrets: true}",
    "redact: {environment: ['*SECRET*', '*PASSWORD*']}",
    "redact: {pointers: /run/facets/spark.logicalPlan/plan/*/class, with: hash}",
    "add: {tags: {domain: finance}, owners: ['team:finance']}",
    "drop_datasets: {namespace: 's3a:*'}",
];

/// Conditions that none of these events meets.
const CONDITIONS: &[&str] = &[
    "{kind: job}",
    "{job: {name: 'finance.*'}}",
    "{producer: '*/integration/spark'}",
    "{dataset: {namespace: 'gs://*'}}",
    "{facet: nothing}",
];

fn main() {
    for size in SIZES {
        let event = event(size);
        for action in ACTIONS {
            let done = applied(&rules(&rule(action, "{}")), &event);
            let did = done.steps.last().map(|step| &step.outcome);
            assert!(
                matches!(did, Some(StepOutcome::Changed { .. })),
                "{action}: {did:?}"
            );
        }
        for when in CONDITIONS {
            let steps = applied(&rules(&rule("drop: true", when)), &event).steps;
            assert!(steps.is_empty(), "{when}");
        }
    }
    divan::main();
}

fn rule(action: &str, when: &str) -> String {
    format!("rules: [{{name: r, when: {when}, {action}}}]")
}

fn rules(text: &str) -> RuleSet {
    let sources = RuleResources {
        file: &|name| Err(format!("{name}: not found")),
        transforms: &Transforms::new(),
        hash_key: Some(b"0123456789abcdef0123456789abcdef"),
        targets: &["store", "file", "openlineage", "datazone"],
    };
    RuleSet::read(text, &sources).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn applied(rules: &RuleSet, event: &Event) -> Transformation {
    let lookups = HashMap::new();
    let context = Context {
        target: "store",
        lookups: &lookups,
    };
    rules.apply(event, &context)
}

/// Of about `size` bytes: half of it datasets with symlinks and columns, a third the logical plan, as Spark has it.
fn event(size: usize) -> Event {
    let facet =
        |name: &str, value| json!({"_producer": "urn:p", "_schemaURL": "urn:s", name: value});
    let dataset = |n: usize| {
        let field = |c: usize| {
            let input = json!({"namespace": "s3a://lake", "name": format!("raw/table_{n}/day=1"), "field": format!("c{c}")});
            (format!("column_{c}"), json!({"inputFields": [input]}))
        };
        let fields: serde_json::Map<_, _> = (0..3).map(field).collect();
        let symlink = json!({"namespace": "arn:aws:glue:eu-west-1:123456789012", "name": format!("table/lake/t{n}"), "type": "TABLE"});
        json!({"namespace": "s3a://lake", "name": format!("clean/table_{n}/day=2026-05-01"), "facets": {
            "symlinks": facet("identifiers", json!([symlink])), "columnLineage": facet("fields", fields.into())}})
    };
    let plan: Vec<_> = (0..size / 300)
        .map(|n| json!({"class": "org.apache.spark.Project", "id": n, "output": [[1, 2.5, null]]}))
        .collect();
    let secret = json!([{"name": "DB_PASSWORD", "value": "tiger"}]);
    let value = json!({
        "eventTime": "2026-01-01T00:00:00Z", "eventType": "COMPLETE", "producer": "urn:p",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "019a2b5c-0000-7000-8000-000000000000", "facets": {
            "environmentVariables": facet("environmentVariables", secret),
            "spark.logicalPlan": facet("plan", plan.into())}},
        "job": {"namespace": "n", "name": "j", "facets": {
            "sql": facet("query", "select * from t where card = '4111' and n = 17".into())}},
        "inputs": [
            {"namespace": "jdbc:postgresql://scott:tiger@10.1.2.3:5432/shop?password=tiger", "name": "public.t"},
            {"namespace": "redshift://10.1.2.4:5439", "name": "dev.public.t"},
        ],
        "outputs": (0..(size / 1_400).max(1)).map(dataset).collect::<Vec<_>>(),
    });
    Event::read(value.to_string().as_bytes(), Level::Strict)
        .unwrap()
        .event
}

#[divan::bench(args = SIZES)]
fn read(bencher: Bencher<'_, '_>, size: usize) {
    let event = event(size);
    bencher.bench(|| Event::read(black_box(event.text()).as_bytes(), Level::Strict));
}

#[divan::bench(args = SIZES)]
fn no_rules(bencher: Bencher<'_, '_>, size: usize) {
    let (event, rules) = (event(size), RuleSet::default());
    bencher.bench(|| applied(&rules, black_box(&event)));
}

#[divan::bench(args = CONDITIONS, consts = SIZES)]
fn not_for_it<const SIZE: usize>(bencher: Bencher<'_, '_>, when: &str) {
    let (event, rules) = (event(SIZE), rules(&rule("drop: true", when)));
    bencher.bench(|| applied(&rules, black_box(&event)));
}

#[divan::bench(args = ACTIONS, consts = SIZES)]
fn action<const SIZE: usize>(bencher: Bencher<'_, '_>, action: &str) {
    let (event, rules) = (event(SIZE), rules(&rule(action, "{}")));
    bencher.bench(|| applied(&rules, black_box(&event)));
}
