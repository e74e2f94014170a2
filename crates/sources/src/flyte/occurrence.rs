//! What happened, whichever message reported it: the messages of `wire.rs` in one form, and whether they are complete.
//!
//! Decides which events of Flyte are reported, and as which type of event. What is written then is in `event.rs`.

use std::collections::BTreeMap;

use super::protojson::{self, CACHE_STATUSES, NODE_PHASES, TASK_PHASES, WORKFLOW_PHASES};
use super::wire::{
    CloudNode, CloudStart, CloudTask, CloudWorkflow, ExecutionError, ExecutionId, Identifier,
    Interface, LiteralMap, LiteralType, NodeEvent, NodeId, RESOURCE_TASK, TaskEvent,
    TaskExecutionId, TaskLog, Timestamp, WorkflowEvent,
};

/// Something that happened to an execution, a node or an attempt of a task.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occurrence {
    /// The execution.
    pub(super) execution: ExecutionId,
    /// What of it.
    pub(super) subject: Subject,
    /// The phase by Flyte's name.
    pub(super) phase: &'static str,
    /// Counts the events of a phase.
    pub(super) phase_version: u32,
    /// The type of the event that reports it; nothing if it is not reported.
    pub(super) state: Option<State>,
    /// When, as RFC 3339.
    pub(super) time: String,
    pub(super) inputs: Literals,
    pub(super) outputs: Literals,
    pub(super) error: Option<ExecutionError>,
    pub(super) details: Details,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// The execution itself, and the execution whose node launched it, where the event says so.
    Execution { launched_by: Option<ExecutionId> },
    /// A node whose task did not run: its result was there.
    Node { node: String },
    /// An attempt of the task of a node.
    Attempt { node: String, attempt: u32 },
}

/// The type of an event, as OpenLineage has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Start,
    Running,
    Complete,
    Fail,
    Abort,
}

/// Where the inputs or outputs are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literals {
    /// Nowhere.
    None,
    /// In the event.
    Here(LiteralMap),
    /// In an object.
    At(String),
}

/// What is known besides.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Details {
    pub(super) task: Option<Identifier>,
    pub(super) task_type: String,
    pub(super) parent_node: Option<String>,
    pub(super) launch_plan: Option<Identifier>,
    pub(super) reference_execution: Option<ExecutionId>,
    pub(super) principal: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) logs: Vec<TaskLog>,
    pub(super) cache_status: Option<&'static str>,
    pub(super) cache_source: Option<TaskExecutionId>,
    /// The types of outputs, by variable.
    pub(super) output_types: BTreeMap<String, LiteralType>,
}

/// Why a message of the right kind is none that can be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incomplete {
    /// It does not name the execution, the node or the task.
    Unnamed,
    /// It has no time.
    Timeless,
    /// Its phase is one that is not known here.
    Phase,
}

pub(super) fn workflow(event: WorkflowEvent) -> Result<Occurrence, Incomplete> {
    let phase = phase(WORKFLOW_PHASES, event.phase)?;
    let state = match phase {
        "RUNNING" => Some(State::Start),
        "SUCCEEDED" => Some(State::Complete),
        "FAILED" | "TIMED_OUT" => Some(State::Fail),
        "ABORTED" => Some(State::Abort),
        _ => None, // what it is about to be
    };
    Ok(Occurrence {
        execution: named(event.execution_id)?,
        subject: Subject::Execution { launched_by: None },
        phase,
        phase_version: 0,
        state,
        time: time(event.occurred_at)?,
        inputs: Literals::None,
        outputs: literals(event.output_data, event.output_uri),
        error: event.error,
        details: Details::default(),
    })
}

pub(super) fn cloud_workflow(event: CloudWorkflow) -> Result<Occurrence, Incomplete> {
    let occurrence = workflow(event.raw_event.ok_or(Incomplete::Unnamed)?)?;
    Ok(Occurrence {
        details: Details {
            output_types: types(event.output_interface),
            reference_execution: event.reference_execution,
            principal: event.principal,
            launch_plan: event.launch_plan_id,
            labels: event.labels,
            ..occurrence.details
        },
        ..occurrence
    })
}

/// An execution was created. The message has no time of its own, but its envelope has.
pub(super) fn cloud_start(
    event: CloudStart,
    at: Option<Timestamp>,
) -> Result<Occurrence, Incomplete> {
    Ok(Occurrence {
        execution: named(event.execution_id)?,
        subject: Subject::Execution { launched_by: None },
        phase: "CREATED",
        phase_version: 0,
        state: Some(State::Start),
        time: time(at)?,
        inputs: Literals::None,
        outputs: Literals::None,
        error: None,
        details: Details {
            principal: event.principal,
            launch_plan: event.launch_plan_id,
            ..Details::default()
        },
    })
}

pub(super) fn node(event: NodeEvent) -> Result<Occurrence, Incomplete> {
    let phase = phase(NODE_PHASES, event.phase)?;
    let id = event.id.ok_or(Incomplete::Unnamed)?;
    let (node, execution) = named_node(id)?;
    let time = time(event.occurred_at)?;
    // A node that launches an execution is all that says whose child that is.
    let launched = event
        .workflow_node_metadata
        .and_then(|launch| launch.execution_id);
    if let (Some(launched), "RUNNING") = (launched, phase) {
        return Ok(Occurrence {
            execution: named(Some(launched))?,
            subject: Subject::Execution {
                launched_by: Some(execution),
            },
            phase: "LAUNCHED",
            phase_version: 0,
            state: Some(State::Running),
            time,
            inputs: Literals::None,
            outputs: Literals::None,
            error: None,
            details: Details {
                launch_plan: event.target_entity,
                ..Details::default()
            },
        });
    }
    let task_node = event.task_node_metadata.unwrap_or_default();
    let cache_status = protojson::name(CACHE_STATUSES, task_node.cache_status);
    let source = task_node
        .catalog_key
        .and_then(|key| key.source_task_execution);
    // The nodes at the ends of each graph run nothing. The other nodes are reported by the events of their tasks.
    let is_result = match phase {
        "SUCCEEDED" => cache_status == Some("CACHE_HIT"),
        "RECOVERED" => true,
        _ => false,
    };
    let is_end = matches!(node.as_str(), "start-node" | "end-node");
    let task = source.as_ref().and_then(|source| source.task_id.clone());
    let is_task = |entity: &Identifier| entity.resource_type == RESOURCE_TASK;
    Ok(Occurrence {
        execution,
        subject: Subject::Node { node },
        phase,
        phase_version: 0,
        state: (is_result && !is_end).then_some(State::Complete),
        time,
        inputs: literals(event.input_data, event.input_uri),
        outputs: literals(event.output_data, event.output_uri),
        error: event.error,
        details: Details {
            task: task.or(event.target_entity.filter(is_task)),
            parent_node: event.parent_node_metadata.map(|parent| parent.node_id),
            cache_status,
            cache_source: source,
            ..Details::default()
        },
    })
}

pub(super) fn cloud_node(event: CloudNode) -> Result<Occurrence, Incomplete> {
    let occurrence = node(event.raw_event.ok_or(Incomplete::Unnamed)?)?;
    let executed = event.task_exec_id.and_then(|execution| execution.task_id);
    let is_node = matches!(occurrence.subject, Subject::Node { .. });
    let details = occurrence.details;
    Ok(Occurrence {
        details: Details {
            task: details.task.or(executed),
            output_types: types(event.output_interface),
            principal: event.principal,
            // That of the execution of the node, and not of one that the node launched.
            launch_plan: details
                .launch_plan
                .or(event.launch_plan_id.filter(|_| is_node)),
            labels: event.labels,
            ..details
        },
        ..occurrence
    })
}

pub(super) fn task(event: TaskEvent) -> Result<Occurrence, Incomplete> {
    let phase = phase(TASK_PHASES, event.phase)?;
    // Nothing is remembered, so it is not known which event is the first: RUNNING starts, what else runs goes on.
    let state = match phase {
        "RUNNING" => Some(State::Start),
        "INITIALIZING" => Some(State::Running),
        "SUCCEEDED" => Some(State::Complete),
        "FAILED" | "RETRYABLE_FAILED" => Some(State::Fail),
        "ABORTED" => Some(State::Abort),
        _ => None, // it waits
    };
    let id = event.parent_node_execution_id.ok_or(Incomplete::Unnamed)?;
    let (node, execution) = named_node(id)?;
    let task = event.task_id.filter(|task| !task.name.is_empty());
    Ok(Occurrence {
        execution,
        subject: Subject::Attempt {
            node,
            attempt: event.retry_attempt,
        },
        phase,
        phase_version: event.phase_version,
        state,
        time: time(event.occurred_at)?,
        inputs: literals(event.input_data, event.input_uri),
        outputs: literals(event.output_data, event.output_uri),
        error: event.error,
        details: Details {
            task: Some(task.ok_or(Incomplete::Unnamed)?),
            task_type: event.task_type,
            logs: event.logs,
            ..Details::default()
        },
    })
}

pub(super) fn cloud_task(event: CloudTask) -> Result<Occurrence, Incomplete> {
    let occurrence = task(event.raw_event.ok_or(Incomplete::Unnamed)?)?;
    Ok(Occurrence {
        details: Details {
            labels: event.labels,
            ..occurrence.details
        },
        ..occurrence
    })
}

fn phase(names: &'static [&'static str], number: i32) -> Result<&'static str, Incomplete> {
    protojson::name(names, number).ok_or(Incomplete::Phase)
}

fn named(execution: Option<ExecutionId>) -> Result<ExecutionId, Incomplete> {
    let is_named =
        |id: &ExecutionId| !id.project.is_empty() && !id.domain.is_empty() && !id.name.is_empty();
    execution.filter(is_named).ok_or(Incomplete::Unnamed)
}

fn named_node(id: NodeId) -> Result<(String, ExecutionId), Incomplete> {
    match id.node_id.is_empty() {
        true => Err(Incomplete::Unnamed),
        false => Ok((id.node_id, named(id.execution_id)?)),
    }
}

fn time(at: Option<Timestamp>) -> Result<String, Incomplete> {
    at.and_then(Timestamp::rfc3339).ok_or(Incomplete::Timeless)
}

fn literals(data: Option<LiteralMap>, uri: Option<String>) -> Literals {
    match (data, uri.filter(|uri| !uri.is_empty())) {
        (Some(map), _) => Literals::Here(map),
        (None, Some(uri)) => Literals::At(uri),
        (None, None) => Literals::None,
    }
}

fn types(interface: Option<Interface>) -> BTreeMap<String, LiteralType> {
    let variables = interface.unwrap_or_default().outputs.variables;
    let kinds = variables
        .into_iter()
        .map(|(name, variable)| Some((name, variable.kind?)));
    kinds.flatten().collect()
}
