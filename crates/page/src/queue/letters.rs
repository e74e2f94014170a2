//! Dead letters by reason, with what can be done to them.

use history::Search;
use maud::{Markup, html};

use super::{MAX_RATE, RATE};
use crate::Site;
use crate::line::queue::{DeadLetterGroup, DeadLetters, QueueFailure, QueueState};
use crate::query::link;
use crate::text::{REASON, shown};
use crate::time::{counted, number, time};
use crate::visit::Visit;

/// The least and the most characters of a reason that are searched for.
const SEARCHED: std::ops::RangeInclusive<usize> = 5..=60;

/// The section of dead letters.
pub(super) fn section(
    site: &Site,
    visit: &Visit,
    letters: &Result<DeadLetters, QueueFailure>,
    state: &QueueState,
) -> Markup {
    html! {
        section #dead-letters {
            h2 { "Dead letters by reason" }
            @match letters {
                Ok(letters) if letters.groups.is_empty() && letters.looked_at.is_none() => p .quiet { "There are no dead letters." },
                Ok(letters) => {
                    @if let Some(at) = &letters.looked_at {
                        p .quiet { "As they were at " time datetime=(at) { (at) } ". " (SEEN) }
                        (ask(site, visit, "Look again"))
                    }
                    ul .groups { @for group in &letters.groups { (item(site, visit, group, state)) } }
                    @if letters.others > 0 {
                        p { (counted(letters.others, "dead letter")) " for further reasons." }
                    }
                    @match (letters.is_complete, &letters.looked_at) {
                        (true, _) => {}
                        (false, None) => p .problem { "There are so many dead letters that only the newest were looked at." },
                        // SQS returns them in no order.
                        (false, Some(_)) => p .problem { "There are so many dead letters that only some were looked at." },
                    }
                }
                Err(QueueFailure::Unseen(why)) => {
                    p { (why) }
                    (ask(site, visit, "Look at them"))
                }
                Err(QueueFailure::Unsupported(why)) => p { (why) },
                Err(QueueFailure::NotFound(why) | QueueFailure::Conflict(why) | QueueFailure::Failed(why)) => {
                    p .problem { (shown(why, REASON)) }
                }
            }
        }
    }
}

/// To what something is done where they are only looked at when somebody asks for it.
const SEEN: &str = "Those that came since are neither redriven nor deleted: look again for them.";

/// Asks for a look.
fn ask(site: &Site, visit: &Visit, words: &str) -> Markup {
    html! {
        @if visit.visitor.may_operate {
            form .actions method="post" action=(site.path("/queue/look")) { button { (words) } }
        }
    }
}

fn item(site: &Site, visit: &Visit, group: &DeadLetterGroup, state: &QueueState) -> Markup {
    let target = group.target.as_deref().unwrap_or_default();
    let runs = |redrive: &crate::line::queue::RedriveState| {
        redrive.target == target && redrive.end.is_none()
    };
    let is_redriven = state.redrives.iter().any(runs);
    let search = search(group);
    let is_one = group.shape == group.example.reason;
    let delete = [("target", target), ("key", &group.key)];
    html! {
        li .group {
            p .head {
                a .count href=(link(&site.path("/"), &[("q", &search)])) title="Show these events" { (number(group.count)) " ×" }
                span .reason { (shown(&group.shape, REASON)) }
            }
            p .quiet {
                bdi { (shown(target, REASON)) }
                " · first " (time(&history::shown(group.first_dead_at))) " · last " (time(&history::shown(group.last_dead_at)))
                @if let Some(count @ 1..) = group.came_back {
                    " · " span .state.bad { "↩ " @if count == group.count { "came back" } @else { (number(count)) " came back" } " after a redrive" }
                }
            }
            p .quiet {
                "Example: " a href=(site.path(&format!("/events/{}", group.example.id))) .mono { (shown(&group.example.id, 40)) }
                @if !is_one { " " span .reason { (shown(&group.example.reason, REASON)) } }
            }
            @if visit.visitor.may_operate {
                div .actions {
                    form method="post" action=(site.path("/queue/redrive")) {
                        input type="hidden" name="target" value=(target);
                        input type="hidden" name="key" value=(group.key);
                        button disabled[is_redriven] { "Redrive " (number(group.count)) }
                        label {
                            " at "
                            input name="rate" type="number" min="1" max=(MAX_RATE) value=(RATE) required disabled[is_redriven];
                            " a second"
                        }
                    }
                    a .button href=(link(&site.path("/queue/delete"), &delete)) { "Delete…" }
                }
            }
        }
    }
}

/// A search for the events of a group: its target, the code of its reason, and the longest part that they share.
fn search(group: &DeadLetterGroup) -> String {
    let quoted = |text: &str| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    };
    let mut terms = vec!["outcome:dead".to_owned()];
    if let Some(target) = &group.target {
        terms.push(format!("target:{}", quoted(target)));
    }
    let (code, detail) = match group.shape.split_once(": ") {
        Some((code, detail)) if code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => {
            (Some(code), detail)
        }
        Some(_) | None => (None, group.shape.as_str()),
    };
    terms.extend(code.map(|code| format!("reason:{}", quoted(code))));
    let shared = detail.split('…').map(str::trim);
    let longest = shared.max_by_key(|part| part.len());
    let longest = longest.filter(|part| part.chars().count() >= *SEARCHED.start());
    terms.extend(longest.map(|part| {
        let part: String = part.chars().take(*SEARCHED.end()).collect();
        quoted(&part)
    }));
    let text = terms.join(" ");
    // As people type it.
    text.parse::<Search>()
        .map_or(text, |search| search.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::queue::LetterExample;

    #[test]
    fn the_events_of_a_group_are_found_by_what_they_share() {
        let group = |shape: &str| DeadLetterGroup {
            key: String::new(),
            shape: shape.to_owned(),
            target: Some("catalog".to_owned()),
            count: 1,
            first_dead_at: 0,
            last_dead_at: 0,
            came_back: None,
            example: LetterExample {
                id: String::new(),
                reason: String::new(),
                attempts: 1,
            },
        };
        for (shape, expected) in [
            (
                "invalid: 400 Bad Request: … has no owner",
                r#"outcome:dead target:catalog reason:invalid "400 Bad Request:""#,
            ),
            (
                "rule: … failed",
                r#"outcome:dead target:catalog reason:rule failed"#,
            ),
            ("rule: …", "outcome:dead target:catalog reason:rule"),
            (
                r#"moved by "S" \ b"#,
                r#"outcome:dead target:catalog "moved by \"S\" \\ b""#,
            ),
        ] {
            let found = search(&group(shape));
            assert_eq!(found, expected);
            assert!(found.parse::<Search>().is_ok());
        }
    }
}
