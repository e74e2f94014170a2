//! The law of the built-in actions on names: none makes two datasets of an event equal by throwing part of a name away.
//!
//! Which datasets may be one is written here a second time, coarsely: the stores and names of the generated events, each
//! with what it stands for. Nothing of the crate's own idea of a spelling is used.

use std::collections::HashMap;

use openlineage::{Event, Level};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{rules, transformed};
use transform::Verdict;

/// A namespace, and the store that it is.
const STORES: &[(&str, &str)] = &[
    ("s3a://lake", "lake"),
    ("S3://lake/", "lake"),
    ("s3://Lake", "Lake"),
    ("gs://lake", "gs lake"),
    ("abfs://c@acc.dfs.core.windows.net", "c acc"),
    ("abfss://c@acc.blob.core.windows.net:443", "c acc"),
    ("postgres://h/shop", "pg shop"),
    ("jdbc:postgresql://u:p@h:5432/shop?ssl=true", "pg shop"),
    ("postgres://h/other", "pg other"),
    ("sqlserver://h;databaseName=shop", "ms shop"),
    ("jdbc:sqlserver://h:1433;database=other", "ms other"),
    (
        "redshift://wh.aaa.us-east-1.redshift.amazonaws.com:5439/dev",
        "rs aaa dev",
    ),
    (
        "redshift://wh.bbb.us-east-1.redshift.amazonaws.com:5439/dev",
        "rs bbb dev",
    ),
    (
        "redshift://wh.bbb.us-east-1.redshift.amazonaws.com:5439/prod",
        "rs bbb prod",
    ),
    (
        "redshift://wh.111111111111.us-east-1.redshift-serverless.amazonaws.com:5439/dev",
        "rs wg dev",
    ),
    ("arn:aws:glue:eu-west-1:123456789012/", "glue"),
    ("aws:glue:eu-west-1:123456789012", "glue"),
    ("snowflake://org-acc/?db=SHOP", "sf SHOP"),
    (
        "snowflake://org-acc.snowflakecomputing.com/?db=OTHER",
        "sf OTHER",
    ),
    ("mysql://h/shop", "my shop"),
    ("bigquery", "bq"),
];

/// A name, what it is as an object or a table, and whether something of it changes from run to run.
const NAMES: &[(&str, &str)] = &[
    ("public.orders", "public.orders"),
    ("PUBLIC.orders", "PUBLIC.orders"),
    ("orders", "orders"),
    ("public.orders_20260501", "public.orders_20260501"),
    ("public.orders_20260502", "public.orders_20260502"),
    ("public.orders__dbt_tmp", "public.orders"),
    ("public.orders__DBT_BACKUP", "public.orders"),
    ("/raw/orders/", "raw/orders"),
    ("raw/orders", "raw/orders"),
    ("raw/orders/day=1", "raw/orders/day=1"),
    ("raw/orders/day=2/part", "raw/orders/day=2/part"),
    ("raw/2026/05/01", "raw/2026/05/01"),
    ("raw/2026/05/02", "raw/2026/05/02"),
    ("out/01a1faa6-e194-708b-a993-cc010cbe1ae4/x", "out/1/x"),
    ("out/01a1faa6-e194-708b-a993-cc010cbe1ae5/x", "out/2/x"),
    ("audit.t_0a1b2c3d4e5f60718293a4b5c6d7e8f9", "audit.t_0a"),
    ("audit.t_ffeeddccbbaa99887766554433221100", "audit.t_ff"),
    ("table/shop/20260501", "table/shop/20260501"),
    ("table/shop/orders", "table/shop/orders"),
    ("", ""),
];

/// An action, and whether it folds the case of names.
const ACTIONS: &[(&str, bool)] = &[
    ("normalise: all", true),
    ("normalise: redshift", false),
    ("normalise: jdbc", false),
    ("normalise: [s3, objects, trailing_slash]", false),
    ("normalise: [jdbc, host_case, default_ports, glue]", false),
    ("normalise: name_case", true),
    ("strip: dates", false),
    ("strip: uuids", false),
    ("strip: temporary", false),
    ("strip: [dates, uuids, temporary]", false),
    ("redshift: {style: openlineage}", true),
    ("redshift: {style: endpoint}", true),
    ("redshift: {style: arn, account: '123456789012'}", true),
];

fn named((store, name): (usize, usize)) -> Value {
    json!({"namespace": STORES[store].0, "name": NAMES[name].0})
}

fn event(inputs: &[(usize, usize)], outputs: &[(usize, usize)]) -> Event {
    let list = |of: &[(usize, usize)]| of.iter().copied().map(named).collect::<Vec<_>>();
    let text = json!({
        "eventTime": "2026-01-01T00:00:00Z", "producer": "urn:p", "schemaURL": "urn:s",
        "job": {"namespace": "n", "name": "j", "facets": {"lineage": {"_producer": "urn:p", "_schemaURL": "urn:s",
            "entries": list(inputs).into_iter().chain(list(outputs)).map(|mut entry| {
                entry["type"] = "DATASET".into();
                entry
            }).collect::<Vec<_>>()}}},
        "inputs": list(inputs), "outputs": list(outputs),
    });
    Event::read(text.to_string().as_bytes(), Level::Strict)
        .unwrap()
        .event
}

/// The same dataset, whatever it is called.
fn means((store, name): (usize, usize), folds: bool) -> (String, String) {
    let text = NAMES[name].1;
    let name = match folds {
        true => text.to_lowercase(),
        false => text.to_owned(),
    };
    (STORES[store].1.to_owned(), name)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn two_datasets_of_an_event_stay_two(
        inputs in proptest::collection::vec((0..STORES.len(), 0..NAMES.len()), 1..5),
        outputs in proptest::collection::vec((0..STORES.len(), 0..NAMES.len()), 0..4),
    ) {
        let before = event(&inputs, &outputs);
        for (action, folds) in ACTIONS {
            let done = transformed(&rules(&[action]), &before);
            let Verdict::Keep(after) = done.verdict else {
                panic!("{action}");
            };
            // The entries of the facet stay as many as they are, in their order.
            let after: Value = serde_json::from_str(after.text()).unwrap();
            let entries = after["job"]["facets"]["lineage"]["entries"].as_array().unwrap();
            let mut meant: HashMap<(String, String), (usize, usize)> = HashMap::new();
            for (entry, dataset) in entries.iter().zip(inputs.iter().chain(&outputs)) {
                let text = |name: &str| entry[name].as_str().unwrap().to_owned();
                let other = meant.entry((text("namespace"), text("name"))).or_insert(*dataset);
                prop_assert_eq!(
                    means(*dataset, *folds), means(*other, *folds),
                    "{}: {} and {} are {}", action, named(*dataset), named(*other), entry
                );
            }
            // What is written is read only if it was.
            let called = |dataset: &(usize, usize)| {
                let name = NAMES[dataset.1].0.trim_matches('/').to_lowercase();
                (STORES[dataset.0].1, name)
            };
            let read = |dataset: &(usize, usize)| inputs.iter().any(|input| called(input) == called(dataset));
            let (ins, outs) = entries.split_at(inputs.len());
            for (out, dataset) in outs.iter().zip(&outputs) {
                prop_assert!(!ins.contains(out) || read(dataset), "{}: {} is read and written", action, out);
            }
        }
    }
}
