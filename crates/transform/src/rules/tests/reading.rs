//! What is wrong with rules files, and how it is said.

use super::*;

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
