//! Reads a rules file into a [`RuleSet`].
//!
//! Each rule is read by itself, and reading continues after an error, so that a user sees all errors at once, each with
//! line, column and the name of its rule. The types here are the file format: their doc comments are the descriptions
//! of the JSON Schema, which a test generates from them. The settings of each action are with the action, and those of `coalesce`
//! in a file of their own. Called by `rules.rs`.

mod coalesce;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::builtin::BUILTIN;
use super::examples::{Example, ExampleSettings};
use super::reader::{Reader, RuleResources, Trust, check_size};
use super::when::{When, WhenSettings};
use super::yaml::{self, List, Node, Optional, Problem, Problems, Text, Value, WholeNumber};
use super::{OnFailure, Rule, RuleSet};
use crate::action::ACTIONS;

pub use coalesce::Coalesce;
use coalesce::{CoalesceSettings, read_coalesce};

/// The most characters of a rule's name, which is in every log line and metric label about it.
const LONGEST_NAME: usize = 100;

/// Rules that change OpenLineage events before they are delivered, applied from top to bottom.
// The rules and `coalesce` are read by themselves, so that their errors name them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a map with rules, coalesce and examples"
)]
#[schemars(title = "Rules file of lineage-proxy")]
pub(super) struct FileSettings {
    /// The version of the file format.
    version: Optional<WholeNumber<1, 1>>,
    /// The rules. Each sees what the ones before it left.
    #[schemars(with = "List<CompleteRule, 0>")]
    rules: Optional<IgnoredAny>,
    /// Merges the events of one run into as few as the target needs.
    #[schemars(with = "CoalesceSettings")]
    coalesce: Optional<IgnoredAny>,
    /// Examples that run with the whole file.
    examples: Optional<List<ExampleSettings, 0>>,
}

/// A rule without its action.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a rule (a map with a name and an action)"
)]
struct RuleSettings {
    /// The name of the rule in logs, metrics and errors.
    name: Optional<RuleName>,
    /// A remark for people.
    description: Optional<Text>,
    /// Which events the rule is for; without it, every event.
    when: Optional<WhenSettings>,
    /// What becomes of an event when the rule fails: it goes on as it was before the rule (keep, the default except for
    /// redact), or it becomes a dead letter.
    on_failure: Optional<OnFailure>,
    /// Examples that run with this rule alone.
    examples: Optional<List<ExampleSettings, 0>>,
}
/// Reads a rules file. Returns all errors, by line.
pub(super) fn read(
    text: &str,
    sources: &RuleResources<'_>,
    trust: Trust,
) -> Result<RuleSet, Vec<Problem>> {
    let root = yaml::parse(text).map_err(|problem| vec![problem])?;
    if let Value::Null = root.value {
        // The file may be half written, so this must not count as a file without rules.
        let message = "the file is empty; rules: [] means none";
        return Err(vec![Problem::new(root.at, message)]);
    }
    match trust {
        Trust::File => {}
        // Before anything of it is compiled.
        Trust::Trial => check_size(&root)?,
    }
    let problems = Problems::default();
    let reader = Reader {
        sources,
        problems: &problems,
        trust,
    };
    let mut rules = RuleSet::default();
    let file: FileSettings = yaml::read(&root, &problems).unwrap_or_default();
    rules.examples = examples(file.examples, None, &reader);
    read_rules(&root, &mut rules, &reader);
    problems.enter("coalesce: ");
    let coalesce = root.member("coalesce");
    let coalesce = coalesce.filter(|node| !matches!(node.value, Value::Null));
    rules.coalesce = coalesce.and_then(|node| read_coalesce(node, &reader));
    rules.warnings = problems.finish()?;
    Ok(rules)
}

fn read_rules(root: &Node, rules: &mut RuleSet, reader: &Reader<'_>) {
    let nodes = match root.member("rules") {
        None => return,
        Some(node) => match &node.value {
            Value::List(nodes) => nodes,
            Value::Null => return, // reported already
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
                let message = format!("expected a list of rules, found {}", node.found());
                return reader.error(node.at, message);
            }
        },
    };
    let mut lines = BTreeMap::new();
    let mut of_rules = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        reader.problems.enter(match name_of(node) {
            Some(name) => format!("rule {name:?}: "),
            None => format!("rule {}: ", index + 1),
        });
        let warnings = reader.problems.warning_count();
        let Some(mut rule) = read_rule(node, &mut of_rules, reader) else {
            continue;
        };
        match lines.entry(rule.name.clone()) {
            Entry::Vacant(free) => {
                free.insert(node.at.line);
            }
            Entry::Occupied(other) => {
                let line = other.get();
                let message = format!("the name is already used by the rule in line {line}");
                reader.error(node.at, message);
            }
        }
        if let Some(message) = unreached(&rules.rules, &rule) {
            reader.warn(node.at, message);
        }
        rule.warnings = reader.problems.warnings_since(warnings);
        rules.rules.push(rule);
    }
    of_rules.append(&mut rules.examples);
    rules.examples = of_rules;
}

/// Returns the name of a rule, if it is valid.
fn name_of(rule: &Node) -> Option<Arc<str>> {
    let text = match &rule.member("name")?.value {
        Value::Text(text) => text.clone(),
        Value::Number(number) if !number.is_f64() => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
            return None;
        }
    };
    RuleName::try_from(Text(text)).ok().map(|name| name.0)
}

fn read_rule(node: &Node, examples: &mut Vec<Example>, reader: &Reader<'_>) -> Option<Rule> {
    let keys: Vec<&str> = ACTIONS.iter().map(|action| action.key).collect();
    let settings: RuleSettings = yaml::read_besides(node, &keys, reader.problems)?;
    if settings.name.is_absent() {
        reader.error(node.at, "missing name: what logs and metrics call the rule");
    }
    let name = settings.name.value().map(|name| name.0);
    examples.extend(self::examples(settings.examples, name.as_ref(), reader));
    let when = build_when(settings.when, reader);
    let given = ACTIONS.iter();
    let given = given.filter_map(|action| Some((action, node.member(action.key)?)));
    let actions: Vec<_> = given
        .map(|(action, node)| (action.key, node.at, (action.read)(node, reader)))
        .collect();
    let mut actions = actions.into_iter();
    let Some((first, _, action)) = actions.next() else {
        let message = format!("missing action: expected one of {}", keys.join(", "));
        reader.error(node.at, message);
        return None;
    };
    for (key, at, _) in actions {
        let message =
            format!("expected one action, found {first} and {key}: make {key} a rule of its own");
        reader.error(at, message);
    }
    let action = action?;
    Some(Rule {
        name: name?,
        when,
        on_failure: (settings.on_failure.value()).unwrap_or_else(|| action.on_failure()),
        action,
        warnings: Vec::new(),
    })
}

fn build_when(settings: Optional<WhenSettings>, reader: &Reader<'_>) -> When {
    let Some(settings) = settings.spanned() else {
        return When::default();
    };
    let when = settings.value.build(reader);
    if let Some(reason) = when.never() {
        let message = format!("no event meets its conditions: {reason}");
        reader.warn(settings.at, message);
    }
    when
}

fn examples(
    settings: Optional<List<ExampleSettings, 0>>,
    rule: Option<&Arc<str>>,
    reader: &Reader<'_>,
) -> Vec<Example> {
    let settings = settings.value().map(|List(settings)| settings);
    let settings = settings.unwrap_or_default().into_iter();
    settings
        .filter_map(|example| example.value.build(example.at, rule, reader))
        .collect()
}

/// Returns why no event, or no name, is left for a rule after the `earlier` ones.
fn unreached(earlier: &[Rule], rule: &Rule) -> Option<String> {
    let drops_all = |rule: &&Rule| rule.action.drops() && rule.when.is_always();
    if let Some(Rule { name, .. }) = earlier.iter().find(drops_all) {
        return Some(format!("never reached: {name:?} drops every event"));
    }
    let (role, names) = rule.action.selects()?;
    let mut emptied = None;
    for namespace in names.namespace.as_ref()?.literals()? {
        let mut actions = earlier.iter().map(|rule| &rule.action);
        if actions.any(|action| action.may_produce(role, namespace)) {
            return None;
        }
        let renames_all =
            |rule: &&Rule| rule.action.empties(role, namespace) && rule.when.is_always();
        emptied = Some((earlier.iter().find(renames_all)?, namespace));
    }
    let (Rule { name, .. }, namespace) = emptied?;
    Some(format!(
        "no name is left for it: {name:?} renames all in {namespace:?}"
    ))
}

/// The name of a rule: a label of metrics.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(inline, extend("minLength" = 1, "maxLength" = LONGEST_NAME, "pattern" = "^(?!builtin/)[ -~]*$"))]
struct RuleName(Arc<str>);

impl TryFrom<Text> for RuleName {
    type Error = String;

    fn try_from(Text(name): Text) -> Result<RuleName, String> {
        if name.starts_with(BUILTIN) {
            return Err(format!(
                "expected a name that does not begin with {BUILTIN}, as those of the built-in rules do, found {name:?}"
            ));
        }
        let printable = name.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        match !name.is_empty() && name.len() <= LONGEST_NAME && printable {
            true => Ok(RuleName(Arc::from(name))),
            false => Err(format!(
                "expected a name of 1 to {LONGEST_NAME} printable ASCII characters, found {name:?}"
            )),
        }
    }
}

/// A rule with its action, for the JSON Schema.
#[derive(Debug)]
struct CompleteRule;

impl JsonSchema for CompleteRule {
    fn schema_name() -> Cow<'static, str> {
        "Rule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = RuleSettings::json_schema(generator);
        if let Some(properties) = (schema.get_mut("properties")).and_then(|map| map.as_object_mut())
        {
            for action in ACTIONS {
                let settings = (action.schema)(generator);
                properties.insert(action.key.to_owned(), settings.into());
            }
        }
        let one_action = ACTIONS
            .iter()
            .map(|action| json!({"required": [action.key]}));
        schema.insert(
            "description".to_owned(),
            "A rule: conditions and one action.".into(),
        );
        schema.insert("required".to_owned(), ["name"].as_slice().into());
        schema.insert("oneOf".to_owned(), one_action.collect());
        schema
    }
}
