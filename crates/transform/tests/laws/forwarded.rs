//! Facets that a parent forwards are facets: what an action does to them is what it does to the event's own.

use openlineage::{Event, Json, Level};
use proptest::prelude::*;
use transform::{RuleSet, Verdict, fit};

use crate::actions::ACTIONS;
use crate::check::{READ, applied, kept, rules, value};
use crate::events;
use crate::support::Chance;

const RUN: &str = r#""runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4""#;
const JOB: &str = r#""namespace":"n","name":"j""#;
const HEAD: &str = r#""eventTime":"2026-01-01T00:00:00Z","eventType":"COMPLETE","producer":"urn:p","schemaURL":"urn:s""#;

fn read(text: &str) -> Event {
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

/// An event whose run and job have these facets.
fn own(run: &str, job: &str) -> Event {
    read(&format!(
        r#"{{{HEAD},"run":{{{RUN},"facets":{run}}},"job":{{{JOB},"facets":{job}}}}}"#
    ))
}

/// The ways to where the facets of a run and its job stand when they are forwarded.
const WAYS: [&[&str]; 4] = [
    &["parent"],
    &["parent", "root"],
    &["parentRun"],
    &["parent", "run", "facets", "parent", "root"],
];

/// An event that forwards these facets of its parent, or of another run or job.
fn wrapped(run: &str, job: &str, way: &[&str]) -> Event {
    let mut inner = format!(r#"{{"run":{{{RUN},"facets":{run}}},"job":{{{JOB},"facets":{job}}}}}"#);
    for (depth, key) in way.iter().enumerate().rev() {
        inner = match *key {
            "parent" | "parentRun" if depth == 0 || way[depth - 1] == "facets" => {
                let members = inner.trim_start_matches('{');
                format!(r#"{{"{key}":{{"_producer":"urn:p","_schemaURL":"urn:s",{members}}}"#)
            }
            "root" => format!(r#"{{"run":{{{RUN}}},"job":{{{JOB}}},"root":{inner}}}"#),
            "facets" => format!(r#"{{{RUN},"facets":{inner}}}"#),
            "run" => format!(r#"{{"run":{inner},"job":{{{JOB}}}}}"#),
            other => panic!("{other}"),
        };
    }
    read(&format!(
        r#"{{{HEAD},"run":{{{RUN},"facets":{inner}}},"job":{{{JOB}}}}}"#
    ))
}

fn at<'t>(event: &'t Event, way: &[&str]) -> Option<Json<'t>> {
    event.json().at(way)
}

/// The facets of the run and the job of a made event.
fn facets(seed: u64) -> (String, String) {
    let mut chance = Chance(seed);
    loop {
        let event = events::made(chance.below(1 << 30) as u64);
        let text = |way: &[&str]| at(&event, way).map(|facets| facets.text().to_owned());
        if let (Some(run), Some(job)) = (text(&["run", "facets"]), text(&["job", "facets"])) {
            return (run, job);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn an_action_does_to_forwarded_facets_what_it_does_to_own_ones(seed in any::<u64>()) {
        let (run, job) = facets(seed);
        let own = own(&run, &job);
        for way in WAYS {
            let wrapped = wrapped(&run, &job, way);
            for ((action, _), rules) in ACTIONS.iter().zip(&READ.0) {
                // Facets are added to this run and job only, a pointer names one position, and removing a facet removes all inside.
                if ["add:", "pointers:", "parent: 1 B"].iter().any(|other| action.contains(other)) {
                    continue;
                }
                let (own, wrapped) = (kept(rules, &own), kept(rules, &wrapped));
                for holder in ["run", "job"] {
                    let mut there = vec!["run", "facets"];
                    there.extend(way);
                    there.extend([holder, "facets"]);
                    prop_assert_eq!(
                        at(&own, &[holder, "facets"]).map(Json::text),
                        at(&wrapped, &there).map(Json::text),
                        "{} {:?}", action, way
                    );
                }
            }
        }
    }

    #[test]
    fn a_condition_sees_the_name_of_a_forwarded_facet(seed in any::<u64>()) {
        let (run, job) = facets(seed);
        let own = own(&run, &job);
        for facet in ["custom", "sql", "lineage", "environmentVariables", "spark.*", "none"] {
            let rules = rules("drop: true", &format!("{{facet: '{facet}'}}"));
            let drops = |rules: &RuleSet, event: &Event| matches!(applied(rules, event).verdict, Verdict::Drop { .. });
            for way in WAYS {
                prop_assert_eq!(drops(&rules, &own), drops(&rules, &wrapped(&run, &job, way)), "{}", facet);
            }
        }
    }

    #[test]
    fn a_forwarded_facet_never_keeps_an_event_from_fitting(seed in any::<u64>(), name in "parent|jobDependencies|sql|mine|processing_engine") {
        let (run, job) = facets(seed);
        let large = format!(r#"{{"{name}":{{"_producer":"urn:p","_schemaURL":"urn:s","pad":"{}"}}}}"#, "x".repeat(40_000));
        for way in WAYS {
            for (run, job) in [(&large, &job), (&run, &large)] {
                let event = wrapped(run, job, way);
                let fitted = fit(&event, 40_000).unwrap();
                prop_assert!(fitted.event.text().len() <= 40_000);
                prop_assert_eq!(fitted.event.run_id(), event.run_id());
                let is_it = |cut: &transform::CutFacet| cut.pointer.ends_with(&name) && cut.bytes > 40_000;
                prop_assert!(fitted.cut.iter().any(is_it), "{:?}", fitted.cut);
            }
        }
    }
}

fn fixture(name: &str) -> Event {
    let (_, event) = events::real()
        .into_iter()
        .find(|(known, _)| known == name)
        .unwrap();
    event
}

fn all(rules: &[&str], event: &Event) -> Event {
    rules.iter().fold(event.clone(), |event, action| {
        kept(&crate::check::rules(action, "{}"), &event)
    })
}

const HOME: [&str; 3] = [
    "rename: {of: job, only: {namespace: scheduler-prod}, namespace: production}",
    "rename: {only: {namespace: 'postgres://*'}, namespace: {hosts: [10.4.5.6], to: db.example.com}}",
    "redact: {sql_literals: true, environment: ['*PASSWORD*']}",
];

#[test]
fn what_a_parent_and_a_root_forward_is_renamed_and_redacted() {
    let after = all(&HOME, &fixture("forwarded-parent-facets"));
    for gone in ["scheduler-prod", "10.4.5.6", "9999-", "s3cret-"] {
        assert!(!after.text().contains(gone), "{gone} in {}", after.text());
    }
    for kept in ["where card = ?", "db.example.com:5432", "STORE_PASSWORD"] {
        assert!(after.text().contains(kept), "{kept} in {}", after.text());
    }
}

#[test]
fn a_large_facet_of_a_parent_is_cut_and_the_event_delivered() {
    let small = fixture("forwarded-parent-facets");
    let jobs = r#""jobType": {"#;
    let tree = format!(
        r#""dag_tree": {{"_producer":"urn:p","_schemaURL":"urn:s","tree":"{}"}}, {jobs}"#,
        "x".repeat(330_000)
    );
    assert_eq!(small.text().matches(jobs).count(), 1);
    let large = read(&small.text().replace(jobs, &tree));
    let fitted = fit(&large, 300_000).unwrap();
    let pointers: Vec<&str> = fitted.cut.iter().map(|cut| cut.pointer.as_str()).collect();
    assert_eq!(pointers, ["/run/facets/parent/job/facets/dag_tree"]);
    let (mut expected, mut after) = (value(&small), value(&fitted.event));
    for event in [&mut expected, &mut after] {
        let facets = event["run"]["facets"].as_object_mut().unwrap();
        facets.remove("lineageProxy_cut");
    }
    assert_eq!(after, expected);
}

#[test]
fn the_parent_by_its_old_name_and_the_data_source_move_with_the_rename() {
    let before = fixture("parent-run-and-data-source");
    let after = value(&all(&HOME, &before));
    let facets = &after["run"]["facets"];
    assert_eq!(facets["parent"]["job"], facets["parentRun"]["job"]);
    assert_eq!(facets["parentRun"]["job"]["namespace"], "production");
    let source = &after["inputs"][0]["facets"]["dataSource"];
    assert_eq!(source["name"], "postgres://db.example.com:5432");
    assert_eq!(source["uri"], "postgres://db.example.com:5432/shop");
    assert_eq!(
        facets["externalQuery"]["source"],
        "postgres://db.example.com:5432"
    );
    // The scheduler's own words for its job are not names of the graph.
    assert_eq!(
        facets["airflow"],
        value(&before)["run"]["facets"]["airflow"]
    );
    assert!(
        !after.to_string().contains("scheduler-prod") && !after.to_string().contains("10.4.5.6")
    );
}
