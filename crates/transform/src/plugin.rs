//! The one interface of everything that changes events by code: scripts, modules, and transforms that users compile
//! into a binary of their own.
//!
//! A transform sees one event and says what becomes of it. It need not be careful: what it gives back is read as an
//! event again, a panic of it is caught, and on any failure its rule says what to do. Called by `rules.rs`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use openlineage::Event;
use serde_json::Value;

/// Changes events. One value serves all threads, and sees the events in no particular order.
pub trait Transform: fmt::Debug + Send + Sync {
    /// What becomes of `event`. Does no IO and does not wait: the batch does.
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError>;
}

/// What a transform made of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransformOutput {
    /// It is as it was.
    Unchanged,
    /// It is now this JSON text, which has to be an OpenLineage event.
    Changed(String),
    /// It goes no further; counted under the name of the rule.
    Drop,
}

/// Why a transform could not do its work. The message is logged: it must not quote the event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransformError(pub String);

/// Makes a transform from what stands under `with:` in its rule; an error is one of the rules file.
pub type BuildTransform = fn(&Value) -> Result<Arc<dyn Transform>, String>;

/// The transforms that a binary knows besides the built-in ones, by the name that a rule calls them by.
#[derive(Debug, Clone, Default)]
pub struct Transforms(BTreeMap<&'static str, BuildTransform>);

impl Transforms {
    /// None.
    pub fn new() -> Transforms {
        Transforms::default()
    }

    /// These, and one more.
    #[must_use]
    pub fn with(mut self, name: &'static str, build: BuildTransform) -> Transforms {
        self.0.insert(name, build);
        self
    }

    /// The one called `name`.
    pub fn get(&self, name: &str) -> Option<BuildTransform> {
        self.0.get(name).copied()
    }

    /// All names.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}
