//! Rules files as people write them, and what becomes of events.

mod examples;
mod explain;
mod reading;
mod redacted;
mod schema;
mod warnings;

use std::collections::HashMap;

use openlineage::Level;

use super::*;
use crate::plugin::{Transform, TransformError, TransformOutput, Transforms};

fn sources<'s>(transforms: &'s Transforms) -> RuleResources<'s> {
    RuleResources {
        file: &|name| Err(format!("{name}: not found")),
        transforms,
        hash_key: Some(b"0123456789abcdef0123456789abcdef"),
        targets: &["store", "file", "openlineage", "datazone"],
    }
}

fn rules(text: &str) -> RuleSet {
    RuleSet::read(text, &sources(&Transforms::new())).unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

fn problems(text: &str) -> Vec<String> {
    let read = RuleSet::read(text, &sources(&Transforms::new()));
    read.unwrap_err().iter().map(ToString::to_string).collect()
}

fn event(members: &str) -> Event {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"COMPLETE",
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"}},"job":{{"namespace":"n","name":"j"}}{members}}}"#
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn applied(rules: &RuleSet, event: &Event) -> Transformation {
    let lookups = HashMap::new();
    let context = Context {
        target: "store",
        lookups: &lookups,
    };
    rules.apply(event, &context)
}

fn kept(rules: &RuleSet, event: &Event) -> Event {
    let verdict = applied(rules, event).verdict;
    let Verdict::Keep(event) = verdict else {
        panic!("{verdict:?}");
    };
    event
}

#[test]
fn an_event_that_no_rule_is_for_is_the_very_text_that_came() {
    let rules = rules("rules: [{name: a, when: {job: {name: other}}, rename: {namespace: x}}]");
    let event = event(r#","inputs":[{"namespace":"s","name":"t","x":1.0}]"#);
    let kept = kept(&rules, &event);
    assert!(Arc::ptr_eq(&kept.shared_text(), &event.shared_text()));
}

#[test]
fn each_rule_sees_what_the_ones_before_it_left() {
    let rules = rules(
        "rules:
           - {name: one, rename: {of: job, name: {map: {j: k}}}}
           - {name: two, when: {job: {name: k}}, rename: {of: job, name: {prefix: {k: l}}}}
           - {name: three, when: {job: {name: j}}, drop: true}",
    );
    let kept = kept(&rules, &event(""));
    assert_eq!(kept.job().unwrap().name, "l");
}

#[test]
fn a_dropped_event_is_dropped_by_the_first_rule_that_says_so() {
    let rules = rules(
        "rules:
           - {name: running, when: {event_type: [START, RUNNING]}, drop: true}
           - {name: idle, when: {datasets: false}, drop: true}
           - {name: all, drop: true}",
    );
    let by = |event: &Event| {
        let verdict = applied(&rules, event).verdict;
        let Verdict::Drop { rule } = verdict else {
            panic!("{verdict:?}");
        };
        rule.to_string()
    };
    assert_eq!(by(&event("")), "idle");
    let busy = event(r#","inputs":[{"namespace":"s","name":"t"}]"#);
    assert_eq!(by(&busy), "all");
}

#[test]
fn conditions_look_at_each_part_of_an_event() {
    let event = event(
        r#","inputs":[{"namespace":"s3://b","name":"in","facets":{"schema":{"_producer":"urn:p","_schemaURL":"urn:s"}}}],
        "outputs":[]"#,
    );
    let holds = |when: &str| {
        let rules = rules(&format!("rules: [{{name: a, when: {when}, drop: true}}]"));
        matches!(applied(&rules, &event).verdict, Verdict::Drop { .. })
    };
    for when in [
        "{kind: run}",
        "{event_type: COMPLETE, inputs: true, outputs: false, datasets: true}",
        "{producer: 'urn:*', target: [datazone, store]}",
        "{job: {namespace: 'n', name: {regex: '^[i-k]$'}}}",
        "{dataset: {namespace: 's3://*'}}",
        "{input: {name: in}}",
        "{facet: sch*}",
        "{larger_than: 100, smaller_than: 1 KB}",
        "{any: [{kind: job}, {kind: run}]}",
        "{not: {kind: job}}",
    ] {
        assert!(holds(when), "{when}");
    }
    for when in [
        "{kind: [job, dataset]}",
        "{event_type: START}",
        "{output: {name: in}}",
        "{dataset: {namespace: 's3://*', name: out}}",
        "{facet: x}",
        "{all: [{kind: job}, {kind: run}]}",
        "{not: {kind: run}}",
        "{target: datazone}",
    ] {
        assert!(!holds(when), "{when}");
    }
}

#[test]
fn an_explanation_names_the_condition_that_is_not_met() {
    let rules = rules(
        "rules:
           - {name: a, when: {kind: run, job: {name: 'x*'}}, drop: true}
           - {name: b, when: {outputs: true}, drop: true}",
    );
    let lookups = HashMap::new();
    let context = Context {
        target: "store",
        lookups: &lookups,
    };
    let explained = rules.explain(&event(""), &context);
    let misses: Vec<String> = explained
        .steps
        .iter()
        .map(|step| {
            let StepOutcome::ConditionUnmet(miss) = &step.outcome else {
                panic!("{:?}", step.outcome);
            };
            format!(
                "{}: {} is to be {}, found {}",
                step.rule, miss.condition, miss.expected, miss.found
            )
        })
        .collect();
    let expected = [
        "a: job is to be name x*, found n j",
        "b: outputs is to be true, found false",
    ];
    assert_eq!(misses, expected);
}

#[test]
fn a_symlink_becomes_the_name_wherever_the_dataset_is_named() {
    let rules = rules("rules: [{name: a, symlink_to_primary: true}]");
    let symlinks = r#""symlinks":{"_producer":"urn:p","_schemaURL":"urn:s","identifiers":[{"namespace":"hive://m","name":"d.t","type":"TABLE"},{"namespace":"arn:aws:glue:eu-west-1:123456789012","name":"table/d/t","type":"TABLE"}]}"#;
    let columns = r#""columnLineage":{"_producer":"urn:p","_schemaURL":"urn:s","fields":{"c":{"inputFields":[{"namespace":"s3://b","name":"w/t","field":"c"}]}}}"#;
    let event = event(&format!(
        r#","inputs":[{{"namespace":"s3://b","name":"w/t","facets":{{{symlinks}}}}}],"outputs":[{{"namespace":"s3://b","name":"o","facets":{{{columns}}}}}]"#
    ));
    let once = kept(&rules, &event);
    let text = once.text();
    assert_eq!(
        text.matches(r#""namespace":"s3://b","name":"w/t""#).count(),
        1,
        "{text}"
    );
    assert!(text.contains(r#""inputFields":[{"namespace":"arn:aws:glue:eu-west-1:123456789012","name":"table/d/t","field":"c"}]"#));
    assert_eq!(kept(&rules, &once).text(), text);
}

#[test]
fn a_symlink_without_a_name_becomes_nobodys_name() {
    let rules = rules("rules: [{name: a, symlink_to_primary: {namespace: 'arn:*'}}]");
    let symlinked = |identifiers: &str| {
        event(&format!(
            r#","inputs":[{{"namespace":"s3://l","name":"w","facets":{{"symlinks":{{"_producer":"urn:p","_schemaURL":"urn:s","identifiers":[{identifiers}]}}}}}}]"#
        ))
    };
    let (empty, whole) = (
        r#"{"namespace":"arn:g","name":"","type":"TABLE"}"#,
        r#"{"namespace":"arn:g","name":"t","type":"TABLE"}"#,
    );
    let alone = symlinked(empty);
    assert_eq!(kept(&rules, &alone).text(), alone.text());
    let both = kept(&rules, &symlinked(&format!("{empty},{whole}")));
    assert!(
        both.text()
            .contains(r#""inputs":[{"namespace":"arn:g","name":"t""#)
    );
}

#[test]
fn datasets_of_one_name_get_each_the_name_in_their_own_symlink() {
    let rules = rules("rules: [{name: a, symlink_to_primary: {namespace: 'arn:*'}}]");
    let dataset = |table: &str| {
        format!(
            r#"{{"namespace":"s3://l","name":"w","facets":{{"symlinks":{{"_producer":"urn:p","_schemaURL":"urn:s","identifiers":[{{"namespace":"arn:g","name":"{table}","type":"TABLE"}}]}}}}}}"#
        )
    };
    let (one, two) = (dataset("one"), dataset("two"));
    let bare = r#"{"namespace":"s3://l","name":"w"}"#;
    let event = event(&format!(r#","inputs":[{one},{bare}],"outputs":[{two}]"#));
    let text = kept(&rules, &event).text().to_owned();
    for table in ["one", "two"] {
        assert!(
            text.contains(&format!(
                r#"{{"namespace":"arn:g","name":"{table}","facets""#
            )),
            "{text}"
        );
    }
    assert!(text.contains(bare), "nobody can say which is meant: {text}");
    assert_eq!(
        text.matches(r#"{"namespace":"s3://l","name":"w","type":"TABLE"}"#)
            .count(),
        2
    );
}

#[test]
fn equal_names_in_other_namespaces_and_columns_called_alike_are_left_alone() {
    // What the AWS sample gets wrong: it renames whatever has that name.
    let rules = rules(
        "rules: [{name: a, rename: {only: {namespace: 'redshift://*'}, namespace: 'redshift://full:5439'}}]",
    );
    let event = event(
        r#","inputs":[{"namespace":"redshift://wg.eu-west-1:5439","name":"db.s.orders"},{"namespace":"postgres://h:5432","name":"db.s.orders",
        "facets":{"schema":{"_producer":"urn:p","_schemaURL":"urn:s","fields":[{"name":"db.s.orders","namespace":"redshift://wg.eu-west-1:5439"}]}}}]"#,
    );
    let text = kept(&rules, &event).text().to_owned();
    assert_eq!(
        text,
        event
            .text()
            .replacen("redshift://wg.eu-west-1:5439", "redshift://full:5439", 1)
    );
}

#[test]
fn datasets_can_be_taken_out_and_the_others_stay() {
    let rules = rules("rules: [{name: a, drop_datasets: {name: 'tmp_*'}}]");
    let event = event(
        r#","inputs":[{"namespace":"s","name":"tmp_1"}, {"namespace":"s","name":"t"}],"outputs":[{"namespace":"s","name":"tmp_2"}]"#,
    );
    let text = kept(&rules, &event).text().to_owned();
    assert!(
        text.ends_with(r#","inputs":[{"namespace":"s","name":"t"}],"outputs":[]}"#),
        "{text}"
    );
}

#[test]
fn a_name_that_would_become_empty_fails_the_rule_whatever_its_action() {
    let named = event(r#","inputs":[{"namespace":"s","name":"tmp"},{"namespace":"","name":"x"}]"#);
    for action in [
        "rename: {name: {regex: '^tmp$', to: ''}}",
        "rename: {name: {prefix: {tmp: ''}}}",
        "script: 'event.inputs[0].name = \"\";'",
    ] {
        let rules = rules(&format!("rules: [{{name: a, {action}}}]"));
        let transformed = applied(&rules, &named);
        let [step] = transformed.steps.as_slice() else {
            panic!("{:?}", transformed.steps);
        };
        assert!(
            matches!(&step.outcome, StepOutcome::Failed(why) if why == "a name would become empty"),
            "{action}: {:?}",
            step.outcome
        );
    }
    let other = rules("rules: [{name: a, rename: {name: y}}]");
    let after = kept(&other, &named);
    assert!(after.text().contains(r#"{"namespace":"","name":"y"}"#));
}

/// A transform that does the worst that code can do.
#[derive(Debug)]
struct Bad(&'static str);

impl Transform for Bad {
    fn apply(&self, event: &Event) -> Result<TransformOutput, TransformError> {
        match self.0 {
            "panic" => panic!("as expected"),
            "rubbish" => Ok(TransformOutput::Changed(
                event.text().replace("runId", "run"),
            )),
            "no json" => Ok(TransformOutput::Changed("{".into())),
            _ => Err(TransformError("as expected".into())),
        }
    }
}

#[test]
fn whatever_a_transform_does_the_event_goes_on_as_its_rule_says() {
    let transforms = Transforms::new()
        .with("panic", |_| Ok(Arc::new(Bad("panic"))))
        .with("rubbish", |_| Ok(Arc::new(Bad("rubbish"))))
        .with("no_json", |_| Ok(Arc::new(Bad("no json"))))
        .with("error", |_| Ok(Arc::new(Bad("error"))));
    for (name, why) in [
        ("panic", "the action panicked"),
        (
            "rubbish",
            "the action returned an invalid OpenLineage event: ",
        ),
        (
            "no_json",
            "the action returned an invalid OpenLineage event: json at ''",
        ),
        ("error", "as expected"),
    ] {
        let read = |on_failure: &str| {
            let text = format!(
                "rules: [{{name: bad, transform: {name}, on_failure: {on_failure}}}, {{name: after, rename: {{of: job, name: k}}}}]"
            );
            RuleSet::read(&text, &sources(&transforms)).unwrap()
        };
        let keeping = applied(&read("keep"), &event(""));
        assert!(
            matches!(&keeping.steps[0].outcome, StepOutcome::Failed(reason) if reason.starts_with(why)),
            "{:?}",
            keeping.steps
        );
        assert!(
            matches!(keeping.verdict, Verdict::Keep(event) if event.job().unwrap().name == "k")
        );
        let dead = applied(&read("dead_letter"), &event(""));
        assert!(matches!(dead.verdict, Verdict::DeadLetter { rule, .. } if &*rule == "bad"));
    }
}

#[test]
fn what_is_no_event_is_told_by_what_is_expected_where_and_quotes_nothing() {
    for (script, why) in [
        (
            "event.job.name = 7;",
            "a string is expected, found number at '/job/name'",
        ),
        (
            "event.eventTime = \"secret\";",
            "an RFC 3339 date-time is expected at '/eventTime'",
        ),
        (
            "event.eventType = \"secret\";",
            "one of the words of the specification is expected at '/eventType'",
        ),
        ("event.remove(\"job\");", "job is missing at '/job'"),
    ] {
        let rules = rules(&format!("rules: [{{name: a, script: '{script}'}}]"));
        let steps = applied(&rules, &event("")).steps;
        let why = format!("the action returned an invalid OpenLineage event: {why}");
        assert!(
            matches!(&steps[0].outcome, StepOutcome::Failed(reason) if *reason == why),
            "{script}: {steps:?}"
        );
    }
}

fn failures(rules: &RuleSet) -> Vec<String> {
    let results = rules.examples().iter().map(|example| example.run(rules));
    let lines = results.map(|result| match result.failures.as_slice() {
        [] => String::new(),
        [.., Failure::Else { expected, found }] => format!("{expected}: {found}"),
        [.., Failure::Value(difference)] => difference.pointer.clone(),
    });
    lines.collect()
}
