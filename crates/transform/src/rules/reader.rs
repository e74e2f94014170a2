//! What the settings of rules are built with: what they may refer to, what their author may do, and the problems found so far.
//!
//! A rules text comes from an operator, or from whoever tries rules. The second may use no files, and few scripts and
//! regular expressions. `read.rs` makes the reader; each part of a rule and each action reads its settings with it.

use std::fmt;

use super::yaml::{FilePosition, Node, Problem, Problems, Value};
use crate::plugin::Transforms;

/// What a rules file may refer to.
#[derive(Clone, Copy)]
pub struct RuleResources<'s> {
    /// Reads a file next to the rules file: a script, a module, an event.
    pub file: &'s dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// The transforms that are compiled in.
    pub transforms: &'s Transforms,
    /// The key of the hashes that replace redacted values.
    pub hash_key: Option<&'s [u8]>,
    /// The names of targets that conditions may name; if empty, any name is accepted.
    pub targets: &'s [&'s str],
}

/// Who wrote a rules text, and what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// An operator: it may name files, and set limits.
    File,
    /// Whoever tries it: it reads nothing, no script of it gets more steps than the default, and it has few scripts and regular
    /// expressions.
    Trial,
}

/// The most scripts of rules that are tried: each may take all its steps for each event.
const TRIED_SCRIPTS: usize = 50;

/// The most regular expressions of rules that are tried: one of some bytes may take a megabyte, see `REGEX_SIZE`.
const TRIED_REGEXES: usize = 100;

/// What settings are built with: the sources that they may refer to, and the problems found so far.
pub(crate) struct Reader<'r> {
    pub(crate) sources: &'r RuleResources<'r>,
    pub(crate) problems: &'r Problems,
    pub(crate) trust: Trust,
}

impl Reader<'_> {
    /// Reads a file beside the rules file. The only way to one.
    pub(crate) fn file(&self, name: &str) -> Result<Vec<u8>, String> {
        match self.trust {
            Trust::File => (self.sources.file)(name),
            Trust::Trial => Err(
                "expected no file: rules that are tried read none. Write a script as text; modules and events of files are tried by lineage-proxy transform"
                    .to_owned(),
            ),
        }
    }

    pub(crate) fn error(&self, at: FilePosition, message: impl fmt::Display) {
        self.problems.error(at, message);
    }

    pub(crate) fn warn(&self, at: FilePosition, message: impl fmt::Display) {
        self.problems.warn(at, message);
    }

    pub(crate) fn ok<T>(
        &self,
        at: FilePosition,
        result: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        self.problems.ok(at, result)
    }
}

/// Checks that rules that are tried have no more scripts and regular expressions than may be tried.
pub(super) fn check_size(root: &Node) -> Result<(), Vec<Problem>> {
    let limits = [
        ("script", "scripts", TRIED_SCRIPTS),
        ("regex", "regular expressions", TRIED_REGEXES),
    ];
    let problems = limits.into_iter().filter_map(|(key, what, most)| {
        let all = members(root, key);
        let first = all.get(most)?;
        let found = all.len();
        let message =
            format!("expected at most {most} {what} in rules that are tried, found {found}");
        Some(Problem::new(*first, message))
    });
    let problems: Vec<Problem> = problems.collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Returns where all members with that key begin, in order, however deep.
fn members(root: &Node, wanted: &str) -> Vec<FilePosition> {
    let (mut found, mut left) = (Vec::new(), vec![root]);
    while let Some(node) = left.pop() {
        match &node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
            Value::List(nodes) => left.extend(nodes.iter().rev()),
            Value::Map(all) => {
                let keys = all.iter().map(|(key, _)| key);
                let keys = keys.filter(|key| key.text == wanted);
                found.extend(keys.map(|key| key.at));
                left.extend(all.iter().rev().map(|(_, node)| node));
            }
        }
    }
    found
}
