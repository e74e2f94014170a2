//! Checks the parts of an event: its type, its run, and the jobs and datasets that it names.
//!
//! Which parts an event has is in `check.rs`, which calls this. Facets are in `facets.rs`.

use super::facets::{facets, text_of};
use super::run_ids;
use crate::finding::{Location, excerpt};
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};
use crate::violation::{Repair, Violation, Violations, null_violation, violation};

pub(super) fn event_type<'t>(
    root: Json<'t>,
    members: &[Member<'t>],
    violations: &mut Violations<'t>,
) {
    const TYPES: [&str; 6] = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
    let Some(value) = last(members, "eventType") else {
        return;
    };
    let location = Location::ROOT.child("eventType");
    if value.kind() == "null" {
        let repair = Repair::Remove(root, vec!["eventType".into()]);
        return violations.push(null_violation(location, "eventType", repair));
    }
    violations.extend(text_of(value, location, |text, location| {
        let meant = text.trim().to_ascii_uppercase();
        let repair = || match TYPES.contains(&meant.as_str()) {
            true => Repair::Value(value, quote(&meant)),
            false => Repair::None,
        };
        let message = || format!("one of {}, not {:?}", TYPES.join(", "), excerpt(text));
        (!TYPES.contains(&text)).then(|| violation(location, "enum", message(), repair()))
    }));
}

pub(super) fn run<'t>(members: &[Member<'t>], violations: &mut Violations<'t>) {
    let location = Location::ROOT.child("run");
    let Some(run) = object(last(members, "run"), Location::ROOT, "run", violations) else {
        return;
    };
    let members = run.members();
    match last(&members, "runId") {
        None => violations.push(missing(location, "runId")),
        Some(value) => {
            let violation =
                text_of(
                    value,
                    location.child("runId"),
                    |text, location| match violations.names_run() {
                        true => run_ids::violation_of_run_id(
                            value,
                            text,
                            location,
                            violations.run_ids(),
                        ),
                        false => run_ids::violation_of_uuid(value, text, location),
                    },
                );
            violations.extend(violation);
        }
    }
    let location = location.child("facets");
    facets(
        last(&members, "facets"),
        location,
        Container::Run,
        violations,
    );
}

/// A job or a dataset at the top of the event.
pub(super) fn identity<'t>(
    name: &'static str,
    container: Container,
    members: &[Member<'t>],
    violations: &mut Violations<'t>,
) {
    let location = Location::ROOT.child(name);
    if let Some(value) = object(last(members, name), Location::ROOT, name, violations) {
        named(value, location, container, violations);
    }
}

/// Checks namespace, name and facets of a job or dataset. Returns the members.
fn named<'t>(
    value: Json<'t>,
    location: Location<'_>,
    container: Container,
    violations: &mut Violations<'t>,
) -> Vec<Member<'t>> {
    let members = value.members();
    for name in ["namespace", "name"] {
        match last(&members, name) {
            None => violations.push(missing(location, name)),
            Some(value) => violations.extend(text_of(value, location.child(name), |_, _| None)),
        }
    }
    let location = location.child("facets");
    facets(last(&members, "facets"), location, container, violations);
    members
}

pub(super) fn datasets<'t>(members: &[Member<'t>], violations: &mut Violations<'t>) {
    for (list, own, container) in [
        ("inputs", "inputFacets", Container::Input),
        ("outputs", "outputFacets", Container::Output),
    ] {
        let Some(value) = last(members, list) else {
            continue;
        };
        let location = Location::ROOT.child(list);
        match value.kind() {
            "array" => {}
            "null" => {
                violations.push(null_violation(
                    location,
                    list,
                    Repair::Value(value, "[]".to_owned()),
                ));
                continue;
            }
            other => {
                violations.push(violation(
                    location,
                    "type",
                    format!("{list} is an array, found {other}"),
                    Repair::None,
                ));
                continue;
            }
        }
        for (index, dataset) in value.items().into_iter().enumerate() {
            let index = index.to_string();
            let location = location.child(&index);
            match dataset.kind() {
                "object" => {
                    let members = named(dataset, location, Container::Dataset, violations);
                    facets(
                        last(&members, own),
                        location.child(own),
                        container,
                        violations,
                    );
                }
                // A list may have any number of datasets, so each is optional.
                "null" => {
                    violations.push(null_violation(
                        location,
                        "the dataset",
                        Repair::RemoveNulls(value),
                    ));
                }
                other => {
                    let message = format!("a dataset is an object, found {other}");
                    violations.push(violation(location, "type", message, Repair::None));
                }
            }
        }
    }
}

pub(super) fn missing<'t>(location: Location<'_>, name: &'static str) -> Violation<'t> {
    violation(
        location.child(name),
        "required",
        format!("{name} is missing"),
        Repair::None,
    )
}

/// Returns a required object, or reports that it is missing or not an object.
fn object<'t>(
    value: Option<Json<'t>>,
    parent: Location<'_>,
    name: &'static str,
    violations: &mut Violations<'t>,
) -> Option<Json<'t>> {
    match value {
        None => violations.push(missing(parent, name)),
        Some(value) if value.is_object() => return Some(value),
        Some(value) => {
            let message = format!("{name} is an object, found {}", value.kind());
            violations.push(violation(parent.child(name), "type", message, Repair::None));
        }
    }
    None
}
