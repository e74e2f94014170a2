//! Facets held to `BaseFacet`, and the checks of single values that events and facets share.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::fault::{Fault, Faults, Mend, fault};
use crate::finding::{Place, excerpt};
use crate::formats;
use crate::json::{Json, Member, last, quote};

/// How a container holds its facets: the definition that its facets are, and whether they may be `_deleted`.
#[derive(Clone, Copy)]
pub(super) struct Facets {
    definition: &'static str,
    deletable: bool,
}

pub(super) const RUN: Facets = Facets {
    definition: "RunFacet",
    deletable: false,
};
pub(super) const JOB: Facets = Facets {
    definition: "JobFacet",
    deletable: true,
};
pub(super) const DATASET: Facets = Facets {
    definition: "DatasetFacet",
    deletable: true,
};
pub(super) const INPUT: Facets = Facets {
    definition: "InputDatasetFacet",
    deletable: false,
};
pub(super) const OUTPUT: Facets = Facets {
    definition: "OutputDatasetFacet",
    deletable: false,
};

/// An object of facets, each a `BaseFacet`: `_producer` and `_schemaURL` are URIs, everything else is free.
pub(super) fn facets<'t>(
    value: Option<Json<'t>>,
    place: Place<'_>,
    holds: Facets,
    faults: &mut Faults<'t>,
) {
    let Some(value) = value else { return };
    match value.kind() {
        "object" => {}
        "null" => return faults.push(null(place, "facets", Mend::Value(value, "{}".to_owned()))),
        other => {
            return faults.push(fault(
                place,
                "type",
                format!("facets are an object, found {other}"),
                Mend::None,
            ));
        }
    }
    for (name, facet) in effective(&value.members()) {
        let place = place.child(&name);
        if !facet.is_object() {
            let message = format!("a facet is an object, found {}", facet.kind());
            faults.push(fault(place, "type", message, Mend::None));
            continue;
        }
        let members = facet.members();
        let mut lacking = Vec::new();
        for required in ["_producer", "_schemaURL"] {
            match last(&members, required) {
                None => lacking.push(required),
                Some(value) => uri(value, place.child(required), faults),
            }
        }
        if !lacking.is_empty() {
            let added = lacking
                .iter()
                .map(|name| (*name, own_facet_member(name, holds)))
                .collect();
            let message = format!("a facet needs {}", lacking.join(" and "));
            faults.push(fault(place, "required", message, Mend::Add(facet, added)));
        }
        if let Some(deleted) =
            last(&members, "_deleted").filter(|d| holds.deletable && d.kind() != "boolean")
        {
            let message = format!("_deleted is a boolean, found {}", deleted.kind());
            faults.push(fault(place.child("_deleted"), "type", message, Mend::None));
        }
    }
}

/// What a facet that names neither its producer nor its schema is given: that nobody said, and the base definition.
fn own_facet_member(name: &str, holds: Facets) -> String {
    match name {
        "_producer" => quote("urn:lineage-proxy:unknown-producer"),
        _ => quote(&format!(
            "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{}",
            holds.definition
        )),
    }
}

/// The members that count, by decoded name: of duplicates, the last.
fn effective<'t>(members: &[Member<'t>]) -> Vec<(Cow<'t, str>, Json<'t>)> {
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

pub(super) fn null<'t>(place: Place<'_>, name: &str, mend: Mend<'t>) -> Fault<'t> {
    fault(place, "type", format!("{name} is null: leave it out"), mend)
}

/// A string, and what `judge` has to say about it.
pub(super) fn text_of<'t>(
    value: Json<'t>,
    place: Place<'_>,
    faults: &mut Faults<'t>,
    judge: impl Fn(&str, Place<'_>) -> Option<Fault<'t>>,
) {
    match value.string() {
        Some(text) => {
            if let Some(fault) = judge(&text, place) {
                faults.push(fault);
            }
        }
        None => faults.push(fault(
            place,
            "type",
            format!("a string is expected, found {}", value.kind()),
            Mend::None,
        )),
    }
}

pub(super) fn uri<'t>(value: Json<'t>, place: Place<'_>, faults: &mut Faults<'t>) {
    text_of(value, place, faults, |text, place| {
        let message = || format!("not a URI with a scheme (RFC 3986): {:?}", excerpt(text));
        (!formats::uri(text)).then(|| fault(place, "uri", message(), Mend::None))
    });
}
