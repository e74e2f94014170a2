//! The actions of rules, one file an action: its settings in the rules file, and what it does to an event.
//!
//! A new action is a file here with its settings and an [`Action`], and an entry in [`ACTIONS`]; the reader of rules
//! files, the JSON Schema and `explain` take it from there. Whether a rule applies to an event is decided in `rules.rs`.

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
    Documentation, Facet, FacetsAction, JobType, On, Owner, Tag, add_owners, add_tags,
};
pub use normalise::{Case, Normalise};
pub(crate) use normalise::{Fold, folded, one_catalogue};
pub use redact::{
    Dialect, Mask, Pointer, Redact, connection_secrets, redact_text, sql_literals, sql_literals_in,
};
pub use strip::Strip;
pub(crate) use unite::unite;

use crate::endpoint::ShortName;
use crate::redshift::Unresolved;
use crate::rules::yaml::{self, At, Node};
use crate::rules::{Context, Named, OnFailure, Reader, UntouchedName};

/// Every action, by its key in a rule.
pub(crate) const ACTIONS: &[Registered] = &[
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
    /// Applies the action. Does no IO and does not wait. Errors: why it could not do its work, in words that do not
    /// quote the event, since they are logged.
    fn apply(&self, event: &Event, context: &Context<'_>) -> Result<ActionOutput, String>;

    /// What becomes of an event when it fails and the rule does not say.
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

    /// The Redshift names that have to be looked up before it is applied to `event`.
    fn lookups(&self, _event: &Event) -> BTreeSet<ShortName> {
        BTreeSet::new()
    }

    /// Whether it is code of the user's, which may take its time.
    fn runs_code(&self) -> bool {
        false
    }

    /// Whether it drops every event.
    fn drops(&self) -> bool {
        false
    }

    /// The names of `event` that it leaves as they are, once each, and why.
    fn untouched(&self, _event: &Event) -> Vec<UntouchedName> {
        Vec::new()
    }

    /// Which names it is for.
    fn selects(&self) -> Option<(Role, &Named)> {
        None
    }

    /// Whether no name of that role is left in that namespace.
    fn empties(&self, _role: Role, _namespace: &str) -> bool {
        false
    }

    /// Whether names of that role may get that namespace.
    fn may_produce(&self, _role: Role, _namespace: &str) -> bool {
        self.renames()
    }
}

/// What an action made of an event.
#[derive(Debug)]
pub(crate) struct ActionOutput {
    pub(crate) effect: Effect,
    /// Names that stay as they are, or keep a part that the action would have removed, and why.
    pub(crate) unresolved: Vec<Unresolved>,
}

/// What becomes of an event.
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
    /// Reads the text that an action made of `event`, so that whatever it did wrong ends here. `None` is no change.
    pub(crate) fn of(event: &Event, text: Option<String>) -> Result<Effect, String> {
        Effect::at_level(event, text, Level::Strict)
    }

    /// As [`of`](Self::of); what is repaired is decided by `level`.
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

/// Describes the first error of an event that an action made. Messages that quote the event are replaced, since these
/// end up in logs.
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
    /// Checks what one value alone does not tell, and makes the action. Reports what is wrong, and what can never do
    /// anything. `at` is the position of the settings.
    fn build(self, at: At, reader: &Reader<'_>) -> Option<Arc<dyn Action>>;
}

/// An action that rules can have.
#[derive(Clone, Copy)]
pub(crate) struct Registered {
    pub(crate) key: &'static str,
    pub(crate) read: fn(&Node, &Reader<'_>) -> Option<Arc<dyn Action>>,
    pub(crate) schema: fn(&mut SchemaGenerator) -> Schema,
}

const fn register<S: Settings>(key: &'static str) -> Registered {
    Registered {
        key,
        read: |node, reader| {
            let settings: S = yaml::read(node, reader.problems)?;
            settings.build(node.at, reader)
        },
        schema: |generator| generator.subschema_for::<S>(),
    }
}

/// Compiles a pattern of our own.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and every test of the action that uses one compiles it"
)]
fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}
