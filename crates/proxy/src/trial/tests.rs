use openlineage::Level;
use page::line::rules::{ChangedGraph, ChangedNode, TrialCounts, Within};
use transform::{RuleResources, Transforms};

use super::*;

fn rules(text: &str) -> RuleSet {
    let transforms = Transforms::new();
    let sources = RuleResources {
        file: &|name| Err(format!("{name}: not read")),
        transforms: &transforms,
        hash_key: None,
        targets: &[],
    };
    let text = format!("version: 1\nrules:\n{text}");
    RuleSet::read_trial(&text, &sources).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn event(number: usize, input: &str, output: &str) -> TrialEvent {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"COMPLETE",
        "run":{{"runId":"01a1faa6-e194-708b-a993-000000000001"}},"job":{{"namespace":"etl","name":"job{number}"}},
        "inputs":[{{"namespace":"{input}","name":"orders"}}],"outputs":[{{"namespace":"{output}","name":"facts"}}]}}"#
    );
    TrialEvent {
        id: number.to_string(),
        event: Event::read(text.as_bytes(), Level::Strict).unwrap().event,
    }
}

fn tried(current: &str, new: &str, events: &[TrialEvent]) -> TrialReport {
    let (current, new) = (rules(current), rules(new));
    let rules = TrialRules {
        current: &current,
        tried: &new,
        target: "store",
    };
    trial(rules, events, || false)
}

const NONE: &str = "  []";
const ONE_HOST: &str = r#"
  - name: one host
    rename: {only: {namespace: {regex: "^postgres://10\\..*"}}, namespace: "postgres://db:5432"}
"#;

#[test]
fn spellings_of_a_dataset_that_become_one_are_a_merge_with_its_lineage() {
    let events = [
        event(1, "postgres://10.1.2.3:5432", "out"),
        event(2, "postgres://10.1.2.4:5432", "out"),
        event(3, "postgres://db:5432", "out"),
    ];
    let report = tried(NONE, ONE_HOST, &events);
    let counts = TrialCounts {
        unchanged: 1,
        changed: 2,
        ..TrialCounts::default()
    };
    assert_eq!((report.events, report.counts), (3, counts));
    let [merge] = &report.merges[..] else {
        panic!("{:?}", report.merges);
    };
    assert_eq!((merge.datasets.len(), merge.more), (3, 0));
    assert_eq!(merge.into.namespace, "postgres://db:5432");
    assert!(report.splits.is_empty());
    assert_eq!(report.graph.nodes, (7, 5), "3 jobs, 3 inputs, 1 output");
    assert_eq!(report.graph.edges, (6, 6));
    assert_eq!(report.graph.removed_nodes.some.len(), 2);
    assert!(report.graph.added_nodes.some.is_empty());
    assert_eq!(report.rules[0].rule, "one host");
    assert_eq!((report.rules[0].applied, report.rules[0].changed), (3, 2));
    assert_eq!(report.renames.len(), 2);
    let example = &report.examples[0];
    assert_eq!(example.differences[0].pointer, "/inputs/0/namespace");
    // The other way round, it is a split.
    let back = tried(ONE_HOST, NONE, &events);
    assert!(back.merges.is_empty());
    assert_eq!(back.splits[0].into.len(), 3);
}

fn node<'g>(near: &'g ChangedGraph, namespace: &str) -> (usize, &'g ChangedNode) {
    let mut nodes = near.nodes.iter().enumerate();
    let found = nodes.find(|(_, node)| node.node.name.namespace == namespace);
    found.unwrap_or_else(|| panic!("{namespace}: {near:?}"))
}

#[test]
fn a_picture_of_a_merge_has_what_becomes_one_and_no_loss() {
    let events = [
        event(1, "postgres://10.1.2.3:5432", "out"),
        event(2, "postgres://10.1.2.4:5432", "out"),
        event(3, "postgres://db:5432", "out"),
    ];
    let near = tried(NONE, ONE_HOST, &events).graph.near;
    // Three jobs and their inputs: what they write stays as it is, and is not next to a node that changes.
    assert_eq!((near.nodes.len(), near.more), (6, (0, 0)));
    let (one, into) = node(&near, "postgres://db:5432");
    assert_eq!((into.within, into.from, into.into), (Within::Both, 3, 1));
    for host in ["postgres://10.1.2.3:5432", "postgres://10.1.2.4:5432"] {
        let (_, old) = node(&near, host);
        assert_eq!((old.within, old.from, old.into), (Within::Before, 0, 1));
        assert_eq!(old.becomes, [one]);
    }
    assert_eq!(near.edges.len(), 5, "{:?}", near.edges);
    for edge in &near.edges {
        assert_eq!(edge.is_renamed, edge.within != Within::Both, "{edge:?}");
    }
    // The other way round, one becomes three.
    let back = tried(ONE_HOST, NONE, &events).graph.near;
    let (one, split) = node(&back, "postgres://db:5432");
    assert_eq!((split.from, split.into, split.becomes.len()), (1, 3, 2));
    assert!(!split.becomes.contains(&one));
}

#[test]
fn a_picture_of_dropped_events_has_what_is_lost_beside_what_stays() {
    let events = [event(1, "lake", "out"), event(2, "tmp", "out")];
    let rule = "  - {name: tests, when: {job: {name: job2}}, drop: true}\n";
    let near = tried(NONE, rule, &events).graph.near;
    let lost = |node: &&ChangedNode| node.within == Within::Before;
    let lost: Vec<&str> = near
        .nodes
        .iter()
        .filter(lost)
        .map(|node| &*node.node.name.name)
        .collect();
    assert_eq!(lost, ["job2", "orders"]);
    let (_, kept) = node(&near, "out");
    assert_eq!(kept.within, Within::Both);
    assert!(
        near.nodes.iter().all(|node| node.node.name.name != "job1"),
        "nothing of it changes"
    );
    assert_eq!(near.edges.len(), 2);
    assert!(
        near.edges
            .iter()
            .all(|edge| edge.within == Within::Before && !edge.is_renamed)
    );
}

#[test]
fn a_picture_has_150_nodes_at_most_and_says_how_many_do_not_fit() {
    let events: Vec<TrialEvent> = (0..200)
        .map(|number| {
            event(
                number,
                &format!("postgres://10.0.0.{number}:5432"),
                &format!("out{number}"),
            )
        })
        .collect();
    let near = tried(NONE, ONE_HOST, &events).graph.near;
    assert_eq!(near.nodes.len(), 149, "one more stands for the rest");
    let count =
        |is_in: fn(Within) -> bool| near.nodes.iter().filter(|node| is_in(node.within)).count();
    assert_eq!(
        count(Within::before) + near.more.0,
        400,
        "200 jobs and what they read"
    );
    assert_eq!(count(Within::after) + near.more.1, 201);
    // The one that all become is there, with as many as fit.
    let (one, into) = node(&near, "postgres://db:5432");
    assert_eq!(into.from, 200);
    assert!(near.nodes.iter().any(|node| node.becomes == [one]));
}

#[test]
fn each_event_counts_once_by_what_becomes_of_it_compared_with_the_rules_in_force() {
    let of = |number: usize| format!("when: {{job: {{name: job{number}}}}}");
    let events: Vec<TrialEvent> = (1..=5).map(|number| event(number, "a", "b")).collect();
    let current = format!("  - {{name: old, {}, drop: true}}\n", of(1));
    let new = format!(
        "  - {{name: gone, {}, drop: true}}\n  - {{name: broken, {}, on_failure: dead_letter, script: 'throw \"no\";'}}\n  - {{name: other, {}, rename: {{of: job, name: x}}}}\n",
        of(2),
        of(3),
        of(4)
    );
    let report = tried(&current, &new, &events);
    let counts = TrialCounts {
        unchanged: 1,
        changed: 1,
        dropped: 1,
        restored: 1,
        failed: 1,
    };
    assert_eq!(report.counts, counts);
    let broken = report.rules.iter().find(|rule| rule.rule == "broken");
    assert_eq!(broken.unwrap().failed, 1);
    let outcomes: Vec<_> = report
        .examples
        .iter()
        .map(|it| it.outcome.clone())
        .collect();
    assert_eq!(
        outcomes[0].as_deref(),
        Some("delivered, and not with the rules in force")
    );
    assert_eq!(outcomes[1].as_deref(), Some(r#"dropped by "gone""#));
    assert_eq!(outcomes[3], None);
}

#[test]
fn rules_that_change_nothing_leave_names_and_lineage_as_they_are() {
    let events = [event(1, "a", "b"), event(2, "a", "b")];
    let report = tried(ONE_HOST, ONE_HOST, &events);
    assert_eq!(report.counts.unchanged, 2);
    assert_eq!(report.graph.nodes.0, report.graph.nodes.1);
    assert!(report.renames.is_empty() && report.merges.is_empty() && report.examples.is_empty());
}

#[test]
fn a_trial_ends_when_the_time_is_up_and_a_script_without_end_is_an_error_of_its_event() {
    let endless = "  - {name: endless, script: 'loop {}'}\n";
    let (current, new) = (rules(NONE), rules(endless));
    let trial_rules = TrialRules {
        current: &current,
        tried: &new,
        target: "store",
    };
    let events: Vec<TrialEvent> = (1..=50).map(|number| event(number, "a", "b")).collect();
    let looks = std::cell::Cell::new(0);
    let is_late = || {
        looks.set(looks.get() + 1);
        looks.get() > 6 // before each event, and before its rule
    };
    let report = trial(trial_rules, &events, is_late);
    assert_eq!((report.events, report.is_complete), (3, false));
    assert_eq!((report.rules[0].failed, report.counts.unchanged), (3, 3));
}

#[test]
fn a_trial_ends_between_two_rules_of_an_event() {
    let slow = |number| format!("  - {{name: slow {number}, script: 'loop {{}}'}}\n");
    let (current, new) = (rules(NONE), rules(&(1..=50).map(slow).collect::<String>()));
    let trial_rules = TrialRules {
        current: &current,
        tried: &new,
        target: "store",
    };
    let looks = std::cell::Cell::new(0);
    let is_late = || {
        looks.set(looks.get() + 1);
        looks.get() > 10
    };
    let report = trial(trial_rules, &[event(1, "a", "b")], is_late);
    assert_eq!((report.events, report.is_complete), (0, false));
    assert_eq!(looks.get(), 11, "no rule is applied after the end");
}
