//! `transform explain`: why a rule changed nothing, and which rules change which name.

use super::*;

#[test]
fn explain_reports_unmatched_names_and_the_positions_of_each_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
rules:
  - {name: mysql, rename: {only: {namespace: 'mysql://*'}, namespace: x}}
  - {name: typo, rename: {namespace: {map: {'s3a://lakes': 's3://lakes'}}}}
  - {name: moves, normalise: s3}
  - {name: never, symlink_to_primary: {namespace: '*'}}
";
    let rules = write(folder.path(), "rules.yaml", text);
    let rules = rules.to_str().unwrap();
    let event = event_with(
        1,
        "START",
        r#""inputs":[{"namespace":"s3a://lake","name":"/k"}]"#,
    );
    let file = write(folder.path(), "event.json", &event);
    let file = file.to_str().unwrap();
    let (status, out, err) = run(&["transform", "explain", "--rules", rules, file], &[]);
    assert_eq!(status, Some(0), "{err}");
    for part in [
        "    dataset s3a://lake /k is unchanged: only.namespace\n      expected mysql://*\n      found    s3a://lake\n",
        "    dataset s3a://lake /k is unchanged: namespace.map\n      expected s3a://lakes\n",
        "    warning: it never swaps",
        "  positions of names, and the rules that change them:\n",
        "    dataset s3a://lake /k\n      /inputs/0: moves\n",
        "      /job: unchanged\n",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (_, out, _) = run(
        &[
            "transform",
            "explain",
            "--output",
            "json",
            "--rules",
            rules,
            file,
        ],
        &[],
    );
    let explained: Value = serde_json::from_str(&out).unwrap();
    let left = &explained["rules"][0]["untouched"][0];
    assert_eq!(
        (&left["expected"], &left["found"]),
        (&"mysql://*".into(), &"s3a://lake".into())
    );
    assert_eq!(
        explained["rules"][1]["untouched"][0]["nearest"],
        "s3a://lakes"
    );
    assert!(
        explained["rules"][3]["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("it never swaps")
    );
    let names = explained["names"].as_array().unwrap();
    let dataset = names.iter().find(|name| name["of"] == "dataset").unwrap();
    assert_eq!(dataset["positions"][0]["pointer"], "/inputs/0");
    assert_eq!(dataset["positions"][0]["changed_by"][0]["rule"], "moves");
}
