//! Explains why a rule did not change a name. Called only by `explain`, which prints it.
//!
//! Which rule changed which name is in `explain/positions.rs`.

mod positions;

pub use positions::{NamePosition, name_positions};

use std::collections::BTreeSet;

use openlineage::{Event, Identity, Json, Role};

use super::named::NamePattern;
use super::pattern::Patterns;

/// A name that a rule did not change, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntouchedName {
    /// Whether it is the name of a dataset or a job.
    pub role: Role,
    /// The name.
    pub name: Identity,
    /// Why; `None` if the rule applies to it but changes nothing.
    pub unmet: Option<NameMismatch>,
}

/// What a rule expects of a name, and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameMismatch {
    /// The setting of the rule: `only.namespace`, `namespace.map`.
    pub condition: String,
    /// What it expects.
    pub expected: String,
    /// What the name has.
    pub found: String,
    /// Of several patterns that would match, the one nearest to what was found.
    pub nearest: Option<String>,
}

/// The longest patterns and texts that are compared, and the most of them.
const LONGEST_COMPARED: usize = 300;
const MOST_COMPARED: usize = 1_000;

/// What a rule does to a name, for `explain`.
pub(crate) enum NameEffect {
    /// It changes the name, which is not listed.
    Changed,
    /// It applies to the name, and leaves it as it is.
    Same,
    /// It does not apply to the name.
    Unmet(NameMismatch),
}

/// The effect of a rule that is not known to change the name: `None` if the name has all that the rule expects.
impl From<Option<NameMismatch>> for NameEffect {
    fn from(mismatch: Option<NameMismatch>) -> NameEffect {
        mismatch.map_or(NameEffect::Same, NameEffect::Unmet)
    }
}

/// Returns each name of that role once, except those that the rule changes by its `effect`.
pub(crate) fn each_name(
    event: &Event,
    of: Role,
    effect: impl Fn(&Identity) -> NameEffect,
) -> Vec<UntouchedName> {
    let found = openlineage::names(event.json());
    let mut seen = BTreeSet::new();
    let names = found.into_iter().filter(|name| name.role == of);
    let names = names.filter_map(|name| identity(name.namespace, name.name));
    names
        .filter(|name| seen.insert(name.clone()))
        .filter_map(|name| {
            let unmet = match effect(&name) {
                NameEffect::Changed => return None,
                NameEffect::Same => None,
                NameEffect::Unmet(mismatch) => Some(mismatch),
            };
            Some(UntouchedName {
                role: of,
                name,
                unmet,
            })
        })
        .collect()
}

fn identity(namespace: Json<'_>, name: Json<'_>) -> Option<Identity> {
    Some(Identity {
        namespace: namespace.string()?.into_owned(),
        name: name.string()?.into_owned(),
    })
}

impl NamePattern {
    /// Returns the first pattern that `name` does not match.
    pub(crate) fn mismatch(&self, within: &str, name: &Identity) -> Option<NameMismatch> {
        let sides = [
            ("namespace", &self.namespace, &name.namespace),
            ("name", &self.name, &name.name),
        ];
        sides.into_iter().find_map(|(side, patterns, text)| {
            let patterns = patterns
                .as_ref()
                .filter(|patterns| !patterns.matches(text))?;
            Some(patterns.mismatch(format!("{within}.{side}"), text))
        })
    }
}

impl Patterns {
    fn mismatch(&self, condition: String, found: &str) -> NameMismatch {
        NameMismatch {
            condition,
            expected: self.describe(),
            found: found.to_owned(),
            nearest: nearest(found, &self.each().collect::<Vec<_>>()),
        }
    }
}

/// Returns the one of `wanted` that is most similar to `found`, if half of it is the same.
pub(crate) fn nearest(found: &str, wanted: &[&str]) -> Option<String> {
    let wanted = wanted.iter().take(MOST_COMPARED).copied();
    let near = wanted.filter_map(|wanted| {
        let plain = wanted.trim_end_matches('*');
        // Of a pattern for a prefix, compares as much of the text as the prefix has.
        let start = found.chars().take(plain.chars().count());
        let text: String = match plain.len() < wanted.len() {
            true => start.collect(),
            false => found.to_owned(),
        };
        let length = text.chars().count().max(plain.chars().count());
        if length == 0 || length > LONGEST_COMPARED {
            return None;
        }
        let distance = strsim::osa_distance(&text.to_lowercase(), &plain.to_lowercase());
        (distance <= length / 2).then_some((distance, wanted))
    });
    let (_, found) = near.min_by_key(|(distance, _)| *distance)?;
    Some(found.to_owned())
}
