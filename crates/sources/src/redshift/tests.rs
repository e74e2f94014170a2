//! Stories of a whole history, with results as the Data API gives them.

use std::collections::{BTreeMap, BTreeSet};

use openlineage::{Event, Level};
use serde_json::{Value, json};
use time::Duration;

use super::*;
use crate::{Extraction, FindingRule};

mod bugs;
mod stories;
mod transfers;

const HOST: &str = "corp-wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com:5439";

/// Saved results of a history, with what each statement comes to in `expected.json`.
const SAVED: [(&str, &str); 14] = [
    (
        "sys_query_history.page-1.json",
        include_str!("../../tests/fixtures/redshift/sys_query_history.page-1.json"),
    ),
    (
        "sys_query_history.page-2.json",
        include_str!("../../tests/fixtures/redshift/sys_query_history.page-2.json"),
    ),
    (
        "sys_query_history.page-3.json",
        include_str!("../../tests/fixtures/redshift/sys_query_history.page-3.json"),
    ),
    (
        "sys_query_text.page-1.json",
        include_str!("../../tests/fixtures/redshift/sys_query_text.page-1.json"),
    ),
    (
        "sys_query_text.page-2.json",
        include_str!("../../tests/fixtures/redshift/sys_query_text.page-2.json"),
    ),
    (
        "sys_query_detail.json",
        include_str!("../../tests/fixtures/redshift/sys_query_detail.json"),
    ),
    (
        "sys_procedure_call.json",
        include_str!("../../tests/fixtures/redshift/sys_procedure_call.json"),
    ),
    (
        "sys_transaction_history.json",
        include_str!("../../tests/fixtures/redshift/sys_transaction_history.json"),
    ),
    (
        "sys_load_history.json",
        include_str!("../../tests/fixtures/redshift/sys_load_history.json"),
    ),
    (
        "sys_unload_history.json",
        include_str!("../../tests/fixtures/redshift/sys_unload_history.json"),
    ),
    (
        "svv_all_columns.json",
        include_str!("../../tests/fixtures/redshift/svv_all_columns.json"),
    ),
    (
        "svv_redshift_databases.json",
        include_str!("../../tests/fixtures/redshift/svv_redshift_databases.json"),
    ),
    (
        "svv_external_schemas.json",
        include_str!("../../tests/fixtures/redshift/svv_external_schemas.json"),
    ),
    (
        "svv_user_info.json",
        include_str!("../../tests/fixtures/redshift/svv_user_info.json"),
    ),
];
const EXPECTED: &str = include_str!("../../tests/fixtures/redshift/expected.json");

/// An answer of the Data API with rows of a view, each with values of its first columns.
fn answer(view: View, rows: Vec<Vec<Value>>) -> String {
    let names = view.columns().iter();
    let width = rows.first().map_or(0, Vec::len);
    let columns: Vec<Value> = names
        .take(width)
        .map(|name| json!({"name": name}))
        .collect();
    json!({"ColumnMetadata": columns, "Records": rows}).to_string()
}

fn saved(leave_out: &str) -> (History, Catalogue) {
    let (mut history, mut catalogue) = (History::default(), Catalogue::default());
    for (name, json) in SAVED {
        if leave_out.is_empty() || !name.starts_with(leave_out) {
            history
                .add_file(&mut catalogue, name, json.as_bytes())
                .unwrap();
        }
    }
    (history, catalogue)
}

fn extracted((history, catalogue): &(History, Catalogue), options: &Options) -> Extraction {
    let warehouse = Warehouse::at(HOST).unwrap();
    extract_all(history, catalogue, &warehouse, options)
}

/// Events by the id of their query.
fn by_query(extraction: &Extraction) -> BTreeMap<i64, Value> {
    let events = extraction.events.iter().map(|event| {
        let read = Event::read(event.text.as_bytes(), Level::Strict);
        read.unwrap_or_else(|invalid| panic!("{invalid}: {}", event.text));
        let event: Value = serde_json::from_str(&event.text).unwrap();
        let query = &event["run"]["facets"]["externalQuery"]["externalQueryId"];
        (query.as_str().unwrap().parse().unwrap(), event)
    });
    events.collect()
}

/// The name of a dataset, with its namespace if it is not that of the warehouse.
fn name(dataset: &Value) -> String {
    let namespace = dataset["namespace"].as_str().unwrap();
    let name = dataset["name"].as_str().unwrap();
    match namespace.strip_prefix("redshift://") == Some(HOST) {
        true => name.to_owned(),
        false => format!("{namespace} {name}"),
    }
}

/// An event in the form of `expected.json`.
fn summary(event: &Value, parents: &BTreeMap<String, i64>) -> Value {
    let names = |list: &str| -> BTreeSet<String> {
        event[list].as_array().unwrap().iter().map(name).collect()
    };
    let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let outputs = event["outputs"].as_array().unwrap().iter();
    for (column, field) in outputs.flat_map(|output| {
        let fields = output["facets"]["columnLineage"]["fields"].as_object();
        fields.into_iter().flatten()
    }) {
        let inputs = field["inputFields"].as_array().unwrap().iter();
        let direct = inputs.filter(|input| {
            let transformations = input["transformations"].as_array().unwrap().iter();
            transformations.into_iter().any(|it| it["type"] == "DIRECT")
        });
        let named =
            direct.map(|input| format!("{}#{}", name(input), input["field"].as_str().unwrap()));
        columns.insert(column.clone(), named.collect());
    }
    let mut summary = json!({
        "emit": true,
        "eventType": event["eventType"],
        "inputs": names("inputs"),
        "outputs": names("outputs"),
        "columns": columns,
    });
    let parent = event["run"]["facets"]["parent"]["run"]["runId"].as_str();
    if let Some(parent) = parent {
        summary["parent"] = json!(parents[parent]);
    }
    summary
}

#[test]
fn every_statement_comes_to_what_is_expected() {
    let options = Options {
        insert_values: true,
        ..Options::default()
    };
    let events = by_query(&extracted(&saved(""), &options));
    let runs: BTreeMap<String, i64> = (events.iter())
        .map(|(query, event)| (event["run"]["runId"].as_str().unwrap().to_owned(), *query))
        .collect();
    let expected: BTreeMap<String, Value> = serde_json::from_str(EXPECTED).unwrap();
    let mut differences = Vec::new();
    for (key, mut expected) in expected {
        let query = expected.as_object_mut().unwrap().remove("query").unwrap();
        let found = events.get(&query.as_i64().unwrap());
        let found = found.map_or(json!({"emit": false}), |event| summary(event, &runs));
        let sorted = |list: &mut Value| {
            if let Some(list) = list.as_array_mut() {
                list.sort_by_key(ToString::to_string);
            }
        };
        for list in ["inputs", "outputs"] {
            if let Some(list) = expected.get_mut(list) {
                sorted(list);
            }
        }
        if found != expected {
            differences.push(format!("{key}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn neither_credentials_nor_literals_leave_by_any_way() {
    for (sql, secrets) in [
        (
            SqlFacet::Redacted,
            &[
                "notasecret",
                "EXAMPLEKEY",
                "jane.doe",
                "2026-05-13'",
                "cancelled",
            ][..],
        ),
        (SqlFacet::Full, &["notasecret", "EXAMPLEKEY"][..]),
    ] {
        let options = Options {
            insert_values: true,
            sql,
            ..Options::default()
        };
        let extraction = extracted(&saved(""), &options);
        let mut texts: Vec<String> = extraction
            .events
            .into_iter()
            .map(|event| event.text)
            .collect();
        texts.extend(extraction.findings.iter().map(ToString::to_string));
        for secret in secrets {
            assert!(!texts.iter().any(|text| text.contains(secret)), "{secret}");
        }
    }
}

#[test]
fn a_job_is_the_same_for_statements_that_differ_in_literals_alone() {
    let events = by_query(&extracted(&saved(""), &Options::default()));
    let job = |query: i64| events[&query]["job"]["name"].as_str().unwrap().to_owned();
    assert_eq!(
        job(700_310),
        job(700_317),
        "the history has one generic hash for both"
    );
    assert!(job(700_107).starts_with("mart.daily_sales."));
    assert_eq!(job(700_289), "mart.refresh_sales");
    let names: BTreeSet<String> = events.keys().map(|query| job(*query)).collect();
    assert!(names.len() > 20, "{names:?}");
}

#[test]
fn an_event_has_the_times_of_the_history() {
    let events = by_query(&extracted(&saved(""), &Options::default()));
    let event = &events[&700_107];
    assert_eq!(event["eventTime"], "2026-05-13T02:00:03.623456Z");
    let query = &event["run"]["facets"]["redshift_query"];
    assert_eq!(query["startTime"], "2026-05-13T02:00:00.123456Z");
    assert_eq!(
        event["outputs"][0]["facets"]["schema"]["fields"][0]["name"],
        "day"
    );
    let failed = &events[&700_275]["run"]["facets"]["errorMessage"];
    assert_eq!(failed["message"], "Load into table 'daily_sales' failed");
}

#[test]
fn what_is_missing_is_said_once_and_where() {
    let extraction = extracted(&saved(""), &Options::default());
    let of = |rule| {
        extraction
            .findings
            .iter()
            .filter(move |finding| finding.rule == rule)
    };
    let incomplete: Vec<&str> = of(FindingRule::Incomplete)
        .map(|finding| finding.place.as_str())
        .collect();
    assert_eq!(
        incomplete,
        ["query 700317, started 2026-05-13 02:30:00.123456"]
    );
    assert_eq!(of(FindingRule::UnparsedSql).count(), 0);
    assert_eq!(
        of(FindingRule::UnresolvedName).count(),
        0,
        "{:?}",
        extraction.findings
    );
    let without = extracted(&saved("sys_transaction_history"), &Options::default());
    let unseen = without
        .findings
        .iter()
        .filter(|finding| finding.rule == FindingRule::NotVisible);
    assert_eq!(unseen.count(), 1);
}

/// Polls the history until a time, from where the last poll ended.
fn poll(
    results: &(History, Catalogue),
    state: &State,
    from: time::OffsetDateTime,
    minutes: i64,
) -> Found {
    let warehouse = Warehouse::at(HOST).unwrap();
    let now = time::OffsetDateTime::from_unix_timestamp(1_778_637_600).unwrap()
        + Duration::minutes(minutes);
    // What had not started, or not ended, by then.
    let history = results.0.as_of(from, now);
    extract(
        &Poll {
            history: &history,
            catalogue: &results.1,
            warehouse: &warehouse,
            options: &Options::default(),
            window: Window {
                from,
                now,
                overlap: Duration::minutes(5),
                is_complete: true,
                presses_on: false,
            },
        },
        state,
    )
}

#[test]
fn many_polls_find_what_one_poll_finds_and_nothing_twice() {
    let results = saved("");
    let whole = extracted(&results, &Options::default());
    for step in [1, 3, 7, 20] {
        let mut state = State::default();
        let mut from = time::OffsetDateTime::from_unix_timestamp(1_778_637_000).unwrap();
        let mut found = Vec::new();
        for minutes in (0..80).step_by(step) {
            let seen = poll(&results, &state, from, minutes);
            assert!(seen.next >= from);
            found.extend(seen.extraction.events);
            from = seen.next;
            // As it is kept.
            state = State::from_json(&seen.state.to_json()).unwrap();
        }
        let identities: BTreeSet<_> = found.iter().map(|event| event.identity).collect();
        assert_eq!(
            identities.len(),
            found.len(),
            "nothing twice, by {step} minutes"
        );
        let sorted = |mut events: Vec<crate::FoundEvent>| {
            events.sort_by_key(|event| event.identity);
            events
        };
        let (one, many) = (sorted(whole.events.clone()), sorted(found));
        assert_eq!(one.len(), many.len(), "by {step} minutes");
        for (one, many) in one.iter().zip(&many) {
            assert_eq!(one.text, many.text, "by {step} minutes");
        }
    }
}

#[test]
fn a_reader_that_sees_its_own_statements_alone_says_so_once() {
    let (number, text) = (
        |n: i64| json!({"longValue": n}),
        |t: &str| json!({"stringValue": t}),
    );
    let row = vec![
        number(7),
        number(1),
        number(1),
        number(1),
        text("dev"),
        text("success"),
        text("2026-05-13 02:00:00"),
        text("2026-05-13 02:00:01"),
        text("/* lineage-proxy */ SELECT 1"),
        text("lineage-proxy"),
    ];
    let json = answer(View::Queries, vec![row]);
    let (mut history, mut catalogue) = (History::default(), Catalogue::default());
    history
        .add(&mut catalogue, View::Queries, "x", json.as_bytes())
        .unwrap();
    let results = (history, catalogue);
    let from = time::OffsetDateTime::from_unix_timestamp(1_778_637_000).unwrap();
    let first = poll(&results, &State::default(), from, 60);
    let [finding] = &first.extraction.findings[..] else {
        panic!("{:?}", first.extraction)
    };
    assert_eq!(finding.rule, FindingRule::NotVisible);
    let second = poll(&results, &first.state, from, 61);
    assert!(second.extraction.findings.is_empty());
}
