//! The laws of one built-in action and one event: what every action keeps, and what a rename leaves.
//!
//! Called by `laws.rs` for events that are real or made, and by the fuzzer for any event that is one.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use openlineage::{Event, Level, Role};
use serde_json::Value;
use transform::{
    Context, RuleResources, RuleSet, StepOutcome, Transformation, Transforms, Verdict, diff,
};

use crate::actions::{ACTIONS, DATASET, Effect, RENAMES, Rename, Touches};
use crate::walk::{Occurrence, Repeats, repeats, walk};

pub(crate) fn rules(action: &str, when: &str) -> RuleSet {
    let sources = RuleResources {
        file: &|name| Err(format!("{name}: not found")),
        transforms: &Transforms::new(),
        hash_key: Some(b"0123456789abcdef0123456789abcdef"),
        targets: &["store", "file", "openlineage", "datazone"],
    };
    let text = format!("rules: [{{name: r, when: {when}, {action}}}]");
    RuleSet::read(&text, &sources).unwrap_or_else(|problems| panic!("{action}: {problems:?}"))
}

pub(crate) fn applied(rules: &RuleSet, event: &Event) -> Transformation {
    let lookups = HashMap::new();
    let context = Context {
        target: "store",
        lookups: &lookups,
    };
    rules.apply(event, &context)
}

pub(crate) fn kept(rules: &RuleSet, event: &Event) -> Event {
    let transformed = applied(rules, event);
    for step in &transformed.steps {
        assert!(
            !matches!(step.outcome, StepOutcome::Failed(_)),
            "{:?}",
            step.outcome
        );
    }
    let Verdict::Keep(event) = transformed.verdict else {
        panic!("{:?}", transformed.verdict);
    };
    event
}

pub(crate) fn value(event: &Event) -> Value {
    serde_json::from_str(event.text()).unwrap()
}

/// The rules of `ACTIONS`, and of `RENAMES`.
pub(crate) static READ: LazyLock<(Vec<RuleSet>, Vec<RuleSet>)> = LazyLock::new(|| {
    let actions = ACTIONS.iter().map(|(action, _)| rules(action, "{}"));
    let renames = (RENAMES.iter()).map(|rename| rules(rename.action, "{}"));
    (actions.collect(), renames.collect())
});

/// All laws that hold for every action.
pub(crate) fn check_actions(before: &Event) {
    let names = walk(&value(before));
    for ((action, touches), rules) in ACTIONS.iter().zip(&READ.0) {
        check_action(action, touches, rules, before, &names);
    }
}

pub(crate) fn check_action(
    action: &str,
    touches: &Touches,
    rules: &RuleSet,
    before: &Event,
    names: &[Occurrence],
) {
    let after = kept(rules, before);
    let message = |law: &str| format!("{law}: {action}\n{}\n{}", before.text(), after.text());

    // The event is the one it was.
    let again = Event::read(after.text().as_bytes(), Level::Strict);
    assert!(again.is_ok(), "{}", message("valid"));
    assert_eq!(
        before.label(),
        after.label(),
        "{}",
        message("kind and type")
    );
    assert_eq!(before.run_id(), after.run_id(), "{}", message("run id"));

    // Applying it twice has the effect of once, and reports no change.
    let twice = applied(rules, &after);
    assert!(
        twice
            .steps
            .iter()
            .all(|step| matches!(step.outcome, StepOutcome::Unchanged)),
        "{}\n{:?}",
        message("twice"),
        twice.verdict
    );

    // Only what the action may touch; and where no dataset became one with another, nothing but names.
    let stays_apart = matches!(touches, Touches::NamesUnited) && entries(before) == entries(&after);
    let touches = if stays_apart { &DATASET } else { touches };
    let (one, two) = (before.json(), after.json());
    for difference in diff(one, two) {
        assert!(
            touches.may(names, &difference),
            "{}\n{difference:?}",
            message("touched")
        );
    }
    match touches.effect() {
        Effect::Strings => {
            assert_eq!(
                skeleton(before.text()),
                skeleton(after.text()),
                "{}",
                message("bytes")
            );
        }
        Effect::Removes => assert!(
            contains(before.text(), after.text()),
            "{}",
            message("bytes that stay")
        ),
        Effect::Adds => assert!(
            contains(after.text(), before.text()),
            "{}",
            message("bytes that were there")
        ),
        Effect::Any => {}
    }
    if after.text() == before.text() {
        assert!(
            Arc::ptr_eq(&before.shared_text(), &after.shared_text()),
            "{}",
            message("shared")
        );
    }
}

/// How many inputs and outputs there are, those of a list that stands there twice included.
fn entries(event: &Event) -> usize {
    let lists = event.json().members().into_iter();
    let lists = lists.filter(|member| member.is("inputs") || member.is("outputs"));
    lists.map(|member| member.value.items().len()).sum()
}

/// The text with every string that is a value emptied: what a change of strings leaves.
fn skeleton(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(start) = rest.find('"') {
        out.push_str(&rest[..start]);
        let mut end = start + 1;
        while rest.as_bytes()[end] != b'"' {
            end += 1 + usize::from(rest.as_bytes()[end] == b'\\');
        }
        let (string, after) = (&rest[start..=end], &rest[end + 1..]);
        let is_key = after.trim_start().starts_with(':');
        out.push_str(if is_key { string } else { "\"\"" });
        rest = after;
    }
    out + rest
}

/// Whether `whole` with some bytes taken out is `part`.
fn contains(whole: &str, part: &str) -> bool {
    let mut whole = whole.bytes();
    part.bytes().all(|byte| whole.any(|other| other == byte))
}

/// The names after a rename are those before it, each renamed; and nothing else is another.
pub(crate) fn check_renames(before: &Event) {
    let names = walk(&value(before));
    for (rename, rules) in RENAMES.iter().zip(&READ.1) {
        check_rename(rename, rules, before, &names);
    }
}

pub(crate) fn check_rename(rename: &Rename, rules: &RuleSet, before: &Event, names: &[Occurrence]) {
    let after = kept(rules, before);
    let mut expected = value(before);
    for found in names {
        if found.role == rename.of
            && let Some((namespace, name)) = (rename.expected)(&found.namespace, &found.name)
        {
            let object = expected.pointer_mut(&found.pointer).unwrap();
            object["namespace"] = namespace.into();
            object["name"] = name.into();
        }
    }
    for place in repeats(&value(before)) {
        let new = (rename.of == Role::Dataset)
            .then(|| (rename.expected)(&place.namespace, &place.name))
            .flatten()
            .and_then(|(new, _)| below(&place, &new));
        if let Some(new) = new {
            *expected.pointer_mut(&place.pointer).unwrap() = new.into();
        }
    }
    assert_eq!(expected, value(&after), "{}", rename.action);
    let left: Vec<Occurrence> = (walk(&value(&after)).into_iter())
        .filter(|found| found.role == rename.of && (rename.gone)(&found.namespace))
        .collect();
    assert!(left.is_empty(), "{}: {left:?}", rename.action);
}

/// What a text that repeats a namespace becomes when that is `new`: the namespace in it is replaced, if it is all of the
/// text or ends where a path begins; a URI stays one.
fn below(place: &Repeats, new: &str) -> Option<String> {
    let is_uri = |text: &str| text.contains("://");
    let result = if place.text == place.namespace {
        new.to_owned()
    } else {
        let rest = place.text.strip_prefix(&place.namespace)?;
        let ends = place.namespace.ends_with('/') || rest.starts_with('/');
        (ends && is_uri(&place.namespace) && is_uri(new)).then_some(())?;
        match rest.starts_with('/') {
            true => new.trim_end_matches('/').to_owned() + rest,
            false => new.to_owned() + rest,
        }
    };
    let address = place.pointer.ends_with("/uri") && openlineage::uri(&place.text);
    (!address || openlineage::uri(&result)).then_some(result)
}
