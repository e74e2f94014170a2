//! The actions on names: rename, normalise, redshift, symlink_to_primary, strip.

use std::collections::BTreeMap;

use openlineage::Role;

use super::{Sources, flags, texts};
use crate::action::{Normalise, Strip};
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
    let mut fields = Fields::of(node, "namespace, name, or both", problems)?;
    let of = role(&mut fields, problems);
    let only = fields
        .get("only")
        .and_then(|node| Named::read(node, problems));
    let mut given = false;
    let mut side = |name| {
        let node: Option<&Node> = fields.get(name);
        given |= node.is_some();
        let nodes = node.map(Node::one_or_many).unwrap_or_default();
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
    fields.finish(problems);
    let to = |problems: &mut Problems| {
        if to.is_none() {
            problems.say(node.at, "expected to: the new text");
        }
        to.clone()
    };
    match (map, prefix, pattern, hosts) {
        (Some(map), None, None, None) => {
            Some(Change::Map(texts(map, problems).into_iter().collect()))
        }
        (None, Some(prefix), None, None) => Some(Change::Prefix(texts(prefix, problems))),
        (None, None, Some(pattern), None) => {
            Some(Change::Regex(regex(pattern, problems)?, to(problems)?))
        }
        (None, None, None, Some(hosts)) => {
            let nodes = hosts.one_or_many().into_iter();
            let hosts = nodes.filter_map(|node| node.text(problems));
            let hosts: Vec<String> = hosts.map(|host| host.to_lowercase()).collect();
            Some(Change::Hosts(hosts, to(problems)?))
        }
        _ => {
            problems.say(node.at, format!("expected {what}, and one of them"));
            None
        }
    }
}

fn not_empty(at: At, text: String, problems: &mut Problems) -> Option<String> {
    if text.is_empty() {
        problems.say(at, "a name cannot be empty");
        return None;
    }
    Some(text)
}

pub(super) fn normalise(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let names = [
        "s3",
        "host_case",
        "default_ports",
        "redshift",
        "trailing_slash",
        "jdbc",
    ];
    let (mut only, mut stores) = (None, node);
    if let Value::Map(_) = &node.value {
        let mut fields = Fields::of(node, "only, stores", problems)?;
        only = fields
            .get("only")
            .and_then(|node| Named::read(node, problems));
        stores = part(&mut fields, "stores", &names, problems)?;
        fields.finish(problems);
    }
    let [s3, host_case, default_ports, redshift, trailing_slash, jdbc] =
        flags(stores, names, problems);
    let normalise = Normalise {
        s3,
        host_case,
        default_ports,
        redshift,
        trailing_slash,
        jdbc,
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
    let mut fields = Fields::of(node, "style, hosts, account", problems)?;
    let styles = [
        ("endpoint", Style::Endpoint),
        ("account_host", Style::AccountHost),
        ("arn", Style::Arn),
        ("openlineage", Style::OpenLineage),
    ];
    let style = fields
        .get("style")
        .and_then(|node| node.choice(&styles, problems));
    let hosts = fields.get("hosts").map(|node| texts(node, problems));
    let account = fields.get("account").and_then(|node| {
        let account = node.text(problems)?;
        let ok = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        if !ok {
            problems.say(node.at, "expected an AWS account of 12 digits, in quotes");
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

/// The catalogue's name of a Glue table, in any partition.
const GLUE: &str = "arn:aws*:glue:*";

pub(super) fn symlink(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let (mut only, mut kind) = (Named::default(), None);
    if !matches!(node.value, Value::Null | Value::Bool(true)) {
        let mut fields = Fields::of(node, "true, or namespace, name and type", problems)?;
        let mut patterns = |name| {
            let node = fields.get(name)?;
            Patterns::read(node, problems)
        };
        (only.namespace, only.name, kind) =
            (patterns("namespace"), patterns("name"), patterns("type"));
        fields.finish(problems);
    }
    if only.namespace.is_none() {
        only.namespace = Patterns::glob(GLUE);
    }
    Some(Action::SymlinkToPrimary(Symlink { only, kind }))
}

pub(super) fn strip(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let names = ["partitions", "dates", "uuids", "temporary"];
    let (mut role, mut only, mut parts) = (Role::Dataset, None, node);
    if let Value::Map(_) = &node.value {
        let mut fields = Fields::of(node, "of, only, parts", problems)?;
        role = self::role(&mut fields, problems);
        only = fields
            .get("only")
            .and_then(|node| Named::read(node, problems));
        parts = part(&mut fields, "parts", &names, problems)?;
        fields.finish(problems);
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
