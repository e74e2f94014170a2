//! Rewrites names at every position of the specification. Rules change the identity of a dataset or a job only through
//! this module, so that no rule can miss a position and split the graph.

use openlineage::{Edits, Event, Identity, Role, positions};

use crate::mentions::{Moves, Uris};

/// Rewrites every name of that role with `f`, and the positions that repeat its namespace. Returns the new text; `None`
/// if nothing changes.
pub(crate) fn rewrite(
    event: &Event,
    of: Role,
    f: impl FnMut(&Identity) -> Option<Identity>,
) -> Option<String> {
    rewrite_with(event, of, f, |_| None)
}

/// As [`rewrite`], with new texts for namespaces that no dataset of the event has, which `alone` returns: that of a
/// query whose tables are not known yet.
pub(crate) fn rewrite_with(
    event: &Event,
    of: Role,
    mut f: impl FnMut(&Identity) -> Option<Identity>,
    alone: impl FnMut(&str) -> Option<String>,
) -> Option<String> {
    let indexed = event.indexed();
    let found = positions(indexed.json());
    let mut edits = Edits::new(event.text());
    let follows = of == Role::Dataset && !found.mentions.is_empty();
    let mut moves = Moves::default();
    for name in found.names.into_iter().filter(|name| name.role == of) {
        let (Some(namespace), Some(own)) = (name.namespace.string(), name.name.string()) else {
            continue;
        };
        let before = Identity {
            namespace: namespace.into_owned(),
            name: own.into_owned(),
        };
        let after = f(&before);
        if follows {
            let moved = after.as_ref().unwrap_or(&before);
            moves.add(name.namespace, &before.namespace, &moved.namespace);
        }
        let Some(after) = after else {
            continue;
        };
        if after.namespace != before.namespace {
            edits.replace_string(name.namespace, &after.namespace);
        }
        if after.name != before.name {
            edits.replace_string(name.name, &after.name);
        }
    }
    if follows {
        moves.follow(&found.mentions, Uris::Move, alone, &mut edits);
    }
    (!edits.is_empty()).then(|| edits.apply())
}
