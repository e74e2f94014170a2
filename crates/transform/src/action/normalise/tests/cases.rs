//! The case of names, by store.

use super::*;

fn in_case(namespace: &str, name: &str) -> String {
    let case = Normalise {
        name_case: true,
        ..NONE
    };
    let once = case.normalise(&id(namespace, name));
    assert_eq!(case.normalise(&once), once);
    once.name
}

#[test]
fn stores_that_fold_have_one_spelling() {
    for (namespace, name, expected) in [
        (
            "redshift://wh.eu-west-1:5439",
            "DEV.PuBliC.Orders",
            "dev.public.orders",
        ),
        ("postgres://h:5432", "Shop.Public.T", "shop.public.t"),
        (
            "arn:aws:glue:eu-west-1:1",
            "table/Shop/Orders",
            "table/shop/orders",
        ),
        (
            "arn:aws:redshift:eu-west-1:1:table",
            "wh/DEV/Public/T",
            "wh/dev/public/t",
        ),
        (
            "awsathena://athena.eu-west-1.amazonaws.com",
            "AwsDataCatalog.Shop.T",
            "awsdatacatalog.shop.t",
        ),
        ("hive://h:9083", "Shop.T", "shop.t"),
        ("unitycatalog://h", "Main.Shop.T", "main.shop.t"),
        ("databricks://h:443", "`Main`.`Shop`.T", "main.shop.t"),
        ("trino://h:8080", "Hive.Shop.T", "hive.shop.t"),
        (
            "snowflake://org-acc",
            "shop.public.Orders",
            "SHOP.PUBLIC.ORDERS",
        ),
        ("oracle://h:1521", "svc.hr.emp", "SVC.HR.EMP"),
        ("db2://h:50000", "sales.a.t", "SALES.A.T"),
        ("hive://h:9083", "ÉTÉ.T", "été.t"),
        // PostgreSQL folds the letters of ASCII only, in a database of several bytes a letter.
        ("postgres://h:5432", "É.T", "É.t"),
    ] {
        assert_eq!(in_case(namespace, name), expected, "{namespace}");
    }
}

#[test]
fn quoted_identifiers_keep_their_case_where_the_store_does() {
    for (namespace, name, expected) in [
        (
            "snowflake://org-acc",
            "\"shop\".PUBLIC.\"Orders\"",
            "\"shop\".PUBLIC.\"Orders\"",
        ),
        (
            "snowflake://org-acc",
            "\"SHOP\".public.\"ORDERS\"",
            "SHOP.PUBLIC.ORDERS",
        ),
        ("snowflake://org-acc", "\"a.b\".c.d", "\"a.b\".C.D"),
        (
            "postgres://h:5432",
            "\"Shop\".\"public\".T",
            "\"Shop\".public.t",
        ),
        ("postgres://h:5432", "a\"b\"\"C\".D", "a\"b\"\"C\".d"),
        ("redshift://h:5439", "dev.\"Public\".T", "dev.\"Public\".t"),
        ("snowflake://org-acc", "\"open.x", "\"open.x"),
    ] {
        assert_eq!(in_case(namespace, name), expected, "{name}");
    }
}

#[test]
fn stores_that_tell_case_apart_are_left_alone_unless_asked() {
    for namespace in [
        "mysql://h:3306",
        "bigquery",
        "s3://b",
        "gs://b",
        "sqlserver://h:1433",
        "kafka://h:9092",
        "file",
    ] {
        assert_eq!(in_case(namespace, "Shop.Orders"), "Shop.Orders");
        let asked = Normalise {
            case: Some(Case::Lower),
            ..NONE
        };
        assert_eq!(
            asked.normalise(&id(namespace, "Shop.`Orders`")).name,
            "shop.`Orders`"
        );
    }
}
