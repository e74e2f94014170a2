//! Replaces run ids that are not UUIDs: the same text becomes the same UUID everywhere, and the text is kept.
//!
//! Schedulers send ids of their own (`manual__2026-01-01T00:00:00+00:00`, `77123#88#99`). Rejecting them loses the lineage, and
//! a target that hashes only some of the positions separates a child run from its parent.

use std::borrow::Cow;

use uuid::Uuid;

use crate::finding::{Location, cut, excerpt};
use crate::formats;
use crate::holders::Kind as Container;
use crate::json::{Json, Member, last, quote};
use crate::violation::{Repair, Violation, Violations, violation};

use super::Kind;

/// The facet that keeps the original texts: on the run, or on the job or dataset of an event without a run.
const FACET: &str = "lineageProxy_originalRunIds";

/// How many texts are kept per event, and how many characters of each: more than a scheduler sends. Bounded so that an event
/// that consists of ids does not double in size.
const MOST: usize = 100;
const LONGEST: usize = 1_000;

/// The texts that were replaced by UUIDs.
#[derive(Default)]
pub(crate) struct RunIds {
    kept: Vec<(Uuid, String)>,
}

/// Checks a run id and repairs it to a UUID. An empty id has no repair.
pub(super) fn violation_of_run_id<'t>(
    value: Json<'t>,
    text: &str,
    location: Location<'_>,
    ids: &mut RunIds,
) -> Option<Violation<'t>> {
    if formats::uuid(text).is_some() {
        return None;
    }
    if text.trim().is_empty() || formats::repair_uuid(text).is_some() {
        return violation_of_uuid(value, text, location);
    }
    let id = formats::name_based_uuid(text);
    ids.keep(id, text);
    let message = format!("{}; the facet {FACET} keeps the text", not_a_uuid(text));
    let repair = Repair::Value(value, quote(&id.to_string()));
    Some(violation(location, "uuid", message, repair))
}

/// Checks a run id and repairs only other spellings of a UUID.
pub(super) fn violation_of_uuid<'t>(
    value: Json<'t>,
    text: &str,
    location: Location<'_>,
) -> Option<Violation<'t>> {
    if formats::uuid(text).is_some() {
        return None;
    }
    let repair = formats::repair_uuid(text)
        .map_or(Repair::None, |meant| Repair::Value(value, quote(&meant)));
    let mut message = not_a_uuid(text);
    if text.trim().is_empty() {
        message.push_str("; a run id is not empty");
    }
    Some(violation(location, "uuid", message, repair))
}

/// Adds the facet if any text was replaced.
pub(super) fn keep<'t>(kind: Kind, members: &[Member<'t>], violations: &mut Violations<'t>) {
    let (holder, container) = match kind {
        Kind::Run => ("run", Container::Run),
        Kind::Job => ("job", Container::Job),
        Kind::Dataset => ("dataset", Container::Dataset),
    };
    let Some(holder) = last(members, holder) else {
        return;
    };
    let Some(facet) = violations.run_ids().facet(container) else {
        return;
    };
    match last(&holder.members(), "facets") {
        None => violations.add(holder, "facets".into(), named(FACET, &facet)),
        Some(facets) if facets.kind() == "null" => violations.fill(facets, named(FACET, &facet)),
        Some(facets) => violations.add(facets, free(facets), facet),
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

fn not_a_uuid(text: &str) -> String {
    format!("not a UUID: {:?}", excerpt(text))
}

fn named(name: &str, value: &str) -> String {
    format!("{{{}:{value}}}", quote(name))
}

/// The name of the facet, with a number if it is taken: the event may have passed a proxy before.
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
