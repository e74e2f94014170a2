//! What holds for every built-in action and every event, real or made to be awkward.
//!
//! An event stays the event it was, nothing is done twice, no name is left behind, nothing else is touched, and what no
//! rule is for is not even copied. Where names stand is read here a second time from the specification
//! (`laws/walk.rs`); the events are in `laws/events.rs`, the actions in `laws/actions.rs`, the laws of one action and one
//! event in `laws/check.rs`, which the fuzzer holds its events to as well.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "laws/actions.rs"]
mod actions;
#[path = "laws/check.rs"]
mod check;
#[path = "laws/events.rs"]
mod events;
#[path = "laws/forwarded.rs"]
mod forwarded;
#[path = "laws/search.rs"]
mod search;
#[path = "../../openlineage/tests/support/mod.rs"]
mod support;
#[path = "laws/walk.rs"]
mod walk;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use openlineage::{Event, Level, Role};
use proptest::prelude::*;
use serde_json::Value;
use transform::{RuleSet, diff};

use actions::ACTIONS;
use check::{READ, check_actions, check_renames, kept, rules, value};
use walk::{Occurrence, walk};

#[test]
fn real_events_keep_the_laws() {
    let events = events::real();
    assert!(events.len() >= 30);
    for (_, event) in &events {
        check_actions(event);
        check_renames(event);
    }
}

#[test]
fn every_action_finds_something_to_do() {
    let events = events::real().into_iter().map(|(_, event)| event);
    let events: Vec<Event> = events.chain((0..100).map(events::made)).collect();
    for rules in READ.0.iter().chain(&READ.1) {
        let changes = |event: &Event| kept(rules, event).text() != event.text();
        assert!(events.iter().any(changes), "{rules:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn made_events_keep_the_laws(seed in any::<u64>()) {
        check_actions(&events::made(seed));
    }

    #[test]
    fn a_rename_leaves_no_name_behind(seed in any::<u64>()) {
        check_renames(&events::made(seed));
    }

    #[test]
    fn a_swap_of_symlinks_loses_no_name(seed in any::<u64>()) {
        let before = events::made(seed);
        let after = kept(&rules("symlink_to_primary: true", "{}"), &before);
        let glue = |(namespace, name): &Pair| namespace.starts_with("arn:aws:glue:") && !name.is_empty();
        for (was, is) in datasets(&value(&before)).iter().zip(datasets(&value(&after))) {
            let (primary, symlinks) = &is;
            prop_assert!(glue(primary) || !symlinks.iter().any(glue));
            prop_assert!(was.1.iter().all(|symlink| symlinks.contains(symlink) || symlink == primary));
            prop_assert!(*primary == was.0 || glue(primary));
        }
    }

    #[test]
    fn what_no_rule_is_for_is_not_even_copied(seed in any::<u64>()) {
        let event = events::made(seed);
        for rules in IDLE.iter().chain([&RuleSet::default()]) {
            let after = kept(rules, &event);
            prop_assert!(Arc::ptr_eq(&event.shared_text(), &after.shared_text()));
        }
    }

    #[test]
    fn datasets_that_are_dropped_are_gone_and_the_others_stay(seed in any::<u64>()) {
        let before = events::made(seed);
        let after = value(&kept(&rules("drop_datasets: {namespace: \"s3a:*\"}", "{}"), &before));
        let mut expected = value(&before);
        for list in ["inputs", "outputs"] {
            if let Some(Value::Array(items)) = expected.get_mut(list) {
                items.retain(|item| !item["namespace"].as_str().unwrap().starts_with("s3a:"));
            }
        }
        prop_assert_eq!(after, expected);
    }
}

/// Every action, for no event.
static IDLE: LazyLock<Vec<RuleSet>> = LazyLock::new(|| {
    let conditions = [
        "{producer: nobody}",
        "{dataset: {namespace: nowhere}}",
        "{larger_than: 1 GB}",
        "{facet: none}",
    ];
    let each = |when| ACTIONS.iter().map(move |(action, _)| rules(action, when));
    conditions.into_iter().flat_map(each).collect()
});

type Pair = (String, String);

/// Each dataset's own name and those of its symlinks.
fn datasets(event: &Value) -> Vec<(Pair, BTreeSet<Pair>)> {
    let pair = |value: &Value| {
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        (text("namespace"), text("name"))
    };
    let mut found = Vec::new();
    for path in ["/inputs/*", "/outputs/*", "/dataset"] {
        for (_, dataset) in walk::places(event, path) {
            let symlinks = walk::places(dataset, "/facets/symlinks/identifiers/*");
            let symlinks = symlinks.into_iter().map(|(_, symlink)| pair(symlink));
            found.push((pair(dataset), symlinks.collect()));
        }
    }
    found
}

const HEAD: &str = r#""eventTime":"2026-01-01T00:00:00Z","eventType":"COMPLETE","producer":"urn:p","schemaURL":"urn:s",
    "run":{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"},"job":{"namespace":"n","name":"j"}"#;

fn event(members: &str) -> Event {
    let text = format!("{{{HEAD},{members}}}");
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

const REDSHIFT: &str = "redshift: {style: arn, account: '123456789012', hosts: {10.1.2.3: dwh.abc.us-east-1.redshift.amazonaws.com}}";

#[test]
fn a_dataset_of_the_same_name_in_another_namespace_keeps_it() {
    let before = event(
        r#""inputs":[{"namespace":"redshift://10.1.2.3:5439","name":"dev.public.t"},{"namespace":"postgres://10.1.2.3:5439","name":"dev.public.t"}],
        "outputs":[{"namespace":"s3://b","name":"t","facets":{"columnLineage":{"_producer":"urn:p","_schemaURL":"urn:s","fields":{"c":{"inputFields":[
            {"namespace":"postgres://10.1.2.3:5439","name":"dev.public.t","field":"c"},{"namespace":"redshift://10.1.2.3:5439","name":"dev.public.t","field":"c"}]}}}}}]"#,
    );
    let after = value(&kept(&rules(REDSHIFT, "{}"), &before));
    let fields = "/outputs/0/facets/columnLineage/fields/c/inputFields";
    for renamed in ["/inputs/0".to_owned(), format!("{fields}/1")] {
        let found = after.pointer(&renamed).unwrap();
        assert_eq!(
            found["namespace"],
            "arn:aws:redshift:us-east-1:123456789012:table"
        );
        assert_eq!(found["name"], "dwh/dev/public/t");
    }
    for stays in ["/inputs/1".to_owned(), format!("{fields}/0")] {
        assert_eq!(value(&before).pointer(&stays), after.pointer(&stays));
    }
}

#[test]
fn a_column_that_is_called_like_a_dataset_keeps_its_name() {
    let before = event(
        r#""outputs":[{"namespace":"redshift://10.1.2.3:5439","name":"dev.public.t","facets":{
            "schema":{"_producer":"urn:p","_schemaURL":"urn:s","fields":[{"name":"dev.public.t","type":"redshift://10.1.2.3:5439"}]},
            "columnLineage":{"_producer":"urn:p","_schemaURL":"urn:s","fields":{"dev.public.t":{"inputFields":[
                {"namespace":"redshift://10.1.2.3:5439","name":"dev.public.s","field":"dev.public.t"}]}}}}}]"#,
    );
    let after = kept(&rules(REDSHIFT, "{}"), &before);
    let pointers: Vec<String> = diff(before.json(), after.json())
        .into_iter()
        .map(|difference| difference.pointer)
        .collect();
    let field = "/outputs/0/facets/columnLineage/fields/dev.public.t/inputFields/0";
    assert_eq!(
        pointers,
        [
            "/outputs/0/namespace".to_owned(),
            "/outputs/0/name".to_owned(),
            format!("{field}/namespace"),
            format!("{field}/name"),
        ]
    );
}

#[test]
fn no_dataset_is_left_in_a_list_that_stands_there_twice() {
    let before = event(
        r#""inputs":[{"namespace":"gone","name":"a"}],"inputs":[{"namespace":"gone","name":"b"},{"namespace":"n","name":"c"}]"#,
    );
    let after = kept(&rules("drop_datasets: {namespace: gone}", "{}"), &before);
    assert!(!after.text().contains("gone"));
}

#[test]
fn two_symlinks_of_one_dataset_are_both_still_there() {
    let dataset = |table: &str| {
        format!(
            r#"{{"namespace":"s3://b","name":"t","facets":{{"symlinks":{{"_producer":"urn:p","_schemaURL":"urn:s",
            "identifiers":[{{"namespace":"arn:aws:glue:eu-west-1:123456789012","name":"{table}","type":"TABLE"}}]}}}}}}"#
        )
    };
    let (one, two) = (dataset("table/db/one"), dataset("table/db/two"));
    let before = event(&format!(r#""inputs":[{one}],"outputs":[{two}]"#));
    let after = kept(&rules("symlink_to_primary: true", "{}"), &before);
    assert!(after.text().contains("table/db/one") && after.text().contains("table/db/two"));
}

#[test]
fn an_escaped_namespace_is_found_like_any_other() {
    let before = event(r#""inputs":[{"namespace":"\u0072edshift://10.1.2.3","name":"a.b.c"}]"#);
    let after = kept(&rules(REDSHIFT, "{}"), &before);
    assert_eq!(
        value(&after).pointer("/inputs/0/name").unwrap(),
        "dwh/a/b/c"
    );
}

#[test]
fn both_roles_are_walked() {
    let found: Vec<Occurrence> = (0..50)
        .flat_map(|seed| walk(&value(&events::made(seed))))
        .collect();
    let of = |role: Role| found.iter().filter(|found| found.role == role).count();
    assert!(of(Role::Dataset) > 100 && of(Role::Job) > 100);
}
