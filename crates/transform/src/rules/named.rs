//! Which names a rule is for: patterns of namespace and name.

use openlineage::{Identity, Role};
use schemars::JsonSchema;
use serde::Deserialize;

use super::pattern::Patterns;
use super::yaml::Given;

/// Patterns for a namespace and a name; one that is left out matches every text.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(try_from = "NamedSettings")]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct Named {
    pub(crate) namespace: Option<Patterns>,
    pub(crate) name: Option<Patterns>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with namespace, name, or both"
)]
struct NamedSettings {
    namespace: Given<Patterns>,
    name: Given<Patterns>,
}

impl TryFrom<NamedSettings> for Named {
    type Error = &'static str;

    fn try_from(settings: NamedSettings) -> Result<Named, &'static str> {
        if settings.namespace.is_absent() && settings.name.is_absent() {
            return Err("expected namespace, name, or both");
        }
        Ok(Named {
            namespace: settings.namespace.value(),
            name: settings.name.value(),
        })
    }
}

impl Named {
    /// Whether both match.
    pub(crate) fn matches(&self, identity: &Identity) -> bool {
        let matches = |patterns: &Option<Patterns>, text: &str| {
            patterns
                .as_ref()
                .is_none_or(|patterns| patterns.matches(text))
        };
        matches(&self.namespace, &identity.namespace) && matches(&self.name, &identity.name)
    }

    /// The patterns as they were written.
    pub(crate) fn describe(&self) -> String {
        let describe = |what: &str, patterns: &Option<Patterns>| {
            patterns
                .as_ref()
                .map(|patterns| format!("{what} {}", patterns.describe()))
        };
        let both = [
            describe("namespace", &self.namespace),
            describe("name", &self.name),
        ];
        both.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Whose names: datasets' or jobs'.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoleName {
    Dataset,
    Job,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Role {
        match role {
            RoleName::Dataset => Role::Dataset,
            RoleName::Job => Role::Job,
        }
    }
}
