//! The run of an event: an instance of its job, and how it stands. Pure.

use openlineage::{EventType, Json};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::conversion::{millis, stamp};
use super::facets::{facet, text};
use super::proposal::{Aspect, Proposal, with};
use super::urn::Urn;

/// A run, as an event has it.
pub(super) struct Run<'e> {
    pub(super) id: Uuid,
    pub(super) event_type: Option<EventType>,
    pub(super) time: OffsetDateTime,
    pub(super) job: &'e Urn,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
}

/// What an event says about its run.
pub(super) fn proposals(run: &Run<'_>, root: Json<'_>) -> Vec<Proposal> {
    let id = run.id.to_string();
    let urn = Urn::run(&id);
    let created = json!({"name": id, "created": stamp(created(run)), "customProperties": {}});
    let parent = root.get("run").and_then(parent);
    let parent = parent.map(|parent| Value::from(Urn::run(&parent.to_string()).as_str()));
    let relationships = json!({"parentTemplate": run.job.as_str(), "upstreamInstances": []});
    let relationships = with(relationships, "parentInstance", parent);
    let mut proposals = vec![
        Proposal::upsert(&urn, Aspect::RunProperties, created),
        Proposal::upsert(&urn, Aspect::RunRelationships, relationships),
    ];
    // A START without datasets does not remove those of an earlier event.
    if !run.inputs.is_empty() {
        let value = json!({ "inputs": run.inputs });
        proposals.push(Proposal::upsert(&urn, Aspect::RunInput, value));
    }
    if !run.outputs.is_empty() {
        let value = json!({ "outputs": run.outputs });
        proposals.push(Proposal::upsert(&urn, Aspect::RunOutput, value));
    }
    if let Some(event) = run_event(run) {
        proposals.push(Proposal::upsert(&urn, Aspect::RunEvent, event));
    }
    proposals
}

/// When the run was created. Clients make run ids of version 7, which tell it with each event; of another id, the time of the
/// event is the best that is known.
fn created(run: &Run<'_>) -> OffsetDateTime {
    let stamp = match run.id.get_version_num() {
        7 => run.id.get_timestamp(),
        _ => None,
    };
    let seconds = stamp.and_then(|stamp| {
        let (seconds, nanos) = stamp.to_unix();
        let nanos = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
    });
    seconds.unwrap_or(run.time)
}

fn parent(run: Json<'_>) -> Option<Uuid> {
    let id = text(facet(run, "parent")?.get("run")?, "runId")?;
    Uuid::parse_str(&id).ok()
}

/// How the run stands. OTHER and events without a type do not say.
///
/// DataHub keeps an event of a time series once by entity, time and `messageId` (`TimeseriesAspectTransformer.java`): with the
/// type as the latter, an event that is delivered again replaces itself, and START and COMPLETE of the same millisecond do not
/// replace each other.
fn run_event(run: &Run<'_>) -> Option<Value> {
    let (message_id, status, result) = match run.event_type? {
        EventType::Start => ("START", "STARTED", None),
        EventType::Running => ("RUNNING", "STARTED", None),
        EventType::Complete => ("COMPLETE", "COMPLETE", Some("SUCCESS")),
        EventType::Fail => ("FAIL", "COMPLETE", Some("FAILURE")),
        EventType::Abort => ("ABORT", "COMPLETE", Some("FAILURE")),
        EventType::Other => return None,
    };
    let event = json!({
        "timestampMillis": millis(run.time),
        "partitionSpec": {"partition": "FULL_TABLE_SNAPSHOT", "type": "FULL_TABLE"},
        "messageId": message_id,
        "status": status,
    });
    let result = result.map(|result| json!({"type": result, "nativeResultType": message_id}));
    Some(with(event, "result", result))
}
