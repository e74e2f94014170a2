//! What the built-in actions of rules do, one file an action: pure functions from names to names and events to texts.
//!
//! Nothing here reads the rules file or decides whether an action applies: that is the rules' part, which calls these.

mod facets;
mod normalise;
mod redact;
mod strip;
mod unite;

pub use facets::{
    Documentation, Facet, FacetsAction, JobType, On, Owner, Tag, add_owners, add_tags,
};
pub use normalise::{Case, Normalise};
pub(crate) use normalise::{Fold, folded, one_catalogue};
pub use redact::{
    Dialect, Mask, Pointer, Redact, connection_secrets, redact_text, sql_literals, sql_literals_in,
};
pub use strip::Strip;
pub(crate) use unite::unite;

use regex::Regex;

/// A pattern of our own.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and every test of the action that uses one compiles it"
)]
fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}
