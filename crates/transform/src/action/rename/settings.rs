//! The settings of the action `rename`, and warnings about those that can never have an effect.

use std::fmt;
use std::sync::Arc;

use openlineage::Role;
use regex::Regex;
use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::{Change, Rename};
use crate::action::{Action, Settings};
use crate::rules::yaml::{
    Entries, FilePosition, MapOr, NewText, OneOrMany, Optional, Spanned, Text,
};
use crate::rules::{NamePattern, Patterns, Reader, RegexText, RoleName};

/// New names for datasets or jobs, at every position where an event names them.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with namespace, name, or both"
)]
#[schemars(rename = "Rename", extend("anyOf" = [{"required": ["namespace"]}, {"required": ["name"]}], "examples" = [
    {"namespace": {"hosts": ["10.1.2.3", "db-1"], "to": "db.example.com"}},
    {"of": "job", "name": {"regex": "^(.*)__dev$", "to": "${1}"}}
]))]
pub(in crate::action) struct RenameSettings {
    /// Whose names: datasets' (the default) or jobs'.
    of: Optional<RoleName>,
    /// Only names that match.
    only: Optional<NamePattern>,
    /// The new namespace.
    namespace: Optional<Changes>,
    /// The new name.
    name: Optional<Changes>,
}

/// A new text, or how it is made from the old one; a list is applied in order.
type Changes = OneOrMany<MapOr<ChangeSettings, ChangeText>>;

/// How a new text is made from the old one.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Change", extend("oneOf" = [
    {"required": ["map"], "not": {"required": ["to"]}},
    {"required": ["prefix"], "not": {"required": ["to"]}},
    {"required": ["regex", "to"]},
    {"required": ["hosts", "to"], "properties": {"to": {"minLength": 1}}}
]))]
struct ChangeSettings {
    /// Old texts and the new ones.
    map: Optional<Entries<Text, NewText, 1>>,
    /// Old prefixes and the new ones; the longest that fits counts.
    prefix: Optional<Entries<Text, Text, 1>>,
    /// Every match becomes to, in which ${1} or ${name} is a group.
    regex: Optional<RegexText>,
    /// The host in scheme://host:port: any of these becomes to. The port stays, unless to has one.
    hosts: Optional<OneOrMany<Text>>,
    /// The new text for regex or hosts.
    to: Optional<Text>,
}

impl Settings for RenameSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        if self.namespace.is_absent() && self.name.is_absent() {
            reader.error(at, "expected namespace, name, or both");
        }
        let of = self.of.value().map_or(Role::Dataset, Role::from);
        let only = self.only.value().unwrap_or_default();
        let name_at = self.name.as_ref().map(|name| name.at);
        let side = |side: &'static str, changes: Optional<Changes>, only: Option<&Patterns>| {
            let side = Side { side, only, reader };
            let changes = changes.value().map(|OneOrMany(changes)| changes);
            let changes = changes.unwrap_or_default().into_iter();
            changes
                .filter_map(|change| side.build(change))
                .collect::<Vec<_>>()
        };
        let namespace = side("namespace", self.namespace, only.namespace.as_ref());
        let name = side("name", self.name, only.name.as_ref());
        let hosts = |change: &Change| matches!(change, Change::Hosts(..));
        if let (Role::Job, true, Some(at)) = (of, name.iter().any(hosts), name_at) {
            reader.warn(at, "names of jobs have no hosts: expected namespace");
        }
        Some(Arc::new(Rename {
            of,
            only,
            namespace,
            name,
        }))
    }
}

/// Builds the changes of one side of a name, and warns of those that can never have an effect.
struct Side<'s> {
    side: &'static str,
    only: Option<&'s Patterns>,
    reader: &'s Reader<'s>,
}

impl Side<'_> {
    fn build(&self, change: Spanned<MapOr<ChangeSettings, ChangeText>>) -> Option<Change> {
        let at = change.at;
        let settings = match change.value {
            MapOr::Map(settings) => settings,
            MapOr::Short(ChangeText(new)) => {
                let literals = self.only.and_then(Patterns::literals);
                if literals.is_some_and(|literals| literals.iter().all(|text| *text == new)) {
                    self.itself(at, &new);
                }
                return Some(Change::Set(new));
            }
        };
        let kinds = [
            ("map", settings.map.is_absent()),
            ("prefix", settings.prefix.is_absent()),
            ("regex", settings.regex.is_absent()),
            ("hosts", settings.hosts.is_absent()),
        ];
        let kinds = kinds.iter().filter(|(_, absent)| !absent);
        let kinds: Vec<&str> = kinds.map(|(kind, _)| *kind).collect();
        let needs_to = match kinds.as_slice() {
            ["map" | "prefix"] => false,
            ["regex" | "hosts"] => true,
            [] => {
                let message = "expected one of map, prefix, regex and hosts, found none of them";
                self.reader.error(at, message);
                return None;
            }
            several => {
                let found = several.join(" and ");
                let message =
                    format!("expected one of map, prefix, regex and hosts, found {found}");
                self.reader.error(at, message);
                return None;
            }
        };
        match (needs_to, settings.to.as_ref()) {
            (false, Some(to)) => {
                let message = "unexpected to: only regex and hosts have one";
                self.reader.error(to.at, message);
            }
            (true, None) if settings.to.is_absent() => {
                self.reader.error(at, "missing to: the new text");
            }
            (_, _) => {}
        }
        let to = settings.to.value().map(|to| to.0);
        if let Some(Entries(map)) = settings.map.value() {
            return Some(self.map(map));
        }
        if let Some(Entries(prefixes)) = settings.prefix.value() {
            return Some(self.prefix(prefixes));
        }
        if let Some(RegexText(regex)) = settings.regex.value() {
            return self.regex(at, regex, to?);
        }
        self.hosts(at, settings.hosts.value()?, to?)
    }

    fn itself(&self, at: FilePosition, text: &str) {
        self.reader.warn(at, format!("{text:?} becomes itself"));
    }

    fn map(&self, entries: Vec<(Spanned<Text>, Spanned<NewText>)>) -> Change {
        let entries = entries.into_iter().map(|(key, new)| {
            let (at, old, new) = (key.at, key.value.0, new.value.0);
            if old == new {
                self.itself(at, &old);
            } else if let Some(only) = self.only.filter(|only| !only.matches(&old)) {
                let (side, only) = (self.side, only.describe());
                let message = format!("{old:?} is never renamed: only.{side} is {only}");
                self.reader.warn(at, message);
            }
            (old, new)
        });
        Change::Map(entries.collect())
    }

    fn prefix(&self, entries: Vec<(Spanned<Text>, Spanned<Text>)>) -> Change {
        let literals = self.only.and_then(Patterns::literals).unwrap_or_default();
        let entries = entries.into_iter().map(|(key, new)| {
            let (at, old, new) = (key.at, key.value.0, new.value.0);
            let mut found = literals.iter();
            if old == new {
                self.itself(at, &old);
            } else if !literals.is_empty() && !found.any(|text| text.starts_with(&old)) {
                let side = self.side;
                let message =
                    format!("{old:?} is never found: nothing in only.{side} begins with it");
                self.reader.warn(at, message);
            }
            (old, new)
        });
        Change::Prefix(entries.collect())
    }

    fn regex(&self, at: FilePosition, regex: Regex, to: String) -> Option<Change> {
        if let Some(group) = missing_group(&regex, &to) {
            let message = format!("unknown group {group}{}", braces(&regex, group));
            self.reader.error(at, message);
        }
        let plain = regex.as_str().trim_start_matches('^').trim_end_matches('$');
        if ["$0", "${0}"].contains(&to.as_str()) || plain == to && regex::escape(plain) == plain {
            self.reader.warn(at, "every match becomes itself");
        }
        Some(Change::Regex(regex, to))
    }

    fn hosts(&self, at: FilePosition, hosts: OneOrMany<Text>, to: String) -> Option<Change> {
        if to.is_empty() {
            let message = "expected a new text, found an empty one";
            self.reader.error(at, message);
            return None;
        }
        for host in &hosts.0 {
            let text = &host.value.0;
            let port = text.rsplit_once(':').is_some_and(|(_, port)| {
                !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
            });
            if port || text.contains(['/', '*', '?', '@', ' ']) {
                let message = format!(
                    "{text:?} is never found: a host has no scheme, user, port or wildcard"
                );
                self.reader.warn(host.at, message);
            }
        }
        let hosts: Vec<String> = hosts
            .values()
            .iter()
            .map(|host| host.0.to_lowercase())
            .collect();
        if !hosts.is_empty() && hosts.iter().all(|host| host.eq_ignore_ascii_case(&to)) {
            self.itself(at, &to);
        }
        Some(Change::Hosts(hosts, to))
    }
}

/// Returns the first reference in `to` to a group that `regex` does not have, which would be replaced by nothing.
/// References are those of the crate `regex`: `$1_x` is one to a group called `1_x`.
fn missing_group<'t>(regex: &Regex, to: &'t str) -> Option<&'t str> {
    let mut rest = to;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|s| s.split_once('}'));
        let (group, next) = braced.unwrap_or_else(|| {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            after.split_at(after.find(|c| !word(c)).unwrap_or(after.len()))
        });
        rest = next;
        if !group.is_empty() && !has_group(regex, group) {
            return Some(group);
        }
    }
    None
}

fn has_group(regex: &Regex, group: &str) -> bool {
    match group.parse::<usize>() {
        Ok(index) => index < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|name| name == group),
    }
}

/// Suggests braces for a reference that runs on into the text after it.
fn braces(regex: &Regex, group: &str) -> String {
    let ends = (1..group.len()).rev().filter_map(|end| group.get(..end));
    let mut known = ends.filter(|start| has_group(regex, start));
    known
        .next()
        .map(|start| format!("; write ${{{start}}}"))
        .unwrap_or_default()
}

/// A new text.
#[derive(Debug, JsonSchema)]
#[schemars(inline, extend("minLength" = 1))]
struct ChangeText(String);

impl<'de> Deserialize<'de> for ChangeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChangeText, D::Error> {
        struct Visit;
        impl Visitor<'_> for Visit {
            type Value = ChangeText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a new text, {map}, {prefix}, {regex, to} or {hosts, to}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ChangeText, E> {
                match text.is_empty() {
                    true => Err(E::custom("expected a new text, found an empty one")),
                    false => Ok(ChangeText(text.to_owned())),
                }
            }
        }
        deserializer.deserialize_any(Visit)
    }
}
