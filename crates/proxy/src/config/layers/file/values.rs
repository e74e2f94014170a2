//! The values of a configuration file, and where they stand. Used by `file.rs` and its parts.

use config_rs::{Value, ValueKind};
use transform::yaml::{self, FilePosition, Node};

use super::super::super::keys::Step;

/// Whether a setting has no value, or an empty one, which counts as not set.
pub(super) fn is_unset(node: &Node) -> bool {
    match &node.value {
        yaml::Value::Null => true,
        yaml::Value::Text(text) => text.trim().is_empty(),
        yaml::Value::Bool(_)
        | yaml::Value::Number(_)
        | yaml::Value::List(_)
        | yaml::Value::Map(_) => false,
    }
}

/// Returns the position of a value inside a node, or of the innermost value around it.
pub(super) fn position(node: &Node, path: &[Step]) -> FilePosition {
    let mut at = node.at;
    let mut inside = Some(node);
    for step in path {
        let found = match (inside.map(|node| &node.value), step) {
            (Some(yaml::Value::Map(members)), Step::Member(name)) => {
                let member = members.iter().find(|(key, _)| key.text == *name);
                member.map(|(key, node)| (key.at, node))
            }
            (Some(yaml::Value::List(items)), Step::Item(index)) => {
                items.get(*index).map(|item| (item.at, item))
            }
            (_, Step::Member(_) | Step::Item(_)) => None,
        };
        at = found.map_or(at, |(at, _)| at);
        inside = found.map(|(_, node)| node);
    }
    at
}

/// Returns the value of a node, without its position.
pub(super) fn plain(node: &Node) -> ValueKind {
    let value = |node: &Node| Value::new(None, plain(node));
    match &node.value {
        yaml::Value::Null => ValueKind::Nil,
        yaml::Value::Bool(flag) => ValueKind::Boolean(*flag),
        yaml::Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => ValueKind::U64(number),
            (None, Some(number), _) => ValueKind::I64(number),
            (None, None, number) => ValueKind::Float(number.unwrap_or(f64::NAN)),
        },
        yaml::Value::Text(text) => ValueKind::String(text.clone()),
        yaml::Value::List(items) => ValueKind::Array(items.iter().map(value).collect()),
        yaml::Value::Map(members) => {
            let members = members.iter();
            ValueKind::Table(
                members
                    .map(|(key, node)| (key.text.clone(), value(node)))
                    .collect(),
            )
        }
    }
}
