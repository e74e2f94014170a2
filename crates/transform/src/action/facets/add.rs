//! Adds a facet from the rules where it is missing.
//!
//! The producer and the schema for its position are added. Facets that the specification
//! defines only for inputs or outputs (`inputStatistics`, …) go to `inputFacets` and `outputFacets`, all others to
//! `facets`.

use openlineage::{Edits, Event, Json, Kind, quote};

use super::FacetHolders;
use super::schema::{PRODUCER, schema_url};

/// A facet and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    name: String,
    value: String,
}

impl Facet {
    /// Reads the JSON text of an object. `_producer` and `_schemaURL` are optional. Errors describe the problem.
    pub fn new(name: &str, value: &str) -> Result<Facet, String> {
        let json = Json::parse(value).map_err(|error| format!("not JSON: {error}"))?;
        if !json.is_object() {
            return Err(format!("a facet is an object, not {}", json.kind()));
        }
        for member in ["_producer", "_schemaURL"] {
            let text = json.get(member).map(|value| value.string());
            if text.is_some_and(|text| !text.is_some_and(|text| openlineage::uri(&text))) {
                return Err(format!("{member} has to be a URI"));
            }
        }
        match json.get("_deleted").map(Json::kind) {
            None | Some("boolean") => Ok(Facet {
                name: name.to_owned(),
                value: json.text().to_owned(),
            }),
            Some(other) => Err(format!("_deleted is a boolean, not {other}")),
        }
    }

    /// Whether the facet is valid on any of the selected holders.
    pub fn fits(&self, on: FacetHolders) -> bool {
        let meant = [
            (on.run, Kind::Run),
            (on.job, Kind::Job),
            (on.dataset || on.input || on.output, Kind::Dataset),
            (on.dataset || on.input, Kind::Input),
            (on.dataset || on.output, Kind::Output),
        ];
        let mut meant = meant.into_iter().filter(|(meant, _)| *meant);
        meant.any(|(_, kind)| fits(&self.name, kind))
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds this facet to all selected holders; an existing one is kept, or replaced with
    /// `overwrite`. Returns `None` if nothing changes.
    pub fn add(&self, event: &Event, on: FacetHolders, overwrite: bool) -> Option<String> {
        edit(event, on, &self.name, |found, kind| match found {
            None => Change::Put(self.complete(kind)),
            Some(_) if overwrite => Change::Put(self.complete(kind)),
            Some(_) => Change::None,
        })
    }

    fn complete(&self, kind: Kind) -> String {
        let mut edits = Edits::new(&self.value);
        let Ok(json) = Json::parse(&self.value) else {
            return self.value.clone(); // validated by `new`
        };
        let missing: Vec<(&str, String)> = base(&self.name, kind)
            .into_iter()
            .filter(|(name, _)| json.get(name).is_none())
            .collect();
        if !missing.is_empty() {
            edits.add_members(json, &missing);
        }
        edits.apply()
    }
}

/// How a facet changes.
pub(super) enum Change {
    None,
    /// Replaces the facet.
    Put(String),
    /// Adds these members.
    Members(Vec<(&'static str, String)>),
    /// Adds these elements to the member of that name.
    Items(&'static str, Vec<String>),
}

/// The members that every facet has.
pub(super) fn base(name: &str, kind: Kind) -> [(&'static str, String); 2] {
    [
        ("_producer", quote(PRODUCER)),
        ("_schemaURL", quote(&schema_url(name, kind))),
    ]
}

/// Changes the facet `name` on every selected holder; `change` receives the existing facet, unless it is `_deleted`.
pub(super) fn edit(
    event: &Event,
    on: FacetHolders,
    name: &str,
    change: impl Fn(Option<Json<'_>>, Kind) -> Change,
) -> Option<String> {
    let indexed = event.indexed();
    let mut edits = Edits::new(event.text());
    for (holder, member, kind) in on.own(indexed.json()) {
        if !fits(name, kind) {
            continue;
        }
        let facets = holder.get(member);
        let facet = facets.and_then(|facets| facets.get(name));
        let live = facet.filter(|facet| facet.get("_deleted").is_none_or(|d| d.text() != "true"));
        match (change(live, kind), facet, facets) {
            (Change::None, ..) => {}
            (Change::Put(value), Some(facet), _) if facet.text() == value => {}
            (Change::Put(value), Some(facet), _) => edits.replace(facet, value),
            (Change::Put(value), None, Some(facets)) => edits.add_members(facets, &[(name, value)]),
            (Change::Put(value), None, None) => {
                let facets = format!("{{{}:{value}}}", quote(name));
                edits.add_members(holder, &[(member, facets)]);
            }
            (Change::Members(members), Some(facet), _) => edits.add_members(facet, &members),
            (Change::Items(list, items), Some(facet), _) => {
                if let Some(list) = facet.get(list)
                    && let Some(before) = list.text().strip_suffix(']')
                {
                    let comma = if list.items().is_empty() { "" } else { "," };
                    edits.replace(list, format!("{before}{comma}{}]", items.join(",")));
                }
            }
            (Change::Members(_) | Change::Items(..), None, _) => {}
        }
    }
    match edits.is_empty() {
        true => None,
        false => Some(edits.apply()),
    }
}

/// Whether the facet `name` is valid among facets of that kind.
fn fits(name: &str, kind: Kind) -> bool {
    let own = match name {
        "inputStatistics" | "icebergScanReport" => Some(Kind::Input),
        "outputStatistics" | "icebergCommitReport" => Some(Kind::Output),
        _ => None,
    };
    match kind {
        Kind::Run | Kind::Job => own.is_none(),
        Kind::Dataset => own.is_none(),
        Kind::Input | Kind::Output => own == Some(kind),
    }
}
