//! The action `rename`: new names for datasets or jobs. Its settings are in `rename/settings.rs`.

mod settings;

use std::collections::BTreeMap;

use openlineage::{Event, Identity, Role};
use regex::Regex;

pub(super) use settings::RenameSettings;

use super::{Action, ActionOutput, Effect};
use crate::rules::{
    Context, NameEffect, NameMismatch, NamePattern, UntouchedName, each_name, nearest, rewrite_with,
};

/// New names for datasets or jobs.
#[derive(Debug, Clone)]
struct Rename {
    of: Role,
    only: NamePattern,
    namespace: Vec<Change>,
    name: Vec<Change>,
}

/// How a text changes.
#[derive(Debug, Clone)]
enum Change {
    /// To a fixed text.
    Set(String),
    /// By the whole text.
    Map(BTreeMap<String, String>),
    /// By its prefix; the longest one counts.
    Prefix(Vec<(String, String)>),
    /// Every match of a pattern, with `${1}` for groups.
    Regex(Regex, String),
    /// The host in `scheme://host:port`: any of these (in lower case) becomes that one. Its port stays unless the new
    /// one has a port.
    Hosts(Vec<String>, String),
}

impl Action for Rename {
    fn apply(&self, event: &Event, _: &Context<'_>) -> Result<ActionOutput, String> {
        let alone = |namespace: &str| {
            let (namespace, name) = (namespace.to_owned(), String::new());
            let renamed = self.renamed(&Identity { namespace, name });
            renamed.map(|after| after.namespace)
        };
        let text = rewrite_with(event, self.of, |name| self.renamed(name), alone);
        Effect::of(event, text).map(ActionOutput::from)
    }

    fn untouched(&self, event: &Event) -> Vec<UntouchedName> {
        each_name(event, self.of, |name| self.effect_on(name))
    }

    fn selects(&self) -> Option<(Role, &NamePattern)> {
        Some((self.of, &self.only))
    }

    fn empties(&self, role: Role, namespace: &str) -> bool {
        let (namespace, name) = (namespace.to_owned(), String::new());
        let before = Identity { namespace, name };
        let after = self.renamed(&before).filter(|_| self.only.name.is_none());
        self.of == role && after.is_some_and(|after| after.namespace != before.namespace)
    }

    fn may_produce(&self, role: Role, namespace: &str) -> bool {
        let mut changes = self.namespace.iter();
        self.of == role
            && changes.any(|change| match change {
                Change::Set(new) => new == namespace,
                Change::Map(map) => map.values().any(|new| new == namespace),
                Change::Prefix(prefixes) => prefixes
                    .iter()
                    .any(|(_, new)| namespace.starts_with(new.as_str())),
                Change::Regex(..) | Change::Hosts(..) => true,
            })
    }
}

impl Rename {
    fn renamed(&self, before: &Identity) -> Option<Identity> {
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

    /// Returns whether it changes `name`, and if not, why.
    fn effect_on(&self, name: &Identity) -> NameEffect {
        let Some(after) = self.renamed(name) else {
            return self.only.mismatch("only", name).into();
        };
        if after != *name {
            return NameEffect::Changed;
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
        let mut mismatches = changes.filter_map(|(side, change, text)| change.mismatch(side, text));
        let first = mismatches.next();
        // Of several changes that do not apply, reports the nearest.
        let nearest = first.map(|first| match first.nearest {
            Some(_) => first,
            None => mismatches
                .find(|mismatch| mismatch.nearest.is_some())
                .unwrap_or(first),
        });
        nearest.into()
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

    /// Returns the pattern that `text` does not match; `None` if `text` is already the result of the change.
    fn mismatch(&self, side: &str, text: &str) -> Option<NameMismatch> {
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

/// Returns the host of a namespace, or all of it if it has none.
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
