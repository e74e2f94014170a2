//! Takes values of data out of the error messages of the warehouse. Called by `extract`, which puts the rest into
//! `errorMessage`.
//!
//! A message quotes names and values alike: `relation "mart.orders" does not exist`, `invalid input syntax for integer:
//! "jane@example.com"`. What is quoted stays if it is a word of the statement without its literals, which is then a name.

/// The longest message: what `error_message` has.
const MAX_BYTES: usize = 512;

/// What stands in place of a value.
const VALUE: &str = "***";

/// Returns the message without values. `redacted` is the statement without literals.
pub(super) fn without_values(message: &str, redacted: &str) -> String {
    let message = message.trim();
    let end = message.floor_char_boundary(MAX_BYTES);
    let mut rest = message.get(..end).unwrap_or_default();
    let redacted = redacted.to_lowercase();
    let mut text = String::new();
    while let Some((before, quote)) = rest.char_indices().find(|(_, c)| is_quote(*c)) {
        text.push_str(&unquoted(rest.get(..before).unwrap_or_default()));
        let inside = rest.get(before + quote.len_utf8()..).unwrap_or_default();
        let closing = closing(quote);
        // A quote that is not closed hides all of the rest.
        let (inside, after) = inside.split_once(closing).unwrap_or((inside, ""));
        text.push(quote);
        match is_name(inside, &redacted) {
            true => text.push_str(inside),
            false => text.push_str(VALUE),
        }
        text.push(closing);
        rest = after;
    }
    text.push_str(&unquoted(rest));
    text
}

fn is_quote(character: char) -> bool {
    matches!(character, '\'' | '"' | '`' | '(')
}

fn closing(quote: char) -> char {
    match quote {
        '(' => ')',
        other => other,
    }
}

/// Whether every part of a quoted text is a word of the statement.
fn is_name(quoted: &str, redacted: &str) -> bool {
    let quoted = quoted.to_lowercase();
    let mut parts = quoted
        .split(['.', ',', ' '])
        .filter(|part| !part.is_empty());
    let is_word = |part: &str| {
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '#';
        part.chars().all(is_of_word)
            && redacted.match_indices(part).any(|(start, _)| {
                let before = redacted
                    .get(..start)
                    .and_then(|text| text.chars().next_back());
                let after = redacted
                    .get(start + part.len()..)
                    .and_then(|text| text.chars().next());
                !before.is_some_and(is_of_word) && !after.is_some_and(is_of_word)
            })
    };
    !quoted.is_empty() && parts.all(is_word)
}

/// The text without words that look like values: addresses, keys and long numbers.
fn unquoted(text: &str) -> String {
    const LONG: usize = 5;
    let is_value = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        word.contains('@') || word.contains("://") || digits > LONG || word.len() > 60
    };
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end();
        match is_value(bare) {
            true => format!("{VALUE}{}", word.get(bare.len()..).unwrap_or_default()),
            false => word.to_owned(),
        }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SQL: &str = "INSERT INTO mart.daily_sales SELECT CAST ( email AS int ) FROM customers WHERE country = '?'";

    #[test]
    fn a_name_of_the_statement_stays() {
        for message in [
            "Load into table 'daily_sales' failed",
            "relation \"mart.daily_sales\" does not exist",
            "column \"email\" must appear in the GROUP BY clause",
        ] {
            assert_eq!(without_values(message, SQL), message);
        }
    }

    #[test]
    fn a_value_goes() {
        let cases = [
            (
                "invalid input syntax for integer: \"jane.doe@example.com\"",
                "invalid input syntax for integer: \"***\"",
            ),
            (
                "Invalid digit, Value 'N', Pos 0",
                "Invalid digit, Value '***', Pos 0",
            ),
            ("duplicate key (id)=(77)", "duplicate key (***)=(***)"),
            (
                "for user jane@example.com, card 4111111111111111",
                "for user *** card ***",
            ),
            ("value \"that never ends", "value \"***\""),
        ];
        for (message, expected) in cases {
            assert_eq!(without_values(message, SQL), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_and_not_in_the_statement_is_nowhere(value in "[xyz]{3,9}", quote in "['\"]", before in "[a-w ]{0,20}") {
            let message = format!("{before}{quote}{value}{quote} is wrong");
            prop_assert!(!without_values(&message, SQL).contains(&value));
        }

        #[test]
        fn any_message_is_short(message in ".{0,700}", sql in ".{0,99}") {
            let text = without_values(&message, &sql);
            prop_assert!(text.len() <= 4 * MAX_BYTES);
        }
    }
}
