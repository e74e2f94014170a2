//! Why a rule left a name as it is: called only when somebody asks.
//!
//! What a rule does is `action.rs`'s and `rename.rs`'s, which rule moved which name `explain/places.rs`'s; the words and
//! colours are the command line's.

mod places;

pub use places::{NamePosition, name_positions};

use std::collections::BTreeSet;

use openlineage::{Event, Identity, Json, Role};

use super::action::{Action, Symlink};
use super::pattern::Patterns;
use super::rename::{Change, Rename};
use super::when::Named;

/// A name that a rule left, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntouchedName {
    /// Of a dataset or a job.
    pub role: Role,
    /// The name.
    pub name: Identity,
    /// Why; nothing where the rule is for it and there was nothing to do.
    pub unmet: Option<NameMismatch>,
}

/// What a rule asks of a name, and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameMismatch {
    /// The place in the rule: `only.namespace`, `namespace.map`.
    pub condition: String,
    /// What it asks for.
    pub expected: String,
    /// What the name has.
    pub found: String,
    /// Of several that would do, the one most like what was found.
    pub nearest: Option<String>,
}

/// Patterns and texts longer than this are not compared, nor more than so many of them.
const LONGEST_COMPARED: usize = 300;
const MOST_COMPARED: usize = 1_000;

impl Action {
    /// The names of `event` that it leaves, once each.
    pub(super) fn untouched(&self, event: &Event) -> Vec<UntouchedName> {
        match self {
            Action::Rename(rename) => each(event, rename.of, |name| rename.unmet(name)),
            Action::Normalise(only, _) => {
                each(event, Role::Dataset, |name| Some(only.unmet("only", name)))
            }
            Action::Strip(role, only, _) => {
                each(event, *role, |name| Some(only.unmet("only", name)))
            }
            Action::DropDatasets(named) => each(event, Role::Dataset, |name| {
                (!named.matches(name)).then(|| named.unmet("drop_datasets", name))
            }),
            Action::SymlinkToPrimary(symlink) => symlink.untouched(event),
            Action::Redshift(_)
            | Action::Facets(..)
            | Action::Redact(_)
            | Action::Add(_)
            | Action::Drop
            | Action::Plugin(_) => Vec::new(),
        }
    }
}

/// Each name of that role once; `why` gives nothing for one that is not left.
fn each(
    event: &Event,
    of: Role,
    why: impl Fn(&Identity) -> Option<Option<NameMismatch>>,
) -> Vec<UntouchedName> {
    let found = event.json().map(openlineage::names).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let names = found.into_iter().filter(|name| name.role == of);
    let names = names.filter_map(|name| identity(name.namespace, name.name));
    names
        .filter(|name| seen.insert(name.clone()))
        .filter_map(|name| {
            let unmet = why(&name)?;
            Some(UntouchedName {
                role: of,
                name,
                unmet,
            })
        })
        .collect()
}

fn identity(namespace: Json<'_>, name: Json<'_>) -> Option<Identity> {
    Some(Identity {
        namespace: namespace.string()?.into_owned(),
        name: name.string()?.into_owned(),
    })
}

impl Named {
    /// What `name` lacks.
    fn unmet(&self, within: &str, name: &Identity) -> Option<NameMismatch> {
        let sides = [
            ("namespace", &self.namespace, &name.namespace),
            ("name", &self.name, &name.name),
        ];
        sides.into_iter().find_map(|(side, patterns, text)| {
            let patterns = patterns
                .as_ref()
                .filter(|patterns| !patterns.matches(text))?;
            Some(patterns.unmet(format!("{within}.{side}"), text))
        })
    }
}

impl Patterns {
    fn unmet(&self, condition: String, found: &str) -> NameMismatch {
        NameMismatch {
            condition,
            expected: self.told(),
            found: found.to_owned(),
            nearest: nearest(found, &self.each().collect::<Vec<_>>()),
        }
    }
}

impl Rename {
    /// Why it leaves `name`; nothing when it does not.
    fn unmet(&self, name: &Identity) -> Option<Option<NameMismatch>> {
        let Some(after) = self.renamed(name) else {
            return Some(self.only.unmet("only", name));
        };
        if after != *name {
            return None;
        }
        let sides = [
            ("namespace", &self.namespace, &name.namespace),
            ("name", &self.name, &name.name),
        ];
        let changes = sides.into_iter().flat_map(|(side, changes, text)| {
            changes
                .iter()
                .map(move |change| (side, change, text.as_str()))
        });
        let mut unmet = changes.filter_map(|(side, change, text)| change.unmet(side, text));
        let first = unmet.next();
        // Of several changes that do nothing, the one that comes nearest.
        Some(first.map(|first| match first.nearest {
            Some(_) => first,
            None => unmet.find(|unmet| unmet.nearest.is_some()).unwrap_or(first),
        }))
    }
}

impl Change {
    /// What it looks for that `text` is not; nothing when it is what the change makes of it.
    fn unmet(&self, side: &str, text: &str) -> Option<NameMismatch> {
        let (kind, wanted, found): (&str, Vec<&str>, &str) = match self {
            Change::Set(_) => return None,
            Change::Map(map) => ("map", map.keys().map(String::as_str).collect(), text),
            Change::Prefix(prefixes) => (
                "prefix",
                prefixes.iter().map(|(old, _)| old.as_str()).collect(),
                text,
            ),
            Change::Regex(regex, _) => ("regex", vec![regex.as_str()], text),
            Change::Hosts(hosts, _) => (
                "hosts",
                hosts.iter().map(String::as_str).collect(),
                host(text),
            ),
        };
        let already = match self {
            Change::Regex(regex, _) => regex.is_match(text),
            Change::Map(map) => map.contains_key(text),
            Change::Set(_) | Change::Prefix(_) | Change::Hosts(..) => false,
        };
        if already {
            return None;
        }
        let shown: Vec<&str> = wanted.iter().take(5).copied().collect();
        let more = match wanted.len().saturating_sub(shown.len()) {
            0 => String::new(),
            more => format!(" or {more} others"),
        };
        Some(NameMismatch {
            condition: format!("{side}.{kind}"),
            expected: shown.join(" or ") + &more,
            found: found.to_owned(),
            nearest: nearest(found, &wanted),
        })
    }
}

/// The host of a namespace, or all of one that has none.
fn host(text: &str) -> &str {
    let Some((_, rest)) = text.split_once("://") else {
        return text;
    };
    let authority = rest.split(['/', ';', '?']).next().unwrap_or(rest);
    let server = authority
        .rsplit_once('@')
        .map_or(authority, |(_, server)| server);
    match server.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => server,
    }
}

/// The one of `wanted` that is most like `found`, if half of it is the same.
fn nearest(found: &str, wanted: &[&str]) -> Option<String> {
    let wanted = wanted.iter().take(MOST_COMPARED).copied();
    let near = wanted.filter_map(|wanted| {
        let plain = wanted.trim_end_matches('*');
        // Of a pattern for a beginning, as much of the text as that has.
        let start = found.chars().take(plain.chars().count());
        let text: String = match plain.len() < wanted.len() {
            true => start.collect(),
            false => found.to_owned(),
        };
        let length = text.chars().count().max(plain.chars().count());
        if length == 0 || length > LONGEST_COMPARED {
            return None;
        }
        let distance = strsim::osa_distance(&text.to_lowercase(), &plain.to_lowercase());
        (distance <= length / 2).then_some((distance, wanted))
    });
    let (_, found) = near.min_by_key(|(distance, _)| *distance)?;
    Some(found.to_owned())
}

impl Symlink {
    fn untouched(&self, event: &Event) -> Vec<UntouchedName> {
        let Some(root) = event.json() else {
            return Vec::new();
        };
        let mut left = Vec::new();
        for dataset in super::action::datasets(root) {
            let Some(name) = Identity::of(dataset) else {
                continue;
            };
            let unmet = |condition: &str, expected: String, found: String| NameMismatch {
                condition: condition.to_owned(),
                expected,
                found,
                nearest: None,
            };
            let identifiers = dataset.at(&["facets", "symlinks", "identifiers"]);
            let identifiers = identifiers.map(Json::items).unwrap_or_default();
            let unmet = if self.other.is_none() && self.only.matches(&name) {
                let own = format!("{} {}", name.namespace, name.name);
                Some(unmet("its own name", format!("not {}", self.told()), own))
            } else if identifiers.iter().any(|id| self.fitting(*id).is_some()) {
                continue; // it is swapped
            } else if identifiers.is_empty() {
                Some(unmet("symlinks", self.told(), "none".to_owned()))
            } else {
                let found = identifiers.iter().filter_map(|id| {
                    let name = Identity::of(*id)?;
                    let kind = id.get("type").and_then(Json::string).unwrap_or_default();
                    Some(format!("{} {} {kind}", name.namespace, name.name))
                });
                Some(unmet(
                    "symlinks",
                    self.told(),
                    found.collect::<Vec<_>>().join(", "),
                ))
            };
            left.push(UntouchedName {
                role: Role::Dataset,
                name,
                unmet,
            });
        }
        left
    }

    fn told(&self) -> String {
        let kind = self
            .kind
            .as_ref()
            .map(|kind| format!("type {}", kind.told()));
        let parts = [self.only.told(), kind.unwrap_or_default()];
        let parts: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        match parts.is_empty() {
            true => "any".to_owned(),
            false => parts.join(", "),
        }
    }
}
