//! Run ids that are no UUIDs: each becomes one, the same for the same text wherever it stands, and the text is kept.
//!
//! Schedulers send their own (`manual__2026-01-01T00:00:00+00:00`, `77123#88#99`). Refusing them loses the lineage, and
//! a target that hashes only some of the places splits a child from its parent.

use std::borrow::Cow;

use uuid::Uuid;

use crate::fault::{Fault, Faults, Mend, fault};
use crate::finding::{Place, cut, excerpt};
use crate::formats;
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};

use super::Kind;

/// The facet that keeps the texts: of the run, or of the job or dataset that an event without a run is about.
const FACET: &str = "lineageProxy_originalRunIds";

/// How many texts are kept of one event, and how many characters of each. More than a scheduler gives; so that an event
/// of nothing but ids does not double.
const MOST: usize = 100;
const LONGEST: usize = 1_000;

/// The texts that became UUIDs.
#[derive(Default)]
pub(crate) struct RunIds {
    kept: Vec<(Uuid, String)>,
}

/// What is to be said about a run id, and the UUID that any text becomes. An empty one is nobody's.
pub(super) fn fault_of<'t>(
    value: Json<'t>,
    text: &str,
    place: Place<'_>,
    ids: &mut RunIds,
) -> Option<Fault<'t>> {
    if formats::uuid(text).is_some() {
        return None;
    }
    if text.trim().is_empty() || formats::repair_uuid(text).is_some() {
        return fault_of_uuid(value, text, place);
    }
    let id = formats::name_based_uuid(text);
    ids.keep(id, text);
    let message = format!("{}; the facet {FACET} keeps the text", no_uuid(text));
    let mend = Mend::Value(value, quote(&id.to_string()));
    Some(fault(place, "uuid", message, mend))
}

/// What is to be said about a run id that only another spelling of a UUID becomes.
pub(super) fn fault_of_uuid<'t>(
    value: Json<'t>,
    text: &str,
    place: Place<'_>,
) -> Option<Fault<'t>> {
    if formats::uuid(text).is_some() {
        return None;
    }
    let mend =
        formats::repair_uuid(text).map_or(Mend::None, |meant| Mend::Value(value, quote(&meant)));
    let mut message = no_uuid(text);
    if text.trim().is_empty() {
        message.push_str("; a run id is not empty");
    }
    Some(fault(place, "uuid", message, mend))
}

/// Adds the facet, when a text became a UUID.
pub(super) fn keep<'t>(kind: Kind, members: &[Member<'t>], faults: &mut Faults<'t>) {
    let (holder, container) = match kind {
        Kind::Run => ("run", Container::Run),
        Kind::Job => ("job", Container::Job),
        Kind::Dataset => ("dataset", Container::Dataset),
    };
    let Some(holder) = last(members, holder) else {
        return;
    };
    let Some(facet) = faults.run_ids().facet(container) else {
        return;
    };
    match last(&holder.members(), "facets") {
        None => faults.add(holder, "facets".into(), named(FACET, &facet)),
        Some(facets) if facets.kind() == "null" => faults.fill(facets, named(FACET, &facet)),
        Some(facets) => faults.add(facets, free(facets), facet),
    }
}

impl RunIds {
    fn keep(&mut self, id: Uuid, text: &str) {
        if self.kept.len() < MOST && !self.kept.iter().any(|(kept, _)| *kept == id) {
            self.kept.push((id, cut(text, LONGEST).into_owned()));
        }
    }

    fn facet(&self, container: Container) -> Option<String> {
        if self.kept.is_empty() {
            return None;
        }
        let run = |(id, text): &(Uuid, String)| {
            format!(r#"{{"runId":"{id}","original":{}}}"#, quote(text))
        };
        let runs: Vec<String> = self.kept.iter().map(run).collect();
        Some(format!(
            r#"{{"_producer":"urn:lineage-proxy","_schemaURL":{},"runs":[{}]}}"#,
            quote(&formats::definition(container.definition())),
            runs.join(",")
        ))
    }
}

fn no_uuid(text: &str) -> String {
    format!("not a UUID: {:?}", excerpt(text))
}

fn named(name: &str, value: &str) -> String {
    format!("{{{}:{value}}}", quote(name))
}

/// The name of the facet, or the first with a number that is not taken: an event can have come through a proxy before.
fn free(facets: Json<'_>) -> Cow<'static, str> {
    let members = facets.members();
    let taken: Vec<Cow<'_, str>> = members
        .iter()
        .filter_map(|member| member.key.string())
        .filter(|name| name.starts_with(FACET))
        .collect();
    if !taken.iter().any(|name| name == FACET) {
        return Cow::Borrowed(FACET);
    }
    let numbered = |n: usize| format!("{FACET}_{n}");
    let free = (2..)
        .map(numbered)
        .find(|name| !taken.iter().any(|taken| taken == name));
    Cow::Owned(free.unwrap_or_else(|| numbered(1)))
}
