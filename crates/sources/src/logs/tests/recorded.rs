//! Recorded logs, each with what it yields.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::super::subscription::Subscription;
use super::*;

fn fixture(name: &str) -> Value {
    let text = fs::read_to_string(format!("{FIXTURES}/{name}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn lines(json: &Value) -> Vec<Line> {
    let line = |event: &Value| Line {
        stream: event["logStreamName"].as_str().unwrap().to_owned(),
        id: event["eventId"].as_str().unwrap().to_owned(),
        timestamp: event["timestamp"].as_i64().unwrap(),
        message: event["message"].as_str().unwrap().to_owned(),
    };
    json.as_array().unwrap().iter().map(line).collect()
}

fn check(case: &Value, found: &Extraction) {
    let about = &case["about"];
    let hash = |text: &str| hex(&Sha256::digest(text.as_bytes()));
    let mut found_hashes: Vec<String> = texts(found).into_iter().map(hash).collect();
    let mut expected: Vec<&str> = case["expect"]["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["sha256"].as_str().unwrap())
        .collect();
    found_hashes.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found_hashes, expected, "{about}");
    let mut counts = HashMap::new();
    for rule in rules(found) {
        *counts.entry(rule.as_str().to_owned()).or_insert(0) += 1;
    }
    let mut expected = HashMap::new();
    for finding in case["expect"]["findings"].as_array().unwrap() {
        let rule = finding["rule"].as_str().unwrap().to_owned();
        *expected.entry(rule).or_insert(0) += finding["count"].as_i64().unwrap_or(1);
    }
    assert_eq!(counts, expected, "{about}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_recorded_log_yields_its_events_and_findings() {
    let mut cases = 0;
    for entry in fs::read_dir(FIXTURES).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".json") {
            continue;
        }
        let case = fixture(&name);
        if case["events"].is_array() {
            check(&case, &read(&lines(&case["events"])));
            cases += 1;
        }
    }
    assert!(cases >= 11, "{cases}");
}

#[test]
fn what_comes_late_or_again_is_found_once() {
    let case = fixture("glue-09-late-ingestion.json");
    let mut seen = Seen::new(100);
    let mut found = Extraction::default();
    for poll in case["polls"].as_array().unwrap() {
        let mut scanner = Scanner::new(Lines::All, Seen::from_json(&seen.to_json(), 100).unwrap());
        for line in lines(poll) {
            scanner.read(&event(&line));
        }
        scanner.end(None);
        let part = scanner.take();
        found.events.extend(part.events);
        found.findings.extend(part.findings);
        seen = scanner.seen().clone();
    }
    check(&fixture("glue-09-late-ingestion.json"), &found);
}

#[test]
fn every_subscription_payload_yields_its_events() {
    for name in [
        "01-glue",
        "02-airflow3",
        "03-control",
        "04-head-only",
        "05-mixed",
    ] {
        let case = fixture(&format!("subscription-{name}.json"));
        for which in [Lines::All, Lines::Filtered] {
            let subscription = Subscription::read(case["payload"].to_string().as_bytes()).unwrap();
            let mut scanner = Scanner::new(which, Seen::new(10));
            subscription.events().for_each(|event| scanner.read(&event));
            for rest in scanner.wanted() {
                scanner.close(rest, None);
            }
            scanner.end(None);
            check(&case, &scanner.take());
        }
    }
    for payload in fixture("subscription-06-broken.json")["payloads"]
        .as_array()
        .unwrap()
    {
        assert!(
            Subscription::read(payload.to_string().as_bytes()).is_err(),
            "{payload}"
        );
    }
}
