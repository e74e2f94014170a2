//! An event as proposals: of its datasets, its flow and job, and its run. Pure.
//!
//! The same event makes the same proposals, whenever it is delivered. An older event would replace what a newer one wrote:
//! `newest.rs` keeps its proposals back.

use std::collections::BTreeMap;

use openlineage::{Event, Json, Subject};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::budget::{Budget, OversizeError};
use super::columns::{self, Columns};
use super::facets::{facet, list, shortened, text};
use super::naming::{DatasetName, Naming};
use super::proposal::{Addition, Aspect, Proposal};
use super::urn::{InvalidUrn, Urn, platform_instance_urn, platform_urn};
use super::{job, people, run, schema};

/// Who the changes are of; DataHub's converter has the same.
const ACTOR: &str = "urn:li:corpuser:datahub";

/// What decides how events are converted.
#[derive(Debug, Clone, Default)]
pub(super) struct Conversion {
    pub(super) naming: Naming,
    /// Whether schemas are written.
    pub(super) schemas: bool,
}

/// Why an event cannot be converted: where, and nothing of what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConversionError {
    #[error("{position}: {error}")]
    Name { position: String, error: InvalidUrn },
    #[error(transparent)]
    Oversize(#[from] OversizeError),
}

/// A dataset of an event.
struct EventDataset<'t> {
    name: DatasetName,
    json: Json<'t>,
}

/// The names of datasets, as one event has them.
pub(super) struct Names<'c> {
    naming: &'c Naming,
    /// Datasets that symlinks of the event give another name.
    aliases: BTreeMap<Urn, Urn>,
}

impl Names<'_> {
    /// The dataset that another one refers to.
    pub(super) fn dataset(&self, namespace: &str, name: &str) -> Result<Urn, InvalidUrn> {
        let urn = self.naming.dataset(namespace, name, None)?.urn;
        Ok(self.aliases.get(&urn).cloned().unwrap_or(urn))
    }
}

/// A time as DataHub has it, in milliseconds, and who.
pub(super) fn stamp(time: OffsetDateTime) -> Value {
    json!({"time": millis(time), "actor": ACTOR})
}

/// In milliseconds since 1970.
pub(super) fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

impl Conversion {
    /// The proposals of an event.
    pub(super) fn proposals(&self, event: &Event) -> Result<Vec<Proposal>, ConversionError> {
        let indexed = event.indexed();
        let root = indexed.json();
        let mut budget = Budget::of(event.text().len());
        match event.subject() {
            Subject::Dataset { .. } => self.of_dataset_event(root, event.time(), &mut budget),
            Subject::Run { .. } | Subject::Job { .. } => self.of_job(root, event, &mut budget),
        }
    }

    fn of_job(
        &self,
        root: Json<'_>,
        event: &Event,
        budget: &mut Budget,
    ) -> Result<Vec<Proposal>, ConversionError> {
        let inputs = self.datasets(root, "inputs")?;
        let outputs = self.datasets(root, "outputs")?;
        let all = || inputs.iter().chain(&outputs);
        let names = self.names(all());
        let mut proposals = Vec::new();
        let mut additions = Vec::new();
        for (edges, datasets) in [
            ("inputDatasetEdges", &inputs),
            ("outputDatasetEdges", &outputs),
        ] {
            for dataset in datasets {
                let urn = dataset.name.urn.as_str();
                budget.take(4 * urn.len())?; // of the edge, the status, and the inputs or outputs of the run
                let edge = json!({"destinationUrn": urn, "lastModified": stamp(event.time())});
                additions.push(Addition::new(&[edges, urn], edge));
            }
        }
        for dataset in all() {
            proposals.extend(self.of_dataset(dataset, budget)?);
            additions.extend(columns(dataset, &names, budget)?.additions);
        }
        let job = job::read(root, &self.naming).map_err(|error| at("/job", error))?;
        proposals.extend(job::proposals(&job, root));
        proposals.extend(Proposal::patch(&job.job, Aspect::JobInputOutput, additions));
        let urns = |datasets: &[EventDataset<'_>]| -> Vec<String> {
            datasets
                .iter()
                .map(|dataset| dataset.name.urn.to_string())
                .collect()
        };
        if let Subject::Run { id, event_type, .. } = event.subject() {
            let run = run::Run {
                id: *id,
                event_type: *event_type,
                time: event.time(),
                job: &job.job,
                inputs: urns(&inputs),
                outputs: urns(&outputs),
            };
            proposals.extend(run::proposals(&run, root));
        }
        Ok(proposals)
    }

    /// A DatasetEvent has no job, so its column lineage is that of the dataset.
    fn of_dataset_event(
        &self,
        root: Json<'_>,
        time: OffsetDateTime,
        budget: &mut Budget,
    ) -> Result<Vec<Proposal>, ConversionError> {
        let Some(json) = root.get("dataset") else {
            return Ok(Vec::new());
        };
        let dataset = self.dataset(json).map_err(|error| at("/dataset", error))?;
        let names = self.names([&dataset].into_iter());
        let mut proposals = self.of_dataset(&dataset, budget)?;
        let Columns { additions, sources } = columns(&dataset, &names, budget)?;
        let upstreams = sources.iter().map(|source| {
            let source = source.as_str();
            let value =
                json!({"dataset": source, "type": "TRANSFORMED", "auditStamp": stamp(time)});
            Addition::new(&["upstreams", source], value)
        });
        let additions = upstreams.chain(additions).collect();
        let urn = &dataset.name.urn;
        proposals.extend(Proposal::patch(urn, Aspect::UpstreamLineage, additions));
        Ok(proposals)
    }

    /// What an event says about a dataset itself.
    fn of_dataset(
        &self,
        dataset: &EventDataset<'_>,
        budget: &mut Budget,
    ) -> Result<Vec<Proposal>, OversizeError> {
        let EventDataset { name, json } = dataset;
        let urn = &name.urn;
        let facet = |name| facet(*json, name);
        let mut proposals = vec![Proposal::upsert(
            urn,
            Aspect::Status,
            json!({"removed": false}),
        )];
        if let Some(instance) = &name.instance {
            let value = json!({
                "platform": platform_urn(&name.platform),
                "instance": platform_instance_urn(&name.platform, instance),
            });
            proposals.push(Proposal::upsert(urn, Aspect::PlatformInstance, value));
        }
        if let (true, Some(facet_schema)) = (self.schemas, facet("schema"))
            && let Some(schema) = schema::metadata(name, facet_schema, facet("tags"), budget)?
        {
            proposals.push(Proposal::upsert(urn, Aspect::SchemaMetadata, schema));
        }
        let documentation = facet("documentation").and_then(|facet| text(facet, "description"));
        if let Some(description) = documentation {
            // Other sources write the other properties.
            let value = Value::from(shortened(&description));
            let additions = vec![Addition::new(&["description"], value)];
            proposals.extend(Proposal::patch(urn, Aspect::DatasetProperties, additions));
        }
        proposals.extend(facet("ownership").and_then(|facet| people::owners(urn, facet)));
        proposals.extend(facet("tags").and_then(|facet| people::tags(urn, facet)));
        Ok(proposals)
    }

    fn datasets<'t>(
        &self,
        root: Json<'t>,
        list_name: &str,
    ) -> Result<Vec<EventDataset<'t>>, ConversionError> {
        let mut datasets: Vec<EventDataset<'t>> = Vec::new();
        for (index, json) in list(root, list_name).into_iter().enumerate() {
            let dataset = self.dataset(json);
            let dataset = dataset.map_err(|error| at(&format!("/{list_name}/{index}"), error))?;
            datasets.push(dataset);
        }
        Ok(datasets)
    }

    fn dataset<'t>(&self, json: Json<'t>) -> Result<EventDataset<'t>, InvalidUrn> {
        let namespace = text(json, "namespace").unwrap_or_default();
        let name = text(json, "name").unwrap_or_default();
        let table = table(json);
        let table = table
            .as_ref()
            .map(|(namespace, name)| (&**namespace, &**name));
        let name = self.naming.dataset(&namespace, &name, table)?;
        Ok(EventDataset { name, json })
    }

    /// The names that column lineage is read with: it names datasets without their symlinks.
    fn names<'e, 't: 'e>(&self, datasets: impl Iterator<Item = &'e EventDataset<'t>>) -> Names<'_> {
        let mut aliases = BTreeMap::new();
        for dataset in datasets {
            let namespace = text(dataset.json, "namespace").unwrap_or_default();
            let name = text(dataset.json, "name").unwrap_or_default();
            if let Ok(own) = self.naming.dataset(&namespace, &name, None)
                && own.urn != dataset.name.urn
            {
                aliases.insert(own.urn, dataset.name.urn.clone());
            }
        }
        Names {
            naming: &self.naming,
            aliases,
        }
    }
}

fn columns(
    dataset: &EventDataset<'_>,
    names: &Names<'_>,
    budget: &mut Budget,
) -> Result<Columns, OversizeError> {
    match facet(dataset.json, "columnLineage") {
        Some(facet) => columns::read(&dataset.name.urn, facet, names, budget),
        None => Ok(Columns::default()),
    }
}

/// The last symlink of type TABLE: the table that a path is the place of.
fn table(dataset: Json<'_>) -> Option<(String, String)> {
    let identifiers = list(facet(dataset, "symlinks")?, "identifiers");
    let mut tables = identifiers.into_iter().rev();
    tables.find_map(|id| {
        let is_table = text(id, "type").is_some_and(|kind| kind == "TABLE");
        let names = || {
            Some((
                text(id, "namespace")?.into_owned(),
                text(id, "name")?.into_owned(),
            ))
        };
        is_table
            .then(names)
            .flatten()
            .filter(|(_, name)| !name.is_empty())
    })
}

fn at(position: &str, error: InvalidUrn) -> ConversionError {
    ConversionError::Name {
        position: position.to_owned(),
        error,
    }
}
