//! Names with what changes from run to run, and the laws of taking it off.

mod kept;

use super::*;
use proptest::prelude::*;

const UUID: &str = "01a1faa6-e194-708b-a993-cc010cbe1ae4";

fn dataset(rule: Strip, namespace: &str, name: &str) -> String {
    rule.dataset(&Identity {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

fn each(job: bool, cases: &[(&str, &str)]) {
    for (name, expected) in cases {
        let name = name
            .replace("UUID", UUID)
            .replace("HEX", &UUID.replace('-', ""));
        let stripped = match job {
            true => Strip::all().job(&name),
            false => dataset(Strip::all(), "s3://b", &name),
        };
        assert_eq!(stripped, *expected, "{name}");
    }
}

#[test]
fn partitions_of_paths_go_and_the_rest_stays() {
    each(
        false,
        &[
            ("/wh/orders/year=2024/month=05/", "/wh/orders/"),
            (
                "wh/orders/dt=2024-05-01/region=eu/part-0.parquet",
                "wh/orders/part-0.parquet",
            ),
            ("year=2024/x", "x"),
            ("year=2024", "year=2024"),
            ("/year=2024/", "/year=2024/"),
            ("db.schema.a=b", "db.schema.a=b"),
        ],
    );
}

#[test]
fn days_go_from_paths_but_what_is_no_day_stays() {
    each(
        false,
        &[
            ("in/2024/05/01/", "in/"),
            ("in/2024/05/01/13/a.csv", "in/a.csv"),
            ("in/2024/05/01/13/30/a.csv", "in/a.csv"),
            ("in/2024/05/a.csv", "in/a.csv"),
            ("/in/2024-05-01/a", "/in/a"),
            ("/in/20240501", "/in"),
            ("/in/2024-05-01T00:00:00/a", "/in/a"),
            ("/in/2024-05-01.csv", "/in"),
            ("/in/2024/99/", "/in/2024/99/"),
            ("/in/20241301/", "/in/20241301/"),
            ("/in/2024-05-32/", "/in/2024-05-32/"),
            ("/in/2024/", "/in/2024/"),
            ("/in/1/05/01", "/in/1/05/01"),
        ],
    );
}

#[test]
fn days_go_from_the_ends_of_names() {
    each(
        false,
        &[
            ("db.s.orders_20240501", "db.s.orders"),
            ("db.s.orders_2024_05_01", "db.s.orders"),
            ("p.d.events_intraday_20240501", "p.d.events_intraday"),
            ("p.d.t$20240501", "p.d.t"),
            ("p.d.t$2024050113", "p.d.t"),
            ("p.d.t$202405", "p.d.t"),
            ("out/orders-2024-05-01T00-00-00.csv.gz", "out/orders.csv.gz"),
            ("out/orders_20240501T120000Z.csv", "out/orders.csv"),
            ("out/orders_20240501_120000", "out/orders"),
            ("out/orders-2024-05-01T00:00:00+00:00", "out/orders"),
            ("db.s.orders_20241399", "db.s.orders_20241399"),
            ("db.s.orders_12345678", "db.s.orders_12345678"),
            ("db.s._20240501", "db.s._20240501"),
            ("p.d.20240501", "p.d.20240501"),
            ("20240501", "20240501"),
        ],
    );
}

#[test]
fn ids_of_runs_go_as_segments_and_at_ends() {
    each(
        false,
        &[
            ("tmp/UUID/data", "tmp/data"),
            ("tmp/HEX", "tmp"),
            (
                "out/part-00000-UUID-c000.snappy.parquet",
                "out/part-00000-c000.snappy.parquet",
            ),
            ("logs/application_1714521600000_0042/a", "logs/a"),
            (
                "runs/scheduled__2024-05-01T00:00:00+00:00/a.csv",
                "runs/a.csv",
            ),
            ("UUID", "01a1faa6-e194-708b-a993-cc010cbe1ae4"),
            ("db.s.UUID", "db.s.01a1faa6-e194-708b-a993-cc010cbe1ae4"),
        ],
    );
}

#[test]
fn what_engines_write_for_a_while_goes_with_all_below() {
    each(
        false,
        &[
            (
                "/wh/t/_temporary/0/_temporary/attempt_1/part-0.parquet",
                "/wh/t",
            ),
            ("/wh/t/.spark-staging-UUID/dt=1/part-0", "/wh/t"),
            ("/wh/t/.hive-staging_hive_2024-05-01_1/-ext-10000", "/wh/t"),
            ("wh/t/__magic_job-UUID/x", "wh/t"),
            ("db.s.orders__dbt_tmp", "db.s.orders"),
            ("db.s.orders__dbt_tmp120000123456", "db.s.orders"),
            ("db.s.orders__dbt_backup", "db.s.orders"),
            ("db.s.orders_tmp_3f9a2c", "db.s.orders"),
            ("/in/a.csv._COPYING_", "/in/a.csv"),
            ("db.s.orders_tmp", "db.s.orders_tmp"),
            ("db.s.orders_tmp_facade", "db.s.orders_tmp_facade"),
            ("_temporary/0", "_temporary/0"),
        ],
    );
}

#[test]
fn jobs_lose_dates_and_ids_between_dots_too() {
    each(
        true,
        &[
            (
                "app_2024_05_01.execute_insert.out_20240501",
                "app.execute_insert.out",
            ),
            ("etl.2024-05-01", "etl"),
            ("My job 2024-05-01", "My job"),
            ("dag.task.UUID", "dag.task"),
            ("dag.task.scheduled__2024-05-01T00:00:00+00:00", "dag.task"),
            ("ol_dag.t_rs.query.10", "ol_dag.t_rs.query.10"),
            (
                "test.shop.unique_orders.e3b841c71a",
                "test.shop.unique_orders.e3b841c71a",
            ),
            ("2024-05-01", "2024-05-01"),
        ],
    );
}

#[test]
fn a_name_that_no_store_takes_stays() {
    let name = "a=b/".repeat(LONGEST) + "x";
    assert_eq!(dataset(Strip::all(), "s3://b", &name), name);
}

#[test]
fn only_names_in_stores_of_files_are_paths() {
    let hex = UUID.replace('-', "");
    let name = format!("t/a=b/{hex}/x");
    for (namespace, name, expected) in [
        ("abfss://c@a", name.as_str(), "t/x"),
        ("dbfs", &name, "t/x"),
        ("file", &name, "t/x"),
        ("postgres://h:5432", &name, &name),
        ("arn:aws:glue:eu-west-1:1", &name, &name),
        (
            "kafka://h:9092",
            "releases-2024-05-01",
            "releases-2024-05-01",
        ),
        ("bigquery", "p.d.orders_20240501", "p.d.orders"),
    ] {
        assert_eq!(
            dataset(Strip::all(), namespace, name),
            expected,
            "{namespace}"
        );
    }
}

#[test]
fn the_longest_names_lose_all_of_it() {
    for (part, left) in [("x/a=b/", 6), ("x_20240501/", 11), ("_20240501", 9)] {
        let count = LONGEST / part.len() - 1;
        let name = format!("y{}", part.repeat(count));
        let stripped = dataset(Strip::all(), "s3://b", &name);
        assert!(stripped.len() <= name.len() / left * 2 + 2, "{part}");
    }
}

#[test]
fn only_what_is_asked_for_goes() {
    let none = Strip {
        partitions: false,
        dates: false,
        uuids: false,
        temporary: false,
    };
    let name = format!("a/b=c/2024/05/01/{UUID}/_temporary/x_20240501");
    assert_eq!(dataset(none, "s3://b", &name), name);
    let dates = Strip {
        dates: true,
        ..none
    };
    assert_eq!(
        dataset(dates, "s3://b", &name),
        format!("a/b=c/{UUID}/_temporary/x")
    );
}

fn in_table(cases: &[(&str, &str)]) {
    for (name, expected) in cases {
        let stripped = dataset(Strip::all(), "snowflake://org-acc", name);
        assert_eq!(stripped, *expected, "{name}");
    }
}

#[test]
fn temporary_tables_are_found_in_any_case_and_behind_any_quote() {
    in_table(&[
        ("A.P.ORDERS__DBT_TMP", "A.P.ORDERS"),
        ("A.P.ORDERS__dbt_tmp", "A.P.ORDERS"),
        ("A.P.Orders__Dbt_Backup", "A.P.Orders"),
        ("A.P.ORDERS__DBT_NEW_DATA", "A.P.ORDERS"),
        ("A.P.ORDERS__DBT_TMP20260301T101500", "A.P.ORDERS"),
        ("A.P.ORDERS__DBT_TMP20260301T101500Z", "A.P.ORDERS"),
        ("a.p.orders__dbt_tmp101530123456", "a.p.orders"),
        ("A.P.EVENTS_TMP_3F9A2C", "A.P.EVENTS"),
        ("\"A\".\"P\".\"ORDERS__DBT_TMP\"", "\"A\".\"P\".\"ORDERS\""),
        ("`a`.`p`.`orders__dbt_tmp`", "`a`.`p`.`orders`"),
        ("[a].[p].[events_20240501]", "[a].[p].[events]"),
        ("`p.d.events_20240501`", "`p.d.events`"),
        ("\"A\".\"EVENTS_20240501\".\"T\"", "\"A\".\"EVENTS\".\"T\""),
        ("`p.d.t$20240501`", "`p.d.t`"),
        ("\"A\".\"_20240501\"", "\"A\".\"_20240501\""),
        ("[20240501]", "[20240501]"),
        ("\"__dbt_tmp\"", "\"__dbt_tmp\""),
    ]);
}

#[test]
fn keys_of_partitions_are_in_any_script_or_percent_encoded_and_globs_behind_them_go_too() {
    each(
        false,
        &[
            ("wh/t/日付=2024-05-01/x", "wh/t/x"),
            ("wh/t/département=75/", "wh/t/"),
            ("wh/t/Ω=1/год=2/x", "wh/t/x"),
            ("wh/t/d%C3%A9p=75/x", "wh/t/x"),
            ("wh/t/dt%3D2024-05-01/x", "wh/t/x"),
            ("wh/t/dt%3d2024-05-01", "wh/t"),
            ("wh/t/order date=1/x", "wh/t/x"),
            ("wh/t/year=*/", "wh/t/"),
            ("wh/t/year=*/month=*/*.parquet", "wh/t"),
            ("wh/t/year=2024/**", "wh/t"),
            ("wh/t/year=2024/*/part-?.parquet", "wh/t"),
            ("wh/t/year=2024/{a,b}.csv", "wh/t"),
            // A glob that does not follow a partition selects files.
            ("wh/t/*.parquet", "wh/t/*.parquet"),
            ("wh/*/dt=1/x", "wh/*/x"),
            ("dt=1/*.parquet", "dt=1/*.parquet"),
            ("wh/t/=1", "wh/t/=1"),
            ("wh/t/a+b?c", "wh/t/a+b?c"),
        ],
    );
}

fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "(20240501|2024_05_01|2024-05-01|2024|05|13|_temporary|a=b|x|__dbt_tmp|__DBT_TMP|_tmp_12ab|\\._COPYING_)",
        "(日=1|a%3Db|\\*|\\*\\*|\\*\\.csv|tables|Files|x\\.db|__unitystorage|\"|`|\\]|\\[)",
        Just(UUID.to_owned()),
        "[/._$ -]{0,2}",
        "[a-z]{1,3}",
    ];
    let parts = proptest::collection::vec(part, 0..10).prop_map(|parts| parts.concat());
    prop_oneof![parts, ".{0,20}"]
}

proptest! {
    #[test]
    fn stripping_twice_does_nothing_more_and_never_leaves_nothing(
        name in name(), flags in any::<[bool; 4]>(), job in any::<bool>(),
        namespace in prop_oneof!["s3://b", "kafka://h:1", "postgres://h:1", "abfss://c@onelake\\.dfs", "odd"],
    ) {
        let [partitions, dates, uuids, temporary] = flags;
        let rule = Strip { partitions, dates, uuids, temporary };
        let strip = |name: &str| if job { rule.job(name) } else { dataset(rule, &namespace, name) };
        let once = strip(&name);
        prop_assert_eq!(once.is_empty(), name.is_empty());
        prop_assert_eq!(strip(&once), once);
    }

    #[test]
    fn names_without_digits_and_signs_stay(name in "[a-z_]{1,8}([./][a-z]{1,8}){0,4}") {
        prop_assume!(!name.contains("_temporary"));
        prop_assert_eq!(dataset(Strip::all(), "s3://b", &name), name);
    }
}
