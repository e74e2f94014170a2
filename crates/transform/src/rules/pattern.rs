//! Patterns of names: globs, or regular expressions.
//!
//! In a glob, `*` matches any text including slashes, and `?` one character. Everything else is literal, so that
//! `postgres://[::1]:5432` means that host.

use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use super::yaml::{MapOr, OneOrMany, Text};

/// The largest compiled expression, in bytes: enough for any list of names, too little to be a problem.
const REGEX_SIZE: usize = 1 << 20;

/// Regular expressions that match every text, in the spellings that people use.
const MATCH_ALL: [&str; 10] = [
    "", "^", "$", ".*?", ".*", "^.*", ".*$", "^.*$", "(.*)", "^(.*)$",
];

/// A glob: * matches any text, slashes too, and ? one character.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(with = "Text")]
pub struct Glob {
    text: String,
    regex: Regex,
}

impl Glob {
    /// Compiles a glob. Returns an error if it is too long.
    pub fn new(text: &str) -> Result<Glob, String> {
        Glob::build(text, false)
    }

    /// Compiles a glob that ignores case.
    pub fn any_case(text: &str) -> Result<Glob, String> {
        Glob::build(text, true)
    }

    fn build(text: &str, any_case: bool) -> Result<Glob, String> {
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
        let regex = RegexBuilder::new(&pattern)
            .dot_matches_new_line(true)
            .case_insensitive(any_case)
            .size_limit(REGEX_SIZE)
            .build()
            .map_err(|_| "expected a shorter pattern: this one is too long")?;
        Ok(Glob {
            text: text.to_owned(),
            regex,
        })
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every text matches.
    pub(crate) fn matches_all(&self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|byte| byte == b'*')
    }

    /// The only text that matches, if it has no wildcard.
    fn literal(&self) -> Option<&str> {
        (!self.text.contains(['*', '?'])).then_some(self.text.as_str())
    }
}

impl TryFrom<Text> for Glob {
    type Error = String;

    fn try_from(text: Text) -> Result<Glob, String> {
        Glob::new(&text.0)
    }
}

/// A regular expression in the syntax of the Rust crate regex: no look-around, and so no endless search.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "Text")]
#[schemars(rename = "Regex", with = "Text")]
pub(crate) struct RegexText(pub(crate) Regex);

impl TryFrom<Text> for RegexText {
    type Error = String;

    fn try_from(Text(text): Text) -> Result<RegexText, String> {
        let regex = RegexBuilder::new(&text).size_limit(REGEX_SIZE).build();
        regex.map(RegexText).map_err(|error| {
            // The reason is in the last line of the crate's message.
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            format!("expected a regular expression, found {text:?}: {reason}")
        })
    }
}

/// A regular expression in place of a glob.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a glob, or {regex: …}")]
pub(crate) struct RegexPattern {
    regex: RegexText,
}

/// A glob, `{regex: …}`, or a list of these of which one has to match.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(from = "OneOrMany<MapOr<RegexPattern, Glob>>")]
#[schemars(with = "OneOrMany<MapOr<RegexPattern, Glob>>")]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
enum Pattern {
    Glob(Glob),
    Regex(Regex),
}

impl From<OneOrMany<MapOr<RegexPattern, Glob>>> for Patterns {
    fn from(patterns: OneOrMany<MapOr<RegexPattern, Glob>>) -> Patterns {
        let patterns = patterns.values().into_iter().map(|pattern| match pattern {
            MapOr::Short(glob) => Pattern::Glob(glob),
            MapOr::Map(RegexPattern { regex }) => Pattern::Regex(regex.0),
        });
        Patterns(patterns.collect())
    }
}

impl Pattern {
    fn as_str(&self) -> &str {
        match self {
            Pattern::Glob(glob) => glob.as_str(),
            Pattern::Regex(regex) => regex.as_str(),
        }
    }
}

impl Patterns {
    /// Whether one of them matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Glob(glob) => glob.is_match(text),
            Pattern::Regex(regex) => regex.is_match(text),
        })
    }

    /// Each as it was written.
    pub(crate) fn each(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Pattern::as_str)
    }

    /// The globs as they were written, without the regular expressions.
    pub(crate) fn globs_only(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|pattern| match pattern {
            Pattern::Glob(glob) => Some(glob.as_str()),
            Pattern::Regex(_) => None,
        })
    }

    /// All as they were written.
    pub(crate) fn describe(&self) -> String {
        self.each().collect::<Vec<_>>().join(" or ")
    }

    /// Whether every text matches.
    pub(crate) fn match_all(&self) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::Glob(glob) => glob.matches_all(),
            Pattern::Regex(regex) => MATCH_ALL.contains(&regex.as_str()),
        })
    }

    /// The texts that match, if no pattern has a wildcard.
    pub(crate) fn literals(&self) -> Option<Vec<&str>> {
        let literals = self.0.iter().map(|pattern| match pattern {
            Pattern::Glob(glob) => glob.literal(),
            Pattern::Regex(_) => None,
        });
        literals.collect()
    }

    /// Compiles globs of our own.
    pub(crate) fn globs(texts: &[&str]) -> Option<Patterns> {
        let patterns = texts.iter().map(|text| Glob::new(text).map(Pattern::Glob));
        let patterns: Result<Vec<Pattern>, String> = patterns.collect();
        patterns.ok().map(Patterns)
    }
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
    }
}
