//! Validates an event against the core schema (OpenLineage.json 2-0-2), branch by branch of its `oneOf`.
//!
//! One walk serves both levels: each finding carries the edit that repairs it, if one exists. Strict
//! accepts no findings; repair requires an edit for every finding. Facets are checked against `BaseFacet` only; their own
//! schemas are used for repairs in `check/members.rs` and for warnings in `facets.rs`. The parts of an event are in
//! `check/parts.rs`. Called by `Event::read`.

mod facets;
mod members;
mod parts;
mod run_ids;

use crate::Level;
use crate::finding::{Finding, Findings, Location, excerpt};
use crate::formats::{self, Label};
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};
use crate::violation::{Repair, Violations, at, null_violation, violation};

pub(crate) use self::run_ids::RunIds;

use self::facets::{text_of, uri};
use self::parts::{datasets, event_type, identity, missing, run};

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
