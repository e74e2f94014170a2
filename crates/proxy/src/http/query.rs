//! Parses the query of a request: only known parameters, each at most once.
//!
//! An unknown parameter is an error, because it would have no effect. Pure.

use std::borrow::Cow;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use targets::escaped;

/// The most characters of a wrong name or value in an error.
const MAX_SHOWN: usize = 40;

/// The parameters of a query.
#[derive(Debug)]
pub(crate) struct Query<'q> {
    given: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Query<'q> {
    /// Parses a query that may have these parameters.
    pub(crate) fn read(query: Option<&'q str>, known: &[&str]) -> Result<Query<'q>, String> {
        Query::read_repeated(query, known, "")
    }

    /// Parses a query that may have these parameters, of which one may be given several times.
    pub(crate) fn read_repeated(
        query: Option<&'q str>,
        known: &[&str],
        repeated: &str,
    ) -> Result<Query<'q>, String> {
        let mut given: Vec<(Cow<'q, str>, Cow<'q, str>)> = Vec::new();
        for part in query
            .unwrap_or_default()
            .split('&')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if !known.contains(&&*name) {
                let known = known.join(", ");
                return Err(format!(
                    "unknown parameter {:?}: known are {known}",
                    shortened(&name)
                ));
            }
            if name != repeated && given.iter().any(|(before, _)| *before == name) {
                return Err(format!("{name}: given twice"));
            }
            given.push((name, value));
        }
        Ok(Query { given })
    }

    /// Returns the value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| &**value)
    }

    /// Returns the value of a parameter that is a whole number up to `most`.
    pub(crate) fn number(&self, name: &str, most: u32) -> Result<Option<u32>, String> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = u32::from_str(text)
            .ok()
            .filter(|number| digits && *number <= most);
        let wrong = || {
            format!(
                "{name}: expected a whole number from 0 to {most}, found {:?}",
                shortened(text)
            )
        };
        number.map(Some).ok_or_else(wrong)
    }

    /// Returns the value of a parameter that is one of these words, in any case.
    pub(crate) fn word<T: Copy>(
        &self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, String> {
        let text = self.text(name);
        text.map(|text| word(name, text, words)).transpose()
    }

    /// Returns all values of a parameter, each one of these words; empty ones are none.
    pub(crate) fn words<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Vec<T>, String> {
        let given = self.given.iter();
        let given = given.filter(|(given, value)| given == name && !value.is_empty());
        given.map(|(_, text)| word(name, text, words)).collect()
    }
}

/// Returns what a value means that is one of these words, in any case.
fn word<T: Copy>(name: &str, text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let mut known = words.iter();
    let found = known.find(|(word, _)| word.eq_ignore_ascii_case(text));
    let wrong = || {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!(
            "{name}: expected {}, found {:?}",
            words.join(" or "),
            shortened(text)
        )
    };
    found.map(|(_, value)| *value).ok_or_else(wrong)
}

/// Decodes a part of `application/x-www-form-urlencoded`.
fn decoded(part: &str) -> Result<Cow<'_, str>, String> {
    let part = match part.contains('+') {
        true => Cow::Owned(part.replace('+', " ")),
        false => Cow::Borrowed(part),
    };
    let decoded = percent_decode_str(&part).decode_utf8();
    let decoded = decoded.map(|text| Cow::Owned(text.into_owned()));
    decoded.map_err(|_| format!("{:?} is not UTF-8", shortened(&part)))
}

fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    escaped(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["limit", "offset", "sortDirection"];

    fn limit(query: &str) -> Result<Option<u32>, String> {
        Query::read(Some(query), &KNOWN)?.number("limit", 1_000)
    }

    #[test]
    fn a_parameter_is_read_or_named_in_the_error() {
        assert_eq!(limit("limit=7&offset=0&&sortDirection=asc"), Ok(Some(7)));
        assert_eq!(limit("l%69mit=%37"), Ok(Some(7)));
        assert_eq!(limit(""), Ok(None));
        let wrong = [
            (
                "limit=-1",
                r#"limit: expected a whole number from 0 to 1000, found "-1""#,
            ),
            (
                "limit=%2B1",
                r#"limit: expected a whole number from 0 to 1000, found "+1""#,
            ),
            (
                "limit=1001",
                r#"limit: expected a whole number from 0 to 1000, found "1001""#,
            ),
            (
                "limit=99999999999999",
                r#"limit: expected a whole number from 0 to 1000, found "99999999999999""#,
            ),
            (
                "limit",
                r#"limit: expected a whole number from 0 to 1000, found """#,
            ),
            ("limit=1&limit=1", "limit: given twice"),
            (
                "Limit=1",
                r#"unknown parameter "Limit": known are limit, offset, sortDirection"#,
            ),
            (
                "before=x",
                r#"unknown parameter "before": known are limit, offset, sortDirection"#,
            ),
            (
                "a%0a%E2%80%AEb",
                r#"unknown parameter "a\\n\\u{202e}b": known are limit, offset, sortDirection"#,
            ),
            ("limit=%ff", r#""%ff" is not UTF-8"#),
        ];
        for (query, message) in wrong {
            assert_eq!(limit(query).unwrap_err(), message, "{query}");
        }
        let query = Query::read(Some("sortDirection=up"), &KNOWN).unwrap();
        let wrong = query
            .word("sortDirection", &[("asc", 1), ("desc", 2)])
            .unwrap_err();
        assert_eq!(wrong, r#"sortDirection: expected asc or desc, found "up""#);
    }
}
