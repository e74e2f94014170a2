//! `explain` reports the names that a rule left unchanged, and the positions of names.

use openlineage::Role;

use super::*;

fn explained(text: &str, event: &Event) -> Transformation {
    let lookups = HashMap::new();
    let context = Context {
        target: "store",
        lookups: &lookups,
    };
    rules(text).explain(event, &context)
}

const TWO: &str = r#","inputs":[{"namespace":"postgres://10.1.2.4:5432","name":"shop.public.orders"},{"namespace":"s3a://lake","name":"raw"}]"#;

#[test]
fn each_name_that_only_does_not_match_is_named_with_what_was_expected_and_found() {
    for action in [
        "rename: {only: {namespace: 'mysql://*'}, namespace: x}",
        "normalise: {only: {namespace: 'mysql://*'}, stores: all}",
        "strip: {only: {namespace: 'mysql://*'}, parts: all}",
        "drop_datasets: {namespace: 'mysql://*'}",
    ] {
        let explained = explained(&format!("rules: [{{name: r, {action}}}]"), &event(TWO));
        let left = &explained.steps[0].untouched;
        let found: Vec<(&str, &str, &str)> = left
            .iter()
            .filter_map(|left| {
                let unmet = left.unmet.as_ref()?;
                Some((
                    left.name.namespace.as_str(),
                    unmet.expected.as_str(),
                    unmet.found.as_str(),
                ))
            })
            .collect();
        let expected =
            ["postgres://10.1.2.4:5432", "s3a://lake"].map(|found| (found, "mysql://*", found));
        assert_eq!(found, expected, "{action}");
        assert!(left.iter().all(|left| {
            left.unmet
                .as_ref()
                .is_some_and(|unmet| unmet.condition.ends_with(".namespace"))
        }));
    }
}

#[test]
fn a_rename_that_did_nothing_says_what_comes_nearest() {
    for (change, condition, nearest) in [
        (
            "map: {'s3a://lakes': x, 'gs://other': y}",
            "namespace.map",
            Some("s3a://lakes"),
        ),
        (
            "prefix: {'s3://la': x}",
            "namespace.prefix",
            Some("s3://la"),
        ),
        (
            "hosts: [10.1.2.3, db], to: x",
            "namespace.hosts",
            Some("10.1.2.3"),
        ),
        ("regex: '^gs:', to: x", "namespace.regex", None),
    ] {
        let text = format!("rules: [{{name: r, rename: {{namespace: {{{change}}}}}}}]");
        let explained = explained(&text, &event(TWO));
        assert!(
            matches!(explained.steps[0].outcome, StepOutcome::Unchanged),
            "{change}"
        );
        let unmet: Vec<_> = explained.steps[0]
            .untouched
            .iter()
            .filter_map(|left| left.unmet.as_ref())
            .collect();
        assert_eq!(unmet.len(), 2, "{change}");
        assert!(
            unmet.iter().all(|unmet| unmet.condition == condition),
            "{unmet:?}"
        );
        let found = unmet.iter().find_map(|unmet| unmet.nearest.as_deref());
        assert_eq!(found, nearest, "{change}");
    }
}

#[test]
fn a_swap_that_did_not_happen_says_which_symlinks_there_are() {
    let hive = r#","inputs":[{"namespace":"s3://lake","name":"wh/orders","facets":{"symlinks":{"_producer":"urn:p","_schemaURL":"urn:s",
        "identifiers":[{"namespace":"hive://h:9083","name":"shop.orders","type":"TABLE"}]}}},{"namespace":"n","name":"bare"}]"#;
    let explained = explained("rules: [{name: a, symlink_to_primary: true}]", &event(hive));
    let left = &explained.steps[0].untouched;
    let of = |name: &str| {
        left.iter()
            .find(|left| left.name.name == name)
            .unwrap()
            .unmet
            .clone()
            .unwrap()
    };
    assert_eq!(of("wh/orders").found, "hive://h:9083 shop.orders TABLE");
    assert!(of("wh/orders").expected.contains("arn:aws*:glue:*"));
    assert_eq!(of("bare").found, "none");
}

#[test]
fn the_warning_of_a_rule_that_never_acts_comes_with_its_step() {
    let explained = explained(
        "rules: [{name: a, symlink_to_primary: {namespace: '*'}}]",
        &event(TWO),
    );
    assert!(
        explained.steps[0].warnings[0].starts_with("it never swaps"),
        "{:?}",
        explained.steps[0].warnings
    );
}

#[test]
fn each_place_of_a_name_says_which_rules_moved_it() {
    let before = event(
        r#","inputs":[{"namespace":"gone","name":"x"},{"namespace":"s3a://lake","name":"raw","facets":{"dataSource":{"_producer":"urn:p","_schemaURL":"urn:s","name":"s3a://lake"}}}],
        "outputs":[{"namespace":"s3a://lake","name":"out"}]"#,
    );
    let text = "rules:\n  - {name: drops, drop_datasets: {namespace: gone}}\n  - {name: moves, rename: {namespace: {map: {'s3a://lake': 's3://lake'}}}}\n  - {name: jobs, rename: {of: job, name: {map: {j: k}}}}\n";
    let explained = explained(text, &before);
    let placed = name_positions(&before, &explained.steps);
    let moved = |pointer: &str| {
        let place = placed.iter().find(|place| place.pointer == pointer);
        let place = place.unwrap_or_else(|| panic!("{pointer}: {placed:?}"));
        place
            .renamed_by
            .iter()
            .map(|(rule, after)| {
                (
                    rule.to_string(),
                    after.as_ref().map(|after| after.namespace.clone()),
                )
            })
            .collect::<Vec<_>>()
    };
    let to = |rule: &str, after: Option<&str>| vec![(rule.to_owned(), after.map(str::to_owned))];
    assert_eq!(moved("/inputs/0"), to("drops", None));
    assert_eq!(moved("/inputs/1"), to("moves", Some("s3://lake")));
    assert_eq!(
        moved("/inputs/1/facets/dataSource/name"),
        to("moves", Some("s3://lake"))
    );
    assert_eq!(moved("/outputs/0"), to("moves", Some("s3://lake")));
    assert_eq!(moved("/job"), to("jobs", Some("n")));
    assert!(placed.iter().any(|place| place.role == Role::Job));
}
