//! The action `strip`: removes the parts of names that change from run to run.

use std::sync::Arc;

use openlineage::{Event, Identity, Role};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Strip;
use crate::action::{Action, ActionOutput, Effect, Settings};
use crate::rules::yaml::{FilePosition, MapOr, OneOrMany, Optional};
use crate::rules::{
    Context, NamePattern, Reader, RoleName, Uniqueness, UntouchedName, each_name, rewrite,
    rewrite_distinct,
};

/// Names without what changes from run to run. What is the identity of a table stays, and dates, UUIDs and temporary
/// suffixes stay where two datasets of an event would become one.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Strip", extend("examples" = [["partitions", "dates"]]))]
pub(in crate::action) struct StripSettings(MapOr<StripMap, OneOrMany<Part>>);

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a map with of, only, parts")]
#[schemars(extend("required" = ["parts"]))]
struct StripMap {
    /// Whose names: datasets' (the default) or jobs'.
    of: Optional<RoleName>,
    /// Only names that match.
    only: Optional<NamePattern>,
    /// What is taken off.
    parts: Optional<OneOrMany<Part>>,
}

/// What is taken off a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// Path segments KEY=VALUE.
    Partitions,
    /// Days, as segments of a path or at the end of a name.
    Dates,
    /// UUIDs, and the ids that Airflow, YARN and Spark give to a run.
    Uuids,
    /// Temporary directories of engines, and temporary tables.
    Temporary,
    /// All of these.
    All,
}

impl Settings for StripSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let (of, only, parts) = match self.0 {
            MapOr::Short(parts) => (None, None, parts),
            MapOr::Map(map) => {
                if map.parts.is_absent() {
                    reader.error(at, "missing parts: all, or a list of parts");
                }
                (map.of.value(), map.only.value(), map.parts.value()?)
            }
        };
        let has = |part: Part| parts.contains(&part) || parts.contains(&Part::All);
        let strip = Strip {
            partitions: has(Part::Partitions),
            dates: has(Part::Dates),
            uuids: has(Part::Uuids),
            temporary: has(Part::Temporary),
        };
        Some(Arc::new(StripNames {
            of: of.map_or(Role::Dataset, Role::from),
            only: only.unwrap_or_default(),
            strip,
        }))
    }
}

#[derive(Debug)]
struct StripNames {
    of: Role,
    only: NamePattern,
    strip: Strip,
}

impl Action for StripNames {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        let StripNames { of, only, strip } = self;
        if *of == Role::Job {
            let text = rewrite(event, Role::Job, |name| {
                only.matches(name)
                    .then(|| with_name(name, strip.job(&name.name)))
            });
            return Effect::of(event, text).map(ActionOutput::from);
        }
        let new = |name: &Identity| {
            only.matches(name)
                .then(|| with_name(name, strip.dataset(name)))
        };
        let renamed = rewrite_distinct(event, new, |name| {
            if !only.matches(name) {
                return Uniqueness::as_it_is(name);
            }
            let distinct_forms = strip.distinct_forms(name);
            Uniqueness {
                distinct: with_name(name, distinct_forms.apart),
                kin: Some(distinct_forms.kin),
                directed: true,
                part: distinct_forms.part,
            }
        });
        Ok(ActionOutput {
            effect: Effect::of(event, renamed.text)?,
            unresolved: renamed.left,
        })
    }

    fn untouched(&self, event: &Event) -> Vec<UntouchedName> {
        each_name(event, self.of, |name| {
            self.only.mismatch("only", name).into()
        })
    }

    fn selects(&self) -> Option<(Role, &NamePattern)> {
        Some((self.of, &self.only))
    }

    fn may_produce(&self, _: Role, _: &str) -> bool {
        false // it changes names, not namespaces
    }
}

/// The same namespace with another name.
fn with_name(identity: &Identity, name: String) -> Identity {
    Identity {
        namespace: identity.namespace.clone(),
        name,
    }
}
