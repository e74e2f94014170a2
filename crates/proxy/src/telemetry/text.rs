//! Prepares text of strangers for log lines: bounded, on one line, and without the secrets of URLs.
//!
//! A name may be as long as an event, contain control characters, or reverse the direction of the text after it. A
//! producer or a namespace may be a URL with a password. Pure.

use std::borrow::Cow;

use openlineage::visible;

/// The most characters of a name in a log line: the log is not an archive of events.
pub(crate) const NAME: usize = 500;

/// Stands for text that is not logged.
const MASK: &str = "***";

/// The characters that begin the parameters of a URL.
const PARAMETERS: [char; 3] = ['?', ';', '#'];

/// Returns the first `limit` characters of `text`. Escapes control characters and those that change how the line reads,
/// and masks the user information of a URL and everything after its path.
pub(crate) fn shown(text: &str, limit: usize) -> Cow<'_, str> {
    let is_plain = text.len() <= limit
        && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        && !text.contains("//");
    if is_plain {
        return Cow::Borrowed(text);
    }
    Cow::Owned(visible(&without_secrets(text), limit))
}

/// Replaces by `***` the user information of each URL in the text and everything after its path: queries, and the
/// parameters that JDBC has after a semicolon, may contain keys.
fn without_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains("//") {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, url)) = rest.split_once("//") {
        kept.push_str(before);
        kept.push_str("//");
        let end = url.find(ends_url).unwrap_or(url.len());
        let (url, after) = url.split_at(end);
        let location = match user_information(url) {
            Some((_, location)) => {
                kept.push_str(MASK);
                kept.push('@');
                location
            }
            None => url,
        };
        match location.find(PARAMETERS) {
            Some(at) => {
                kept.push_str(location.get(..=at).unwrap_or_default()); // the character has one byte
                kept.push_str(MASK);
            }
            None => kept.push_str(location),
        }
        rest = after;
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// Splits a URL at the `@` that ends its user information. A password may contain characters that would end it
/// (unescaped, which is wrong but common), so everything up to the last `@` belongs to it if there may be one.
fn user_information(url: &str) -> Option<(&str, &str)> {
    let (before, _) = url.split_at(url.find(PARAMETERS).unwrap_or(url.len()));
    let (authority, _) = before.split_at(before.find('/').unwrap_or(before.len()));
    let sign = match authority.contains(['@', ':']) {
        true => before.rfind('@').or_else(|| url.rfind('@'))?,
        false => return None,
    };
    Some((url.get(..sign)?, url.get(sign + 1..)?))
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlineage::is_unseen;
    use proptest::prelude::*;

    #[test]
    fn a_plain_name_is_unchanged_and_not_copied() {
        assert!(matches!(
            shown("etl.daily orders", NAME),
            Cow::Borrowed("etl.daily orders")
        ));
        assert_eq!(shown("días_de_venta_日次", NAME), "días_de_venta_日次");
        assert_eq!(
            shown(
                "https://github.com/OpenLineage/OpenLineage/tree/1.9/spark",
                NAME
            ),
            "https://github.com/OpenLineage/OpenLineage/tree/1.9/spark"
        );
    }

    #[test]
    fn characters_that_break_or_reverse_a_line_are_escaped() {
        assert_eq!(
            shown("a\n\u{1b}[31m\u{202e}b\u{2066}\u{85}", NAME),
            r"a\u{a}\u{1b}[31m\u{202e}b\u{2066}\u{85}"
        );
    }

    #[test]
    fn the_location_of_a_url_remains() {
        for (text, left) in [
            ("https://user:pa@ss@host/p", "https://***@host/p"),
            ("https://token@host:8080", "https://***@host:8080"),
            (
                "postgres://h:5432/db?user=a&password=b",
                "postgres://h:5432/db?***",
            ),
            (
                "jdbc:sqlserver://h:1433;user=sa;password=b",
                "jdbc:sqlserver://h:1433;***",
            ),
            ("https://u:p?#;a@host/x?k=v", "https://***@host/x?***"),
            (
                "see <https://u:p@h/a> and //v:q@i",
                "see <https://***@h/a> and //***@i",
            ),
        ] {
            let shown = shown(text, NAME);
            assert!(shown.starts_with(left), "{shown}");
            for secret in ["pa@ss", "user:", "token", "password", "u:p", "v:q", "k=v"] {
                assert!(!shown.contains(secret) || left.contains(secret), "{shown}");
            }
        }
    }

    #[test]
    fn a_password_beyond_the_limit_is_masked() {
        let text = format!("https://user:{}@host", "s".repeat(600));
        assert_eq!(shown(&text, 100), "https://***@host");
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_bounded_line(text in "\\PC{0,40}|(.|\n|\u{202e}|//|@|\\?){0,60}", most in 1usize..50) {
            let shown = shown(&text, most);
            prop_assert!(shown.chars().count() <= 10 * most + 1);
            prop_assert!(!shown.chars().any(is_unseen));
        }

        #[test]
        fn no_user_information_remains(user in "[a-z]{1,8}", secret in "[0-9?;#:/]{6,20}", path in "[a-z/]{0,10}") {
            let url = format!("x https://{user}:{secret}@host/{path} y");
            prop_assert!(!shown(&url, NAME).contains(&secret));
        }
    }
}
