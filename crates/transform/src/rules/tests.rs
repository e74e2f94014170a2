//! Rules files as people write them, and what becomes of events.

use std::collections::HashMap;

use openlineage::Level;

use super::*;
use crate::plugin::{Applied, Failed, Transform, Transforms};

fn sources<'s>(transforms: &'s Transforms) -> Sources<'s> {
    Sources {
        file: &|name| Err(format!("{name}: not found")),
        transforms,
        hash_key: Some(b"0123456789abcdef0123456789abcdef"),
    }
}

fn rules(text: &str) -> Rules {
    Rules::read(text, &sources(&Transforms::new())).unwrap_or_else(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", told.join("\n"))
    })
}

fn problems(text: &str) -> Vec<String> {
    let read = Rules::read(text, &sources(&Transforms::new()));
    read.unwrap_err().iter().map(ToString::to_string).collect()
}

fn event(members: &str) -> Event {
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"urn:s","eventType":"COMPLETE",
        "run":{{"runId":"01a1faa6-e194-708b-a993-cc010cbe1ae4"}},"job":{{"namespace":"n","name":"j"}}{members}}}"#
    );
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn applied(rules: &Rules, event: &Event) -> Transformed {
    let lookups = HashMap::new();
    let facts = Facts {
        target: "store",
        lookups: &lookups,
    };
    rules.apply(event, &facts)
}

fn kept(rules: &Rules, event: &Event) -> Event {
    match applied(rules, event).verdict {
        Verdict::Keep(event) => event,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_that_is_wrong_is_said_with_its_place() {
    let text = "\
rules:
  - name: a
    when: {kind: runs, job: {nam: x}}
    rename: {namespace: {map: [1]}, to: x}
  - rename: {of: job, name: ''}
    drop: true
  - name: a
    when: {facet: {regex: '('}}
    on_failure: ignore
    drop: no
  - name: b
    facets: {cap: {x: much}}
coalesce: {window: 1h}
rule: 1
";
    let expected = [
        "3:18: rule \"a\": expected one of run, job, dataset, not \"runs\"",
        "3:29: rule \"a\": expected namespace, name, or both",
        "3:30: rule \"a\": there is no key \"nam\" here; expected namespace, name",
        "4:31: rule \"a\": expected a map of old and new texts, found a list",
        "4:37: rule \"a\": there is no key \"to\" here; expected of, only, namespace, name",
        "5:5: rule 2: it has no name: logs and counters need one",
        "5:29: rule 2: a name cannot be empty",
        "6:11: rule 2: a second action: one rule, one action",
        "8:27: rule \"a\": no regular expression: unclosed group",
        "9:17: rule \"a\": expected one of keep, dead_letter, not \"ignore\"",
        "10:11: rule \"a\": expected drop: true",
        "12:23: rule \"b\": expected a size such as 100 KB, not \"much\"",
        "13:20: coalesce: expected a time of at most 900s, such as 30s",
        "14:1: there is no key \"rule\" here; expected version, rules, coalesce, examples",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn a_name_that_is_taken_and_a_file_that_is_not_there_are_problems() {
    let text = "rules:\n  - {name: a, drop: true}\n  - {name: a, drop: true}\n  - {name: s, script: {file: s.rhai}}\n  - {name: t, transform: mine}\n";
    let expected = [
        "3:5: rule \"a\": its name is taken: names are what logs and counters call a rule",
        "4:30: rule \"s\": s.rhai: not found",
        "5:26: rule \"t\": this binary has no transform \"mine\"; it has none",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn an_error_in_a_script_points_into_the_file() {
    let block = "rules:\n  - name: a\n    script: |\n      let x = 1;\n      let y = x +;\n";
    assert_eq!(
        problems(block),
        ["5:18: rule \"a\": the script, line 2, column 12: Unexpected ';'"]
    );
    assert_eq!(
        problems("rules: {a: [}"),
        ["1:12: not YAML: mismatched bracket '[' closed by '}'"]
    );
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
    let by = |event: &Event| match applied(&rules, event).verdict {
        Verdict::Drop { rule } => rule.to_string(),
        other => panic!("{other:?}"),
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
    let facts = Facts {
        target: "store",
        lookups: &lookups,
    };
    let explained = rules.explain(&event(""), &facts);
    let misses: Vec<String> = explained
        .steps
        .iter()
        .map(|step| match &step.did {
            Did::NotFor(miss) => format!(
                "{}: {} is to be {}, found {}",
                step.rule, miss.condition, miss.expected, miss.found
            ),
            other => panic!("{other:?}"),
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
fn a_group_that_there_is_not_is_a_problem_and_not_an_empty_text() {
    let change = |to: &str| {
        let text = "rules: [{name: a, rename: {name: {regex: '^(?P<stem>.*)_tmp$', to: 'TO'}}}]";
        text.replace("TO", to)
    };
    for to in ["${1}_prod", "$stem", "$stem-x", "$$1_prod", "100 $", "$0"] {
        rules(&change(to));
    }
    for (to, said) in [
        ("$1_prod", "there is no group 1_prod; write ${1}"),
        ("$stem_x", "there is no group stem_x; write ${stem}"),
        ("$$$2", "there is no group 2"),
    ] {
        assert_eq!(problems(&change(to)), [format!("1:34: rule \"a\": {said}")]);
    }
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
            matches!(&step.did, Did::Failed(why) if why == "a name would become empty"),
            "{action}: {:?}",
            step.did
        );
    }
    let other = rules("rules: [{name: a, rename: {name: y}}]");
    let after = kept(&other, &named);
    assert!(after.text().contains(r#"{"namespace":"","name":"y"}"#));
}

#[test]
fn a_value_that_is_missing_is_a_problem_and_not_a_rule_for_every_event() {
    let text = "rules:\n  - name: a\n    when:\n    drop:\n  - name: b\n    when: {event_type: }\n    drop:\n";
    let expected = [
        "3:5: rule \"a\": when: nothing stands here",
        "6:12: rule \"b\": event_type: nothing stands here",
    ];
    assert_eq!(problems(text), expected);
    assert_eq!(problems("rules:\n"), ["1:1: rules: nothing stands here"]);
    let [empty] = problems("# soon\n").try_into().unwrap();
    let empty: String = empty;
    assert!(empty.ends_with("the file is empty; rules: [] means none"));
    assert!(rules("rules: []").is_empty());
}

#[test]
fn a_number_that_was_written_otherwise_has_to_stand_in_quotes() {
    let tags = |tags: &str| format!("rules: [{{name: a, add: {{tags: {{{tags}}}}}}}]");
    for number in ["00123", "1.10"] {
        let said = problems(&tags(&format!("zip: {number}")));
        assert!(
            said[0].ends_with("expected a text; put it in quotes"),
            "{said:?}"
        );
    }
    rules(&tags("zip: '00123', year: 2024"));
}

/// A transform that does the worst that code can do.
#[derive(Debug)]
struct Bad(&'static str);

impl Transform for Bad {
    fn apply(&self, event: &Event) -> Result<Applied, Failed> {
        match self.0 {
            "panic" => panic!("as told"),
            "rubbish" => Ok(Applied::Changed(event.text().replace("runId", "run"))),
            "no json" => Ok(Applied::Changed("{".into())),
            _ => Err(Failed("as told".into())),
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
        ("panic", "it panicked"),
        ("rubbish", "what it gave is no OpenLineage event: "),
        (
            "no_json",
            "what it gave is no OpenLineage event: json at ''",
        ),
        ("error", "as told"),
    ] {
        let read = |on_failure: &str| {
            let text = format!(
                "rules: [{{name: bad, transform: {name}, on_failure: {on_failure}}}, {{name: after, rename: {{of: job, name: k}}}}]"
            );
            Rules::read(&text, &sources(&transforms)).unwrap()
        };
        let keeping = applied(&read("keep"), &event(""));
        assert!(
            matches!(&keeping.steps[0].did, Did::Failed(reason) if reason.starts_with(why)),
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
            "event.run.runId = \"secret\";",
            "a UUID is expected at '/run/runId'",
        ),
        (
            "event.eventType = \"secret\";",
            "one of the words of the specification is expected at '/eventType'",
        ),
        ("event.remove(\"job\");", "job is missing at '/job'"),
    ] {
        let rules = rules(&format!("rules: [{{name: a, script: '{script}'}}]"));
        let steps = applied(&rules, &event("")).steps;
        let why = format!("what it gave is no OpenLineage event: {why}");
        assert!(
            matches!(&steps[0].did, Did::Failed(reason) if *reason == why),
            "{script}: {steps:?}"
        );
    }
}

#[test]
fn examples_pass_and_fail_for_what_they_say() {
    let rules = rules(
        "
rules:
  - name: s3
    normalise: [s3]
    examples:
      - {name: right, given: {inputs: [{namespace: 's3a://b', name: k}]}, expect: {inputs: [{namespace: 's3://b', name: k}]}}
      - {name: wrong, given: {inputs: [{namespace: 's3a://b', name: k}]}, expect: {inputs: [{namespace: 's3n://b', name: k}]}}
      - {name: at, given: {inputs: [{namespace: 's3a://b', name: k}]}, expect_at: {/inputs/0/name: l}, expect_absent: /inputs/0}
      - {name: same, given: {inputs: [{namespace: 's3://b', name: k}]}, expect_unchanged: true}
  - {name: gone, when: {job: {name: x}}, drop: true, examples: [{given: {job: {name: x}}, expect_dropped: gone}, {name: other, given: {job: {name: y}}, expect_dropped: true}]}
coalesce: {keep_start: false}
examples:
  - {name: one, given: [{eventType: START}, {eventType: COMPLETE}], expect: {eventType: COMPLETE}}
",
    );
    let results: Vec<(String, usize)> = rules
        .examples()
        .iter()
        .map(|example| (example.name.clone(), example.run(&rules).failures.len()))
        .collect();
    let expected = [
        ("right", 0),
        ("wrong", 1),
        ("at", 2),
        ("same", 0),
        ("line 10", 0),
        ("other", 1),
        ("one", 0),
    ];
    let expected: Vec<(String, usize)> = expected.map(|(name, n)| (name.to_owned(), n)).to_vec();
    assert_eq!(results, expected);
}

fn failures(rules: &Rules) -> Vec<String> {
    let results = rules.examples().iter().map(|example| example.run(rules));
    let told = results.map(|result| match result.failures.as_slice() {
        [] => String::new(),
        [.., Failure::Else { expected, found }] => format!("{expected}: {found}"),
        [.., Failure::Value(difference)] => difference.pointer.clone(),
    });
    told.collect()
}

#[test]
fn examples_merge_only_what_the_batch_would() {
    let rules = rules(
        "
rules: [{name: a, rename: {of: job, name: other}}]
coalesce: {keep_start: false, when: {job: {name: j*}, target: store}}
examples:
  - {given: [{eventType: START}, {eventType: COMPLETE}], expect: {eventType: COMPLETE, job: {name: other}}}
  - {target: file, given: [{eventType: START}, {eventType: COMPLETE}], expect: {eventType: COMPLETE}}
  - {given: [{eventType: START, job: {name: k}}, {eventType: COMPLETE, job: {name: k}}], expect: {eventType: COMPLETE}}
",
    );
    let apart = "1 event(s): 2 events went on";
    assert_eq!(failures(&rules), ["", apart, apart]);
}

#[test]
fn examples_say_what_must_not_be_dropped_and_which_numbers_differ() {
    let rules = rules(
        r#"
rules: [{name: a, when: {job: {name: x}}, drop: true}]
examples:
  - {given: {job: {name: x}}, expect_dropped: false}
  - {given: {job: {name: y}}, expect_dropped: false}
  - {given: '{"x": {"a/b": [9007199254740993, 1180591620717411303425]}}', expect_at: {'/x/a~1b/0': 9007199254740993}}
  - {given: '{"x": {"a/b": [9007199254740993, 1180591620717411303425]}}', expect_at: {'/x/a~1b/1': 1180591620717411303424}}
"#,
    );
    let expected = ["not dropped: dropped by \"a\"", "", "", "/x/a~1b/1"];
    assert_eq!(failures(&rules), expected);
}

#[test]
fn an_example_whose_names_nobody_looked_up_says_so() {
    let rules = rules(
        "rules: [{name: a, redshift: {}, examples: [{given: {inputs: [{namespace: 'redshift://wg.eu-west-1:5439', name: d.s.t}]},
          expect_at: {/inputs/0/namespace: x}}]}]",
    );
    let [failure] = failures(&rules).try_into().unwrap();
    let failure: String = failure;
    assert!(
        failure.contains("redshift://wg.eu-west-1:5439: "),
        "{failure}"
    );
}
