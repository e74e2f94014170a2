//! Parts of a driver's URL other than the host, and what distinguishes datasets without a name.

use super::*;

/// What a driver's URL reaches its server by, within the URL, is no host: all accounts would be one.
#[test]
fn a_scheme_within_a_url_is_no_host() {
    each(&[
        (
            "jdbc:snowflake://https://org-one.snowflakecomputing.com/?db=sales",
            "crm.t",
            "snowflake://org-one",
            "sales.crm.t",
        ),
        (
            "snowflake://HTTPS://org-two.snowflakecomputing.com:443",
            "sales.crm.t",
            "snowflake://org-two",
            "sales.crm.t",
        ),
        (
            "trino://http://h:8080/hive",
            "crm.t",
            "trino://h:8080",
            "hive.crm.t",
        ),
        (
            "databricks://https://h.example.com",
            "main.crm.t",
            "databricks://h.example.com:443",
            "main.crm.t",
        ),
    ]);
    let ports = Normalise {
        default_ports: true,
        ..NONE
    };
    let url = id("databricks://https://h.example.com", "main.crm.t");
    assert_eq!(ports.normalise(&url), url);
}

#[test]
fn settings_tell_apart_what_has_no_name() {
    each(&[
        (
            "mssql://h:1433;databaseName=sales;user=u",
            "",
            "mssql://h:1433;databaseName=sales",
            "",
        ),
        (
            "postgres://h:5432/sales?currentSchema=eu&password=x",
            "",
            "postgres://h:5432/sales?currentSchema=eu",
            "",
        ),
        (
            "snowflake://org-one/?db=sales&warehouse=w",
            "",
            "snowflake://org-one/?db=sales",
            "",
        ),
        (
            "postgres://h:5432/a/b/c?currentSchema=eu&password=x",
            "t",
            "postgres://h:5432/a/b/c?currentschema=eu",
            "t",
        ),
    ]);
    each(&[
        (
            "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(HOST=h)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=s)))",
            "",
            "oracle://h:1521/s",
            "",
        ),
        (
            "jdbc:athena://Region=eu-west-1;Catalog=c;Schema=s;Password=x",
            "",
            "awsathena://athena.eu-west-1.amazonaws.com;Catalog=c;Schema=s",
            "",
        ),
        (
            "jdbc:bigquery://https://www.googleapis.com:443;ProjectId=p;OAuthPvtKey=x",
            "",
            "bigquery://www.googleapis.com:443;ProjectId=p",
            "",
        ),
    ]);
    let nameless = SPELLING.normalised(&id("mssql://h:1433;databaseName=sales", ""));
    assert!(nameless.left.is_some());
}

#[test]
fn a_second_look_finds_nothing_more() {
    for (namespace, name) in [
        ("bigquery://'p'", "d.\"t"),
        ("databricks:///crm#x", "a\"b"),
        ("jdbc:snowflake:////{a}b", "a.\"b"),
        ("sqlserver://h;databaseName=a&=", "t"),
        ("clickhouse://h:", "5432:5432:t"),
    ] {
        let once = SPELLING.normalise(&id(namespace, name));
        assert_eq!(SPELLING.normalise(&once), once, "{namespace}");
    }
}

/// Two instances of one project, with a database of the same name each.
#[test]
fn an_instance_that_a_socket_leads_to_is_kept() {
    each(&[
        (
            "jdbc:postgresql:///sales?cloudSqlInstance=p:r:one&socketFactory=f&password=x",
            "public.t",
            "postgres:///sales?cloudSqlInstance=p:r:one",
            "public.t",
        ),
        (
            "jdbc:mysql:///sales?socketFactory=f&cloudSqlInstance=p:r:two",
            "t",
            "mysql:///sales?cloudSqlInstance=p:r:two",
            "t",
        ),
        (
            "jdbc:postgresql:///sales?currentSchema=eu&alloydbInstanceName=projects/p/instances/i",
            "t",
            "postgres:///sales?currentSchema=eu&alloydbInstanceName=projects/p/instances/i",
            "t",
        ),
    ]);
    let url = id("jdbc:mysql:///sales?cloudSqlInstance=p:r:one", "t");
    assert!(SPELLING.normalised(&url).left.is_some());
}

#[test]
fn a_schema_of_db2_stays_where_the_url_names_no_database() {
    let of = |settings: &str| normal(&format!("jdbc:db2://two:5432:{settings}"), "orders");
    let plain = of("password=hunter2;");
    let eu = of("currentSchema=eu;password=hunter2;");
    assert_ne!(plain, eu);
    assert_eq!(eu, of("password=hunter2;currentSchema=eu;"));
    assert!(!format!("{plain:?}{eu:?}").contains("hunter2"));
}
