//! YAML with the place of every value, and a reader that collects all that is wrong.
//!
//! Knows no rule by itself: `read.rs` asks for each key, so a key that it never asks for is one there is not.

mod parse;

use std::fmt;

pub(super) use parse::parse;

/// One thing that is wrong with a rules file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 when the place is not known.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            line,
            column,
            message,
        } = self;
        write!(f, "{line}:{column}: {message}")
    }
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct At {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: At,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) at: At,
    pub(super) text: String,
}

/// All that is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) found: Vec<Problem>,
    /// Said before each message: the rule that is being read.
    pub(super) within: String,
}

impl Problems {
    pub(super) fn say(&mut self, at: At, message: impl fmt::Display) {
        let message = format!("{}{message}", self.within);
        let At { line, column } = at;
        self.found.push(Problem {
            line,
            column,
            message,
        });
    }

    /// The value, or nothing and a problem.
    pub(super) fn ok<T>(&mut self, at: At, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|error| self.say(at, error)).ok()
    }
}

impl Node {
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The value as JSON, places forgotten.
    pub(super) fn json(&self) -> serde_json::Value {
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
                problems.say(self.at, "expected a text; put it in quotes");
                None
            }
            Value::Number(number) => Some(number.to_string()),
            _ => {
                problems.say(self.at, format!("expected a text, found {}", self.kind()));
                None
            }
        }
    }

    pub(super) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => Some(flag),
            _ => {
                let message = format!("expected true or false, found {}", self.kind());
                problems.say(self.at, message);
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
        let names = || {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            names.join(", ")
        };
        let Value::Text(text) = &self.value else {
            let message = format!("expected one of {}, found {}", names(), self.kind());
            problems.say(self.at, message);
            return None;
        };
        let found = choices.iter().find(|(name, _)| name == text);
        if found.is_none() {
            problems.say(
                self.at,
                format!("expected one of {}, not {text:?}", names()),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A number of bytes: `300 KB`, `1 MiB`, or plain.
    pub(super) fn bytes(&self, problems: &mut Problems) -> Option<usize> {
        let (bytes, found) = match &self.value {
            Value::Number(number) => (number.as_u64(), number.to_string()),
            Value::Text(text) => {
                let parsed = text.parse::<bytesize::ByteSize>();
                (parsed.ok().map(|size| size.as_u64()), format!("{text:?}"))
            }
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
                (None, self.kind().to_owned())
            }
        };
        let size = bytes.and_then(|bytes| usize::try_from(bytes).ok());
        if size.is_none() {
            let message = format!("expected a size such as 100 KB, not {found}");
            problems.say(self.at, message);
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
            problems.say(
                self.at,
                format!("expected a whole number from {least} to {most}"),
            );
        }
        number
    }

    pub(super) fn list(&self, what: &str, problems: &mut Problems) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => {
                let message = format!("expected a list of {what}, found {}", self.kind());
                problems.say(self.at, message);
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
    /// The members of `node`, if it is a map.
    pub(super) fn of(node: &'n Node, what: &str, problems: &mut Problems) -> Option<Fields<'n>> {
        match &node.value {
            Value::Map(members) => Some(Fields {
                at: node.at,
                members,
                asked: Vec::new(),
                bare: Vec::new(),
            }),
            _ => {
                let message = format!("expected {what} (a map), found {}", node.kind());
                problems.say(node.at, message);
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
                problems.say(key.at, format!("{name}: nothing stands here"));
            }
            if !self.asked.contains(&name) {
                let expected = self.asked.join(", ");
                let message = format!("there is no key {:?} here; expected {expected}", key.text);
                problems.say(key.at, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_line_and_column() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: true}\nd: |\n  text\n").unwrap();
        let mut problems = Problems::default();
        let mut fields = Fields::of(&node, "a file", &mut problems).unwrap();
        let list = fields.get("b").unwrap().list("things", &mut problems);
        assert_eq!((list[0].at.line, list[0].at.column), (3, 5));
        let inner = Fields::of(&list[1], "c", &mut problems).unwrap();
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
}
