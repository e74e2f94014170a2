//! Repairs inside facets: values that the core schema accepts and readers of the facet do not.
//!
//! The shapes of the specification define which members are optional, and where run ids and forwarded facets are. A
//! null in place of an optional member is removed; a run id is repaired as `run.runId` is; forwarded facets are checked
//! against `BaseFacet` like all others. Content without a type in the specification is kept byte for byte, and nothing here
//! rejects an event.

use std::borrow::Cow;

use crate::facets::{Field, Shape};
use crate::finding::Location;
use crate::holders::Kind as Container;
use crate::json::{Json, last};
use crate::violation::Violations;

use super::facets::{base, effective};
use super::run_ids;

/// Repairs one facet, if it can contain anything to repair: most cannot.
pub(super) fn facet<'t>(
    name: &str,
    facet: Json<'t>,
    location: Location<'_>,
    container: Container,
    violations: &mut Violations<'t>,
) {
    if !violations.repairs_allowed() {
        return;
    }
    let Some(shape) = container.shape(name) else {
        return;
    };
    let text = facet.text();
    let has_ids = match name {
        "parent" | "parentRun" | "jobDependencies" => true,
        "lineage" => text.contains("runId") || text.contains('\\'), // a key may be written with escapes
        _ => false,
    };
    if has_ids || text.contains("null") {
        value(facet, location, shape, violations);
    }
}

fn value<'t>(
    value: Json<'t>,
    location: Location<'_>,
    shape: Shape,
    violations: &mut Violations<'t>,
) {
    if violations.is_full() {
        return;
    }
    match shape {
        Shape::Any
        | Shape::Text
        | Shape::Uri
        | Shape::Time
        | Shape::Number
        | Shape::Integer
        | Shape::Flag
        | Shape::Choice(_) => {}
        Shape::Uuid => {
            if let Some(text) = value.string()
                && let Some(violation) =
                    run_ids::violation_of_run_id(value, &text, location, violations.run_ids())
            {
                violations.push_inner(violation);
            }
        }
        Shape::Nested(shape) => self::value(value, location, shape(), violations),
        Shape::List(of) => list(value, location, *of, violations),
        Shape::Map(of) => map(value, location, *of, violations),
        Shape::Object(fields) => object(value, location, fields, violations),
        Shape::Typed(kinds) => {
            let kind = value.get("type").and_then(Json::string);
            let shape = kinds
                .iter()
                .find(|(name, _)| kind.as_deref() == Some(*name));
            if let Some((_, shape)) = shape {
                self::value(value, location, *shape, violations);
            }
        }
        Shape::Facets(container) => forwarded(value, location, container, violations),
    }
}

fn object<'t>(
    value: Json<'t>,
    location: Location<'_>,
    fields: &[Field],
    violations: &mut Violations<'t>,
) {
    let members = value.members();
    let mut gone = Vec::new();
    for field in fields {
        let Some(inner) = last(&members, field.name) else {
            continue;
        };
        let location = location.child(field.name);
        match (inner.kind(), field.required) {
            ("null", false) => {
                violations.note_null(location, field.name);
                gone.push(Cow::Borrowed(field.name));
            }
            ("null", true) => {}
            _ => self::value(inner, location, field.shape, violations),
        }
    }
    violations.remove_inner(value, gone);
}

/// Checks a map. Every member of a map is optional, as is every element of a list.
fn map<'t>(value: Json<'t>, location: Location<'_>, of: Shape, violations: &mut Violations<'t>) {
    let mut gone = Vec::new();
    for (name, inner) in effective(&value.members()) {
        let location = location.child(&name);
        if inner.kind() == "null" {
            violations.note_null(location, "the member");
            gone.push(name);
        } else {
            self::value(inner, location, of, violations);
        }
    }
    violations.remove_inner(value, gone);
}

fn list<'t>(value: Json<'t>, location: Location<'_>, of: Shape, violations: &mut Violations<'t>) {
    let mut has_null = false;
    for (index, item) in value.items().into_iter().enumerate() {
        let index = index.to_string();
        let location = location.child(&index);
        if item.kind() == "null" {
            violations.note_null(location, "the element");
            has_null = true;
        } else {
            self::value(item, location, of, violations);
        }
    }
    if has_null {
        violations.remove_nulls_inner(value);
    }
}

fn forwarded<'t>(
    value: Json<'t>,
    location: Location<'_>,
    container: Container,
    violations: &mut Violations<'t>,
) {
    let mut gone = Vec::new();
    for (name, inner) in effective(&value.members()) {
        let location = location.child(&name);
        if inner.kind() == "null" {
            violations.note_null(location, "the facet");
            gone.push(name);
        } else if inner.is_object() && !violations.is_full() {
            for violation in base(inner, location, container) {
                violations.push_inner(violation);
            }
            facet(&name, inner, location, container, violations);
        }
    }
    violations.remove_inner(value, gone);
}
