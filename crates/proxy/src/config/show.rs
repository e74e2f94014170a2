//! Lists the settings in effect, each with its origin, for `lineage-proxy config show`.

use serde::Serialize;
use settings::{Format, OneOf, Seconds};
use targets::Kind;

use super::formats::NamespaceStyle;
use super::problems::{Problems, VARIABLE};
use super::raw::Raw;
use super::source::SourceView;
use super::{Config, Errors, Layers, Role, names, several};

/// A setting in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectiveSetting {
    /// Its name in the file: `queue.url`, `targets.catalog.domain_id`.
    pub setting: String,
    /// Its value, as in an environment variable; stars for a secret.
    pub value: String,
    /// Where it was set: `proxy.yaml:2:15`, `LINEAGE_PROXY_LISTEN`, `--listen`, or `default`.
    pub origin: String,
}

impl Config {
    /// Lists the settings in effect for `role`, in the order of [`settings`](super::settings). Leaves out settings
    /// without a value, and defaults of targets that are not in use.
    pub fn effective(layers: Layers, role: Role) -> Result<Vec<EffectiveSetting>, Errors> {
        let (_, views, read) = several::read(layers, role).map_err(|invalid| invalid.errors)?;
        let mut effective: Vec<EffectiveSetting> = Vec::new();
        for view in &views {
            let target = &view.config.pipeline.target.name;
            for mut setting in list(&view.raw, &view.config, &view.problems) {
                let same = effective
                    .iter()
                    .find(|known| known.setting == setting.setting);
                match same {
                    Some(known) if *known == setting => continue,
                    // A default that depends on the target.
                    Some(_) => setting.origin = format!("{} of target {target}", setting.origin),
                    None => {}
                }
                effective.push(setting);
            }
        }
        effective.extend(read.iter().flat_map(SourceView::effective));
        Ok(effective)
    }
}

fn list(raw: &Raw, config: &Config, problems: &Problems) -> Vec<EffectiveSetting> {
    let mut values = serde_json::to_value(&raw.config).unwrap_or_default();
    for (kind, settings) in &raw.sections {
        if let Some(values) = values.as_object_mut() {
            let section = serde_json::to_value(settings).unwrap_or_default();
            values.insert(kind.name().to_owned(), section);
        }
    }
    let mut effective = Vec::new();
    let target = &config.pipeline.target;
    for entry in names::all() {
        let name = entry.name.as_str();
        let origin = problems.origins.get(name);
        let (section, rest) = name.split_once('.').unwrap_or(("", name));
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == section);
        let is_chosen = kind == Some(target.kind.kind());
        if kind.is_some() && !is_chosen && origin.is_none() {
            continue;
        }
        let written = values.pointer(&format!("/{}", name.replace('.', "/")));
        let written = written.and_then(|value| value.as_str()).map(str::to_owned);
        let Some(value) = written.or_else(|| dependent_default(name, config)) else {
            continue;
        };
        effective.push(EffectiveSetting {
            setting: match is_chosen {
                true => target.setting(rest),
                false => origin
                    .map_or(name, |origin| origin.name.as_str())
                    .to_owned(),
            },
            value,
            origin: origin
                .map_or("default", |origin| &origin.place)
                .replacen(VARIABLE, "", 1),
        });
    }
    effective
}

/// Returns the default of a setting whose default depends on others.
fn dependent_default(name: &str, config: &Config) -> Option<String> {
    let pipeline = &config.pipeline;
    match name {
        "target" => Some(pipeline.target.kind.kind().name().to_owned()),
        "redshift.style" => Some(OneOf::show(&NamespaceStyle(pipeline.redshift.style))),
        "redshift.lookup" => Some(pipeline.redshift_lookup.to_string()),
        "rules.refresh" if pipeline.rules.source.is_some() => {
            Some(Seconds::<1, 86_400>::show(&pipeline.rules.refresh))
        }
        _ => None,
    }
}
