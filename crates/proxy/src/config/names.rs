//! The names of settings in the file and in the environment, and suggestions for unknown names.

use std::sync::LazyLock;

use settings::{Entry, nearest};
use targets::Kind;

use super::raw::RawConfig;

/// The prefix of our environment variables.
pub const PREFIX: &str = "LINEAGE_PROXY_";

/// Returns all settings: first those outside of sections, then by section, in alphabetical order.
pub fn all() -> &'static [Entry] {
    static ALL: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let mut entries = settings::list::<RawConfig>();
        for kind in Kind::ALL {
            let section = kind.settings().into_iter();
            entries.extend(section.map(|entry| Entry {
                name: format!("{}.{}", kind.name(), entry.name),
                ..entry
            }));
        }
        // By section; settings outside of sections come first.
        entries.sort_by_key(|entry| {
            let name = entry.name.clone();
            (
                name.rsplit_once('.').map(|(section, _)| section.to_owned()),
                name,
            )
        });
        entries
    });
    &ALL
}

/// Returns the environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', "_").to_ascii_uppercase())
}

/// Returns the setting of an environment variable.
pub(super) fn of_variable(variable: &str) -> Option<&'static str> {
    static BY_VARIABLE: LazyLock<std::collections::BTreeMap<String, &'static str>> =
        LazyLock::new(|| {
            let names = all().iter().map(|entry| entry.name.as_str());
            names.map(|name| (self::variable(name), name)).collect()
        });
    BY_VARIABLE.get(variable).copied()
}

/// Whether a setting of that name exists.
pub(super) fn is_setting(name: &str) -> bool {
    all().iter().any(|entry| entry.name == name)
}

/// Returns the settings of a section.
pub(super) fn in_section(section: &str) -> impl Iterator<Item = &'static str> {
    let inside = move |name: &&str| {
        let rest = name.strip_prefix(section);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    all().iter().map(|entry| entry.name.as_str()).filter(inside)
}

/// Suggests a setting for an unknown name in a file: ` (did you mean batch.size?)`, or else lists the settings of its
/// section.
pub(super) fn hint(unknown: &str) -> String {
    let sections = all().iter().filter_map(|entry| entry.name.split_once('.'));
    let sections = sections
        .map(|(section, _)| section)
        .chain(["targets", "sources"]);
    let names = all().iter().map(|entry| entry.name.as_str());
    let hint = meant(unknown, names.chain(sections));
    let section = unknown.split_once('.').map_or("", |(section, _)| section);
    let inside: Vec<&str> = in_section(section).collect();
    match hint.is_empty() && !inside.is_empty() {
        true => format!(" (the settings of {section} are {})", inside.join(", ")),
        false => hint,
    }
}

/// Suggests a setting for an unknown environment variable.
pub(super) fn variable_hint(unknown: &str) -> String {
    let Some(rest) = unknown.strip_prefix(PREFIX) else {
        return String::new();
    };
    let variables: Vec<String> = all().iter().map(|entry| variable(&entry.name)).collect();
    let names: Vec<&str> = variables
        .iter()
        .filter_map(|name| name.strip_prefix(PREFIX))
        .collect();
    if let Some(section) = all().iter().find_map(|entry| {
        let (section, _) = entry.name.split_once('.')?;
        section.eq_ignore_ascii_case(rest).then_some(section)
    }) {
        let inside: Vec<String> = in_section(section).map(variable).collect();
        return format!(" (it is a section; its settings are {})", inside.join(", "));
    }
    let hint = meant(rest, names.into_iter());
    // Suggests variables, which have the prefix.
    hint.replacen("did you mean ", &format!("did you mean {PREFIX}"), 1)
        .replace(" or ", &format!(" or {PREFIX}"))
}

fn meant<'n>(unknown: &str, names: impl Iterator<Item = &'n str> + Clone) -> String {
    if let Some(near) = nearest(unknown, names.clone()) {
        return format!(" (did you mean {near}?)");
    }
    // A part of the name is missing: `url`, `api_key`.
    let tail = unknown.rsplit('.').next().unwrap_or(unknown);
    let ends = names.filter(|name| {
        let rest = name.strip_suffix(tail);
        rest.is_some_and(|rest| rest.ends_with(['.', '_']))
    });
    let ends: Vec<&str> = ends.collect();
    match ends.as_slice() {
        [] => String::new(),
        ends => format!(" (did you mean {}?)", ends.join(" or ")),
    }
}
