//! Selects the names that a rule applies to, by patterns of namespace and name.

use openlineage::{Identity, Role};
use schemars::JsonSchema;
use serde::Deserialize;

use super::pattern::Patterns;
use super::yaml::Optional;

/// Patterns for a namespace and a name; one that is left out matches every text.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(try_from = "NamePatternSettings")]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct NamePattern {
    pub(crate) namespace: Option<Patterns>,
    pub(crate) name: Option<Patterns>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with namespace, name, or both"
)]
struct NamePatternSettings {
    namespace: Optional<Patterns>,
    name: Optional<Patterns>,
}

impl TryFrom<NamePatternSettings> for NamePattern {
    type Error = &'static str;

    fn try_from(settings: NamePatternSettings) -> Result<NamePattern, &'static str> {
        if settings.namespace.is_absent() && settings.name.is_absent() {
            return Err("expected namespace, name, or both");
        }
        Ok(NamePattern {
            namespace: settings.namespace.value(),
            name: settings.name.value(),
        })
    }
}

impl NamePattern {
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

/// Whether names are those of datasets or of jobs.
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
