//! The action `redshift`: rewrites Redshift names to the form that a catalog uses. The rewriting is in `crate::redshift`.

use std::collections::BTreeSet;
use std::sync::Arc;

use openlineage::{Event, Role};
use schemars::JsonSchema;
use serde::Deserialize;
use settings::{AccountId, TextCheck};

use super::{Action, ActionOutput, Effect, Settings};
use crate::endpoint::ShortName;
use crate::redshift::{Redshift, Style};
use crate::rules::yaml::{Entries, FilePosition, Optional, Text};
use crate::rules::{Context, Reader};

/// Rewrites Redshift names to the form that a catalog uses. Short names are looked up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with style, hosts, account"
)]
#[schemars(rename = "Redshift", extend("examples" = [{"style": "arn", "account": "123456789012"}]))]
pub(super) struct RedshiftSettings {
    /// How names are written.
    style: Optional<Style>,
    /// Hosts, with or without a port, and the full endpoint that each stands for.
    hosts: Optional<Entries<Text, Text, 1>>,
    /// The AWS account of warehouses whose answer does not name it: 12 digits, in quotes, or a zero in front is lost.
    account: Optional<Account>,
}

/// An AWS account.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(inline, extend(
    "pattern" = "^[0-9]{12}$",
    "minimum" = 100_000_000_000_u64,
    "maximum" = 999_999_999_999_u64
))]
struct Account(String);

impl TryFrom<Text> for Account {
    type Error = String;

    fn try_from(Text(account): Text) -> Result<Account, String> {
        match AccountId::is_valid(&account) {
            true => Ok(Account(account)),
            false => Err(format!(
                "expected an AWS account of 12 digits, in quotes, found {account}"
            )),
        }
    }
}

impl Settings for RedshiftSettings {
    fn build(self, _: FilePosition, _: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let hosts = self.hosts.value().map(|Entries(hosts)| hosts);
        let hosts = hosts.unwrap_or_default().into_iter();
        Some(Arc::new(Redshift {
            style: self.style.value().unwrap_or_default(),
            hosts: hosts
                .map(|(host, full)| (host.value.0.to_ascii_lowercase(), full.value.0))
                .collect(),
            account: self.account.value().map(|account| account.0),
        }))
    }
}

impl Action for Redshift {
    fn apply(&self, event: &Event, context: &Context<'_>) -> Result<ActionOutput, String> {
        let rewritten = self.rewrite(event, context.lookups);
        Ok(ActionOutput {
            effect: match rewritten.changes.is_empty() {
                true => Effect::Unchanged,
                false => Effect::Changed(rewritten.event),
            },
            unresolved: rewritten.unresolved,
        })
    }

    fn looks_up(&self) -> bool {
        true
    }

    fn lookups(&self, event: &Event) -> BTreeSet<ShortName> {
        self.lookups(event)
    }

    fn may_produce(&self, role: Role, _: &str) -> bool {
        role == Role::Dataset
    }
}
