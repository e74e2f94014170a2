//! Lists the settings of a struct, from its JSON Schema: names, documentation, defaults.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

/// A setting, for documentation and checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name: its path in the file, with dots (`queue.url`).
    pub name: String,
    /// The documentation comment of its field, in one line.
    pub description: String,
    /// The default, as [`Format::show`](crate::Format::show) writes it, if there is one.
    pub default: Option<String>,
    /// Describes a valid value, for an error.
    pub expected: String,
    /// Describes all valid values, for a table.
    pub values: String,
    /// Whether its value is secret.
    pub is_secret: bool,
    /// Members that the field adds to its schema (`#[schemars(extend("x-…" = …))]`).
    pub extra: Map<String, Json>,
}

/// Lists the settings of `T`: those of the struct itself, then those of its sections, each in alphabetical order.
pub fn list<T: JsonSchema>() -> Vec<Entry> {
    let generator =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = generator.into_generator().into_root_schema_for::<T>();
    let mut entries = Vec::new();
    collect("", schema.as_value(), None, &mut entries);
    // Names without a dot come first.
    entries.sort_by(|one: &Entry, other| key(&one.name).cmp(&key(&other.name)));
    entries
}

fn key(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once('.') {
        Some((section, name)) => (Some(section), name),
        None => (None, name),
    }
}

/// Collects the settings below `schema`. The default of a section is that of the outermost struct that has one.
fn collect(name: &str, schema: &Json, default: Option<&Json>, entries: &mut Vec<Entry>) {
    let default = schema.get("default").or(default);
    if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
        for (property, schema) in properties {
            let name = match name {
                "" => property.clone(),
                section => format!("{section}.{property}"),
            };
            collect(
                &name,
                schema,
                default.and_then(|map| map.get(property)),
                entries,
            );
        }
        return;
    }
    let Some(expected) = schema.get("x-expected").and_then(Json::as_str) else {
        return; // not a `Setting`, so nothing that stands in the file by itself
    };
    let text = |member: &str| {
        schema
            .get(member)
            .and_then(Json::as_str)
            .unwrap_or_default()
    };
    let extra = schema.as_object().into_iter().flatten();
    let extra = extra.filter(|(member, _)| member.starts_with("x-"));
    entries.push(Entry {
        name: name.to_owned(),
        description: text("description")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
        // An empty list is no default that could be shown: the documentation of the setting says what it stands for.
        default: default
            .and_then(Json::as_str)
            .filter(|default| !default.is_empty())
            .map(str::to_owned),
        expected: expected.to_owned(),
        values: text("x-values").to_owned(),
        is_secret: schema
            .get("x-secret")
            .and_then(Json::as_bool)
            .unwrap_or(false),
        extra: extra
            .map(|(member, value)| (member.clone(), value.clone()))
            .collect(),
    });
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Count, List, Secret, Setting, Text};

    /// A section.
    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Section {
        /// A key that is
        /// kept secret.
        key: Option<Setting<Secret>>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(default, deny_unknown_fields)]
    struct Root {
        /// A section of its own.
        section: Section,
        /// How many.
        #[schemars(extend("x-aws" = false))]
        count: Setting<Count<1, 5>>,
        /// A name.
        name: Option<Setting<Text>>,
        /// Further names.
        others: Setting<List>,
    }

    impl Default for Root {
        fn default() -> Root {
            Root {
                section: Section::default(),
                count: Setting(3),
                name: None,
                others: Setting::default(),
            }
        }
    }

    #[test]
    fn a_struct_lists_its_settings_with_documentation_and_default() {
        let entries = list::<Root>();
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["count", "name", "others", "section.key"]);
        let count = &entries[0];
        assert_eq!(count.description, "How many.");
        assert_eq!(count.default.as_deref(), Some("3"));
        assert_eq!(count.expected, "a whole number from 1 to 5");
        assert_eq!(count.values, "1 to 5");
        assert_eq!(count.extra.get("x-aws"), Some(&Json::Bool(false)));
        assert_eq!(entries[2].default, None, "an empty list");
        let key = &entries[3];
        assert!(key.is_secret && key.default.is_none());
        assert_eq!(key.description, "A key that is kept secret.");
    }
}
