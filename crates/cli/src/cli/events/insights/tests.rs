//! Queries against a service that answers from a list.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What the service was asked, and what it answers next.
#[derive(Debug, Clone, Default)]
struct Service {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

async fn answer(
    State(service): State<Service>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let body = serde_json::from_str(&body).unwrap();
    service.asked.lock().unwrap().push((operation, body));
    let answer = service.answers.lock().unwrap().pop_front();
    let (status, body) = answer.unwrap_or((500, json!({"__type": "NothingIsLeftException"})));
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

impl Service {
    async fn start(answers: impl IntoIterator<Item = (u16, Value)>) -> (Insights, Service) {
        let service = Service::default();
        service.answers.lock().unwrap().extend(answers);
        let router = Router::new().fallback(answer).with_state(service.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            // Each attempt is one answer of the list.
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .endpoint_url(url)
            .build();
        let groups = BTreeMap::from([("/main/batch".to_owned(), "batch".to_owned())]);
        (Insights::new(&Aws::from(config), groups), service)
    }

    fn operations(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|(operation, _)| operation.clone())
            .collect()
    }

    /// The seconds of the queries that were started.
    fn ranges(&self) -> Vec<(i64, i64)> {
        let asked = self.asked.lock().unwrap();
        let started = asked
            .iter()
            .filter(|(operation, _)| operation == "StartQuery");
        let second = |body: &Value, name: &str| body[name].as_i64().unwrap();
        started
            .map(|(_, body)| (second(body, "startTime"), second(body, "endTime")))
            .collect()
    }
}

fn started() -> (u16, Value) {
    (200, json!({"queryId": "q"}))
}

fn results(status: &str, ids: &[&str]) -> (u16, Value) {
    let row = |id: &&str| {
        let line = json!({"level": "INFO", "fields": {"message": "event delivered", "id": id}});
        let line = line.to_string();
        json!([
            {"field": "@timestamp", "value": "2026-11-20 10:00:00.000"},
            {"field": "@log", "value": "111122223333:/main/batch"},
            {"field": "@logStream", "value": "s"},
            {"field": "@message", "value": line},
        ])
    };
    let rows: Vec<Value> = ids.iter().map(row).collect();
    (200, json!({"status": status, "results": rows}))
}

fn error(code: &str) -> (u16, Value) {
    (400, json!({"__type": code, "message": "Rate exceeded"}))
}

const RANGE: Range = Range {
    since: 1_000_000,
    until: 1_009_999,
};

#[tokio::test]
async fn a_query_that_is_throttled_is_asked_again_and_only_complete_results_count() {
    let (insights, service) = Service::start([
        error("LimitExceededException"),
        error("ThrottlingException"),
        started(),
        error("ThrottlingException"),
        error("ServiceUnavailableException"),
        results("Running", &["partial"]),
        results("Complete", &["1", "2"]),
    ])
    .await;
    let (lines, is_cut) = insights.newest("fields @message", RANGE).await.unwrap();
    assert_eq!((lines.len(), is_cut), (2, false));
    let expected = ["StartQuery", "StartQuery", "StartQuery", "GetQueryResults"];
    let operations = service.operations();
    assert_eq!(operations[..4], expected);
    assert_eq!(operations.len(), 7);
}

#[tokio::test]
async fn a_time_that_takes_too_long_is_divided_and_the_newer_half_comes_first() {
    let (insights, service) = Service::start([
        started(),
        results("Timeout", &["partial"]),
        (200, json!({"success": false})), // the query is stopped
        started(),
        results("Complete", &["newer"]),
        started(),
        results("Complete", &["older"]),
    ])
    .await;
    let (lines, is_cut) = insights.newest("fields @message", RANGE).await.unwrap();
    assert_eq!((lines.len(), is_cut), (2, false));
    let expected = [(1_000, 1_010), (1_004, 1_010), (1_000, 1_004)];
    assert_eq!(service.ranges(), expected);
}

#[tokio::test]
async fn what_fails_for_good_is_told_and_its_query_stopped() {
    for (last, told) in [
        (results("Failed", &["partial"]), "ended as Failed"),
        (results("Cancelled", &["partial"]), "ended as Cancelled"),
        (
            error("AccessDeniedException"),
            "you need logs:GetQueryResults",
        ),
        (error("ResourceNotFoundException"), "logs:GetQueryResults"),
    ] {
        let stopped = (200, json!({"success": true}));
        let (insights, service) = Service::start([started(), last, stopped]).await;
        let error = insights.all("fields @message", RANGE).await.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        let expected = ["StartQuery", "GetQueryResults", "StopQuery"];
        assert_eq!(service.operations(), expected);
    }
    let (insights, service) = Service::start([error("MalformedQueryException")]).await;
    assert!(insights.all("fields @message", RANGE).await.is_err());
    assert_eq!(service.operations(), ["StartQuery"]);
}

#[test]
fn a_second_is_not_divided_and_neither_are_the_newest_lines() {
    let full = || {
        Ok(QueryLines {
            lines: Vec::new(),
            rows: MOST as usize,
        })
    };
    let is_divided = |found, range, when_full| {
        let after = after(found, range, when_full);
        matches!(after, Ok(After::Divide(..)))
    };
    assert!(is_divided(full(), RANGE, WhenFull::Divide));
    assert!(!is_divided(full(), RANGE, WhenFull::Stop));
    let second = Range {
        since: 1_000,
        until: 1_999,
    };
    assert!(!is_divided(full(), second, WhenFull::Divide));
    let too_long = || Err(QueryError::TooLong);
    assert!(is_divided(too_long(), RANGE, WhenFull::Stop));
    assert!(after(too_long(), second, WhenFull::Stop).is_err());
}

#[test]
fn only_complete_results_are_results() {
    let found = |status| QueryResults {
        results: vec![vec![]],
        status,
    };
    assert!(
        matches!(next(found(QueryStatus::Complete), true), Ok(Next::Results(rows)) if rows.len() == 1)
    );
    for status in [
        QueryStatus::Scheduled,
        QueryStatus::Running,
        QueryStatus::Unknown,
    ] {
        assert!(matches!(next(found(status), false), Ok(Next::Wait)));
        assert!(matches!(
            next(found(status), true),
            Err(QueryError::TooLong)
        ));
    }
    for status in [
        QueryStatus::Failed,
        QueryStatus::Cancelled,
        QueryStatus::Timeout,
    ] {
        let error = next(found(status), false)
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains(status.name())));
    }
}

proptest! {
    /// No millisecond is left out, and it comes to an end.
    #[test]
    fn halves_cover_their_range(since in 0_i64..10_000_000, length in 0_i64..10_000_000) {
        let range = Range { since, until: since + length };
        if let Some([first, second]) = halves(range) {
            prop_assert_eq!((first.since, second.until), (range.since, range.until));
            prop_assert_eq!(first.until + 1, second.since);
            prop_assert!(first.since <= first.until && second.since <= second.until);
        } else {
            prop_assert!(length < 2_000);
        }
    }
}

#[test]
fn rows_that_are_no_lines_of_ours_count_for_the_limit() {
    let found = |rows| QueryLines {
        lines: Vec::new(),
        rows,
    };
    assert!(found(MOST as usize).is_full());
    assert!(!found(MOST as usize - 1).is_full());
}

#[test]
fn the_time_of_a_row_is_utc() {
    let time = time_of("2026-11-20 10:00:00.007").map(|time| time.unix_timestamp_nanos());
    assert_eq!(time, Some(1_795_168_800_007_000_000));
    assert_eq!(time_of("1795168800007"), None);
}
