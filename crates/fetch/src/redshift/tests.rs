//! Polls a warehouse by the Data API of a service that follows its model.

use std::collections::BTreeSet;

use aws_stand_in::{Settings, StandIn, StatementFault};
use serde_json::{Value, json};
use sources::{Extraction, FindingRule};

use super::*;

/// The results of a history as they are saved.
const SAVED: [(&str, &str); 14] = [
    (
        "sys_query_history",
        include_str!("../../../sources/tests/fixtures/redshift/sys_query_history.page-1.json"),
    ),
    (
        "sys_query_history",
        include_str!("../../../sources/tests/fixtures/redshift/sys_query_history.page-2.json"),
    ),
    (
        "sys_query_history",
        include_str!("../../../sources/tests/fixtures/redshift/sys_query_history.page-3.json"),
    ),
    (
        "sys_query_text",
        include_str!("../../../sources/tests/fixtures/redshift/sys_query_text.page-1.json"),
    ),
    (
        "sys_query_text",
        include_str!("../../../sources/tests/fixtures/redshift/sys_query_text.page-2.json"),
    ),
    (
        "sys_query_detail",
        include_str!("../../../sources/tests/fixtures/redshift/sys_query_detail.json"),
    ),
    (
        "sys_procedure_call",
        include_str!("../../../sources/tests/fixtures/redshift/sys_procedure_call.json"),
    ),
    (
        "sys_transaction_history",
        include_str!("../../../sources/tests/fixtures/redshift/sys_transaction_history.json"),
    ),
    (
        "sys_load_history",
        include_str!("../../../sources/tests/fixtures/redshift/sys_load_history.json"),
    ),
    (
        "sys_unload_history",
        include_str!("../../../sources/tests/fixtures/redshift/sys_unload_history.json"),
    ),
    (
        "svv_all_columns",
        include_str!("../../../sources/tests/fixtures/redshift/svv_all_columns.json"),
    ),
    (
        "svv_redshift_databases",
        include_str!("../../../sources/tests/fixtures/redshift/svv_redshift_databases.json"),
    ),
    (
        "svv_external_schemas",
        include_str!("../../../sources/tests/fixtures/redshift/svv_external_schemas.json"),
    ),
    (
        "svv_user_info",
        include_str!("../../../sources/tests/fixtures/redshift/svv_user_info.json"),
    ),
];

/// 02:00 of the day of the history, and minutes after it.
fn at(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_778_637_600 + 60 * minutes).unwrap()
}

async fn service(change: impl FnOnce(&mut Settings)) -> StandIn {
    let page = |(view, json): (&str, &str)| (view.to_owned(), serde_json::from_str(json).unwrap());
    let mut settings = Settings::with_history(SAVED.map(page)).unwrap();
    change(&mut settings);
    let address = ([127, 0, 0, 1], 0).into();
    StandIn::start(address, settings).await.unwrap()
}

fn source(service: &StandIn) -> RedshiftSource {
    let settings = json!({"workgroup": "corp-wg", "database": "dev", "lookback": "2h"});
    let settings: RedshiftSettings = serde_json::from_value(settings).unwrap();
    RedshiftSource::new(settings.validate().unwrap(), &service.aws())
}

/// Polls until there is no more, keeping the cursor as its caller does.
async fn all(
    source: &mut RedshiftSource,
    cursor: &mut Option<Value>,
    now: OffsetDateTime,
) -> Extraction {
    let mut extraction = Extraction::default();
    loop {
        let fetched = source.next(cursor.as_ref(), now).await.unwrap();
        extraction.events.extend(fetched.extraction.events);
        extraction.findings.extend(fetched.extraction.findings);
        match fetched.checkpoint {
            Checkpoint::Cursor(next) => *cursor = Some(next),
            other @ (Checkpoint::None | Checkpoint::Messages { .. }) => panic!("{other:?}"),
        }
        if !fetched.more {
            return extraction;
        }
    }
}

fn queries_of(extraction: &Extraction) -> BTreeSet<String> {
    let query = |text: &String| {
        let event: Value = serde_json::from_str(text).unwrap();
        let query = &event["run"]["facets"]["externalQuery"]["externalQueryId"];
        query.as_str().unwrap().to_owned()
    };
    extraction
        .events
        .iter()
        .map(|event| query(&event.text))
        .collect()
}

fn has(extraction: &Extraction, rule: FindingRule) -> usize {
    extraction
        .findings
        .iter()
        .filter(|finding| finding.rule == rule)
        .count()
}

fn fault(matches: &str, error: &str, times: u32) -> StatementFault {
    StatementFault {
        matches: matches.to_owned(),
        error: Some(error.to_owned()),
        times,
    }
}

#[tokio::test]
async fn the_names_are_those_of_the_endpoint_that_was_looked_up() {
    let service = service(|settings| settings.redshift_waits = 2).await;
    let found = all(&mut source(&service), &mut None, at(60)).await;
    let names: String = found
        .events
        .iter()
        .map(|event| event.text.as_str())
        .collect();
    assert!(names.contains(
        "redshift://corp-wg.111122223333.eu-west-1.redshift-serverless.amazonaws.com:5439"
    ));
    assert!(names.contains("arn:aws:glue:eu-west-1:111122223333"));
    assert_eq!(
        found.events.len(),
        queries_of(&found).len(),
        "one event a statement"
    );
    assert!(found.events.len() > 25, "{}", found.events.len());
}

#[tokio::test]
async fn a_second_poll_finds_nothing_again_and_asks_for_the_rest_alone() {
    let service = service(|_| {}).await;
    let (mut source, mut cursor) = (source(&service), None);
    let first = all(&mut source, &mut cursor, at(60)).await;
    let before = service.statements().len();
    let second = all(&mut source, &mut cursor, at(75)).await;
    assert_eq!((second.events.len(), second.findings.len()), (0, 0));
    assert!(!first.events.is_empty());
    let texts = service.statements();
    let asked: Vec<&String> = texts.iter().skip(before).collect();
    assert!(
        !asked.iter().any(|sql| sql.contains("svv_")),
        "columns are known: {asked:?}"
    );
}

#[tokio::test]
async fn a_poll_from_the_same_position_finds_the_same_events() {
    let service = service(|_| {}).await;
    let first = all(&mut source(&service), &mut None, at(60)).await;
    let second = all(&mut source(&service), &mut None, at(60)).await;
    assert_eq!(first.events, second.events);
}

#[tokio::test]
async fn polls_of_a_few_statements_each_find_what_one_poll_finds() {
    let service = service(|_| {}).await;
    let whole = all(&mut source(&service), &mut None, at(60)).await;
    let mut source = source(&service);
    let mut cursor = None;
    let mut few = Extraction::default();
    for minutes in (0..=60).step_by(4) {
        let found = all(&mut source, &mut cursor, at(minutes)).await;
        few.events.extend(found.events);
    }
    assert_eq!(queries_of(&few), queries_of(&whole));
    assert_eq!(few.events.len(), whole.events.len(), "nothing twice");
}

#[tokio::test]
async fn a_result_that_is_too_large_is_asked_for_in_halves() {
    let too_large = fault(
        "sys_query_text",
        "ERROR: Packet for query is too large (70000 > 65536)",
        2,
    );
    let service = service(|settings| settings.redshift_faults = vec![too_large]).await;
    let found = all(&mut source(&service), &mut None, at(60)).await;
    assert!(queries_of(&found).contains("700310"));
    let limits = service
        .statements()
        .into_iter()
        .filter(|sql| sql.contains("LIMIT 1000"));
    assert_eq!(limits.count(), 1);
}

#[tokio::test]
async fn a_view_that_may_not_be_read_is_said_once_and_done_without() {
    let denied = fault(
        "sys_transaction_history",
        "ERROR: permission denied for relation sys_transaction_history",
        99,
    );
    let service = service(|settings| settings.redshift_faults = vec![denied]).await;
    let (mut source, mut cursor) = (source(&service), None);
    let first = all(&mut source, &mut cursor, at(60)).await;
    assert!(first.events.len() > 25);
    assert_eq!(has(&first, FindingRule::NotVisible), 1);
    let second = all(&mut source, &mut cursor, at(61)).await;
    assert_eq!(has(&second, FindingRule::NotVisible), 0);
}

#[tokio::test]
async fn a_history_that_may_not_be_read_is_refused() {
    let denied = fault(
        "sys_query_history",
        "ERROR: permission denied for schema pg_catalog",
        1,
    );
    let service = service(|settings| settings.redshift_faults = vec![denied]).await;
    let refused = source(&service).next(None, at(60)).await.unwrap_err();
    assert!(matches!(refused, FetchError::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn a_busy_warehouse_is_asked_again_later() {
    let busy = StatementFault {
        matches: "sys_query_history".to_owned(),
        error: None,
        times: 1,
    };
    let service = service(|settings| settings.redshift_faults = vec![busy]).await;
    let mut source = source(&service);
    let later = source.next(None, at(60)).await.unwrap_err();
    assert!(matches!(later, FetchError::Unavailable(_)), "{later:?}");
    assert!(
        !source
            .next(None, at(60))
            .await
            .unwrap()
            .extraction
            .events
            .is_empty()
    );
}

#[tokio::test]
async fn a_session_that_has_ended_is_opened_again_with_its_label() {
    let service = service(|_| {}).await;
    let (mut source, mut cursor) = (source(&service), None);
    all(&mut source, &mut cursor, at(60)).await;
    service.end_sessions();
    all(&mut source, &mut cursor, at(75)).await;
    let labels = service
        .statements()
        .into_iter()
        .filter(|sql| sql.contains("SET query_group"));
    assert_eq!(labels.count(), 2);
}

#[tokio::test]
async fn a_workgroup_that_is_not_there_is_refused_by_name() {
    let service = service(|settings| settings.workgroups.clear()).await;
    match source(&service).next(None, at(60)).await {
        Err(FetchError::Refused(message)) => {
            assert!(message.contains("ResourceNotFound"), "{message}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_damaged_position_is_an_error_and_not_a_new_beginning() {
    let service = service(|_| {}).await;
    let damaged = json!({"redshift": 1, "from": 5, "state": {"sessions": []}});
    let refused = source(&service)
        .next(Some(&damaged), at(60))
        .await
        .unwrap_err();
    assert!(matches!(refused, FetchError::Refused(_)));
    assert_eq!(service.statements().len(), 0, "nothing was asked for");
}

#[tokio::test]
async fn a_statement_that_runs_when_the_time_ends_is_cancelled_and_reported_by_who_ends_it() {
    let hanging = "sys_query_history";
    let service = service(|settings| settings.redshift_hangs = Some(hanging.to_owned())).await;
    let settings = json!({"workgroup": "corp-wg", "database": "dev", "lookback": "2h"});
    let settings: RedshiftSettings = serde_json::from_value(settings).unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(6);
    let config = settings.validate().unwrap().ending_at(end);
    let mut source = RedshiftSource::new(config, &service.aws());
    let polled = tokio::time::timeout_at(end, source.next(None, at(60))).await;
    assert!(
        polled.is_err(),
        "until the end, and with no error of its own"
    );
    let calls = service.calls();
    assert_eq!(calls.get("CancelStatement 200"), Some(&1), "{calls:?}");
}

/// What the template lets the role do at Redshift, but for the credentials, which the service asks for, and what only cancels.
fn granted() -> BTreeSet<String> {
    let template = include_str!("../../../../infra/source-redshift.yaml");
    let is_ours = |action: &&str| {
        let service_and_name = action.split_once(':');
        service_and_name.is_some_and(|(service, name)| {
            ["redshift-data", "redshift-serverless", "redshift"].contains(&service)
                && name.starts_with(char::is_uppercase)
                && !name.starts_with("GetC")
                && name != "CancelStatement"
        })
    };
    let actions = template.split('"').filter(is_ours);
    actions.map(str::to_owned).collect()
}

#[tokio::test]
async fn each_permission_of_the_template_is_used_and_a_poll_fails_without_it() {
    let granted = granted();
    assert_eq!(granted.len(), 5, "{granted:?}");
    let cluster = aws_stand_in::Cluster {
        address: "dwh.abc123.eu-west-1.redshift.amazonaws.com".to_owned(),
        port: 5439,
    };
    for (warehouse, name, others) in [
        ("workgroup", "corp-wg", "redshift:DescribeClusters"),
        ("cluster", "dwh", "redshift-serverless:GetWorkgroup"),
    ] {
        let needed = granted.iter().filter(|action| **action != *others);
        let needed: BTreeSet<String> = needed.cloned().collect();
        let settings = json!({warehouse: name, "database": "dev", "lookback": "2h"});
        let settings: RedshiftSettings = serde_json::from_value(settings).unwrap();
        let config = settings.validate().unwrap();
        let poll = async |allowed: BTreeSet<String>| {
            let service = service(|settings| {
                settings.allowed = Some(allowed);
                settings.clusters = [("dwh".to_owned(), cluster.clone())].into();
            });
            let service = service.await;
            let mut source = RedshiftSource::new(config.clone(), &service.aws());
            let polled = source.next(None, at(60)).await.map(drop);
            (polled, service.calls())
        };
        let (polled, calls) = poll(needed.clone()).await;
        polled.unwrap();
        for action in &needed {
            let (_, operation) = action.split_once(':').unwrap();
            let done = format!("{operation} 200");
            assert!(calls.contains_key(&done), "{action} is not used: {calls:?}");
            let mut fewer = needed.clone();
            fewer.remove(action);
            let (polled, _) = poll(fewer).await;
            let error = polled.unwrap_err().to_string();
            assert!(error.contains(action), "{action}: {error}");
        }
    }
}
