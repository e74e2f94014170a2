//! What rules changed in an event, and the event before and after them.

use history::FoundEvent;
use maud::{Markup, html};

use super::pretty::pretty;
use crate::differences::{grouped, places, values};
use crate::line::events::{Adapted, AdaptedAs, Change, EventTexts, TargetTexts};
use crate::text::shown;
use crate::time::number;

/// The most bytes of an event that are shown; all of it can be saved.
const SHOWN: usize = 200_000;

/// The most characters of a value.
const VALUE: usize = 4_000;

/// What the rules changed, for each target.
pub(super) fn changes(texts: &EventTexts, found: Option<&FoundEvent>) -> Markup {
    html! {
        @for target in &texts.targets {
            @if texts.targets.len() > 1 { h2 { "For " (shown(&target.target, 80)) } }
            (changes_for(target, found))
        }
        (hidden(texts))
    }
}

/// The event as it was accepted.
pub(super) fn before(texts: &EventTexts) -> Markup {
    html! {
        p .quiet { "As it was accepted. " @if !texts.hidden.is_empty() { "What rules redact is hidden." } }
        (event(&texts.accepted))
        (hidden(texts))
    }
}

/// The event as targets get it.
pub(super) fn after(texts: &EventTexts) -> Markup {
    html! {
        @for target in &texts.targets {
            @if texts.targets.len() > 1 { h2 { "For " (shown(&target.target, 80)) } }
            (after_for(target))
        }
    }
}

fn changes_for(target: &TargetTexts, found: Option<&FoundEvent>) -> Markup {
    let Some(delivered) = &target.delivered else {
        return html! {
            p .quiet { (not_noted(found)) " Rules version " code { (shown(&target.version, 20)) } "." }
            (differences(&target.today))
        };
    };
    html! {
        p .quiet { "As it was delivered." }
        (differences(delivered))
        @if delivered.result == target.today.result {
            p .quiet { "With the rules of today (version " code { (shown(&target.version, 20)) } "): the same." }
        } @else {
            h3 { "With the rules of today" }
            p .quiet { "They would make something else of it. Version " code { (shown(&target.version, 20)) } "." }
            (differences(&target.today))
        }
    }
}

fn after_for(target: &TargetTexts) -> Markup {
    let (adapted, said) = match &target.delivered {
        Some(delivered) => (delivered, "As it was delivered."),
        None => (
            &target.today,
            "What the rules of today make of it: the log notes the delivered form for the target store only.",
        ),
    };
    html! {
        p .quiet { (said) }
        @match &adapted.result {
            AdaptedAs::Text(text) => (event(text)),
            AdaptedAs::Dropped(_) | AdaptedAs::DeadLetter(..) => (verdict(&adapted.result)),
        }
    }
}

fn not_noted(found: Option<&FoundEvent>) -> &'static str {
    match found {
        Some(_) => {
            "What the rules of today make of it: the log does not note the form in which this target got it."
        }
        None => "What the rules of today make of it.",
    }
}

fn differences(adapted: &Adapted) -> Markup {
    let groups = grouped(&adapted.changes, |it| (&it.before, &it.after, &it.rules));
    html! {
        (verdict(&adapted.result))
        @for (rule, why) in &adapted.failures {
            p .problem { "The rule " b { (shown(rule, 80)) } " failed: " (shown(why, 500)) }
        }
        @if adapted.changes.is_empty() {
            @if matches!(adapted.result, AdaptedAs::Text(_)) { p .same { "Nothing changed." } }
        } @else {
            table .diff {
                caption .unseen { "What the rules changed" }
                thead { tr { th scope="col" { "Where" } th scope="col" { "Before and after" } th scope="col" { "Rule" } } }
                tbody { @for same in groups { (difference(&same)) } }
            }
            @if adapted.more > 0 { p .quiet { "… and " (number(adapted.more)) " more places." } }
        }
    }
}

/// Where the same becomes the same by the same rules: with all its places.
fn difference(same: &[&Change]) -> Markup {
    let Some(change) = same.first() else {
        return html! {};
    };
    html! {
        tr {
            td .where { (places(same.iter().map(|change| change.pointer.as_str()))) }
            td { (values(change.before.as_deref(), change.after.as_deref(), VALUE)) }
            td { @for rule in &change.rules { span .rule { (shown(rule, 80)) } " " } }
        }
    }
}

/// What becomes of an event that is not delivered.
fn verdict(result: &AdaptedAs) -> Markup {
    html! {
        @match result {
            AdaptedAs::Text(_) => {}
            AdaptedAs::Dropped(rule) => p { span .o data-o="dropped" { "⊘ dropped" } " by the rule " b { (shown(rule, 80)) } }
            AdaptedAs::DeadLetter(rule, why) => {
                p { span .o data-o="dead_lettered" { "✕ dead letter" } " by the rule " b { (shown(rule, 80)) } ": " (shown(why, 500)) }
            }
        }
    }
}

/// Where something is hidden.
fn hidden(texts: &EventTexts) -> Markup {
    const LISTED: usize = 50;
    html! {
        @if !texts.hidden.is_empty() {
            details .hidden {
                summary { "Hidden, since rules redact it: " (number(texts.hidden.len())) " places" }
                ul { @for pointer in texts.hidden.iter().take(LISTED) { li { code { bdi { (shown(pointer, 500)) } } } } }
            }
        }
    }
}

fn event(text: &str) -> Markup {
    let (lines, is_whole) = pretty(text, SHOWN);
    html! {
        pre tabindex="0" { (lines) }
        @if !is_whole { p .quiet { "… It has " (number(text.len())) " bytes: all of it is in Raw." } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(pointer: &str, after: &str) -> Change {
        Change {
            pointer: pointer.to_owned(),
            before: Some("\"s3a://lake\"".to_owned()),
            after: Some(after.to_owned()),
            rules: vec!["one bucket".to_owned()],
        }
    }

    #[test]
    fn a_change_at_several_places_is_shown_once_with_its_places() {
        let mut changes = vec![change("/job/namespace", "\"other\"")];
        changes
            .extend((0..5).map(|at| change(&format!("/inputs/{at}/namespace"), "\"s3://lake\"")));
        let adapted = Adapted {
            result: AdaptedAs::Text("{}".to_owned()),
            changes,
            more: 0,
            failures: Vec::new(),
        };
        let text = differences(&adapted).into_string();
        assert_eq!(text.matches("<ins>").count(), 2, "{text}");
        assert!(text.contains("<summary>+4 more places</summary>"), "{text}");
        assert!(text.contains("/inputs/0/namespace") && text.contains("/inputs/4/namespace"));
    }
}
