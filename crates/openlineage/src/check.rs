//! Validates an event against the core schema (OpenLineage.json 2-0-2), branch by branch of its `oneOf`.
//!
//! One walk serves both levels: each finding carries the edit that repairs it, if one exists. Strict
//! accepts no findings; repair requires an edit for every finding. Facets are checked against `BaseFacet` only; their own
//! schemas are used for repairs in `check/members.rs` and for warnings in `facets.rs`. Called by `Event::read`.

mod facets;
mod members;
mod run_ids;

use crate::Level;
use crate::finding::{Finding, Findings, Location, excerpt};
use crate::formats::{self, Label};
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};
use crate::violation::{Repair, Violation, Violations, at, null_violation, violation};

pub(crate) use self::run_ids::RunIds;

use self::facets::{facets, text_of, uri};

/// Which branch of the schema's `oneOf` an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    Job,
    Dataset,
}

/// The kind of a valid event, and its repairs.
pub(crate) struct Acceptance {
    pub(crate) kind: Kind,
    pub(crate) repairs: Vec<Finding>,
    /// The repaired text, if anything was repaired.
    pub(crate) text: Option<String>,
}

/// Validates the value `root` of `text`, which has these members, against the core schema.
pub(crate) fn event(
    text: &str,
    root: Json<'_>,
    members: &[Member<'_>],
    level: Level,
) -> Result<Acceptance, Findings> {
    if !root.is_object() {
        return Err(Findings::one(at(
            Location::ROOT,
            "type",
            format!("an event is an object, found {}", root.kind()),
        )));
    }
    let mut branches: Vec<(Kind, Violations<'_>)> = candidates(members, level)
        .iter()
        .map(|kind| (*kind, branch(*kind, root, members, level)))
        .collect();
    if let [(Kind::Job, job), (Kind::Dataset, dataset)] = branches.as_slice() {
        let readable = |violations: &Violations<'_>| {
            violations.is_empty() || level != Level::Strict && violations.are_repairable()
        };
        // Strict first: what the schema accepts needs no repair, and a repair must not make it ambiguous.
        let chosen = match (job.is_empty(), dataset.is_empty()) {
            (true, false) => Some(Kind::Job),
            (false, true) => Some(Kind::Dataset),
            (true, true) => None,
            (false, false) => match (readable(job), readable(dataset)) {
                (true, false) => Some(Kind::Job),
                (false, true) => Some(Kind::Dataset),
                (true, true) | (false, false) => None,
            },
        };
        match chosen {
            Some(kind) => branches.retain(|(branch, _)| *branch == kind),
            None => {
                let message = "both a job and a dataset but no run: an event is one of RunEvent, JobEvent, DatasetEvent";
                return Err(Findings::one(at(
                    Location::ROOT,
                    "oneOf",
                    message.to_owned(),
                )));
            }
        }
    }
    let Some((kind, mut violations)) = branches.pop() else {
        let message =
            "none of run, job and dataset: an event is one of RunEvent, JobEvent, DatasetEvent";
        let mut violations = Violations::new(level);
        violations.push(violation(
            Location::ROOT,
            "oneOf",
            message.to_owned(),
            Repair::None,
        ));
        base(Kind::Run, root, members, &mut violations);
        return Err(violations.findings());
    };
    if violations.is_empty() && !violations.has_inner() {
        return Ok(Acceptance {
            kind,
            repairs: Vec::new(),
            text: None,
        });
    }
    if level == Level::Strict || !violations.are_repairable() {
        return Err(violations.findings());
    }
    run_ids::keep(kind, members, &mut violations);
    let (repairs, text) = violations.repair(text);
    Ok(Acceptance {
        kind,
        repairs,
        text: Some(text),
    })
}

/// Returns the kind of an event with these members, if they allow only one.
pub(crate) fn kind(members: &[Member<'_>]) -> Option<Kind> {
    match candidates(members, Level::Strict) {
        [kind] => Some(*kind),
        _ => None,
    }
}

/// The branches that the members allow: `run` rules out a JobEvent, `run` with `job` a DatasetEvent. To the schema a
/// null is present; to a repair it is absent.
fn candidates(members: &[Member<'_>], level: Level) -> &'static [Kind] {
    let is_there = |value: Json<'_>| level == Level::Strict || value.kind() != "null";
    let has = |name| last(members, name).is_some_and(is_there);
    match (has("run"), has("job"), has("dataset")) {
        (true, true, _) | (true, false, false) => &[Kind::Run],
        (true, false, true) | (false, false, true) => &[Kind::Dataset],
        (false, true, false) => &[Kind::Job],
        (false, true, true) => &[Kind::Job, Kind::Dataset],
        (false, false, false) => &[],
    }
}

fn branch<'t>(kind: Kind, root: Json<'t>, members: &[Member<'t>], level: Level) -> Violations<'t> {
    let mut violations = Violations::new(level);
    base(kind, root, members, &mut violations);
    let others: &[&'static str] = match kind {
        Kind::Run => {
            event_type(root, members, &mut violations);
            run(members, &mut violations);
            identity("job", Container::Job, members, &mut violations);
            datasets(members, &mut violations);
            &["dataset"]
        }
        Kind::Job => {
            identity("job", Container::Job, members, &mut violations);
            datasets(members, &mut violations);
            &["run", "dataset", "eventType"]
        }
        Kind::Dataset => {
            identity("dataset", Container::Dataset, members, &mut violations);
            &["run", "job", "eventType", "inputs", "outputs"]
        }
    };
    // Clients with optional fields send those of other kinds as null.
    if violations.repairs_allowed() {
        let nulls = (others.iter())
            .filter(|name| last(members, name).is_some_and(|value| value.kind() == "null"));
        for name in nulls {
            let repair = Repair::Remove(root, vec![(*name).into()]);
            violations.push(null_violation(Location::ROOT.child(name), name, repair));
        }
    }
    violations
}

/// `BaseEvent`: eventTime, producer, schemaURL.
fn base<'t>(kind: Kind, root: Json<'t>, members: &[Member<'t>], violations: &mut Violations<'t>) {
    match last(members, "eventTime") {
        None => violations.push(missing(Location::ROOT, "eventTime")),
        Some(value) => violations.extend(text_of(
            value,
            Location::ROOT.child("eventTime"),
            |text, location| {
                if formats::date_time(text).is_some() {
                    return None;
                }
                let message = format!("not an RFC 3339 date-time: {:?}", excerpt(text));
                Some(match formats::repair_date_time(text) {
                    Ok(new) => violation(
                        location,
                        "date-time",
                        message,
                        Repair::Value(value, quote(&new)),
                    ),
                    Err(why) => {
                        let message = format!("{message}{}", why.explanation());
                        violation(location, "date-time", message, Repair::None)
                    }
                })
            },
        )),
    }
    match last(members, "producer") {
        None => violations.push(missing(Location::ROOT, "producer")),
        Some(value) => {
            let location = Location::ROOT.child("producer");
            let default_uri = || quote(formats::UNKNOWN_PRODUCER);
            violations.extend(uri(value, location, Label::Producer, default_uri));
        }
    }
    let location = Location::ROOT.child("schemaURL");
    let definition = match kind {
        Kind::Run => "RunEvent",
        Kind::Job => "JobEvent",
        Kind::Dataset => "DatasetEvent",
    };
    let url = || quote(&formats::definition(definition));
    match last(members, "schemaURL") {
        None => {
            let repair = Repair::Add(root, vec![("schemaURL".into(), url())]);
            let message = "schemaURL is missing".to_owned();
            violations.push(violation(location, "required", message, repair));
        }
        Some(value) if value.kind() == "null" => {
            violations.push(null_violation(
                location,
                "schemaURL",
                Repair::Value(value, url()),
            ));
        }
        Some(value) => violations.extend(uri(value, location, Label::Schema, url)),
    }
}

fn event_type<'t>(root: Json<'t>, members: &[Member<'t>], violations: &mut Violations<'t>) {
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

fn run<'t>(members: &[Member<'t>], violations: &mut Violations<'t>) {
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
fn identity<'t>(
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

fn datasets<'t>(members: &[Member<'t>], violations: &mut Violations<'t>) {
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

fn missing<'t>(location: Location<'_>, name: &'static str) -> Violation<'t> {
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
