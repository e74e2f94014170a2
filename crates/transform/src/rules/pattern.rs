//! Patterns of names: globs, or regular expressions.
//!
//! In a glob `*` stands for anything, slashes too, and `?` for one character; all else is itself, so that
//! `postgres://[::1]:5432` means that host.

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

use super::yaml::{Fields, Node, Problems, Value};

/// What one compiled expression may take, in bytes: enough for any list of names, too little to hurt.
const REGEX_SIZE: usize = 1 << 20;

/// Regular expressions that match every text, as people write them.
const ALL: [&str; 10] = [
    "", "^", "$", ".*?", ".*", "^.*", ".*$", "^.*$", "(.*)", "^(.*)$",
];

/// Any of these.
#[derive(Debug, Clone)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
enum Pattern {
    /// As it was written, and what it means.
    Glob(String, Regex),
    Regex(Regex),
}

impl Patterns {
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Glob(_, regex) | Pattern::Regex(regex) => regex.is_match(text),
        })
    }

    /// As they were written.
    pub(crate) fn told(&self) -> String {
        let told: Vec<&str> = (self.0.iter())
            .map(|pattern| match pattern {
                Pattern::Glob(glob, _) => glob.as_str(),
                Pattern::Regex(regex) => regex.as_str(),
            })
            .collect();
        told.join(" or ")
    }

    /// Each as it was written.
    pub(crate) fn each(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|pattern| match pattern {
            Pattern::Glob(glob, _) => glob.as_str(),
            Pattern::Regex(regex) => regex.as_str(),
        })
    }

    /// Whether every text matches.
    pub(crate) fn match_all(&self) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Glob(glob, _) => !glob.is_empty() && glob.bytes().all(|byte| byte == b'*'),
            Pattern::Regex(regex) => ALL.contains(&regex.as_str()),
        })
    }

    /// The texts that match, where these are few.
    pub(crate) fn literals(&self) -> Option<Vec<&str>> {
        let literals = self.0.iter().map(|pattern| match pattern {
            Pattern::Glob(glob, _) => (!glob.contains(['*', '?'])).then_some(glob.as_str()),
            Pattern::Regex(_) => None,
        });
        literals.collect()
    }

    /// Globs of our own.
    pub(crate) fn globs(texts: &[&str]) -> Option<Patterns> {
        let patterns = texts.iter().map(|text| Pattern::glob(text).ok());
        patterns.collect::<Option<Vec<Pattern>>>().map(Patterns)
    }

    pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Patterns> {
        let nodes = node.at_least_one(problems);
        let read: Vec<Option<Pattern>> = (nodes.into_iter())
            .map(|node| match &node.value {
                Value::Map(_) => {
                    let mut fields = Fields::of(node, "a glob, or {regex: …}", problems)?;
                    let regex = fields.get("regex").map(|node| regex(node, problems));
                    if regex.is_none() && !fields.is_given("regex") {
                        problems.say(
                            node.at,
                            "expected a glob, or {regex: …}, found a map without regex",
                        );
                    }
                    fields.finish(problems);
                    regex.flatten().map(Pattern::Regex)
                }
                _ => {
                    let text = node.text(problems)?;
                    problems.ok(node.at, Pattern::glob(&text))
                }
            })
            .collect();
        let patterns: Option<Vec<Pattern>> = read.into_iter().collect();
        patterns.map(Patterns)
    }
}

impl Pattern {
    fn glob(text: &str) -> Result<Pattern, String> {
        let mut pattern = String::from("^");
        for part in text.split_inclusive(['*', '?']) {
            let (plain, special) = match (part.strip_suffix('*'), part.strip_suffix('?')) {
                (Some(plain), _) => (plain, ".*"),
                (None, Some(plain)) => (plain, "."),
                (None, None) => (part, ""),
            };
            pattern.push_str(&regex::escape(plain));
            pattern.push_str(special);
        }
        pattern.push('$');
        RegexBuilder::new(&pattern)
            .dot_matches_new_line(true)
            .size_limit(REGEX_SIZE)
            .build()
            .map(|regex| Pattern::Glob(text.to_owned(), regex))
            .map_err(|_| "expected a shorter pattern: this one is too long".to_owned())
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
        regex.map_err(|error| {
            let why = last_line(&error.to_string()).to_owned();
            format!(
                "expected a regular expression, found {}: {why}",
                node.found()
            )
        }),
    )
}

fn glob(text: &str) -> Result<GlobMatcher, String> {
    // To globset these are special too.
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '[' | ']' | '{' | '}' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    GlobBuilder::new(&escaped)
        .literal_separator(false)
        .backslash_escape(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("expected a glob: {error}"))
}

/// What is wrong stands last in the messages of the `regex` crate.
fn last_line(text: &str) -> &str {
    text.lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stars_and_question_marks_are_special_in_a_glob() {
        for (glob, yes, no) in [
            (
                "postgres://[::1]:5432",
                "postgres://[::1]:5432",
                "postgres://:",
            ),
            ("{a,b}", "{a,b}", "a"),
            ("a?c", "a\u{e9}c", "ac"),
            ("s3://*/x", "s3://a/b\nc/x", "s3://a/xy"),
            ("a.b\\*", "a.b\\c", "a.b*"),
        ] {
            let pattern = Patterns::globs(&[glob]).unwrap();
            assert!(pattern.matches(yes), "{glob} {yes}");
            assert!(!pattern.matches(no), "{glob} {no}");
        }
        for text in ["[::1]", "{a,b}", "a\\b"] {
            assert!(glob(text).unwrap().is_match(text), "{text}");
        }
    }
}
