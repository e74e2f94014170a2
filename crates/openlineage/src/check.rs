//! The verdict: an event is held against the core schema (OpenLineage.json 2-0-2), branch by branch of its `oneOf`.
//!
//! One walk serves both levels: each finding carries the edit that would put it right, if there is one. Strict
//! means no findings; repair means that every finding has an edit. Facets are held to `BaseFacet` only: what their own
//! schemas say is repaired in `check/members.rs`, and warned of in `facets.rs`. Called by `Event::read`.

mod facets;
mod members;
mod run_ids;

use crate::Level;
use crate::fault::{Fault, Faults, Mend, at, fault, null_fault};
use crate::finding::{Finding, Findings, Place, excerpt};
use crate::formats::{self, Label};
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};

pub(crate) use self::run_ids::RunIds;

use self::facets::{facets, text_of, uri};

/// Which branch of the schema's `oneOf` an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Run,
    Job,
    Dataset,
}

/// An event that is one, and how its text has to change for that.
pub(crate) struct Accepted {
    pub(crate) kind: Kind,
    pub(crate) repairs: Vec<Finding>,
    /// The repaired text, when anything was repaired.
    pub(crate) text: Option<String>,
}

/// Holds the value `root` of `text` against the core schema.
pub(crate) fn event(text: &str, root: Json<'_>, level: Level) -> Result<Accepted, Findings> {
    if !root.is_object() {
        return Err(Findings::one(at(
            Place::ROOT,
            "type",
            format!("an event is an object, found {}", root.kind()),
        )));
    }
    let members = root.members();
    let mut branches: Vec<(Kind, Faults<'_>)> = candidates(&members, level)
        .iter()
        .map(|kind| (*kind, branch(*kind, root, &members, level)))
        .collect();
    if let [(Kind::Job, job), (Kind::Dataset, dataset)] = branches.as_slice() {
        let readable =
            |faults: &Faults<'_>| faults.is_empty() || level != Level::Strict && faults.mend();
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
                return Err(Findings::one(at(Place::ROOT, "oneOf", message.to_owned())));
            }
        }
    }
    let Some((kind, mut faults)) = branches.pop() else {
        let message =
            "none of run, job and dataset: an event is one of RunEvent, JobEvent, DatasetEvent";
        let mut faults = Faults::new(level);
        faults.push(fault(Place::ROOT, "oneOf", message.to_owned(), Mend::None));
        base(Kind::Run, root, &members, &mut faults);
        return Err(faults.findings());
    };
    if faults.is_empty() && !faults.has_inner() {
        return Ok(Accepted {
            kind,
            repairs: Vec::new(),
            text: None,
        });
    }
    if level == Level::Strict || !faults.mend() {
        return Err(faults.findings());
    }
    run_ids::keep(kind, &members, &mut faults);
    let (repairs, text) = faults.repair(text);
    Ok(Accepted {
        kind,
        repairs,
        text: Some(text),
    })
}

/// The branches that the keys leave open: `run` rules out a JobEvent, `run` with `job` a DatasetEvent. To the schema a
/// null is there; to a repair it is not.
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

fn branch<'t>(kind: Kind, root: Json<'t>, members: &[Member<'t>], level: Level) -> Faults<'t> {
    let mut faults = Faults::new(level);
    base(kind, root, members, &mut faults);
    let others: &[&'static str] = match kind {
        Kind::Run => {
            event_type(root, members, &mut faults);
            run(members, &mut faults);
            identity("job", Container::Job, members, &mut faults);
            datasets(members, &mut faults);
            &["dataset"]
        }
        Kind::Job => {
            identity("job", Container::Job, members, &mut faults);
            datasets(members, &mut faults);
            &["run", "dataset", "eventType"]
        }
        Kind::Dataset => {
            identity("dataset", Container::Dataset, members, &mut faults);
            &["run", "job", "eventType", "inputs", "outputs"]
        }
    };
    // Clients with optional fields send those of the other kinds as null.
    if faults.repairs() {
        let nulls = (others.iter())
            .filter(|name| last(members, name).is_some_and(|value| value.kind() == "null"));
        for name in nulls {
            let mend = Mend::Remove(root, vec![(*name).into()]);
            faults.push(null_fault(Place::ROOT.child(name), name, mend));
        }
    }
    faults
}

/// `BaseEvent`: eventTime, producer, schemaURL.
fn base<'t>(kind: Kind, root: Json<'t>, members: &[Member<'t>], faults: &mut Faults<'t>) {
    match last(members, "eventTime") {
        None => faults.push(missing(Place::ROOT, "eventTime")),
        Some(value) => faults.extend(text_of(
            value,
            Place::ROOT.child("eventTime"),
            |text, place| {
                if formats::date_time(text).is_some() {
                    return None;
                }
                let message = format!("not an RFC 3339 date-time: {:?}", excerpt(text));
                Some(match formats::repair_date_time(text) {
                    Ok(new) => fault(place, "date-time", message, Mend::Value(value, quote(&new))),
                    Err(why) => {
                        let message = format!("{message}{}", why.said());
                        fault(place, "date-time", message, Mend::None)
                    }
                })
            },
        )),
    }
    match last(members, "producer") {
        None => faults.push(missing(Place::ROOT, "producer")),
        Some(value) => {
            let place = Place::ROOT.child("producer");
            let unsaid = || quote(formats::UNKNOWN_PRODUCER);
            faults.extend(uri(value, place, Label::Producer, unsaid));
        }
    }
    let place = Place::ROOT.child("schemaURL");
    let definition = match kind {
        Kind::Run => "RunEvent",
        Kind::Job => "JobEvent",
        Kind::Dataset => "DatasetEvent",
    };
    let url = || quote(&formats::definition(definition));
    match last(members, "schemaURL") {
        None => {
            let mend = Mend::Add(root, vec![("schemaURL".into(), url())]);
            let message = "schemaURL is missing".to_owned();
            faults.push(fault(place, "required", message, mend));
        }
        Some(value) if value.kind() == "null" => {
            faults.push(null_fault(place, "schemaURL", Mend::Value(value, url())));
        }
        Some(value) => faults.extend(uri(value, place, Label::Schema, url)),
    }
}

fn event_type<'t>(root: Json<'t>, members: &[Member<'t>], faults: &mut Faults<'t>) {
    const TYPES: [&str; 6] = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
    let Some(value) = last(members, "eventType") else {
        return;
    };
    let place = Place::ROOT.child("eventType");
    if value.kind() == "null" {
        let mend = Mend::Remove(root, vec!["eventType".into()]);
        return faults.push(null_fault(place, "eventType", mend));
    }
    faults.extend(text_of(value, place, |text, place| {
        let meant = text.trim().to_ascii_uppercase();
        let mend = || match TYPES.contains(&meant.as_str()) {
            true => Mend::Value(value, quote(&meant)),
            false => Mend::None,
        };
        let message = || format!("one of {}, not {:?}", TYPES.join(", "), excerpt(text));
        (!TYPES.contains(&text)).then(|| fault(place, "enum", message(), mend()))
    }));
}

fn run<'t>(members: &[Member<'t>], faults: &mut Faults<'t>) {
    let place = Place::ROOT.child("run");
    let Some(run) = object(last(members, "run"), Place::ROOT, "run", faults) else {
        return;
    };
    let members = run.members();
    match last(&members, "runId") {
        None => faults.push(missing(place, "runId")),
        Some(value) => {
            let fault = text_of(value, place.child("runId"), |text, place| {
                match faults.names_run() {
                    true => run_ids::fault_of(value, text, place, faults.run_ids()),
                    false => run_ids::fault_of_uuid(value, text, place),
                }
            });
            faults.extend(fault);
        }
    }
    let place = place.child("facets");
    facets(last(&members, "facets"), place, Container::Run, faults);
}

/// A job or a dataset at the top of the event.
fn identity<'t>(
    name: &'static str,
    container: Container,
    members: &[Member<'t>],
    faults: &mut Faults<'t>,
) {
    let place = Place::ROOT.child(name);
    if let Some(value) = object(last(members, name), Place::ROOT, name, faults) {
        named(value, place, container, faults);
    }
}

/// Namespace, name and facets, as jobs and datasets have them. Gives the members.
fn named<'t>(
    value: Json<'t>,
    place: Place<'_>,
    container: Container,
    faults: &mut Faults<'t>,
) -> Vec<Member<'t>> {
    let members = value.members();
    for name in ["namespace", "name"] {
        match last(&members, name) {
            None => faults.push(missing(place, name)),
            Some(value) => faults.extend(text_of(value, place.child(name), |_, _| None)),
        }
    }
    let place = place.child("facets");
    facets(last(&members, "facets"), place, container, faults);
    members
}

fn datasets<'t>(members: &[Member<'t>], faults: &mut Faults<'t>) {
    for (list, own, container) in [
        ("inputs", "inputFacets", Container::Input),
        ("outputs", "outputFacets", Container::Output),
    ] {
        let Some(value) = last(members, list) else {
            continue;
        };
        let place = Place::ROOT.child(list);
        match value.kind() {
            "array" => {}
            "null" => {
                faults.push(null_fault(place, list, Mend::Value(value, "[]".to_owned())));
                continue;
            }
            other => {
                faults.push(fault(
                    place,
                    "type",
                    format!("{list} is an array, found {other}"),
                    Mend::None,
                ));
                continue;
            }
        }
        for (index, dataset) in value.items().into_iter().enumerate() {
            let index = index.to_string();
            let place = place.child(&index);
            match dataset.kind() {
                "object" => {
                    let members = named(dataset, place, Container::Dataset, faults);
                    facets(last(&members, own), place.child(own), container, faults);
                }
                // A list may have any number of datasets, so each may be missing.
                "null" => {
                    faults.push(null_fault(place, "the dataset", Mend::RemoveNulls(value)));
                }
                other => {
                    let message = format!("a dataset is an object, found {other}");
                    faults.push(fault(place, "type", message, Mend::None));
                }
            }
        }
    }
}

fn missing<'t>(place: Place<'_>, name: &'static str) -> Fault<'t> {
    fault(
        place.child(name),
        "required",
        format!("{name} is missing"),
        Mend::None,
    )
}

/// A required object; says so when it is not there or no object.
fn object<'t>(
    value: Option<Json<'t>>,
    parent: Place<'_>,
    name: &'static str,
    faults: &mut Faults<'t>,
) -> Option<Json<'t>> {
    match value {
        None => faults.push(missing(parent, name)),
        Some(value) if value.is_object() => return Some(value),
        Some(value) => {
            let message = format!("{name} is an object, found {}", value.kind());
            faults.push(fault(parent.child(name), "type", message, Mend::None));
        }
    }
    None
}
