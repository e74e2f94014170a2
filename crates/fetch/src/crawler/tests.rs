//! Polls crawlers of a service that follows the model, page by page.

use std::collections::BTreeSet;

use aws_stand_in::{Crawlers, GlueFault, Settings, StandIn};
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_778_800_000;

fn answers() -> Crawlers {
    let text = include_str!("../../../sources/tests/fixtures/crawler/answers.jsonl");
    Crawlers {
        page: Some(2),
        ..Crawlers::of_answers(text).unwrap()
    }
}

async fn service(crawlers: Crawlers) -> StandIn {
    let settings = Settings {
        crawlers,
        ..Settings::default()
    };
    StandIn::start(([127, 0, 0, 1], 0).into(), settings)
        .await
        .unwrap()
}

fn source(service: &StandIn, change: impl FnOnce(&mut CrawlerConfig)) -> CrawlerSource {
    let settings = json!({"account": "111122223333", "lookback": "135d"});
    let settings: CrawlerSettings = serde_json::from_value(settings).unwrap();
    let mut config = settings.validate().unwrap();
    change(&mut config);
    CrawlerSource::new(config, &service.aws())
}

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW).unwrap()
}

/// One poll: all steps until there is no more. Returns the events by type, job and output, and the findings.
async fn poll(
    source: &mut CrawlerSource,
    cursor: &mut Option<Value>,
) -> (Vec<String>, Vec<String>) {
    let (mut events, mut findings) = (Vec::new(), Vec::new());
    loop {
        let fetched = source.next(cursor.as_ref(), now()).await.unwrap();
        for event in &fetched.extraction.events {
            let event: Value = serde_json::from_str(&event.text).unwrap();
            let (kind, name) = (&event["eventType"], &event["job"]["name"]);
            events.push(format!(
                "{} {}",
                kind.as_str().unwrap(),
                name.as_str().unwrap()
            ));
        }
        findings.extend(fetched.extraction.findings.iter().map(Finding::to_string));
        match fetched.checkpoint {
            Checkpoint::Cursor(value) => *cursor = Some(value),
            Checkpoint::None => {}
            Checkpoint::Messages { .. } => panic!("there are no messages"),
        }
        if !fetched.more {
            return (events, findings);
        }
    }
}

#[tokio::test]
async fn a_poll_finds_the_runs_of_all_crawlers_and_the_next_one_nothing() {
    let service = service(answers()).await;
    let mut source = source(&service, |_| {});
    let mut cursor = None;
    let (events, findings) = poll(&mut source, &mut cursor).await;
    assert_eq!(findings, Vec::<String>::new());
    for event in [
        "FAIL crawler/orders-s3",
        "ABORT crawler/orders-s3",
        "COMPLETE crawler/orders-s3",
        "COMPLETE crawler/orders-s3/landing.orders",
        "COMPLETE crawler/shop-jdbc/shop.shop_public_customers",
        "COMPLETE crawler/clicks-hudi/lake.clicks_hudi",
    ] {
        assert!(
            events.iter().any(|found| found == event),
            "{event} in {events:#?}"
        );
    }
    assert_eq!(poll(&mut source, &mut cursor).await, (vec![], vec![]));
}

#[tokio::test]
async fn a_crawl_that_runs_is_found_once_it_has_ended() {
    let service = service(answers()).await;
    let mut source = source(&service, |config| {
        config.crawlers = vec!["orders-s3".to_owned()]
    });
    let mut cursor = None;
    poll(&mut source, &mut cursor).await;
    service.set(|settings| {
        for crawl in settings.crawlers.crawls.get_mut("orders-s3").unwrap() {
            if crawl["State"] == "RUNNING" {
                crawl["State"] = "COMPLETED".into();
                crawl["EndTime"] = (NOW - 10).into();
            }
        }
    });
    let (events, _) = poll(&mut source, &mut cursor).await;
    assert_eq!(
        events,
        [
            "COMPLETE crawler/orders-s3",
            "COMPLETE crawler/orders-s3/landing.orders",
            "COMPLETE crawler/orders-s3/landing.returns",
        ]
    );
}

#[tokio::test]
async fn a_poll_of_one_crawler_leaves_the_positions_of_the_others() {
    let service = service(answers()).await;
    let mut cursor = None;
    poll(&mut source(&service, |_| {}), &mut cursor).await;
    let only = |config: &mut CrawlerConfig| {
        *config = config.clone().only(vec!["trips-iceberg".to_owned()]);
    };
    let nothing = (vec![], vec![]);
    assert_eq!(
        poll(&mut source(&service, only), &mut cursor).await,
        nothing
    );
    assert_eq!(
        poll(&mut source(&service, |_| {}), &mut cursor).await,
        nothing
    );
}

#[tokio::test]
async fn a_start_anew_at_any_step_finds_all_with_the_same_identities() {
    let service = service(answers()).await;
    let mut whole = BTreeSet::new();
    let mut steps = 0;
    let three = |config: &mut CrawlerConfig| {
        config.crawlers = ["orders-s3", "shop-jdbc", "trips-iceberg"]
            .map(str::to_owned)
            .to_vec();
    };
    let (mut first, mut cursor) = (source(&service, three), None);
    loop {
        let fetched = first.next(cursor.as_ref(), now()).await.unwrap();
        whole.extend(fetched.extraction.events.iter().map(|event| event.identity));
        if let Checkpoint::Cursor(value) = fetched.checkpoint {
            cursor = Some(value);
        }
        steps += 1;
        if !fetched.more {
            break;
        }
    }
    for stop in 0..steps {
        let (mut found, mut cursor) = (BTreeSet::new(), None);
        let mut one = source(&service, three);
        for step in 0.. {
            if step == stop {
                one = source(&service, three);
            }
            let fetched = one.next(cursor.as_ref(), now()).await.unwrap();
            found.extend(fetched.extraction.events.iter().map(|event| event.identity));
            if let Checkpoint::Cursor(value) = fetched.checkpoint {
                cursor = Some(value);
            }
            if !fetched.more && step > stop {
                break;
            }
        }
        assert_eq!(found, whole, "after step {stop}");
    }
}

#[tokio::test]
async fn a_caller_that_goes_back_gets_the_same_again() {
    let service = service(answers()).await;
    let mut source = source(&service, |config| {
        config.crawlers = vec!["orders-s3".to_owned()]
    });
    let mut cursor = None;
    let one = loop {
        let fetched = source.next(cursor.as_ref(), now()).await.unwrap();
        if !fetched.extraction.events.is_empty() {
            break fetched.extraction.events;
        }
        if let Checkpoint::Cursor(value) = fetched.checkpoint {
            cursor = Some(value);
        }
    };
    let mut again = Vec::new();
    for _ in 0..2 {
        let fetched = source.next(cursor.as_ref(), now()).await.unwrap();
        again.extend(fetched.extraction.events);
    }
    assert_eq!(again, one);
}

#[tokio::test]
async fn what_is_gone_or_denied_is_reported_and_harms_no_other() {
    let service = service(answers()).await;
    service.set(|settings| {
        settings.crawlers.tables.remove("shop");
        settings.crawlers.connections.remove("profiles-docdb");
        settings.glue_faults = vec![GlueFault {
            operation: "ListCrawls".to_owned(),
            matches: "clicks-hudi".to_owned(),
            code: "AccessDeniedException".to_owned(),
            times: 9,
        }];
    });
    let mut source = source(&service, |_| {});
    let (events, findings) = poll(&mut source, &mut None).await;
    assert_eq!(
        findings,
        [
            "not_visible: crawler clicks-hudi: AccessDeniedException: on demand",
            "not_visible: connection profiles-docdb: EntityNotFoundException: Connection profiles-docdb not found.",
            "unresolved_name: table app.users_profiles: the data behind it has no name: its connection cannot be read",
            "not_visible: database shop: EntityNotFoundException: Database shop not found.",
            "not_visible: crawler shop-jdbc: no table that it keeps is visible: either it found no data, or a permission is missing (glue:GetTables, or DESCRIBE of Lake Formation)",
        ]
    );
    assert!(
        events
            .iter()
            .any(|event| event == "COMPLETE crawler/orders-s3/landing.orders")
    );
}

#[tokio::test]
async fn a_service_that_fails_is_tried_again_from_the_same_position() {
    let service = service(answers()).await;
    service.set(|settings| {
        settings.glue_faults = vec![GlueFault {
            operation: "GetTables".to_owned(),
            matches: "landing".to_owned(),
            code: "OperationTimeoutException".to_owned(),
            times: 1,
        }];
    });
    let mut source = source(&service, |config| {
        config.crawlers = vec!["orders-s3".to_owned()]
    });
    let mut cursor = None;
    let error = loop {
        match source.next(cursor.as_ref(), now()).await {
            Ok(fetched) => match fetched.checkpoint {
                Checkpoint::Cursor(value) => cursor = Some(value),
                Checkpoint::None | Checkpoint::Messages { .. } => {}
            },
            Err(error) => break error,
        }
    };
    assert!(matches!(error, FetchError::Unavailable(_)), "{error:?}");
    let (events, _) = poll(&mut source, &mut cursor).await;
    assert!(
        events
            .iter()
            .any(|event| event == "COMPLETE crawler/orders-s3/landing.orders")
    );
}

#[tokio::test]
async fn a_poll_ends_where_it_is_told_to() {
    let service = service(answers()).await;
    let until = ::settings::PointInTime::At(1_778_650_000_000);
    let mut source = source(&service, |config| {
        config.crawlers = vec!["orders-s3".to_owned()];
        config.until = Some(until);
    });
    let (events, _) = poll(&mut source, &mut None).await;
    assert!(
        !events
            .iter()
            .any(|event| event.starts_with("FAIL") || event.starts_with("ABORT")),
        "{events:?}"
    );
    assert!(
        events
            .iter()
            .any(|event| event == "COMPLETE crawler/orders-s3/landing.orders")
    );
}

#[test]
fn settings_that_cannot_be_are_refused_together() {
    let settings = json!({"crawlers": ["a", " ", "a"]});
    let settings: CrawlerSettings = serde_json::from_value(settings).unwrap();
    let errors: Vec<String> = settings
        .validate()
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        errors,
        [
            "crawlers: a crawler has no name",
            "crawlers: \"a\" is named twice"
        ]
    );
}

/// What the template lets the role do at Glue.
fn granted() -> BTreeSet<String> {
    let template = include_str!("../../../../infra/source-glue.yaml");
    let is_action = |text: &&str| {
        let name = text.strip_prefix("glue:");
        name.is_some_and(|name| name.starts_with(char::is_uppercase))
    };
    template
        .split('"')
        .filter(is_action)
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn each_permission_of_the_template_is_used_and_its_lack_told() {
    let granted = granted();
    assert_eq!(granted.len(), 5, "{granted:?}");
    let polled = async |allowed: BTreeSet<String>| {
        let settings = Settings {
            crawlers: answers(),
            allowed: Some(allowed),
            ..Settings::default()
        };
        let address = ([127, 0, 0, 1], 0).into();
        let service = StandIn::start(address, settings).await.unwrap();
        let (mut source, mut cursor, mut told) = (source(&service, |_| {}), None, String::new());
        loop {
            match source.next(cursor.as_ref(), now()).await {
                Ok(fetched) => {
                    for finding in &fetched.extraction.findings {
                        told += &finding.to_string();
                    }
                    if let Checkpoint::Cursor(next) = fetched.checkpoint {
                        cursor = Some(next);
                    }
                    if !fetched.more {
                        break;
                    }
                }
                Err(error) => {
                    told += &error.to_string();
                    break;
                }
            }
        }
        (told, service.calls())
    };
    let (whole, calls) = polled(granted.clone()).await;
    for action in &granted {
        let operation = action.trim_start_matches("glue:");
        let done = format!("{operation} 200");
        assert!(calls.contains_key(&done), "{action} is not used: {calls:?}");
        let mut fewer = granted.clone();
        fewer.remove(action);
        let (told, _) = polled(fewer).await;
        assert!(
            told.contains(action) && !whole.contains(action),
            "{action}: {told}"
        );
    }
}
