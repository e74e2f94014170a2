//! The actions on names: rename, normalise, redshift, symlink_to_primary, strip.

use std::collections::BTreeMap;

use openlineage::Role;
use regex::Regex;

use super::{Sources, flags, texts};
use crate::action::{Case, Normalise, Strip};
use crate::redshift::{Redshift, Style};
use crate::rules::action::{Action, Symlink};
use crate::rules::pattern::{Patterns, regex};
use crate::rules::rename::{Change, Rename};
use crate::rules::when::Named;
use crate::rules::yaml::{At, Fields, Node, Problems, Value};

const ROLES: [(&str, Role); 2] = [("dataset", Role::Dataset), ("job", Role::Job)];

fn role(fields: &mut Fields<'_>, problems: &mut Problems) -> Role {
    let node = fields.get("of");
    node.and_then(|node| node.choice(&ROLES, problems))
        .unwrap_or(Role::Dataset)
}

pub(super) fn rename(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let mut fields = Fields::of(node, "a map with namespace, name, or both", problems)?;
    let of = role(&mut fields, problems);
    let only = fields
        .get("only")
        .and_then(|node| Named::read(node, problems));
    let mut given = false;
    let mut side = |name| {
        let node: Option<&Node> = fields.get(name);
        given |= node.is_some();
        let nodes = node.map(|node| node.at_least_one(problems));
        let nodes = nodes.unwrap_or_default();
        let changes = nodes.into_iter().filter_map(|node| change(node, problems));
        changes.collect::<Vec<_>>()
    };
    let (namespace, name) = (side("namespace"), side("name"));
    fields.finish(problems);
    if !given {
        problems.say(node.at, "expected namespace, name, or both");
    }
    Some(Action::Rename(Rename {
        of,
        only: only.unwrap_or_default(),
        namespace,
        name,
    }))
}

fn change(node: &Node, problems: &mut Problems) -> Option<Change> {
    if let Value::Text(text) = &node.value {
        return not_empty(node.at, text.clone(), problems).map(Change::Set);
    }
    let what = "a new text, {map}, {prefix}, {regex, to} or {hosts, to}";
    let mut fields = Fields::of(node, what, problems)?;
    let (map, prefix) = (fields.get("map"), fields.get("prefix"));
    let (pattern, hosts) = (fields.get("regex"), fields.get("hosts"));
    // What is in a map brings its own new text: there `to` is a key like any that there is not.
    let to = match (pattern, hosts) {
        (None, None) => None,
        (Some(_), _) | (_, Some(_)) => fields.text("to", problems),
    };
    if !fields.is_given("to") && (pattern.is_some() || hosts.is_some()) {
        problems.say(node.at, "expected to: the new text");
    }
    fields.finish(problems);
    match (map, prefix, pattern, hosts) {
        (Some(map), None, None, None) => {
            let texts = texts(
                map,
                "a map of old and new texts such as {old: new}",
                problems,
            );
            for (old, new) in &texts {
                if new.is_empty() {
                    problems.say(
                        map.at,
                        format!("{old:?}: expected a new text, found an empty one"),
                    );
                }
            }
            Some(Change::Map(texts.into_iter().collect()))
        }
        (None, Some(prefix), None, None) => {
            let what = "a map of old and new prefixes such as {old/: new/}";
            Some(Change::Prefix(texts(prefix, what, problems)))
        }
        (None, None, Some(pattern), None) => {
            let (regex, to) = (regex(pattern, problems)?, to?);
            if let Some(group) = missing_group(&regex, &to) {
                let message = format!("there is no group {group}{}", meant(&regex, group));
                problems.say(node.at, message);
            }
            Some(Change::Regex(regex, to))
        }
        (None, None, None, Some(hosts)) => {
            let nodes = hosts.at_least_one(problems).into_iter();
            let hosts = nodes.filter_map(|node| node.text(problems));
            let hosts: Vec<String> = hosts.map(|host| host.to_lowercase()).collect();
            let to = not_empty(node.at, to?, problems)?;
            Some(Change::Hosts(hosts, to))
        }
        (map, prefix, pattern, hosts) => {
            let given = [
                ("map", map),
                ("prefix", prefix),
                ("regex", pattern),
                ("hosts", hosts),
            ];
            let given = given
                .into_iter()
                .filter_map(|(name, node)| node.map(|_| name));
            let found = match given.collect::<Vec<_>>().as_slice() {
                [] => "none of them".to_owned(),
                given => given.join(" and "),
            };
            problems.say(
                node.at,
                format!("expected one of map, prefix, regex and hosts, found {found}"),
            );
            None
        }
    }
}

/// The first reference in `to` to a group that `regex` does not have: it would quietly stand for nothing. References
/// are what the crate `regex` takes for them: `$1_x` is that of a group called `1_x`.
fn missing_group<'t>(regex: &Regex, to: &'t str) -> Option<&'t str> {
    let mut rest = to;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|s| s.split_once('}'));
        let (group, next) = braced.unwrap_or_else(|| {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            after.split_at(after.find(|c| !word(c)).unwrap_or(after.len()))
        });
        rest = next;
        if !group.is_empty() && !has_group(regex, group) {
            return Some(group);
        }
    }
    None
}

fn has_group(regex: &Regex, group: &str) -> bool {
    match group.parse::<usize>() {
        Ok(index) => index < regex.captures_len(),
        Err(_) => regex.capture_names().flatten().any(|name| name == group),
    }
}

/// What was meant by a reference that runs on into the text after it.
fn meant(regex: &Regex, group: &str) -> String {
    let ends = (1..group.len()).rev().filter_map(|end| group.get(..end));
    let mut known = ends.filter(|start| has_group(regex, start));
    known
        .next()
        .map(|start| format!("; write ${{{start}}}"))
        .unwrap_or_default()
}

fn not_empty(at: At, text: String, problems: &mut Problems) -> Option<String> {
    if text.is_empty() {
        problems.say(at, "expected a new text, found an empty one");
        return None;
    }
    Some(text)
}

pub(super) fn normalise(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let names = [
        "s3",
        "objects",
        "host_case",
        "default_ports",
        "redshift",
        "glue",
        "trailing_slash",
        "jdbc",
        "name_case",
    ];
    let (mut only, mut case, mut stores) = (None, None, Some(node));
    if let Value::Map(_) = &node.value {
        let mut fields = Fields::of(node, "a map with only, stores, case", problems)?;
        only = fields
            .get("only")
            .and_then(|node| Named::read(node, problems));
        case = fields.get("case").and_then(|node| {
            node.choice(&[("lower", Case::Lower), ("upper", Case::Upper)], problems)
        });
        // A case that is asked for is something to do by itself.
        stores = match fields.is_given("case") {
            true => fields.get("stores"),
            false => part(&mut fields, "stores", &names, problems),
        };
        let asked = fields.is_given("case");
        fields.finish(problems);
        if stores.is_none() && !asked {
            return None;
        }
    }
    let flags = stores.map(|node| flags(node, names, problems));
    let [
        s3,
        objects,
        host_case,
        default_ports,
        redshift,
        glue,
        trailing_slash,
        jdbc,
        name_case,
    ] = flags.unwrap_or_default();
    let normalise = Normalise {
        s3,
        objects,
        host_case,
        default_ports,
        redshift,
        glue,
        trailing_slash,
        jdbc,
        name_case,
        case,
    };
    Some(Action::Normalise(only.unwrap_or_default(), normalise))
}

/// The value of a key that has to be there: `all`, or some of `names`.
fn part<'n>(
    fields: &mut Fields<'n>,
    key: &'static str,
    names: &[&str],
    problems: &mut Problems,
) -> Option<&'n Node> {
    let found = fields.get(key);
    if found.is_none() {
        let names = names.join(", ");
        problems.say(
            fields.at,
            format!("expected {key}: all, or some of {names}"),
        );
    }
    found
}

pub(super) fn redshift(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let mut fields = Fields::of(node, "a map with style, hosts, account", problems)?;
    let styles = [
        ("endpoint", Style::Endpoint),
        ("account_host", Style::AccountHost),
        ("arn", Style::Arn),
        ("openlineage", Style::OpenLineage),
    ];
    let style = fields
        .get("style")
        .and_then(|node| node.choice(&styles, problems));
    let hosts = fields
        .get("hosts")
        .map(|node| texts(node, "a map of hosts and full endpoints", problems));
    let account = fields.get("account").and_then(|node| {
        let account = node.text(problems)?;
        let ok = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if !ok {
            node.expected("an AWS account of 12 digits, in quotes", problems);
        }
        ok.then_some(account)
    });
    fields.finish(problems);
    let hosts: BTreeMap<String, String> = hosts
        .unwrap_or_default()
        .into_iter()
        .map(|(host, full)| (host.to_ascii_lowercase(), full))
        .collect();
    Some(Action::Redshift(Redshift {
        style: style.unwrap_or_default(),
        hosts,
        account,
    }))
}

/// The catalogue's name of a Glue table, in any partition, and what it was before it was an ARN.
const GLUE: [&str; 2] = ["arn:aws*:glue:*", "aws:glue:*"];

pub(super) fn symlink(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let (mut only, mut kind) = (Named::default(), None);
    if !matches!(node.value, Value::Null | Value::Bool(true)) {
        let mut fields = Fields::of(node, "true, or a map with namespace, name, type", problems)?;
        let mut patterns = |name| {
            let node = fields.get(name)?;
            Patterns::read(node, problems)
        };
        (only.namespace, only.name, kind) =
            (patterns("namespace"), patterns("name"), patterns("type"));
        fields.finish(problems);
    }
    let mut other = None;
    match &kind {
        None if only.namespace.is_none() && only.name.is_none() => {
            only.namespace = Patterns::globs(&GLUE);
        }
        Some(kind) if only.namespace.is_none() && only.name.is_none() => {
            other = match (kind.matches("TABLE"), kind.matches("LOCATION")) {
                (true, false) => Some("LOCATION"),
                (false, true) => Some("TABLE"),
                (true, true) | (false, false) => None,
            };
        }
        Some(_) | None => {}
    }
    Some(Action::SymlinkToPrimary(Symlink { only, kind, other }))
}

pub(super) fn strip(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let names = ["partitions", "dates", "uuids", "temporary"];
    let (mut role, mut only, mut parts) = (Role::Dataset, None, node);
    if let Value::Map(_) = &node.value {
        let mut fields = Fields::of(node, "a map with of, only, parts", problems)?;
        role = self::role(&mut fields, problems);
        only = fields
            .get("only")
            .and_then(|node| Named::read(node, problems));
        let part = part(&mut fields, "parts", &names, problems);
        fields.finish(problems);
        parts = part?;
    }
    let [partitions, dates, uuids, temporary] = flags(parts, names, problems);
    let strip = Strip {
        partitions,
        dates,
        uuids,
        temporary,
    };
    Some(Action::Strip(role, only.unwrap_or_default(), strip))
}
