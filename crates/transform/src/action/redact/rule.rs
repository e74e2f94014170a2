//! The action `redact`: hides secrets.

use std::sync::Arc;

use openlineage::Event;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Mask, Pointer, Redact};
use crate::action::{Action, ActionOutput, Effect, Settings};
use crate::rules::yaml::{FilePosition, OneOrMany, Optional, Text};
use crate::rules::{Context, Glob, OnFailure, Reader};

/// Hides secrets. An event that cannot be redacted becomes a dead letter, unless `on_failure` is `keep`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with sql_literals, connection_secrets, environment, pointers, with"
)]
#[schemars(rename = "Redact", extend(
    "anyOf" = [
        {"required": ["sql_literals"], "properties": {"sql_literals": {"const": true}}},
        {"required": ["connection_secrets"], "properties": {"connection_secrets": {"const": true}}},
        {"required": ["environment"]},
        {"required": ["pointers"]}
    ],
    "examples" = [{"sql_literals": true, "connection_secrets": true, "environment": ["*secret*", "*token*"]}]
))]
pub(in crate::action) struct RedactSettings {
    /// Strings, numbers and comments of SQL become '?': in the sql facet, in SQL source code, and in statements that
    /// other strings quote. What dialects read differently becomes `[redacted]`.
    sql_literals: Optional<bool>,
    /// Users and passwords of URLs, values of settings, options and clauses that are named like secrets, passwords of
    /// command lines, and keys and tokens of a known form, in any string.
    connection_secrets: Optional<bool>,
    /// Names of environment variables and Spark properties, in any case.
    environment: Optional<OneOrMany<AnyCaseGlob>>,
    /// JSON Pointers to values, with * for any member or element.
    pointers: Optional<OneOrMany<PointerText>>,
    /// What values of the environment and at pointers become: stars (the default), or a hash that is the same for the
    /// same value; it needs the setting rules.hash_key.
    with: Optional<MaskName>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum MaskName {
    Stars,
    Hash,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(inline)]
struct AnyCaseGlob(Glob);

impl TryFrom<Text> for AnyCaseGlob {
    type Error = String;

    fn try_from(Text(text): Text) -> Result<AnyCaseGlob, String> {
        Glob::any_case(&text).map(AnyCaseGlob)
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(inline, with = "Text", extend("type" = "string", "pattern" = "^/"))]
struct PointerText(Pointer);

impl TryFrom<Text> for PointerText {
    type Error = String;

    fn try_from(Text(text): Text) -> Result<PointerText, String> {
        let pointer = Pointer::parse(&text).map(PointerText);
        pointer.map_err(|error| format!("{text:?}: {error}"))
    }
}

impl Settings for RedactSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let nothing = !self.sql_literals.asks()
            && !self.connection_secrets.asks()
            && self.environment.is_absent()
            && self.pointers.is_absent();
        if nothing {
            let message =
                "expected at least one of sql_literals, connection_secrets, environment, pointers";
            reader.error(at, message);
        }
        let mask = match (self.with.spanned(), reader.sources.hash_key) {
            (Some(with), key) if matches!(with.value, MaskName::Hash) => {
                let missing = "with: hash needs the setting rules.hash_key, so that nobody can guess what was there";
                let key = reader.ok(with.at, key.ok_or(missing))?;
                Mask::Hash(key.to_vec())
            }
            (Some(_) | None, _) => Mask::Stars,
        };
        let globs = self.environment.value().map(OneOrMany::values);
        let globs = globs.unwrap_or_default().into_iter();
        let pointers = self.pointers.value().map(OneOrMany::values);
        let pointers = pointers.unwrap_or_default().into_iter();
        Some(Arc::new(Redact {
            sql_literals: self.sql_literals.is_true(),
            connection_secrets: self.connection_secrets.is_true(),
            environment: globs.map(|AnyCaseGlob(glob)| glob).collect(),
            pointers: pointers.map(|PointerText(pointer)| pointer).collect(),
            mask,
        }))
    }
}

impl Action for Redact {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        Effect::of(event, self.redact(event)).map(ActionOutput::from)
    }

    /// A secret must not be delivered because hiding it failed.
    fn on_failure(&self) -> OnFailure {
        OnFailure::DeadLetter
    }

    fn redacts(&self) -> bool {
        true
    }

    // `renames` stays true: the user is removed from namespaces.
}
