//! No secrets: values of an event that are hidden before it goes on.
//!
//! Four ways, each in a file of `redact/` or here: literals of SQL, secrets of connections in any string, environment
//! variables by name, and whatever a pointer leads to. One walk over the event, one edit a value; all else stays as it
//! is, byte for byte. Called by the rule action of that name.

mod key;
mod mask;
mod pointer;
mod secrets;
mod settings;
mod sql;

pub use mask::Mask;
pub use pointer::Pointer;
pub use secrets::connection_secrets;
pub use sql::sql_literals;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use globset::{GlobBuilder, GlobMatcher};
use openlineage::{Edits, Event, Json, Kind, facets_named};

use key::Says;
use mask::STARS;

/// `text` as it may be shown or kept, where somebody else wrote it: the answer of a target, a line of a log, the message of
/// an error. Users and passwords of URLs go, and the values of settings, options and headers whose name says that they
/// are secrets, as [`connection_secrets`] has it. It knows names, not values: a password that stands alone stays, so
/// credentials of our own have to be taken out by who knows them. Pure; takes any text, and twice is as once.
pub fn redact_text(text: &str) -> String {
    connection_secrets(text)
}

/// What is hidden.
#[derive(Debug, Clone, Default)]
pub struct Redact {
    /// Literals in the query of the `sql` facet, and in the `sourceCode` facet when its language is SQL.
    pub sql_literals: bool,
    /// Users, passwords and secret settings in every string, and strings in facets whose key names a secret. Of names
    /// of datasets and jobs only the namespace loses user, password and settings: the same everywhere, so that the
    /// graph stays whole.
    pub connection_secrets: bool,
    /// Names whose values are masked in the run facets `environmentVariables`, `spark_properties` and
    /// `environment-properties`; in any case.
    pub environment: Vec<GlobMatcher>,
    /// What else is masked. A value that is no string becomes one: the mask of its JSON text. Names of datasets and
    /// jobs and ids of runs stay, and so does what holds them.
    pub pointers: Vec<Pointer>,
    /// How values of the environment and at pointers are masked.
    pub mask: Mask,
}

/// Where values stand in the text, by the byte they start at; each is another value.
#[derive(Default)]
struct Places {
    sql: BTreeSet<usize>,
    masked: BTreeSet<usize>,
    namespaces: HashSet<usize>,
    /// Names of datasets and jobs, which stay.
    names: HashSet<usize>,
}

impl Places {
    fn any_within(&self, span: &Range<usize>) -> bool {
        let within = |places: &BTreeSet<usize>| places.range(span.clone()).next().is_some();
        within(&self.sql) || within(&self.masked)
    }
}

impl Redact {
    /// The text of `event` with all that hidden; `None` when there was nothing to hide.
    pub fn redact(&self, event: &Event) -> Option<String> {
        let root = event.json()?;
        let places = self.places(event.text(), root);
        if !self.connection_secrets && places.sql.is_empty() && places.masked.is_empty() {
            return None;
        }
        let mut edits = Edits::of(event.text());
        self.walk(event.text(), root, &places, Around::default(), &mut edits);
        if edits.is_empty() {
            return None;
        }
        Some(edits.apply())
    }

    fn places(&self, text: &str, root: Json<'_>) -> Places {
        let mut places = Places::default();
        let start = |value: &Json<'_>| value.span(text).map(|span| span.start);
        if self.sql_literals {
            places.sql.extend(queries(root).iter().filter_map(start));
        }
        if !self.environment.is_empty() {
            let secret = |name: &str| self.environment.iter().any(|glob| fits(glob, name));
            let values = environment(root, secret);
            places.masked.extend(values.iter().filter_map(start));
        }
        if self.connection_secrets {
            for name in openlineage::names(root) {
                places.namespaces.extend(start(&name.namespace));
                places.names.extend(start(&name.name));
            }
        }
        if !self.pointers.is_empty() {
            let kept: BTreeSet<usize> = identities(root).iter().filter_map(start).collect();
            for value in self.pointers.iter().flat_map(|pointer| pointer.find(root)) {
                // Nor what holds an identity.
                let span = value.span(text);
                let span = span.filter(|span| kept.range(span.clone()).next().is_none());
                places.masked.extend(span.map(|span| span.start));
            }
        }
        places
    }

    /// Goes as deep as events are read ([`openlineage::MAX_DEPTH`]).
    fn walk(
        &self,
        text: &str,
        value: Json<'_>,
        places: &Places,
        around: Around,
        edits: &mut Edits<'_>,
    ) {
        let Some(span) = value.span(text) else {
            return;
        };
        // Secrets of connections can be in any string; all else stands at a place that is known.
        if !self.connection_secrets && !places.any_within(&span) {
            return;
        }
        let string = value.string();
        if places.masked.contains(&span.start) {
            let plain = string.as_deref().unwrap_or(value.text());
            let masked = self.mask.mask(plain);
            // A string that is masked already stays; anything else has to become one.
            if string.is_none() || masked != plain {
                edits.replace_string(value, &masked);
            }
            return;
        }
        if let Some(string) = string {
            let mut new = Cow::Borrowed(&*string);
            if places.sql.contains(&span.start) {
                new = Cow::Owned(sql_literals(&new));
            }
            if self.connection_secrets {
                let hidden = if places.names.contains(&span.start) {
                    Cow::Borrowed(&*new)
                } else if places.namespaces.contains(&span.start) {
                    secrets::namespace(&new)
                } else if around.hides(&new) {
                    Cow::Borrowed(STARS)
                } else {
                    secrets::hidden(&new)
                };
                if *hidden != *new {
                    new = Cow::Owned(hidden.into_owned());
                }
            }
            if *new != *string {
                edits.replace_string(value, &new);
            }
            return;
        }
        if self.connection_secrets && around.says == Says::Password && value.kind() == "number" {
            edits.replace_string(value, STARS);
            return;
        }
        let members = value.members();
        // `{"name": "DB_PASSWORD", "value": "x"}`.
        let named = members.iter().find(|member| member.is("name"));
        let named = named.and_then(|member| member.value.string());
        // As it will stand there, so that who reads it again comes to the same: `a/token=x/` hides its `x`.
        let named = named.map(|name| secrets::hidden(&name).into_owned());
        for member in members {
            let key = member.key.string().unwrap_or_default();
            let says = match (around.in_facets, &*key, &named) {
                (false, ..) => Says::Nothing,
                (true, "value", Some(name)) => key::says(name),
                (true, key, _) => key::says(key),
            };
            let around = Around {
                in_facets: around.in_facets || around.depth <= 3 && FACETS.contains(&&*key),
                depth: around.depth + 1,
                says,
            };
            self.walk(text, member.value, places, around, edits);
        }
        for item in value.items() {
            let around = Around {
                depth: around.depth + 1,
                ..around
            };
            self.walk(text, item, places, around, edits);
        }
    }
}

/// The members that hold facets.
const FACETS: [&str; 3] = ["facets", "inputFacets", "outputFacets"];

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
struct Around {
    in_facets: bool,
    depth: usize,
    /// What the key of the value, or of its list, says of it.
    says: Says,
}

impl Default for Around {
    fn default() -> Around {
        Around {
            in_facets: false,
            depth: 0,
            says: Says::Nothing,
        }
    }
}

impl Around {
    /// Whether a string here is a secret as a whole.
    fn hides(self, string: &str) -> bool {
        self.says != Says::Nothing && !["", "true", "false"].contains(&string)
    }
}

/// Whether a name fits, in whatever case: `Password` is as secret as `PASSWORD`.
fn fits(glob: &GlobMatcher, name: &str) -> bool {
    let (lower, upper) = (name.to_lowercase(), name.to_uppercase());
    if [name, &lower, &upper]
        .iter()
        .any(|name| glob.is_match(name))
    {
        return true;
    }
    // Only a pattern in both cases has to be read anew; as in `rules/pattern.rs`.
    let pattern = glob.glob().glob();
    let mixed = pattern.contains(char::is_uppercase) && pattern.contains(char::is_lowercase);
    let any_case = || {
        GlobBuilder::new(pattern)
            .literal_separator(false)
            .backslash_escape(true)
            .case_insensitive(true)
            .build()
    };
    mixed && any_case().is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// What makes the graph: names of datasets and jobs, and the ids of other runs.
fn identities(root: Json<'_>) -> Vec<Json<'_>> {
    let names = openlineage::names(root).into_iter();
    let mut found: Vec<Json<'_>> = names.flat_map(|name| [name.namespace, name.name]).collect();
    found.extend(openlineage::run_ids(root));
    found
}

/// Every text of SQL in the facets of jobs: of the event's own, and of those that it forwards.
fn queries(root: Json<'_>) -> Vec<Json<'_>> {
    let mut found = Vec::new();
    for facet in facets_named(root, Kind::Job, "sql") {
        found.extend(all(facet, &["query"]));
    }
    for facet in facets_named(root, Kind::Job, "sourceCode") {
        let language = facet.get("language").and_then(Json::string);
        // `SQL`, `sparksql`, `PL/SQL`.
        if language.is_some_and(|language| language.to_ascii_lowercase().ends_with("sql")) {
            found.extend(all(facet, &["sourceCode"]));
        }
    }
    found
}

/// The values of variables whose name is a secret's.
fn environment<'t>(root: Json<'t>, secret: impl Fn(&str) -> bool) -> Vec<Json<'t>> {
    let mut found = Vec::new();
    let facet = |name| {
        let facets = facets_named(root, Kind::Run, name).into_iter();
        let members = facets.flat_map(|facet| all(facet, &[member_of(name)]));
        members.collect::<Vec<_>>()
    };
    for variable in facet("environmentVariables")
        .into_iter()
        .flat_map(Json::items)
    {
        let named = variable.get("name").and_then(Json::string);
        if named.is_some_and(|name| secret(&name)) {
            found.extend(all(variable, &["value"]));
        }
    }
    for properties in ["spark_properties", "environment-properties"].map(facet) {
        let properties = properties.into_iter().flat_map(Json::members);
        let secrets =
            properties.filter(|property| property.key.string().is_some_and(|name| secret(&name)));
        found.extend(secrets.map(|property| property.value));
    }
    found
}

/// The member of a facet of the environment that holds the variables.
fn member_of(facet: &'static str) -> &'static str {
    match facet {
        "spark_properties" => "properties",
        other => other,
    }
}

/// The values under a path of names; under a duplicated key, each.
fn all<'t>(root: Json<'t>, path: &[&str]) -> Vec<Json<'t>> {
    path.iter().fold(vec![root], |values, name| {
        let members = values.into_iter().flat_map(Json::members);
        members
            .filter(|member| member.is(name))
            .map(|member| member.value)
            .collect()
    })
}

#[cfg(test)]
mod tests;
