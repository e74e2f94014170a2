//! The answers of eight crawlers, and what is none.

use std::collections::BTreeSet;

use super::*;

const ANSWERS: &str = include_str!("../../../tests/fixtures/crawler/answers.jsonl");
const EXPECTED: &str = include_str!("../../../tests/fixtures/crawler/expected.json");
const HINTS: &str = include_str!("../../../tests/fixtures/crawler/eventbridge.jsonl");

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

/// The findings of these documents, by place and rule, with an account or without.
fn findings_of(documents: &[&str], account: Option<&str>) -> Vec<(String, FindingRule)> {
    let mut answers = Answers::default();
    for (number, document) in documents.iter().enumerate() {
        answers.add(&format!("f{number}"), document.as_bytes());
    }
    let findings = match answers.extract("eu-west-1", account, Tables::All) {
        Ok(extraction) => extraction.findings,
        Err(unknown) => unknown.findings,
    };
    let pairs = findings.into_iter().map(|found| (found.place, found.rule));
    pairs.collect()
}

const CRAWLER: &str = r#"{"Crawler": {"Name": "c", "DatabaseName": "d"}}"#;
const CRAWLS: &str = r#"{"Crawls": [{"CrawlId": "738054e1-c53b-4e28-99bf-22ed27beb840", "State": "COMPLETED", "StartTime": 100, "EndTime": 200, "LogStream": "c"}]}"#;
const TABLES: &str =
    r#"{"TableList": [{"Name": "t", "DatabaseName": "d", "CatalogId": "111122223333"}]}"#;

#[test]
fn a_completed_crawl_without_the_tables_of_its_databases_is_incomplete() {
    let incomplete = || vec![("crawler c".to_owned(), FindingRule::Incomplete)];
    let of = |documents: &[&str]| findings_of(documents, Some("111122223333"));
    assert_eq!(of(&[CRAWLER, CRAWLS]), incomplete());
    assert_eq!(of(&[CRAWLS]), incomplete(), "its databases are not known");
    let other = TABLES.replace("\"d\"", "\"other\"");
    assert_eq!(of(&[CRAWLER, CRAWLS, &other]), incomplete());
    assert_eq!(of(&[CRAWLER, CRAWLS, TABLES]), []);
    assert_eq!(of(&[CRAWLER, CRAWLS, r#"{"TableList": []}"#]), []);
    let failed = CRAWLS.replace("COMPLETED", "FAILED");
    assert_eq!(of(&[CRAWLER, &failed]), [], "it has kept no tables");
}

#[test]
fn a_file_without_a_document_is_reported_with_the_error_that_follows_from_it() {
    for empty in ["", " \n"] {
        let found = findings_of(&[CRAWLER, CRAWLS, empty], None);
        let expected = [
            ("f2".to_owned(), FindingRule::Unreadable),
            ("crawler c".to_owned(), FindingRule::Incomplete),
        ];
        assert_eq!(found, expected);
    }
}

#[test]
fn an_empty_last_page_ends_what_the_page_before_it_listed() {
    let goes_on = |page: &str| page.replacen('{', r#"{"NextToken": "t", "#, 1);
    let of = |documents: &[&str]| findings_of(documents, None);
    let (crawls, tables) = (goes_on(CRAWLS), goes_on(TABLES));
    let (no_crawls, no_tables) = (r#"{"Crawls": []}"#, r#"{"TableList": []}"#);
    assert_eq!(of(&[CRAWLER, &crawls, no_crawls, &tables, no_tables]), []);
    let cut = |of: &str| (of.to_owned(), FindingRule::Incomplete);
    // The page of another list, or of none, ends nothing.
    let found = of(&[CRAWLER, &crawls, &tables, no_crawls]);
    assert_eq!(found, [cut("crawls of c"), cut("tables of d")]);
    let found = of(&[CRAWLER, &crawls, &goes_on(no_crawls), TABLES]);
    assert_eq!(found, [cut("crawls of c")]);
}
