//! Examples that pass, and those that fail for what they say.

use super::*;

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
