//! Repairs inside facets: what the core schema lets through, and whoever reads the facet does not.
//!
//! The shapes of the specification say where a value may be missing, and where a run id and forwarded facets stand. A
//! null where something may be missing is taken out; a run id is put right as `run.runId` is; forwarded facets are held
//! to `BaseFacet` as any others. What the specification does not type is carried byte for byte, and nothing here is a
//! reason to refuse.

use std::borrow::Cow;

use crate::facets::{Field, Shape};
use crate::fault::Faults;
use crate::finding::Place;
use crate::holders::Kind as Container;
use crate::json::{Json, last};

use super::facets::{base, effective};
use super::run_ids;

/// Looks into one facet, if it can hold something to repair: most events have nothing of the kind.
pub(super) fn facet<'t>(
    name: &str,
    facet: Json<'t>,
    place: Place<'_>,
    container: Container,
    faults: &mut Faults<'t>,
) {
    if !faults.repairs() {
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
        value(facet, place, shape, faults);
    }
}

fn value<'t>(value: Json<'t>, place: Place<'_>, shape: Shape, faults: &mut Faults<'t>) {
    if faults.is_full() {
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
                && let Some(fault) = run_ids::fault_of(value, &text, place, faults.run_ids())
            {
                faults.push_inner(fault);
            }
        }
        Shape::Nested(shape) => self::value(value, place, shape(), faults),
        Shape::List(of) => list(value, place, *of, faults),
        Shape::Map(of) => map(value, place, *of, faults),
        Shape::Object(fields) => object(value, place, fields, faults),
        Shape::Typed(kinds) => {
            let kind = value.get("type").and_then(Json::string);
            let shape = kinds
                .iter()
                .find(|(name, _)| kind.as_deref() == Some(*name));
            if let Some((_, shape)) = shape {
                self::value(value, place, *shape, faults);
            }
        }
        Shape::Facets(container) => forwarded(value, place, container, faults),
    }
}

fn object<'t>(value: Json<'t>, place: Place<'_>, fields: &[Field], faults: &mut Faults<'t>) {
    let members = value.members();
    let mut gone = Vec::new();
    for field in fields {
        let Some(inner) = last(&members, field.name) else {
            continue;
        };
        let place = place.child(field.name);
        match (inner.kind(), field.required) {
            ("null", false) => {
                faults.note_null(place, field.name);
                gone.push(Cow::Borrowed(field.name));
            }
            ("null", true) => {}
            _ => self::value(inner, place, field.shape, faults),
        }
    }
    faults.remove_inner(value, gone);
}

/// Any member of a map may be missing, and so may any element of a list.
fn map<'t>(value: Json<'t>, place: Place<'_>, of: Shape, faults: &mut Faults<'t>) {
    let mut gone = Vec::new();
    for (name, inner) in effective(&value.members()) {
        let place = place.child(&name);
        if inner.kind() == "null" {
            faults.note_null(place, "the member");
            gone.push(name);
        } else {
            self::value(inner, place, of, faults);
        }
    }
    faults.remove_inner(value, gone);
}

fn list<'t>(value: Json<'t>, place: Place<'_>, of: Shape, faults: &mut Faults<'t>) {
    let mut has_null = false;
    for (index, item) in value.items().into_iter().enumerate() {
        let index = index.to_string();
        let place = place.child(&index);
        if item.kind() == "null" {
            faults.note_null(place, "the element");
            has_null = true;
        } else {
            self::value(item, place, of, faults);
        }
    }
    if has_null {
        faults.remove_nulls_inner(value);
    }
}

fn forwarded<'t>(value: Json<'t>, place: Place<'_>, container: Container, faults: &mut Faults<'t>) {
    let mut gone = Vec::new();
    for (name, inner) in effective(&value.members()) {
        let place = place.child(&name);
        if inner.kind() == "null" {
            faults.note_null(place, "the facet");
            gone.push(name);
        } else if inner.is_object() && !faults.is_full() {
            for fault in base(inner, place, container) {
                faults.push_inner(fault);
            }
            facet(&name, inner, place, container, faults);
        }
    }
    faults.remove_inner(value, gone);
}
