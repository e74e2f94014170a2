//! Characters that a reader does not see, or that change how a text looks: whoever shows text of strangers escapes them. Pure.

/// Whether a character is invisible, ends a line, or moves what is around it: control characters, Unicode's format
/// characters (directions, joiners, tags), and its line and paragraph separators
/// (<https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>).
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Returns the first `limit` characters of a text, with escapes for those that are [not seen](is_unseen), and `…` for the rest.
pub fn visible(text: &str, limit: usize) -> String {
    let mut visible = String::with_capacity(text.len().min(4 * limit));
    for (at, c) in text.chars().enumerate() {
        if at == limit {
            visible.push('…');
            break;
        }
        match is_unseen(c) {
            true => visible.extend(c.escape_unicode()),
            false => visible.push(c),
        }
    }
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_or_hides_text_is_unseen_and_letters_of_any_language_are_not() {
        assert!(
            "\0\n\u{7f}\u{ad}\u{200b}\u{202e}\u{2066}\u{feff}"
                .chars()
                .all(is_unseen)
        );
        assert!(!"a é ß Ω ש 語 😀 <&\"'".chars().any(is_unseen));
    }
}
