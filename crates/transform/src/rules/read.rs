//! From a rules file to rules: every key there is, and everything that can be wrong with it.
//!
//! Reading goes on after an error, so that a person sees all of them at once. The JSON Schema for editors
//! (`transforms.schema.json`) says the same; a test holds the two together. The actions are in `read/`.

mod facets;
mod names;
mod plugins;
mod warnings;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::examples::Example;
use super::when::{Named, When};
use super::yaml::{Fields, Node, Problem, Problems, Value, parse};
use super::{OnFailure, Rule, RuleSet};
use crate::plugin::Transforms;

/// What a rules file may refer to.
#[derive(Clone, Copy)]
pub struct Sources<'s> {
    /// Reads a file that stands beside the rules file: a script, a module, an event.
    pub file: &'s dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Transforms that are compiled in.
    pub transforms: &'s Transforms,
    /// The key of hashes that stand for what was redacted.
    pub hash_key: Option<&'s [u8]>,
    /// The names that a target may have: `when: target` and examples name one of them.
    pub targets: &'s [&'s str],
}

/// Which events of a run become one.
#[derive(Debug, Clone)]
pub struct Coalesce {
    pub(super) when: When,
    /// How long the first event of a run waits for others, where events can be held.
    pub window: Duration,
    /// Line and column of the window, or of `coalesce` where it names none: for whoever finds it too long.
    pub window_at: (u64, u64),
    /// Whether a START goes out before the end.
    pub keep_start: bool,
    /// Events are not merged into one larger than this, in bytes.
    pub max_bytes: Option<usize>,
}

/// The longest window, in seconds: a hold has to be over before its messages are in sight again.
const LONGEST_WINDOW: u64 = 900;

/// Characters of a rule's name, which stands in every line and label about it.
const LONGEST_NAME: usize = 100;

pub(super) fn read(text: &str, sources: &Sources<'_>) -> Result<RuleSet, Vec<Problem>> {
    let root = parse(text).map_err(|problem| vec![problem])?;
    let mut problems = Problems {
        targets: sources.targets.iter().copied().map(str::to_owned).collect(),
        ..Problems::default()
    };
    let mut rules = file(&root, sources, &mut problems);
    if problems.found.is_empty() {
        let place = |problem: &Problem| (problem.line, problem.column);
        problems.warnings.sort_by_key(place);
        rules.warnings = problems.warnings;
        Ok(rules)
    } else {
        problems
            .found
            .sort_by_key(|problem| (problem.line, problem.column));
        Err(problems.found)
    }
}

fn file(root: &Node, sources: &Sources<'_>, problems: &mut Problems) -> RuleSet {
    let mut rules = RuleSet::default();
    if let Value::Null = root.value {
        // Perhaps half written: this must not count as a file without rules.
        problems.say(root.at, "the file is empty; rules: [] means none");
        return rules;
    }
    let Some(mut fields) = Fields::of(root, "a map with rules, coalesce and examples", problems)
    else {
        return rules;
    };
    if let Some(node) = fields.get("version") {
        let is_one = matches!(&node.value, Value::Number(number) if number.as_u64() == Some(1));
        if !is_one {
            node.expected("version 1", problems);
        }
    }
    let mut lines = BTreeMap::new();
    let nodes = fields.get("rules").map(|node| node.list("rules", problems));
    for (index, node) in nodes.unwrap_or_default().iter().enumerate() {
        problems.within = format!("rule {}: ", index + 1);
        let Some(mut rule) = rule(node, sources, &mut rules.examples, problems) else {
            continue;
        };
        match lines.entry(rule.name.clone()) {
            Entry::Vacant(free) => {
                free.insert(node.at.line);
            }
            Entry::Occupied(taken) => {
                let line = taken.get();
                let message = format!(
                    "the name is taken by the rule of line {line}; logs and counters tell rules apart by it"
                );
                problems.say(node.at, message);
            }
        }
        if let Some(message) = unreached(&rules.rules, &rule) {
            problems.warn(node.at, &message);
            rule.warnings.push(message);
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
    let mut fields = Fields::of(node, "a rule (a map with a name and an action)", problems)?;
    let name: Option<Arc<str>> = match fields.get("name") {
        Some(node) => rule_name(node, problems),
        None => {
            problems.say(
                node.at,
                "expected name: what logs and counters call the rule",
            );
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
            actions.push((*key, node.at, read(node, sources, problems)));
        }
    }
    let keys: Vec<&str> = ACTIONS.iter().map(|(key, _)| *key).collect();
    if actions.is_empty() {
        problems.say(
            node.at,
            format!("expected an action: one of {}", keys.join(", ")),
        );
    }
    if let Some(((first, ..), more)) = actions.split_first() {
        for (key, at, _) in more {
            let message = format!(
                "expected one action, found {key} besides {first}: make it a rule of its own"
            );
            problems.say(*at, message);
        }
    }
    if let Some(node) = fields.get("examples") {
        for node in node.list("examples", problems) {
            examples.extend(Example::read(node, name.as_ref(), sources.file, problems));
        }
    }
    fields.finish(problems);
    let action = actions.into_iter().next().and_then(|(.., action)| action);
    // What was to be hidden must not go out because hiding it failed.
    let default = match &action {
        Some(Action::Redact(_)) => OnFailure::DeadLetter,
        Some(_) | None => OnFailure::Keep,
    };
    let (when, action) = (when.unwrap_or_default(), action?);
    let (before, prefix) = (problems.warnings.len(), problems.within.clone());
    if let (Some(reason), Some(node)) = (when.never(), node.member("when")) {
        problems.warn(node.at, format!("no event meets its conditions: {reason}"));
    }
    if let Some(node) = ACTIONS.iter().find_map(|(key, _)| node.member(key)) {
        warnings::warn(node, &action, problems);
    }
    let idle = problems.warnings.iter().skip(before);
    let idle = idle.map(|warning| warning.message.trim_start_matches(&prefix).to_owned());
    Some(Rule {
        name: name?,
        when,
        action,
        on_failure: on_failure.unwrap_or(default),
        warnings: idle.collect(),
    })
}

/// Why nothing comes to a rule that stands behind these.
fn unreached(earlier: &[Rule], rule: &Rule) -> Option<String> {
    if let Some(before) = earlier.iter().find(|rule| rule.takes_all()) {
        return Some(format!(
            "never reached: {:?} drops every event",
            before.name
        ));
    }
    let (before, namespace) = warnings::emptied(earlier, &rule.action)?;
    let name = &before.name;
    Some(format!(
        "no name is left for it: {name:?} renames all in {namespace:?}"
    ))
}

impl Rule {
    /// Whether no event goes past it.
    fn takes_all(&self) -> bool {
        matches!(self.action, Action::Drop) && self.when.is_always()
    }
}

/// The names of rules are labels of metrics.
fn rule_name(node: &Node, problems: &mut Problems) -> Option<Arc<str>> {
    let name = node.text(problems)?;
    let printable = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if name.is_empty() || name.len() > LONGEST_NAME || !printable {
        let what = format!("a name of 1 to {LONGEST_NAME} printable ASCII characters");
        node.expected(what, problems);
        return None;
    }
    Some(Arc::from(name))
}

type Read = fn(&Node, &Sources<'_>, &mut Problems) -> Option<Action>;

/// Every action there is, by its key.
const ACTIONS: &[(&str, Read)] = &[
    ("rename", names::rename),
    ("normalise", names::normalise),
    ("redshift", names::redshift),
    ("symlink_to_primary", names::symlink),
    ("strip", names::strip),
    ("facets", facets::facets),
    ("redact", facets::redact),
    ("add", facets::add),
    ("drop_datasets", drop_datasets),
    ("drop", drop),
    ("script", plugins::script),
    ("module", plugins::module),
    ("transform", plugins::transform),
];

fn coalesce(node: &Node, problems: &mut Problems) -> Option<Coalesce> {
    let mut fields = Fields::of(
        node,
        "a map with window, keep_start, max_bytes, when",
        problems,
    )?;
    let when = fields.get("when").map(|node| When::read(node, problems));
    let window = fields.get("window");
    let at = window.map_or(node.at, |window| window.at);
    let window = window.and_then(|node| seconds(node, problems));
    let keep_start = fields.flag("keep_start", problems);
    let max_bytes = fields
        .get("max_bytes")
        .and_then(|node| node.bytes(problems));
    fields.finish(problems);
    let when = when.unwrap_or_default();
    if let (Some(reason), Some(node)) = (when.never(), node.member("when")) {
        problems.warn(node.at, format!("no event meets its conditions: {reason}"));
    }
    Some(Coalesce {
        when,
        window: window.unwrap_or(Duration::from_secs(5)),
        window_at: (at.line, at.column),
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
        node.expected(
            format!("a time of at most {LONGEST_WINDOW}s, such as 30s"),
            problems,
        );
    }
    window
}

fn drop_datasets(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    Named::read(node, problems).map(Action::DropDatasets)
}

fn drop(node: &Node, _: &Sources<'_>, problems: &mut Problems) -> Option<Action> {
    match node.value {
        Value::Null | Value::Bool(true) => Some(Action::Drop),
        Value::Bool(false) | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
            node.expected("drop: true", problems);
            None
        }
    }
}

/// A map of texts. `what` is what has to stand there, for an error.
pub(super) fn texts(node: &Node, what: &str, problems: &mut Problems) -> Vec<(String, String)> {
    let Value::Map(members) = &node.value else {
        node.expected(what, problems);
        return Vec::new();
    };
    if members.is_empty() {
        problems.say(node.at, "an empty map does nothing");
    }
    let members = members.iter();
    members
        .filter_map(|(key, value)| Some((key.text.clone(), value.text(problems)?)))
        .collect()
}

/// A list of names of flags, or `all`.
pub(super) fn flags<const N: usize>(
    node: &Node,
    names: [&'static str; N],
    problems: &mut Problems,
) -> [bool; N] {
    let mut set = [false; N];
    let mut choices: Vec<(&str, usize)> = names.iter().copied().zip(0..).collect();
    choices.push(("all", N));
    for node in node.at_least_one(problems) {
        match node.choice(&choices, problems) {
            Some(index) if index == N => set = [true; N],
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
