//! The action `facets`: keeps or removes facets.

use std::sync::Arc;

use openlineage::Event;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{FacetHolders, FacetsAction};
use crate::action::{Action, ActionOutput, Effect, Settings};
use crate::rules::yaml::{Entries, FilePosition, OneOrMany, Optional, Size};
use crate::rules::{Context, Glob, Reader};

/// Keeps or removes facets. Facets that identify (parent, jobDependencies, symlinks) are removed only by their name in
/// full.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with one of keep, remove and cap"
)]
#[schemars(rename = "Facets", extend(
    "oneOf" = [{"required": ["keep"]}, {"required": ["remove"]}, {"required": ["cap"]}],
    "examples" = [{"remove": ["spark.logicalPlan", "debug*"]}, {"cap": {"*": "100 KB"}}]
))]
pub(in crate::action) struct FacetsSettings {
    /// On what; without it, everywhere.
    on: Optional<OneOrMany<HolderName>>,
    /// Only these facets stay.
    keep: Optional<OneOrMany<Glob, 0>>,
    /// These facets go.
    remove: Optional<OneOrMany<Glob, 0>>,
    /// Facets larger than this go; the first pattern that matches counts.
    cap: Optional<Entries<Glob, Size, 0>>,
}

/// What has facets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Holder")]
pub(in crate::action) enum HolderName {
    /// The run.
    Run,
    /// The job.
    Job,
    /// Datasets, of inputs and outputs too.
    Dataset,
    /// Inputs, with inputFacets.
    Input,
    /// Outputs, with outputFacets.
    Output,
    /// All of these.
    All,
}

impl From<OneOrMany<HolderName>> for FacetHolders {
    fn from(holders: OneOrMany<HolderName>) -> FacetHolders {
        let has =
            |holder: HolderName| holders.contains(&holder) || holders.contains(&HolderName::All);
        FacetHolders {
            run: has(HolderName::Run),
            job: has(HolderName::Job),
            dataset: has(HolderName::Dataset),
            input: has(HolderName::Input),
            output: has(HolderName::Output),
        }
    }
}

impl Settings for FacetsSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let given = [
            ("keep", self.keep.is_absent()),
            ("remove", self.remove.is_absent()),
            ("cap", self.cap.is_absent()),
        ];
        let given = given.iter().filter(|(_, absent)| !absent);
        let given: Vec<&str> = given.map(|(name, _)| *name).collect();
        if given.len() != 1 {
            let found = match given.is_empty() {
                true => "none of them".to_owned(),
                false => given.join(" and "),
            };
            let message = format!("expected one of keep, remove and cap, found {found}");
            reader.error(at, message);
            return None;
        }
        let on = self
            .on
            .value()
            .map_or(FacetHolders::all(), FacetHolders::from);
        let action = match (self.keep.value(), self.remove.value(), self.cap.value()) {
            (Some(globs), _, _) => {
                let globs = globs.values();
                if globs.iter().any(Glob::matches_all) {
                    reader.warn(at, "it keeps every facet, so it removes none");
                }
                FacetsAction::Keep(globs)
            }
            (_, Some(globs), _) => {
                let globs = globs.values();
                if globs.is_empty() {
                    reader.warn(at, "it names no facet to remove");
                }
                FacetsAction::Remove(globs)
            }
            (_, _, Some(Entries(caps))) => {
                if caps.is_empty() {
                    reader.warn(at, "it names no facet and no size");
                }
                let all = caps.iter().position(|(glob, _)| glob.value.matches_all());
                for (glob, _) in caps.iter().skip(all.map_or(caps.len(), |all| all + 1)) {
                    let glob = (glob.at, glob.value.as_str());
                    let message =
                        format!("{:?} never counts: '*' before it means every facet", glob.1);
                    reader.warn(glob.0, message);
                }
                let caps = caps.into_iter();
                FacetsAction::Cap(
                    caps.map(|(glob, size)| (glob.value, size.value.0))
                        .collect(),
                )
            }
            (None, None, None) => return None,
        };
        Some(Arc::new(SelectFacets { action, on }))
    }
}

#[derive(Debug)]
struct SelectFacets {
    action: FacetsAction,
    on: FacetHolders,
}

impl Action for SelectFacets {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        Effect::of(event, self.action.apply(event, self.on)).map(ActionOutput::from)
    }

    fn renames(&self) -> bool {
        false
    }
}
