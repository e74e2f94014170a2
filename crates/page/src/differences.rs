//! What differs in an event, for the screens that show it: the same at several places is shown once, with all its places. Pure.

use std::collections::HashMap;
use std::hash::Hash;

use maud::{Markup, html};

use crate::inside::{Part, inside};
use crate::text::shown;
use crate::time::number;

/// The most characters of a place.
const PLACE: usize = 500;

/// Puts together what has the same `key`, in the order of the first of each: a rename changes every column that names a dataset.
pub(crate) fn grouped<'d, D, K: Eq + Hash>(
    differences: &'d [D],
    key: impl Fn(&'d D) -> K,
) -> Vec<Vec<&'d D>> {
    let mut groups: Vec<Vec<&D>> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    for difference in differences {
        let place = *places.entry(key(difference)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(difference),
            None => groups.push(vec![difference]),
        }
    }
    groups
}

/// The places of a difference, as JSON Pointers: the first, and the others when they are asked for.
pub(crate) fn places<'p>(mut pointers: impl ExactSizeIterator<Item = &'p str>) -> Markup {
    let place = |pointer: &str| html! { code { bdi { (shown(pointer, PLACE)) } } };
    html! {
        @if let Some(first) = pointers.next() { (place(first)) }
        @if pointers.len() > 0 {
            details .places {
                summary { "+" (number(pointers.len())) " more " (if pointers.len() == 1 { "place" } else { "places" }) }
                @for pointer in pointers { (place(pointer)) }
            }
        }
    }
}

/// A value before and after, of so many characters at most. Of long ones that are alike only what differs, with what is around it.
pub(crate) fn values(before: Option<&str>, after: Option<&str>, limit: usize) -> Markup {
    let whole = |value: &str| html! { (shown(value, limit)) };
    let inside = before
        .zip(after)
        .and_then(|(before, after)| inside(before, after));
    let (before, after) = match inside {
        Some((before, after)) => (Some(parts(&before, limit)), Some(parts(&after, limit))),
        None => (before.map(whole), after.map(whole)),
    };
    html! {
        @if let Some(before) = before { del { span .unseen { "before: " } code { bdi { (before) } } } }
        @if let Some(after) = after { ins { span .unseen { "after: " } code { bdi { (after) } } } }
    }
}

/// The parts of a value, of so many characters at most.
fn parts(all: &[Part<'_>], limit: usize) -> Markup {
    let mut left = limit;
    let mut take = |text: &str| {
        if left == 0 {
            return String::new();
        }
        let taken = shown(text, left).into_owned();
        left = left.saturating_sub(text.chars().count());
        taken
    };
    html! {
        @for part in all {
            @match part {
                Part::Same(text) => (take(text)),
                Part::Differs(text) => mark { (take(text)) },
                Part::LeftOut(count) => span .left-out { "… " (number(*count)) " characters …" },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_together_in_the_order_of_the_first() {
        let groups = grouped(&["a1", "b1", "a2", "a3"], |it| &it[..1]);
        assert_eq!(groups, [vec![&"a1", &"a2", &"a3"], vec![&"b1"]]);
    }

    #[test]
    fn of_long_values_only_what_differs_is_shown_with_what_is_around_it() {
        let sql = |table: &str| {
            format!(
                "\"{}FROM {table} {}\"",
                "a, ".repeat(900),
                "AND b ".repeat(500)
            )
        };
        let text = values(Some(&sql("<old>\u{202e}")), Some(&sql("new")), 4_000).into_string();
        assert!(text.len() < 1_500, "{text}");
        assert!(text.contains("<mark>&lt;old&gt;\\u{202e}</mark>"), "{text}");
        assert!(text.contains("<mark>new</mark>"), "{text}");
        assert_eq!(text.matches("characters …</span>").count(), 4, "{text}");
        // What differs is as long as it may be, and no longer.
        let long = values(Some(&sql(&"x ".repeat(9_000))), Some(&sql("new")), 4_000).into_string();
        assert!((4_000..6_000).contains(&long.len()), "{}", long.len());
    }

    #[test]
    fn the_places_after_the_first_are_shown_when_they_are_asked_for() {
        let text = |pointers: &[&str]| places(pointers.iter().copied()).into_string();
        assert_eq!(text(&["/a"]), "<code><bdi>/a</bdi></code>");
        let two = "<code><bdi>/a</bdi></code><details class=\"places\"><summary>+1 more place</summary>\
            <code><bdi>/b</bdi></code></details>";
        assert_eq!(text(&["/a", "/b"]), two);
        let five = text(&["/a", "/b", "/c", "/d", "/e"]);
        assert!(
            five.contains("+4 more places")
                && five.ends_with("<code><bdi>/e</bdi></code></details>")
        );
    }
}
