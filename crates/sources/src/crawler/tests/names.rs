//! How the data behind a table is named, by a table made for each rule.

use proptest::prelude::*;

use super::*;

/// The name of the data behind a table with a connection.
fn behind(url: &str, location: &str) -> Option<String> {
    let table = kept(json!({"Location": location, "Parameters": {"connectionName": "con"}}));
    data(&table, Some(url))
}

fn at(location: &str) -> Option<String> {
    data(&kept(json!({ "Location": location })), None)
}

#[test]
fn objects_are_named_by_bucket_and_key() {
    for (location, name) in [
        ("s3://b/k/", "s3://b k"),
        ("s3a://b/k/l", "s3://b k/l"),
        ("s3://b/k//", "s3://b k"),
        ("s3://b/", "s3://b /"),
        ("s3://b", "s3://b /"),
        (
            "hdfs://NameNode:8020/warehouse/t",
            "hdfs://namenode:8020 warehouse/t",
        ),
    ] {
        let found = at(location).map(|found| found.replacen(" /w", " w", 1));
        assert_eq!(found.as_deref(), Some(name), "{location}");
    }
}

#[test]
fn tables_behind_drivers_are_named_by_server_and_dotted_name() {
    for (url, location, name) in [
        (
            "jdbc:postgresql://db:5432/shop",
            "shop.public.t",
            "postgres://db:5432 shop.public.t",
        ),
        (
            "jdbc:postgresql://DB.example.com/shop",
            "shop.Public.T",
            "postgres://db.example.com:5432 shop.Public.T",
        ),
        (
            "jdbc:mysql://db:3306/shop",
            "shop.t",
            "mysql://db:3306 shop.t",
        ),
        (
            "jdbc:mariadb://db/shop",
            "shop.t",
            "mariadb://db:3306 shop.t",
        ),
        (
            "jdbc:sqlserver://db:1433;databaseName=shop",
            "shop.dbo.t",
            "mssql://db:1433 shop.dbo.t",
        ),
        (
            "jdbc:oracle:thin://@db:1521/svc",
            "svc.hr.t",
            "oracle://db:1521 svc.hr.t",
        ),
        (
            "jdbc:oracle:thin:@db:1521:sid",
            "sid.hr.t",
            "oracle://db:1521 sid.hr.t",
        ),
        (
            "jdbc:redshift://wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com:5439/dev",
            "dev.public.t",
            "redshift://wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com:5439 dev.public.t",
        ),
        (
            "jdbc:snowflake://org-acc.snowflakecomputing.com/?db=shop",
            "shop.public.t",
            "snowflake://org-acc shop.public.t",
        ),
    ] {
        assert_eq!(behind(url, location).as_deref(), Some(name), "{url}");
    }
}

#[test]
fn documents_are_named_by_server_and_dotted_name() {
    for (url, name) in [
        (
            "mongodb://h:27017/users",
            "mongodb://h:27017 users.profiles",
        ),
        (
            "mongodb://u:s3cr3t@h/users?tls=true",
            "mongodb://h:27017 users.profiles",
        ),
        ("mongodb+srv://h/users", "mongodb+srv://h users.profiles"),
    ] {
        assert_eq!(
            behind(url, "users/profiles").as_deref(),
            Some(name),
            "{url}"
        );
    }
}

#[test]
fn dynamodb_is_named_by_its_arn() {
    let arn = at("arn:aws-cn:dynamodb:cn-north-1:444455556666:table/S");
    assert_eq!(
        arn.as_deref(),
        Some("arn:aws-cn:dynamodb:cn-north-1:444455556666 table/S")
    );
    let table = kept(json!({"Location": "S", "Parameters": {"classification": "dynamodb"}}));
    let name = data(&table, None);
    assert_eq!(
        name.as_deref(),
        Some("arn:aws:dynamodb:eu-west-1:111122223333 table/S")
    );
}

#[test]
fn an_iceberg_table_without_a_location_is_above_its_metadata() {
    let table = kept(json!({
        "Location": "", "Parameters": {"metadata_location": "s3://b/t/metadata/00007-aa.metadata.json"},
    }));
    assert_eq!(data(&table, None).as_deref(), Some("s3://b t"));
}

#[test]
fn no_credential_of_a_connection_is_in_an_event() {
    for url in [
        "jdbc:postgresql://user:s3cr3t@db:5432/shop?password=s3cr3t",
        "jdbc:unknown://user:s3cr3t@db/shop;password=s3cr3t",
        "jdbc:sqlserver://db:1433;user=u;password=s3cr3t",
        "mongodb://user:s3cr3t@db/shop",
        "user:s3cr3t@db",
    ] {
        let table =
            kept(json!({"Location": "shop.public.t", "Parameters": {"connectionName": "con"}}));
        let connection = Connection {
            name: "con".to_owned(),
            url: Some(url.to_owned()),
        };
        let (events, findings) = runs(
            &completed(),
            &table,
            &[("con".to_owned(), connection)].into(),
        );
        assert!(
            !format!("{events:?} {findings:?}").contains("s3cr3t"),
            "{url}"
        );
    }
}

#[test]
fn a_table_whose_data_has_no_name_is_an_output_alone_and_is_reported() {
    let table =
        kept(json!({"Location": "shop.public.t", "Parameters": {"connectionName": "gone"}}));
    let (events, findings) = runs(&completed(), &table, &Connections::new());
    assert_eq!(events[0]["inputs"], json!([]));
    assert_eq!(events[0]["outputs"][0]["name"], "table/d/t");
    let found: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        found,
        [
            "unresolved_name: table d.t: the data behind it has no name: its connection cannot be read"
        ]
    );
}

#[test]
fn a_table_without_a_connection_uses_the_only_one_of_its_crawler() {
    let mut crawler = crawler();
    let table = kept(json!({"Location": "shop.public.t"}));
    let needed = |crawler: &Crawler| needed_connections(crawler, std::slice::from_ref(&table));
    assert_eq!(needed(&crawler), BTreeSet::new());
    crawler.connections.insert("one".to_owned());
    assert_eq!(needed(&crawler), ["one".to_owned()].into());
    crawler.connections.insert("two".to_owned());
    assert_eq!(needed(&crawler), BTreeSet::new());
}

proptest! {
    /// Whatever a table says, its event is valid and names no credential of a URL.
    #[test]
    fn any_table_becomes_a_valid_event(location in ".{0,60}", url in "(jdbc:)?[a-z]{0,12}(:|://)?.{0,40}", columns in prop::collection::vec((".{0,8}", ".{0,8}"), 0..4)) {
        let columns: Vec<Value> = columns.into_iter().map(|(name, kind)| json!({"Name": name, "Type": kind})).collect();
        let table = kept(json!({"Location": location, "PartitionKeys": columns, "Parameters": {"connectionName": "con"}}));
        let connection = Connection { name: "con".to_owned(), url: Some(url) };
        let crawl = completed();
        let completed = [CompletedCrawl { crawl: &crawl, is_newest: true }];
        let connections = [("con".to_owned(), connection)].into();
        let found = table_runs(&place(), &crawler(), &completed, &[table], &connections, Tables::All);
        let [event] = found.events.as_slice() else { panic!("one table, one event") };
        let read = openlineage::Event::read(event.text.as_bytes(), openlineage::Level::Strict);
        prop_assert!(read.is_ok(), "{:?} {}", read.err(), event.text);
    }
}
