//! Stories of sessions and transactions, told as statements.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::result::written;
use super::super::*;
use super::{answer, by_query};
use crate::{Extraction, FindingRule};

/// A statement of a story. It starts a minute after the one before, and takes ten seconds.
pub(super) struct Told {
    session: i64,
    transaction: i64,
    status: &'static str,
    sql: String,
    label: &'static str,
}

pub(super) fn told(session: i64, transaction: i64, sql: &str) -> Told {
    Told {
        session,
        transaction,
        status: "success",
        sql: sql.to_owned(),
        label: "default",
    }
}

fn start(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_778_637_600 + 60 * minutes).unwrap()
}

fn text(text: &str) -> Value {
    json!({"stringValue": format!("{text}   ")})
}

/// The results of a story, with these tables in the catalogue: `schema.table` and its columns.
pub(super) fn results(story: &[Told], tables: &[(&str, &[&str])]) -> (History, Catalogue) {
    let (mut history, mut catalogue) = (History::default(), Catalogue::default());
    let mut add = |view, rows: Vec<Vec<Value>>| {
        let json = answer(view, rows);
        history
            .add(&mut catalogue, view, "story", json.as_bytes())
            .unwrap();
    };
    let rows = (1..).zip(story).map(|(number, told)| {
        let begin = start(number);
        let end = match told.status {
            "running" => json!({"isNull": true}),
            _ => text(&written(begin + time::Duration::seconds(10))),
        };
        let sql = told.sql.replace('\\', "\\\\").replace('\n', "\\n");
        vec![
            json!({"longValue": 100}),
            json!({"longValue": number}),
            json!({"longValue": told.transaction}),
            json!({"longValue": told.session}),
            text("dev"),
            text(told.status),
            text(&written(begin)),
            end,
            text(&sql),
            text(told.label),
            text(if told.status == "failed" {
                "division by zero"
            } else {
                ""
            }),
        ]
    });
    add(View::Queries, rows.collect());
    let columns = tables.iter().flat_map(|(table, columns)| {
        let (schema, table) = table.split_once('.').unwrap();
        (1..).zip(columns.iter()).map(move |(position, column)| {
            let position: i64 = position;
            vec![
                text("dev"),
                text(schema),
                text(table),
                text(column),
                json!({"longValue": position}),
                text("integer"),
            ]
        })
    });
    add(View::Columns, columns.collect());
    (history, catalogue)
}

pub(super) fn tell(story: &[Told], tables: &[(&str, &[&str])]) -> Extraction {
    let (history, catalogue) = results(story, tables);
    let warehouse = Warehouse::at("wh.example.com").unwrap();
    extract_all(&history, &catalogue, &warehouse, &Options::default())
}

/// What an event reads, writes and is: `INPUT, INPUT -> OUTPUT` with names less their database.
fn edges(extraction: &Extraction, query: i64) -> String {
    let events = by_query(extraction);
    let Some(event) = events.get(&query) else {
        return "no event".to_owned();
    };
    let names = |list: &str| -> String {
        let names: BTreeSet<String> = (event[list].as_array().unwrap().iter())
            .map(|it| {
                it["name"]
                    .as_str()
                    .unwrap()
                    .trim_start_matches("dev.")
                    .to_owned()
            })
            .collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    format!("{} -> {}", names("inputs"), names("outputs"))
}

fn event_type(extraction: &Extraction, query: i64) -> String {
    by_query(extraction)[&query]["eventType"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Where a column of the output comes from.
fn column(extraction: &Extraction, query: i64, column: &str) -> Vec<String> {
    let event = &by_query(extraction)[&query];
    let field = &event["outputs"][0]["facets"]["columnLineage"]["fields"][column];
    let inputs = field["inputFields"]
        .as_array()
        .unwrap_or_else(|| panic!("no {column}: {event}"));
    let name = |input: &Value| {
        let table = input["name"].as_str().unwrap().trim_start_matches("dev.");
        format!("{table}.{}", input["field"].as_str().unwrap())
    };
    inputs.iter().map(name).collect()
}

const A: (&str, &[&str]) = ("public.a", &["id", "x"]);
const B: (&str, &[&str]) = ("public.b", &["id", "y"]);
const OUT: (&str, &[&str]) = ("mart.out", &["id", "z"]);

#[test]
fn a_temporary_table_of_temporary_tables_is_what_the_first_was_made_of() {
    let found = tell(
        &[
            told(1, 1, "CREATE TEMP TABLE one AS SELECT id, x FROM public.a"),
            told(
                1,
                2,
                "SELECT o.id, o.x + b.y AS z INTO #two FROM one o JOIN public.b b ON b.id = o.id",
            ),
            told(1, 3, "DROP TABLE one"),
            told(1, 4, "INSERT INTO mart.out SELECT * FROM #two"),
        ],
        &[A, B, OUT],
    );
    assert_eq!(edges(&found, 4), "public.a, public.b -> mart.out");
    assert_eq!(column(&found, 4, "z"), ["public.a.x", "public.b.y"]);
    assert_eq!(found.events.len(), 1);
}

#[test]
fn a_temporary_table_that_is_filled_twice_has_both() {
    let found = tell(
        &[
            told(1, 1, "CREATE TEMP TABLE t (id int, z int)"),
            told(1, 2, "INSERT INTO t SELECT id, x FROM public.a"),
            told(1, 3, "INSERT INTO t SELECT id, y FROM public.b"),
            told(1, 4, "INSERT INTO mart.out SELECT id, z FROM t"),
        ],
        &[A, B, OUT],
    );
    assert_eq!(column(&found, 4, "z"), ["public.a.x", "public.b.y"]);
}

#[test]
fn a_temporary_table_hides_a_table_of_its_name_until_it_is_dropped() {
    let found = tell(
        &[
            told(
                1,
                1,
                "CREATE TEMP TABLE a AS SELECT id, y AS x FROM public.b",
            ),
            told(1, 2, "INSERT INTO mart.out SELECT id, x FROM a"),
            told(1, 3, "DROP TABLE a"),
            told(1, 4, "INSERT INTO mart.out SELECT id, x FROM a"),
            told(2, 5, "INSERT INTO mart.out SELECT id, x FROM a"),
        ],
        &[A, B, OUT],
    );
    assert_eq!(edges(&found, 2), "public.b -> mart.out");
    assert_eq!(edges(&found, 4), "public.a -> mart.out");
    assert_eq!(edges(&found, 5), "public.a -> mart.out", "another session");
}

#[test]
fn what_a_transaction_did_that_was_rolled_back_did_not_happen() {
    let found = tell(
        &[
            told(1, 1, "CREATE TEMP TABLE t AS SELECT id, x FROM public.a"),
            told(1, 2, "BEGIN"),
            told(1, 2, "DROP TABLE t"),
            told(
                1,
                2,
                "CREATE TEMP TABLE t AS SELECT id, y AS x FROM public.b",
            ),
            told(1, 2, "INSERT INTO mart.out SELECT id, x FROM t"),
            told(1, 2, "ROLLBACK"),
            told(1, 3, "INSERT INTO mart.out SELECT id, x FROM t"),
        ],
        &[A, B, OUT],
    );
    assert_eq!(event_type(&found, 5), "ABORT");
    assert_eq!(edges(&found, 5), "public.b -> mart.out", "inside it was so");
    assert_eq!(edges(&found, 7), "public.a -> mart.out");
}

#[test]
fn a_statement_that_failed_changes_nothing_and_undoes_those_before_it() {
    let failed = Told {
        status: "failed",
        ..told(1, 2, "INSERT INTO mart.out SELECT id, 1/0 FROM public.b")
    };
    let found = tell(
        &[
            told(1, 1, "INSERT INTO mart.out SELECT id, x FROM public.a"),
            told(1, 2, "INSERT INTO mart.out SELECT id, x FROM public.a"),
            failed,
            told(1, 3, "INSERT INTO mart.out SELECT id, x FROM public.a"),
        ],
        &[A, B, OUT],
    );
    let types = [1, 2, 3, 4].map(|query| event_type(&found, query));
    assert_eq!(types, ["COMPLETE", "ABORT", "FAIL", "COMPLETE"]);
}

#[test]
fn three_renames_swap_two_tables_and_the_job_keeps_its_table() {
    let found = tell(
        &[
            told(
                1,
                1,
                "INSERT INTO mart.out_stage SELECT id, x FROM public.a",
            ),
            told(1, 1, "ALTER TABLE mart.out RENAME TO out_old"),
            told(1, 1, "ALTER TABLE mart.out_stage RENAME TO out"),
            told(1, 1, "ALTER TABLE mart.out_old RENAME TO out_stage"),
        ],
        &[A, OUT, ("mart.out_stage", &["id", "z"])],
    );
    assert_eq!(edges(&found, 1), "public.a -> mart.out");
}

#[test]
fn a_swap_without_a_transaction_follows_what_the_session_created() {
    let found = tell(
        &[
            told(
                1,
                1,
                "CREATE TABLE mart.out_new AS SELECT id, x AS z FROM public.a",
            ),
            told(1, 2, "INSERT INTO mart.out_new SELECT id, y FROM public.b"),
            told(1, 3, "DROP TABLE mart.out"),
            told(1, 4, "ALTER TABLE mart.out_new RENAME TO out"),
            told(2, 5, "INSERT INTO mart.out SELECT id, x FROM public.a"),
            told(1, 6, "ALTER TABLE public.b RENAME TO c"),
        ],
        &[A, B, OUT],
    );
    assert_eq!(edges(&found, 1), "public.a -> mart.out");
    assert_eq!(
        edges(&found, 2),
        "public.b -> mart.out",
        "an input that others renamed keeps its name"
    );
    assert_eq!(
        column(&found, 2, "z"),
        ["public.b.y"],
        "columns of a table that is not in the catalogue"
    );
}

#[test]
fn a_name_without_a_schema_is_that_of_the_first_schema_that_has_it() {
    let found = tell(
        &[
            told(1, 1, "SET search_path TO mart, public"),
            told(1, 2, "INSERT INTO out SELECT id, x FROM a"),
            told(2, 3, "INSERT INTO mart.out SELECT id, x FROM a"),
            told(2, 4, "INSERT INTO mart.out SELECT id, x FROM nowhere"),
        ],
        &[A, OUT],
    );
    assert_eq!(edges(&found, 2), "public.a -> mart.out");
    assert_eq!(edges(&found, 3), "public.a -> mart.out");
    assert_eq!(edges(&found, 4), "public.nowhere -> mart.out");
    let guessed: Vec<&str> = (found.findings.iter())
        .filter(|finding| {
            finding.rule == FindingRule::UnresolvedName && finding.message.contains("search path")
        })
        .map(|finding| finding.place.as_str())
        .collect();
    assert_eq!(guessed.len(), 1);
    assert!(guessed[0].starts_with("query 4,"));
}

#[test]
fn a_statement_that_the_parser_refuses_has_the_tables_of_its_words_and_is_counted() {
    let found = tell(
        &[told(
            1,
            1,
            "INSERT INTO mart.out SELECT )( FROM public.a JOIN public.b",
        )],
        &[A, B, OUT],
    );
    assert_eq!(edges(&found, 1), "public.a, public.b -> mart.out");
    let rules: Vec<FindingRule> = found.findings.iter().map(|finding| finding.rule).collect();
    assert!(
        rules.contains(&FindingRule::UnparsedSql),
        "{:?}",
        found.findings
    );
}

#[test]
fn a_label_names_the_job_and_who_reports_itself_is_left_out() {
    let labelled = Told {
        label: "nightly",
        ..told(1, 1, "INSERT INTO mart.out SELECT id, x FROM public.a")
    };
    let dbt = told(
        1,
        2,
        r#"/* {"app": "dbt", "node_id": "model.shop.out"} */ INSERT INTO mart.out SELECT id, x FROM public.a"#,
    );
    let story = [labelled, dbt];
    let found = by_query(&tell(&story, &[A, OUT]));
    assert_eq!(found[&1]["job"]["name"], "nightly");
    assert_eq!(found[&2]["job"]["name"], "model.shop.out");
    let (history, catalogue) = results(&story, &[A, OUT]);
    let options = Options {
        skip: [Reporter::Dbt].into(),
        ..Options::default()
    };
    let warehouse = Warehouse::at("wh.example.com").unwrap();
    let without = by_query(&extract_all(&history, &catalogue, &warehouse, &options));
    assert_eq!(without.into_keys().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_start_has_the_run_of_its_end() {
    let (history, catalogue) = results(
        &[told(
            1,
            1,
            "INSERT INTO mart.out SELECT id, x FROM public.a",
        )],
        &[A, OUT],
    );
    let options = Options {
        start_events: true,
        ..Options::default()
    };
    let warehouse = Warehouse::at("wh.example.com").unwrap();
    let found = extract_all(&history, &catalogue, &warehouse, &options);
    let [begin, end] = &found.events[..] else {
        panic!("{found:?}")
    };
    assert_ne!(begin.identity, end.identity);
    let events = [begin, end].map(|event| serde_json::from_str::<Value>(&event.text).unwrap());
    assert_eq!(events[0]["run"]["runId"], events[1]["run"]["runId"]);
    let types = [&events[0], &events[1]].map(|event| event["eventType"].as_str().unwrap());
    assert_eq!(types, ["START", "COMPLETE"]);
    assert_eq!(events[0]["eventTime"], "2026-05-13T02:01:00.000000Z");
}
