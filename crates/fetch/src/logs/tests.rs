//! Polls log groups of a service that follows the model. Here is what the stories share.

mod failures;
mod pieces;
mod windows;

use ::settings::PointInTime;
use aws_stand_in::{GlueFault, LogEvent as Logged, LogGroup, Settings, StandIn};
use serde_json::{Value, json};

use super::*;

/// 2026-05-14T23:06:40Z.
const NOW: i64 = 1_778_800_000_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const GROUP: &str = "/aws-glue/jobs/error";

fn event(number: usize) -> String {
    format!(
        r#"{{"eventTime":"2026-05-14T23:00:00Z","producer":"p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json","run":{{"runId":"r{number}"}},"job":{{"namespace":"n","name":"j"}}}}"#
    )
}

fn logged(stream: &str, number: i64, timestamp: i64, message: impl Into<String>) -> Logged {
    Logged {
        stream: stream.to_owned(),
        id: format!("{number:056}"),
        timestamp,
        message: message.into(),
    }
}

fn line(said: &str) -> String {
    format!("26/05/15 08:00:00 INFO ConsoleTransport: {said}")
}

async fn service(groups: &[(&str, LogGroup)]) -> StandIn {
    let groups = groups
        .iter()
        .map(|(name, group)| ((*name).to_owned(), group.clone()));
    let settings = Settings {
        log_groups: groups.collect(),
        ..Settings::default()
    };
    StandIn::start(([127, 0, 0, 1], 0).into(), settings)
        .await
        .unwrap()
}

fn group(events: Vec<Logged>) -> LogGroup {
    LogGroup {
        events,
        ..LogGroup::default()
    }
}

fn set(service: &StandIn, name: &str, group: LogGroup) {
    service.set(|settings| drop(settings.log_groups.insert(name.to_owned(), group)));
}

fn config(settings: Value) -> LogsConfig {
    let settings: LogsSettings = serde_json::from_value(settings).unwrap();
    settings.validate().unwrap()
}

fn source(service: &StandIn, settings: Value) -> LogsSource {
    LogsSource::new(config(settings), &service.aws())
}

fn at(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap()
}

/// One poll: all steps until there is no more. Returns the runs, and the findings.
async fn poll(
    source: &mut LogsSource,
    cursor: &mut Option<Value>,
    now: i64,
) -> (Vec<String>, Vec<FindingRule>) {
    let (mut all, mut rules) = (Vec::new(), Vec::new());
    loop {
        let fetched = source.next(cursor.as_ref(), at(now)).await.unwrap();
        all.extend(runs_of(&fetched));
        rules.extend(rules_of(&fetched));
        if let Checkpoint::Cursor(next) = fetched.checkpoint {
            *cursor = Some(next);
        }
        if !fetched.more {
            return (all, rules);
        }
    }
}

fn runs_of(fetched: &Fetched) -> impl Iterator<Item = String> {
    let events = fetched.extraction.events.iter();
    events.map(|event| run(&event.text))
}

fn rules_of(fetched: &Fetched) -> impl Iterator<Item = FindingRule> {
    let findings = fetched.extraction.findings.iter();
    findings.map(|finding| finding.rule)
}

/// A log of this many events that is read two lines at a time.
fn paged(count: usize) -> LogGroup {
    let events = (1..=count).map(|number| {
        let at = number as i64;
        logged("a", at, NOW + at, line(&event(number)))
    });
    LogGroup {
        page: Some(2),
        ..group(events.collect())
    }
}

fn run(text: &str) -> String {
    let event: Value = serde_json::from_str(text).unwrap();
    event["run"]["runId"].as_str().unwrap().to_owned()
}

fn runs(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("r{number}")).collect()
}

fn cursor_of(fetched: &Fetched) -> Value {
    match &fetched.checkpoint {
        Checkpoint::Cursor(cursor) => cursor.clone(),
        Checkpoint::None | Checkpoint::Messages { .. } => panic!("a step has a cursor"),
    }
}
