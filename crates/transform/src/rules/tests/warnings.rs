//! Rules that can never do anything: what `check` warns of, and where.

use super::*;

fn warnings(text: &str) -> Vec<String> {
    rules(text)
        .warnings()
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// One rule with that action on the second line.
fn of(action: &str) -> Vec<String> {
    warnings(&format!("rules:\n  - {{name: r, {action}}}"))
}

#[test]
fn a_rule_that_can_never_act_is_warned_of_at_its_position() {
    for (action, at, part) in [
        (
            "rename: {namespace: {map: {a: b, c: c}}}",
            "c: c",
            "\"c\" becomes itself",
        ),
        (
            "rename: {namespace: {prefix: {a: a}}}",
            "a: a",
            "\"a\" becomes itself",
        ),
        (
            "rename: {only: {namespace: x}, namespace: x}",
            "x}",
            "\"x\" becomes itself",
        ),
        (
            "rename: {only: {namespace: [b, 'c*']}, namespace: {map: {a: z}}}",
            "a: z",
            "\"a\" is never renamed: only.namespace is b or c*",
        ),
        (
            "rename: {only: {name: db.t}, name: {prefix: {other.: new.}}}",
            "other.:",
            "\"other.\" is never found",
        ),
        (
            "rename: {name: {regex: x, to: '$0'}}",
            "{regex",
            "becomes itself",
        ),
        (
            "rename: {name: {regex: '^x$', to: x}}",
            "{regex",
            "becomes itself",
        ),
        (
            "rename: {namespace: {hosts: [DB, db], to: db}}",
            "{hosts",
            "\"db\" becomes itself",
        ),
        (
            "rename: {namespace: {hosts: ['10.1.2.3:5432'], to: db}}",
            "'10",
            "is never found",
        ),
        (
            "rename: {namespace: {hosts: ['postgres://h'], to: db}}",
            "'post",
            "is never found",
        ),
        (
            "rename: {namespace: {hosts: ['10.1.*'], to: db}}",
            "'10",
            "is never found",
        ),
        (
            "rename: {of: job, name: {hosts: [h], to: db}}",
            "{hosts",
            "no hosts",
        ),
        (
            "symlink_to_primary: {namespace: '*'}",
            "{namespace",
            "never swaps",
        ),
        (
            "symlink_to_primary: {namespace: {regex: '.*'}, name: '**'}",
            "{namespace",
            "never swaps",
        ),
        ("symlink_to_primary: {type: '*'}", "{type", "never swaps"),
        ("symlink_to_primary: {type: VIEW}", "{type", "never swaps"),
        ("facets: {keep: [sql, '*']}", "{keep", "keeps every facet"),
        (
            "facets: {cap: {'*': 1 KB, sql: 1 MB}}",
            "sql: 1",
            "\"sql\" never counts",
        ),
        (
            "add: {facets: {outputStatistics: {rowCount: 1}}}",
            "{outputStatistics",
            "outputStatistics is never added",
        ),
        (
            "add: {tags: {a: b}, overwrite: true}",
            "{tags",
            "overwrite does nothing",
        ),
        (
            "when: {larger_than: 10, smaller_than: 11}, drop: true",
            "{larger",
            "leaves no size",
        ),
        (
            "when: {kind: job, event_type: START}, drop: true",
            "{kind",
            "only run events",
        ),
        (
            "when: {kind: dataset, job: {name: a}}, drop: true",
            "{kind",
            "no job",
        ),
        (
            "when: {inputs: false, input: {name: a}}, drop: true",
            "{inputs",
            "no event meets",
        ),
        (
            "when: {not: {producer: '*'}}, drop: true",
            "{not",
            "every event meets",
        ),
        (
            "when: {any: [{kind: job, event_type: START}]}, drop: true",
            "{any",
            "only run events",
        ),
    ] {
        let found = of(action);
        // The last of its kind on the line.
        let line = format!("  - {{name: r, {action}}}");
        let place = format!("2:{}: rule \"r\": ", line.rfind(at).unwrap() + 1);
        let matches = |warning: &String| warning.starts_with(&place) && warning.contains(part);
        assert!(found.iter().any(matches), "{action}: {found:?}");
    }
}

#[test]
fn rules_behind_one_that_drops_everything_are_never_reached() {
    let found = warnings("rules:\n  - {name: a, drop: true}\n  - {name: b, normalise: all}\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("3:5: ") && found[0].contains("never reached: \"a\""),
        "{found:?}"
    );
    let all_kinds = "rules:\n  - {name: a, when: {kind: [run, job, dataset]}, drop: true}\n  - {name: b, normalise: all}\n";
    assert_eq!(warnings(all_kinds).len(), 1);
}

#[test]
fn a_rule_for_what_an_earlier_one_renames_has_no_name_left() {
    let with = |first: &str, second: &str| {
        warnings(&format!(
            "rules:\n  - {{name: a, {first}}}\n  - {{name: b, {second}}}\n"
        ))
    };
    let map = "rename: {namespace: {map: {x: y, z: x2}}}";
    for second in [
        "rename: {only: {namespace: x}, namespace: w}",
        "drop_datasets: {namespace: [x, z]}",
        "strip: {only: {namespace: x}, parts: all}",
    ] {
        let found = with(map, second);
        assert_eq!(found.len(), 1, "{second}: {found:?}");
        assert!(
            found[0].starts_with("3:5: ") && found[0].contains("no name is left for it: \"a\""),
            "{found:?}"
        );
    }
    for (first, second) in [
        (map, "rename: {only: {namespace: y}, namespace: w}"),
        (map, "rename: {of: job, only: {namespace: x}, namespace: w}"),
        (map, "rename: {only: {namespace: 'x*'}, namespace: w}"),
        (
            "rename: {namespace: {map: {x: y, y: x}}}",
            "drop_datasets: {namespace: x}",
        ),
        (
            "when: {kind: run}, rename: {namespace: {map: {x: y}}}",
            "drop_datasets: {namespace: x}",
        ),
        (
            "rename: {only: {name: t}, namespace: {map: {x: y}}}",
            "drop_datasets: {namespace: x}",
        ),
    ] {
        assert_eq!(
            with(first, second),
            Vec::<String>::new(),
            "{first} {second}"
        );
    }
}

#[test]
fn what_can_act_is_not_warned_of() {
    for action in [
        "rename: {namespace: {map: {a: b, b: a}}}",
        "rename: {only: {namespace: 'x*'}, namespace: x}",
        "rename: {only: {namespace: [x, y]}, namespace: x}",
        "rename: {only: {namespace: 's3*'}, namespace: {map: {s3a: s3}}}",
        "rename: {only: {namespace: 's3a://b'}, namespace: {prefix: {'s3a:': 's3:'}}}",
        "rename: {name: {regex: 'x(.*)', to: 'y${1}'}}",
        "rename: {namespace: {hosts: [db, '[::1]', old], to: db}}",
        "symlink_to_primary: true",
        "symlink_to_primary: {type: TABLE}",
        "symlink_to_primary: {type: LOCATION}",
        "symlink_to_primary: {namespace: 'hive://*', type: VIEW}",
        "symlink_to_primary: {namespace: '*', name: 'shop.*'}",
        "facets: {keep: [sql, 'my*']}",
        "facets: {keep: []}",
        "facets: {cap: {sql: 1 MB, '*': 1 KB}}",
        "add: {facets: {outputStatistics: {rowCount: 1}}, on: output}",
        "add: {documentation: x, overwrite: true}",
        "when: {larger_than: 10, smaller_than: 12}, drop: true",
        "when: {kind: [job, run], event_type: START}, drop: true",
        "when: {inputs: false, output: {name: a}}, drop: true",
        "when: {not: {producer: x}}, drop: true",
        "drop: true",
    ] {
        assert_eq!(of(action), Vec::<String>::new(), "{action}");
    }
}

const HIVE: &str = r#","inputs":[{"namespace":"s3://lake","name":"wh/orders","facets":{"symlinks":{"_producer":"urn:p","_schemaURL":"urn:s",
    "identifiers":[{"namespace":"hive://metastore:9083","name":"shop.orders","type":"TABLE"}]}}}]"#;

#[test]
fn a_symlink_rule_with_a_type_alone_means_any_catalog_and_swaps_once() {
    let table = rules("rules: [{name: a, symlink_to_primary: {type: TABLE}}]");
    let once = kept(&table, &event(HIVE));
    let dataset = once.json().get("inputs").unwrap().items()[0];
    assert_eq!(dataset.get("name").unwrap().text(), "\"shop.orders\"");
    assert!(
        once.text()
            .contains(r#"{"namespace":"s3://lake","name":"wh/orders","type":"LOCATION"}"#)
    );
    assert_eq!(kept(&table, &once), once);
    let location = rules("rules: [{name: a, symlink_to_primary: {type: LOCATION}}]");
    assert_eq!(kept(&location, &once), event(HIVE));
}
