//! Redacts secrets: values of an event that are masked before it is delivered.
//!
//! There are four kinds, each in a file of `redact/` or here: SQL literals, connection secrets in any string,
//! environment variables by name, and values at a pointer. Walks over the event once, and makes one edit for each
//! value; all other text is unchanged. Called by the rule action `redact`.

mod below;
mod command;
mod key;
mod mask;
mod places;
mod pointer;
mod quoted;
mod rule;
mod secrets;
mod settings;
mod shapes;
mod sql;
mod urls;
mod value;

pub use mask::Mask;
pub use pointer::Pointer;
pub use secrets::connection_secrets;
pub use sql::{Dialect, sql_literals, sql_literals_in};

use std::borrow::Cow;
use std::ops::Range;

use openlineage::{Edits, Event, Json, Member};

use crate::rules::Glob;
use key::NameHint;
use mask::STARS;
use places::Places;
pub(super) use rule::RedactSettings;
use settings::Prose;

/// Redacts text of others before it is shown or kept: the response of a target, a log line, an error message. Removes
/// what [`connection_secrets`] recognises, and the literals of quoted SQL, as [`sql_literals`] does. It recognises
/// names, positions and forms, not values: a password on its own stays, so our own credentials must be removed by code
/// that knows them. Pure and idempotent; accepts any text.
pub fn redact_text(text: &str) -> String {
    let sql = quoted::hidden(text, &[]);
    secrets::hidden(&sql, Prose::Any).into_owned()
}

/// The kinds of values to redact.
#[derive(Debug, Clone, Default)]
pub struct Redact {
    /// Literals in the query of the `sql` facet, in the `sourceCode` facet if its language is SQL, and in statements that
    /// any other string contains.
    pub sql_literals: bool,
    /// Users, passwords and secret settings in every string, and strings in facets whose key names a secret. From names
    /// of datasets and jobs, only user, password and settings of the namespace are removed: the same everywhere, so
    /// that the graph stays connected.
    pub connection_secrets: bool,
    /// Names whose values are masked in the run facets `environmentVariables`, `spark_properties` and
    /// `environment-properties`: globs that ignore case ([`Glob::any_case`]).
    pub environment: Vec<Glob>,
    /// Pointers to further values. A value that is not a string becomes one: the mask of its JSON text. Names of
    /// datasets and jobs and run ids are not redacted, nor is what contains them.
    pub pointers: Vec<Pointer>,
    /// The mask for environment variables and values at pointers.
    pub mask: Mask,
}

impl Redact {
    /// Returns the redacted text of `event`; `None` if there is nothing to redact.
    pub fn redact(&self, event: &Event) -> Option<String> {
        let indexed = event.indexed();
        let root = indexed.json();
        let places = Places::of(self, event.text(), root);
        if !self.connection_secrets && places.is_empty() {
            return None;
        }
        let mut edits = Edits::new(event.text());
        self.walk(
            event.text(),
            root,
            &places,
            ValueContext::default(),
            &mut edits,
        );
        if edits.is_empty() {
            return None;
        }
        Some(edits.apply())
    }

    /// The deepest nesting of events ([`openlineage::MAX_DEPTH`]).
    fn walk(
        &self,
        text: &str,
        value: Json<'_>,
        places: &Places,
        context: ValueContext,
        edits: &mut Edits<'_>,
    ) {
        let Some(span) = value.span(text) else {
            return;
        };
        // Connection secrets can be in any string; the other kinds have known positions.
        if !self.connection_secrets && !places.any_within(&span) {
            return;
        }
        let string = value.string();
        if places.masked.contains(&span.start) {
            let plain = string.as_deref().unwrap_or(value.text());
            let masked = self.mask.mask(plain);
            // A masked string stays a string; any other value becomes one.
            if string.is_none() || masked != plain {
                edits.replace_string(value, &masked);
            }
            return;
        }
        if let Some(string) = string {
            let new = self.hidden(&string, &span, places, context);
            if *new != *string {
                edits.replace_string(value, &new);
            }
            return;
        }
        if self.connection_secrets && context.hint == NameHint::Password && value.kind() == "number"
        {
            edits.replace_string(value, STARS);
            return;
        }
        let members = value.members();
        // `{"name": "DB_PASSWORD", "value": "x"}`.
        let named = members.iter().find(|member| member.is("name"));
        let named = named.and_then(|member| member.value.string());
        // Redacts the final form, so that redacting it again has the same result: `a/token=x/` masks its `x`.
        let named = named
            .filter(|_| self.connection_secrets && context.in_facets)
            .map(|name| secrets::hidden(&name, context.prose).into_owned());
        for member in members {
            let context = context.within(&member, named.as_deref());
            self.walk(text, member.value, places, context, edits);
        }
        let items = value.items();
        let secret = self.command(&items);
        for (index, item) in items.into_iter().enumerate() {
            if let Some((_, new)) = secret.iter().find(|(at, _)| *at == index) {
                edits.replace_string(item, new);
                continue;
            }
            self.walk(text, item, places, context.deeper(), edits);
        }
    }

    /// Returns the replacement of a string.
    fn hidden<'s>(
        &self,
        string: &'s str,
        span: &Range<usize>,
        places: &Places,
        context: ValueContext,
    ) -> Cow<'s, str> {
        let name = places.names.contains(&span.start);
        let namespace = places.namespaces.contains(&span.start);
        let mut new = Cow::Borrowed(string);
        if let Some(sql) = places.sql.get(&span.start) {
            new = Cow::Owned(sql.clone());
        } else if !name && !namespace && places.quotes_sql(span) {
            for (old, other) in places
                .same
                .iter()
                .filter(|(old, _)| old.len() <= string.len())
            {
                if new.contains(old) {
                    new = Cow::Owned(new.replace(old, other));
                }
            }
            if let Cow::Owned(hidden) = quoted::hidden(&new, &places.dialects) {
                new = Cow::Owned(hidden);
            }
        }
        if !self.connection_secrets || name {
            return new;
        }
        let hidden = if namespace {
            secrets::namespace(&new)
        } else if context.hides(&new) {
            Cow::Borrowed(STARS)
        } else {
            secrets::hidden(&new, context.prose)
        };
        match *hidden == *new {
            true => new,
            false => Cow::Owned(hidden.into_owned()),
        }
    }

    /// Returns the secrets in a list that is a command, one word in each element.
    fn command(&self, items: &[Json<'_>]) -> Vec<(usize, String)> {
        let options = items.iter().any(|item| item.text().starts_with("\"-"));
        if !self.connection_secrets || !options {
            return Vec::new();
        }
        let words: Vec<_> = items
            .iter()
            .map(|item| item.string().unwrap_or_default())
            .collect();
        command::items(&words)
    }
}

/// The members that hold facets.
const FACETS: [&str; 3] = ["facets", "inputFacets", "outputFacets"];

/// What is known about a value from its position.
#[derive(Debug, Clone, Copy)]
struct ValueContext {
    in_facets: bool,
    depth: usize,
    /// What the key of the value, or of its list, implies.
    hint: NameHint,
    prose: Prose,
}

impl Default for ValueContext {
    fn default() -> ValueContext {
        ValueContext {
            in_facets: false,
            depth: 0,
            hint: NameHint::Harmless,
            prose: Prose::Any,
        }
    }
}

impl ValueContext {
    /// Returns the context of the member called `name`.
    fn within(self, member: &Member<'_>, name: Option<&str>) -> ValueContext {
        let key = member.key.string().unwrap_or_default();
        let name = match name {
            Some(name) if *key == *"value" => name,
            Some(_) | None => &*key,
        };
        let hint = match self.in_facets {
            true => key::name_hint(name),
            false => NameHint::Harmless,
        };
        let harmless = hint != NameHint::Harmless
            && (member.value.string()).is_some_and(|value| key::is_harmless(name, &value));
        let lineage = self.in_facets && *key == *"columnLineage";
        ValueContext {
            in_facets: self.in_facets || self.depth <= 3 && FACETS.contains(&&*key),
            depth: self.depth + 1,
            hint: if harmless { NameHint::Harmless } else { hint },
            prose: if lineage {
                Prose::Expressions
            } else {
                self.prose
            },
        }
    }

    fn deeper(self) -> ValueContext {
        ValueContext {
            depth: self.depth + 1,
            ..self
        }
    }

    /// Whether a string here is a secret as a whole.
    fn hides(self, string: &str) -> bool {
        self.hint != NameHint::Harmless && !["", "true", "false"].contains(&string)
    }
}

#[cfg(test)]
mod tests;
