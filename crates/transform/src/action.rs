//! The actions of rules: each file has the settings of an action and what it does to an event.
//!
//! To add an action, add a file with its settings and an [`Action`], and an entry in [`ACTIONS`], from which the reader
//! of rules files, the JSON Schema and `explain` take it. Whether a rule applies to an event is decided in `rules.rs`.

mod add;
mod code;
mod drop;
mod facets;
mod normalise;
mod redact;
mod redshift;
mod rename;
mod strip;
mod symlink;
mod unite;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use openlineage::{Event, InvalidEvent, Level, Role};
use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

pub use facets::{
    Documentation, Facet, FacetHolders, FacetsAction, JobType, Owner, Tag, add_owners, add_tags,
};
pub use normalise::{Case, Normalise};
pub(crate) use normalise::{Fold, folded, one_catalog};
pub use redact::{
    Dialect, Mask, Pointer, Redact, connection_secrets, redact_text, sql_literals, sql_literals_in,
};
pub use strip::Strip;
pub(crate) use unite::unite;

use crate::endpoint::ShortName;
use crate::redshift::UnresolvedName;
use crate::rules::yaml::{self, FilePosition, Node};
use crate::rules::{Context, NamePattern, OnFailure, Reader, UntouchedName};

/// Every action, by its key in a rule.
pub(crate) const ACTIONS: &[ActionEntry] = &[
    register::<rename::RenameSettings>("rename"),
    register::<normalise::NormaliseSettings>("normalise"),
    register::<redshift::RedshiftSettings>("redshift"),
    register::<symlink::SymlinkSettings>("symlink_to_primary"),
    register::<strip::StripSettings>("strip"),
    register::<facets::FacetsSettings>("facets"),
    register::<redact::RedactSettings>("redact"),
    register::<add::AddSettings>("add"),
    register::<drop::DropDatasetsSettings>("drop_datasets"),
    register::<drop::DropSettings>("drop"),
    register::<code::ScriptSettings>("script"),
    register::<code::ModuleSettings>("module"),
    register::<code::TransformSettings>("transform"),
];

/// What a rule does to an event.
pub(crate) trait Action: fmt::Debug + Send + Sync {
    /// Applies the action. Does no IO and does not wait. An error must not quote the event, because it is logged.
    fn apply(&self, event: &Event, context: &Context<'_>) -> Result<ActionOutput, String>;

    /// What happens to an event on failure, if the rule does not set it.
    fn on_failure(&self) -> OnFailure {
        OnFailure::Keep
    }

    /// Whether it can change the name of a dataset or a job.
    fn renames(&self) -> bool {
        true
    }

    /// Whether [`lookups`](Self::lookups) may return any.
    fn looks_up(&self) -> bool {
        false
    }

    /// Returns the Redshift names that have to be looked up before it is applied to `event`.
    fn lookups(&self, _event: &Event) -> BTreeSet<ShortName> {
        BTreeSet::new()
    }

    /// Whether it runs code of a user, which may be slow.
    fn runs_code(&self) -> bool {
        false
    }

    /// Whether it hides secrets that the event has as it was accepted.
    fn redacts(&self) -> bool {
        false
    }

    /// Whether it drops every event.
    fn drops(&self) -> bool {
        false
    }

    /// Returns the names of `event` that it does not change, each once, and why.
    fn untouched(&self, _event: &Event) -> Vec<UntouchedName> {
        Vec::new()
    }

    /// Returns the names that it applies to.
    fn selects(&self) -> Option<(Role, &NamePattern)> {
        None
    }

    /// Whether it leaves no name of that role in that namespace.
    fn empties(&self, _role: Role, _namespace: &str) -> bool {
        false
    }

    /// Whether it may give a name of that role that namespace.
    fn may_produce(&self, _role: Role, _namespace: &str) -> bool {
        self.renames()
    }
}

/// The result of an action on an event.
#[derive(Debug)]
pub(crate) struct ActionOutput {
    pub(crate) effect: Effect,
    /// Names that it did not change, or only in part, and why.
    pub(crate) unresolved: Vec<UnresolvedName>,
}

/// The effect of an action on an event.
#[derive(Debug)]
pub(crate) enum Effect {
    Unchanged,
    Changed(Event),
    Drop,
}

impl From<Effect> for ActionOutput {
    fn from(effect: Effect) -> ActionOutput {
        ActionOutput {
            effect,
            unresolved: Vec::new(),
        }
    }
}

impl Effect {
    /// Validates the text that an action made of `event`, so that no invalid event goes further. `None` is no change.
    pub(crate) fn of(event: &Event, text: Option<String>) -> Result<Effect, String> {
        Effect::at_level(event, text, Level::Strict)
    }

    /// As [`of`](Self::of), with repairs according to `level`.
    fn at_level(event: &Event, text: Option<String>, level: Level) -> Result<Effect, String> {
        match text {
            None => Ok(Effect::Unchanged),
            Some(text) if text == event.text() => Ok(Effect::Unchanged),
            Some(text) => match Event::read(text.as_bytes(), level) {
                Ok(read) => Ok(Effect::Changed(read.event)),
                Err(refused) => Err(invalid_event(&refused)),
            },
        }
    }
}

/// Describes the first error of an event that an action made. Replaces messages that quote the event, because they are
/// logged.
fn invalid_event(refused: &InvalidEvent) -> String {
    const INVALID: &str = "the action returned an invalid OpenLineage event";
    let Some(first) = refused.findings.first() else {
        return INVALID.to_owned();
    };
    let expected = match first.rule {
        "type" | "required" => first.message.as_str(),
        "enum" => "one of the words of the specification is expected",
        "date-time" => "an RFC 3339 date-time is expected",
        "uuid" => "a UUID is expected",
        "uri" => "a URI is expected",
        rule => rule,
    };
    let more = match refused.findings.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let pointer = &first.pointer;
    format!("{INVALID}: {expected} at '{pointer}'{more}")
}

/// The settings of an action, as they are written in a rule.
pub(crate) trait Settings: DeserializeOwned + JsonSchema {
    /// Checks what single values cannot tell, and builds the action. Reports errors, and settings that can never have
    /// an effect. `at` is the position of the settings.
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>>;
}

/// An entry of the list of actions.
#[derive(Clone, Copy)]
pub(crate) struct ActionEntry {
    pub(crate) key: &'static str,
    pub(crate) read: fn(&Node, &Reader<'_>) -> Option<Arc<dyn Action>>,
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
}

const fn register<S: Settings>(key: &'static str) -> ActionEntry {
    ActionEntry {
        key,
        read: |node, reader| {
            let settings: S = yaml::read(node, reader.problems)?;
            settings.build(node.at, reader)
        },
        schema: |generator| generator.subschema_for::<S>(),
    }
}

/// Compiles one of our own patterns.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and every test of the action that uses one compiles it"
)]
fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}
