//! Namespaces that hold more than a server: a whole name, a port in a setting, and what stays because it is ambiguous.

use super::*;

#[test]
fn a_whole_name_in_the_namespace_is_the_name_or_stays() {
    each(&[
        (
            "redshift://wh.eu-west-1:5439/shop.public.t",
            "",
            "redshift://wh.eu-west-1:5439",
            "shop.public.t",
        ),
        (
            "redshift://wh.eu-west-1:5439/shop",
            "",
            "redshift://wh.eu-west-1:5439/shop",
            "",
        ),
        (
            "postgres://h:5432/shop.public.t",
            "",
            "postgres://h:5432",
            "shop.public.t",
        ),
        ("mysql://h:3306/shop.t", "", "mysql://h:3306", "shop.t"),
        ("oracle://h:1521/S.HR.T", "", "oracle://h:1521", "S.HR.T"),
        (
            "teradata://h:1025/shop.t",
            "",
            "teradata://h:1025",
            "shop.t",
        ),
        (
            "snowflake://org-acc/D.S.T",
            "",
            "snowflake://org-acc",
            "D.S.T",
        ),
        ("trino://h:8080/c.s.t", "", "trino://h:8080", "c.s.t"),
        (
            "sqlserver://h:1433/dbo.t",
            "",
            "sqlserver://h:1433/dbo.t",
            "",
        ),
        (
            "kafka://h:9092/topic.one",
            "",
            "kafka://h:9092",
            "topic.one",
        ),
        (
            "awsathena://athena.eu-west-1.amazonaws.com/c.d.t",
            "",
            "awsathena://athena.eu-west-1.amazonaws.com",
            "c.d.t",
        ),
        ("bigquery://p.d.t", "", "bigquery", "p.d.t"),
        ("gs://b/in/a", "", "gs://b", "in/a"),
        ("s3://b/in/a", "", "s3://b", "in/a"),
        (
            "abfss://c@a.dfs.core.windows.net/in/a",
            "",
            "abfss://c@a.dfs.core.windows.net",
            "in/a",
        ),
        ("hdfs://nn:8020/in/a", "", "hdfs://nn:8020", "/in/a"),
        (
            "arn:aws:glue:eu-west-1:123456789012/table/d/t",
            "",
            "arn:aws:glue:eu-west-1:123456789012",
            "table/d/t",
        ),
        (
            "azurecosmos://h/dbs/d/colls/t",
            "",
            "azurecosmos://h/dbs/d/colls/t",
            "",
        ),
    ]);
    let redshift = Normalise {
        redshift: true,
        ..NONE
    };
    let moved = redshift.normalise(&id("redshift://wh.eu-west-1:5439/shop.public.t", ""));
    assert_eq!(moved, id("redshift://wh.eu-west-1:5439", "shop.public.t"));
}

#[test]
fn a_port_in_a_setting_counts_where_settings_stay() {
    let ports = Normalise {
        default_ports: true,
        ..NONE
    };
    for (namespace, name) in [
        ("teradata://h/DBS_PORT=1026,DATABASE=sales", "t"),
        ("sqlserver://h;portNumber=1434", "t"),
    ] {
        assert_eq!(ports.normalise(&id(namespace, name)), id(namespace, name));
    }
    let moved = ports.normalise(&id("oracle://h", "1526/S.HR.T"));
    assert_eq!(moved, id("oracle://h:1526", "S.HR.T"));
}

#[test]
fn what_stays_is_said() {
    for (namespace, name) in [
        ("postgres://h/sales", "t"),
        ("postgres://h/sales", "other.public.t"),
        ("mysql://h/sales", "a.b.c"),
        ("jdbc:oracle:thin:@SALES", "HR.T"),
        ("oracle://h:1521", "1526/S.HR.T"),
        ("sqlserver://h:1433/dbo.t", ""),
    ] {
        assert!(
            SPELLING.normalised(&id(namespace, name)).left.is_some(),
            "{namespace}"
        );
    }
    for (namespace, name) in [
        ("postgres://h/sales", "public.t"),
        ("s3a://b", "/t"),
        ("bigquery", "p.d.t"),
    ] {
        assert_eq!(
            SPELLING.normalised(&id(namespace, name)).left,
            None,
            "{namespace}"
        );
    }
}
