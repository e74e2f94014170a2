//! How outcomes look: a sign, a word and a colour, never a colour alone.

use history::FoundOutcome;
use maud::{Markup, html};

use crate::text::shown;

/// The most characters of a reason in a list.
const REASON: usize = 160;

/// Returns the sign and the word of an outcome, as it is named in the history.
pub(crate) fn sign_and_word(outcome: &str) -> (&'static str, &'static str) {
    match outcome {
        "delivered" => ("✓", "delivered"),
        "unchanged" => ("=", "no effect"),
        "dropped" => ("⊘", "dropped"),
        "dead_lettered" => ("✕", "dead letter"),
        "retry" => ("↻", "retry"),
        "waiting" => ("◷", "waiting"),
        _ => ("?", "unknown"),
    }
}

/// An outcome in short.
pub(crate) fn badge(outcome: &str) -> Markup {
    let (sign, word) = sign_and_word(outcome);
    html! { span .o data-o=(outcome) { (sign) " " (word) } }
}

/// An outcome in a list: at which target, if that is `named`, how often, why, and by which rules.
pub(crate) fn line(outcome: &FoundOutcome, named: bool) -> Markup {
    html! {
        div .ol {
            (badge(&outcome.outcome))
            @if named { " " span .at { (shown(&outcome.target, 40)) } }
            @if outcome.attempts > 1 { " " small { (outcome.attempts) " attempts" } }
            @if !outcome.rules.is_empty() { " " small .rules title="rules" { "✎ " (shown(&outcome.rules.join(", "), 80)) } }
            @if let Some(detail) = &outcome.detail { " " small .why { bdi { (shown(detail, REASON)) } } }
            @if outcome.merged.is_some() { " " small { "merged" } }
        }
    }
}
