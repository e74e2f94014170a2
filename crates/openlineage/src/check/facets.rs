//! Checks facets against `BaseFacet`, and holds the checks of single values that events and facets share.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::finding::{Location, excerpt};
use crate::formats::{self, Label};
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};
use crate::violation::{Repair, Violation, Violations, null_violation, violation};

use super::members;

/// An object of facets, each a `BaseFacet`: `_producer` and `_schemaURL` are URIs, everything else is free.
pub(super) fn facets<'t>(
    value: Option<Json<'t>>,
    location: Location<'_>,
    container: Container,
    violations: &mut Violations<'t>,
) {
    let Some(value) = value else { return };
    match value.kind() {
        "object" => {}
        "null" => {
            return violations.push(null_violation(
                location,
                "facets",
                Repair::Value(value, "{}".to_owned()),
            ));
        }
        other => {
            return violations.push(violation(
                location,
                "type",
                format!("facets are an object, found {other}"),
                Repair::None,
            ));
        }
    }
    for (name, facet) in effective(&value.members()) {
        let location = location.child(&name);
        match facet.kind() {
            "object" => {}
            "null" => {
                let repair = Repair::Remove(value, vec![name.clone()]);
                violations.push(null_violation(location, "the facet", repair));
                continue;
            }
            other => {
                let message = format!("a facet is an object, found {other}");
                violations.push(violation(location, "type", message, Repair::None));
                continue;
            }
        }
        for violation in base(facet, location, container) {
            violations.push(violation);
        }
        members::facet(&name, facet, location, container, violations);
    }
}

/// Checks a facet against `BaseFacet` and the definition of its container's facets.
pub(super) fn base<'t>(
    facet: Json<'t>,
    location: Location<'_>,
    container: Container,
) -> Vec<Violation<'t>> {
    let members = facet.members();
    let (mut violations, mut lacking) = (Vec::new(), Vec::new());
    for (required, label) in [
        ("_producer", Label::Producer),
        ("_schemaURL", Label::Schema),
    ] {
        let default_uri = || default_uri(label, container);
        match last(&members, required) {
            None => lacking.push((required, default_uri())),
            Some(value) if value.kind() == "null" => {
                let repair = Repair::Value(value, default_uri());
                violations.push(null_violation(location.child(required), required, repair));
            }
            Some(value) => {
                violations.extend(uri(value, location.child(required), label, default_uri))
            }
        }
    }
    if !lacking.is_empty() {
        let names: Vec<&str> = lacking.iter().map(|(name, _)| *name).collect();
        let message = format!("a facet needs {}", names.join(" and "));
        let added = lacking
            .into_iter()
            .map(|(name, value)| (Cow::Borrowed(name), value))
            .collect();
        violations.push(violation(
            location,
            "required",
            message,
            Repair::Add(facet, added),
        ));
    }
    violations.extend(deleted(facet, &members, location, container));
    violations
}

/// Checks `_deleted`. A null is removed from any facet: the specification reserves names with an underscore.
fn deleted<'t>(
    facet: Json<'t>,
    members: &[Member<'t>],
    location: Location<'_>,
    container: Container,
) -> Option<Violation<'t>> {
    let deleted = last(members, "_deleted")?;
    let location = location.child("_deleted");
    match deleted.kind() {
        "boolean" => None,
        "null" => {
            let repair = Repair::Remove(facet, vec![Cow::Borrowed("_deleted")]);
            let violation = null_violation(location, "_deleted", repair);
            Some(match container.is_deletable() {
                true => violation,
                false => violation.untyped(),
            })
        }
        other => container.is_deletable().then(|| {
            let message = format!("_deleted is a boolean, found {other}");
            violation(location, "type", message, Repair::None)
        }),
    }
}

/// The default for a facet without producer or schema: the unknown producer, and the base definition.
fn default_uri(label: Label, container: Container) -> String {
    match label {
        Label::Producer => quote(formats::UNKNOWN_PRODUCER),
        Label::Schema => quote(&formats::definition(container.definition())),
    }
}

/// The effective members by decoded name: of duplicates, the last.
pub(super) fn effective<'t>(members: &[Member<'t>]) -> Vec<(Cow<'t, str>, Json<'t>)> {
    let mut seen = HashSet::with_capacity(members.len());
    let mut effective: Vec<_> = members
        .iter()
        .rev()
        .filter_map(|member| member.key.string().map(|name| (name, member.value)))
        .filter(|(name, _)| seen.insert(name.clone()))
        .collect();
    effective.reverse();
    effective
}

/// Checks that a value is a string, and applies `judge` to it.
pub(super) fn text_of<'t>(
    value: Json<'t>,
    location: Location<'_>,
    judge: impl FnOnce(&str, Location<'_>) -> Option<Violation<'t>>,
) -> Option<Violation<'t>> {
    match value.string() {
        Some(text) => judge(&text, location),
        None => {
            let message = format!("a string is expected, found {}", value.kind());
            Some(violation(location, "type", message, Repair::None))
        }
    }
}

/// Checks a URI. Other text is repaired to a URN; an empty text becomes `default_uri` (as JSON).
pub(super) fn uri<'t>(
    value: Json<'t>,
    location: Location<'_>,
    label: Label,
    default_uri: impl FnOnce() -> String,
) -> Option<Violation<'t>> {
    text_of(value, location, |text, location| {
        (!formats::uri(text)).then(|| {
            let meant = formats::repair_uri(text, label).map(|meant| quote(&meant));
            let message = format!("not a URI with a scheme (RFC 3986): {:?}", excerpt(text));
            violation(
                location,
                "uri",
                message,
                Repair::Value(value, meant.unwrap_or_else(default_uri)),
            )
        })
    })
}
