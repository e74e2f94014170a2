//! Finds the positions of names in an event, and the rules that changed them.
//!
//! Follows each position from step to step, also when something is added or removed around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use openlineage::{Event, Identity, Json, Role, positions};

use super::identity;
use crate::rules::{RuleStep, StepOutcome};

/// A position in an event that names a dataset or a job, or repeats its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePosition {
    /// Whether it is the name of a dataset or a job.
    pub role: Role,
    /// The name. For a repeated namespace, that text without a name.
    pub name: Identity,
    /// JSON Pointer to the object with the name, or to the text.
    pub pointer: String,
    /// The rules that changed it, in order, with the name afterwards; `None` if it was removed.
    pub renamed_by: Vec<(Arc<str>, Option<Identity>)>,
}

/// Returns every position of a name in `event`, with the rules of `steps` that changed it.
pub fn name_positions(event: &Event, steps: &[RuleStep]) -> Vec<NamePosition> {
    let mut found_at = names_in(event);
    // For each position in the event of the step, its index in `found_at`.
    let mut now: Vec<usize> = (0..found_at.len()).collect();
    for step in steps {
        let StepOutcome::Changed { before, after } = &step.outcome else {
            continue;
        };
        let (was, is) = (names_in(before), names_in(after));
        let mut next = Vec::with_capacity(is.len());
        let mut from = 0;
        for (before, index) in was.iter().zip(now) {
            let found = match was.len() == is.len() {
                true => Some(from),
                // Something was added or removed: the other names are unchanged and in the same order.
                false => (from..is.len()).find(|at| {
                    is.get(*at)
                        .is_some_and(|is| is.name == before.name && is.role == before.role)
                }),
            };
            let after = found.and_then(|at| is.get(at));
            if let Some(found) = found {
                from = found + 1;
            }
            let Some(position) = found_at.get_mut(index) else {
                continue;
            };
            match after {
                Some(after) if after.name == before.name => {}
                Some(after) => position
                    .renamed_by
                    .push((step.rule.clone(), Some(after.name.clone()))),
                None => position.renamed_by.push((step.rule.clone(), None)),
            }
            if after.is_some() {
                next.push(index);
            }
        }
        now = next;
    }
    found_at
}

fn names_in(event: &Event) -> Vec<NamePosition> {
    let root = event.json();
    let found = positions(root);
    let start = |json: Json<'_>| json.span(event.text()).map_or(0, |span| span.start);
    let mut texts: BTreeMap<usize, String> = BTreeMap::new();
    texts.extend(
        found
            .names
            .iter()
            .map(|name| (start(name.namespace), String::new())),
    );
    texts.extend(
        found
            .mentions
            .iter()
            .map(|mention| (start(mention.text), String::new())),
    );
    point(event.text(), root, "", &mut texts);
    let pointer = |json: Json<'_>| texts.get(&start(json)).cloned().unwrap_or_default();
    let names = found.names.iter().filter_map(|name| {
        let at = pointer(name.namespace);
        let pointer = at.rsplit_once('/').map(|(object, _)| object.to_owned())?;
        let (role, name, renamed_by) =
            (name.role, identity(name.namespace, name.name)?, Vec::new());
        Some(NamePosition {
            role,
            name,
            pointer,
            renamed_by,
        })
    });
    let mentions = found.mentions.iter().filter_map(|mention| {
        let namespace = mention.text.string()?.into_owned();
        let name = Identity {
            namespace,
            name: String::new(),
        };
        Some(NamePosition {
            role: Role::Dataset,
            name,
            pointer: pointer(mention.text),
            renamed_by: Vec::new(),
        })
    });
    names.chain(mentions).collect()
}

/// Records the pointer to each start of a value in `wanted`.
fn point(text: &str, value: Json<'_>, at: &str, wanted: &mut BTreeMap<usize, String>) {
    let Some(span) = value.span(text) else {
        return;
    };
    if let Some(pointer) = wanted
        .get_mut(&span.start)
        .filter(|_| value.kind() == "string")
    {
        at.clone_into(pointer);
        return;
    }
    if wanted.range(span).next().is_none() {
        return;
    }
    for member in value.members() {
        let key = member.key.string().unwrap_or_default();
        let key = key.replace('~', "~0").replace('/', "~1");
        point(text, member.value, &format!("{at}/{key}"), wanted);
    }
    for (index, item) in value.items().into_iter().enumerate() {
        point(text, item, &format!("{at}/{index}"), wanted);
    }
}
