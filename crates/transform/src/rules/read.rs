//! From a rules file to rules: every key there is, and everything that can be wrong with it.
//!
//! Reading goes on after an error, so that a person sees all of them at once. The JSON Schema for editors
//! (`transforms.schema.json`) says the same; a test holds the two together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use openlineage::Role;

use super::action::{Action, Symlink};
use super::add::Add;
use super::examples::Example;
use super::pattern::{Patterns, globs, regex};
use super::rename::{Change, Rename};
use super::when::{Named, When};
use super::yaml::{At, Fields, Node, Problem, Problems, Value, parse};
use super::{OnFailure, Rule, Rules};
use crate::action::{
    Documentation, Facet, FacetsAction, JobType, Mask, Normalise, On, Owner, Pointer, Redact,
    Strip, Tag,
};
use crate::module::{Module, ModuleLimits};
use crate::plugin::Transforms;
use crate::redshift::{Redshift, Style};
use crate::script::{Script, ScriptLimits};

/// What a rules file may refer to.
#[derive(Clone, Copy)]
pub struct Sources<'s> {
    /// Reads a file that stands beside the rules file: a script, a module, an event.
    pub file: &'s dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Transforms that are compiled in.
    pub transforms: &'s Transforms,
    /// The key of hashes that stand for what was redacted.
    pub hash_key: Option<&'s [u8]>,
}

/// Which events of a run become one.
#[derive(Debug, Clone)]
pub struct Coalesce {
    pub(super) when: When,
    /// How long the first event of a run waits for others, where events can be held.
    pub window: Duration,
    /// Whether a START goes out before the end.
    pub keep_start: bool,
    /// Events are not merged into one larger than this, in bytes.
    pub max_bytes: Option<usize>,
}

/// The longest window, in seconds: a hold has to be over before its messages are in sight again.
const LONGEST_WINDOW: u64 = 900;

pub(super) fn read(text: &str, sources: &Sources<'_>) -> Result<Rules, Vec<Problem>> {
    let root = parse(text).map_err(|problem| vec![problem])?;
    let mut problems = Problems::default();
    let rules = file(&root, sources, &mut problems);
    if problems.found.is_empty() {
        Ok(rules)
    } else {
        problems
            .found
            .sort_by_key(|problem| (problem.line, problem.column));
        Err(problems.found)
    }
}

fn file(root: &Node, sources: &Sources<'_>, problems: &mut Problems) -> Rules {
    let mut rules = Rules::default();
    if let Value::Null = root.value {
        return rules; // an empty file: no rules
    }
    let Some(mut fields) = Fields::of(root, "rules, coalesce and examples", problems) else {
        return rules;
    };
    if let Some(node) = fields.get("version") {
        node.number(1, 1, problems);
    }
    let mut names = BTreeSet::new();
    let nodes = fields.get("rules").map(|node| node.list("rules", problems));
    for (index, node) in nodes.unwrap_or_default().iter().enumerate() {
        problems.within = format!("rule {}: ", index + 1);
        let Some(rule) = rule(node, sources, &mut rules.examples, problems) else {
            continue;
        };
        if !names.insert(rule.name.clone()) {
            problems.say(
                node.at,
                "its name is taken: names are what logs and counters call a rule",
            );
        }
        rules.rules.push(rule);
    }
    problems.within = "coalesce: ".to_owned();
    rules.coalesce = fields
        .get("coalesce")
        .and_then(|node| coalesce(node, problems));
    problems.within.clear();
    let nodes = fields
        .get("examples")
        .map(|node| node.list("examples", problems));
    for node in nodes.unwrap_or_default() {
        rules
            .examples
            .extend(Example::read(node, None, sources.file, problems));
    }
    fields.finish(problems);
    rules
}

fn rule(
    node: &Node,
    sources: &Sources<'_>,
    examples: &mut Vec<Example>,
    problems: &mut Problems,
) -> Option<Rule> {
    let mut fields = Fields::of(node, "a rule", problems)?;
    let name: Option<Arc<str>> = match fields.get("name") {
        Some(node) => node.text(problems).map(Arc::from),
        None => {
            problems.say(node.at, "it has no name: logs and counters need one");
            None
        }
    };
    if let Some(name) = &name {
        problems.within = format!("rule {name:?}: ");
    }
    fields.text("description", problems);
    let when = fields.get("when").map(|node| When::read(node, problems));
    let failures = [
        ("keep", OnFailure::Keep),
        ("dead_letter", OnFailure::DeadLetter),
    ];
    let on_failure = fields
        .get("on_failure")
        .and_then(|node| node.choice(&failures, problems));
    let mut actions = Vec::new();
    for (key, read) in ACTIONS {
        if let Some(node) = fields.has(key) {
            actions.push((node.at, read(node, sources, problems)));
        }
    }
    let keys: Vec<&str> = ACTIONS.iter().map(|(key, _)| *key).collect();
    if actions.is_empty() {
        problems.say(
            node.at,
            format!("it does nothing; expected one of {}", keys.join(", ")),
        );
    }
    for (at, _) in actions.iter().skip(1) {
        problems.say(*at, "a second action: one rule, one action");
    }
    if let Some(node) = fields.get("examples") {
        for node in node.list("examples", problems) {
            examples.extend(Example::read(node, name.as_ref(), sources.file, problems));
        }
    }
    fields.finish(problems);
    let action = actions.into_iter().next().and_then(|(_, action)| action);
    Some(Rule {
        name: name?,
        when: when.unwrap_or_default(),
        action: action?,
        on_failure: on_failure.unwrap_or_default(),
    })
}

type Read = fn(&Node, &Sources<'_>, &mut Problems) -> Option<Action>;

/// Every action there is, by its key.
const ACTIONS: &[(&str, Read)] = &[
    ("rename", rename),
    ("normalise", normalise),
    ("redshift", redshift),
    ("symlink_to_primary", symlink),
    ("strip", strip),
    ("facets", facets),
    ("redact", redact),
    ("add", add),
    ("drop_datasets", drop_datasets),
    ("drop", drop),
    ("script", script),
    ("module", module),
    ("transform", transform),
];

fn coalesce(node: &Node, problems: &mut Problems) -> Option<Coalesce> {
    let mut fields = Fields::of(node, "window, keep_start, max_bytes, when", problems)?;
    let when = fields.get("when").map(|node| When::read(node, problems));
    let window = fields
        .get("window")
        .and_then(|node| seconds(node, problems));
    let keep_start = fields.flag("keep_start", problems);
    let max_bytes = fields
        .get("max_bytes")
        .and_then(|node| node.bytes(problems));
    fields.finish(problems);
    Some(Coalesce {
        when: when.unwrap_or_default(),
        window: window.unwrap_or(Duration::from_secs(5)),
        keep_start: keep_start.unwrap_or(true),
        max_bytes,
    })
}

fn seconds(node: &Node, problems: &mut Problems) -> Option<Duration> {
    let text = node.text(problems)?;
    let parsed = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(&text).ok(),
    };
    let window = parsed.filter(|window| *window <= Duration::from_secs(LONGEST_WINDOW));
    if window.is_none() {
        let message = format!("expected a time of at most {LONGEST_WINDOW}s, such as 30s");
        problems.say(node.at, message);
    }
    window
}

const ROLES: [(&str, Role); 2] = [("dataset", Role::Dataset), ("job", Role::Job)];

fn role(fields: &mut Fields<'_>, problems: &mut Problems) -> Role {
    let node = fields.get("of");
    node.and_then(|node| node.choice(&ROLES, problems))
        .unwrap_or(Role::Dataset)
}

fn rename(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
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
    let to = fields.text("to", problems);
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

/// A map of texts.
fn texts(node: &Node, problems: &mut Problems) -> Vec<(String, String)> {
    let Value::Map(members) = &node.value else {
        problems.say(
            node.at,
            format!("expected a map of old and new texts, found {}", node.kind()),
        );
        return Vec::new();
    };
    let members = members.iter();
    members
        .filter_map(|(key, value)| Some((key.text.clone(), value.text(problems)?)))
        .collect()
}

fn not_empty(at: At, text: String, problems: &mut Problems) -> Option<String> {
    if text.is_empty() {
        problems.say(at, "a name cannot be empty");
        return None;
    }
    Some(text)
}

/// A list of names of flags, or `all`.
fn flags<const N: usize>(
    node: &Node,
    names: [&'static str; N],
    problems: &mut Problems,
) -> [bool; N] {
    let mut set = [false; N];
    if matches!(&node.value, Value::Text(text) if text == "all") {
        return [true; N];
    }
    let mut choices: Vec<(&str, usize)> = names.iter().copied().zip(0..).collect();
    choices.push(("all", N));
    for node in node.one_or_many() {
        match node.choice(&choices, problems) {
            Some(index) if index == N => return [true; N],
            Some(index) => {
                if let Some(flag) = set.get_mut(index) {
                    *flag = true;
                }
            }
            None => {}
        }
    }
    set
}

fn normalise(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let names = [
        "s3",
        "host_case",
        "default_ports",
        "redshift",
        "trailing_slash",
        "jdbc",
    ];
    let [s3, host_case, default_ports, redshift, trailing_slash, jdbc] =
        flags(node, names, problems);
    Some(Action::Normalise(Normalise {
        s3,
        host_case,
        default_ports,
        redshift,
        trailing_slash,
        jdbc,
    }))
}

fn redshift(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
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

fn symlink(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
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

fn strip(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let names = ["partitions", "dates", "uuids", "temporary"];
    let (mut role, mut parts) = (Role::Dataset, node);
    if let Value::Map(_) = &node.value {
        let mut fields = Fields::of(node, "of, parts", problems)?;
        role = self::role(&mut fields, problems);
        match fields.get("parts") {
            Some(node) => parts = node,
            None => problems.say(
                node.at,
                format!("expected parts: all, or some of {}", names.join(", ")),
            ),
        }
        fields.finish(problems);
        if std::ptr::eq(parts, node) {
            return None;
        }
    }
    let [partitions, dates, uuids, temporary] = flags(parts, names, problems);
    let strip = Strip {
        partitions,
        dates,
        uuids,
        temporary,
    };
    Some(Action::Strip(role, strip))
}

/// Where facets stand; everywhere when nothing is said.
fn on(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<On> {
    let node = fields.get("on")?;
    let names = ["run", "job", "dataset", "input", "output"];
    let [run, job, dataset, input, output] = flags(node, names, problems);
    Some(On {
        run,
        job,
        dataset,
        input,
        output,
    })
}

fn facets(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let what = "keep, remove or cap, and on";
    let mut fields = Fields::of(node, what, problems)?;
    let on = on(&mut fields, problems).unwrap_or(On::all());
    let (keep, remove, cap) = (fields.get("keep"), fields.get("remove"), fields.get("cap"));
    fields.finish(problems);
    let action = match (keep, remove, cap) {
        (Some(node), None, None) => FacetsAction::Keep(globs(node, problems)),
        (None, Some(node), None) => FacetsAction::Remove(globs(node, problems)),
        (None, None, Some(node)) => FacetsAction::Cap(caps(node, problems)),
        _ => {
            problems.say(node.at, format!("expected one of {what}"));
            return None;
        }
    };
    Some(Action::Facets(action, on))
}

/// Facets by glob, and the most they may take.
fn caps(node: &Node, problems: &mut Problems) -> Vec<(globset::GlobMatcher, usize)> {
    let Value::Map(members) = &node.value else {
        problems.say(
            node.at,
            "expected a map of facets and sizes: {spark.logicalPlan: 10 KB}",
        );
        return Vec::new();
    };
    let members = members.iter();
    members
        .filter_map(|(key, size)| {
            let name = Node {
                at: key.at,
                value: Value::Text(key.text.clone()),
            };
            let glob = globs(&name, problems).pop()?;
            Some((glob, size.bytes(problems)?))
        })
        .collect()
}

fn redact(node: &Node, sources: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let what = "sql_literals, connection_secrets, environment, pointers, with";
    let mut fields = Fields::of(node, what, problems)?;
    let sql_literals = fields.flag("sql_literals", problems).unwrap_or(false);
    let connection_secrets = fields.flag("connection_secrets", problems).unwrap_or(false);
    let environment = fields.get("environment").map(|node| globs(node, problems));
    let nodes = fields
        .get("pointers")
        .map(Node::one_or_many)
        .unwrap_or_default();
    let pointers = nodes.into_iter().filter_map(|node| {
        let pointer = node.text(problems)?;
        problems.ok(node.at, Pointer::parse(&pointer))
    });
    let pointers: Vec<Pointer> = pointers.collect();
    let masks = [("stars", false), ("hash", true)];
    let hashed = fields
        .get("with")
        .map(|node| (node.at, node.choice(&masks, problems)));
    fields.finish(problems);
    let mask = match (hashed, sources.hash_key) {
        (Some((_, Some(true))), Some(key)) => Mask::Hash(key.to_vec()),
        (Some((at, Some(true))), None) => {
            problems.say(at, "with: hash needs the setting rules.hash_key, so that nobody can guess what was there");
            return None;
        }
        (Some((_, Some(false) | None)) | None, _) => Mask::Stars,
    };
    let environment = environment.unwrap_or_default();
    if !sql_literals && !connection_secrets && environment.is_empty() && pointers.is_empty() {
        problems.say(node.at, format!("expected at least one of {what}"));
    }
    Some(Action::Redact(Box::new(Redact {
        sql_literals,
        connection_secrets,
        environment,
        pointers,
        mask,
    })))
}

fn add(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let mut fields = Fields::of(node, "what to add", problems)?;
    let job = On {
        job: true,
        ..On::default()
    };
    let on = on(&mut fields, problems).unwrap_or(job);
    let overwrite = fields.flag("overwrite", problems).unwrap_or(false);
    let tags = fields.get("tags").map(|node| texts(node, problems));
    let owners = fields.get("owners").map(|node| owners(node, problems));
    let job_type = fields.get("job_type").map(|node| job_type(node, problems));
    let environment = fields.text("environment", problems);
    let documentation = fields.text("documentation", problems);
    let facets = fields.get("facets").map(|node| new_facets(node, problems));
    fields.finish(problems);
    let mut tags = tags.unwrap_or_default();
    tags.extend(environment.map(|environment| ("environment".to_owned(), environment)));
    let tag = |(key, value)| Tag {
        key,
        value,
        source: Some("USER".to_owned()),
    };
    let add = Add {
        on,
        overwrite,
        tags: tags.into_iter().map(tag).collect(),
        owners: owners.unwrap_or_default(),
        job_type: job_type.flatten(),
        documentation: documentation.map(|description| Documentation {
            description,
            content_type: None,
        }),
        facets: facets.unwrap_or_default(),
    };
    let count = match &node.value {
        Value::Map(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => 0,
    };
    if count == 0 {
        let what = "tags, owners, job_type, environment, documentation, facets";
        problems.say(node.at, format!("expected at least one of {what}"));
    }
    Some(Action::Add(add))
}

fn job_type(node: &Node, problems: &mut Problems) -> Option<JobType> {
    let mut fields = Fields::of(node, "processing_type, integration, job_type", problems)?;
    let mut text = |name| fields.text(name, problems);
    let (processing_type, integration) = (text("processing_type"), text("integration"));
    let job_type = text("job_type");
    fields.finish(problems);
    if processing_type.is_none() || integration.is_none() {
        problems.say(node.at, "a job type needs processing_type and integration");
    }
    Some(JobType {
        processing_type: processing_type?,
        integration: integration?,
        job_type,
    })
}

fn new_facets(node: &Node, problems: &mut Problems) -> Vec<Facet> {
    let Value::Map(members) = &node.value else {
        problems.say(
            node.at,
            format!("expected facets by name, found {}", node.kind()),
        );
        return Vec::new();
    };
    let members = members.iter();
    members
        .filter_map(|(key, facet)| {
            let made = Facet::new(&key.text, &facet.json().to_string());
            problems.ok(
                facet.at,
                made.map_err(|error| format!("{}: {error}", key.text)),
            )
        })
        .collect()
}

/// Owners: names, or `{name, type}`.
fn owners(node: &Node, problems: &mut Problems) -> Vec<Owner> {
    (node.one_or_many().into_iter())
        .filter_map(|node| match &node.value {
            Value::Map(_) => {
                let mut fields = Fields::of(node, "name and type", problems)?;
                let (name, kind) = (fields.text("name", problems), fields.text("type", problems));
                fields.finish(problems);
                if name.is_none() {
                    problems.say(node.at, "an owner needs a name");
                }
                Some(Owner { name: name?, kind })
            }
            _ => Some(Owner {
                name: node.text(problems)?,
                kind: None,
            }),
        })
        .collect()
}

fn drop_datasets(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    Named::read(node, problems).map(Action::DropDatasets)
}

fn drop(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    match node.value {
        Value::Null | Value::Bool(true) => Some(Action::Drop),
        _ => {
            problems.say(node.at, "expected drop: true");
            None
        }
    }
}

fn script(node: &Node, sources: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let mut limits = ScriptLimits::default();
    let (at, file, text) = match &node.value {
        Value::Text(text) => (node.at, None, text.clone()),
        _ => {
            let mut fields = Fields::of(node, "a script, or file or text", problems)?;
            let (file, text) = (fields.get("file"), fields.get("text"));
            if let Some(node) = fields.get("operations") {
                limits.operations = node.number(1, 100_000_000, problems)?;
            }
            fields.finish(problems);
            match (file, text) {
                (Some(node), None) => {
                    let name = node.text(problems)?;
                    let bytes = problems.ok(node.at, (sources.file)(&name))?;
                    let text = String::from_utf8(bytes);
                    let text =
                        problems.ok(node.at, text.map_err(|error| format!("{name}: {error}")))?;
                    (node.at, Some(name), text)
                }
                (None, Some(node)) => (node.at, None, node.text(problems)?),
                _ => {
                    problems.say(node.at, "expected file or text, and one of them");
                    return None;
                }
            }
        }
    };
    match Script::compile(&text, limits) {
        Ok(script) => Some(Action::Plugin(Arc::new(script))),
        Err(error) => {
            let place = file.map_or_else(|| "the script".to_owned(), |name| name);
            problems.say(at, format!("{place}, {error}"));
            None
        }
    }
}

fn module(node: &Node, sources: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let mut limits = ModuleLimits::default();
    let mut fields = Fields::of(node, "file, with, fuel, memory", problems)?;
    let (file, with) = (fields.get("file"), fields.get("with"));
    if let Some(node) = fields.get("fuel") {
        limits.fuel = node.number(1, 100_000_000_000, problems)?;
    }
    if let Some(node) = fields.get("memory") {
        limits.memory = node.bytes(problems)?;
    }
    fields.finish(problems);
    let Some(file) = file else {
        problems.say(node.at, "expected file: the module (.wasm)");
        return None;
    };
    let name = file.text(problems)?;
    let bytes = problems.ok(file.at, (sources.file)(&name))?;
    let config = with.map_or_else(|| "null".to_owned(), |with| with.json().to_string());
    let module = Module::load(&bytes, &config, limits);
    let module = problems.ok(file.at, module.map_err(|error| format!("{name}: {error}")))?;
    Some(Action::Plugin(Arc::new(module)))
}

fn transform(node: &Node, sources: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    let with = |node: Option<&Node>| node.map_or(serde_json::Value::Null, Node::json);
    let (at, name, with) = match &node.value {
        Value::Text(name) => (node.at, name.clone(), with(None)),
        _ => {
            let mut fields = Fields::of(node, "name and with", problems)?;
            let (name, given) = (fields.get("name"), fields.get("with"));
            fields.finish(problems);
            let Some(name) = name else {
                problems.say(node.at, "expected name: which transform");
                return None;
            };
            (name.at, name.text(problems)?, with(given))
        }
    };
    let Some(build) = sources.transforms.get(&name) else {
        let known = sources.transforms.names().join(", ");
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known
        };
        problems.say(
            at,
            format!("this binary has no transform {name:?}; it has {known}"),
        );
        return None;
    };
    let built = build(&with).map_err(|error| format!("{name}: {error}"));
    problems.ok(at, built).map(Action::Plugin)
}
