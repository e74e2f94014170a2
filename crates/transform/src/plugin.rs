//! The interface of code that changes events: scripts, modules, and transforms that users compile into their own
//! binary.
//!
//! A transform gets one event and returns the result. It need not be careful: its output is validated as an event, its
//! panics are caught, and its rule decides what happens when it fails. Called by `action/code.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use openlineage::Event;
use serde_json::Value;

/// Transforms events. One value serves all threads, and gets the events in no particular order.
pub trait Transform: fmt::Debug + Send + Sync {
    /// Transforms `event`. Does no IO and does not wait.
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError>;
}

/// The result of a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransformOutput {
    /// The event is unchanged.
    Unchanged,
    /// The new JSON text, which has to be an OpenLineage event.
    Changed(String),
    /// The event is dropped, and counted under the name of the rule.
    Drop,
}

/// Why a transform failed. The message is logged, so it must not quote the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransformError(pub String);

/// Builds a transform from the value of `with:` in its rule. Errors are reported as errors of the rules file.
pub type BuildTransform = fn(&Value) -> Result<Arc<dyn Transform>, String>;

/// The transforms that are compiled into a binary, by their names in rules.
#[derive(Debug, Clone, Default)]
pub struct Transforms(BTreeMap<&'static str, BuildTransform>);

impl Transforms {
    /// Creates an empty set.
    pub fn new() -> Transforms {
        Transforms::default()
    }

    /// Adds a transform.
    #[must_use]
    pub fn with(mut self, name: &'static str, build: BuildTransform) -> Transforms {
        self.0.insert(name, build);
        self
    }

    /// Returns the transform called `name`.
    pub fn get(&self, name: &str) -> Option<BuildTransform> {
        self.0.get(name).copied()
    }

    /// Returns all names.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}
