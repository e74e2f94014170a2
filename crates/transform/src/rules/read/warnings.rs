//! What a rule says that can never do anything: a map from a text to itself, a pattern that every name fits where only the
//! others are meant. It is no error, since it harms nothing; `transform check` warns of it.
//!
//! Looks at an action that was read without a problem, and at its text again for the places.

use openlineage::Role;

use crate::action::FacetsAction;
use crate::rules::Rule;
use crate::rules::action::{Action, Symlink};
use crate::rules::pattern::Patterns;
use crate::rules::rename::{Change, Rename};
use crate::rules::yaml::{Node, Problems, Value};

pub(super) fn warn(node: &Node, action: &Action, problems: &mut Problems) {
    match action {
        Action::Rename(rename) => {
            let sides = [
                (
                    "namespace",
                    &rename.namespace,
                    rename.only.namespace.as_ref(),
                ),
                ("name", &rename.name, rename.only.name.as_ref()),
            ];
            for (side, changes, only) in sides {
                let nodes = node.member(side).map(Node::one_or_many).unwrap_or_default();
                for (node, change) in nodes.into_iter().zip(changes) {
                    self::change(node, change, side, only, problems);
                }
            }
            no_names(node, rename, problems);
        }
        Action::SymlinkToPrimary(symlink) => self::symlink(node, symlink, problems),
        Action::Facets(FacetsAction::Keep(globs), _) => {
            if globs.iter().any(|glob| is_all(glob.glob().glob())) {
                problems.warn(node.at, "it keeps every facet, so it removes none");
            }
        }
        Action::Facets(FacetsAction::Remove(globs), _) => {
            if globs.is_empty() {
                problems.warn(node.at, "it names no facet to remove");
            }
        }
        Action::Facets(FacetsAction::Cap(caps), _) => {
            if caps.is_empty() {
                problems.warn(node.at, "it names no facet and no size");
            }
            let Some(Node {
                value: Value::Map(members),
                ..
            }) = node.member("cap")
            else {
                return;
            };
            let mut members = members.iter();
            if members.any(|(key, _)| is_all(&key.text)) {
                for (key, _) in members {
                    let message = format!(
                        "{:?} never counts: '*' before it means every facet",
                        key.text
                    );
                    problems.warn(key.at, message);
                }
            }
        }
        Action::Add(add) => {
            let facets = node.member("facets");
            for facet in add.facets.iter().filter(|facet| !facet.fits(add.on)) {
                let at = facets.map_or(node.at, |facets| facets.at);
                let name = facet.name();
                problems.warn(
                    at,
                    format!("{name} is never added: it belongs on what on: does not name"),
                );
            }
            if add.overwrite && add.documentation.is_none() && add.facets.is_empty() {
                problems.warn(
                    node.at,
                    "overwrite does nothing without documentation or facets",
                );
            }
        }
        Action::Normalise(..)
        | Action::Redshift(_)
        | Action::Strip(..)
        | Action::Redact(_)
        | Action::DropDatasets(_)
        | Action::Drop
        | Action::Plugin(_) => {}
    }
}

fn is_all(glob: &str) -> bool {
    !glob.is_empty() && glob.bytes().all(|byte| byte == b'*')
}

fn change(
    node: &Node,
    change: &Change,
    side: &str,
    only: Option<&Patterns>,
    problems: &mut Problems,
) {
    let members = |key| match node.member(key).map(|node| &node.value) {
        Some(Value::Map(members)) => members.as_slice(),
        Some(_) | None => &[],
    };
    match change {
        Change::Set(new) => {
            let literals = only.and_then(Patterns::literals);
            if literals.is_some_and(|literals| literals.iter().all(|literal| literal == new)) {
                problems.warn(node.at, format!("{new:?} becomes itself"));
            }
        }
        Change::Map(map) => {
            for (key, _) in members("map") {
                let old = &key.text;
                if map.get(old).is_some_and(|new| new == old) {
                    problems.warn(key.at, format!("{old:?} becomes itself"));
                } else if let Some(only) = only.filter(|only| !only.matches(old)) {
                    let only = only.told();
                    problems.warn(
                        key.at,
                        format!("{old:?} is never renamed: only.{side} is {only}"),
                    );
                }
            }
        }
        Change::Prefix(prefixes) => {
            for (key, _) in members("prefix") {
                let old = &key.text;
                let literals = only.and_then(Patterns::literals).unwrap_or_default();
                if prefixes
                    .iter()
                    .any(|(prefix, new)| prefix == old && new == old)
                {
                    problems.warn(key.at, format!("{old:?} becomes itself"));
                } else if !literals.is_empty()
                    && !literals.iter().any(|text| text.starts_with(old.as_str()))
                {
                    let message =
                        format!("{old:?} is never found: nothing in only.{side} begins with it");
                    problems.warn(key.at, message);
                }
            }
        }
        Change::Regex(regex, to) => {
            let plain = regex.as_str().trim_start_matches('^').trim_end_matches('$');
            if ["$0", "${0}"].contains(&to.as_str()) || plain == to && regex::escape(plain) == plain
            {
                problems.warn(node.at, "what it finds becomes itself");
            }
        }
        Change::Hosts(hosts, to) => {
            let nodes = node
                .member("hosts")
                .map(Node::one_or_many)
                .unwrap_or_default();
            for (node, host) in nodes.into_iter().zip(hosts) {
                let port = host.rsplit_once(':').is_some_and(|(_, port)| {
                    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
                });
                if port || host.contains(['/', '*', '?', '@', ' ']) {
                    let message = format!(
                        "{host:?} is never found: a host has no scheme, user, port or wildcard"
                    );
                    problems.warn(node.at, message);
                }
            }
            if !hosts.is_empty() && hosts.iter().all(|host| host.eq_ignore_ascii_case(to)) {
                problems.warn(node.at, format!("{to:?} becomes itself"));
            }
        }
    }
}

/// `hosts` for the name of a job: jobs and names have none.
fn no_names(node: &Node, rename: &Rename, problems: &mut Problems) {
    let hosts = |changes: &[Change]| {
        changes
            .iter()
            .any(|change| matches!(change, Change::Hosts(..)))
    };
    if rename.of == Role::Job && hosts(&rename.name) {
        let at = node.member("name").map_or(node.at, |node| node.at);
        problems.warn(at, "names of jobs have no hosts: expected namespace");
    }
}

fn symlink(node: &Node, symlink: &Symlink, problems: &mut Problems) {
    let all = |patterns: &Option<Patterns>| patterns.as_ref().is_none_or(Patterns::match_all);
    if symlink.other.is_some() || !all(&symlink.only.namespace) || !all(&symlink.only.name) {
        return;
    }
    let message = "it never swaps, since a name that fits stays, and every name fits; \
                   expected a narrower namespace or name, or type: TABLE or LOCATION";
    problems.warn(node.at, message);
}

/// The earlier rule that leaves no name for this one: it renames all that `only` means, and nothing brings them back.
pub(super) fn emptied<'r>(earlier: &'r [Rule], action: &Action) -> Option<(&'r Rule, String)> {
    let (role, only) = match action {
        Action::Rename(rename) => (rename.of, &rename.only),
        Action::Normalise(only, _) | Action::DropDatasets(only) => (Role::Dataset, only),
        Action::Strip(role, only, _) => (*role, only),
        Action::Redshift(_)
        | Action::SymlinkToPrimary(_)
        | Action::Facets(..)
        | Action::Redact(_)
        | Action::Add(_)
        | Action::Drop
        | Action::Plugin(_) => return None,
    };
    let namespaces = only.namespace.as_ref()?.literals()?;
    let mut found = None;
    for namespace in namespaces {
        if earlier
            .iter()
            .any(|rule| brings(&rule.action, role, namespace))
        {
            return None;
        }
        let takes = |rule: &&Rule| match &rule.action {
            Action::Rename(rename) => rename.takes_all_of(role, namespace) && rule.when.is_always(),
            _ => false,
        };
        found = Some((earlier.iter().find(takes)?, namespace.to_owned()));
    }
    found
}

/// Whether names may get that namespace by it.
fn brings(action: &Action, role: Role, namespace: &str) -> bool {
    match action {
        Action::Rename(rename) if rename.of == role => {
            rename.namespace.iter().any(|change| match change {
                Change::Set(new) => new == namespace,
                Change::Map(map) => map.values().any(|new| new == namespace),
                Change::Prefix(prefixes) => prefixes
                    .iter()
                    .any(|(_, new)| namespace.starts_with(new.as_str())),
                Change::Regex(..) | Change::Hosts(..) => true,
            })
        }
        Action::Normalise(..) | Action::Redshift(_) | Action::SymlinkToPrimary(_) => {
            role == Role::Dataset
        }
        Action::Redact(_) | Action::Plugin(_) => true,
        Action::Rename(_)
        | Action::Strip(..)
        | Action::Facets(..)
        | Action::Add(_)
        | Action::DropDatasets(_)
        | Action::Drop => false,
    }
}
