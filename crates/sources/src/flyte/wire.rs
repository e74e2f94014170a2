//! The messages of Flyte that we read, as protobuf and as protojson, which have the same members.
//!
//! Written by hand after `flyteidl/{admin,event,core}/*.proto` (flyteorg/flyte, flyteidl 1.16): only what lineage needs;
//! both decoders skip the rest. A member of a `oneof` is an optional member here, which is the same on the wire. Enums
//! are numbers. How a value of protojson is written is in `protojson.rs`; what the messages mean is in `occurrence.rs`.

use std::collections::BTreeMap;

use prost::Message;
use serde::Deserialize;

use super::protojson;

pub(super) use super::literal_wire::{
    Literal, LiteralMap, LiteralType, Scalar, SchemaColumn, SchemaType, StructuredColumn,
    StructuredType, UnionScalar,
};
pub(super) use super::protojson::Timestamp;

/// `flyteidl.admin.WorkflowExecutionEventRequest`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkflowRequest {
    #[prost(message, optional, tag = "2")]
    pub(super) event: Option<WorkflowEvent>,
}

/// `flyteidl.admin.NodeExecutionEventRequest`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeRequest {
    #[prost(message, optional, tag = "2")]
    pub(super) event: Option<NodeEvent>,
}

/// `flyteidl.admin.TaskExecutionEventRequest`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskRequest {
    #[prost(message, optional, tag = "2")]
    pub(super) event: Option<TaskEvent>,
}

/// `flyteidl.event.WorkflowExecutionEvent`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkflowEvent {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "execution_id")]
    pub(super) execution_id: Option<ExecutionId>,
    #[prost(int32, tag = "3")]
    #[serde(deserialize_with = "protojson::workflow_phase")]
    pub(super) phase: i32,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "occurred_at")]
    pub(super) occurred_at: Option<Timestamp>,
    #[prost(string, optional, tag = "5")]
    #[serde(alias = "output_uri")]
    pub(super) output_uri: Option<String>,
    #[prost(message, optional, tag = "6")]
    pub(super) error: Option<ExecutionError>,
    #[prost(message, optional, tag = "7")]
    #[serde(alias = "output_data")]
    pub(super) output_data: Option<LiteralMap>,
}

/// `flyteidl.event.NodeExecutionEvent`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeEvent {
    #[prost(message, optional, tag = "1")]
    pub(super) id: Option<NodeId>,
    #[prost(int32, tag = "3")]
    #[serde(deserialize_with = "protojson::node_phase")]
    pub(super) phase: i32,
    #[prost(message, optional, tag = "4")]
    #[serde(alias = "occurred_at")]
    pub(super) occurred_at: Option<Timestamp>,
    #[prost(string, optional, tag = "5")]
    #[serde(alias = "input_uri")]
    pub(super) input_uri: Option<String>,
    #[prost(string, optional, tag = "6")]
    #[serde(alias = "output_uri")]
    pub(super) output_uri: Option<String>,
    #[prost(message, optional, tag = "7")]
    pub(super) error: Option<ExecutionError>,
    #[prost(message, optional, tag = "8")]
    #[serde(alias = "workflow_node_metadata")]
    pub(super) workflow_node_metadata: Option<WorkflowNode>,
    #[prost(message, optional, tag = "10")]
    #[serde(alias = "parent_node_metadata")]
    pub(super) parent_node_metadata: Option<ParentNode>,
    #[prost(message, optional, tag = "14")]
    #[serde(alias = "task_node_metadata")]
    pub(super) task_node_metadata: Option<TaskNode>,
    #[prost(message, optional, tag = "15")]
    #[serde(alias = "output_data")]
    pub(super) output_data: Option<LiteralMap>,
    #[prost(message, optional, tag = "20")]
    #[serde(alias = "input_data")]
    pub(super) input_data: Option<LiteralMap>,
    #[prost(message, optional, tag = "23")]
    #[serde(alias = "target_entity")]
    pub(super) target_entity: Option<Identifier>,
}

/// `flyteidl.event.TaskExecutionEvent`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskEvent {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "task_id")]
    pub(super) task_id: Option<Identifier>,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "parent_node_execution_id")]
    pub(super) parent_node_execution_id: Option<NodeId>,
    #[prost(uint32, tag = "3")]
    #[serde(
        alias = "retry_attempt",
        deserialize_with = "protojson::unsigned_number"
    )]
    pub(super) retry_attempt: u32,
    #[prost(int32, tag = "4")]
    #[serde(deserialize_with = "protojson::task_phase")]
    pub(super) phase: i32,
    #[prost(message, repeated, tag = "6")]
    pub(super) logs: Vec<TaskLog>,
    #[prost(message, optional, tag = "7")]
    #[serde(alias = "occurred_at")]
    pub(super) occurred_at: Option<Timestamp>,
    #[prost(string, optional, tag = "8")]
    #[serde(alias = "input_uri")]
    pub(super) input_uri: Option<String>,
    #[prost(string, optional, tag = "9")]
    #[serde(alias = "output_uri")]
    pub(super) output_uri: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub(super) error: Option<ExecutionError>,
    #[prost(uint32, tag = "12")]
    #[serde(
        alias = "phase_version",
        deserialize_with = "protojson::unsigned_number"
    )]
    pub(super) phase_version: u32,
    #[prost(string, tag = "14")]
    #[serde(alias = "task_type")]
    pub(super) task_type: String,
    #[prost(message, optional, tag = "17")]
    #[serde(alias = "output_data")]
    pub(super) output_data: Option<LiteralMap>,
    #[prost(message, optional, tag = "19")]
    #[serde(alias = "input_data")]
    pub(super) input_data: Option<LiteralMap>,
}

/// `flyteidl.event.CloudEventWorkflowExecution`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CloudWorkflow {
    #[serde(alias = "raw_event")]
    pub(super) raw_event: Option<WorkflowEvent>,
    #[serde(alias = "output_interface")]
    pub(super) output_interface: Option<Interface>,
    #[serde(alias = "reference_execution")]
    pub(super) reference_execution: Option<ExecutionId>,
    pub(super) principal: String,
    #[serde(alias = "launch_plan_id")]
    pub(super) launch_plan_id: Option<Identifier>,
    pub(super) labels: BTreeMap<String, String>,
}

/// `flyteidl.event.CloudEventNodeExecution`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CloudNode {
    #[serde(alias = "raw_event")]
    pub(super) raw_event: Option<NodeEvent>,
    #[serde(alias = "task_exec_id")]
    pub(super) task_exec_id: Option<TaskExecutionId>,
    #[serde(alias = "output_interface")]
    pub(super) output_interface: Option<Interface>,
    pub(super) principal: String,
    #[serde(alias = "launch_plan_id")]
    pub(super) launch_plan_id: Option<Identifier>,
    pub(super) labels: BTreeMap<String, String>,
}

/// `flyteidl.event.CloudEventTaskExecution`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CloudTask {
    #[serde(alias = "raw_event")]
    pub(super) raw_event: Option<TaskEvent>,
    pub(super) labels: BTreeMap<String, String>,
}

/// `flyteidl.event.CloudEventExecutionStart`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CloudStart {
    #[serde(alias = "execution_id")]
    pub(super) execution_id: Option<ExecutionId>,
    #[serde(alias = "launch_plan_id")]
    pub(super) launch_plan_id: Option<Identifier>,
    pub(super) principal: String,
}

/// `flyteidl.core.Identifier`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Identifier {
    #[prost(int32, tag = "1")]
    #[serde(alias = "resource_type", deserialize_with = "protojson::resource_type")]
    pub(super) resource_type: i32,
    #[prost(string, tag = "4")]
    pub(super) name: String,
    #[prost(string, tag = "5")]
    pub(super) version: String,
}

/// `flyteidl.core.ResourceType.TASK`.
pub(super) const RESOURCE_TASK: i32 = 1;

/// `flyteidl.core.WorkflowExecutionIdentifier`.
#[derive(Clone, PartialEq, Eq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ExecutionId {
    #[prost(string, tag = "1")]
    pub(super) project: String,
    #[prost(string, tag = "2")]
    pub(super) domain: String,
    #[prost(string, tag = "4")]
    pub(super) name: String,
}

/// `flyteidl.core.NodeExecutionIdentifier`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct NodeId {
    #[prost(string, tag = "1")]
    #[serde(alias = "node_id")]
    pub(super) node_id: String,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "execution_id")]
    pub(super) execution_id: Option<ExecutionId>,
}

/// `flyteidl.core.TaskExecutionIdentifier`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskExecutionId {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "task_id")]
    pub(super) task_id: Option<Identifier>,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "node_execution_id")]
    pub(super) node_execution_id: Option<NodeId>,
    #[prost(uint32, tag = "3")]
    #[serde(
        alias = "retry_attempt",
        deserialize_with = "protojson::unsigned_number"
    )]
    pub(super) retry_attempt: u32,
}

/// `flyteidl.event.WorkflowNodeMetadata`: the execution that a node launched.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkflowNode {
    #[prost(message, optional, tag = "1")]
    #[serde(alias = "execution_id")]
    pub(super) execution_id: Option<ExecutionId>,
}

/// `flyteidl.event.ParentNodeExecutionMetadata`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ParentNode {
    #[prost(string, tag = "1")]
    #[serde(alias = "node_id")]
    pub(super) node_id: String,
}

/// `flyteidl.event.TaskNodeMetadata`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskNode {
    #[prost(int32, tag = "1")]
    #[serde(alias = "cache_status", deserialize_with = "protojson::cache_status")]
    pub(super) cache_status: i32,
    #[prost(message, optional, tag = "2")]
    #[serde(alias = "catalog_key")]
    pub(super) catalog_key: Option<Catalog>,
}

/// `flyteidl.core.CatalogMetadata`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Catalog {
    #[prost(message, optional, tag = "3")]
    #[serde(alias = "source_task_execution")]
    pub(super) source_task_execution: Option<TaskExecutionId>,
}

/// `flyteidl.core.ExecutionError`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ExecutionError {
    #[prost(string, tag = "1")]
    pub(super) code: String,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// `flyteidl.core.TaskLog`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TaskLog {
    #[prost(string, tag = "1")]
    pub(super) uri: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
}

/// `flyteidl.core.TypedInterface`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Interface {
    pub(super) outputs: Variables,
}

/// `flyteidl.core.VariableMap`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Variables {
    pub(super) variables: BTreeMap<String, Variable>,
}

/// `flyteidl.core.Variable`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Variable {
    #[serde(rename = "type")]
    pub(super) kind: Option<LiteralType>,
}

/// `io.cloudevents.v1.CloudEvent`.
/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/cloudevents.proto>
#[derive(Clone, PartialEq, Message)]
pub(super) struct CloudEvent {
    #[prost(string, tag = "3")]
    pub(super) spec_version: String,
    #[prost(string, tag = "4")]
    pub(super) kind: String,
    #[prost(btree_map = "string, message", tag = "5")]
    pub(super) attributes: BTreeMap<String, CloudAttribute>,
    #[prost(bytes = "vec", optional, tag = "6")]
    pub(super) binary_data: Option<Vec<u8>>,
    #[prost(string, optional, tag = "7")]
    pub(super) text_data: Option<String>,
}

/// `io.cloudevents.v1.CloudEventAttributeValue`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CloudAttribute {
    #[prost(message, optional, tag = "7")]
    pub(super) timestamp: Option<Timestamp>,
}
