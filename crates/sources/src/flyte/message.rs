//! Finds the message of Flyte in the body of a message of a queue: its envelope, its encoding, and its kind.
//!
//! All three flavours come the same way: an envelope of SNS whose `Message` is base64, or that base64 alone where the
//! subscription asks for raw delivery. `externalEvents` publishes protobuf; `cloudEvents` an `io.cloudevents.v1.CloudEvent`
//! whose data is protojson, with the same subjects in version 1
//! (`flyteadmin/pkg/async/cloudevent/implementations` and `…/notifications/implementations` of flyteorg/flyte).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost::Message;

use super::occurrence::{self, Incomplete, Occurrence};
use super::protojson;
use super::wire::{CloudEvent, NodeRequest, TaskRequest, Timestamp, WorkflowRequest};
use crate::sns::{self, Body};

/// Why a body holds no message of Flyte. None of it repeats what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFlyte {
    #[error("the body is neither an envelope of SNS nor base64")]
    Encoding,
    #[error("SNS asks to confirm a subscription, which only the owner of the queue can do")]
    Control,
    #[error("the subject is none that Flyte publishes")]
    Subject,
    #[error("the CloudEvent has a type that Flyte does not publish")]
    Type,
    #[error("the data of the CloudEvent is not the protojson of its type")]
    Data,
    #[error("the bytes are not the protobuf message that the subject names")]
    Protobuf,
    #[error("the bytes are none of the protobuf messages that Flyte publishes")]
    Unknown,
    #[error("the message does not name its execution, its node or its task")]
    Unnamed,
    #[error("the message has no time")]
    Timeless,
    #[error("the phase is not known to this version")]
    Phase,
}

impl From<Incomplete> for NotFlyte {
    fn from(incomplete: Incomplete) -> NotFlyte {
        match incomplete {
            Incomplete::Unnamed => NotFlyte::Unnamed,
            Incomplete::Timeless => NotFlyte::Timeless,
            Incomplete::Phase => NotFlyte::Phase,
        }
    }
}

/// The kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Workflow,
    Node,
    Task,
}

/// Go pads; who forwards a message may have stripped it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads the body of a message of a queue.
pub(super) fn read(body: &str) -> Result<Occurrence, NotFlyte> {
    match sns::body(body) {
        Body::Control => Err(NotFlyte::Control),
        Body::Raw => decode(body, None),
        Body::Notification(notification) => {
            decode(&notification.message, notification.subject.as_deref())
        }
    }
}

fn decode(text: &str, subject: Option<&str>) -> Result<Occurrence, NotFlyte> {
    let bytes = BASE64.decode(text.trim()).map_err(|_| NotFlyte::Encoding)?;
    if let Some(event) = cloud_event(&bytes) {
        return cloud(event);
    }
    match subject.map(kind) {
        Some(Some(kind)) => protobuf(kind, &bytes)?.map_err(NotFlyte::from),
        Some(None) => Err(NotFlyte::Subject),
        None => sniff(&bytes),
    }
}

/// The bytes as a CloudEvent. No request of Flyte decodes as one: its event is where the version would be.
fn cloud_event(bytes: &[u8]) -> Option<CloudEvent> {
    let event = CloudEvent::decode(bytes).ok()?;
    let is_flyte = event.spec_version == "1.0" && event.kind.starts_with(TYPE_PREFIX);
    is_flyte.then_some(event)
}

const TYPE_PREFIX: &str = "com.flyte.resource.";

fn cloud(event: CloudEvent) -> Result<Occurrence, NotFlyte> {
    let data = match (&event.binary_data, &event.text_data) {
        (Some(bytes), _) => bytes.as_slice(),
        (None, Some(text)) => text.as_bytes(),
        (None, None) => return Err(NotFlyte::Data),
    };
    let at: Option<Timestamp> = event.attributes.get("time").and_then(|time| time.timestamp);
    let name = event.kind.strip_prefix(TYPE_PREFIX).unwrap_or_default();
    let occurrence = match name {
        "cloudevents.WorkflowExecution" => occurrence::cloud_workflow(json(data)?),
        "cloudevents.NodeExecution" => occurrence::cloud_node(json(data)?),
        "cloudevents.TaskExecution" => occurrence::cloud_task(json(data)?),
        "cloudevents.ExecutionStart" => occurrence::cloud_start(json(data)?, at),
        name => match kind(name).ok_or(NotFlyte::Type)? {
            Kind::Workflow => {
                let request: WorkflowRequest = json(data)?;
                request
                    .event
                    .ok_or(Incomplete::Unnamed)
                    .and_then(occurrence::workflow)
            }
            Kind::Node => {
                let request: NodeRequest = json(data)?;
                request
                    .event
                    .ok_or(Incomplete::Unnamed)
                    .and_then(occurrence::node)
            }
            Kind::Task => {
                let request: TaskRequest = json(data)?;
                request
                    .event
                    .ok_or(Incomplete::Unnamed)
                    .and_then(occurrence::task)
            }
        },
    };
    Ok(occurrence?)
}

fn json<T: serde::de::DeserializeOwned>(data: &[u8]) -> Result<T, NotFlyte> {
    protojson::read(data).ok_or(NotFlyte::Data)
}

/// The kind that a subject or a type names.
fn kind(name: &str) -> Option<Kind> {
    match name {
        "flyteidl.admin.WorkflowExecutionEventRequest" => Some(Kind::Workflow),
        "flyteidl.admin.NodeExecutionEventRequest" => Some(Kind::Node),
        "flyteidl.admin.TaskExecutionEventRequest" => Some(Kind::Task),
        _ => None,
    }
}

fn protobuf(kind: Kind, bytes: &[u8]) -> Result<Result<Occurrence, Incomplete>, NotFlyte> {
    fn decoded<T: Message + Default>(bytes: &[u8]) -> Result<T, NotFlyte> {
        T::decode(bytes).map_err(|_| NotFlyte::Protobuf)
    }
    Ok(match kind {
        Kind::Workflow => {
            let request: WorkflowRequest = decoded(bytes)?;
            request
                .event
                .ok_or(Incomplete::Unnamed)
                .and_then(occurrence::workflow)
        }
        Kind::Node => {
            let request: NodeRequest = decoded(bytes)?;
            request
                .event
                .ok_or(Incomplete::Unnamed)
                .and_then(occurrence::node)
        }
        Kind::Task => {
            let request: TaskRequest = decoded(bytes)?;
            request
                .event
                .ok_or(Incomplete::Unnamed)
                .and_then(occurrence::task)
        }
    })
}

/// Raw delivery has no subject. The ids stand at the same places in each kind, but are made differently, so that a message
/// is complete as one kind alone: a task has the number of its type where a node and an execution have a name, and an
/// execution has its domain where a node has its execution.
fn sniff(bytes: &[u8]) -> Result<Occurrence, NotFlyte> {
    let kinds = [Kind::Task, Kind::Node, Kind::Workflow];
    let read = kinds.map(|kind| protobuf(kind, bytes).ok());
    let mut incomplete = None;
    let mut found = Vec::new();
    for result in read.into_iter().flatten() {
        match result {
            Ok(occurrence) => found.push(occurrence),
            // An unknown phase is looked at first, before the names.
            Err(reason @ (Incomplete::Timeless | Incomplete::Phase)) => incomplete = Some(reason),
            Err(Incomplete::Unnamed) => {}
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(occurrence), true) => Ok(occurrence),
        (Some(_), false) => Err(NotFlyte::Unknown),
        (None, _) => Err(incomplete.map_or(NotFlyte::Unknown, NotFlyte::from)),
    }
}
