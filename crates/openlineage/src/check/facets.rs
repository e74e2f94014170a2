//! Facets held to `BaseFacet`, and the checks of single values that events and facets share.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::fault::{Fault, Faults, Mend, fault, null_fault};
use crate::finding::{Place, excerpt};
use crate::formats::{self, Label};
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};

use super::members;

/// An object of facets, each a `BaseFacet`: `_producer` and `_schemaURL` are URIs, everything else is free.
pub(super) fn facets<'t>(
    value: Option<Json<'t>>,
    place: Place<'_>,
    container: Container,
    faults: &mut Faults<'t>,
) {
    let Some(value) = value else { return };
    match value.kind() {
        "object" => {}
        "null" => {
            return faults.push(null_fault(
                place,
                "facets",
                Mend::Value(value, "{}".to_owned()),
            ));
        }
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
        match facet.kind() {
            "object" => {}
            "null" => {
                let mend = Mend::Remove(value, vec![name.clone()]);
                faults.push(null_fault(place, "the facet", mend));
                continue;
            }
            other => {
                let message = format!("a facet is an object, found {other}");
                faults.push(fault(place, "type", message, Mend::None));
                continue;
            }
        }
        for fault in base(facet, place, container) {
            faults.push(fault);
        }
        members::facet(&name, facet, place, container, faults);
    }
}

/// What `BaseFacet`, and the definition of the container's facets, have against a facet.
pub(super) fn base<'t>(facet: Json<'t>, place: Place<'_>, container: Container) -> Vec<Fault<'t>> {
    let members = facet.members();
    let (mut faults, mut lacking) = (Vec::new(), Vec::new());
    for (required, label) in [
        ("_producer", Label::Producer),
        ("_schemaURL", Label::Schema),
    ] {
        let unsaid = || unsaid(label, container);
        match last(&members, required) {
            None => lacking.push((required, unsaid())),
            Some(value) if value.kind() == "null" => {
                let mend = Mend::Value(value, unsaid());
                faults.push(null_fault(place.child(required), required, mend));
            }
            Some(value) => faults.extend(uri(value, place.child(required), label, unsaid)),
        }
    }
    if !lacking.is_empty() {
        let names: Vec<&str> = lacking.iter().map(|(name, _)| *name).collect();
        let message = format!("a facet needs {}", names.join(" and "));
        let added = lacking
            .into_iter()
            .map(|(name, value)| (Cow::Borrowed(name), value))
            .collect();
        faults.push(fault(place, "required", message, Mend::Add(facet, added)));
    }
    faults.extend(deleted(facet, &members, place, container));
    faults
}

/// `_deleted`. Null is taken out of any facet: the specification keeps names with an underscore for itself.
fn deleted<'t>(
    facet: Json<'t>,
    members: &[Member<'t>],
    place: Place<'_>,
    container: Container,
) -> Option<Fault<'t>> {
    let deleted = last(members, "_deleted")?;
    let place = place.child("_deleted");
    match deleted.kind() {
        "boolean" => None,
        "null" => {
            let mend = Mend::Remove(facet, vec![Cow::Borrowed("_deleted")]);
            let fault = null_fault(place, "_deleted", mend);
            Some(match container.is_deletable() {
                true => fault,
                false => fault.untyped(),
            })
        }
        other => container.is_deletable().then(|| {
            let message = format!("_deleted is a boolean, found {other}");
            fault(place, "type", message, Mend::None)
        }),
    }
}

/// What stands where a facet does not say its producer or its schema: that nobody said, and the base definition.
fn unsaid(label: Label, container: Container) -> String {
    match label {
        Label::Producer => quote(formats::UNKNOWN_PRODUCER),
        Label::Schema => quote(&formats::definition(container.definition())),
    }
}

/// The members that count, by decoded name: of duplicates, the last.
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

/// A string, and what `judge` has to say about it.
pub(super) fn text_of<'t>(
    value: Json<'t>,
    place: Place<'_>,
    judge: impl FnOnce(&str, Place<'_>) -> Option<Fault<'t>>,
) -> Option<Fault<'t>> {
    match value.string() {
        Some(text) => judge(&text, place),
        None => {
            let message = format!("a string is expected, found {}", value.kind());
            Some(fault(place, "type", message, Mend::None))
        }
    }
}

/// A URI; what is none becomes one, and an empty text what is `unsaid` (as JSON).
pub(super) fn uri<'t>(
    value: Json<'t>,
    place: Place<'_>,
    label: Label,
    unsaid: impl FnOnce() -> String,
) -> Option<Fault<'t>> {
    text_of(value, place, |text, place| {
        (!formats::uri(text)).then(|| {
            let meant = formats::repair_uri(text, label).map(|meant| quote(&meant));
            let message = format!("not a URI with a scheme (RFC 3986): {:?}", excerpt(text));
            fault(
                place,
                "uri",
                message,
                Mend::Value(value, meant.unwrap_or_else(unsaid)),
            )
        })
    })
}
