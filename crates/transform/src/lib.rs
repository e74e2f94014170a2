//! The pure core: event in, event or reason out.
//!
//! Nothing here waits, looks up or knows the time. What has to be known of the world (which endpoint a Redshift
//! name stands for) is asked for by one function and given to the next. Called by the batch, between queue and target.

mod coalesce;
mod action;
mod endpoint;
mod fit;
mod module;
mod plugin;
mod redshift;
mod run_event;
mod script;

pub use coalesce::{Holder, Merged, Unmerged, coalesce, merge};
pub use action::Normalise;
pub use action::{Normalise, Strip};
pub use action::{
    Documentation, Facet, FacetsAction, JobType, On, Owner, Tag, add_owners, add_tags,
};
pub use action::{Mask, Normalise, Pointer, Redact, Strip, connection_secrets, sql_literals};
pub use endpoint::{Endpoint, Flavour, ShortName};
pub use fit::{Cut, Fitted, TooLarge, fit};
pub use module::{Module, ModuleLimits};
pub use plugin::{Applied, Build, Failed, Transform, Transforms};
pub use redshift::{Change, Lookup, Redshift, Rewritten, Style, Unresolved};
pub use run_event::run_event;
pub use script::{Script, ScriptError, ScriptLimits};
