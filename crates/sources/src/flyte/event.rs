//! Writes an occurrence as an event of OpenLineage.

use serde_json::{Map, Value, json};

use super::occurrence::{Details, Occurrence, State, Subject};
use super::options::TaskNameValues;
use super::wire::{ExecutionId, Identifier};
use super::{FlyteOptions, WorkflowName};
use crate::{FoundEvent, Identity};

/// The producer of events and facets that are made here.
const PRODUCER: &str = "urn:lineage-proxy";

const SPECIFICATION: &str = "https://openlineage.io/spec/";

/// The schemas of facets of our own: the base facets.
pub(super) const DATASET_FACET: &str = "2-0-2/OpenLineage.json#/$defs/DatasetFacet";
const RUN_FACET: &str = "2-0-2/OpenLineage.json#/$defs/RunFacet";

/// The largest error message, in bytes: a stack trace of Python with its causes.
const MAX_MESSAGE: usize = 10_000;

/// The most links to logs. A map task has one for each of its instances.
const MAX_LOGS: usize = 20;

/// The name of executions whose workflow is not known.
const EXECUTION: &str = "execution";

/// Returns the event, if it is one that is reported.
pub(super) fn event(
    occurrence: &Occurrence,
    options: &FlyteOptions,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
) -> Option<FoundEvent> {
    let state = occurrence.state?;
    let (job, kind) = match &occurrence.subject {
        Subject::Execution { .. } => (
            workflow_job(&occurrence.execution, &occurrence.details, options),
            "WORKFLOW",
        ),
        Subject::Node { node } | Subject::Attempt { node, .. } => {
            (task_job(occurrence, node, options), "TASK")
        }
    };
    let mut job_facets = Map::new();
    job_facets.insert(
        "jobType".to_owned(),
        facet(
            "facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
            json!({ "processingType": "BATCH", "integration": "FLYTE", "jobType": kind }),
        ),
    );
    let principal = &occurrence.details.principal;
    if !principal.is_empty() {
        job_facets.insert(
            "ownership".to_owned(),
            facet(
                "facets/1-0-1/OwnershipJobFacet.json#/$defs/OwnershipJobFacet",
                json!({ "owners": [{ "name": principal }] }),
            ),
        );
    }
    let event = json!({
        "eventType": match state {
            State::Start => "START",
            State::Running => "RUNNING",
            State::Complete => "COMPLETE",
            State::Fail => "FAIL",
            State::Abort => "ABORT",
        },
        "eventTime": occurrence.time,
        "producer": PRODUCER,
        "schemaURL": format!("{SPECIFICATION}2-0-2/OpenLineage.json#/$defs/RunEvent"),
        "run": {
            "runId": run_id(&occurrence.execution, Some(&occurrence.subject), options),
            "facets": run_facets(occurrence, options),
        },
        "job": { "namespace": namespace(options), "name": job, "facets": job_facets },
        "inputs": inputs,
        "outputs": outputs,
    });
    Some(FoundEvent {
        identity: identity(occurrence, options),
        text: event.to_string(),
    })
}

/// A facet whose schema is at a path of the specification.
pub(super) fn facet(schema: &str, content: Value) -> Value {
    let mut content = content;
    if let Some(members) = content.as_object_mut() {
        members.insert("_producer".to_owned(), json!(PRODUCER));
        members.insert(
            "_schemaURL".to_owned(),
            json!(format!("{SPECIFICATION}{schema}")),
        );
    }
    content
}

/// The module of the task, or else of the workflow, if either is known: what stands before the last dot of its name.
pub(super) fn module(details: &Details) -> Option<&str> {
    let named = details.task.as_ref().or(details.launch_plan.as_ref())?;
    Some(
        named
            .name
            .rsplit_once('.')
            .map_or(EXECUTION, |(module, _)| module),
    )
}

/// The same event has the same identity, whichever flavour it came in. The id of a CloudEvent is none: it is the same for
/// all executions of a task.
fn identity(occurrence: &Occurrence, options: &FlyteOptions) -> Identity {
    let ExecutionId {
        project,
        domain,
        name,
    } = &occurrence.execution;
    let (kind, node, attempt) = match &occurrence.subject {
        Subject::Execution { .. } => ("execution", "", String::new()),
        Subject::Node { node } => ("node", node.as_str(), String::new()),
        Subject::Attempt { node, attempt } => ("attempt", node.as_str(), attempt.to_string()),
    };
    let version = occurrence.phase_version.to_string();
    let (phase, time) = (occurrence.phase, occurrence.time.as_str());
    Identity::of(&[
        "flyte event",
        &options.cluster,
        project,
        domain,
        name,
        kind,
        node,
        &attempt,
        phase,
        &version,
        time,
    ])
}

/// Made of names, so that every event of a run, and every child of it, has it without a look at another event.
fn run_id(execution: &ExecutionId, subject: Option<&Subject>, options: &FlyteOptions) -> String {
    let ExecutionId {
        project,
        domain,
        name,
    } = execution;
    let attempt;
    let mut parts = vec!["flyte run", &options.cluster, project, domain, name];
    match subject {
        None | Some(Subject::Execution { .. }) => {}
        Some(Subject::Node { node }) => parts.push(node),
        Some(Subject::Attempt {
            node,
            attempt: number,
        }) => {
            attempt = number.to_string();
            parts.extend([node.as_str(), &attempt]);
        }
    }
    Identity::of(&parts).to_string()
}

fn namespace(options: &FlyteOptions) -> String {
    format!("flyte://{}", options.cluster)
}

fn workflow_job(execution: &ExecutionId, details: &Details, options: &FlyteOptions) -> String {
    let ExecutionId {
        project, domain, ..
    } = execution;
    let launch_plan = details.launch_plan.as_ref().map(|plan| plan.name.as_str());
    let name = match options.workflow_name {
        WorkflowName::Execution => None,
        WorkflowName::LaunchPlan => launch_plan
            .filter(|name| !name.is_empty())
            .or(module(details)),
    };
    format!("{project}.{domain}.{}", name.unwrap_or(EXECUTION))
}

fn task_job(occurrence: &Occurrence, node: &str, options: &FlyteOptions) -> String {
    let ExecutionId {
        project, domain, ..
    } = &occurrence.execution;
    let name = occurrence
        .details
        .task
        .as_ref()
        .map_or(node, |task| task.name.as_str());
    let (module, task) = name.rsplit_once('.').unwrap_or((EXECUTION, name));
    options.task_name.fill(&TaskNameValues {
        project,
        domain,
        module,
        task,
        node,
    })
}

fn run_facets(occurrence: &Occurrence, options: &FlyteOptions) -> Map<String, Value> {
    let mut facets = Map::new();
    let unknown = Details::default(); // of the execution that launched this one
    let parent = match &occurrence.subject {
        Subject::Execution { launched_by: None } => None,
        Subject::Execution {
            launched_by: Some(parent),
        } => Some((parent, &unknown)),
        Subject::Node { .. } | Subject::Attempt { .. } => {
            Some((&occurrence.execution, &occurrence.details))
        }
    }
    .map(|(execution, details)| {
        let run = json!({ "runId": run_id(execution, None, options) });
        let job = workflow_job(execution, details, options);
        let job = json!({ "namespace": namespace(options), "name": job });
        json!({ "run": run, "job": job, "root": { "run": run, "job": job } })
    });
    if let Some(parent) = parent {
        let schema = "facets/1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet";
        facets.insert("parent".to_owned(), facet(schema, parent));
    }
    if let Some(error) = &occurrence.error {
        let message = match error.message.is_empty() {
            true => &error.code,
            false => &error.message,
        };
        let schema = "facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";
        let content = json!({ "message": head(&transform::redact_text(message)), "programmingLanguage": "PYTHON" });
        facets.insert("errorMessage".to_owned(), facet(schema, content));
    }
    let labels = &occurrence.details.labels;
    if !labels.is_empty() {
        let tag = |(key, value)| json!({ "key": key, "value": value, "source": "FLYTE" });
        let tags: Vec<Value> = labels.iter().map(tag).collect();
        let schema = "facets/1-0-0/TagsRunFacet.json#/$defs/TagsRunFacet";
        facets.insert("tags".to_owned(), facet(schema, json!({ "tags": tags })));
    }
    let own = facet(RUN_FACET, Value::Object(own_facet(occurrence)));
    facets.insert("lineageProxy_flyte_execution".to_owned(), own);
    facets
}

/// What Flyte calls all of it.
fn own_facet(occurrence: &Occurrence) -> Map<String, Value> {
    let mut own = Map::new();
    let mut add = |name: &str, value: Value| {
        own.insert(name.to_owned(), value);
    };
    let ExecutionId {
        project,
        domain,
        name,
    } = &occurrence.execution;
    add("project", json!(project));
    add("domain", json!(domain));
    add("execution", json!(name));
    add("phase", json!(occurrence.phase));
    match &occurrence.subject {
        Subject::Execution { .. } => {}
        Subject::Node { node } => add("node", json!(node)),
        Subject::Attempt { node, attempt } => {
            add("node", json!(node));
            add("attempt", json!(attempt));
        }
    }
    let details = &occurrence.details;
    let versioned = |id: &Identifier| json!({ "name": id.name, "version": id.version });
    if let Some(task) = &details.task {
        add("task", versioned(task));
    }
    if !details.task_type.is_empty() {
        add("taskType", json!(details.task_type));
    }
    if let Some(parent) = &details.parent_node {
        add("parentNode", json!(parent));
    }
    if let Some(plan) = &details.launch_plan {
        add("launchPlan", versioned(plan));
    }
    if let Some(ExecutionId {
        project,
        domain,
        name,
    }) = &details.reference_execution
    {
        add(
            "referenceExecution",
            json!({ "project": project, "domain": domain, "execution": name }),
        );
    }
    if let Some(status) = details.cache_status {
        add("cacheStatus", json!(status));
    }
    let source = details.cache_source.as_ref();
    if let Some((source, id)) =
        source.and_then(|source| Some((source, source.node_execution_id.as_ref()?)))
    {
        let ExecutionId {
            project,
            domain,
            name,
        } = id.execution_id.clone().unwrap_or_default();
        let (node, attempt) = (&id.node_id, source.retry_attempt);
        add(
            "cacheSource",
            json!({ "project": project, "domain": domain, "execution": name, "node": node, "attempt": attempt }),
        );
    }
    if !details.logs.is_empty() {
        let logs = details.logs.iter().take(MAX_LOGS);
        let logs: Vec<Value> = logs
            .map(|log| json!({ "name": log.name, "uri": log.uri }))
            .collect();
        add("logs", json!(logs));
    }
    own
}

/// The beginning of a text, with a mark where it is cut.
fn head(text: &str) -> String {
    match text.len() <= MAX_MESSAGE {
        true => text.to_owned(),
        false => {
            let end = text.floor_char_boundary(MAX_MESSAGE);
            let head = text.get(..end).unwrap_or_default();
            format!("{head}…")
        }
    }
}
