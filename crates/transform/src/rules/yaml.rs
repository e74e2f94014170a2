//! YAML values with their positions, and typed settings that are read from them.
//!
//! The proxy reads its configuration from the same values.

mod deserialize;
mod error;
mod parse;
mod problems;
mod scalars;
mod settings;

use std::fmt;

pub(crate) use deserialize::{read, read_besides};
pub use parse::parse;
pub use problems::Problem;
pub(crate) use problems::Problems;
pub(crate) use scalars::{NewText, Size, Text, True, WholeNumber};
pub(crate) use settings::{Entries, List, MapOr, OneOrMany, Optional, Spanned};

use crate::nearest;

/// A position in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FilePosition {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and its position.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub at: FilePosition,
    /// The value.
    pub value: Value,
}

/// A value of YAML.
#[derive(Debug, Clone)]
pub enum Value {
    /// No value.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in order.
    Map(Vec<(Key, Node)>),
}

/// A key of a map and its position.
#[derive(Debug, Clone)]
pub struct Key {
    /// Where it begins.
    pub at: FilePosition,
    /// The key.
    pub text: String,
}

/// The most characters of a string in an error.
const LONGEST_FOUND: usize = 60;

impl Node {
    /// Returns the value of that key of a map.
    pub(crate) fn member(&self, name: &str) -> Option<&Node> {
        let Value::Map(members) = &self.value else {
            return None;
        };
        let member = members.iter().find(|(key, _)| key.text == name);
        member.map(|(_, node)| node)
    }

    /// Describes the value for an error: a scalar by its value, anything larger by its kind.
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

    /// Returns the value as JSON, without positions.
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

    /// Returns the error that one of these words was expected, with the one that was probably meant.
    fn expected_one_of(&self, words: &[&str]) -> String {
        let meant = match &self.value {
            Value::Text(text) => did_you_mean(text, words),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                String::new()
            }
        };
        let (words, found) = (words.join(", "), self.found());
        format!("expected one of {words}, found {found}{meant}")
    }
}

/// Returns ` (did you mean "drop"?)`, if one of the known words is near.
pub(crate) fn did_you_mean(word: &str, known: &[&str]) -> String {
    let near = nearest(word, known.iter().copied());
    near.map_or_else(String::new, |near| format!(" (did you mean {near:?}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_keys_know_their_line_and_column() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: true}\nd: |\n  text\n").unwrap();
        let b = node.member("b").unwrap();
        let Value::List(items) = &b.value else {
            panic!("{b:?}");
        };
        assert_eq!((items[0].at.line, items[0].at.column), (3, 5));
        let Value::Map(members) = &items[1].value else {
            panic!("{items:?}");
        };
        assert_eq!((members[0].0.at.line, members[0].0.at.column), (4, 6));
        assert_eq!(node.member("d").unwrap().found(), "\"text\\n\"");
    }

    #[test]
    fn deep_nesting_is_refused_before_the_stack_is_used_up() {
        let nested = |levels| format!("{}1{}", "{a: [".repeat(levels), "]}".repeat(levels));
        assert!(parse(&nested(14)).is_ok());
        for levels in [40, 1_000] {
            let problem = parse(&nested(levels)).unwrap_err();
            assert!(problem.message.starts_with("invalid YAML"), "{problem}");
        }
    }

    #[test]
    fn invalid_yaml_is_reported_with_its_position() {
        let problem = parse("a: [1, 2\nb: }").unwrap_err();
        assert!(problem.line >= 1 && problem.message.starts_with("invalid YAML"));
    }

    #[test]
    fn a_duplicate_key_is_named_and_no_option_of_the_parser() {
        let problem = parse("listen: 1\nlisten: 2").unwrap_err();
        assert_eq!(
            problem.message,
            "invalid YAML: duplicate mapping key: listen"
        );
    }

    #[test]
    fn aliases_that_expand_without_end_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = level - 1;
            let uses = vec![format!("*a{before}"); 9].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
        }
        assert!(parse(&bomb).is_err());
        assert!(parse("a: &a [*a]").is_err());
    }
}
