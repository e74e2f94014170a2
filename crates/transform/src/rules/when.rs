//! The conditions of a rule: which events it is for.
//!
//! Each looks no further into the event than it has to, and the cheapest come first. A rule without conditions is for
//! every event.

mod explain;
mod never;

use std::borrow::Cow;

use openlineage::{Event, EventType, Identity, Json, Subject, holders};

use super::pattern::Patterns;
pub use explain::UnmetCondition;
pub(crate) use explain::UnmetRef;

use super::yaml::{Fields, Node, Problems, Value};

/// All of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct When(Vec<Condition>);

#[derive(Debug, Clone)]
enum Condition {
    Kind(Vec<Kind>),
    EventType(Vec<EventType>),
    Target(Patterns),
    LargerThan(usize),
    SmallerThan(usize),
    Job(Named),
    Producer(Patterns),
    Has(Side, bool),
    Dataset(Side, Named),
    Facet(Patterns),
    Any(Vec<When>),
    All(Vec<When>),
    Not(When),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Run,
    Job,
    Dataset,
}

/// Which of an event's datasets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inputs,
    Outputs,
    /// Inputs, outputs, and that of a DatasetEvent.
    Any,
}

/// Patterns for a namespace and a name; what is not there matches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) namespace: Option<Patterns>,
    pub(crate) name: Option<Patterns>,
}

impl Named {
    pub(crate) fn matches(&self, identity: &Identity) -> bool {
        let ok = |patterns: &Option<Patterns>, text: &str| {
            patterns
                .as_ref()
                .is_none_or(|patterns| patterns.matches(text))
        };
        ok(&self.namespace, &identity.namespace) && ok(&self.name, &identity.name)
    }

    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Named> {
        let mut fields = Fields::of(node, "a map with namespace, name, or both", problems)?;
        let mut patterns = |name| {
            let node = fields.get(name)?;
            Patterns::read(node, problems)
        };
        let named = Named {
            namespace: patterns("namespace"),
            name: patterns("name"),
        };
        if !fields.is_given("namespace") && !fields.is_given("name") {
            problems.say(node.at, "expected namespace, name, or both");
        }
        fields.finish(problems);
        Some(named)
    }

    pub(crate) fn told(&self) -> String {
        let told = |what: &str, patterns: &Option<Patterns>| {
            patterns
                .as_ref()
                .map(|patterns| format!("{what} {}", patterns.told()))
        };
        let both = [told("namespace", &self.namespace), told("name", &self.name)];
        both.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl When {
    /// The first condition that `event` does not meet.
    pub(crate) fn miss<'w>(&'w self, event: &Event, target: &str) -> Option<UnmetRef<'w>> {
        self.0
            .iter()
            .find(|condition| !condition.holds(event, target))
            .map(UnmetRef)
    }

    pub(super) fn read(node: &Node, problems: &mut Problems) -> When {
        let mut conditions = Vec::new();
        let Some(mut fields) = Fields::of(node, "conditions (a map)", problems) else {
            return When::default();
        };
        if let Some(node) = fields.get("kind") {
            let kinds = [
                ("run", Kind::Run),
                ("job", Kind::Job),
                ("dataset", Kind::Dataset),
            ];
            conditions.push(Condition::Kind(choices(node, &kinds, problems)));
        }
        if let Some(node) = fields.get("event_type") {
            let types = [
                ("START", EventType::Start),
                ("RUNNING", EventType::Running),
                ("COMPLETE", EventType::Complete),
                ("ABORT", EventType::Abort),
                ("FAIL", EventType::Fail),
                ("OTHER", EventType::Other),
            ];
            conditions.push(Condition::EventType(choices(node, &types, problems)));
        }
        let patterns = |name: &'static str, fields: &mut Fields<'_>, problems: &mut Problems| {
            fields
                .get(name)
                .and_then(|node| Patterns::read(node, problems))
        };
        if let Some(node) = fields.get("target") {
            for node in node.one_or_many() {
                target(node, problems);
            }
            conditions.extend(Patterns::read(node, problems).map(Condition::Target));
        }
        if let Some(node) = fields.get("larger_than") {
            conditions.extend(node.bytes(problems).map(Condition::LargerThan));
        }
        if let Some(node) = fields.get("smaller_than") {
            conditions.extend(node.bytes(problems).map(Condition::SmallerThan));
        }
        if let Some(node) = fields.get("job") {
            conditions.extend(Named::read(node, problems).map(Condition::Job));
        }
        conditions.extend(patterns("producer", &mut fields, problems).map(Condition::Producer));
        for (name, side) in [
            ("inputs", Side::Inputs),
            ("outputs", Side::Outputs),
            ("datasets", Side::Any),
        ] {
            if let Some(flag) = fields.flag(name, problems) {
                conditions.push(Condition::Has(side, flag));
            }
        }
        for (name, side) in [
            ("input", Side::Inputs),
            ("output", Side::Outputs),
            ("dataset", Side::Any),
        ] {
            if let Some(node) = fields.get(name) {
                conditions.extend(
                    Named::read(node, problems).map(|named| Condition::Dataset(side, named)),
                );
            }
        }
        conditions.extend(patterns("facet", &mut fields, problems).map(Condition::Facet));
        let mut list = |name: &'static str, fields: &mut Fields<'_>| {
            let node = fields.get(name)?;
            let items = node.list("conditions", problems);
            if let Value::List(items) = &node.value
                && items.is_empty()
            {
                problems.say(node.at, "an empty list does nothing");
            }
            Some(
                items
                    .iter()
                    .map(|item| When::read(item, problems))
                    .collect(),
            )
        };
        let (any, all) = (list("any", &mut fields), list("all", &mut fields));
        conditions.extend(any.map(Condition::Any));
        conditions.extend(all.map(Condition::All));
        if let Some(node) = fields.get("not") {
            conditions.push(Condition::Not(When::read(node, problems)));
        }
        fields.finish(problems);
        When(conditions)
    }
}

impl Condition {
    fn holds(&self, event: &Event, target: &str) -> bool {
        match self {
            Condition::Kind(kinds) => kinds.contains(&match event.subject() {
                Subject::Run { .. } => Kind::Run,
                Subject::Job { .. } => Kind::Job,
                Subject::Dataset { .. } => Kind::Dataset,
            }),
            Condition::EventType(types) => match event.subject() {
                Subject::Run {
                    event_type: Some(event_type),
                    ..
                } => types.contains(event_type),
                Subject::Run {
                    event_type: None, ..
                }
                | Subject::Job { .. }
                | Subject::Dataset { .. } => false,
            },
            Condition::Target(patterns) => patterns.matches(target),
            Condition::LargerThan(size) => event.text().len() > *size,
            Condition::SmallerThan(size) => event.text().len() < *size,
            Condition::Job(named) => event.job().is_some_and(|job| named.matches(job)),
            Condition::Producer(patterns) => patterns.matches(&producer(event)),
            Condition::Has(side, wanted) => has_datasets(event, *side) == *wanted,
            Condition::Dataset(side, named) => datasets(event, *side)
                .iter()
                .any(|dataset| named.matches(dataset)),
            Condition::Facet(patterns) => facets(event).iter().any(|facet| patterns.matches(facet)),
            Condition::Any(any) => any.iter().any(|when| when.miss(event, target).is_none()),
            Condition::All(all) => all.iter().all(|when| when.miss(event, target).is_none()),
            Condition::Not(when) => when.miss(event, target).is_some(),
        }
    }
}

fn choices<T: Copy>(node: &Node, from: &[(&str, T)], problems: &mut Problems) -> Vec<T> {
    (node.at_least_one(problems).into_iter())
        .filter_map(|node| node.choice(from, problems))
        .collect()
}

/// Says when a text is the name of no target. A pattern may mean several.
pub(super) fn target(node: &Node, problems: &mut Problems) {
    let name = match &node.value {
        Value::Text(text) if text.contains(['*', '?']) => return,
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => return,
    };
    if !problems.targets.contains(&name) {
        let targets = problems.targets.clone();
        let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
        node.expected_one_of(&targets, problems);
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "nothing".to_owned()
    } else {
        text
    }
}

fn producer(event: &Event) -> String {
    let producer = event.json().and_then(|root| root.get("producer"));
    let producer = producer.and_then(Json::string);
    producer.unwrap_or_default().into_owned()
}

fn lists(side: Side) -> &'static [&'static str] {
    match side {
        Side::Inputs => &["inputs"],
        Side::Outputs => &["outputs"],
        Side::Any => &["inputs", "outputs"],
    }
}

fn has_datasets(event: &Event, side: Side) -> bool {
    if let Subject::Dataset { .. } = event.subject() {
        return side == Side::Any;
    }
    let Some(root) = event.json() else {
        return false;
    };
    let filled = |list: &&str| root.get(list).is_some_and(|list| !list.items().is_empty());
    lists(side).iter().any(filled)
}

fn datasets(event: &Event, side: Side) -> Vec<Identity> {
    if let (Subject::Dataset { dataset }, Side::Any) = (event.subject(), side) {
        return vec![dataset.clone()];
    }
    let Some(root) = event.json() else {
        return Vec::new();
    };
    let items = lists(side).iter().filter_map(|list| root.get(list));
    items
        .flat_map(Json::items)
        .filter_map(Identity::of)
        .collect()
}

/// The names of all facets, whatever they stand on, those that are forwarded too.
fn facets(event: &Event) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(root) = event.json() {
        holders(root, &mut |holder, _| {
            for set in holder.facet_sets() {
                let keys = set
                    .members()
                    .iter()
                    .filter_map(|member| member.key.string());
                names.extend(keys.map(Cow::into_owned));
            }
        });
    }
    names
}
