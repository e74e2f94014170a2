//! Names of data that are the same in every execution.

use super::*;

#[test]
fn logical_names_are_the_same_in_every_execution_and_join_both_sides() {
    let stored_as_df = |uri: &str| match uri {
        "s3://meta/p/poc-development-f1/n1/data/inputs.pb" => {
            // The consumer calls it `df`, the producer `o0`.
            let map: wire::LiteralMap = serde_json::from_value(json!({"literals": {"df": {"scalar": {"structuredDataset": {"uri": "s3://flyte-data/xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"}}}}})).unwrap();
            Ok(prost::Message::encode_to_vec(&map))
        }
        "s3://meta/p/poc-development-f3a1b2c4d5e6f/n0/data/0/outputs.pb" => {
            stored(&format!("{META}/n0/data/0/outputs.pb"))
        }
        _ => Err("NoSuchKey".to_owned()),
    };
    let consumer = task(&json!({"inputUri": "s3://meta/p/poc-development-f1/n1/data/inputs.pb"}));
    let found = extract_with(&consumer, &logical(), stored_as_df);
    assert_eq!(found.findings, []);
    assert_eq!(
        names(&json(&found.events[0])["inputs"]),
        ["flyte://flyte.example.com poc.development.m.n0.o0"]
    );

    let producer = extract(&bodies(FLAVOURS[0])[6], &logical());
    let output = &json(&producer.events[0])["outputs"][0];
    assert_eq!(output["name"], "poc.development.news.workflows.covid.n0.o0");
    assert_eq!(
        output["facets"]["version"]["datasetVersion"],
        "s3://flyte-data/xy/f3a1b2c4d5e6f-n0-0/0a1b2c3d4e5f"
    );
    // What Flyte did not place has a name of its own, by which others know it too.
    let cached = extract(&bodies(FLAVOURS[0])[12], &logical());
    assert_eq!(
        names(&json(&cached.events[0])["outputs"]),
        ["s3://flyte-data xy/old/report.html"]
    );
}

/// The names of the data at URIs that a task has read and written, each the variable of the same place.
fn sides(input: &str, output: &str) -> [Vec<String>; 2] {
    let dataset = |uri: &str| json!({"scalar": {"structuredDataset": {"uri": uri}}});
    let body = task(&json!({
        "inputData": {"literals": {"o0": dataset(input)}},
        "outputData": {"literals": {"o0": dataset(output)}},
    }));
    let found = extract(&body, &logical());
    let event = json(&found.events[0]);
    [names(&event["inputs"]), names(&event["outputs"])]
}

#[test]
fn workflows_that_write_to_prefixes_of_their_own_share_no_name() {
    let at = |prefix: &str, execution: &str, node: &str| {
        format!("s3://flyte-data/{prefix}xy/{execution}-{node}-0/0a1b")
    };
    let cluster = "flyte://flyte.example.com poc.development.m";
    // Two executions of each of two workflows in one module: what n0 writes, n1 reads.
    for (prefix, name) in [
        ("train/", "train/n0.o0"),
        ("score/a/", "score/a/n0.o0"),
        ("", "n0.o0"),
    ] {
        for execution in ["f3a1", "f9z8"] {
            let [read, _] = sides(&at(prefix, execution, "n0"), &at(prefix, execution, "n1"));
            let [_, written] = sides("s3://lake/x", &at(prefix, execution, "n0"));
            assert_eq!(read, [format!("{cluster}.{name}")]);
            assert_eq!(written, read, "both sides know it by one name");
        }
    }
}

#[test]
fn an_input_whose_writer_is_not_known_is_reported() {
    let found = extract(&bodies(FLAVOURS[0])[10], &logical());
    assert_eq!(
        names(&json(&found.events[0])["inputs"]),
        ["flyte://flyte.example.com poc.development.news.workflows.covid.n0.o0"]
    );
    assert_eq!(found.findings[0].rule, FindingRule::UnresolvedName);
}
