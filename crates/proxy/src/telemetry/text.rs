//! Texts of strangers, made fit for a log line: bounded, of one line, and without what a URL may carry besides its place.
//!
//! A name may be as long as an event, hold control characters, or turn the direction of what stands after it; a
//! producer or a namespace may be a URL with a password. Pure; called wherever such a text is logged.

use std::borrow::Cow;

use targets::is_unseen;

/// As much of a name as is logged, in characters: the log is not for keeping events.
pub(crate) const NAME: usize = 500;

/// What stands in the place of what is not logged.
const HIDDEN: &str = "***";

/// What begins the settings of a URL.
const BEHIND: [char; 3] = ['?', ';', '#'];

/// The first `most` characters of `text`. Control characters and those that change how the line reads are escaped; of a
/// URL the user information, and what follows its path, are hidden.
pub(crate) fn shown(text: &str, most: usize) -> Cow<'_, str> {
    let is_plain = text.len() <= most
        && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        && !text.contains("//");
    if is_plain {
        return Cow::Borrowed(text);
    }
    let text = without_secrets(text);
    let mut shown = String::with_capacity(text.len().min(4 * most));
    for (at, c) in text.chars().enumerate() {
        if at == most {
            shown.push('…');
            break;
        }
        match is_unseen(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The text with `***` for the user information of each URL in it, and for what follows its path: queries, and the
/// settings that JDBC has after a semicolon, may hold keys.
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
        let place = match user_information(url) {
            Some((_, place)) => {
                kept.push_str(HIDDEN);
                kept.push('@');
                place
            }
            None => url,
        };
        match place.find(BEHIND) {
            Some(at) => {
                kept.push_str(place.get(..=at).unwrap_or_default()); // the mark is of one byte
                kept.push_str(HIDDEN);
            }
            None => kept.push_str(place),
        }
        rest = after;
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

/// What stands before the `@` of a URL, and behind. A password may hold what ends it (unescaped, which is wrong and common):
/// where there may be one, all up to the last `@` is taken for it.
fn user_information(url: &str) -> Option<(&str, &str)> {
    let (before, _) = url.split_at(url.find(BEHIND).unwrap_or(url.len()));
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
    use proptest::prelude::*;

    #[test]
    fn a_plain_name_is_shown_as_it_is_and_not_copied() {
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
    fn what_would_write_a_line_of_its_own_or_turn_this_one_is_escaped() {
        assert_eq!(
            shown("a\n\u{1b}[31m\u{202e}b\u{2066}\u{85}", NAME),
            r"a\u{a}\u{1b}[31m\u{202e}b\u{2066}\u{85}"
        );
    }

    #[test]
    fn of_a_url_the_place_is_left() {
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
    fn a_password_behind_the_bound_is_hidden_all_the_same() {
        let text = format!("https://user:{}@host", "s".repeat(600));
        assert_eq!(shown(&text, 100), "https://***@host");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_one_bounded_line(text in "\\PC{0,40}|(.|\n|\u{202e}|//|@|\\?){0,60}", most in 1usize..50) {
            let shown = shown(&text, most);
            prop_assert!(shown.chars().count() <= 10 * most + 1);
            prop_assert!(!shown.chars().any(is_unseen));
        }

        #[test]
        fn no_user_information_is_left(user in "[a-z]{1,8}", secret in "[0-9?;#:/]{6,20}", path in "[a-z/]{0,10}") {
            let url = format!("x https://{user}:{secret}@host/{path} y");
            prop_assert!(!shown(&url, NAME).contains(&secret));
        }
    }
}
