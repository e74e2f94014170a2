//! The actions `drop` and `drop_datasets`.

use std::sync::Arc;

use openlineage::{Edits, Event, Identity, Role};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Action, ActionOutput, Effect, Settings};
use crate::rules::yaml::{FilePosition, True};
use crate::rules::{Context, NameEffect, NamePattern, Reader, UntouchedName, each_name};

/// The event goes no further; it is counted under the rule's name.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Drop")]
#[serde(from = "True")]
pub(super) struct DropSettings;

impl From<True> for DropSettings {
    fn from(_: True) -> DropSettings {
        DropSettings
    }
}

impl Settings for DropSettings {
    fn build(self, _: FilePosition, _: &Reader<'_>) -> Option<Arc<dyn Action>> {
        Some(Arc::new(Drop))
    }
}

#[derive(Debug)]
struct Drop;

impl Action for Drop {
    fn apply(&self, _: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        Ok(Effect::Drop.into())
    }

    fn renames(&self) -> bool {
        false
    }

    fn drops(&self) -> bool {
        true
    }
}

/// Takes datasets out of inputs and outputs.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "DropDatasets")]
pub(super) struct DropDatasetsSettings(NamePattern);

impl Settings for DropDatasetsSettings {
    fn build(self, _: FilePosition, _: &Reader<'_>) -> Option<Arc<dyn Action>> {
        Some(Arc::new(DropDatasets(self.0)))
    }
}

#[derive(Debug)]
struct DropDatasets(NamePattern);

impl Action for DropDatasets {
    /// Removes the datasets only: what other datasets of the event contain about them stays.
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        let indexed = event.indexed();
        let mut edits = Edits::new(event.text());
        let lists = indexed.json().members().into_iter();
        for list in lists.filter(|member| member.is("inputs") || member.is("outputs")) {
            edits.remove_items(list.value, |item| {
                Identity::of(item).is_some_and(|name| self.0.matches(&name))
            });
        }
        let text = (!edits.is_empty()).then(|| edits.apply());
        Effect::of(event, text).map(ActionOutput::from)
    }

    fn renames(&self) -> bool {
        false
    }

    fn untouched(&self, event: &Event) -> Vec<UntouchedName> {
        each_name(event, Role::Dataset, |name| match self.0.matches(name) {
            true => NameEffect::Changed,
            false => self.0.mismatch("drop_datasets", name).into(),
        })
    }

    fn selects(&self) -> Option<(Role, &NamePattern)> {
        Some((Role::Dataset, &self.0))
    }
}
