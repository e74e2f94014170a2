//! The input of a call, as botocore names its members.

use aws::dynamodb::Item;
use serde_json::Value;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a Value);

impl Input<'_> {
    pub(crate) fn text(self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A text that each call of this kind has.
    pub(crate) fn needed(self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    pub(crate) fn number(self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(Value::as_i64)
    }
}

/// Reads an item of a table.
pub(crate) fn item(value: Option<&Value>) -> Item {
    let value = value.cloned().unwrap_or_default();
    serde_json::from_value(value).unwrap_or_default()
}
