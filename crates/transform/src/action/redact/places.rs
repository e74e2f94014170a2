//! Finds the values of an event that are redacted by position: SQL, environment variables, values at pointers; and the
//! names, which stay.
//!
//! Determines the dialect of SQL, from its facet or from the engine and the datasets read. Called by `redact.rs`,
//! once per event.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use openlineage::{Json, Kind, facets_named};

use super::sql::{Dialect, sql_literals_in};
use super::{Redact, quoted};
use crate::rules::Glob;

/// The shortest SQL text that is searched for elsewhere in the event: a shorter one occurs in other text by chance.
const SHORTEST: usize = 12;

/// How many spellings of SQL texts are searched for elsewhere in the event, so that the work is proportional to the event's
/// size. No producer sends more than a few queries; statements inside strings are found by their words as well.
const SAME: usize = 256;

/// The positions of values in the text, by their first byte.
#[derive(Default)]
pub(super) struct Places {
    /// With its replacement.
    pub(super) sql: BTreeMap<usize, String>,
    pub(super) masked: BTreeSet<usize>,
    pub(super) namespaces: HashSet<usize>,
    /// Names of datasets and jobs, which stay.
    pub(super) names: HashSet<usize>,
    /// The positions of other strings that may contain SQL, in order.
    quoted: Vec<usize>,
    /// SQL texts and their redacted forms, also as they are escaped inside other strings.
    pub(super) same: Vec<(String, String)>,
    /// The dialects of the event's SQL; any if empty.
    pub(super) dialects: Vec<Dialect>,
}

impl Places {
    pub(super) fn of(redact: &Redact, text: &str, root: Json<'_>) -> Places {
        let mut places = Places::default();
        let start = |value: &Json<'_>| value.span(text).map(|span| span.start);
        if redact.sql_literals {
            places.read_sql(text, root);
        }
        if !redact.environment.is_empty() {
            let secret = |name: &str| redact.environment.iter().any(|glob| fits(glob, name));
            let values = environment(root, secret);
            places.masked.extend(values.iter().filter_map(start));
        }
        if redact.connection_secrets || !places.quoted.is_empty() {
            for name in openlineage::names(root) {
                places.namespaces.extend(start(&name.namespace));
                places.names.extend(start(&name.name));
            }
        }
        if !redact.pointers.is_empty() {
            let kept: BTreeSet<usize> = identities(root).iter().filter_map(start).collect();
            for value in redact
                .pointers
                .iter()
                .flat_map(|pointer| pointer.find(root))
            {
                // Nor what contains an identity.
                let span = value.span(text);
                let span = span.filter(|span| kept.range(span.clone()).next().is_none());
                places.masked.extend(span.map(|span| span.start));
            }
        }
        places
    }

    fn read_sql(&mut self, text: &str, root: Json<'_>) {
        // A key with escapes can be any.
        let any = ["sql", "sourceCode", "\\u"]
            .iter()
            .any(|key| text.contains(key));
        let queries = if any { queries(root) } else { Vec::new() };
        self.quoted = quoted::candidates(text);
        if queries.is_empty() && self.quoted.is_empty() {
            return;
        }
        self.dialects = dialects(root);
        let mut spans = Vec::new();
        for query in queries {
            let (Some(span), Some(sql)) = (query.value.span(text), query.value.string()) else {
                continue;
            };
            let dialects = match &query.dialect {
                Some(name) => Dialect::named(name).into_iter().collect(),
                None => self.dialects.clone(),
            };
            let new = sql_literals_in(&sql, &dialects);
            let few = self.same.len() < SAME;
            if few && new != *sql && sql.len() >= SHORTEST {
                self.same.extend(spellings(&sql, &new));
                // A text without any of the searched words.
                let inside = query.value.text().trim_matches('"');
                self.quoted
                    .extend(text.match_indices(inside).map(|(at, _)| at));
            }
            self.sql.insert(span.start, new);
            spans.push(span);
        }
        // The contents of the texts themselves are known.
        spans.sort_by_key(|span| span.start);
        self.quoted.retain(|at| {
            let next = spans.partition_point(|span| span.start <= *at);
            let span = next.checked_sub(1).and_then(|index| spans.get(index));
            span.is_none_or(|span| span.end <= *at)
        });
        self.quoted.sort_unstable();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sql.is_empty() && self.masked.is_empty() && self.quoted.is_empty()
    }

    pub(super) fn any_within(&self, span: &Range<usize>) -> bool {
        self.sql.range(span.clone()).next().is_some()
            || self.masked.range(span.clone()).next().is_some()
            || self.quotes_sql(span)
    }

    /// Whether a string there may contain SQL.
    pub(super) fn quotes_sql(&self, span: &Range<usize>) -> bool {
        let from = self.quoted.partition_point(|at| *at < span.start);
        self.quoted.get(from).is_some_and(|at| *at < span.end)
    }
}

/// `sql` as it is and as it is escaped inside a string, with the replacements.
fn spellings(sql: &str, new: &str) -> Vec<(String, String)> {
    let json = |text: &str| {
        let quoted = openlineage::quote(text);
        quoted
            .get(1..quoted.len() - 1)
            .unwrap_or_default()
            .to_owned()
    };
    let single = |text: &str| {
        let lines = text
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\t', "\\t");
        lines.replace('\'', "\\'")
    };
    let doubled = |text: &str| text.replace('\'', "''");
    let mut found = vec![(sql.to_owned(), new.to_owned())];
    for spelling in [&json as &dyn Fn(&str) -> String, &single, &doubled] {
        if !found.iter().any(|(old, _)| *old == spelling(sql)) {
            found.push((spelling(sql), spelling(new)));
        }
    }
    found
}

struct Query<'t> {
    value: Json<'t>,
    /// The dialect that the facet names.
    dialect: Option<String>,
}

/// Whether a name matches, in any case: `Password` is as secret as `PASSWORD`.
fn fits(glob: &Glob, name: &str) -> bool {
    // The upper case of `ß` is `SS`, which no comparison of single characters finds.
    let (lower, upper) = (name.to_lowercase(), name.to_uppercase());
    [name, &lower, &upper]
        .iter()
        .any(|name| glob.is_match(name))
}

/// The identities of the graph: names of datasets and jobs, and the ids of other runs.
fn identities(root: Json<'_>) -> Vec<Json<'_>> {
    let names = openlineage::names(root).into_iter();
    let mut found: Vec<Json<'_>> = names.flat_map(|name| [name.namespace, name.name]).collect();
    found.extend(openlineage::run_ids(root));
    found
}

/// Every SQL text in the facets of jobs: the event's own, and the forwarded ones.
fn queries(root: Json<'_>) -> Vec<Query<'_>> {
    let mut found = Vec::new();
    let query = |dialect: Option<String>| {
        move |value| Query {
            value,
            dialect: dialect.clone(),
        }
    };
    for facet in facets_named(root, Kind::Job, "sql") {
        let dialect = facet.get("dialect").and_then(Json::string);
        let dialect = dialect.filter(|dialect| !dialect.is_empty());
        found.extend(
            all(facet, &["query"])
                .into_iter()
                .map(query(dialect.map(String::from))),
        );
    }
    for facet in facets_named(root, Kind::Job, "sourceCode") {
        let language = facet.get("language").and_then(Json::string);
        // `SQL`, `sparksql`, `PL/SQL`.
        if let Some(language) = language.filter(|name| name.to_ascii_lowercase().ends_with("sql")) {
            let dialect = Dialect::named(&language).map(|_| language.into_owned());
            found.extend(all(facet, &["sourceCode"]).into_iter().map(query(dialect)));
        }
    }
    found
}

/// The dialects of SQL without a named dialect: those of the engine that ran it, and of the stores
/// that it read and wrote.
fn dialects(root: Json<'_>) -> Vec<Dialect> {
    let mut found = Vec::new();
    let mut add = |dialect: Option<Dialect>| {
        if let Some(dialect) = dialect
            && !found.contains(&dialect)
        {
            found.push(dialect);
        }
    };
    for dataset in ["inputs", "outputs"]
        .into_iter()
        .flat_map(|list| all(root, &[list]))
    {
        for namespace in dataset
            .items()
            .into_iter()
            .filter_map(|item| item.get("namespace")?.string())
        {
            let scheme = match namespace.split_once("://") {
                Some((scheme, _)) => scheme,
                None if *namespace == *"bigquery" => "bigquery",
                None => continue,
            };
            add(Dialect::named(scheme));
            // Its data definition is Hive's, its queries are Trino's; and PostgreSQL drivers connect to Redshift.
            if scheme.contains("athena") {
                add(Some(Dialect::Spark));
                add(Some(Dialect::Standard));
            }
            if namespace.contains(".redshift") {
                add(Some(Dialect::Redshift));
            }
        }
    }
    let engines = facets_named(root, Kind::Job, "jobType")
        .into_iter()
        .filter_map(|facet| facet.get("integration"));
    let engines = engines.chain(root.get("producer")).filter_map(Json::string);
    if engines.into_iter().any(|engine| {
        let engine = engine.to_ascii_lowercase();
        engine == "spark" || engine.contains("integration/spark") || engine.contains("/hive")
    }) {
        add(Some(Dialect::Spark));
    }
    found
}

/// The values of variables whose name is secret.
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

/// The member of an environment facet that holds the variables.
fn member_of(facet: &'static str) -> &'static str {
    match facet {
        "spark_properties" => "properties",
        other => other,
    }
}

/// The values under a path of names; of duplicated keys, all.
fn all<'t>(root: Json<'t>, path: &[&str]) -> Vec<Json<'t>> {
    path.iter().fold(vec![root], |values, name| {
        let members = values.into_iter().flat_map(Json::members);
        members
            .filter(|member| member.is(name))
            .map(|member| member.value)
            .collect()
    })
}
