//! From log lines to events: what happened to each, from its acceptance to its outcome. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ::history::{Name, written};
use serde::Serialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::insights::time_of;
use super::query::Selection;

/// The fields of a line that say which event it is about, and whose values stand in the head of an event.
const IDENTITY: [&str; 10] = [
    "message",
    "id",
    "ids",
    "run.id",
    "job.namespace",
    "job.name",
    "datasets",
    "dataset_count",
    "event.type",
    "outcome",
];

/// A line of a log, with its time and the function that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) time: OffsetDateTime,
    /// Such as `batch`.
    pub(super) function: String,
    /// What the line says, by name.
    pub(super) fields: Value,
    /// What no other line has: the same line is found by several queries.
    pub(super) key: String,
}

/// What is known of an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct History {
    /// The id that ingest returned. A rejected request has none.
    pub(super) id: Option<String>,
    #[serde(rename = "run.id")]
    pub(super) run: Option<String>,
    #[serde(rename = "job.namespace")]
    pub(super) namespace: Option<String>,
    #[serde(rename = "job.name")]
    pub(super) name: Option<String>,
    /// Those that it names. The log does not tell them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) datasets: Vec<Name>,
    /// How many it names, if not all of them were recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dataset_count: Option<u64>,
    #[serde(rename = "event.type")]
    pub(super) event_type: Option<String>,
    /// When ingest accepted it, as its id says.
    pub(super) accepted_at: Option<String>,
    /// What became of it last at each target; nothing while it waits. The log tells only how it ended.
    pub(super) outcomes: BTreeSet<String>,
    pub(super) steps: Vec<Step>,
}

/// One line about an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Step {
    /// In RFC 3339.
    pub(super) time: String,
    /// The function that wrote it.
    pub(super) function: String,
    /// What happened.
    pub(super) message: String,
    /// What else the line says.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) details: Map<String, Value>,
}

impl Line {
    /// Reads a row of a query. `None` is not a line of lineage-proxy: what Lambda itself writes.
    pub(super) fn read(function: &str, stream: &str, time: &str, message: &str) -> Option<Line> {
        let line: Value = serde_json::from_str(message).ok()?;
        let fields = line.get("fields")?.clone();
        // Its own time has microseconds.
        let written = line.get("timestamp").and_then(Value::as_str);
        let written = written.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
        Some(Line {
            time: written.or_else(|| time_of(time))?,
            function: function.to_owned(),
            fields,
            key: format!("{function} {stream} {time} {message}"),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).and_then(Value::as_str)
    }

    /// The events that the line is about.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        let others = self.text("ids").unwrap_or_default().split(' ');
        let ids = self.text("id").into_iter().chain(others);
        let ids: BTreeSet<Uuid> = ids.filter_map(|id| id.parse().ok()).collect();
        ids.into_iter().collect()
    }

    /// Whether it is about a request that was rejected, and so about no event with an id.
    fn is_rejection(&self) -> bool {
        self.text("id").is_none() && self.text("message") == Some("request rejected")
    }

    pub(super) fn step(&self) -> Step {
        let details = self.fields.as_object().into_iter().flatten();
        let details = details.filter(|(name, _)| !IDENTITY.contains(&name.as_str()));
        Step {
            time: written(self.time),
            function: self.function.clone(),
            message: self.text("message").unwrap_or_default().to_owned(),
            details: details.map(|(k, v)| (k.clone(), v.clone())).collect(),
        }
    }
}

/// Leaves one of lines that were found several times, and sorts them by time.
pub(super) fn distinct(mut lines: Vec<Line>) -> Vec<Line> {
    let mut seen = HashSet::new();
    lines.retain(|line| seen.insert(line.key.clone()));
    lines.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.key.cmp(&b.key)));
    lines
}

/// Returns the ids of the events that lines select, the newest first.
pub(super) fn selected(lines: &[Line], selection: &Selection) -> Vec<Uuid> {
    let mut seen = HashSet::new();
    let chosen = lines
        .iter()
        .rev()
        .filter(|line| selection.selects(&line.fields));
    let ids = chosen.flat_map(|line| match selection.id {
        Some(id) => vec![id],
        // Of a batch that is retried only the first event has its run and its job in the line.
        None => line
            .text("id")
            .and_then(|id| id.parse().ok())
            .into_iter()
            .collect(),
    });
    ids.filter(|id| seen.insert(*id)).collect()
}

/// Returns the rejected requests that lines select.
pub(super) fn rejections(lines: &[Line], selection: &Selection) -> Vec<Line> {
    let rejected = lines.iter().filter(|line| line.is_rejection());
    rejected
        .filter(|line| selection.selects(&line.fields))
        .cloned()
        .collect()
}

/// Returns these events, the oldest first, with all that lines say of them.
pub(super) fn histories(lines: &[Line], ids: &[Uuid], rejected: &[Line]) -> Vec<History> {
    let mut of: HashMap<Uuid, Vec<&Line>> = ids.iter().map(|id| (*id, Vec::new())).collect();
    for line in lines {
        for id in line.ids() {
            if let Some(about) = of.get_mut(&id) {
                about.push(line);
            }
        }
    }
    let events = of.iter().filter_map(|(id, lines)| {
        let begin = accepted_at(id).or(lines.first().map(|line| line.time))?;
        Some(((begin, id.to_string()), history(Some(*id), lines)))
    });
    let rejected = rejected.iter().map(|line| {
        let key = (line.time, line.key.clone());
        (key, history(None, &[line]))
    });
    let sorted: BTreeMap<_, _> = events.chain(rejected).collect();
    sorted.into_values().collect()
}

fn history(id: Option<Uuid>, lines: &[&Line]) -> History {
    let id_text = id.map(|id| id.to_string());
    // Only a line of the event's own says what it is: one about a batch has the run and the job of another event.
    let own = lines
        .iter()
        .filter(|line| line.text("id") == id_text.as_deref());
    let own: Vec<&&Line> = own.collect();
    let first = |name: &str| {
        let mut found = own.iter().filter_map(|line| line.text(name));
        found.next().map(str::to_owned)
    };
    let outcome = |line: &&&Line| match line.is_rejection() {
        true => Some("rejected".to_owned()),
        false => line.text("outcome").map(str::to_owned),
    };
    History {
        run: first("run.id"),
        namespace: first("job.namespace"),
        name: first("job.name"),
        datasets: Vec::new(),
        dataset_count: None,
        event_type: first("event.type"),
        accepted_at: id.and_then(|id| accepted_at(&id)).map(written),
        outcomes: own.iter().filter_map(outcome).collect(),
        steps: lines.iter().map(|line| line.step()).collect(),
        id: id_text,
    }
}

/// When an event was accepted: ingest gives it an id of version 7, which begins with the time
/// (<https://www.rfc-editor.org/rfc/rfc9562#section-5.7>). The id of an event of a source or of another writer says nothing.
pub(super) fn accepted_at(id: &Uuid) -> Option<OffsetDateTime> {
    if id.get_version_num() != 7 {
        return None;
    }
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    let time = OffsetDateTime::from_unix_timestamp(seconds.try_into().ok()?).ok()?;
    time.replace_nanosecond(nanoseconds).ok()
}

/// A time in milliseconds since 1970, for people.
pub(super) fn time_text(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(milliseconds.div_euclid(1_000));
    time.map_or_else(|_| milliseconds.to_string(), written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "01a1faa6-e194-7000-a993-000000000001";
    const OTHER: &str = "01a1faa6-e194-7000-a993-000000000002";

    fn line(second: u8, fields: Value) -> Line {
        let time = format!("2026-11-20T10:00:{second:02}.123456Z");
        let message =
            json!({"timestamp": time, "level": "INFO", "fields": fields, "target": "proxy"});
        Line::read(
            "batch",
            "s",
            "2026-11-20 10:00:00.000",
            &message.to_string(),
        )
        .unwrap()
    }

    fn event(message: &str, id: &str, more: Value) -> Value {
        let mut fields = json!({"message": message, "id": id, "run.id": "r", "job.namespace": "n", "job.name": "j", "event.type": "START"});
        let all = fields.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        fields
    }

    #[test]
    fn an_event_is_told_from_its_acceptance_to_its_outcome() {
        let lines = distinct(vec![
            line(
                9,
                event(
                    "event delivered",
                    ID,
                    json!({"outcome": "delivered", "attempts": 2}),
                ),
            ),
            line(2, json!({"message": "rule failed", "id": ID, "rule": "r"})),
            line(
                3,
                event(
                    "delivery failed, will retry",
                    OTHER,
                    json!({"ids": format!("{OTHER} {ID}"), "reason": "throttled"}),
                ),
            ),
            line(2, json!({"message": "rule failed", "id": ID, "rule": "r"})), // found twice
        ]);
        let selection = Selection {
            id: ID.parse().ok(),
            ..Selection::default()
        };
        let ids = selected(&lines, &selection);
        let found = histories(&lines, &ids, &[]);
        let [history] = found.as_slice() else {
            panic!("{found:?}");
        };
        let messages: Vec<&str> = history.steps.iter().map(|step| &*step.message).collect();
        assert_eq!(
            messages,
            [
                "rule failed",
                "delivery failed, will retry",
                "event delivered"
            ]
        );
        assert_eq!(
            history.steps[1].details,
            *json!({"reason": "throttled"}).as_object().unwrap()
        );
        assert_eq!(history.name.as_deref(), Some("j"));
        assert_eq!(Vec::from_iter(&history.outcomes), ["delivered"]);
        // The id begins with the time.
        let time = history.accepted_at.as_deref();
        assert_eq!(time, Some("2026-11-20T20:30:03.156Z"));
    }

    #[test]
    fn a_line_about_a_batch_says_nothing_of_the_run_of_the_others() {
        let retry = event(
            "delivery failed, will retry",
            OTHER,
            json!({"ids": format!("{OTHER} {ID}")}),
        );
        let found = histories(&[line(3, retry)], &[ID.parse().unwrap()], &[]);
        assert_eq!((found[0].run.as_deref(), found[0].steps.len()), (None, 1));
        assert!(found[0].outcomes.is_empty());
    }

    #[test]
    fn a_rejected_request_is_an_event_without_an_id() {
        let fields = json!({"message": "request rejected", "status": 400, "job.namespace": "n", "job.name": "j", "detail": "$.run"});
        let lines = [line(1, fields), line(2, json!({"message": "rules loaded"}))];
        let rejected = rejections(&lines, &Selection::default());
        let found = histories(&lines, &[], &rejected);
        assert_eq!((found.len(), found[0].id.as_deref()), (1, None));
        assert_eq!(Vec::from_iter(&found[0].outcomes), ["rejected"]);
        assert_eq!(found[0].steps[0].details["detail"], "$.run");
    }

    #[test]
    fn what_lambda_writes_is_no_line() {
        for text in [
            "REPORT RequestId: 1",
            "{}",
            r#"{"time":"2026","type":"platform.start"}"#,
            "7",
        ] {
            assert_eq!(
                Line::read("batch", "s", "2026-11-20 10:00:00.000", text),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn only_an_id_of_version_7_has_a_time() {
        assert_eq!(accepted_at(&Uuid::nil()), None);
        assert_eq!(
            accepted_at(&Uuid::from_u128(0x01a1_faa6_e194_4000_a993_0000_0000_0001)),
            None
        );
    }
}
