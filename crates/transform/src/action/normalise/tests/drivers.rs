//! The URLs of drivers, one table a store: as producers write them, and the form of the naming page.

use super::*;

#[test]
fn sql_server_has_its_database_and_port_in_settings() {
    each(&[
        (
            "sqlserver://H:1433;databaseName=sales",
            "dbo.t",
            "sqlserver://h:1433",
            "sales.dbo.t",
        ),
        (
            "jdbc:sqlserver://h;encrypt=true;database=sales",
            "dbo.t",
            "sqlserver://h:1433",
            "sales.dbo.t",
        ),
        (
            "jdbc:sqlserver://h;databaseName=sales",
            "other.dbo.t",
            "sqlserver://h:1433",
            "other.dbo.t",
        ),
        (
            "jdbc:sqlserver://h;databaseName=sales",
            "t",
            "sqlserver://h:1433;databaseName=sales",
            "t",
        ),
        (
            "jdbc:sqlserver://;serverName=h;portNumber=1434;databaseName=sales",
            "dbo.t",
            "sqlserver://h:1434",
            "sales.dbo.t",
        ),
        (
            "jdbc:sqlserver://h;port=1434",
            "sales.dbo.t",
            "sqlserver://h:1434",
            "sales.dbo.t",
        ),
        (
            "jdbc:sqlserver://h\\one;databaseName=sales",
            "dbo.t",
            "sqlserver://h\\one",
            "sales.dbo.t",
        ),
        (
            "jdbc:sqlserver://h;instanceName=one",
            "sales.dbo.t",
            "sqlserver://h\\one",
            "sales.dbo.t",
        ),
        (
            "jdbc:sqlserver://h\\one:1440",
            "sales.dbo.t",
            "sqlserver://h:1440",
            "sales.dbo.t",
        ),
        (
            "jdbc:sqlserver://h;password={a;databaseName=x};databaseName=sales",
            "dbo.t",
            "sqlserver://h:1433",
            "sales.dbo.t",
        ),
        (
            "jdbc:jtds:sqlserver://h:1433/sales;instance=x",
            "dbo.t",
            "sqlserver://h:1433",
            "sales.dbo.t",
        ),
        (
            "mssql+pyodbc://u:p@h/sales?driver=x",
            "dbo.t",
            "mssql://h:1433",
            "sales.dbo.t",
        ),
        (
            "sqlserver://h;databaseName=my.db",
            "dbo.t",
            "sqlserver://h:1433",
            "my\\.db.dbo.t",
        ),
    ]);
}

#[test]
fn snowflake_is_an_account_with_database_and_schema_in_settings() {
    each(&[
        (
            "snowflake://ab12345.eu-west-1/?db=SALES&schema=PUBLIC",
            "ORDERS",
            "snowflake://ab12345.eu-west-1",
            "SALES.PUBLIC.ORDERS",
        ),
        (
            "jdbc:snowflake://org-acc.snowflakecomputing.com/?db=SALES&warehouse=W",
            "PUBLIC.ORDERS",
            "snowflake://org-acc",
            "SALES.PUBLIC.ORDERS",
        ),
        (
            "jdbc:snowflake://org-acc.snowflakecomputing.com:443/?db=SALES",
            "ORDERS",
            "snowflake://org-acc/?db=SALES",
            "ORDERS",
        ),
        (
            "snowflake://u:p@org-acc/SALES/PUBLIC?role=r",
            "ORDERS",
            "snowflake://org-acc",
            "SALES.PUBLIC.ORDERS",
        ),
        (
            "snowflake://xy1.us-east-2.aws.snowflakecomputing.com",
            "D.S.T",
            "snowflake://xy1.us-east-2.aws",
            "D.S.T",
        ),
        (
            "snowflake://xy1.us-east-2.privatelink.snowflakecomputing.com",
            "D.S.T",
            "snowflake://xy1.us-east-2",
            "D.S.T",
        ),
        (
            "snowflake://org-acc",
            "D.S.T",
            "snowflake://org-acc",
            "D.S.T",
        ),
    ]);
}

#[test]
fn postgres_and_redshift_have_it_in_the_path_and_the_schema_in_a_setting() {
    each(&[
        (
            "postgres://h/sales?user=a&password=b",
            "public.t",
            "postgres://h:5432",
            "sales.public.t",
        ),
        (
            "postgres://h/sales?currentSchema=eu",
            "t",
            "postgres://h:5432",
            "sales.eu.t",
        ),
        (
            "postgres://h/sales?currentSchema=eu,us",
            "t",
            "postgres://h:5432/sales?currentSchema=eu,us",
            "t",
        ),
        (
            "postgres://h/sales?options=-c%20search_path=eu",
            "t",
            "postgres://h:5432",
            "sales.eu.t",
        ),
        (
            "postgres://h/sales",
            "other.public.t",
            "postgres://h:5432/sales",
            "other.public.t",
        ),
        (
            "postgres://h/sales",
            "\"sales\".public.t",
            "postgres://h:5432",
            "\"sales\".public.t",
        ),
        (
            "postgresql+psycopg2://u:p/w@h/sales",
            "public.t",
            "postgres://h:5432",
            "sales.public.t",
        ),
        (
            "jdbc:postgresql://u1:p1@a:1,u2:p2@b:2/sales",
            "public.t",
            "postgres://a:1,b:2",
            "sales.public.t",
        ),
        (
            "redshift://h:5439/dev?currentSchema=eu",
            "t",
            "redshift://h:5439",
            "dev.eu.t",
        ),
        ("redshift://h:5439/dev", "t", "redshift://h:5439/dev", "t"),
        (
            "redshift://h:5439/dev",
            "other.public.t",
            "redshift://h:5439",
            "other.public.t",
        ),
        (
            "jdbc:redshift:iam://wh:eu-west-1/dev",
            "public.t",
            "redshift://wh.eu-west-1:5439",
            "dev.public.t",
        ),
    ]);
}

#[test]
fn oracle_says_service_sid_and_port_in_five_ways() {
    let descriptor = "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=h)(PORT=1526))(CONNECT_DATA=(SERVICE_NAME=S)))";
    let several = "jdbc:oracle:thin:@(DESCRIPTION=(ADDRESS_LIST=(ADDRESS=(HOST=a)(PORT=1))(ADDRESS=(PORT=2)(HOST=b)))(CONNECT_DATA=(SID=S)))";
    each(&[
        (
            "jdbc:oracle:thin:@//h:1521/S",
            "HR.T",
            "oracle://h:1521",
            "S.HR.T",
        ),
        (
            "jdbc:oracle:thin:scott/tiger@//h/S",
            "HR.T",
            "oracle://h:1521",
            "S.HR.T",
        ),
        (
            "jdbc:oracle:thin:@h:1526:S",
            "HR.T",
            "oracle://h:1526",
            "S.HR.T",
        ),
        ("oracle:thin:@h:1526/S", "HR.T", "oracle://h:1526", "S.HR.T"),
        (
            "jdbc:oracle:thin:@tcps://h:2484/S:dedicated/one?wallet_location=/w",
            "HR.T",
            "oracle://h:2484",
            "S.HR.T",
        ),
        (
            "jdbc:oracle:oci:@h:1521/S",
            "HR.T",
            "oracle://h:1521",
            "S.HR.T",
        ),
        (descriptor, "HR.T", "oracle://h:1526", "S.HR.T"),
        (several, "HR.T", "oracle://a:1,b:2", "S.HR.T"),
        (
            "oracle+cx_oracle://u:p@h:1521/?service_name=S",
            "HR.T",
            "oracle://h:1521",
            "S.HR.T",
        ),
        (
            "oracle://h:1521/sales.example.com",
            "HR.T",
            "oracle://h:1521",
            "sales\\.example\\.com.HR.T",
        ),
        ("oracle://h:1521/S", "s.HR.T", "oracle://h:1521", "s.HR.T"),
        (
            "oracle://h:1521/S",
            "OTHER.HR.T",
            "oracle://h:1521/S",
            "OTHER.HR.T",
        ),
        (
            "jdbc:oracle:thin:scott/tiger@SALES?TNS_ADMIN=/w",
            "HR.T",
            "jdbc:oracle:thin:@SALES",
            "HR.T",
        ),
        ("oracle://h", "1521/S.HR.T", "oracle://h:1521", "S.HR.T"),
        ("oracle://h", "1526/S.HR.T", "oracle://h:1526", "S.HR.T"),
        (
            "oracle://h:1526",
            "1526:S.HR.T",
            "oracle://h:1526",
            "S.HR.T",
        ),
        (
            "oracle://h:1521",
            "1526/S.HR.T",
            "oracle://h:1521",
            "1526/S.HR.T",
        ),
    ]);
}

#[test]
fn teradata_and_db2_separate_their_settings_in_their_own_ways() {
    each(&[
        (
            "teradata://h/DBS_PORT=1026,DATABASE=sales",
            "t",
            "teradata://h:1026",
            "sales.t",
        ),
        (
            "jdbc:teradata://h/database=sales,USER=u,PASSWORD='p,DATABASE=x'",
            "t",
            "teradata://h:1025",
            "sales.t",
        ),
        (
            "jdbc:teradata://h/DATABASE=sales",
            "other.t",
            "teradata://h:1025",
            "other.t",
        ),
        (
            "jdbc:db2://h:50000/SALES:currentSchema=A;user=u;",
            "T",
            "db2://h:50000",
            "SALES.A.T",
        ),
        (
            "jdbc:db2://h:50000/SALES:currentSchema=A;",
            "B.T",
            "db2://h:50000",
            "SALES.B.T",
        ),
        (
            "db2://h:50000/SALES",
            "sales.B.T",
            "db2://h:50000",
            "sales.B.T",
        ),
        (
            "db2://h:50000/SALES",
            "OTHER.B.T",
            "db2://h:50000/SALES",
            "OTHER.B.T",
        ),
        ("db2://h:50000/SALES", "T", "db2://h:50000/SALES", "T"),
    ]);
}

#[test]
fn mysql_and_its_kin_have_the_database_in_the_path() {
    each(&[
        (
            "jdbc:mysql://h/sales?useSSL=false",
            "t",
            "mysql://h:3306",
            "sales.t",
        ),
        ("jdbc:mariadb://h/sales", "t", "mariadb://h:3306", "sales.t"),
        (
            "mysql+pymysql://u:p@h/sales",
            "t",
            "mysql://h:3306",
            "sales.t",
        ),
        (
            "jdbc:mysql://address=(host=h)(port=3307)(user=u)(password=p)/sales",
            "t",
            "mysql://h:3307",
            "sales.t",
        ),
        (
            "jdbc:mysql:loadbalance://a:1,b:2/sales",
            "t",
            "mysql://a:1,b:2",
            "sales.t",
        ),
        ("mysql://h/sales", "a.b.c", "mysql://h:3306/sales", "a.b.c"),
        (
            "jdbc:clickhouse:http://h:8123/sales?ssl=1",
            "t",
            "clickhouse://h:8123",
            "sales.t",
        ),
        (
            "jdbc:ch://h:8123?database=sales",
            "t",
            "clickhouse://h:8123",
            "sales.t",
        ),
        (
            "jdbc:cassandra://h/sales?localdatacenter=x",
            "t",
            "cassandra://h:9042",
            "sales.t",
        ),
    ]);
}

#[test]
fn hive_impala_databricks_and_trino_have_catalogs_and_clusters() {
    each(&[
        (
            "jdbc:hive2://h:10000/sales;principal=p",
            "t",
            "hive://h:10000",
            "sales.t",
        ),
        (
            "jdbc:hive2://a:2181,b:2181/sales;serviceDiscoveryMode=zooKeeper;zooKeeperNamespace=one",
            "t",
            "hive://a:2181,b:2181;zooKeeperNamespace=one",
            "sales.t",
        ),
        (
            "jdbc:impala://h/sales;AuthMech=3;PWD=p",
            "t",
            "impala://h:21050",
            "sales.t",
        ),
        (
            "jdbc:databricks://h:443/default;httpPath=/sql/1;PWD=p;ConnCatalog=main",
            "t",
            "databricks://h:443",
            "main.default.t",
        ),
        (
            "jdbc:databricks://h:443;ConnCatalog=main;ConnSchema=eu;PWD=p",
            "t",
            "databricks://h:443",
            "main.eu.t",
        ),
        (
            "jdbc:databricks://h:443;ConnCatalog=main",
            "eu.t",
            "databricks://h:443",
            "main.eu.t",
        ),
        (
            "jdbc:databricks://h:443;ConnCatalog=main",
            "t",
            "databricks://h:443;ConnCatalog=main",
            "t",
        ),
        (
            "databricks://token:secret@h?http_path=x&catalog=main&schema=eu",
            "t",
            "databricks://h:443",
            "main.eu.t",
        ),
        (
            "jdbc:trino://h:8443/hive/eu?SSL=true&password=p",
            "t",
            "trino://h:8443",
            "hive.eu.t",
        ),
        (
            "trino://u@h:8080/hive",
            "eu.t",
            "trino://h:8080",
            "hive.eu.t",
        ),
        ("presto://h:8080/hive", "t", "presto://h:8080/hive", "t"),
    ]);
}

#[test]
fn a_setting_that_may_tell_tables_apart_stays_where_the_driver_is_not_known() {
    each(&[
        (
            "milvus://h:19530?token=t&database=one",
            "t",
            "milvus://h:19530?database=one",
            "t",
        ),
        (
            "azurekusto://h.kusto.windows.net;Initial Catalog=one;AppKey=k",
            "t",
            "azurekusto://h.kusto.windows.net?initial catalog=one",
            "t",
        ),
        (
            "mongodb://u:p@h/one?authSource=admin",
            "t",
            "mongodb://h:27017/one",
            "t",
        ),
        (
            "postgresql://u:p@h/sales?schema=eu",
            "t",
            "postgres://h:5432",
            "sales.eu.t",
        ),
        (
            "jdbc:mysql://h?database=sales",
            "t",
            "mysql://h:3306",
            "sales.t",
        ),
    ]);
}

#[test]
fn athena_and_bigquery_have_namespaces_without_a_server() {
    each(&[
        (
            "jdbc:awsathena://AwsRegion=eu-west-1;Password=p;Schema=sales",
            "t",
            "awsathena://athena.eu-west-1.amazonaws.com",
            "sales.t",
        ),
        (
            "jdbc:athena://Region=eu-west-1;Catalog=c;Database=sales;",
            "t",
            "awsathena://athena.eu-west-1.amazonaws.com",
            "c.sales.t",
        ),
        (
            "awsathena://athena.eu-west-1.amazonaws.com;Catalog=c",
            "t",
            "awsathena://athena.eu-west-1.amazonaws.com;Catalog=c",
            "t",
        ),
        (
            "jdbc:bigquery://https://www.googleapis.com/bigquery/v2:443;ProjectId=p;DefaultDataset=d;OAuthPvtKey=k",
            "t",
            "bigquery",
            "p.d.t",
        ),
        (
            "jdbc:bigquery://https://www.googleapis.com/bigquery/v2:443;ProjectId=p",
            "d.t",
            "bigquery",
            "p.d.t",
        ),
        (
            "jdbc:bigquery://https://www.googleapis.com/bigquery/v2:443;ProjectId=p",
            "t",
            "bigquery://;ProjectId=p",
            "t",
        ),
        ("bigquery://p/d", "t", "bigquery", "p.d.t"),
        ("bigquery://", "p.d.T", "bigquery", "p.d.T"),
        ("bigquery", "p.d.T", "bigquery", "p.d.T"),
    ]);
}

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
