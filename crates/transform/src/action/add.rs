//! The action `add`: adds tags, owners, documentation and facets that are maintained centrally.

use std::sync::Arc;

use openlineage::Event;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::facets::{
    Documentation, Facet, FacetHolders, HolderName, JobType, Owner, Tag, add_owners, add_tags,
};
use super::{Action, ActionOutput, Effect, Settings, invalid_event};
use crate::rules::yaml::{Entries, FilePosition, MapOr, OneOrMany, Optional, Text};
use crate::rules::{Context, Reader};

/// Adds tags, owners and facets. What an event has already is not added twice.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with tags, owners, job_type, environment, documentation, facets"
)]
#[schemars(rename = "Add", extend(
    "anyOf" = [
        {"required": ["tags"]}, {"required": ["owners"]}, {"required": ["job_type"]},
        {"required": ["environment"]}, {"required": ["documentation"]}, {"required": ["facets"]}
    ],
    "examples" = [{"owners": "team:data", "tags": {"tier": "gold"}, "on": ["job", "dataset"]}]
))]
pub(super) struct AddSettings {
    /// On what; without it, the job.
    on: Optional<OneOrMany<HolderName>>,
    /// Whether documentation and facets that the event has are replaced.
    overwrite: Optional<bool>,
    /// Tags and their values.
    tags: Optional<Entries<Text, Text, 1>>,
    /// Owners of jobs and datasets.
    owners: Optional<OneOrMany<MapOr<OwnerSettings, Text>, 0>>,
    /// The type of the job.
    job_type: Optional<JobTypeSettings>,
    /// The value of a tag called environment.
    environment: Optional<Text>,
    /// The description of jobs and datasets.
    documentation: Optional<Text>,
    /// Facets by their name. _producer and _schemaURL may be left out.
    facets: Optional<Entries<Text, FacetSettings, 0>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "an owner")]
#[schemars(rename = "Owner")]
struct OwnerSettings {
    /// Who the owner is, best as a URN: team:data.
    name: Text,
    /// MAINTAINER, ….
    #[serde(default)]
    r#type: Optional<Text>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "a map with processing_type, integration, job_type"
)]
#[schemars(rename = "JobType")]
struct JobTypeSettings {
    /// BATCH, STREAMING or SERVICE.
    processing_type: Text,
    /// AIRFLOW, SPARK, DBT, ….
    integration: Text,
    /// TASK, QUERY, MODEL, ….
    #[serde(default)]
    job_type: Optional<Text>,
}

/// A facet.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("type" = "object", "properties" = {
    "_producer": {"type": "string"},
    "_schemaURL": {"type": "string"},
    "_deleted": {"type": "boolean"}
}))]
struct FacetSettings(Value);

impl Settings for AddSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let of_jobs_and_datasets = [
            self.owners.is_absent(),
            self.job_type.is_absent(),
            self.documentation.is_absent(),
        ];
        let anywhere = [
            self.tags.is_absent(),
            self.environment.is_absent(),
            self.facets.is_absent(),
        ];
        let absent = |settings: [bool; 3]| settings.iter().all(|absent| *absent);
        let job = FacetHolders {
            job: true,
            ..FacetHolders::default()
        };
        let on = self.on.value().map_or(job, FacetHolders::from);
        if absent(of_jobs_and_datasets) && absent(anywhere) {
            let message = "expected at least one of tags, owners, job_type, environment, documentation, facets";
            reader.error(at, message);
        }
        if !on.job && !on.dataset && !absent(of_jobs_and_datasets) {
            let message = "only jobs and datasets have owners, job_type and documentation; expected on: job or dataset";
            reader.error(at, message);
        }
        let tags = self.tags.value().map(|Entries(tags)| tags);
        let tags = tags.unwrap_or_default().into_iter();
        let tags = tags.map(|(key, value)| (key.value.0, value.value.0));
        let environment = self.environment.value();
        let environment = environment.map(|value| ("environment".to_owned(), value.0));
        let tags = tags.chain(environment).map(|(key, value)| Tag {
            key,
            value,
            source: Some("USER".to_owned()),
        });
        let owners = self.owners.value().map(OneOrMany::values);
        let owners = owners.unwrap_or_default().into_iter().map(Owner::from);
        let documentation = self.documentation.value();
        let add = Add {
            on,
            overwrite: self.overwrite.is_true(),
            tags: tags.collect(),
            owners: owners.collect(),
            job_type: self.job_type.value().map(JobType::from),
            documentation: documentation.map(|Text(description)| Documentation {
                description,
                content_type: None,
            }),
            facets: facets(self.facets, on, reader),
        };
        if add.overwrite && add.documentation.is_none() && add.facets.is_empty() {
            let message = "overwrite does nothing without documentation or facets";
            reader.warn(at, message);
        }
        Some(Arc::new(add))
    }
}

fn facets(
    settings: Optional<Entries<Text, FacetSettings, 0>>,
    on: FacetHolders,
    reader: &Reader<'_>,
) -> Vec<Facet> {
    let Some(settings) = settings.spanned() else {
        return Vec::new();
    };
    let (at, Entries(entries)) = (settings.at, settings.value);
    let facets = entries.into_iter().filter_map(|(name, facet)| {
        let name = name.value.0;
        let made = Facet::new(&name, &facet.value.0.to_string());
        let made = made.map_err(|error| format!("{name}: {error}"));
        let made = reader.ok(facet.at, made)?;
        if !made.fits(on) {
            let message = format!("{name} is never added: it belongs on what on: does not name");
            reader.warn(at, message);
        }
        Some(made)
    });
    facets.collect()
}

impl From<MapOr<OwnerSettings, Text>> for Owner {
    fn from(owner: MapOr<OwnerSettings, Text>) -> Owner {
        match owner {
            MapOr::Short(Text(name)) => Owner { name, kind: None },
            MapOr::Map(OwnerSettings { name, r#type }) => Owner {
                name: name.0,
                kind: r#type.value().map(String::from),
            },
        }
    }
}

impl From<JobTypeSettings> for JobType {
    fn from(settings: JobTypeSettings) -> JobType {
        JobType {
            processing_type: settings.processing_type.0,
            integration: settings.integration.0,
            job_type: settings.job_type.value().map(String::from),
        }
    }
}

/// What to add, and to which holders.
#[derive(Debug)]
struct Add {
    on: FacetHolders,
    /// Whether existing documentation and facets are replaced.
    overwrite: bool,
    tags: Vec<Tag>,
    owners: Vec<Owner>,
    job_type: Option<JobType>,
    documentation: Option<Documentation>,
    facets: Vec<Facet>,
}

/// A thing to add.
type Addition<'a> = Box<dyn Fn(&Event) -> Option<String> + 'a>;

impl Action for Add {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        let mut current = event.clone();
        for addition in self.additions() {
            if let Some(text) = addition(&current) {
                let changed = current.rewritten(text);
                current = changed.map_err(|refused| invalid_event(&refused))?;
            }
        }
        Ok(match current.has_text_of(event) {
            true => Effect::Unchanged.into(),
            false => Effect::Changed(current).into(),
        })
    }

    fn renames(&self) -> bool {
        false
    }
}

impl Add {
    fn additions(&self) -> Vec<Addition<'_>> {
        let (on, overwrite) = (self.on, self.overwrite);
        let mut additions: Vec<Addition<'_>> = Vec::new();
        if !self.tags.is_empty() {
            additions.push(Box::new(move |event| add_tags(event, on, &self.tags)));
        }
        if !self.owners.is_empty() {
            additions.push(Box::new(move |event| add_owners(event, on, &self.owners)));
        }
        if let Some(job_type) = &self.job_type {
            additions.push(Box::new(|event| job_type.add(event)));
        }
        if let Some(documentation) = &self.documentation {
            additions.push(Box::new(move |event| {
                documentation.add(event, on, overwrite)
            }));
        }
        for facet in &self.facets {
            additions.push(Box::new(move |event| facet.add(event, on, overwrite)));
        }
        additions
    }
}
