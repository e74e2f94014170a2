//! Text of events, which is hostile: bounded, and without characters that hide or move what is around them. Pure.
//!
//! maud escapes what HTML gives a meaning to.

use std::borrow::Cow;

use maud::{Markup, html};
use openlineage::{is_unseen, visible};

/// The most characters of a name on a page: a name may be as long as an event.
const NAME: usize = 300;

/// The most characters of a reason or an error on a page.
pub(crate) const REASON: usize = 400;

/// Returns the first `limit` characters of a text, with escapes for those that are not seen.
pub(crate) fn shown(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(visible(text, limit))
}

/// A name, isolated from the text around it.
pub(crate) fn name(text: &str) -> Markup {
    html! { bdi { (shown(text, NAME)) } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_is_text_and_characters_that_are_not_seen_are_escapes() {
        let markup = name("<img src=x onerror=alert(1)>\u{202e}\"'&").into_string();
        assert_eq!(
            markup,
            r#"<bdi>&lt;img src=x onerror=alert(1)&gt;\u{202e}&quot;'&amp;</bdi>"#
        );
    }

    #[test]
    fn a_name_of_a_megabyte_takes_little_of_the_page() {
        assert!(name(&"\u{202e}".repeat(1_000_000)).into_string().len() < 4_000);
        assert_eq!(shown("häuser", 3), "häu…");
    }

    proptest! {
        #[test]
        fn any_name_is_text_that_can_be_seen_and_is_short(text in "(?s).{0,400}") {
            let markup = name(&text).into_string();
            let inside = markup.strip_prefix("<bdi>").and_then(|rest| rest.strip_suffix("</bdi>")).unwrap();
            prop_assert!(!inside.contains(['<', '>', '"']));
            prop_assert!(!inside.chars().any(is_unseen));
            prop_assert!(inside.chars().count() <= 10 * (NAME + 1));
        }
    }
}
