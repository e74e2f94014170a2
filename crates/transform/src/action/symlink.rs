//! The action `symlink_to_primary`: makes the name in a symlink the dataset's own.

use std::collections::HashMap;
use std::sync::Arc;

use openlineage::{Edits, Event, Identity, Json, Role};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Action, ActionOutput, Effect, Settings, one_catalog};
use crate::mentions::{Moves, Uris};
use crate::rules::yaml::{FilePosition, MapOr, Optional, True};
use crate::rules::{Context, NameMismatch, NamePattern, Patterns, Reader, UntouchedName};

/// The name in a symlink becomes the dataset's own: true means a Glue ARN, a type alone (TABLE or LOCATION) the first
/// symlink of that type. A dataset whose own name matches namespace and name keeps it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "SymlinkToPrimary", extend("examples" = [true, {"type": "TABLE"}]))]
pub(super) struct SymlinkSettings(MapOr<SymlinkMap, True>);

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "true, or a map with namespace, name, type"
)]
struct SymlinkMap {
    /// The namespace of the symlink.
    namespace: Optional<Patterns>,
    /// The name of the symlink.
    name: Optional<Patterns>,
    /// The type of the symlink: TABLE, LOCATION.
    r#type: Optional<Patterns>,
}

/// The symlink that becomes the primary name.
#[derive(Debug)]
struct Symlink {
    only: NamePattern,
    /// The symlink's `type`: `TABLE`, `LOCATION`.
    kind: Option<Patterns>,
    /// For a symlink that is selected by its type alone: the type of the former first name.
    other: Option<&'static str>,
}

/// The ARN of a Glue table in any partition, and its older form.
const GLUE: [&str; 2] = ["arn:aws*:glue:*", "aws:glue:*"];

impl Settings for SymlinkSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let (mut only, mut kind) = (NamePattern::default(), None);
        if let MapOr::Map(map) = self.0 {
            (only.namespace, only.name) = (map.namespace.value(), map.name.value());
            kind = map.r#type.value();
        }
        let mut other = None;
        if only.namespace.is_none() && only.name.is_none() {
            match &kind {
                None => only.namespace = Patterns::globs(&GLUE),
                Some(kind) => {
                    other = match (kind.matches("TABLE"), kind.matches("LOCATION")) {
                        (true, false) => Some("LOCATION"),
                        (false, true) => Some("TABLE"),
                        (true, true) | (false, false) => None,
                    };
                }
            }
        }
        let all = |patterns: &Option<Patterns>| patterns.as_ref().is_none_or(Patterns::match_all);
        if other.is_none() && all(&only.namespace) && all(&only.name) {
            let message = "it never swaps, since a name that matches stays, and every name matches; \
                           expected a narrower namespace or name, or type: TABLE or LOCATION";
            reader.warn(at, message);
        }
        Some(Arc::new(Symlink { only, kind, other }))
    }
}

impl Action for Symlink {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        Effect::of(event, self.swapped(event)).map(ActionOutput::from)
    }

    fn untouched(&self, event: &Event) -> Vec<UntouchedName> {
        let root = event.json();
        let mut untouched = Vec::new();
        for dataset in datasets(root) {
            let Some(name) = Identity::of(dataset) else {
                continue;
            };
            let unmet = |condition: &str, expected: String, found: String| NameMismatch {
                condition: condition.to_owned(),
                expected,
                found,
                nearest: None,
            };
            let identifiers = dataset.at(&["facets", "symlinks", "identifiers"]);
            let identifiers = identifiers.map(Json::items).unwrap_or_default();
            let unmet = if self.other.is_none() && self.only.matches(&name) {
                let own = format!("{} {}", name.namespace, name.name);
                Some(unmet(
                    "its own name",
                    format!("not {}", self.describe()),
                    own,
                ))
            } else if identifiers.iter().any(|id| self.fitting(*id).is_some()) {
                continue; // it is swapped
            } else if identifiers.is_empty() {
                Some(unmet("symlinks", self.describe(), "none".to_owned()))
            } else {
                let found = identifiers.iter().filter_map(|id| {
                    let name = Identity::of(*id)?;
                    let kind = id.get("type").and_then(Json::string).unwrap_or_default();
                    Some(format!("{} {} {kind}", name.namespace, name.name))
                });
                Some(unmet(
                    "symlinks",
                    self.describe(),
                    found.collect::<Vec<_>>().join(", "),
                ))
            };
            untouched.push(UntouchedName {
                role: Role::Dataset,
                name,
                unmet,
            });
        }
        untouched
    }

    fn may_produce(&self, role: Role, _: &str) -> bool {
        role == Role::Dataset
    }
}

impl Symlink {
    /// Returns the event with the name in the symlink first, and the former first name as a symlink. Each dataset is
    /// changed by its own symlink; other positions with that name change too, if the new name is unambiguous.
    fn swapped(&self, event: &Event) -> Option<String> {
        let indexed = event.indexed();
        let root = indexed.json();
        let mut edits = Edits::new(event.text());
        let mut changed: Vec<Json<'_>> = Vec::new();
        let found = openlineage::positions(root);
        let mut moves = Moves::default();
        // `None` if datasets of one name have got different ones: the other positions are ambiguous.
        let mut renamed: HashMap<Identity, Option<Identity>> = HashMap::new();
        for dataset in datasets(root) {
            let fits = |name: &Identity| self.other.is_none() && self.only.matches(name);
            let Some(primary) = Identity::of(dataset).filter(|name| !fits(name)) else {
                continue;
            };
            let identifiers = dataset.at(&["facets", "symlinks", "identifiers"]);
            let identifiers = identifiers.map(Json::items).unwrap_or_default().into_iter();
            let Some((place, symlink)) = identifiers.filter_map(|id| self.fitting(id)).next()
            else {
                continue;
            };
            put(&mut edits, place, &primary);
            // Otherwise the rule would swap them again the next time.
            if let (Some(other), Some(kind)) = (self.other, place.get("type")) {
                edits.replace_string(kind, other);
            }
            put(&mut edits, dataset, &symlink);
            changed.extend(dataset.get("name"));
            if let Some(namespace) = dataset.get("namespace") {
                moves.add(namespace, &primary.namespace, &symlink.namespace);
            }
            let new = Some(symlink);
            let known = renamed.entry(primary).or_insert_with(|| new.clone());
            if *known != new {
                *known = None;
            }
        }
        for name in found.names {
            let done = || {
                changed
                    .iter()
                    .any(|own| std::ptr::eq(own.text(), name.name.text()))
            };
            if name.role != Role::Dataset || name.place == "symlinks" || done() {
                continue;
            }
            let (Some(namespace), Some(own)) = (name.namespace.string(), name.name.string()) else {
                continue;
            };
            let old = Identity {
                namespace: namespace.into_owned(),
                name: own.into_owned(),
            };
            if let Some(Some(new)) = renamed.get(&old) {
                edits.replace_string(name.namespace, &new.namespace);
                edits.replace_string(name.name, &new.name);
            }
        }
        moves.follow(&found.mentions, Uris::Stay, |_| None, &mut edits);
        (!edits.is_empty()).then(|| edits.apply())
    }

    /// Returns the symlink as a name for its dataset. An empty one is not a name, so the dataset keeps its own.
    fn fitting<'t>(&self, symlink: Json<'t>) -> Option<(Json<'t>, Identity)> {
        let kind = symlink.get("type").and_then(Json::string);
        let kind = kind.as_deref().unwrap_or_default();
        if (self.kind.as_ref()).is_some_and(|wanted| !wanted.matches(kind)) {
            return None;
        }
        let whole = |name: &Identity| !name.namespace.is_empty() && !name.name.is_empty();
        let name = Identity::of(symlink).filter(|name| self.only.matches(name) && whole(name))?;
        // The form of the catalog, so that it finds the table.
        let name = one_catalog(&name, true, true).unwrap_or(name);
        Some((symlink, name))
    }

    fn describe(&self) -> String {
        let kind = self
            .kind
            .as_ref()
            .map(|kind| format!("type {}", kind.describe()));
        let parts = [self.only.describe(), kind.unwrap_or_default()];
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        match parts.is_empty() {
            true => "any".to_owned(),
            false => parts.join(", "),
        }
    }
}

fn put(edits: &mut Edits<'_>, place: Json<'_>, name: &Identity) {
    if let (Some(namespace), Some(own)) = (place.get("namespace"), place.get("name")) {
        edits.replace_string(namespace, &name.namespace);
        edits.replace_string(own, &name.name);
    }
}

fn datasets(root: Json<'_>) -> Vec<Json<'_>> {
    let lists = ["inputs", "outputs"].iter();
    let mut found: Vec<Json<'_>> = lists
        .filter_map(|list| root.get(list))
        .flat_map(Json::items)
        .collect();
    found.extend(root.get("dataset"));
    found
}
