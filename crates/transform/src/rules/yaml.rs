//! YAML with the place of every value, and a reader that collects all that is wrong.
//!
//! Knows no rule by itself: `read.rs` asks for each key, so a key that it never asks for is one there is not. The proxy
//! reads its settings with the same values and places.

mod parse;
mod problems;

use std::fmt;

pub use parse::parse;
pub use problems::Problem;
pub(super) use problems::Problems;

use crate::nearest;

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct At {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub at: At,
    /// The value.
    pub value: Value,
}

/// A value of YAML.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in order.
    Map(Vec<(Key, Node)>),
}

/// A key of a map, and where it stands.
#[derive(Debug, Clone)]
pub struct Key {
    /// Where it begins.
    pub at: At,
    /// The key.
    pub text: String,
}

/// Characters of a text that are shown in an error.
const LONGEST_FOUND: usize = 60;

impl Node {
    /// The member of a map, looked at again.
    pub(super) fn member(&self, name: &str) -> Option<&Node> {
        let Value::Map(members) = &self.value else {
            return None;
        };
        let member = members.iter().find(|(key, _)| key.text == name);
        member.map(|(_, node)| node)
    }

    /// What stands here, for an error: a single value as it is, of anything larger the kind.
    pub fn found(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => match text.char_indices().nth(LONGEST_FOUND) {
                None => format!("{text:?}"),
                Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
            },
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// Says that something else was expected here.
    pub(super) fn expected(&self, what: impl fmt::Display, problems: &mut Problems) {
        problems.say(self.at, format!("expected {what}, found {}", self.found()));
    }

    /// The value as JSON, places forgotten.
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.clone().into(),
            Value::List(items) => items.iter().map(Node::json).collect(),
            Value::Map(members) => members
                .iter()
                .map(|(key, value)| (key.text.clone(), value.json()))
                .collect(),
        }
    }

    /// The elements of a list, or the value itself as the only one.
    pub(super) fn one_or_many(&self) -> Vec<&Node> {
        match &self.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![self],
        }
    }

    /// As [`one_or_many`](Self::one_or_many), where an empty list would quietly do nothing.
    pub(super) fn at_least_one(&self, problems: &mut Problems) -> Vec<&Node> {
        let nodes = self.one_or_many();
        if nodes.is_empty() {
            problems.say(self.at, "an empty list does nothing");
        }
        nodes
    }

    pub(super) fn text(&self, problems: &mut Problems) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            // `name: 2024` is meant as a text where a text is wanted. `1.10` and `00123` came as other numbers than
            // they were written.
            Value::Number(number) if number.is_f64() => {
                let message = "expected a text, found a number that may have been written otherwise; put it in quotes";
                problems.say(self.at, message);
                None
            }
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                self.expected("a text", problems);
                None
            }
        }
    }

    pub(super) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => Some(flag),
            Value::Null | Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                self.expected("true or false", problems);
                None
            }
        }
    }

    /// One of `choices`, by its name.
    pub(super) fn choice<T: Copy>(
        &self,
        choices: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let found = match &self.value {
            Value::Text(text) => choices.iter().find(|(name, _)| name == text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                None
            }
        };
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.expected_one_of(&names, problems);
        }
        found.map(|(_, value)| *value)
    }

    /// Says that one of these words was expected, and which may have been meant.
    pub(super) fn expected_one_of(&self, names: &[&str], problems: &mut Problems) {
        let meant = match &self.value {
            Value::Text(text) => meant(text, names),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                String::new()
            }
        };
        let (names, found) = (names.join(", "), self.found());
        problems.say(
            self.at,
            format!("expected one of {names}, found {found}{meant}"),
        );
    }

    /// A number of bytes: `300 KB`, `1 MiB`, or plain.
    pub(super) fn bytes(&self, problems: &mut Problems) -> Option<usize> {
        let bytes = match &self.value {
            Value::Number(number) => number.as_u64(),
            Value::Text(text) => {
                let parsed = text.parse::<bytesize::ByteSize>();
                parsed.ok().map(|size| size.as_u64())
            }
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
        };
        let size = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        if size.is_none() {
            self.expected("a size such as 100 KB", problems);
        }
        size
    }

    /// A whole number between `least` and `most`.
    pub(super) fn number(&self, least: u64, most: u64, problems: &mut Problems) -> Option<u64> {
        let number = match &self.value {
            Value::Number(number) => number.as_u64(),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.expected(format!("a whole number from {least} to {most}"), problems);
        }
        number
    }

    pub(super) fn list(&self, what: &str, problems: &mut Problems) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
                self.expected(format!("a list of {what}"), problems);
                &[]
            }
        }
    }
}

/// A map whose keys are read one by one.
pub(super) struct Fields<'n> {
    pub(super) at: At,
    members: &'n [(Key, Node)],
    asked: Vec<&'static str>,
    /// Those of them that say something without a value.
    bare: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The members of `node`, if it is a map. `what` is what has to stand there, for an error.
    pub(super) fn of(node: &'n Node, what: &str, problems: &mut Problems) -> Option<Fields<'n>> {
        match &node.value {
            Value::Map(members) => Some(Fields {
                at: node.at,
                members,
                asked: Vec::new(),
                bare: Vec::new(),
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                node.expected(what, problems);
                None
            }
        }
    }

    /// The value of that key. `null` is none, and [`finish`](Self::finish) says so: a condition that somebody forgot
    /// to write down must not hold for every event.
    pub(super) fn get(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        let found = self.members.iter().find(|(key, _)| key.text == name);
        found
            .map(|(_, node)| node)
            .filter(|node| !matches!(node.value, Value::Null))
    }

    /// As [`get`](Self::get), also when the value is null: `drop:` says all there is to say.
    pub(super) fn has(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked.push(name);
        self.bare.push(name);
        let found = self.members.iter().find(|(key, _)| key.text == name);
        found.map(|(_, node)| node)
    }

    /// Whether something stands at that key, right or wrong. What is wrong is said already and not missing.
    pub(super) fn is_given(&self, name: &str) -> bool {
        let mut members = self.members.iter();
        members.any(|(key, node)| key.text == name && !matches!(node.value, Value::Null))
    }

    /// Whether something other than `false` stands at that key, right or wrong.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        let is_false = |node: &Node| matches!(node.value, Value::Bool(false));
        let mut members = self.members.iter();
        self.is_given(name) && !members.any(|(key, node)| key.text == name && is_false(node))
    }

    pub(super) fn text(&mut self, name: &'static str, problems: &mut Problems) -> Option<String> {
        self.get(name)?.text(problems)
    }

    pub(super) fn flag(&mut self, name: &'static str, problems: &mut Problems) -> Option<bool> {
        self.get(name)?.flag(problems)
    }

    /// Says which keys there are not, and which have no value.
    pub(super) fn finish(self, problems: &mut Problems) {
        for (key, node) in self.members {
            let name = key.text.as_str();
            if matches!(node.value, Value::Null)
                && self.asked.contains(&name)
                && !self.bare.contains(&name)
            {
                problems.say(key.at, format!("{name}: expected a value, found nothing"));
            }
            if !self.asked.contains(&name) {
                let (meant, expected) = (meant(name, &self.asked), self.asked.join(", "));
                problems.say(
                    key.at,
                    format!("there is no key {name:?} here{meant}; expected {expected}"),
                );
            }
        }
    }
}

/// ` (did you mean "drop"?)`, where one of these is near.
fn meant(word: &str, known: &[&str]) -> String {
    let near = nearest(word, known.iter().copied());
    near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line_and_column() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: true}\nd: |\n  text\n").unwrap();
        let mut problems = Problems::default();
        let mut fields = Fields::of(&node, "a map", &mut problems).unwrap();
        let list = fields.get("b").unwrap().list("things", &mut problems);
        assert_eq!((list[0].at.line, list[0].at.column), (3, 5));
        let inner = Fields::of(&list[1], "a map", &mut problems).unwrap();
        assert_eq!(
            (inner.members[0].0.at.line, inner.members[0].0.at.column),
            (4, 6)
        );
        assert_eq!(fields.text("d", &mut problems).unwrap(), "text\n");
        fields.finish(&mut problems);
        assert_eq!(
            problems.found[0].to_string(),
            "1:1: there is no key \"a\" here; expected b, d"
        );
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_before_the_stack_is_used_up() {
        let nested = |levels| format!("{}1{}", "{a: [".repeat(levels), "]}".repeat(levels));
        assert!(parse(&nested(14)).is_ok());
        for levels in [40, 1_000] {
            let problem = parse(&nested(levels)).unwrap_err();
            assert!(problem.message.starts_with("not YAML"), "{problem}");
        }
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_place() {
        let problem = parse("a: [1, 2\nb: }").unwrap_err();
        assert!(problem.line >= 1 && problem.message.starts_with("not YAML"));
    }

    #[test]
    fn a_key_that_is_there_twice_is_named_and_no_option_of_the_parser() {
        let problem = parse("listen: 1\nlisten: 2").unwrap_err();
        assert_eq!(problem.message, "not YAML: duplicate mapping key: listen");
    }
}
