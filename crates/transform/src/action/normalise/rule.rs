//! The action `normalise`: the same spelling for all names of a dataset.

use std::collections::BTreeSet;
use std::sync::Arc;

use openlineage::{Event, Identity, Role};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Case, Normalise};
use crate::action::{Action, ActionOutput, Effect, Settings, redact_text};
use crate::redshift::UnresolvedName;
use crate::rules::yaml::{FilePosition, MapOr, OneOrMany, Optional};
use crate::rules::{
    Context, NamePattern, Reader, Uniqueness, UntouchedName, each_name, rewrite_distinct,
};

/// One spelling for one store, by the OpenLineage naming page. Never makes one dataset of two: a part that cannot move
/// to its proper position stays, and is reported.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Normalise", extend("examples" = [["s3", "host_case", "default_ports"]]))]
pub(in crate::action) struct NormaliseSettings(MapOr<NormaliseMap, OneOrMany<Spelling>>);

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with only, stores, case"
)]
#[schemars(extend("anyOf" = [{"required": ["stores"]}, {"required": ["case"]}]))]
struct NormaliseMap {
    /// Only datasets that match.
    only: Optional<NamePattern>,
    /// Which spellings.
    stores: Optional<OneOrMany<Spelling>>,
    /// Names in this case, whatever the store.
    case: Optional<Case>,
}

/// What is spelled in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Spelling {
    /// s3a:// and s3n:// become s3://, and names of objects start without a slash.
    S3,
    /// The same for Google, Azure, Alibaba and Tencent, and for HDFS.
    Objects,
    /// Scheme and host in lower case.
    HostCase,
    /// The vendor's port where none is written.
    DefaultPorts,
    /// redshift://CLUSTER.REGION:PORT, and the database in the name.
    Redshift,
    /// arn:aws:glue:REGION:ACCOUNT and table/DATABASE/TABLE.
    Glue,
    /// No slash at the end of a namespace, or of the name of a file or an object.
    TrailingSlash,
    /// The parts of a driver's URL where they belong, without jdbc:, user and settings.
    Jdbc,
    /// Names in the case to which their store folds identifiers without quotes.
    NameCase,
    /// All of these.
    All,
}

impl Settings for NormaliseSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let (only, stores, case) = match self.0 {
            MapOr::Short(stores) => (None, Some(stores), None),
            MapOr::Map(map) => {
                // A case that is set explicitly has an effect by itself.
                if map.stores.is_absent() && map.case.is_absent() {
                    reader.error(at, "missing stores: all, or a list of spellings");
                }
                (map.only.value(), map.stores.value(), map.case.value())
            }
        };
        let has = |spelling: Spelling| {
            let stores = stores.as_ref();
            stores.is_some_and(|s| s.contains(&spelling) || s.contains(&Spelling::All))
        };
        let normalise = Normalise {
            s3: has(Spelling::S3),
            objects: has(Spelling::Objects),
            host_case: has(Spelling::HostCase),
            default_ports: has(Spelling::DefaultPorts),
            redshift: has(Spelling::Redshift),
            glue: has(Spelling::Glue),
            trailing_slash: has(Spelling::TrailingSlash),
            jdbc: has(Spelling::Jdbc),
            name_case: has(Spelling::NameCase),
            case,
        };
        Some(Arc::new(NormaliseNames {
            only: only.unwrap_or_default(),
            normalise,
        }))
    }
}

#[derive(Debug)]
struct NormaliseNames {
    only: NamePattern,
    normalise: Normalise,
}

impl Action for NormaliseNames {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        let NormaliseNames { only, normalise } = self;
        let mut unresolved = BTreeSet::new();
        let new = |name: &Identity| {
            let done = only.matches(name).then(|| normalise.normalised(name))?;
            if let Some(reason) = done.left {
                unresolved.insert(UnresolvedName {
                    namespace: redact_text(&done.dataset.namespace),
                    reason: reason.to_owned(),
                });
            }
            Some(done.dataset)
        };
        // A short form does not contain the account of a warehouse, so two warehouses of one name keep their addresses.
        let long = Normalise {
            redshift: false,
            ..*normalise
        };
        let renamed = rewrite_distinct(event, new, |name| {
            let matches = only.matches(name);
            Uniqueness {
                distinct: match matches {
                    true => long.normalise(name),
                    false => name.clone(),
                },
                kin: normalise.warehouse(name).filter(|_| matches),
                directed: false,
                part: false,
            }
        });
        unresolved.extend(renamed.left);
        Ok(ActionOutput {
            effect: Effect::of(event, renamed.text)?,
            unresolved: unresolved.into_iter().collect(),
        })
    }

    fn untouched(&self, event: &Event) -> Vec<UntouchedName> {
        each_name(event, Role::Dataset, |name| {
            self.only.mismatch("only", name).into()
        })
    }

    fn selects(&self) -> Option<(Role, &NamePattern)> {
        Some((Role::Dataset, &self.only))
    }

    fn may_produce(&self, role: Role, _: &str) -> bool {
        role == Role::Dataset
    }
}
