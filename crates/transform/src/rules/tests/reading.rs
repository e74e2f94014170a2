//! Errors of rules files, with their positions and messages.

use super::*;

#[test]
fn every_error_is_reported_with_its_position() {
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
        "3:18: rule \"a\": expected one of run, job, dataset, found \"runs\" (did you mean \"run\"?)",
        "3:29: rule \"a\": expected namespace, name, or both",
        "3:30: rule \"a\": unknown key \"nam\" (did you mean \"name\"?); expected namespace, name",
        "4:31: rule \"a\": expected a map of keys and values, found a list",
        "4:37: rule \"a\": unknown key \"to\"; expected of, only, namespace, name",
        "5:5: rule 2: missing name: what logs and metrics call the rule",
        "5:29: rule 2: expected a new text, found an empty one",
        "6:11: rule 2: expected one action, found rename and drop: make drop a rule of its own",
        "8:27: rule \"a\": expected a regular expression, found \"(\": unclosed group",
        "9:17: rule \"a\": expected one of keep, dead_letter, found \"ignore\"",
        "10:11: rule \"a\": expected true, found \"no\"",
        "12:23: rule \"b\": expected a size such as 100 KB, found \"much\"",
        "13:20: coalesce: expected a time of at most 900s, such as 30s, found \"1h\"",
        "14:1: unknown key \"rule\" (did you mean \"rules\"?); expected version, rules, coalesce, examples",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn a_duplicate_name_and_a_missing_file_are_errors() {
    let text = "rules:\n  - {name: a, drop: true}\n  - {name: a, drop: true}\n  - {name: s, script: {file: s.rhai}}\n  - {name: t, transform: mine}\n";
    let expected = [
        "3:5: rule \"a\": the name is already used by the rule in line 2",
        "4:30: rule \"s\": s.rhai: not found",
        "5:26: rule \"t\": this binary has no transform \"mine\"; it has none",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn a_rule_cannot_have_the_name_of_a_built_in_one() {
    let text = "rules:\n  - name: builtin/size_limit\n    drop: true\n";
    let expected = "2:11: rule 1: expected a name that does not begin with builtin/, as those of the built-in rules do, \
                    found \"builtin/size_limit\"";
    assert_eq!(problems(text), [expected]);
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
        ["1:12: invalid YAML: mismatched bracket '[' closed by '}'"]
    );
}

#[test]
fn an_unknown_group_is_an_error_and_not_an_empty_text() {
    let change = |to: &str| {
        let text = "rules: [{name: a, rename: {name: {regex: '^(?P<stem>.*)_tmp$', to: 'TO'}}}]";
        text.replace("TO", to)
    };
    for to in ["${1}_prod", "$stem", "$stem-x", "$$1_prod", "100 $", "$0"] {
        rules(&change(to));
    }
    for (to, message) in [
        ("$1_prod", "unknown group 1_prod; write ${1}"),
        ("$stem_x", "unknown group stem_x; write ${stem}"),
        ("$$$2", "unknown group 2"),
    ] {
        assert_eq!(
            problems(&change(to)),
            [format!("1:34: rule \"a\": {message}")]
        );
    }
}

#[test]
fn a_missing_value_is_an_error_and_not_a_rule_for_every_event() {
    let text = "rules:\n  - name: a\n    when:\n    drop:\n  - name: b\n    when: {event_type: }\n    drop:\n";
    let expected = [
        "3:5: rule \"a\": missing value for \"when\"",
        "6:12: rule \"b\": missing value for \"event_type\"",
    ];
    assert_eq!(problems(text), expected);
    assert_eq!(problems("rules:\n"), ["1:1: missing value for \"rules\""]);
    let [empty] = problems("# soon\n").try_into().unwrap();
    let empty: String = empty;
    assert!(empty.ends_with("the file is empty; rules: [] means none"));
    assert!(rules("rules: []").is_empty());
}

#[test]
fn a_number_that_yaml_changes_has_to_be_in_quotes() {
    let tags = |tags: &str| format!("rules: [{{name: a, add: {{tags: {{{tags}}}}}}}]");
    for number in ["00123", "1.10"] {
        let message = problems(&tags(&format!("zip: {number}")));
        assert!(message[0].ends_with("put it in quotes"), "{message:?}");
    }
    rules(&tags("zip: '00123', year: 2024"));
}

/// Rules files and all errors of each: a wrong value is not called missing, and no error names what is expected
/// elsewhere.
#[test]
fn an_error_says_what_is_expected_there_and_what_was_found() {
    for (text, message) in [
        ("version: 2", "1:10: expected 1, found 2"),
        ("version: '1'", "1:10: expected 1, found \"1\""),
        (
            "rules: [{name: a, add: {tags: [pii]}}]",
            "1:31: rule \"a\": expected a map of keys and values, found a list",
        ),
        (
            "rules: [{name: a, redact: {pointers: [a]}}]",
            "1:39: rule \"a\": \"a\": a pointer starts with '/' and names a value inside the event",
        ),
        (
            "rules: [{name: a, redact: {pointers: [[a]]}}]",
            "1:39: rule \"a\": expected a string, found a list",
        ),
        (
            "rules: [{name: a, redact: {sql_literals: yes}}]",
            "1:42: rule \"a\": expected true or false, found \"yes\"",
        ),
        (
            "rules: [{name: a, redact: {environment: []}}]",
            "1:41: rule \"a\": an empty list does nothing",
        ),
        (
            "rules: [{name: a, redact: {with: stars}}]",
            "1:27: rule \"a\": expected at least one of sql_literals, connection_secrets, environment, pointers",
        ),
        (
            "rules: [{name: a, add: {environment: [prod]}}]",
            "1:38: rule \"a\": expected a string, found a list",
        ),
        (
            "rules: [{name: a, add: {job_type: {processing_type: [a], integration: b}}}]",
            "1:53: rule \"a\": expected a string, found a list",
        ),
        (
            "rules: [{name: a, add: {owners: {name: [a]}}}]",
            "1:40: rule \"a\": expected a string, found a list",
        ),
        (
            "rules: [{name: a, rename: {name: {regex: a, to: [b]}}}]",
            "1:49: rule \"a\": expected a string, found a list",
        ),
        (
            "rules: [{name: a, rename: {name: {prefix: a}}}]",
            "1:43: rule \"a\": expected a map of keys and values, found \"a\"",
        ),
        (
            "rules: [{name: a, rename: {name: {regex: a, hosts: b, to: c}}}]",
            "1:34: rule \"a\": expected one of map, prefix, regex and hosts, found regex and hosts",
        ),
        (
            "rules: [{name: a, facets: {keep: a, remove: b}}]",
            "1:27: rule \"a\": expected one of keep, remove and cap, found keep and remove",
        ),
        (
            "rules: [{name: a, redshift: {account: 123}}]",
            "1:39: rule \"a\": expected an AWS account of 12 digits, in quotes, found 123",
        ),
        (
            "rules: [{name: a, drop: true, when: {job: {name: {regex: [a]}}}}]",
            "1:58: rule \"a\": expected a string, found a list",
        ),
        (
            "rules: [{name: a, drop: true, examples: [{given: {}, expect_at: [a]}]}]",
            "1:65: rule \"a\": expected a map, found a list",
        ),
    ] {
        assert_eq!(problems(text), [message], "{text}");
    }
}

#[test]
fn the_word_that_was_probably_meant_is_named() {
    for (text, meant) in [
        ("rules: [{name: a, normalize: all}]", "normalise"),
        (
            "rules: [{name: a, drop: true, onFailure: keep}]",
            "on_failure",
        ),
        (
            "rules: [{name: a, drop: true, when: {eventtype: START}}]",
            "event_type",
        ),
        (
            "rules: [{name: a, drop: true, when: {event_type: start}}]",
            "START",
        ),
        (
            "rules: [{name: a, drop: true, when: {target: datzone}}]",
            "datazone",
        ),
        ("rules: [{name: a, strip: partition}]", "partitions"),
        ("rule: []", "rules"),
    ] {
        let message = problems(text).join("\n");
        assert!(
            message.contains(&format!("(did you mean {meant:?}?)")),
            "{text}: {message}"
        );
    }
}
