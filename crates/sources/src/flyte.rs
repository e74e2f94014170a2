//! Flyte: workflow, node and task events, in each form in which Flyte publishes them.
//!
//! [`read`] reads the body of a message of a queue. What it says about data may be in objects that Flyte wrote, so the
//! caller reads those that [`FlyteMessage::needed`] names, until it names none, and then takes the
//! [`FlyteMessage::extraction`]: an event at most. Nothing is remembered from one message to the next: messages may come in
//! any order, twice, or not at all. The data itself is never opened.
//!
//! The envelope is read in `flyte/message.rs` with the messages of `flyte/wire.rs` and `flyte/literal_wire.rs`; `flyte/occurrence.rs` decides what is
//! reported, and `flyte/event.rs` writes it. `fetch::flyte` gets the messages and the objects.

mod data;
mod event;
mod literal;
mod literal_wire;
mod message;
mod name;
mod occurrence;
mod options;
mod protojson;
mod wire;

use std::collections::BTreeMap;

use crate::{Extraction, Finding, FindingRule};
use occurrence::Occurrence;

pub use options::{DatasetNaming, FlyteOptions, TaskName, TaskNameError, WorkflowName};

/// The most objects that are read for one message: its inputs, its outputs, and literals that are objects of their own.
/// A message that needs more is reported with what these say.
pub const MAX_OBJECTS: usize = 20;

/// A message of Flyte.
#[derive(Debug, Clone)]
pub struct FlyteMessage {
    occurrence: Occurrence,
    place: String,
}

/// The objects that were read for a message, and why others could not be.
#[derive(Debug, Clone, Default)]
pub struct Objects(BTreeMap<String, Result<Vec<u8>, String>>);

impl Objects {
    /// Adds the content of the object at a URI, or the reason why there is none: without any value of the object, for it is
    /// shown to operators.
    pub fn insert(&mut self, uri: String, content: Result<Vec<u8>, String>) {
        self.0.insert(uri, content);
    }

    fn get(&self, uri: &str) -> Option<Result<&[u8], &str>> {
        let content = self.0.get(uri)?;
        Some(content.as_deref().map_err(String::as_str))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// Reads the body of a message of a queue: an envelope of SNS, or what its raw delivery leaves. `place` says where the
/// message is, for findings.
///
/// # Errors
///
/// The body is no message of Flyte, or one that this version does not know.
pub fn read(body: &str, place: &str) -> Result<FlyteMessage, Finding> {
    match message::read(body) {
        Ok(occurrence) => Ok(FlyteMessage {
            occurrence,
            place: place.to_owned(),
        }),
        Err(error) => Err(Finding {
            rule: FindingRule::Unreadable,
            place: place.to_owned(),
            message: error.to_string(),
        }),
    }
}

impl FlyteMessage {
    /// The URIs of the objects to read next, at most [`MAX_OBJECTS`] for a message in all. Objects can name further ones.
    pub fn needed(&self, options: &FlyteOptions, objects: &Objects) -> Vec<String> {
        let mut needed = data::needed(&self.occurrence, options, objects);
        needed.truncate(MAX_OBJECTS.saturating_sub(objects.len()));
        needed
    }

    /// The event that the message comes to, if it reports one, with what the objects say about its data.
    pub fn extraction(&self, options: &FlyteOptions, objects: &Objects) -> Extraction {
        if self.occurrence.state.is_none() {
            return Extraction::default();
        }
        let mut findings = Vec::new();
        let data = data::datasets(&self.occurrence, options, objects);
        for finding in data.findings {
            findings.push(Finding {
                place: format!("{}: {}", self.place, finding.place),
                ..finding
            });
        }
        let event = event::event(&self.occurrence, options, data.inputs, data.outputs);
        Extraction {
            events: event.into_iter().collect(),
            findings,
            unread: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
