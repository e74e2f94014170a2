//! Names in one text, of which the parts have colons themselves: what is known decides where one ends.

use graph::NodeKind;
use rusqlite::Connection;

use crate::numbers;
use crate::{ColumnRef, Name, NodeRef};

/// The most colons at which a text is parted: a URL has two, and each is looked up.
const MAX_COLONS: usize = 30;

/// The node of `namespace:name`, with the longest namespace.
pub(super) fn node(
    connection: &Connection,
    kind: NodeKind,
    text: &str,
) -> rusqlite::Result<Option<NodeRef>> {
    for (namespace, name) in parted(text) {
        if numbers::find(connection, kind == NodeKind::Job, (namespace, name))?.is_some() {
            let name = owned(namespace, name);
            return Ok(Some(NodeRef::new(kind, name)));
        }
    }
    Ok(None)
}

/// The column of `namespace:name:field`, with the longest namespace, then the longest name.
pub(super) fn column(connection: &Connection, text: &str) -> rusqlite::Result<Option<ColumnRef>> {
    let is_field = "
        SELECT 1 FROM fields WHERE node = ?1 AND name = ?2
        UNION ALL SELECT 1 FROM column_edges WHERE source = ?1 AND source_field = ?2
        UNION ALL SELECT 1 FROM column_edges JOIN column_sets ON column_sets.row = column_set
            WHERE dataset = ?1 AND field = ?2";
    for (namespace, rest) in parted(text) {
        for (name, field) in parted(rest) {
            let Some(number) = numbers::find(connection, false, (namespace, name))? else {
                continue;
            };
            if (connection.prepare_cached(is_field)?).exists((number, field))? {
                return Ok(Some(ColumnRef {
                    dataset: owned(namespace, name),
                    field: Some(field.to_owned()),
                }));
            }
        }
    }
    Ok(None)
}

/// The text before and after each colon, the last one first.
fn parted(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let colons = text.rmatch_indices(':').take(MAX_COLONS);
    colons.filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?)))
}

fn owned(namespace: &str, name: &str) -> Name {
    Name {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
