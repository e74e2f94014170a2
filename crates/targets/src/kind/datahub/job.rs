//! The flow and the job of an event. Pure.

use std::collections::BTreeMap;

use openlineage::Json;
use serde_json::{Value, json};

use super::facets::{facet, shortened, text};
use super::naming::{JobName, Naming, OrchestratorHints};
use super::people;
use super::proposal::{Aspect, Proposal, with};
use super::urn::{InvalidUrn, platform_instance_urn, platform_urn};

/// The names of the job of an event.
pub(super) fn read(root: Json<'_>, naming: &Naming) -> Result<JobName, InvalidUrn> {
    let job = root.get("job").ok_or(InvalidUrn::Empty)?;
    let engine = run_facet(root, "processing_engine").and_then(|engine| text(engine, "name"));
    let integration = facet(job, "jobType").and_then(|kind| text(kind, "integration"));
    let producer = text(root, "producer");
    let origin = OrchestratorHints {
        engine: engine.as_deref(),
        producer: producer.as_deref(),
        integration: integration.as_deref(),
    };
    let namespace = text(job, "namespace").unwrap_or_default();
    let name = text(job, "name").unwrap_or_default();
    naming.job(&namespace, &name, origin)
}

/// What an event says about its flow and its job.
pub(super) fn proposals(name: &JobName, root: Json<'_>) -> Vec<Proposal> {
    let Some(job) = root.get("job") else {
        return Vec::new();
    };
    let (flow, urn) = (&name.flow, &name.job);
    let description = facet(job, "documentation").and_then(|facet| text(facet, "description"));
    let description = description.map(|text| Value::from(shortened(&text)));
    let source = facet(job, "sourceCodeLocation").and_then(|facet| text(facet, "url"));
    let info = json!({
        "name": name.job_name,
        "type": {"string": name.orchestrator},
        "flowUrn": flow.as_str(),
        "customProperties": Value::from_iter(properties(root, job)),
    });
    let info = with(info, "description", description.clone());
    let info = with(info, "externalUrl", source.map(|url| Value::from(&*url)));
    // A flow that has other jobs is not described by one of them.
    let is_alone = name.flow_name == name.job_name;
    let flow_info = json!({"name": name.flow_name, "customProperties": {}});
    let flow_info = with(flow_info, "description", description.filter(|_| is_alone));
    let is_there = || json!({"removed": false});
    let mut proposals = vec![
        Proposal::upsert(flow, Aspect::FlowInfo, flow_info),
        Proposal::upsert(flow, Aspect::Status, is_there()),
        Proposal::upsert(urn, Aspect::JobInfo, info),
        Proposal::upsert(urn, Aspect::Status, is_there()),
    ];
    if let Some(instance) = &name.instance {
        let value = json!({
            "platform": platform_urn(&name.orchestrator),
            "instance": platform_instance_urn(&name.orchestrator, instance),
        });
        proposals.push(Proposal::upsert(
            flow,
            Aspect::PlatformInstance,
            value.clone(),
        ));
        proposals.push(Proposal::upsert(urn, Aspect::PlatformInstance, value));
    }
    proposals.extend(facet(job, "ownership").and_then(|facet| people::owners(urn, facet)));
    proposals.extend(facet(job, "tags").and_then(|facet| people::tags(urn, facet)));
    let dag = run_facet(root, "airflow").and_then(|airflow| airflow.get("dag"));
    proposals.extend(dag.and_then(|dag| people::dag_tags(flow, dag)));
    proposals
}

/// The properties of a job that are shown, in the names that DataHub's converter has for them.
fn properties(root: Json<'_>, job: Json<'_>) -> BTreeMap<&'static str, String> {
    let engine = run_facet(root, "processing_engine");
    let kind = facet(job, "jobType");
    let known = [
        ("processingEngine", engine, "name"),
        ("processingEngineVersion", engine, "version"),
        (
            "openlineageAdapterVersion",
            engine,
            "openlineageAdapterVersion",
        ),
        ("processingType", kind, "processingType"),
        ("integration", kind, "integration"),
        ("jobType", kind, "jobType"),
    ];
    let value = |facet: Option<Json<'_>>, name| Some(text(facet?, name)?.into_owned());
    let values = known.into_iter();
    values
        .filter_map(|(property, facet, name)| Some((property, value(facet, name)?)))
        .collect()
}

fn run_facet<'t>(root: Json<'t>, name: &str) -> Option<Json<'t>> {
    facet(root.get("run")?, name)
}
