//! The rules of names and of runs, each by a table or a crawl made for it, and the answers of eight crawlers.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ANSWERS: &str = include_str!("../../tests/fixtures/crawler/answers.jsonl");
const EXPECTED: &str = include_str!("../../tests/fixtures/crawler/expected.json");
const HINTS: &str = include_str!("../../tests/fixtures/crawler/eventbridge.jsonl");

fn place() -> Place {
    Place {
        region: "eu-west-1".to_owned(),
        account: "111122223333".to_owned(),
    }
}

/// A completed crawl from second 100 to second 200.
fn completed() -> Crawl {
    answer::crawl(&json!({
        "CrawlId": "738054e1-c53b-4e28-99bf-22ed27beb840", "State": "COMPLETED", "StartTime": 100, "EndTime": 200.0,
    }))
    .unwrap()
}

fn crawler() -> Crawler {
    Crawler {
        name: "c".to_owned(),
        ..Crawler::default()
    }
}

/// A table that the crawler `c` keeps, with these members on top.
fn kept(more: Value) -> Table {
    let mut table = json!({
        "Name": "t", "DatabaseName": "d", "CreateTime": 100, "UpdateTime": 150,
        "StorageDescriptor": {"Location": "s3://b/k/", "Columns": [{"Name": "a", "Type": "int"}]},
    });
    let mut parameters = json!({"UPDATED_BY_CRAWLER": "c"});
    for (name, value) in more.as_object().unwrap() {
        match name.as_str() {
            "Parameters" => merge(&mut parameters, value),
            "Location" => table["StorageDescriptor"]["Location"] = value.clone(),
            _ => table[name] = value.clone(),
        }
    }
    table["Parameters"] = parameters;
    answer::table(&table).unwrap()
}

fn merge(one: &mut Value, other: &Value) {
    let other = other.as_object().unwrap().clone();
    one.as_object_mut().unwrap().extend(other);
}

fn runs(crawl: &Crawl, table: &Table, connections: &Connections) -> (Vec<Value>, Vec<Finding>) {
    let completed = [CompletedCrawl {
        crawl,
        is_newest: false,
    }];
    let tables = std::slice::from_ref(table);
    let found = table_runs(
        &place(),
        &crawler(),
        &completed,
        tables,
        connections,
        Tables::All,
    );
    let events = found.events.iter();
    let events = events.map(|event| serde_json::from_str(&event.text).unwrap());
    (events.collect(), found.findings)
}

/// The name of the data behind a table, as `namespace name`.
fn data(table: &Table, url: Option<&str>) -> Option<String> {
    let connection = Connection {
        name: "con".to_owned(),
        url: url.map(str::to_owned),
    };
    let connections = [("con".to_owned(), connection)].into();
    let (events, _) = runs(&completed(), table, &connections);
    let input = events[0]["inputs"].get(0)?;
    let text = |member: &str| input[member].as_str().unwrap().to_owned();
    Some(format!("{} {}", text("namespace"), text("name")))
}

/// The name of the data behind a table with a connection.
fn behind(url: &str, location: &str) -> Option<String> {
    let table = kept(json!({"Location": location, "Parameters": {"connectionName": "con"}}));
    data(&table, Some(url))
}

fn at(location: &str) -> Option<String> {
    data(&kept(json!({ "Location": location })), None)
}

fn answers() -> Extraction {
    let mut answers = Answers::default();
    answers.add("answers", ANSWERS.as_bytes());
    answers.extract("eu-west-1", None, Tables::All).unwrap()
}

#[test]
fn the_answers_of_eight_crawlers_come_to_what_is_expected() {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    let found = answers();
    assert_eq!(found.findings, []);
    let events: Vec<Value> = found
        .events
        .iter()
        .map(|event| serde_json::from_str(&event.text).unwrap())
        .collect();
    for table in expected["tables"].as_array().unwrap() {
        let output = &table["outputs"][0];
        let event = events
            .iter()
            .find(|event| {
                event["outputs"][0]["name"] == output["name"]
                    && event["run"]["facets"]["parent"]["run"]["runId"] == table["crawlId"]
            })
            .unwrap_or_else(|| panic!("no event for {output}"));
        assert_eq!(event["eventType"], table["eventType"]);
        assert_eq!(event["job"]["namespace"], table["job"]["namespace"]);
        assert_eq!(event["job"]["name"], table["job"]["name"]);
        let parent = &event["run"]["facets"]["parent"]["job"];
        assert_eq!(parent, &table["parent"]["job"]);
        let names: Vec<Value> = (event["inputs"].as_array().unwrap().iter())
            .map(|input| json!({"namespace": input["namespace"], "name": input["name"]}))
            .collect();
        assert_eq!(json!(names), table["inputs"]);
        assert_eq!(event["outputs"].as_array().unwrap().len(), 1);
        assert_eq!(event["outputs"][0]["namespace"], output["namespace"]);
        let fields = event["outputs"][0]["facets"]["schema"]["fields"].as_array();
        let fields: Vec<Value> = (fields.unwrap().iter())
            .map(|field| json!([field["name"], field["type"]]))
            .collect();
        assert_eq!(json!(fields), output["schema"]);
    }
    for crawl in expected["crawls"].as_array().unwrap() {
        let event = events
            .iter()
            .find(|event| event["run"]["runId"] == crawl["crawlId"]);
        assert_eq!(
            event.map_or(&Value::Null, |event| &event["eventType"]),
            &crawl["eventType"]
        );
        if let Some(event) = event {
            assert_eq!(
                (&event["inputs"], &event["outputs"]),
                (&json!([]), &json!([]))
            );
            let message = &event["run"]["facets"]["errorMessage"]["message"];
            assert_eq!(message, crawl.get("errorMessage").unwrap_or(&Value::Null));
        }
    }
    for not in ["by_hand", "shared_fx"] {
        assert!(!events.iter().any(|event| event.to_string().contains(not)));
    }
}

#[test]
fn every_event_is_valid_as_it_is() {
    for event in answers().events {
        let read = openlineage::Event::read(event.text.as_bytes(), openlineage::Level::Strict);
        assert!(read.is_ok(), "{:?}", read.err());
    }
}

#[test]
fn a_second_reading_changes_nothing() {
    assert_eq!(answers(), answers());
    let identities: BTreeSet<_> = answers()
        .events
        .iter()
        .map(|event| event.identity)
        .collect();
    assert_eq!(identities.len(), answers().events.len());
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

#[test]
fn a_crawl_has_no_run_for_a_table_that_came_later() {
    let (events, _) = runs(
        &completed(),
        &kept(json!({"CreateTime": 201})),
        &Connections::new(),
    );
    assert_eq!(events, Vec::<Value>::new());
}

#[test]
fn an_older_crawl_does_not_claim_the_columns_of_a_later_one() {
    let table = kept(json!({"UpdateTime": 300}));
    let schema = |is_newest| {
        let crawl = completed();
        let completed = [CompletedCrawl {
            crawl: &crawl,
            is_newest,
        }];
        let tables = std::slice::from_ref(&table);
        let none = Connections::new();
        let found = table_runs(&place(), &crawler(), &completed, tables, &none, Tables::All);
        found.events[0].text.contains("SchemaDatasetFacet")
    };
    assert!(!schema(false));
    assert!(schema(true));
}

#[test]
fn only_changed_tables_have_runs_where_only_changes_count() {
    let crawl = completed();
    let count = |updated: u32, created: u32| {
        let table = kept(json!({"UpdateTime": updated, "CreateTime": created}));
        let completed = [CompletedCrawl {
            crawl: &crawl,
            is_newest: true,
        }];
        let none = Connections::new();
        table_runs(
            &place(),
            &crawler(),
            &completed,
            &[table],
            &none,
            Tables::Changed,
        )
        .events
        .len()
    };
    assert_eq!(
        [
            count(99, 50),
            count(100, 50),
            count(200, 50),
            count(201, 50)
        ],
        [0, 1, 1, 0]
    );
    // Somebody changed it since, but the crawl made it.
    assert_eq!(count(300, 150), 1);
}

#[test]
fn a_table_of_another_catalog_is_named_by_its_account() {
    for (catalog, account) in [
        ("444455556666", "444455556666"),
        ("444455556666:s3tablescatalog/b", "444455556666"),
        ("odd", "111122223333"),
    ] {
        let (events, _) = runs(
            &completed(),
            &kept(json!({"CatalogId": catalog})),
            &Connections::new(),
        );
        let namespace = &events[0]["outputs"][0]["namespace"];
        assert_eq!(namespace, &format!("arn:aws:glue:eu-west-1:{account}"));
        assert_eq!(
            events[0]["job"]["namespace"],
            "arn:aws:glue:eu-west-1:111122223333"
        );
    }
}

#[test]
fn an_error_message_keeps_no_secret_and_is_bounded() {
    let mut crawl = completed();
    crawl.state = CrawlState::Failed;
    crawl.error = Some(format!(
        "jdbc:postgresql://u:s3cr3t@h/db {}",
        "x".repeat(10_000)
    ));
    let text = crawl_run(&place(), &crawler(), &crawl).unwrap().text;
    assert!(!text.contains("s3cr3t"));
    assert!(text.len() < 4_000);
}

#[test]
fn a_crawl_in_a_state_that_is_not_known_is_waited_for() {
    let crawl = json!({"CrawlId": "i", "State": "PAUSED", "StartTime": 1});
    let crawl = answer::crawl(&crawl).unwrap();
    assert_eq!(crawl_run(&place(), &crawler(), &crawl), None);
}

#[test]
fn a_crawler_of_a_catalog_target_keeps_tables_in_the_database_of_the_target() {
    let crawler = answer::crawler(&json!({
        "Name": "c", "Targets": {"CatalogTargets": [{"DatabaseName": "lake", "Tables": ["t"]}]},
    }));
    assert_eq!(crawler.unwrap().databases, ["lake".to_owned()].into());
}

#[test]
fn a_hint_names_the_crawler_of_a_crawl_that_ended() {
    let hints: Vec<Hint> = HINTS
        .lines()
        .map(|line| Hint::read(&serde_json::from_str(line).unwrap()).unwrap())
        .collect();
    let ended = Hint::Ended {
        crawler: "orders-s3".to_owned(),
    };
    assert_eq!(hints, [ended.clone(), Hint::Nothing, ended, Hint::Nothing]);
    for odd in [
        json!(null),
        json!({}),
        json!({"source": "aws.glue", "detail-type": "Glue Crawler State Change"}),
    ] {
        assert!(Hint::read(&odd).is_err());
    }
}

#[test]
fn what_is_no_answer_is_reported_with_its_place() {
    let mut answers = Answers::default();
    answers.add(
        "f",
        b"{\"Crawls\": [{\"CrawlId\": \"i\"}]}\n[]\n{\"a\": 1}\n{",
    );
    let found = answers
        .extract("eu-west-1", Some("111122223333"), Tables::All)
        .unwrap();
    let found: Vec<String> = found.findings.iter().map(Finding::to_string).collect();
    assert_eq!(
        found,
        [
            "unreadable: f, document 1: a crawl has no State",
            "unreadable: f, document 2: it is not an object",
            "unreadable: f, document 3: it is no answer about crawlers",
            "unreadable: f, document 4: it is not JSON in line 4, column 1",
        ]
    );
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
