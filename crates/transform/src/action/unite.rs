//! Merges the entries of one dataset in a list of inputs or outputs, which a rename can produce, into one entry with
//! the union of their facets.
//!
//! Facets are merged by name. Lists of origins and annotations (column lineage, lineage, symlinks, tags, owners,
//! assertions) are merged entry by entry. Counts of rows, bytes and files are added up, because partitions of a table
//! are disjoint. Of any other facet that differs the later one is used, as in coalescing (`coalesce/merge.rs`). Works
//! on the text, so that numbers and the order of keys stay. Called by `rules/distinct.rs`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use openlineage::{Edits, Identity, Json, Member};

/// Facets whose lists and maps are merged entry by entry.
const DEEP: [&str; 6] = [
    "columnLineage",
    "lineage",
    "symlinks",
    "tags",
    "ownership",
    "dataQualityAssertions",
];

/// Facets whose counts are added up: `InputStatisticsInputDatasetFacet`, `OutputStatisticsOutputDatasetFacet`.
const COUNTS: [&str; 2] = ["inputStatistics", "outputStatistics"];

/// Returns the event `text` with each dataset of `which` at most once in its inputs and once in its outputs; `None` if
/// that is already so.
pub(crate) fn unite(text: &str, which: &HashSet<Identity>) -> Option<String> {
    let root = Json::parse(text).ok()?;
    let mut edits = Edits::new(text);
    let lists = root.members().into_iter();
    for list in lists.filter(|member| member.is("inputs") || member.is("outputs")) {
        unite_in(list.value, which, &mut edits);
    }
    (!edits.is_empty()).then(|| edits.apply())
}

fn unite_in(list: Json<'_>, which: &HashSet<Identity>, edits: &mut Edits<'_>) {
    let mut groups: HashMap<Identity, Vec<Json<'_>>> = HashMap::new();
    for item in list.items() {
        if let Some(name) = Identity::of(item).filter(|name| which.contains(name)) {
            groups.entry(name).or_default().push(item);
        }
    }
    let mut doomed: HashSet<*const u8> = HashSet::new();
    for (_, items) in groups {
        let Some((first, others)) = items.split_first().filter(|(_, others)| !others.is_empty())
        else {
            continue;
        };
        let united = union_of_all(&items);
        if united != first.text() {
            edits.replace(*first, united.into_owned());
        }
        doomed.extend(others.iter().map(|other| other.text().as_ptr()));
    }
    if !doomed.is_empty() {
        edits.remove_items(list, |item| doomed.contains(&item.text().as_ptr()));
    }
}

/// The kind of a value, which decides how two of them are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dataset,
    Facets,
    Deep,
    Counts,
    WholeNumber,
}

impl Kind {
    fn member(self, name: &str) -> Kind {
        match (self, name) {
            (Kind::Dataset, "facets" | "inputFacets" | "outputFacets") => Kind::Facets,
            (Kind::Facets, name) if DEEP.contains(&name) => Kind::Deep,
            (Kind::Facets, name) if COUNTS.contains(&name) => Kind::Counts,
            (Kind::Deep, "_producer" | "_schemaURL") => Kind::WholeNumber,
            (Kind::Deep, _) => Kind::Deep,
            (Kind::Counts, "rowCount" | "size" | "fileCount") => Kind::Counts,
            (Kind::Dataset | Kind::Facets | Kind::Counts | Kind::WholeNumber, _) => {
                Kind::WholeNumber
            }
        }
    }
}

/// Merges datasets pairwise in halves; one after the other, each step would read all merged text again.
fn union_of_all<'t>(items: &[Json<'t>]) -> Cow<'t, str> {
    match items {
        [] => Cow::Borrowed(""),
        [one] => Cow::Borrowed(one.text()),
        more => {
            let (some, others) = more.split_at(more.len() / 2);
            let (one, other) = (union_of_all(some), union_of_all(others));
            Cow::Owned(union_of(&one, &other, Kind::Dataset))
        }
    }
}

/// Merges two values; if only one can be kept, the later one.
fn union_of(one: &str, other: &str, kind: Kind) -> String {
    let (Ok(a), Ok(b)) = (Json::parse(one), Json::parse(other)) else {
        return one.to_owned();
    };
    match (kind, a.kind(), b.kind()) {
        (Kind::Deep | Kind::WholeNumber, _, _) if one == other => one.to_owned(),
        // A facet is deleted only if all entries delete it.
        (Kind::Deep | Kind::Counts, "object", "object") if is_deleted(a) != is_deleted(b) => {
            let kept = if is_deleted(a) { other } else { one };
            kept.to_owned()
        }
        (Kind::Dataset | Kind::Facets | Kind::Deep | Kind::Counts, "object", "object") => {
            members(a, b, kind)
        }
        (Kind::Deep, "array", "array") => {
            let mut known = HashSet::new();
            let items = a.items().into_iter().chain(b.items()).map(Json::text);
            let items: Vec<&str> = items.filter(|item| known.insert(*item)).collect();
            format!("[{}]", items.join(","))
        }
        (Kind::Counts, "number", "number") => match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(a), Ok(b)) => a
                .checked_add(b)
                .map_or_else(|| other.to_owned(), |sum| sum.to_string()),
            _ => other.to_owned(),
        },
        // A facet takes precedence over null.
        (_, _, "null") => one.to_owned(),
        (Kind::Dataset | Kind::Facets | Kind::Deep | Kind::Counts | Kind::WholeNumber, _, _) => {
            other.to_owned()
        }
    }
}

fn is_deleted(facet: Json<'_>) -> bool {
    facet
        .get("_deleted")
        .is_some_and(|value| value.text() == "true")
}

/// Merges members. Those of the first keep their positions; of duplicate keys the last counts.
fn members(a: Json<'_>, b: Json<'_>, kind: Kind) -> String {
    let mut edits = Edits::new(a.text());
    let mut added: Vec<(String, String)> = Vec::new();
    let own = a.members().into_iter();
    // Of duplicate keys, the last.
    let own: HashMap<Cow<'_, str>, Json<'_>> = own
        .filter_map(|member| Some((member.key.string()?, member.value)))
        .collect();
    for Member { key, value } in last_of_each(b.members()) {
        let Some(name) = key.string() else { continue };
        match own.get(&name) {
            Some(own) => {
                let united = union_of(own.text(), value.text(), kind.member(&name));
                if united != own.text() {
                    edits.replace(*own, united);
                }
            }
            None => added.push((name.into_owned(), value.text().to_owned())),
        }
    }
    let added: Vec<(&str, String)> = added
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()))
        .collect();
    if !added.is_empty() {
        edits.add_members(a, &added);
    }
    edits.apply()
}

fn last_of_each<'t>(members: Vec<Member<'t>>) -> Vec<Member<'t>> {
    let mut known = HashSet::with_capacity(members.len());
    let is_last = |member: &Member<'t>| member.key.string().is_some_and(|key| known.insert(key));
    let mut kept: Vec<Member<'t>> = members.into_iter().rev().filter(is_last).collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests;
