//! What an event says, and what rules make of it, for a reader who may not see what rules redact. Pure.
//!
//! Rules are applied to the event as it was accepted, so their conditions see what they saw. What is shown are differences
//! between texts in which everything is hidden that the rules of any target redact: never what a rule had before it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use openlineage::Event;
use page::line::events::{Adapted, AdaptedAs, Change, EventTexts, TargetTexts};
use transform::{Context, RuleSet, StepOutcome, Transformation, Verdict, diff};

use crate::queue::StoredForm;

/// The most differences that are shown: a rename may change each of ten thousand columns.
const CHANGES: usize = 500;

/// The rules of a target.
#[derive(Debug, Clone)]
pub(super) struct TargetRules {
    /// The name of the target.
    pub(super) target: String,
    /// Its rules, with those that it needs.
    pub(super) rules: RuleSet,
    /// Their version.
    pub(super) version: String,
    /// Whether it is the store, whose form of each event the log notes.
    pub(super) is_store: bool,
}

/// Returns what an event says. `stored` is the form that the store has, if it has any. Fails if it cannot be found out what may be
/// shown.
pub(super) fn texts(
    event: &Event,
    stored: Option<&StoredForm>,
    targets: &[TargetRules],
) -> Result<EventTexts, String> {
    let accepted = redacted(event, targets, None)?;
    let hidden = diff(event.json(), accepted.json()).into_iter();
    let shown = targets.iter().map(|target| {
        let stored = stored.filter(|_| target.is_store);
        one(event, &accepted, stored, (target, targets))
    });
    Ok(EventTexts {
        hidden: hidden.map(|difference| difference.pointer).collect(),
        targets: shown.collect::<Result<_, String>>()?,
        accepted: accepted.text().to_owned(),
    })
}

/// Returns what an event becomes for one of the targets.
fn one(
    event: &Event,
    accepted: &Event,
    stored: Option<&StoredForm>,
    (target, targets): (&TargetRules, &[TargetRules]),
) -> Result<TargetTexts, String> {
    let lookups = HashMap::new();
    let context = Context {
        target: &target.target,
        lookups: &lookups,
    };
    let applied = target.rules.apply(event, &context);
    let shown = match &applied.verdict {
        // What its own rules redact is hidden in it already.
        Verdict::Keep(after) => Some(redacted(after, targets, Some(&target.target))?),
        Verdict::Drop { .. } | Verdict::DeadLetter { .. } => None,
    };
    let today = adapted(accepted, shown.as_ref(), &applied);
    let delivered = match (stored, &applied.verdict) {
        (None, _) => None,
        (Some(StoredForm::Changed(text)), Verdict::Keep(after)) if after.has_text(text) => {
            Some(today.clone())
        }
        (Some(StoredForm::Accepted), Verdict::Keep(after)) if after.has_text_of(event) => {
            Some(today.clone())
        }
        (Some(form), _) => {
            let text = match form {
                StoredForm::Accepted => event.shared_text(),
                StoredForm::Changed(text) => text.clone(),
            };
            Some(noted(accepted, text, targets, &applied)?)
        }
    };
    Ok(TargetTexts {
        target: target.target.clone(),
        delivered,
        today,
        version: target.version.clone(),
    })
}

/// Returns an event in the form that the log has noted, by rules that may have been others.
fn noted(
    accepted: &Event,
    text: Arc<str>,
    targets: &[TargetRules],
    applied: &Transformation,
) -> Result<Adapted, String> {
    let event = Event::read_again(&text).ok_or("the log has noted something that is no event")?;
    let shown = redacted(&event, targets, None)?;
    let mut noted = adapted(accepted, Some(&shown), applied);
    noted.failures.clear();
    Ok(noted)
}

/// Hides in an event what the rules of all targets redact, except for those of one target.
pub(super) fn redacted(
    event: &Event,
    targets: &[TargetRules],
    except: Option<&str>,
) -> Result<Event, String> {
    let lookups = HashMap::new();
    let mut shown = event.clone();
    for target in targets {
        if except == Some(target.target.as_str()) {
            continue;
        }
        let context = Context {
            target: &target.target,
            lookups: &lookups,
        };
        shown = target.rules.redacted(&shown, &context).map_err(|why| {
            format!(
                "what the rules of {} redact cannot be hidden: {why}",
                target.target
            )
        })?;
    }
    Ok(shown)
}

/// Compares an event with what is left of it, both as they may be shown.
fn adapted(accepted: &Event, after: Option<&Event>, applied: &Transformation) -> Adapted {
    let result = match (&applied.verdict, after) {
        (_, Some(after)) => AdaptedAs::Text(after.text().to_owned()),
        (Verdict::DeadLetter { rule, reason }, None) => {
            AdaptedAs::DeadLetter(rule.to_string(), reason.clone())
        }
        (Verdict::Drop { rule }, None) => AdaptedAs::Dropped(rule.to_string()),
        // Never: it is kept.
        (Verdict::Keep(event), None) => AdaptedAs::Text(event.text().to_owned()),
    };
    let touched = touched(applied);
    let differences = after.map_or_else(Vec::new, |after| diff(accepted.json(), after.json()));
    let more = differences.len().saturating_sub(CHANGES);
    let changes = differences
        .into_iter()
        .take(CHANGES)
        .map(|difference| Change {
            rules: rules_of(&touched, &difference.pointer),
            pointer: difference.pointer,
            before: difference.before,
            after: difference.after,
        });
    let failures = applied.steps.iter().filter_map(|step| match &step.outcome {
        StepOutcome::Failed(why) => Some((step.rule.to_string(), why.clone())),
        StepOutcome::ConditionUnmet(_)
        | StepOutcome::Unchanged
        | StepOutcome::Dropped
        | StepOutcome::Changed { .. } => None,
    });
    Adapted {
        result,
        changes: changes.collect(),
        more,
        failures: failures.collect(),
    }
}

/// Returns the places that each rule changed.
fn touched(applied: &Transformation) -> Vec<(Arc<str>, BTreeSet<String>)> {
    let steps = applied.steps.iter().filter_map(|step| match &step.outcome {
        StepOutcome::Changed { before, after } => {
            let places = diff(before.json(), after.json()).into_iter();
            let places = places.map(|difference| difference.pointer).collect();
            Some((step.rule.clone(), places))
        }
        StepOutcome::ConditionUnmet(_)
        | StepOutcome::Unchanged
        | StepOutcome::Dropped
        | StepOutcome::Failed(_) => None,
    });
    steps.collect()
}

/// Returns the rules that changed a place, something in it, or what it is in.
fn rules_of(touched: &[(Arc<str>, BTreeSet<String>)], place: &str) -> Vec<String> {
    let within = format!("{place}/");
    let changed = |places: &BTreeSet<String>| {
        let is_in = places.range(within.clone()..).next();
        let is_in = is_in.is_some_and(|first| first.starts_with(&within));
        let mut around = place.match_indices('/').map(|(at, _)| place.get(..at));
        places.contains(place)
            || is_in
            || around.any(|around| around.is_some_and(|around| places.contains(around)))
    };
    let rules = touched.iter().filter(|(_, places)| changed(places));
    rules.map(|(rule, _)| rule.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use transform::{RuleResources, Transforms};

    use super::*;

    fn event(namespace: &str) -> Event {
        let text = format!(
            r#"{{"eventType":"START","eventTime":"2026-01-01T00:00:00Z","run":{{"runId":"0191f3a0-0000-7000-8000-000000000001"}},
            "job":{{"namespace":"j","name":"n"}},"inputs":[{{"namespace":"{namespace}","name":"a"}}],
            "producer":"https://p.example","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}}"#
        );
        Event::read_again(&text.as_str().into()).unwrap()
    }

    fn target(name: &str, rules: &str, is_store: bool) -> TargetRules {
        let file = |name: &str| Err(name.to_owned());
        let resources = RuleResources {
            file: &file,
            transforms: &Transforms::default(),
            hash_key: None,
            targets: &["one", "two"],
        };
        TargetRules {
            target: name.to_owned(),
            rules: RuleSet::read(rules, &resources).unwrap(),
            version: "1".to_owned(),
            is_store,
        }
    }

    const RENAME: &str = "rules: [{name: up, rename: {of: job, name: other}}]";
    const REDACT: &str = "rules: [{name: r, redact: {connection_secrets: true}}]";
    const SECRET: &str = "postgres://u:hunter2@db";

    fn text_of(adapted: &Adapted) -> &str {
        match &adapted.result {
            AdaptedAs::Text(text) => text,
            AdaptedAs::Dropped(rule) | AdaptedAs::DeadLetter(rule, _) => rule,
        }
    }

    #[test]
    fn each_change_has_its_place_and_its_rule() {
        let texts = texts(&event("pg"), None, &[target("one", RENAME, false)]).unwrap();
        let [one] = texts.targets.as_slice() else {
            panic!("{texts:?}");
        };
        let change = Change {
            pointer: "/job/name".to_owned(),
            before: Some("\"n\"".to_owned()),
            after: Some("\"other\"".to_owned()),
            rules: vec!["up".to_owned()],
        };
        assert_eq!((&one.delivered, &one.today.changes), (&None, &vec![change]));
        assert!(texts.hidden.is_empty());
    }

    #[test]
    fn what_any_target_redacts_is_in_no_text_of_any_target() {
        let targets = [target("one", RENAME, true), target("two", REDACT, false)];
        for stored in [None, Some(StoredForm::Accepted)] {
            let texts = texts(&event(SECRET), stored.as_ref(), &targets).unwrap();
            assert_eq!(texts.hidden, ["/inputs/0/namespace"]);
            let shown = format!("{texts:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn the_form_that_the_store_has_is_shown_beside_that_of_today() {
        let store = [target("one", RENAME, true)];
        let same = texts(&event("pg"), Some(&StoredForm::Accepted), &store).unwrap();
        let delivered = same.targets[0].delivered.as_ref().unwrap();
        assert!(delivered.changes.is_empty() && text_of(delivered).contains(r#""name":"n""#));
        assert_eq!(same.targets[0].today.changes.len(), 1);
        let changed = event("other").shared_text();
        let texts = texts(&event("pg"), Some(&StoredForm::Changed(changed)), &store).unwrap();
        let delivered = texts.targets[0].delivered.as_ref().unwrap();
        assert_eq!(delivered.changes[0].pointer, "/inputs/0/namespace");
        assert!(delivered.changes[0].rules.is_empty());
    }

    #[test]
    fn what_becomes_of_an_event_that_is_dropped_is_told_with_its_rule() {
        let dropped = target("one", "rules: [{name: d, drop: true}]", false);
        let texts = texts(&event("pg"), None, &[dropped]).unwrap();
        assert_eq!(
            texts.targets[0].today.result,
            AdaptedAs::Dropped("d".to_owned())
        );
    }
}
