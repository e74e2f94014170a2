//! The target of events.
//!
//! `target: datazone` with the section `datazone` is short for `targets: {datazone: {type: datazone, …}}`, which gives
//! the target a name of its own; `sources/file.rs` turns the second form into the first. Each kind defines its settings
//! and what they require (`targets::Kind`).

use settings::{Format, OneOf};
use targets::{Kind, RuleUse, SettingError, TargetConfig, TargetName, TargetSettings};

use super::Role;
use super::problems::Problems;

/// The chosen target: its name and its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetChoice {
    pub(super) name: TargetName,
    pub(super) kind: Kind,
}

impl From<Kind> for TargetChoice {
    fn from(kind: Kind) -> TargetChoice {
        TargetChoice {
            name: kind.into(),
            kind,
        }
    }
}

impl Format for TargetChoice {
    type Value = TargetChoice;

    fn expected() -> String {
        OneOf::<Kind>::expected()
    }

    fn parse(text: &str) -> Result<TargetChoice, String> {
        OneOf::<Kind>::parse(text).map(TargetChoice::from)
    }

    /// A kind; or a name with a kind, which only an entry of `targets` can have.
    fn read(value: serde_json::Value) -> Result<TargetChoice, String> {
        let text = |member: &str| value.get(member).and_then(serde_json::Value::as_str);
        match (text("name"), text("type")) {
            (Some(name), Some(kind)) => Ok(TargetChoice {
                name: TargetName::new(name).map_err(|error| error.to_string())?,
                kind: OneOf::<Kind>::parse(kind)?,
            }),
            _ => OneOf::<Kind>::read(value).map(TargetChoice::from),
        }
    }

    fn show(value: &TargetChoice) -> String {
        value.kind.name().to_owned()
    }
}

/// The target as it is written.
#[derive(Debug)]
pub(super) struct ChosenTarget {
    name: TargetName,
    kind: Kind,
    /// Of `targets.catalog.type`, the section: that of its settings in the file.
    section: String,
    settings: TargetSettings,
}

/// Returns the target that is chosen, unless its settings cannot be read. Reports one that does not suit the role.
pub(super) fn choose(
    choice: Option<&TargetChoice>,
    sections: Vec<(Kind, TargetSettings)>,
    role: Role,
    has_log: bool,
    problems: &mut Problems,
) -> Option<ChosenTarget> {
    let default = TargetChoice::from(Kind::Store);
    match (role, choice.map(|choice| choice.kind)) {
        (Role::Check, Some(Kind::DataZone)) => {}
        (Role::Check, Some(_)) => {
            problems.at("target", "the check function requires target \"datazone\"");
        }
        (Role::Check, None) => {
            let message = "is required: the check function requires target \"datazone\"";
            problems.require("target", "target", choice, message);
        }
        (Role::Batch, Some(Kind::Store)) => {
            problems.at(
                "target",
                "the batch function has no store: use openlineage or datazone",
            );
        }
        (Role::Batch, None) => {
            let message = "is required: openlineage or datazone";
            problems.require("target", "target", choice, message);
        }
        (Role::Serve, Some(Kind::Store)) if !has_log => {
            problems.at(
                "target",
                "store is a view of the events in data_dir, and with queue.url they are in SQS: use another target",
            );
        }
        (Role::Serve, None) if !has_log => {
            let message =
                "is required with queue.url: the default, store, needs the queue in data_dir";
            problems.require("target", "target", choice, message);
        }
        (
            Role::Batch,
            Some(
                Kind::File
                | Kind::Archive
                | Kind::OpenLineage
                | Kind::DataHub
                | Kind::DataZone
                | Kind::Glue,
            ),
        )
        | (Role::Serve | Role::Ingest | Role::Source | Role::Tool, _) => {}
    }
    let TargetChoice { name, kind } = choice.unwrap_or(&default).clone();
    let settings = sections.into_iter().find(|(section, _)| *section == kind);
    let (_, settings) = settings?;
    let section = problems.origins.get("target");
    let section = section.and_then(|origin| origin.name.strip_suffix(".type"));
    Some(ChosenTarget {
        name,
        kind,
        section: section.unwrap_or(kind.name()).to_owned(),
        settings,
    })
}

impl ChosenTarget {
    /// Whether the rules are applied to its events.
    pub(super) fn rules_applied(&self) -> RuleUse {
        self.settings.rules_applied()
    }

    /// Reports that it is not decided whether the rules are applied, although there are some.
    pub(super) fn require_decision_on_rules(&self, problems: &mut Problems) {
        match self.rules_applied() {
            RuleUse::Always | RuleUse::Never => {}
            RuleUse::NotDecided(setting) => {
                let message = "is required with rules.file: true archives events as the rules leave them, false as \
                               they were accepted, with what the rules redact";
                // A value that is invalid is reported already.
                if !problems.is_set(&format!("{}.{setting}", self.kind.name())) {
                    let setting = format!("{}.{setting}", self.section);
                    problems.at_or_beside(&setting, "target", message);
                }
            }
        }
    }

    /// Checks the settings. Reports errors and returns `None` then.
    pub(super) fn validate(self, problems: &mut Problems) -> Option<TargetConfig> {
        match self.settings.validate() {
            Ok(config) => Some(TargetConfig {
                section: self.section,
                name: self.name,
                kind: config,
            }),
            Err(errors) => {
                for error in errors {
                    report(&error, self.kind, &self.section, problems);
                }
                None
            }
        }
    }
}

/// Reports an error of a setting, which is named as it is, or would be, in the file.
fn report(error: &SettingError, kind: Kind, section: &str, problems: &mut Problems) {
    let setting = format!("{}.{}", kind.name(), error.setting());
    // The setting is not set: its origin does not tell its name.
    let missing = |problems: &mut Problems, cause: &str, message: String| {
        if !problems.is_set(&setting) {
            let setting = format!("{section}.{}", error.setting());
            problems.at_or_beside(&setting, cause, message);
        }
    };
    let named = |problems: &Problems, setting: &str| {
        let origin = problems.origins.get(&format!("{}.{setting}", kind.name()));
        origin.map_or_else(
            || format!("{section}.{setting}"),
            |origin| origin.name.clone(),
        )
    };
    match error {
        SettingError::Required { .. } => {
            let target = match problems.origins.get("target") {
                Some(origin) => origin.name.clone(),
                None => "target".to_owned(),
            };
            let message = format!("is required when {target} is {:?}", kind.name());
            missing(problems, "target", message);
        }
        SettingError::Insufficient { reason, .. } => problems.at(&setting, (*reason).to_owned()),
        SettingError::RequiredWith { with, .. } => {
            let message = format!("is required with {}", named(problems, with));
            missing(problems, &format!("{}.{with}", kind.name()), message);
        }
        SettingError::RequiredWhen { with, value, .. } => {
            let message = format!("is required when {} is {value}", named(problems, with));
            missing(problems, &format!("{}.{with}", kind.name()), message);
        }
        SettingError::OnlyWith { with, values, .. } => {
            let message = format!("is used only when {} is {values}", named(problems, with));
            problems.at(&setting, message);
        }
        SettingError::Conflict { with, .. } => {
            let message = format!("cannot be combined with {}", named(problems, with));
            problems.at(&setting, message);
        }
    }
}
