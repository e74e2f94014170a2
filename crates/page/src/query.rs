//! The parameters of a query or a form: only known ones, each at most once. Pure.
//!
//! An unknown parameter is an error, because it would have no effect.

use std::borrow::Cow;
use std::str::FromStr;

use crate::text::shown;

/// The most characters of a wrong name or value in an error.
const MAX_SHOWN: usize = 40;

/// The parameters that a route knows, with their values.
#[derive(Debug)]
pub(crate) struct Query<'q> {
    given: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Query<'q> {
    /// Reads what is `application/x-www-form-urlencoded`.
    pub(crate) fn read(text: &'q [u8], known: &[&str]) -> Result<Query<'q>, String> {
        let mut given: Vec<(Cow<'q, str>, Cow<'q, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            if !known.contains(&&*name) {
                let name = shown(&name, MAX_SHOWN);
                let known = match known {
                    [] => "there are none".to_owned(),
                    known => format!("known are {}", known.join(", ")),
                };
                return Err(format!("unknown parameter {name:?}: {known}"));
            }
            if given.iter().any(|(before, _)| *before == name) {
                return Err(format!("{name}: given twice"));
            }
            given.push((name, value));
        }
        Ok(Query { given })
    }

    /// Returns the value of a parameter that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| &**value).filter(|it| !it.is_empty())
    }

    /// Returns the value of a parameter that is a number.
    pub(crate) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, String> {
        let wrong = |text: &str| {
            let text = shown(text, MAX_SHOWN);
            format!("{name}: expected a whole number, found {text:?}")
        };
        let read = |text: &str| text.parse().map_err(|_| wrong(text));
        self.text(name).map(read).transpose()
    }
}

/// Returns a path with these parameters.
pub(crate) fn link(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    match query.finish() {
        empty if empty.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_read_or_named_in_the_error() {
        let query = Query::read(b"q=a+b%2F&before=7&after=", &["q", "before", "after"]).unwrap();
        assert_eq!(query.text("q"), Some("a b/"));
        assert_eq!(query.number::<i64>("before"), Ok(Some(7)));
        assert_eq!(query.number::<i64>("after"), Ok(None));
        for (text, known, expected) in [
            ("a=1", &["q"][..], r#"unknown parameter "a": known are q"#),
            ("a=1", &[], r#"unknown parameter "a": there are none"#),
            ("q=1&q=2", &["q"], "q: given twice"),
        ] {
            assert_eq!(Query::read(text.as_bytes(), known).unwrap_err(), expected);
        }
        let query = Query::read(b"before=x", &["before"]).unwrap();
        let expected = r#"before: expected a whole number, found "x""#;
        assert_eq!(query.number::<i64>("before").unwrap_err(), expected);
    }

    #[test]
    fn what_a_link_has_is_read_again() {
        let text = "s3://b/a b?&=%#\u{202e}é";
        let link = link("/job", &[("namespace", text), ("name", "")]);
        let query = Query::read(&link.as_bytes()["/job?".len()..], &["namespace", "name"]);
        assert_eq!(query.unwrap().text("namespace"), Some(text));
        assert_eq!(super::link("/", &[]), "/");
    }
}
