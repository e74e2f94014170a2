//! Parts that look like a date, an id or a digest of a run but distinguish two tables.

use super::*;

#[test]
fn what_a_catalog_gave_to_a_table_stays() {
    let hex = UUID.replace('-', "");
    let lake = format!("abfss://{UUID}@onelake.dfs.fabric.microsoft.com");
    for (namespace, name, expected) in [
        ("s3://b", "UUID/tables/UUID", "UUID/tables/UUID"),
        (
            "s3://b",
            "m/UUID/tables/UUID/_delta_log/UUID/x",
            "m/UUID/tables/UUID/_delta_log/x",
        ),
        (
            "s3://b",
            "m/UUID/volumes/UUID/in/2024/05/01",
            "m/UUID/volumes/UUID/in",
        ),
        (
            "abfss://u@a",
            "/__unitystorage/catalogs/UUID/tables/UUID",
            "/__unitystorage/catalogs/UUID/tables/UUID",
        ),
        (
            "abfss://u@a",
            "/__unitystorage/schemas/UUID/x/UUID",
            "/__unitystorage/schemas/UUID/x/UUID",
        ),
        (
            lake.as_str(),
            "/UUID/Tables/customers",
            "/UUID/Tables/customers",
        ),
        (&lake, "/UUID/UUID/x", "/UUID/UUID/x"),
        (&lake, "UUID/Files/in/dt=1/UUID/x", "UUID/Files/in/x"),
        (
            "abfss://ws@other",
            "/UUID/Tables/customers",
            "/UUID/Tables/customers",
        ),
        ("abfss://ws@other", "/UUID/Files/in/x", "/UUID/Files/in/x"),
        (
            "hdfs://n:8020",
            "/user/hive/warehouse/shop.db/20240501",
            "/user/hive/warehouse/shop.db/20240501",
        ),
        (
            "hdfs://n:8020",
            "/user/hive/warehouse/shop.db/HEX/dt=1",
            "/user/hive/warehouse/shop.db/HEX",
        ),
        ("s3://b", "out/UUID/part", "out/part"),
        ("s3://b", "out/run-UUID", "out/run"),
    ] {
        let full = |text: &str| text.replace("UUID", UUID).replace("HEX", &hex);
        assert_eq!(
            dataset(Strip::all(), namespace, &full(name)),
            full(expected),
            "{namespace} {name}"
        );
    }
}

#[test]
fn a_table_that_is_called_by_a_date_or_an_id_does_not_become_its_database() {
    let glue = "arn:aws:glue:eu-central-1:123456789012";
    for (namespace, name, expected) in [
        (glue, "table/silver/20250730", "table/silver/20250730"),
        (glue, "table/2025/07", "table/2025/07"),
        (
            glue,
            "table/silver/snapshot_2025_07_30",
            "table/silver/snapshot",
        ),
        (
            glue,
            "table/bronze/2025_07_30_source",
            "table/bronze/2025_07_30_source",
        ),
        (glue, "table/silver/UUID", "table/silver/UUID"),
        (
            "arn:aws:redshift:eu-west-1:1:table",
            "wh/dev/public/2024-05-01",
            "wh/dev/public/2024-05-01",
        ),
        ("azurekusto://h", "db/20240501", "db/20240501"),
        ("azurecosmos://h/dbs/d", "colls/UUID", "colls/UUID"),
        ("aws:glue:eu-west-1:1", "silver.20240501", "silver.20240501"),
        ("bigquery", "p.d.UUID", "p.d.UUID"),
    ] {
        let full = |text: &str| text.replace("UUID", UUID);
        assert_eq!(
            dataset(Strip::all(), namespace, &full(name)),
            full(expected),
            "{name}"
        );
    }
}

#[test]
fn a_digest_of_32_digits_at_the_end_of_a_name_stays() {
    for namespace in [
        "postgres://h:5432",
        "s3://b",
        "bigquery",
        "hive",
        "arn:aws:glue:eu-west-1:1",
    ] {
        let name = "shop.audit.accepted_values_status_0a1b2c3d4e5f60718293a4b5c6d7e8f9";
        assert_eq!(dataset(Strip::all(), namespace, name), name);
    }
    let job = "test.shop.accepted_values_status_0a1b2c3d4e5f60718293a4b5c6d7e8f9";
    assert_eq!(Strip::all().job(job), job);
}
