//! Renames by actions that shorten names, and keeps two datasets of one event distinct.
//!
//! A new name depends on the old name only, so that it is the same in every event. If two datasets of one event would
//! get the same name and are not known to be one, both keep what distinguishes them, and that is reported. The parts of
//! one dataset get one entry of inputs or outputs. Called by the actions `strip` and `normalise`.

use std::collections::{BTreeSet, HashMap, HashSet};

use openlineage::{Event, Identity, Role, names};

use super::rewrite::rewrite;
use crate::action::{redact_text, unite};
use crate::redshift::UnresolvedName;

/// Decides whether a dataset may be one with another of its event that would get the same name.
#[derive(Debug)]
pub(crate) struct Uniqueness {
    /// The name that it gets if it must stay distinct.
    pub(crate) distinct: Identity,
    /// If both have one, these have to be equal.
    pub(crate) kin: Option<String>,
    /// Whether an input and an output become one only if their `distinct` names are equal.
    pub(crate) directed: bool,
    /// Whether it is a part of a dataset, whose parts share one entry of inputs or outputs.
    pub(crate) part: bool,
}

impl Uniqueness {
    /// For a dataset that the rule does not apply to.
    pub(crate) fn as_it_is(name: &Identity) -> Uniqueness {
        Uniqueness {
            distinct: name.clone(),
            kin: Some(name.name.clone()),
            directed: true,
            part: false,
        }
    }
}

/// The text of an event with new names, if any, and the names that did not change.
#[derive(Debug, Default)]
pub(crate) struct RenameResult {
    pub(crate) text: Option<String>,
    pub(crate) left: Vec<UnresolvedName>,
}

/// Renames every dataset with `new` (`None`: unchanged). `judge` decides about datasets that would get the same name.
pub(crate) fn rewrite_distinct(
    event: &Event,
    mut new: impl FnMut(&Identity) -> Option<Identity>,
    judge: impl Fn(&Identity) -> Uniqueness,
) -> RenameResult {
    let mut known: HashMap<Identity, Identity> = HashMap::new();
    let text = rewrite(event, Role::Dataset, |name| {
        if let Some(known) = known.get(name) {
            return Some(known.clone());
        }
        let after = new(name).unwrap_or_else(|| name.clone());
        known.insert(name.clone(), after.clone());
        Some(after)
    });
    let Some(text) = text else {
        return RenameResult::default();
    };
    if meetings(&known).is_empty() {
        return RenameResult {
            text: Some(text),
            left: Vec::new(),
        };
    }
    let left = restore_distinct(&mut known, &sides(event), &judge);
    let text = match left.is_empty() {
        true => Some(text),
        false => rewrite(event, Role::Dataset, |name| known.get(name).cloned()),
    };
    let of_parts = meetings(&known).into_iter();
    let of_parts = of_parts.filter(|(_, members)| members.iter().any(|member| judge(member).part));
    let one: HashSet<Identity> = of_parts.map(|(after, _)| after).collect();
    if one.is_empty() {
        let left = left.into_iter().collect();
        return RenameResult { text, left };
    }
    let changed = text.as_deref().unwrap_or(event.text());
    let text = unite(changed, &one).or(text);
    RenameResult {
        text,
        left: left.into_iter().collect(),
    }
}

/// Returns the names that several datasets get, with their former names. Owned, because the caller changes `known`.
fn meetings(known: &HashMap<Identity, Identity>) -> HashMap<Identity, Vec<Identity>> {
    let mut by_new: HashMap<&Identity, Vec<&Identity>> = HashMap::with_capacity(known.len());
    for (before, after) in known {
        by_new.entry(after).or_default().push(before);
    }
    let several = by_new.into_iter().filter(|(_, before)| before.len() > 1);
    several
        .map(|(after, before)| (after.clone(), before.into_iter().cloned().collect()))
        .collect()
}

/// Replaces the new names of datasets that must stay distinct by their distinct names, until no two are equal.
fn restore_distinct(
    known: &mut HashMap<Identity, Identity>,
    sides: &Sides,
    judge: impl Fn(&Identity) -> Uniqueness,
) -> BTreeSet<UnresolvedName> {
    let mut left = BTreeSet::new();
    loop {
        let mut changed = false;
        for (_, members) in meetings(known) {
            let uniqueness: Vec<(&Identity, Uniqueness)> = members
                .iter()
                .map(|member| (member, judge(member)))
                .collect();
            if may_be_one(&uniqueness, sides) {
                continue;
            }
            for (before, Uniqueness { distinct, .. }) in uniqueness {
                if known.get(before) != Some(&distinct) {
                    changed = true;
                    let name = redact_text(start(&distinct.name));
                    left.insert(UnresolvedName {
                        namespace: redact_text(&distinct.namespace),
                        reason: format!(
                            "{name}: it would become one with another dataset of its event"
                        ),
                    });
                    known.insert(before.clone(), distinct);
                }
            }
        }
        if !changed {
            return left;
        }
    }
}

/// Shortens a name for a log line.
fn start(name: &str) -> &str {
    const MOST: usize = 120;
    let end = name.char_indices().nth(MOST).map(|(end, _)| end);
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

fn may_be_one(members: &[(&Identity, Uniqueness)], sides: &Sides) -> bool {
    let mut kin = members
        .iter()
        .filter_map(|(_, uniqueness)| uniqueness.kin.as_deref());
    let first = kin.next();
    if kin.any(|kin| Some(kin) != first) {
        return false;
    }
    let of = |side: &HashSet<Identity>| -> Vec<&(&Identity, Uniqueness)> {
        members
            .iter()
            .filter(|(name, uniqueness)| uniqueness.directed && side.contains(*name))
            .collect()
    };
    let (inputs, outputs) = (of(&sides.inputs), of(&sides.outputs));
    // A dataset that is read and written anyway, perhaps in parts: it gets no edge that was not there.
    let both = |input: &Uniqueness| {
        outputs
            .iter()
            .any(|(_, output)| input.distinct == output.distinct)
    };
    inputs.iter().any(|(_, input)| both(input)) || inputs.is_empty() || outputs.is_empty()
}

/// The datasets that an event reads and writes.
#[derive(Debug, Default)]
struct Sides {
    inputs: HashSet<Identity>,
    outputs: HashSet<Identity>,
}

fn sides(event: &Event) -> Sides {
    let mut sides = Sides::default();
    let indexed = event.indexed();
    for name in names(indexed.json()) {
        let side = match name.place {
            "inputs" | "columnLineage" => &mut sides.inputs,
            "outputs" | "dataset" => &mut sides.outputs,
            _ => continue,
        };
        if let (Role::Dataset, Some(namespace), Some(own)) =
            (name.role, name.namespace.string(), name.name.string())
        {
            side.insert(Identity {
                namespace: namespace.into_owned(),
                name: own.into_owned(),
            });
        }
    }
    sides
}

#[cfg(test)]
mod tests;
