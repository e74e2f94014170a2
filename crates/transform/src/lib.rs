//! The pure core: transforms an event, or returns the reason why it cannot.
//!
//! Nothing here waits, does IO or reads a clock. What has to be looked up (which endpoint a Redshift name stands for)
//! is returned by one function and passed to the next. Called by the pipeline and by `lineage-proxy transform`.

mod action;
mod coalesce;
mod diff;
mod endpoint;
mod fit;
mod mentions;
mod module;
mod plugin;
mod redshift;
mod rules;
mod run_event;
mod script;
mod variants;

pub use action::{
    Case, Dialect, Documentation, Facet, FacetHolders, FacetsAction, JobType, Mask, Normalise,
    Owner, Pointer, Redact, Strip, Tag, add_owners, add_tags, connection_secrets, redact_text,
    sql_literals, sql_literals_in,
};
pub use coalesce::{MergeError, MergedEvent, RunBuffer, coalesce, merge};
pub use diff::{Difference, diff};
pub use endpoint::{Endpoint, Flavour, ShortName};
pub use fit::{CutFacet, FitError, FittedEvent, cut_facets, fit};
pub use module::{Module, ModuleLimits};
pub use plugin::{BuildTransform, Transform, TransformError, TransformOutput, Transforms};
pub use redshift::{Change, Lookup, Redshift, RedshiftRewrite, Style, UnresolvedName};
pub use rules::yaml;
pub use rules::{
    BUILTIN, Builtins, Coalesce, Conditions, Context, DATASET_EVENTS, DATASETS, DatasetRequirement,
    EVENT_TYPES, Example, ExampleResult, Failure, Glob, JOB_EVENTS, JobEventAction, NameMismatch,
    NamePosition, Problem, REDSHIFT_NAMES, RuleResources, RuleSet, RuleStep, SCHEMA, SIZE_LIMIT,
    StepOutcome, TARGET_WHEN, Transformation, UnmetCondition, UntouchedName, Verdict,
    name_positions,
};
pub use run_event::run_event;
pub use script::{Script, ScriptError, ScriptLimits};
pub use settings::nearest;
pub use variants::case_variants;
