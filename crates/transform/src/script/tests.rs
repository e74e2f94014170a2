//! What scripts do to events. What bounds them is in `tests/bounds.rs`.

mod bounds;

use openlineage::{Event, Json, Level, names};
use proptest::prelude::*;

use super::*;

const HEAD: &str = r#""eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/JobEvent","job":{"namespace":"n","name":"j"}"#;

fn event(rest: &str) -> Event {
    let text = format!("{{{HEAD}{rest}}}");
    Event::read(text.as_bytes(), Level::Strict).unwrap().event
}

fn script(text: &str) -> Script {
    Script::compile(text, ScriptLimits::default()).unwrap()
}

fn applied(text: &str, event: &Event) -> Result<TransformOutput, TransformError> {
    script(text).apply(event)
}

/// What the script makes of an event that ends with `rest`, without what comes before.
fn made(text: &str, rest: &str) -> String {
    match applied(text, &event(rest)).unwrap() {
        TransformOutput::Changed(changed) => changed
            .strip_prefix(&format!("{{{HEAD}"))
            .and_then(|tail| tail.strip_suffix('}'))
            .unwrap()
            .to_owned(),
        TransformOutput::Unchanged => rest.to_owned(),
        TransformOutput::Drop => "dropped".to_owned(),
    }
}

const AWKWARD: &str = r#", "n" : [ 1.0, 1e21, -0.0, -0, 1E+2, 0.10, 12345678901234567890123, 4611686018427387905,
  9223372036854775807, 9223372036854775808, 1e999, 0.1000000000000000055511151231257827 ],
  "s":"\u0061\/\ud83d\ude00", "dup":1, "z":null, "dup": {"k":2}, "o":{ }, "a":[ ] , "t":[true,false]"#;

#[test]
fn a_script_that_changes_nothing_leaves_the_event_unchanged() {
    let looked =
        "let x = event.job.name; for n in event.n { x += n.to_string(); } event.s = event.s;";
    assert_eq!(
        applied(looked, &event(AWKWARD)),
        Ok(TransformOutput::Unchanged)
    );
}

#[test]
fn one_changed_member_leaves_every_other_byte() {
    let changed = made("event.z = 7; event.o.p = [];", AWKWARD);
    let expected = AWKWARD
        .replace(r#""z":null"#, r#""z":7"#)
        .replace(r#""o":{ }"#, r#""o":{"p":[]}"#);
    assert_eq!(changed, expected);
}

#[test]
fn what_is_moved_takes_its_text_along() {
    let rest = r#","from":{"z": 1.50, "a" : 12345678901234567890123, "s":"\u0061"},"list":[ 1, {"b":2,"a":1E2}, 3 ]"#;
    assert_eq!(
        made(
            "event.to = event.from; event.remove(\"from\"); event.list.remove(0); event.list[0].c = 1;",
            rest
        ),
        r#","list":[ {"b":2,"a":1E2,"c":1}, 3 ],"to":{"z": 1.50, "a" : 12345678901234567890123, "s":"\u0061"}"#
    );
}

#[test]
fn numbers_that_do_not_fit_are_copied_compared_and_printed() {
    let rest = r#","big":12345678901234567890123,"deep":[1e999]"#;
    assert_eq!(
        made(
            "event.same = event.big == event.big; event.text = `${event.big}`; event.copy = event.deep[0]; event.kind = type_of(event.big)",
            rest
        ),
        format!(
            r#"{rest},"copy":1e999,"kind":"number","same":true,"text":"12345678901234567890123""#
        )
    );
}

#[test]
fn of_duplicated_keys_the_last_is_changed_and_all_are_removed() {
    let rest = r#","d":1,"e":0,"d":2"#;
    assert_eq!(made("event.d = 3", rest), r#","d":1,"e":0,"d":3"#);
    assert_eq!(made("event.remove(\"d\")", rest), r#","e":0"#);
}

#[test]
fn a_script_drops_at_once_even_within_a_function() {
    assert_eq!(
        made(
            "fn f() { drop(); } try { f(); } catch { } throw \"not reached\"",
            ""
        ),
        "dropped"
    );
    assert_eq!(
        made("rename_jobs(event, |id| { drop(); id })", ""),
        "dropped"
    );
}

#[test]
fn what_json_does_not_have_is_a_failure() {
    assert!(applied("event.f = 0.0/0.0", &event("")).is_err());
    let failure = applied("event.f = 0..3", &event("")).unwrap_err();
    assert!(failure.0.contains("which JSON has not"), "{failure}");
}

#[test]
fn every_typed_position_is_renamed_and_no_other() {
    let id = r#""namespace":"old","name":"old""#;
    let typed = |kind: &str, rest: &str| format!(r#"{{"type":"{kind}",{id}{rest}}}"#);
    let inputs = format!("[{},{}]", typed("DATASET", ""), typed("JOB", ""));
    let lineage = format!(r#""inputs":{inputs},"fields":{{"c":{{"inputs":{inputs}}}}}"#);
    let dataset = format!(
        r#"{{{id},"facets":{{"symlinks":{{"identifiers":[{{{id}}}]}},"columnLineage":{{"fields":{{"c":{{"inputFields":[{{{id}}}]}}}},"dataset":[{{{id}}}]}},
        "lineage":{{{lineage}}},"lifecycleStateChange":{{"previousIdentifier":{{{id}}}}},"other":{{"namespace":"keep","name":"keep"}}}}}}"#
    );
    let text = format!(
        r#"{{"eventTime":"2026-01-01T00:00:00Z","producer":"urn:p","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run":{{"runId":"019a2b5c-0000-7000-8000-000000000000","facets":{{"parent":{{"job":{{{id}}},"root":{{"job":{{{id}}}}}}},
        "parentRun":{{"job":{{{id},"facets":{{"lineage":{{"entries":[{}]}}}}}},"run":{{"facets":{{"parent":{{"job":{{{id}}}}}}}}}}},
        "jobDependencies":{{"upstream":[{{"job":{{{id}}}}}],"downstream":[{{"job":{{{id}}}}}]}}}}}},
        "job":{{{id},"facets":{{"lineage":{{"entries":[{},{}]}}}}}},"inputs":[{dataset}],"outputs":[{dataset}],"dataset":{dataset}}}"#,
        typed("DATASET", ""),
        typed("DATASET", &format!(",{lineage}")),
        typed("JOB", &format!(",{lineage}")),
    );
    let root = Json::parse(&text).unwrap();
    let places: std::collections::BTreeSet<_> = names(root).iter().map(|name| name.place).collect();
    assert_eq!(places.len(), 12, "a new place: let scripts have it too");
    let rename = |id: &str| format!("id.namespace = \"{id}\"; id.name = \"{id}\"; id");
    let source = format!(
        "rename_datasets(event, |id| {{ {} }}); rename_jobs(event, |id| {{ {} }});",
        rename("dataset"),
        rename("job")
    );
    let TransformOutput::Changed(changed) = script(&source).run(&text).unwrap() else {
        panic!("nothing was renamed");
    };
    assert_eq!(
        changed
            .matches(r#""namespace":"keep","name":"keep""#)
            .count(),
        3
    );
    let after = names(Json::parse(&changed).unwrap());
    assert_eq!(after.len(), names(root).len());
    for name in after {
        let expected = match name.role {
            openlineage::Role::Dataset => r#""dataset""#,
            openlineage::Role::Job => r#""job""#,
        };
        assert_eq!(
            (name.namespace.text(), name.name.text()),
            (expected, expected),
            "{}",
            name.place
        );
    }
    assert!(!changed.contains("old"));
}

#[test]
fn renaming_can_be_told_more_and_can_leave_a_name() {
    let rest = r#","inputs":[{"namespace":"a","name":"x"},{"namespace":"b","name":"y"}]"#;
    let table = "rename_datasets(event, #{ a: \"A\" }, |id, table| { if id.namespace in table { id.namespace = table[id.namespace]; } id })";
    assert_eq!(made(table, rest), rest.replace(r#""a""#, r#""A""#));
}

#[test]
fn pointers_reach_set_and_remove() {
    let rest = r#","a":{"b":[{"c/d":1},2]}"#;
    assert_eq!(
        made(
            "event.found = get_at(event, \"/a/b/0/c~1d\"); set_at(event, \"/new/x/y\", 1); set_at(event, \"/a/b/-\", 3);
             event.gone = remove_at(event, \"/a/b/1\"); event.none = remove_at(event, \"/a/q/1\");",
            rest
        ),
        r#","a":{"b":[{"c/d":1},3]},"found":1,"gone":true,"new":{"x":{"y":1}},"none":false"#
    );
}

#[test]
fn patterns_find_capture_and_replace() {
    assert_eq!(
        made(
            r#"event.m = matches("s3a://b", "^s3[an]:"); event.c = captures("t_20240101", "_(\\d{4})(x)?"); event.r = regex_replace("a1b22", "\\d+", "<$0>");"#,
            ""
        ),
        r#","c":["_2024","2024",null],"m":true,"r":"a<1>b<22>""#
    );
}

#[test]
fn one_script_serves_many_threads_and_gives_each_the_same() {
    let shared = script(
        "rename_datasets(event, |id| { id.name = regex_replace(id.name, \"_\\\\d+$\", \"\"); id })",
    );
    let event = event(r#","inputs":[{"namespace":"a","name":"t_2024"}]"#);
    let first = shared.apply(&event).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    assert_eq!(shared.apply(&event).as_ref(), Ok(&first));
                }
            });
        }
    });
    assert!(matches!(first, TransformOutput::Changed(text) if text.contains(r#""name":"t"}"#)));
}

/// JSON text with everything that tends to get lost: odd numbers, escapes, white space, duplicated keys.
fn awkward() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        any::<bool>().prop_map(|b| b.to_string()),
        r#""([a-z ]|\\u00e9|\\n|\\/|\\"|\\ud83d\\ude00|ü){0,6}""#,
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let space = "[ \n\t]{0,2}";
        let item = (space, inner.clone(), space).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
        let member = ("[a-d]", space, item.clone())
            .prop_map(|(key, a, value)| format!("{a}\"{key}\"{a}:{value}"));
        prop_oneof![
            proptest::collection::vec(item, 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec(member, 0..5)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn touching_one_member_leaves_all_other_bytes(before in awkward(), after in awkward()) {
        let rest = |x: &str| format!(r#", "before":{before} ,"x": {x}, "after" :{after} "#);
        prop_assert_eq!(made("event.x = `new`", &rest("1")), rest("\"new\""));
    }

    #[test]
    fn a_copy_of_an_object_is_its_text(value in awkward()) {
        let rest = format!(r#","o":{{"v":{value}}}"#);
        prop_assert_eq!(made("event.x = event.o", &rest), format!(r#"{rest},"x":{{"v":{value}}}"#));
    }

    #[test]
    fn changing_some_members_of_an_object_leaves_the_others(value in awkward()) {
        let rest = format!(r#","value":{{"v":{value},"w":1}}"#);
        let text = made("event.value.w = 2; event.value.list = [event.value.v, event.value.v];", &rest);
        let (start, list) = text.split_once(r#","list":"#).unwrap();
        prop_assert_eq!(start, format!(r#","value":{{"v":{value},"w":2"#));
        let list = Json::parse(list.strip_suffix('}').unwrap()).unwrap().items();
        prop_assert_eq!(list.len(), 2);
    }
}
