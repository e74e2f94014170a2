//! The verdict: an event is held against the core schema (OpenLineage.json 2-0-2), branch by branch of its `oneOf`.
//!
//! One walk serves both levels: each finding carries the edit that would put it right, if there is one. Strict
//! means no findings; repair means that every finding has an edit. Facets are held to `BaseFacet` only: their own
//! schemas are `facets.rs`. Called by `Event::read`.

mod facets;

use crate::Level;
use crate::fault::{Fault, Faults, Mend, at, fault};
use crate::finding::{Finding, Findings, Place, excerpt};
use crate::formats;
use crate::json::{Json, Member, last, quote};

use self::facets::{DATASET, Facets, INPUT, JOB, OUTPUT, RUN, facets, null, text_of, uri};

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
    let mut branches: Vec<(Kind, Faults<'_>)> = candidates(&members)
        .iter()
        .map(|kind| (*kind, branch(*kind, root, &members)))
        .collect();
    if let [(Kind::Job, job), (Kind::Dataset, dataset)] = branches.as_slice() {
        let readable =
            |faults: &Faults<'_>| faults.is_empty() || level == Level::Repair && faults.mend();
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
    let Some((kind, faults)) = branches.pop() else {
        let message =
            "none of run, job and dataset: an event is one of RunEvent, JobEvent, DatasetEvent";
        let mut faults = Faults::default();
        base(Kind::Run, root, &members, &mut faults);
        let mut findings = faults.findings();
        findings.say(|| at(Place::ROOT, "oneOf", message.to_owned()));
        return Err(findings);
    };
    if faults.is_empty() {
        return Ok(Accepted {
            kind,
            repairs: Vec::new(),
            text: None,
        });
    }
    if level == Level::Strict || !faults.mend() {
        return Err(faults.findings());
    }
    let (repairs, text) = faults.repair(text);
    Ok(Accepted {
        kind,
        repairs,
        text: Some(text),
    })
}

/// The branches that the keys leave open: `run` rules out a JobEvent, `run` with `job` a DatasetEvent.
fn candidates(members: &[Member<'_>]) -> &'static [Kind] {
    let has = |name| last(members, name).is_some();
    match (has("run"), has("job"), has("dataset")) {
        (true, true, _) | (true, false, false) => &[Kind::Run],
        (true, false, true) | (false, false, true) => &[Kind::Dataset],
        (false, true, false) => &[Kind::Job],
        (false, true, true) => &[Kind::Job, Kind::Dataset],
        (false, false, false) => &[],
    }
}

fn branch<'t>(kind: Kind, root: Json<'t>, members: &[Member<'t>]) -> Faults<'t> {
    let mut faults = Faults::default();
    base(kind, root, members, &mut faults);
    match kind {
        Kind::Run => {
            event_type(root, members, &mut faults);
            run(members, &mut faults);
            identity("job", JOB, members, &mut faults);
            datasets(members, &mut faults);
        }
        Kind::Job => {
            identity("job", JOB, members, &mut faults);
            datasets(members, &mut faults);
        }
        Kind::Dataset => identity("dataset", DATASET, members, &mut faults),
    }
    faults
}

/// `BaseEvent`: eventTime, producer, schemaURL.
fn base<'t>(kind: Kind, root: Json<'t>, members: &[Member<'t>], faults: &mut Faults<'t>) {
    match last(members, "eventTime") {
        None => faults.push(missing(Place::ROOT, "eventTime")),
        Some(value) => text_of(
            value,
            Place::ROOT.child("eventTime"),
            faults,
            |text, place| {
                let mend = |text: &str| {
                    formats::repair_date_time(text)
                        .map_or(Mend::None, |new| Mend::Value(value, quote(&new)))
                };
                let message = || format!("not an RFC 3339 date-time: {:?}", excerpt(text));
                formats::date_time(text)
                    .is_none()
                    .then(|| fault(place, "date-time", message(), mend(text)))
            },
        ),
    }
    match last(members, "producer") {
        None => faults.push(missing(Place::ROOT, "producer")),
        Some(value) => uri(value, Place::ROOT.child("producer"), faults),
    }
    match last(members, "schemaURL") {
        None => {
            let definition = match kind {
                Kind::Run => "RunEvent",
                Kind::Job => "JobEvent",
                Kind::Dataset => "DatasetEvent",
            };
            let url = quote(&format!(
                "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{definition}"
            ));
            let mend = Mend::Add(root, vec![("schemaURL", url)]);
            faults.push(fault(
                Place::ROOT.child("schemaURL"),
                "required",
                "schemaURL is missing".to_owned(),
                mend,
            ));
        }
        Some(value) => uri(value, Place::ROOT.child("schemaURL"), faults),
    }
}

fn event_type<'t>(root: Json<'t>, members: &[Member<'t>], faults: &mut Faults<'t>) {
    const TYPES: [&str; 6] = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];
    let Some(value) = last(members, "eventType") else {
        return;
    };
    let place = Place::ROOT.child("eventType");
    if value.kind() == "null" {
        return faults.push(null(place, "eventType", Mend::Remove(root, "eventType")));
    }
    text_of(value, place, faults, |text, place| {
        let meant = text.trim().to_ascii_uppercase();
        let mend = || match TYPES.contains(&meant.as_str()) {
            true => Mend::Value(value, quote(&meant)),
            false => Mend::None,
        };
        let message = || format!("one of {}, not {:?}", TYPES.join(", "), excerpt(text));
        (!TYPES.contains(&text)).then(|| fault(place, "enum", message(), mend()))
    });
}

fn run<'t>(members: &[Member<'t>], faults: &mut Faults<'t>) {
    let place = Place::ROOT.child("run");
    let Some(run) = object(last(members, "run"), Place::ROOT, "run", faults) else {
        return;
    };
    let members = run.members();
    match last(&members, "runId") {
        None => faults.push(missing(place, "runId")),
        Some(value) => text_of(value, place.child("runId"), faults, |text, place| {
            let mend = || {
                formats::repair_uuid(text).map_or(Mend::None, |new| Mend::Value(value, quote(&new)))
            };
            let message = || format!("not a UUID: {:?}", excerpt(text));
            formats::uuid(text)
                .is_none()
                .then(|| fault(place, "uuid", message(), mend()))
        }),
    }
    facets(last(&members, "facets"), place.child("facets"), RUN, faults);
}

/// A job or a dataset at the top of the event.
fn identity<'t>(
    name: &'static str,
    holds: Facets,
    members: &[Member<'t>],
    faults: &mut Faults<'t>,
) {
    let place = Place::ROOT.child(name);
    if let Some(value) = object(last(members, name), Place::ROOT, name, faults) {
        named(value, place, holds, faults);
    }
}

/// Namespace, name and facets, as jobs and datasets have them. Gives the members.
fn named<'t>(
    value: Json<'t>,
    place: Place<'_>,
    holds: Facets,
    faults: &mut Faults<'t>,
) -> Vec<Member<'t>> {
    let members = value.members();
    for name in ["namespace", "name"] {
        match last(&members, name) {
            None => faults.push(missing(place, name)),
            Some(value) => text_of(value, place.child(name), faults, |_, _| None),
        }
    }
    facets(
        last(&members, "facets"),
        place.child("facets"),
        holds,
        faults,
    );
    members
}

fn datasets<'t>(members: &[Member<'t>], faults: &mut Faults<'t>) {
    for (list, own, holds) in [
        ("inputs", "inputFacets", INPUT),
        ("outputs", "outputFacets", OUTPUT),
    ] {
        let Some(value) = last(members, list) else {
            continue;
        };
        let place = Place::ROOT.child(list);
        match value.kind() {
            "array" => {}
            "null" => {
                faults.push(null(place, list, Mend::Value(value, "[]".to_owned())));
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
            if dataset.is_object() {
                let members = named(dataset, place, DATASET, faults);
                facets(last(&members, own), place.child(own), holds, faults);
            } else {
                let message = format!("a dataset is an object, found {}", dataset.kind());
                faults.push(fault(place, "type", message, Mend::None));
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
