//! The target: which kind it is, and the section with its settings.
//!
//! Each kind defines its own settings (`targets::Kind::settings`); here they are read like all others, so that errors in
//! them are shown together with all others.

use serde_json::{Map, Value};
use settings::{Format, OneOf};
use targets::{Kind, KindConfig, SettingError, TargetConfig, TargetSettings};

use super::Role;
use super::settings::Reader;

/// Reads the sections of all kinds, and returns the target of the chosen kind.
pub(super) fn read(r: &mut Reader, role: Role) -> TargetConfig {
    let chosen = r.get("target", OneOf::<Kind>::parse);
    if role == Role::Check && chosen != Some(Kind::DataZone) {
        r.refuse("target", "the check function requires datazone");
    }
    if role == Role::Batch && !matches!(chosen, Some(kind) if kind != Kind::Store) {
        r.refuse(
            "target",
            "required by the batch function: openlineage or datazone",
        );
    }
    let chosen = chosen.unwrap_or(Kind::Store);
    let sections = Kind::ALL.map(|kind| (kind, section(r, kind)));
    let settings = sections.into_iter().find(|(kind, _)| *kind == chosen);
    let settings = settings.and_then(|(_, settings)| settings);
    let kind = match settings.map(TargetSettings::validate) {
        Some(Ok(config)) => config,
        Some(Err(errors)) => {
            for error in errors {
                refuse(r, chosen, &error);
            }
            KindConfig::Store // not used: there are errors
        }
        None => KindConfig::Store, // as above
    };
    TargetConfig {
        name: chosen.into(),
        section: chosen.name().to_owned(),
        kind,
    }
}

/// Reads the settings of a kind one by one. An invalid one is an error and left out.
fn section(r: &mut Reader, kind: Kind) -> Option<TargetSettings> {
    let mut section = Map::new();
    for entry in kind.settings() {
        let valid = |text: &str| {
            let alone = Map::from_iter([(entry.name.clone(), Value::from(text))]);
            match kind.read(Value::Object(alone)) {
                Ok(_) => Ok(text.to_owned()),
                Err(error) => Err(error.to_string()),
            }
        };
        let name = format!("{}.{}", kind.name(), entry.name);
        if let Some(text) = r.get(&name, valid) {
            section.insert(entry.name, text.into());
        }
    }
    kind.read(Value::Object(section)).ok()
}

fn refuse(r: &mut Reader, kind: Kind, error: &SettingError) {
    let name = format!("{}.{}", kind.name(), error.setting());
    match error {
        // It is there and invalid, which is an error already.
        SettingError::Required { .. } if r.is_given(&name) => {}
        SettingError::Required { .. } | SettingError::Conflict { .. } => r.refuse(&name, error),
    }
}
