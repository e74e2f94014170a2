//! Patterns of names: globs, where `*` stands for anything, slashes too; or regular expressions.

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

use super::yaml::{Fields, Node, Problems, Value};

/// What one compiled expression may take, in bytes: enough for any list of names, too little to hurt.
const REGEX_SIZE: usize = 1 << 20;

/// Any of these.
#[derive(Debug, Clone)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
enum Pattern {
    Glob(GlobMatcher),
    Regex(Regex),
}

impl Patterns {
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Glob(glob) => glob.is_match(text),
            Pattern::Regex(regex) => regex.is_match(text),
        })
    }

    /// As they were written.
    pub(crate) fn told(&self) -> String {
        let told: Vec<&str> = (self.0.iter())
            .map(|pattern| match pattern {
                Pattern::Glob(glob) => glob.glob().glob(),
                Pattern::Regex(regex) => regex.as_str(),
            })
            .collect();
        told.join(" or ")
    }

    /// One glob.
    pub(crate) fn glob(text: &str) -> Option<Patterns> {
        glob(text)
            .ok()
            .map(|glob| Patterns(vec![Pattern::Glob(glob)]))
    }

    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Patterns> {
        let read: Vec<Option<Pattern>> = (node.one_or_many().into_iter())
            .map(|node| match &node.value {
                Value::Map(_) => {
                    let mut fields = Fields::of(node, "a pattern", problems)?;
                    let regex = fields.get("regex").map(|node| regex(node, problems));
                    if regex.is_none() {
                        problems.say(node.at, "expected a glob, or {regex: …}");
                    }
                    fields.finish(problems);
                    regex.flatten().map(Pattern::Regex)
                }
                _ => glob_of(node, problems).map(Pattern::Glob),
            })
            .collect();
        let patterns: Option<Vec<Pattern>> = read.into_iter().collect();
        patterns.map(Patterns)
    }
}

/// Globs alone, where regular expressions make no sense.
pub(super) fn globs(node: &Node, problems: &mut Problems) -> Vec<GlobMatcher> {
    (node.one_or_many().into_iter())
        .filter_map(|node| glob_of(node, problems))
        .collect()
}

fn glob_of(node: &Node, problems: &mut Problems) -> Option<GlobMatcher> {
    let text = node.text(problems)?;
    problems.ok(node.at, glob(&text))
}

/// A regular expression in the syntax of the `regex` crate: no look-around, and so no endless search.
pub(super) fn regex(node: &Node, problems: &mut Problems) -> Option<Regex> {
    let text = node.text(problems)?;
    let regex = RegexBuilder::new(&text).size_limit(REGEX_SIZE).build();
    problems.ok(
        node.at,
        regex.map_err(|error| format!("no regular expression: {}", last_line(&error.to_string()))),
    )
}

fn glob(text: &str) -> Result<GlobMatcher, String> {
    GlobBuilder::new(text)
        .literal_separator(false)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("no glob: {error}"))
}

/// What is wrong stands last in the messages of the `regex` crate.
fn last_line(text: &str) -> &str {
    text.lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
}
