//! `strip`: what changes from run to run goes, what is the identity stays.

use std::collections::BTreeSet;

use super::{called, of};

#[test]
fn temporary_tables_that_a_store_folded_are_found() {
    let text = include_str!("folded-dbt-temporaries.json");
    let outcome = of(text, &["strip: [temporary]"]);
    let folded = "SALES.CORE.INVOICES";
    let expected = [
        folded,
        folded,
        folded,
        folded,
        "sales.core.invoices",
        folded,
        "\"SALES\".\"CORE\".\"INVOICES\"",
    ];
    assert_eq!(
        outcome.names("inputs"),
        expected.map(|name| format!("snowflake://acme-prod {name}"))
    );
    assert_eq!(
        outcome.names("outputs"),
        ["snowflake://acme-prod SALES.CORE.INVOICES"]
    );
    assert_eq!(outcome.left, Vec::<String>::new());
}

#[test]
fn a_closing_quote_does_not_hide_the_end_of_a_name() {
    let outcome = of(include_str!("quoted-dated-tables.json"), &["strip: all"]);
    let expected = [
        "\"SALES\".\"RAW\".\"CLICKS\"",
        "SALES.RAW.CLICKS",
        "\"sales\".\"raw\".\"orders\"",
        "sales.raw.orders",
        "`sales`.`raw`.`clicks`",
        "[sales].[raw].[clicks]",
        "sales.raw.VISITS",
        "sales.raw.visits",
    ];
    assert_eq!(
        outcome.names("inputs"),
        expected.map(|name| format!("snowflake://acme-prod {name}"))
    );
}

#[test]
fn a_glue_table_that_is_called_by_a_date_does_not_become_its_database() {
    let outcome = of(
        include_str!("glue-tables-called-by-dates.json"),
        &["strip: [dates]"],
    );
    assert_eq!(
        outcome.names("inputs"),
        ["s3://warehouse raw/2026_05_01_invoices"]
    );
    let glue = "arn:aws:glue:eu-west-1:210987654321";
    assert_eq!(
        outcome.names("outputs"),
        [
            "s3://warehouse core/2026_05_01_totals".to_owned(),
            format!("{glue} table/core/backup"),
            format!("{glue} table/2026/05"),
            format!("{glue} table/core/20260501"),
        ]
    );
}

#[test]
fn managed_tables_of_unity_catalog_keep_their_uuids_and_runs_lose_theirs() {
    let text = include_str!("unity-managed-tables.json");
    let outcome = of(text, &["strip: all"]);
    let before = of(text, &[]);
    assert_eq!(outcome.names("inputs"), before.names("inputs"));
    assert_eq!(
        outcome.names("outputs"),
        ["s3://warehouse dumps/part", "s3://warehouse dumps/run"]
    );
}

#[test]
fn lakehouses_of_onelake_stay_two() {
    let text = include_str!("onelake-two-lakehouses.json");
    let outcome = of(text, &["strip: all"]);
    assert_eq!(outcome.event, of(text, &[]).event);
}

#[test]
fn digests_of_dbt_tests_stay() {
    let text = include_str!("dbt-test-digests.json");
    for strip in ["strip: all", "strip: uuids"] {
        assert_eq!(of(text, &[strip]).event, of(text, &[]).event);
    }
}

#[test]
fn partitions_of_one_table_become_one_dataset_with_all_that_they_said() {
    let outcome = of(
        include_str!("partitions-of-one-table.json"),
        &["strip: [partitions]"],
    );
    assert_eq!(outcome.names("inputs"), ["s3://warehouse raw/clicks"]);
    assert_eq!(outcome.names("outputs"), ["s3://warehouse core/totals"]);
    assert_eq!(
        outcome.event["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"],
        42
    );
    let columns =
        &outcome.event["outputs"][0]["facets"]["columnLineage"]["fields"]["amount"]["inputFields"];
    let sources: BTreeSet<String> = columns.as_array().unwrap().iter().map(called).collect();
    assert_eq!(
        sources.into_iter().collect::<Vec<_>>(),
        ["s3://warehouse raw/clicks", "s3://warehouse raw/other"]
    );
}
