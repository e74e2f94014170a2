//! Renaming by a rule that takes something off: two datasets of one event stay two.
//!
//! What an action makes of a name depends on that name alone, so that it is the same in every event. This is the last
//! net under it: when two datasets of one event would be one by it and are not known to be the same, both keep what
//! tells them apart, and it is reported. The parts of one dataset get one entry of inputs or outputs.
//! Called by the actions that take parts of names off (`action.rs`); the places of names are `rename.rs`'s.

use std::collections::{BTreeSet, HashMap, HashSet};

use openlineage::{Event, Identity, Role, names};

use super::rename::rewrite;
use crate::action::{redact_text, unite};
use crate::redshift::Unresolved;

/// What decides whether a dataset may be one with another of its event that would get the same name.
#[derive(Debug)]
pub(super) struct Judged {
    /// Its name when it may not.
    pub(super) apart: Identity,
    /// Where both have one, they have to be equal.
    pub(super) kin: Option<String>,
    /// Whether an input and an output become one only if their `apart` are.
    pub(super) directed: bool,
    /// Whether it is a part of a dataset, which has one entry of inputs or outputs with its other parts.
    pub(super) part: bool,
}

impl Judged {
    /// Of a dataset that the rule is not for.
    pub(super) fn as_it_is(name: &Identity) -> Judged {
        Judged {
            apart: name.clone(),
            kin: Some(name.name.clone()),
            directed: true,
            part: false,
        }
    }
}

/// An event with its names changed, if any were, and those that stay as they came.
#[derive(Debug, Default)]
pub(super) struct Renamed {
    pub(super) text: Option<String>,
    pub(super) left: Vec<Unresolved>,
}

/// Gives every name of a dataset to `new` (`None`: it stays), and to `judge` those that would meet another.
pub(super) fn rewrite_apart(
    event: &Event,
    mut new: impl FnMut(&Identity) -> Option<Identity>,
    judge: impl Fn(&Identity) -> Judged,
) -> Renamed {
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
        return Renamed::default();
    };
    if meetings(&known).is_empty() {
        return Renamed {
            text: Some(text),
            left: Vec::new(),
        };
    }
    let left = set_apart(&mut known, &sides(event), &judge);
    let text = match left.is_empty() {
        true => Some(text),
        false => rewrite(event, Role::Dataset, |name| known.get(name).cloned()),
    };
    let of_parts = meetings(&known).into_iter();
    let of_parts = of_parts.filter(|(_, members)| members.iter().any(|member| judge(member).part));
    let one: HashSet<Identity> = of_parts.map(|(after, _)| after).collect();
    if one.is_empty() {
        let left = left.into_iter().collect();
        return Renamed { text, left };
    }
    let changed = text.as_deref().unwrap_or(event.text());
    let text = unite(changed, &one).or(text);
    Renamed {
        text,
        left: left.into_iter().collect(),
    }
}

/// The names that several datasets get, with what these were called. Owned, since `known` changes by it.
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

/// Gives back what tells them apart to all that may not be one. What has got it back may meet another by that.
fn set_apart(
    known: &mut HashMap<Identity, Identity>,
    sides: &Sides,
    judge: impl Fn(&Identity) -> Judged,
) -> BTreeSet<Unresolved> {
    let mut left = BTreeSet::new();
    loop {
        let mut changed = false;
        for (_, members) in meetings(known) {
            let judged: Vec<(&Identity, Judged)> = members
                .iter()
                .map(|member| (member, judge(member)))
                .collect();
            if may_be_one(&judged, sides) {
                continue;
            }
            for (before, Judged { apart, .. }) in judged {
                if known.get(before) != Some(&apart) {
                    changed = true;
                    let name = redact_text(start(&apart.name));
                    left.insert(Unresolved {
                        namespace: redact_text(&apart.namespace),
                        reason: format!(
                            "{name}: it would become one with another dataset of its event"
                        ),
                    });
                    known.insert(before.clone(), apart);
                }
            }
        }
        if !changed {
            return left;
        }
    }
}

/// As much of a name as a line of a log takes.
fn start(name: &str) -> &str {
    const MOST: usize = 120;
    let end = name.char_indices().nth(MOST).map(|(end, _)| end);
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

fn may_be_one(members: &[(&Identity, Judged)], sides: &Sides) -> bool {
    let mut kin = members
        .iter()
        .filter_map(|(_, judged)| judged.kin.as_deref());
    let first = kin.next();
    if kin.any(|kin| Some(kin) != first) {
        return false;
    }
    let of = |side: &HashSet<Identity>| -> Vec<&(&Identity, Judged)> {
        members
            .iter()
            .filter(|(name, judged)| judged.directed && side.contains(*name))
            .collect()
    };
    let (inputs, outputs) = (of(&sides.inputs), of(&sides.outputs));
    // One that is read and written anyway, perhaps in parts: no edge comes to it that was not there.
    let both = |input: &Judged| {
        outputs
            .iter()
            .any(|(_, output)| input.apart == output.apart)
    };
    inputs.iter().any(|(_, input)| both(input)) || inputs.is_empty() || outputs.is_empty()
}

/// What an event reads and what it writes.
#[derive(Debug, Default)]
struct Sides {
    inputs: HashSet<Identity>,
    outputs: HashSet<Identity>,
}

fn sides(event: &Event) -> Sides {
    let mut sides = Sides::default();
    for name in event.json().map(names).unwrap_or_default() {
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
