//! The actions that run code: `script`, `module` and `transform`.

use std::sync::Arc;

use openlineage::{Event, Level};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Action, ActionOutput, Effect, Settings};
use crate::module::{Module, ModuleLimits};
use crate::plugin::{Transform, TransformOutput};
use crate::rules::yaml::{FilePosition, MapOr, Optional, Size, Text, WholeNumber, did_you_mean};
use crate::rules::{Context, Reader, Trust};
use crate::script::{Script, ScriptLimits};

/// A script in Rhai: its text, or a map with its file.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Script", extend("examples" = ["event.remove(\"outputs\");", {"file": "owners.rhai"}]))]
pub(super) struct ScriptSettings(MapOr<ScriptMap, String>);

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a script, or a map with file or text"
)]
#[schemars(extend("oneOf" = [{"required": ["file"]}, {"required": ["text"]}]))]
struct ScriptMap {
    /// A file beside the rules file.
    file: Optional<Text>,
    /// The text of the script.
    text: Optional<Text>,
    /// The most steps of a run, besides 50 for each part of the event. The default is 100,000.
    operations: Optional<WholeNumber<1, 100_000_000>>,
}

impl Settings for ScriptSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let mut limits = ScriptLimits::default();
        let (at, file, text) = match self.0 {
            MapOr::Short(text) => (at, None, text),
            MapOr::Map(map) => {
                if map.file.is_absent() == map.text.is_absent() {
                    let found = match map.file.is_absent() {
                        true => "neither",
                        false => "both",
                    };
                    reader.error(at, format!("expected file or text, found {found}"));
                    return None;
                }
                if let Some(operations) = map.operations.spanned() {
                    let most = limits.operations;
                    let WholeNumber(wanted) = operations.value;
                    if reader.trust == Trust::Trial && wanted > most {
                        let message = format!(
                            "expected at most {most} operations in rules that are tried, found {wanted}"
                        );
                        reader.error(operations.at, message);
                        return None;
                    }
                    limits.operations = wanted;
                }
                match (map.file.spanned(), map.text.spanned()) {
                    (Some(file), _) => {
                        let name = file.value.0;
                        let bytes = reader.ok(file.at, reader.file(&name))?;
                        let text = String::from_utf8(bytes);
                        let text = text.map_err(|error| format!("{name}: {error}"));
                        (file.at, Some(name), reader.ok(file.at, text)?)
                    }
                    (None, Some(text)) => (text.at, None, text.value.0),
                    (None, None) => return None,
                }
            }
        };
        match Script::compile(&text, limits) {
            Ok(script) => Some(Arc::new(Code(Arc::new(script)))),
            Err(error) => {
                // A script of several lines is a block, whose first line is at the position of the value.
                let at = match file {
                    None if text.contains('\n') => FilePosition {
                        line: at.line + (error.line as u64).saturating_sub(1),
                        column: at.column + (error.column as u64).saturating_sub(1),
                    },
                    Some(_) | None => at,
                };
                let place = file.unwrap_or_else(|| "the script".to_owned());
                reader.error(at, format!("{place}, {error}"));
                None
            }
        }
    }
}

/// A WebAssembly module.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with file, with, fuel, memory")]
#[schemars(rename = "Module", extend("examples" = [{"file": "team_owner.wasm", "with": {"team": "data"}}]))]
pub(super) struct ModuleSettings {
    /// The module (.wasm), a file beside the rules file.
    file: Optional<Text>,
    /// What the module is configured with.
    #[serde(default)]
    with: Value,
    /// The most fuel of a run.
    #[serde(default)]
    fuel: Optional<WholeNumber<1, 100_000_000_000>>,
    /// The most memory of a run.
    #[serde(default)]
    memory: Optional<Size>,
}

impl Settings for ModuleSettings {
    fn build(self, _: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let mut limits = ModuleLimits::default();
        if let Some(WholeNumber(fuel)) = self.fuel.value() {
            limits.fuel = fuel;
        }
        if let Some(Size(memory)) = self.memory.value() {
            limits.memory = memory;
        }
        let file = self.file.spanned()?;
        let name = file.value.0;
        let bytes = reader.ok(file.at, reader.file(&name))?;
        let module = Module::load(&bytes, &self.with.to_string(), limits);
        let module = module.map_err(|error| format!("{name}: {error}"));
        let module = reader.ok(file.at, module)?;
        Some(Arc::new(Code(Arc::new(module))))
    }
}

/// A transform that is compiled into the binary: its name, or a map.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Transform")]
pub(super) struct TransformSettings(MapOr<TransformMap, String>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a name, or a map with name and with")]
struct TransformMap {
    /// The name of the transform.
    name: Optional<Text>,
    /// What the transform is configured with.
    #[serde(default)]
    with: Value,
}

impl Settings for TransformSettings {
    fn build(self, at: FilePosition, reader: &Reader<'_>) -> Option<Arc<dyn Action>> {
        let (at, name, with) = match self.0 {
            MapOr::Short(name) => (at, name, Value::Null),
            MapOr::Map(map) => {
                let name = map.name.spanned()?;
                (name.at, name.value.0, map.with)
            }
        };
        let transforms = reader.sources.transforms;
        let Some(build) = transforms.get(&name) else {
            let names = transforms.names();
            let known = match names.is_empty() {
                true => "none".to_owned(),
                false => names.join(", "),
            };
            let meant = did_you_mean(&name, &names);
            let message = format!("this binary has no transform {name:?}{meant}; it has {known}");
            reader.error(at, message);
            return None;
        };
        let built = build(&with).map_err(|error| format!("{name}: {error}"));
        let transform = reader.ok(at, built)?;
        Some(Arc::new(Code(transform)))
    }
}

/// Code of a user.
#[derive(Debug)]
struct Code(Arc<dyn Transform>);

impl Action for Code {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        let output = self.0.apply(event).map_err(|error| error.0)?;
        Ok(match output {
            TransformOutput::Unchanged => Effect::Unchanged.into(),
            // A user's code need not know what every facet has to contain: that is repaired as at intake.
            TransformOutput::Changed(text) => {
                Effect::at_level(event, Some(text), Level::RepairRewritten)?.into()
            }
            TransformOutput::Drop => Effect::Drop.into(),
        })
    }

    fn runs_code(&self) -> bool {
        true
    }
}
