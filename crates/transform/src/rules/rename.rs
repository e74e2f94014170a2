//! Renaming, at every place where the specification puts a name: the one way in which any rule changes a dataset's or
//! job's identity, so that no rule can miss a place and split the graph.

use std::collections::BTreeMap;

use openlineage::{Edits, Event, Identity, Role, positions};
use regex::Regex;

use super::when::Named;
use crate::mentions::{Moves, Uris};

/// New names for datasets or jobs.
#[derive(Debug, Clone)]
pub(crate) struct Rename {
    pub(crate) of: Role,
    /// Only these.
    pub(crate) only: Named,
    pub(crate) namespace: Vec<Change>,
    pub(crate) name: Vec<Change>,
}

/// A new text for an old one.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// That text.
    Set(String),
    /// By the whole text.
    Map(BTreeMap<String, String>),
    /// By the beginning; the longest counts.
    Prefix(Vec<(String, String)>),
    /// Every match, with `${1}` for groups.
    Regex(Regex, String),
    /// The host in `scheme://host:port`, any of these (in lower case), becomes that one; its port stays unless the new
    /// one brings its own.
    Hosts(Vec<String>, String),
}

impl Rename {
    /// The text of `event` with new names; `None` when nothing changes.
    pub(crate) fn apply(&self, event: &Event) -> Option<String> {
        let alone = |namespace: &str| {
            let (namespace, name) = (namespace.to_owned(), String::new());
            let renamed = self.renamed(&Identity { namespace, name });
            renamed.map(|after| after.namespace)
        };
        rewrite_with(event, self.of, |name| self.renamed(name), alone)
    }

    /// Whether no name of that role keeps that namespace.
    pub(crate) fn takes_all_of(&self, role: Role, namespace: &str) -> bool {
        let (namespace, name) = (namespace.to_owned(), String::new());
        let before = Identity { namespace, name };
        let after = self.renamed(&before).filter(|_| self.only.name.is_none());
        self.of == role && after.is_some_and(|after| after.namespace != before.namespace)
    }

    pub(crate) fn renamed(&self, before: &Identity) -> Option<Identity> {
        if !self.only.matches(before) {
            return None;
        }
        let changed = |changes: &[Change], text: &str| {
            changes.iter().fold(text.to_owned(), |text, change| {
                change.made(&text).unwrap_or(text)
            })
        };
        Some(Identity {
            namespace: changed(&self.namespace, &before.namespace),
            name: changed(&self.name, &before.name),
        })
    }
}

impl Change {
    fn made(&self, text: &str) -> Option<String> {
        match self {
            Change::Set(new) => Some(new.clone()),
            Change::Map(map) => map.get(text).cloned(),
            Change::Prefix(prefixes) => {
                let fitting = prefixes.iter().filter_map(|(old, new)| {
                    text.strip_prefix(old.as_str()).map(|rest| (old, new, rest))
                });
                let (_, new, rest) = fitting.max_by_key(|(old, ..)| old.len())?;
                Some(format!("{new}{rest}"))
            }
            Change::Regex(regex, new) => Some(regex.replace_all(text, new.as_str()).into_owned()),
            Change::Hosts(hosts, new) => {
                let (scheme, rest) = text.split_once("://")?;
                let end = rest.find(['/', ';', '?']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                // A user or a container stays: `scott@host`, `container@host`.
                let at = authority.rfind('@').map_or(0, |at| at + 1);
                let (user, authority) = authority.split_at(at);
                let (host, port) = match authority.rsplit_once(':') {
                    Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                        (host, Some(port))
                    }
                    Some(_) | None => (authority, None),
                };
                if !hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
                    return None;
                }
                let port = port
                    .filter(|_| !new.contains(':'))
                    .map(|port| format!(":{port}"));
                Some(format!(
                    "{scheme}://{user}{new}{}{path}",
                    port.unwrap_or_default()
                ))
            }
        }
    }
}

/// The text of `event` with every name of that role given to `f`, and the places that repeat a namespace with it;
/// `None` when nothing changes.
pub(crate) fn rewrite(
    event: &Event,
    of: Role,
    f: impl FnMut(&Identity) -> Option<Identity>,
) -> Option<String> {
    rewrite_with(event, of, f, |_| None)
}

/// The same; `alone` says what becomes of a namespace that no dataset of the event has: that of a query before its tables
/// are known.
fn rewrite_with(
    event: &Event,
    of: Role,
    mut f: impl FnMut(&Identity) -> Option<Identity>,
    alone: impl FnMut(&str) -> Option<String>,
) -> Option<String> {
    let found = event.json().map(positions).unwrap_or_default();
    let mut edits = Edits::new(event.text());
    let follows = of == Role::Dataset && !found.mentions.is_empty();
    let mut moves = Moves::default();
    for name in found.names.into_iter().filter(|name| name.role == of) {
        let (Some(namespace), Some(own)) = (name.namespace.string(), name.name.string()) else {
            continue;
        };
        let before = Identity {
            namespace: namespace.into_owned(),
            name: own.into_owned(),
        };
        let after = f(&before);
        if follows {
            let moved = after.as_ref().unwrap_or(&before);
            moves.add(name.namespace, &before.namespace, &moved.namespace);
        }
        let Some(after) = after else {
            continue;
        };
        if after.namespace != before.namespace {
            edits.replace_string(name.namespace, &after.namespace);
        }
        if after.name != before.name {
            edits.replace_string(name.name, &after.name);
        }
    }
    if follows {
        moves.follow(&found.mentions, Uris::Move, alone, &mut edits);
    }
    (!edits.is_empty()).then(|| edits.apply())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(change: &Change, text: &str) -> String {
        change.made(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn the_longest_prefix_counts_and_other_texts_stay() {
        let prefix = Change::Prefix(vec![
            ("s3://a".into(), "s3://x".into()),
            ("s3://ab".into(), "s3://y".into()),
        ]);
        assert_eq!(made(&prefix, "s3://abc"), "s3://yc");
        assert_eq!(made(&prefix, "s3://ac"), "s3://xc");
        assert_eq!(made(&prefix, "gs://ab"), "gs://ab");
    }

    #[test]
    fn a_host_is_replaced_whole_and_keeps_its_port() {
        let hosts = Change::Hosts(vec!["10.0.0.1".into(), "db-1".into()], "db".into());
        assert_eq!(made(&hosts, "postgres://DB-1:5432"), "postgres://db:5432");
        assert_eq!(made(&hosts, "postgres://10.0.0.1/x"), "postgres://db/x");
        assert_eq!(
            made(&hosts, "postgres://db-10:5432"),
            "postgres://db-10:5432"
        );
        assert_eq!(
            made(&hosts, "abfss://box@db-1/x?y=a@b"),
            "abfss://box@db/x?y=a@b"
        );
        let with_port = Change::Hosts(vec!["db-1".into()], "db:5433".into());
        assert_eq!(
            made(&with_port, "postgres://db-1:5432"),
            "postgres://db:5433"
        );
    }
}
