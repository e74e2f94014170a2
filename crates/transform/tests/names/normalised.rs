//! `normalise`, `redshift` and `symlink_to_primary`: one spelling for one dataset, and never one for two.

use std::collections::BTreeSet;

use super::{called, of};

#[test]
fn two_databases_of_one_server_stay_two_whatever_the_driver() {
    let text = include_str!("jdbc-two-databases.json");
    for stores in ["[jdbc, host_case, default_ports]", "jdbc", "all"] {
        let outcome = of(text, &[&format!("normalise: {stores}")]);
        let names: BTreeSet<String> = outcome.names("inputs").into_iter().collect();
        assert_eq!(names.len(), 16, "{stores}: {names:?}");
        let text = outcome.event.to_string();
        assert!(!text.contains("tiger") && !text.contains("jdbc:"), "{text}");
    }
    let outcome = of(text, &["normalise: [jdbc, host_case, default_ports]"]);
    assert_eq!(
        outcome.names("inputs").get(..8).unwrap(),
        [
            "sqlserver://sql.example.com:1433 crm.dbo.people",
            "snowflake://zz98765.eu-central-1 CRM.PUBLIC.PEOPLE",
            "teradata://tera.example.com:1027 crm.people",
            "postgres://pg.example.com:5432 crm.public.people",
            "mysql://my.example.com:3306 crm.people",
            "postgres://pg.example.com:5432 crm.north.people",
            "db2://db2.example.com:50000 CRM.A.PEOPLE",
            "oracle://ora.example.com:1521 CRM.HR.PEOPLE",
        ]
    );
}

#[test]
fn a_database_in_a_setting_is_the_one_in_the_name() {
    let text = include_str!("jdbc-database-in-a-setting-or-in-the-name.json");
    let outcome = of(text, &["normalise: [jdbc, host_case, default_ports]"]);
    assert_eq!(
        outcome.names("inputs"),
        ["sqlserver://sql.example.com:1433 crm.dbo.people"; 2]
    );
}

#[test]
fn a_port_in_front_of_a_name_of_oracle_belongs_to_its_host() {
    let outcome = of(
        include_str!("oracle-port-in-the-name.json"),
        &["normalise: all"],
    );
    let expected =
        [1521, 1521, 1530].map(|port| format!("oracle://ora.example.com:{port} PDB1.HR.PEOPLE"));
    assert_eq!(outcome.names("inputs"), expected);
}

#[test]
fn objects_have_no_slash_in_front_in_any_store_nor_in_column_lineage() {
    let outcome = of(
        include_str!("objects-with-a-slash-in-front.json"),
        &["normalise: all"],
    );
    assert_eq!(outcome.names("inputs"), ["gs://landing in/day"; 2]);
    assert_eq!(outcome.names("outputs"), ["s3://target out/day"]);
    let columns = &outcome.event["outputs"][0]["facets"]["columnLineage"]["fields"]["id"];
    assert_eq!(called(&columns["inputFields"][0]), "gs://landing in/day");
}

#[test]
fn a_table_that_stands_in_the_namespace_is_not_lost() {
    let text = include_str!("redshift-table-in-the-namespace.json");
    for stores in ["redshift", "jdbc", "all"] {
        let outcome = of(text, &[&format!("normalise: {stores}")]);
        assert_eq!(
            outcome.names("inputs"),
            ["redshift://dwh.eu-west-1:5439 crm.public.people"],
            "{stores}"
        );
        assert_eq!(
            outcome.names("outputs"),
            ["redshift://dwh.eu-west-1:5439 crm.public.totals"],
            "{stores}"
        );
    }
    let without = of(
        text,
        &["normalise: [host_case, default_ports, trailing_slash]"],
    );
    assert_eq!(without.event, of(text, &[]).event);
}

#[test]
fn names_have_the_case_of_their_store() {
    let text = include_str!("names-that-differ-by-case.json");
    let outcome = of(text, &["normalise: all"]);
    assert_eq!(
        outcome.names("inputs"),
        ["mysql://my.example.com:3306 Crm.People_V3"]
    );
    assert!(outcome.names("outputs")[0].ends_with(" dev.public.people_load"));
    let asked = of(
        text,
        &["normalise: {only: {namespace: 'mysql:*'}, case: lower}"],
    );
    assert_eq!(
        asked.names("inputs"),
        ["mysql://my.example.com:3306 crm.people_v3"]
    );
    let columns = &asked.event["outputs"][0]["facets"]["columnLineage"]["fields"]["id"];
    assert_eq!(
        called(&columns["inputFields"][0]),
        "mysql://my.example.com:3306 crm.people_v3"
    );
}

#[test]
fn one_account_is_one_catalog_of_glue() {
    let text = include_str!("glue-arn-with-a-slash.json");
    for actions in [
        &["symlink_to_primary: true"][..],
        &["symlink_to_primary: true", "normalise: all"],
    ] {
        let outcome = of(text, actions);
        let arn = "arn:aws:glue:eu-central-1:210987654321";
        let expected = ["people", "older"].map(|table| format!("{arn} table/crm/{table}"));
        assert_eq!(outcome.names("inputs"), expected);
        assert_eq!(
            outcome.names("outputs"),
            [format!("{arn} table/crm/totals")]
        );
    }
}

#[test]
fn clusters_of_one_name_in_two_accounts_stay_two_and_it_is_reported() {
    let text = include_str!("two-clusters-of-one-name.json");
    for action in [
        "normalise: all",
        "normalise: redshift",
        "redshift: {style: openlineage}",
        "redshift: {style: arn, account: '123456789012'}",
    ] {
        let outcome = of(text, &[action]);
        assert_ne!(
            outcome.names("inputs"),
            outcome.names("outputs"),
            "{action}"
        );
        assert!(!outcome.left.is_empty(), "{action}");
    }
}
